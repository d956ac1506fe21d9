/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a customer's approver has agreed to beforehand: what it covers, what it leaves to people,
 * and how it ends.
 */
#include <string.h>

#include "support/stage.h"

static int keys;

static int begin(void **state)
{
	*state = stage_begin(3);
	return 0;
}

static int end(void **state)
{
	stage_end(*state);
	return 0;
}

/* An instant so many days from now. */
static const char *in_days(struct stage *s, int days)
{
	char at[UD_TIME_TEXT];

	ud_time_format(ud_now_ms(&s->w->env) + days * INT64_C(86400000), at);
	return fmt(s->w, "%s", at);
}

/* An order as OWN_APPROVER gives it; more: members with a comma at their end. */
static struct reply order(struct stage *s, enum who who, const char *more, int days)
{
	return callf(s->w, who, "POST", "/v1/standing-orders",
		"{%s\"name\":\"at night\",\"expires_at\":\"%s\","
		"\"statement\":\"When the site is down, do not wait for us.\"}",
		more, in_days(s, days));
}

/* The members of one for unplanned failovers of the first VMs. */
static const char *for_vms(struct stage *s, int vms)
{
	const char *ids = "";

	for (int i = 0; i < vms; i++)
		ids = fmt(s->w, "%s%s\"%s\"", ids, i ? "," : "", s->vms[i].id);
	return fmt(s->w,
		"\"kind\":\"unplanned\",\"outage_classes\":[\"site_outage\"],\"vm_ids\":[%s],",
		ids);
}

static const char *given(struct stage *s, const char *more)
{
	struct reply r = order(s, OWN_APPROVER, more, 30);

	if (r.status != 201)
		fail_msg("%s", r.body);
	assert_string_equal(text_at(r.json, "state"), "in_force");
	assert_string_equal(text_at(r.json, "allowed_operations.0"), "revoke");
	return text_at(r.json, "id");
}

static const char *state_of(struct stage *s, const char *id)
{
	return text_at(
		expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "/v1/standing-orders/%s", id), NULL, 200)
			.json,
		"state");
}

static struct reply ask(struct stage *s, enum who who, const char *kind, const char *reason,
	int vms, const char *more)
{
	const char *ids = "";

	for (int i = 0; i < vms; i++)
		ids = fmt(s->w, "%s%s\"%s\"", ids, i ? "," : "", s->vms[i].id);
	struct reply r = call(s->w, who, "POST", "/v1/tickets",
		fmt(s->w,
			"{\"type\":\"failover\",%s\"failover\":{\"kind\":\"%s\",\"reason_code\":\"%s\","
			"\"vm_ids\":[%s]%s}}",
			who == LEAD ? fmt(s->w, "\"customer_id\":\"%s\",", s->w->own) : "", kind,
			reason, ids, more),
		(const char *const[]){ fmt(s->w, "Idempotency-Key: order-%d", keys++), NULL });

	if (r.status != 201)
		fail_msg("%s", r.body);
	return r;
}

static struct reply approve(struct stage *s, enum who who, json_t *ticket)
{
	return callf(s->w, who, "POST", fmt(s->w, "/v1/tickets/%s/approve", text_at(ticket, "id")),
		"{\"plan_hash\":\"%s\"}", text_at(ticket, "plan_hash"));
}

/* How many approvals of a ticket count that follow from an order. */
static int by_order(struct stage *s, const char *ticket)
{
	struct reply r =
		expect(s->w, LEAD, "GET", fmt(s->w, "/v1/tickets/%s/approvals", ticket), NULL, 200);
	json_t *a;
	size_t i;
	int n = 0;

	json_array_foreach(json_object_get(r.json, "data"), i, a)
	{
		n += *text_at(a, "standing_order_id") && !*text_at(a, "voided_at");
	}
	return n;
}

/* Host 0 is lost. */
static void outage(struct stage *s)
{
	stage_kill(s, 0);
	stage_pass(s, 120);
}

