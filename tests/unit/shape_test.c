/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field tables: decoding with all its rules, encoding, changes.
 */
#include "base/shape.h"

#include <string.h>

#include "support/context.h"

#define SITE_ID "sit_01arz3ndektsv4rrffq69g5fav"
#define CUSTOMER_ID "cus_01arz3ndektsv4rrffq69g5fav"

static const char *const power_names[] = { "off", "on", "paused" };
static const struct ud_enum powers = { "power", power_names, 3 };

struct box {
	struct ud_row row;
	const char *name, *note, *site_id, *token, *code, *password;
	int64_t memory_bytes, priority, seen;
	bool active;
	unsigned power, kind;
	struct ud_time due_at, born_at;
	struct ud_json policy;
	struct ud_texts tags, states;
};

static const char *rule_code(struct ud_ctx *cx, const char *s)
{
	(void)cx;
	return s[0] == 'x' ? NULL : "starts with x.";
}

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(box, name,         .flags = UD_REQUIRED, .max = 8),
	UD_FIELD(box, note),
	UD_FIELD(box, site_id,      .flags = UD_FIXED, .refers = "sit"),
	UD_FIELD(box, token,        .flags = UD_SECRET),
	UD_FIELD(box, code,         .rule = rule_code),
	UD_FIELD(box, password,     .flags = UD_INPUT, .min = 3),
	UD_FIELD(box, memory_bytes, .min = 512, .max = 4096, .standard = 1024),
	UD_FIELD(box, priority,     .flags = UD_NULLABLE, .max = 9),
	UD_FIELD(box, seen,         .flags = UD_SERVER),
	UD_FIELD(box, active,       .standard = 1),
	UD_FIELD(box, power,        .values = &powers),
	UD_FIELD(box, kind,         .flags = UD_FIXED, .values = &powers, .standard = 2),
	UD_FIELD(box, due_at),
	UD_FIELD(box, born_at,      .flags = UD_FIXED),
	UD_FIELD(box, policy,       .max = 24),
	UD_FIELD(box, tags,         .flags = UD_FIXED, .max = 2),
	UD_FIELD(box, states,       .values = &powers),
};
/* clang-format on */

static const struct ud_shape shape = { .object = "box", .prefix = "box", UD_SHAPE(box, fields) };
static const struct ud_shape bare = {
	.bare = true, .size = sizeof(struct box), .fields = fields, .field_count = UD_LEN(fields)
};

static enum ud_code decode(struct ud_ctx *cx, const struct ud_shape *s, enum ud_decode_mode mode,
	const char *text, struct box *b)
{
	struct ud_given given;
	json_t *body = json_loads(text, JSON_DECODE_ANY, NULL);

	if (!body)
		fail_msg("not JSON: %s", text);
	enum ud_code code = ud_shape_decode(cx, s, mode, body, b, &given);

	json_decref(body);
	return code;
}

static const char *encoded(struct ud_ctx *cx, const struct box *b, const struct ud_texts *only)
{
	struct ud_buf out = { 0 };

	ud_shape_encode(&out, &shape, b, only);
	return ud_buf_take(cx->arena, &out);
}

/* A stored box, as a PATCH finds it. */
static struct box stored(struct ud_ctx *cx)
{
	struct box b = { 0 };

	assert_int_equal(decode(cx, &shape, UD_CREATE,
				 "{\"name\":\"alpha\",\"note\":\"n\",\"site_id\":\"" SITE_ID
				 "\",\"kind\":\"on\",\"born_at\":\"2026-01-02T03:04:05Z\","
				 "\"tags\":[\"a\"],\"labels\":{\"tier\":\"gold\",\"zone\":\"a\"}}",
				 &b),
		UD_OK);
	b.row.id = "box_1";
	b.row.version = 7;
	b.row.created_at.ms = b.row.updated_at.ms = 1000;
	return b;
}

