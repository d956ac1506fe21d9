/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drills: which recovery plans are due for one, asking for one, and their dates as a table or as a
 * calendar (RFC 5545). What is due is the server's word.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/time.h"
#include "cli/cli.h"

enum { PLANS = 200 };

/* Is this plan's drill overdue? */
static bool overdue(const struct cli *c, json_t *plan)
{
	int64_t due;

	return ud_time_parse(ud_cli_text(plan, "next_drill_due_at"), &due) && due <= c->cx.now_ms;
}

static int by_date(const void *a, const void *b)
{
	return strcmp(ud_cli_text(*(json_t *const *)a, "next_drill_due_at"),
		ud_cli_text(*(json_t *const *)b, "next_drill_due_at"));
}

/* Plans with a schedule, the next one first: at most n, references of theirs in plans. An exit
 * code. */
static int scheduled(struct cli *c, struct cli_reply *r, json_t **plans, size_t *ret_n)
{
	json_t *plan;
	size_t i;

	ud_cli_call(c, "GET", ud_printf(c->cx.arena, "/v1/recovery-plans?limit=%d", PLANS), NULL,
		NULL, r);
	*ret_n = 0;
	json_array_foreach(json_object_get(r->json, "data"), i,
		plan) if (*ud_cli_text(plan, "next_drill_due_at") && *ret_n < PLANS)
		plans[(*ret_n)++] = plan;
	qsort(plans, *ret_n, sizeof(*plans), by_date);
	return ud_cli_reply_code(c, r);
}

static json_t *line_of(const struct cli *c, json_t *plan)
{
	return json_pack("{s:O, s:O, s:b, s:O, s:O, s:O}", "id", json_object_get(plan, "id"),
		"plan", json_object_get(plan, "name"), "overdue", overdue(c, plan),
		"next_drill_due_at", json_object_get(plan, "next_drill_due_at"), "last_drill_at",
		json_object_get(plan, "last_drill_at"), "readiness",
		json_object_get(plan, "readiness"));
}

static int print_plans(struct cli *c, bool only_overdue)
{
	json_t *plans[PLANS];
	struct cli_reply r;
	size_t n;
	int code = ud_cli_check_flags(c);

	if (code)
		return code;
	code = scheduled(c, &r, plans, &n);
	json_t *lines = json_array();

	for (size_t i = 0; i < n; i++)
		if (!only_overdue || overdue(c, plans[i]))
			json_array_append_new(lines, line_of(c, plans[i]));
	json_t *list = json_pack("{s:s, s:o, s:b}", "object", "list", "data", lines, "has_more", 0);

	if (code == CLI_DONE)
		code = ud_cli_print(c, list, NULL);
	json_decref(list);
	ud_cli_reply_free(&r);
	return code;
}

static int run_due(struct cli *c)
{
	(void)ud_cli_flag(c, "columns");
	return print_plans(c, true);
}

/* A calendar's line may not hold these as they are (RFC 5545 3.3.11). */
static void ics_text(const char *s)
{
	for (; *s; s++) {
		if (strchr(",;\\", *s))
			putchar('\\');
		putchar(*s);
	}
}

static void print_day(const struct cli *c, json_t *plan)
{
	const char *due = ud_cli_text(plan, "next_drill_due_at");
	char now[UD_TIME_TEXT];

	ud_time_format(c->cx.now_ms, now);
	printf("BEGIN:VEVENT\r\nUID:drill-%s-%.10s@understudy\r\n", ud_cli_text(plan, "id"), due);
	printf("DTSTAMP:%.4s%.2s%.2sT%.2s%.2s%.2sZ\r\n", now, now + 5, now + 8, now + 11, now + 14,
		now + 17);
	printf("DTSTART;VALUE=DATE:%.4s%.2s%.2s\r\nSUMMARY:Drill of ", due, due + 5, due + 8);
	ics_text(ud_cli_text(plan, "name"));
	puts("\r\nEND:VEVENT\r");
}

static int run_calendar(struct cli *c)
{
	json_t *plans[PLANS];
	struct cli_reply r;
	size_t n;

	(void)ud_cli_flag(c, "columns");
	if (!ud_cli_flag(c, "ics"))
		return print_plans(c, false);
	int code = ud_cli_check_flags(c);

	if (code)
		return code;
	code = scheduled(c, &r, plans, &n);
	if (code == CLI_DONE) {
		puts("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Understudy//Drills//EN\r");
		for (size_t i = 0; i < n; i++)
			print_day(c, plans[i]);
		puts("END:VCALENDAR\r");
	}
	ud_cli_reply_free(&r);
	return code;
}

/* As another command: its two words take the place of the first two. */
static int run_as(struct cli *c, const char *noun, const char *verb)
{
	struct cli_command cmd;
	size_t used;

	c->words[0] = noun;
	c->words[1] = verb;
	if (!ud_cli_command_find(c, &cmd, &used))
		return ud_cli_fail(CLI_UNEXPECTED, "the specification has no %s %s", noun, verb);
	return ud_cli_run_operation(c, &cmd, used);
}

static void add_flag(struct cli *c, const char *name, const char *value)
{
	if (c->flag_count < CLI_MAX_FLAGS)
		c->flags[c->flag_count++] = (struct cli_flag){ .name = name, .value = value };
}

/* Drills that were run: tests. */
static int run_list(struct cli *c)
{
	add_flag(c, "filter", "kind=test");
	return run_as(c, "failover", "list");
}

static int run_schedule(struct cli *c)
{
	const char *days = ud_cli_flag(c, "every");
	bool never = ud_cli_flag(c, "never") != NULL;

	if (c->word_count != 3 || never == (days != NULL))
		return ud_cli_fail(CLI_USAGE, "drill schedule PLAN --every DAYS | --never");
	if (never)
		add_flag(c, "unset", "drill_interval_days");
	else
		add_flag(c, "drill-interval-days", days);
	return run_as(c, "plan", "edit");
}

static int run_run(struct cli *c)
{
	if (c->word_count < 3)
		return ud_cli_fail(CLI_USAGE, "drill run PLAN|VM… [--point ID] [--dry-run]");
	return ud_cli_request(c, "test", 2, NULL, ud_cli_flag(c, "dry-run") != NULL);
}

static const struct {
	const char *verb;
	int (*run)(struct cli *c);
} verbs[] = {
	{ "list", run_list },
	{ "due", run_due },
	{ "calendar", run_calendar },
	{ "schedule", run_schedule },
	{ "run", run_run },
};

int ud_cli_run_drill(struct cli *c)
{
	for (size_t i = 0; c->word_count > 1 && i < UD_LEN(verbs); i++)
		if (strcmp(verbs[i].verb, c->words[1]) == 0)
			return verbs[i].run(c);
	return ud_cli_fail(CLI_USAGE, "drill list | due | schedule | run | calendar");
}
