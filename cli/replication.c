/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What replication has beside its calls: the live view, and taking a VM's protection away by the
 * VM's name. Only shows what the API tells.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/shape.h"
#include "cli/cli.h"

enum { INTERVAL_SECONDS = 2, ROWS_MAX = 200 };

/* What was sent until the last look, to tell a rate from. */
struct look {
	int64_t at_ms;
	json_t *sent; /* id -> bytes */
};

const char *ud_cli_bytes(struct cli *c, int64_t n)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB" };
	size_t unit = 0;
	int64_t rest = 0;

	if (n < 0)
		return "-";
	for (; n >= 1000 && unit + 1 < UD_LEN(units); unit++) {
		rest = n % 1000 / 100;
		n /= 1000;
	}
	return unit
		? ud_printf(c->cx.arena, "%lld.%lld %s", (long long)n, (long long)rest, units[unit])
		: ud_printf(c->cx.arena, "%lld B", (long long)n);
}

static const char *age_text(struct cli *c, json_t *row)
{
	int64_t measured = ud_cli_int(row, "rpo_measured_seconds", -1);
	int64_t most = ud_cli_int(row, "rpo_at_most_seconds", -1);

	if (measured >= 0)
		return ud_printf(c->cx.arena, "%lld s", (long long)measured);
	return most >= 0 ? ud_printf(c->cx.arena, "unknown, at most %lld s", (long long)most) : "-";
}

static const char *missed_text(struct cli *c, json_t *row)
{
	int64_t total = ud_cli_int(row, "cycles_total", -1),
		missed = ud_cli_int(row, "cycles_missed", 0);

	return total >= 0
		? ud_printf(c->cx.arena, "%lld of %lld", (long long)missed, (long long)total)
		: "-";
}

static const char *rate_text(struct cli *c, json_t *row, const struct look *last, int64_t now_ms)
{
	const char *id = json_string_value(json_object_get(row, "id"));
	int64_t sent = ud_cli_int(row, "bytes_sent", -1), before = ud_cli_int(last->sent, id, -1);
	int64_t ms = now_ms - last->at_ms;

	if (sent < 0 || before < 0 || sent < before || ms <= 0)
		return "-";
	return ud_printf(c->cx.arena, "%s/s", ud_cli_bytes(c, (sent - before) * 1000 / ms));
}

/* Names of things by their ids. */
static int names_of(struct cli *c, const char *path, json_t *names)
{
	struct cli_reply r;
	json_t *row;
	size_t i;

	ud_cli_call(c, "GET", path, NULL, NULL, &r);
	/* customers do not list hosts: then ids stand for themselves */
	if (r.status == 200)
		json_array_foreach(json_object_get(r.json, "data"), i, row)
			json_object_set(names, json_string_value(json_object_get(row, "id")),
				json_object_get(row, "name"));
	int code = r.status == 200 || r.status == 403 ? CLI_DONE : ud_cli_reply_code(c, &r);

	ud_cli_reply_free(&r);
	return code;
}

static json_t *named(json_t *names, json_t *row, const char *key)
{
	json_t *id = json_object_get(row, key),
	       *name = json_is_string(id) ? json_object_get(names, json_string_value(id)) : NULL;

	return name ? name : id;
}

static json_t *line_of(
	struct cli *c, json_t *row, json_t *names, const struct look *last, int64_t now_ms)
{
	json_t *line = json_object();
	int64_t percent = ud_cli_int(row, "progress_percent", -1);
	const char *state = json_string_value(json_object_get(row, "state"));

	json_object_set(line, "vm", named(names, row, "vm_id"));
	json_object_set(line, "leg", json_object_get(row, "leg"));
	json_object_set(line, "target", named(names, row, "target_host_id"));
	json_object_set_new(line, "state",
		json_string(percent >= 0 && percent < 100
				? ud_printf(c->cx.arena, "%s %lld %%", state, (long long)percent)
				: state));
	json_object_set(line, "health", json_object_get(row, "health"));
	json_object_set_new(line, "rpo", json_string(age_text(c, row)));
	json_object_set_new(line, "missed", json_string(missed_text(c, row)));
	json_object_set_new(line, "pending",
		json_string(ud_cli_bytes(c, ud_cli_int(row, "pending_bytes", -1))));
	json_object_set_new(line, "rate", json_string(rate_text(c, row, last, now_ms)));
	return line;
}

static int print_lines(struct cli *c, json_t *data, json_t *names, struct look *last)
{
	int64_t now_ms = ud_mono_ms(c->cx.env);
	json_t *lines = json_array(), *row;
	size_t i;

	json_array_foreach(data, i, row)
		json_array_append_new(lines, line_of(c, row, names, last, now_ms));
	json_object_clear(last->sent);
	json_array_foreach(data, i, row) json_object_set(last->sent,
		json_string_value(json_object_get(row, "id")), json_object_get(row, "bytes_sent"));
	last->at_ms = now_ms;
	json_t *list = json_pack("{s:s, s:o, s:b}", "object", "list", "data", lines, "has_more", 0);
	int code = ud_cli_print(c, list, NULL);

	json_decref(list);
	return code;
}

static int look_once(struct cli *c, struct look *last, bool clear)
{
	struct cli_reply r;
	json_t *names = json_object();
	int code = names_of(
		c, ud_printf(c->cx.arena, "/v1/vms?limit=%d&fields=id,name", ROWS_MAX), names);

	if (code == CLI_DONE)
		code = names_of(c,
			ud_printf(c->cx.arena, "/v1/hosts?limit=%d&fields=id,name", ROWS_MAX),
			names);
	if (code != CLI_DONE) {
		json_decref(names);
		return code;
	}
	ud_cli_call(c, "GET",
		ud_printf(c->cx.arena, "/v1/replications?limit=%d&wanted=active,paused", ROWS_MAX),
		NULL, NULL, &r);
	code = ud_cli_reply_code(c, &r);
	if (code == CLI_DONE && clear)
		fputs("\033[H\033[2J", stdout);
	if (code == CLI_DONE)
		code = print_lines(c, json_object_get(r.json, "data"), names, last);
	fflush(stdout);
	json_decref(names);
	ud_cli_reply_free(&r);
	return code;
}

int ud_cli_run_top(struct cli *c)
{
	const char *interval = ud_cli_flag(c, "interval"), *times = ud_cli_flag(c, "count");
	struct look last = { .sent = json_object() };
	bool screen = isatty(STDOUT_FILENO) && strcmp(c->output, "table") == 0;
	long seconds = interval ? strtol(interval, NULL, 10) : INTERVAL_SECONDS;
	long count = times ? strtol(times, NULL, 10) : screen ? 0 : 1;
	int code = ud_cli_check_flags(c);

	if (code == CLI_DONE && (c->word_count != 2 || seconds < 1 || count < 0))
		code = ud_cli_fail(CLI_USAGE, "replication top [--interval SECONDS] [--count N]");
	for (long i = 0; code == CLI_DONE && (!count || i < count); i++) {
		if (i)
			poll(NULL, 0, (int)seconds * 1000);
		code = look_once(c, &last, screen);
	}
	json_decref(last.sent);
	return code;
}

/* "vm unprotect sql-01" is "replication remove sql-01". */
int ud_cli_run_unprotect(struct cli *c)
{
	struct cli_command cmd;
	size_t used;

	c->words[0] = "replication";
	c->words[1] = "remove";
	if (!ud_cli_command_find(c, &cmd, &used))
		return ud_cli_fail(CLI_UNEXPECTED, "the specification has no replications");
	return ud_cli_run_operation(c, &cmd, used);
}
