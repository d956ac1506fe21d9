/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery points: listing, keeping, proving. Agents make and drop them.
 */
#include <string.h>

#include "api/replications.h"
#include "db/events.h"
#include "db/recovery_points.h"
#include "server/http/server.h"
#include "server/replication/relations.h"

enum op { PIN, UNPIN, VERIFY, OP_COUNT };
enum { USABLE = 1 << UD_POINT_COMPLETE | 1 << UD_POINT_VERIFIED };

/* What may be done with a point in which state, said once for listing and call. */
static const struct {
	const char *name;
	uint32_t states;
	int pinned; /* 1: only when it is, 0: only when it is not, -1: either */
	const char *unblock;
} rules[OP_COUNT] = {
	[PIN] = { "pin", USABLE, 0, "unpin" },
	[UNPIN] = { "unpin", ~0U, 1, "pin" },
	[VERIFY] = { "verify", USABLE, -1, NULL },
};

static enum ud_code may(struct ud_ctx *cx, const struct ud_recovery_point *p,
	const struct ud_replication *r, enum op op)
{
	if (!(cx->scope->roles & UD_RPL_SUPPORT))
		return ud_fail(cx, UD_E_ROLE_MISSING, NULL, "Your roles do not allow this.");
	if (r->wanted == UD_RELATION_REMOVED)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The replication is removed.");
	if (!(rules[op].states & 1U << p->state))
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The recovery point is %s.",
			ud_point_states.names[p->state]);
	if (rules[op].pinned >= 0 && p->pinned != (rules[op].pinned == 1))
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The recovery point is %s.",
			p->pinned ? "pinned" : "not pinned");
	return UD_OK;
}

static void add_blocked(struct ud_ctx *cx, struct ud_buf *b, enum op op, enum ud_code code)
{
	ud_buf_printf(b, "%s{\"op\":\"%s\",\"reason_code\":\"%s\",\"text\":", b->len > 1 ? "," : "",
		rules[op].name, ud_error_info(code)->name);
	ud_buf_json(b, cx->problem.detail);
	ud_buf_puts(b, ",\"unblock_action\":");
	ud_buf_json(b, code == UD_E_INVALID_STATE ? rules[op].unblock : NULL);
	ud_buf_puts(b, ",\"who\":\"support\"}");
}

static enum ud_code complete(struct ud_ctx *cx, void *row)
{
	struct ud_recovery_point *p = row;
	struct ud_replication r = { 0 };
	struct ud_buf b = { 0 };

	UD_TRY(ud_row_get(cx, &ud_replications, p->replication_id, &r));
	p->allowed_operations.items = ud_alloc(cx->arena, OP_COUNT * sizeof(char *));
	p->allowed_operations.count = 0;
	ud_buf_putc(&b, '[');
	for (int op = 0; op < OP_COUNT; op++) {
		enum ud_code code = may(cx, p, &r, (enum op)op);

		if (code == UD_OK)
			p->allowed_operations.items[p->allowed_operations.count++] = rules[op].name;
		else
			add_blocked(cx, &b, (enum op)op, code);
		ud_ctx_clear(cx);
	}
	ud_buf_putc(&b, ']');
	p->blocked_operations.text = ud_buf_take(cx->arena, &b);
	return UD_OK;
}

static const struct ud_resource points = {
	.table = &ud_recovery_points, .complete = complete, .order = "-taken_at"
};
static const struct ud_resource points_of = { .table = &ud_recovery_points,
	.complete = complete,
	.order = "-taken_at",
	.parent_column = "replication_id" };
static const struct ud_resource operations = { .table = &ud_operations };

static enum ud_code list_of(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_replication r = { 0 };

	UD_TRY(ud_row_get(cx, &ud_replications, rq->arg[0], &r));
	return ud_rest_list(cx, rq);
}

/* ---- verbs ---- */

static enum ud_code open_point(struct ud_ctx *cx, struct ud_request *rq, enum op op,
	struct ud_recovery_point *ret, struct ud_replication *ret_of)
{
	UD_TRY(ud_row_get(cx, &ud_recovery_points, rq->arg[0], ret));
	UD_TRY(ud_check_match(cx, rq, ret->row.version));
	UD_TRY(ud_row_get(cx, &ud_replications, ret->replication_id, ret_of));
	return may(cx, ret, ret_of, op);
}

