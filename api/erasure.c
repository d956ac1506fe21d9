/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forgetting a customer: asked for by an operator who names it, refused while anything of it is in
 * use, and done page by page beside everything else. What was done stays done when the process
 * ends; whoever claims the operation then goes on.
 */
#include <string.h>

#include "api/api.h"
#include "base/spool.h"
#include "db/erasure.h"
#include "db/events.h"
#include "db/operations.h"
#include "server/http/server.h"
#include "server/jobs/jobs.h"

struct erase {
	const char *name;
};
/* An operation's resource. */
struct subject {
	const char *object, *id;
};
/* clang-format off */
static const struct ud_field erase_fields[] = {
	UD_FIELD(erase, name, .flags = UD_REQUIRED, .max = 120, .about = "The customer's name, letter by letter: what is erased is gone."),
};
static const struct ud_field subject_fields[] = {
	UD_FIELD(subject, object),
	UD_FIELD(subject, id),
};
/* clang-format on */
static const struct ud_shape subject_shape = { UD_SHAPE(subject, subject_fields), .bare = true };
static const struct ud_shape erase_shape = {
	.object = "customer_erasure", .bare = true, UD_SHAPE(erase, erase_fields)
};
static const struct ud_resource operations = { .table = &ud_operations };

static enum ud_code check(
	struct ud_ctx *cx, const struct ud_erasable *customer, const char *id, const char *name)
{
	const char *hindrance = NULL;

	if (customer->serving)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "Suspend the customer first.");
	if (strcmp(customer->name, name) != 0)
		return ud_fail_field(
			cx, "name", "wrong_name", "This is not the name of the customer.");
	if (customer->begun)
		return UD_OK;
	UD_TRY(ud_erasure_hindrance(cx, id, &hindrance));
	return hindrance ? ud_fail(cx, UD_E_IN_USE, NULL, "The customer still has %s.", hindrance)
			 : UD_OK;
}

/* The operation is the provider's: it outlives the customer. */
static enum ud_code begin(struct ud_ctx *cx, struct ud_request *rq, const char *id,
	const struct ud_erasable *customer, struct ud_operation *op)
{
	op->kind = UD_ERASURE_KIND;
	op->requested_by = rq->scope.id;
	op->resource.text = ud_printf(cx->arena, "{\"object\":\"customer\",\"id\":\"%s\"}", id);
	UD_TRY(ud_row_insert(cx, &ud_operations, op));
	UD_TRY(ud_event_add(cx, "created", ud_operations.shape, NULL, op));
	UD_TRY(ud_erasure_begin(cx, id, op->row.id));
	return customer->begun ? UD_OK
			       : ud_event_add_plain(cx, UD_ERASURE_BEGUN, id, "customer", id, NULL);
}

static enum ud_code request(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct erase *body = rq->in;
	const char *id = rq->arg[0];
	struct ud_erasable customer;
	struct ud_operation op = { 0 };

	UD_TRY(ud_erasable(cx, id, &customer));
	UD_TRY(check(cx, &customer, id, body->name));
	if (customer.operation_id)
		UD_TRY(ud_row_get(cx, &ud_operations, customer.operation_id, &op));
	else
		UD_TRY(begin(cx, rq, id, &customer, &op));
	UD_TRY(ud_answer(cx, rq, ud_operations.shape, &op));
	ud_answer_header(rq, "Location", ud_printf(cx->arena, "/v1/operations/%s", op.row.id));
	return UD_OK;
}

/* ---- the work ---- */

/* One page of it, in a write of its own. */
struct page {
	const char *customer_id;
	size_t table;
	struct ud_texts files;
	int64_t rows, place, next, kept; /* deleted in it; in the log, and behind it; what stays */
};

static enum ud_code drop_files(struct ud_ctx *cx, void *data)
{
	struct page *p = data;

	return ud_erasure_drop_files(cx, p->customer_id, &p->files);
}

static enum ud_code drop_rows(struct ud_ctx *cx, void *data)
{
	struct page *p = data;

	return ud_erasure_page(cx, p->customer_id, p->table, &p->rows);
}

