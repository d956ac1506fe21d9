/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files, folders, clocks and sockets of Windows, where they differ from those of POSIX systems.
 */
#include <windows.h>

#include <aclapi.h>
#include <errno.h>
#include <pthread.h>
#include <sddl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/socket.h"
#include "base/wide.h"
#include "support/context.h"

enum { EVENT_MS = 60000, WAIT_MS = 300 };

/* Who may do what with a file, as SDDL. */
static char *rights(struct ud_ctx *cx, const char *path)
{
	PSECURITY_DESCRIPTOR found = NULL;
	wchar_t *wide = ud_wide(path), *text = NULL;

	assert_int_equal(GetNamedSecurityInfoW(wide, SE_FILE_OBJECT, DACL_SECURITY_INFORMATION,
				 NULL, NULL, NULL, NULL, &found),
		0);
	assert_true(ConvertSecurityDescriptorToStringSecurityDescriptorW(
		found, SDDL_REVISION_1, DACL_SECURITY_INFORMATION, &text, NULL));
	char *narrow = ud_narrow(text), *ret = ud_strdup(cx->arena, narrow);

	ud_free(narrow);
	ud_free(wide);
	LocalFree(text);
	LocalFree(found);
	return ret;
}

/* WD is everybody, BU all users, AU whoever signed in. */
static bool is_open(const char *sddl)
{
	return strstr(sddl, ";WD)") || strstr(sddl, ";BU)") || strstr(sddl, ";AU)");
}

static void a_secret_is_for_its_owner(void **state)
{
	struct ud_ctx *cx = *state;
	const char *closed = context_path(cx, "closed"), *open = context_path(cx, "open");

	assert_int_equal(ud_file_write(cx, open, "a", 1, 0644), UD_OK);
	assert_int_equal(ud_file_write(cx, closed, "a", 1, 0600), UD_OK);
	assert_false(is_open(rights(cx, closed)));
	/* what a crash left there was open to all; its rights do not stay */
	assert_int_equal(ud_file_write(cx, context_path(cx, "x.part"), "a", 1, 0644), UD_OK);
	assert_int_equal(ud_file_write(cx, context_path(cx, "x"), "a", 1, 0600), UD_OK);
	assert_false(is_open(rights(cx, context_path(cx, "x"))));
	assert_int_equal(ud_files_real.make_folder(context_path(cx, "f"), 0700), 0);
	assert_false(is_open(rights(cx, context_path(cx, "f"))));
	assert_int_equal(ud_files_real.make_folder(context_path(cx, "f"), 0700), EEXIST);
}

/* As our own reader opens it. */
static HANDLE open_to_read(const char *path)
{
	wchar_t *wide = ud_wide(path);
	HANDLE h = CreateFileW(wide, GENERIC_READ,
		FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, OPEN_EXISTING, 0,
		NULL);

	ud_free(wide);
	return h;
}

struct reader {
	const char *part;
	HANDLE file;
};

/* Reads until the new content stands beside the old one, and a little longer. */
static void *read_a_while(void *data)
{
	struct reader *r = data;
	HANDLE part;

	while ((part = open_to_read(r->part)) == INVALID_HANDLE_VALUE &&
		GetLastError() != ERROR_SHARING_VIOLATION)
		SleepEx(1, FALSE);
	if (part != INVALID_HANDLE_VALUE)
		CloseHandle(part);
	SleepEx(30, FALSE);
	CloseHandle(r->file);
	return NULL;
}

/* Unlike elsewhere a file that is open cannot be replaced: the reader is waited for. */
static void what_somebody_reads_is_replaced(void **state)
{
	struct ud_ctx *cx = *state;
	const char *path = context_file(cx, "書", "old"), *text = NULL;
	struct reader r = { context_path(cx, "書.part"), open_to_read(path) };
	pthread_t thread;
	size_t n = 0;

	assert_true(r.file != INVALID_HANDLE_VALUE);
	assert_int_equal(pthread_create(&thread, NULL, read_a_while, &r), 0);
	assert_int_equal(ud_file_write(cx, path, "new", 3, 0600), UD_OK);
	pthread_join(thread, NULL);
	assert_int_equal(ud_file_read(cx, path, 10, &text, &n), UD_OK);
	assert_string_equal(text, "new");
	assert_int_equal(ud_files_real.remove(path), 0);
	assert_int_equal(ud_files_real.remove(path), ENOENT);
	assert_int_equal(ud_file_read(cx, path, 10, &text, &n), UD_E_UNAVAILABLE);
}

/* One who never lets go is told of; the old content is whole, and nothing lies beside it. */
static void one_who_holds_a_file_keeps_the_old_content(void **state)
{
	struct ud_ctx *cx = *state;
	const char *path = context_file(cx, "held", "old"), *text = NULL;
	HANDLE file = open_to_read(path);
	size_t n = 0;

	assert_int_equal(ud_file_write(cx, path, "new", 3, 0600), UD_E_UNAVAILABLE);
	CloseHandle(file);
	assert_int_equal(ud_file_read(cx, path, 10, &text, &n), UD_OK);
	assert_string_equal(text, "old");
	assert_int_equal(ud_files_real.remove(context_path(cx, "held.part")), ENOENT);
}

