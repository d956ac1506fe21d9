/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plan has done before its groups start and after they did: by people, in guests, by calls.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/env.h"
#include "base/socket.h"
#include "server/webhooks/webhooks.h"
#include "support/stage.h"

static int begin(void **state)
{
	*state = stage_begin(2);
	return 0;
}

static int end(void **state)
{
	stage_end(*state);
	return 0;
}

/* A plan of two VMs in two groups, of which this is said. */
static struct reply make_as(struct stage *s, enum who who, const char *groups, int status)
{
	static int n;

	return expect(s->w, who, "POST", "/v1/recovery-plans",
		fmt(s->w,
			"{%s\"name\":\"plan %d\",\"members\":[{\"vm_id\":\"%s\"},{\"vm_id\":\"%s\","
			"\"group\":1}],\"groups\":%s}",
			who == ENGINEER ? fmt(s->w, "\"customer_id\":\"%s\",", s->w->own) : "", ++n,
			s->vms[0].id, s->vms[1].id, groups),
		status);
}

static struct reply make(struct stage *s, const char *groups, int status)
{
	return make_as(s, OWN_APPROVER, groups, status);
}

/* A run of such a plan, as far as it comes. */
static const char *run_plan(
	struct stage *s, const char *kind, const char *reason, const char *groups)
{
	enum who who = strstr(groups, "script_host") ? ENGINEER : OWN_APPROVER;
	const char *plan = fmt(s->w, "%s", text_at(make_as(s, who, groups, 201).json, "id"));
	const char *headers[] = { fmt(s->w, "Idempotency-Key: %s-%s", plan, kind), NULL };
	struct reply r = call(s->w, OWN_OPERATOR, "POST", "/v1/tickets",
		fmt(s->w,
			"{\"type\":\"failover\",\"failover\":{\"kind\":\"%s\",\"plan_id\":\"%s\","
			"\"reason_code\":\"%s\"}}",
			kind, plan, reason),
		headers);

	if (r.status != 201)
		fail_msg("%s", r.body);
	const char *run = fmt(s->w, "%s", text_at(r.json, "failover_id"));

	stage_approve(s, run);
	stage_settle(s);
	return run;
}

static const char *planned(struct stage *s, const char *groups)
{
	return run_plan(s, "planned", "host_maintenance", groups);
}

static struct reply press(struct stage *s, enum who who, const char *run, const char *op,
	const char *body, int status)
{
	return stage_press(s, who, run,
		fmt(s->w, "steps/%lld/%s", (long long)stage_waiting_step(s, run), op), body,
		status);
}

static void wants_waiting(struct stage *s, const char *run, const char *code)
{
	stage_wants(s, run, "waiting", NULL);
	assert_string_equal(stage_text(s, run, "waiting_for.code"), code);
}

static void wants_done(struct stage *s, const char *run)
{
	stage_settle(s);
	stage_wants(s, run, "customer_validation", NULL);
	assert_int_equal(s->vms[1].at[1].starts, 1);
}

#define MANUAL(more) \
	"{\"name\":\"Tell the desk\",\"kind\":\"manual\",\"text\":\"Call 12.\"" more "}"
#define GUEST(more) \
	"{\"name\":\"Warm up\",\"kind\":\"script_guest\",\"program\":\"/opt/warm\"" more "}"

