/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The close gate: what must be in order before the ticket of a run is solved. It only looks, and
 * names each point that is open with who can close it.
 */
#include <string.h>

#include "api/failovers.h"
#include "db/addresses.h"
#include "db/approvals.h"
#include "db/evidence.h"
#include "db/replications.h"
#include "db/waivers.h"
#include "db/workflows.h"
#include "server/workflow/workflow.h"

struct gate {
	const struct ud_failover *f;
	struct ud_buf out;
	size_t open;
};

static void open_point(
	struct gate *g, const char *code, const char *text, const char *who, const char *vm_id)
{
	ud_buf_printf(&g->out, "%s{\"code\":\"%s\",\"text\":", g->open++ ? "," : "", code);
	ud_buf_json(&g->out, text);
	ud_buf_printf(&g->out, ",\"who\":\"%s\",\"vm_id\":", who);
	ud_buf_json(&g->out, vm_id);
	ud_buf_putc(&g->out, '}');
}

/* ---- of one VM ---- */

static enum ud_code is_protected(struct ud_ctx *cx, const struct ud_workflow *w, bool *ret)
{
	struct ud_replication r = { 0 };
	bool found = false;

	UD_TRY(ud_replication_find(cx, w->replication_id, &found, &r));
	*ret = found && r.wanted == UD_RELATION_ACTIVE && r.state == UD_REPLICATION_REPLICATING;
	return UD_OK;
}

/* A waiver lets the ticket go without a replica, and without the word of an old primary that is
 * gone: it was proved to be off before the VM started elsewhere. Not of one that answers. */
static enum ud_code gate_source(
	struct ud_ctx *cx, struct gate *g, const struct ud_workflow *w, bool waived)
{
	bool runs_there = w->state == UD_WORKFLOW_DONE || w->state == UD_WORKFLOW_WAIVED ||
		!ud_workflow_closed(w);
	bool owed = w->demote_seq != UD_NONE || runs_there, answers = false;
	int64_t last = 0;

	if (!owed || w->demoted_at.ms > 0)
		return UD_OK;
	if (waived)
		UD_TRY(ud_flow_host_answers(cx, w->source_host_id, &answers, &last));
	if (!waived || answers)
		open_point(g, "source_not_demoted",
			"The old primary has not confirmed that it is a replica now.", "support",
			w->vm_id);
	return UD_OK;
}

/* Who has signed, and who may still: by the side that signed a waiver, or nobody. */
static void open_unprotected(struct ud_ctx *cx, struct gate *g,
	const struct ud_waiver_standing *waiver, const char *vm_id)
{
	static const struct {
		const char *text, *who;
	} rows[] = {
		[UD_SIDE_CUSTOMER] = { "The VM is not replicating. The customer has signed a waiver;"
				       " the provider has not.",
			"support" },
		[UD_SIDE_STAFF] = { "The VM is not replicating. The provider has signed a waiver; the"
				    " customer has not.",
			"customer" },
	};

	if (waiver->waiting_id && waiver->waiting_until > cx->now_ms)
		open_point(g, "unprotected", rows[waiver->waiting_side].text,
			rows[waiver->waiting_side].who, vm_id);
	else
		open_point(g, "unprotected",
			"The VM is not replicating, and no waiver of both sides holds.", "support",
			vm_id);
}

static enum ud_code gate_protection(struct ud_ctx *cx, struct gate *g, const struct ud_workflow *w)
{
	struct ud_waiver_standing waiver = { 0 };
	bool there = false;

	UD_TRY(ud_waiver_standing(cx, g->f->ticket_id, w->vm_id, &waiver));
	UD_TRY(is_protected(cx, w, &there));
	if (!there && !waiver.holds_until)
		open_unprotected(cx, g, &waiver, w->vm_id);
	return gate_source(cx, g, w, waiver.holds_until > 0);
}

/* A test gives its addresses back; one that was kept for a failover is taken into use by it. */
static enum ud_code gate_addresses(struct ud_ctx *cx, struct gate *g, const struct ud_workflow *w)
{
	bool test = g->f->kind == UD_FAILOVER_TEST;
	const char *address = NULL;

