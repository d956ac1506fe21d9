/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in a record: the run, its plan, who said yes and what they stated, each VM's part,
 * steps with what agents answered, the timeline, pictures, hosts and their keys, and what is not
 * there although one might look for it.
 */
#include <string.h>

#include "api/evidence.h"
#include "db/agents.h"
#include "db/approvals.h"
#include "db/statements.h"
#include "db/waivers.h"
#include "db/workflows.h"

struct writing {
	struct ud_buf out;
	const struct ud_failover *f;
	struct ud_workflow_list all;
	const struct ud_shape *shape; /* of the rows being added */
	size_t count;                 /* items of the list being written */
	size_t unsigned_count;        /* statements that are missing or invalid */
};

static void begin_list(struct writing *w, const char *name)
{
	ud_buf_printf(&w->out, ",\"%s\":[", name);
	w->count = 0;
}

static void item(struct writing *w)
{
	if (w->count++)
		ud_buf_putc(&w->out, ',');
}

static void text(struct writing *w, const char *name, const char *value)
{
	ud_buf_printf(&w->out, ",\"%s\":", name);
	ud_buf_json(&w->out, value);
}

static void number(struct writing *w, const char *name, int64_t value)
{
	if (value == UD_NONE)
		ud_buf_printf(&w->out, ",\"%s\":null", name);
	else
		ud_buf_printf(&w->out, ",\"%s\":%lld", name, (long long)value);
}

static void instant(struct writing *w, const char *name, int64_t ms)
{
	char at[UD_TIME_TEXT];

	if (ms <= 0) {
		text(w, name, NULL);
		return;
	}
	ud_time_format(ms, at);
	text(w, name, at);
}

/* ---- people ---- */

static enum ud_code add_row(struct ud_ctx *cx, void *data, const void *row)
{
	struct writing *w = data;

	(void)cx;
	item(w);
	ud_shape_encode(&w->out, w->shape, row, NULL);
	return UD_OK;
}

static enum ud_code add_rows(
	struct ud_ctx *cx, struct writing *w, const char *name, const struct ud_table *table)
{
	struct ud_list list = { .limit = UD_LIST_MAX };
	bool more = false;

	ud_list_where(&list, "ticket_id", UD_OP_EQ, ud_t(w->f->ticket_id));
	begin_list(w, name);
	w->shape = table->shape;
	UD_TRY(ud_row_list(cx, table, &list, add_row, w, &more));
	ud_buf_putc(&w->out, ']');
	return UD_OK;
}

/* ---- VMs, steps, lines, pictures ---- */

static void add_vms(struct writing *w)
{
	begin_list(w, "vms");
	for (size_t i = 0; i < w->all.count; i++) {
		item(w);
		ud_shape_encode(&w->out, ud_workflows.shape, &w->all.items[i], NULL);
	}
	ud_buf_putc(&w->out, ']');
}

static enum ud_code add_step(struct ud_ctx *cx, void *data, const struct ud_workflow_step *s)
{
	struct writing *w = data;

	(void)cx;
	item(w);
	ud_buf_printf(
		&w->out, "{\"n\":%lld,\"attempts\":%lld", (long long)s->n, (long long)s->attempts);
	text(w, "vm_id", s->vm_id);
	text(w, "name", s->name);
	text(w, "phase", s->phase);
	text(w, "state", ud_step_states.names[s->state]);
	text(w, "host_id", s->host_id);
	text(w, "result", s->result.text);
	text(w, "error", s->error.text);
	text(w, "signature", s->signature);
	number(w, "command", s->seq);
	number(w, "agent_ms", s->took_ms);
	instant(w, "started_at", s->started_at.ms);
	instant(w, "ended_at", s->ended_at.ms);
	ud_buf_putc(&w->out, '}');
	return UD_OK;
}

static enum ud_code add_line(struct ud_ctx *cx, void *data, const struct ud_step_line *line)
{
	struct writing *w = data;