static void steps_are_said_by_field(void **state)
{
	struct stage *s = *state;
	const struct {
		const char *groups, *field, *rule;
	} rows[] = {
		{ "[{\"group\":0,\"after\":[{\"kind\":\"manual\",\"text\":\"x\"}]}]", "/name",
			"required" },
		{ "[{\"group\":0,\"after\":[{\"name\":\"a\",\"kind\":\"pray\"}]}]", "/kind",
			"not_allowed" },
		{ "[{\"group\":0,\"after\":[{\"name\":\"a\",\"kind\":\"manual\"}]}]", "/text",
			"required" },
		{ "[{\"group\":0,\"after\":[" MANUAL(",\"program\":\"/bin/true\"") "]}]",
			"/program", "not_allowed" },
		{ "[{\"group\":0,\"before\":[" GUEST("") "]}]", "/kind", "not_allowed" },
		{ "[{\"group\":0,\"before\":[{\"name\":\"a\",\"kind\":\"script_host\",\"program\":"
		  "\"../sh\"}]}]",
			"/program", "not_allowed" },
		{ "[{\"group\":0,\"after\":[" MANUAL("") "," MANUAL("") "]}]", "/name",
			"duplicate" },
		{ "[{\"group\":0,\"after\":[" GUEST(",\"timeout_seconds\":1") "]}]",
			"/timeout_seconds", "out_of_range" },
		{ fmt(s->w, "[{\"group\":0,\"after\":[" GUEST(",\"vm_id\":\"%s\"") "]}]",
			  s->vms[1].id),
			"/vm_id", "not_found" },
	};

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct reply r = make(s, rows[i].groups, 422);

		if (strcmp(text_at(r.json, "errors.0.pointer"), rows[i].field) != 0 ||
			strcmp(text_at(r.json, "errors.0.code"), rows[i].rule) != 0)
			fail_msg("%s: %s", rows[i].groups, r.body);
	}
}

/* A person of the side that it names does it, says what was done, and it goes on. */
static void people_do_a_step(void **state)
{
	struct stage *s = *state;
	const char *run = planned(s,
		"[{\"group\":1,\"before\":[" MANUAL(
			",\"owner\":\"customer\"") ",{\"name\":\"Open"
						   " the door\",\"kind\":\"manual\",\"owner\":\"staff\",\"text\":\"Key 7.\"}]}]");

	wants_waiting(s, run, "manual_step");
	assert_string_equal(stage_text(s, run, "waiting_for.who"), "customer");
	assert_string_equal(stage_text(s, run, "waiting_for.text"), "Tell the desk: Call 12.");
	assert_int_equal(s->vms[0].at[1].starts, 1);
	assert_int_equal(s->vms[1].at[1].starts, 0);
	stage_pass(s, 86400);
	stage_settle(s);
	assert_int_equal(s->vms[1].at[1].starts, 0);
	press(s, OWN_OPERATOR, run, "confirm", "{}", 422);
	press(s, ENGINEER, run, "retry", "{}", 409);
	press(s, OWN_OPERATOR, run, "confirm", "{\"notes\":\"They know.\"}", 200);
	stage_settle(s);
	wants_waiting(s, run, "manual_step");
	assert_string_equal(stage_text(s, run, "waiting_for.who"), "support");
	press(s, OWN_OPERATOR, run, "confirm", "{\"notes\":\"Open.\"}", 409);
	press(s, ENGINEER, run, "confirm", "{\"notes\":\"Open.\"}", 200);
	wants_done(s, run);
	/* both are in the record, with what people said */
	struct reply r = expect(
		s->w, OWN_VIEWER, "GET", fmt(s->w, "/v1/failovers/%s/timeline", run), NULL, 200);

	assert_non_null(strstr(r.body, "Tell the desk: They know."));
	assert_non_null(strstr(r.body, "Open the door: Open."));
	r = expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "/v1/failovers/%s/steps", run), NULL, 200);
	assert_non_null(strstr(r.body,
		"\"name\":\"plan_before.2\",\"phase\":\"plan_steps\",\"state\":\"done\",\"title\":"
		"\"Open the door\""));
}

/* Without it the group does not start; what is called off then leaves the VM where it was. */
static void a_step_that_is_needed_is_not_passed(void **state)
{
	struct stage *s = *state;
	const char *run =
		planned(s, "[{\"group\":1,\"before\":[" MANUAL(",\"on_fail\":\"stop\"") "]}]");

	wants_waiting(s, run, "manual_needed");
	press(s, ENGINEER, run, "skip", "{\"notes\":\"no\"}", 409);
	stage_press(s, ENGINEER, run, "cancel", "{}", 200);
	stage_settle(s);
	assert_int_equal(stage_where(s, 0), 1);
	assert_int_equal(stage_where(s, 1), 0);
	stage_wants(s, run, "customer_validation", NULL);
}

