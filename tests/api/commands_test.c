/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands as the server keeps them: delivered after they were marked, ended by their own number
 * alone, expired and withdrawn while nobody has them, and what follows their end.
 */
#include <string.h>

#include "db/events.h"
#include "db/hosts.h"
#include "db/operations.h"
#include "db/vms.h"
#include "server/jobs/work.h"
#include "support/agents.h"

static int begin(void **state)
{
	*state = port_begin(world_begin(), ud_agent_routes);
	return 0;
}

static int end(void **state)
{
	struct port *p = *state;
	struct world *w = p->w;

	port_end(p);
	world_end(w);
	return 0;
}

/* A command to be, and the operation that waits for it. */
struct wish {
	struct port *p;
	struct ud_command_new in;
	struct ud_operation op;
	int64_t seq;
	const struct ud_command_reaction *reactions;
	struct ud_wire_result answer;
	bool yes;
};

static enum ud_code add(struct ud_ctx *cx, void *data)
{
	struct wish *x = data;

	x->op = (struct ud_operation){
		.kind = "test", .state = UD_OPERATION_WAITING, .requested_by = "sys_test"
	};
	UD_TRY(ud_row_insert(cx, &ud_operations, &x->op));
	x->in.operation_id = x->op.row.id;
	return ud_command_send(cx, &x->p->w->server->commanding, &x->in, &x->seq);
}

/* Tell a host to do something; the command and its operation are stored. */
static struct wish tell(struct port *p, const char *host, const char *verb)
{
	struct wish x = { .p = p,
		.in = { .host_id = host,
			.verb = verb,
			.args = "{\"a\":1}",
			.timeout_seconds = 60,
			.wait_seconds = 60 } };

	world_write(p->w, add, &x);
	return x;
}

static struct reply poll_for(struct port *p, const struct shown *s, int wait, const char *working)
{
	return port_call(p, s, "POST", fmt(p->w, "/v1/agent/poll?wait=%d", wait),
		fmt(p->w,
			"{\"agent_boot\":\"run\",\"host_boot\":\"boot\",\"agent_version\":\"0\",\"working\":%s}",
			working));
}

static struct reply answer(struct port *p, const struct shown *s, const struct wish *x, int64_t seq,
	const char *outcome)
{
	return port_call(p, s, "POST", "/v1/agent/result",
		fmt(p->w,
			"{\"subject_id\":\"%s\",\"seq\":%lld,\"outcome\":\"%s\",\"result\":{\"b\":2},\"agent_boot\":\"run\"}",
			x->in.host_id, (long long)seq, outcome));
}

static const char *state_of(struct port *p, const struct wish *x)
{
	return text_at(expect(p->w, AUDITOR, "GET", fmt(p->w, "/v1/operations/%s", x->op.row.id),
			       NULL, 200)
			       .json,
		"state");
}

static bool fresh(const struct reply *r)
{
	assert_int_equal(r->status, 200);
	return json_is_true(json_object_get(r->json, "fresh"));
}

static void a_command_reaches_its_host_alone(void **state)
{
	struct port *p = *state;
	struct shown mine = port_enroll(p, port_host(p)), other = port_enroll(p, port_host(p));
	struct wish x = tell(p, mine.host_id, "logs");
	struct reply r;

	assert_int_equal(poll_for(p, &other, 0, "[]").status, 204);
	assert_string_equal(state_of(p, &x), "waiting");
	r = poll_for(p, &mine, 20, "[]");
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(text_at(r.json, "commands.0.payload"), "\"verb\":\"logs\""));
	assert_int_equal(strlen(text_at(r.json, "commands.0.signature")), 86);
	assert_string_equal(state_of(p, &x), "running");
	/* and comes again until the host says it has it */
	assert_int_equal(poll_for(p, &mine, 0, "[]").status, 200);
	assert_int_equal(
		poll_for(p, &mine, 0, fmt(p->w, "[\"%s/%lld\"]", mine.host_id, (long long)x.seq))
			.status,
		204);
}

static void an_answer_belongs_to_its_number(void **state)
{
	struct port *p = *state;
	struct shown mine = port_enroll(p, port_host(p)), other = port_enroll(p, port_host(p));
	struct wish x = tell(p, mine.host_id, "logs");
	struct reply r;

	poll_for(p, &mine, 20, "[]");
	r = answer(p, &mine, &x, x.seq + 1, "done");
	assert_false(fresh(&r));
	r = answer(p, &other, &x, x.seq, "done");
	assert_false(fresh(&r));
	assert_string_equal(state_of(p, &x), "running");
	r = answer(p, &mine, &x, x.seq, "done");
	assert_true(fresh(&r));
	assert_string_equal(state_of(p, &x), "succeeded");
	r = answer(p, &mine, &x, x.seq, "failed");
	assert_false(fresh(&r));
	assert_string_equal(state_of(p, &x), "succeeded");
	assert_int_equal(poll_for(p, &mine, 0, "[]").status, 204);
}

