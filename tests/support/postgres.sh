#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# PostgreSQL clusters of the tests' own, in a directory of the caller's, on a free loopback port.
#   postgres.sh start DIR [--fsync]        make a cluster in DIR if there is none, start it, print its URL
#   postgres.sh standby DIR PRIMARY [--fsync]   a synchronous standby of the cluster in PRIMARY; prints its URL
#   postgres.sh promote DIR                the standby becomes a primary
#   postgres.sh rejoin DIR PRIMARY         a killed primary becomes the synchronous standby of its successor
#   postgres.sh kill DIR                   end it as a power cut would (SIGKILL to all of it)
#   postgres.sh stop DIR                   end it; stopping what does not run is no error
#   postgres.sh url DIR                    print the URL again
#   postgres.sh with [--fsync] COMMAND…    run COMMAND beside a cluster of its own: UD_TEST_DATABASE_URL is its
#                                          URL, UD_TEST_POSTGRES the same with %s for a database's name
# As root everything of PostgreSQL runs as user postgres (or nobody). Without --fsync a power cut of the
# machine would lose data, which a test's cluster may; killing its processes never does.
set -euo pipefail

user=ud
bin=
for candidate in /usr/lib/postgresql/15/bin /usr/lib/postgresql/*/bin; do
	if [ -x "$candidate/initdb" ]; then
		bin=$candidate
		break
	fi
done
[ -n "$bin" ] || {
	echo "postgres.sh: PostgreSQL is not installed (deploy/install-deps test)" >&2
	exit 1
}

owner=
if [ "$(id -u)" = 0 ]; then
	owner=postgres
	id -u postgres >/dev/null 2>&1 || owner=nobody
fi

usage() {
	sed -n '3,/^# As root/{/^# As root/d;s/^# \{0,1\}//;p}' "$0" >&2
	exit 2
}

# Run a program as the cluster's owner, deaf to our terminal and to descriptors of ours.
as_owner() {
	if [ -n "$owner" ]; then
		setpriv --reuid "$owner" --regid "$(id -g "$owner")" --clear-groups \
			env -C / HOME=/ LC_ALL=C.UTF-8 "$@" 3>&- </dev/null
	else
		env -C / LC_ALL=C.UTF-8 "$@" 3>&- </dev/null
	fi
}

# The owner must be able to walk to DIR: below a private directory of root it cannot.
own() {
	mkdir -p "$1"
	[ -z "$owner" ] || chown "$owner" "$1"
	chmod 700 "$1"
	as_owner test -x "$1" || {
		echo "postgres.sh: user $owner cannot reach $1; choose a directory below /tmp" >&2
		exit 1
	}
}

url_of() {
	echo "postgresql://$user@127.0.0.1:$(cat "$1/port")/postgres"
}

running() {
	[ -f "$1/data/postmaster.pid" ] && as_owner "$bin/pg_ctl" -D "$1/data" status >/dev/null 2>&1
}

# Another process may take the free port before we do: choose again, a few times.
launch() {
	local dir=$1 try
	running "$dir" && return
	for try in 1 2 3 4 5; do
		if [ "$try" != 1 ] || [ ! -f "$dir/port" ]; then "$(dirname "$0")/free_ports" >"$dir/port"; fi
		if as_owner "$bin/pg_ctl" -D "$dir/data" -w -t 60 -l "$dir/log" \
			-o "-p $(cat "$dir/port")" start >/dev/null 2>&1; then
			return
		fi
	done
	tail -20 "$dir/log" >&2
	exit 1
}

settings() {
	cat <<-CONF
		listen_addresses = '127.0.0.1'
		unix_socket_directories = ''
		max_connections = 100
		shared_buffers = 32MB
		wal_level = replica
		max_wal_senders = 8
		wal_keep_size = 128MB
		hot_standby = on
		fsync = $1
		full_page_writes = $1
		log_min_messages = warning
		include_if_exists = 'pair.conf'
	CONF
}

# initdb takes a while: a build tree keeps what it made and has it copied.
fresh() {
	local dir=$1 kept=${UD_BINARY_DIR:+$UD_BINARY_DIR/$("$bin/postgres" -V | tr -c 'a-zA-Z0-9.\n' -)}
	if [ -r "$kept/PG_VERSION" ]; then
		cp -a "$kept" "$dir/data"
		return
	fi
	as_owner "$bin/initdb" -k -N -U "$user" -A trust -E UTF8 --locale=C.UTF-8 \
		-D "$dir/data" >"$dir/initdb.log" 2>&1 || {
		cat "$dir/initdb.log" >&2
		exit 1
	}
	if [ -n "$kept" ]; then # two at a time: the second one's is not needed
		cp -a "$dir/data" "$kept.$$"
		mv -T "$kept.$$" "$kept" 2>/dev/null || rm -rf "${kept:?}.$$"
	fi
}

start() {
	local dir=$1 fsync=$2
	own "$dir"
	if [ ! -d "$dir/data" ]; then
		fresh "$dir"
		settings "$fsync" >>"$dir/data/postgresql.conf"
	fi
	launch "$dir"
	url_of "$dir"
}

# The primary waits for its standby from now on: an acknowledged commit is on both.
standby() {
	local dir=$1 primary=$2 url
	url=$(url_of "$primary")
	own "$dir"
	if [ ! -d "$dir/data" ]; then
		as_owner "$bin/pg_basebackup" -R -X stream -c fast -D "$dir/data" \
			-d "$url?application_name=standby" >"$dir/basebackup.log" 2>&1 || {
			cat "$dir/basebackup.log" >&2
			exit 1
		}
		rm -f "$dir/data/pair.conf"
	fi
	launch "$dir"
	cat >"$primary/data/pair.conf" <<-CONF
		synchronous_standby_names = 'standby'
		synchronous_commit = on
	CONF
	[ -z "$owner" ] || chown "$owner" "$primary/data/pair.conf"
	as_owner "$bin/pg_ctl" -D "$primary/data" reload >/dev/null
	url_of "$dir"
}

# pg_rewind throws away what the old primary alone had. It goes by the timeline of the last checkpoint, so there
# must be one after the promotion.
rejoin() {
	local dir=$1 primary=$2 url
	url=$(url_of "$primary")
	as_owner "$bin/psql" -qXc CHECKPOINT "$url" >/dev/null
	as_owner "$bin/pg_rewind" -R -D "$dir/data" --source-server "$url?application_name=standby" \
		>"$dir/rewind.log" 2>&1 || {
		cat "$dir/rewind.log" >&2
		exit 1
	}
	standby "$dir" "$primary"
}

# The postmaster first, that it cannot clean up, then its children; returns when all are gone.
kill_hard() {
	local pid pids
	running "$1" || return 0
	pid=$(head -1 "$1/data/postmaster.pid")
	mapfile -t pids < <(pgrep -P "$pid")
	kill -9 "$pid" "${pids[@]}" 2>/dev/null || true
	while ps -o stat= -p "$(IFS=,; echo "$pid${pids[*]:+,${pids[*]}}")" | grep -qv '^Z'; do sleep 0.02; done
	rm -f "$1/data/postmaster.pid"
}

stop() {
	running "$1" || return 0
	as_owner "$bin/pg_ctl" -D "$1/data" -m fast -w -t 60 stop >/dev/null
}

with() {
	local code=0
	dir=$(mktemp -d "${TMPDIR:-/tmp}/ud-pg-XXXXXX")
	trap 'stop "$dir"; rm -rf "$dir"' EXIT
	trap 'exit 143' TERM INT
	UD_TEST_DATABASE_URL=$(start "$dir" "$fsync")
	UD_TEST_POSTGRES=${UD_TEST_DATABASE_URL%/*}/%s
	export UD_TEST_DATABASE_URL UD_TEST_POSTGRES
	"$@" || code=$?
	exit "$code"
}

verb=${1:-}
shift || usage
fsync=off
args=()
while [ $# -gt 0 ]; do
	case $1 in
	--fsync) fsync=on ;;
	*)
		args+=("$1")
		[ "$verb" != with ] || {
			args=("$@")
			break
		}
		;;
	esac
	shift
done
set -- "${args[@]}"

# Absolute, as PostgreSQL's programs run in another working directory.
if [ "$verb" != with ]; then
	mapfile -t args < <(realpath -m -- "$@")
	set -- "${args[@]}"
fi

case $verb:$# in
start:1) start "$1" "$fsync" ;;
standby:2) standby "$1" "$2" ;;
rejoin:2) rejoin "$1" "$2" ;;
promote:1) as_owner "$bin/pg_ctl" -D "$1/data" -w promote >/dev/null ;;
kill:1) kill_hard "$1" ;;
stop:1) stop "$1" ;;
url:1) url_of "$1" ;;
with:0) usage ;;
with:*) with "$@" ;;
*) usage ;;
esac