static void creation_starts_from_the_standards(void **state)
{
	struct ud_ctx *cx = *state;
	struct box b = { 0 };

	assert_int_equal(decode(cx, &shape, UD_CREATE, "{\"name\":\"alpha\"}", &b), UD_OK);
	assert_string_equal(b.name, "alpha");
	assert_null(b.note);
	assert_int_equal(b.memory_bytes, 1024);
	assert_true(b.priority == UD_NONE);
	assert_true(b.active);
	assert_int_equal(b.power, 0);
	assert_int_equal(b.kind, 2);
	assert_int_equal(b.tags.count, 0);
}

static void all_types_are_read(void **state)
{
	struct ud_ctx *cx = *state;
	struct box b = { 0 };

	assert_int_equal(
		decode(cx, &shape, UD_CREATE,
			"{\"name\":\"\xc3\xa9t\xc3\xa9\",\"note\":\"two\\nlines\\there\","
			"\"memory_bytes\":4096,\"priority\":0,\"active\":false,"
			"\"power\":\"paused\",\"due_at\":\"2026-11-23T10:41:07.250+01:00\","
			"\"policy\":{\"b\":1,\"a\":[true]},\"tags\":[\"x\",\"y\"],"
			"\"states\":[\"on\"],\"customer_id\":\"" CUSTOMER_ID "\"}",
			&b),
		UD_OK);
	assert_string_equal(b.note, "two\nlines\there");
	assert_int_equal(b.memory_bytes, 4096);
	assert_int_equal(b.priority, 0);
	assert_false(b.active);
	assert_int_equal(b.power, 2);
	assert_int_equal(b.due_at.ms, INT64_C(1795426867250));
	assert_string_equal(b.policy.text, "{\"a\":[true],\"b\":1}");
	assert_string_equal(b.tags.items[1], "y");
	assert_string_equal(b.states.items[0], "on");
	assert_string_equal(b.row.customer_id, CUSTOMER_ID);
}

