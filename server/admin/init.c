/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudyd init: a folder with keys, database and configuration, an authority for certificates,
 * a first administrator, and a first token for scripts. Refuses a folder that has anything in it,
 * so a second run cannot harm the first one's work.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/people.h"
#include "base/env.h"
#include "base/file.h"
#include "base/password.h"
#include "base/rules.h"
#include "db/engine/database.h"
#include "db/engine/migrate.h"
#include "db/events.h"
#include "db/installation.h"
#include "db/migrations.h"
#include "db/people.h"
#include "server/admin/installation.h"
#include "server/agents/ca.h"

struct init {
	const char *dir, *email, *password_file, *token_file, *database;
	bool demo;
	const char *url, *password_hash, *token;
	struct ud_keys keys;
};

static enum ud_code make_folder(struct ud_ctx *cx, const char *dir)
{
	int why = cx->env->files->make_folder(dir, 0700), entries = 0;

	if (why && why != EEXIST)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", dir, strerror(why));
	DIR *d = opendir(dir);

	if (!d)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", dir, strerror(errno));
	while (readdir(d))
		entries++;
	closedir(d);
	if (entries > 2) /* . and .. */
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "%s is not empty", dir);
	return UD_OK;
}

static enum ud_code write_config(struct ud_ctx *cx, const struct init *in)
{
	struct ud_buf b = { 0 };

	ud_buf_printf(&b,
		"; Configuration of understudyd. Files in conf.d/ beside this one are read after it.\n\n");
	ud_options_sample(&b);
	ud_buf_printf(&b, "\n[database]\nurl=%s\n", in->url);
	enum ud_code code = ud_file_write(
		cx, ud_printf(cx->arena, "%s/understudyd.conf", in->dir), b.data, b.len, 0600);

	ud_buf_free(&b);
	if (code == UD_OK)
		(void)cx->env->files->make_folder(ud_printf(cx->arena, "%s/conf.d", in->dir), 0700);
	return code;
}

static enum ud_code hash_password(struct ud_ctx *cx, struct init *in)
{
	const char *password, *rule;
	size_t n;

	UD_TRY(ud_file_read(cx, in->password_file, 4096, &password, &n));
	password = ud_strndup(cx->arena, password, strcspn(password, "\r\n"));
	if ((rule = ud_rule_email(cx, in->email)))
		return ud_fail(cx, UD_E_VALIDATION, NULL, "--admin-email %s", rule);
	if ((rule = ud_password_rule(password, in->email)))
		return ud_fail(cx, UD_E_VALIDATION, NULL, "the password %s", rule);
	return ud_password_hash(cx, in->keys.pepper, UD_COST_STAFF, password, &in->password_hash);
}

static const char *const first_roles[] = { "operator", "support_lead" };

static struct ud_texts roles_of_first(struct ud_ctx *cx)
{
	struct ud_texts t = { ud_alloc(cx->arena, sizeof(first_roles)), UD_LEN(first_roles) };

	memcpy(t.items, first_roles, sizeof(first_roles));
	return t;
}

static enum ud_code add_admin(struct ud_ctx *cx, const struct init *in)
{
	struct ud_user u = { .email = in->email,
		.display_name = "Administrator",
		.state = UD_USER_ACTIVE,
		.role_names = roles_of_first(cx),
		.password_hash = in->password_hash };

	UD_TRY(ud_row_insert(cx, &ud_users, &u));
	return ud_event_add(cx, "created", ud_users.shape, NULL, &u);
}

static enum ud_code add_token(struct ud_ctx *cx, struct init *in)
{
	struct ud_service_account a = { .name = "first token", .role_names = roles_of_first(cx) };
	const char *all[] = { "*" };
	struct ud_token t = {
		.name = "made by init", .scopes = { all, 1 }, .expires_at.ms = cx->now_ms + 86400000
	};

