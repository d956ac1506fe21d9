#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every page over the demo's data (pages.mjs).
set -u
source=${UD_SOURCE_DIR:?}
bin=${UD_BINARY_DIR:?}
command -v chromium >/dev/null || { echo 'Bail out! chromium is missing: deploy/install-deps test'; exit 1; }
tools=$("$source/tests/tools/install") || { echo 'Bail out! the tools of the tests cannot be installed'; exit 1; }
dir=$(mktemp -d /tmp/understudy-pages.XXXXXX)
server=
finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT
port=$("$source/tests/support/free_ports")
echo 'a Fine and long phrase' >"$dir/password"
"$bin/understudyd" init --dir "$dir/i" --admin-token-file "$dir/token" --demo >/dev/null || exit 1
"$bin/understudyd" demo-seed --config "$dir/i/understudyd.conf" --password-file "$dir/password" >/dev/null || exit 1
printf '[server]\nlisten=127.0.0.1:%s\n[agents]\nlisten=\n[auth]\nrequire_mfa=none\n' "$port" >"$dir/i/conf.d/test.conf"
"$bin/understudyd" serve --config "$dir/i/understudyd.conf" 2>"$dir/log" &
server=$!
curl -s --retry 60 --retry-delay 1 --retry-connrefused -o /dev/null "http://127.0.0.1:$port/readyz"
NODE_PATH=$tools/.. URL=http://127.0.0.1:$port DIR=$dir PHRASE=$(cat "$dir/password") TOOLS=$tools/.. HOME=$dir "$tools/node" "$source/tests/portal/pages.mjs"