/* A program in a guest holds the next group until it has ended well. */
static void a_program_runs_in_a_guest(void **state)
{
	struct stage *s = *state;

	s->exits = 3;
	const char *run = planned(s, "[{\"group\":0,\"after\":[" GUEST("") "]}]");

	wants_waiting(s, run, "plan_step_failed");
	assert_string_equal(
		stage_text(s, run, "waiting_for.text"), "Warm up: It ended with 3: It said so.");
	assert_int_equal(s->programs, 1);
	assert_int_equal(s->vms[1].at[1].starts, 0);
	s->exits = 0;
	press(s, ENGINEER, run, "retry", "{}", 200);
	wants_done(s, run);
	assert_int_equal(s->programs, 2);
	assert_string_equal(stage_text(s, run, "verdict"), "passed");
}

/* On the host that the group is to start on, before it does. */
static void a_program_runs_on_the_host(void **state)
{
	struct stage *s = *state;

	s->exits = 3;
	const char *run = planned(s,
		"[{\"group\":1,\"before\":[{\"name\":\"Route\",\"kind\":\"script_host\",\"program\":"
		"\"route-here\",\"arguments\":[\"vlan7\"]}]}]");

	wants_waiting(s, run, "plan_step_failed");
	assert_int_equal(s->programs, 1);
	assert_int_equal(s->vms[1].at[1].starts, 0);
	assert_int_equal(
		stage_count(s,
			"SELECT COUNT(*) FROM commands WHERE verb = 'step_script' AND payload LIKE"
			" '%route-here%vlan7%'"),
		1);
	s->exits = 0;
	press(s, ENGINEER, run, "retry", "{}", 200);
	wants_done(s, run);
}

/* The provider's people put in what runs on hosts; the customer's may change the rest of the plan.
 */
static void customers_put_nothing_on_hosts(void **state)
{
	struct stage *s = *state;
	const char *groups =
		"[{\"group\":1,\"before\":[{\"name\":\"Route\",\"kind\":\"script_host\","
		"\"program\":\"route-here\"}]}]";
	const char *headers[] = { "If-Match: *", NULL };

	assert_string_equal(text_at(make(s, groups, 422).json, "errors.0.pointer"), "/groups");
	const char *path = fmt(s->w, "/v1/recovery-plans/%s",
		text_at(make_as(s, ENGINEER, groups, 201).json, "id"));

	assert_int_equal(
		call(s->w, OWN_APPROVER, "PATCH", path, "{\"note\":\"x\"}", headers).status, 200);
	assert_int_equal(call(s->w, OWN_APPROVER, "PATCH", path,
				 fmt(s->w, "{\"groups\":%s}", groups), headers)
				 .status,
		200);
	assert_int_equal(
		call(s->w, OWN_APPROVER, "PATCH", path,
			"{\"groups\":[{\"group\":1,\"before\":[{\"name\":\"Route\",\"kind\":"
			"\"script_host\",\"program\":\"other\"}]}]}",
			headers)
			.status,
		422);
}

/* Nobody knows whether it ran: it is not begun again by itself, whatever the plan says of failures.
 */
static void what_nobody_knows_is_asked(void **state)
{
	struct stage *s = *state;

	s->unknown_verb = "vm_run";
	const char *run =
		planned(s, "[{\"group\":0,\"after\":[" GUEST(",\"on_fail\":\"continue\"") "]}]");

	wants_waiting(s, run, "outcome_unknown");
	stage_pass(s, 7200);
	stage_settle(s);
	assert_int_equal(s->programs, 1);
	press(s, ENGINEER, run, "confirm", "{\"notes\":\"Its log says that it ran.\"}", 200);
	wants_done(s, run);
	assert_int_equal(s->programs, 1);
}

/* Noted, or in the way of the next group until that is called off. */
static void failures_go_on_or_stop(void **state)
{
	struct stage *s = *state;

	s->exits = 1;
	const char *run =
		planned(s, "[{\"group\":0,\"after\":[" GUEST(",\"on_fail\":\"continue\"") "]}]");

	wants_done(s, run);
	struct reply r = expect(
		s->w, OWN_VIEWER, "GET", fmt(s->w, "/v1/failovers/%s/steps", run), NULL, 200);

	assert_non_null(strstr(r.body, "plan_step_failed"));
}