/* Pins are part of the relation: the target learns of all of them at once. */
static enum ud_code set_pin(struct ud_ctx *cx, struct ud_request *rq, const char *verb,
	const struct ud_recovery_point *old, struct ud_recovery_point *p,
	const struct ud_replication *of)
{
	struct ud_replication r = *of;

	r.generation++;
	UD_TRY(ud_row_update(cx, &ud_recovery_points, old, p));
	UD_TRY(ud_event_add(cx, verb, ud_recovery_points.shape, old, p));
	UD_TRY(ud_row_update(cx, &ud_replications, of, &r));
	UD_TRY(ud_relation_send_both(cx, &rq->server->commanding, &r));
	UD_TRY(complete(cx, p));
	return ud_answer(cx, rq, ud_recovery_points.shape, p);
}

struct pin_body {
	const char *note;
};
static const struct ud_field pin_fields[] = {
	UD_FIELD(pin_body, note, .max = 500, .about = "Why it is kept."),
};
static const struct ud_shape pin_shape = { UD_SHAPE(pin_body, pin_fields), .bare = true };

static enum ud_code pin(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct pin_body *in = rq->in;
	struct ud_recovery_point old = { 0 }, p;
	struct ud_replication of = { 0 };

	UD_TRY(open_point(cx, rq, PIN, &old, &of));
	p = old;
	p.pinned = true;
	p.pin_note = in->note;
	return set_pin(cx, rq, "pinned", &old, &p, &of);
}

static enum ud_code unpin(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_recovery_point old = { 0 }, p;
	struct ud_replication of = { 0 };

	UD_TRY(open_point(cx, rq, UNPIN, &old, &of));
	p = old;
	p.pinned = false;
	p.pin_note = NULL;
	return set_pin(cx, rq, "unpinned", &old, &p, &of);
}

static enum ud_code verify(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_recovery_point p = { 0 };
	struct ud_replication of = { 0 };
	struct ud_operation op;

	UD_TRY(open_point(cx, rq, VERIFY, &p, &of));
	const struct ud_point_verify args = { of.row.id, p.row.id };

	op = (struct ud_operation){ .row.customer_id = p.row.customer_id,
		.kind = "recovery_point_verify",
		.state = UD_OPERATION_WAITING,
		.requested_by = rq->scope.id,
		.steps.text = "[{\"name\":\"read_back\",\"state\":\"running\"}]",
		.resource.text = ud_printf(
			cx->arena, "{\"object\":\"recovery_point\",\"id\":\"%s\"}", p.row.id) };
	UD_TRY(ud_row_insert(cx, &ud_operations, &op));
	UD_TRY(ud_event_add(cx, "created", ud_operations.shape, NULL, &op));
	UD_TRY(ud_relation_command(cx, &rq->server->commanding, &of, UD_RELATION_TARGET,
		UD_VERB_POINT_VERIFY, &ud_point_verify_shape, &args, op.row.id));
	return ud_replication_accepted(cx, rq, &op);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",  "/v1/recovery-points",                   "recovery-points.list",         UD_PEOPLE,      "replications:read",  UD_LIST, .resource = &points, .handle = ud_rest_list, .about = "List recovery points, the newest first." },
	{ "GET",  "/v1/recovery-points/{id}",              "recovery-points.show",         UD_PEOPLE,      "replications:read",  0, .resource = &points, .handle = ud_rest_show, .about = "Show a recovery point." },
	{ "GET",  "/v1/replications/{id}/recovery-points", "replications.recovery-points", UD_PEOPLE,      "replications:read",  UD_LIST, .resource = &points_of, .handle = list_of, .about = "List a replication's recovery points, the newest first." },
	{ "POST", "/v1/recovery-points/{id}/pin",          "recovery-points.pin",          UD_RPL_SUPPORT, "replications:write", UD_WRITE, .body = &pin_shape, .resource = &points, .handle = pin, .about = "Keep a recovery point until it is unpinned." },
	{ "POST", "/v1/recovery-points/{id}/unpin",        "recovery-points.unpin",        UD_RPL_SUPPORT, "replications:write", UD_WRITE, .resource = &points, .handle = unpin, .about = "Let a pinned recovery point go its way." },
	{ "POST", "/v1/recovery-points/{id}/verify",       "recovery-points.verify",       UD_RPL_SUPPORT, "replications:write", UD_WRITE, .status = 202, .resource = &operations, .handle = verify, .about = "Read a recovery point back and compare every hash." },
};
/* clang-format on */
const struct ud_routes ud_api_recovery_points = { "Recovery points", rows, UD_LEN(rows) };
