/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An item is a request of the front without a connection: it goes to the writer like any other and
 * comes back to the loop, which then begins the next one.
 */
#include "server/http/batch.h"

#include <string.h>

#include "base/env.h"
#include "server/http/io.h"
#include "server/http/limits.h"

struct item {
	unsigned method;
	const char *path, *if_match, *idempotency_key;
	struct ud_json body;
};

static const char *const method_names[] = { "POST", "PATCH", "PUT", "DELETE" };
static const struct ud_enum methods = { "method", method_names, UD_LEN(method_names) };

/* clang-format off */
static const struct ud_field item_fields[] = {
	UD_FIELD(item, method, .values = &methods, .about = "Method of the call; POST when not given."),
	UD_FIELD(item, path, .max = 1000, .about = "What stands behind the collection's path: /{id}, /{id}/{verb}; not given = the collection itself, to create."),
	UD_FIELD(item, if_match, .about = "If-Match of the call: the object's ETag, or *."),
	UD_FIELD(item, idempotency_key, .about = "Idempotency-Key of the call; not given = the batch's, for this place in it."),
	UD_FIELD(item, body, .flags = UD_NULLABLE, .max = UD_BODY_MAX, .about = "Body of the call."),
};
/* clang-format on */
static const struct ud_shape item_shape = { .bare = true, UD_SHAPE(item, item_fields) };

struct batch_body {
	struct ud_json items;
};
static const struct ud_field body_fields[] = {
	UD_FIELD(batch_body, items, .flags = UD_REQUIRED, .max = UD_BODY_MAX, .part = &item_shape,
		.many = true, .about = "1 to 200 calls, done in this order."),
};
const struct ud_shape ud_batch_shape = { .bare = true, UD_SHAPE(batch_body, body_fields) };

struct result {
	int64_t status;
	struct ud_json body;
};
static const struct ud_field result_fields[] = {
	UD_FIELD(result, status, .flags = UD_COMPUTED, .min = 200, .max = 599,
		.about = "HTTP status of the call."),
	UD_FIELD(result, body, .flags = UD_COMPUTED,
		.about = "Its answer, or its problem; null = none."),
};
static const struct ud_shape result_shape = { .bare = true, UD_SHAPE(result, result_fields) };

struct results {
	struct ud_json results;
};
static const struct ud_field results_fields[] = {
	UD_FIELD(results, results, .flags = UD_COMPUTED, .part = &result_shape, .many = true,
		.about = "One for each item, in their order."),
};
const struct ud_shape ud_batch_results = { .object = "batch",
	.bare = true,
	UD_SHAPE(results, results_fields),
	.about = "What became of the calls of a batch." };

/* What hangs on the call of the batch. */
struct batch {
	struct item *items;
	size_t count, next;
};

/* ---- reading ---- */

/* "method" is "items/3/method" from outside. */
static enum ud_code name_item(struct ud_ctx *cx, size_t i, enum ud_code code)
{
	for (size_t k = 0; k < cx->problem.field_count; k++) {
		struct ud_field_problem *f = &cx->problem.fields[k];

		f->field = ud_printf(cx->arena, "items/%zu/%s", i, f->field);
	}
	return code;
}

static enum ud_code check_item(struct ud_ctx *cx, const struct item *it)
{
	if (it->path && it->path[0] != '/')
		return ud_fail_field(cx, "path", "format", "path starts with / or is not given.");
	return UD_OK;
}

static enum ud_code read_item(struct ud_ctx *cx, json_t *tree, size_t i, struct item *ret)
{
	struct ud_given given;
	enum ud_code code;

	if (!json_is_object(tree))
		return ud_fail_field(cx, ud_printf(cx->arena, "items/%zu", i), "wrong_type",
			"An item is an object.");
	code = ud_shape_decode(cx, &item_shape, UD_CREATE, tree, ret, &given);
	if (code == UD_OK)
		code = check_item(cx, ret);
	return code == UD_OK ? UD_OK : name_item(cx, i, code);
}

enum ud_code ud_batch_read(struct ud_ctx *cx, struct ud_request *rq)
{
	json_t *list = json_object_get(rq->json, "items");
	struct batch *b = ud_alloc(cx->arena, sizeof(*b));

