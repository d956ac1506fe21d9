/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations: following and canceling them, the table of their kinds, and the export of what is
 * kept of a customer: all its rows. What is internal is none of its rows and stays out.
 */
#include <string.h>

#include "api/answers.h"
#include "api/api.h"
#include "db/addresses.h"
#include "db/approvals.h"
#include "db/calendars.h"
#include "db/checkpoints.h"
#include "db/commands.h"
#include "db/customers.h"
#include "db/events.h"
#include "db/evidence.h"
#include "db/failovers.h"
#include "db/hosts.h"
#include "db/networks.h"
#include "db/operations.h"
#include "db/people.h"
#include "db/recovery_plans.h"
#include "db/recovery_points.h"
#include "db/replications.h"
#include "db/saved_views.h"
#include "db/standing_orders.h"
#include "db/subscriptions.h"
#include "db/ticket_parts.h"
#include "db/tickets.h"
#include "db/vms.h"
#include "db/waivers.h"
#include "server/fencing/fencing.h"
#include "server/http/server.h"
#include "server/mail/trial.h"
#include "server/webhooks/webhooks.h"

/* What an agent does is no work of ours: no kind, its result is shown. */
static const struct ud_job_kind *kind_of(const struct ud_operation *op)
{
	static const struct ud_job_kind others = { .shown = true };

	for (const struct ud_job_kind *k = ud_api_jobs; k->kind; k++)
		if (strcmp(k->kind, op->kind) == 0)
			return k;
	return &others;
}

static enum ud_code complete(struct ud_ctx *cx, void *row)
{
	struct ud_operation *op = row;

	op->allowed_operations.items = ud_alloc(cx->arena, sizeof(char *));
	if (!ud_operation_ended(op) && !kind_of(op)->final)
		op->allowed_operations.items[op->allowed_operations.count++] = "cancel";
	return UD_OK;
}

static const struct ud_resource operations = { .table = &ud_operations, .complete = complete };

/* With ?wait= the answer leaves when the operation has ended, or at the end of the wait. */
static enum ud_code show(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_operation op = { 0 };

	UD_TRY(ud_row_get(cx, &ud_operations, rq->arg[0], &op));
	if (rq->wait_until_ms && !ud_operation_ended(&op)) {
		rq->waiting = true;
		return UD_OK;
	}
	UD_TRY(complete(cx, &op));
	/* what some jobs make is downloaded (result) by those who may */
	if (kind_of(&op)->shown)
		op.output.text = op.result.text;
	return ud_answer(cx, rq, ud_operations.shape, &op);
}

static enum ud_code cancel(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_operation old = { 0 }, op;
	bool withdrawn = false;

	UD_TRY(ud_row_get(cx, &ud_operations, rq->arg[0], &old));
	if (ud_operation_ended(&old))
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The operation has %s.",
			ud_operation_states.names[old.state]);
	if (kind_of(&old)->final)
		return ud_fail(
			cx, UD_E_INVALID_STATE, NULL, "What has begun here is brought to its end.");
	UD_TRY(ud_command_withdraw(cx, &rq->server->commanding, old.row.id, &withdrawn));
	if (!withdrawn)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"The host has the command already and ends it by itself.");
	op = old;
	op.state = UD_OPERATION_CANCELED;
	op.ended_at.ms = cx->now_ms;
	UD_TRY(ud_rest_change(cx, &operations, &rq->given, "canceled", &old, &op));
	UD_TRY(complete(cx, &op));
	return ud_answer(cx, rq, ud_operations.shape, &op);
}

static enum ud_code result(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_operation op = { 0 };

	UD_TRY(ud_row_get(cx, &ud_operations, rq->arg[0], &op));
	if (op.state != UD_OPERATION_SUCCEEDED || !op.result.text)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"The operation is %s and has no result.",
			ud_operation_states.names[op.state]);
	ud_buf_puts(&rq->out, op.result.text);
	ud_answer_header(rq, "Content-Disposition",
		ud_printf(cx->arena, "attachment; filename=\"%s.json\"", op.row.id));
	return ud_answer_text(cx, rq, 200, "application/json");
}