static void each_wrong_value_is_named_with_its_rule(void **state)
{
	static const struct {
		const char *body, *field, *rule, *sentence;
	} rows[] = {
		{ "{\"name\":null}", "name", "required", "name cannot be null." },
		{ "{\"name\":\"\"}", "name", "too_short", "name has at least 1 characters." },
		{ "{\"name\":\"ninechars\"}", "name", "too_long",
			"name has at most 8 characters." },
		{ "{\"name\":7}", "name", "wrong_type", "name is a string." },
		{ "{\"note\":[]}", "note", "wrong_type", "note is a string." },
		{ "{\"note\":\"a\\u0007\"}", "note", "control_character",
			"note has a control character." },
		{ "{\"note\":\"a\\u007f\"}", "note", "control_character",
			"note has a control character." },
		{ "{\"note\":\"a\\rb\"}", "note", "control_character",
			"note has a control character." },
		{ "{\"site_id\":\"sit_7\"}", "site_id", "not_an_id",
			"site_id is an id that starts with sit_." },
		{ "{\"site_id\":\"" CUSTOMER_ID "\"}", "site_id", "not_an_id",
			"site_id is an id that starts with sit_." },
		{ "{\"code\":\"abc\"}", "code", "format", "code starts with x." },
		{ "{\"password\":\"ab\"}", "password", "too_short",
			"password has at least 3 characters." },
		{ "{\"memory_bytes\":511}", "memory_bytes", "out_of_range",
			"memory_bytes is between 512 and 4096." },
		{ "{\"memory_bytes\":4097}", "memory_bytes", "out_of_range",
			"memory_bytes is between 512 and 4096." },
		{ "{\"memory_bytes\":\"512\"}", "memory_bytes", "wrong_type",
			"memory_bytes is an integer." },
		{ "{\"memory_bytes\":600.5}", "memory_bytes", "wrong_type",
			"memory_bytes is an integer." },
		{ "{\"memory_bytes\":null}", "memory_bytes", "required",
			"memory_bytes cannot be null." },
		{ "{\"seen\":1}", "seen", "read_only", "seen is set by the server." },
		{ "{\"active\":1}", "active", "wrong_type", "active is true or false." },
		{ "{\"active\":null}", "active", "required", "active cannot be null." },
		{ "{\"power\":\"On\"}", "power", "not_allowed", "power is off, on or paused." },
		{ "{\"power\":1}", "power", "not_allowed", "power is off, on or paused." },
		{ "{\"due_at\":\"yesterday\"}", "due_at", "wrong_type",
			"due_at is an instant such as 2026-11-23T09:41:07Z." },
		{ "{\"due_at\":5}", "due_at", "wrong_type",
			"due_at is an instant such as 2026-11-23T09:41:07Z." },
		{ "{\"policy\":\"text\"}", "policy", "wrong_type",
			"policy is a JSON object or list." },
		{ "{\"policy\":{\"a\":\"0123456789012345678901\"}}", "policy", "too_long",
			"policy has at most 24 bytes." },
		{ "{\"tags\":\"a\"}", "tags", "wrong_type", "tags is a list of strings." },
		{ "{\"tags\":[1]}", "tags", "wrong_type", "tags is a list of strings." },
		{ "{\"tags\":[\"\"]}", "tags", "too_short", "tags has at least 1 characters." },
		{ "{\"tags\":[\"a\",\"b\",\"c\"]}", "tags", "out_of_range",
			"tags has between 0 and 2 items." },
		{ "{\"tags\":[\"a\",\"a\"]}", "tags", "duplicate", "tags names a twice." },
		{ "{\"states\":[\"gone\"]}", "states", "not_allowed",
			"Each of states is off, on or paused." },
		{ "{\"customer_id\":\"acme\"}", "customer_id", "not_an_id",
			"customer_id is an id that starts with cus_, or null." },
		{ "{\"customer_id\":5}", "customer_id", "not_an_id",
			"customer_id is an id that starts with cus_, or null." },
		{ "{\"labels\":[]}", "labels", "wrong_type",
			"labels is an object of at most 32 pairs of strings." },
	};
	struct ud_ctx *cx = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct box b = { 0 };
		enum ud_code code = decode(cx, &shape, UD_CREATE, rows[i].body, &b);
		const char *sentence = context_problem(cx, rows[i].field, rows[i].rule);

		if (code != UD_E_VALIDATION || !sentence)
			fail_msg("%s: %s", rows[i].body, ud_error_info(code)->name);
		assert_string_equal(sentence, rows[i].sentence);
	}
}

static void all_wrong_fields_are_reported_at_once(void **state)
{
	struct ud_ctx *cx = *state;
	struct box b = { 0 };

	assert_int_equal(
		decode(cx, &shape, UD_CREATE,
			"{\"active\":\"yes\",\"power\":\"up\",\"memory_bytes\":1,\"seen\":2}", &b),
		UD_E_VALIDATION);
	assert_int_equal(cx->problem.field_count, 5);
	assert_non_null(context_problem(cx, "active", "wrong_type"));
	assert_non_null(context_problem(cx, "power", "not_allowed"));
	assert_non_null(context_problem(cx, "memory_bytes", "out_of_range"));
	assert_non_null(context_problem(cx, "seen", "read_only"));
	assert_non_null(context_problem(cx, "name", "required"));
}

static void all_unknown_fields_are_named(void **state)
{
	struct ud_ctx *cx = *state;
	struct box b = { 0 };

	assert_int_equal(decode(cx, &shape, UD_CREATE,
				 "{\"name\":\"a\",\"nmae\":1,\"colour\":2,\"active\":3}", &b),
		UD_E_UNKNOWN_FIELD);
	assert_non_null(context_problem(cx, "nmae", "unknown_field"));
	assert_non_null(context_problem(cx, "colour", "unknown_field"));
	assert_non_null(context_problem(cx, "active", "wrong_type"));
}

static void a_body_that_is_no_object_is_malformed(void **state)
{
	static const char *const bodies[] = { "[]", "null", "7", "\"x\"", "true" };
	struct box b = { 0 };

	for (size_t i = 0; i < UD_LEN(bodies); i++)
		assert_int_equal(decode(*state, &shape, UD_PATCH, bodies[i], &b), UD_E_MALFORMED);
}

