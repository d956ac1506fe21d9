/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence: what was sealed verifies, and whatever is done to it afterwards is found and named.
 */
#include "base/evidence.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "base/shape.h"
#include "base/statement.h"
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

/* ---- what agents have signed ---- */

static unsigned char agent_key[UD_SIGN_KEY] = "an agent's own key, 32 bytes lo";

/* A planned failover of one VM: a final point, a start, a look at the guest. */
static const struct {
	const char *step, *verb, *result;
	int64_t seq;
} answers[] = {
	{ "stop", "stop", "{\"forced\":false,\"stopped_at\":\"2026-11-25T12:00:01.000Z\"}", 1 },
	{ "sync", "sync",
		"{\"point\":{\"id\":\"rpt_1\",\"age_ms\":700,\"taken_at\":\"2026-11-25T12:00:01.100Z\","
		"\"roots\":{\"vda\":\"00ff\"}}}",
		2 },
	{ "promote", "promote", "{\"point_id\":\"rpt_1\",\"roots\":{\"vda\":\"00ff\"}}", 3 },
	{ "check_power", "boot_check",
		"{\"passed\":true,\"skipped\":false,\"text\":\"The VM is running.\","
		"\"screenshot\":\"iVBORw0KGgoA\"}",
		4 },
};

static json_t *signed_entry(struct ud_ctx *cx, size_t i)
{
	const struct ud_statement said = { .agent_id = "agt_1",
		.host_id = "hst_1",
		.subject_id = "vm_1",
		.seq = answers[i].seq,
		.epoch = 1,
		.verb = answers[i].verb,
		.outcome = "done",
		.began_ms = 1000,
		.ended_ms = 1041,
		.took_ms = 41,
		.marks = { { "taken", 0 }, { "done", 41 } },
		.mark_count = 2,
		.result = answers[i].result };
	const char *text = NULL, *signature = NULL;

	assert_int_equal(ud_statement_write(cx, agent_key, &said, &text, &signature), UD_OK);
	return json_pack("{s:s,s:I,s:s,s:s,s:s,s:s,s:s,s:s}", "vm_id", "vm_1", "command",
		(json_int_t)answers[i].seq, "host_id", "hst_1", "verb", answers[i].verb, "agent_id",
		"agt_1", "verdict", "valid", "statement", text, "signature", signature);
}

static json_t *step_entry(struct ud_ctx *cx, size_t i)
{
	json_t *facts = ud_statement_facts(cx, answers[i].verb, answers[i].result);
	json_t *step = json_pack("{s:s,s:I,s:s,s:s,s:s,s:i,s:s,s:s,s:s}", "vm_id", "vm_1",
		"command", (json_int_t)answers[i].seq, "host_id", "hst_1", "name", answers[i].step,
		"signature", "valid", "agent_ms", 41, "state", "done", "result",
		ud_json_text(cx->arena, facts, 0), "ended_at", "2026-11-25T12:00:41.000Z");

	json_decref(facts);
	return step;
}

static json_t *told_document(struct ud_ctx *cx)
{
	unsigned char public_key[UD_SIGN_PUBLIC];
	json_t *doc = load(sealed(cx)), *steps = json_array(), *statements = json_array();
	json_t *timeline = json_array();

	ud_sign_public(agent_key, public_key);
	for (size_t i = 0; i < UD_LEN(answers); i++) {
		json_array_append_new(steps, step_entry(cx, i));
		json_array_append_new(statements, signed_entry(cx, i));
		json_array_append_new(timeline,
			json_pack("{s:s,s:I,s:s}", "vm_id", "vm_1", "command",
				(json_int_t)answers[i].seq, "event", "commanded"));
	}
	json_object_set_new(doc, "pictures", json_array());
	json_object_set_new(doc, "steps", steps);
	json_object_set_new(doc, "statements", statements);
	json_object_set_new(doc, "timeline", timeline);
	json_object_set_new(doc, "agents",
		json_pack("[{s:s,s:s,s:s}]", "agent_id", "agt_1", "host_id", "hst_1", "public_key",
			ud_hex(cx->arena, public_key, sizeof(public_key))));
	json_object_set_new(doc, "vms",
		json_loads(
			"[{\"vm_id\":\"vm_1\",\"recovery_point_id\":\"rpt_1\",\"point_age_ms\":700,"
			"\"point_taken_at\":\"2026-11-25T12:00:01.100Z\",\"checks_passed\":1,"
			"\"outage_at\":\"2026-11-25T12:00:00.000Z\","
			"\"committed_at\":\"2026-11-25T12:00:02.000Z\","
			"\"serving_at\":\"2026-11-25T12:00:41.000Z\"}]",
			0, NULL));
	json_object_set_new(doc, "failover",
		json_loads("{\"kind\":\"planned\",\"rpo_measured_seconds\":0,"
			   "\"rto_measured_seconds\":41}",
			0, NULL));
	return doc;
}

/* Change it and seal it anew: what a server can do that lies. */
static struct ud_evidence_report lied(struct ud_ctx *cx, void (*change)(json_t *doc))
{
	json_t *doc = told_document(cx);
	const char *text = NULL;

	if (change)
		change(doc);
	json_object_del(doc, "digests");
	json_object_del(doc, "seal");
	assert_int_equal(ud_evidence_seal(cx, ud_json_text(cx->arena, doc, 0), key, &text), UD_OK);
	json_decref(doc);
	return verify(cx, text);
}

static json_t *nth(json_t *doc, const char *list, size_t i)
{
	return json_array_get(json_object_get(doc, list), i);
}

static void drop_statement(json_t *doc)
{
	json_array_remove(json_object_get(doc, "statements"), 1);
}

