#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Letters: what somebody is told comes by mail, once, through a real mail server (aiosmtpd), also after that was
# away, and under TLS with a name and a password; who does not want letters gets none.
# shellcheck disable=SC1091,SC2034,SC2154,SC2317 # server.sh is sourced; functions are called by name
name=mail
. "$(dirname "$0")/server.sh"
read -r mail < <("$UD_SOURCE_DIR/tests/support/free_ports")
UNDERSTUDY_TOKEN=$(cat "$dir/token")
export UNDERSTUDY_TOKEN
touch "$dir/letters"

# letters_leave TLS [FROM [SCHEME://HOST [MORE]]]: the server's configuration
letters_leave() {
	configure '[mail]' "server=${3:-smtp://127.0.0.1}:$mail" "from=${2:-dr@provider.example}" "tls=$1" "$(printf '%b' "${4:-}")"
}
# again TLS FROM WAY MORE: the server anew, configured so; letters that wait are due at once.
again() {
	kill "$server"
	wait "$server" 2>/dev/null
	: >"$dir/log"
	letters_leave "$@"
	database 'UPDATE notifications SET mail_due_at = 1 WHERE mail_due_at IS NOT NULL'
	serve
}
# A mail server that writes each letter as a line: to, subject and words, with | between them. open_post [starttls |
# smtps]: under TLS it takes letters of dr-sender alone, and the line begins with who sent it and how it was ciphered.
open_post() {
	/usr/bin/python3 - "$mail" "$dir/letters" "${1:-plain}" "$dir/post" <<'PY' &
import email.policy, signal, ssl, sys
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

way = sys.argv[3]

class Box:
    async def handle_DATA(self, server, session, envelope):
        m = email.message_from_bytes(envelope.content, policy=email.policy.default)
        words = m.get_content().replace("\n", "/")
        who = [] if way == "plain" else [session.auth_data, session.peer_ciphers]
        with open(sys.argv[2], "a", encoding="utf-8") as f:
            f.write("|".join([*who, envelope.mail_from, *envelope.rcpt_tos, m["Subject"], m["Message-ID"], words]) + "\n")
        return "250 taken"

def authenticate(server, session, envelope, mechanism, data):
    fine = isinstance(data, LoginPassword) and (data.login, data.password) == (b"dr-sender", b"Pass w0rd:%")
    session.peer_ciphers = server.transport.get_extra_info("cipher")[1]
    return AuthResult(success=fine, handled=False, auth_data="dr-sender" if fine else None)

more = {}
if way != "plain":
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(sys.argv[4] + ".pem", sys.argv[4] + ".key")
    more = {"authenticator": authenticate, "auth_required": True}
    more |= {"tls_context": tls, "require_starttls": True} if way == "starttls" else {"ssl_context": tls, "auth_require_tls": False}
box = Controller(Box(), hostname="127.0.0.1", port=int(sys.argv[1]), **more)
box.start()
signal.sigwait([signal.SIGTERM])
box.stop()
PY
	post=$!
	processes+=("$post")
	curl -s --retry 50 --retry-delay 1 --retry-connrefused -o /dev/null "$([ "${1:-}" = smtps ] && echo smtps || echo smtp)://127.0.0.1:$mail" -k -X NOOP || exit 1
}
close_post() {
	kill "$post"
	wait "$post" 2>/dev/null
}
# arrives TEXT: a letter with this comes, within a minute.
arrives() { timeout 60 grep -m1 -- "$1" < <(tail -n +1 -f --pid=$$ "$dir/letters" 2>/dev/null); }
# until_logged TEXT: the server says this, within a minute.
until_logged() { timeout 60 grep -m1 -- "$1" < <(tail -n +1 -f --pid=$$ "$dir/log" 2>/dev/null); }
letters() { [ "$(grep -c . "$dir/letters")" = "$1" ] || { cat "$dir/letters"; false; }; }
refuses() { ! timeout 30 "$bin/understudyd" serve --config "$dir/i/understudyd.conf" 2>"$dir/refusal" && grep -q '\[mail\] from' "$dir/refusal"; }

