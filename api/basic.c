/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages that do without JavaScript, for the worst day and the worst line: sign in, see what is
 * protected, request a failover, approve it, follow it, say whether it works. They are written
 * straight from rows; what is sent goes by the forms of server/http/forms.h through the same calls
 * as everything else.
 */
#include <string.h>

#include "api/api.h"
#include "api/failovers.h"
#include "api/tickets.h"
#include "base/id.h"
#include "base/replication.h"
#include "db/failovers.h"
#include "db/replications.h"
#include "db/vms.h"
#include "server/http/forms.h"
#include "server/http/server.h"

extern const char ud_portal_files_hash[];

enum { ROWS = 100 };

static void open_page(struct ud_request *rq, const char *title)
{
	ud_page_begin(&rq->out, title, ud_portal_files_hash);
	if (rq->server->settings.demo)
		ud_buf_puts(&rq->out, "<p class=\"demo\">Demo: everything here is invented.</p>\n");
}

static void begin(struct ud_request *rq, const char *title)
{
	open_page(rq, title);
	ud_buf_puts(&rq->out,
		"<nav><p><a href=\"/basic/home\">My protection</a> · <a href=\"/basic/request\">Request a failover</a>"
		" · <a href=\"/basic/tickets\">Tickets</a> · <a href=\"/app\">Full portal</a></p></nav>\n");
}

static enum ud_code end(struct ud_ctx *cx, struct ud_request *rq)
{
	ud_page_end(&rq->out);
	return ud_answer_text(cx, rq, 200, "text/html; charset=utf-8");
}

/* A form's begin: where to, and what goes along unseen. then NULL = home. */
static void form(struct ud_request *rq, const char *action, const char *then)
{
	struct ud_buf *b = &rq->out;
	char key[UD_ULID_TEXT];

	ud_ulid(rq->cx.env, rq->cx.now_ms, key);
	ud_buf_printf(b,
		"<form method=\"post\" action=\"/basic/v1/%s\"><input type=\"hidden\" name=\"_key\" value=\"%s\">",
		action, key);
	if (rq->scope.session_id)
		ud_buf_printf(b, "<input type=\"hidden\" name=\"_csrf\" value=\"%s\">",
			ud_form_token(&rq->cx, rq->server, rq->scope.session_id));
	ud_buf_printf(b, "<input type=\"hidden\" name=\"_then\" value=\"%s\">",
		then ? then : "/basic/home");
}

static void cell(struct ud_buf *b, const char *text)
{
	ud_buf_puts(b, "<td>");
	ud_page_text(b, text);
	ud_buf_puts(b, "</td>");
}

/* A word of the API for people: "pending_customer" without its underscores. */
static const char *plain(struct ud_ctx *cx, const char *word)
{
	char *text = ud_strdup(cx->arena, word ? word : "unknown");

	for (char *p = text; *p; p++)
		if (*p == '_')
			*p = ' ';
	return text;
}

/* ---- sign in ---- */

static enum ud_code sign_in_page(struct ud_ctx *cx, struct ud_request *rq)
{
	open_page(rq, "Sign in");
	form(rq, "sessions", NULL);
	ud_buf_puts(&rq->out,
		"<label for=\"email\">E-mail address</label><input id=\"email\" name=\"email\" type=\"email\" autocomplete=\"username\" required>"
		"<label for=\"password\">Password</label><input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required>"
		"<label for=\"totp\">Code, where you have a second factor</label><input id=\"totp\" name=\"totp\" inputmode=\"numeric\" autocomplete=\"one-time-code\">"
		"<button>Sign in</button></form><p><a href=\"/basic/home\">I am signed in</a></p>\n");
	return end(cx, rq);
}

/* ---- my protection ---- */

/* The first leg of a VM's replication; found false = there is none. */
static enum ud_code keep_first(struct ud_ctx *cx, void *data, const void *row)
{
	struct ud_replication *found = data;

	(void)cx;
	*found = *(const struct ud_replication *)row;
	return UD_OK;
}

static enum ud_code replication_of(
	struct ud_ctx *cx, const char *vm_id, struct ud_replication *ret, bool *ret_found)
{
	struct ud_list list = { .limit = 1 };
	bool more;

