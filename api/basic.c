/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages that do without JavaScript, for the worst day and the worst line: sign in, see what is
 * protected, request a failover, approve it, follow it, say whether it works. They are written
 * straight from rows; what is sent goes by the forms of server/http/forms.h through the same calls
 * as everything else.
 */
#include "api/basic.h"

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

static void open_page(struct ud_request *rq, const char *title)
{
	ud_page_begin(&rq->out, title, ud_portal_files_hash);
	if (rq->server->settings.demo)
		ud_buf_puts(&rq->out, "<p class=\"demo\">Demo: everything here is invented.</p>\n");
}

void ud_basic_begin(struct ud_request *rq, const char *title)
{
	open_page(rq, title);
	ud_buf_puts(&rq->out,
		"<nav><p><a href=\"/basic/home\">My protection</a> · <a href=\"/basic/request\">Request a failover</a>"
		" · <a href=\"/basic/tickets\">Tickets</a> · <a href=\"/app\">Full portal</a></p></nav>\n");
}

enum ud_code ud_basic_end(struct ud_ctx *cx, struct ud_request *rq)
{
	ud_page_end(&rq->out);
	return ud_answer_text(cx, rq, 200, "text/html; charset=utf-8");
}

void ud_basic_form(struct ud_request *rq, const char *action, const char *then)
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

const char *ud_basic_plain(struct ud_ctx *cx, const char *word)
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
	ud_basic_form(rq, "sessions", NULL);
	ud_buf_puts(&rq->out,
		"<label for=\"email\">E-mail address</label><input id=\"email\" name=\"email\" type=\"email\" autocomplete=\"username\" required>"
		"<label for=\"password\">Password</label><input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required>"
		"<label for=\"totp\">Code, where you have a second factor</label><input id=\"totp\" name=\"totp\" inputmode=\"numeric\" autocomplete=\"one-time-code\">"
		"<button>Sign in</button></form><p><a href=\"/basic/home\">I am signed in</a></p>\n");
	return ud_basic_end(cx, rq);
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
	struct ud_vm rows[UD_BASIC_ROWS];
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
	struct ud_list list = {
		.limit = UD_BASIC_ROWS, .sort = { { "name", false } }, .sort_count = 1
	};
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
	cell(b, found ? ud_basic_plain(cx, ud_replication_states.names[r.state]) : "not protected");
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
	ud_basic_begin(rq, "My protection");
	ud_buf_puts(&rq->out,
		"<table><thead><tr><th>Machine</th><th>Power</th><th>Protection</th><th></th></tr></thead><tbody>\n");
	for (size_t i = 0; i < vms->n; i++)
		UD_TRY(vm_line(cx, &rq->out, &vms->rows[i]));
	ud_buf_puts(&rq->out, "</tbody></table>\n");
	if (vms->n == UD_BASIC_ROWS)
		ud_buf_printf(&rq->out, "<p>The first %d machines by name.</p>\n", UD_BASIC_ROWS);
	ud_basic_form(rq, "sessions/current", "/basic");
	ud_buf_puts(&rq->out,
		"<input type=\"hidden\" name=\"_method\" value=\"DELETE\"><button>Sign out</button></form>\n");
	return ud_basic_end(cx, rq);
}

/* ---- request ---- */

const struct ud_basic_kind ud_basic_kinds[UD_BASIC_KINDS] = {
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
	ud_basic_begin(rq, "Request a failover");
	ud_basic_form(rq, "tickets", "/basic/tickets/{id}");
	ud_buf_puts(b,
		"<input type=\"hidden\" name=\"type\" value=\"failover\"><input type=\"hidden\" name=\"subject\" value=\"Failover\">");
	ud_buf_puts(b, "<fieldset><legend>What kind?</legend>");
	for (size_t i = 0; i < UD_BASIC_KINDS; i++)
		ud_buf_printf(b,
			"<label class=\"check\"><input type=\"radio\" name=\"failover.kind\" value=\"%s\"%s> %s</label>",
			ud_basic_kinds[i].kind, ud_basic_kinds[i].checked ? " checked" : "",
			ud_basic_kinds[i].words);
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
	return ud_basic_end(cx, rq);
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
	cell(b, ud_basic_plain(cx, ud_ticket_states.names[t->state]));
	ud_buf_puts(b, "</tr>\n");
	return UD_OK;
}

static enum ud_code tickets(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_list list = {
		.limit = UD_BASIC_ROWS, .sort = { { "number", true } }, .sort_count = 1
	};
	bool more;

	ud_basic_begin(rq, "Tickets");
	ud_buf_puts(&rq->out,
		"<table><thead><tr><th>Number</th><th>Subject</th><th>State</th></tr></thead><tbody>\n");
	UD_TRY(ud_row_list(cx, &ud_tickets, &list, ticket_line, &rq->out, &more));
	ud_buf_puts(&rq->out, "</tbody></table>\n");
	return ud_basic_end(cx, rq);
}

enum { PAGE = UD_OUTSIDE | UD_HTML | UD_UNLISTED };

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET", "/basic",              "basic",         UD_ANYONE, NULL,           UD_OUTSIDE | UD_HTML, .handle = sign_in_page, .about = "Sign in to the pages without JavaScript." },
	{ "GET", "/basic/home",         "basic.home",    UD_PEOPLE, "vms:read",     PAGE, .handle = home,    .about = "What is protected, and how." },
	{ "GET", "/basic/request",      "basic.request", UD_PEOPLE, "vms:read",     PAGE, .handle = request, .about = "The form for a failover." },
	{ "GET", "/basic/tickets",      "basic.tickets", UD_PEOPLE, "tickets:read", PAGE, .handle = tickets, .about = "The newest tickets." },
	{ "GET", "/basic/tickets/{id}", "basic.ticket",  UD_PEOPLE, "tickets:read", PAGE, .handle = ud_basic_ticket,  .about = "A ticket: where it stands, and what may be decided." },
};
/* clang-format on */
const struct ud_routes ud_api_basic = { "Basic pages", rows, UD_LEN(rows) };
