/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of single resources, events, audit, streams, operations.
 */
#include "support/harness.h"

#include <string.h>

static int begin(void **state)
{
	*state = world_begin();
	return 0;
}

static int end(void **state)
{
	world_end(*state);
	return 0;
}

static const char *make(struct world *w, const char *path, const char *body)
{
	struct reply r = expect(w, LEAD, "POST", path, body, 201);

	return text_at(r.json, "id");
}

static const char *make_site(struct world *w, const char *code)
{
	return make(w, "/v1/sites",
		fmt(w, "{\"name\":\"%s\",\"code\":\"%s\",\"kind\":\"provider_dc\",\"time_zone\":\"UTC\"}",
			code, code));
}

static void fault_domains_are_a_tree_inside_a_site(void **state)
{
	struct world *w = *state;
	const char *lon = make_site(w, "fd-lon"), *ams = make_site(w, "fd-ams");
	const char *format =
		"{\"name\":\"%s\",\"type\":\"%s\",\"site_id\":\"%s\",\"parent_id\":\"%s\"}";
	const char *rack = make(w, "/v1/fault-domains",
		fmt(w, "{\"name\":\"r1\",\"type\":\"rack\",\"site_id\":\"%s\"}", lon));
	const char *chassis =
		make(w, "/v1/fault-domains", fmt(w, format, "c1", "chassis", lon, rack));

	expect(w, LEAD, "POST", "/v1/fault-domains", fmt(w, format, "x", "rack", lon, chassis),
		422);
	expect(w, LEAD, "POST", "/v1/fault-domains", fmt(w, format, "x", "node", ams, rack), 422);
	expect(w, LEAD, "POST", "/v1/fault-domains", fmt(w, format, "c1", "chassis", lon, rack),
		409);
	expect(w, LEAD, "PATCH", fmt(w, "/v1/fault-domains/%s", rack),
		fmt(w, "{\"parent_id\":\"%s\"}", chassis), 422);
	expect(w, LEAD, "DELETE", fmt(w, "/v1/fault-domains/%s", rack), NULL, 409);
	expect(w, LEAD, "DELETE", fmt(w, "/v1/sites/%s", lon), NULL, 409);
	expect(w, OWN_ADMIN, "GET", "/v1/fault-domains", NULL, 403);
}

static void a_host_stands_in_the_site_of_its_domain(void **state)
{
	struct world *w = *state;
	const char *lon = make_site(w, "h-lon"), *ams = make_site(w, "h-ams");
	const char *rack = make(w, "/v1/fault-domains",
		fmt(w, "{\"name\":\"r1\",\"type\":\"rack\",\"site_id\":\"%s\"}", lon));
	const char *format =
		"{\"name\":\"%s\",\"site_id\":\"%s\",\"hypervisor\":\"kvm\",\"fault_domain_id\":\"%s\"}";

	make(w, "/v1/hosts", fmt(w, format, "h1", lon, rack));
	expect(w, LEAD, "POST", "/v1/hosts", fmt(w, format, "h2", ams, rack), 422);
	expect(w, LEAD, "POST", "/v1/hosts", fmt(w, format, "h1", lon, rack), 409);
	expect(w, LEAD, "POST", "/v1/hosts",
		"{\"name\":\"h3\",\"site_id\":\"sit_00000000000000000000000000\",\"hypervisor\":\"kvm\"}",
		422);
	expect(w, LEAD, "POST", "/v1/hosts",
		fmt(w, "{\"name\":\"h3\",\"site_id\":\"%s\",\"hypervisor\":\"xen\"}", lon), 422);
}