# An operator's own test letter, as a person in a session: what came of it in $dir/trial.
try_a_letter() {
	local csrf op
	csrf=$(curl -sf -c "$dir/jar" "$UNDERSTUDY_URL/v1/sessions" -H 'Content-Type: application/json' \
		-d '{"email":"admin@example.net","password":"a Fine and long phrase"}' | jq -r .csrf_token)
	op=$(curl -sf -b "$dir/jar" -X POST "$UNDERSTUDY_URL/v1/settings/mail/test" -H "X-CSRF-Token: $csrf" -H "Origin: $UNDERSTUDY_URL" | jq -r .id)
	u api GET "/v1/operations/$op?wait=25" >"$dir/trial"
	jq -e "$1" "$dir/trial"
}

letters_leave offered 'nobody'
check "a sender without an address is refused" refuses
letters_leave offered
serve
# Anna is invited, accepts, and watches a ticket.
invitation=$(u api POST /v1/users -f email=anna@example.net -f display_name=Änna -f role=support_engineer --jq .invitation_url)
check "somebody accepts an invitation" curl -sf -o "$dir/accepted" "$UNDERSTUDY_URL/v1/invitations/accept" -H 'Content-Type: application/json' \
	-d "{\"token\":\"${invitation##*[=/#]}\",\"password\":\"quite a Long phrase\"}"
anna=$(u user list -o json | jq -r '.data[] | select(.email == "anna@example.net").id')
subject='Der Übertragungsweg nach Köln ist seit heute früh langsam, und niemand weiß, warum das so ist'
u site create --name London --code lon --kind provider_dc --time-zone UTC >/dev/null
u ticket create --type incident --subject "$subject" --site-id "$(u site show lon -o json | jq -r .id)" >/dev/null
check "a test letter to a mail server that is away fails and says so" try_a_letter '.state == "failed" and (.error.detail | test("did not take"))'
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
letters_leave required
serve
u ticket comment "$ticket" --body 'Only under TLS.' >/dev/null
check "a mail server without TLS gets nothing where TLS is required" until_logged 'mail_not_sent.*TLS\|mail_not_sent.*SSL'
check "so that no letter has come" letters 2

# Under TLS, with a name and a password.
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=mail.test' -addext 'subjectAltName=DNS:localhost' \
	-keyout "$dir/post.key" -out "$dir/post.pem" 2>/dev/null || exit 1
printf 'Pass w0rd:%%\n' >"$dir/mail-password"
printf 'another\n' >"$dir/wrong-password"
login="user=dr-sender\\npassword_file=$dir/mail-password\\n"
trust="ca_file=$dir/post.pem\\n"
close_post
open_post starttls
again required dr@provider.example smtp://localhost "$login"
check "a certificate that nobody vouches for is refused" until_logged 'mail_not_sent.*certificate'
again required dr@provider.example smtp://127.0.0.1 "$login$trust"
check "so is one of another name" until_logged 'mail_not_sent.*\(certificate\|SSL\|name\)'
again required dr@provider.example smtp://localhost "user=dr-sender\\npassword_file=$dir/wrong-password\\n$trust"
check "a wrong password sends nothing" until_logged 'mail_not_sent.*\(Login denied\|login\|denied\)'
check "and none of these three letters has come" letters 2
again required dr@provider.example smtp://localhost "$login$trust"
check "with the right one it comes, after STARTTLS" arrives '^dr-sender|TLSv1.[23]|dr@provider.example|anna@example.net|'
check "once" letters 3
close_post
open_post smtps
again required dr@provider.example smtps://localhost "$login$trust"
u ticket comment "$ticket" --body 'Under TLS from the first byte.' >/dev/null
check "smtps:// speaks TLS from the first byte" timeout 60 grep -m2 -- '^dr-sender|TLSv1' < <(tail -n +1 -f --pid=$$ "$dir/letters")
check "and sends each once" letters 4
check "a test letter goes to the operator who asks" try_a_letter '.state == "succeeded" and .output.to == "admin@example.net" and (.output.said | test("^250 "))'
check "and is there" arrives 'admin@example.net|A test letter of'
check "no program gets one" bash -c "! '$bin/understudy' settings test-mail 2>'$dir/why' && grep -q person '$dir/why'"
box_refuses() {
	close_post
	open_post starttls
	again required dr@provider.example smtp://localhost "user=dr-sender\\npassword_file=$dir/wrong-password\\n$trust"
	try_a_letter '.state == "failed" and (.error.detail | test("it said 535 "))'
}
check "what the mail server said is told when it refuses" box_refuses
finish
