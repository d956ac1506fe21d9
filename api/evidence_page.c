/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of a run as a page for people: plain, without a script, good on paper. Numbers come
 * from the run, what happened from its log; the sealed document is what counts.
 */
#include <string.h>

#include "api/evidence.h"
#include "db/approvals.h"
#include "db/vms.h"
#include "db/workflows.h"

extern const char ud_portal_files_hash[];

static void escaped(struct ud_buf *b, const char *text)
{
	for (const char *p = text ? text : "-"; *p; p++)
		switch (*p) {
		case '<':
			ud_buf_puts(b, "&lt;");
			break;
		case '>':
			ud_buf_puts(b, "&gt;");
			break;
		case '&':
			ud_buf_puts(b, "&amp;");
			break;
		case '"':
			ud_buf_puts(b, "&quot;");
			break;
		default:
			ud_buf_putc(b, *p);
		}
}

static void cell(struct ud_buf *b, const char *text)
{
	ud_buf_puts(b, "<td>");
	escaped(b, text);
	ud_buf_puts(b, "</td>");
}

static void fact(struct ud_buf *b, const char *name, const char *value)
{
	ud_buf_printf(b, "<tr><th scope=\"row\">%s</th>", name);
	cell(b, value);
	ud_buf_puts(b, "</tr>\n");
}

static const char *instant(struct ud_ctx *cx, int64_t ms)
{
	char at[UD_TIME_TEXT];

	if (ms <= 0)
		return NULL;
	ud_time_format(ms, at);
	return ud_strdup(cx->arena, at);
}

static const char *seconds(struct ud_ctx *cx, int64_t n)
{
	return n == UD_NONE ? NULL : ud_printf(cx->arena, "%lld s", (long long)n);
}

static void facts(struct ud_ctx *cx, struct ud_buf *b, const struct ud_evidence *e,
	const struct ud_failover *f)
{
	ud_buf_puts(b, "<table><tbody>\n");
	fact(b, "Run", f->row.id);
	fact(b, "Ticket", f->ticket_id);
	fact(b, "Kind", ud_failover_kinds.names[f->kind]);
	fact(b, "Reason", f->reason_code);
	fact(b, "State", ud_failover_states.names[f->state]);
	fact(b, "Approved", instant(cx, f->approved_at.ms));
	fact(b, "Began", instant(cx, f->started_at.ms));
	fact(b, "Ended", instant(cx, f->ended_at.ms));
	fact(b, "RPO measured", seconds(cx, f->rpo_measured_seconds));
	fact(b, "RTO measured", seconds(cx, f->rto_measured_seconds));
	fact(b, "Downtime", seconds(cx, f->downtime_seconds));
	fact(b, "Data loss", f->data_loss);
	fact(b, "Checks", f->verdict);
	fact(b, "Customer's word", ud_validations.names[f->validation]);
	fact(b, "Customer's notes", f->validation_notes);
	fact(b, "Plan approved", f->plan_hash);
	fact(b, "Record", e->row.id);
	fact(b, "SHA-256 of the record", e->sha256);
	fact(b, "Sealed with key", e->public_key);
	ud_buf_puts(b, "</tbody></table>\n");
}

static enum ud_code approval_row(struct ud_ctx *cx, void *data, const void *row)
{
	const struct ud_approval *a = row;
	struct ud_buf *b = data;

	ud_buf_puts(b, "<tr>");
	cell(b, instant(cx, a->row.created_at.ms));
	cell(b, a->user_name);
	cell(b, ud_sides.names[a->side]);
	cell(b, ud_decisions.names[a->decision]);
	cell(b, a->note);
	ud_buf_puts(b, "</tr>\n");
	return UD_OK;
}

/* The timeline while it is written: VMs are called by their names. */
struct lines {
	struct ud_buf *b;
	const struct ud_failover *f;
	const char **names; /* of f->vm_ids, in their order */
};

/* A VM that is gone keeps its id for a name. */
static enum ud_code read_names(struct ud_ctx *cx, struct lines *l)
{
	const struct ud_texts *ids = &l->f->vm_ids;

	l->names = ud_alloc(cx->arena, (ids->count + 1) * sizeof(*l->names));
	for (size_t i = 0; i < ids->count; i++) {
		struct ud_vm vm = { 0 };
		enum ud_code code = ud_row_get(cx, &ud_vms, ids->items[i], &vm);

		if (code != UD_OK && code != UD_E_NOT_FOUND)
			return code;
		if (code != UD_OK)
			ud_ctx_clear(cx);
		l->names[i] = code == UD_OK ? vm.name : ids->items[i];
	}
	return UD_OK;
}

static const char *name_of(const struct lines *l, const char *vm_id)
{
	for (size_t i = 0; i < l->f->vm_ids.count; i++)
		if (vm_id && strcmp(l->f->vm_ids.items[i], vm_id) == 0)
			return l->names[i];
	return vm_id;
}

static enum ud_code line_row(struct ud_ctx *cx, void *data, const struct ud_step_line *line)
{
	const struct lines *l = data;

	ud_buf_puts(l->b, "<tr>");
	cell(l->b, instant(cx, line->at));
	cell(l->b, name_of(l, line->vm_id));
	cell(l->b, line->step);
	cell(l->b, line->event);
	cell(l->b, line->host_id ? line->host_id : line->actor_id);
	ud_buf_puts(l->b, "</tr>\n");
	return UD_OK;
}

