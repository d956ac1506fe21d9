/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A failover as people see it: asked for by a ticket, approved by those who may, followed by the
 * ticket's state, and solved when everything is in order. Agents are played by the stage.
 */
#include <string.h>

#include "base/machine.h"
#include "db/inventory.h"
#include "support/stage.h"

static int keys;

static int begin(void **state)
{
	*state = stage_begin(1);
	return 0;
}

static int begin_two(void **state)
{
	*state = stage_begin(2);
	return 0;
}

static int end(void **state)
{
	stage_end(*state);
	return 0;
}

static struct reply ask(struct stage *s, enum who who, const char *kind, const char *reason)
{
	const char *headers[] = { fmt(s->w, "Idempotency-Key: run-%d", keys++), NULL };

	return call(s->w, who, "POST", "/v1/tickets",
		fmt(s->w,
			"{\"type\":\"failover\",\"failover\":{\"kind\":\"%s\",\"reason_code\":\"%s\",\"vm_ids\":[\"%s\"]}}",
			kind, reason, s->vms[0].id),
		headers);
}

static struct reply ticket(struct stage *s, const char *id)
{
	return expect(s->w, OWN_OPERATOR, "GET", fmt(s->w, "/v1/tickets/%s", id), NULL, 200);
}

static void ticket_is(struct stage *s, const char *id, const char *state)
{
	struct reply r = ticket(s, id);

	if (strcmp(text_at(r.json, "state"), state) != 0)
		fail_msg("wanted %s: %s", state, r.body);
}

static struct reply approve(struct stage *s, enum who who, const char *id)
{
	const char *hash = text_at(ticket(s, id).json, "plan_hash");

	return callf(s->w, who, "POST", fmt(s->w, "/v1/tickets/%s/approve", id),
		"{\"plan_hash\":\"%s\"}", hash);
}

static struct reply act(struct stage *s, enum who who, const char *id, const char *verb)
{
	return call(s->w, who, "POST", fmt(s->w, "/v1/tickets/%s/%s", id, verb), "{}", NULL);
}

static void a_drill_is_approved_by_one_and_solves_itself(void **state)
{
	struct stage *s = *state;
	struct reply r = ask(s, OWN_OPERATOR, "test", "validate_replication");

	assert_int_equal(r.status, 201);
	const char *id = text_at(r.json, "id"), *run = text_at(r.json, "failover_id");

	assert_memory_equal(run, "flo_", 4);
	assert_memory_equal(text_at(r.json, "plan_hash"), "sha256:", 7);
	assert_int_equal(json_array_size(json_object_get(r.json, "blockers")), 0);
	assert_true(json_is_object(json_object_get(r.json, "predicted")));
	assert_string_equal(text_at(r.json, "customer_id"), s->w->own);
	assert_string_equal(text_at(r.json, "subject"), "Test failover of 1 VM");
	assert_non_null(strstr(text_at(r.json, "number"), "-"));
	assert_string_equal(text_at(r.json, "failover_kind"), "test");
	expect(s->w, OTHER_ADMIN, "GET", fmt(s->w, "/v1/tickets/%s", id), NULL, 404);
	r = call(s->w, OWN_OPERATOR, "POST", fmt(s->w, "/v1/tickets/%s/approve", id),
		"{\"plan_hash\":\"sha256:another\"}", NULL);
	expect_code(&r, 409, "plan_changed");
	r = act(s, OWN_OPERATOR, id, "solve");
	expect_code(&r, 409, "invalid_state");
	stage_settle(s);
	stage_wants(s, run, "awaiting_approval", NULL);
	r = approve(s, OWN_OPERATOR, id); /* the requester alone: it is a drill */
	assert_int_equal(r.status, 200);
	assert_string_equal(text_at(r.json, "approval"), "approved");
	stage_settle(s);
	stage_wants(s, run, "test_running", NULL);
	ticket_is(s, id, "pending_customer");
	r = act(s, OWN_OPERATOR, id, "cancel");
	expect_code(&r, 409, "invalid_state");
	r = act(s, ENGINEER, id, "solve");
	expect_code(&r, 409, "invalid_state");
	assert_non_null(strstr(text_at(r.json, "detail"), "test VM is still there"));
	stage_press(s, OWN_OPERATOR, run, "verify", "{\"result\":\"pass\"}", 200);
	stage_press(s, OWN_OPERATOR, run, "cleanup-test", "{}", 202);
	stage_settle(s);
	world_tick(s->w);
	ticket_is(s, id, "solved");
	r = expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "/v1/tickets/%s/history?limit=200", id), NULL,
		200);
	assert_non_null(strstr(r.body, "\"ticket.approved\""));
	assert_non_null(strstr(r.body, "\"ticket.run_asked\""));
	assert_non_null(strstr(r.body, "\"ticket.solved\""));
	/* reopened by a person it stays open: its run has nothing more to say */
	r = act(s, OWN_OPERATOR, id, "reopen");
	assert_int_equal(r.status, 200);
	world_tick(s->w);
	ticket_is(s, id, "open");
}