	(void)cx;
	item(w);
	ud_buf_printf(&w->out, "{\"n\":%zu,\"command\":%lld", w->count,
		(long long)(line->seq == UD_NONE ? 0 : line->seq));
	instant(w, "at", line->at);
	text(w, "vm_id", line->vm_id);
	text(w, "step", line->step);
	text(w, "event", line->event);
	text(w, "host_id", line->host_id);
	text(w, "actor_id", line->actor_id);
	text(w, "detail", line->detail);
	ud_buf_putc(&w->out, '}');
	return UD_OK;
}

static const char *vm_of(const struct writing *w, const char *workflow_id)
{
	for (size_t i = 0; i < w->all.count; i++)
		if (strcmp(w->all.items[i].row.id, workflow_id) == 0)
			return w->all.items[i].vm_id;
	return NULL;
}

static enum ud_code add_picture(struct ud_ctx *cx, void *data, const char *workflow_id,
	const char *step, int64_t at, const char *sha256, const char *png)
{
	struct writing *w = data;

	(void)cx, (void)sha256; /* it is counted anew when the record is sealed */
	item(w);
	ud_buf_printf(&w->out, "{\"n\":%zu", w->count);
	text(w, "vm_id", vm_of(w, workflow_id));
	text(w, "step", step);
	instant(w, "at", at);
	text(w, "png", png);
	ud_buf_putc(&w->out, '}');
	return UD_OK;
}

/* ---- what agents have signed ---- */

static enum ud_code add_statement(struct ud_ctx *cx, void *data, const struct ud_statement_row *s)
{
	struct writing *w = data;

	(void)cx;
	w->unsigned_count += s->verdict != UD_STATEMENT_VALID;
	item(w);
	ud_buf_printf(&w->out, "{\"n\":%zu", w->count);
	text(w, "vm_id", s->subject_id);
	number(w, "command", s->seq);
	text(w, "host_id", s->host_id);
	text(w, "verb", s->verb);
	text(w, "agent_id", s->agent_id);
	text(w, "verdict", ud_statement_verdicts[s->verdict]);
	text(w, "reason", s->reason);
	instant(w, "given_at", s->given_at);
	text(w, "statement", s->text);
	text(w, "signature", s->signature);
	ud_buf_putc(&w->out, '}');
	return UD_OK;
}

static enum ud_code add_key(struct ud_ctx *cx, void *data, const struct ud_agent_key *k)
{
	struct writing *w = data;

	(void)cx;
	item(w);
	ud_buf_printf(&w->out, "{\"n\":%zu", w->count);
	text(w, "agent_id", k->agent_id);
	text(w, "host_id", k->host_id);
	text(w, "public_key", k->public_key);
	instant(w, "since", k->created_at.ms);
	instant(w, "until", k->ended_at.ms);
	ud_buf_putc(&w->out, '}');
	return UD_OK;
}

/* ---- hosts ---- */

static enum ud_code add_host(struct ud_ctx *cx, struct writing *w, const char *host_id)
{
	struct ud_agent a = { 0 };
	bool found = false;

	UD_TRY(ud_agent_of_host(cx, host_id, &found, &a));
	item(w);
	ud_buf_puts(&w->out, "{\"host_id\":");
	ud_buf_json(&w->out, host_id);
	text(w, "agent_id", found ? a.row.id : NULL);
	text(w, "certificate_serial", found ? a.certificate_serial : NULL);
	text(w, "spki_sha256", found ? a.spki_sha256 : NULL);
	ud_buf_putc(&w->out, '}');
	return UD_OK;
}

/* Each host of the run, once. */
static enum ud_code each_host(struct ud_ctx *cx, struct writing *w, const char *list,
	enum ud_code (*add)(struct ud_ctx *cx, struct writing *w, const char *host_id))
{
	begin_list(w, list);
	for (size_t i = 0; i < w->all.count; i++) {
		const char *hosts[] = { w->all.items[i].source_host_id,
			w->all.items[i].target_host_id };

		for (size_t h = 0; h < UD_LEN(hosts); h++) {
			bool seen = false;

			for (size_t k = 0; k < i; k++)
				seen |= strcmp(w->all.items[k].source_host_id, hosts[h]) == 0 ||
					strcmp(w->all.items[k].target_host_id, hosts[h]) == 0;
			if (!seen)
				UD_TRY(add(cx, w, hosts[h]));
		}
	}
	ud_buf_putc(&w->out, ']');
	return UD_OK;
}

