/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many calls in one: each item is answered as the call alone would be, does what it would do, and
 * leaves the others alone. That every call of the API keeps tenants apart in a batch as well is
 * tenancy_test.c's to show.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/harness.h"

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

/* A result of a batch's answer. */
static json_t *result(const struct reply *r, size_t i)
{
	return json_array_get(json_object_get(r->json, "results"), i);
}

static void want(const struct reply *r, size_t i, int status, const char *code)
{
	json_t *one = result(r, i);

	if (number_at(one, "status") != status ||
		(status >= 400 && strcmp(text_at(one, "body.code"), code) != 0))
		fail_msg("item %zu: wanted %d %s: %s", i, status, code, r->body);
}

static struct reply batch(
	struct world *w, enum who who, const char *collection, const char *items, const char *key)
{
	const char *headers[] = { key ? fmt(w, "Idempotency-Key: %s", key) : NULL, NULL };
	struct reply r = call(w, who, "POST", fmt(w, "/v1/%s/batch", collection),
		fmt(w, "{\"items\":%s}", items), headers);

	if (r.status != 207)
		fail_msg("%s: %d %s", collection, r.status, r.body);
	return r;
}

static int64_t sites_like(struct world *w, const char *name)
{
	struct reply r =
		expect(w, OPERATOR, "GET", fmt(w, "/v1/sites?count=exact&q=%s", name), NULL, 200);

	return number_at(r.json, "total");
}

static const char *site(struct world *w, const char *code)
{
	return fmt(w,
		"{\"name\":\"%s\",\"code\":\"%s\",\"kind\":\"provider_dc\",\"time_zone\":\"UTC\"}",
		code, code);
}

static void each_item_stands_for_itself(void **state)
{
	struct world *w = *state;
	struct reply r = batch(w, OPERATOR, "sites",
		fmt(w, "[{\"body\":%s},{\"body\":{\"name\":\"x\"}},{\"method\":\"POST\",\"body\":%s},{\"body\":%s}]",
			site(w, "each-a"), site(w, "each-b"), site(w, "each-a")),
		NULL);

	want(&r, 0, 201, "");
	want(&r, 1, 422, "validation_failed");
	want(&r, 2, 201, "");
	want(&r, 3, 409, "already_exists");
	assert_string_equal(text_at(r.json, "object"), "batch");
	assert_string_equal(text_at(result(&r, 1), "body.instance"), "/v1/sites");
	assert_string_equal(text_at(result(&r, 2), "body.code"), "each-b");
	assert_int_equal(sites_like(w, "each-"), 2);
	const char *a = text_at(result(&r, 0), "body.id"), *b = text_at(result(&r, 2), "body.id");

	r = batch(w, OPERATOR, "sites",
		fmt(w,
			"[{\"method\":\"PATCH\",\"path\":\"/%s\",\"if_match\":\"\\\"v1\\\"\",\"body\":{\"name\":\"each-c\"}},"
			"{\"method\":\"PATCH\",\"path\":\"/%s\",\"if_match\":\"\\\"v1\\\"\",\"body\":{\"name\":\"each-d\"}},"
			"{\"method\":\"PATCH\",\"path\":\"/%s\",\"body\":{\"name\":\"each-e\"}},"
			"{\"method\":\"DELETE\",\"path\":\"/%s\",\"if_match\":\"*\"},"
			"{\"method\":\"DELETE\",\"path\":\"/%s\",\"if_match\":\"*\"}]",
			a, a, a, b, b),
		NULL);
	want(&r, 0, 200, "");
	want(&r, 1, 412, "stale_version"); /* the one before it is done */
	want(&r, 2, 428, "precondition_required");
	want(&r, 3, 204, "");
	assert_true(json_is_null(json_object_get(result(&r, 3), "body")));
	want(&r, 4, 404, "not_found");
	r = expect(w, OPERATOR, "GET", fmt(w, "/v1/sites/%s", a), NULL, 200);
	assert_string_equal(text_at(r.json, "name"), "each-c");
}

