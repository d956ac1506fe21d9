/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A KDC for tests; see kdc.h.
 */
#include "support/kdc.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "support/context.h"
#include "support/ports.h"

enum { READY_MS = 60000, LOOK_MS = 20, LOG_MAX = 1 << 20 };

static struct sockaddr_in local(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void write_text(struct ud_ctx *cx, const char *path, const char *text)
{
	assert_int_equal(ud_file_write(cx, path, text, strlen(text), 0600), UD_OK);
}

static void configure(struct ud_ctx *cx, const char *folder, const struct kdc *k)
{
	const char *client = ud_printf(cx->arena, "%s/krb5.conf", folder);
	const char *server = ud_printf(cx->arena, "%s/kdc.conf", folder);

	write_text(cx, client,
		ud_printf(cx->arena,
			"[libdefaults]\n default_realm = %s\n dns_lookup_kdc = false\n"
			" dns_lookup_realm = false\n udp_preference_limit = 1\n rdns = false\n"
			" dns_canonicalize_hostname = false\n"
			"[realms]\n %s = {\n  kdc = 127.0.0.1:%d\n }\n"
			"[logging]\n kdc = FILE:%s/kdc.log\n",
			k->realm, k->realm, k->port, folder));
	write_text(cx, server,
		ud_printf(cx->arena,
			"[kdcdefaults]\n kdc_listen = \"\"\n kdc_tcp_listen = 127.0.0.1:%d\n"
			"[realms]\n %s = {\n  database_name = %s/principal\n"
			"  key_stash_file = %s/stash\n  acl_file = %s/acl\n"
			"  max_life = 1h\n  max_renewable_life = 0\n }\n",
			k->port, k->realm, folder, folder, folder));
	assert_int_equal(setenv("KRB5_CONFIG", client, 1), 0);
	assert_int_equal(setenv("KRB5_KDC_PROFILE", server, 1), 0);
	assert_int_equal(setenv("KRB5RCACHENAME", "none:", 1), 0);
}

/* A program of the realm's, which must not meet the one of this machine. */
static void run(struct ud_ctx *cx, const char *const *argv)
{
	const char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C",
		ud_printf(cx->arena, "KRB5_CONFIG=%s", getenv("KRB5_CONFIG")),
		ud_printf(cx->arena, "KRB5_KDC_PROFILE=%s", getenv("KRB5_KDC_PROFILE")), NULL };
	struct ud_run run = { .argv = argv,
		.environment = environment,
		.output_max = 1 << 16,
		.timeout_ms = READY_MS };
	struct ud_ran ran = { 0 };

	assert_int_equal(ud_process_run(cx, &run, &ran), UD_OK);
	if (ran.status != 0)
		fail_msg("%s ends with %d: %s", argv[0], ran.status, ran.error);
}

static bool listens(int port)
{
	struct sockaddr_in a = local(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

	close(fd);
	return yes;
}

void kdc_begin(struct ud_ctx *cx, const char *folder, const char *realm, struct kdc *ret)
{
	*ret = (struct kdc){ .port = free_port(), .realm = realm };
	configure(cx, folder, ret);
	run(cx,
		(const char *const[]){ "/usr/sbin/kdb5_util", "-r", realm, "create", "-s", "-P",
			"a long and dull phrase", NULL });
	ret->pid = fork();
	assert_true(ret->pid >= 0);
	if (ret->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/usr/sbin/krb5kdc", "krb5kdc", "-n", "-r", realm, (char *)NULL);
		_exit(127);
	}
	int64_t until = ud_mono_ms(&ud_env_real) + READY_MS;

	while (!listens(ret->port)) {
		assert_int_equal(waitpid(ret->pid, NULL, WNOHANG), 0);
		assert_true(ud_mono_ms(&ud_env_real) < until);
		poll(NULL, 0, LOOK_MS);
	}
}

void kdc_end(struct kdc *kdc)
{
	if (kdc->pid <= 0)
		return;
	kill(kdc->pid, SIGKILL);
	waitpid(kdc->pid, NULL, 0);
	kdc->pid = 0;
}

static void ask(struct ud_ctx *cx, const char *query)
{
	run(cx, (const char *const[]){ "/usr/sbin/kadmin.local", "-q", query, NULL });
}

const char *kdc_keytab(struct ud_ctx *cx, const char *folder, const char *principal)
{
	static int number;
	const char *path = ud_printf(cx->arena, "%s/%d.keytab", folder, number++);

	ask(cx, ud_printf(cx->arena, "addprinc -randkey %s", principal));
	ask(cx, ud_printf(cx->arena, "ktadd -k %s %s", path, principal));
	return path;
}

int kdc_tickets(struct ud_ctx *cx, const char *folder, const char *principal)
{
	const char *log = NULL, *at;
	const char *want = ud_printf(cx->arena, " for %s", principal);
	size_t n;
	int count = 0;

	assert_int_equal(
		ud_file_read(cx, ud_printf(cx->arena, "%s/kdc.log", folder), LOG_MAX, &log, &n),
		UD_OK);
	for (at = log; (at = strstr(at, "TGS_REQ")); at++) {
		const char *line = ud_strndup(cx->arena, at, strcspn(at, "\n"));

		count += strstr(line, "ISSUE") && strstr(line, want);
	}
	return count;
}
