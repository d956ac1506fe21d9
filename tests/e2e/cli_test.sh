#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The command line against a real server: every exit code, formats, names, help, completions, the manual page.
# shellcheck disable=SC1091,SC2034,SC2154,SC2317 # server.sh is sourced; functions are called by name
name=cli
. "$(dirname "$0")/server.sh"
configure
serve
login() { "$bin/understudy" auth login --token-stdin <"$dir/token"; }
password_login() { printf 'admin@example.net\na Fine and long phrase\n' | "$bin/understudy" auth login --context person; }
mode_is_private() { [ "$(stat -c %a "$XDG_CONFIG_HOME/understudy/config.json")" = 600 ]; }
plain() { ! u "$@" | grep -q $'\033'; }

check "without a token nothing is allowed" exits 4 customer list
check "a token comes from standard input" login
check "its file is nobody else's" mode_is_private
check "an ordinary call ends with 0" exits 0 customer list
check "the reference names who is signed in" bash -c "'$bin/understudy' auth status | grep -q 'first token'"
check "a person signs in by password" password_login
# somebody signs in here by a code that is approved there; the person's own token is the one that approves
by_device() {
	local line code
	coproc DEVICE { exec timeout 60 "$bin/understudy" auth login --device --context device </dev/null 2>&1; }
	local pid=$DEVICE_PID
	read -r -t 60 line <&"${DEVICE[0]}"
	code=${line##*code }
	code=${code%.}
	u api POST "/v1/oauth/device/$code/$1" "${@:2}" --context person | is_json '.client_name | startswith("understudy on")'
	wait "$pid"
}
check "a code is approved by somebody who is signed in" by_device approve -f 'scopes=["*"]'
check "then this is who they are" holds '.email == "admin@example.net"' auth status --context device
refused() { by_device deny; [ $? = 4 ]; }
check "a code that is refused ends with 4" refused
u context use person
check "a role that may do it is told so" holds '.allowed and .command == "host create" and .scope == "hosts:write"' auth can create host
check "with 0" exits 0 auth can create host
check "one that may not is told who may" says customer_approver 4 auth can agree-to-deletion replication
check "as the server says when it is tried" says 'needs one of these roles: customer_approver' 4 api POST /v1/replications/rpl_01k5s00000000000000000000a/agree-to-deletion -f reason=x
check "what is no command has no answer" exits 2 auth can ride pony
check "nor has a verb alone" exits 2 auth can create
check "contexts are listed" bash -c "'$bin/understudy' context list | grep -q '^\* person'"
check "and changed" exits 0 context use default
chmod 644 "$XDG_CONFIG_HOME/understudy/config.json"
check "a file that others can read is refused" exits 2 customer list
chmod 600 "$XDG_CONFIG_HOME/understudy/config.json"
check "a site is created" exits 0 site create --name London --code lon --kind provider_dc --time-zone Europe/London
site=$(u site show lon -o json | jq -r .id)
check "a thing is found by its name" [ "${site#sit_}" != "$site" ]
check "a host is created with a label" exits 0 host create --name lon-a --site-id "$site" --hypervisor kvm --label rack=r1
check "a field is changed" exits 0 host edit lon-a --memory-bytes 8589934592
check "the change is there" [ "$(u host show lon-a -o json | jq .memory_bytes)" = 8589934592 ]
u host edit lon-a --unset memory_bytes >/dev/null
check "a field is set to null" holds '.memory_bytes == null' host show lon-a
check "an unknown command ends with 2" exits 2 frobnicate
check "an unknown flag ends with 2" exits 2 host list --colour red
check "a missing thing ends with 3" exits 3 host show nothing
check "a clash ends with 5" exits 5 host create --name lon-a --site-id "$site" --hypervisor kvm
check "a stale version ends with 5" exits 5 api PATCH "/v1/sites/$site" -f name=x --if-match '"v99"'
check "bad input ends with 6" exits 6 host create --name 'no good' --site-id "$site" --hypervisor kvm
check "an unreachable server ends with 9" exits 9 host list --url http://127.0.0.1:1
check "deleting asks" exits 2 host delete lon-a
# add_operation ID KIND STATE: what a handler would have stored; nobody knows how to do it. The server sees it
# after its next commit.
add_operation() {
	sqlite3 -cmd '.timeout 10000' "$dir/i/understudy.db" "INSERT INTO operations(id, version, created_at, updated_at, labels,
		kind, state, progress_percent, fence, owner, owned_until) VALUES ('$1', 1, 1790000000000, 1790000000000, '{}',
		'$2', '$3', 0, 1, 'somebody', 9790000000000)"
}
add_operation op_01K5S00000000000000000000A unheard_of queued
add_operation op_01K5S00000000000000000000B unheard_of running
u vm create --name twin >/dev/null
u vm create --name twin >/dev/null
check "an ambiguous name lists the candidates" bash -c "'$bin/understudy' vm show twin 2>&1 | grep -c vm_ | grep -qx 2"
check "an ambiguous name ends with 2" exits 2 vm show twin
u ip block create --prefix 203.0.113.0/28 --kind public --site-id "$site" >/dev/null
check "an address is taken by the block's name" exits 0 ip block allocate-address 203.0.113.0/28 --note web
check "a dry run changes nothing" bash -c "'$bin/understudy' vm create --name dry --dry-run && ! '$bin/understudy' vm list -o name | grep -qx dry"
check "an operation is waited for" exits 0 customer create --name Acme --account-number A-1 --time-zone UTC
check "an export ends" exits 0 customer export Acme --wait=60
check "an operation that fails ends with 7" says '"code": *"internal"' 7 operation wait op_01K5S00000000000000000000A --timeout 60s -o json
check "one that takes too long ends with 8, and says how to go on" says 'understudy operation wait op_01K5S00000000000000000000B' \
	8 operation wait op_01K5S00000000000000000000B --timeout 1s
