/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page of a ticket: what is asked for, what it will cost, who has signed, what may be decided
 * and where its run stands. A statement is about one machine, and every note says about which.
 */
#include <string.h>

#include "api/api.h"
#include "api/basic.h"
#include "api/failover_predict.h"
#include "api/failovers.h"
#include "api/tickets.h"
#include "base/id.h"
#include "base/replication.h"
#include "db/approvals.h"
#include "db/failovers.h"
#include "db/vms.h"
#include "db/waivers.h"
#include "server/auth/auth.h"
#include "server/http/forms.h"
#include "server/http/server.h"

/* Is an operation among those that the caller may do now? */
static bool allowed(const struct ud_json *list, struct ud_ctx *cx, const char *op)
{
	return list->text && strstr(list->text, ud_printf(cx->arena, "\"%s\"", op));
}

/* The machine's name; of one that is gone the id is all that is left. */
static enum ud_code machine_name(struct ud_ctx *cx, const char *id, const char **ret)
{
	struct ud_vm vm = { 0 };
	enum ud_code code = ud_row_get(cx, &ud_vms, id, &vm);

	if (code != UD_OK && code != UD_E_NOT_FOUND)
		return code;
	if (code != UD_OK)
		ud_ctx_clear(cx);
	*ret = code == UD_OK ? vm.name : id;
	return UD_OK;
}

/* "erp-db: " where something is about one machine. */
static enum ud_code put_machine(struct ud_ctx *cx, struct ud_buf *b, const char *id)
{
	const char *name;

	if (!id || !ud_id_valid(id, "vm"))
		return UD_OK;
	UD_TRY(machine_name(cx, id, &name));
	ud_page_text(b, name);
	ud_buf_puts(b, ": ");
	return UD_OK;
}

static enum ud_code blockers(struct ud_ctx *cx, struct ud_buf *b, const struct ud_ticket *t)
{
	const struct ud_blocker *list = NULL;
	size_t n = 0;

	UD_TRY(ud_shape_read_list(
		cx, &ud_blocker_shape, t->blockers.text, UD_BASIC_ROWS, (void *)&list, &n));
	if (!n && t->blockers.text) {
		ud_buf_puts(b, "<p class=\"note\">Nothing stands in the way.</p>\n");
		return UD_OK;
	}
	for (size_t i = 0; i < n; i++) {
		ud_buf_puts(b,
			list[i].warning ? "<p class=\"note\">Note: "
					: "<p class=\"note\">In the way: ");
		UD_TRY(put_machine(cx, b, list[i].subject));
		ud_page_text(b, list[i].text);
		ud_buf_puts(b, " ");
		ud_page_text(b, list[i].fix);
		ud_buf_puts(b, "</p>\n");
	}
	return UD_OK;
}

static void put_seconds(struct ud_buf *b, const char *label, int64_t seconds)
{
	if (seconds != UD_NONE)
		ud_buf_printf(b, "<li>%s: %lld s</li>", label, (long long)seconds);
}

static void put_line(struct ud_buf *b, const char *label, const char *text)
{
	ud_buf_printf(b, "<li>%s: ", label);
	ud_page_text(b, text);
	ud_buf_puts(b, "</li>");
}

static enum ud_code put_machines(struct ud_ctx *cx, struct ud_buf *b, const struct ud_failover *f)
{
	const char *name;

	ud_buf_puts(b, "<li>Machines: ");
	for (size_t i = 0; i < f->vm_ids.count; i++) {
		UD_TRY(machine_name(cx, f->vm_ids.items[i], &name));
		ud_buf_puts(b, i ? ", " : "");
		ud_page_text(b, name);
	}
	ud_buf_puts(b, "</li>");
	return UD_OK;
}

/* What cards get where they come up. */
static void put_cards(
	struct ud_ctx *cx, struct ud_buf *b, const struct ud_predicted_card *cards, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < cards[i].addresses.count; k++)
			put_line(b, "Address there",
				ud_printf(cx->arena, "%s, card %s: %s", cards[i].name, cards[i].mac,
					cards[i].addresses.items[k]));
}

/* Between what the downtime is expected to lie, and how sure that is. */
static void put_sureness(struct ud_ctx *cx, struct ud_buf *b, const struct ud_predicted *p)
{
	if (p->downtime_high_seconds <= 0)
		return;
	put_seconds(b, "At the least", p->downtime_low_seconds);
	put_seconds(b, "At the most", p->downtime_high_seconds);
	put_line(b, "How sure that is",
		p->confidence_percent
			? ud_printf(cx->arena, "at least %lld %%, by %lld earlier runs",
				  (long long)p->confidence_percent, (long long)p->runs)
			: p->runs ? "not: learnt from one run alone"
				  : "assumed: no run of this kind yet");
}

