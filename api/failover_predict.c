/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Predictions. Nothing here is part of what is approved by its hash: times are learnt, and
 * addresses are those that are kept when the run comes to them.
 */
#include "api/failover_predict.h"

#include <string.h>

#include "base/failover.h"
#include "base/prediction.h"
#include "db/network_maps.h"

enum { CARDS_MAX = UD_WORKFLOWS_MAX * UD_FAILOVER_CARDS, CLOCKS_DIFFER = 1000000000 };

static const char *const basis_names[] = { "assumed", "customer", "same_vms" };
const struct ud_enum ud_predicted_bases = { "predicted_basis", basis_names, UD_LEN(basis_names) };

/* clang-format off */
static const struct ud_field predicted_fields[] = {
	UD_FIELD(ud_predicted, rpo_seconds, .flags = UD_NULLABLE, .min = -CLOCKS_DIFFER, .max = CLOCKS_DIFFER),
	UD_FIELD(ud_predicted, rpo_low_seconds, .flags = UD_NULLABLE),
	UD_FIELD(ud_predicted, rpo_high_seconds, .flags = UD_NULLABLE),
	UD_FIELD(ud_predicted, rto_seconds),
	UD_FIELD(ud_predicted, rto_low_seconds),
	UD_FIELD(ud_predicted, rto_high_seconds),
	UD_FIELD(ud_predicted, downtime_seconds),
	UD_FIELD(ud_predicted, downtime_low_seconds),
	UD_FIELD(ud_predicted, downtime_high_seconds),
	UD_FIELD(ud_predicted, data_loss, .max = 1000),
	UD_FIELD(ud_predicted, basis, .values = &ud_predicted_bases),
	UD_FIELD(ud_predicted, runs),
	UD_FIELD(ud_predicted, confidence_percent),
	UD_FIELD(ud_predicted, graded_runs),
	UD_FIELD(ud_predicted, held_runs),
	UD_FIELD(ud_predicted, addresses, .part = &ud_predicted_card_shape, .many = true),
};
static const struct ud_field card_fields[] = {
	UD_FIELD(ud_predicted_card, vm_id,     .flags = UD_REQUIRED, .about = "Of which VM."),
	UD_FIELD(ud_predicted_card, name,      .about = "Its name."),
	UD_FIELD(ud_predicted_card, mac,       .flags = UD_REQUIRED, .about = "Its card."),
	UD_FIELD(ud_predicted_card, addresses, .max = UD_CARD_ADDRESSES, .about = "Addresses that the card gets, with their lengths."),
	UD_FIELD(ud_predicted_card, gateways,  .max = 2, .about = "Router of each family."),
	UD_FIELD(ud_predicted_card, dns,       .max = UD_CARD_ADDRESSES, .about = "Servers of names; none = as they are."),
};
/* clang-format on */
const struct ud_shape ud_predicted_shape = { UD_SHAPE(ud_predicted, predicted_fields),
	.bare = true };
const struct ud_shape ud_predicted_card_shape = { UD_SHAPE(ud_predicted_card, card_fields),
	.bare = true };

/* Without earlier runs: what shutdown, copy and boot took on common guests, generously. */
static const struct {
	int64_t likely, low, high;
} usual[] = { [UD_FAILOVER_TEST] = { 60, 20, 300 },
	[UD_FAILOVER_PLANNED] = { 120, 30, 900 },
	[UD_FAILOVER_UNPLANNED] = { 180, 45, 1200 } };