/* ---- export ---- */

static enum ud_code request_export(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_customer c = { 0 };
	struct ud_operation op = { .kind = "customer_export", .requested_by = rq->scope.id };

	UD_TRY(ud_row_get(cx, &ud_customers, rq->arg[0], &c));
	op.row.customer_id = c.row.id;
	op.resource.text =
		ud_printf(cx->arena, "{\"object\":\"customer\",\"id\":\"%s\"}", c.row.id);
	UD_TRY(ud_row_insert(cx, &ud_operations, &op));
	UD_TRY(ud_event_add(cx, "created", ud_operations.shape, NULL, &op));
	UD_TRY(complete(cx, &op));
	UD_TRY(ud_answer(cx, rq, ud_operations.shape, &op));
	ud_answer_header(rq, "Location", ud_printf(cx->arena, "/v1/operations/%s", op.row.id));
	return UD_OK;
}

static const struct {
	const char *name;
	const struct ud_table *table;
} exported[] = {
	{ "customers", &ud_customers },
	{ "subscriptions", &ud_subscriptions },
	{ "users", &ud_users },
	{ "service_accounts", &ud_service_accounts },
	{ "saved_views", &ud_saved_views },
	{ "vms", &ud_vms },
	{ "networks", &ud_networks },
	{ "ip_blocks", &ud_ip_blocks },
	{ "ip_addresses", &ud_ip_addresses },
	{ "replications", &ud_replications },
	{ "recovery_points", &ud_recovery_points },
	{ "checkpoints", &ud_checkpoints },
	{ "recovery_plans", &ud_recovery_plans },
	{ "approval_policies", &ud_approval_policies },
	{ "calendars", &ud_calendars },
	{ "slas", &ud_slas },
	{ "tickets", &ud_tickets },
	{ "ticket_comments", &ud_ticket_comments },
	{ "ticket_attachments", &ud_ticket_attachments },
	{ "ticket_watchers", &ud_ticket_watchers },
	{ "ticket_links", &ud_ticket_links },
	{ "time_entries", &ud_time_entries },
	{ "approvals", &ud_approvals },
	{ "attestations", &ud_attestations },
	{ "waivers", &ud_waiver_table },
	{ "standing_orders", &ud_standing_orders },
	{ "failovers", &ud_failovers },
	{ "evidence", &ud_evidence_table },
};

struct export
{
	struct ud_buf out;
	const struct ud_table *table;
	struct ud_texts stored; /* its fields that are kept, not made for an answer */
	const char *last_id;
	bool any;
};

static enum ud_code export_row(struct ud_ctx *cx, void *data, const void *row)
{
	struct export *e = data;

	if (e->any)
		ud_buf_puts(&e->out, ",\n");
	e->any = true;
	ud_shape_encode(&e->out, e->table->shape, row, &e->stored);
	e->last_id = ud_strdup(cx->arena, ((const struct ud_row *)row)->id);
	return UD_OK;
}

static struct ud_texts stored_fields(struct ud_ctx *cx, const struct ud_shape *shape)
{
	static const char *const common[] = { "customer_id", "version", "created_at", "updated_at",
		"labels" };
	struct ud_texts t = { ud_alloc(
		cx->arena, (shape->field_count + UD_LEN(common)) * sizeof(char *)) };

	for (size_t i = 0; i < UD_LEN(common); i++)
		t.items[t.count++] = common[i];
	for (size_t i = 0; i < shape->field_count; i++)
		if (!(shape->fields[i].flags & UD_COMPUTED))
			t.items[t.count++] = shape->fields[i].name;
	return t;
}

/* All rows of a table, page by page, each page on a fresh snapshot so that nobody waits for us. */
static enum ud_code export_table(struct ud_ctx *cx, struct ud_job *job, struct export *e)
{
	bool more = true;