static void a_bare_shape_has_no_common_members(void **state)
{
	struct ud_ctx *cx = *state;
	struct box b = { 0 };

	assert_int_equal(decode(cx, &bare, UD_PATCH, "{\"labels\":{}}", &b), UD_E_UNKNOWN_FIELD);
	assert_int_equal(
		decode(cx, &bare, UD_PATCH, "{\"customer_id\":null}", &b), UD_E_UNKNOWN_FIELD);
}

static void a_patch_changes_only_what_is_given(void **state)
{
	struct ud_ctx *cx = *state;
	struct box b = stored(cx);

	assert_int_equal(decode(cx, &shape, UD_PATCH, "{\"note\":\"m\"}", &b), UD_OK);
	assert_string_equal(b.name, "alpha");
	assert_string_equal(b.note, "m");
	assert_int_equal(b.kind, 1);
	assert_int_equal(b.row.version, 7);
	assert_int_equal(b.tags.count, 1);
}

static void null_clears_in_a_patch(void **state)
{
	struct ud_ctx *cx = *state;
	struct box b = stored(cx);

	b.priority = 3;
	b.due_at.ms = 5;
	b.policy.text = "{}";
	b.states = b.tags;
	b.row.customer_id = CUSTOMER_ID;
	assert_int_equal(decode(cx, &shape, UD_PATCH,
				 "{\"note\":null,\"priority\":null,\"due_at\":null,"
				 "\"policy\":null,\"states\":null,\"customer_id\":null}",
				 &b),
		UD_OK);
	assert_null(b.note);
	assert_true(b.priority == UD_NONE);
	assert_true(b.due_at.ms == UD_NONE);
	assert_null(b.policy.text);
	assert_int_equal(b.states.count, 0);
	assert_null(b.row.customer_id);
}

static void a_fixed_field_may_be_repeated_but_not_changed(void **state)
{
	static const struct {
		const char *body, *field; /* field NULL: accepted */
	} rows[] = {
		{ "{\"site_id\":\"" SITE_ID "\"}", NULL },
		{ "{\"site_id\":\"sit_01arz3ndektsv4rrffq69g5faw\"}", "site_id" },
		{ "{\"site_id\":null}", "site_id" },
		{ "{\"kind\":\"on\"}", NULL },
		{ "{\"kind\":\"off\"}", "kind" },
		{ "{\"born_at\":\"2026-01-02T03:04:05.000Z\"}", NULL },
		{ "{\"born_at\":\"2026-01-02T03:04:06Z\"}", "born_at" },
		{ "{\"tags\":[\"a\"]}", NULL },
		{ "{\"tags\":[\"b\"]}", "tags" },
		{ "{\"tags\":[]}", "tags" },
	};
	struct ud_ctx *cx = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct box b = stored(cx);
		enum ud_code code = decode(cx, &shape, UD_PATCH, rows[i].body, &b);

		assert_int_equal(code, rows[i].field ? UD_E_VALIDATION : UD_OK);
		if (rows[i].field)
			assert_non_null(context_problem(cx, rows[i].field, "fixed"));
	}
}

static void labels_are_merged_one_by_one(void **state)
{
	static const struct {
		const char *body, *labels;
	} rows[] = {
		{ "{\"labels\":{\"a/b.c_d-e\":\"\"}}",
			"{\"a/b.c_d-e\":\"\",\"tier\":\"gold\",\"zone\":\"a\"}" },
		{ "{\"labels\":{\"tier\":\"tin\"}}", "{\"tier\":\"tin\",\"zone\":\"a\"}" },
		{ "{\"labels\":{\"tier\":null,\"none\":null}}", "{\"zone\":\"a\"}" },
		{ "{\"labels\":{}}", "{\"tier\":\"gold\",\"zone\":\"a\"}" },
		{ "{\"labels\":null}", NULL },
	};
	struct ud_ctx *cx = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct box b = stored(cx);

		assert_int_equal(decode(cx, &shape, UD_PATCH, rows[i].body, &b), UD_OK);
		if (rows[i].labels)
			assert_string_equal(b.row.labels.text, rows[i].labels);
		else
			assert_null(b.row.labels.text);
	}
}