for format in table wide json yaml csv name; do
	check "hosts are listed as $format" exits 0 host list -o $format
done
check "an unknown format ends with 2" exits 2 host list -o xml
check "the format comes from the environment" bash -c "UNDERSTUDY_OUTPUT=name '$bin/understudy' host list | grep -qx lon-a"
for list in customer site host vm network user service-account subscription event audit operation ticket queue calendar sla approval-policy standing-order ticket-category policy replication recovery-point; do
	check "$list list is valid JSON" holds "(.data | type) == \"array\"" "$list" list
done
check "the log of who did what goes into a file" exits 0 audit export --file "$dir/audit.jsonl"
check "and is found intact without a server" says 'intact' 0 verify "$dir/audit.jsonl"
key=$(u evidence signing-keys -o json | jq -r '.data[0].public_key')
check "by the key of the installation" exits 0 verify "$dir/audit.jsonl" --key "$key"
sed 3d "$dir/audit.jsonl" >"$dir/dropped.jsonl"
check "a dropped record is found" says 'line 3: The chain breaks here' 7 verify "$dir/dropped.jsonl"
sed '4s/"type":"/&x/' "$dir/audit.jsonl" >"$dir/changed.jsonl"
check "a changed record is found" says 'line 4: This record was changed' 7 verify "$dir/changed.jsonl"
sed '$d' "$dir/audit.jsonl" >"$dir/cut.jsonl"
check "an end that was cut off is found" says 'are missing' 7 verify "$dir/cut.jsonl"
# METHOD PATH: the answer has the members that the specification names, and those alone
fits() {
	u api "$@" --raw | PYTHONPATH=$(dirname "$0")/../support python3 -c '
import json, sys, openapi
s = openapi.Specification(sys.argv[1])
schema = s.answer(s.find(sys.argv[2], sys.argv[3]))[2]
if not s.resolve(schema).get("properties"): sys.exit("no schema")
found = s.errors(json.load(sys.stdin), schema)
sys.exit("\n".join(found) or 0)' "$(dirname "$0")/../../api/openapi.json" "$1" "${2%%\?*}"
}
for path in events audit-records audit-records/export audit-records/verify customers sites hosts vms users operations; do
	check "the answer of $path is as the specification says" fits GET "/v1/$path"