static void a_dry_run_changes_nothing(void **state)
{
	struct world *w = *state;
	struct reply r = call(w, OPERATOR, "POST", "/v1/sites/batch?dry_run=true",
		fmt(w, "{\"items\":[{\"body\":%s},{\"body\":{}}]}", site(w, "dry")), NULL);

	assert_int_equal(r.status, 207);
	want(&r, 0, 200, "");
	want(&r, 1, 422, "validation_failed");
	assert_true(
		json_is_true(json_object_get(json_object_get(result(&r, 0), "body"), "dry_run")));
	assert_int_equal(sites_like(w, "dry"), 0);
	r = call(w, OPERATOR, "POST", "/v1/sites/batch?dri_run=true",
		fmt(w, "{\"items\":[{\"body\":%s}]}", site(w, "dry")), NULL);
	expect_code(&r, 400, "unknown_parameter");
	assert_int_equal(sites_like(w, "dry"), 0);
}

/* What was done under the batch's key is told again, what was not is done now. */
static void a_batch_goes_on_where_it_ended(void **state)
{
	struct world *w = *state;
	const char *head = fmt(w, "{\"body\":%s},{\"body\":%s}", site(w, "on-a"), site(w, "on-b"));
	struct reply first = batch(w, OPERATOR, "sites", fmt(w, "[%s]", head), "k-batch"),
		     again = batch(w, OPERATOR, "sites",
			     fmt(w, "[%s,{\"body\":%s}]", head, site(w, "on-c")), "k-batch");

	for (size_t i = 0; i < 2; i++)
		if (!json_equal(result(&first, i), result(&again, i)))
			fail_msg("%s\n%s", first.body, again.body);
	want(&again, 2, 201, "");
	assert_int_equal(sites_like(w, "on-"), 3);
	again = batch(w, OPERATOR, "sites", fmt(w, "[{\"body\":%s}]", site(w, "on-d")), "k-batch");
	want(&again, 0, 409, "idempotency_key_in_use");
	again = batch(w, OPERATOR, "sites",
		fmt(w, "[{\"idempotency_key\":\"k-own\",\"body\":%s}]", site(w, "on-d")),
		"k-batch");
	want(&again, 0, 201, "");
	const char *own[] = { "Idempotency-Key: k-own", NULL };
	struct reply alone = call(w, OPERATOR, "POST", "/v1/sites", site(w, "on-d"), own);

	assert_int_equal(alone.status, 409); /* other bytes than the batch's */
	assert_int_equal(sites_like(w, "on-"), 4);
}

static void what_needs_a_key_needs_it_here(void **state)
{
	struct world *w = *state;
	const char *items = "[{\"body\":{\"type\":\"request\",\"subject\":\"of a batch\"}}]";
	struct reply r = batch(w, OWN_OPERATOR, "tickets", items, NULL);

	want(&r, 0, 400, "idempotency_key_required");
	r = batch(w, OWN_OPERATOR, "tickets", items, "k-ticket");
	want(&r, 0, 201, "");
	const char *number = text_at(result(&r, 0), "body.number");

	r = batch(w, OWN_OPERATOR, "tickets", items, "k-ticket");
	assert_string_equal(text_at(result(&r, 0), "body.number"), number);
}

