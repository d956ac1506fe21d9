#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The whole api suite once more, on SQLite, with every call by way of `prism proxy --errors` over the
# specification: what the server answers must be in it, and what it does not allow the server must refuse.
# Only with UD_TEST_LONG; UD_TEST_ONLY=tickets_test,… plays these alone.
# shellcheck disable=SC2317 # functions are called by name
set -u
[ -n "${UD_TEST_LONG:-}" ] || {
	echo '1..0 # SKIP the long run does it (UD_TEST_LONG)'
	exit 0
}
bin=${UD_BINARY_DIR:?}
tools=$("${UD_SOURCE_DIR:?}/tests/tools/install" prism) || exit 1
export PATH="$tools:$PATH" NO_COLOR=1 UD_TEST_DATABASE=sqlite CMOCKA_MESSAGE_OUTPUT=TAP
dir=$(mktemp -d /tmp/understudy-prism.XXXXXX)
proxy=
switchboard=
finish() {
	[ -z "$proxy" ] || kill "$proxy" "$switchboard" 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT

# The session's cookie has its other name here: the harness's server speaks plain HTTP.
"$bin/understudyd" openapi | sed 's/__Host-us_session/us_session/' >"$dir/openapi.json" || exit 1
read -r server port < <("$UD_SOURCE_DIR/tests/support/free_ports" 2)
python3 "$UD_SOURCE_DIR/tests/support/switchboard.py" "$server" "$dir/target" &
switchboard=$!
prism proxy --errors --cors false --verboseLevel error --port "$port" "$dir/openapi.json" "http://127.0.0.1:$server" \
	>"$dir/prism.log" 2>&1 &
proxy=$!
curl -s --retry 120 --retry-delay 1 --retry-connrefused -o /dev/null "http://127.0.0.1:$port/there-is-none" || {
	cat "$dir/prism.log"
	exit 1
}
export UD_TEST_PROXY=http://127.0.0.1:$port UD_TEST_TARGET=$dir/target

n=0
bad=0
for program in "$bin"/tests/api_*_test; do
	name=${program##*/api_}
	case ",${UD_TEST_ONLY:-$name}," in *",$name,"*) ;; *) continue ;; esac
	n=$((n + 1))
	began=$SECONDS
	"$program" >"$dir/out" 2>&1
	code=$?
	grep '^# proxy:' "$dir/out"
	if [ "$code" = 0 ]; then
		echo "ok $n - $name by way of the specification ($((SECONDS - began)) s)"
	else
		bad=1
		echo "not ok $n - $name by way of the specification ($((SECONDS - began)) s)"
		grep -v '^ok ' "$dir/out" | sed 's/^/# /' | cut -c1-1500 | head -n 60
	fi
done
echo "1..$n"
exit $bad
