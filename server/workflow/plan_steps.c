/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plan has done before a group starts and after it did: items of two lists, each a row among
 * the steps of the VM that carries it. An item is begun once; one of which nobody knows whether it
 * was done waits for people.
 */
#include <string.h>

#include "base/failover.h"
#include "base/verbs.h"
#include "db/operations.h"
#include "server/webhooks/webhooks.h"
#include "server/workflow/steps.h"

enum { OUTPUT_KEPT = 2000 };

/* ---- which ---- */

static const struct ud_plan_steps *list_of(const struct ud_plan_group *g, const struct step *s)
{
	return s->items == BEFORE ? &g->before : &g->after;
}

/* The VM that carries what names no other: the first of the group. */
static const struct ud_workflow *first_of(const struct flow *fl, const struct ud_plan_group *g)
{
	for (size_t i = 0; i < fl->all.count; i++)
		if (fl->all.items[i].boot_group == g->first_wave)
			return &fl->all.items[i];
	return NULL;
}

static const struct ud_workflow *carrier(
	const struct flow *fl, const struct ud_plan_group *g, const struct ud_plan_step *item)
{
	for (size_t i = 0; item->vm_id && i < fl->all.count; i++)
		if (strcmp(fl->all.items[i].vm_id, item->vm_id) == 0)
			return &fl->all.items[i];
	return first_of(fl, g);
}

enum ud_code ud_flow_item_next(struct ud_ctx *cx, struct flow *fl, const struct ud_workflow *w,
	const struct step *s, int64_t from, int64_t *ret)
{
	struct ud_plan_group g;

	*ret = -1;
	UD_TRY(ud_flow_group(cx, fl, w, &g));
	const struct ud_plan_steps *list = list_of(&g, s);

	for (size_t i = (size_t)from; i < list->count && *ret < 0; i++)
		if (ud_plan_step_runs(&list->items[i], (enum ud_failover_kind)w->kind) &&
			carrier(fl, &g, &list->items[i]) == w)
			*ret = (int64_t)i;
	return UD_OK;
}

static enum ud_code item_at(struct ud_ctx *cx, struct flow *fl, const struct ud_workflow *w,
	const struct step *s, int64_t i, struct ud_plan_step *ret)
{
	struct ud_plan_group g;

	UD_TRY(ud_flow_group(cx, fl, w, &g));
	*ret = list_of(&g, s)->items[i];
	return UD_OK;
}

static enum ud_code present(struct ud_ctx *cx, struct flow *fl, struct ud_plan_step *ret)
{
	const struct ud_workflow *w = fl->w;

	return item_at(cx, fl, w, ud_flow_step(w->kind, w->step), w->plan_item, ret);
}

static const char *name_at(struct ud_ctx *cx, const char *step, int64_t item)
{
	return ud_printf(cx->arena, "%s.%lld", step, (long long)item + 1);
}

const char *ud_flow_row_name(struct ud_ctx *cx, const struct ud_workflow *w)
{
	return ud_flow_step(w->kind, w->step)->items == NO_ITEMS
		? w->step
		: name_at(cx, w->step, w->plan_item);
}

enum ud_code ud_flow_row_title(struct ud_ctx *cx, struct flow *fl, const char **ret)
{
	struct ud_plan_step item;

	*ret = NULL;
	if (ud_flow_step(fl->w->kind, fl->w->step)->items == NO_ITEMS)
		return UD_OK;
	UD_TRY(present(cx, fl, &item));
	*ret = item.name;
	return UD_OK;
}

enum ud_code ud_flow_next(
	struct ud_ctx *cx, struct flow *fl, const struct step *s, const char **ret)
{
	struct ud_workflow *w = fl->w;
	const struct step *next = s->then ? ud_flow_step(w->kind, s->then) : s + 1;
	int64_t item = -1;

	if (s->items != NO_ITEMS)
		UD_TRY(ud_flow_item_next(cx, fl, w, s, w->plan_item + 1, &item));
	if (item >= 0)
		next = s;
	while (item < 0 && next->items != NO_ITEMS) {
		UD_TRY(ud_flow_item_next(cx, fl, w, next, 0, &item));
		next += item < 0;
	}
	w->plan_item = item < 0 ? 0 : item;
	*ret = next->name;
	return UD_OK;
}

