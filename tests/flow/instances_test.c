/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two servers on one PostgreSQL: equal, without a leader. What one stores the other shows at once
 * and tells its streams; equal requests to both take effect once; the chain of records stays one. A
 * run goes on by whichever of them looks, each arrow once, and by the other alone when one is gone.
 */
#include <curl/curl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "support/client.h"
#include "support/harness.h"
#include "support/stage.h"

enum { THREADS = 8, ROUNDS = 20, PATIENCE_MS = 60000 };

/* The world's server and another one on the same database. */
struct two {
	struct world *w;
	ud_database *db;
	struct ud_server *other;
	const char *base[2];
};

static int begin(void **state)
{
	struct two *t = ud_malloc(sizeof(*t));
	struct world *w = t->w = world_begin();

	*state = t;
	if (strcmp(ud_database_engine(w->db), "postgresql") != 0)
		return 0;
	assert_int_equal(ud_database_open(&w->cx, w->url, &w->env, &t->db), UD_OK);
	assert_int_equal(ud_server_start(&w->cx, t->db, &w->server->settings, &w->server->keys,
				 ud_api, &ud_api_work, &w->env, &t->other),
		UD_OK);
	t->base[0] = w->server->base_url;
	t->base[1] = t->other->base_url;
	return 0;
}

static int end(void **state)
{
	struct two *t = *state;

	ud_server_release(&t->other);
	ud_database_release(&t->db);
	world_end(t->w);
	ud_free(t);
	return 0;
}

/* SQLite belongs to one server. */
static struct two *both(void **state)
{
	struct two *t = *state;

	if (!t->other)
		skip();
	return t;
}

static struct client client_of(const struct two *t, int server)
{
	return (struct client){ .base = t->base[server], .token = t->w->token[OPERATOR] };
}

static void what_one_stores_the_other_shows(void **state)
{
	struct two *t = both(state);
	struct client clients[] = { client_of(t, 0), client_of(t, 1) };

	for (int i = 0; i < ROUNDS; i++) {
		struct client *here = &clients[i % 2], *there = &clients[1 - i % 2];
		char path[80];

		assert_int_equal(
			client_call(here, "POST", "/v1/vms", "{\"name\":\"shown\"}", NULL), 201);
		json_t *vm = client_json(here);

		snprintf(path, sizeof(path), "/v1/vms/%s", text_at(vm, "id"));
		json_decref(vm);
		assert_int_equal(client_call(there, "GET", path, NULL, NULL), 200);
		assert_int_equal(client_call(there, "DELETE", path, NULL, "If-Match: *"), 204);
		assert_int_equal(client_call(here, "GET", path, NULL, NULL), 404);
	}
	client_end(&clients[0]);
	client_end(&clients[1]);
}

/* Callers at once, half of them at each server. */
struct caller {
	pthread_t thread;
	struct client client;
	const char *header;
	int times, created, conflicts, others;
};

static void *run(void *data)
{
	struct caller *c = data;

	for (int i = 0; i < c->times; i++) {
		int status = client_call(
			&c->client, "POST", "/v1/vms", "{\"name\":\"many\"}", c->header);

		c->created += status == 201;
		c->conflicts += status == 409;
		c->others += status != 201 && status != 409;
	}
	client_end(&c->client);
	return NULL;
}

static struct caller call_both(const struct two *t, const char *header, int times)
{
	struct caller callers[THREADS] = { 0 }, sum = { 0 };