	*ret = (struct ud_replication){ 0 };
	ud_list_where(&list, "vm_id", UD_OP_EQ, ud_t(vm_id));
	ud_list_where(&list, "leg", UD_OP_EQ, ud_t(ud_legs.names[UD_LEG_PRIMARY]));
	UD_TRY(ud_row_list(cx, &ud_replications, &list, keep_first, ret, &more));
	*ret_found = ret->row.version > 0;
	return UD_OK;
}

struct vm_rows {
	struct ud_vm rows[ROWS];
	size_t n;
};

static enum ud_code keep_vm(struct ud_ctx *cx, void *data, const void *row)
{
	struct vm_rows *all = data;
	const struct ud_vm *vm = row;

	all->rows[all->n] = *vm;
	all->rows[all->n].row.id = ud_strdup(cx->arena, vm->row.id);
	all->rows[all->n++].name = ud_strdup(cx->arena, vm->name);
	return UD_OK;
}

static enum ud_code read_vms(struct ud_ctx *cx, struct vm_rows *ret)
{
	struct ud_list list = { .limit = ROWS, .sort = { { "name", false } }, .sort_count = 1 };
	bool more;

	ret->n = 0;
	return ud_row_list(cx, &ud_vms, &list, keep_vm, ret, &more);
}

static enum ud_code vm_line(struct ud_ctx *cx, struct ud_buf *b, const struct ud_vm *vm)
{
	struct ud_replication r;
	bool found = false;

	UD_TRY(replication_of(cx, vm->row.id, &r, &found));
	ud_buf_puts(b, "<tr>");
	cell(b, vm->name);
	cell(b, ud_powers.names[vm->power]);
	cell(b, found ? plain(cx, ud_replication_states.names[r.state]) : "not protected");
	ud_buf_puts(b, "<td>");
	if (found)
		ud_buf_printf(
			b, "<a href=\"/basic/request?vm=%s\">Request a failover</a>", vm->row.id);
	ud_buf_puts(b, "</td></tr>\n");
	return UD_OK;
}

static enum ud_code home(struct ud_ctx *cx, struct ud_request *rq)
{
	struct vm_rows *vms = ud_alloc(cx->arena, sizeof(*vms));

	UD_TRY(read_vms(cx, vms));
	begin(rq, "My protection");
	ud_buf_puts(&rq->out,
		"<table><thead><tr><th>Machine</th><th>Power</th><th>Protection</th><th></th></tr></thead><tbody>\n");
	for (size_t i = 0; i < vms->n; i++)
		UD_TRY(vm_line(cx, &rq->out, &vms->rows[i]));
	ud_buf_puts(&rq->out, "</tbody></table>\n");
	if (vms->n == ROWS)
		ud_buf_printf(&rq->out, "<p>The first %d machines by name.</p>\n", ROWS);
	form(rq, "sessions/current", "/basic");
	ud_buf_puts(&rq->out,
		"<input type=\"hidden\" name=\"_method\" value=\"DELETE\"><button>Sign out</button></form>\n");
	return end(cx, rq);
}

/* ---- request ---- */

static const struct {
	const char *kind, *words;
	bool checked;
} kinds[] = {
	{ "test", "Test: a copy starts on the replica, isolated; production goes on", true },
	{ "planned", "Planned: shuts down here, starts there; no data loss", false },
	{ "unplanned",
		"Unplanned: the primary is lost; changes after the newest recovery point are lost",
		false },
};

/* Each kind has reasons of its own. */
static void put_reasons(struct ud_buf *b)
{
	const struct ud_failover_reason *r = ud_failover_reasons;

	for (; r->code; r++) {
		if (r == ud_failover_reasons || r->kind != r[-1].kind)
			ud_buf_printf(b, "%s<optgroup label=\"%s\">",
				r == ud_failover_reasons ? "" : "</optgroup>",
				ud_failover_kinds.names[r->kind]);
		ud_buf_printf(b, "<option value=\"%s\">%s</option>", r->code, r->about);
	}
	ud_buf_puts(b, "</optgroup>");
}

/* A field for a moment in UTC: no script turns a clock on a wall into one. */
static void put_moment(struct ud_buf *b, const char *name, const char *label)
{
	ud_buf_printf(b,
		"<label for=\"%s\">%s</label><input id=\"%s\" name=\"failover.%s\" placeholder=\"2027-01-31T04:00:00Z\""
		" pattern=\"\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ\" title=\"2027-01-31T04:00:00Z\">",
		name, label, name, name);
}