/* A moment, where there is one. */
static void put_when(struct ud_buf *b, const char *label, struct ud_time at)
{
	char text[UD_TIME_TEXT];

	if (at.ms <= 0)
		return;
	ud_time_format(at.ms, text);
	put_line(b, label, text);
}

/* What is asked for, in the words that whoever approves goes by. */
static enum ud_code wish(struct ud_ctx *cx, struct ud_buf *b, const struct ud_ticket *t)
{
	const struct ud_failover_reason *why = ud_failover_reasons;
	struct ud_failover f = { 0 };
	struct ud_predicted p = { .rpo_seconds = UD_NONE, .downtime_seconds = UD_NONE };
	const struct ud_predicted_card *cards = NULL;
	size_t n = 0;

	UD_TRY(ud_row_get(cx, &ud_failovers, t->failover_id, &f));
	while (why->code && strcmp(why->code, f.reason_code) != 0)
		why++;
	ud_buf_puts(b, "<h2>What is asked for</h2><ul>");
	put_line(b, "Kind", ud_basic_kinds[f.kind].words);
	UD_TRY(put_machines(cx, b, &f));
	put_line(b, "Reason", why->code ? why->about : f.reason_code);
	put_when(b, "Begins at", f.scheduled_at);
	put_when(b, "Back by", f.window_ends_at);
	if (t->predicted.text) {
		UD_TRY(ud_predicted_read(cx, t->predicted.text, &p, &cards, &n));
		put_seconds(b, "Predicted downtime", p.downtime_seconds);
		put_sureness(cx, b, &p);
		put_seconds(b, "Predicted age of the data (RPO)", p.rpo_seconds);
		put_line(b, "Predicted data loss", p.data_loss ? p.data_loss : "unknown");
		put_cards(cx, b, cards, n);
	}
	ud_buf_puts(b, "</ul>\n");
	return UD_OK;
}

/* ---- who has signed ---- */

/* Lines of signatures under a ticket; open = a list was begun. */
struct signatures {
	struct ud_buf *b;
	size_t n;
};

static void put_signature(struct signatures *s, const char *what, unsigned side, const char *who)
{
	ud_buf_puts(s->b, s->n++ ? "<li>" : "<h2>Signed so far</h2><ul><li>");
	ud_buf_printf(s->b, "%s %s: ", what,
		side == UD_SIDE_CUSTOMER ? "for the customer" : "for the provider");
	ud_page_text(s->b, who);
}

static enum ud_code put_approval(struct ud_ctx *cx, void *data, const void *row)
{
	const struct ud_approval *a = row;

	(void)cx;
	if (a->voided_at.ms > 0)
		return UD_OK;
	put_signature(data, a->decision == UD_DECISION_APPROVED ? "Approved" : "Rejected", a->side,
		a->user_name);
	ud_buf_puts(((struct signatures *)data)->b, "</li>");
	return UD_OK;
}

static enum ud_code put_statement(
	struct ud_ctx *cx, struct ud_buf *b, const char *vm_id, const char *statement)
{
	ud_buf_puts(b, ", ");
	UD_TRY(put_machine(cx, b, vm_id));
	ud_page_text(b, statement);
	return UD_OK;
}

static enum ud_code put_attestation(struct ud_ctx *cx, void *data, const void *row)
{
	const struct ud_attestation *a = row;
	struct signatures *s = data;

	put_signature(s, "Stated to be off", a->side, a->user_name);
	UD_TRY(put_statement(cx, s->b, a->vm_id, a->statement));
	ud_buf_puts(s->b, a->effective ? " (it counts as off now)</li>" : "</li>");
	return UD_OK;
}

static enum ud_code put_waiver(struct ud_ctx *cx, void *data, const void *row)
{
	const struct ud_waiver *w = row;
	struct signatures *s = data;
	char until[UD_TIME_TEXT];

	ud_time_format(w->effective ? w->holds_until.ms : w->expires_at.ms, until);
	put_signature(s, "Stays unprotected", w->side, w->user_name);
	UD_TRY(put_statement(cx, s->b, w->vm_id, w->statement));
	ud_buf_printf(s->b, " (%s %s)</li>",
		w->effective ? "both have signed; holds until" : "until", until);
	return UD_OK;
}

