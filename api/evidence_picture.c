/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picture of a run in its report: each step as a bar against time, and as an outline how long
 * it took in the run of this kind before. It needs no script and is there on paper. Places across
 * are parts of the width there is, so that words keep their size. Waits for people are cut short.
 * The table below the picture says the same.
 */
#include <stdlib.h>
#include <string.h>

#include "api/evidence.h"
#include "db/workflows.h"
#include "server/http/forms.h"

enum { BARS_MAX = 1000, TOOK_MAX = 64, TICKS = 6, TOP = 24, ROW = 32 };
static const double LEAST = 10; /* seconds that a picture spans at least */

struct bar {
	const char *vm_id, *vm, *name;
	unsigned state;          /* enum ud_step_state */
	bool waits;              /* for people */
	int64_t started, ended;  /* instants; 0 = not */
	double from, to;         /* seconds since the run began; from < 0 = it never did */
	double due_from, due_to; /* the same by the run before; equal = nothing is known */
};

/* A stretch of time and the room that it gets. */
struct piece {
	double from, to, begin, room;
	bool cut; /* drawn shorter than it was */
};

struct picture {
	const struct ud_failover *f;
	const char *const *names;
	struct bar *bars;
	size_t count;
	struct piece *pieces;
	size_t piece_count;
	double total; /* room of all pieces */
	struct {
		const char *name;
		double seconds;
	} took[TOOK_MAX]; /* steps of the run before */
	size_t took_count;
};

static const struct {
	const char *step, *title;
} titles[] = {
	{ "precheck", "Check beforehand" },
	{ "stop_gate", "Steps before shutting down" },
	{ "stop", "Shut down" },
	{ "sync", "Final delta" },
	{ "published", "Delta is durable at the replica" },
	{ "start_gate", "Steps before starting" },
	{ "commit_epoch", "Hand over" },
	{ "assess", "Look whether the source answers" },
	{ "isolate", "Stop the source if it answers" },
	{ "fence", "Fence the source" },
	{ "evidence", "Proof that the source is off" },
	{ "point", "Choose the recovery point" },
	{ "promote", "Start on the replica" },
	{ "demote", "Old primary becomes replica" },
	{ "test_start", "Start the test copy" },
	{ "test_running", "People look at the copy" },
	{ "cleanup", "Remove the test copy" },
	{ "undo_test", "Remove the test copy" },
	{ "check_power", "Check: power" },
	{ "check_guest_agent", "Check: guest agent" },
	{ "set_addresses", "Set the addresses of the guest" },
	{ "check_services", "Check: services" },
	{ "check_script", "Check: script" },
	{ "validate", "People verify" },
	{ "complete", "Commit" },
	{ "source_return", "Old primary comes back" },
	{ "await_reverse", "Waits to be reversed" },
	{ "reverse", "Reverse replication" },
	{ "reprotect", "Protect again" },
	{ "protect", "Points at the other side" },
	{ "resume", "Start the source again" },
	{ "revert", "Undo the start on the replica" },
	{ "overtaken", "Overtaken by people at the host" },
	{ "done", "Done" },
};

static const char *title_of(const char *step)
{
	for (size_t i = 0; i < UD_LEN(titles); i++)
		if (strcmp(titles[i].step, step) == 0)
			return titles[i].title;
	return step;
}

/* How a step is drawn: the mark before its name, the class of its bar. */
static const struct {
	const char *mark, *class;
} looks[] = {
	[UD_STEP_PENDING] = { "·", "idle" },
	[UD_STEP_RUNNING] = { "▶", "info" },
	[UD_STEP_WAITING] = { "◷", "warning" },
	[UD_STEP_DONE] = { "✔", "ok" },
	[UD_STEP_FAILED] = { "✖", "bad" },
	[UD_STEP_SKIPPED] = { "↷", "idle" },
	[UD_STEP_UNDONE] = { "↶", "idle" },
};

