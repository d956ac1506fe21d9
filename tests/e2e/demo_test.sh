#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# deploy/demo as a newcomer would: start it, look, start it again, stop it.
# shellcheck disable=SC2317 # functions are called by name
set -u
source=${UD_SOURCE_DIR:?}
dir=$(mktemp -d /tmp/understudy-demo.XXXXXX)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
finish() {
	"$source/deploy/demo" --dir "$dir" --stop >/dev/null
	rm -rf "$dir"
}
trap finish EXIT
n=0
bad=0
check() {
	local name=$1
	shift
	n=$((n + 1))
	if "$@" >"$dir/out" 2>&1; then
		echo "ok $n - $name"
	else
		bad=1
		echo "not ok $n - $name"
		sed 's/^/# /' "$dir/out" | tail -n 10
	fi
}
get() { curl -sS --fail -H "Authorization: Bearer $(cat "$dir/token")" "http://127.0.0.1:$port$1"; }
sign_in() {
	curl -sS --fail -H 'Content-Type: application/json' "http://127.0.0.1:$port/v1/sessions" \
		-d "{\"email\":\"$1\",\"password\":\"$(cat "$dir/password")\"}" -o /dev/null
}
gone() { ! curl -s -o /dev/null "http://127.0.0.1:$port/healthz"; }

check "it starts" "$source/deploy/demo" --dir "$dir" --port "$port"
cp "$dir/out" "$dir/said"
check "it says that there are no VMs yet" grep -q 'no VMs' "$dir/said"
check "its token works and the customer is there" bash -c "$(declare -f get); dir=$dir port=$port; get /v1/customers | grep -q 'Demo Ltd'"
check "the administrator signs in" sign_in admin@demo.example
check "the customer signs in" sign_in customer@demo.example
check "the reference page is served" get /docs
check "Prometheus' own tool finds nothing wrong with the metrics" bash -c "curl -sS http://127.0.0.1:$port/metrics | promtool check metrics"
check "it starts again over itself" "$source/deploy/demo" --dir "$dir" --port "$port"
check "with what was there" bash -c "$(declare -f get); dir=$dir port=$port; get /v1/sites | grep -q '\"lon\"'"
check "it stops" "$source/deploy/demo" --dir "$dir" --stop
check "and is gone" gone
echo "1..$n"
exit $bad