/* It is solved like any other, and somebody has to find out why. */
static void a_drill_that_failed_opens_an_incident(void **state)
{
	struct stage *s = *state;
	struct reply r = ask(s, OWN_OPERATOR, "test", "validate_replication");
	const char *id = text_at(r.json, "id"), *run = text_at(r.json, "failover_id");

	approve(s, OWN_OPERATOR, id);
	s->vms[0].unseen = 9;
	stage_settle(s);
	stage_wants(s, run, "test_running", NULL);
	assert_string_equal(stage_text(s, run, "verdict"), "failed");
	stage_press(s, OWN_OPERATOR, run, "cleanup-test", "{}", 202);
	stage_settle(s);
	world_tick(s->w);
	ticket_is(s, id, "solved");
	r = expect(s->w, LEAD, "GET", "/v1/tickets?type=incident", NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 1);
	assert_string_equal(text_at(r.json, "data.0.state"), "new");
	assert_string_equal(text_at(r.json, "data.0.customer_id"), s->w->own);
	assert_string_equal(
		text_at(r.json, "data.0.subject"), "A test failover failed: Test failover of 1 VM");
	assert_string_equal(text_at(r.json, "data.0.resource_ids.0"), s->vms[0].id);
	r = expect(s->w, OWN_VIEWER, "GET",
		fmt(s->w, "/v1/tickets/%s/links", text_at(r.json, "data.0.id")), NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.other_id"), id);
	assert_string_equal(text_at(r.json, "data.0.relation"), "is_caused_by");
}

static void a_planned_failover_takes_both_sides(void **state)
{
	struct stage *s = *state;
	struct reply r = ask(s, OWN_APPROVER, "planned", "host_maintenance");
	const char *id = text_at(r.json, "id"), *run = text_at(r.json, "failover_id");

	assert_int_equal(r.status, 201);
	r = approve(s, OWN_OPERATOR, id);
	expect_code(&r, 403, "role_missing");
	r = approve(s, OWN_APPROVER, id);
	assert_string_equal(text_at(r.json, "approval"), "awaiting");
	stage_settle(s);
	stage_wants(s, run, "awaiting_approval", NULL);
	r = approve(s, ENGINEER, id);
	assert_string_equal(text_at(r.json, "approval"), "approved");
	stage_settle(s);
	stage_wants(s, run, "customer_validation", NULL);
	ticket_is(s, id, "pending_customer");
	stage_press(s, OWN_APPROVER, run, "verify", "{\"result\":\"pass\"}", 200);
	stage_settle(s);
	ticket_is(s, id, "open");
	r = act(s, ENGINEER, id, "solve");
	assert_int_equal(r.status, 200);
	stage_wants(s, run, "solved", NULL);
}

static void two_people_state_that_the_source_is_off(void **state)
{
	struct stage *s = *state;
	const char *statement = "I stood before the rack and pulled both cords.";

	stage_kill(s, 0);
	struct reply r = ask(s, OWN_ADMIN, "unplanned", "site_outage");
	const char *id = text_at(r.json, "id"), *run = text_at(r.json, "failover_id");
	const char *path = fmt(s->w, "/v1/tickets/%s/attest-down", id);
	const char *format = "{\"vm_id\":\"%s\",\"statement\":\"%s\"}";

	assert_int_equal(r.status, 201);
	r = approve(s, OWN_ADMIN, id);
	expect_code(&r, 403, "own_request");
	assert_int_equal(approve(s, OWN_APPROVER, id).status, 200);
	assert_int_equal(approve(s, LEAD, id).status, 200);
	stage_settle(s);
	stage_wants(s, run, "waiting", "fencing");
	r = callf(s->w, OWN_APPROVER, "POST", path, format, s->vms[0].id, "It is off.");
	expect_code(&r, 422, "validation_failed");
	r = callf(s->w, OWN_OPERATOR, "POST", path, format, s->vms[0].id, statement);
	expect_code(&r, 403, "role_missing");
	r = callf(s->w, OWN_APPROVER, "POST", path, format, "vm_00000000000000000000000000",
		statement);
	expect_code(&r, 422, "validation_failed");
	r = callf(s->w, OWN_APPROVER, "POST", path, format, s->vms[0].id, statement);
	assert_int_equal(r.status, 200);
	assert_true(json_is_false(json_object_get(r.json, "effective")));
	stage_settle(s);
	stage_wants(s, run, "waiting", "fencing");
	r = callf(s->w, OWN_APPROVER, "POST", path, format, s->vms[0].id, statement);
	expect_code(&r, 409, "invalid_state");
	r = callf(s->w, ENGINEER, "POST", path, format, s->vms[0].id, statement);
	assert_true(json_is_true(json_object_get(r.json, "effective")));
	stage_settle(s);
	stage_wants(s, run, "customer_validation", NULL);
	assert_int_equal(stage_where(s, 0), 1);
	r = expect(
		s->w, OWN_VIEWER, "GET", fmt(s->w, "/v1/tickets/%s/attestations", id), NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 2);
	r = act(s, ENGINEER, id, "solve");
	expect_code(&r, 409, "invalid_state");
}

static void what_is_rejected_or_withdrawn_never_begins(void **state)
{
	struct stage *s = *state;
	struct reply r = ask(s, OWN_OPERATOR, "planned", "host_maintenance");
	const char *id = text_at(r.json, "id"), *run = text_at(r.json, "failover_id");

	assert_int_equal(approve(s, OWN_APPROVER, id).status, 200);
	r = callf(s->w, ENGINEER, "POST", fmt(s->w, "/v1/tickets/%s/reject", id),
		"{\"note\":\"Not in the freeze.\"}");
	assert_string_equal(text_at(r.json, "state"), "rejected");
	r = approve(s, LEAD, id);
	expect_code(&r, 409, "invalid_state");
	stage_settle(s);
	stage_wants(s, run, "rolled_back", "rejected");
	r = ask(s, OWN_OPERATOR, "planned", "host_maintenance");
	id = text_at(r.json, "id"), run = text_at(r.json, "failover_id");
	r = act(s, OWN_OPERATOR, id, "cancel");
	assert_string_equal(text_at(r.json, "resolution"), "canceled");
	stage_settle(s);
	stage_wants(s, run, "rolled_back", "cancelled");
	assert_int_equal(stage_where(s, 0), 0);
}

static void what_cannot_be_asked_makes_no_ticket(void **state)
{
	struct stage *s = *state;
	int64_t before = stage_count(s, "SELECT COUNT(*) FROM tickets");
	struct reply r = ask(s, OTHER_ADMIN, "test", "validate_replication");

	expect_code(&r, 422, "validation_failed");
	r = ask(s, OWN_OPERATOR, "test", "site_outage");
	expect_code(&r, 422, "validation_failed");
	r = ask(s, OWN_VIEWER, "test", "validate_replication");
	expect_code(&r, 403, "role_missing");
	r = call(s->w, OWN_OPERATOR, "POST", "/v1/tickets?dry_run=true",
		fmt(s->w,
			"{\"type\":\"failover\",\"failover\":{\"kind\":\"test\",\"reason_code\":\"validate_replication\",\"vm_ids\":[\"%s\"]}}",
			s->vms[0].id),
		(const char *const[]){ "Idempotency-Key: dry", NULL });
	assert_int_equal(r.status / 100, 2);
	assert_true(json_is_object(json_object_get(r.json, "predicted")));
	assert_int_equal(stage_count(s, "SELECT COUNT(*) FROM tickets"), before);
	assert_int_equal(stage_count(s, "SELECT COUNT(*) FROM failovers"), 0);
}

/* ---- predictions ---- */

/* So many drills of a customer that came to serve after first, first + 1, … seconds, from data of
 * the same age; of every one more than 5 seconds and less than 110 had been predicted. */
struct drills {
	const char *customer_id, *vm_id;
	int count, first;
};

static enum ud_code tell_drills(struct ud_ctx *cx, void *data)
{
	const struct drills *d = data;
	static int tickets;

	for (int i = 0; i < d->count; i++) {
		struct ud_failover f = { 0 };

		ud_shape_init(ud_failovers.shape, &f);
		f.row.customer_id = d->customer_id;
		f.ticket_id = ud_printf(cx->arena, "tkt_%d", tickets++);
		f.state = UD_FAILOVER_SOLVED;
		f.phase = "evidence_ready";
		f.reason_code = "validate_replication";
		f.vm_ids = (struct ud_texts){ (const char **)&d->vm_id, 1 };
		f.plan_hash = "";
		f.plan.text = "{}";
		f.blockers.text = "[]";
		f.predicted.text = "{\"rto_low_seconds\":5,\"rto_high_seconds\":110}";
		f.rto_measured_seconds = f.rpo_measured_seconds = d->first + i;
		UD_TRY(ud_row_insert(cx, &ud_failovers, &f));
	}
	return UD_OK;
}

/* What a dry run tells. */
static json_t *dry_run(struct stage *s, const char *kind, const char *reason)
{
	struct reply r = call(s->w, OWN_OPERATOR, "POST", "/v1/tickets?dry_run=true",
		fmt(s->w,
			"{\"type\":\"failover\",\"failover\":{\"kind\":\"%s\","
			"\"reason_code\":\"%s\",\"vm_ids\":[\"%s\"]}}",
			kind, reason, s->vms[0].id),
		(const char *const[]){ fmt(s->w, "Idempotency-Key: dry-%d", keys++), NULL });

	assert_int_equal(r.status / 100, 2);
	return r.json;
}

static json_t *foretold(struct stage *s, const char *kind, const char *reason)
{
	return json_object_get(dry_run(s, kind, reason), "predicted");
}

static void learnt(json_t *p, const char *basis, int runs, int percent, int low, int high)
{
	assert_string_equal(text_at(p, "basis"), basis);
	assert_int_equal(number_at(p, "runs"), runs);
	assert_int_equal(number_at(p, "confidence_percent"), percent);
	assert_int_equal(number_at(p, "rto_low_seconds"), low);
	assert_int_equal(number_at(p, "rto_high_seconds"), high);
}

static void what_a_run_takes_is_learnt_from_earlier_ones(void **state)
{
	struct stage *s = *state;
	struct drills own = { s->w->own, "vms_another", 3, 10 };

	world_write(s->w, tell_drills,
		&(struct drills){ s->w->other, s->vms[0].id, 39, 5000 }); /* never looked at */
	learnt(foretold(s, "test", "validate_replication"), "assumed", 0, 0, 20, 300);
	world_write(s->w, tell_drills, &own);
	learnt(foretold(s, "test", "validate_replication"), "customer", 3, 50, 10, 300);
	own = (struct drills){ s->w->own, s->vms[0].id, 18, 101 };
	world_write(s->w, tell_drills, &own);
	json_t *p = foretold(s, "test", "validate_replication");

	/* too few of the same VMs, enough of the customer: 10, 11, 12, 101 to 118 */
	learnt(p, "customer", 21, 90, 10, 118);
	assert_int_equal(number_at(p, "graded_runs"), 21);
	assert_int_equal(number_at(p, "held_runs"), 13);
	own = (struct drills){ s->w->own, s->vms[0].id, 21, 119 };
	world_write(s->w, tell_drills, &own);
	p = foretold(s, "test", "validate_replication");
	learnt(p, "same_vms", 39, 90, 102, 138); /* of 101 to 139 */
	assert_int_equal(number_at(p, "rto_seconds"), 120);
	assert_int_equal(number_at(p, "downtime_high_seconds"), 0);
	assert_int_equal(number_at(p, "rpo_high_seconds"), 138);
	assert_int_equal(number_at(p, "held_runs"), 10);
	p = foretold(s, "planned", "host_maintenance"); /* another kind */
	learnt(p, "assumed", 0, 0, 30, 900);
	assert_int_equal(number_at(p, "downtime_high_seconds"), 900);
	assert_int_equal(number_at(p, "rpo_high_seconds"), 0);
}

/* ---- a place to come up ---- */

/* The first VM has 1 GiB and a card in br0 on its host. The replica's host has so much memory, and
 * tells of the second VM, which has one card. */
struct place {
	int host_mib, other_mib;
	const char *power, *network, *address;
};
struct seeing {
	struct stage *s;
	const struct place *place;
};

static enum ud_code see(struct ud_ctx *cx, const char *vm_id, const char *host_id, const char *text)
{
	struct ud_machine m = { 0 };
	bool redefined;

	UD_TRY(ud_shape_read(cx, &ud_machine_shape, text, strlen(text), &m));
	return ud_inventory_seen(cx, vm_id, host_id, &m, &redefined);
}

static enum ud_code see_place(struct ud_ctx *cx, void *data)
{
	const struct seeing *g = data;
	const struct place *p = g->place;

	UD_TRY(ud_inventory_host(cx, g->s->hosts[1].id,
		ud_printf(cx->arena, "{\"hypervisor\":\"kvm\",\"memory_bytes\":%lld}",
			(long long)p->host_mib << 20)));
	UD_TRY(see(cx, g->s->vms[0].id, g->s->hosts[0].id,
		"{\"uuid\":\"00000000-0000-4000-8000-000000000001\",\"name\":\"x\",\"power\":\"running\","
		"\"memory_bytes\":1073741824,"
		"\"nics\":[{\"mac\":\"52:54:00:00:00:01\",\"source\":\"br0\"}]}"));
	return see(cx, g->s->vms[1].id, g->s->hosts[1].id,
		ud_printf(cx->arena,
			"{\"uuid\":\"00000000-0000-4000-8000-000000000002\",\"name\":\"y\",\"power\":\"%s\","
			"\"memory_bytes\":%lld,\"nics\":[{\"mac\":\"52:54:00:00:00:02\","
			"\"source\":\"%s\",\"addresses\":[\"%s\"]}]}",
			p->power, (long long)p->other_mib << 20, p->network, p->address));
}

/* How a dry run of each kind tells of this, test, planned and unplanned: not at all, as a warning,
 * or as what forbids it; each with a fix. */
static const char *told(struct stage *s, const char *code)
{
	static const char *const kinds[][2] = { { "test", "validate_replication" },
		{ "planned", "host_maintenance" }, { "unplanned", "site_outage" } };
	char said[UD_LEN(kinds) + 1] = "---";
	json_t *b;
	size_t n;

	for (size_t i = 0; i < UD_LEN(kinds); i++)
		json_array_foreach(
			json_object_get(dry_run(s, kinds[i][0], kinds[i][1]), "blockers"), n, b)
		{
			if (strcmp(text_at(b, "code"), code) != 0)
				continue;
			assert_true(*text_at(b, "text") && *text_at(b, "fix"));
			assert_string_equal(text_at(b, "subject"), s->vms[0].id);
			said[i] = json_is_true(json_object_get(b, "warning")) ? 'w' : 'b';
		}
	return fmt(s->w, "%s", said);
}

static void memory_is_missed_before_it_is_needed(void **state)
{
	/* of 4 GiB the host keeps a sixteenth, 256 MiB */
	static const struct {
		struct place place;
		const char *told;
	} rows[] = {
		{ { 0, 3072, "running", "", "" }, "---" },
		{ { 4096, 1792, "running", "", "" }, "---" },
		{ { 4096, 1793, "running", "", "" }, "b--" }, /* the test beside the real one */
		{ { 4096, 2816, "paused", "", "" }, "b--" },
		{ { 4096, 2817, "running", "", "" }, "bbw" },
		{ { 4096, 2817, "off", "", "" }, "---" },
		{ { 512, 0, "off", "", "" }, "bbw" },
	};
	struct stage *s = *state;

	assert_string_equal(told(s, "target_memory_short"), "---"); /* nothing is known */
	for (size_t i = 0; i < UD_LEN(rows); i++) {
		world_write(s->w, see_place, &(struct seeing){ s, &rows[i].place });
		const char *said = told(s, "target_memory_short");

		if (strcmp(said, rows[i].told) != 0)
			fail_msg("row %zu: %s", i, said);
	}
}

static const char *network(struct stage *s, const char *site, const char *name)
{
	return text_at(expect(s->w, LEAD, "POST", "/v1/networks",
			       fmt(s->w,
				       "{\"name\":\"%s\",\"site_id\":\"%s\",\"isolated\":false,"
				       "\"purpose\":\"production\"}",
				       name, site),
			       201)
			       .json,
		"id");
}

/* 192.0.2.7 is kept for the VM's card in the network front, where br0 is mapped to; the block. */
static const char *keep(struct stage *s)
{
	const char *host = fmt(s->w, "/v1/hosts/%s", s->hosts[1].id);
	const char *site = text_at(expect(s->w, LEAD, "GET", host, NULL, 200).json, "site_id");
	const char *here = network(s, site, "br0"), *there = network(s, site, "front");

	expect(s->w, LEAD, "PUT", fmt(s->w, "/v1/networks/%s/failover-map", here),
		fmt(s->w, "{\"entries\":[{\"target_site_id\":\"%s\",\"real_network_id\":\"%s\"}]}",
			site, there),
		200);
	const char *block = text_at(
		expect(s->w, LEAD, "POST", "/v1/ip-blocks",
			fmt(s->w,
				"{\"prefix\":\"192.0.2.0/24\",\"kind\":\"private\",\"site_id\":\"%s\","
				"\"network_id\":\"%s\",\"gateway\":\"192.0.2.1\"}",
				site, there),
			201)
			.json,
		"id");

	expect(s->w, LEAD, "POST", "/v1/ip-addresses",
		fmt(s->w,
			"{\"block_id\":\"%s\",\"address\":\"192.0.2.7\",\"purpose\":\"failover_reserved\","
			"\"vm_id\":\"%s\",\"customer_id\":\"%s\"}",
			block, s->vms[0].id, s->w->own),
		201);
	return block;
}

static enum ud_code give_away(struct ud_ctx *cx, void *data)
{
	const struct stage *s = data;

	return ud_exec(cx, NULL, "UPDATE vms SET customer_id = $2 WHERE id = $1",
		UD_VALS(ud_t(s->vms[1].id), ud_t(s->w->other)));
}

static const char *conflict(struct stage *s)
{
	json_t *list = json_object_get(dry_run(s, "planned", "host_maintenance"), "blockers"), *b;
	size_t i;

	json_array_foreach(list, i, b)
	{
		if (strcmp(text_at(b, "code"), "ip_conflict") == 0)
			return text_at(b, "text");
	}
	fail_msg("no conflict is told");
	return NULL;
}

static void an_address_that_something_has_is_told_before(void **state)
{
	static const struct {
		struct place place;
		const char *told;
	} rows[] = {
		{ { 0, 0, "running", "front", "192.0.2.77/24" }, "---" },
		{ { 0, 0, "running", "back", "192.0.2.7/24" }, "---" },
		{ { 0, 0, "off", "front", "192.0.2.7/24" }, "---" },
		{ { 0, 0, "running", "front", "192.0.2.7" }, "-bw" },
		{ { 0, 0, "running", "front", "192.0.2.7/24" }, "-bw" },
	};
	struct stage *s = *state;
	const char *block = keep(s);

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		world_write(s->w, see_place, &(struct seeing){ s, &rows[i].place });
		const char *said = told(s, "ip_conflict");

		if (strcmp(said, rows[i].told) != 0)
			fail_msg("row %zu: %s", i, said);
	}
	assert_non_null(strstr(conflict(s), s->vms[1].name));
	world_write(s->w, give_away, s);
	assert_null(strstr(conflict(s), s->vms[1].name)); /* others' VMs are not named */
	world_write(s->w, see_place, &(struct seeing){ s, &rows[0].place });
	assert_string_equal(told(s, "ip_conflict"), "---");
	expect(s->w, LEAD, "PATCH", fmt(s->w, "/v1/ip-blocks/%s", block),
		"{\"gateway\":\"192.0.2.7\"}", 200);
	assert_non_null(strstr(conflict(s), "router"));
}