done
check "so is one event" fits GET "/v1/events/$(u event list -o json | jq -r '.data[0].id')"
check "and one audit record" fits GET "/v1/audit-records/$(u audit list -o json | jq -r '.data[0].id')"
check "a pipe gets no colour" plain host list
check "all pages come with --all" bash -c "[ \$('$bin/understudy' vm list --limit 1 --all -o name | wc -l) = 2 ]"
command=$(u host edit lon-a --cpu-count 8 --explain)
explained() { UNDERSTUDY_TOKEN=$(cat "$dir/token") sh -c "$command" | is_json '.cpu_count == 8'; }
check "what --explain prints does the same" explained
cat >"$dir/sites.json" <<-end
	[{"body": {"name": "Turin", "code": "trn", "kind": "provider_dc", "time_zone": "Europe/Paris"}}, {"body": {"name": "Rome"}},
	 {"body": {"name": "Nice", "code": "nce", "kind": "provider_dc", "time_zone": "Europe/Paris"}}]
end
check "of many calls in one each is told, and the first that failed gives the exit code" \
	says '1 *422 .*validation_failed' 6 site batch --items "@$dir/sites.json"
check "those that can be done are done" bash -c "'$bin/understudy' site list -o name | grep -cx 'Turin\|Nice' | grep -qx 2"
check "a batch comes through a pipe" bash -c "jq '[.[0]] | .[].body.code = \"orly\"' <'$dir/sites.json' | '$bin/understudy' site batch --items - -o json | jq -e '.results[0].status == 201'"
check "what is no list is refused at once" exits 2 site batch --items '{}'
pages() { u api GET '/v1/vms?limit=1' --paginate | is_json '.data | length == 2'; }
check "api calls as they are, page by page" pages
check "auth token is token" says '^.data' 0 auth token list --jq '".data"'
check "and revoke is delete" exits 3 auth token revoke tok_01k5s00000000000000000000a --yes
u vm create --name gone >/dev/null
check "a name that is typed again confirms a deletion" exits 0 vm delete gone --confirm gone
check "a name that is not the one does not confirm" exits 2 site delete lon --confirm par
check "auth whoami is whoami" says '^object *service_account$\|^object *user$' 0 auth whoami
shown() { TZ=UTC u host list -c name,created_at "$@" | sed -n 2p; }
zoned() { # 5 hours and 45 minutes ahead, without summer time
	local there here
	there=$(shown --time-zone Asia/Kathmandu) here=$(shown)
	case $there in *' +05:45') ;; *) return 1 ;; esac
	[ "$(date -ud "$(echo "$there" | cut -d' ' -f2-)" +%FT%T)" = "$(echo "$here" | awk '{ print substr($2, 1, 19) }')" ]
}
check "--time-zone shows what clocks show there" zoned
check "and JSON stays UTC" holds '.data[0].created_at | endswith("Z")' host list --time-zone Asia/Kathmandu
check "--utc stands before it" bash -c "'$bin/understudy' host list -c created_at --time-zone Asia/Kathmandu --utc | sed -n 2p | grep -q 'Z$'"
check "a zone that is none ends with 2" exits 2 host list --time-zone Middle/Earth
check "where it is a field it stays one" exits 0 site edit lon --time-zone Asia/Kathmandu
check "the screen says how things are" says 'My tickets' 0 status
check "also to programs" holds '.protection.replications == 0 and (.tickets | length) == 0 and .object == "status"' status
check "a topic explains itself" says 'interrupted' 0 help exit-codes
broken_off() { # the wait is interrupted once it has said where it is
	local line rc
	coproc WAIT { exec "$bin/understudy" operation wait op_01K5S00000000000000000000B --timeout 60s 2>&1; }
	local pid=$WAIT_PID
	read -r -t 60 line <&"${WAIT[0]}" || { kill "$pid"; return 1; }
	exec {from}<&"${WAIT[0]}"
	kill -INT "$pid"
	grep -q 'understudy operation wait op_01K5S00000000000000000000B' <&"$from" || return 1
	wait "$pid"
	rc=$?
	exec {from}<&-
	[ "$rc" = 130 ]
}
check "a wait that is broken off says how to go on" broken_off
check "an answer goes through jq" says '^lon-a$' 0 host list --jq '.data[].name'
check "numbers stay JSON" says '^{"n":1}$' 0 host list --jq '{n: (.data | length)}'
check "the raw call takes jq, too" says '^lon-a$' 0 api GET /v1/hosts --jq '.data[0].name'
check "what is no jq program is refused" says 'jq' 2 host list --jq '.data['
check "objects come beside their ids" says '^London$' 0 host show lon-a --expand site --jq .site.name
# shows lon-a at 8 processors and, once that is seen, sets it to 9 and waits for that
watches() {
	local line want=8
	coproc WATCH { exec "$bin/understudy" host show lon-a --watch --jq .cpu_count </dev/null; }
	local pid=$WATCH_PID
	while read -r -t 60 line <&"${WATCH[0]}" && [ "$line" = "$want" ]; do
		[ "$want" = 9 ] && { kill "$pid"; wait "$pid" 2>/dev/null; return 0; }
		want=9
		u host edit lon-a --cpu-count 9 >/dev/null
	done
	kill "$pid"
	return 1
}
check "what is watched is shown again when it changes" watches
check "help explains a command" bash -c "'$bin/understudy' help network create | grep -q -- --vlan"
check "help lists everything" bash -c "'$bin/understudy' help | grep -q 'ip block allocate-address'"
u help --man >"$dir/understudy.1"
check "the manual page is clean" bash -c "mandoc -Tlint -Wwarning '$dir/understudy.1'"
for shell in bash zsh fish; do
	u completion $shell >"$dir/completion.$shell"
	check "the completion of $shell is well-formed" $shell -n "$dir/completion.$shell"
