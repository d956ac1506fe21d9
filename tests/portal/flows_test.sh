#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The portal's flows over deploy/demo, whose hosts and guests are real: flows.mjs. UD_TEST_LONG tells all of them, UD_SHOTS=DIR
# keeps pictures.
set -u
source=${UD_SOURCE_DIR:?}
command -v chromium >/dev/null || { echo 'Bail out! chromium is missing: deploy/install-deps test'; exit 1; }
tools=$("$source/tests/tools/install") || { echo 'Bail out! the tools of the tests cannot be installed'; exit 1; }
dir=$(mktemp -d /tmp/understudy-flows.XXXXXX)
port=$("$source/tests/support/free_ports" 1 100 110) || exit 1 # agents and replication are counted from it
finish() {
	for host in par-a ber-a; do "$source/tests/portal/newcomer" "$dir" "$port" "$host" stop || true; done
	"$source/deploy/demo" --dir "$dir" --stop >/dev/null
	rm -rf "$dir"
}
trap finish EXIT
"$source/deploy/demo" --dir "$dir" --port "$port" >"$dir.said" 2>&1 || {
	sed 's/^/# /' "$dir.said"
	echo 'Bail out! the demo does not start'
	rm -f "$dir.said"
	exit 1
}
rm -f "$dir.said"
UD_BINARY_DIR=$source/build/demo NODE_PATH=$tools/.. URL=http://127.0.0.1:$port DIR=$dir PHRASE=$(cat "$dir/password") TOOLS=$tools/.. HOME=$dir \
	"$tools/node" "$source/tests/portal/flows.mjs"
