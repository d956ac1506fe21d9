#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How quick the portal is (measures.mjs): over a demo whose tickets are made 10,000.
set -u
source=${UD_SOURCE_DIR:?}
bin=${UD_BINARY_DIR:?}
command -v chromium >/dev/null || { echo 'Bail out! chromium is missing: deploy/install-deps test'; exit 1; }
tools=$("$source/tests/tools/install") || { echo 'Bail out! the tools of the tests cannot be installed'; exit 1; }
dir=$(mktemp -d /tmp/understudy-measures.XXXXXX)
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
python3 - "$dir/i/understudy.db" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
columns = [c[1] for c in db.execute("PRAGMA table_info(tickets)")]
rows = db.execute("SELECT * FROM tickets WHERE type <> 'failover' ORDER BY id").fetchall()
at = {c: i for i, c in enumerate(columns)}
for n in range(10000 - db.execute("SELECT COUNT(*) FROM tickets").fetchone()[0]):
    row = list(rows[n % len(rows)])
    row[at["id"]] = "tkt_7" + "%025d" % n
    row[at["number"]] = "270101-x-%07d" % n
    row[at["state"]] = "open"
    db.execute(f"INSERT INTO tickets VALUES ({', '.join('?' * len(row))})", row)
db.commit()
PY
printf '[server]\nlisten=127.0.0.1:%s\n[agents]\nlisten=\n[auth]\nrequire_mfa=none\n' "$port" >"$dir/i/conf.d/test.conf"
"$bin/understudyd" serve --config "$dir/i/understudyd.conf" 2>"$dir/log" &
server=$!
curl -s --retry 60 --retry-delay 1 --retry-connrefused -o /dev/null "http://127.0.0.1:$port/readyz"
NODE_PATH=$tools/.. URL=http://127.0.0.1:$port DIR=$dir PHRASE=$(cat "$dir/password") TOOLS=$tools/.. HOME=$dir "$tools/node" "$source/tests/portal/measures.mjs"