done
check "completion knows the next words" bash -c "'$bin/understudy' __complete ip block | grep -qx allocate-block"
check "completion knows flags" bash -c "'$bin/understudy' __complete host create | grep -qx -- --site-id"
check "a ticket is opened without a key of one's own" exits 0 ticket create --type incident --subject 'It is slow' --severity high --site-id "$site"
number=$(u ticket list -o json | jq -r '.data[0].number')
check "its name is its number" says "^$number\$" 0 ticket list -o name
check "a ticket is found by its number" holds '.severity == "high"' ticket show "$number"
check "somebody says something" exits 0 ticket comment "$number" --body 'We are looking.'
check "and it is read" holds '.data[0].body == "We are looking."' ticket thread "$number"
comment=$(u ticket thread "$number" -o json | jq -r '.data[0].id')
check "what one said is changed, by the version that the list has" holds '.body == "We look."' ticket comments edit "$number" "$comment" \
	--body 'We look.'
check "there is no such comment" exits 3 ticket comments edit "$number" tco_01k5s00000000000000000000a --body x
check "the customer is asked" exits 0 ticket info "$number" --question 'Since when?'
check "what the state does not allow ends with 5" exits 5 ticket reopen "$number"
check "there are forms for what is asked for" holds '.data | any(.key == "certificate")' ticket-form list
check "one is filled in on the line" holds '.form.values.common_name == "a.example.net" and .subject == "A certificate"' ticket create \
	--type request --form '{"key": "certificate", "values": {"common_name": "a.example.net"}}'
