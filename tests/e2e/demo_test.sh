#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# deploy/demo as a newcomer would: everything from nothing with real guests, a test, a planned and an unplanned failover to
# the end, a look around, and all gone afterwards.
# shellcheck disable=SC2317 # functions are called by name
set -u
source=${UD_SOURCE_DIR:?}
dir=$(mktemp -d /tmp/understudy-demo.XXXXXX)
port=$("$source/tests/support/free_ports" 1 100 110) || exit 1 # agents and replication are counted from it
out=$(mktemp)
finish() {
	"$source/deploy/demo" --dir "$dir" --stop >/dev/null
	rm -rf "$dir" "$out"
}
trap finish EXIT
n=0
bad=0
check() {
	local name=$1
	shift
	n=$((n + 1))
	if "$@" >"$out" 2>&1; then
		echo "ok $n - $name"
	else
		bad=1
		echo "not ok $n - $name"
		sed 's/^/# /' "$out" | tail -n 25
	fi
}
get() { curl -sS --fail -H "Authorization: Bearer $(cat "$dir/token")" "http://127.0.0.1:$port$1"; }
sign_in() {
	curl -sS --fail -H 'Content-Type: application/json' "http://127.0.0.1:$port/v1/sessions" \
		-d "$(jq -n --arg e "$1" --rawfile p "$dir/password" '{email: $e, password: ($p | rtrimstr("\n"))}')" -o /dev/null
}
# soon COMMAND…: it becomes true within two minutes
soon() {
	local until=$((SECONDS + 120))
	until "$@"; do
		[ "$SECONDS" -lt "$until" ] || return 1
		read -rt 0.2 <> <(:) || true
	done
}
once() {
	"$source/deploy/demo" --dir "$dir" --port "$port" --once >"$dir.said" 2>&1
	local code=$?
	cat "$dir.said"
	return "$code"
}
said() { grep "^ok .*$1" "$dir.said"; }
metrics() { curl -sS "http://127.0.0.1:$port/metrics" | promtool check metrics; }
solved() { [ "$(get '/v1/tickets?type=failover&state=solved' | jq '.data | length')" = 4 ]; }
protected() { [ "$(get '/v1/replications?state=replicating' | jq '.data | length')" = 2 ]; }
nothing_left() {
	! pgrep -f "/var/tmp/ud-[0-9a-f]*/.*$(basename "$dir")" && ! curl -s -o /dev/null "http://127.0.0.1:$port/healthz" &&
		[ -z "$(pgrep -f "$dir/")" ]
}

check "it runs a test, a planned and an unplanned failover to the end, and the way home" once
for what in 'test failover' 'planned failover' 'unplanned failover' 'way home' 'evidence of the test' 'evidence of the unplanned'; do
	check "the $what proved right" said "$what"
done
# docs/failover-matrix.md says what each line is
for line in 'A4.5 reverse' 'A4.10' 'A4.11 test' 'A4.11 planned' 'A4.11 unplanned' 'A4.11 way home' 'A4.12a test: one copy' \
	'A4.12a test: a second one' 'A4.12a test: no copy' 'A4.12a planned' 'A4.12a unplanned' 'A4.12b test' 'A4.12b unplanned' 'A4.13 test' \
	'A4.13 planned' 'A4.13 unplanned' 'A4.14 test' 'A4.14 planned' 'A4.14 unplanned' 'A4.14 way home' 'A4.15 test' 'A4.15 planned' \
	'A4.15 unplanned' 'A4.16 every kind' 'A4.16 after a virus'; do
	check "$line" said "$line"
done
sed -n 's/^ok  */# /p' "$dir.said"
check "all four tickets are solved" solved
check "both guests are protected again" soon protected
check "the administrator signs in" sign_in admin@demo.example
check "the customer signs in" sign_in approver@demo.example
check "the reference page is served" get /docs
check "the portal is served" get /app
check "Prometheus' own tool finds nothing wrong with the metrics" metrics
if [ -n "${UD_TEST_LONG:-}" ]; then
	check "each step that is struck ends right" "$source/tests/e2e/strikes.sh" "$dir" "$port"
	sed 's/^/# /' "$out"
fi
check "it stops" "$source/deploy/demo" --dir "$dir" --stop
check "and nothing of it is left" soon nothing_left
rm -f "$dir.said"
echo "1..$n"
exit $bad