enum ud_code ud_flow_items_pending(struct ud_ctx *cx, struct flow *fl, const struct ud_workflow *w,
	const struct step *s, int64_t *n)
{
	int64_t i = -1;

	for (;;) {
		struct ud_plan_step item;

		UD_TRY(ud_flow_item_next(cx, fl, w, s, i + 1, &i));
		if (i < 0)
			return UD_OK;
		UD_TRY(item_at(cx, fl, w, s, i, &item));
		struct ud_workflow_step row = { .n = (*n)++,
			.name = name_at(cx, s->name, i),
			.title = item.name,
			.phase = s->phase,
			.seq = UD_NONE };

		UD_TRY(ud_step_put(cx, w, &row));
	}
}

/* ---- order ---- */

static bool in_group(const struct ud_workflow *w, const struct ud_plan_group *g)
{
	return w->boot_group >= g->first_wave && w->boot_group <= g->last_wave;
}

/* Has the VM that carries it got past this item, or will it never come to it? */
static bool item_past(const struct ud_workflow *o, const struct step *s, int64_t i)
{
	return ud_workflow_closed(o) || ud_flow_is_past(o, s->name) ||
		(strcmp(o->step, s->name) == 0 && o->plan_item > i);
}

/* Items go one after the other, those after a group once all of it was looked at. */
static enum ud_code is_turn(struct ud_ctx *cx, struct flow *fl, bool *ret)
{
	const struct ud_workflow *w = fl->w;
	const struct step *s = ud_flow_step(w->kind, w->step);
	struct ud_plan_group g;

	*ret = true;
	UD_TRY(ud_flow_group(cx, fl, w, &g));
	const struct ud_plan_steps *list = list_of(&g, s);

	for (int64_t i = 0; i < w->plan_item; i++)
		if (ud_plan_step_runs(&list->items[i], (enum ud_failover_kind)w->kind))
			*ret &= item_past(carrier(fl, &g, &list->items[i]), s, i);
	for (size_t i = 0; s->items == AFTER && i < fl->all.count; i++) {
		const struct ud_workflow *o = &fl->all.items[i];

		if (in_group(o, &g))
			*ret &= ud_workflow_closed(o) || ud_flow_is_past(o, "check_script");
	}
	return UD_OK;
}

enum ud_code ud_flow_before_done(struct ud_ctx *cx, struct flow *fl, enum found *ret)
{
	struct ud_plan_group g;
	int64_t item = -1;

	*ret = NEXT;
	UD_TRY(ud_flow_group(cx, fl, fl->w, &g));
	const struct ud_workflow *first = first_of(fl, &g);

	if (!first || first == fl->w || first->state == UD_WORKFLOW_DONE ||
		ud_flow_is_past(first, "plan_before"))
		return UD_OK;
	UD_TRY(ud_flow_item_next(
		cx, fl, first, ud_flow_step(first->kind, "plan_before"), 0, &item));
	if (item < 0)
		return UD_OK;
	*ret = STAY;
	if (ud_workflow_closed(first))
		return ud_flow_ask(fl, ret, "plan_member_stuck",
			"What was to be done before this group starts was not done.", "support");
	return UD_OK;
}

/* ---- doing ---- */

static enum ud_code begin_manual(
	struct ud_ctx *cx, struct flow *fl, const struct ud_plan_step *item, enum found *ret)
{
	return ud_flow_ask(fl, ret,
		item->on_fail == UD_ON_FAIL_STOP ? "manual_needed" : "manual_step",
		ud_printf(cx->arena, "%s: %s", item->name, item->text),
		item->owner == UD_OWNER_CUSTOMER ? "customer" : "support");
}

/* In the guest itself, or in the copy of it that a test runs. */
static enum ud_code begin_guest(
	struct ud_ctx *cx, struct flow *fl, const struct ud_plan_step *item, enum found *ret)
{
	bool test = fl->w->kind == UD_FAILOVER_TEST;
	struct ud_check_args copy = { .level = UD_CHECK_SCRIPT,
		.test_id = fl->w->test_id,
		.program = item->program,
		.arguments = item->arguments };
	struct ud_guest_args guest = { .program = item->program,
		.arguments = item->arguments,
		.timeout_seconds = item->timeout_seconds };
	struct ud_buf b = { 0 };

