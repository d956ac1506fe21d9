/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking for a failover by its kind and the names of what it is about: makes the ticket, or with
 * --dry-run shows what it would cost and what stands in the way. The rules are the server's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/id.h"
#include "base/shape.h"
#include "cli/cli.h"

/* Flags of a request, and the field each becomes. */
static const struct {
	const char *flag, *field;
	char type;   /* t text, n number, b switch */
	bool ticket; /* of the ticket, not of the run */
} fields[] = {
	{ "reason", "reason_code", 't', false },
	{ "point", "recovery_point_id", 't', false },
	{ "at", "scheduled_at", 't', false },
	{ "window-end", "window_ends_at", 't', false },
	{ "chain", "chain", 't', false },
	{ "allow-hard-stop", "allow_hard_stop", 'b', false },
	{ "acknowledge-latest", "acknowledge_latest", 'b', false },
	{ "commit-policy", "commit_policy", 't', false },
	{ "commit-minutes", "commit_minutes", 'n', false },
	{ "max-duration-seconds", "max_duration_seconds", 'n', false },
	{ "subject", "subject", 't', true },
	{ "body", "body", 't', true },
	{ "severity", "severity", 't', true },
	{ "customer-id", "customer_id", 't', true },
};

static json_t *value_of(const char *text, char type)
{
	return type == 'b'    ? json_boolean(strcmp(text, "false") != 0)
		: type == 'n' ? json_integer(strtoll(text, NULL, 10))
			      : json_string(text);
}

static void take_flags(struct cli *c, json_t *ticket, json_t *run)
{
	for (size_t i = 0; i < UD_LEN(fields); i++) {
		const char *text = ud_cli_flag(c, fields[i].flag);

		if (text)
			json_object_set_new(fields[i].ticket ? ticket : run, fields[i].field,
				value_of(text, fields[i].type));
	}
}

/* The words are one recovery plan, or VMs. */
static int take_subjects(struct cli *c, size_t first, json_t *run, bool *ret_plan)
{
	json_t *ids = json_array();
	const char *id = NULL;
	int code = CLI_DONE;

	*ret_plan = c->word_count - first == 1 &&
		ud_cli_find(c, "/v1/recovery-plans", "pln", c->words[first], &id);
	if (*ret_plan)
		json_object_set_new(run, "plan_id", json_string(id));
	for (size_t i = first; !*ret_plan && code == CLI_DONE && i < c->word_count; i++) {
		code = ud_cli_resolve(c, "/v1/vms", c->words[i], &id);
		if (code == CLI_DONE)
			json_array_append_new(ids, json_string(id));
	}
	if (!*ret_plan)
		json_object_set(run, "vm_ids", ids);
	json_decref(ids);
	return code;
}

static const char *seconds_text(struct cli *c, int64_t n)
{
	if (n < 0)
		return "unknown";
	return n < 120 ? ud_printf(c->cx.arena, "%lld s", (long long)n)
		       : ud_printf(c->cx.arena, "%lld min", (long long)(n + 30) / 60);
}

/* What the VMs' cards get where they come up; cards that keep what they have are not told. */
static void print_addresses(json_t *cards)
{
	json_t *card, *address;
	size_t i, k;

	json_array_foreach(cards, i, card) json_array_foreach(json_object_get(card, "addresses"), k,
		address) printf("Address    %s, card %s: %s\n", ud_cli_text(card, "name"),
		ud_cli_text(card, "mac"), json_string_value(address));
}

/* From how much the prediction was learnt, and how far such predictions held. */
static void print_sureness(json_t *p)
{
	long long runs = ud_cli_int(p, "runs", 0), graded = ud_cli_int(p, "graded_runs", 0);
	bool own = strcmp(ud_cli_text(p, "basis"), "same_vms") == 0;

	if (!runs)
		printf("Sure       not at all: there was no run of this kind yet\n");
	else if (!ud_cli_int(p, "confidence_percent", 0))
		printf("Sure       not: learnt from one run alone\n");
	else
		printf("Sure       at least %lld %%, by %lld runs of %s\n",
			(long long)ud_cli_int(p, "confidence_percent", 0), runs,
			own ? "the same VMs" : "this kind");
	if (graded)
		printf("Held       %lld of %lld predicted times\n",
			(long long)ud_cli_int(p, "held_runs", 0), graded);
}

static void print_prediction(struct cli *c, json_t *p)
{
	printf("Predicted  downtime %s   RTO %s (%s to %s)   RPO %s   data loss %s\n",
		seconds_text(c, ud_cli_int(p, "downtime_seconds", -1)),
		seconds_text(c, ud_cli_int(p, "rto_seconds", -1)),
		seconds_text(c, ud_cli_int(p, "rto_low_seconds", -1)),
		seconds_text(c, ud_cli_int(p, "rto_high_seconds", -1)),
		seconds_text(c, ud_cli_int(p, "rpo_seconds", -1)), ud_cli_text(p, "data_loss"));
	print_sureness(p);
	print_addresses(json_object_get(p, "addresses"));
}