	*b = (struct batch){ .count = json_array_size(list) };
	if (!b->count || b->count > UD_BATCH_ITEMS)
		return ud_fail_field(cx, "items", "out_of_range",
			"items is a list of 1 to %d calls.", UD_BATCH_ITEMS);
	b->items = ud_alloc(cx->arena, b->count * sizeof(*b->items));
	for (size_t i = 0; i < b->count; i++)
		UD_TRY(read_item(cx, json_array_get(list, i), i, &b->items[i]));
	rq->prepared = b;
	return UD_OK;
}

/* ---- running ---- */

/* Each item has a key of its own: what comes back under it is the item's answer. No header can hold
 * the character between. */
static const char *key_of(struct ud_io *outer, const struct item *it, size_t i)
{
	const char *key = outer->rq.idempotency_key;

	if (it->idempotency_key)
		return it->idempotency_key;
	return key ? ud_printf(outer->rq.cx.arena, "%s\x1f%zu", key, i) : NULL;
}

/* "/v1/vms/vm_…" from "/v1/vms/batch" and "/vm_…". */
static const char *target_of(struct ud_io *outer, const struct item *it)
{
	const char *path = outer->rq.route->path;
	size_t n = strlen(path) - strlen("/batch");

	return ud_printf(outer->rq.cx.arena, "%.*s%s", (int)n, path, it->path ? it->path : "");
}

/* The caller and what it said of itself are the batch's. */
static struct ud_io *begin_item(struct ud_io *outer, const struct item *it, size_t i)
{
	struct ud_io *io = ud_front_begin(outer->loop, NULL, target_of(outer, it));
	struct ud_request *rq = &io->rq;

	io->batch = outer;
	io->mhd = outer->mhd;
	io->event = outer->event;
	io->started = true;
	rq->io = io;
	rq->server = outer->rq.server;
	rq->bearers = outer->rq.bearers;
	rq->scope = outer->rq.scope;
	rq->cx.env = outer->rq.cx.env;
	rq->cx.now_ms = ud_now_ms(rq->cx.env);
	rq->cx.request_id = outer->rq.cx.request_id;
	rq->cx.scope = &rq->scope;
	rq->method = methods.names[it->method];
	rq->path = io->raw;
	rq->user_agent = outer->rq.user_agent;
	rq->dry_run = outer->rq.dry_run;
	rq->if_match = it->if_match;
	rq->idempotency_key = key_of(outer, it, i);
	if (it->body.text)
		ud_buf_puts(&rq->body, it->body.text);
	return io;
}

/* Its answer becomes a result. */
static void end_item(struct ud_io *io)
{
	const struct ud_request *rq = &io->rq;
	struct ud_buf *out = &io->batch->rq.out;

	if (out->data[out->len - 1] == '}')
		ud_buf_putc(out, ',');
	ud_buf_printf(out, "{\"status\":%d,\"body\":", rq->status);
	if (rq->out.len)
		ud_buf_add(out, rq->out.data, rq->out.len);
	else
		ud_buf_puts(out, "null");
	ud_buf_putc(out, '}');
	ud_front_end(io);
}

/* A server that goes begins no more work: what was not begun is to be sent again. */
static enum ud_code run_item(struct ud_io *io)
{
	if (atomic_load(&io->loop->stop))
		return ud_fail(&io->rq.cx, UD_E_OVERLOADED, NULL, "the server is stopping");
	return ud_dispatch_item(io);
}

/* Go on until an item is on its way to the writer, or all are done. */
static void go_on(struct ud_io *outer)
{
	struct batch *b = outer->rq.prepared;

	while (b->next < b->count) {
		size_t i = b->next++;
		struct ud_io *io = begin_item(outer, &b->items[i], i);
		enum ud_code code = run_item(io);

		if (code == UD_OK)
			return;
		ud_answer_problem(&io->rq, code);
		end_item(io);
	}
	ud_buf_puts(&outer->rq.out, "]}");
	ud_loop_finish(outer);
}

void ud_batch_start(struct ud_io *io)
{
	struct ud_request *rq = &io->rq;
	const struct batch *b = rq->prepared;

	/* a call counts as many as it makes, this one aside, which was counted already */
	ud_limits_charge(rq->server->limits, ud_request_principal(rq), (int64_t)b->count - 1,
		ud_mono_ms(rq->cx.env));
	rq->status = rq->route->status;
	rq->content_type = "application/json";
	rq->out.len = 0;
	ud_buf_puts(&rq->out, "{\"object\":\"batch\",\"results\":[");
	go_on(io);
}

void ud_batch_item_done(struct ud_io *item)
{
	struct ud_io *outer = item->batch;

	end_item(item);
	go_on(outer);
}
