/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watching a ticket and its run: a line for each thing that has happened, on standard output, and
 * on a terminal one more that says what is being done now. Looks once a second; ends when the run
 * or the ticket has ended.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/shape.h"
#include "base/time.h"
#include "cli/cli.h"

enum { HISTORY = 200, MARK_MS = 1000 };

struct watch {
	struct cli *c;
	json_t *said;                /* what was printed: key -> state */
	json_t *names;               /* VMs: id -> name */
	bool live;                   /* a line for what is being done now */
	int64_t interval_ms, end_ms; /* 0 = no end */
};

/* How a step's or a run's state looks, and whether it is told by a line of its own. */
static const struct {
	const char *state, *mark;
	bool failed;
} marks[] = {
	{ "done", "✔", false },
	{ "failed", "✖", true },
	{ "undone", "↶", false },
	{ "skipped", "·", false },
	{ "waiting", "?", false },
};

static const char *const run_ends[] = { "protected", "closed_unprotected", "rolled_back", "failed",
	"solved" };
static const char *const ticket_ends[] = { "solved", "closed", "merged", "transferred",
	"rejected" };

static bool among(const char *word, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, list[i]) == 0)
			return true;
	return false;
}

/* Has this been said already? Afterwards it has. */
static bool news(struct watch *w, const char *key, const char *state)
{
	bool same = strcmp(ud_cli_text(w->said, key), state) == 0;

	json_object_set_new(w->said, key, json_string(state));
	return !same;
}

/* "22:00:09" of an instant. */
static const char *clock_of(struct watch *w, json_t *row, const char *key)
{
	const char *at = ud_cli_text(row, key);

	return strlen(at) >= 19 ? ud_strndup(w->c->cx.arena, at + 11, 8) : "        ";
}

static const char *seconds_between(struct watch *w, json_t *step)
{
	int64_t begun, ended;

	if (!ud_time_parse(ud_cli_text(step, "started_at"), &begun) ||
		!ud_time_parse(ud_cli_text(step, "ended_at"), &ended))
		return "";
	return ud_printf(w->c->cx.arena, "%lld.%lld s", (long long)(ended - begun) / 1000,
		(long long)(ended - begun) % 1000 / 100);
}

static const char *vm_name(struct watch *w, const char *id)
{
	struct cli_reply r = { 0 };

	if (!*id || *ud_cli_text(w->names, id))
		return *id ? ud_cli_text(w->names, id) : "";
	ud_cli_call(w->c, "GET", ud_printf(w->c->cx.arena, "/v1/vms/%s", id), NULL, NULL, &r);
	const char *name = ud_cli_text(r.json, "name");

	json_object_set_new(w->names, id, json_string(*name ? name : id));
	ud_cli_reply_free(&r);
	return ud_cli_text(w->names, id);
}

/* The words of a step's error: its text, else all of it. */
static const char *error_of(struct watch *w, json_t *step)
{
	static const char *const keys[] = { "text", "detail", "code" };
	json_t *e = json_object_get(step, "error");

	for (size_t i = 0; i < UD_LEN(keys); i++)
		if (*ud_cli_text(e, keys[i]))
			return ud_cli_text(e, keys[i]);
	return json_is_object(e) ? ud_json_text(w->c->cx.arena, e, JSON_COMPACT) : "";
}

static void wipe(struct watch *w)
{
	if (w->live)
		fputs("\r\033[K", stderr);
}

static void say_step(struct watch *w, json_t *step)
{
	const char *state = ud_cli_text(step, "state");
	const char *key =
		ud_printf(w->c->cx.arena, "step %lld", (long long)ud_cli_int(step, "n", 0));

	for (size_t i = 0; i < UD_LEN(marks); i++) {
		if (strcmp(marks[i].state, state) != 0 || !news(w, key, state))
			continue;
		wipe(w);
		printf("%s %s  %-18s %-16s %s%s%s\n", marks[i].mark,
			clock_of(w, step,
				*ud_cli_text(step, "ended_at") ? "ended_at" : "started_at"),
			ud_cli_text(step, "name"), vm_name(w, ud_cli_text(step, "vm_id")),
			seconds_between(w, step), marks[i].failed ? "  " : "",
			marks[i].failed ? error_of(w, step) : "");
	}
}

