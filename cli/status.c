/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudy status: how protection is, what runs, what is to be done, on one screen.
 */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "cli/cli.h"

enum { ROWS = 200 };

/* What a list says, one page of it, to be released; NULL = the call failed, or the role may not. */
static json_t *rows_of(struct cli *c, const char *path, int *code)
{
	struct cli_reply r;

	if (*code)
		return NULL;
	ud_cli_call(c, "GET", path, NULL, NULL, &r);
	json_t *data = json_incref(json_object_get(r.json, "data"));

	/* what one's role may not see is not on one's screen */
	*code = r.status == 403 ? CLI_DONE : ud_cli_reply_code(c, &r);
	ud_cli_reply_free(&r);
	return data;
}

/* All pages of replications, counted. */
struct protection {
	int64_t count, normal, warning, critical, late, worst_seconds;
	const char *worst_vm_id;
};

static void count_one(struct cli *c, struct protection *p, json_t *r)
{
	const char *health = ud_cli_text(r, "health");
	int64_t age = ud_cli_int(r, "rpo_measured_seconds", -1),
		target = ud_cli_int(r, "rpo_target_seconds", -1);

	p->count++;
	p->normal += strcmp(health, "normal") == 0;
	p->warning += strcmp(health, "warning") == 0;
	p->critical += strcmp(health, "critical") == 0;
	p->late += target >= 0 && age > target;
	if (age > p->worst_seconds) {
		p->worst_seconds = age;
		p->worst_vm_id = ud_strdup(c->cx.arena, ud_cli_text(r, "vm_id"));
	}
}

static int count_all(struct cli *c, struct protection *p)
{
	const char *cursor = "";
	int code = CLI_DONE;

	*p = (struct protection){ .worst_seconds = -1 };
	while (cursor && code == CLI_DONE) {
		struct cli_reply r;
		json_t *one;
		size_t i;

		ud_cli_call(c, "GET",
			ud_printf(c->cx.arena, "/v1/replications?wanted=active,paused&limit=%d%s%s",
				ROWS, *cursor ? "&cursor=" : "", ud_cli_percent(c, cursor)),
			NULL, NULL, &r);
		code = ud_cli_reply_code(c, &r);
		json_array_foreach(json_object_get(r.json, "data"), i, one) count_one(c, p, one);
		const char *next = ud_cli_text(r.json, "next_cursor");

		cursor = json_is_true(json_object_get(r.json, "has_more"))
			? ud_strdup(c->cx.arena, next)
			: NULL;
		ud_cli_reply_free(&r);
	}
	return code;
}

static json_t *protection_json(const struct protection *p)
{
	json_t *v = json_pack("{s:I, s:I, s:I, s:I, s:I, s:s?, s:o}", "replications", p->count,
		"normal", p->normal, "warning", p->warning, "critical", p->critical, "late",
		p->late, "oldest_vm_id", p->worst_vm_id, "oldest_seconds",
		p->worst_seconds < 0 ? json_null() : json_integer(p->worst_seconds));

	return v;
}

static bool is_overdue(struct cli *c, json_t *plan)
{
	int64_t due;

	return ud_time_parse(ud_cli_text(plan, "next_drill_due_at"), &due) && due <= c->cx.now_ms;
}

/* Plans whose drill is overdue, of one page. */
static json_t *overdue_plans(struct cli *c, int *code)
{
	json_t *all = rows_of(c, "/v1/recovery-plans?limit=200", code), *due = json_array(), *plan;
	size_t i;

	json_array_foreach(all, i, plan) if (is_overdue(c, plan)) json_array_append(due, plan);
	json_decref(all);
	return due;
}

/* Tickets that wait for whoever asks: assigned to staff, asked for by customers. */
static json_t *my_tickets(struct cli *c, int *code)
{
	struct cli_reply me;

	ud_cli_call(c, "GET", "/v1/me", NULL, NULL, &me);
	*code = *code ? *code : ud_cli_reply_code(c, &me);
	const char *id = ud_strdup(c->cx.arena, ud_cli_text(me.json, "id"));
	bool customer = *ud_cli_text(me.json, "customer_id");

	ud_cli_reply_free(&me);
	return rows_of(c,
		ud_printf(c->cx.arena,
			"/v1/tickets?%s=%s&limit=200&state=new,open,pending_customer,"
			"pending_vendor,pending_maintenance,pending_machine,solved",
			customer ? "requester_id" : "assignee_id", id),
		code);
}

/* A heading, and the rows below it. */
static void print_part(
	struct cli *c, const char *heading, json_t *rows, const char *const *keys, size_t n)
{
	json_t *row;
	size_t i;

	printf("%s  %zu\n", heading, json_array_size(rows));
	json_array_foreach(rows, i, row)
	{
		fputs(" ", stdout);
		for (size_t k = 0; k < n; k++)
			printf(" %s", ud_cli_local(c, ud_cli_text(row, keys[k])));
		putchar('\n');
	}
}

static void print_screen(
	struct cli *c, const struct protection *p, json_t *runs, json_t *tickets, json_t *plans)
{
	static const char *const of_run[] = { "id", "kind", "state", "started_at" },
				 *const of_ticket[] = { "number", "state", "subject" },
				 *const of_plan[] = { "name", "next_drill_due_at" };

	printf("Protection  %lld replications: %lld normal, %lld warning, %lld critical\n",
		(long long)p->count, (long long)p->normal, (long long)p->warning,
		(long long)p->critical);
	if (p->worst_seconds >= 0)
		printf("RPO now     oldest point %lld s (%s); %lld past their target\n",
			(long long)p->worst_seconds, p->worst_vm_id, (long long)p->late);
	print_part(c, "Failovers under way", runs, of_run, UD_LEN(of_run));
	print_part(c, "My tickets", tickets, of_ticket, UD_LEN(of_ticket));
	print_part(c, "Drills overdue", plans, of_plan, UD_LEN(of_plan));
}

int ud_cli_run_status(struct cli *c)
{
	struct protection p;
	int code = ud_cli_check_flags(c);

	if (code)
		return code;
	if (c->word_count != 1 || c->explain)
		return ud_cli_fail(CLI_USAGE, "status");
	code = count_all(c, &p);
	json_t *runs = rows_of(c,
		"/v1/failovers?limit=200&state=approved,scheduled,running,waiting,test_running,"
		"customer_validation",
		&code);
	json_t *tickets = my_tickets(c, &code), *plans = overdue_plans(c, &code);

	if (code == CLI_DONE && !c->jq && strcmp(c->output, "table") == 0)
		print_screen(c, &p, runs, tickets, plans);
	else if (code == CLI_DONE) {
		json_t *all = json_pack("{s:s, s:o, s:O?, s:O?, s:O?}", "object", "status",
			"protection", protection_json(&p), "failovers", runs, "tickets", tickets,
			"drills_overdue", plans);

		code = ud_cli_print(c, all, NULL);
		json_decref(all);
	}
	json_decref(runs);
	json_decref(tickets);
	json_decref(plans);
	return code;
}