static bool waits_for_people(const char *step)
{
	static const char *const steps[] = { "validate", "test_running", "source_return" };

	for (size_t i = 0; i < UD_LEN(steps); i++)
		if (strcmp(steps[i], step) == 0)
			return true;
	return false;
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

static double most(double a, double b)
{
	return a > b ? a : b;
}

/* ---- what happened ---- */

static const char *name_of(const struct picture *p, const char *vm_id)
{
	for (size_t i = 0; i < p->f->vm_ids.count; i++)
		if (strcmp(p->f->vm_ids.items[i], vm_id) == 0)
			return p->names[i];
	return vm_id;
}

static enum ud_code add_bar(struct ud_ctx *cx, void *data, const struct ud_workflow_step *s)
{
	struct picture *p = data;

	(void)cx;
	if (p->count == BARS_MAX)
		return UD_OK;
	p->bars[p->count++] = (struct bar){ .vm_id = s->vm_id,
		.vm = name_of(p, s->vm_id),
		.name = s->name,
		.state = s->state,
		.waits = waits_for_people(s->name),
		.started = s->started_at.ms > 0 ? s->started_at.ms : 0,
		.ended = s->ended_at.ms > 0 ? s->ended_at.ms : 0 };
	return UD_OK;
}

static enum ud_code add_took(struct ud_ctx *cx, void *data, const struct ud_workflow_step *s)
{
	struct picture *p = data;

	(void)cx;
	if (p->took_count < TOOK_MAX && s->started_at.ms > 0 && s->ended_at.ms > 0) {
		p->took[p->took_count].name = s->name;
		p->took[p->took_count++].seconds =
			(double)(s->ended_at.ms - s->started_at.ms) / 1000;
	}
	return UD_OK;
}

/* How long a step took in the run before; 0 = that is not known. */
static double took(const struct picture *p, const char *name)
{
	for (size_t i = 0; i < p->took_count; i++)
		if (strcmp(p->took[i].name, name) == 0)
			return p->took[i].seconds;
	return 0;
}

/* The newest run that is older and reached its end. */
struct before {
	const struct ud_failover *f;
	const char *id;
};

static enum ud_code look_before(struct ud_ctx *cx, void *data, const void *row)
{
	const struct ud_failover *f = row;
	struct before *b = data;
	bool whole = f->state == UD_FAILOVER_PROTECTED || f->state == UD_FAILOVER_SOLVED;

	if (!b->id && whole && f->row.created_at.ms < b->f->row.created_at.ms)
		b->id = ud_strdup(cx->arena, f->row.id);
	return UD_OK;
}

static enum ud_code read_before(struct ud_ctx *cx, struct picture *p)
{
	struct before b = { .f = p->f };
	struct ud_list list = {
		.limit = UD_LIST_MAX, .sort = { { "created_at", true } }, .sort_count = 1
	};
	bool more = false;

	ud_list_where(&list, "kind", UD_OP_EQ, ud_t(ud_failover_kinds.names[p->f->kind]));
	if (p->f->row.customer_id)
		ud_list_where(&list, "customer_id", UD_OP_EQ, ud_t(p->f->row.customer_id));
	UD_TRY(ud_row_list(cx, &ud_failovers, &list, look_before, &b, &more));
	return b.id ? ud_step_visit(cx, b.id, add_took, p) : UD_OK;
}

/* ---- when ---- */

static int64_t begin_of(const struct picture *p)
{
	int64_t at = p->f->started_at.ms > 0 ? p->f->started_at.ms : INT64_MAX;

	for (size_t i = 0; i < p->count; i++)
		if (p->bars[i].started && p->bars[i].started < at)
			at = p->bars[i].started;
	return at;
}

/* The steps of one VM, from first to before last; after a wait for people what was due goes on from
 * what happened. */
static void time_vm(const struct picture *p, size_t first, size_t last, int64_t begin, int64_t end)
{
	double due = 0;
	bool waited = true; /* what is due begins with the first step */

	for (size_t i = first; i < last; i++) {
		struct bar *b = &p->bars[i];
		int64_t until = b->ended ? b->ended : end;

		b->from = b->started ? (double)(b->started - begin) / 1000 : -1;
		b->to = b->started ? most(b->from, (double)(until - begin) / 1000) : -1;
		if (waited && b->started) {
			due = b->from;
			waited = false;
		}
		b->due_from = due;
		b->due_to = due + (b->waits ? 0 : took(p, b->name));
		due = b->waits && b->started ? most(due, b->to) : b->due_to;
		waited |= b->waits;
	}
}

/* Where the steps of the VM end that has its first one there. */
static size_t end_of_vm(const struct picture *p, size_t first)
{
	size_t i = first + 1;

	while (i < p->count && strcmp(p->bars[i].vm_id, p->bars[first].vm_id) == 0)
		i++;
	return i;
}

static void time_bars(const struct picture *p, int64_t now)
{
	int64_t begin = begin_of(p), end = p->f->ended_at.ms > 0 ? p->f->ended_at.ms : now;

	for (size_t i = 0; i < p->count; i = end_of_vm(p, i))
		time_vm(p, i, end_of_vm(p, i), begin, end);
}

/* ---- the scale ---- */

static int by_begin(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

/* What is busy, in order and without overlaps: at most two stretches a bar. Returns how many. */
static size_t busy(const struct picture *p, struct piece *ret, double *ret_span)
{
	size_t n = 0, merged = 0;

	*ret_span = LEAST;
	for (size_t i = 0; i < p->count; i++) {
		const struct bar *b = &p->bars[i];

		if (b->from >= 0 && !b->waits)
			ret[n++] = (struct piece){ .from = most(0, b->from - 1), .to = b->to + 1 };
		if (b->due_to > b->due_from)
			ret[n++] = (struct piece){ .from = b->due_from, .to = b->due_to };
		*ret_span = most(*ret_span, most(b->to, b->due_to) + 1);
	}
	qsort(ret, n, sizeof(*ret), by_begin);
	for (size_t i = 0; i < n; i++)
		if (merged && ret[i].from <= ret[merged - 1].to)
			ret[merged - 1].to = most(ret[merged - 1].to, ret[i].to);
		else
			ret[merged++] = ret[i];
	return merged;
}

static void add_piece(struct picture *p, double from, double to, double longest)
{
	double room = least(to - from, longest);

	if (to <= from)
		return;
	p->pieces[p->piece_count++] = (struct piece){
		.from = from, .to = to, .begin = p->total, .room = room, .cut = room < to - from
	};
	p->total += room;
}

/* What is not busy gets at most a fifth of what is. */
static void make_scale(struct ud_ctx *cx, struct picture *p)
{
	struct piece *list = ud_alloc(cx->arena, (2 * p->count + 1) * sizeof(*list));
	double span, sum = 0, at = 0;
	size_t n = busy(p, list, &span);

	p->pieces = ud_alloc(cx->arena, (2 * n + 2) * sizeof(*p->pieces));
	for (size_t i = 0; i < n; i++)
		sum += list[i].to - list[i].from;
	sum = most(sum, LEAST);
	for (size_t i = 0; i < n; i++) {
		add_piece(p, at, list[i].from, sum / 5);
		add_piece(p, list[i].from, list[i].to, list[i].to - list[i].from);
		at = list[i].to;
	}
	add_piece(p, at, span, sum / 5);
}

/* The place of an instant, in parts of a hundred of the width. */
static double place(const struct picture *p, double at)
{
	const struct piece *q = p->pieces, *end = q + p->piece_count;

	while (q + 1 < end && at > q->to)
		q++;
	at = least(most(at, q->from), q->to);
	return (q->begin + (at - q->from) / (q->to - q->from) * q->room) / p->total * 100;
}

/* ---- drawing ---- */

static const char *duration(struct ud_ctx *cx, double seconds)
{
	long long s = (long long)(seconds + 0.5);

	if (s < 60)
		return ud_printf(cx->arena, "%lld s", s);
	if (s < 3600)
		return ud_printf(cx->arena, "%lld min %lld s", s / 60, s % 60);
	return ud_printf(cx->arena, "%lld h %lld min", s / 3600, s / 60 % 60);
}

static void tick(struct ud_ctx *cx, struct ud_buf *b, double x, double at, int height)
{
	ud_buf_printf(b,
		"<line class=\"tick\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"18\" y2=\"%d\"/>"
		"<text class=\"when\" x=\"%.2f%%\" y=\"12\"%s>%s</text>",
		x, x, height, x, at > 0 ? " text-anchor=\"middle\"" : "", duration(cx, at));
}

/* Is a place free for a tick: not in a stretch that was cut, nor near its words? */
static bool is_free(const struct picture *p, double at)
{
	for (size_t i = 0; i < p->piece_count; i++) {
		const struct piece *q = &p->pieces[i];

		if (q->cut && place(p, at) > place(p, q->from) - 6 &&
			place(p, at) < place(p, q->to) + 6)
			return false;
	}
	return true;
}

static void axis(struct ud_ctx *cx, struct ud_buf *b, const struct picture *p, int height)
{
	static const int steps[] = { 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200 };
	double end = p->pieces[p->piece_count - 1].to, last = -100;
	size_t s = 0;

	while (s + 1 < UD_LEN(steps) && p->total / steps[s] > TICKS)
		s++;
	for (size_t i = 0; i < p->piece_count; i++) {
		const struct piece *q = &p->pieces[i];

		if (!q->cut)
			continue;
		double from = place(p, q->from), to = place(p, q->to);

		ud_buf_printf(b,
			"<rect class=\"cut\" x=\"%.2f%%\" width=\"%.2f%%\" y=\"18\" height=\"%d\"/>"
			"<text class=\"when\" x=\"%.2f%%\" y=\"12\" text-anchor=\"middle\">⋯"
			"<tspan class=\"wide\"> %s ⋯</tspan></text>",
			from, to - from, height - 18, (from + to) / 2,
			duration(cx, q->to - q->from));
	}
	for (double at = 0; at <= end && at / steps[s] < 5000; at += steps[s]) {
		double x = place(p, at);

		if (x < last + 11 || x > 94 || !is_free(p, at))
			continue;
		tick(cx, b, x, at, height);
		last = x;
	}
}

static void rect(struct ud_buf *b, const char *class, double x, double to, int y, int height)
{
	ud_buf_printf(b,
		"<rect class=\"%s\" x=\"%.2f%%\" width=\"%.2f%%\" y=\"%d\" height=\"%d\" rx=\"2\"/>",
		class, x, most(0.3, to - x), y, height);
}

static void draw_bar(struct ud_buf *b, const struct picture *p, const struct bar *bar, int y)
{
	ud_buf_printf(b, "<text x=\"0\" y=\"%d\">%s ", y + 12, looks[bar->state].mark);
	ud_page_text(b, title_of(bar->name));
	ud_buf_puts(b, "</text>");
	if (bar->due_to > bar->due_from)
		rect(b, "due", place(p, bar->due_from), place(p, bar->due_to), y + 16, 12);
	if (bar->from >= 0)
		rect(b, looks[bar->state].class, place(p, bar->from), place(p, bar->to), y + 19, 6);
	ud_buf_putc(b, '\n');
}

/* The steps of one VM, from first to before last: a picture for each, which paper does not cut. */
static void draw(
	struct ud_ctx *cx, struct ud_buf *b, const struct picture *p, size_t first, size_t last)
{
	int height = TOP + (int)(last - first) * ROW;
	size_t done = 0;

	for (size_t i = first; i < last; i++)
		done += p->bars[i].state == UD_STEP_DONE;
	ud_buf_puts(b, "<figure><figcaption>");
	ud_page_text(b, p->bars[first].vm);
	ud_buf_printf(b,
		"</figcaption><svg class=\"gantt\" role=\"img\" width=\"100%%\" height=\"%d\""
		" aria-label=\"Steps against time: %zu of %zu done. The table below says the same.\">\n",
		height, done, last - first);
	axis(cx, b, p, height);
	for (size_t i = first; i < last; i++)
		draw_bar(b, p, &p->bars[i], TOP + (int)(i - first) * ROW);
	ud_buf_puts(b, "</svg></figure>\n");
}

/* ---- the same as a table ---- */

static void cell(struct ud_buf *b, const char *text)
{
	ud_buf_puts(b, "<td>");
	ud_page_text(b, text ? text : "-");
	ud_buf_puts(b, "</td>");
}

static void cell_instant(struct ud_buf *b, int64_t ms)
{
	char at[UD_TIME_TEXT];

	if (ms > 0)
		ud_time_format(ms, at);
	cell(b, ms > 0 ? at : NULL);
}

static void twin(struct ud_ctx *cx, struct ud_buf *b, const struct picture *p)
{
	ud_buf_puts(b,
		"<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Steps\"><table><thead><tr><th scope=\"col\">VM</th><th scope=\"col\">Step</th><th scope=\"col\">"
		"State</th><th scope=\"col\">Began</th><th scope=\"col\">Ended</th><th scope=\"col\">"
		"Took</th><th scope=\"col\">Run before</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < p->count; i++) {
		const struct bar *bar = &p->bars[i];
		double due = bar->due_to - bar->due_from;

		ud_buf_puts(b, "<tr>");
		cell(b, bar->vm);
		cell(b, title_of(bar->name));
		cell(b, ud_step_states.names[bar->state]);
		cell_instant(b, bar->started);
		cell_instant(b, bar->ended);
		cell(b, bar->from >= 0 ? duration(cx, bar->to - bar->from) : NULL);
		cell(b, due > 0 ? duration(cx, due) : NULL);
		ud_buf_puts(b, "</tr>\n");
	}
	ud_buf_puts(b, "</tbody></table></div>\n");
}

enum ud_code ud_evidence_picture(
	struct ud_ctx *cx, struct ud_buf *b, const struct ud_failover *f, const char *const *names)
{
	struct picture p = { .f = f, .names = names };

	p.bars = ud_alloc(cx->arena, BARS_MAX * sizeof(*p.bars));
	UD_TRY(ud_step_visit(cx, f->row.id, add_bar, &p));
	if (!p.count)
		return UD_OK;
	UD_TRY(read_before(cx, &p));
	time_bars(&p, cx->now_ms);
	make_scale(cx, &p);
	ud_buf_printf(b, "<h2>Steps against time</h2>\n<p>%s%s</p>\n",
		p.took_count
			? "Dashed outlines: how long a step took in the run of this kind before. "
			: "There is no earlier run of this kind to compare with. ",
		p.count == BARS_MAX ? "The first 1000 steps; the sealed record has them all." : "");
	for (size_t i = 0; i < p.count; i = end_of_vm(&p, i))
		draw(cx, b, &p, i, end_of_vm(&p, i));
	twin(cx, b, &p);
	return UD_OK;
}