static enum ud_code request(struct ud_ctx *cx, struct ud_request *rq)
{
	struct vm_rows *vms = ud_alloc(cx->arena, sizeof(*vms));
	const char *wanted = ud_request_param(rq, "vm");
	struct ud_buf *b = &rq->out;

	UD_TRY(read_vms(cx, vms));
	begin(rq, "Request a failover");
	form(rq, "tickets", "/basic/tickets/{id}");
	ud_buf_puts(b,
		"<input type=\"hidden\" name=\"type\" value=\"failover\"><input type=\"hidden\" name=\"subject\" value=\"Failover\">");
	ud_buf_puts(b, "<fieldset><legend>What kind?</legend>");
	for (size_t i = 0; i < UD_LEN(kinds); i++)
		ud_buf_printf(b,
			"<label class=\"check\"><input type=\"radio\" name=\"failover.kind\" value=\"%s\"%s> %s</label>",
			kinds[i].kind, kinds[i].checked ? " checked" : "", kinds[i].words);
	ud_buf_puts(b,
		"</fieldset><label for=\"vm\">Which machine?</label><select id=\"vm\" name=\"failover.vm_ids[]\">");
	for (size_t i = 0; i < vms->n; i++) {
		ud_buf_printf(b, "<option value=\"%s\"%s>", vms->rows[i].row.id,
			wanted && strcmp(wanted, vms->rows[i].row.id) == 0 ? " selected" : "");
		ud_page_text(b, vms->rows[i].name);
		ud_buf_puts(b, "</option>");
	}
	ud_buf_puts(b,
		"</select><label for=\"why\">Why?</label><select id=\"why\" name=\"failover.reason_code\">");
	put_reasons(b);
	ud_buf_puts(b, "</select>");
	put_moment(b, "scheduled_at", "When to begin? (UTC; empty: at the last approval)");
	put_moment(b, "window_ends_at", "Planned only: back by when? (UTC; may stay empty)");
	ud_buf_puts(b,
		"<p>What stands in the way, and what it will cost, is shown before anybody approves.</p><button>File the request</button></form>\n");
	return end(cx, rq);
}

/* ---- tickets ---- */

static enum ud_code ticket_line(struct ud_ctx *cx, void *data, const void *row)
{
	const struct ud_ticket *t = row;
	struct ud_buf *b = data;

	ud_buf_printf(b, "<tr><td><a href=\"/basic/tickets/%s\">", t->row.id);
	ud_page_text(b, t->number);
	ud_buf_puts(b, "</a></td>");
	cell(b, t->subject);
	cell(b, plain(cx, ud_ticket_states.names[t->state]));
	ud_buf_puts(b, "</tr>\n");
	return UD_OK;
}

static enum ud_code tickets(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_list list = { .limit = ROWS, .sort = { { "number", true } }, .sort_count = 1 };
	bool more;

	begin(rq, "Tickets");
	ud_buf_puts(&rq->out,
		"<table><thead><tr><th>Number</th><th>Subject</th><th>State</th></tr></thead><tbody>\n");
	UD_TRY(ud_row_list(cx, &ud_tickets, &list, ticket_line, &rq->out, &more));
	ud_buf_puts(&rq->out, "</tbody></table>\n");
	return end(cx, rq);
}

/* Is an operation among those that the caller may do now? */
static bool allowed(const struct ud_json *list, struct ud_ctx *cx, const char *op)
{
	return list->text && strstr(list->text, ud_printf(cx->arena, "\"%s\"", op));
}

static enum ud_code blockers(struct ud_ctx *cx, struct ud_buf *b, const struct ud_ticket *t)
{
	const struct ud_blocker *list = NULL;
	size_t n = 0;

	UD_TRY(ud_shape_read_list(
		cx, &ud_blocker_shape, t->blockers.text, ROWS, (void *)&list, &n));
	if (!n && t->blockers.text) {
		ud_buf_puts(b, "<p class=\"note\">Nothing stands in the way.</p>\n");
		return UD_OK;
	}
	for (size_t i = 0; i < n; i++) {
		ud_buf_puts(b,
			list[i].warning ? "<p class=\"note\">Note: "
					: "<p class=\"note\">In the way: ");
		ud_page_text(b, list[i].text);
		ud_buf_puts(b, " ");
		ud_page_text(b, list[i].fix);
		ud_buf_puts(b, "</p>\n");
	}
	return UD_OK;
}

