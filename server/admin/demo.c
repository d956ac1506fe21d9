/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudyd demo-seed: loads an invented installation, in one transaction. Only into one that was
 * made with init --demo and has no customers but a demo's.
 */
#include "server/admin/demo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/password.h"
#include "db/demo.h"
#include "db/engine/database.h"
#include "db/events.h"
#include "server/admin/installation.h"

enum { MINUTE_MS = 60000 };

/* xorshift64*, Vigna 2016: no secret hangs on it. */
static uint64_t next_chance(struct ud_demo *d)
{
	d->chance ^= d->chance >> 12;
	d->chance ^= d->chance << 25;
	d->chance ^= d->chance >> 27;
	return d->chance * UINT64_C(2685821657736338717);
}

int64_t ud_demo_below(struct ud_demo *d, int64_t n)
{
	return (int64_t)((next_chance(d) >> 33) % (uint64_t)n);
}

static void fill_chance(const struct ud_env *env, void *buf, size_t n)
{
	unsigned char *to = buf;

	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)(next_chance(env->data) >> 40);
}

int64_t ud_demo_ago(const struct ud_demo *d, int64_t minutes)
{
	return d->until_ms - minutes * MINUTE_MS;
}

enum ud_code ud_demo_put(struct ud_ctx *cx, const struct ud_table *t, void *row)
{
	((struct ud_row *)row)->labels.text = UD_DEMO_LABELS;
	UD_TRY(ud_row_insert(cx, t, row));
	return ud_event_add(cx, "created", t->shape, NULL, row);
}

enum ud_code ud_demo_change(struct ud_ctx *cx, const struct ud_table *t, const char *verb,
	const void *old_row, void *row)
{
	UD_TRY(ud_row_update(cx, t, old_row, row));
	return ud_event_add(cx, verb, t->shape, old_row, row);
}

void ud_demo_act(struct ud_ctx *cx, struct ud_scope *scope, const struct ud_demo_person *who,
	const char *customer_id)
{
	*scope = (struct ud_scope){ .kind = UD_PRINCIPAL_USER,
		.id = who->id,
		.name = who->name,
		.customer_id = customer_id,
		.home_customer_id = customer_id,
		.roles = who->roles };
	cx->scope = scope;
}

/* ---- the command ---- */

struct seeding {
	const char *config, *password_file, *seed_text, *until_text;
	int64_t seed;
	struct ud_demo demo;
};

static enum ud_code may_load(struct ud_ctx *cx)
{
	bool demo = false, loaded = false;
	int64_t others = 0;

	UD_TRY(ud_demo_installation(cx, &demo));
	if (!demo)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"this installation was not made for a demo (init --demo)");
	UD_TRY(ud_demo_others(cx, &others));
	if (others)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "%lld customers here are not a demo's",
			(long long)others);
	UD_TRY(ud_demo_loaded(cx, &loaded));
	return loaded ? ud_fail(cx, UD_E_INVALID_STATE, NULL, "demo data was loaded already")
		      : UD_OK;
}

/* May run twice, so that it begins with everything it goes by. */
static enum ud_code load(struct ud_ctx *cx, void *data)
{
	struct seeding *s = data;
	struct ud_demo *d = &s->demo;
	const struct ud_env *real = cx->env;
	int64_t now = cx->now_ms;

	UD_TRY(may_load(cx));
	UD_TRY(ud_demo_keep_seed(cx, s->seed));
	d->chance = UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(s->seed + 1);
	d->env = *real;
	d->env.random = fill_chance;
	d->env.data = d;
	cx->env = &d->env;
	enum ud_code code = ud_demo_places(cx, d);

	if (code == UD_OK)
		code = ud_demo_copies(cx, d);
	if (code == UD_OK)
		code = ud_demo_history(cx, d);
	cx->env = real;
	cx->now_ms = now;
	return code;
}

static enum ud_code hash_password(
	struct ud_ctx *cx, const struct ud_installation *in, struct seeding *s)
{
	const char *text, *rule;
	size_t n;

	if (!s->password_file)
		return UD_OK;
	UD_TRY(ud_file_read(cx, s->password_file, 4096, &text, &n));
	text = ud_strndup(cx->arena, text, strcspn(text, "\r\n"));
	if ((rule = ud_password_rule(text, "demo")))
		return ud_fail(cx, UD_E_VALIDATION, NULL, "the password %s", rule);
	return ud_password_hash(cx, in->keys.pepper, UD_COST_STAFF, text, &s->demo.password_hash);
}

static enum ud_code seed(struct ud_ctx *cx, struct seeding *s)
{
	struct ud_scope scope = ud_scope_system("demo-seed");
	struct ud_installation in;
	ud_database *db = NULL;

	UD_TRY(ud_installation_load(cx, s->config, &in));
	UD_TRY(hash_password(cx, &in, s));
	cx->scope = &scope;
	UD_TRY(ud_database_open(cx, in.database_url, cx->env, &db));
	enum ud_code code = ud_database_write(db, cx, load, s);

	ud_database_release(&db);
	return code;
}

static bool read_figures(const struct ud_ctx *cx, struct seeding *s)
{
	char *end = NULL;

	s->seed = s->seed_text ? strtoll(s->seed_text, &end, 10) : 1;
	if (s->seed < 0 || (end && *end))
		return false;
	s->demo.until_ms = cx->now_ms;
	return !s->until_text || ud_time_parse(s->until_text, &s->demo.until_ms);
}

int ud_command_demo_seed(struct ud_ctx *cx, int argc, char **argv)
{
	struct seeding *s = ud_alloc(cx->arena, sizeof(*s));
	const struct ud_flag flags[] = { { "--config", &s->config, NULL },
		{ "--password-file", &s->password_file, NULL }, { "--seed", &s->seed_text, NULL },
		{ "--until", &s->until_text, NULL }, { 0 } };

	if (!ud_flags_read(argc, argv, flags))
		return 2;
	if (!s->config || !read_figures(cx, s)) {
		fputs(s->config ? "understudyd: --seed is a number, --until an instant of RFC 3339\n"
				: "understudyd: --config is required\n",
			stderr);
		return 2;
	}
	int64_t began = ud_stopwatch_us();

	if (seed(cx, s) != UD_OK)
		return ud_command_failed(cx, "demo-seed");
	printf("Demo data of seed %lld was loaded in %.1f s: %d customers, %d hosts, %d VMs, %d tickets, %d days.\n",
		(long long)s->seed, (double)(ud_stopwatch_us() - began) / 1e6, UD_DEMO_CUSTOMERS,
		UD_DEMO_HOSTS, UD_DEMO_VMS, UD_DEMO_TICKETS, UD_DEMO_DAYS);
	return 0;
}