static void a_step_that_stops_holds_the_next_group(void **state)
{
	struct stage *s = *state;

	s->exits = 1;
	const char *run =
		planned(s, "[{\"group\":0,\"after\":[" GUEST(",\"on_fail\":\"stop\"") "]}]");

	wants_waiting(s, run, "gate_shut");
	press(s, ENGINEER, run, "skip", "{\"notes\":\"no\"}", 409);
	stage_press(s, ENGINEER, run, "cancel", "{}", 200);
	stage_settle(s);
	assert_int_equal(stage_where(s, 0), 1);
	assert_int_equal(stage_where(s, 1), 0);
	stage_wants(s, run, "customer_validation", NULL);
}

/* Tests leave out what is not for them; what is runs in the copy. */
static void tests_do_what_is_for_them(void **state)
{
	struct stage *s = *state;
	const char *run = run_plan(s, "test", "test_recovery_plan",
		"[{\"group\":0,\"after\":[" MANUAL("") "," GUEST(",\"runs\":[\"test\"]") "]}]");

	stage_wants(s, run, "test_running", NULL);
	assert_int_equal(s->programs, 0);
	struct reply r = expect(
		s->w, OWN_VIEWER, "GET", fmt(s->w, "/v1/failovers/%s/steps", run), NULL, 200);

	assert_null(strstr(r.body, "Tell the desk"));
	assert_non_null(strstr(r.body,
		"\"name\":\"plan_after.2\",\"phase\":\"plan_steps\",\"state\":\"done\",\"title\":"
		"\"Warm up\""));
}

/* ---- calls ---- */

/* Takes one call after the other, and answers them. */
struct ear {
	int fd, port;
	pthread_t thread;
	_Atomic int calls, stop;
	_Atomic int status; /* 0 = it closes without an answer */
	char heard[8192];   /* the last call; read it once calls has grown */
};

static void hear(struct ear *e, int fd)
{
	char text[8192] = "";
	size_t n = 0;
	ssize_t got;

	while (!strstr(text, "\r\n\r\n") || !strchr(strstr(text, "\r\n\r\n"), '}')) {
		if (poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, 60000) != 1)
			break;
		got = read(fd, text + n, sizeof(text) - 1 - n);
		if (got <= 0)
			break;
		n += (size_t)got;
		text[n] = 0;
	}
	memcpy(e->heard, text, sizeof(text));
	e->calls++; /* before whoever called can know of it */
	if (e->status)
		dprintf(fd,
			"HTTP/1.1 %d Told\r\nContent-Length: 4\r\nConnection: close\r\n\r\nsaid",
			e->status);
	close(fd);
}

static void *listen_on(void *data)
{
	struct ear *e = data;
	int fd;

	while (!e->stop)
		if (ud_sockets_real.accept(e->fd, 200, &fd) == 0)
			hear(e, fd);
	return NULL;
}

static void ear_open(struct ear *e)
{
	assert_int_equal(ud_sockets_real.listen("127.0.0.1:0", &e->fd, &e->port), 0);
	assert_int_equal(pthread_create(&e->thread, NULL, listen_on, e), 0);
}

static void ear_close(struct ear *e)
{
	e->stop = 1;
	pthread_join(e->thread, NULL);
	close(e->fd);
}

/* Wait for the call to end, and go on from there. */
static void settle_call(struct stage *s)
{
	stage_wait_device(s);
	stage_pass(s, 2);
	stage_settle(s);
}

static const char *header_line(struct stage *s, const struct ear *e, const char *name)
{
	const char *at = strstr(e->heard, name);

	if (!at)
		fail_msg("no %s in %s", name, e->heard);
	at += strlen(name);
	return fmt(s->w, "%.*s", (int)strcspn(at, "\r\n"), at);
}

