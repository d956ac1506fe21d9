/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The context of unit tests; see context.h.
 */
#include "support/context.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

struct fixture {
	struct ud_ctx cx;
	struct ud_env env;
	char *folder;
};

static int64_t standing_clock(const struct ud_env *env)
{
	(void)env;
	return CONTEXT_NOW_MS;
}

int context_begin(void **state)
{
	struct fixture *f = ud_malloc(sizeof(*f));

	*f = (struct fixture){ .env = ud_env_real };
	f->env.now_ms = standing_clock;
	f->cx = (struct ud_ctx){
		.arena = ud_arena_new(), .env = &f->env, .now_ms = CONTEXT_NOW_MS
	};
	*state = &f->cx;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
	(void)st;
	(void)kind;
	(void)walk;
	return remove(path);
}

int context_end(void **state)
{
	struct fixture *f = UD_OUTER(*state, struct fixture, cx);

	if (f->folder)
		nftw(f->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	ud_free(f->folder);
	ud_arena_release(&f->cx.arena);
	ud_free(f);
	return 0;
}

const char *context_path(struct ud_ctx *cx, const char *name)
{
	struct fixture *f = UD_OUTER(cx, struct fixture, cx);

	if (!f->folder) {
		const char *parent = getenv("TMPDIR");

		f->folder = ud_heap_strdup(
			ud_printf(cx->arena, "%s/ud-unit-XXXXXX", parent ? parent : "/tmp"));
		assert_non_null(mkdtemp(f->folder));
	}
	return ud_printf(cx->arena, "%s/%s", f->folder, name);
}

const char *context_file(struct ud_ctx *cx, const char *name, const char *content)
{
	const char *path = context_path(cx, name);

	assert_int_equal(ud_file_write(cx, path, content, strlen(content), 0600), UD_OK);
	return path;
}

const char *context_problem(struct ud_ctx *cx, const char *field, const char *rule)
{
	for (size_t i = 0; i < cx->problem.field_count; i++)
		if (strcmp(cx->problem.fields[i].field, field) == 0 &&
			strcmp(cx->problem.fields[i].rule, rule) == 0)
			return cx->problem.fields[i].detail;
	return NULL;
}