static void a_vm_is_assigned_by_staff_and_then_seen_by_its_customer(void **state)
{
	struct world *w = *state;
	const char *id = make(w, "/v1/vms", "{\"name\":\"sql-01\"}"),
		   *path = fmt(w, "/v1/vms/%s", id);

	expect(w, OWN_VIEWER, "GET", path, NULL, 404);
	expect(w, ENGINEER, "PATCH", path,
		fmt(w, "{\"customer_id\":\"%s\",\"managed\":true}", w->own), 200);
	expect(w, OWN_VIEWER, "GET", path, NULL, 200);
	expect(w, OTHER_VIEWER, "GET", path, NULL, 404);
	expect(w, OWN_OPERATOR, "PATCH", path, "{\"name\":\"sql-02\"}", 200);
	expect(w, OWN_OPERATOR, "PATCH", path, "{\"managed\":false}", 422);
	expect(w, OWN_OPERATOR, "PATCH", path, fmt(w, "{\"customer_id\":\"%s\"}", w->other), 422);
	expect(w, ENGINEER, "PATCH", path, fmt(w, "{\"customer_id\":\"%s\"}", w->other), 200);
	expect(w, OWN_VIEWER, "GET", path, NULL, 404);
	struct reply r = expect(
		w, OWN_ADMIN, "GET", fmt(w, "/v1/events?subject_id=%s&limit=200", id), NULL, 200);
	size_t n = json_array_size(json_object_get(r.json, "data"));

	assert_string_equal(text_at(r.json, fmt(w, "data.%zu.type", n - 1)), "vm.unassigned");
	assert_null(strstr(r.body, w->other));
}