/* The cards of one VM, behind those that stand in the list. */
static enum ud_code add_cards(struct ud_ctx *cx, const struct ud_failover *f,
	const struct ud_plan_vm *vm, struct ud_buf *list)
{
	const struct ud_network_way way = { vm->vm_id, vm->source_host_id, vm->target_host_id,
		f->kind == UD_FAILOVER_TEST, f->network_map.text };
	struct ud_card_addresses *cards = NULL;
	struct ud_json kept = { 0 };
	size_t n = 0;

	if (!vm->target_host_id)
		return UD_OK;
	UD_TRY(ud_network_map_addresses(cx, &way, &kept));
	UD_TRY(ud_shape_read_list(
		cx, &ud_card_addresses_shape, kept.text, UD_FAILOVER_CARDS, (void **)&cards, &n));
	for (size_t i = 0; i < n; i++) {
		const struct ud_predicted_card card = { vm->vm_id, vm->name, cards[i].mac,
			cards[i].addresses, cards[i].gateways, cards[i].dns };

		ud_buf_puts(list, list->len > 1 ? "," : "");
		ud_shape_encode(list, &ud_predicted_card_shape, &card, NULL);
	}
	return UD_OK;
}

static enum ud_code find_addresses(struct ud_ctx *cx, const struct ud_failover *f,
	const struct ud_plan_vm *vms, size_t n, struct ud_json *ret)
{
	struct ud_buf list = { 0 };
	enum ud_code code = UD_OK;

	ud_buf_putc(&list, '[');
	for (size_t i = 0; i < n && code == UD_OK; i++)
		code = add_cards(cx, f, &vms[i], &list);
	ud_buf_putc(&list, ']');
	ret->text = ud_buf_take(cx->arena, &list);
	return code;
}

static const char *loss_of(struct ud_ctx *cx, unsigned kind, int64_t rpo_seconds)
{
	if (kind != UD_FAILOVER_UNPLANNED)
		return "none";
	return rpo_seconds == UD_NONE
		? "Changes since the last recovery point; its age is not known."
		: ud_printf(cx->arena, "Changes of about the last %lld s.", (long long)rpo_seconds);
}

static int64_t rpo_of(unsigned kind, int64_t age_ms)
{
	if (kind == UD_FAILOVER_PLANNED)
		return 0;
	return age_ms == UD_NONE ? UD_NONE : age_ms < 0 ? 0 : age_ms / 1000;
}

/* Earlier runs that say something of this one. */
struct past {
	struct ud_failover_past runs[UD_FAILOVERS_PAST];
	size_t n;
	unsigned basis;
};

/* Those of the same VMs where they are enough, else the customer's; where these are too few as
 * well the same VMs' again, if there are any. */
static enum ud_code find_past(struct ud_ctx *cx, const struct ud_failover *f, struct past *ret)
{
	struct past *wider = ud_alloc(cx->arena, sizeof(*wider));

	ret->basis = UD_PREDICTED_SAME_VMS;
	UD_TRY(ud_failovers_past(cx, f, true, ret->runs, &ret->n));
	if (ret->n >= UD_PREDICTION_ENOUGH)
		return UD_OK;
	wider->basis = UD_PREDICTED_CUSTOMER;
	UD_TRY(ud_failovers_past(cx, f, false, wider->runs, &wider->n));
	if (wider->n >= UD_PREDICTION_ENOUGH || !ret->n)
		*ret = *wider;
	if (!ret->n)
		ret->basis = UD_PREDICTED_ASSUMED;
	return UD_OK;
}

static void predict_time(const struct past *past, unsigned kind, struct ud_predicted *p)
{
	int64_t values[UD_FAILOVERS_PAST];
	struct ud_prediction seen = { 0 };

	p->rto_seconds = usual[kind].likely;
	p->rto_low_seconds = usual[kind].low;
	p->rto_high_seconds = usual[kind].high;
	for (size_t i = 0; i < past->n; i++)
		values[i] = past->runs[i].rto_seconds;
	if (!past->n)
		return;
	ud_predict(values, past->n, &seen);
	p->confidence_percent = seen.percent;
	p->rto_seconds = seen.median;
	if (past->n >= UD_PREDICTION_ENOUGH || seen.low < p->rto_low_seconds)
		p->rto_low_seconds = seen.low;
	if (past->n >= UD_PREDICTION_ENOUGH || seen.high > p->rto_high_seconds)
		p->rto_high_seconds = seen.high;
}

