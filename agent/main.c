/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudy-agent: enroll, and run. Running, one thread keeps the certificate young and reports
 * how the server sees us; the main thread waits for the signal that ends it all.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent/enroll.h"
#include "agent/link.h"
#include "base/env.h"
#include "base/log.h"
#include "base/time.h"
#include "base/wire_identity.h"

enum { REPORT_MS = 60000, CALL_MS = 30000 };

struct flag {
	const char *name;
	const char **value;
	bool required;
};

/* Read NAME VALUE pairs; false after a message. The table ends with a NULL name. */
static bool read_flags(int argc, char **argv, const struct flag *flags)
{
	for (int i = 0; i < argc; i += 2) {
		const struct flag *f = flags;

		while (f->name && strcmp(f->name, argv[i]) != 0)
			f++;
		if (!f->name || i + 1 == argc) {
			fprintf(stderr,
				f->name ? "understudy-agent: %s needs a value\n"
					: "understudy-agent: there is no flag %s here\n",
				argv[i]);
			return false;
		}
		*f->value = argv[i + 1];
	}
	for (const struct flag *f = flags; f->name; f++)
		if (f->required && !*f->value) {
			fprintf(stderr, "understudy-agent: %s is required\n", f->name);
			return false;
		}
	return true;
}

static int failed(const struct ud_ctx *cx, const char *what)
{
	fprintf(stderr, "understudy-agent: %s: %s\n", what,
		cx->problem.detail ? cx->problem.detail : "failed");
	return 1;
}

static int command_enroll(struct ud_ctx *cx, int argc, char **argv)
{
	struct ud_enrolment in = { 0 };
	struct ud_agent_config config = { 0 };
	const struct flag flags[] = { { "--server", &in.server_url, true },
		{ "--ca-sha256", &in.root_sha256, true }, { "--token", &in.token, true },
		{ "--dir", &in.dir, true }, { "--host", &in.host_id, false },
		{ "--hypervisor-uri", &in.hypervisor_uri, false },
		{ "--replication-listen", &in.replication_listen, false }, { 0 } };

	if (!read_flags(argc, argv, flags))
		return 2;
	if (ud_agent_enroll(cx, &in, &config) != UD_OK)
		return failed(cx, "enroll");
	printf("Enrolled as %s of %s.\nStart it:  understudy-agent run --config %s/agent.conf\n",
		config.agent_id, config.host_id, in.dir);
	return 0;
}

/* ---- running ---- */

struct keeper {
	const struct ud_env *env;
	ud_link *link;
	bool quarantined; /* as the server said last */
};

/* What the server thinks of us goes to the log when it changes. */
static enum ud_code report(struct ud_ctx *cx, struct keeper *k)
{
	struct ud_wire_self self = { 0 };
	char until[UD_TIME_TEXT] = "";

	UD_TRY(ud_link_send(cx, k->link, "/v1/agent/self", NULL, NULL, CALL_MS, &ud_wire_self_shape,
		&self, NULL));
	bool quarantined = !self.may_promote;

	if (quarantined != k->quarantined)
		ud_log(quarantined ? UD_LOG_WARNING : UD_LOG_INFO, "may_promote", "value",
			quarantined ? "no" : "yes", "reason", self.alarm ? self.alarm : "", NULL);
	k->quarantined = quarantined;
	ud_time_format(self.certificate_expires_at.ms, until);
	ud_log(UD_LOG_DEBUG, "seen_by_server", "agent", self.agent_id, "state", self.state,
		"certificate_until", until, NULL);
	return UD_OK;
}

static enum ud_code keep_once(struct ud_ctx *cx, struct keeper *k)
{
	UD_TRY(ud_link_keep(cx, k->link));
	return report(cx, k);
}

static void *keep(void *data)
{
	struct keeper *k = data;
	enum ud_code code = UD_OK;

	for (bool go_on = true; go_on;) {
		UD_AUTO(ud_arena) *arena = ud_arena_new();
		struct ud_ctx cx = { .arena = arena,
			.env = k->env,
			.now_ms = ud_now_ms(k->env),
			.request_id = "keeper" };

		code = keep_once(&cx, k);
		if (code == UD_OK) {
			go_on = ud_link_wait(k->link, REPORT_MS);
			continue;
		}
		if (!ud_link_stopped(k->link))
			ud_log(UD_LOG_WARNING, "server_not_reached", "code",
				ud_error_info(code)->name, "reason",
				cx.problem.detail ? cx.problem.detail : "", NULL);
		go_on = ud_link_pause(&cx, k->link, code);
	}
	return NULL;
}

static void wait_for_end(void)
{
	sigset_t ends;
	int which;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	while (sigwait(&ends, &which) == EINTR)
		;
}

static enum ud_code run(struct ud_ctx *cx, const char *path)
{
	struct ud_agent_config config = { 0 };
	struct keeper k = { .env = cx->env };
	pthread_t thread;

	UD_TRY(ud_agent_config_load(cx, path, &config));
	ud_log_set_level((enum ud_log_level)ud_log_level_named(config.log_level));
	UD_TRY(ud_link_open(cx, &config, &k.link));
	if (pthread_create(&thread, NULL, keep, &k) != 0) {
		ud_link_release(&k.link);
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot start a thread");
	}
	ud_log(UD_LOG_INFO, "running", "agent", config.agent_id, "host", config.host_id, "server",
		config.server_url, "version", UD_VERSION, NULL);
	wait_for_end();
	ud_log(UD_LOG_INFO, "stopping", NULL);
	ud_link_stop(k.link);
	pthread_join(thread, NULL);
	ud_link_release(&k.link);
	return UD_OK;
}

static int command_run(struct ud_ctx *cx, int argc, char **argv)
{
	const char *config = NULL;
	const struct flag flags[] = { { "--config", &config, true }, { 0 } };
	sigset_t ends;

	if (!read_flags(argc, argv, flags))
		return 2;
	/* blocked here, before any thread: only wait_for_end takes them */
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	return run(cx, config) == UD_OK ? 0 : failed(cx, "run");
}

static const struct {
	const char *name;
	int (*run)(struct ud_ctx *cx, int argc, char **argv);
	const char *use;
} commands[] = {
	{ "enroll", command_enroll,
		"enroll --server URL --ca-sha256 PIN --token T --dir DIR [--host ID] [--hypervisor-uri U] [--replication-listen A:P]" },
	{ "run", command_run, "run --config DIR/agent.conf" },
};

static int usage(FILE *out, int code)
{
	fprintf(out, "understudy-agent %s\n", UD_VERSION);
	for (size_t i = 0; i < UD_LEN(commands); i++)
		fprintf(out, "  understudy-agent %s\n", commands[i].use);
	return code;
}

int main(int argc, char **argv)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena,
		.env = &ud_env_real,
		.now_ms = ud_now_ms(&ud_env_real),
		.request_id = "command" };

	if (argc < 2)
		return usage(stderr, 2);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
		return usage(stdout, 0);
	if (strcmp(argv[1], "--version") == 0)
		return puts(UD_VERSION) < 0;
	for (size_t i = 0; i < UD_LEN(commands); i++)
		if (strcmp(commands[i].name, argv[1]) == 0)
			return commands[i].run(&cx, argc - 2, argv + 2);
	fprintf(stderr, "understudy-agent: there is no command %s\n", argv[1]);
	return usage(stderr, 2);
}