	UD_TRY(ud_row_insert(cx, &ud_service_accounts, &a));
	UD_TRY(ud_event_add(cx, "created", ud_service_accounts.shape, NULL, &a));
	UD_TRY(ud_token_make(cx, "uss", a.row.id, NULL, &t));
	in->token = t.token;
	return UD_OK;
}

static enum ud_code fill(struct ud_ctx *cx, void *data)
{
	struct init *in = data;

	UD_TRY(ud_installation_begin(cx, in->demo));
	UD_TRY(ud_ca_ensure(cx, in->keys.seal));
	if (in->email)
		UD_TRY(add_admin(cx, in));
	return in->token_file ? add_token(cx, in) : UD_OK;
}

static enum ud_code make_database(struct ud_ctx *cx, struct init *in)
{
	ud_database *db = NULL;
	ud_conn *conn = NULL;
	struct ud_scope scope = ud_scope_system("init");

	cx->scope = &scope;
	UD_TRY(ud_conn_open(cx, in->url, UD_CONN_CREATE, &conn));
	cx->conn = conn;
	enum ud_code code = ud_migrate(cx, ud_migrations);

	cx->conn = NULL;
	ud_conn_release(&conn);
	UD_TRY(code);
	UD_TRY(ud_database_open(cx, in->url, cx->env, &db));
	code = ud_database_write(db, cx, fill, in);
	ud_database_release(&db);
	return code;
}

/* The keys as they were stored. */
static enum ud_code read_back(struct ud_ctx *cx, struct init *in)
{
	struct ud_installation made;

	UD_TRY(ud_installation_load(
		cx, ud_printf(cx->arena, "%s/understudyd.conf", in->dir), &made));
	in->keys = made.keys;
	return UD_OK;
}

static enum ud_code init(struct ud_ctx *cx, struct init *in)
{
	UD_TRY(make_folder(cx, in->dir));
	in->url = in->database ? in->database
			       : ud_printf(cx->arena, "sqlite:%s/understudy.db", in->dir);
	UD_TRY(ud_installation_make_keys(cx, in->dir));
	UD_TRY(write_config(cx, in));
	UD_TRY(read_back(cx, in));
	if (in->email)
		UD_TRY(hash_password(cx, in));
	UD_TRY(make_database(cx, in));
	if (!in->token_file)
		return UD_OK;
	return ud_file_write(cx, in->token_file, ud_printf(cx->arena, "%s\n", in->token),
		strlen(in->token) + 1, 0600);
}

/* The configuration names the database by its full path, so that it works from any folder. */
static const char *full_path(struct ud_ctx *cx, const char *dir)
{
	char *full = realpath(dir, NULL);
	const char *copy = ud_strdup(cx->arena, full ? full : dir);

	ud_free(full);
	return copy;
}

int ud_command_init(struct ud_ctx *cx, int argc, char **argv)
{
	struct init in = { 0 };
	const struct ud_flag flags[] = { { "--dir", &in.dir, NULL },
		{ "--admin-email", &in.email, NULL },
		{ "--admin-password-file", &in.password_file, NULL },
		{ "--admin-token-file", &in.token_file, NULL },
		{ "--database", &in.database, NULL }, { "--demo", NULL, &in.demo }, { 0 } };

	if (!ud_flags_read(argc, argv, flags))
		return 2;
	if (!in.dir || !in.email != !in.password_file) {
		fputs(in.dir ? "understudyd: --admin-email and --admin-password-file go together\n"
			     : "understudyd: --dir is required\n",
			stderr);
		return 2;
	}
	if (make_folder(cx, in.dir) != UD_OK)
		return ud_command_failed(cx, "init");
	in.dir = full_path(cx, in.dir);
	if (init(cx, &in) != UD_OK)
		return ud_command_failed(cx, "init");
	printf("Ready in %s.\nStart it:  understudyd serve --config %s/understudyd.conf\n", in.dir,
		in.dir);
	return 0;
}
