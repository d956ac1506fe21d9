# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What stories in shell share: an installation of their own with its server, and cases as TAP. Sourced after `name=WORD`; the
# caller makes conf.d/test.conf (configure), starts the server (serve), and ends with `finish`.
set -u
bin=${UD_BINARY_DIR:?}
dir=$(mktemp -d "/tmp/understudy-${name:?}.XXXXXX")
processes=()
leave() {
	for process in "${processes[@]}"; do kill "$process" 2>/dev/null; done
	rm -rf "$dir"
}
trap leave EXIT
export XDG_CONFIG_HOME=$dir/config
unset UNDERSTUDY_TOKEN UNDERSTUDY_OUTPUT UNDERSTUDY_CONTEXT
read -r port < <("$UD_SOURCE_DIR/tests/support/free_ports")
export UNDERSTUDY_URL=http://127.0.0.1:$port
echo 'a Fine and long phrase' >"$dir/password"
touch "$dir/log"
"$bin/understudyd" init --dir "$dir/i" --admin-email admin@example.net --admin-password-file "$dir/password" \
	--admin-token-file "$dir/token" >/dev/null || exit 1

# configure [LINES…]: the installation's own file; nobody needs a second factor, and there are no agents
configure() {
	printf '%s\n' '[server]' "listen=127.0.0.1:$port" '[agents]' 'listen=' '[auth]' 'require_mfa=none' "$@" >"$dir/i/conf.d/test.conf"
}
serve() {
	"$bin/understudyd" serve --config "$dir/i/understudyd.conf" 2>>"$dir/log" &
	server=$!
	processes+=("$server")
	curl -s --retry 50 --retry-delay 1 --retry-connrefused -o /dev/null "$UNDERSTUDY_URL/readyz"
}

n=0
bad=0
# check NAME CONDITION…: one case.
check() {
	local name=$1
	shift
	n=$((n + 1))
	if "$@" >"$dir/out" 2>"$dir/err"; then
		echo "ok $n - $name"
	else
		bad=1
		echo "not ok $n - $name"
		sed 's/^/# /' "$dir/out" "$dir/err" | tail -n 10
		tail -n 5 "$dir/log" | sed 's/^/# /'
	fi
}
finish() {
	echo "1..$n"
	exit "$bad"
}
u() { "$bin/understudy" "$@" </dev/null; }
# exits CODE COMMAND…: the command ends with this code.
exits() {
	local want=$1 got
	shift
	u "$@"
	got=$?
	[ "$got" = "$want" ] || {
		echo "exit code $got, not $want" >&2
		return 1
	}
}
# says TEXT CODE COMMAND…: the same, and its outputs hold the text.
says() {
	local text=$1
	shift
	exits "$@" >"$dir/said" 2>&1
	local code=$?
	cat "$dir/said"
	grep -q "$text" "$dir/said" && return "$code"
}
# is_json [PROGRAM]: standard input is one JSON text, and the program makes true of it. jq -e alone is content with an
# empty input, and -s makes a list of none of it.
is_json() {
	tee "$dir/json" | jq -es "length == 1 and (.[0] | ${1:-true})" >/dev/null && return
	head -c 2000 "$dir/json" >&2
	return 1
}
# holds PROGRAM COMMAND…: the command's answer as JSON satisfies a jq program.
holds() {
	local program=$1
	shift
	u "$@" -o json | is_json "$program"
}
database() { sqlite3 -cmd '.timeout 10000' "$dir/i/understudy.db" "$1"; }