echo '{"key": "certificate", "values": {"common_name": "b.example.net", "days": 3}}' >"$dir/form.json"
check "or in a file, and what does not fit is told" says 'There is no field days here' 6 ticket create --type request --form "@$dir/form.json"
check "what is no object is refused at once" exits 2 ticket create --type request --form '[]'
printf 'a\0b\n' >"$dir/trace 1.bin"
check "a file is attached" exits 0 ticket attach "$number" "$dir/trace 1.bin"
file=$(u ticket attachments list "$number" -o json | jq -r '.data[0].id')
check "under its own name" holds '.filename == "trace 1.bin"' ticket attachments show "$number" "$file"
check "and comes back as it was" bash -c "'$bin/understudy' ticket attachments download '$number' '$file' | cmp - '$dir/trace 1.bin'"
check "a file that is not there ends with 2" exits 2 ticket attach "$number" "$dir/nothing"
check "a queue has figures" holds '.pending_customer == 1' queue stats Support
check "a watch that takes too long ends with 8" says "understudy ticket watch $number" 8 ticket watch "$number" --timeout 0
# a watch that runs while the ticket is called off: it ends by itself
u ticket watch "$number" --timeout 60 >"$dir/watched" 2>&1 &
watcher=$!
u ticket cancel "$number" >/dev/null
wait "$watcher"
check "a watch ends with the ticket" [ $? = 0 ]
check "and has told what happened" bash -c "grep -q ticket.info_requested '$dir/watched' && grep -q ticket.canceled '$dir/watched'"
check "a program takes no ticket" exits 4 queue next Support
check "a host is deleted" exits 0 host delete lon-a --yes
# a replication as agents would have brought it up, of a VM with a name of its own
u host create --name lon-b --site-id "$site" --hypervisor kvm >/dev/null
u vm create --name sql-01 --host-id "$(u host show lon-b -o json | jq -r .id)" >/dev/null
u host create --name ams-a --site-id "$site" --hypervisor kvm >/dev/null
check "what stands in the way of a copy is told" says 'no_replication_address' 0 vm protect sql-01 --target-host-id \
	"$(u host show ams-a -o json | jq -r .id)" --schedule-interval-seconds 30 --recovery-points-kept 3 \
	--rpo-target-seconds 60 --rto-target-seconds 600 --dry-run -o json
check "and refused by the call itself" exits 6 vm protect sql-01 --target-site-id "$site" --schedule-interval-seconds 30 \
	--recovery-points-kept 3 --rpo-target-seconds 60 --rto-target-seconds 600
check "a policy is created" exits 0 policy create --name gold --schedule-interval-seconds 30 --rpo-target-seconds 60 \
	--rto-target-seconds 600
check "a VM that is not replicated has no points" exits 3 replication points sql-01
sqlite3 -cmd '.timeout 10000' "$dir/i/understudy.db" "INSERT INTO replications(id, version, created_at, updated_at, labels, vm_id, leg,
	source_host_id, target_host_id, wanted, state, state_since, health, schedule_interval_seconds, rpo_target_seconds,
	rto_target_seconds, recovery_points_kept, compression, authentication, excluded_disk_ids, initial_method, auto_resync,
	generation, health_since, window_started_at, window_cycles_total, window_cycles_missed)
	SELECT 'rpl_01k5s00000000000000000000a', 1, 1, 1, '{}', v.id, 'primary', a.id, b.id, 'active', 'replicating', 1, 'normal', 30,
	60, 600, 3, 'auto', 'certificate', '[]', 'network', 1, 1, 1, 1, 0, 0 FROM vms v, hosts a, hosts b
	WHERE v.name = 'sql-01' AND a.name = 'lon-b' AND b.name = 'ams-a';
	INSERT INTO replication_ends(replication_id, role, host_id, observed_at, state, newest_point_age_ms, bytes_sent)
	SELECT id, 'source', source_host_id, $(date +%s%3N) + 3600000, 'replicating', 12000, 1500000 FROM replications"
u site create --name Paris --code par --kind provider_dc --time-zone UTC >/dev/null # the server's next commit
vm=$(u vm show sql-01 -o json | jq -r .id)
acme=$(u customer show Acme -o json | jq -r .id)
u vm edit sql-01 --customer-id "$acme" >/dev/null
check "a failover is looked at before it is asked for" says '^Predicted  downtime .* RTO ' 6 failover request planned sql-01 \
	--reason host_maintenance --dry-run
