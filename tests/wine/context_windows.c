/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The context of unit tests on Windows; see support/context.h. The temporary folder has a name that
 * no code page holds.
 */
#include <windows.h>

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/wide.h"
#include "support/context.h"

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

static bool is_folder(const char *path)
{
	wchar_t *wide = ud_wide(path);
	DWORD attributes = GetFileAttributesW(wide);

	ud_free(wide);
	return attributes != INVALID_FILE_ATTRIBUTES && attributes & FILE_ATTRIBUTE_DIRECTORY;
}

static void remove_folder(const char *path);

static void remove_one(void *data, const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", (const char *)data, name);
	if (is_folder(path))
		remove_folder(path);
	else
		(void)!ud_files_real.remove(path);
}

static void remove_folder(const char *path)
{
	wchar_t *wide = ud_wide(path);

	(void)!ud_files_real.list(path, remove_one, (void *)(uintptr_t)path);
	RemoveDirectoryW(wide);
	ud_free(wide);
}

int context_end(void **state)
{
	struct fixture *f = UD_OUTER(*state, struct fixture, cx);

	if (f->folder)
		remove_folder(f->folder);
	ud_free(f->folder);
	ud_arena_release(&f->cx.arena);
	ud_free(f);
	return 0;
}

static void make_folder(struct ud_ctx *cx, struct fixture *f)
{
	wchar_t parent[MAX_PATH];
	unsigned char chance[8];

	assert_int_not_equal(GetTempPathW(UD_LEN(parent), parent), 0);
	char *narrow = ud_narrow(parent);

	ud_random(cx->env, chance, sizeof(chance));
	f->folder = ud_heap_strdup(ud_printf(cx->arena,
		"%sud-Zürich 雪-%02x%02x%02x%02x%02x%02x%02x%02x", narrow, chance[0], chance[1],
		chance[2], chance[3], chance[4], chance[5], chance[6], chance[7]));
	ud_free(narrow);
	assert_int_equal(ud_files_real.make_folder(f->folder, 0700), 0);
}

const char *context_path(struct ud_ctx *cx, const char *name)
{
	struct fixture *f = UD_OUTER(cx, struct fixture, cx);

	if (!f->folder)
		make_folder(cx, f);
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
