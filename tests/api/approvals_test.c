/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Approvals: who may give them and how many it takes, what makes them void, and that two who come
 * at once have one effect.
 */
#include <pthread.h>
#include <string.h>

#include "db/approvals.h"
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

static struct reply open_change(struct world *w, enum who who, const char *severity)
{
	const char *headers[] = { fmt(w, "Idempotency-Key: change-%d", keys++), NULL };
	struct reply r = call(w, who, "POST", "/v1/tickets",
		fmt(w, "{\"type\":\"firewall_change\",\"subject\":\"Open 443\",\"severity\":\"%s\"%s}",
			severity,
			who >= OWN_ADMIN ? "" : fmt(w, ",\"customer_id\":\"%s\"", w->own)),
		headers);

	assert_int_equal(r.status, 201);
	return r;
}

static struct reply decide(
	struct world *w, enum who who, const char *id, const char *verb, const char *hash)
{
	return callf(w, who, "POST", fmt(w, "/v1/tickets/%s/%s", id, verb),
		strcmp(verb, "approve") == 0 ? "{\"plan_hash\":\"%s\"}" : "{\"note\":\"%s\"}",
		hash);
}

static const char *state_of(struct world *w, const char *id)
{
	return text_at(expect(w, AUDITOR, "GET", fmt(w, "/v1/tickets/%s", id), NULL, 200).json,
		"approval");
}

static void each_side_approves_once(void **state)
{
	struct world *w = *state;
	struct reply t = open_change(w, OWN_OPERATOR, "normal"), r;
	const char *id = text_at(t.json, "id"), *hash = text_at(t.json, "plan_hash");

	assert_string_equal(text_at(t.json, "approval"), "awaiting");
	assert_memory_equal(hash, "sha256:", 7);
	r = decide(w, OWN_APPROVER, id, "approve", "sha256:another");
	expect_code(&r, 409, "plan_changed");
	r = decide(w, OWN_OPERATOR, id, "approve", hash);
	expect_code(&r, 403, "role_missing");
	r = decide(w, OPERATOR, id, "approve", hash);
	expect_code(&r, 403, "role_missing");
	r = decide(w, OTHER_ADMIN, id, "approve", hash);
	expect_code(&r, 404, "not_found");
	r = expect(w, ENGINEER, "POST", fmt(w, "/v1/tickets/%s/solve", id), "{}", 409);
	assert_non_null(strstr(text_at(r.json, "detail"), "approval"));
	r = decide(w, OWN_APPROVER, id, "approve", hash);
	assert_int_equal(r.status, 200);
	assert_string_equal(text_at(r.json, "approval"), "awaiting");
	r = decide(w, OWN_APPROVER, id, "approve", hash);
	expect_code(&r, 409, "invalid_state");
	r = decide(w, OWN_ADMIN, id, "approve", hash); /* a second of the same side is not enough */
	assert_string_equal(text_at(r.json, "approval"), "awaiting");
	r = decide(w, ENGINEER, id, "approve", hash);
	assert_string_equal(text_at(r.json, "approval"), "approved");
	r = decide(w, LEAD, id, "approve", hash);
	expect_code(&r, 409, "invalid_state");
	r = expect(w, OWN_VIEWER, "GET", fmt(w, "/v1/tickets/%s/approvals", id), NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 3);
	expect(w, ENGINEER, "POST", fmt(w, "/v1/tickets/%s/solve", id), "{}", 200);
}

static void a_requester_may_be_one_of_two(void **state)
{
	struct world *w = *state;
	struct reply t = open_change(w, OWN_APPROVER, "normal"), r;
	const char *id = text_at(t.json, "id"), *hash = text_at(t.json, "plan_hash");

	r = decide(w, OWN_APPROVER, id, "approve", hash);
	assert_string_equal(text_at(r.json, "approval"), "awaiting");
	r = decide(w, ENGINEER, id, "approve", hash);
	assert_string_equal(text_at(r.json, "approval"), "approved");
}