/* What the dry run foretells. */
struct foretold {
	int64_t rpo_seconds, rto_seconds, rto_low_seconds, rto_high_seconds, downtime_seconds, runs;
	const char *data_loss;
};
/* clang-format off */
static const struct ud_field foretold_fields[] = {
	UD_FIELD(foretold, rpo_seconds, .flags = UD_NULLABLE, .min = -1000000000, .max = 1000000000), /* below 0: clocks that differ */
	UD_FIELD(foretold, rto_seconds, .flags = UD_NULLABLE),
	UD_FIELD(foretold, rto_low_seconds, .flags = UD_NULLABLE),
	UD_FIELD(foretold, rto_high_seconds, .flags = UD_NULLABLE),
	UD_FIELD(foretold, downtime_seconds, .flags = UD_NULLABLE),
	UD_FIELD(foretold, data_loss, .flags = UD_NULLABLE, .max = 1000),
	UD_FIELD(foretold, runs, .flags = UD_NULLABLE),
};
/* clang-format on */
static const struct ud_shape foretold_shape = { .bare = true, UD_SHAPE(foretold, foretold_fields) };

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
	struct foretold p = { .rpo_seconds = UD_NONE, .downtime_seconds = UD_NONE };

	UD_TRY(ud_row_get(cx, &ud_failovers, t->failover_id, &f));
	while (why->code && strcmp(why->code, f.reason_code) != 0)
		why++;
	ud_buf_puts(b, "<h2>What is asked for</h2><ul>");
	put_line(b, "Kind", kinds[f.kind].words);
	UD_TRY(put_machines(cx, b, &f));
	put_line(b, "Reason", why->code ? why->about : f.reason_code);
	put_when(b, "Begins at", f.scheduled_at);
	put_when(b, "Back by", f.window_ends_at);
	if (t->predicted.text) {
		UD_TRY(ud_shape_read(
			cx, &foretold_shape, t->predicted.text, strlen(t->predicted.text), &p));
		put_seconds(b, "Predicted downtime", p.downtime_seconds);
		put_seconds(b, "Predicted age of the data (RPO)", p.rpo_seconds);
		put_line(b, "Predicted data loss", p.data_loss ? p.data_loss : "unknown");
	}
	ud_buf_puts(b, "</ul>\n");
	return UD_OK;
}

/* A statement is about one machine: people sign for each. */
static enum ud_code attest(struct ud_ctx *cx, struct ud_request *rq, const struct ud_ticket *t)
{
	struct ud_buf *b = &rq->out;
	const char *name;

	form(rq, ud_printf(cx->arena, "tickets/%s/attest-down", t->row.id),
		ud_printf(cx->arena, "/basic/tickets/%s", t->row.id));
	ud_buf_puts(b,
		"<h2>State that the source is off</h2><p>If this is not true, two copies of the machine may run and change data at the same time.</p>"
		"<label for=\"machine\">Of which machine?</label><select id=\"machine\" name=\"vm_id\">");
	for (size_t i = 0; i < t->resource_ids.count; i++) {
		UD_TRY(machine_name(cx, t->resource_ids.items[i], &name));
		ud_buf_printf(b, "<option value=\"%s\">", t->resource_ids.items[i]);
		ud_page_text(b, name);
		ud_buf_puts(b, "</option>");
	}
	ud_buf_puts(b,
		"</select><label for=\"statement\">What did you check, and how?</label>"
		"<input id=\"statement\" name=\"statement\" required minlength=\"20\"><button>Sign the statement</button></form>\n");
	return UD_OK;
}

static enum ud_code decide(struct ud_ctx *cx, struct ud_request *rq, const struct ud_ticket *t)
{
	const char *here = ud_printf(cx->arena, "/basic/tickets/%s", t->row.id);
	struct ud_buf *b = &rq->out;

	if (allowed(&t->allowed_operations, cx, "approve")) {
		form(rq, ud_printf(cx->arena, "tickets/%s/approve", t->row.id), here);
		ud_buf_puts(b,
			"<h2>Approve</h2><p>You approve exactly what is shown here.</p><input type=\"hidden\" name=\"plan_hash\" value=\"");
		ud_page_text(b, t->plan_hash);
		ud_buf_puts(b, "\"><button>Approve</button></form>\n");
	}
	if (allowed(&t->allowed_operations, cx, "attest-down") && t->resource_ids.count)
		UD_TRY(attest(cx, rq, t));
	if (allowed(&t->allowed_operations, cx, "reject")) {
		form(rq, ud_printf(cx->arena, "tickets/%s/reject", t->row.id), here);
		ud_buf_puts(b,
			"<label for=\"reject\">Why not?</label><input id=\"reject\" name=\"note\" required><button>Reject</button></form>\n");
	}
	return UD_OK;
}