/* A password is hashed on the slow pool, between two items that go straight to the writer. */
static void slow_items_keep_their_place(void **state)
{
	struct world *w = *state;
	struct reply r = batch(w, OWN_ADMIN, "users",
		"[{\"body\":{\"email\":\"b1@example.net\",\"display_name\":\"1\",\"role\":\"customer_viewer\"}},"
		"{\"body\":{\"email\":\"b2@example.net\",\"display_name\":\"2\",\"role\":\"customer_viewer\",\"password\":\"a long enough phrase\"}},"
		"{\"body\":{\"email\":\"b3@example.net\",\"display_name\":\"3\",\"role\":\"customer_viewer\"}}]",
		NULL);

	for (size_t i = 0; i < 3; i++) {
		want(&r, i, 201, "");
		assert_string_equal(
			text_at(result(&r, i), "body.email"), fmt(w, "b%zu@example.net", i + 1));
	}
	r = call(w, NOBODY, "POST", "/v1/sessions",
		"{\"email\":\"b2@example.net\",\"password\":\"a long enough phrase\"}", NULL);
	assert_int_equal(r.status, 201);
}

/* ---- who may what ---- */

static void each_item_asks_for_its_own_right(void **state)
{
	struct world *w = *state;
	const char *body = "{\"items\":[{\"body\":{\"name\":\"own-batch\"}}]}";
	struct reply r = call(w, OWN_VIEWER, "POST", "/v1/vms/batch", body, NULL);

	expect_code(&r, 403, "role_missing");
	r = call(w, READ_ONLY_TOKEN, "POST", "/v1/vms/batch", body, NULL);
	expect_code(&r, 403, "scope_missing");
	r = call(w, NOBODY, "POST", "/v1/vms/batch", body, NULL);
	expect_code(&r, 401, "unauthenticated");
	/* its people may change VMs and make none */
	r = batch(w, OWN_OPERATOR, "vms", "[{\"body\":{\"name\":\"own-batch\"}}]", NULL);
	want(&r, 0, 403, "role_missing");
	r = expect(w, OPERATOR, "GET", "/v1/vms?q=own-batch&count=exact", NULL, 200);
	assert_int_equal(number_at(r.json, "total"), 0);
}

static const char *foreign_vm(struct world *w)
{
	struct reply r = callf(w, LEAD, "POST", "/v1/vms",
		"{\"name\":\"canary-batch\",\"customer_id\":\"%s\"}", w->other);

	assert_int_equal(r.status, 201);
	return fmt(w, "%s", text_at(r.json, "id"));
}

/* A foreign id in any place answers as one that nobody has. */
static void foreign_ids_are_missing_ones(void **state)
{
	struct world *w = *state;
	const char *id = foreign_vm(w), *nobodys = "vm_01k00000000000000000000000";
	static const char *const items[] = {
		"{\"method\":\"PATCH\",\"path\":\"/%s\",\"if_match\":\"*\",\"body\":{\"name\":\"taken\"}}",
		"{\"path\":\"/%s/start\",\"body\":{}}",
		"{\"path\":\"/%s/replications\",\"body\":{\"target_host_id\":\"hst_01k00000000000000000000000\",\"schedule_interval_seconds\":300,\"recovery_points_kept\":1,\"rpo_target_seconds\":900,\"rto_target_seconds\":900}}",
	};

	for (size_t i = 0; i < UD_LEN(items); i++) {
		/* one format, two ids */
		char *with[2];
		const char *ids[2] = { id, nobodys };

		for (int k = 0; k < 2; k++) {
			const char *at = strstr(items[i], "%s");

			with[k] = (char *)fmt(
				w, "%.*s%s%s", (int)(at - items[i]), items[i], ids[k], at + 2);
		}
		struct reply r =
			batch(w, OWN_ADMIN, "vms", fmt(w, "[%s,%s]", with[0], with[1]), NULL);

		want(&r, 0, 404, "not_found");
		want(&r, 1, 404, "not_found");
		assert_string_equal(text_at(result(&r, 0), "body.detail"),
			text_at(result(&r, 1), "body.detail"));
		assert_null(strstr(r.body, "canary"));
	}
	struct reply r = expect(w, LEAD, "GET", fmt(w, "/v1/vms/%s", id), NULL, 200);

	assert_string_equal(text_at(r.json, "name"), "canary-batch");
	assert_int_equal(number_at(r.json, "version"), 1);
}

