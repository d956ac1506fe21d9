/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The support team's side of tickets: answers and who sees them, queues and claiming, clocks,
 * calendars, merging and splitting, and what time does.
 */
#include <pthread.h>
#include <string.h>

#include "db/tickets.h"
#include "support/client.h"
#include "support/harness.h"

static int keys;

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

static const char *opened(struct world *w, enum who who, const char *more)
{
	const char *headers[] = { fmt(w, "Idempotency-Key: desk-%d", keys++), NULL };
	struct reply r = call(w, who, "POST", "/v1/tickets",
		fmt(w, "{\"subject\":\"It is slow\"%s%s}", *more ? "," : "", more), headers);

	if (r.status != 201)
		fail_msg("%s", r.body);
	return text_at(r.json, "id");
}

static const char *incident(struct world *w)
{
	return opened(w, OWN_OPERATOR, "\"type\":\"incident\"");
}

static struct reply ticket(struct world *w, const char *id)
{
	return expect(w, AUDITOR, "GET", fmt(w, "/v1/tickets/%s", id), NULL, 200);
}

static struct reply verb(
	struct world *w, enum who who, const char *id, const char *name, const char *body)
{
	return expect(w, who, "POST", fmt(w, "/v1/tickets/%s/%s", id, name), body, 200);
}

static struct reply say(struct world *w, enum who who, const char *id, const char *text)
{
	return expect(w, who, "POST", fmt(w, "/v1/tickets/%s/comments", id),
		fmt(w, "{\"body\":\"%s\"}", text), 201);
}

static void state_is(struct world *w, const char *id, const char *state)
{
	assert_string_equal(text_at(ticket(w, id).json, "state"), state);
}

static void answers_move_the_ticket(void **state)
{
	struct world *w = *state;
	const char *id = incident(w);

	say(w, ENGINEER, id, "We are looking.");
	struct reply r = ticket(w, id);

	assert_string_equal(text_at(r.json, "state"), "open");
	assert_true(*text_at(r.json, "responded_at") && *text_at(r.json, "acknowledged_at"));
	r = verb(w, ENGINEER, id, "request-info", "{\"question\":\"Since when?\"}");
	assert_string_equal(text_at(r.json, "state"), "pending_customer");
	assert_string_equal(text_at(r.json, "waiting_on"), "customer");
	say(w, ENGINEER, id, "Take your time.");
	state_is(w, id, "pending_customer");
	say(w, OWN_OPERATOR, id, "Since noon.");
	state_is(w, id, "open");
	verb(w, ENGINEER, id, "solve", "{\"note\":\"It was the disk.\"}");
	say(w, OWN_OPERATOR, id, "It is slow again.");
	state_is(w, id, "open");
	r = expect(w, OWN_VIEWER, "GET", fmt(w, "/v1/tickets/%s/comments", id), NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 6);
	assert_string_equal(text_at(r.json, "data.1.body"), "Since when?");
	assert_string_equal(text_at(r.json, "data.1.side"), "staff");
}

