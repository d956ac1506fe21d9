/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs as people follow and steer them. One table tells who may do what; the engine tells what can
 * be done now; listing and calling ask the same two.
 */
#include <stdlib.h>
#include <string.h>

#include "api/answers.h"
#include "api/api.h"
#include "db/events.h"
#include "db/failovers.h"
#include "db/operations.h"
#include "db/workflows.h"
#include "server/http/server.h"
#include "server/workflow/workflow.h"

enum {
	DECIDE = UD_R(CUSTOMER_APPROVER) | UD_CUSTOMER_ADMIN | UD_R(SUPPORT_ENGINEER) |
		UD_R(SUPPORT_LEAD),
	LOOK = UD_CUSTOMER_WRITE | UD_R(SUPPORT_ENGINEER) | UD_R(SUPPORT_LEAD),
	CLEAN = UD_CUSTOMER_WRITE | UD_SUPPORT,
	ENGINEER = UD_R(SUPPORT_ENGINEER) | UD_R(SUPPORT_LEAD),
};

/* Who may do what. */
static const uint32_t roles_of[UD_FLOW_OPS] = {
	[UD_FLOW_VERIFY] = LOOK,
	[UD_FLOW_COMMIT] = DECIDE,
	[UD_FLOW_ROLLBACK] = DECIDE,
	[UD_FLOW_REVERSE] = ENGINEER,
	[UD_FLOW_CLEANUP] = CLEAN,
	[UD_FLOW_CANCEL] = DECIDE,
	[UD_FLOW_EXTEND] = DECIDE,
	[UD_FLOW_RETRY] = ENGINEER,
	[UD_FLOW_SKIP] = ENGINEER,
	[UD_FLOW_CONFIRM] = LOOK,
};

/* ---- showing ---- */

struct steps {
	struct ud_buf out;
	struct ud_workflow_list all;
	size_t count;
};

static int64_t listed_n(const struct steps *s, const struct ud_workflow_step *step)
{
	for (size_t i = 0; i < s->all.count; i++)
		if (strcmp(s->all.items[i].row.id, step->workflow_id) == 0)
			return s->all.items[i].position * 100 + step->n;
	return 0;
}

static void put_time(struct ud_buf *b, const char *name, struct ud_time t)
{
	char at[UD_TIME_TEXT];

	ud_buf_printf(b, ",\"%s\":", name);
	if (t.ms <= 0) {
		ud_buf_puts(b, "null");
		return;
	}
	ud_time_format(t.ms, at);
	ud_buf_printf(b, "\"%s\"", at);
}

static enum ud_code add_step(struct ud_ctx *cx, void *data, const struct ud_workflow_step *step)
{
	struct steps *s = data;

	(void)cx;
	ud_buf_printf(&s->out, "%s{\"n\":%lld,\"name\":\"%s\",\"phase\":\"%s\",\"state\":\"%s\"",
		s->count++ ? "," : "", (long long)listed_n(s, step), step->name, step->phase,
		ud_step_states.names[step->state]);
	ud_buf_puts(&s->out, ",\"title\":");
	ud_buf_json(&s->out, step->title);
	ud_buf_puts(&s->out, ",\"vm_id\":");
	ud_buf_json(&s->out, step->vm_id);
	ud_buf_puts(&s->out, ",\"host_id\":");
	ud_buf_json(&s->out, step->host_id);
	ud_buf_printf(&s->out, ",\"attempts\":%lld", (long long)step->attempts);
	ud_buf_puts(&s->out, ",\"signature\":");
	ud_buf_json(&s->out, step->signature);
	put_time(&s->out, "started_at", step->started_at);
	put_time(&s->out, "ended_at", step->ended_at);
	ud_buf_printf(&s->out, ",\"error\":%s}", step->error.text ? step->error.text : "null");
	return UD_OK;
}

static enum ud_code steps_json(struct ud_ctx *cx, const char *failover_id, const char **ret)
{
	struct steps s = { 0 };

	UD_TRY(ud_workflow_all(cx, failover_id, &s.all));
	ud_buf_putc(&s.out, '[');
	enum ud_code code = ud_step_visit(cx, failover_id, add_step, &s);