/* ---- bounds ---- */

static void a_batch_of_the_wrong_form_does_nothing(void **state)
{
	struct world *w = *state;
	const char *good = fmt(w, "{\"body\":%s}", site(w, "form"));
	const struct {
		const char *items;
		int status;
		const char *code, *pointer;
	} cases[] = {
		{ "[]", 422, "validation_failed", "/items" },
		{ "{}", 422, "validation_failed", "/items" },
		{ "null", 422, "validation_failed", "/items" },
		{ fmt(w, "[%s,7]", good), 422, "validation_failed", "/items/1" },
		{ fmt(w, "[%s,{\"metod\":\"POST\"}]", good), 400, "unknown_field",
			"/items/1/metod" },
		{ fmt(w, "[%s,{\"method\":\"GET\"}]", good), 422, "validation_failed",
			"/items/1/method" },
		{ fmt(w, "[%s,{\"path\":\"x\"}]", good), 422, "validation_failed",
			"/items/1/path" },
		{ fmt(w, "[%s,{\"path\":7}]", good), 422, "validation_failed", "/items/1/path" },
	};

	for (size_t i = 0; i < UD_LEN(cases); i++) {
		struct reply r = call(w, OPERATOR, "POST", "/v1/sites/batch",
			fmt(w, "{\"items\":%s}", cases[i].items), NULL);

		expect_code(&r, cases[i].status, cases[i].code);
		assert_string_equal(text_at(r.json, "errors.0.pointer"), cases[i].pointer);
	}
	assert_int_equal(sites_like(w, "form"), 0);
}

static void items_stay_in_their_collection(void **state)
{
	struct world *w = *state;
	struct reply r = batch(w, OPERATOR, "sites",
		"[{\"path\":\"/../customers\",\"body\":{}},{\"path\":\"/%2e%2e/customers\",\"body\":{}},"
		"{\"path\":\"/batch\",\"body\":{\"items\":[]}},{\"path\":\"/a/b/c\",\"body\":{}},"
		"{\"method\":\"PUT\",\"body\":{}},{\"path\":\"//\",\"body\":{}}]",
		NULL);

	want(&r, 0, 400, "malformed");
	want(&r, 1, 400, "malformed");
	want(&r, 2, 422, "validation_failed");
	want(&r, 3, 404, "not_found");
	want(&r, 4, 405, "method_not_allowed");
	want(&r, 5, 400, "malformed");
	r = call(w, OPERATOR, "POST", "/v1/nothing/batch", "{\"items\":[{}]}", NULL);
	expect_code(&r, 404, "not_found");
	r = call(w, OPERATOR, "GET", "/v1/sites/batch", NULL, NULL);
	expect_code(&r, 404, "not_found");
}

/* n items, each with so many labels. */
static const char *many(struct world *w, int n, int labels)
{
	struct ud_buf b = { 0 };

	ud_buf_putc(&b, '[');
	for (int i = 0; i < n; i++) {
		ud_buf_printf(&b,
			"%s{\"body\":{\"name\":\"many-%d\",\"code\":\"many-%d\",\"kind\":\"provider_dc\",\"time_zone\":\"UTC\",\"labels\":{",
			i ? "," : "", i, i);
		for (int k = 0; k < labels; k++)
			ud_buf_printf(&b, "%s\"l%d\":\"v\"", k ? "," : "", k);
		ud_buf_puts(&b, "}}}");
	}
	ud_buf_putc(&b, ']');
	return ud_buf_take(w->arena, &b);
}