static int by_end(const void *a, const void *b)
{
	return strcmp(ud_cli_text(*(json_t *const *)a, "ended_at"),
		ud_cli_text(*(json_t *const *)b, "ended_at"));
}

/* In the order in which they ended, and not VM by VM. */
static void say_steps(struct watch *w, json_t *steps)
{
	size_t n = json_array_size(steps), i;
	json_t **sorted = ud_alloc(w->c->cx.arena, (n + 1) * sizeof(json_t *)), *step;

	json_array_foreach(steps, i, step) sorted[i] = step;
	qsort(sorted, n, sizeof(json_t *), by_end);
	for (i = 0; i < n; i++)
		say_step(w, sorted[i]);
}

/* How far the copy of a VM is, where one is under way: "74 %, 12.0 MB to go". */
static const char *copy_of(struct watch *w, const char *vm_id)
{
	const char *text = "";
	struct cli_reply r = { 0 };
	json_t *row;
	size_t i;

	ud_cli_call(w->c, "GET",
		ud_printf(w->c->cx.arena, "/v1/replications?vm_id=%s&leg=primary", vm_id), NULL,
		NULL, &r);
	json_array_foreach(json_object_get(r.json, "data"), i, row)
	{
		int64_t percent = ud_cli_int(row, "progress_percent", -1);

		if (percent >= 0 && percent < 100)
			text = ud_printf(w->c->cx.arena, "  %lld %%, %s to go", (long long)percent,
				ud_cli_bytes(w->c, ud_cli_int(row, "pending_bytes", -1)));
	}
	ud_cli_reply_free(&r);
	return text;
}

static void say_now(struct watch *w, json_t *step)
{
	int64_t begun;

	if (!w->live || strcmp(ud_cli_text(step, "state"), "running") != 0)
		return;
	wipe(w);
	fprintf(stderr, "▶ %s  %-18s %-16s", clock_of(w, step, "started_at"),
		ud_cli_text(step, "name"), vm_name(w, ud_cli_text(step, "vm_id")));
	if (ud_time_parse(ud_cli_text(step, "started_at"), &begun))
		fprintf(stderr, "%lld s", (long long)(ud_now_ms(w->c->cx.env) - begun) / 1000);
	fputs(copy_of(w, ud_cli_text(step, "vm_id")), stderr);
}

/* Whose turn it is, and what helps. */
static void say_waiting(struct watch *w, json_t *run)
{
	json_t *wait = json_object_get(run, "waiting_for"), *action;
	const char *helps = "";
	size_t i;

	json_array_foreach(json_object_get(wait, "actions"), i, action) helps = ud_printf(
		w->c->cx.arena, "%s%s%s", helps, *helps ? ", " : "", json_string_value(action));
	const char *text = ud_printf(
		w->c->cx.arena, "%s: %s", ud_cli_text(wait, "who"), ud_cli_text(wait, "text"));

	if (!json_is_object(wait) || !news(w, "waiting", text))
		return;
	wipe(w);
	printf("… waits for %s%s%s\n", text, *helps ? " It helps to: " : "", helps);
}

static void say_end(json_t *run)
{
	printf("%s: RPO %lld s, RTO %lld s, downtime %lld s, data loss %s, checks %s\n",
		ud_cli_text(run, "state"), (long long)ud_cli_int(run, "rpo_measured_seconds", -1),
		(long long)ud_cli_int(run, "rto_measured_seconds", -1),
		(long long)ud_cli_int(run, "downtime_seconds", -1), ud_cli_text(run, "data_loss"),
		ud_cli_text(run, "verdict"));
}

/* One look at the run; *ret_ended when it needs no further one. An exit code. */
static int look_at_run(struct watch *w, const char *id, bool *ret_ended)
{
	struct cli_reply r = { 0 };
	json_t *step;
	size_t i;

	ud_cli_call(w->c, "GET", ud_printf(w->c->cx.arena, "/v1/failovers/%s", id), NULL, NULL, &r);
	int code = ud_cli_reply_code(w->c, &r);
	const char *state = ud_cli_text(r.json, "state");

	say_steps(w, json_object_get(r.json, "steps"));
	say_waiting(w, r.json);
	json_array_foreach(json_object_get(r.json, "steps"), i, step) say_now(w, step);
	*ret_ended = code != CLI_DONE || among(state, run_ends, UD_LEN(run_ends));
	if (code == CLI_DONE && *ret_ended) {
		wipe(w);
		say_end(r.json);
		code = strcmp(state, "failed") == 0 ? CLI_FAILED : CLI_DONE;
	}
	ud_cli_reply_free(&r);
	return code;
}

