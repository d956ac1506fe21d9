/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log as a file: as it was written it verifies, and any line that is changed, dropped,
 * doubled, moved, added or cut off is found.
 */
#include "base/audit.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/crypto.h"
#include "base/shape.h"
#include "support/context.h"

enum { FIRST = 4, SECOND = 3, LINES = 1 + FIRST + SECOND };

static const char *third = UD_ERASURE_BEGUN; /* type of a customer's third record */
static unsigned char key[UD_SIGN_KEY] = "0123456789abcdef0123456789abcde";

struct file {
	const char *lines[LINES + 2];
	size_t count;
};

/* A record gets its digest and its hash: the first one of a chain as they were before there were
 * digests; the second one of a customer's is emptied, and the third says why. */
static void seal_line(struct ud_ctx *cx, struct ud_audit_line *l)
{
	bool emptied = l->seq == 2 && l->customer_id;

	if (l->seq > 1) {
		l->salt = "00ff";
		l->personal_digest = ud_audit_personal(cx, l);
	}
	l->hash = ud_audit_hash(cx, l);
	if (emptied)
		l->actor_name = l->address = l->data = l->previous = l->salt = NULL;
	assert_true(ud_audit_whole(cx, l));
	assert_int_equal(ud_audit_emptied(l), emptied);
}

/* Records of a chain; the last one's hash. */
static const char *add_chain(struct ud_ctx *cx, struct file *f, const char *customer, int64_t count)
{
	const char *before = "";

	for (int64_t i = 1; i <= count; i++) {
		struct ud_audit_line l = { .seq = i,
			.created_at = 1790000000000 + i,
			.id = ud_printf(
				cx->arena, "evt_%s%lld", customer ? customer : "", (long long)i),
			.customer_id = customer,
			.type = customer && i == 3 ? third : "host.updated",
			.subject_id = customer,
			.actor_kind = "user",
			.actor_name = "Zo\u00eb \"Z\"",
			.data = "{\"cpu\": 1.50}",
			.previous = i > 1 ? "{\"cpu\":1}" : NULL,
			.previous_hash = before };
		struct ud_buf b = { 0 };

		seal_line(cx, &l);
		before = l.hash;
		ud_audit_line_write(cx, &b, &l);
		f->lines[f->count++] = ud_buf_take(cx->arena, &b);
	}
	return before;
}

/* The installation's chain and a customer's. */
static struct file written_as(struct ud_ctx *cx, const char *schema)
{
	struct file f = { .count = 1 };
	const char *first = add_chain(cx, &f, NULL, FIRST),
		   *second = add_chain(cx, &f, "cus_1", SECOND);

	assert_int_equal(
		ud_seal_make(cx,
			ud_printf(cx->arena,
				"{\"heads\":[{\"customer_id\":\"\",\"seq\":%d,\"hash\":\"%s\"},"
				"{\"customer_id\":\"cus_1\",\"seq\":%d,\"hash\":\"%s\"}],"
				"\"sealed_at\":\"2026-11-26T12:00:00.000Z\"}",
				FIRST, first, SECOND, second),
			schema, key, &f.lines[0]),
		UD_OK);
	return f;
}

static struct file written(struct ud_ctx *cx)
{
	return written_as(cx, UD_AUDIT_SCHEMA);
}

static const char *public_key(struct ud_ctx *cx)
{
	unsigned char out[UD_SIGN_PUBLIC];

	ud_sign_public(key, out);
	return ud_hex(cx->arena, out, sizeof(out));
}

static struct ud_evidence_report checked(struct ud_ctx *cx, const struct file *f, const char *known)
{
	struct ud_evidence_report r;
	struct ud_audit_check c;

	ud_audit_check_begin(cx, &c, f->lines[0], strlen(f->lines[0]), &known, known ? 1 : 0, &r);
	for (size_t i = 1; i < f->count; i++)
		ud_audit_check_line(cx, &c, f->lines[i], strlen(f->lines[i]));
	ud_audit_check_end(cx, &c);
	return r;
}

static void assert_found(struct ud_ctx *cx, const struct file *f, const char *what, size_t where)
{
	struct ud_evidence_report r = checked(cx, f, public_key(cx));

	if (r.intact || r.count == 0)
		fail_msg("%s at %zu was not found", what, where);
}

static void test_untouched(void **state)
{
	struct ud_ctx *cx = *state;
	struct file f = written(cx);
	struct ud_evidence_report r = checked(cx, &f, public_key(cx));

	assert_true(r.intact);
	assert_int_equal(r.count, 0);
	assert_int_equal(r.parts, 2);
	assert_int_equal(r.lines, FIRST + SECOND);
	assert_string_equal(r.sealed_at, "2026-11-26T12:00:00.000Z");
	assert_true(ud_audit_is(f.lines[0]));
	assert_false(ud_audit_is(f.lines[1]));
	assert_false(checked(cx, &f, "00").intact);
}