/* One of the provider's people, and none of the customer's; the source is fenced as ever. */
static void staff_begins_what_was_agreed_to_beforehand(void **state)
{
	struct stage *s = *state;
	const char *id = given(s, for_vms(s, 2));

	outage(s);
	struct reply r = ask(s, OWN_OPERATOR, "unplanned", "site_outage", 1, "");
	const char *run = text_at(r.json, "failover_id"), *ticket = text_at(r.json, "id");

	assert_string_equal(text_at(r.json, "approval"), "awaiting");
	struct reply list = expect(
		s->w, OWN_VIEWER, "GET", fmt(s->w, "/v1/tickets/%s/approvals", ticket), NULL, 200);

	assert_string_equal(text_at(list.json, "data.0.standing_order_id"), id);
	assert_string_equal(text_at(list.json, "data.0.side"), "customer");
	assert_string_equal(text_at(list.json, "data.0.user_id"), s->w->principal[OWN_APPROVER]);
	assert_non_null(strstr(list.body, "do not wait for us"));
	stage_settle(s);
	stage_wants(s, run, "awaiting_approval", NULL); /* never without a person of the provider */
	struct reply yes = approve(s, OWN_OPERATOR, r.json);

	assert_int_equal(yes.status, 403); /* nor by the requester */
	yes = approve(s, ENGINEER, r.json);
	assert_int_equal(yes.status, 200);
	assert_string_equal(text_at(yes.json, "approval"), "approved");
	stage_settle(s);
	assert_int_equal(stage_where(s, 0), -1); /* nobody knows yet that the source is off */
	stage_attest(s, run, 0);
	stage_settle(s);
	assert_int_equal(stage_where(s, 0), 1);
	/* its epoch is another one: what was agreed to is used up */
	s->w->clock_ms += 700000;
	world_tick(s->w);
	assert_string_equal(state_of(s, id), "void");
}

/* Whoever of the provider asks for it is not the one who approves it. */
static void somebody_else_of_the_provider_approves(void **state)
{
	struct stage *s = *state;

	given(s, for_vms(s, 1));
	outage(s);
	struct reply r = ask(s, LEAD, "unplanned", "site_outage", 1, ""), yes;

	assert_int_equal(by_order(s, text_at(r.json, "id")), 1);
	yes = approve(s, LEAD, r.json);
	expect_code(&yes, 403, "own_request");
	yes = approve(s, ENGINEER, r.json);
	assert_string_equal(text_at(yes.json, "approval"), "approved");
}

static void it_holds_for_what_it_was_given_for_alone(void **state)
{
	static const struct {
		enum who who;
		const char *kind, *reason, *more;
		int vms, covered;
	} rows[] = {
		{ OWN_OPERATOR, "unplanned", "site_outage", "", 1, 1 },
		{ OWN_OPERATOR, "unplanned", "site_outage", "", 2, 1 },
		{ OWN_ADMIN, "unplanned", "site_outage", "", 2, 1 },
		{ LEAD, "unplanned", "site_outage", "", 1, 1 },
		{ OWN_APPROVER, "unplanned", "site_outage", "", 1, 0 }, /* who gave it asks */
		{ OWN_OPERATOR, "unplanned", "site_outage", "", 3, 0 }, /* one it does not name */
		{ OWN_OPERATOR, "unplanned", "virus_attack", ",\"acknowledge_latest\":true", 1, 0 },
		{ OWN_OPERATOR, "unplanned", "site_outage",
			",\"commit_policy\":\"commit\",\"commit_minutes\":5", 1, 0 },
		{ OWN_OPERATOR, "unplanned", "site_outage", ",\"acknowledge_latest\":true", 1, 0 },
		{ OWN_OPERATOR, "test", "validate_replication", "", 1, 0 },
		{ OWN_OPERATOR, "test", "test_recovery_plan", "", 1, 0 },
		{ OWN_OPERATOR, "planned", "host_maintenance", "", 1, 0 },
	};
	struct stage *s = *state;

	given(s, for_vms(s, 2));
	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct reply r = ask(
			s, rows[i].who, rows[i].kind, rows[i].reason, rows[i].vms, rows[i].more);
		const char *ticket = text_at(r.json, "id");
		int n = by_order(s, ticket);

		if (n != rows[i].covered)
			fail_msg("row %zu: %d", i, n);
		expect(s->w, LEAD, "POST", fmt(s->w, "/v1/tickets/%s/cancel", ticket), "{}", 200);
	}
	struct reply r = ask(s, OWN_OPERATOR, "unplanned", "site_outage", 1,
		fmt(s->w, ",\"recovery_point_id\":\"%s\"", s->vms[0].point_id));

	assert_int_equal(by_order(s, text_at(r.json, "id")), 0); /* an older point loses more */
}