static void a_bound_holds(void **state)
{
	struct ud_ctx *cx = *state;
	const char *path = context_file(cx, "bound", "12345"), *text = NULL;
	size_t n = 0;

	assert_int_equal(ud_file_read(cx, path, 5, &text, &n), UD_OK);
	assert_int_equal(n, 5);
	assert_int_equal(ud_file_read(cx, path, 4, &text, &n), UD_E_UNAVAILABLE);
}

static void add(void *data, const char *name)
{
	ud_buf_puts(data, name);
	ud_buf_putc(data, '|');
}

static void names_come_in_the_order_of_their_bytes(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_buf b = { 0 };

	context_file(cx, "ä", "");
	context_file(cx, "b", "");
	context_file(cx, "A", "");
	context_file(cx, "雪", "");
	const char *folder = context_path(cx, "");

	assert_int_equal(
		ud_files_real.list(ud_strndup(cx->arena, folder, strlen(folder) - 1), add, &b), 0);
	assert_string_equal(ud_buf_text(&b), "A|b|ä|雪|");
	ud_buf_free(&b);
	assert_int_equal(ud_files_real.list(context_path(cx, "none"), add, &b), ENOENT);
}

static void the_head_of_a_path(void **state)
{
	(void)state;
	assert_int_equal(ud_path_head("C:\\a b\\c.conf"), 7);
	assert_int_equal(ud_path_head("C:/a\\b/c.conf"), 7);
	assert_int_equal(ud_path_head("C:c.conf"), 2);
	assert_int_equal(ud_path_head("c.conf"), 0);
}

/* mingw-w64's threads take an instant of the wall clock alone; another one would end at once. */
static void a_wait_takes_its_time(void **state)
{
	struct ud_ctx *cx = *state;
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_condattr_t monotonic;
	pthread_cond_t never;
	struct timespec until;
	int rc = 0;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&never, &monotonic);
	int64_t began = ud_mono_ms(cx->env);

	ud_deadline(WAIT_MS, &until);
	pthread_mutex_lock(&mutex);
	while (rc == 0)
		rc = pthread_cond_timedwait(&never, &mutex, &until);
	pthread_mutex_unlock(&mutex);
	int64_t took = ud_mono_ms(cx->env) - began;

	assert_int_equal(rc, ETIMEDOUT);
	assert_true(took >= WAIT_MS - 20 && took < EVENT_MS);
	pthread_cond_destroy(&never);
}

static void a_boot_keeps_its_name(void **state)
{
	struct ud_ctx *cx = *state;
	char first[UD_CLOCK_NAME] = "", second[UD_CLOCK_NAME] = "";

	ud_mono_name(cx->env, first);
	ud_boot_name(cx->env, second);
	assert_int_equal(strlen(first), 32);
	assert_string_equal(first, second);
}

static void bytes_go_both_ways(void **state)
{
	const struct ud_sockets *s = &ud_sockets_real;
	int listener = -1, port = 0, client = -1, server = -1;
	struct ud_ctx *cx = *state;
	char got[8] = "";
	size_t n = 0;

	assert_int_equal(s->listen("127.0.0.1:0", &listener, &port), 0);
	assert_int_equal(s->accept(listener, 20, &server), ETIMEDOUT);
	const char *place = ud_printf(cx->arena, "127.0.0.1:%d", port);

	assert_int_equal(s->connect(place, EVENT_MS, &client), 0);
	assert_int_equal(s->accept(listener, EVENT_MS, &server), 0);
	assert_int_equal(s->receive(server, got, sizeof(got), 20, &n), ETIMEDOUT);
	assert_int_equal(s->send(client, "hello", 5, EVENT_MS), 0);
	assert_int_equal(s->receive(server, got, sizeof(got), EVENT_MS, &n), 0);
	assert_int_equal(n, 5);
	s->close(client);
	assert_int_equal(s->receive(server, got, sizeof(got), EVENT_MS, &n), 0);
	assert_int_equal(n, 0);
	s->close(server);
	s->close(listener);
	assert_int_equal(s->connect(place, EVENT_MS, &client), ECONNREFUSED);
	assert_int_equal(s->connect("unix:/x", EVENT_MS, &client), EINVAL);
	assert_int_equal(s->listen("127.0.0.1:65536", &listener, &port), EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_secret_is_for_its_owner, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			what_somebody_reads_is_replaced, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			one_who_holds_a_file_keeps_the_old_content, context_begin, context_end),
		cmocka_unit_test_setup_teardown(a_bound_holds, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			names_come_in_the_order_of_their_bytes, context_begin, context_end),
		cmocka_unit_test(the_head_of_a_path),
		cmocka_unit_test_setup_teardown(a_wait_takes_its_time, context_begin, context_end),
		cmocka_unit_test_setup_teardown(a_boot_keeps_its_name, context_begin, context_end),
		cmocka_unit_test_setup_teardown(bytes_go_both_ways, context_begin, context_end),
	};

	return cmocka_run_group_tests_name("tests", tests, NULL, NULL);
}