static void ids_are_expanded_for_whoever_may_read_them(void **state)
{
	struct world *w = *state;
	const char *site = make_site(w, "e-lon");
	const char *host = make(w, "/v1/hosts",
		fmt(w, "{\"name\":\"e-kvm\",\"site_id\":\"%s\",\"hypervisor\":\"kvm\"}", site));
	const char *vm = make(w, "/v1/vms",
		fmt(w, "{\"name\":\"e-vm\",\"host_id\":\"%s\",\"customer_id\":\"%s\"}", host,
			w->own));
	struct reply r = expect(
		w, LEAD, "GET", fmt(w, "/v1/vms/%s?expand=host.site,customer", vm), NULL, 200);

	assert_string_equal(text_at(r.json, "host.id"), host);
	assert_string_equal(text_at(r.json, "host.site.id"), site);
	assert_string_equal(text_at(r.json, "customer.id"), w->own);
	assert_null(strstr(r.head, "ETag"));
	r = expect(w, LEAD, "GET", "/v1/hosts?expand=site&fields=name&q=e-kvm", NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.site.name"), "e-lon");
	r = expect(w, OWN_VIEWER, "GET", fmt(w, "/v1/vms/%s?expand=customer", vm), NULL, 200);
	assert_string_equal(text_at(r.json, "customer.id"), w->own);
	/* what has no object of its own, what the caller may not read, what goes too deep */
	expect(w, LEAD, "GET", fmt(w, "/v1/vms/%s?expand=name", vm), NULL, 400);
	expect(w, LEAD, "GET", fmt(w, "/v1/vms/%s?expand=host.site.customer", vm), NULL, 400);
	expect(w, LEAD, "GET", "/v1/vms?expand=machine", NULL, 400);
	expect(w, OWN_VIEWER, "GET", fmt(w, "/v1/vms/%s?expand=host", vm), NULL, 403);
	expect(w, OTHER_VIEWER, "GET", fmt(w, "/v1/vms/%s?expand=customer", vm), NULL, 404);
}

static void features_follow_subscriptions_and_hosts(void **state)
{
	struct world *w = *state;
	const char *path = fmt(w, "/v1/customers/%s/features", w->own);
	struct reply r = expect(w, OWN_VIEWER, "GET", path, NULL, 200);

	assert_string_equal(text_at(r.json, "data.0.feature"), "replication");
	assert_string_equal(text_at(r.json, "data.0.state"), "not_subscribed");
	const char *sub = make(w, "/v1/subscriptions",
		fmt(w,
			"{\"customer_id\":\"%s\",\"kind\":\"managed\",\"add_ons\":[\"hyperv_replica\","
			"\"cloud_replication\"]}",
			w->own));

	r = expect(w, OWN_VIEWER, "GET", path, NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.state"), "entitled");
	assert_string_equal(text_at(r.json, "data.2.state"), "entitled");
	const char *host = make(w, "/v1/hosts",
		fmt(w, "{\"name\":\"f-kvm\",\"site_id\":\"%s\",\"hypervisor\":\"kvm\"}",
			make_site(w, "f-lon")));

	make(w, "/v1/vms",
		fmt(w, "{\"name\":\"f-vm\",\"host_id\":\"%s\",\"customer_id\":\"%s\"}", host,
			w->own));
	r = expect(w, OWN_VIEWER, "GET", path, NULL, 200);
	assert_string_equal(text_at(r.json, "data.2.state"), "unsupported_by_host");
	assert_true(*text_at(r.json, "data.2.reason"));
	expect(w, LEAD, "POST", fmt(w, "/v1/subscriptions/%s/cancel", sub), "{}", 200);
	r = expect(w, OWN_VIEWER, "GET", path, NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.state"), "not_subscribed");
	expect(w, LEAD, "POST", "/v1/subscriptions", "{\"kind\":\"managed\"}", 422);
	expect(w, LEAD, "POST", "/v1/subscriptions",
		fmt(w, "{\"customer_id\":\"%s\",\"kind\":\"managed\",\"add_ons\":[\"teleport\"]}",
			w->own),
		422);
}

static void a_test_network_is_isolated(void **state)
{
	struct world *w = *state;
	const char *format =
		"{\"name\":\"t\",\"site_id\":\"%s\",\"purpose\":\"test\",\"isolated\":%s}";
	const char *lon = make_site(w, "n-lon");

	expect(w, LEAD, "POST", "/v1/networks", fmt(w, format, lon, "false"), 422);
	expect(w, LEAD, "POST", "/v1/networks", fmt(w, format, lon, "true"), 201);
	expect(w, OWN_VIEWER, "GET", "/v1/networks", NULL, 200); /* the provider's are shared */
}

static void every_change_is_an_event_without_gaps(void **state)
{
	struct world *w = *state;
	struct reply r = expect(w, OWN_ADMIN, "GET", "/v1/events?limit=200", NULL, 200);
	int64_t seq = 0;
	size_t i;
	json_t *e;

	json_array_foreach(json_object_get(r.json, "data"), i, e)
	{
		assert_int_equal(number_at(e, "seq"), ++seq);
		assert_string_equal(text_at(e, "customer_id"), w->own);
	}
	assert_true(seq > 3);
	const char *cursor = text_at(r.json, fmt(w, "data.%lld.cursor", (long long)seq - 1));

	expect(w, OWN_ADMIN, "PATCH", fmt(w, "/v1/users/%s", w->principal[OWN_VIEWER]),
		"{\"display_name\":\"Renamed\"}", 200);
	r = expect(w, OWN_ADMIN, "GET", fmt(w, "/v1/events?after=%s", cursor), NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.type"), "user.updated");
	assert_int_equal(number_at(r.json, "data.0.seq"), seq + 1);
	assert_string_equal(text_at(r.json, "data.0.data.display_name"), "Renamed");
	assert_string_equal(text_at(r.json, "data.0.previous.display_name"), "own viewer");
	assert_string_equal(text_at(r.json, "data.0.actor.id"), w->principal[OWN_ADMIN]);
	r = expect(
		w, OWN_ADMIN, "GET", fmt(w, "/v1/events?after=%s&types=vm.*", cursor), NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 0);
	expect(w, OTHER_ADMIN, "GET", fmt(w, "/v1/events?after=%s", cursor), NULL, 400);
}

static enum ud_code tamper(struct ud_ctx *cx, void *data)
{
	return ud_exec(cx, NULL, data, UD_NO_VALS);
}

/* The database itself refuses it, whoever asks. */
static enum ud_code refused(struct ud_ctx *cx, void *data)
{
	if (ud_exec(cx, NULL, data, UD_NO_VALS) == UD_OK)
		fail_msg("taken: %s", (const char *)data);
	assert_non_null(strstr(cx->problem.detail, "records of the log are never"));
	return cx->problem.code;
}

/* That every type which is written is listed, each world_end sees. */
static void types_of_events_are_listed_and_each_can_be_asked_for(void **state)
{
	struct world *w = *state;
	struct reply r = expect(w, OWN_VIEWER, "GET", "/v1/events/types", NULL, 200);
	size_t i, found = 0;
	json_t *type;

	json_array_foreach(json_object_get(r.json, "data"), i, type)
	{
		const char *name = text_at(type, "type");

		assert_string_equal(name,
			fmt(w, "%s.%s", text_at(type, "subject_object"), text_at(type, "verb")));
		found += strcmp(name, "vm.created") == 0;
		expect(w, OWN_VIEWER, "GET", fmt(w, "/v1/events?limit=1&types=%s", name), NULL,
			200);
	}
	assert_int_equal(found, 1);
	expect(w, NOBODY, "GET", "/v1/events/types", NULL, 401);
}

#define EMPTY                                                                                \
	"UPDATE events SET actor_name = NULL, address = NULL, data = NULL, previous = NULL," \
	" salt = NULL"

static void the_database_refuses_to_change_the_log(void **state)
{
	static const char *const rows[] = { "UPDATE events SET actor_name = 'x'", EMPTY,
		"DELETE FROM events WHERE seq = 2" };
	struct world *w = world_begin();

	(void)state;
	for (size_t i = 0; i < UD_LEN(rows); i++) {
		assert_int_not_equal(
			ud_database_write(w->db, &w->cx, refused, (void *)(uintptr_t)rows[i]),
			UD_OK);
		ud_ctx_clear(&w->cx);
	}
	world_end(w);
}

/* Whoever owns the database can take its guard away. */
static void unguard(struct world *w)
{
	static const char *const sqlite[] = { "DROP TRIGGER events_stay",
		"DROP TRIGGER events_stay_as_written" };

	if (strstr(w->url, "postgresql")) {
		world_write(w, tamper, (void *)(uintptr_t) "DROP TRIGGER events_stay ON events");
		world_write(w, tamper,
			(void *)(uintptr_t) "DROP TRIGGER events_stay_as_written ON events");
		return;
	}
	for (size_t i = 0; i < UD_LEN(sqlite); i++)
		world_write(w, tamper, (void *)(uintptr_t)sqlite[i]);
}

static void the_chain_of_hashes_finds_every_change(void **state)
{
	static const struct {
		const char *harm, *undo;
	} rows[] = {
		{ "UPDATE events SET actor_name = 'x' WHERE seq = 2 AND customer_id IS NULL",
			NULL },
		{ "UPDATE events SET data = REPLACE(data, 'a', 'b') WHERE seq = 2 AND customer_id IS NOT NULL",
			NULL },
		{ "UPDATE log_heads SET seq = seq + 1 WHERE customer_id = ''",
			"UPDATE log_heads SET seq = seq - 1 WHERE customer_id = ''" },
		{ "UPDATE events SET previous_hash = hash WHERE seq = 3 AND customer_id IS NULL",
			NULL },
		{ EMPTY " WHERE seq = 2 AND customer_id IS NOT NULL", NULL },
		{ "UPDATE events SET salt = REPLACE(salt, '7', '8') WHERE customer_id IS NULL",
			NULL },
	};
	struct world *w = world_begin();
	struct reply r = expect(w, AUDITOR, "GET", "/v1/audit-records/verify", NULL, 200);

	(void)state;
	assert_true(json_is_true(json_object_get(r.json, "intact")));
	assert_true(number_at(r.json, "records") > 10);
	unguard(w);
	for (size_t i = 0; i < UD_LEN(rows); i++) {
		world_write(
			w, tamper, (void *)(uintptr_t) "CREATE TABLE kept AS SELECT * FROM events");
		world_write(w, tamper, (void *)(uintptr_t)rows[i].harm);
		r = expect(w, AUDITOR, "GET", "/v1/audit-records/verify", NULL, 200);
		if (!json_is_false(json_object_get(r.json, "intact")))
			fail_msg("not found: %s", rows[i].harm);
		world_write(w, tamper, (void *)(uintptr_t) "DELETE FROM events");
		world_write(w, tamper, (void *)(uintptr_t) "INSERT INTO events SELECT * FROM kept");
		world_write(w, tamper, (void *)(uintptr_t) "DROP TABLE kept");
		if (rows[i].undo)
			world_write(w, tamper, (void *)(uintptr_t)rows[i].undo);
		r = expect(w, AUDITOR, "GET", "/v1/audit-records/verify", NULL, 200);
		assert_true(json_is_true(json_object_get(r.json, "intact")));
	}
	expect(w, OWN_VIEWER, "GET", "/v1/audit-records/verify", NULL, 403);
	r = expect(w, OWN_ADMIN, "GET", "/v1/audit-records", NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.customer_id"), w->own);
	world_end(w);
}

/* What a stream says until it has come to the end of the log. */
static const char *follow(struct world *w, const char *bytes)
{
	size_t n;
	const char *text =
		raw_until(w, bytes, strlen(bytes), ": up to date\n\n", RAW_PATIENCE_MS, &n);

	assert_non_null(strstr(text, ": up to date\n\n"));
	return text;
}

static void a_stream_tells_what_happens_and_resumes(void **state)
{
	struct world *w = *state;
	const char *request = "GET /v1/events/stream?types=vm.* HTTP/1.1\r\nHost: x\r\n"
			      "Authorization: Bearer %s\r\n%s\r\n";
	struct reply r = expect(w, OPERATOR, "GET", "/v1/events?limit=1", NULL, 200);
	const char *start = text_at(r.json, "data.0.cursor");

	make(w, "/v1/vms", "{\"name\":\"streamed-1\"}");
	make(w, "/v1/vms", "{\"name\":\"streamed-2\"}");
	const char *bytes =
		fmt(w, request, w->token[OPERATOR], fmt(w, "Last-Event-ID: %s\r\n", start));
	const char *text = follow(w, bytes);

	assert_non_null(strstr(text, "Content-Type: text/event-stream"));
	assert_non_null(strstr(text, "event: vm.created"));
	const char *first = strstr(text, "streamed-1"), *second = strstr(text, "streamed-2");

	assert_true(first && second && first < second);
	const char *id = second;

	while (strncmp(id, "\nid: ", 5) != 0)
		id--;
	const char *cursor = fmt(w, "%.*s", (int)strcspn(id + 5, "\r\n"), id + 5);

	make(w, "/v1/vms", "{\"name\":\"streamed-3\"}");
	bytes = fmt(w, request, w->token[OPERATOR], fmt(w, "Last-Event-ID: %s\r\n", cursor));
	text = follow(w, bytes);
	assert_null(strstr(text, "streamed-2"));
	assert_non_null(strstr(text, "streamed-3"));
	bytes = fmt(w, request, w->token[OTHER_VIEWER], "");
	text = follow(w, bytes);
	assert_non_null(strstr(text, "200 OK"));
	assert_null(strstr(text, "streamed"));
}

/* A ticket with something for everybody and something for the provider's people. */
static const char *ticket_with_comments(struct world *w)
{
	const char *key[] = { "Idempotency-Key: k-export", NULL };
	struct reply r = call(w, OWN_ADMIN, "POST", "/v1/tickets",
		"{\"type\":\"request\",\"subject\":\"exported\"}", key);

	assert_int_equal(r.status, 201);
	const char *id = fmt(w, "%s", text_at(r.json, "id")),
		   *comments = fmt(w, "/v1/tickets/%s/comments", id);

	expect(w, LEAD, "POST", comments, "{\"body\":\"said to all\"}", 201);
	expect(w, LEAD, "POST", comments, "{\"body\":\"said inside\",\"visibility\":\"internal\"}",
		201);
	return id;
}

static void an_export_runs_to_its_end(void **state)
{
	struct world *w = *state;
	const char *ticket = ticket_with_comments(w);
	struct reply r =
		expect(w, OWN_ADMIN, "POST", fmt(w, "/v1/customers/%s/export", w->own), "{}", 202);
	const char *path = header_of(w, &r, "Location");

	assert_string_equal(path, fmt(w, "/v1/operations/%s", text_at(r.json, "id")));
	for (int i = 0; i < 4; i++) {
		r = expect(w, OWN_ADMIN, "GET", fmt(w, "%s?wait=25", path), NULL, 200);
		if (strcmp(text_at(r.json, "state"), "succeeded") == 0)
			break;
	}
	assert_string_equal(text_at(r.json, "state"), "succeeded");
	assert_int_equal(number_at(r.json, "progress_percent"), 100);
	r = expect(w, OWN_ADMIN, "GET", fmt(w, "%s/result", path), NULL, 200);
	assert_string_equal(text_at(r.json, "customers.0.id"), w->own);
	assert_true(json_array_size(json_object_get(r.json, "users")) >= 4);
	assert_null(strstr(r.body, "canary"));
	assert_null(strstr(r.body, "hash\":\""));
	assert_string_equal(text_at(r.json, "tickets.0.id"), ticket);
	assert_string_equal(text_at(r.json, "ticket_comments.0.body"), "said to all");
	assert_int_equal(json_array_size(json_object_get(r.json, "ticket_comments")), 1);
	assert_null(strstr(r.body, "said inside"));
	assert_null(strstr(r.body, "allowed_operations"));
	expect(w, OTHER_ADMIN, "GET", path, NULL, 404);
	r = expect(w, OWN_ADMIN, "POST", fmt(w, "%s/cancel", path), "{}", 409);
	assert_string_equal(text_at(r.json, "code"), "invalid_state");
}

static void search_finds_what_one_may_see(void **state)
{
	struct world *w = *state;
	struct reply r = expect(w, LEAD, "GET", "/v1/search?q=canary", NULL, 200);

	assert_true(json_array_size(json_object_get(r.json, "data")) > 1);
	r = expect(w, OWN_ADMIN, "GET", "/v1/search?q=canary", NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 0);
	r = call(w, OWN_ADMIN, "GET", "/v1/search", NULL, NULL);
	expect_code(&r, 400, "parameter_invalid");
}

static void settings_are_the_operators(void **state)
{
	struct world *w = *state;

	expect(w, OPERATOR, "PATCH", "/v1/settings",
		"{\"name\":\"Test\",\"address_quarantine_days\":3}", 200);
	expect(w, LEAD, "PATCH", "/v1/settings", "{\"name\":\"x\"}", 403);
	expect(w, OPERATOR, "PATCH", "/v1/settings", "{\"address_quarantine_days\":-1}", 422);
	struct reply r = expect(w, AUDITOR, "GET", "/v1/settings", NULL, 200);

	assert_int_equal(number_at(r.json, "address_quarantine_days"), 3);
	r = call(w, OPERATOR, "POST", "/v1/settings/mail/test", "{}", NULL);
	expect_code(&r, 409, "invalid_state"); /* no mail server: e2e/mail_test has one */
	expect(w, LEAD, "POST", "/v1/settings/mail/test", "{}", 403);
}

static void staff_act_for_a_customer_and_the_record_says_so(void **state)
{
	struct world *w = *state;
	const char *for_own[] = { fmt(w, "Understudy-On-Behalf-Of: %s", w->own), NULL };
	struct reply r = call(w, LEAD, "GET", "/v1/customers", NULL, for_own);

	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 1);
	r = call(w, OTHER_ADMIN, "GET", "/v1/customers", NULL, for_own);
	assert_int_equal(r.status, 403);
	r = call(w, LEAD, "POST", "/v1/vms", "{\"name\":\"behalf\"}", for_own);
	assert_string_equal(text_at(r.json, "customer_id"), w->own);
	r = expect(w, AUDITOR, "GET",
		fmt(w, "/v1/audit-records?subject_id=%s", text_at(r.json, "id")), NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.on_behalf_of"), w->own);
	assert_string_equal(text_at(r.json, "data.0.actor_id"), w->principal[LEAD]);
}

static void what_was_written_is_there_after_a_restart(void **state)
{
	struct world *w = *state;
	const char *id = make(w, "/v1/vms", "{\"name\":\"kept\"}");

	world_restart(w);
	expect(w, LEAD, "GET", fmt(w, "/v1/vms/%s", id), NULL, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fault_domains_are_a_tree_inside_a_site),
		cmocka_unit_test(a_host_stands_in_the_site_of_its_domain),
		cmocka_unit_test(a_vm_is_assigned_by_staff_and_then_seen_by_its_customer),
		cmocka_unit_test(features_follow_subscriptions_and_hosts),
		cmocka_unit_test(ids_are_expanded_for_whoever_may_read_them),
		cmocka_unit_test(a_test_network_is_isolated),
		cmocka_unit_test(every_change_is_an_event_without_gaps),
		cmocka_unit_test(types_of_events_are_listed_and_each_can_be_asked_for),
		cmocka_unit_test(the_database_refuses_to_change_the_log),
		cmocka_unit_test(the_chain_of_hashes_finds_every_change),
		cmocka_unit_test(a_stream_tells_what_happens_and_resumes),
		cmocka_unit_test(an_export_runs_to_its_end),
		cmocka_unit_test(search_finds_what_one_may_see),
		cmocka_unit_test(settings_are_the_operators),
		cmocka_unit_test(staff_act_for_a_customer_and_the_record_says_so),
		cmocka_unit_test(what_was_written_is_there_after_a_restart),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
