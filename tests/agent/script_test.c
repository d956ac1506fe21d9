/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which programs of a host plans may run: only what its administrator alone can have put there.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/script.h"
#include "agent/verbs.h"
#include "base/env.h"
#include "base/verbs.h"
#include "support/context.h"

enum { SOMEBODY = 65534 };

struct place {
	struct ud_ctx *cx;
	const char *dir;
};

static void put(const struct place *p, const char *name, const char *text, mode_t mode)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static struct place begin(void **state)
{
	struct place p = { .cx = *state, .dir = context_path(*state, "scripts") };

	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir(p.dir, 0755), 0);
	put(&p, "good", "#!/bin/sh\necho \"out $1 $#\"; echo err >&2; exit 7\n", 0755);
	return p;
}

static enum ud_code find(const struct place *p, const char *name)
{
	const char *path = NULL;

	ud_ctx_clear(p->cx);
	return ud_script_find(p->cx, p->dir, name, &path);
}

static void only_roots_own_files_are_found(void **state)
{
	struct place p = begin(state);
	char path[128];

	assert_int_equal(find(&p, "good"), UD_OK);
	assert_int_equal(find(&p, "none"), UD_E_NOT_FOUND);
	put(&p, "group", "x", 0775);
	assert_int_equal(find(&p, "group"), UD_E_INVALID_STATE);
	put(&p, "all", "x", 0757);
	assert_int_equal(find(&p, "all"), UD_E_INVALID_STATE);
	put(&p, "plain", "x", 0644);
	assert_int_equal(find(&p, "plain"), UD_E_INVALID_STATE);
	put(&p, "other", "x", 0755);
	snprintf(path, sizeof(path), "%s/other", p.dir);
	assert_int_equal(chown(path, SOMEBODY, SOMEBODY), 0);
	assert_int_equal(find(&p, "other"), UD_E_INVALID_STATE);
	snprintf(path, sizeof(path), "%s/link", p.dir);
	assert_int_equal(symlink("good", path), 0);
	assert_int_equal(find(&p, "link"), UD_E_INVALID_STATE);
	snprintf(path, sizeof(path), "%s/folder", p.dir);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(find(&p, "folder"), UD_E_INVALID_STATE);
	/* and nothing at all in a folder that others can change */
	assert_int_equal(chmod(p.dir, 0777), 0);
	assert_int_equal(find(&p, "good"), UD_E_INVALID_STATE);
	assert_int_equal(chmod(p.dir, 0755), 0);
	assert_int_equal(chown(p.dir, SOMEBODY, SOMEBODY), 0);
	assert_int_equal(find(&p, "good"), UD_E_INVALID_STATE);
}

static enum ud_code run(
	const struct place *p, const char *folder, const char *program, const char **ret)
{
	const char *words[] = { "a b; $(id)" };
	struct ud_guest_args args = {
		.program = program, .arguments = { words, UD_LEN(words) }, .timeout_seconds = 60
	};
	struct ud_agent_config config = { .scripts = folder };
	struct ud_station station = { .config = &config, .env = &ud_env_real };
	struct ud_act act = { .station = &station, .args = &args };

	ud_ctx_clear(p->cx);
	enum ud_code code = ud_do_step_script(p->cx, &act);

	*ret = act.result;
	assert_int_equal(act.begun, code == UD_OK);
	return code;
}

/* By its name alone, its arguments as they are; the status and what it wrote are told. */
static void a_program_is_run_by_its_name(void **state)
{
	struct place p = begin(state);
	const char *names[] = { "", ".", "..", "../good", "/bin/sh", "good;id", "a b", ".good" };
	const char *result = NULL;

	assert_int_equal(run(&p, p.dir, "good", &result), UD_OK);
	assert_non_null(strstr(result, "\"exit_status\":7"));
	assert_non_null(strstr(result, "out a b; $(id) 1"));
	assert_non_null(strstr(result, "err"));
	for (size_t i = 0; i < UD_LEN(names); i++)
		assert_int_equal(run(&p, p.dir, names[i], &result), UD_E_VALIDATION);
	assert_int_equal(run(&p, p.dir, "none", &result), UD_E_NOT_FOUND);
	/* without a folder there is none */
	assert_int_equal(run(&p, "", "good", &result), UD_E_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			only_roots_own_files_are_found, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			a_program_is_run_by_its_name, context_begin, context_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