static void progress_is_seen_in_the_operation(void **state)
{
	struct port *p = *state;
	struct shown s = port_enroll(p, port_host(p));
	struct wish x = tell(p, s.host_id, "logs");
	const char *path = fmt(p->w, "/v1/operations/%s", x.op.row.id);

	poll_for(p, &s, 20, "[]");
	struct reply r = port_call(p, &s, "POST", "/v1/agent/progress",
		fmt(p->w,
			"{\"subject_id\":\"%s\",\"seq\":%lld,\"percent\":40,\"steps\":[{\"name\":\"one\"}]}",
			s.host_id, (long long)x.seq));

	assert_int_equal(r.status, 204);
	/* stored within a second; a deadline of 20 s */
	for (int i = 0; i < 20; i++) {
		r = expect(p->w, AUDITOR, "GET", path, NULL, 200);
		if (number_at(r.json, "progress_percent") == 40)
			break;
		poll_for(p, &s, 1, fmt(p->w, "[\"%s/%lld\"]", s.host_id, (long long)x.seq));
	}
	assert_int_equal(number_at(r.json, "progress_percent"), 40);
	assert_string_equal(text_at(r.json, "steps.0.name"), "one");
	answer(p, &s, &x, x.seq, "done");
	assert_string_equal(state_of(p, &x), "succeeded");
}

static void what_nobody_fetches_expires(void **state)
{
	struct port *p = *state;
	struct shown s = port_enroll(p, port_host(p));
	struct wish x = tell(p, s.host_id, "logs"), y;
	struct reply r;

	world_tick(p->w);
	assert_string_equal(state_of(p, &x), "waiting");
	p->w->clock_ms += 61000;
	world_tick(p->w);
	r = expect(p->w, AUDITOR, "GET", fmt(p->w, "/v1/operations/%s", x.op.row.id), NULL, 200);
	assert_string_equal(text_at(r.json, "state"), "failed");
	assert_string_equal(text_at(r.json, "error.code"), "host_unreachable");
	assert_int_equal(poll_for(p, &s, 0, "[]").status, 204);
	/* what was delivered does not */
	y = tell(p, s.host_id, "logs");
	poll_for(p, &s, 20, "[]");
	p->w->clock_ms += 61000;
	world_tick(p->w);
	assert_string_equal(state_of(p, &y), "running");
}

static void a_canceled_operation_withdraws_what_was_not_delivered(void **state)
{
	struct port *p = *state;
	struct shown s = port_enroll(p, port_host(p));
	struct wish x = tell(p, s.host_id, "logs"), y;
	struct reply r;

	expect(p->w, OPERATOR, "POST", fmt(p->w, "/v1/operations/%s/cancel", x.op.row.id), "{}",
		200);
	assert_int_equal(poll_for(p, &s, 0, "[]").status, 204);
	r = answer(p, &s, &x, x.seq, "done");
	assert_false(fresh(&r));
	assert_string_equal(state_of(p, &x), "canceled");
	y = tell(p, s.host_id, "logs");
	poll_for(p, &s, 20, "[]");
	r = call(p->w, OPERATOR, "POST", fmt(p->w, "/v1/operations/%s/cancel", y.op.row.id), "{}",
		NULL);
	expect_code(&r, 409, "invalid_state");
	assert_string_equal(state_of(p, &y), "running");
}

static enum ud_code quarantine(struct ud_ctx *cx, void *data)
{
	return ud_exec(cx, NULL,
		"UPDATE agents SET may_promote = 0, state = 'quarantined' WHERE id = $1",
		UD_VALS(ud_t(data)));
}

static void an_agent_in_quarantine_is_never_told_to_promote(void **state)
{
	struct port *p = *state;
	struct shown s = port_enroll(p, port_host(p));
	char id[40];
	struct reply r;

	snprintf(id, sizeof(id), "%s", s.id);
	world_write(p->w, quarantine, id);
	struct wish x = tell(p, s.host_id, UD_VERB_PROMOTE);

	assert_int_equal(poll_for(p, &s, 1, "[]").status, 204);
	tell(p, s.host_id, "logs");
	r = poll_for(p, &s, 20, "[]");
	assert_int_equal(r.status, 200);
	assert_null(strstr(r.body, UD_VERB_PROMOTE));
	assert_string_equal(state_of(p, &x), "waiting");
}

