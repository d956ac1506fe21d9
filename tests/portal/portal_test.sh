#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The portal in Debian's Chromium against a real server: prepares one, then portal.mjs drives it. UD_SHOTS=DIR keeps a
# screenshot of every page.
set -u
here=$(cd "$(dirname "$0")" && pwd)
bin=${UD_BINARY_DIR:?}
command -v chromium >/dev/null || { echo 'Bail out! chromium is missing: deploy/install-deps test'; exit 1; }
tools=$("$here/../tools/install") || { echo 'Bail out! the tools of the tests cannot be installed'; exit 1; }
dir=$(mktemp -d /tmp/understudy-portal.XXXXXX)
server=
finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT
port=$("$UD_SOURCE_DIR/tests/support/free_ports")
echo 'a Fine and long phrase' >"$dir/password"
"$bin/understudyd" init --dir "$dir/i" --admin-email admin@example.net --admin-password-file "$dir/password" \
	--admin-token-file "$dir/token" >/dev/null || exit 1
printf '[server]\nlisten=127.0.0.1:%s\n[agents]\nlisten=127.0.0.1:0\n[auth]\nrequire_mfa=none\n' "$port" >"$dir/i/conf.d/test.conf"
"$bin/understudyd" serve --config "$dir/i/understudyd.conf" 2>"$dir/log" &
server=$!
curl -s --retry 50 --retry-delay 1 --retry-connrefused -o /dev/null "http://127.0.0.1:$port/readyz"
NODE_PATH=$tools/.. URL=http://127.0.0.1:$port DIR=$dir TOOLS=$tools/.. HOME=$dir "$tools/node" "$here/portal.mjs"
