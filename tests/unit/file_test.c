/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files: whole, bounded, replaced at once.
 */
#include "base/file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "support/context.h"

static unsigned mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 0777;
}

static void what_is_written_is_read(void **state)
{
	struct ud_ctx *cx = *state;
	const char *path = context_path(cx, "data"), *text = NULL;
	char large[20000];
	size_t n = 0;

	memset(large, 'x', sizeof(large));
	large[5] = 0;
	assert_int_equal(ud_file_write(cx, path, large, sizeof(large), 0600), UD_OK);
	assert_int_equal(ud_file_read(cx, path, sizeof(large), &text, &n), UD_OK);
	assert_int_equal(n, sizeof(large));
	assert_memory_equal(text, large, n);
	assert_int_equal(text[n], 0);
	assert_int_equal(ud_file_write(cx, path, "", 0, 0600), UD_OK);
	assert_int_equal(ud_file_read(cx, path, 0, &text, &n), UD_OK);
	assert_int_equal(n, 0);
}

static void a_file_above_the_bound_is_refused(void **state)
{
	struct ud_ctx *cx = *state;
	const char *path = context_file(cx, "bound", "12345"), *text = NULL;
	size_t n = 0;

	assert_int_equal(ud_file_read(cx, path, 5, &text, &n), UD_OK);
	assert_int_equal(ud_file_read(cx, path, 4, &text, &n), UD_E_UNAVAILABLE);
	assert_non_null(strstr(cx->problem.detail, path));
}

static void what_is_not_there_is_unavailable(void **state)
{
	struct ud_ctx *cx = *state;
	const char *text = NULL;
	size_t n = 0;

	assert_int_equal(
		ud_file_read(cx, context_path(cx, "none"), 10, &text, &n), UD_E_UNAVAILABLE);
	assert_non_null(strstr(cx->problem.detail, "No such file"));
	assert_int_equal(ud_file_read(cx, context_path(cx, "."), 10, &text, &n), UD_E_UNAVAILABLE);
	assert_int_equal(
		ud_file_write(cx, context_path(cx, "no/where"), "x", 1, 0600), UD_E_UNAVAILABLE);
}

static void the_old_content_stays_when_writing_fails(void **state)
{
	struct ud_ctx *cx = *state;
	const char *folder = context_path(cx, "taken"), *inside = context_path(cx, "taken/x");

	/* a folder cannot be replaced by a file: the rename fails */
	assert_int_equal(cx->env->files->make_folder(folder, 0700), 0);
	assert_int_equal(cx->env->files->make_folder(folder, 0700), EEXIST);
	context_file(cx, "taken/x", "old");
	assert_int_equal(ud_file_write(cx, folder, "new", 3, 0600), UD_E_UNAVAILABLE);
	assert_int_equal(access(inside, R_OK), 0);
	assert_int_equal(access(ud_printf(cx->arena, "%s.part", folder), F_OK), -1);
}

static void a_leftover_does_not_lend_its_mode(void **state)
{
	struct ud_ctx *cx = *state;
	const char *path = context_path(cx, "secret");

	context_file(cx, "secret.part", "half");
	assert_int_equal(chmod(context_path(cx, "secret.part"), 0644), 0);
	assert_int_equal(ud_file_write(cx, path, "whole", 5, 0600), UD_OK);
	assert_int_equal(mode_of(path), 0600);
	assert_int_equal(access(context_path(cx, "secret.part"), F_OK), -1);
}

static int full(const char *path, const void *data, size_t n, unsigned mode)
{
	(void)path;
	(void)data;
	(void)n;
	(void)mode;
	return ENOSPC;
}

static void a_full_disk_is_told_apart(void **state)
{
	struct ud_ctx cx = *(struct ud_ctx *)*state;
	struct ud_files files = *cx.env->files;
	struct ud_env env = *cx.env;

	files.write = full;
	env.files = &files;
	cx.env = &env;
	assert_int_equal(ud_file_write(&cx, "any", "x", 1, 0600), UD_E_STORAGE_FULL);
}

static void a_planted_link_is_not_followed(void **state)
{
	struct ud_ctx *cx = *state;
	const char *victim = context_file(cx, "victim", "old"), *text = NULL;
	size_t n = 0;

	assert_int_equal(symlink(victim, context_path(cx, "target.part")), 0);
	assert_int_equal(ud_file_write(cx, context_path(cx, "target"), "new", 3, 0600), UD_OK);
	assert_int_equal(ud_file_read(cx, victim, 10, &text, &n), UD_OK);
	assert_string_equal(text, "old");
}

static void files_are_removed(void **state)
{
	struct ud_ctx *cx = *state;
	const char *path = context_file(cx, "gone", "x");

	assert_int_equal(cx->env->files->remove(path), 0);
	assert_int_equal(cx->env->files->remove(path), ENOENT);
}

static void gather(void *data, const char *name)
{
	ud_buf_printf(data, "%s ", name);
}

static void a_folder_is_listed_in_order(void **state)
{
	struct ud_ctx *cx = *state;
	const struct ud_files *files = cx->env->files;
	struct ud_buf b = { 0 };

	assert_int_equal(files->make_folder(context_path(cx, "list"), 0700), 0);
	context_file(cx, "list/b", "");
	context_file(cx, "list/.a", "");
	context_file(cx, "list/B", "");
	assert_int_equal(files->list(context_path(cx, "list"), gather, &b), 0);
	assert_string_equal(ud_buf_text(&b), ".a B b ");
	ud_buf_free(&b);
	assert_int_equal(files->list(context_path(cx, "list/none"), gather, &b), ENOENT);
	assert_int_equal(files->list(context_path(cx, "list/b"), gather, &b), ENOTDIR);
}

static void paths_have_an_end(void **state)
{
	struct ud_ctx *cx = *state;
	char *path = ud_alloc(cx->arena, 5001);

	memset(path, 'x', 5000);
	assert_int_equal(cx->env->files->write(path, "x", 1, 0600), ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_file_above_the_bound_is_refused),
		cmocka_unit_test(what_is_not_there_is_unavailable),
		cmocka_unit_test(the_old_content_stays_when_writing_fails),
		cmocka_unit_test(a_leftover_does_not_lend_its_mode),
		cmocka_unit_test(a_full_disk_is_told_apart),
		cmocka_unit_test(a_planted_link_is_not_followed),
		cmocka_unit_test(files_are_removed),
		cmocka_unit_test(a_folder_is_listed_in_order),
		cmocka_unit_test(paths_have_an_end),
	};

	return cmocka_run_group_tests(tests, context_begin, context_end);
}