static enum ud_code signatures(struct ud_ctx *cx, struct ud_buf *b, const struct ud_ticket *t)
{
	static const struct {
		const struct ud_table *table;
		ud_row_visitor *put;
	} kinds[] = {
		{ &ud_approvals, put_approval },
		{ &ud_attestations, put_attestation },
		{ &ud_waiver_table, put_waiver },
	};
	struct signatures s = { .b = b };
	bool more;

	for (size_t i = 0; i < UD_LEN(kinds); i++) {
		struct ud_list list = { .limit = UD_BASIC_ROWS };

		ud_list_where(&list, "ticket_id", UD_OP_EQ, ud_t(t->row.id));
		UD_TRY(ud_row_list(cx, kinds[i].table, &list, kinds[i].put, &s, &more));
	}
	if (s.n)
		ud_buf_puts(b, "</ul>\n");
	return UD_OK;
}

/* ---- signing ---- */

enum { SOON_MS = 60000 }; /* a proof that ends within this is asked for anew: people write slowly */
#define DAY_MS INT64_C(86400000)

static bool proven(const struct ud_ctx *cx, const struct ud_request *rq)
{
	return rq->scope.factor_at_ms != UD_NONE &&
		cx->now_ms - rq->scope.factor_at_ms < UD_STEP_UP_MS - SOON_MS;
}

/* Who signs in words of their own proves who they are before they write, so that nothing is lost.
 */
static void prove(struct ud_request *rq, const char *here)
{
	ud_basic_form(rq, "me/step-up", here);
	ud_buf_puts(&rq->out,
		"<h2>Confirm that it is you</h2><p>Before you sign a statement here.</p>"
		"<label for=\"password\">Password</label><input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required>"
		"<label for=\"totp\">Code, where you have a second factor</label><input id=\"totp\" name=\"totp\" inputmode=\"numeric\" autocomplete=\"one-time-code\">"
		"<button>Confirm</button></form>\n");
}

/* A statement is about one machine: people sign for each. */
static enum ud_code put_choice(
	struct ud_ctx *cx, struct ud_buf *b, const struct ud_ticket *t, const char *id)
{
	const char *name;

	ud_buf_printf(b,
		"<label for=\"%s\">Of which machine?</label><select id=\"%s\" name=\"vm_id\">", id,
		id);
	for (size_t i = 0; i < t->resource_ids.count; i++) {
		UD_TRY(machine_name(cx, t->resource_ids.items[i], &name));
		ud_buf_printf(b, "<option value=\"%s\">", t->resource_ids.items[i]);
		ud_page_text(b, name);
		ud_buf_puts(b, "</option>");
	}
	ud_buf_puts(b, "</select>");
	return UD_OK;
}

static enum ud_code attest(
	struct ud_ctx *cx, struct ud_request *rq, const struct ud_ticket *t, const char *here)
{
	struct ud_buf *b = &rq->out;

	ud_basic_form(rq, ud_printf(cx->arena, "tickets/%s/attest-down", t->row.id), here);
	ud_buf_puts(b,
		"<h2>State that the source is off</h2><p>If this is not true, two copies of the machine may run and change data at the same time.</p>");
	UD_TRY(put_choice(cx, b, t, "machine"));
	ud_buf_puts(b,
		"<label for=\"statement\">What did you check, and how?</label>"
		"<input id=\"statement\" name=\"statement\" required minlength=\"20\"><button>Sign the statement</button></form>\n");
	return UD_OK;
}

static enum ud_code waive(
	struct ud_ctx *cx, struct ud_request *rq, const struct ud_ticket *t, const char *here)
{
	static const int days[] = { 7, 30, 90 };
	struct ud_buf *b = &rq->out;
	char until[UD_TIME_TEXT];

	ud_basic_form(rq, ud_printf(cx->arena, "tickets/%s/waive", t->row.id), here);
	ud_buf_puts(b,
		"<h2>Sign that a machine stays unprotected</h2><p>If its host is lost meanwhile, its data is lost. A person of each side must sign; the earlier of both dates counts, and then this ticket opens again.</p>");
	UD_TRY(put_choice(cx, b, t, "unprotected"));
	ud_buf_puts(b,
		"<label for=\"until\">For how long?</label><select id=\"until\" name=\"expires_at\">");
	for (size_t i = 0; i < UD_LEN(days); i++) {
		ud_time_format(cx->now_ms + days[i] * DAY_MS - SOON_MS, until);
		ud_buf_printf(b, "<option value=\"%s\">%d days, until %s</option>", until, days[i],
			until);
	}
	ud_buf_puts(b,
		"</select><label for=\"why-unprotected\">Why do you accept that?</label>"
		"<input id=\"why-unprotected\" name=\"statement\" required minlength=\"20\"><button>Sign the waiver</button></form>\n");
	return UD_OK;
}