static void internal_words_stay_inside(void **state)
{
	struct world *w = *state;
	const char *id = incident(w);
	const char *path = fmt(w, "/v1/tickets/%s/comments", id);
	const char *body = "{\"body\":\"zebra crossing\",\"visibility\":\"internal\"}";
	const char *behalf[] = { fmt(w, "Understudy-On-Behalf-Of: %s", w->own), NULL };
	struct reply r = expect(w, ENGINEER, "POST", path, body, 201);
	const char *comment = text_at(r.json, "id");

	assert_true(json_is_null(json_object_get(r.json, "customer_id")));
	state_is(w, id, "new"); /* the customer heard nothing */
	r = call(w, OWN_ADMIN, "POST", path, body, NULL);
	expect_code(&r, 403, "role_missing");
	r = call(w, ENGINEER, "POST", path, body, behalf);
	expect_code(&r, 422, "validation_failed");
	static const char *const places[] = { "/v1/tickets/%s/comments", "/v1/tickets/%s/history",
		"/v1/events?subject_id=%s", "/v1/events" };

	for (size_t i = 0; i < UD_LEN(places); i++) {
		const char *where = strchr(places[i], '%')
			? fmt(w, "%.*s%s%s", (int)(strchr(places[i], '%') - places[i]), places[i],
				  id, strchr(places[i], '%') + 2)
			: fmt(w, "%s?limit=200", places[i]);

		r = expect(w, OWN_ADMIN, "GET", where, NULL, 200);
		assert_null(strstr(r.body, "zebra"));
		r = call(w, ENGINEER, "GET", where, NULL, behalf);
		assert_null(strstr(r.body, "zebra"));
	}
	const char *any[] = { "If-Match: *", NULL };

	r = call(w, OWN_ADMIN, "PATCH", fmt(w, "%s/%s", path, comment), "{\"body\":\"x\"}", any);
	assert_int_equal(r.status, 404);
	r = expect(w, LEAD, "GET", path, NULL, 200);
	assert_non_null(strstr(r.body, "zebra"));
	expect(w, LEAD, "PATCH", fmt(w, "%s/%s", path, comment), "{\"body\":\"x\"}", 403);
	r = expect(w, ENGINEER, "PATCH", fmt(w, "%s/%s", path, comment), "{\"body\":\"giraffe\"}",
		200);
	assert_true(*text_at(r.json, "edited_at"));
}

