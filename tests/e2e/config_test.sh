#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# check-config looks at every section as serve would, tells all mistakes at once, and starts nothing.
# shellcheck disable=SC1091,SC2034,SC2154,SC2317 # server.sh is sourced; functions are called by name
name=config
. "$(dirname "$0")/server.sh"
check_config() { "$bin/understudyd" check-config --config "$dir/i/understudyd.conf"; }
# refuses TEXT…: it ends with 1, and says each of these.
refuses() {
	check_config >"$dir/said" 2>&1
	[ $? = 1 ] || { cat "$dir/said"; return 1; }
	local text
	for text; do grep -qF -- "$text" "$dir/said" || { echo "not said: $text"; cat "$dir/said"; return 1; }; done
}
# certificate NAME DAYS: a pair of files, NAME.crt and NAME.key; days may be -1
certificate() {
	openssl req -new -newkey rsa:2048 -nodes -keyout "$dir/$1.key" -out "$dir/$1.csr" -subj /CN=localhost 2>/dev/null
	openssl x509 -req -in "$dir/$1.csr" -signkey "$dir/$1.key" -out "$dir/$1.crt" -days "$2" 2>/dev/null
}
tls() { configure '[server]' "tls_cert=$1" "tls_key=$2"; }

configure
check "an installation as it was made is fine" check_config
configure '[server]' 'listen=0.0.0.0:8080'
check "an address for everybody needs a certificate" refuses '[server] listen=0.0.0.0:8080'
certificate good 30
certificate other 30
tls "$dir/good.crt" "$dir/good.key"
check "a certificate with its key is fine" check_config
configure '[server]' 'listen=0.0.0.0:8080' "tls_cert=$dir/good.crt" "tls_key=$dir/good.key"
check "and opens that address" check_config
tls "$dir/good.crt" "$dir/other.key"
check "another's key is not" refuses '[server] tls_key:' other.key
tls "$dir/nothing.crt" "$dir/good.key"
check "nor a file that is not there" refuses '[server]' nothing.crt
tls "$dir/good.key" "$dir/good.key"
check "nor one without a certificate" refuses '[server] tls_cert:' 'holds no certificate'
certificate old -1
tls "$dir/old.crt" "$dir/old.key"
check "nor one that has ended" refuses '[server] tls_cert:' 'no longer valid'
configure '[server]' "attachments=$dir/nowhere"
check "attachments need their folder" refuses '[server] attachments:' "$dir/nowhere"
configure '[database]' "url=sqlite:$dir/nowhere/understudy.db"
check "so does the database's file" refuses '[database] url:' "$dir/nowhere"
configure '[failover]' "fence_agents=$dir/nowhere"
check "so do fence agents" refuses '[failover] fence_agents:'
configure '[agents]' 'listen=:8443' 'public_url=http://dr.example.net:8443'
check "agents come by https alone" refuses '[agents] public_url'
configure '[mail]' 'server=mail.example.net' 'from=dr@example.net'
check "a mail server is an address" refuses '[mail] server' mail.example.net
configure '[mail]' 'server=smtp://mail.example.net:587' 'from=nobody'
check "a sender, too" refuses "[mail] from" nobody
configure '[mail]' 'server=smtp://mail.example.net:587' 'from=dr@example.net' "password_file=$dir/nothing"
check "a password that cannot be read is told" refuses '[mail]' "$dir/nothing"
configure '[mail]' 'server=smtp://mail.example.net:587' 'from=dr@example.net' "password_file=$dir/password"
check "mail that is right is fine, though nobody answers there" check_config
: >"$dir/empty"
configure '[metrics]' "token_file=$dir/empty"
check "an empty token opens nothing" refuses '[metrics] token_file'
configure '[auth]' 'session_hours=99' '[limits]' 'burst=-1' '[retention]' 'idempotency_days=0' '[log]' 'level=loud'
check "values out of bounds are told with file, line and key" refuses 'test.conf:8: [auth] session_hours' '[limits] burst' \
	'[retention] idempotency_days' '[log] level'
configure '[failover]' "fence_agents=$dir/nowhere" '[mail]' 'server=mail.example.net' '[metrics]' "token_file=$dir/nothing"
check "all that is wrong is told at once" refuses '[failover] fence_agents' '[mail] server' '[metrics]'
configure
printf 'abc\n' >"$dir/i/keys"
check "damaged keys are found" refuses '[keys]' damaged
finish
