/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence: what was sealed verifies, and whatever is done to it afterwards is found and named.
 */
#include "base/evidence.h"

#include <jansson.h>
#include <string.h>

#include "base/crypto.h"
#include "base/shape.h"
#include "support/context.h"

static const char document[] =
	"{\"id\":\"evd_1\",\"plan\":\"{\\\"kind\\\":\\\"planned\\\"}\",\"plan_hash\":\"sha256:"
	"40a54b1f6e6ec2f2ddff57ba6be26ebc8ae1d6ff70fcd4e03d1a3b7b1fbd1cb9\","
	"\"sealed_at\":\"2026-11-25T12:00:00.000Z\",\"failover\":{\"kind\":\"planned\",\"rto\":41},"
	"\"steps\":[{\"vm_id\":\"vm_1\",\"name\":\"check_power\",\"result\":\"\"},"
	"{\"vm_id\":\"vm_2\",\"name\":\"check_power\",\"result\":\"\"}],"
	"\"timeline\":[{\"n\":1,\"event\":\"entered\"},{\"n\":2,\"event\":\"done\"},{\"n\":3,\"event\":\"closed\"}],"
	"\"pictures\":[{\"vm_id\":\"vm_1\",\"step\":\"check_power\",\"png\":\"iVBORw0KGgoA\"},"
	"{\"vm_id\":\"vm_2\",\"step\":\"check_power\",\"png\":\"iVBORw0KGgoB\"}]}";

static unsigned char key[UD_SIGN_KEY] = "0123456789abcdef0123456789abcde";

static json_t *load(const char *text)
{
	json_t *v = json_loads(text, 0, NULL);

	assert_non_null(v);
	return v;
}

/* The document with its plan's hash and the hashes of pictures in their steps. */
static const char *sealed(struct ud_ctx *cx)
{
	json_t *doc = load(document);
	char hex[UD_SHA256_HEX];
	const char *text = NULL, *plan = json_string_value(json_object_get(doc, "plan"));

	ud_sha256_hex(plan, strlen(plan), hex);
	json_object_set_new(doc, "plan_hash", json_string(ud_printf(cx->arena, "sha256:%s", hex)));
	for (size_t i = 0; i < 2; i++) {
		const char *png = json_string_value(json_object_get(
			json_array_get(json_object_get(doc, "pictures"), i), "png"));

		ud_sha256_hex(png, strlen(png), hex);
		json_object_set_new(json_array_get(json_object_get(doc, "steps"), i), "result",
			json_string(hex));
	}
	assert_int_equal(ud_evidence_seal(cx, ud_json_text(cx->arena, doc, 0), key, &text), UD_OK);
	json_decref(doc);
	return text;
}

static bool named(const struct ud_evidence_report *r, const char *where)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->findings[i].where, where) == 0)
			return true;
	return false;
}

static struct ud_evidence_report verify(struct ud_ctx *cx, const char *text)
{
	struct ud_evidence_report r;

	ud_evidence_verify(cx, text, strlen(text), NULL, 0, &r);
	return r;
}

/* Change the parsed document and write it in canonical form again. */
static const char *changed(struct ud_ctx *cx, void (*change)(json_t *doc))
{
	json_t *doc = load(sealed(cx));

	change(doc);
	const char *text = ud_json_text(cx->arena, doc, JSON_COMPACT | JSON_SORT_KEYS);

	json_decref(doc);
	return text;
}

static void what_was_sealed_verifies(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_evidence_report r = verify(cx, sealed(cx));
	const char *known[] = { r.public_key }, *other[] = { "00" };
	const char *text = sealed(cx);

	assert_true(r.intact);
	assert_int_equal(r.count, 0);
	assert_string_equal(r.id, "evd_1");
	assert_int_equal(r.lines, 3);
	assert_int_equal(r.pictures, 2);
	assert_true(verify(cx, ud_printf(cx->arena, "%s\n", text)).intact);
	ud_evidence_verify(cx, text, strlen(text), known, 1, &r);
	assert_true(r.intact);
	ud_evidence_verify(cx, text, strlen(text), other, 1, &r);
	assert_true(named(&r, "/seal/public_key"));
}