	for (int i = 0; i < THREADS; i++) {
		callers[i].client = client_of(t, i % 2);
		callers[i].header = header;
		callers[i].times = times;
		assert_int_equal(pthread_create(&callers[i].thread, NULL, run, &callers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(callers[i].thread, NULL);
		sum.created += callers[i].created;
		sum.conflicts += callers[i].conflicts;
		sum.others += callers[i].others;
	}
	return sum;
}

static int64_t vms(struct world *w)
{
	return number_at(
		expect(w, OPERATOR, "GET", "/v1/vms?count=exact&limit=1", NULL, 200).json, "total");
}

static void equal_requests_to_both_take_effect_once(void **state)
{
	struct two *t = both(state);
	struct caller sum = call_both(t, "Idempotency-Key: the-same-everywhere", 1);

	assert_int_equal(sum.others, 0);
	assert_true(sum.created >= 1); /* the others got the same answer or came in between */
	assert_int_equal(vms(t->w), 1);
}

static void writes_through_both_make_one_chain(void **state)
{
	struct two *t = both(state);
	struct caller sum = call_both(t, NULL, ROUNDS);

	assert_int_equal(sum.created, THREADS * ROUNDS);
	assert_int_equal(vms(t->w), THREADS * ROUNDS);
	struct reply r = expect(t->w, OPERATOR, "GET", "/v1/audit-records/verify", NULL, 200);

	assert_true(json_is_true(json_object_get(r.json, "intact")));
	assert_true(number_at(r.json, "records") >= THREADS * ROUNDS);
}

/* Somebody who follows the events of the second server. */
struct follower {
	pthread_t thread;
	const char *base, *token, *wanted;
	struct ud_buf seen;
	_Atomic bool connected, found;
};

static size_t on_header(char *data, size_t size, size_t n, void *to)
{
	struct follower *f = to;

	if (size * n == 2 && memcmp(data, "\r\n", 2) == 0)
		atomic_store(&f->connected, true);
	return size * n;
}

static size_t on_data(char *data, size_t size, size_t n, void *to)
{
	struct follower *f = to;

	ud_buf_add(&f->seen, data, size * n);
	if (!strstr(ud_buf_text(&f->seen), f->wanted))
		return size * n;
	atomic_store(&f->found, true);
	return 0; /* ends the call */
}

static void *follow(void *data)
{
	struct follower *f = data;
	CURL *curl = curl_easy_init();
	char url[256], bearer[256];

	snprintf(url, sizeof(url), "%s/v1/events/stream", f->base);
	snprintf(bearer, sizeof(bearer), "Authorization: Bearer %s", f->token);
	struct curl_slist *list = curl_slist_append(NULL, bearer);

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)PATIENCE_MS);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, f);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, f);
	curl_easy_perform(curl);
	curl_slist_free_all(list);
	curl_easy_cleanup(curl);
	return NULL;
}

static void a_stream_tells_what_another_server_changed(void **state)
{
	struct two *t = both(state);
	struct follower f = {
		.base = t->base[1], .token = t->w->token[OPERATOR], .wanted = "told-across"
	};
	int64_t until = ud_mono_ms(&ud_env_real) + PATIENCE_MS;

	assert_int_equal(pthread_create(&f.thread, NULL, follow, &f), 0);
	while (!atomic_load(&f.connected)) {
		assert_true(ud_mono_ms(&ud_env_real) < until);
		poll(NULL, 0, 1); /* the event is a flag that curl's callback raises */
	}
	expect(t->w, OPERATOR, "POST", "/v1/vms", "{\"name\":\"told-across\"}", 201);
	pthread_join(f.thread, NULL);
	bool found = atomic_load(&f.found);

	ud_buf_free(&f.seen);
	assert_true(found);
}

/* ---- a run that both look after ---- */

struct shared {
	struct stage *s;
	ud_database *db; /* of the server that the world does not name at present */
	struct ud_server *other;
	const char *owner; /* of the duty, when it was looked at last */
	int moves;
};

static int begin_run(void **state)
{
	struct shared *r = ud_malloc(sizeof(*r));
	struct world *w;

	*state = r;
	r->s = stage_begin(1);
	w = r->s->w;
	if (strcmp(ud_database_engine(w->db), "postgresql") != 0)
		return 0;
	assert_int_equal(ud_database_open(&w->cx, w->url, &w->env, &r->db), UD_OK);
	assert_int_equal(ud_server_start(&w->cx, r->db, &w->server->settings, &w->server->keys,
				 ud_api, &ud_api_work, &w->env, &r->other),
		UD_OK);
	return 0;
}

static int end_run(void **state)
{
	struct shared *r = *state;

	ud_server_release(&r->other);
	ud_database_release(&r->db);
	stage_end(r->s);
	ud_free(r);
	return 0;
}

static void change_places(struct shared *r)
{
	struct world *w = r->s->w;
	struct ud_server *server = w->server;
	ud_database *db = w->db;

	w->server = r->other;
	w->db = r->db;
	r->other = server;
	r->db = db;
}

static void *tick(void *server)
{
	ud_ticks_step(((struct ud_server *)server)->ticks);
	return NULL;
}

/* Both look at once: one does it. */
static void both_look(struct shared *r)
{
	struct ud_server *servers[] = { r->s->w->server, r->other };
	pthread_t threads[UD_LEN(servers)];

	for (size_t i = 0; i < UD_LEN(servers); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, tick, servers[i]), 0);
	for (size_t i = 0; i < UD_LEN(servers); i++)
		pthread_join(threads[i], NULL);
}