/* A copy of the host's identity comes up while the promotion is on its way: it is not told again.
 */
static void a_promotion_that_was_delivered_is_not_told_to_a_copy(void **state)
{
	struct port *p = *state;
	struct shown s = port_enroll(p, port_host(p));
	char id[40];
	struct reply r;

	snprintf(id, sizeof(id), "%s", s.id);
	struct wish x = tell(p, s.host_id, UD_VERB_PROMOTE);

	assert_non_null(strstr(poll_for(p, &s, 20, "[]").body, UD_VERB_PROMOTE));
	assert_non_null(strstr(poll_for(p, &s, 1, "[]").body, UD_VERB_PROMOTE));
	world_write(p->w, quarantine, id);
	assert_int_equal(poll_for(p, &s, 1, "[]").status, 204);
	tell(p, s.host_id, "logs");
	r = poll_for(p, &s, 20, "[]");
	assert_int_equal(r.status, 200);
	assert_null(strstr(r.body, UD_VERB_PROMOTE));
	/* who began it may still answer */
	assert_int_equal(answer(p, &s, &x, x.seq, "done").status, 200);
}

/* ---- what follows ---- */

static enum ud_code next_command(struct ud_ctx *cx, const struct ud_command_ended *c)
{
	const struct ud_command_new in = { .host_id = c->host_id,
		.verb = "after",
		.args = c->args,
		.ticket_id = c->ticket_id,
		.timeout_seconds = 60,
		.wait_seconds = 60 };
	int64_t seq;

	return ud_command_send(cx, c->commanding, &in, &seq);
}

static enum ud_code note_any(struct ud_ctx *cx, const struct ud_command_ended *c)
{
	return ud_event_add_plain(cx,
		ud_printf(cx->arena, "test.%s_%s", c->verb, ud_command_states.names[c->state]),
		NULL, "host", c->subject_id, c->result);
}

static enum ud_code answer_it(struct ud_ctx *cx, void *data)
{
	struct wish *x = data;
	const struct ud_commanding c = { x->p->w->server->keys.seal, x->reactions };

	return ud_command_answer(cx, &c, x->in.host_id, &x->answer, &x->yes);
}

static void an_end_is_followed_by_its_reactions(void **state)
{
	static const struct ud_command_reaction reactions[] = { { "first", next_command },
		{ NULL, note_any }, { "first", note_any }, { NULL, NULL } };
	struct port *p = *state;
	struct shown s = port_enroll(p, port_host(p));
	struct wish x = tell(p, s.host_id, "first");
	struct reply r;

	x.reactions = reactions;
	x.answer = (struct ud_wire_result){ .subject_id = s.host_id,
		.seq = x.seq,
		.outcome = UD_OUTCOME_DONE,
		.result.text = "{\"x\":1}" };
	world_write(p->w, answer_it, &x);
	assert_true(x.yes);
	world_write(p->w, answer_it, &x); /* once only */
	assert_false(x.yes);
	r = expect(p->w, AUDITOR, "GET", "/v1/events?limit=200", NULL, 200);
	const char *at = strstr(r.body, "test.first_done");

	assert_non_null(at);
	assert_null(strstr(at + 1, "test.first_done"));
	r = poll_for(p, &s, 20, "[]");
	assert_non_null(strstr(text_at(r.json, "commands.0.payload"), "\"verb\":\"after\""));
	assert_non_null(strstr(text_at(r.json, "commands.0.payload"), "\"args\":{\"a\":1}"));
	assert_string_equal(text_at(r.json, "commands.1.payload"), "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_command_reaches_its_host_alone, begin, end),
		cmocka_unit_test_setup_teardown(an_answer_belongs_to_its_number, begin, end),
		cmocka_unit_test_setup_teardown(progress_is_seen_in_the_operation, begin, end),
		cmocka_unit_test_setup_teardown(what_nobody_fetches_expires, begin, end),
		cmocka_unit_test_setup_teardown(
			a_canceled_operation_withdraws_what_was_not_delivered, begin, end),
		cmocka_unit_test_setup_teardown(
			an_agent_in_quarantine_is_never_told_to_promote, begin, end),
		cmocka_unit_test_setup_teardown(
			a_promotion_that_was_delivered_is_not_told_to_a_copy, begin, end),
		cmocka_unit_test_setup_teardown(an_end_is_followed_by_its_reactions, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
