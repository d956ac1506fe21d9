#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# understudyd demo-seed: what it loads, that one seed loads the same every time, where it refuses, and that a server over it
# keeps it moving and marks it.
# shellcheck disable=SC2317 # functions are called by name
set -u
bin=${UD_BINARY_DIR:?}
dir=$(mktemp -d /tmp/understudy-seed.XXXXXX)
out=$(mktemp)
server=
finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null
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
echo 'a Fine and long phrase' >"$dir/password"
until=2026-03-02T09:00:00Z
make() { "$bin/understudyd" init --dir "$dir/$1" --admin-email admin@example.net --admin-password-file "$dir/password" \
	--admin-token-file "$dir/$1.token" "${@:2}"; }
seed() { "$bin/understudyd" demo-seed --config "$dir/$1/understudyd.conf" "${@:2}"; }
ask() { python3 -c 'import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone()[0])' \
	"$dir/$1/understudy.db" "$2"; }
# everything but what init made by chance, and passwords
dump() {
	python3 - "$dir/$1/understudy.db" <<'PY'
import hashlib, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
sums = hashlib.sha256()
for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall():
    columns = [c[1] for c in db.execute(f"PRAGMA table_info({table})") if c[1] != "password_hash"]
    where = " WHERE labels LIKE '%demo%'" if "labels" in columns else ""
    if table not in ("installation", "events", "log_heads", "enrolments", "schema_migrations", "migrations"):
        for row in db.execute(f"SELECT {', '.join(columns)} FROM {table}{where} ORDER BY 1, 2"):
            sums.update(repr(row).encode())
print(sums.hexdigest())
PY
}
counts() { # INSTALLATION SQL NUMBER
	[ "$(ask "$1" "$2")" = "$3" ] || { echo "$2: $(ask "$1" "$2") instead of $3"; false; }
}
same() { [ "$(dump a)" = "$(dump b)" ]; }
other() { [ "$(dump a)" != "$(dump c)" ]; }
refuses() { # WORDS COMMAND…
	if "${@:2}" >"$out.said" 2>&1; then
		return 1
	fi
	grep -q "$1" "$out.said"
}
for i in a b c; do make "$i" --demo >/dev/null || exit 1; done
make real >/dev/null || exit 1

check "it loads" seed a --until $until --seed 7 --password-file "$dir/password"
sed 's/^/# /' "$out"
check "and again elsewhere, without a password" seed b --until $until --seed 7
check "another seed loads, too" seed c --until $until --seed 8
for row in 'customers 6' 'sites 3' 'hosts 24' 'vms 180' 'tickets 400' 'subscriptions 6' 'replications 180' 'recovery_plans 12'; do
	check "there are ${row#* } ${row% *}" counts a "SELECT COUNT(*) FROM ${row% *}" "${row#* }"
done
check "both hypervisors are there" counts a "SELECT COUNT(DISTINCT hypervisor) FROM hosts" 2
check "it spans 90 days" counts a "SELECT (MAX(created_at) - MIN(created_at)) / 86400000 FROM tickets" 89
check "two promises were broken and kept again" counts a "SELECT COUNT(*) FROM events WHERE type = 'replication.rpo_restored'" 2
check "the ledger has both" counts a "SELECT COUNT(*) > 200 FROM replication_minutes WHERE age_ms > target_seconds * 1000" 1
check "one drill failed" counts a "SELECT COUNT(*) FROM failovers WHERE verdict = 'failed'" 1
check "every customer carries the mark" counts a "SELECT COUNT(*) FROM customers WHERE labels <> '{\"demo\":\"true\"}'" 0
check "the log is in the order of time" counts a "SELECT COUNT(*) FROM events x JOIN events y ON y.n = x.n + 1 WHERE y.created_at < x.created_at AND x.actor_name <> 'init'" 0
check "people are named after what they do" counts a "SELECT COUNT(*) FROM users WHERE email NOT LIKE '%.example' AND email <> 'admin@example.net'" 0
check "one seed loads the same" same
check "another one does not" other
check "it refuses to load twice" refuses 'loaded already' seed a
check "it refuses an installation that is not a demo's" refuses 'not made for a demo' seed real
python3 -c "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute(\"UPDATE customers SET labels = '{}' WHERE id = (SELECT MIN(id) FROM customers)\"); d.commit()" "$dir/c/understudy.db"
check "it refuses where a customer is not a demo's" refuses "not a demo's" seed c

into_postgresql() {
	"${UD_SOURCE_DIR:?}/tests/support/postgres.sh" with bash -c "
		'$bin/understudyd' init --dir '$dir/pg' --demo --database \"\$UD_TEST_DATABASE_URL\" &&
		'$bin/understudyd' demo-seed --config '$dir/pg/understudyd.conf'"
}
[ -z "${UD_TEST_LONG:-}" ] || check "PostgreSQL takes it, too" into_postgresql