static void every_flipped_byte_is_found(void **state)
{
	struct ud_ctx *cx = *state;
	const char *text = sealed(cx);
	size_t n = strlen(text), found = 0;
	struct ud_ctx inner = *cx;

	for (size_t i = 0; i < n; i++) {
		inner.arena = ud_arena_new();
		for (int bit = 0; bit < 8; bit++) {
			char *copy = ud_strdup(inner.arena, text);
			struct ud_evidence_report r;

			copy[i] = (char)(copy[i] ^ (1 << bit));
			ud_evidence_verify(&inner, copy, n, NULL, 0, &r);
			if (r.intact)
				fail_msg("bit %d of byte %zu was not found", bit, i);
			assert_true(r.count > 0 && r.findings[0].where && r.findings[0].what);
			found++;
		}
		ud_arena_release(&inner.arena);
	}
	print_message("# %zu of %zu flipped bits found\n", found, n * 8);
}

static void drop_line(json_t *doc)
{
	json_array_remove(json_object_get(doc, "timeline"), 1);
}

static void drop_last(json_t *doc)
{
	json_array_remove(json_object_get(doc, "timeline"), 2);
}

static void swap_pictures(json_t *doc)
{
	json_t *a = json_array_get(json_object_get(doc, "pictures"), 0);
	json_t *b = json_array_get(json_object_get(doc, "pictures"), 1);
	json_t *png = json_incref(json_object_get(a, "png"));
	json_t *hash = json_incref(json_object_get(a, "sha256"));

	json_object_set(a, "png", json_object_get(b, "png"));
	json_object_set(a, "sha256", json_object_get(b, "sha256"));
	json_object_set_new(b, "png", png);
	json_object_set_new(b, "sha256", hash);
}

static void change_number(json_t *doc)
{
	json_object_set_new(json_object_get(doc, "failover"), "rto", json_integer(1));
}

static void change_plan(json_t *doc)
{
	json_object_set_new(doc, "plan", json_string("{\"kind\":\"test\"}"));
}

static void drop_member(json_t *doc)
{
	json_object_del(doc, "steps");
}

static void add_member(json_t *doc)
{
	json_object_set_new(doc, "added", json_true());
}

static void drop_seal(json_t *doc)
{
	json_object_del(doc, "seal");
}

static void whatever_is_changed_is_named(void **state)
{
	static const struct {
		void (*change)(json_t *doc);
		const char *where;
	} rows[] = {
		{ drop_line, "/timeline/1" },
		{ drop_last, "/timeline/#" },
		{ drop_last, "/timeline/2" },
		{ swap_pictures, "/pictures/0" },
		{ swap_pictures, "/pictures/1" },
		{ change_number, "/failover" },
		{ change_plan, "/plan" },
		{ drop_member, "/steps/0" },
		{ add_member, "/added" },
		{ drop_seal, "/seal" },
	};
	struct ud_ctx *cx = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct ud_evidence_report r = verify(cx, changed(cx, rows[i].change));

		assert_false(r.intact);
		if (!named(&r, rows[i].where))
			fail_msg("row %zu: %s was not named", i, rows[i].where);
	}
}

static void another_form_is_another_file(void **state)
{
	struct ud_ctx *cx = *state;
	json_t *doc = load(sealed(cx));
	struct ud_evidence_report r = verify(cx, ud_json_text(cx->arena, doc, JSON_INDENT(1)));

	json_decref(doc);
	assert_false(r.intact);
	assert_string_equal(r.findings[0].where, "byte 1");
	r = verify(cx, "[]");
	assert_false(r.intact);
	r = verify(cx, "");
	assert_false(r.intact);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_was_sealed_verifies, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			every_flipped_byte_is_found, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			whatever_is_changed_is_named, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			another_form_is_another_file, context_begin, context_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