/* A policy that asks for two of the customer asks for one beside the order. */
static void it_stands_for_one_approval(void **state)
{
	struct stage *s = *state;

	expect(s->w, OWN_ADMIN, "POST", "/v1/approval-policies",
		"{\"name\":\"two\",\"ticket_type\":\"failover\",\"failover_kind\":\"unplanned\","
		"\"customer_approvals\":2,\"staff_approvals\":1,\"approvals\":3,\"requester\":\"never\"}",
		201);
	given(s, for_vms(s, 1));
	outage(s);
	struct reply r = ask(s, OWN_OPERATOR, "unplanned", "site_outage", 1, ""), yes;

	yes = approve(s, ENGINEER, r.json);
	assert_string_equal(text_at(yes.json, "approval"), "awaiting");
	yes = approve(s, OWN_APPROVER, r.json);
	expect_code(&yes, 409, "invalid_state"); /* that one has agreed already */
	yes = approve(s, OWN_ADMIN, r.json);
	assert_string_equal(text_at(yes.json, "approval"), "approved");
}

/* An order is its giver's word: it says nothing once that person has none. */
static void it_ends_with_its_givers_word(void **state)
{
	struct stage *s = *state;
	const char *giver = s->w->principal[OWN_APPROVER];

	given(s, for_vms(s, 2));
	outage(s);
	expect(s->w, OWN_ADMIN, "POST", fmt(s->w, "/v1/users/%s/disable", giver), "{}", 200);
	struct reply r = ask(s, OWN_OPERATOR, "unplanned", "site_outage", 1, "");

	assert_int_equal(by_order(s, text_at(r.json, "id")), 0);
	assert_int_equal(order(s, OWN_ADMIN, for_vms(s, 2), 30).status, 201);
	r = ask(s, OWN_OPERATOR, "unplanned", "site_outage", 1, "");
	assert_int_equal(by_order(s, text_at(r.json, "id")), 1);
	expect(s->w, OWN_ADMIN, "POST", "/v1/approval-policies",
		fmt(s->w,
			"{\"name\":\"only she\",\"ticket_type\":\"failover\","
			"\"failover_kind\":\"unplanned\",\"customer_approvals\":1,\"staff_approvals\":1,\"approvals\":2,\"requester\":\"never\",\"approver_ids\":[\"%s\"]}",
			giver),
		201);
	r = ask(s, OWN_OPERATOR, "unplanned", "site_outage", 1, "");
	assert_int_equal(by_order(s, text_at(r.json, "id")), 0);
}