static enum ud_code read_owner(struct ud_ctx *cx, void *data)
{
	struct shared *r = data;
	const char *owner = NULL;
	bool found = false;

	UD_TRY(ud_query_text(
		cx, &found, &owner, "SELECT owner FROM duties WHERE name = 'ticks'", UD_NO_VALS));
	if (!found)
		return UD_OK;
	r->moves += r->owner && strcmp(r->owner, owner) != 0;
	r->owner = fmt(r->s->w, "%s", owner);
	return UD_OK;
}

static enum ud_code wake_runs(struct ud_ctx *cx, void *data)
{
	(void)data;
	return ud_exec(cx, NULL,
		"UPDATE workflows SET wake_at = $1 WHERE state IN ('running', 'waiting')",
		UD_VALS(ud_i(cx->now_ms)));
}

/* The claim on the duty is over, and the run is due to be looked at. */
static void come_due(struct shared *r)
{
	stage_pass(r->s, 11);
	world_write(r->s->w, wake_runs, NULL);
}

/* Both look at once; then the one that the world names now does, which takes agents' answers in,
 * too. The next round they change places. */
static void share_a_round(struct shared *r)
{
	come_due(r);
	both_look(r);
	come_due(r);
	stage_round(r->s);
	world_write(r->s->w, read_owner, r);
	change_places(r);
}

static bool stands_at(struct shared *r, const char *run, const char *step)
{
	return stage_count(r->s,
		       fmt(r->s->w,
			       "SELECT COUNT(*) FROM workflows WHERE failover_id = '%s'"
			       " AND step = '%s'",
			       run, step)) == 1;
}

static void share_until(struct shared *r, const char *run, const char *step)
{
	for (int i = 0; i < ROUNDS && !stands_at(r, run, step); i++)
		share_a_round(r);
	assert_true(stands_at(r, run, step));
}

/* Of each kind of arrow of a step there is one, and of each command one. */
static void each_arrow_was_made_once(struct shared *r)
{
	assert_int_equal(
		stage_count(r->s,
			"SELECT COUNT(*) FROM (SELECT 1 FROM step_log WHERE event IN"
			" ('entered', 'commanded', 'done', 'demoted', 'closed')"
			" GROUP BY workflow_id, step, event HAVING COUNT(*) > 1) AS twice"),
		0);
	assert_int_equal(stage_count(r->s,
				 "SELECT COUNT(*) FROM (SELECT 1 FROM commands WHERE verb IN"
				 " ('stop', 'sync', 'promote', 'demote')"
				 " GROUP BY verb HAVING COUNT(*) > 1) AS twice"),
		0);
}

/* The other has just claimed the duty, and is gone. */
static enum ud_code leave_the_claim(struct ud_ctx *cx, void *data)
{
	int64_t n = 0;

	(void)data;
	UD_TRY(ud_exec(cx, &n,
		"UPDATE duties SET owner = 'gone', owned_until = $1 WHERE name = 'ticks'",
		UD_VALS(ud_i(cx->now_ms + 10000))));
	assert_int_equal(n, 1);
	return UD_OK;
}

static void a_run_goes_on_by_either_of_two_servers(void **state)
{
	struct shared *r = *state;
	struct stage *s = r->s;

	if (!r->other)
		skip();
	const char *run = stage_start(s, "planned", "host_maintenance", 1, "");

	share_until(r, run, "promote");
	assert_true(r->moves >= 1);
	ud_server_release(&r->other);
	ud_database_release(&r->db);
	world_write(s->w, leave_the_claim, r);
	assert_int_equal(world_tick(s->w), 0);
	stage_pass(s, 11);
	stage_settle(s);
	stage_wants(s, run, "customer_validation", NULL);
	stage_press(s, OWN_APPROVER, run, "verify", "{\"result\":\"pass\"}", 200);
	stage_settle(s);
	stage_wants(s, run, "protected", NULL);
	assert_int_equal(stage_where(s, 0), 1);
	assert_int_equal(stage_count(s, "SELECT epoch FROM vms"), 2);
	each_arrow_was_made_once(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_one_stores_the_other_shows, begin, end),
		cmocka_unit_test_setup_teardown(
			equal_requests_to_both_take_effect_once, begin, end),
		cmocka_unit_test_setup_teardown(writes_through_both_make_one_chain, begin, end),
		cmocka_unit_test_setup_teardown(
			a_stream_tells_what_another_server_changed, begin, end),
		cmocka_unit_test_setup_teardown(
			a_run_goes_on_by_either_of_two_servers, begin_run, end_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
