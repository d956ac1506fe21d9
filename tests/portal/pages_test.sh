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
"$bin/understudyd" init --dir "$dir/i" --admin-email operator@provider.example --admin-password-file "$dir/password" --admin-token-file "$dir/token" --demo >/dev/null ||
	exit 1
"$bin/understudyd" demo-seed --config "$dir/i/understudyd.conf" --password-file "$dir/password" >/dev/null || exit 1
python3 - "$dir/i/understudy.db" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
# what takes a stolen identity and a cut line: an agent that is doubted, a machine that a second host claims
db.execute("UPDATE agents SET state = 'quarantined', may_promote = 0, alarm = 'Two runs of this agent were seen.'"
           " WHERE host_id = (SELECT id FROM hosts WHERE name = 'fra-g')")
db.execute("UPDATE vms SET lease_gate = 'conflict' WHERE name = 'ae-web-03'")
db.execute("INSERT INTO epoch_claims SELECT v.id, r.target_host_id, v.epoch + 1, v.updated_at, 0 FROM vms v"
           " JOIN replications r ON r.vm_id = v.id WHERE v.name = 'ae-web-03' AND r.leg = 'primary'")
db.commit()
PY
printf '[server]\nlisten=127.0.0.1:%s\n[agents]\nlisten=\n[auth]\nrequire_mfa=none\n' "$port" >"$dir/i/conf.d/test.conf"
"$bin/understudyd" serve --config "$dir/i/understudyd.conf" 2>"$dir/log" &
server=$!
curl -s --retry 60 --retry-delay 1 --retry-connrefused -o /dev/null "http://127.0.0.1:$port/readyz"
NODE_PATH=$tools/.. URL=http://127.0.0.1:$port DIR=$dir PHRASE=$(cat "$dir/password") TOOLS=$tools/.. HOME=$dir "$tools/node" "$source/tests/portal/pages.mjs"
