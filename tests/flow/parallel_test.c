/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many callers at once; run under ThreadSanitizer. One of two changes wins, one of many equal
 * requests takes effect, and a slow sign-in delays nobody's write.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "support/client.h"
#include "support/harness.h"

enum { THREADS = 8, ROUNDS = 20 };

struct caller {
	pthread_t thread;
	struct client client;
	struct world *w;
	const char *path, *body, *header, *method;
	int times, statuses[600];
	_Atomic int *running;
};

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

static void *run(void *data)
{
	struct caller *c = data;

	for (int i = 0; i < c->times; i++) {
		int status = client_call(&c->client, c->method, c->path, c->body, c->header);

		c->statuses[status < 600 ? status : 599]++;
	}
	client_end(&c->client);
	if (c->running)
		atomic_fetch_sub(c->running, 1);
	return NULL;
}

static void start(struct world *w, struct caller *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		c[i].w = w;
		c[i].client =
			(struct client){ .base = w->server->base_url, .token = w->token[OPERATOR] };
		assert_int_equal(pthread_create(&c[i].thread, NULL, run, &c[i]), 0);
	}
}

/* How often a status was seen. */
static int join(struct caller *c, size_t n, int status)
{
	int sum = 0;

	for (size_t i = 0; i < n; i++) {
		pthread_join(c[i].thread, NULL);
		sum += c[i].statuses[status];
	}
	return sum;
}

static const char *make_vm(struct world *w, const char *name)
{
	struct reply r =
		expect(w, OPERATOR, "POST", "/v1/vms", fmt(w, "{\"name\":\"%s\"}", name), 201);

	return fmt(w, "/v1/vms/%s", text_at(r.json, "id"));
}

static void of_parallel_changes_one_wins(void **state)
{
	struct world *w = *state;
	const char *path = make_vm(w, "contested");

	for (int round = 1; round <= ROUNDS; round++) {
		struct caller c[THREADS] = { 0 };

		for (int i = 0; i < THREADS; i++)
			c[i] = (struct caller){ .method = "PATCH",
				.path = path,
				.times = 1,
				.body = fmt(w, "{\"guest_os\":\"os %d %d\"}", round, i),
				.header = fmt(w, "If-Match: \"v%d\"", round) };
		start(w, c, THREADS);
		assert_int_equal(join(c, THREADS, 200), 1);
	}
}

static void equal_keys_take_effect_once(void **state)
{
	struct world *w = *state;
	struct caller c[THREADS] = { 0 };

	for (int i = 0; i < THREADS; i++)
		c[i] = (struct caller){ .method = "POST",
			.path = "/v1/vms",
			.times = 13,
			.body = "{\"name\":\"once-only\"}",
			.header = "Idempotency-Key: same" };
	start(w, c, THREADS);
	assert_int_equal(join(c, THREADS, 201), THREADS * 13);
	struct reply r = expect(w, OPERATOR, "GET", "/v1/vms?q=once-only&count=exact", NULL, 200);

	assert_int_equal(number_at(r.json, "total"), 1);
}

static void readers_and_writers_share_a_server(void **state)
{
	struct world *w = *state;
	struct caller c[THREADS] = { 0 };
	const char *path = make_vm(w, "shared");

	for (int i = 0; i < THREADS; i++)
		c[i] = (struct caller){ .times = 60,
			.method = i % 2 ? "GET" : "POST",
			.path = i % 4 == 1   ? path
				: i % 4 == 3 ? "/v1/vms?limit=20"
					     : "/v1/vms",
			.body = i % 2 ? NULL : "{\"name\":\"crowd\"}" };
	start(w, c, THREADS);
	int created = 0, read = 0;

	for (int i = 0; i < THREADS; i++) {
		created += join(&c[i], 1, 201);
		read += c[i].statuses[200];
	}
	assert_int_equal(created, 240);
	assert_int_equal(read, 240);
	struct reply r = expect(w, OPERATOR, "GET", "/v1/vms?q=crowd&count=exact", NULL, 200);

	assert_int_equal(number_at(r.json, "total"), 240);
	r = expect(w, AUDITOR, "GET", "/v1/audit-records/verify", NULL, 200);
	assert_true(json_is_true(json_object_get(r.json, "intact")));
}

static void a_slow_sign_in_delays_no_write(void **state)
{
	struct world *w = *state;
	struct caller c[4] = { 0 };
	_Atomic int running = 4;
	int written = 0;

	for (int i = 0; i < 4; i++)
		c[i] = (struct caller){
			.method = "POST",
			.path = "/v1/sessions",
			.times = 3,
			.running = &running,
			.body = "{\"email\":\"nobody@example.net\",\"password\":\"some long password\"}"
		};
	start(w, c, 4);
	while (atomic_load(&running) == 4) {
		expect(w, OPERATOR, "POST", "/v1/vms", "{\"name\":\"quick\"}", 201);
		written++;
	}
	for (int i = 0; i < 4; i++)
		join(&c[i], 1, 401);
	/* hashing takes far longer than a write: several fit in before the first one of three is
	 * done */
	assert_true(written >= 2);
}

static void wait_for_streams(struct world *w, int n)
{
	const char *line = fmt(w, "understudy_event_streams %d\n", n);

	/* the gauge says when they are there */
	while (!strstr(expect(w, NOBODY, "GET", "/metrics", NULL, 200).body, line))
		;
}

static void a_stream_ends_with_its_token(void **state)
{
	struct world *w = *state;
	struct reply r = expect(w, OPERATOR, "POST", "/v1/service-accounts",
		"{\"name\":\"s\",\"role\":\"auditor\"}", 201);
	const char *tokens = fmt(w, "/v1/service-accounts/%s/tokens", text_at(r.json, "id"));

	r = expect(w, OPERATOR, "POST", tokens, "{\"name\":\"t\",\"scopes\":[\"*\"]}", 201);
	struct caller c = { .method = "GET",
		.path = "/v1/events/stream",
		.times = 1,
		.client = { .base = w->server->base_url, .token = text_at(r.json, "token") } };

	assert_int_equal(pthread_create(&c.thread, NULL, run, &c), 0);
	wait_for_streams(w, 1);
	expect(w, OPERATOR, "DELETE", fmt(w, "%s/%s", tokens, text_at(r.json, "id")), NULL, 204);
	pthread_join(c.thread, NULL); /* would not return while the stream lives */
	wait_for_streams(w, 0);
}

static void streams_and_waits_end_with_the_server(void **state)
{
	struct world *w = *state;
	struct caller c[4] = { 0 };
	_Atomic int running = 4;

	for (int i = 0; i < 4; i++)
		c[i] = (struct caller){ .method = "GET",
			.path = "/v1/events/stream",
			.times = 1,
			.running = &running };
	start(w, c, 4);
	wait_for_streams(w, 4);
	world_restart(w);
	assert_int_equal(join(c, 4, 200), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_parallel_changes_one_wins),
		cmocka_unit_test(equal_keys_take_effect_once),
		cmocka_unit_test(readers_and_writers_share_a_server),
		cmocka_unit_test(a_slow_sign_in_delays_no_write),
		cmocka_unit_test(a_stream_ends_with_its_token),
		cmocka_unit_test(streams_and_waits_end_with_the_server),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