static enum ud_code sign(
	struct ud_ctx *cx, struct ud_request *rq, const struct ud_ticket *t, const char *here)
{
	static const struct {
		const char *op;
		enum ud_code (*put)(struct ud_ctx *cx, struct ud_request *rq,
			const struct ud_ticket *t, const char *here);
	} kinds[] = { { "attest-down", attest }, { "waive", waive } };

	for (size_t i = 0; i < UD_LEN(kinds); i++) {
		if (!t->resource_ids.count || !allowed(&t->allowed_operations, cx, kinds[i].op))
			continue;
		if (!proven(cx, rq)) {
			prove(rq, here);
			break;
		}
		UD_TRY(kinds[i].put(cx, rq, t, here));
	}
	return UD_OK;
}

static enum ud_code decide(struct ud_ctx *cx, struct ud_request *rq, const struct ud_ticket *t)
{
	const char *here = ud_printf(cx->arena, "/basic/tickets/%s", t->row.id);
	struct ud_buf *b = &rq->out;

	if (allowed(&t->allowed_operations, cx, "approve")) {
		ud_basic_form(rq, ud_printf(cx->arena, "tickets/%s/approve", t->row.id), here);
		ud_buf_puts(b,
			"<h2>Approve</h2><p>You approve exactly what is shown here.</p><input type=\"hidden\" name=\"plan_hash\" value=\"");
		ud_page_text(b, t->plan_hash);
		ud_buf_puts(b, "\"><button>Approve</button></form>\n");
	}
	UD_TRY(sign(cx, rq, t, here));
	if (allowed(&t->allowed_operations, cx, "reject")) {
		ud_basic_form(rq, ud_printf(cx->arena, "tickets/%s/reject", t->row.id), here);
		ud_buf_puts(b,
			"<label for=\"reject\">Why not?</label><input id=\"reject\" name=\"note\" required><button>Reject</button></form>\n");
	}
	return UD_OK;
}

static void verify(struct ud_ctx *cx, struct ud_request *rq, const struct ud_ticket *t)
{
	ud_basic_form(rq, ud_printf(cx->arena, "failovers/%s/verify", t->failover_id),
		ud_printf(cx->arena, "/basic/tickets/%s", t->row.id));
	ud_buf_puts(&rq->out,
		"<h2>Does it work?</h2><p>When the machine runs on the replica, look at your applications, then say so.</p>"
		"<label class=\"check\"><input type=\"radio\" name=\"result\" value=\"pass\" required> It works</label>"
		"<label class=\"check\"><input type=\"radio\" name=\"result\" value=\"fail\"> It does not</label>"
		"<label for=\"notes\">What did you look at?</label><input id=\"notes\" name=\"notes\"><button>Send</button></form>\n");
}

/* What a run waits for, as it stands in its waiting_for. */
struct waiting {
	const char *who, *what, *code, *text, *since, *vm_id;
	struct ud_json actions;
};
/* clang-format off */
static const struct ud_field waiting_fields[] = {
	UD_FIELD(waiting, who,     .max = 100),
	UD_FIELD(waiting, what,    .max = 100),
	UD_FIELD(waiting, code,    .max = 100),
	UD_FIELD(waiting, text,    .max = 4000),
	UD_FIELD(waiting, since,   .max = 100),
	UD_FIELD(waiting, vm_id,   .max = 100),
	UD_FIELD(waiting, actions, .max = 4000),
};
/* clang-format on */
static const struct ud_shape waiting_shape = { .bare = true, UD_SHAPE(waiting, waiting_fields) };

static enum ud_code run_state(struct ud_ctx *cx, struct ud_buf *b, const struct ud_failover *f)
{
	struct waiting w = { 0 };
	const char *state = ud_failover_states.names[f->state];

