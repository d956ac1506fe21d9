/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing of bodies: what is refused, and where the sentence points.
 */
#include <string.h>

#include "base/shape.h"
#include "support/context.h"

static enum ud_code parse(struct ud_ctx *cx, const char *text, size_t n)
{
	json_t *v = NULL;
	enum ud_code code = ud_json_parse(cx, text, n, UD_JSON_MEMBERS, &v);

	json_decref(v);
	return code;
}

static void objects_and_lists_are_taken(void **state)
{
	static const char *const texts[] = { "{}", "[]", " {\"a\":[1,{\"b\":null}]} \r\n",
		"{\"n\":9007199254740992,\"m\":-9007199254740992}",
		"{\"s\":\"\\u00e9\\ud83d\\ude80\"}", "{\"a\":\"[[[[[{{{{{,,,,:::\"}",
		"{\"a\":\"\\\"[[\"}" };

	for (size_t i = 0; i < UD_LEN(texts); i++)
		assert_int_equal(parse(*state, texts[i], strlen(texts[i])), UD_OK);
}

static void what_is_no_json_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text, *sentence;
	} rows[] = {
		{ "", "Line 1, column 0" },
		{ "{", "Line 1, column 1" },
		{ "{\"a\":1,\n \"a\":2}", "Line 2, column 4: duplicate object key" },
		{ "{\"a\":1}x", "Line 1, column 8" },
		{ "{a:1}", "Line 1, column 2" },
		{ "{'a':1}", "Line 1, column 2" },
		{ "{\"a\":01}", "Line 1, column" },
		{ "[1,]", "Line 1, column 4" },
		{ "[NaN]", "Line 1, column" },
		{ "[\"\\u0000\"]", "Line 1, column" },
		{ "[\"\\ud800\"]", "Line 1, column" },
		{ "[\"\xff\"]", "Line 1, column" },
		{ "[\"\xc0\xaf\"]", "Line 1, column" },
		{ "[\"a\nb\"]", "Line 1, column" },
		{ "[99999999999999999999]", "Line 1, column" },
		{ "\"text\"", "Line 1, column" },
		{ "7", "Line 1, column" },
		{ "null", "Line 1, column" },
	};
	struct ud_ctx *cx = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		if (parse(cx, rows[i].text, strlen(rows[i].text)) != UD_E_MALFORMED ||
			!strstr(cx->problem.detail, rows[i].sentence))
			fail_msg("%s: %s", rows[i].text, cx->problem.detail);
	}
}

static void only_integers_that_every_language_holds_are_taken(void **state)
{
	static const char *const texts[] = { "[1.5]", "[1e2]", "{\"a\":[{\"b\":-0.0}]}",
		"[9007199254740993]", "[-9007199254740993]" };
	struct ud_ctx *cx = *state;

	for (size_t i = 0; i < UD_LEN(texts); i++)
		if (parse(cx, texts[i], strlen(texts[i])) != UD_E_MALFORMED)
			fail_msg("%s", texts[i]);
}

static void depth_ends_at_32(void **state)
{
	char text[80];
	struct ud_ctx *cx = *state;

	memset(text, '[', 33);
	memset(text + 33, ']', 33);
	assert_int_equal(parse(cx, text + 1, 64), UD_OK);
	assert_int_equal(parse(cx, text, 66), UD_E_MALFORMED);
	assert_string_equal(
		cx->problem.detail, "Line 1, column 33: the JSON is nested deeper than 32 levels.");
}

static void there_are_at_most_2000_members(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_buf b = { 0 };

	ud_buf_puts(&b, "[1");
	for (int i = 1; i < 2000; i++)
		ud_buf_puts(&b, ",1");
	ud_buf_putc(&b, ']');
	assert_int_equal(parse(cx, b.data, b.len), UD_OK);
	b.len--;
	ud_buf_puts(&b, "\n,1]");
	assert_int_equal(parse(cx, b.data, b.len), UD_E_MALFORMED);
	assert_string_equal(
		cx->problem.detail, "Line 2, column 1: the JSON has more than 2000 members.");
	ud_buf_free(&b);
}

static void a_nul_ends_nothing(void **state)
{
	assert_int_equal(parse(*state, "{}\0", 3), UD_E_MALFORMED);
	assert_int_equal(parse(*state, "[\"a\0b\"]", 7), UD_E_MALFORMED);
	assert_int_equal(parse(*state, "[\"a\\", 4), UD_E_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_and_lists_are_taken),
		cmocka_unit_test(what_is_no_json_is_refused_with_its_place),
		cmocka_unit_test(only_integers_that_every_language_holds_are_taken),
		cmocka_unit_test(depth_ends_at_32),
		cmocka_unit_test(there_are_at_most_2000_members),
		cmocka_unit_test(a_nul_ends_nothing),
	};

	return cmocka_run_group_tests(tests, context_begin, context_end);
}