# a server over it
port=$("$UD_SOURCE_DIR/tests/support/free_ports")
printf '[server]\nlisten=127.0.0.1:%s\n[agents]\nlisten=127.0.0.1:0\n[auth]\nrequire_mfa=none\n' "$port" >"$dir/a/conf.d/test.conf"
"$bin/understudyd" serve --config "$dir/a/understudyd.conf" 2>"$dir/log" &
server=$!
url=http://127.0.0.1:$port
curl -s --retry 60 --retry-delay 1 --retry-connrefused -o /dev/null "$url/readyz"
get() { curl -sS --fail -H "Authorization: Bearer $(cat "$dir/a.token")" "$url$1"; }
until_true() {
	for _ in $(seq 120); do
		"$@" && return
		read -r -t 0.5 <> <(:) || true
	done
	return 1
}
moving() { [ "$(get '/v1/replications?state=replicating&health=normal&limit=200' | jq '[.data[] | select(.rpo_measured_seconds != null)] | length')" -ge 170 ]; }
sealed() { [ "$(get '/v1/evidence?limit=200' | jq '.data | length')" -ge 30 ]; }
awake() { [ "$(get '/v1/hosts?state=active&limit=200' | jq '.data | length')" = 23 ]; }
marked() { curl -sS "$url/app" | grep -q 'data-demo="yes"' && curl -sS "$url/basic" | grep -q 'class="demo"'; }
signs_in() {
	curl -sS --fail -H 'Content-Type: application/json' "$url/v1/sessions" -o /dev/null \
		-d "$(jq -n --rawfile p "$dir/password" '{email: "approver@harbour-foods.example", password: ($p | rtrimstr("\n"))}')"
}
check "copies go on, by their figures" until_true moving
check "hosts stay awake" until_true awake
check "past runs get their proof" until_true sealed
# a record proves itself by its bytes: each way to have it keeps them
u() { XDG_CONFIG_HOME=$dir UNDERSTUDY_URL=$url UNDERSTUDY_TOKEN=$(cat "$dir/a.token") "$bin/understudy" "$@" </dev/null; }
intact() { u verify "$1" | grep -q ': intact\.' || { u verify "$1"; false; }; }
read -r record run < <(get '/v1/evidence?limit=1' | jq -r '.data[0] | "\(.id) \(.failover_id)"')
kept() { u failover evidence "$run" --file "$dir/kept.json" && intact "$dir/kept.json"; }
# as_kept COMMAND…: its output is what was kept, to the byte
as_kept() { u "$@" >"$dir/again.json" && cmp "$dir/again.json" "$dir/kept.json" && intact "$dir/again.json"; }
page() { u failover evidence "$run" --file "$dir/kept.html" && grep -qi '<!doctype html>' "$dir/kept.html"; }
laid_out() { u evidence bundle "$record" -o yaml | grep -q '^[a-z_]*: '; }
changed() {
	jq -cS '.plan_hash = "0" + .plan_hash[1:] + "0"' "$dir/kept.json" >"$dir/touched.json"
	u verify "$dir/touched.json"
	[ $? = 7 ]
}
check "a run's record is kept, and proves itself" kept
check "so does the one that a program reads" as_kept evidence bundle "$record"
check "and as the API has it" as_kept api GET "/v1/evidence/$run/bundle"
by_id() { u evidence bundle "$record" --file "$dir/by-id.json" && cmp "$dir/by-id.json" "$dir/kept.json"; }
check "and by its own id" by_id
check "what was touched is found out" changed
check "the record is kept as a page" page
check "and shown in another form where that is asked for" laid_out
# lists in a terminal of so many columns: no line is longer, each row is there, and its first column is whole
fits() {
	XDG_CONFIG_HOME=$dir UNDERSTUDY_URL=$url UNDERSTUDY_TOKEN=$(cat "$dir/a.token") python3 - "$bin/understudy" "$1" <<'PY'
import fcntl, json, os, pty, struct, subprocess, sys, termios

def in_terminal(args, columns):
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    child = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.PIPE)
    os.close(slave)
    text = b""
    try:
        while part := os.read(master, 65536):
            text += part
    except OSError:
        pass  # the other end is closed
    child.communicate()
    return text.decode().replace("\r", "").splitlines()

program, columns, wrong = sys.argv[1], int(sys.argv[2]), 0
for thing in ("customer", "vm", "host", "site", "replication", "plan", "ticket", "failover", "user", "network", "operation"):
    rows = json.loads(subprocess.check_output([program, thing, "list", "--limit", "20", "-o", "json"], stdin=subprocess.DEVNULL))["data"]
    lines = in_terminal([program, thing, "list", "--limit", "20"], columns)
    whole = sum(any(line.split(" ")[0] == row["id"] for line in lines) for row in rows)
    if whole != len(rows) or max(map(len, lines), default=0) > columns:
        wrong = 1
        print(f"{thing} list in {columns} columns: {whole} of {len(rows)} rows, longest line {max(map(len, lines), default=0)}")
        print("\n".join(lines[:3]))
sys.exit(wrong)
PY
}
check "lists fit a terminal of 120 columns" fits 120
check "and one of 60" fits 60
# every GET, and some POSTs, against the specification: two checks
if python3 "$UD_SOURCE_DIR/tests/e2e/answers.py" "$UD_SOURCE_DIR/api/openapi.json" "$url" $((n + 1)) <"$dir/a.token"; then
	n=$((n + 2))
else
	n=$((n + 2)) bad=1
fi
check "portal and basic pages carry the mark" marked
check "an approver signs in" signs_in
check "the chain of the log holds" bash -c "$(declare -f get); dir=$dir url=$url; get /v1/audit-records/verify | jq -r .intact | grep -qx true"
check "nothing went wrong in the server" bash -c "! grep -E 'tick_failed|internal' '$dir/log'"
echo "1..$n"
exit $bad
