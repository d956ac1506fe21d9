/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tickets that ask with fields in place of words: every form, what is refused and where it says so,
 * and what becomes of a form that is changed.
 */
#include <string.h>

#include "support/harness.h"

struct desk {
	struct world *w;
	const char *site, *network, *vm, *foreign_vm;
	int keys;
};

static const char *made(struct world *w, const char *path, const char *body)
{
	return text_at(expect(w, LEAD, "POST", path, body, 201).json, "id");
}

static int begin(void **state)
{
	struct desk *d = ud_malloc(sizeof(*d));
	struct world *w = world_begin();

	*d = (struct desk){ .w = w };
	d->site = made(w, "/v1/sites",
		"{\"name\":\"London\",\"code\":\"lon\",\"kind\":\"provider_dc\",\"time_zone\":\"UTC\"}");
	d->network = made(w, "/v1/networks",
		fmt(w, "{\"name\":\"front\",\"site_id\":\"%s\",\"purpose\":\"production\"}",
			d->site));
	d->vm = made(w, "/v1/vms", fmt(w, "{\"name\":\"sql-01\",\"customer_id\":\"%s\"}", w->own));
	d->foreign_vm = made(
		w, "/v1/vms", fmt(w, "{\"name\":\"theirs\",\"customer_id\":\"%s\"}", w->other));
	*state = d;
	return 0;
}

static int end(void **state)
{
	struct desk *d = *state;

	world_end(d->w);
	ud_free(d);
	return 0;
}

/* Open a ticket; more are further members of the body. */
static struct reply ask(
	struct desk *d, enum who who, const char *type, const char *form, const char *more)
{
	const char *headers[] = { fmt(d->w, "Idempotency-Key: form-%d", d->keys++), NULL };

	return call(d->w, who, "POST", "/v1/tickets",
		fmt(d->w, "{\"type\":\"%s\",\"form\":%s%s}", type, form, more), headers);
}

static const char *cpus(struct desk *d, int n)
{
	return fmt(
		d->w, "{\"key\":\"add_cpu\",\"values\":{\"vm_id\":\"%s\",\"vcpus\":%d}}", d->vm, n);
}

static bool names(json_t *list, const char *id)
{
	size_t i;
	json_t *v;

	json_array_foreach(list, i, v) if (strcmp(json_string_value(v), id) == 0) return true;
	return false;
}

/* A way to fill in each form; VM is an id of the customer's, NET of the provider's, SIT its site.
 */
static const struct {
	const char *type, *key, *values, *subject;
} filled[] = {
	{ "request", "add_cpu", "{\"vm_id\":VM,\"vcpus\":8,\"may_restart\":true}",
		"More processors: sql-01" },
	{ "request", "add_memory", "{\"vm_id\":VM,\"memory_bytes\":34359738368}",
		"More memory: sql-01" },
	{ "request", "add_disk",
		"{\"vm_id\":VM,\"size_bytes\":107374182400,\"purpose\":\"/var/lib\"}",
		"More disk space: sql-01" },
	{ "request", "certificate",
		"{\"common_name\":\"*.example.net\",\"alternative_names\":[\"example.net\"]}",
		"A certificate" },
	{ "change", "change_network",
		"{\"vm_id\":VM,\"network_id\":NET,\"mac\":\"52:54:00:12:34:56\",\"address\":\"192.0.2.7\"}",
		"Another network: sql-01" },
	{ "firewall_change", "firewall_rule",
		"{\"action\":\"allow\",\"protocol\":\"tcp\",\"sources\":[\"any\",\"2001:db8::/32\"],"
		"\"destinations\":[\"192.0.2.7\"],\"ports\":[\"443\",\"8000-8080\"],\"purpose\":\"The shop\"}",
		"Firewall rule" },
	{ "hardware", "hardware_replacement",
		"{\"part\":\"power_supply\",\"site_id\":SIT,\"serial_number\":\"PS-77\"}",
		"Replace a part: London" },
	{ "consultation", "design_review",
		"{\"topic\":\"recovery\",\"question\":\"Two sites,\\nor three?\"}",
		"Talk about a design" },
	{ "account", "add_users",
		"{\"vm_id\":VM,\"user_names\":[\"ada\",\"grace\"],\"ends_at\":\"2099-01-01T00:00:00Z\"}",
		"Accounts in a VM: sql-01" },
	{ "billing", "invoice_question", "{\"invoice_number\":\"2026-117\",\"topic\":\"period\"}",
		"About an invoice" },
};

