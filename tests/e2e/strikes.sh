#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# strikes.sh DIR PORT [PASS…]: over a running deploy/demo, with a real guest: a run of each kind is struck at every step that can be
# seen to stand, by kill -9 of the server, of the source's or the target's agent, or of the guest's QEMU, or by a wire that is pulled.
# A pass is a kind and who is struck ("planned server"). Each must end right, by what the run names to people who wait; the guest must
# be whole and hold what it wrote last; and it never runs twice. What is called off before the commit is asked for again. TAP, and the
# table of what was struck; demo_test.sh calls it with UD_TEST_LONG.
# shellcheck disable=SC2034,SC2154,SC1090,SC1091,SC2317 # the demo's files read and set these
set -u
here=${UD_SOURCE_DIR:?}
dir=$1 port=$2
shift 2
hosts=(lon-a lon-b ams-c)
guests=(sql-01 app-01)
bin=$here/build/demo
url=http://127.0.0.1:$port
mark=$(printf '%s' "$dir" | sha256sum | cut -c1-5)
short=/var/tmp/ud-$mark
for part in processes network api machines once; do . "$here/deploy/demo.d/$part"; done
guest=sql-01
table=$dir/strikes.txt

# Kind, reason, steps in their order (server/workflow/tables.c; those of the way back are struck when they come).
declare -A reason_of=([test]=validate_replication [planned]=host_maintenance [unplanned]=site_outage)
declare -A steps_of=(
	[test]='precheck test_start check_power check_guest_agent set_addresses check_services check_script test_running cleanup done'
	[planned]='precheck stop_gate stop sync published start_gate commit_epoch promote demote reverse check_power check_guest_agent set_addresses check_services check_script validate reprotect protect done'
	[unplanned]='assess isolate fence evidence start_gate point commit_epoch promote demote check_power check_guest_agent set_addresses check_services check_script validate complete source_return await_reverse reverse protect done'
)
passes=('planned server' 'planned source' 'planned target' 'unplanned server' 'unplanned target' 'test server' 'test target' 'planned qemu'
	'unplanned qemu' 'test qemu' 'planned wire' 'unplanned wire' 'test wire')
[ $# = 0 ] || passes=("$@")
RUNS=5 # a pass asks at most so often: each time it was called off

name_of() { local h; for h in "${hosts[@]}"; do if [ "${host_id[$h]}" = "$1" ]; then echo "$h"; fi; done; }

know() {
	local name
	declare -gA host_id vm_id
	known_network
	for name in "${hosts[@]}"; do host_id[$name]=$(call GET '/v1/hosts?limit=50' | jq -r --arg n "$name" '.data[] | select(.name == $n) | .id'); done
	for name in "${guests[@]}"; do vm_id[$name]=$(vm_named "$name"); done
	customer=$(call GET '/v1/customers?limit=1' | jq -r '.data[0].id')
	for name in approver@demo.example lead@demo.example engineer@demo.example; do sign_in "$name"; done
}

# QEMUs of a name among a host's processes.
qemus() { # HOST NAME
	local pid
	for pid in $(pgrep -f "$short/$1/" || true); do
		if tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "^guest=$2,"; then echo "$pid"; fi
	done
}

# ends WHO KIND: kill it, and start again what does not come back by itself.
ends() {
	local host pid
	case $1 in
	server)
		end server KILL
		run server "$bin/understudyd" serve --config "$dir/installation/understudyd.conf"
		wait_for 60 server curl -sf -o /dev/null "$url/readyz"
		;;
	wire)
		cut_off "$target"
		wait_for 8 'time without a wire' false >/dev/null 2>&1
		plug_in "$target"
		;;
	source | target)
		host=${!1}
		[ "$host" != "$gone" ] && end "agent-$host" KILL && start_agent "$host"
		;;
	qemu)
		for host in "${hosts[@]}"; do
			for pid in $(qemus "$host" "$([ "$2" = test ] && echo "$guest - Test" || echo "$guest")"); do
				kill -KILL "$pid" 2>/dev/null && tail --pid="$pid" -f /dev/null && return 0
			done
		done
		return 1
		;;
	esac
}

running() { # how many of the guest's name there are
	local host n=0
	for host in "${hosts[@]}"; do n=$((n + $(machines "$host" "$guest"))); done
	echo "$n"
}

state_of_host() { call GET "/v1/hosts/${host_id[$1]}" | jq -r .state; }
lost() { [ "$(state_of_host "$1")" = unreachable ]; }

# Ask for a run of KIND, approved by whoever must.
request() {
	local who
	if [ "$1" = test ]; then
		file test "$guest" "${reason_of[test]}" approver@demo.example false >/dev/null && approve approver@demo.example
		return
	fi
	if [ "$1" = planned ]; then
		write_last "$guest" || return 1
	else
		written=$(newest_of "$(guest_says "$guest")")
		wait_for 90 'recovery point after that' newer_point "${vm_id[$guest]}" "$(date -u +%FT%TZ)" || return 1
		gone=$source
		kill_site "$gone" >/dev/null
		wait_for 180 "notice that $gone is unreachable" lost "$gone" || return 1
	fi
	file "$1" "$guest" "${reason_of[$1]}" engineer@demo.example true >/dev/null || return 1
	for who in approver@demo.example lead@demo.example; do
		step_up "$who"
		[ "$1" = planned ] || as "$who" POST "/v1/tickets/$ticket/attest-down" \
			"{\"vm_id\":\"${vm_id[$guest]}\",\"statement\":\"I pulled its power and saw its lights go out.\"}" >/dev/null || return 1
		approve "$who" || return 1
	done
}

