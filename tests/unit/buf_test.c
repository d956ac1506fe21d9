/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffer, arena and the table of errors.
 */
#include "base/buf.h"

#include <string.h>

#include "support/context.h"

static void a_buffer_grows_as_needed(void **state)
{
	struct ud_buf b = { 0 };

	(void)state;
	assert_string_equal(ud_buf_text(&b), "");
	for (int i = 0; i < 5000; i++)
		ud_buf_putc(&b, 'x');
	ud_buf_add(&b, NULL, 0);
	assert_int_equal(b.len, 5000);
	assert_int_equal(strlen(ud_buf_text(&b)), 5000);
	ud_buf_free(&b);
	assert_null(b.data);
	ud_buf_puts(&b, "again");
	assert_string_equal(ud_buf_text(&b), "again");
	ud_buf_free(&b);
}

static void integers_are_written_to_their_ends(void **state)
{
	struct ud_buf b = { 0 };

	(void)state;
	ud_buf_int(&b, 0);
	ud_buf_putc(&b, ' ');
	ud_buf_int(&b, INT64_MAX);
	ud_buf_putc(&b, ' ');
	ud_buf_int(&b, INT64_MIN);
	ud_buf_printf(&b, " %d%s", 7, "");
	assert_string_equal(ud_buf_text(&b), "0 9223372036854775807 -9223372036854775808 7");
	ud_buf_free(&b);
}

static void json_texts_are_escaped(void **state)
{
	static const struct {
		const char *text, *json;
	} rows[] = {
		{ NULL, "null" },
		{ "", "\"\"" },
		{ "a\"b\\c/", "\"a\\\"b\\\\c/\"" },
		{ "\b\f\n\r\t\x01\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\"" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x9a\x80",
			"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x9a\x80\"" },
		{ "\xff!", "\"\xef\xbf\xbd!\"" },
		{ "\xc3", "\"\xef\xbf\xbd\"" },
		{ "\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xe0\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	};
	struct ud_buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < UD_LEN(rows); i++) {
		b.len = 0;
		ud_buf_json(&b, rows[i].text);
		assert_string_equal(ud_buf_text(&b), rows[i].json);
	}
	ud_buf_free(&b);
}

static void members_are_separated_by_commas(void **state)
{
	struct ud_buf b = { 0 };
	bool first = true;

	(void)state;
	ud_buf_key(&b, &first, "a");
	ud_buf_time(&b, UD_NONE);
	ud_buf_key(&b, &first, "b");
	ud_buf_time(&b, 1);
	assert_string_equal(ud_buf_text(&b), "\"a\":null,\"b\":\"1970-01-01T00:00:00.001Z\"");
	ud_buf_free(&b);
}

static void arena_memory_is_zeroed_aligned_and_kept_apart(void **state)
{
	ud_arena *arena = ud_arena_new();
	unsigned char *p[300];

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < UD_LEN(p); i++) {
			size_t n = i * 97 % 5000 + 1;

			p[i] = ud_alloc(arena, n);
			assert_int_equal((uintptr_t)p[i] % _Alignof(max_align_t), 0);
			for (size_t j = 0; j < n; j++)
				assert_int_equal(p[i][j], 0);
			memset(p[i], (int)(i & 255), n);
		}
		for (size_t i = 0; i < UD_LEN(p); i++)
			for (size_t j = 0; j < i * 97 % 5000 + 1; j++)
				assert_int_equal(p[i][j], i & 255);
		ud_arena_reset(arena);
	}
	assert_null(ud_strdup(arena, NULL));
	assert_string_equal(ud_strndup(arena, "abc", 2), "ab");
	assert_int_equal(strlen(ud_printf(arena, "%*d", 20000, 1)), 20000);
	ud_arena_release(&arena);
	assert_null(arena);
	ud_arena_release(&arena);
}

static void heap_texts_are_copies(void **state)
{
	char *copy = ud_heap_strdup("abc");

	(void)state;
	assert_string_equal(copy, "abc");
	assert_null(ud_heap_strdup(NULL));
	ud_free(copy);
	ud_free(NULL);
}

static void every_code_has_a_name_a_status_and_words(void **state)
{
	(void)state;
	for (int i = UD_OK + 1; i < UD_CODE_COUNT; i++) {
		const struct ud_error_info *info = ud_error_info((enum ud_code)i);

		assert_true(info->status >= 400 && info->status < 600);
		assert_true(strlen(info->title) > 5 && strlen(info->remedy) > 5);
		assert_int_equal(
			strspn(info->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(info->name));
		assert_int_equal(ud_error_by_name(info->name), i); /* no twin names */
	}
	assert_int_equal(ud_error_by_name("nothing"), UD_CODE_COUNT);
	assert_string_equal(ud_error_info(UD_OK)->name, "ok");
	assert_string_equal(ud_error_info((enum ud_code)9999)->name, "internal");
}

static void problems_are_gathered_up_to_a_bound(void **state)
{
	struct ud_ctx *cx = *state;

	ud_ctx_clear(cx);
	for (int i = 0; i < UD_MAX_PROBLEMS + 5; i++)
		assert_int_equal(ud_fail_field(cx, "f", "rule", "sentence %d", i), UD_E_VALIDATION);
	assert_int_equal(cx->problem.field_count, UD_MAX_PROBLEMS);
	assert_string_equal(cx->problem.detail, "sentence 0");
	assert_int_equal(ud_fail(cx, UD_E_IN_USE, NULL, "%s uses it", "vm_1"), UD_E_IN_USE);
	assert_string_equal(cx->problem.detail, "vm_1 uses it");
	assert_int_equal(cx->problem.code, UD_E_IN_USE);
	ud_ctx_clear(cx);
	assert_int_equal(cx->problem.code, UD_OK);
	assert_int_equal(cx->problem.field_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_grows_as_needed),
		cmocka_unit_test(integers_are_written_to_their_ends),
		cmocka_unit_test(json_texts_are_escaped),
		cmocka_unit_test(members_are_separated_by_commas),
		cmocka_unit_test(arena_memory_is_zeroed_aligned_and_kept_apart),
		cmocka_unit_test(heap_texts_are_copies),
		cmocka_unit_test(every_code_has_a_name_a_status_and_words),
		cmocka_unit_test(problems_are_gathered_up_to_a_bound),
	};

	return cmocka_run_group_tests(tests, context_begin, context_end);
}