static void labels_have_a_form(void **state)
{
	static const char *const wrong[] = { "\"Up\":\"x\"", "\"\":\"x\"", "\"-a\":\"x\"",
		"\"a b\":\"x\"", "\"a\":1", "\"a\":\"b\\u0001\"",
		"\"k123456789012345678901234567890123456789012345678901234567890123\":\"x\"" };
	struct ud_ctx *cx = *state;

	for (size_t i = 0; i < UD_LEN(wrong); i++) {
		struct box b = stored(cx);
		const char *body = ud_printf(cx->arena, "{\"labels\":{%s}}", wrong[i]);

		if (decode(cx, &shape, UD_PATCH, body, &b) != UD_E_VALIDATION)
			fail_msg("%s", body);
		assert_memory_equal(cx->problem.fields[0].field, "labels/", 7);
	}
}

static void there_are_at_most_32_labels(void **state)
{
	struct ud_ctx *cx = *state;
	struct box b = { 0 };
	char *body = ud_strdup(cx->arena, "{\"name\":\"a\",\"labels\":{\"k0\":\"v\"");

	for (int i = 1; i < 32; i++)
		body = ud_printf(cx->arena, "%s,\"k%d\":\"v\"", body, i);
	assert_int_equal(
		decode(cx, &shape, UD_CREATE, ud_printf(cx->arena, "%s}}", body), &b), UD_OK);
	assert_int_equal(
		decode(cx, &shape, UD_PATCH, "{\"labels\":{\"more\":\"v\"}}", &b), UD_E_VALIDATION);
	assert_non_null(context_problem(cx, "labels", "wrong_type"));
}

static void an_object_is_encoded_in_its_order(void **state)
{
	struct ud_ctx *cx = *state;
	struct box b = stored(cx);

	b.due_at.ms = 1700000000000;
	b.priority = -5;
	assert_string_equal(encoded(cx, &b, NULL),
		"{\"id\":\"box_1\",\"object\":\"box\",\"customer_id\":null,\"version\":7,"
		"\"created_at\":\"1970-01-01T00:00:01.000Z\",\"updated_at\":\"1970-01-01T00:00:01.000Z\","
		"\"labels\":{\"tier\":\"gold\",\"zone\":\"a\"},\"name\":\"alpha\",\"note\":\"n\","
		"\"site_id\":\"" SITE_ID
		"\",\"code\":null,\"memory_bytes\":1024,\"priority\":-5,\"seen\":0,\"active\":true,"
		"\"power\":\"off\",\"kind\":\"on\",\"due_at\":\"2023-11-14T22:13:20.000Z\","
		"\"born_at\":\"2026-01-02T03:04:05.000Z\",\"policy\":null,\"tags\":[\"a\"],"
		"\"states\":[]}");
}

static void a_secret_field_is_never_encoded(void **state)
{
	struct ud_ctx *cx = *state;
	struct box b = stored(cx), c = b;

	c.token = "hush-token";
	c.password = "hush-password";
	assert_null(strstr(encoded(cx, &c, NULL), "hush"));
	struct ud_buf out = { 0 };

	ud_shape_encode_changes(&out, &shape, &c, &b);
	assert_string_equal(ud_buf_text(&out), "{}");
	ud_buf_free(&out);
}

static void only_the_wanted_members_are_encoded(void **state)
{
	const char *names[] = { "name", "version", "labels" };
	struct ud_texts only = { names, UD_LEN(names) };
	struct ud_ctx *cx = *state;
	struct box b = stored(cx);

	b.row.labels.text = NULL;
	assert_string_equal(encoded(cx, &b, &only),
		"{\"id\":\"box_1\",\"object\":\"box\",\"version\":7,\"labels\":{},\"name\":\"alpha\"}");
}