static void it_is_revoked_at_once(void **state)
{
	struct stage *s = *state;
	const char *id = given(s, for_vms(s, 1)), *path = fmt(s->w, "/v1/standing-orders/%s", id);

	outage(s);
	struct reply r = ask(s, OWN_OPERATOR, "unplanned", "site_outage", 1, ""), no;

	expect(s->w, OWN_OPERATOR, "POST", fmt(s->w, "%s/revoke", path), "{\"reason\":\"x\"}", 403);
	expect(s->w, OTHER_ADMIN, "POST", fmt(s->w, "%s/revoke", path), "{\"reason\":\"x\"}", 404);
	expect(s->w, OTHER_ADMIN, "GET", path, NULL, 404);
	expect(s->w, LEAD, "POST", fmt(s->w, "%s/revoke", path), "{\"reason\":\"They rang.\"}",
		200);
	assert_int_equal(by_order(s, text_at(r.json, "id")), 0);
	no = approve(s, ENGINEER, r.json);
	assert_string_equal(text_at(no.json, "approval"), "awaiting");
	no = expect(
		s->w, OWN_ADMIN, "POST", fmt(s->w, "%s/revoke", path), "{\"reason\":\"x\"}", 409);
	no = expect(s->w, OWN_ADMIN, "GET", path, NULL, 200);
	assert_string_equal(text_at(no.json, "state"), "revoked");
	assert_string_equal(text_at(no.json, "end_reason"), "They rang.");
	assert_int_equal(json_array_size(json_object_get(no.json, "allowed_operations")), 0);
	r = ask(s, OWN_OPERATOR, "unplanned", "site_outage", 1, "");
	assert_int_equal(by_order(s, text_at(r.json, "id")), 0);
	no = expect(s->w, AUDITOR, "GET", fmt(s->w, "/v1/events?subject_id=%s", id), NULL, 200);
	assert_non_null(strstr(no.body, "standing_order.created"));
	assert_non_null(strstr(no.body, "standing_order.revoked"));
}

static enum ud_code change_policy(struct ud_ctx *cx, void *data)
{
	return ud_exec(cx, NULL, "UPDATE vms SET fencing_policy = 'lease' WHERE id = $1",
		UD_VALS(ud_t(data)));
}

/* Another of its VMs has changed: nobody may rely on the rest. */
static void it_is_void_when_anything_of_it_changes(void **state)
{
	struct stage *s = *state;
	const char *id = given(s, for_vms(s, 2));
	struct reply r = ask(s, OWN_OPERATOR, "unplanned", "site_outage", 1, "");
	const char *ticket = text_at(r.json, "id");

	s->w->clock_ms += 700000;
	stage_pass(s, 1);
	world_tick(s->w);
	assert_string_equal(state_of(s, id), "in_force");
	world_write(s->w, change_policy, (void *)s->vms[1].id);
	r = ask(s, OWN_ADMIN, "unplanned", "site_outage", 1, "");
	assert_int_equal(by_order(s, text_at(r.json, "id")), 0); /* before anybody looked */
	assert_int_equal(by_order(s, ticket), 1);
	s->w->clock_ms += 700000;
	world_tick(s->w);
	assert_string_equal(state_of(s, id), "void");
	assert_int_equal(by_order(s, ticket), 0);
	r = expect(s->w, OWN_APPROVER, "GET", fmt(s->w, "/v1/me/notifications?subject_id=%s", id),
		NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 1);
	assert_non_null(strstr(
		r.body, "Standing order \\\"at night\\\": what it was given for has changed"));
}

static void it_expires(void **state)
{
	struct stage *s = *state;
	const char *id = given(s, for_vms(s, 1));

	s->w->clock_ms += 31 * INT64_C(86400000);
	stage_pass(s, 1);
	struct reply r = ask(s, OWN_OPERATOR, "unplanned", "site_outage", 1, "");

	assert_int_equal(by_order(s, text_at(r.json, "id")), 0);
	world_tick(s->w);
	assert_string_equal(state_of(s, id), "expired");
}

static const char *plan(struct stage *s, const char *more)
{
	struct reply r = expect(s->w, OWN_APPROVER, "POST", "/v1/recovery-plans",
		fmt(s->w, "{\"name\":\"plan\",\"members\":[{\"vm_id\":\"%s\"}]%s}", s->vms[0].id,
			more),
		201);

	return text_at(r.json, "id");
}