/* What a host has answered: how long that took by its own clock, and whether its agent signed it.
 */
static enum ud_code answer_row(struct ud_ctx *cx, void *data, const struct ud_workflow_step *step)
{
	const struct lines *l = data;

	if (!step->signature)
		return UD_OK;
	ud_buf_puts(l->b, "<tr>");
	cell(l->b, name_of(l, step->vm_id));
	cell(l->b, step->name);
	cell(l->b, step->host_id);
	cell(l->b,
		step->took_ms == UD_NONE
			? NULL
			: ud_printf(cx->arena, "%lld ms", (long long)step->took_ms));
	cell(l->b, step->signature);
	ud_buf_puts(l->b, "</tr>\n");
	return UD_OK;
}

static void table(struct ud_buf *b, const char *title, const char *const *heads, size_t n)
{
	ud_buf_printf(b,
		"<h2>%s</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\"><table><thead><tr>",
		title, title);
	for (size_t i = 0; i < n; i++)
		ud_buf_printf(b, "<th scope=\"col\">%s</th>", heads[i]);
	ud_buf_puts(b, "</tr></thead><tbody>\n");
}

/* The run in a sentence, and in the four figures that are asked for first. */
static void verdict(struct ud_ctx *cx, struct ud_buf *b, const struct lines *l)
{
	static const char *const kinds[] = { [UD_FAILOVER_TEST] = "Test failover",
		[UD_FAILOVER_PLANNED] = "Planned failover",
		[UD_FAILOVER_UNPLANNED] = "Unplanned failover" };
	const struct ud_failover *f = l->f;
	const struct {
		const char *name, *value;
	} measures[] = { { "Downtime", seconds(cx, f->downtime_seconds) },
		{ "RTO measured", seconds(cx, f->rto_measured_seconds) },
		{ "RPO measured", seconds(cx, f->rpo_measured_seconds) },
		{ "Data loss", f->data_loss } };

	ud_buf_printf(b, "<p class=\"verdict\">%s of ", kinds[f->kind]);
	for (size_t i = 0; i < f->vm_ids.count; i++) {
		ud_buf_puts(b, i ? ", " : "");
		escaped(b, l->names[i]);
	}
	ud_buf_puts(b, ": ");
	escaped(b, f->verdict ? f->verdict : ud_failover_states.names[f->state]);
	ud_buf_puts(b, ".</p>\n<dl class=\"measures\">");
	for (size_t i = 0; i < UD_LEN(measures); i++) {
		ud_buf_printf(b, "<div><dt>%s</dt><dd>", measures[i].name);
		escaped(b, measures[i].value);
		ud_buf_puts(b, "</dd></div>");
	}
	ud_buf_puts(b, "</dl>\n");
}

static void head(struct ud_buf *b, const struct ud_failover *f)
{
	ud_buf_printf(b,
		"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		"<meta name=\"viewport\" content=\"width=device-width\">"
		"<title>Evidence of %s</title>"
		"<link rel=\"stylesheet\" href=\"/static/%s/portal/report.css\"></head><body><main>\n"
		"<h1>Evidence of a failover</h1>\n",
		f->row.id, ud_portal_files_hash);
}

static enum ud_code write_page(struct ud_ctx *cx, struct ud_buf *b, const struct ud_evidence *e,
	const struct ud_failover *f)
{
	static const char *const approval_heads[] = { "When", "Who", "For", "Decision", "Note" };
	static const char *const answer_heads[] = { "VM", "Step", "Host", "Took, by its clock",
		"Signature of its agent" };
	static const char *const line_heads[] = { "When", "VM", "Step", "Event", "Host or person" };
	struct lines lines = { .b = b, .f = f };
	struct ud_list list = { .limit = UD_LIST_MAX };
	bool more = false;

	UD_TRY(read_names(cx, &lines));
	head(b, f);
	verdict(cx, b, &lines);
	ud_buf_printf(b,
		"<p>This page is for reading and printing. What counts is the sealed record: save"
		" it beside this page and check it without this server: <code>understudy verify"
		" %s.json</code></p>\n",
		e->row.id);
	facts(cx, b, e, f);
	table(b, "Approvals", approval_heads, UD_LEN(approval_heads));
	ud_list_where(&list, "ticket_id", UD_OP_EQ, ud_t(f->ticket_id));
	UD_TRY(ud_row_list(cx, &ud_approvals, &list, approval_row, b, &more));
	ud_buf_puts(b, "</tbody></table></div>\n");
	UD_TRY(ud_evidence_picture(cx, b, f, lines.names));
	table(b, "Answers of the hosts", answer_heads, UD_LEN(answer_heads));
	UD_TRY(ud_step_visit(cx, f->row.id, answer_row, &lines));
	ud_buf_puts(b, "</tbody></table></div>\n");
	table(b, "Timeline", line_heads, UD_LEN(line_heads));
	UD_TRY(ud_step_lines(cx, f->row.id, line_row, &lines));
	ud_buf_puts(b, "</tbody></table></div>\n</main></body></html>\n");
	return UD_OK;
}

enum ud_code ud_evidence_page(struct ud_ctx *cx, const struct ud_evidence *e,
	const struct ud_failover *f, const char **ret)
{
	struct ud_buf b = { 0 };
	enum ud_code code = write_page(cx, &b, e, f);

	*ret = ud_buf_take(cx->arena, &b);
	return code;
}