/* Files of before are checked as well. */
static void test_older(void **state)
{
	struct ud_ctx *cx = *state;
	struct file f = written_as(cx, UD_AUDIT_SCHEMA_1);

	assert_true(checked(cx, &f, public_key(cx)).intact);
	assert_true(ud_audit_is(f.lines[0]));
	f = written_as(cx, "understudy.audit/0");
	assert_found(cx, &f, "another schema", 0);
	assert_false(ud_audit_is(f.lines[0]));
}

/* Whoever empties records of somebody else's log is found. */
static void test_emptied_alone(void **state)
{
	struct ud_ctx *cx = *state;

	third = "customer.updated";
	struct file f = written(cx);

	third = UD_ERASURE_BEGUN;
	struct ud_evidence_report r = checked(cx, &f, public_key(cx));

	assert_false(r.intact);
	assert_int_equal(r.count, 1);
	assert_string_equal(r.findings[0].what, UD_AUDIT_NOT_ASKED);
}

/* What may be forgotten is all there, or nothing of it. */
static void test_half_emptied(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_audit_line whole = { .seq = 3,
		.id = "evt_1",
		.type = "host.updated",
		.actor_name = "Zo\u00eb",
		.data = "{}",
		.previous_hash = "" },
			     l;

	seal_line(cx, &whole);
	l = whole;
	l.data = NULL;
	assert_false(ud_audit_whole(cx, &l));
	l = whole;
	l.salt = NULL;
	assert_false(ud_audit_whole(cx, &l));
	l = whole;
	l.actor_name = l.data = l.salt = NULL;
	assert_true(ud_audit_emptied(&l));
	assert_true(ud_audit_whole(cx, &l));
	l.personal_digest = NULL;
	assert_false(ud_audit_whole(cx, &l));
	l = whole;
	l.personal_digest = NULL;
	assert_false(ud_audit_whole(cx, &l));
}

/* Every letter of every line, the seal's too. */
static void test_changed_letters(void **state)
{
	struct ud_ctx *cx = *state;
	const struct file whole = written(cx);

	for (size_t i = 0; i < whole.count; i++)
		for (size_t k = 0; whole.lines[i][k]; k++) {
			UD_AUTO(ud_arena) *arena = ud_arena_new();
			struct ud_ctx own = *cx;
			struct file f = whole;

			own.arena = arena;
			char *line = ud_strdup(arena, whole.lines[i]);

			line[k] = line[k] == '1' ? '2' : '1';
			f.lines[i] = line;
			assert_found(&own, &f, "a changed letter", i * 10000 + k);
		}
}

static void remove_line(struct file *f, size_t at)
{
	memmove(f->lines + at, f->lines + at + 1, (f->count - at - 1) * sizeof(*f->lines));
	f->count--;
}

static void add_line(struct file *f, size_t at, const char *line)
{
	memmove(f->lines + at + 1, f->lines + at, (f->count - at) * sizeof(*f->lines));
	f->lines[at] = line;
	f->count++;
}

static void test_dropped_doubled_cut(void **state)
{
	struct ud_ctx *cx = *state;
	const struct file whole = written(cx);

	for (size_t i = 1; i < whole.count; i++) {
		struct file f = whole;

		remove_line(&f, i);
		assert_found(cx, &f, "a dropped line", i);
		f = whole;
		add_line(&f, i, whole.lines[i]);
		assert_found(cx, &f, "a doubled line", i);
		f = whole;
		add_line(&f, i, "");
		assert_found(cx, &f, "an empty line", i);
		f = whole;
		f.count = i;
		assert_found(cx, &f, "a cut end", i);
	}
}

static void test_moved(void **state)
{
	struct ud_ctx *cx = *state;
	const struct file whole = written(cx);

	for (size_t i = 1; i < whole.count; i++)
		for (size_t k = 1; k < whole.count; k++) {
			struct file f = whole;

			if (i == k)
				continue;
			remove_line(&f, i);
			add_line(&f, k, whole.lines[i]);
			assert_found(cx, &f, "a moved line", i * 100 + k);
		}
}

/* Whoever knows how hashes are made, but has no key, adds a record that fits. */
static void test_added(void **state)
{
	struct ud_ctx *cx = *state;
	const struct file whole = written(cx);
	struct file longer = { .count = 1 }, f = whole;

	(void)add_chain(cx, &longer, NULL, FIRST + 1);
	add_line(&f, 1 + FIRST, longer.lines[1 + FIRST]);
	assert_found(cx, &f, "an added record", FIRST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_untouched, context_begin, context_end),
		cmocka_unit_test_setup_teardown(test_older, context_begin, context_end),
		cmocka_unit_test_setup_teardown(test_emptied_alone, context_begin, context_end),
		cmocka_unit_test_setup_teardown(test_half_emptied, context_begin, context_end),
		cmocka_unit_test_setup_teardown(test_changed_letters, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			test_dropped_doubled_cut, context_begin, context_end),
		cmocka_unit_test_setup_teardown(test_moved, context_begin, context_end),
		cmocka_unit_test_setup_teardown(test_added, context_begin, context_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