static void drop_its_mark_too(json_t *doc)
{
	json_array_remove(json_object_get(doc, "statements"), 0);
	json_object_set_new(nth(doc, "steps", 0), "signature", json_string("missing"));
}

static void swap_statements(json_t *doc)
{
	static const char *const members[] = { "statement", "signature" };

	for (size_t i = 0; i < UD_LEN(members); i++) {
		json_t *a = nth(doc, "statements", 0), *b = nth(doc, "statements", 2);
		json_t *kept = json_incref(json_object_get(a, members[i]));

		json_object_set(a, members[i], json_object_get(b, members[i]));
		json_object_set_new(b, members[i], kept);
	}
}

static void doubt_it(json_t *doc)
{
	json_object_set_new(nth(doc, "statements", 2), "verdict", json_string("invalid"));
}

static void set_text(json_t *object, const char *member, const char *from, const char *to)
{
	const char *text = json_string_value(json_object_get(object, member));
	const char *at = strstr(text, from);
	char copy[4096];

	assert_non_null(at);
	snprintf(copy, sizeof(copy), "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	json_object_set_new(object, member, json_string(copy));
}

static void change_statement(json_t *doc)
{
	set_text(nth(doc, "statements", 1), "statement", "\"age_ms\":700", "\"age_ms\":100");
}

static void change_result(json_t *doc)
{
	set_text(nth(doc, "steps", 2), "result", "00ff", "00fe");
}

static void change_age(json_t *doc)
{
	json_object_set_new(nth(doc, "vms", 0), "point_age_ms", json_integer(100));
}

static void change_time_of_agent(json_t *doc)
{
	json_object_set_new(nth(doc, "steps", 2), "agent_ms", json_integer(4));
}

static void change_checks(json_t *doc)
{
	json_object_set_new(nth(doc, "vms", 0), "checks_passed", json_integer(2));
}

static void change_rto(json_t *doc)
{
	json_object_set_new(
		json_object_get(doc, "failover"), "rto_measured_seconds", json_integer(4));
}

static void change_serving(json_t *doc)
{
	json_object_set_new(
		nth(doc, "vms", 0), "serving_at", json_string("2026-11-25T12:00:04.000Z"));
}

static void change_key(json_t *doc)
{
	json_object_set_new(nth(doc, "agents", 0), "public_key", json_string("00"));
}

static void change_line(json_t *doc)
{
	json_object_set_new(nth(doc, "timeline", 3), "command", json_integer(9));
}

/* The server's own seal fits: it is the agents' signatures that tell. */
static void a_server_that_lies_is_found_by_what_agents_have_signed(void **state)
{
	static const struct {
		void (*change)(json_t *doc);
		const char *where;
	} rows[] = {
		{ drop_statement, "/steps/1" },
		{ drop_its_mark_too, "/steps/0" },
		{ swap_statements, "/statements/0" },
		{ swap_statements, "/statements/2" },
		{ doubt_it, "/steps/2/signature" },
		{ change_statement, "/statements/1" },
		{ change_result, "/steps/2/result" },
		{ change_age, "/vms/0/point_age_ms" },
		{ change_time_of_agent, "/steps/2/agent_ms" },
		{ change_checks, "/vms/0/checks_passed" },
		{ change_rto, "/failover/rto_measured_seconds" },
		{ change_serving, "/vms/0/serving_at" },
		{ change_key, "/statements/0" },
		{ change_line, "/statements/3" },
	};
	struct ud_ctx *cx = *state;
	struct ud_evidence_report r = lied(cx, NULL);

	if (!r.intact)
		fail_msg("%s: %s", r.findings[0].where, r.findings[0].what);
	assert_int_equal(r.signed_answers, UD_LEN(answers));
	assert_int_equal(r.unsigned_answers, 0);
	for (size_t i = 0; i < UD_LEN(rows); i++) {
		r = lied(cx, rows[i].change);
		if (r.intact || !named(&r, rows[i].where))
			fail_msg("row %zu: %s was not named", i, rows[i].where);
	}
}

/* One bit of a statement or of its signature, the rest sealed anew around it. */
static void every_flipped_bit_of_a_statement_is_found(void **state)
{
	static const char *const members[] = { "statement", "signature" };
	struct ud_ctx *cx = *state, inner = *cx;
	json_t *doc = told_document(cx);
	size_t found = 0;

	for (size_t m = 0; m < UD_LEN(members); m++) {
		json_t *entry = nth(doc, "statements", 1);
		char *text =
			ud_strdup(cx->arena, json_string_value(json_object_get(entry, members[m])));

		for (size_t i = 0; text[i]; i++) {
			char was = text[i];
			const char *all = NULL;

			inner.arena = ud_arena_new();
			text[i] = (char)(was ^ 1);
			json_object_set_new(entry, members[m], json_string(text));
			assert_int_equal(ud_evidence_seal(&inner, ud_json_text(inner.arena, doc, 0),
						 key, &all),
				UD_OK);
			struct ud_evidence_report r = verify(&inner, all);

			if (!named(&r, "/statements/1"))
				fail_msg("byte %zu of the %s was not named", i, members[m]);
			text[i] = was;
			json_object_set_new(entry, members[m], json_string(text));
			ud_arena_release(&inner.arena);
			found++;
		}
	}
	json_decref(doc);
	print_message("# %zu flipped bytes of a statement found\n", found);
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
			a_server_that_lies_is_found_by_what_agents_have_signed, context_begin,
			context_end),
		cmocka_unit_test_setup_teardown(
			every_flipped_bit_of_a_statement_is_found, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			another_form_is_another_file, context_begin, context_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