/* What it is now lies in it, too. */
static void predict_age(const struct past *past, unsigned kind, struct ud_predicted *p)
{
	int64_t values[UD_FAILOVERS_PAST];
	struct ud_prediction seen = { 0 };
	size_t n = 0;

	p->rpo_low_seconds = p->rpo_high_seconds = kind == UD_FAILOVER_PLANNED ? 0 : UD_NONE;
	for (size_t i = 0; i < past->n; i++)
		if (past->runs[i].rpo_seconds != UD_NONE)
			values[n++] = past->runs[i].rpo_seconds;
	if (kind == UD_FAILOVER_PLANNED || n < UD_PREDICTION_ENOUGH)
		return;
	ud_predict(values, n, &seen);
	p->rpo_low_seconds = seen.low;
	p->rpo_high_seconds = seen.high;
	if (p->rpo_seconds != UD_NONE && p->rpo_seconds < seen.low)
		p->rpo_low_seconds = p->rpo_seconds;
	if (p->rpo_seconds != UD_NONE && p->rpo_seconds > seen.high)
		p->rpo_high_seconds = p->rpo_seconds;
}

/* How far earlier predictions held. One that cannot be read is none. */
static void grade(struct ud_ctx *cx, const struct past *past, struct ud_predicted *p)
{
	for (size_t i = 0; i < past->n; i++) {
		const struct ud_failover_past *run = &past->runs[i];
		struct ud_predicted then = { 0 };

		if (ud_shape_read(cx, &ud_predicted_shape, run->predicted, strlen(run->predicted),
			    &then) != UD_OK)
			ud_ctx_clear(cx);
		else if (then.rto_high_seconds > 0) {
			p->graded_runs++;
			p->held_runs += run->rto_seconds >= then.rto_low_seconds &&
				run->rto_seconds <= then.rto_high_seconds;
		}
	}
}

static enum ud_code predict(struct ud_ctx *cx, const struct ud_failover *f, struct ud_predicted *p)
{
	struct past *past = ud_alloc(cx->arena, sizeof(*past));

	UD_TRY(find_past(cx, f, past));
	p->basis = past->basis;
	p->runs = (int64_t)past->n;
	predict_time(past, f->kind, p);
	predict_age(past, f->kind, p);
	grade(cx, past, p);
	if (f->kind == UD_FAILOVER_TEST)
		return UD_OK;
	p->downtime_seconds = p->rto_seconds;
	p->downtime_low_seconds = p->rto_low_seconds;
	p->downtime_high_seconds = p->rto_high_seconds;
	return UD_OK;
}

enum ud_code ud_failover_predict(struct ud_ctx *cx, struct ud_failover *f,
	const struct ud_plan_vm *vms, size_t n, int64_t age_ms)
{
	struct ud_predicted p = { .rpo_seconds = rpo_of(f->kind, age_ms) };
	struct ud_buf b = { 0 };

	UD_TRY(predict(cx, f, &p));
	p.data_loss = loss_of(cx, f->kind, p.rpo_seconds);
	UD_TRY(find_addresses(cx, f, vms, n, &p.addresses));
	ud_shape_encode(&b, &ud_predicted_shape, &p, NULL);
	f->predicted.text = ud_buf_take(cx->arena, &b);
	return UD_OK;
}

enum ud_code ud_predicted_read(struct ud_ctx *cx, const char *text, struct ud_predicted *ret,
	const struct ud_predicted_card **ret_cards, size_t *ret_n)
{
	UD_TRY(ud_shape_read(cx, &ud_predicted_shape, text, strlen(text), ret));
	return ud_shape_read_list(cx, &ud_predicted_card_shape, ret->addresses.text, CARDS_MAX,
		(void **)ret_cards, ret_n);
}