/* What was done to the ticket since the last look, the oldest first. */
static int say_history(struct watch *w, const char *ticket)
{
	struct cli_reply r = { 0 };

	ud_cli_call(w->c, "GET",
		ud_printf(w->c->cx.arena, "/v1/tickets/%s/history?limit=%d", ticket, HISTORY), NULL,
		NULL, &r);
	int code = ud_cli_reply_code(w->c, &r);
	json_t *data = json_object_get(r.json, "data");

	for (size_t i = json_array_size(data); i-- > 0;) {
		json_t *e = json_array_get(data, i);

		if (!news(w, ud_cli_text(e, "id"), "said"))
			continue;
		wipe(w);
		printf("✔ %s  %-35s %s\n", clock_of(w, e, "created_at"), ud_cli_text(e, "type"),
			ud_cli_text(json_object_get(e, "actor"), "name"));
	}
	ud_cli_reply_free(&r);
	return code;
}

/* A ticket of a run has ended with the run, or before it. */
static int look_at_ticket(struct watch *w, const char *id, bool *ret_ended)
{
	struct cli_reply r = { 0 };

	ud_cli_call(w->c, "GET", ud_printf(w->c->cx.arena, "/v1/tickets/%s", id), NULL, NULL, &r);
	int code = ud_cli_reply_code(w->c, &r);
	const char *state = ud_cli_text(r.json, "state"),
		   *run = ud_strdup(w->c->cx.arena, ud_cli_text(r.json, "failover_id"));
	bool over = among(state, ticket_ends, UD_LEN(ticket_ends));

	if (code == CLI_DONE)
		code = say_history(w, id);
	*ret_ended = code != CLI_DONE || over;
	if (code == CLI_DONE && *run)
		code = look_at_run(w, run, ret_ended);
	if (code == CLI_DONE && over) {
		*ret_ended = true;
		code = strcmp(state, "rejected") == 0 ? CLI_FAILED : CLI_DONE;
	}
	ud_cli_reply_free(&r);
	return code;
}

static int watch(struct cli *c, const char *id,
	int (*look)(struct watch *w, const char *id, bool *ret_ended))
{
	const char *interval = ud_cli_flag(c, "interval"), *timeout = ud_cli_flag(c, "timeout");
	int64_t now = ud_mono_ms(c->cx.env);
	struct watch w = { .c = c,
		.said = json_object(),
		.names = json_object(),
		.live = isatty(STDERR_FILENO) && !c->quiet,
		.interval_ms = interval ? ud_cli_seconds(interval) * 1000 : MARK_MS,
		.end_ms = timeout ? now + ud_cli_seconds(timeout) * 1000 : 0 };
	int code = ud_cli_check_flags(c);
	bool ended = false;

	while (code == CLI_DONE && !ended) {
		code = look(&w, id, &ended);
		fflush(stdout);
		if (code != CLI_DONE || ended)
			break;
		if (w.end_ms && ud_mono_ms(c->cx.env) >= w.end_ms)
			code = ud_cli_fail(CLI_TIMEOUT,
				"it has not ended; watch it again: understudy %s watch %s",
				c->words[0], c->words[2]);
		else
			poll(NULL, 0, (int)w.interval_ms);
	}
	wipe(&w);
	json_decref(w.said);
	json_decref(w.names);
	return code;
}

int ud_cli_run_watch_ticket(struct cli *c)
{
	const char *id = NULL;

	if (c->word_count != 3)
		return ud_cli_fail(CLI_USAGE, "ticket watch TICKET [--timeout 10m] [--interval 1]");
	int code = ud_cli_resolve(c, "/v1/tickets", c->words[2], &id);

	return code ? code : watch(c, id, look_at_ticket);
}

int ud_cli_run_watch_run(struct cli *c)
{
	if (c->word_count != 3)
		return ud_cli_fail(CLI_USAGE, "failover watch RUN [--timeout 10m] [--interval 1]");
	return watch(c, c->words[2], look_at_run);
}
