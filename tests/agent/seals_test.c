/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host keeps of the server's log: seals that follow each other, and none that does not.
 */
#include <stdio.h>
#include <string.h>

#include "agent/seals.h"
#include "base/audit_seal.h"
#include "base/crypto.h"
#include "base/evidence.h"
#include "support/context.h"

enum { SEALS = 5 };

struct scene {
	struct ud_ctx *cx;
	ud_journal *journal;
	unsigned char key[UD_SIGN_KEY], other[UD_SIGN_KEY];
};

static struct scene scene_of(void **state)
{
	struct scene s = { .cx = *state };

	ud_sign_key(s.cx->env, s.key);
	ud_sign_key(s.cx->env, s.other);
	assert_int_equal(
		ud_journal_open(s.cx, context_path(s.cx, "journal.db"), &s.journal), UD_OK);
	return s;
}

static const char *seal(struct scene *s, const unsigned char *key, int number, int generation,
	const char *before, const char *head)
{
	char digest[UD_SHA256_HEX] = "";
	const char *text = NULL;

	if (before)
		ud_sha256_hex(before, strlen(before), digest);
	assert_int_equal(
		ud_seal_make(s->cx,
			ud_printf(s->cx->arena,
				"{\"number\":%d,\"generation\":%d,\"previous\":\"%s\",\"heads\":[\"%s\"],"
				"\"sealed_at\":\"2026-11-27T04:00:00.000Z\"}",
				number, generation, digest, head),
			UD_AUDIT_SEAL_SCHEMA, key, &text),
		UD_OK);
	return text;
}

/* One comes with the answer to a sign of life. */
static void hear(struct scene *s, const char *document)
{
	const struct ud_wire_seal one = { document };
	struct ud_wire_heard heard = { 0 };
	struct ud_buf b = { 0 };

	ud_buf_putc(&b, '[');
	ud_shape_encode(&b, &ud_wire_seal_shape, &one, NULL);
	ud_buf_putc(&b, ']');
	heard.seals.text = ud_buf_take(s->cx->arena, &b);
	assert_int_equal(ud_seals_take(s->cx, s->journal, &heard), UD_OK);
}

/* What the host then says that it keeps. */
static void keeps(struct scene *s, int number, const char *document, const char *refused)
{
	struct ud_wire_heartbeat in = { 0 };
	char digest[UD_SHA256_HEX];

	assert_int_equal(ud_seals_tell(s->cx, s->journal, &in), UD_OK);
	ud_sha256_hex(document, strlen(document), digest);
	assert_int_equal(in.seal_number, number);
	assert_string_equal(in.seal_digest, digest);
	if (!refused) {
		assert_null(in.seal_refused);
		return;
	}
	ud_sha256_hex(refused, strlen(refused), digest);
	assert_string_equal(in.seal_refused, digest);
}

static void seals_that_follow_are_kept(void **state)
{
	struct scene s = scene_of(state);
	const char *last = NULL;

	for (int i = 1; i <= SEALS; i++) {
		last = seal(&s, s.key, i, 1, last, "a");
		hear(&s, last);
		hear(&s, last);
		keeps(&s, i, last, NULL);
	}
	ud_journal_release(&s.journal);
}

static void what_does_not_follow_is_refused_and_said(void **state)
{
	struct scene s = scene_of(state);
	const char *first = seal(&s, s.key, 1, 1, NULL, "a"),
		   *second = seal(&s, s.key, 2, 1, first, "b"),
		   *third = seal(&s, s.key, 3, 1, second, "c");
	char *changed = ud_strdup(s.cx->arena, third);

	*strstr(changed, "\"c\"") = ' ';
	const char *const wrong[] = {
		first,                                /* the log went back */
		seal(&s, s.key, 2, 1, first, "x"),    /* there is another second one */
		seal(&s, s.key, 4, 1, third, "d"),    /* one is left out */
		seal(&s, s.key, 3, 1, first, "c"),    /* it follows another one */
		seal(&s, s.other, 3, 1, second, "c"), /* somebody else made it */
		changed,
	};

	hear(&s, first);
	hear(&s, second);
	for (size_t i = 0; i < UD_LEN(wrong); i++) {
		hear(&s, wrong[i]);
		keeps(&s, 2, second, wrong[i]);
	}
	hear(&s, third);
	keeps(&s, 3, third, wrong[UD_LEN(wrong) - 1]);
	ud_journal_release(&s.journal);
}

static void a_restored_log_begins_anew_and_the_old_seal_stays(void **state)
{
	struct scene s = scene_of(state);
	const char *first = seal(&s, s.key, 1, 1, NULL, "a"),
		   *second = seal(&s, s.key, 2, 1, first, "b"),
		   *restored = seal(&s, s.key, 2, 2, first, "x"), *before = NULL;

	hear(&s, first);
	hear(&s, second);
	hear(&s, restored);
	keeps(&s, 2, restored, NULL);
	assert_int_equal(ud_journal_noted(s.cx, s.journal, UD_NOTE_SEAL_BEFORE, &before), UD_OK);
	assert_string_equal(before, second);
	hear(&s, second);
	keeps(&s, 2, restored, second);
	ud_journal_release(&s.journal);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			seals_that_follow_are_kept, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			what_does_not_follow_is_refused_and_said, context_begin, context_end),
		cmocka_unit_test_setup_teardown(a_restored_log_begins_anew_and_the_old_seal_stays,
			context_begin, context_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