static void a_late_answer_begins_anew(void **state)
{
	struct world *w = *state;
	const char *id = incident(w);

	verb(w, ENGINEER, id, "solve", "{}");
	w->clock_ms += (UD_TICKET_GRACE_DAYS - 1) * INT64_C(86400000);
	world_tick(w);
	state_is(w, id, "solved");
	w->clock_ms += INT64_C(86400000) + 60000;
	struct reply r =
		call(w, OWN_OPERATOR, "POST", fmt(w, "/v1/tickets/%s/reopen", id), "{}", NULL);

	expect_code(&r, 409, "invalid_state");
	world_tick(w);
	state_is(w, id, "closed");
	r = say(w, OWN_OPERATOR, id, "Once more.");
	const char *next = text_at(r.json, "ticket_id");

	assert_string_not_equal(next, id);
	state_is(w, id, "closed");
	r = ticket(w, next);
	assert_string_equal(text_at(r.json, "continues_id"), id);
	assert_string_equal(text_at(r.json, "subject"), "Re: It is slow");
	assert_string_equal(text_at(r.json, "state"), "new");
	r = expect(w, OWN_VIEWER, "GET", fmt(w, "/v1/tickets/%s/links", next), NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.relation"), "continues");
	assert_string_equal(text_at(r.json, "data.0.other_state"), "closed");
	w->clock_ms = 0;
}

/* ---- queues ---- */

struct taker {
	pthread_t thread;
	struct world *w;
	const char *path;
	int status;
	json_t *json;
};

static void *take(void *data)
{
	struct taker *t = data;
	struct client c = { .base = t->w->server->base_url, .token = t->w->token[ENGINEER] };

	t->status = client_call(&c, "POST", t->path, NULL, NULL);
	t->json = client_json(&c);
	client_end(&c);
	return NULL;
}

static const char *make_queue(struct world *w, const char *body)
{
	return text_at(expect(w, LEAD, "POST", "/v1/queues", body, 201).json, "id");
}

static void sixteen_who_ask_at_once_get_sixteen_tickets(void **state)
{
	struct world *w = *state;
	const char *queue = make_queue(w, "{\"name\":\"Hands\",\"types\":[\"hardware\"]}");
	struct taker takers[16];
	size_t i, j;

	for (i = 0; i < UD_LEN(takers); i++)
		opened(w, OWN_OPERATOR, "\"type\":\"hardware\"");
	for (i = 0; i < UD_LEN(takers); i++)
		takers[i] = (struct taker){ .w = w, .path = fmt(w, "/v1/queues/%s/next", queue) };
	for (i = 0; i < UD_LEN(takers); i++)
		assert_int_equal(pthread_create(&takers[i].thread, NULL, take, &takers[i]), 0);
	for (i = 0; i < UD_LEN(takers); i++)
		pthread_join(takers[i].thread, NULL);
	for (i = 0; i < UD_LEN(takers); i++) {
		assert_int_equal(takers[i].status, 200);
		assert_string_equal(text_at(takers[i].json, "assignee_id"), w->principal[ENGINEER]);
		for (j = 0; j < i; j++)
			assert_string_not_equal(
				text_at(takers[i].json, "id"), text_at(takers[j].json, "id"));
	}
	for (i = 0; i < UD_LEN(takers); i++)
		json_decref(takers[i].json);
	struct reply r = call(w, ENGINEER, "POST", takers[0].path, NULL, NULL);

	expect_code(&r, 409, "exhausted");
	r = expect(w, LEAD, "GET", fmt(w, "/v1/queues/%s/stats", queue), NULL, 200);
	assert_int_equal(number_at(r.json, "taken"), 16);
	assert_int_equal(number_at(r.json, "waiting"), 0);
	assert_int_equal(number_at(r.json, "arrived"), 16);
}

static void the_most_urgent_is_taken_first(void **state)
{
	struct world *w = *state;
	const char *queue = make_queue(w, "{\"name\":\"Money\",\"types\":[\"billing\"]}");
	const char *next = fmt(w, "/v1/queues/%s/next", queue);
	const char *low = opened(w, OWN_OPERATOR, "\"type\":\"billing\",\"severity\":\"low\"");
	const char *first = opened(w, OWN_OPERATOR, "\"type\":\"billing\",\"severity\":\"high\"");
	const char *second = opened(w, OWN_OPERATOR, "\"type\":\"billing\",\"severity\":\"high\"");
	const char *aside = opened(w, OWN_OPERATOR, "\"type\":\"billing\",\"severity\":\"urgent\"");

	verb(w, ENGINEER, aside, "snooze", "{\"until\":\"2036-01-01T00:00:00Z\"}");
	assert_string_equal(
		text_at(expect(w, ENGINEER, "POST", next, NULL, 200).json, "id"), first);
	assert_string_equal(text_at(expect(w, LEAD, "POST", next, NULL, 200).json, "id"), second);
	struct reply r = call(w, LEAD, "POST", fmt(w, "/v1/tickets/%s/claim", first), NULL, NULL);

	expect_code(&r, 409, "invalid_state");
	verb(w, ENGINEER, first, "release", NULL);
	assert_string_equal(text_at(expect(w, LEAD, "POST", next, NULL, 200).json, "id"), first);
	assert_string_equal(text_at(expect(w, LEAD, "POST", next, NULL, 200).json, "id"), low);
	say(w, OWN_OPERATOR, aside, "Hello?"); /* an answer ends the rest */
	assert_string_equal(text_at(expect(w, LEAD, "POST", next, NULL, 200).json, "id"), aside);
	r = expect(w, LEAD, "GET",
		fmt(w, "/v1/queues/%s/tickets?assignee_id=%s", queue, w->principal[LEAD]), NULL,
		200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 4);
}

static void tickets_find_their_queue(void **state)
{
	struct world *w = *state;
	const char *own = make_queue(w,
		fmt(w, "{\"name\":\"For one\",\"types\":[\"account\"],\"customer_id\":\"%s\"}",
			w->own));
	const char *special = make_queue(w, "{\"name\":\"Special\"}");
	struct reply r = callf(w, LEAD, "POST", "/v1/ticket-categories",
		"{\"name\":\"Printers\",\"queue_id\":\"%s\"}", special);
	const char *category = text_at(r.json, "id");
	const char *standard = "que_00000000000000000000000001";

	r = ticket(w, incident(w));
	assert_string_equal(text_at(r.json, "queue_id"), standard);
	r = ticket(w, opened(w, OWN_OPERATOR, "\"type\":\"account\""));
	assert_string_equal(text_at(r.json, "queue_id"), own);
	r = ticket(w, opened(w, OTHER_ADMIN, "\"type\":\"account\""));
	assert_string_equal(text_at(r.json, "queue_id"), standard);
	r = ticket(w,
		opened(w, OTHER_ADMIN,
			fmt(w, "\"type\":\"account\",\"category_id\":\"%s\"", category)));
	assert_string_equal(text_at(r.json, "queue_id"), special);
	r = expect(w, LEAD, "PATCH", fmt(w, "/v1/queues/%s", special), "{\"standard\":true}", 200);
	r = expect(w, LEAD, "GET", fmt(w, "/v1/queues/%s", standard), NULL, 200);
	assert_true(json_is_false(json_object_get(r.json, "standard")));
	expect(w, LEAD, "DELETE", fmt(w, "/v1/queues/%s", special), NULL, 409);
	expect(w, LEAD, "PATCH", fmt(w, "/v1/queues/%s", special), "{\"standard\":false}", 409);
	expect(w, LEAD, "PATCH", fmt(w, "/v1/queues/%s", standard), "{\"standard\":true}", 200);
	expect(w, LEAD, "PATCH", fmt(w, "/v1/queues/%s", standard),
		fmt(w, "{\"escalates_to_id\":\"%s\"}", special), 200);
	r = callf(w, LEAD, "PATCH", fmt(w, "/v1/queues/%s", special), "{}");
	expect(w, LEAD, "PATCH", fmt(w, "/v1/queues/%s", special),
		fmt(w, "{\"escalates_to_id\":\"%s\"}", standard), 422);
	r = verb(w, ENGINEER, incident(w), "escalate", NULL);
	assert_string_equal(text_at(r.json, "queue_id"), special);
	assert_int_equal(number_at(r.json, "escalation"), 1);
	r = verb(w, ENGINEER, text_at(r.json, "id"), "assign",
		fmt(w, "{\"assignee_id\":\"%s\",\"queue_id\":\"%s\"}", w->principal[LEAD],
			standard));
	assert_string_equal(text_at(r.json, "assignee_name"), "lead");
	r = call(w, ENGINEER, "POST", fmt(w, "/v1/tickets/%s/assign", text_at(r.json, "id")),
		fmt(w, "{\"assignee_id\":\"%s\"}", w->principal[OWN_ADMIN]), NULL);
	expect_code(&r, 422, "validation_failed");
	expect(w, LEAD, "PATCH", fmt(w, "/v1/queues/%s", standard), "{\"escalates_to_id\":null}",
		200);
	expect(w, OWN_ADMIN, "GET", "/v1/queues", NULL, 403);
}

/* ---- clocks ---- */

static int64_t instant(json_t *json, const char *path)
{
	int64_t ms = 0;

	if (!ud_time_parse(text_at(json, path), &ms))
		fail_msg("%s is not an instant: %s", path, text_at(json, path));
	return ms;
}

static void clocks_run_out_once_and_escalate(void **state)
{
	struct world *w = *state;
	const char *id = opened(w, OWN_OPERATOR, "\"type\":\"incident\",\"severity\":\"urgent\"");
	struct reply r = ticket(w, id);
	int64_t opened_at = instant(r.json, "created_at");

	assert_int_equal(instant(r.json, "response_due_at") - opened_at, 900000);
	assert_int_equal(instant(r.json, "resolve_due_at") - opened_at, 14400000);
	assert_int_equal(instant(r.json, "due_at"), instant(r.json, "response_due_at"));
	w->clock_ms += 901000;
	world_tick(w);
	world_tick(w);
	r = ticket(w, id);
	assert_true(json_is_true(json_object_get(r.json, "response_breached")));
	assert_true(json_is_false(json_object_get(r.json, "resolve_breached")));
	assert_int_equal(number_at(r.json, "escalation"), 1);
	assert_int_equal(instant(r.json, "due_at"), instant(r.json, "resolve_due_at"));
	w->clock_ms += 14400000;
	world_tick(w);
	world_tick(w);
	r = ticket(w, id);
	assert_true(json_is_true(json_object_get(r.json, "resolve_breached")));
	assert_int_equal(number_at(r.json, "escalation"), 2);
	assert_memory_equal(text_at(r.json, "due_at"), "9999", 4);
	w->clock_ms = 0;
}

static void the_clock_stands_still_while_the_customer_is_asked(void **state)
{
	struct world *w = *state;
	const char *id = incident(w);
	int64_t before = instant(ticket(w, id).json, "resolve_due_at");
	struct reply r = verb(w, ENGINEER, id, "request-info", "{\"question\":\"Which one?\"}");

	assert_true(json_is_null(json_object_get(r.json, "resolve_due_at")));
	int64_t left = number_at(r.json, "resolve_left_seconds");

	assert_in_range(left, 172790, 172800);
	w->clock_ms += INT64_C(5) * 86400000;
	say(w, OWN_OPERATOR, id, "The second.");
	r = ticket(w, id);
	int64_t after = instant(r.json, "resolve_due_at");

	assert_in_range(
		after - before, INT64_C(5) * 86400000 - 2000, INT64_C(5) * 86400000 + 60000);
	assert_true(json_is_null(json_object_get(r.json, "resolve_left_seconds")));
	verb(w, ENGINEER, id, "solve", "{}");
	w->clock_ms += INT64_C(2) * 86400000;
	r = verb(w, OWN_OPERATOR, id, "reopen", "{}");
	assert_in_range(instant(r.json, "resolve_due_at") - after, INT64_C(2) * 86400000 - 60000,
		INT64_C(2) * 86400000 + 60000);
	w->clock_ms = 0;
}

static void agreements_and_calendars_count(void **state)
{
	struct world *w = *state;
	struct reply r = expect(w, LEAD, "POST", "/v1/calendars",
		"{\"name\":\"Office\",\"time_zone\":\"Europe/London\",\"monday\":[\"09:00-17:00\"],\"tuesday\":[\"09:00-17:00\"],"
		"\"wednesday\":[\"09:00-17:00\"],\"thursday\":[\"09:00-17:00\"],\"friday\":[\"09:00-17:00\"],"
		"\"holidays\":[\"2026-12-25\",\"2026-12-28\"]}",
		201);
	const char *calendar = text_at(r.json, "id");

	r = expect(w, OWN_VIEWER, "GET",
		fmt(w, "/v1/calendars/%s/resolve?from=2026-12-24T16:00:00Z&seconds=7200", calendar),
		NULL, 200);
	assert_string_equal(text_at(r.json, "until"), "2026-12-29T10:00:00.000Z");
	r = expect(w, OWN_VIEWER, "GET",
		fmt(w, "/v1/calendars/%s/resolve?from=2026-03-27T17:00:00Z&until=2026-03-30T08:30:00Z",
			calendar),
		NULL, 200);
	assert_int_equal(number_at(r.json, "seconds"), 1800); /* the clocks had changed */
	expect(w, OWN_VIEWER, "GET", fmt(w, "/v1/calendars/%s/resolve?seconds=-1", calendar), NULL,
		400);
	expect(w, LEAD, "POST", "/v1/calendars",
		"{\"name\":\"Wrong\",\"time_zone\":\"Europe/London\",\"monday\":[\"09:00-08:00\"],\"holidays\":[\"yesterday\"]}",
		422);
	r = callf(w, LEAD, "POST", "/v1/slas",
		"{\"name\":\"Gold\",\"customer_id\":\"%s\",\"calendar_id\":\"%s\",\"normal_response_seconds\":3600}",
		w->other, calendar);
	assert_int_equal(r.status, 201);
	const char *sla = text_at(r.json, "id"),
		   *id = opened(w, OTHER_ADMIN, "\"type\":\"request\"");

	r = ticket(w, id);
	assert_string_equal(text_at(r.json, "sla_id"), sla);
	assert_int_equal(number_at(r.json, "response_seconds"), 3600);
	assert_true(json_is_null(json_object_get(r.json, "resolve_due_at")));
	const char *due = text_at(r.json, "response_due_at");

	/* what was promised stays promised */
	expect(w, LEAD, "PATCH", fmt(w, "/v1/slas/%s", sla), "{\"normal_response_seconds\":60}",
		200);
	r = ticket(w, id);
	assert_string_equal(text_at(r.json, "response_due_at"), due);
	assert_int_equal(number_at(r.json, "sla_version"), 1);
	expect(w, OWN_VIEWER, "GET", fmt(w, "/v1/slas/%s", sla), NULL, 404);
	expect(w, LEAD, "DELETE", fmt(w, "/v1/calendars/%s", calendar), NULL, 409);
}

static void what_was_laid_aside_comes_back(void **state)
{
	struct world *w = *state;
	const char *id = incident(w);
	struct reply r = call(w, ENGINEER, "POST", fmt(w, "/v1/tickets/%s/snooze", id),
		"{\"until\":\"2020-01-01T00:00:00Z\"}", NULL);
	char until[UD_TIME_TEXT];

	expect_code(&r, 422, "validation_failed");
	ud_time_format(ud_now_ms(&w->env) + 86400000, until);
	verb(w, ENGINEER, id, "snooze", fmt(w, "{\"until\":\"%s\"}", until));
	world_tick(w);
	assert_string_equal(text_at(ticket(w, id).json, "snoozed_until"), until);
	w->clock_ms = 86400000 + 1000;
	world_tick(w);
	assert_true(json_is_null(json_object_get(ticket(w, id).json, "snoozed_until")));
	w->clock_ms = 0;
}

/* ---- merging, splitting, watching ---- */

static void tickets_are_merged_and_split(void **state)
{
	struct world *w = *state;
	const char *a = incident(w), *b = incident(w),
		   *strange = opened(w, OTHER_ADMIN, "\"type\":\"incident\"");
	struct reply r = call(w, ENGINEER, "POST", fmt(w, "/v1/tickets/%s/merge", a),
		fmt(w, "{\"into_id\":\"%s\"}", strange), NULL);

	expect_code(&r, 422, "validation_failed");
	expect(w, OWN_OPERATOR, "POST", fmt(w, "/v1/tickets/%s/watchers", a), "{}", 201);
	r = verb(w, ENGINEER, a, "merge", fmt(w, "{\"into_id\":\"%s\"}", b));
	assert_string_equal(text_at(r.json, "state"), "merged");
	assert_string_equal(text_at(r.json, "merged_into_id"), b);
	r = expect(w, OWN_OPERATOR, "POST", fmt(w, "/v1/tickets/%s/comments", a),
		"{\"body\":\"still here\"}", 409);
	r = expect(w, OWN_VIEWER, "GET", fmt(w, "/v1/tickets/%s/watchers", b), NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.user_id"), w->principal[OWN_OPERATOR]);
	const char *comment =
		text_at(say(w, OWN_OPERATOR, b, "And the printer is dead.").json, "id");

	r = expect(w, ENGINEER, "POST", fmt(w, "/v1/tickets/%s/split", b),
		fmt(w, "{\"subject\":\"A dead printer\",\"comment_ids\":[\"%s\"]}", comment), 201);
	const char *part = text_at(r.json, "id");

	assert_string_equal(text_at(r.json, "requester_id"), w->principal[OWN_OPERATOR]);
	r = expect(w, OWN_VIEWER, "GET", fmt(w, "/v1/tickets/%s/comments", part), NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.id"), comment);
	expect(w, ENGINEER, "POST", fmt(w, "/v1/tickets/%s/split", b),
		fmt(w, "{\"subject\":\"Again\",\"comment_ids\":[\"%s\"]}", comment), 422);
}

static void macros_say_it_with_the_tickets_words(void **state)
{
	struct world *w = *state;
	const char *ticket = incident(w);
	const char *path = fmt(w, "/v1/tickets/%s/comments", ticket);
	struct reply r = expect(w, LEAD, "POST", "/v1/macros",
		"{\"name\":\"Ack\",\"body\":\"{{requester.name}}: we look at {{ticket.number}}. {{me.name}}\"}",
		201);
	const char *macro = text_at(r.json, "id");
	struct reply t = expect(w, LEAD, "GET", fmt(w, "/v1/tickets/%s", ticket), NULL, 200);

	r = callf(w, LEAD, "POST", "/v1/macros", "{\"name\":\"Odd\",\"body\":\"{{customer}}\"}");
	expect_code(&r, 422, "validation_failed");
	r = callf(w, LEAD, "POST", "/v1/macros", "{\"name\":\"Open\",\"body\":\"{{me.name\"}");
	expect_code(&r, 422, "validation_failed");
	r = callf(w, ENGINEER, "POST", path, "{\"macro_id\":\"%s\"}", macro);
	assert_int_equal(r.status, 201);
	assert_string_equal(text_at(r.json, "body"),
		fmt(w, "%s: we look at %s. %s", text_at(t.json, "requester_name"),
			text_at(t.json, "number"), who_names[ENGINEER]));
	r = callf(w, ENGINEER, "POST", path, "{\"macro_id\":\"%s\",\"body\":\"and\"}", macro);
	expect_code(&r, 422, "validation_failed");
	r = callf(w, ENGINEER, "POST", path, "{\"visibility\":\"public\"}");
	expect_code(&r, 422, "validation_failed");
	/* they are the provider's */
	r = callf(w, OWN_ADMIN, "POST", path, "{\"macro_id\":\"%s\"}", macro);
	expect_code(&r, 404, "not_found");
	expect(w, OWN_ADMIN, "GET", "/v1/macros", NULL, 403);
	expect(w, ENGINEER, "POST", "/v1/macros", "{\"name\":\"x\",\"body\":\"x\"}", 403);
}

static void watchers_are_of_the_house(void **state)
{
	struct world *w = *state;
	const char *path = fmt(w, "/v1/tickets/%s/watchers", incident(w));
	struct reply r = callf(
		w, OWN_OPERATOR, "POST", path, "{\"user_id\":\"%s\"}", w->principal[OTHER_ADMIN]);

	expect_code(&r, 422, "validation_failed");
	r = callf(w, ENGINEER, "POST", path, "{\"user_id\":\"%s\"}", w->principal[OTHER_ADMIN]);
	expect_code(&r, 422, "validation_failed");
	r = callf(w, OWN_OPERATOR, "POST", path, "{\"user_id\":\"%s\"}", w->principal[OWN_VIEWER]);
	assert_int_equal(r.status, 201);
	const char *row = text_at(r.json, "id");

	r = callf(w, OWN_OPERATOR, "POST", path, "{\"user_id\":\"%s\"}", w->principal[OWN_VIEWER]);
	expect_code(&r, 409, "already_exists");
	expect(w, ENGINEER, "POST", path, "{}", 201); /* who looks on inside is not shown outside */
	r = expect(w, OWN_OPERATOR, "GET", path, NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 1);
	r = expect(w, LEAD, "GET", path, NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 2);
	expect(w, OWN_OPERATOR, "DELETE", fmt(w, "%s/%s", path, row), NULL, 204);
}

static void who_looks_is_seen_for_half_a_minute(void **state)
{
	struct world *w = *state;
	const char *path = fmt(w, "/v1/tickets/%s/viewers", incident(w));
	struct reply r;

	expect(w, OWN_ADMIN, "GET", path, NULL, 403);
	expect(w, LEAD, "GET", path, NULL, 200);
	r = expect(w, ENGINEER, "GET", path, NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 2);
	assert_non_null(strstr(r.body, "\"user_name\":\"lead\""));
	r = expect(w, ENGINEER, "GET", fmt(w, "/v1/tickets/%s/viewers", incident(w)), NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 1);
	w->mono_ms += 31000;
	r = expect(w, ENGINEER, "GET", path, NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 1);
}

/* ---- many ---- */

struct many {
	struct world *w;
	int n;
};

static enum ud_code add_many(struct ud_ctx *cx, void *data)
{
	struct many *m = data;

	for (int i = 0; i < 500; i++, m->n++) {
		struct ud_ticket t = { .row.customer_id = m->n % 2 ? m->w->own : m->w->other,
			.number = fmt(m->w, "260101-x-%07d", 1000000 + m->n),
			.subject = fmt(m->w, "Number %d", m->n),
			.state = (unsigned)m->n % UD_TICKET_STATE_COUNT,
			.type = (unsigned)m->n % UD_TICKET_TYPE_COUNT,
			.severity = (unsigned)m->n % UD_SEVERITY_COUNT,
			.queue_id = "que_00000000000000000000000001",
			.sla_version = UD_NONE,
			.response_seconds = UD_NONE,
			.resolve_seconds = UD_NONE,
			.resolve_left_seconds = UD_NONE,
			.due_at.ms = UD_TICKET_NEVER };

		UD_TRY(ud_row_insert(cx, &ud_tickets, &t));
	}
	return UD_OK;
}

/* The database's plan of a statement as one text, on either engine. */
static const char *plan_of(struct world *w, const char *sql)
{
	bool sqlite = strcmp(ud_database_engine(w->db), "sqlite") == 0, more = true;
	ud_conn *conn = NULL;
	ud_rows *rows = NULL;
	const char *out = "";

	assert_int_equal(ud_conn_open(&w->cx, w->url, 0, &conn), UD_OK);
	w->cx.conn = conn;
	if (!sqlite)
		assert_int_equal(ud_exec(&w->cx, NULL, "ANALYZE tickets", UD_NO_VALS), UD_OK);
	assert_int_equal(ud_query(&w->cx, &rows,
				 fmt(w, "%s %s", sqlite ? "EXPLAIN QUERY PLAN" : "EXPLAIN", sql),
				 UD_NO_VALS),
		UD_OK);
	while (more) {
		assert_int_equal(ud_next(&w->cx, rows, &more), UD_OK);
		if (more)
			out = fmt(w, "%s%s\n", out, ud_col_text(rows, sqlite ? 3 : 0));
	}
	ud_rows_release(&rows);
	w->cx.conn = NULL;
	ud_conn_release(&conn);
	return out;
}

static void ten_thousand_tickets_are_found_by_indexes(void **state)
{
	struct world *w = *state;
	struct many m = { w, 0 };

	while (m.n < 10000)
		world_write(w, add_many, &m);
	const char *const questions[] = {
		fmt(w, "SELECT id FROM tickets WHERE customer_id = '%s' AND state IN ('new', 'open') ORDER BY id LIMIT 51",
			w->own),
		fmt(w, "SELECT id FROM tickets WHERE customer_id = '%s' ORDER BY updated_at DESC, id DESC LIMIT 51",
			w->own),
		"SELECT id FROM tickets WHERE 1 = 1 ORDER BY due_at, id LIMIT 51",
		"SELECT id FROM tickets WHERE assignee_id = 'usr_x' AND state IN ('open') ORDER BY id LIMIT 51",
		"SELECT id FROM tickets WHERE number = '260101-x-1000007' ORDER BY id LIMIT 51",
		"SELECT id FROM tickets WHERE queue_id = 'que_00000000000000000000000001' AND assignee_id IS NULL"
		" AND state IN ('new', 'open') AND snoozed_until IS NULL ORDER BY urgency, due_at, id LIMIT 1",
		"SELECT id FROM tickets WHERE due_at <= 1 ORDER BY due_at, id LIMIT 100",
		"SELECT id FROM tickets WHERE snoozed_until IS NOT NULL AND snoozed_until <= 1 ORDER BY snoozed_until LIMIT 100",
		"SELECT id FROM tickets WHERE state = 'solved' AND solved_at <= 1 ORDER BY solved_at LIMIT 100",
	};

	for (size_t i = 0; i < UD_LEN(questions); i++) {
		const char *plan = plan_of(w, questions[i]);

		if (!strstr(plan, "tickets_") || strstr(plan, "Seq Scan") ||
			strstr(plan, "TEMP B-TREE"))
			fail_msg("%s\n%s", questions[i], plan);
	}
	struct reply r = expect(w, OWN_VIEWER, "GET",
		"/v1/tickets?state=new,open&count=exact&limit=200", NULL, 200);

	assert_true(number_at(r.json, "total") > 800);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_move_the_ticket),
		cmocka_unit_test(internal_words_stay_inside),
		cmocka_unit_test(a_late_answer_begins_anew),
		cmocka_unit_test(sixteen_who_ask_at_once_get_sixteen_tickets),
		cmocka_unit_test(the_most_urgent_is_taken_first),
		cmocka_unit_test(tickets_find_their_queue),
		cmocka_unit_test(clocks_run_out_once_and_escalate),
		cmocka_unit_test(the_clock_stands_still_while_the_customer_is_asked),
		cmocka_unit_test(agreements_and_calendars_count),
		cmocka_unit_test(what_was_laid_aside_comes_back),
		cmocka_unit_test(tickets_are_merged_and_split),
		cmocka_unit_test(macros_say_it_with_the_tickets_words),
		cmocka_unit_test(watchers_are_of_the_house),
		cmocka_unit_test(who_looks_is_seen_for_half_a_minute),
		cmocka_unit_test(ten_thousand_tickets_are_found_by_indexes),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