	ud_buf_puts(b, "<h2>The run</h2><p><strong>");
	ud_page_text(b, ud_basic_plain(cx, state));
	ud_buf_puts(b, "</strong>");
	if (f->phase && strcmp(f->phase, state) != 0) {
		ud_buf_puts(b, " · ");
		ud_page_text(b, ud_basic_plain(cx, f->phase));
	}
	ud_buf_puts(b, "</p>\n");
	if (f->waiting_for.text) {
		UD_TRY(ud_shape_read(
			cx, &waiting_shape, f->waiting_for.text, strlen(f->waiting_for.text), &w));
		ud_buf_puts(b, "<p class=\"note\">Waits for ");
		ud_page_text(b, ud_basic_plain(cx, w.who));
		ud_buf_puts(b, ": ");
		UD_TRY(put_machine(cx, b, w.vm_id));
		ud_page_text(b, w.text);
		ud_buf_puts(b, "</p>\n");
	}
	ud_buf_puts(b, "<ul>");
	put_seconds(b, "Downtime", f->downtime_seconds);
	put_seconds(b, "Time until it served (RTO)", f->rto_measured_seconds);
	put_seconds(b, "Age of what it was started from (RPO)", f->rpo_measured_seconds);
	if (f->data_loss) {
		ud_buf_puts(b, "<li>Data loss: ");
		ud_page_text(b, f->data_loss);
		ud_buf_puts(b, "</li>");
	}
	ud_buf_puts(b, "</ul>\n");
	return UD_OK;
}

/* Where a run stands, and what the reader may do about it now. */
static enum ud_code run(struct ud_ctx *cx, struct ud_request *rq, const struct ud_ticket *t)
{
	static const struct {
		const char *op, *text, *label, *typed; /* typed: what destroys wants a word */
	} buttons[] = {
		{ "cleanup-test", "The test copy is removed; production is not touched.",
			"Clean up the test", NULL },
		{ "commit", "The other recovery points are given up. This cannot be undone.",
			"Commit", "commit" },
		{ "rollback",
			"The machine runs at its old place again; what was written since the failover is lost.",
			"Roll back", "roll back" },
		{ "reverse", "Copies go back to the old primary's host.", "Protect again", NULL },
		{ "cancel", "Nothing has moved yet.", "Call it off", NULL },
	};
	struct ud_failover f = { 0 };

	UD_TRY(ud_row_get(cx, &ud_failovers, t->failover_id, &f));
	UD_TRY(ud_failover_complete(cx, &f));
	UD_TRY(run_state(cx, &rq->out, &f));
	if (allowed(&f.allowed_operations, cx, "verify"))
		verify(cx, rq, t);
	for (size_t i = 0; i < UD_LEN(buttons); i++) {
		if (!allowed(&f.allowed_operations, cx, buttons[i].op))
			continue;
		ud_basic_form(rq, ud_printf(cx->arena, "failovers/%s/%s", f.row.id, buttons[i].op),
			ud_printf(cx->arena, "/basic/tickets/%s", t->row.id));
		ud_buf_printf(&rq->out, "<p>%s</p>", buttons[i].text);
		if (buttons[i].typed) /* without a name it is not sent; the browser compares */
			ud_buf_printf(&rq->out,
				"<label for=\"%s\">To go on, type “%s”</label><input id=\"%s\" required pattern=\"%s\" title=\"%s\" autocomplete=\"off\">",
				buttons[i].op, buttons[i].typed, buttons[i].op, buttons[i].typed,
				buttons[i].typed);
		ud_buf_printf(&rq->out, "<button>%s</button></form>\n", buttons[i].label);
	}
	return UD_OK;
}

enum ud_code ud_basic_ticket(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_ticket t = { 0 };
	struct ud_buf *b = &rq->out;

	UD_TRY(ud_row_get(cx, &ud_tickets, rq->arg[0], &t));
	UD_TRY(ud_ticket_complete(cx, &t));
	ud_basic_begin(rq, t.subject);
	ud_buf_puts(b, "<p>");
	ud_page_text(b, t.number);
	ud_buf_puts(b, " · ");
	ud_page_text(b, ud_basic_plain(cx, ud_ticket_states.names[t.state]));
	ud_buf_puts(b, " · approval: ");
	ud_page_text(b, ud_basic_plain(cx, ud_ticket_approvals.names[t.approval]));
	ud_buf_puts(b, "</p>\n");
	if (t.failover_id)
		UD_TRY(wish(cx, b, &t));
	UD_TRY(blockers(cx, b, &t));
	UD_TRY(signatures(cx, b, &t));
	UD_TRY(decide(cx, rq, &t));
	if (t.failover_id)
		UD_TRY(run(cx, rq, &t));
	ud_basic_form(rq, ud_printf(cx->arena, "tickets/%s/comments", t.row.id),
		ud_printf(cx->arena, "/basic/tickets/%s", t.row.id));
	ud_buf_puts(b,
		"<label for=\"comment\">Write to the support team</label><input id=\"comment\" name=\"body\" required><button>Send</button></form>\n");
	return ud_basic_end(cx, rq);
}