static void a_change_makes_approvals_void(void **state)
{
	struct world *w = *state;
	struct reply t = open_change(w, OWN_OPERATOR, "normal"), r;
	const char *id = text_at(t.json, "id"), *hash = text_at(t.json, "plan_hash");

	assert_int_equal(decide(w, OWN_APPROVER, id, "approve", hash).status, 200);
	r = expect(w, OWN_OPERATOR, "PATCH", fmt(w, "/v1/tickets/%s", id),
		"{\"body\":\"and 8443, too\"}", 200);
	const char *fresh = text_at(r.json, "plan_hash");

	assert_string_not_equal(fresh, hash);
	r = decide(w, ENGINEER, id, "approve", hash);
	expect_code(&r, 409, "plan_changed");
	r = decide(w, ENGINEER, id, "approve", fresh);
	assert_string_equal(text_at(r.json, "approval"), "awaiting");
	r = decide(w, OWN_APPROVER, id, "approve", fresh); /* again, under the new plan */
	assert_string_equal(text_at(r.json, "approval"), "approved");
	r = expect(w, AUDITOR, "GET", fmt(w, "/v1/tickets/%s/approvals", id), NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.void_reason"), "the ticket changed");
	/* approved, and changed then: it starts anew */
	r = expect(w, OWN_OPERATOR, "PATCH", fmt(w, "/v1/tickets/%s", id),
		"{\"severity\":\"high\"}", 200);
	assert_string_equal(text_at(r.json, "approval"), "awaiting");
}

static void an_approval_ceases_to_count_after_a_day(void **state)
{
	struct world *w = *state;
	struct reply t = open_change(w, OWN_OPERATOR, "normal"), r;
	const char *id = text_at(t.json, "id"), *hash = text_at(t.json, "plan_hash");

	assert_int_equal(decide(w, OWN_APPROVER, id, "approve", hash).status, 200);
	w->clock_ms += INT64_C(86400000) + 1000;
	r = decide(w, ENGINEER, id, "approve", hash);
	assert_string_equal(text_at(r.json, "approval"), "awaiting");
	world_tick(w);
	r = expect(w, AUDITOR, "GET", fmt(w, "/v1/tickets/%s/approvals", id), NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.void_reason"), "its time was up");
	r = decide(w, OWN_APPROVER, id, "approve", hash);
	assert_string_equal(text_at(r.json, "approval"), "approved");
	w->clock_ms = 0;
}

/* Nobody calls: the tick alone finds it. */
static void ticks_note_what_ceased_to_count(void **state)
{
	struct world *w = *state;
	struct reply t = open_change(w, OWN_OPERATOR, "normal"), r;
	const char *id = text_at(t.json, "id"), *hash = text_at(t.json, "plan_hash");

	assert_int_equal(decide(w, OWN_APPROVER, id, "approve", hash).status, 200);
	w->clock_ms += INT64_C(86400000) + 1000;
	world_tick(w);
	w->clock_ms = 0;
	r = expect(w, AUDITOR, "GET", fmt(w, "/v1/tickets/%s/history", id), NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.type"), "ticket.approval_expired");
}

static void a_rejected_ticket_is_over(void **state)
{
	struct world *w = *state;
	struct reply t = open_change(w, OWN_OPERATOR, "normal"), r;
	const char *id = text_at(t.json, "id"), *hash = text_at(t.json, "plan_hash");

	r = decide(w, OWN_OPERATOR, id, "reject", "no");
	expect_code(&r, 403, "role_missing");
	r = decide(w, ENGINEER, id, "reject", "It opens too much.");
	assert_int_equal(r.status, 200);
	assert_string_equal(text_at(r.json, "state"), "rejected");
	assert_string_equal(text_at(r.json, "approval"), "rejected");
	r = decide(w, OWN_APPROVER, id, "approve", hash);
	expect_code(&r, 409, "invalid_state");
	r = expect(w, OWN_VIEWER, "GET", fmt(w, "/v1/tickets/%s/approvals", id), NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.note"), "It opens too much.");
}

static void policies_only_add(void **state)
{
	struct world *w = *state;
	struct reply r = callf(w, OWN_ADMIN, "POST", "/v1/approval-policies",
		"{\"name\":\"Two of ours\",\"ticket_type\":\"firewall_change\",\"least_severity\":\"high\","
		"\"customer_approvals\":2,\"requester\":\"never\"}");

	assert_int_equal(r.status, 201);
	const char *policy = text_at(r.json, "id");
	struct reply low = open_change(w, OWN_APPROVER, "normal"),
		     high = open_change(w, OWN_APPROVER, "high");
	const char *hash = text_at(high.json, "plan_hash"), *id = text_at(high.json, "id");

	/* below its severity the provider's own policy counts alone */
	r = decide(w, OWN_APPROVER, text_at(low.json, "id"), "approve",
		text_at(low.json, "plan_hash"));
	assert_int_equal(r.status, 200);
	r = decide(w, OWN_APPROVER, id, "approve", hash);
	expect_code(&r, 403, "own_request");
	r = callf(w, OWN_ADMIN, "POST", fmt(w, "/v1/approval-policies/%s/evaluate", policy),
		"{\"ticket_id\":\"%s\"}", id);
	assert_true(json_is_true(json_object_get(r.json, "applies")));
	assert_int_equal(number_at(r.json, "customer_needed"), 2);
	assert_int_equal(number_at(r.json, "staff_needed"), 1);
	/* others do not see it, and their tickets do not know it */
	expect(w, OTHER_ADMIN, "GET", fmt(w, "/v1/approval-policies/%s", policy), NULL, 404);
	/* what the house asks for at least is not made less */
	r = callf(w, LEAD, "POST", "/v1/approval-policies",
		"{\"name\":\"Easy\",\"ticket_type\":\"failover\",\"failover_kind\":\"unplanned\",\"customer_approvals\":0,"
		"\"staff_approvals\":1,\"requester\":\"alone\"}");
	expect_code(&r, 422, "validation_failed");
	assert_int_equal(json_array_size(json_object_get(r.json, "errors")), 2);
	/* named approvers: nobody else of that side */
	r = callf(w, OWN_ADMIN, "POST", "/v1/approval-policies",
		"{\"name\":\"Only she\",\"ticket_type\":\"firewall_change\",\"least_severity\":\"urgent\",\"approver_ids\":[\"%s\"]}",
		w->principal[OWN_ADMIN]);
	assert_int_equal(r.status, 201);
	r = callf(w, OWN_ADMIN, "POST", "/v1/approval-policies",
		"{\"name\":\"A stranger\",\"ticket_type\":\"change\",\"approver_ids\":[\"%s\"]}",
		w->principal[OTHER_ADMIN]);
	expect_code(&r, 422, "validation_failed");
	struct reply urgent = open_change(w, OWN_OPERATOR, "urgent");

	id = text_at(urgent.json, "id"), hash = text_at(urgent.json, "plan_hash");
	r = decide(w, OWN_APPROVER, id, "approve", hash);
	expect_code(&r, 403, "role_missing");
	r = decide(w, OWN_ADMIN, id, "approve", hash);
	assert_int_equal(r.status, 200);
	for (int i = 0; i < 2; i++) { /* the provider's cannot be taken away by a customer */
		expect(w, OWN_ADMIN, "DELETE",
			"/v1/approval-policies/apl_00000000000000000000000004", NULL, 403);
		expect(w, OWN_ADMIN, "PATCH",
			"/v1/approval-policies/apl_00000000000000000000000004",
			"{\"enabled\":false}", 403);
	}
	r = expect(w, OWN_ADMIN, "GET", "/v1/approval-policies", NULL, 200);
	for (size_t i = 0; i < json_array_size(json_object_get(r.json, "data")); i++) {
		const char *mine = text_at(r.json, fmt(w, "data.%zu.id", i));

		if (strcmp(text_at(r.json, fmt(w, "data.%zu.customer_id", i)), w->own) == 0)
			expect(w, OWN_ADMIN, "DELETE", fmt(w, "/v1/approval-policies/%s", mine),
				NULL, 204);
	}
}

struct approver {
	pthread_t thread;
	struct world *w;
	enum who who;
	const char *path, *body;
	int status;
};

static void *approve_now(void *data)
{
	struct approver *a = data;
	struct client c = { .base = a->w->server->base_url, .token = a->w->token[a->who] };

	a->status = client_call(&c, "POST", a->path, a->body, NULL);
	client_end(&c);
	return NULL;
}

/* Both sides at the same moment, and one of them twice: each person counts once, and the ticket is
 * approved once. */
static void approvals_that_come_at_once_have_one_effect(void **state)
{
	static const enum who callers[] = { OWN_APPROVER, ENGINEER, OWN_APPROVER, ENGINEER, LEAD,
		OWN_ADMIN };
	struct world *w = *state;

	for (int round = 0; round < 10; round++) {
		struct reply t = open_change(w, OWN_OPERATOR, "normal"), r;
		const char *id = text_at(t.json, "id");
		struct approver all[UD_LEN(callers)];
		size_t approved = 0, i;
		json_t *e;

		for (i = 0; i < UD_LEN(callers); i++)
			all[i] = (struct approver){ .w = w,
				.who = callers[i],
				.path = fmt(w, "/v1/tickets/%s/approve", id),
				.body = fmt(w, "{\"plan_hash\":\"%s\"}",
					text_at(t.json, "plan_hash")) };
		for (i = 0; i < UD_LEN(callers); i++)
			assert_int_equal(
				pthread_create(&all[i].thread, NULL, approve_now, &all[i]), 0);
		for (i = 0; i < UD_LEN(callers); i++) {
			pthread_join(all[i].thread, NULL);
			assert_true(all[i].status == 200 || all[i].status == 409);
		}
		r = expect(w, AUDITOR, "GET", fmt(w, "/v1/tickets/%s/history?limit=200", id), NULL,
			200);
		json_array_foreach(json_object_get(r.json, "data"), i, e) approved +=
			strcmp(text_at(e, "type"), "ticket.approved") == 0;
		assert_int_equal(approved, 1);
		assert_string_equal(state_of(w, id), "approved");
	}
}

static void a_program_decides_nothing(void **state)
{
	struct world *w = *state;
	struct reply t = open_change(w, OWN_OPERATOR, "normal"),
		     r = callf(w, OWN_ADMIN, "POST", "/v1/service-accounts",
			     "{\"name\":\"robot\",\"role\":\"customer_admin\"}");
	const char *account = text_at(r.json, "id");
	const char *before = w->token[OWN_VIEWER];

	r = expect(w, OWN_ADMIN, "POST", fmt(w, "/v1/service-accounts/%s/tokens", account),
		"{\"name\":\"robot\",\"scopes\":[\"*\"]}", 201);
	w->token[OWN_VIEWER] = text_at(r.json, "token");
	r = decide(w, OWN_VIEWER, text_at(t.json, "id"), "approve", text_at(t.json, "plan_hash"));
	expect_code(&r, 403, "person_required");
	r = decide(w, OWN_VIEWER, text_at(t.json, "id"), "reject", "no");
	expect_code(&r, 403, "person_required");
	r = open_change(w, OWN_VIEWER, "normal"); /* but it files */
	assert_int_equal(r.status, 201);
	w->token[OWN_VIEWER] = before;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_side_approves_once),
		cmocka_unit_test(a_requester_may_be_one_of_two),
		cmocka_unit_test(a_change_makes_approvals_void),
		cmocka_unit_test(an_approval_ceases_to_count_after_a_day),
		cmocka_unit_test(ticks_note_what_ceased_to_count),
		cmocka_unit_test(a_rejected_ticket_is_over),
		cmocka_unit_test(policies_only_add),
		cmocka_unit_test(approvals_that_come_at_once_have_one_effect),
		cmocka_unit_test(a_program_decides_nothing),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