static void what_is_encoded_is_json(void **state)
{
	struct ud_ctx *cx = *state;
	struct box b = stored(cx);

	b.note = "\"\\\x01\b\f\n\r\t\x7f \xc3\xa9 \xff \xf0\x9f\x9a\x80";
	json_t *tree = json_loads(encoded(cx, &b, NULL), JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(tree);
	assert_string_equal(json_string_value(json_object_get(tree, "note")),
		"\"\\\x01\b\f\n\r\t\x7f \xc3\xa9 \xef\xbf\xbd \xf0\x9f\x9a\x80");
	json_decref(tree);
}

static void changes_carry_the_old_values(void **state)
{
	struct ud_ctx *cx = *state;
	struct box b = stored(cx), c = b;
	const char *two[] = { "a", "b" };
	struct ud_buf out = { 0 };

	c.note = NULL;
	c.memory_bytes = 2048;
	c.active = false;
	c.power = 1;
	c.due_at.ms = 9;
	c.policy.text = "{}";
	c.tags = (struct ud_texts){ two, 2 };
	ud_shape_encode_changes(&out, &shape, &b, &c);
	assert_string_equal(ud_buf_text(&out),
		"{\"note\":\"n\",\"memory_bytes\":1024,\"active\":true,\"power\":\"off\","
		"\"due_at\":null,\"policy\":null,\"tags\":[\"a\"]}");
	ud_buf_free(&out);
}

static void given_fields_are_known_by_name(void **state)
{
	struct ud_ctx *cx = *state;
	struct box b = { 0 };
	struct ud_given given;
	json_t *body = json_pack("{s:s, s:{}}", "name", "a", "labels");

	assert_int_equal(ud_shape_decode(cx, &shape, UD_CREATE, body, &b, &given), UD_OK);
	json_decref(body);
	assert_true(ud_given_name(&given, &shape, "name"));
	assert_false(ud_given_name(&given, &shape, "note"));
	assert_false(ud_given_name(&given, &shape, "nothing"));
	assert_true(given.labels);
	assert_false(given.customer_id);
	assert_true(ud_given_has(&given, 0));
	assert_int_equal(ud_shape_find(&shape, "note"), 1);
	assert_int_equal(ud_enum_index(&powers, "up"), -1);
}

static void stored_lists_are_read_back(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_texts t;

	ud_texts_read(cx, "[\"a\",\"b c\"]", &t);
	assert_int_equal(t.count, 2);
	assert_string_equal(t.items[1], "b c");
	ud_texts_read(cx, NULL, &t);
	assert_int_equal(t.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(creation_starts_from_the_standards),
		cmocka_unit_test(all_types_are_read),
		cmocka_unit_test(each_wrong_value_is_named_with_its_rule),
		cmocka_unit_test(all_wrong_fields_are_reported_at_once),
		cmocka_unit_test(all_unknown_fields_are_named),
		cmocka_unit_test(a_body_that_is_no_object_is_malformed),
		cmocka_unit_test(a_bare_shape_has_no_common_members),
		cmocka_unit_test(a_patch_changes_only_what_is_given),
		cmocka_unit_test(null_clears_in_a_patch),
		cmocka_unit_test(a_fixed_field_may_be_repeated_but_not_changed),
		cmocka_unit_test(labels_are_merged_one_by_one),
		cmocka_unit_test(labels_have_a_form),
		cmocka_unit_test(there_are_at_most_32_labels),
		cmocka_unit_test(an_object_is_encoded_in_its_order),
		cmocka_unit_test(a_secret_field_is_never_encoded),
		cmocka_unit_test(only_the_wanted_members_are_encoded),
		cmocka_unit_test(what_is_encoded_is_json),
		cmocka_unit_test(changes_carry_the_old_values),
		cmocka_unit_test(given_fields_are_known_by_name),
		cmocka_unit_test(stored_lists_are_read_back),
	};

	return cmocka_run_group_tests(tests, context_begin, context_end);
}