static void two_hundred_items_and_no_more(void **state)
{
	struct world *w = *state;
	struct reply r = call(w, OPERATOR, "POST", "/v1/sites/batch",
		fmt(w, "{\"items\":%s}", many(w, 201, 1)), NULL);

	expect_code(&r, 422, "validation_failed");
	assert_int_equal(sites_like(w, "many"), 0);
	r = batch(w, OPERATOR, "sites", many(w, 200, 32), NULL);
	for (size_t i = 0; i < 200; i++)
		want(&r, i, 201, "");
	assert_int_equal(sites_like(w, "many"), 200);
	char *big = ud_alloc(w->arena, (1 << 20) + 10);

	memset(big, ' ', (1 << 20) + 9);
	memcpy(big, "{\"items\":[", 10);
	r = call(w, OPERATOR, "POST", "/v1/sites/batch", big, NULL);
	expect_code(&r, 413, "body_too_large");
	/* members of one body are bounded as they are alone */
	r = batch(w, OPERATOR, "sites", many(w, 1, 3000), NULL);
	want(&r, 0, 400, "malformed");
}

/* Send a batch and do not wait for its answer. */
static int send_batch(struct world *w, const char *items, const char *key)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)w->server->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const char *body = fmt(w, "{\"items\":%s}", items);
	const char *text = fmt(w,
		"POST /v1/sites/batch HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: %s\r\n"
		"Idempotency-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
		"Connection: close\r\n\r\n%s",
		w->token[OPERATOR], key, strlen(body), body);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	for (size_t n = strlen(text); n;) {
		ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);

		assert_true(sent > 0);
		text += sent;
		n -= (size_t)sent;
	}
	return fd;
}

/* What comes until the other end closes, without the head. */
static json_t *read_answer(struct world *w, int fd)
{
	struct ud_buf b = { 0 };
	char part[4096];

	for (ssize_t n; (n = recv(fd, part, sizeof(part), 0)) > 0;)
		ud_buf_add(&b, part, (size_t)n);
	close(fd);
	const char *text = ud_buf_take(w->arena, &b), *body = strstr(text, "\r\n\r\n");

	json_t *json = json_loads(body ? body + 4 : "", 0, NULL);

	if (!json)
		fail_msg("no answer: %s", text);
	return json;
}

/* A server that is stopped in the middle says of each item whether it was done; the rest follows.
 */
static void a_server_that_stops_says_what_was_done(void **state)
{
	struct world *w = *state;
	const char *items = many(w, 200, 1);

	for (char *p = strstr(items, "many-"); p; p = strstr(p, "many-"))
		memcpy(p, "stop", 4);
	int fd = send_batch(w, items, "k-stop");

	/* it was begun: so it is answered */
	while (sites_like(w, "stop-") == 0) {
	}
	world_restart(w);
	json_t *answer = read_answer(w, fd), *one;
	int64_t done = 0;
	size_t i;

	json_array_foreach(json_object_get(answer, "results"), i, one)
	{
		int64_t status = number_at(one, "status");

		if (status != 201 && status != 503)
			fail_msg("item %zu: %lld", i, (long long)status);
		done += status == 201;
	}
	assert_int_equal(i, 200);
	json_decref(answer);
	printf("# %lld of 200 items were done before the server stopped\n", (long long)done);
	assert_int_equal(sites_like(w, "stop-"), done);
	struct reply r = batch(w, OPERATOR, "sites", items, "k-stop");

	for (i = 0; i < 200; i++)
		want(&r, i, 201, "");
	assert_int_equal(sites_like(w, "stop-"), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_item_stands_for_itself),
		cmocka_unit_test(a_dry_run_changes_nothing),
		cmocka_unit_test(a_batch_goes_on_where_it_ended),
		cmocka_unit_test(what_needs_a_key_needs_it_here),
		cmocka_unit_test(slow_items_keep_their_place),
		cmocka_unit_test(each_item_asks_for_its_own_right),
		cmocka_unit_test(foreign_ids_are_missing_ones),
		cmocka_unit_test(a_batch_of_the_wrong_form_does_nothing),
		cmocka_unit_test(items_stay_in_their_collection),
		cmocka_unit_test(two_hundred_items_and_no_more),
		cmocka_unit_test(a_server_that_stops_says_what_was_done),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
