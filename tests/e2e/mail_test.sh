#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Letters: what somebody is told comes by mail, once, through a real mail server (aiosmtpd), also after that was
# away; who does not want letters gets none.
# shellcheck disable=SC2317 # functions are called by name
set -u
bin=${UD_BINARY_DIR:?}
dir=$(mktemp -d /tmp/understudy-mail.XXXXXX)
server=
post=
finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null
	[ -z "$post" ] || kill "$post" 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT
export XDG_CONFIG_HOME=$dir/config
unset UNDERSTUDY_TOKEN UNDERSTUDY_OUTPUT UNDERSTUDY_CONTEXT
read -r port mail < <(python3 -c '
import socket
both = [socket.socket(), socket.socket()]
for s in both: s.bind(("127.0.0.1", 0))
print(*[s.getsockname()[1] for s in both])')
export UNDERSTUDY_URL=http://127.0.0.1:$port
echo 'a Fine and long phrase' >"$dir/password"
"$bin/understudyd" init --dir "$dir/i" --admin-email admin@example.net --admin-password-file "$dir/password" \
	--admin-token-file "$dir/token" >/dev/null || exit 1
UNDERSTUDY_TOKEN=$(cat "$dir/token")
export UNDERSTUDY_TOKEN
touch "$dir/letters" "$dir/log"

n=0
bad=0
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
u() { "$bin/understudy" "$@" </dev/null; }
# configure TLS: how letters leave
configure() {
	printf '[server]\nlisten=127.0.0.1:%s\n[agents]\nlisten=\n[auth]\nrequire_mfa=none\n[mail]\nserver=smtp://127.0.0.1:%s\nfrom=%s\ntls=%s\n' \
		"$port" "$mail" "${2:-dr@provider.example}" "$1" >"$dir/i/conf.d/test.conf"
}
serve() {
	"$bin/understudyd" serve --config "$dir/i/understudyd.conf" 2>>"$dir/log" &
	server=$!
	curl -s --retry 50 --retry-delay 1 --retry-connrefused -o /dev/null "$UNDERSTUDY_URL/readyz"
}
# A mail server that writes each letter as a line: to, subject and words, with | between them.
open_post() {
	/usr/bin/python3 - "$mail" "$dir/letters" <<'PY' &
import email.policy, signal, sys, threading
from aiosmtpd.controller import Controller

class Box:
    async def handle_DATA(self, server, session, envelope):
        m = email.message_from_bytes(envelope.content, policy=email.policy.default)
        words = m.get_content().replace("\n", "/")
        with open(sys.argv[2], "a", encoding="utf-8") as f:
            f.write("|".join([envelope.mail_from, *envelope.rcpt_tos, m["Subject"], m["Message-ID"], words]) + "\n")
        return "250 taken"

box = Controller(Box(), hostname="127.0.0.1", port=int(sys.argv[1]))
box.start()
signal.sigwait([signal.SIGTERM])
box.stop()
PY
	post=$!
	curl -s --retry 50 --retry-delay 1 --retry-connrefused -o /dev/null "smtp://127.0.0.1:$mail" -X NOOP || exit 1
}
# arrives TEXT: a letter with this comes, within a minute.
arrives() { timeout 60 grep -m1 -- "$1" < <(tail -n +1 -f --pid=$$ "$dir/letters" 2>/dev/null); }
# until_logged TEXT: the server says this, within a minute.
until_logged() { timeout 60 grep -m1 -- "$1" < <(tail -n +1 -f --pid=$$ "$dir/log" 2>/dev/null); }
database() { sqlite3 -cmd '.timeout 10000' "$dir/i/understudy.db" "$1"; }
letters() { [ "$(grep -c . "$dir/letters")" = "$1" ] || { cat "$dir/letters"; false; }; }
refuses() { ! timeout 30 "$bin/understudyd" serve --config "$dir/i/understudyd.conf" 2>"$dir/refusal" && grep -q '\[mail\] from' "$dir/refusal"; }

configure offered 'nobody'
check "a sender without an address is refused" refuses
configure offered
serve
# Anna is invited, accepts, and watches a ticket.
invitation=$(u api POST /v1/users -f email=anna@example.net -f display_name=Änna -f role=support_engineer --jq .invitation_url)
check "somebody accepts an invitation" curl -sf -o "$dir/accepted" "$UNDERSTUDY_URL/v1/invitations/accept" -H 'Content-Type: application/json' \
	-d "{\"token\":\"${invitation##*[=/#]}\",\"password\":\"quite a Long phrase\"}"
anna=$(u user list -o json | jq -r '.data[] | select(.email == "anna@example.net").id')
subject='Der Übertragungsweg nach Köln ist seit heute früh langsam, und niemand weiß, warum das so ist'
u site create --name London --code lon --kind provider_dc --time-zone UTC >/dev/null
u ticket create --type incident --subject "$subject" --site-id "$(u site show lon -o json | jq -r .id)" >/dev/null
ticket=$(u ticket list -o json | jq -r '.data[0].id')
check "and watches a ticket" u api POST "/v1/tickets/$ticket/watchers" -f "user_id=$anna"

u ticket comment "$ticket" --body 'We are looking.' >/dev/null
check "a mail server that is away is tried in vain" until_logged mail_not_sent
check "the letter is kept" [ "$(database 'SELECT COUNT(*) FROM notifications WHERE mail_due_at IS NOT NULL AND mail_tries = 1')" = 1 ]
open_post
database 'UPDATE notifications SET mail_due_at = 1'
u site create --name Paris --code par --kind provider_dc --time-zone UTC >/dev/null # the server's next commit
check "it comes once the mail server is there" arrives "^dr@provider.example|anna@example.net|.*$subject"
check "with the way to the ticket" arrives "/app/tickets/$ticket"
check "and the name of the person" arrives '|Änna,/'
u ticket comment "$ticket" --body 'Still looking.' >/dev/null
check "a further one comes at once" timeout 60 grep -m2 "support team answered" < <(tail -n +1 -f --pid=$$ "$dir/letters")
check "none is left" [ "$(timeout 60 bash -c "until [ \"\$(sqlite3 '$dir/i/understudy.db' 'SELECT COUNT(*) FROM notifications WHERE mail_due_at IS NOT NULL')\" = 0 ]; do :; done; echo 0")" = 0 ]
check "each came once" letters 2

database "UPDATE users SET mail_muted = 1 WHERE email = 'anna@example.net'"
u ticket comment "$ticket" --body 'Nobody hears this.' >/dev/null
check "who wants no letters has none waiting" [ "$(database 'SELECT COUNT(*) FROM notifications WHERE mail_due_at IS NOT NULL')" = 0 ]
check "but is told in the portal" [ "$(database 'SELECT COUNT(*) FROM notifications')" = 3 ]
database "UPDATE users SET mail_muted = 0"

kill "$server"
wait "$server"
configure required
serve
u ticket comment "$ticket" --body 'Only under TLS.' >/dev/null
check "a mail server without TLS gets nothing where TLS is required" until_logged 'mail_not_sent.*TLS\|mail_not_sent.*SSL'
check "so that no letter has come" letters 2
echo "1..$n"
exit $bad