check "and what stands in the way is told" says '^Blocker  ' 6 failover request planned sql-01 --reason host_maintenance --dry-run
check "one without a reason is refused, but for a test" says 'reason_code is required' 6 failover request planned sql-01 --dry-run
check "the way home is looked at" exits 6 failover preview-failback sql-01
check "nothing was filed" holds '[.data[] | select(.type == "failover")] == []' ticket list
check "a kind that there is not ends with 2" exits 2 failover request sideways sql-01
check "a recovery plan is made" exits 0 plan create --name erp --customer-id "$acme" --members "[{\"vm_id\": \"$vm\", \"group\": 1}]"
check "nothing is due without a schedule" says Nothing 0 drill due
check "its drills get a schedule" exits 0 drill schedule erp --every 30
check "and a day in the calendar" says 'SUMMARY:Drill of erp' 0 drill calendar --ics
check "it is no longer due than it is" holds '.data[0] | .plan == "erp" and (.overdue | not)' drill calendar
sqlite3 -cmd '.timeout 10000' "$dir/i/understudy.db" "UPDATE recovery_plans SET created_at = created_at - 31 * 86400000"
u site create --name Rome --code rom --kind provider_dc --time-zone UTC >/dev/null # the server's next commit
check "an overdue drill is named" holds '.data[0] | .plan == "erp" and .overdue' drill due
check "a drill of the plan is looked at by its name" says '"failover_kind": "test"' 6 drill run erp --dry-run -o json
check "the schedule is given up" exits 0 drill schedule erp --never
check "then no day is left" bash -c "! '$bin/understudy' drill calendar --ics | grep -q VEVENT"
check "drills that were run are listed" says Nothing 0 drill list
check "all replications are seen as they go" says 'sql-01 *primary *ams-a *replicating .*12 s' 0 replication top
check "twice, with what was sent between" says '0 B/s' 0 replication top --count 2 --interval 1
# files: what there is to be, shown, tried, done once
mkdir "$dir/files"
cat >"$dir/files/1-site.json" <<'JSON'
[{"object": "site", "name": "Oslo", "code": "osl", "kind": "provider_dc", "time_zone": "Europe/Oslo"},
 {"object": "host", "name": "osl-a", "hypervisor": "kvm", "site": "osl", "cpu_count": 8}]
JSON
cat >"$dir/files/2-policy.json" <<'JSON'
{"object": "policy", "name": "gold", "schedule_interval_seconds": 30, "rpo_target_seconds": 90, "rto_target_seconds": 600}
JSON
check "files are compared with what there is" holds '[.data[] | .action] == ["create", "create", "change"]
	and .data[2].fields == {rpo_target_seconds: {from: 60, to: 90}}' diff -f "$dir/files"
