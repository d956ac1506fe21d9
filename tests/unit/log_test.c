/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of the log, read back from standard error.
 */
#include "base/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/time.h"
#include "support/context.h"

static int saved = -1;

/* From here on standard error is a file. */
static void divert(struct ud_ctx *cx)
{
	int fd = open(context_path(cx, "log"), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);

	assert_true(fd >= 0);
	saved = dup(STDERR_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
}

/* Standard error is itself again; what was written meanwhile. */
static const char *written(struct ud_ctx *cx)
{
	const char *text = NULL;
	size_t n;

	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_int_equal(ud_file_read(cx, context_path(cx, "log"), 65536, &text, &n), UD_OK);
	return text;
}

static int plain_terminal(void **state)
{
	unsetenv("JOURNAL_STREAM");
	ud_log_set_level(UD_LOG_INFO);
	return context_begin(state);
}

static void a_line_has_instant_level_event_and_pairs(void **state)
{
	int64_t ms;

	divert(*state);
	ud_log(UD_LOG_WARNING, "lease_late", "vm", "vm_1", "age_seconds", "31", NULL);
	const char *text = written(*state);

	assert_string_equal(text + 24, " level=warning event=lease_late vm=vm_1 age_seconds=31\n");
	assert_true(ud_time_parse(ud_strndup(((struct ud_ctx *)*state)->arena, text, 24), &ms));
}

static void values_cannot_forge_lines_or_pairs(void **state)
{
	divert(*state);
	ud_log(UD_LOG_INFO, "e", "a", "two words", "b", "x\nlevel=error", "c", "q\"=\\", "d", "",
		"e", NULL, "f", "\x1b[2J\x7f", "g", "\xc3\xa9\xff", NULL);
	assert_string_equal(written(*state) + 24,
		" level=info event=e a=\"two words\" b=\"x\\nlevel=error\" c=\"q\\\"=\\\\\" d=\"\" e=\"\""
		" f=\"\\u001b[2J\\u007f\" g=\"\xc3\xa9\xef\xbf\xbd\"\n");
}

static void lines_above_the_level_are_dropped(void **state)
{
	divert(*state);
	ud_log(UD_LOG_DEBUG, "unseen", NULL);
	ud_log_set_level(UD_LOG_DEBUG);
	ud_log(UD_LOG_DEBUG, "seen", NULL);
	ud_log_set_level(UD_LOG_ERROR);
	ud_log(UD_LOG_WARNING, "unseen", NULL);
	ud_log(UD_LOG_ERROR, "grave", NULL);
	const char *text = written(*state);

	assert_null(strstr(text, "unseen"));
	assert_non_null(strstr(text, " level=debug event=seen\n"));
	assert_non_null(strstr(text, " level=error event=grave\n"));
}

static void the_journal_gets_priorities(void **state)
{
	setenv("JOURNAL_STREAM", "8:1", 1);
	ud_log_set_level(UD_LOG_DEBUG);
	divert(*state);
	ud_log(UD_LOG_ERROR, "a", NULL);
	ud_log(UD_LOG_WARNING, "b", NULL);
	ud_log(UD_LOG_INFO, "c", NULL);
	ud_log(UD_LOG_DEBUG, "d", NULL);
	unsetenv("JOURNAL_STREAM");
	assert_string_equal(written(*state),
		"<3>level=error event=a\n<4>level=warning event=b\n<6>level=info event=c\n<7>level=debug event=d\n");
}

static void levels_have_names(void **state)
{
	(void)state;
	assert_int_equal(ud_log_level_named("error"), UD_LOG_ERROR);
	assert_int_equal(ud_log_level_named("debug"), UD_LOG_DEBUG);
	assert_int_equal(ud_log_level_named("loud"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_line_has_instant_level_event_and_pairs, plain_terminal, context_end),
		cmocka_unit_test_setup_teardown(
			values_cannot_forge_lines_or_pairs, plain_terminal, context_end),
		cmocka_unit_test_setup_teardown(
			lines_above_the_level_are_dropped, plain_terminal, context_end),
		cmocka_unit_test_setup_teardown(
			the_journal_gets_priorities, plain_terminal, context_end),
		cmocka_unit_test(levels_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