/* ---- step-up ---- */

static void a_session_proves_itself_before_it_approves(void **state)
{
	struct stage *s = *state;
	struct world *w = s->w;
	static const char password[] = "an altogether Fine phrase";
	struct reply r = callf(w, OWN_ADMIN, "POST", "/v1/users",
		"{\"email\":\"anna@example.net\",\"display_name\":\"Anna\",\"role\":\"customer_approver\",\"password\":\"%s\"}",
		password);

	assert_int_equal(r.status, 201);
	r = callf(w, NOBODY, "POST", "/v1/sessions",
		"{\"email\":\"anna@example.net\",\"password\":\"%s\"}", password);
	assert_int_equal(r.status, 201);
	const char *set = header_of(w, &r, "Set-Cookie");
	const char *headers[] = { fmt(w, "Cookie: %.*s", (int)strcspn(set, ";"), set),
		fmt(w, "X-CSRF-Token: %s", text_at(r.json, "csrf_token")), NULL };
	struct reply test = ask(s, OWN_OPERATOR, "test", "validate_replication"),
		     planned = ask(s, OWN_OPERATOR, "planned", "host_maintenance");

	r = call(w, NOBODY, "POST", fmt(w, "/v1/tickets/%s/approve", text_at(planned.json, "id")),
		fmt(w, "{\"plan_hash\":\"%s\"}", text_at(planned.json, "plan_hash")), headers);
	expect_code(&r, 401, "step_up_required");
	r = call(w, NOBODY, "POST", fmt(w, "/v1/tickets/%s/approve", text_at(test.json, "id")),
		fmt(w, "{\"plan_hash\":\"%s\"}", text_at(test.json, "plan_hash")), headers);
	assert_int_equal(r.status, 200); /* a drill needs none */
	r = call(w, NOBODY, "POST", "/v1/me/step-up", fmt(w, "{\"password\":\"%s\"}", password),
		headers);
	assert_int_equal(r.status, 200);
	set = header_of(w, &r, "Set-Cookie");
	headers[0] = fmt(w, "Cookie: %.*s", (int)strcspn(set, ";"), set);
	r = call(w, NOBODY, "POST", fmt(w, "/v1/tickets/%s/approve", text_at(planned.json, "id")),
		fmt(w, "{\"plan_hash\":\"%s\"}", text_at(planned.json, "plan_hash")), headers);
	assert_int_equal(r.status, 200);
}

#define PAIR(f) cmocka_unit_test_setup_teardown(f, begin_two, end)
#define STORY(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_drill_is_approved_by_one_and_solves_itself),
		STORY(a_drill_that_failed_opens_an_incident),
		STORY(a_planned_failover_takes_both_sides),
		STORY(two_people_state_that_the_source_is_off),
		STORY(what_is_rejected_or_withdrawn_never_begins),
		STORY(what_cannot_be_asked_makes_no_ticket),
		STORY(what_a_run_takes_is_learnt_from_earlier_ones),
		PAIR(memory_is_missed_before_it_is_needed),
		PAIR(an_address_that_something_has_is_told_before),
		STORY(a_session_proves_itself_before_it_approves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
