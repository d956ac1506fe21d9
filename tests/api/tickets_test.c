/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tickets by the API: opening them once, numbers, the whole table of their life for every role and
 * state, and that what is listed as allowed is what happens.
 */
#include <curl/curl.h>
#include <string.h>

#include "api/tickets.h"
#include "db/events.h"
#include "support/harness.h"

static const char *site;
static int keys;

static int begin(void **state)
{
	struct world *w = world_begin();
	struct reply r = expect(w, LEAD, "POST", "/v1/sites",
		"{\"name\":\"London\",\"code\":\"lon\",\"kind\":\"provider_dc\",\"time_zone\":\"Europe/London\"}",
		201);

	site = text_at(r.json, "id");
	*state = w;
	return 0;
}

static int end(void **state)
{
	world_end(*state);
	return 0;
}

static struct reply open_with_key(struct world *w, enum who who, const char *body, const char *key)
{
	const char *headers[] = { fmt(w, "Idempotency-Key: %s", key), NULL };

	return call(w, who, "POST", "/v1/tickets", body, headers);
}

static struct reply open_ticket(struct world *w, enum who who, const char *body)
{
	return open_with_key(w, who, body, fmt(w, "key-%d", keys++));
}

static const char *opened(struct world *w, enum who who, const char *body)
{
	struct reply r = open_ticket(w, who, body);

	if (r.status != 201)
		fail_msg("%s: %s", body, r.body);
	return text_at(r.json, "id");
}

static const char *incident(struct world *w)
{
	return opened(w, OWN_OPERATOR, "{\"type\":\"incident\",\"subject\":\"It is slow\"}");
}

/* "approve" in allowed_operations? */
static bool lists(json_t *json, const char *op)
{
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(json, "allowed_operations"), i,
		v) if (strcmp(json_string_value(v), op) == 0) return true;
	return false;
}

static void a_ticket_is_opened_once_and_has_a_number(void **state)
{
	struct world *w = *state;
	const char *body = fmt(
		w, "{\"type\":\"incident\",\"subject\":\"Disk full\",\"site_id\":\"%s\"}", site);
	struct reply r = call(w, OWN_OPERATOR, "POST", "/v1/tickets", body, NULL);

	expect_code(&r, 400, "idempotency_key_required");
	r = open_with_key(w, OWN_OPERATOR, body, "once");
	assert_int_equal(r.status, 201);
	const char *number = text_at(r.json, "number"), *id = text_at(r.json, "id");

	assert_int_equal(strlen(number), strlen("261125-lon-0000123"));
	assert_memory_equal(number + 6, "-lon-", 5);
	assert_string_equal(text_at(r.json, "state"), "new");
	assert_string_equal(text_at(r.json, "customer_id"), w->own);
	assert_string_equal(text_at(r.json, "waiting_on"), "support");
	assert_string_equal(text_at(r.json, "requester_name"), "own operator");
	assert_true(lists(r.json, "cancel") && !lists(r.json, "claim"));
	r = open_with_key(w, OWN_OPERATOR, body, "once");
	assert_string_equal(text_at(r.json, "id"), id);
	assert_string_equal(header_of(w, &r, "Idempotency-Replayed"), "true");
	r = open_ticket(w, OWN_OPERATOR, body);
	assert_int_equal(strcmp(text_at(r.json, "number"), number) > 0, 1);
	r = open_ticket(w, OWN_VIEWER, body);
	expect_code(&r, 403, "role_missing");
	r = open_ticket(w, OWN_OPERATOR, "{\"type\":\"incident\"}");
	expect_code(&r, 422, "validation_failed");
	r = open_ticket(w, OWN_OPERATOR, "{\"type\":\"failover\",\"subject\":\"x\"}");
	expect_code(&r, 422, "validation_failed");
	r = open_ticket(w, OWN_OPERATOR,
		"{\"type\":\"incident\",\"subject\":\"x\",\"resource_ids\":[\"vm_00000000000000000000000000\"]}");
	expect_code(&r, 422, "validation_failed");
	expect(w, OTHER_ADMIN, "GET", fmt(w, "/v1/tickets/%s", id), NULL, 404);
	expect(w, OWN_VIEWER, "GET", fmt(w, "/v1/tickets/%s", id), NULL, 200);
}