/* What stands in the way, for people; CLI_REFUSED when something does. */
static int print_blockers(json_t *blockers)
{
	int code = CLI_DONE;
	json_t *b;
	size_t i;

	json_array_foreach(blockers, i, b)
	{
		bool warning = json_is_true(json_object_get(b, "warning"));

		printf("%s  %s: %s %s\n", warning ? "Warning" : "Blocker", ud_cli_text(b, "code"),
			ud_cli_text(b, "text"), ud_cli_text(b, "fix"));
		code = warning ? code : CLI_REFUSED;
	}
	return code;
}

static bool for_people(const struct cli *c)
{
	return strcmp(c->output, "table") == 0 || strcmp(c->output, "wide") == 0;
}

static int show_dry_run(struct cli *c, json_t *ticket)
{
	json_t *blockers = json_object_get(ticket, "blockers"), *b;
	int code = CLI_DONE;
	size_t i;

	if (for_people(c)) {
		print_prediction(c, json_object_get(ticket, "predicted"));
		code = print_blockers(blockers);
		if (!c->quiet)
			fputs("Nothing was changed. To file it: run again without --dry-run.\n",
				stderr);
		return code;
	}
	json_array_foreach(blockers, i, b) code =
		json_is_true(json_object_get(b, "warning")) ? code : CLI_REFUSED;
	ud_cli_print(c, ticket, NULL);
	return code;
}

static int show_filed(struct cli *c, json_t *ticket)
{
	int code = CLI_DONE;

	if (for_people(c))
		printf("%s  %s  approval: %s\n", ud_cli_text(ticket, "number"),
			ud_cli_text(ticket, "subject"), ud_cli_text(ticket, "approval"));
	else
		code = ud_cli_print(c, ticket, NULL);
	if (!c->quiet)
		fprintf(stderr, "Follow it: understudy ticket watch %s\n",
			ud_cli_text(ticket, "number"));
	return code;
}

static int send_request(struct cli *c, json_t *ticket, bool dry)
{
	struct cli_reply r = { 0 };
	const char *key = ud_printf(c->cx.arena, "Idempotency-Key: %s",
		ud_id_new(c->cx.arena, c->cx.env, ud_now_ms(c->cx.env), "key"));

	if (ud_cli_call(c, "POST", dry ? "/v1/tickets?dry_run=true" : "/v1/tickets",
		    ud_json_text(c->cx.arena, ticket, JSON_COMPACT), key, &r))
		return CLI_DONE;
	int code = ud_cli_reply_code(c, &r);

	if (code == CLI_DONE)
		code = dry ? show_dry_run(c, r.json) : show_filed(c, r.json);
	ud_cli_reply_free(&r);
	return code;
}

int ud_cli_request(struct cli *c, const char *kind, size_t first, const char *reason, bool dry)
{
	json_t *run = json_pack("{s:s}", "kind", kind),
	       *ticket = json_pack("{s:s}", "type", "failover");
	bool plan = false;

	take_flags(c, ticket, run);
	int code = ud_cli_check_flags(c);

	if (code == CLI_DONE)
		code = take_subjects(c, first, run, &plan);
	/* a test needs no reason of its own; for the others the server asks for one */
	if (!reason && strcmp(kind, "test") == 0)
		reason = plan ? "test_recovery_plan" : "validate_replication";
	if (reason && !json_object_get(run, "reason_code"))
		json_object_set_new(run, "reason_code", json_string(reason));
	json_object_set(ticket, "failover", run);
	if (code == CLI_DONE)
		code = send_request(c, ticket, dry);
	json_decref(run);
	json_decref(ticket);
	return code;
}

int ud_cli_run_request(struct cli *c)
{
	static const char *const kinds[] = { "test", "planned", "unplanned" };
	bool dry = ud_cli_flag(c, "dry-run") != NULL;

	for (size_t i = 0; c->word_count > 3 && i < UD_LEN(kinds); i++)
		if (strcmp(c->words[2], kinds[i]) == 0)
			return ud_cli_request(c, kinds[i], 3, NULL, dry);
	return ud_cli_fail(CLI_USAGE,
		"failover request test|planned|unplanned PLAN|VM… [--reason CODE] [--point ID] "
		"[--at TIME] [--window-end TIME] [--dry-run]");
}

/* The way home as it would be today. */
int ud_cli_run_preview(struct cli *c)
{
	if (c->word_count < 3)
		return ud_cli_fail(CLI_USAGE, "failover preview-failback PLAN|VM…");
	return ud_cli_request(c, "planned", 2, "failback", true);
}