	ud_buf_putc(&s.out, ']');
	*ret = ud_buf_take(cx->arena, &s.out);
	return code;
}

static void put_blocked(
	struct ud_buf *b, bool first, const char *op, const struct ud_flow_block *block)
{
	ud_buf_printf(b, "%s{\"op\":\"%s\",\"reason_code\":\"%s\",\"text\":", first ? "" : ",", op,
		block->code);
	ud_buf_json(b, block->text);
	ud_buf_puts(b, ",\"unblock_action\":");
	ud_buf_json(b, block->unblock);
	ud_buf_printf(b, ",\"who\":\"%s\"}", block->who);
}

/* What the caller may do now, and why not the rest. */
static enum ud_code operations_json(struct ud_ctx *cx, struct ud_failover *f)
{
	struct ud_buf allowed = { 0 }, blocked = { 0 };
	bool first[2] = { true, true };
	enum ud_code code = UD_OK;

	for (enum ud_flow_op op = 0; op < UD_FLOW_OPS && code == UD_OK; op++) {
		const char *name = ud_flow_ops.names[op];
		struct ud_flow_block block = { "role_missing", "Your roles do not include this.",
			NULL, roles_of[op] & UD_CUSTOMER ? "customer" : "support" };
		bool may = false, right = (cx->scope->roles & roles_of[op]) != 0;

		if (right)
			code = ud_flow_may(cx, f, op, 0, &may, &block);
		if (may)
			ud_buf_printf(&allowed, "%s\"%s\"", first[0] ? "" : ",", name);
		else
			put_blocked(&blocked, first[1], name, &block);
		first[may ? 0 : 1] = false;
	}
	f->allowed_operations.text =
		ud_printf(cx->arena, "[%.*s]", (int)allowed.len, allowed.len ? allowed.data : "");
	f->blocked_operations.text =
		ud_printf(cx->arena, "[%.*s]", (int)blocked.len, blocked.len ? blocked.data : "");
	ud_buf_free(&allowed);
	ud_buf_free(&blocked);
	return code;
}

enum ud_code ud_failover_complete(struct ud_ctx *cx, struct ud_failover *f)
{
	UD_TRY(steps_json(cx, f->row.id, &f->steps.text));
	return operations_json(cx, f);
}

static enum ud_code complete(struct ud_ctx *cx, void *row)
{
	return ud_failover_complete(cx, row);
}

static const struct ud_resource failovers = { .table = &ud_failovers, .complete = complete };
/* lists do without what is computed of each run */
static const struct ud_resource listed = { .table = &ud_failovers };

/* of calls that last */
static const struct ud_resource operations = { .table = &ud_operations };

/* Does the run wait for nothing but time and machines? Then a waiting reader goes on waiting. */
static bool moves_by_itself(const struct ud_failover *f)
{
	return f->state == UD_FAILOVER_RUNNING || f->state == UD_FAILOVER_APPROVED;
}

/* With ?wait= the answer leaves when the run has changed: at once when it stands still or differs
 * from If-None-Match, else at its next change. */
static enum ud_code show(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_failover f = { 0 };
	int64_t *seen = rq->prepared;

	UD_TRY(ud_row_get(cx, &ud_failovers, rq->arg[0], &f));
	if (rq->wait_until_ms && !seen) {
		seen = ud_alloc(cx->arena, sizeof(*seen));
		*seen = f.row.version;
		rq->prepared = seen;
	}
	const char *tag = ud_printf(cx->arena, "\"v%lld\"", (long long)f.row.version);
	bool known = rq->if_none_match ? strstr(rq->if_none_match, tag) != NULL
				       : moves_by_itself(&f) && seen && *seen == f.row.version;

	if (rq->wait_until_ms && known && !ud_failover_ended(&f)) {
		rq->waiting = true;
		return UD_OK;
	}
	UD_TRY(complete(cx, &f));
	return ud_answer(cx, rq, ud_failovers.shape, &f);
}