static void lists_find_and_filter(void **state)
{
	struct world *w = *state;
	const char *id = opened(w, OWN_OPERATOR,
		"{\"type\":\"billing\",\"subject\":\"An invoice of Quartz\",\"severity\":\"low\"}");
	struct reply r = expect(w, OWN_VIEWER, "GET", "/v1/tickets?q=quartz", NULL, 200);

	assert_string_equal(text_at(r.json, "data.0.id"), id);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 1);
	assert_true(json_is_null(json_object_get(
		json_array_get(json_object_get(r.json, "data"), 0), "allowed_operations")));
	r = expect(w, OWN_VIEWER, "GET",
		"/v1/tickets?type=billing&state=new,open&severity=low&sort=-number", NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.id"), id);
	r = expect(w, OTHER_VIEWER, "GET", "/v1/tickets?count=exact", NULL, 200);
	assert_int_equal(number_at(r.json, "total"), 0);
	r = expect(w, AUDITOR, "GET", "/v1/tickets?sort=due_at", NULL, 200);
	assert_true(json_array_size(json_object_get(r.json, "data")) > 0);
}

/* ---- the table ---- */

/* Put a ticket into a state, past all rules. */
struct placing {
	const char *id;
	unsigned state;
};

static enum ud_code place(struct ud_ctx *cx, void *data)
{
	struct placing *p = data;
	struct ud_ticket old = { 0 }, t;

	UD_TRY(ud_row_get(cx, &ud_tickets, p->id, &old));
	t = old;
	t.state = p->state;
	t.solved_at.ms = p->state == UD_TICKET_SOLVED ? cx->now_ms : UD_NONE;
	t.assignee_id = t.assignee_name = NULL;
	t.acknowledged_at.ms = t.closed_at.ms = UD_NONE;
	return ud_row_update(cx, &ud_tickets, &old, &t);
}

static void put_into(struct world *w, const char *id, unsigned state)
{
	struct placing p = { id, state };

	world_write(w, place, &p);
}

static const char *body_for(struct world *w, enum ud_ticket_event op, const char *other)
{
	switch (op) {
	case UD_TICKET_ASSIGN:
		return fmt(w, "{\"assignee_id\":\"%s\"}", w->principal[ENGINEER]);
	case UD_TICKET_SNOOZE:
		return "{\"until\":\"2026-12-31T00:00:00Z\"}";
	case UD_TICKET_REQUEST_INFO:
		return "{\"question\":\"Which one?\"}";
	case UD_TICKET_WAIT:
		return "{\"waiting_for\":\"vendor\"}";
	case UD_TICKET_APPROVE:
		return "{\"plan_hash\":\"sha256:0\"}";
	case UD_TICKET_REJECT:
		return "{\"note\":\"no\"}";
	case UD_TICKET_ATTEST:
		return fmt(w,
			"{\"vm_id\":\"vm_00000000000000000000000000\",\"statement\":\"I pulled the plug myself.\"}");
	case UD_TICKET_WAIVE:
		return "{\"vm_id\":\"vm_00000000000000000000000000\",\"statement\":\"We live with it for a week.\","
		       "\"expires_at\":\"2026-12-31T00:00:00Z\"}";
	case UD_TICKET_MERGE:
		return fmt(w, "{\"into_id\":\"%s\"}", other);
	case UD_TICKET_SPLIT:
		return "{\"subject\":\"Another thing\"}";
	case UD_TICKET_TRANSFER:
		return "{\"to\":\"the vendor\"}";
	case UD_TICKET_EDIT:
		return "{\"severity\":\"high\"}";
	case UD_TICKET_COMMENT:
		return "{\"body\":\"Hello\"}";
	default:
		return "{}";
	}
}