/* Ids in the places of VM, NET and SIT. */
static const char *with_ids(struct desk *d, const char *values)
{
	const struct {
		const char *word, *id;
	} ids[] = { { ":VM", d->vm }, { ":NET", d->network }, { ":SIT", d->site } };

	for (size_t i = 0; i < UD_LEN(ids); i++) {
		const char *at = strstr(values, ids[i].word);

		if (at)
			values = fmt(d->w, "%.*s:\"%s\"%s", (int)(at - values), values, ids[i].id,
				at + strlen(ids[i].word));
	}
	return values;
}

static void every_form_can_be_filled_in(void **state)
{
	struct desk *d = *state;
	json_t *list = json_object_get(
		expect(d->w, OWN_VIEWER, "GET", "/v1/ticket-forms", NULL, 200).json, "data");

	/* a row above for each, in their order */
	assert_int_equal(json_array_size(list), UD_LEN(filled));
	for (size_t i = 0; i < UD_LEN(filled); i++) {
		json_t *form = json_array_get(list, i);

		assert_string_equal(text_at(form, "key"), filled[i].key);
		assert_string_equal(text_at(form, "type"), filled[i].type);
		struct reply r = ask(d, OWN_OPERATOR, filled[i].type,
			fmt(d->w, "{\"key\":\"%s\",\"values\":%s}", filled[i].key,
				with_ids(d, filled[i].values)),
			"");

		if (r.status != 201)
			fail_msg("%s: %s", filled[i].key, r.body);
		assert_string_equal(text_at(r.json, "subject"), filled[i].subject);
		assert_string_equal(text_at(r.json, "form.key"), filled[i].key);
		assert_int_equal(names(json_object_get(r.json, "resource_ids"), d->vm),
			strstr(filled[i].values, "VM") != NULL);
	}
}

static void a_schema_says_what_a_form_takes(void **state)
{
	struct desk *d = *state;
	struct reply r = expect(d->w, LEAD, "GET", "/v1/ticket-forms", NULL, 200);

	assert_string_equal(text_at(r.json, "data.0.key"), "add_cpu");
	assert_string_equal(text_at(r.json, "data.0.schema.$schema"),
		"https://json-schema.org/draft/2020-12/schema");
	assert_string_equal(text_at(r.json, "data.0.schema.required.1"), "vcpus");
	assert_int_equal(number_at(r.json, "data.0.schema.properties.vcpus.maximum"), 1024);
	assert_string_equal(text_at(r.json, "data.0.schema.properties.vm_id.pattern"),
		"^vm_[0-9a-hjkmnp-tv-z]{26}$");
	expect(d->w, NOBODY, "GET", "/v1/ticket-forms", NULL, 401);
}