static enum ud_code add_keys(struct ud_ctx *cx, struct writing *w, const char *host_id)
{
	return ud_agent_keys(cx, host_id, add_key, w);
}

/* ---- what is not there ---- */

static void absent(struct writing *w, const char *vm_id, const char *what)
{
	item(w);
	ud_buf_puts(&w->out, "{\"vm_id\":");
	ud_buf_json(&w->out, vm_id);
	text(w, "what", what);
	ud_buf_putc(&w->out, '}');
}

static void add_absences(struct ud_ctx *cx, struct writing *w)
{
	begin_list(w, "absences");
	if (w->unsigned_count)
		absent(w, NULL,
			ud_printf(cx->arena,
				"%zu answers are not signed by their agents; they came over mutual"
				" TLS from the keys listed under hosts.",
				w->unsigned_count));
	if (w->f->validation == UD_VALIDATION_OPEN)
		absent(w, NULL, "The customer has not said whether the service worked.");
	for (size_t i = 0; i < w->all.count; i++) {
		const struct ud_workflow *v = &w->all.items[i];

		if (v->checks_passed + v->checks_failed == 0)
			absent(w, v->vm_id, "No check of the guest has an outcome.");
		if (v->demote_seq != UD_NONE && v->demoted_at.ms <= 0)
			absent(w, v->vm_id, "The old primary has not answered its demotion.");
	}
	ud_buf_putc(&w->out, ']');
}

static enum ud_code write_all(struct ud_ctx *cx, struct writing *w, const char *id)
{
	const struct ud_failover *f = w->f;

	ud_buf_puts(&w->out, "{\"schema\":\"\"");
	text(w, "id", id);
	text(w, "generator", "understudyd " UD_VERSION);
	instant(w, "sealed_at", cx->now_ms);
	text(w, "plan", f->plan.text);
	text(w, "plan_hash", f->plan_hash);
	ud_buf_puts(&w->out, ",\"failover\":");
	ud_shape_encode(&w->out, ud_failovers.shape, f, NULL);
	UD_TRY(add_rows(cx, w, "approvals", &ud_approvals));
	UD_TRY(add_rows(cx, w, "attestations", &ud_attestations));
	UD_TRY(add_rows(cx, w, "waivers", &ud_waiver_table));
	add_vms(w);
	begin_list(w, "steps");
	UD_TRY(ud_step_visit(cx, f->row.id, add_step, w));
	ud_buf_putc(&w->out, ']');
	begin_list(w, "timeline");
	UD_TRY(ud_step_lines(cx, f->row.id, add_line, w));
	ud_buf_putc(&w->out, ']');
	begin_list(w, "pictures");
	UD_TRY(ud_picture_visit(cx, f->row.id, add_picture, w));
	ud_buf_putc(&w->out, ']');
	UD_TRY(each_host(cx, w, "hosts", add_host));
	UD_TRY(each_host(cx, w, "agents", add_keys));
	begin_list(w, "statements");
	UD_TRY(ud_statement_visit(cx, f->row.id, add_statement, w));
	ud_buf_putc(&w->out, ']');
	add_absences(cx, w);
	ud_buf_putc(&w->out, '}');
	return UD_OK;
}

enum ud_code ud_evidence_write(
	struct ud_ctx *cx, const struct ud_failover *f, const char *id, const char **ret)
{
	struct writing w = { .f = f };

	UD_TRY(ud_workflow_all(cx, f->row.id, &w.all));
	enum ud_code code = write_all(cx, &w, id);

	*ret = ud_buf_take(cx->arena, &w.out);
	return code;
}