check "for people, too" says '^    rpo_target_seconds: 60 -> 90$' 0 diff -f "$dir/files"
check "a dry run asks the server and changes nothing" says 'Nothing was changed' 0 apply -f "$dir/files" --dry-run
check "so that all is still to do" says '^2 to create, 1 to change, 0 as they are' 0 diff -f "$dir/files"
check "nobody is asked without a terminal: then it needs --yes" exits 2 apply -f "$dir/files"
check "it is done" says 'host osl-a created' 0 apply -f "$dir/files" --yes
check "as the files say, names become ids" holds '.site.code == "osl" and .cpu_count == 8' host show osl-a --expand site
check "a second time there is nothing to do" says '^0 to create, 0 to change, 3 as they are' 0 apply -f "$dir/files" --yes
u policy show gold -o json | jq '.note = "the best"' >"$dir/gold.json"
check "what was shown can be changed and given back" says '^    note: null -> "the best"$' 0 apply -f "$dir/gold.json" --yes
# the version that was compared is sent: somebody else's change in between is not lost
echo '{"object": "policy", "name": "gold", "note": "better"}' >"$dir/gold.json"
stale() {
	local curl
	curl=$(u apply -f "$dir/gold.json" --yes --explain | grep '^curl') || return 1
	u policy edit gold --note 'by hand' >/dev/null || return 1
	UNDERSTUDY_TOKEN=$(cat "$dir/token") sh -c "$curl" | is_json '.code == "stale_version"'
}
check "somebody else's change is not lost" stale
echo '[{"object": "policy", "name": "gold", "note": "fine"}, {"object": "host", "name": "osl-a", "hypervisor": "hyperv"}]' >"$dir/fixed.json"
check "what the server refuses is said before anything is changed" says 'hypervisor is set at creation' 6 apply -f "$dir/fixed.json" --yes
check "so that nothing was" holds '.note == "by hand"' policy show gold
echo '{"object": "host", "name": "osl-b", "hypervisor": "kvm", "sight": "osl"}' >"$dir/wrong.json"
check "a field that there is not is named" says 'host has no field sight' 2 diff -f "$dir/wrong.json"
echo '{"object": "pony", "name": "x"}' >"$dir/wrong.json"
check "a kind that there is not is named" says 'nothing is made that is called pony' 2 diff -f "$dir/wrong.json"
echo '{"object": ' >"$dir/wrong.json"
check "a file that is no JSON is named with its line" says 'wrong.json:[12]:' 2 diff -f "$dir/wrong.json"
echo '{"object": "policy", "name": "tin", "schedule_interval_seconds": 1, "rpo_target_seconds": 60, "rto_target_seconds": 600}' >"$dir/wrong.json"
check "what the server refuses ends with 6, tried or done" exits 6 apply -f "$dir/wrong.json" --dry-run
check "and makes nothing" exits 3 policy show tin
printf 'name,site,hypervisor,cpu_count,labels\r\nosl-c,osl,kvm,16,"{""rack"": ""r1, left""}"\r\nosl-d,osl,kvm,,\r\n' >"$dir/hosts.csv"
check "a table is looked at first" says '^2 to create' 0 import csv host "$dir/hosts.csv" --preview
check "then nothing is there" exits 3 host show osl-c
check "a table is taken in" says 'host osl-d created' 0 import csv host "$dir/hosts.csv" --yes
check "with quotes and empty cells" holds '.labels.rack == "r1, left" and .cpu_count == 16' host show osl-c
check "once" says '^0 to create, 0 to change, 2 as they are' 0 import csv host "$dir/hosts.csv" --yes
printf 'name,site,hypervisor\nosl-e,osl,kvm\nosl e,osl,kvm\n' >"$dir/hosts.csv"
check "a row that is refused is named" says "hosts.csv:3: host osl e" 6 import csv host "$dir/hosts.csv" --preview
printf 'name,cpu_count\nx,many\n' >"$dir/hosts.csv"
check "so is a cell that does not fit" says 'hosts.csv:2: many is no value of cpu_count' 2 import csv host "$dir/hosts.csv" --preview
check "a host is made at a site by its code" holds ".site_id == \"$site\"" host create --name by-code --site-id lon --hypervisor kvm
check "and found by it" bash -c "'$bin/understudy' host list --site-id lon -o name | grep -qx by-code"
check "a VM is given to a customer by its name" exits 0 vm create --name by-name --customer-id Acme
check "a name that nothing has ends with 3" exits 3 vm create --name by-name-2 --customer-id Nobody
# taken TEXT LINES…: with these lines in its configuration a server does not start, and says so
taken() {
	local text=$1
	shift
	configure "$@"
	timeout 30 "$bin/understudyd" serve --config "$dir/i/understudyd.conf" >"$dir/said" 2>&1
	if [ $? != 1 ] || ! grep -q "$text" "$dir/said"; then
		cat "$dir/said"
		return 1
	fi
}
check "a second server does not share the port of the first" taken "127.0.0.1:$port: Address already in use"
read -r free < <("$UD_SOURCE_DIR/tests/support/free_ports")
check "nor do agents get the portal's" taken "127.0.0.1:$free: Address already in use" '[server]' "listen=127.0.0.1:$free" '[agents]' "listen=127.0.0.1:$free"
configure
check "a replication goes by its VM's name" says rpl_01k5s00000000000000000000a 0 replication show sql-01 -o name
check "so do its points" exits 0 replication points sql-01
check "it has no third host" exits 3 replication show sql-01/extended
check "protection is taken away by the VM's name" says replication_remove 0 vm unprotect sql-01 -o json
check "and then there is none" exits 3 replication show sql-01
finish