static enum ud_code steps(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_failover f = { 0 };
	const char *text = NULL;

	UD_TRY(ud_row_get(cx, &ud_failovers, rq->arg[0], &f));
	UD_TRY(steps_json(cx, f.row.id, &text));
	ud_buf_printf(&rq->out, "{\"object\":\"list\",\"data\":%s,\"has_more\":false}", text);
	return ud_answer_text(cx, rq, 200, "application/json");
}

struct timeline {
	struct ud_request *rq;
	size_t count;
};

static enum ud_code add_line(struct ud_ctx *cx, void *data, const struct ud_step_line *line)
{
	struct timeline *t = data;
	struct ud_buf *b = &t->rq->out;

	(void)cx;
	ud_buf_printf(b, "%s{\"vm_id\":\"%s\",\"step\":\"%s\",\"event\":\"%s\",\"host_id\":",
		t->count++ ? "," : "", line->vm_id, line->step, line->event);
	ud_buf_json(b, line->host_id);
	ud_buf_puts(b, ",\"actor_id\":");
	ud_buf_json(b, line->actor_id);
	ud_buf_puts(b, ",\"detail\":");
	ud_buf_json(b, line->detail);
	put_time(b, "at", (struct ud_time){ line->at });
	ud_buf_putc(b, '}');
	return UD_OK;
}

static enum ud_code timeline(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_failover f = { 0 };
	struct timeline t = { .rq = rq };

	UD_TRY(ud_row_get(cx, &ud_failovers, rq->arg[0], &f));
	ud_buf_puts(&rq->out, "{\"object\":\"list\",\"data\":[");
	UD_TRY(ud_step_lines(cx, f.row.id, add_line, &t));
	ud_buf_puts(&rq->out, "],\"has_more\":false}");
	return ud_answer_text(cx, rq, 200, "application/json");
}

/* ---- steering ---- */

static enum ud_code press(struct ud_ctx *cx, struct ud_request *rq, const struct ud_flow_press *p)
{
	struct ud_failover f = { 0 };

	UD_TRY(ud_row_get(cx, &ud_failovers, rq->arg[0], &f));
	UD_TRY(ud_check_match(cx, rq, f.row.version));
	return ud_flow_press(cx, &rq->server->commanding, f.row.id, p);
}

static enum ud_code answer_run(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_failover f = { 0 };

	UD_TRY(ud_row_get(cx, &ud_failovers, rq->arg[0], &f));
	UD_TRY(complete(cx, &f));
	return ud_answer(cx, rq, ud_failovers.shape, &f);
}

static enum ud_code begin_operation(
	struct ud_ctx *cx, const struct ud_request *rq, const char *kind, struct ud_operation *op)
{
	struct ud_failover f = { 0 };

	UD_TRY(ud_row_get(cx, &ud_failovers, rq->arg[0], &f));
	ud_shape_init(ud_operations.shape, op);
	op->kind = kind;
	op->state = UD_OPERATION_RUNNING;
	op->requested_by = cx->scope->id;
	op->row.customer_id = f.row.customer_id;
	op->resource.text =
		ud_printf(cx->arena, "{\"object\":\"failover\",\"id\":\"%s\"}", f.row.id);
	UD_TRY(ud_row_insert(cx, &ud_operations, op));
	return ud_event_add(cx, "created", ud_operations.shape, NULL, op);
}

/* Press, with an operation that ends when the run stands again. */
static enum ud_code press_long(
	struct ud_ctx *cx, struct ud_request *rq, const char *kind, struct ud_flow_press *p)
{
	struct ud_operation op = { 0 };

	UD_TRY(begin_operation(cx, rq, kind, &op));
	p->operation_id = op.row.id;
	UD_TRY(press(cx, rq, p));
	UD_TRY(ud_row_get(cx, &ud_operations, op.row.id, &op));
	UD_TRY(ud_answer(cx, rq, ud_operations.shape, &op));
	ud_answer_header(rq, "Location", ud_printf(cx->arena, "/v1/operations/%s", op.row.id));
	return UD_OK;
}

static const char *const results[] = { "pass", "fail" };
static const struct ud_enum result_enum = { "validation_result", results, UD_LEN(results) };