static void a_call_is_signed_and_made_once(void **state)
{
	struct stage *s = *state;
	static struct ear e;

	e = (struct ear){ .status = 500 };
	ear_open(&e);
	const char *run = planned(s,
		fmt(s->w,
			"[{\"group\":0,\"after\":[{\"name\":\"Move the names\",\"kind\":\"webhook\","
			"\"url\":\"http://127.0.0.1:%d/hook\"}]}]",
			e.port));

	settle_call(s);
	wants_waiting(s, run, "plan_step_failed");
	assert_non_null(strstr(stage_text(s, run, "waiting_for.text"), "It answered 500: said"));
	assert_int_equal(e.calls, 1);
	const char *key = header_line(s, &e, "Idempotency-Key: ");
	const char *signature = header_line(s, &e, "Understudy-Signature: ");
	const char *body = strstr(e.heard, "\r\n\r\n") + 4;

	assert_non_null(strstr(body, "\"step\":\"Move the names\""));
	assert_non_null(strstr(body, run));
	assert_string_equal(signature,
		ud_webhook_signature(&s->w->cx, "a key for the tests alone",
			strtoll(signature + 2, NULL, 10), body));
	assert_string_not_equal(signature,
		ud_webhook_signature(&s->w->cx, "another key for the tests",
			strtoll(signature + 2, NULL, 10), body));
	/* again with the same key */
	e.status = 204;
	press(s, ENGINEER, run, "retry", "{}", 200);
	settle_call(s);
	assert_int_equal(e.calls, 2);
	assert_string_equal(header_line(s, &e, "Idempotency-Key: "), key);
	ear_close(&e);
	wants_done(s, run);
}

/* Sent, and no answer: people are asked, whatever the plan says of failures. */
static void a_call_without_an_answer_is_unknown(void **state)
{
	struct stage *s = *state;
	static struct ear e;

	e = (struct ear){ .status = 0 };
	ear_open(&e);
	const char *run = planned(s,
		fmt(s->w,
			"[{\"group\":0,\"after\":[{\"name\":\"Move\",\"kind\":\"webhook\",\"on_fail\":"
			"\"continue\",\"url\":\"http://127.0.0.1:%d/\"}]}]",
			e.port));

	settle_call(s);
	ear_close(&e);
	wants_waiting(s, run, "outcome_unknown");
	assert_int_equal(e.calls, 1);
	press(s, ENGINEER, run, "skip", "{\"notes\":\"done by hand\"}", 200);
	wants_done(s, run);
}

/* Nothing leads inside, and nothing goes unencrypted, but to hosts that are allowed by name. */
static void calls_do_not_lead_inside(void **state)
{
	struct stage *s = *state;
	const char *const urls[] = { "https://localhost:9/", "https://10.0.0.1/",
		"https://[::1]:9/", "https://[::ffff:127.0.0.1]:9/", "http://192.0.2.1/",
		"https://me:secret@192.0.2.1/", "ftp://127.0.0.1/", "file:///etc/passwd" };

	for (size_t i = 0; i < UD_LEN(urls); i++) {
		struct ud_job_means means = { .webhook_key = "a key for the tests alone",
			.webhook_allow = "hooks.example, 127.0.0.1:1" };
		struct ud_job job = { .means = &means };
		enum ud_webhook_end how;
		const char *text;

		job.op.input.text = fmt(s->w,
			"{\"url\":\"%s\",\"idempotency_key\":\"k\",\"body\":\"{}\","
			"\"timeout_seconds\":5}",
			urls[i]);
		assert_int_not_equal(ud_webhook_send(&s->w->cx, &job), UD_OK);
		ud_ctx_clear(&s->w->cx);
		assert_int_equal(ud_webhook_ended(&s->w->cx, &job.op, &how, &text), UD_OK);
		assert_int_equal(how, UD_WEBHOOK_FAILED);
		/* a machine without IPv6 does not even try */
		if (!strstr(text, "not on the public network") && !strstr(text, "Only https://") &&
			!(strchr(urls[i], '[') && strstr(text, "resolve")))
			fail_msg("%s: %s", urls[i], text);
	}
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(steps_are_said_by_field),
		STORY(people_do_a_step),
		STORY(a_step_that_is_needed_is_not_passed),
		STORY(a_program_runs_in_a_guest),
		STORY(a_program_runs_on_the_host),
		STORY(customers_put_nothing_on_hosts),
		STORY(what_nobody_knows_is_asked),
		STORY(failures_go_on_or_stop),
		STORY(a_step_that_stops_holds_the_next_group),
		STORY(tests_do_what_is_for_them),
		STORY(a_call_is_signed_and_made_once),
		STORY(a_call_without_an_answer_is_unknown),
		STORY(calls_do_not_lead_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
