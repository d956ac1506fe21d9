/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudyd migrate, doctor, backup and restore.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/file.h"
#include "db/engine/backup.h"
#include "db/engine/health.h"
#include "db/engine/migrate.h"
#include "db/events.h"
#include "db/installation.h"
#include "db/migrations.h"
#include "server/admin/installation.h"

static int need_config(void)
{
	fputs("understudyd: --config is required\n", stderr);
	return 2;
}

static void print_plan(const struct ud_migration_plan *plan)
{
	printf("The database is at version %lld; %zu migrations are pending.\n",
		(long long)plan->current, plan->count);
	for (size_t i = 0; i < plan->count; i++)
		printf("\n-- %s\n%s", plan->pending[i].name, plan->pending[i].sql);
}

static enum ud_code migrate(struct ud_ctx *cx, const char *config, bool plan_only)
{
	struct ud_installation in;
	struct ud_migration_plan *plan = ud_alloc(cx->arena, sizeof(*plan));
	ud_conn *conn = NULL;

	UD_TRY(ud_installation_load(cx, config, &in));
	UD_TRY(ud_conn_open(cx, in.database_url, 0, &conn));
	cx->conn = conn;
	enum ud_code code = ud_migrate_plan(cx, ud_migrations, plan);

	if (code == UD_OK && plan_only)
		print_plan(plan);
	else if (code == UD_OK && (code = ud_migrate(cx, ud_migrations)) == UD_OK)
		printf("%zu migrations were applied.\n", plan->count);
	cx->conn = NULL;
	ud_conn_release(&conn);
	return code;
}

int ud_command_migrate(struct ud_ctx *cx, int argc, char **argv)
{
	const char *config = NULL;
	bool plan = false;
	const struct ud_flag flags[] = { { "--config", &config, NULL }, { "--plan", NULL, &plan },
		{ 0 } };

	if (!ud_flags_read(argc, argv, flags))
		return 2;
	if (!config)
		return need_config();
	return migrate(cx, config, plan) == UD_OK ? 0 : ud_command_failed(cx, "migrate");
}

/* The database remembers its newest copy, so that people see how old it is. */
static enum ud_code note_backup(struct ud_ctx *cx, const char *url, const char *to)
{
	enum { MANIFEST_MAX = 65536 };
	const char *manifest;
	ud_conn *conn = NULL;
	size_t n;

	UD_TRY(ud_file_read(cx, ud_printf(cx->arena, "%s.json", to), MANIFEST_MAX, &manifest, &n));
	UD_TRY(ud_conn_open(cx, url, 0, &conn));
	cx->conn = conn;
	enum ud_code code = ud_installation_backed_up(cx, manifest);

	cx->conn = NULL;
	ud_conn_release(&conn);
	return code;
}

static enum ud_code backup(struct ud_ctx *cx, const char *config, const char *to)
{
	struct ud_installation in;

	UD_TRY(ud_installation_load(cx, config, &in));
	UD_TRY(ud_backup(cx, in.database_url, to));
	if (note_backup(cx, in.database_url, to) != UD_OK) {
		/* the copy is good all the same */
		fprintf(stderr, "understudyd: the backup could not be noted in the database: %s\n",
			cx->problem.detail);
		ud_ctx_clear(cx);
	}
	return UD_OK;
}

int ud_command_backup(struct ud_ctx *cx, int argc, char **argv)
{
	const char *config = NULL, *to = NULL;
	const struct ud_flag flags[] = { { "--config", &config, NULL }, { "--to", &to, NULL },
		{ 0 } };

	if (!ud_flags_read(argc, argv, flags))
		return 2;
	if (!config || !to) {
		fputs("understudyd: --config and --to are required\n", stderr);
		return 2;
	}
	if (backup(cx, config, to) != UD_OK)
		return ud_command_failed(cx, "backup");
	printf("%s is complete and was read back; %s.json says what is in it. Keep a copy of the installation's file 'keys' with both.\n",
		to, to);
	return 0;
}

static enum ud_code restore(
	struct ud_ctx *cx, const char *from, const char *dir, const char *database)
{
	struct ud_installation in;
	const char *config = ud_printf(cx->arena, "%s/understudyd.conf", dir);

	UD_TRY(ud_installation_load(cx, config, &in));
	return ud_restore(cx, from, database ? database : in.database_url,
		ud_printf(cx->arena, "%s/history", in.dir));
}

int ud_command_restore(struct ud_ctx *cx, int argc, char **argv)
{
	const char *from = NULL, *dir = NULL, *database = NULL;
	const struct ud_flag flags[] = { { "--from", &from, NULL }, { "--dir", &dir, NULL },
		{ "--database", &database, NULL }, { 0 } };

	if (!ud_flags_read(argc, argv, flags))
		return 2;
	if (!from || !dir) {
		fputs("understudyd: --from and --dir are required\n", stderr);
		return 2;
	}
	if (restore(cx, from, dir, database) != UD_OK)
		return ud_command_failed(cx, "restore");
	puts("Restored. The generation was raised: numbers given out after the backup are never given out again.");
	return 0;
}

static int look_at_database(struct ud_ctx *cx)
{
	struct ud_health health;
	int bad = 0;

	if (ud_health_check(cx, &health) != UD_OK) {
		printf("BAD database: %s\n", cx->problem.detail ? cx->problem.detail : "");
		return 1;
	}
	for (size_t i = 0; i < health.count; i++) {
		const struct ud_finding *f = &health.findings[i];

		printf("%s database: %s: %s\n", f->good ? "ok " : "BAD", f->what, f->found);
		bad += !f->good;
	}
	return bad;
}

/* One line a finding; the exit code counts the bad ones. */
static int doctor(struct ud_ctx *cx, const char *config)
{
	struct ud_installation in;
	struct ud_scope scope = ud_scope_system("doctor");
	struct ud_chain_report report;
	struct ud_migration_plan *plan = ud_alloc(cx->arena, sizeof(*plan));
	ud_conn *conn = NULL;

	cx->scope = &scope;
	if (ud_installation_load(cx, config, &in) != UD_OK ||
		ud_conn_open(cx, in.database_url, UD_CONN_READ, &conn) != UD_OK)
		return ud_command_failed(cx, "doctor");
	cx->conn = conn;
	int bad = look_at_database(cx);
	enum ud_code code = ud_migrate_plan(cx, ud_migrations, plan);

	printf("%s schema: version %lld, %zu pending\n",
		code == UD_OK && !plan->count ? "ok " : "BAD", (long long)plan->current,
		plan->count);
	bad += code != UD_OK || plan->count;
	code = ud_begin(cx, false); /* one snapshot for the whole walk */
	if (code == UD_OK)
		code = ud_event_verify(cx, &report);
	if (code == UD_OK)
		printf("%s audit chain: %lld records in %lld chains%s%s\n",
			report.intact ? "ok " : "BAD", (long long)report.records,
			(long long)report.chains, report.intact ? "" : ": ",
			report.intact ? "" : report.broken_rule);
	bad += code != UD_OK || !report.intact;
	ud_rollback(cx);
	ud_conn_release(&conn);
	return bad ? 1 : 0;
}

int ud_command_doctor(struct ud_ctx *cx, int argc, char **argv)
{
	const char *config = NULL;
	const struct ud_flag flags[] = { { "--config", &config, NULL }, { 0 } };

	if (!ud_flags_read(argc, argv, flags))
		return 2;
	return config ? doctor(cx, config) : need_config();
}