static void what_cannot_be_agreed_to(void **state)
{
	struct stage *s = *state;
	const char *fine = for_vms(s, 1);
	const struct {
		enum who who;
		const char *more;
		int days, status;
		const char *code;
	} rows[] = {
		{ OWN_APPROVER, fine, 0, 422, "out_of_range" },
		{ OWN_APPROVER, fine, 367, 422, "out_of_range" },
		{ OWN_OPERATOR, fine, 1, 403, "role_missing" },
		{ LEAD, fine, 1, 403, "role_missing" }, /* nobody agrees for the customer */
		{ OTHER_ADMIN, fine, 1, 422, "not_found" },
		{ OWN_ADMIN, "\"kind\":\"unplanned\",", 1, 422, "required" },
		{ OWN_ADMIN, "\"kind\":\"unplanned\",\"outage_classes\":[\"site_outage\"],", 1, 422,
			"required" },
		{ OWN_ADMIN, "\"kind\":\"unplanned\",\"outage_classes\":[\"virus_attack\"],", 1,
			422, "not_allowed" },
		{ OWN_ADMIN, "\"kind\":\"planned\",", 1, 422, "not_allowed" },
		{ OWN_ADMIN, fmt(s->w, "\"kind\":\"test\",\"vm_ids\":[\"%s\"],", s->vms[0].id), 1,
			422, "required" },
		{ OWN_ADMIN,
			fmt(s->w,
				"\"kind\":\"test\",\"outage_classes\":[\"site_outage\"],\"plan_id\":\"%s\",",
				plan(s, "")),
			1, 422, "not_allowed" },
	};

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct reply r = order(s, rows[i].who, rows[i].more, rows[i].days);

		if (r.status != rows[i].status || !strstr(r.body, rows[i].code))
			fail_msg("row %zu: %d %s", i, r.status, r.body);
	}
	expect(s->w, OWN_ADMIN, "POST", "/v1/approval-policies",
		fmt(s->w,
			"{\"name\":\"us\",\"ticket_type\":\"failover\",\"approver_ids\":[\"%s\"]}",
			s->w->principal[OWN_ADMIN]),
		201);
	struct reply r = order(s, OWN_APPROVER, fine, 1);

	expect_code(&r, 403, "role_missing"); /* no approver by the customer's own policy */
	s->hosts[1].down = true;
	s->w->clock_ms += 120000;
	r = order(s, OWN_ADMIN, fine, 1);
	expect_code(&r, 409, "invalid_state");
	assert_string_equal(text_at(r.json, "detail"), "The replica's host does not answer.");
}

/* The drill that is due begins by itself where that was agreed to; else people are asked. */
static void a_drill_begins_by_standing_order(void **state)
{
	struct stage *s = *state;
	const char *id = plan(s, ",\"drill_interval_days\":1");

	given(s, fmt(s->w, "\"kind\":\"test\",\"plan_id\":\"%s\",", id));
	struct reply r = call(s->w, OWN_OPERATOR, "POST", "/v1/tickets",
		fmt(s->w,
			"{\"type\":\"failover\",\"failover\":{\"kind\":\"test\",\"plan_id\":\"%s\","
			"\"reason_code\":\"test_recovery_plan\"}}",
			id),
		(const char *const[]){ "Idempotency-Key: by-hand", NULL });

	assert_int_equal(by_order(s, text_at(r.json, "id")), 0); /* that is no drill that is due */
	expect(s->w, OWN_OPERATOR, "POST",
		fmt(s->w, "/v1/tickets/%s/cancel", text_at(r.json, "id")), "{}", 200);
	s->w->clock_ms += 2 * INT64_C(86400000);
	stage_pass(s, 1);
	world_tick(s->w);
	r = expect(s->w, LEAD, "GET", "/v1/tickets?type=failover&approval=approved", NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 1);
	assert_string_equal(text_at(r.json, "data.0.customer_id"), s->w->own);
	const char *run = text_at(r.json, "data.0.failover_id");

	stage_settle(s);
	stage_wants(s, run, "test_running", NULL);
	assert_int_equal(stage_where(s, 0), 0);
	r = expect(s->w, LEAD, "GET", "/v1/tickets?type=drill", NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 0);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(staff_begins_what_was_agreed_to_beforehand),
		STORY(somebody_else_of_the_provider_approves),
		STORY(it_holds_for_what_it_was_given_for_alone),
		STORY(it_stands_for_one_approval),
		STORY(it_ends_with_its_givers_word),
		STORY(it_is_revoked_at_once),
		STORY(it_is_void_when_anything_of_it_changes),
		STORY(it_expires),
		STORY(what_cannot_be_agreed_to),
		STORY(a_drill_begins_by_standing_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
