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
#include "db/engine/migrate.h"
#include "db/idempotency.h"
#include "db/migrations.h"
#include "db/people.h"
#include "server/admin/installation.h"

enum { HOUSEKEEPING_SECONDS = 3600 };

struct housekeeping {
	int idempotency_days;
};

static enum ud_code keep_house(struct ud_ctx *cx, void *data)
{
	const struct housekeeping *h = data;
	int64_t n;

	UD_TRY(ud_idempotent_expire(cx, cx->now_ms - (int64_t)h->idempotency_days * 86400000, &n));
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

static enum ud_code serve(struct ud_ctx *cx, const char *config)
{
	struct ud_installation in;
	struct ud_server_settings settings;
	struct ud_server *server = NULL;
	ud_database *db = NULL;

	UD_TRY(ud_installation_load(cx, config, &in));
	UD_TRY(ud_installation_settings(cx, &in, &settings));
	ud_log_set_level((enum ud_log_level)ud_log_level_named(in.options.text[UD_O_LOG_LEVEL]));
	UD_TRY(check_schema(cx, in.database_url));
	UD_TRY(ud_database_open(cx, in.database_url, cx->env, &db));
	enum ud_code code =
		ud_database_remember(cx, db, ud_printf(cx->arena, "%s/history", in.dir));

	if (code == UD_OK)
		code = ud_server_start(
			cx, db, &settings, &in.keys, ud_api, ud_api_jobs, cx->env, &server);
	if (code == UD_OK) {
		struct housekeeping h = { settings.idempotency_days };

		ud_log(UD_LOG_INFO, "serving", "url", server->base_url, "engine",
			ud_database_engine(db), "version", UD_VERSION, NULL);
		wait_for_end(db, cx->env, &h);
		ud_log(UD_LOG_INFO, "stopping", NULL);
	}
	ud_server_release(&server);
	ud_database_release(&db);
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