struct verify_body {
	unsigned result;
	const char *notes;
};
struct rollback_body {
	const char *recovery_point_id;
};
struct extend_body {
	int64_t minutes;
};
struct notes_body {
	const char *notes;
};
/* clang-format off */
static const struct ud_field verify_fields[] = {
	UD_FIELD(verify_body, result, .flags = UD_REQUIRED, .values = &result_enum, .about = "Whether the service works."),
	UD_FIELD(verify_body, notes,  .max = 4000, .about = "What was looked at, and what was wrong."),
};
static const struct ud_field rollback_fields[] = {
	UD_FIELD(rollback_body, recovery_point_id, .max = 40, .about = "Another point to start from at the same host; null = back to the old primary."),
};
static const struct ud_field extend_fields[] = {
	UD_FIELD(extend_body, minutes, .flags = UD_REQUIRED, .min = 1, .max = 7 * 1440, .about = "How much longer."),
};
static const struct ud_field notes_fields[] = {
	UD_FIELD(notes_body, notes, .max = 4000, .about = "Why, or what was done."),
};
/* clang-format on */
static const struct ud_shape verify_shape = { UD_SHAPE(verify_body, verify_fields), .bare = true };
static const struct ud_shape rollback_shape = { UD_SHAPE(rollback_body, rollback_fields),
	.bare = true };
static const struct ud_shape extend_shape = { UD_SHAPE(extend_body, extend_fields), .bare = true };
static const struct ud_shape notes_shape = { UD_SHAPE(notes_body, notes_fields), .bare = true };

static enum ud_code verify(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct verify_body *in = rq->in;
	struct ud_flow_press p = { .op = UD_FLOW_VERIFY,
		.validation = in->result == 0 ? UD_VALIDATION_PASS : UD_VALIDATION_FAIL,
		.notes = in->notes };

	UD_TRY(press(cx, rq, &p));
	return answer_run(cx, rq);
}

static enum ud_code commit(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_flow_press p = { .op = UD_FLOW_COMMIT };

	return press_long(cx, rq, "failover_commit", &p);
}

static enum ud_code rollback(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct rollback_body *in = rq->in;
	struct ud_flow_press p = { .op = UD_FLOW_ROLLBACK,
		.recovery_point_id = in->recovery_point_id };

	return press_long(cx, rq, "failover_rollback", &p);
}

static enum ud_code cleanup(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_flow_press p = { .op = UD_FLOW_CLEANUP };

	return press_long(cx, rq, "failover_cleanup_test", &p);
}

static enum ud_code reverse(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_flow_press p = { .op = UD_FLOW_REVERSE };

	return press_long(cx, rq, "failover_reverse", &p);
}

static enum ud_code cancel(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct notes_body *in = rq->in;
	struct ud_flow_press p = { .op = UD_FLOW_CANCEL, .notes = in->notes };

	UD_TRY(press(cx, rq, &p));
	return answer_run(cx, rq);
}

static enum ud_code extend(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct extend_body *in = rq->in;
	struct ud_flow_press p = { .op = UD_FLOW_EXTEND, .minutes = in->minutes };

	UD_TRY(press(cx, rq, &p));
	return answer_run(cx, rq);
}

/* Retry, skip and confirm name the step they mean, by its number in the list of steps. */
static enum ud_code press_step(struct ud_ctx *cx, struct ud_request *rq, enum ud_flow_op op)
{
	const struct notes_body *in = rq->in;
	struct ud_failover f = { 0 };
	char *end = NULL;
	long n = strtol(rq->arg[1], &end, 10);

	UD_TRY(ud_row_get(cx, &ud_failovers, rq->arg[0], &f));
	if (n < 1 || n > 100000 || *end)
		return ud_fail(cx, UD_E_PARAMETER_INVALID, "n",
			"A step is named by its number in the list of steps.");
	if (op == UD_FLOW_CONFIRM && !in->notes)
		return ud_fail_field(cx, "notes", "required", "Say what was done.");
	struct ud_flow_press p = { .op = op, .step = n, .notes = in->notes };

	UD_TRY(press(cx, rq, &p));
	return answer_run(cx, rq);
}

static enum ud_code retry(struct ud_ctx *cx, struct ud_request *rq)
{
	return press_step(cx, rq, UD_FLOW_RETRY);
}