/* Where the table says that a ticket goes by an event; -1 = nowhere. */
static int goal(enum ud_ticket_event event, unsigned state)
{
	for (size_t i = 0; i < ud_ticket_move_count; i++)
		if (ud_ticket_moves[i].event == event && ud_ticket_moves[i].from >> state & 1)
			return ud_ticket_moves[i].to == UD_TICKET_SAME ? (int)state
								       : ud_ticket_moves[i].to;
	return -1;
}

/* One cell: what is listed is what happens, and the state is then the table's. */
static void try_cell(struct world *w, const char *id, const char *other, enum who who,
	unsigned state, enum ud_ticket_event op)
{
	const char *name = ud_ticket_events.names[op];

	put_into(w, id, state);
	struct reply seen = expect(w, who, "GET", fmt(w, "/v1/tickets/%s", id), NULL, 200);
	bool listed = lists(seen.json, name);
	const char *any[] = { "If-Match: *", NULL };
	const char *path = op == UD_TICKET_EDIT ? fmt(w, "/v1/tickets/%s", id)
		: op == UD_TICKET_COMMENT       ? fmt(w, "/v1/tickets/%s/comments", id)
						: fmt(w, "/v1/tickets/%s/%s", id, name);
	struct reply r = call(w, who, op == UD_TICKET_EDIT ? "PATCH" : "POST",
		fmt(w, "%s?dry_run=true", path), body_for(w, op, other), any);

	if (listed != (r.status / 100 == 2) || r.status >= 500)
		fail_msg("%s in state %s by %s is %slisted, and answers %d %s", name,
			ud_ticket_states.names[state], who_names[who], listed ? "" : "not ",
			r.status, r.body);
	if (!listed || op == UD_TICKET_SPLIT || op == UD_TICKET_COMMENT)
		return;
	int to = goal(op == UD_TICKET_WAIT ? UD_TICKET_WAIT_VENDOR : op, state);

	assert_string_equal(text_at(r.json, "state"), ud_ticket_states.names[to]);
}

static void what_is_listed_is_what_happens(void **state)
{
	static const enum who callers[] = { OPERATOR, LEAD, ENGINEER, AUDITOR, OWN_ADMIN,
		OWN_APPROVER, OWN_OPERATOR, OWN_VIEWER };
	struct world *w = *state;
	const char *id = incident(w), *other = incident(w);
	int cells = 0;

	for (size_t i = 0; i < UD_LEN(callers); i++)
		for (unsigned s = 0; s < UD_TICKET_STATE_COUNT; s++)
			for (int op = 0; op < UD_TICKET_OPERATION_COUNT; op++, cells++)
				try_cell(w, id, other, callers[i], s, (enum ud_ticket_event)op);
	printf("# %d cells of state, operation and role\n", cells);
	assert_true(cells > 1500);
}

static void the_table_reaches_every_state_and_has_no_twins(void **state)
{
	unsigned reached = 1 << UD_TICKET_NEW;

	(void)state;
	for (size_t i = 0; i < ud_ticket_move_count; i++) {
		const struct ud_ticket_move *m = &ud_ticket_moves[i];

		assert_non_null(m->verb);
		assert_true(m->from != 0);
		if (m->to != UD_TICKET_SAME)
			reached |= 1U << m->to;
		for (size_t j = 0; j < i; j++)
			if (ud_ticket_moves[j].event == m->event &&
				ud_ticket_moves[j].from & m->from)
				fail_msg("%s has two rows for one state",
					ud_ticket_events.names[m->event]);
	}
	assert_int_equal(reached, (1 << UD_TICKET_STATE_COUNT) - 1);
	for (int e = 0; e < UD_TICKET_EVENT_COUNT; e++) {
		size_t i = 0;

		while (i < ud_ticket_move_count && (int)ud_ticket_moves[i].event != e)
			i++;
		if (i == ud_ticket_move_count)
			fail_msg("%s never happens", ud_ticket_events.names[e]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ticket_is_opened_once_and_has_a_number),
		cmocka_unit_test(lists_find_and_filter),
		cmocka_unit_test(the_table_reaches_every_state_and_has_no_twins),
		cmocka_unit_test(what_is_listed_is_what_happens),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