	e->last_id = NULL;
	e->any = false;
	while (more) {
		struct ud_list list = { .limit = UD_LIST_MAX };

		ud_list_where(&list, "customer_id", UD_OP_EQ, ud_t(job->op.row.customer_id));
		list.has_after = e->last_id != NULL;
		list.after[0] = ud_t(e->last_id);
		UD_TRY(ud_job_read_begin(cx, job));
		enum ud_code code = ud_row_list(cx, e->table, &list, export_row, e, &more);

		ud_job_read_end(cx, job);
		UD_TRY(code);
	}
	return UD_OK;
}

static const char *steps_text(struct ud_ctx *cx, size_t done)
{
	const char *out = "[";

	for (size_t i = 0; i < UD_LEN(exported); i++)
		out = ud_printf(cx->arena, "%s%s{\"name\":\"%s\",\"state\":\"%s\"}", out,
			i ? "," : "", exported[i].name,
			i < done            ? "succeeded"
				: i == done ? "running"
					    : "queued");
	return ud_printf(cx->arena, "%s]", out);
}

static enum ud_code export_all(struct ud_ctx *cx, struct ud_job *job, struct export *e)
{
	for (size_t i = 0; i < UD_LEN(exported); i++) {
		UD_TRY(ud_job_progress(
			cx, job, (int64_t)(i * 100 / UD_LEN(exported)), steps_text(cx, i)));
		ud_buf_printf(&e->out, "%s\"%s\":[",
			i ? ",\n" : "{\"object\":\"customer_export\",\n", exported[i].name);
		e->table = exported[i].table;
		e->stored = stored_fields(cx, e->table->shape);
		UD_TRY(export_table(cx, job, e));
		ud_buf_putc(&e->out, ']');
	}
	ud_buf_puts(&e->out, "}\n");
	job->op.steps.text = steps_text(cx, UD_LEN(exported));
	job->op.result.text = ud_strndup(cx->arena, e->out.data, e->out.len);
	return UD_OK;
}

static enum ud_code run_export(struct ud_ctx *cx, struct ud_job *job)
{
	struct export e = { 0 };
	enum ud_code code = export_all(cx, job, &e);

	ud_buf_free(&e.out);
	return code;
}

const struct ud_job_kind ud_api_jobs[] = {
	{ "customer_export", run_export },
	{ UD_ERASURE_KIND, ud_erase_customer, .shown = true, .final = true },
	{ UD_FENCE_OFF_KIND, ud_fencing_off },
	{ UD_FENCE_CHECK_KIND, ud_fencing_check },
	{ UD_WEBHOOK_KIND, ud_webhook_send },
	{ UD_MAIL_TRIAL_KIND, ud_mail_trial_send, .shown = true },
	{ NULL },
};

enum { EXPORT = UD_OPERATOR | UD_R(SUPPORT_LEAD) | UD_CUSTOMER_ADMIN };

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",  "/v1/operations",             "operations.list",   UD_PEOPLE,      "operations:read",  UD_LIST, .resource = &operations, .handle = ud_rest_list, .about = "List operations." },
	{ "GET",  "/v1/operations/{id}",        "operations.show",   UD_PEOPLE,      "operations:read",  UD_WAIT, .resource = &operations, .handle = show, .about = "Show an operation; wait=SECONDS answers when it has ended." },
	{ "POST", "/v1/operations/{id}/cancel", "operations.cancel", UD_STAFF_WRITE | UD_CUSTOMER_ADMIN, "operations:write", UD_WRITE, .resource = &operations, .handle = cancel, .about = "Cancel an operation that has not ended." },
	{ "GET",  "/v1/operations/{id}/result", "operations.result", EXPORT,         "operations:read",  0, .answer = &ud_result_shape, .handle = result, .about = "Download what an operation made." },
	{ "POST", "/v1/customers/{id}/export",  "customers.export",  EXPORT,         "customers:read",   UD_WRITE, .status = 202, .resource = &operations, .handle = request_export, .about = "Begin an export of all rows that belong to a customer; files of tickets and the log are fetched apart." },
};
/* clang-format on */
const struct ud_routes ud_api_operations = { "Operations", rows, UD_LEN(rows) };