	*ret = STAY;
	if (test)
		ud_shape_encode(&b, &ud_check_args_shape, &copy, NULL);
	else
		ud_shape_encode(&b, &ud_guest_args_shape, &guest, NULL);
	return ud_flow_command(cx, fl, test ? UD_VERB_BOOT_CHECK : UD_VERB_VM_RUN,
		ud_buf_take(cx->arena, &b), item->timeout_seconds);
}

/* On the host that the VM starts on. */
static enum ud_code begin_host(
	struct ud_ctx *cx, struct flow *fl, const struct ud_plan_step *item, enum found *ret)
{
	struct ud_guest_args args = { .program = item->program,
		.arguments = item->arguments,
		.timeout_seconds = item->timeout_seconds };
	struct ud_buf b = { 0 };

	*ret = STAY;
	ud_shape_encode(&b, &ud_guest_args_shape, &args, NULL);
	return ud_flow_command(
		cx, fl, UD_VERB_STEP_SCRIPT, ud_buf_take(cx->arena, &b), item->timeout_seconds);
}

/* One key for all tries: whoever is called tells by it what was done already. */
static enum ud_code begin_webhook(
	struct ud_ctx *cx, struct flow *fl, const struct ud_plan_step *item, enum found *ret)
{
	struct ud_workflow *w = fl->w;
	struct ud_operation op = { 0 };
	struct ud_buf b = { 0 };
	struct ud_plan_group g;

	UD_TRY(ud_flow_group(cx, fl, w, &g));
	ud_buf_printf(&b,
		"{\"object\":\"plan_step\",\"failover_id\":\"%s\",\"ticket_id\":\"%s\",\"plan_id\":\"%s\","
		"\"kind\":\"%s\",\"group\":%lld,\"when\":\"%s\",\"vm_id\":\"%s\",\"step\":",
		fl->f.row.id, fl->f.ticket_id, fl->f.plan_id, ud_failover_kinds.names[fl->f.kind],
		(long long)g.group, strcmp(w->step, "plan_before") == 0 ? "before" : "after",
		w->vm_id);
	ud_buf_json(&b, item->name);
	ud_buf_putc(&b, '}');
	const struct ud_webhook hook = { .url = item->url,
		.idempotency_key = ud_printf(cx->arena, "%s.%s", w->row.id, fl->step.name),
		.body = ud_buf_take(cx->arena, &b),
		.timeout_seconds = item->timeout_seconds < UD_WEBHOOK_SECONDS
			? item->timeout_seconds
			: UD_WEBHOOK_SECONDS };

	*ret = STAY;
	UD_TRY(ud_webhook_begin(cx, &hook, fl->f.row.id, fl->f.row.customer_id, &op));
	w->plan_operation_id = op.row.id;
	fl->step.attempts++;
	UD_TRY(ud_step_put(cx, w, &fl->step));
	return ud_step_log(cx, w, "called", NULL, UD_NONE, item->name);
}

/* A call that is under way, or has ended. */
static enum ud_code follow(struct ud_ctx *cx, struct flow *fl, enum found *ret)
{
	struct ud_workflow *w = fl->w;
	struct ud_operation op = { 0 };
	enum ud_webhook_end end;
	const char *text;

	*ret = STAY;
	UD_TRY(ud_row_get(cx, &ud_operations, w->plan_operation_id, &op));
	if (!ud_operation_ended(&op))
		return UD_OK;
	w->plan_operation_id = NULL;
	UD_TRY(ud_webhook_ended(cx, &op, &end, &text));
	fl->step.result.text = op.result.text;
	fl->unknown = end == UD_WEBHOOK_UNKNOWN;
	*ret = end == UD_WEBHOOK_DONE ? NEXT : FAIL;
	if (*ret == FAIL)
		ud_flow_reason(fl, "plan_step_failed", text, "support");
	return UD_OK;
}