# What a person does who reads what the run waits for.
help_out() { # STATE STEP NOW
	local n
	case $1 in
	test_running) as approver@demo.example POST "/v1/failovers/$run/cleanup-test" '{}' ;;
	customer_validation)
		# a guest that died there is started again before anybody calls it good
		if [ "$(running)" = 0 ]; then
			call POST "/v1/vms/${vm_id[$guest]}/start" '{}'
			return
		fi
		as approver@demo.example POST "/v1/failovers/$run/verify" '{"result":"pass"}'
		[ -z "$gone" ] || as lead@demo.example POST "/v1/failovers/$run/commit" '{}'
		;;
	committed_unprotected)
		if [ -n "$gone" ] && [ "$2" = source_return ] && [ -z "$back" ]; then
			back=$gone
			return_site "$gone"
		fi
		[ "$2" != await_reverse ] || as lead@demo.example POST "/v1/failovers/$run/reverse" '{}'
		;;
	waiting)
		n=$(jq -r '[.steps[] | select(.state == "waiting")][0].n // empty' <<<"$3")
		[ -z "$n" ] || as lead@demo.example POST "/v1/failovers/$run/steps/$n/retry" '{}'
		;;
	esac >/dev/null 2>&1
}

# drive KIND WHO: one run to its end; strikes at each step that stands and was not struck in this pass. Sets ended.
drive() {
	local until=$((SECONDS + 900)) now state step
	gone=${gone:-} back=
	while [ "$SECONDS" -lt "$until" ]; do
		now=$(call GET "/v1/failovers/$run" 2>/dev/null) || continue
		state=$(jq -r .state <<<"$now")
		step=$(jq -r '[.steps[] | select(.state == "running" or .state == "waiting")][0].name // ""' <<<"$now")
		[ "$(running)" -le 1 ] || { echo "it ran twice, at $step"; return 1; }
		if [ -n "$step" ] && [[ $struck != *" $step "* ]] && ! { [ "$2" = source ] && [ -n "$gone" ] && [ -z "$back" ]; }; then
			if ends "$2" "$1"; then # there may be no QEMU to kill
				struck="$struck$step "
				[ "$(running)" -le 1 ] || { echo "it ran twice after $step"; return 1; }
				[ "$state" = waiting ] || continue
			fi
		fi
		case $state in
		protected | solved | failed | rolled_back)
			ended=$state
			[ -z "$gone" ] || [ -n "$back" ] || return_site "$gone"
			gone=
			return 0
			;;
		esac
		help_out "$state" "$step" "$now"
		read -rt 0.05 <> <(:) || true
	done
	echo "no end: $(jq -c '{state, phase, waiting_for}' <<<"$now")"
	[ -z "$gone" ] || [ -n "$back" ] || return_site "$gone"
	gone=
	return 1
}

starts_again() { # a guest whose QEMU was killed at its source, in a run that was called off
	[ "$(running)" = 1 ] || call POST "/v1/vms/${vm_id[$guest]}/start" '{}' >/dev/null 2>&1
	guest_talks "$guest"
}

whole() { # KIND
	local said
	wait_for 300 'guest agent' starts_again >/dev/null || return 1
	said=$(guest_says "$guest")
	echo "$said"
	[[ $said == *clean* ]] && [ "$(running)" = 1 ] && [ "$(machines "$source" "$guest - Test")$(machines "$target" "$guest - Test")" = 00 ] || return 1
	case $1 in
	planned) guest_does "$guest" same /data/nonce 1 "$nonce" 0 ;;
	unplanned) [ "$(newest_of "$said")" -ge "$written" ] ;;
	esac
}

# A pass: until a run went to its end with all strikes behind it.
pass() { # KIND WHO
	local relation n
	struck=' ' gone=
	for ((n = 1; n <= RUNS; n++)); do
		wait_for 300 'guest agent' guest_talks "$guest" || return 1
		wait_for 300 'replication' replicates || return 1
		relation=$(relation_of "$guest")
		source=$(name_of "$(jq -r .source_host_id <<<"$relation")")
		target=$(name_of "$(jq -r .target_host_id <<<"$relation")")
		request "$1" || return 1
		drive "$1" "$2" || return 1
		echo "run $n: $ended, struck so far:$struck"
		whole "$1" || return 1
		case $ended in protected | solved) return 0 ;; esac
	done
	return 1
}
replicates() { [ "$(relation_of "$guest" | jq -r .state)" = replicating ]; }

# The steps of a kind, each struck or passed before anybody looked.
row() { # KIND WHO RESULT SECONDS
	local step line=''
	for step in ${steps_of[$1]} $struck; do
		[[ " $line " == *" $step "* || " $line " == *" ($step) "* ]] && continue
		if [[ $struck == *" $step "* ]]; then line="$line $step"; else line="$line ($step)"; fi
	done
	printf '| %s | %s | %s | %s s | %s |\n' "$1" "$2" "$3" "$4" "${line# }" >>"$table"
}

know
n=0 bad=0
out=$(mktemp)
: >"$table"
for one in "${passes[@]}"; do
	read -r kind who <<<"$one"
	n=$((n + 1))
	began=$SECONDS
	if pass "$kind" "$who" >"$out" 2>&1; then
		result=ok
		echo "ok $n - $kind, $who struck at each step"
	else
		bad=1
		result=FAILED
		echo "not ok $n - $kind, $who struck at each step"
	fi
	sed 's/^/# /' "$out" | tail -n 12
	row "$kind" "$who" "$result" "$((SECONDS - began))"
done
rm -f "$out"
sed 's/^/# /' "$table"
echo "1..$n"
exit $bad