static void verify(struct ud_ctx *cx, struct ud_request *rq, const struct ud_ticket *t)
{
	form(rq, ud_printf(cx->arena, "failovers/%s/verify", t->failover_id),
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

	ud_buf_puts(b, "<h2>The run</h2><p><strong>");
	ud_page_text(b, plain(cx, ud_failover_states.names[f->state]));
	ud_buf_puts(b, "</strong> · ");
	ud_page_text(b, plain(cx, f->phase));
	ud_buf_puts(b, "</p>\n");
	if (f->waiting_for.text) {
		UD_TRY(ud_shape_read(
			cx, &waiting_shape, f->waiting_for.text, strlen(f->waiting_for.text), &w));
		ud_buf_puts(b, "<p class=\"note\">Waits for ");
		ud_page_text(b, w.who);
		ud_buf_puts(b, ": ");
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
		const char *op, *text, *label;
	} buttons[] = {
		{ "cleanup-test", "The test copy is removed; production is not touched.",
			"Clean up the test" },
		{ "commit", "The other recovery points are given up. This cannot be undone.",
			"Commit" },
		{ "reverse", "Copies go back to the old primary's host.", "Protect again" },
		{ "cancel", "Nothing has moved yet.", "Call it off" },
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
		form(rq, ud_printf(cx->arena, "failovers/%s/%s", f.row.id, buttons[i].op),
			ud_printf(cx->arena, "/basic/tickets/%s", t->row.id));
		ud_buf_printf(&rq->out, "<p>%s</p><button>%s</button></form>\n", buttons[i].text,
			buttons[i].label);
	}
	return UD_OK;
}

static enum ud_code ticket(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_ticket t = { 0 };
	struct ud_buf *b = &rq->out;

	UD_TRY(ud_row_get(cx, &ud_tickets, rq->arg[0], &t));
	UD_TRY(ud_ticket_complete(cx, &t));
	begin(rq, t.subject);
	ud_buf_puts(b, "<p>");
	ud_page_text(b, t.number);
	ud_buf_puts(b, " · ");
	ud_page_text(b, plain(cx, ud_ticket_states.names[t.state]));
	ud_buf_puts(b, " · approval: ");
	ud_page_text(b, plain(cx, ud_ticket_approvals.names[t.approval]));
	ud_buf_puts(b, "</p>\n");
	if (t.failover_id)
		UD_TRY(wish(cx, b, &t));
	UD_TRY(blockers(cx, b, &t));
	UD_TRY(decide(cx, rq, &t));
	if (t.failover_id)
		UD_TRY(run(cx, rq, &t));
	form(rq, ud_printf(cx->arena, "tickets/%s/comments", t.row.id),
		ud_printf(cx->arena, "/basic/tickets/%s", t.row.id));
	ud_buf_puts(b,
		"<label for=\"comment\">Write to the support team</label><input id=\"comment\" name=\"body\" required><button>Send</button></form>\n");
	return end(cx, rq);
}

enum { PAGE = UD_OUTSIDE | UD_HTML | UD_UNLISTED };

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET", "/basic",              "basic",         UD_ANYONE, NULL,           UD_OUTSIDE | UD_HTML, .handle = sign_in_page, .about = "Sign in to the pages without JavaScript." },
	{ "GET", "/basic/home",         "basic.home",    UD_PEOPLE, "vms:read",     PAGE, .handle = home,    .about = "What is protected, and how." },
	{ "GET", "/basic/request",      "basic.request", UD_PEOPLE, "vms:read",     PAGE, .handle = request, .about = "The form for a failover." },
	{ "GET", "/basic/tickets",      "basic.tickets", UD_PEOPLE, "tickets:read", PAGE, .handle = tickets, .about = "The newest tickets." },
	{ "GET", "/basic/tickets/{id}", "basic.ticket",  UD_PEOPLE, "tickets:read", PAGE, .handle = ticket,  .about = "A ticket: where it stands, and what may be decided." },
};
/* clang-format on */
const struct ud_routes ud_api_basic = { "Basic pages", rows, UD_LEN(rows) };