static enum ud_code empty_records(struct ud_ctx *cx, void *data)
{
	struct page *p = data;

	return ud_erasure_log(cx, p->customer_id, p->place, &p->next);
}

/* The customer's own row goes with the last word on it: as long as it is there, whoever asks again
 * is heard. */
static enum ud_code end(struct ud_ctx *cx, void *data)
{
	struct page *p = data;
	bool gone = false;

	UD_TRY(ud_erasure_end(cx, p->customer_id, &gone, &p->kept));
	return gone ? ud_event_add_plain(cx, UD_ERASURE_ENDED, p->customer_id, "customer",
			      p->customer_id, NULL)
		    : UD_OK;
}

/* After each page: whoever has lost the operation to somebody else stops here. */
static enum ud_code tell(struct ud_ctx *cx, struct ud_job *job, const struct page *p)
{
	const char *table = ud_erasure_table(p->table);
	size_t of = 1;

	while (ud_erasure_table(of - 1))
		of++;
	return ud_job_progress(cx, job, (int64_t)(p->table * 100 / of),
		ud_printf(cx->arena, "[{\"name\":\"%s\",\"state\":\"running\"}]",
			table ? table : "log"));
}

/* Files go before their rows: a row that is left says which file to look for. */
static enum ud_code erase_files(struct ud_ctx *cx, struct ud_job *job, struct page *p)
{
	p->files = (struct ud_texts){ 0 };
	UD_TRY(ud_job_read_begin(cx, job));
	enum ud_code code = ud_erasure_files(cx, p->customer_id, &p->files);

	ud_job_read_end(cx, job);
	UD_TRY(code);
	if (p->files.count && !job->means->attachments)
		return ud_fail(cx, UD_E_UNSUPPORTED, NULL,
			"This server has no folder of files: server.attachments.");
	for (size_t i = 0; i < p->files.count; i++)
		UD_TRY(ud_spool_remove(cx, job->means->attachments, p->files.items[i]));
	p->rows = (int64_t)p->files.count;
	return p->rows ? ud_job_write(cx, job, drop_files, p) : UD_OK;
}

static enum ud_code erase_rows(struct ud_ctx *cx, struct ud_job *job, struct page *p)
{
	for (p->table = 0; ud_erasure_table(p->table); p->table++)
		do {
			UD_TRY(tell(cx, job, p));
			if (ud_erasure_of_files(p->table))
				UD_TRY(erase_files(cx, job, p));
			else
				UD_TRY(ud_job_write(cx, job, drop_rows, p));
		} while (p->rows);
	return UD_OK;
}

static enum ud_code empty_log(struct ud_ctx *cx, struct ud_job *job, struct page *p)
{
	do {
		UD_TRY(tell(cx, job, p));
		UD_TRY(ud_job_write(cx, job, empty_records, p));
		p->place = p->next;
	} while (p->place != UD_NONE);
	return ud_job_write(cx, job, end, p);
}

enum ud_code ud_erase_customer(struct ud_ctx *cx, struct ud_job *job)
{
	const char *resource = job->op.resource.text;
	struct subject customer = { 0 };

	UD_TRY(ud_shape_read(cx, &subject_shape, resource, strlen(resource), &customer));
	struct page p = { .customer_id = customer.id };

	UD_TRY(erase_rows(cx, job, &p));
	UD_TRY(empty_log(cx, job, &p));
	job->op.result.text = ud_printf(cx->arena, "{\"records_kept\":%lld}", (long long)p.kept);
	return UD_OK;
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "POST", "/v1/customers/{id}/erase", "customers.erase", UD_OPERATOR, "customers:write", UD_WRITE | UD_PERSON | UD_STEP_UP | UD_NO_BODY_LOG, &erase_shape, .status = 202, .resource = &operations, .handle = request, .about = "Begin to forget a suspended or closed customer that uses nothing any more: all its rows are deleted, its files too, and its log is emptied but for ids and hashes." },
};
/* clang-format on */
const struct ud_routes ud_api_erasure = { "Erasure", rows, UD_LEN(rows) };