	UD_TRY(ud_address_held(
		cx, w->vm_id, test ? UD_ADDRESS_TEST : UD_ADDRESS_FAILOVER, &address));
	if (!address)
		return UD_OK;
	open_point(g, "address_held",
		ud_printf(cx->arena,
			test ? "Address %s of the test was not released."
			     : "Address %s is still kept for the failover: assign or release it.",
			address),
		"support", w->vm_id);
	return UD_OK;
}

static enum ud_code gate_vm(struct ud_ctx *cx, struct gate *g, const struct ud_workflow *w)
{
	bool moved = g->f->kind != UD_FAILOVER_TEST && w->committed_at.ms > 0;

	if (w->test_uuid)
		open_point(g, "test_vm_left", "The test VM is still there.", "support", w->vm_id);
	if (!ud_workflow_closed(w))
		open_point(g, "not_ended", "The VM's part of the run has not ended.", "support",
			w->vm_id);
	if (moved)
		UD_TRY(gate_protection(cx, g, w));
	if ((moved && w->state != UD_WORKFLOW_ROLLED_BACK) || g->f->kind == UD_FAILOVER_TEST)
		UD_TRY(gate_addresses(cx, g, w));
	return UD_OK;
}

/* ---- of the run ---- */

static enum ud_code gate_run(struct ud_ctx *cx, struct gate *g, bool begun)
{
	const struct ud_failover *f = g->f;
	struct ud_evidence e = { 0 };
	bool sealed = false;

	if (f->state == UD_FAILOVER_AWAITING_APPROVAL || f->state == UD_FAILOVER_APPROVED ||
		f->state == UD_FAILOVER_SCHEDULED)
		open_point(g, "not_ended", "The run has not begun, and was not called off.",
			"customer", NULL);
	if (f->kind != UD_FAILOVER_TEST && f->state == UD_FAILOVER_PROTECTED &&
		f->validation == UD_VALIDATION_OPEN)
		open_point(g, "not_validated", "The customer has not said whether it works.",
			"customer", NULL);
	UD_TRY(ud_evidence_of(cx, f->row.id, &sealed, &e));
	if (begun && !sealed)
		open_point(
			g, "evidence_unsealed", "The record is not sealed yet.", "support", NULL);
	return UD_OK;
}

enum ud_code ud_failover_gate(
	struct ud_ctx *cx, const char *failover_id, struct ud_json *ret, size_t *ret_open)
{
	struct ud_failover f = { 0 };
	struct ud_workflow_list all = { 0 };
	struct gate g = { .f = &f };

	UD_TRY(ud_row_get(cx, &ud_failovers, failover_id, &f));
	UD_TRY(ud_workflow_all(cx, failover_id, &all));
	ud_buf_putc(&g.out, '[');
	enum ud_code code = gate_run(cx, &g, all.count > 0);

	for (size_t i = 0; i < all.count && code == UD_OK; i++)
		code = gate_vm(cx, &g, &all.items[i]);
	ud_buf_putc(&g.out, ']');
	ret->text = ud_strndup(cx->arena, g.out.data, g.out.len);
	*ret_open = g.open;
	ud_buf_free(&g.out);
	return code;
}

enum ud_code ud_failover_lacks_protection(
	struct ud_ctx *cx, const char *failover_id, const char *vm_id, bool *ret)
{
	struct ud_workflow_list all = { 0 };

	*ret = false;
	UD_TRY(ud_workflow_all(cx, failover_id, &all));
	for (size_t i = 0; i < all.count && !*ret; i++) {
		const struct ud_workflow *w = &all.items[i];
		bool there = true;

		if ((vm_id && strcmp(w->vm_id, vm_id) != 0) || !ud_flow_waivable(w))
			continue;
		UD_TRY(is_protected(cx, w, &there));
		*ret = !there || !ud_workflow_closed(w);
	}
	return UD_OK;
}