typedef enum ud_code begin_item(
	struct ud_ctx *cx, struct flow *fl, const struct ud_plan_step *item, enum found *ret);
static begin_item *const begins[] = { [UD_PLAN_SCRIPT_GUEST] = begin_guest,
	[UD_PLAN_SCRIPT_HOST] = begin_host,
	[UD_PLAN_WEBHOOK] = begin_webhook,
	[UD_PLAN_MANUAL] = begin_manual };
_Static_assert(UD_LEN(begins) == UD_PLAN_KINDS, "a function for every kind");

enum ud_code ud_look_plan(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	struct ud_plan_step item;
	bool turn = false;

	(void)ret_jump;
	*ret = STAY;
	if (fl->w->plan_operation_id)
		return follow(cx, fl, ret);
	UD_TRY(is_turn(cx, fl, &turn));
	if (!turn)
		return UD_OK;
	UD_TRY(present(cx, fl, &item));
	return begins[item.kind](cx, fl, &item, ret);
}

/* ---- what came of it ---- */

/* The beginning of what a program said, cut between two characters. */
static const char *beginning(struct ud_ctx *cx, const char *text)
{
	size_t n = text ? strnlen(text, OUTPUT_KEPT + 1) : 0;

	if (n > OUTPUT_KEPT)
		for (n = OUTPUT_KEPT; n && ((unsigned char)text[n] & 0xc0) == 0x80;)
			n--;
	return ud_strndup(cx->arena, text ? text : "", n);
}

static enum ud_code took_copy(struct ud_ctx *cx, const char *result)
{
	struct ud_check_result r = { 0 };

	UD_TRY(ud_shape_read(cx, &ud_check_result_shape, result, strlen(result), &r));
	if (r.passed)
		return UD_OK;
	return ud_fail(cx, UD_E_HYPERVISOR, NULL, "%s", r.text ? r.text : "It did not run.");
}

enum ud_code ud_took_plan(struct ud_ctx *cx, struct flow *fl, const char *result)
{
	const char *text = result ? result : "{}";
	struct ud_guest_result r = { 0 };
	struct ud_plan_step item;
	struct ud_buf b = { 0 };

	UD_TRY(present(cx, fl, &item));
	if (fl->w->kind == UD_FAILOVER_TEST && item.kind == UD_PLAN_SCRIPT_GUEST)
		return took_copy(cx, text);
	UD_TRY(ud_shape_read(cx, &ud_guest_result_shape, text, strlen(text), &r));
	r.output = beginning(cx, r.output);
	r.error_output = beginning(cx, r.error_output);
	ud_shape_encode(&b, &ud_guest_result_shape, &r, NULL);
	fl->step.result.text = ud_buf_take(cx->arena, &b);
	if (r.exit_status == 0)
		return UD_OK;
	return ud_fail(cx, UD_E_HYPERVISOR, NULL, "It ended with %lld: %s",
		(long long)r.exit_status, *r.error_output ? r.error_output : r.output);
}

/* Why people are asked; NULL = it is noted, and the next one begins. */
static const char *asks(
	const struct flow *fl, const struct step *s, const struct ud_plan_step *item)
{
	if (fl->unknown)
		return "outcome_unknown";
	if (item->on_fail == UD_ON_FAIL_CONTINUE)
		return NULL;
	if (item->on_fail == UD_ON_FAIL_PAUSE)
		return "plan_step_failed";
	if (s->items == BEFORE)
		return "step_shut";
	return ud_flow_holds_any(fl, fl->w) ? "gate_shut" : NULL;
}

enum ud_code ud_flow_item_failed(struct ud_ctx *cx, struct flow *fl, bool *ret_ask)
{
	struct ud_plan_step item;

	UD_TRY(present(cx, fl, &item));
	const char *code = asks(fl, ud_flow_step(fl->w->kind, fl->w->step), &item);

	*ret_ask = code != NULL;
	ud_flow_reason(fl, code ? code : "plan_step_failed",
		ud_printf(cx->arena, "%s%s: %s", item.name,
			fl->unknown ? " may have been done or not" : "",
			fl->w->reason_text ? fl->w->reason_text : ""),
		"support");
	return UD_OK;
}
