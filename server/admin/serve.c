/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudyd serve: database, server, housekeeping; until a signal ends it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "api/api.h"
#include "base/env.h"
#include "base/log.h"
#include "db/agents.h"
#include "db/demo.h"
#include "db/engine/migrate.h"
#include "db/idempotency.h"
#include "db/migrations.h"
#include "db/people.h"
#include "server/admin/installation.h"
#include "server/agents/agents.h"
#include "server/agents/ca.h"

enum { HOUSEKEEPING_SECONDS = 3600 };

struct housekeeping {
	int idempotency_days;
};

static enum ud_code keep_house(struct ud_ctx *cx, void *data)
{
	const struct housekeeping *h = data;
	int64_t n;

	UD_TRY(ud_idempotent_expire(cx, cx->now_ms - (int64_t)h->idempotency_days * 86400000, &n));
	UD_TRY(ud_enrolments_expire(cx, cx->now_ms));
	return ud_sessions_expire(cx, cx->now_ms);
}

/* A database that is behind is refused: an operator decides when to migrate. */
static enum ud_code check_schema(struct ud_ctx *cx, const char *url)
{
	struct ud_migration_plan *plan = ud_alloc(cx->arena, sizeof(*plan));
	ud_conn *conn = NULL;

	UD_TRY(ud_conn_open(cx, url, 0, &conn));
	cx->conn = conn;
	enum ud_code code = ud_migrate_plan(cx, ud_migrations, plan);

	cx->conn = NULL;
	ud_conn_release(&conn);
	UD_TRY(code);
	if (plan->count)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL,
			"%zu migrations are pending: run understudyd migrate", plan->count);
	return UD_OK;
}

static void wait_for_end(ud_database *db, const struct ud_env *env, struct housekeeping *h)
{
	struct ud_scope scope = ud_scope_system("housekeeping");
	struct timespec hour = { HOUSEKEEPING_SECONDS, 0 };
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	for (;;) {
		UD_AUTO(ud_arena) *arena = ud_arena_new();
		struct ud_ctx cx = { .arena = arena,
			.env = env,
			.now_ms = ud_now_ms(env),
			.request_id = "housekeeping",
			.scope = &scope };

		if (ud_database_write(db, &cx, keep_house, h) != UD_OK)
			ud_log(UD_LOG_WARNING, "housekeeping_failed", "reason", cx.problem.detail,
				NULL);
		if (sigtimedwait(&ends, NULL, &hour) > 0 || (errno != EAGAIN && errno != EINTR))
			return;
	}
}

static enum ud_code make_authority(struct ud_ctx *cx, void *data)
{
	const struct ud_keys *keys = data;

	return ud_ca_ensure(cx, keys->seal);
}

/* The agents' port, when there is to be one; settings learn what hosts are enrolled with. */
static enum ud_code open_agents(struct ud_ctx *cx, ud_database *db, struct ud_installation *in,
	struct ud_server_settings *settings, struct ud_agents **ret)
{
	struct ud_scope scope = ud_scope_system("serve");
	struct ud_server_settings own;
	bool open = false;

	UD_TRY(ud_installation_agents(cx, in, &open, &own));
	if (!open)
		return UD_OK;
	cx->scope = &scope;
	/* a database older than the authority gets one now */
	enum ud_code code = ud_database_write(db, cx, make_authority, &in->keys);

	if (code == UD_OK)
		code = ud_agents_start(
			cx, db, &own, &in->keys, ud_agent_routes, &ud_api_work, cx->env, ret);
	cx->scope = NULL;
	UD_TRY(code);
	settings->agents_url = ud_agents_url(*ret);
	settings->ca_sha256 = ud_agents_pin(*ret);
	ud_log(UD_LOG_INFO, "serving_agents", "url", settings->agents_url, "ca_sha256",
		settings->ca_sha256, NULL);
	return UD_OK;
}

/* Pages of a demo are marked as such. */
static enum ud_code look_for_demo(struct ud_ctx *cx, ud_database *db, bool *ret)
{
	ud_reader *reader = NULL;

	UD_TRY(ud_reader_open(cx, db, &reader));
	enum ud_code code = ud_read_begin(cx, reader);

	if (code == UD_OK) {
		code = ud_demo_installation(cx, ret);
		ud_read_end(cx, reader);
	}
	ud_reader_release(&reader);
	return code;
}

struct serving {
	ud_database *db;
	struct ud_agents *agents;
	struct ud_server *server;
};

static enum ud_code open_all(struct ud_ctx *cx, struct ud_installation *in,
	struct ud_server_settings *settings, struct serving *s)
{
	UD_TRY(ud_database_open(cx, in->database_url, cx->env, &s->db));
	UD_TRY(ud_database_remember(cx, s->db, ud_printf(cx->arena, "%s/history", in->dir)));
	UD_TRY(look_for_demo(cx, s->db, &settings->demo));
	UD_TRY(open_agents(cx, s->db, in, settings, &s->agents));
	return ud_server_start(
		cx, s->db, settings, &in->keys, ud_api, &ud_api_work, cx->env, &s->server);
}

static enum ud_code serve(struct ud_ctx *cx, const char *config)
{
	struct ud_installation in;
	struct ud_server_settings settings;
	struct serving s = { 0 };

	UD_TRY(ud_installation_load(cx, config, &in));
	UD_TRY(ud_installation_settings(cx, &in, &settings));
	ud_log_set_level((enum ud_log_level)ud_log_level_named(in.options.text[UD_O_LOG_LEVEL]));
	UD_TRY(check_schema(cx, in.database_url));
	enum ud_code code = open_all(cx, &in, &settings, &s);

	if (code == UD_OK) {
		struct housekeeping h = { settings.idempotency_days };

		ud_log(UD_LOG_INFO, "serving", "url", s.server->base_url, "engine",
			ud_database_engine(s.db), "version", UD_VERSION, NULL);
		wait_for_end(s.db, cx->env, &h);
		ud_log(UD_LOG_INFO, "stopping", NULL);
	}
	ud_server_release(&s.server);
	ud_agents_release(&s.agents);
	ud_database_release(&s.db);
	return code;
}

/* Sockets for all connections: as many as the system lets us have. */
static void raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

int ud_command_serve(struct ud_ctx *cx, int argc, char **argv)
{
	const char *config = NULL;
	const struct ud_flag flags[] = { { "--config", &config, NULL }, { 0 } };
	sigset_t ends;

	if (!ud_flags_read(argc, argv, flags))
		return 2;
	if (!config) {
		fputs("understudyd: --config is required\n", stderr);
		return 2;
	}
	/* blocked here, before any thread: only wait_for_end takes them */
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	raise_limits();
	return serve(cx, config) == UD_OK ? 0 : ud_command_failed(cx, "serve");
}