static enum ud_code skip(struct ud_ctx *cx, struct ud_request *rq)
{
	return press_step(cx, rq, UD_FLOW_SKIP);
}

static enum ud_code confirm(struct ud_ctx *cx, struct ud_request *rq)
{
	return press_step(cx, rq, UD_FLOW_CONFIRM);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",  "/v1/failovers",                           "failovers.list",         UD_PEOPLE, "failovers:read",  UD_LIST, .resource = &listed, .handle = ud_rest_list, .about = "List failovers." },
	{ "GET",  "/v1/failovers/{id}",                      "failovers.show",         UD_PEOPLE, "failovers:read",  UD_WAIT, .resource = &failovers, .handle = show, .about = "Show a failover; wait=SECONDS answers when it has changed." },
	{ "GET",  "/v1/failovers/{id}/steps",                "failovers.steps",        UD_PEOPLE, "failovers:read",  UD_WHOLE, .answer = &ud_step_shape, .handle = steps, .about = "List the steps of a failover." },
	{ "GET",  "/v1/failovers/{id}/timeline",             "failovers.timeline",     UD_PEOPLE, "failovers:read",  UD_WHOLE, .answer = &ud_line_shape, .handle = timeline, .about = "List everything that happened in a failover, oldest first." },
	{ "POST", "/v1/failovers/{id}/verify",               "failovers.verify",       LOOK,      "failovers:write", UD_WRITE, &verify_shape, .resource = &failovers, .handle = verify, .about = "Say whether the service works after a failover." },
	{ "POST", "/v1/failovers/{id}/commit",               "failovers.commit",       DECIDE,    "failovers:write", UD_WRITE, NULL, .resource = &operations, .status = 202, .handle = commit, .about = "Make a failover final; other recovery points are merged away." },
	{ "POST", "/v1/failovers/{id}/rollback",             "failovers.rollback",     DECIDE,    "failovers:write", UD_WRITE, &rollback_shape, .resource = &operations, .status = 202, .handle = rollback, .about = "Call off an unplanned failover that was not committed: back to the old primary, or to another point." },
	{ "POST", "/v1/failovers/{id}/reverse",              "failovers.reverse",      ENGINEER,  "failovers:write", UD_WRITE, NULL, .resource = &operations, .status = 202, .handle = reverse, .about = "Replicate back to the old primary's host." },
	{ "POST", "/v1/failovers/{id}/cleanup-test",         "failovers.cleanup", CLEAN,     "failovers:write", UD_WRITE, NULL, .resource = &operations, .status = 202, .handle = cleanup, .about = "Remove the test VM and end the test." },
	{ "POST", "/v1/failovers/{id}/cancel",               "failovers.cancel",       DECIDE,    "failovers:write", UD_WRITE, &notes_shape, .resource = &failovers, .handle = cancel, .about = "Call off a run before the VM has moved." },
	{ "POST", "/v1/failovers/{id}/extend-commit-timer",  "failovers.extend-timer", DECIDE,    "failovers:write", UD_WRITE, &extend_shape, .resource = &failovers, .handle = extend, .about = "Give people more time before the timer decides, or a test is cleaned up." },
	{ "POST", "/v1/failovers/{id}/steps/{n}/retry",      "failovers.retry-step",   ENGINEER,  "failovers:write", UD_WRITE, &notes_shape, .resource = &failovers, .handle = retry, .about = "Try a step again that waits for a person." },
	{ "POST", "/v1/failovers/{id}/steps/{n}/skip",       "failovers.skip-step",    ENGINEER,  "failovers:write", UD_WRITE, &notes_shape, .resource = &failovers, .handle = skip, .about = "Go on without a step that waits for a person, where that is safe." },
	{ "POST", "/v1/failovers/{id}/steps/{n}/confirm",    "failovers.confirm-step", LOOK,  "failovers:write", UD_WRITE, &notes_shape, .resource = &failovers, .handle = confirm, .about = "Confirm a step that people do, or one of which nobody knows whether it was done; notes say what was done." },
};
/* clang-format on */
const struct ud_routes ud_api_failovers = { "Failovers", rows, UD_LEN(rows) };
