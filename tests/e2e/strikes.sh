#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# strikes.sh DIR PORT: over a running deploy/demo, each step of a planned failover and of a test is struck once, by kill -9 of a
# process or by a wire that is pulled, with a real guest. Every run must end right, by what it names to people who wait; the
# guest must be whole and hold what it wrote last; and it never runs twice. TAP; demo_test.sh calls it with UD_TEST_LONG.
# shellcheck disable=SC2034,SC2154,SC1090,SC1091,SC2317 # the demo's files read and set these
set -u
here=${UD_SOURCE_DIR:?}
dir=$1 port=$2
hosts=(lon-a lon-b ams-c)
guests=(sql-01 app-01)
bin=$here/build/demo
url=http://127.0.0.1:$port
mark=$(printf '%s' "$dir" | sha256sum | cut -c1-5)
short=/var/tmp/ud-$mark
for part in processes network api machines once; do . "$here/deploy/demo.d/$part"; done
guest=sql-01

#        kind     phase            who: server, source, target (agents), wire (of the target)
strikes=(
	'planned  quiescing        server'
	'planned  quiescing        source'
	'planned  final_sync       source'
	'planned  final_sync       target'
	'planned  final_sync       wire'
	'planned  failing_over     target'
	'planned  failing_over     server'
	'planned  reversing        source'
	'planned  verifying        target'
	'planned  customer_validation server'
	'test     creating_test_vm target'
	'test     cleaning_up      target'
	'test     cleaning_up      server'
)

# Phases in their order: one that is over before anybody looks is struck in the next.
phases=' precheck quiescing final_sync lease_handover failing_over reversing creating_test_vm verifying customer_validation test_running cleaning_up reprotecting protected_reversed '
is_there() { # PHASE WANTED
	local after=${phases#* "$2" }
	[ "$1" = "$2" ] || [[ " $after " == *" $1 "* ]]
}

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

# ends WHO: kill it, and start it again.
ends() {
	case $1 in
	server)
		end server KILL
		run server "$bin/understudyd" serve --config "$dir/installation/understudyd.conf"
		wait_for 60 server curl -sf -o /dev/null "$url/readyz"
		;;
	wire)
		cut_off "$target"
		wait_for 20 'time without a wire' false >/dev/null 2>&1
		plug_in "$target"
		;;
	source) end "agent-$source" KILL && start_agent "$source" ;;
	target) end "agent-$target" KILL && start_agent "$target" ;;
	esac
}

running() { # how many of the guest's name there are
	local host n=0
	for host in "${hosts[@]}"; do n=$((n + $(machines "$host" "$guest"))); done
	echo "$n"
}

request() {
	local who
	file "$1" "$guest" "$([ "$1" = test ] && echo validate_replication || echo host_maintenance)" approver@demo.example false >/dev/null || return 1
	if [ "$1" = test ]; then
		approve approver@demo.example
	else
		write_last "$guest" || return 1
		for who in approver@demo.example lead@demo.example; do
			step_up "$who"
			approve "$who"
		done
	fi
}

# What a person does who reads what the run waits for.
help_out() { # STATE NOW
	local n
	case $1 in
	test_running) as approver@demo.example POST "/v1/failovers/$run/cleanup-test" '{}' ;;
	customer_validation) as approver@demo.example POST "/v1/failovers/$run/verify" '{"result":"pass"}' ;;
	waiting)
		n=$(jq -r '[.steps[] | select(.state == "waiting")][0].n // empty' <<<"$2")
		[ -z "$n" ] || as lead@demo.example POST "/v1/failovers/$run/steps/$n/retry" '{}'
		;;
	esac >/dev/null 2>&1
}

# drive PHASE WHO: to the end of the run; strikes once, in that phase. Says how it ended.
drive() {
	local until=$((SECONDS + 900)) now state phase struck=
	while [ "$SECONDS" -lt "$until" ]; do
		now=$(call GET "/v1/failovers/$run" 2>/dev/null) || continue
		state=$(jq -r .state <<<"$now")
		phase=$(jq -r '.phase // ""' <<<"$now")
		[ "$(running)" -le 1 ] || { echo 'it ran twice'; return 1; }
		if [ -z "$struck" ] && is_there "$phase" "$1"; then
			struck=$phase
			ends "$2"
			continue
		fi
		case $state in
		protected | solved | failed | rolled_back)
			echo "struck in ${struck:-no phase}, ended $state"
			[ -n "$struck" ]
			return
			;;
		esac
		help_out "$state" "$now"
		read -rt 0.1 <> <(:) || true
	done
	echo "no end: $(jq -c '{state, phase, waiting_for}' <<<"$now")"
	return 1
}

whole() {
	local said
	said=$(guest_says "$guest")
	echo "$said"
	[[ $said == *clean* ]] && [ "$(running)" = 1 ] && [ "$(machines "$source" "$guest - Test")$(machines "$target" "$guest - Test")" = 00 ]
}

strike() { # KIND PHASE WHO
	local relation
	wait_for 300 'replication' replicates
	relation=$(relation_of "$guest")
	source=$(name_of "$(jq -r .source_host_id <<<"$relation")")
	target=$(name_of "$(jq -r .target_host_id <<<"$relation")")
	request "$1" || return 1
	drive "$2" "$3" || return 1
	wait_for 300 'guest agent' guest_talks "$guest"
	whole || return 1
	[ "$1" = test ] || guest_does "$guest" same /data/nonce 1 "$nonce" 0 || return 1
	[ "$(call GET "/v1/failovers/$run" | jq -r .state)" = failed ] || return 0
	# it was called off before the commit: asked for again, it goes through
	request "$1" && drive nothing nobody
	[ "$(call GET "/v1/failovers/$run" | jq -r .state)" = protected ] && whole
}
replicates() { [ "$(relation_of "$guest" | jq -r .state)" = replicating ]; }

know
n=0 bad=0
out=$(mktemp)
for row in "${strikes[@]}"; do
	read -r kind phase who <<<"$row"
	n=$((n + 1))
	began=$SECONDS
	if strike "$kind" "$phase" "$who" >"$out" 2>&1; then
		echo "ok $n - $kind, $phase: $who"
	else
		bad=1
		echo "not ok $n - $kind, $phase: $who"
	fi
	sed 's/^/# /' "$out" | tail -n 8
	echo "# $((SECONDS - began)) s"
done
rm -f "$out"
echo "1..$n"
exit $bad