static void a_form_stays_with_its_ticket(void **state)
{
	struct desk *d = *state;
	struct world *w = d->w;
	struct reply r = ask(d, OWN_OPERATOR, "request",
		fmt(w,
			"{\"key\":\"add_cpu\",\"values\":{\"vcpus\":8,\"vm_id\":\"%s\"},"
			"\"preferred_at\":\"2099-12-01T22:00:00Z\",\"window_minutes\":90}",
			d->vm),
		fmt(w, ",\"subject\":\"Faster, please\",\"resource_ids\":[\"%s\"]", d->vm));
	const char *id = text_at(r.json, "id");

	assert_int_equal(r.status, 201);
	assert_string_equal(text_at(r.json, "subject"), "Faster, please");
	assert_int_equal(json_array_size(json_object_get(r.json, "resource_ids")), 1);
	r = expect(w, OWN_VIEWER, "GET", fmt(w, "/v1/tickets/%s", id), NULL, 200);
	assert_int_equal(number_at(r.json, "form.values.vcpus"), 8);
	assert_string_equal(text_at(r.json, "form.preferred_at"), "2099-12-01T22:00:00.000Z");
	assert_int_equal(number_at(r.json, "form.window_minutes"), 90);
	assert_true(json_is_false(json_object_get(
		json_object_get(json_object_get(r.json, "form"), "values"), "may_restart")));
	r = expect(w, OWN_VIEWER, "GET", fmt(w, "/v1/tickets/%s/history", id), NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.type"), "ticket.created");
	assert_int_equal(number_at(r.json, "data.0.data.form.values.vcpus"), 8);
	r = ask(d, OWN_OPERATOR, "request", "null", ",\"subject\":\"In words\"");
	assert_int_equal(r.status, 201);
	assert_true(json_is_null(json_object_get(r.json, "form")));
}

static void what_does_not_fit_is_named(void **state)
{
	struct desk *d = *state;
	const struct {
		const char *type, *form;
		int status;
		const char *pointer, *rule;
	} wrong[] = {
		{ "request", "{}", 422, "/form/key", "required" },
		{ "request", "{\"key\":\"add_wings\"}", 422, "/form/key", "not_found" },
		{ "change", cpus(d, 8), 422, "/form/key", "other_type" },
		{ "request", "[]", 422, "/form", "wrong_type" },
		{ "request", "\"add_cpu\"", 422, "/form", "wrong_type" },
		{ "request", "{\"key\":\"add_cpu\",\"colour\":1}", 400, "/form/colour",
			"unknown_field" },
		{ "request", "{\"key\":\"add_cpu\"}", 422, "/form/values/vm_id", "required" },
		{ "request", "{\"key\":\"add_cpu\",\"values\":[8]}", 422, "/form/values",
			"wrong_type" },
		{ "request", cpus(d, 0), 422, "/form/values/vcpus", "out_of_range" },
		{ "request", cpus(d, 1025), 422, "/form/values/vcpus", "out_of_range" },
		{ "request",
			fmt(d->w,
				"{\"key\":\"add_cpu\",\"values\":{\"vm_id\":\"%s\",\"vcpus\":\"8\"}}",
				d->vm),
			422, "/form/values/vcpus", "wrong_type" },
		{ "request",
			fmt(d->w,
				"{\"key\":\"add_cpu\",\"values\":{\"vm_id\":\"%s\",\"vcpus\":8,\"gpus\":1}}",
				d->vm),
			400, "/form/values/gpus", "unknown_field" },
		{ "request",
			fmt(d->w, "{\"key\":\"add_cpu\",\"values\":{\"vm_id\":\"%s\",\"vcpus\":8}}",
				d->foreign_vm),
			422, "/form/values/vm_id", "not_found" },
		{ "request",
			"{\"key\":\"add_cpu\",\"values\":{\"vm_id\":\"vm_00000000000000000000000000\",\"vcpus\":8}}",
			422, "/form/values/vm_id", "not_found" },
		{ "request",
			"{\"key\":\"certificate\",\"values\":{\"common_name\":\"a\"},\"preferred_at\":\"2001-01-01T00:00:00Z\"}",
			422, "/form/preferred_at", "in_the_past" },
		{ "request",
			"{\"key\":\"certificate\",\"values\":{\"common_name\":\"a\"},\"window_minutes\":1}",
			422, "/form/window_minutes", "out_of_range" },
		{ "request",
			"{\"key\":\"certificate\",\"values\":{\"common_name\":\"a\",\"signing_request\":\"MIIB\"}}",
			422, "/form/values/signing_request", "format" },
		{ "account",
			fmt(d->w,
				"{\"key\":\"add_users\",\"values\":{\"vm_id\":\"%s\",\"user_names\":[\"ada\"],"
				"\"ends_at\":\"2001-01-01T00:00:00Z\"}}",
				d->vm),
			422, "/form/values/ends_at", "in_the_past" },
	};

	for (size_t i = 0; i < UD_LEN(wrong); i++) {
		struct reply r = ask(d, OWN_OPERATOR, wrong[i].type, wrong[i].form, "");

		if (r.status != wrong[i].status)
			fail_msg("%s: %s", wrong[i].form, r.body);
		assert_string_equal(text_at(r.json, "errors.0.pointer"), wrong[i].pointer);
		assert_string_equal(text_at(r.json, "errors.0.code"), wrong[i].rule);
	}
}

static void a_rule_of_a_firewall_is_checked(void **state)
{
	struct desk *d = *state;
	const struct {
		const char *protocol, *source, *port, *pointer;
	} wrong[] = {
		{ "tcp", "192.0.2.1/24", "443", "/form/values/sources" },
		{ "tcp", "somewhere", "443", "/form/values/sources" },
		{ "tcp", "any", "0", "/form/values/ports" },
		{ "tcp", "any", "65536", "/form/values/ports" },
		{ "tcp", "any", "4294967297", "/form/values/ports" },
		{ "tcp", "any", "90-80", "/form/values/ports" },
		{ "tcp", "any", "80-", "/form/values/ports" },
		{ "tcp", "any", "80-90-100", "/form/values/ports" },
		{ "icmp", "any", "443", "/form/values/ports" },
	};

	for (size_t i = 0; i < UD_LEN(wrong); i++) {
		struct reply r = ask(d, OWN_OPERATOR, "firewall_change",
			fmt(d->w,
				"{\"key\":\"firewall_rule\",\"values\":{\"action\":\"deny\",\"protocol\":\"%s\","
				"\"sources\":[\"%s\"],\"destinations\":[\"any\"],\"ports\":[\"%s\"],\"purpose\":\"x\"}}",
				wrong[i].protocol, wrong[i].source, wrong[i].port),
			"");

		expect_code(&r, 422, "validation_failed");
		assert_string_equal(text_at(r.json, "errors.0.pointer"), wrong[i].pointer);
	}
}

static void staff_name_what_the_customer_has(void **state)
{
	struct desk *d = *state;
	struct world *w = d->w;
	const char *own = fmt(w, ",\"customer_id\":\"%s\"", w->own);
	struct reply r = ask(d, ENGINEER, "request", cpus(d, 8), own);

	assert_int_equal(r.status, 201);
	r = ask(d, ENGINEER, "request", cpus(d, 8), fmt(w, ",\"customer_id\":\"%s\"", w->other));
	expect_code(&r, 422, "validation_failed");
	assert_string_equal(text_at(r.json, "errors.0.pointer"), "/form/values/vm_id");
}

/* Whose approval is needed reads the form, too. */
static void a_changed_form_makes_approvals_void(void **state)
{
	struct desk *d = *state;
	struct world *w = d->w;
	static const char *const rule =
		"{\"key\":\"firewall_rule\",\"values\":{\"action\":\"allow\",\"protocol\":\"tcp\",\"sources\":[\"any\"],"
		"\"destinations\":[\"192.0.2.7\"],\"ports\":[\"%s\"],\"purpose\":\"The shop\"}}";
	struct reply r = ask(d, OWN_OPERATOR, "firewall_change", fmt(w, rule, "443"), "");
	const char *id = text_at(r.json, "id"), *hash = text_at(r.json, "plan_hash");
	const char *path = fmt(w, "/v1/tickets/%s", id);

	assert_string_equal(text_at(r.json, "approval"), "awaiting");
	r = callf(w, OWN_APPROVER, "POST", fmt(w, "%s/approve", path), "{\"plan_hash\":\"%s\"}",
		hash);
	assert_int_equal(r.status, 200);
	/* the same once more is no change */
	r = expect(
		w, OWN_OPERATOR, "PATCH", path, fmt(w, "{\"form\":%s}", fmt(w, rule, "443")), 200);
	assert_string_equal(text_at(r.json, "plan_hash"), hash);
	r = expect(
		w, OWN_OPERATOR, "PATCH", path, fmt(w, "{\"form\":%s}", fmt(w, rule, "22")), 200);
	assert_string_equal(text_at(r.json, "form.values.ports.0"), "22");
	assert_string_not_equal(text_at(r.json, "plan_hash"), hash);
	r = expect(w, OWN_VIEWER, "GET", fmt(w, "%s/approvals", path), NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.void_reason"), "the ticket changed");
	r = expect(w, OWN_OPERATOR, "PATCH", path, fmt(w, "{\"form\":%s}", cpus(d, 8)), 422);
	assert_string_equal(text_at(r.json, "errors.0.pointer"), "/form/key");
	r = expect(w, OWN_OPERATOR, "PATCH", path, "{\"form\":null}", 200);
	assert_true(json_is_null(json_object_get(r.json, "form")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_can_be_filled_in),
		cmocka_unit_test(a_schema_says_what_a_form_takes),
		cmocka_unit_test(a_form_stays_with_its_ticket),
		cmocka_unit_test(what_does_not_fit_is_named),
		cmocka_unit_test(a_rule_of_a_firewall_is_checked),
		cmocka_unit_test(staff_name_what_the_customer_has),
		cmocka_unit_test(a_changed_form_makes_approvals_void),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
