/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of a record against what agents have signed. The seal says that the record is what the
 * server wrote; this says that the server wrote what the hosts have seen.
 */
#include <string.h>

#include "base/buf.h"
#include "base/evidence_inside.h"
#include "base/failover.h"
#include "base/statement.h"
#include "base/time.h"
#include "base/wire.h"

struct statements {
	json_t *doc, *list;
	struct ud_evidence_report *r;
};

static const char *text_of(const json_t *v, const char *member)
{
	const char *text = json_string_value(json_object_get(v, member));

	return text ? text : "";
}

static int64_t int_of(const json_t *v, const char *member)
{
	const json_t *n = json_object_get(v, member);

	return json_is_integer(n) ? json_integer_value(n) : UD_NONE;
}

static int64_t instant_of(const json_t *v, const char *member)
{
	int64_t ms = 0;

	return ud_time_parse(text_of(v, member), &ms) ? ms : 0;
}

static bool is(const json_t *v, const char *member, const char *wanted)
{
	return strcmp(text_of(v, member), wanted) == 0;
}

/* ---- each statement ---- */

/* The key that it names, when the server lists it as this agent's. */
static bool key_listed(const struct statements *s, const json_t *entry, const char *key)
{
	json_t *k;
	size_t i;

	json_array_foreach(json_object_get(s->doc, "agents"), i, k)
	{
		if (is(k, "public_key", key) && is(k, "agent_id", text_of(entry, "agent_id")) &&
			is(k, "host_id", text_of(entry, "host_id")))
			return true;
	}
	return false;
}

static const char *wrong_with(struct ud_ctx *cx, const struct statements *s, const json_t *entry)
{
	const char *text = text_of(entry, "statement"), *key;
	const struct ud_statement like = { .agent_id = text_of(entry, "agent_id"),
		.host_id = text_of(entry, "host_id"),
		.subject_id = text_of(entry, "vm_id"),
		.seq = int_of(entry, "command"),
		.verb = text_of(entry, "verb") };
	json_t *tree = NULL;
	const char *wrong = ud_statement_about(cx, text, &like, &tree);

	key = ud_strdup(cx->arena, text_of(tree, "key"));
	json_decref(tree);
	if (wrong)
		return ud_printf(cx->arena, "%s Statements were swapped or changed.", wrong);
	if (!ud_statement_signed(cx, key, text, text_of(entry, "signature")))
		return "The agent did not sign this statement.";
	return key_listed(s, entry, key) ? NULL : "The key is not listed as this agent's.";
}

/* Does any arrow of the run speak of this command? */
static bool of_this_run(const struct statements *s, const json_t *entry)
{
	json_t *line;
	size_t i;

	json_array_foreach(json_object_get(s->doc, "timeline"), i, line)
	{
		if (int_of(line, "command") == int_of(entry, "command") &&
			is(line, "vm_id", text_of(entry, "vm_id")))
			return true;
	}
	return false;
}

static void check_each(struct ud_ctx *cx, struct statements *s)
{
	json_t *entry;
	size_t i;

	json_array_foreach(s->list, i, entry)
	{
		const char *where = ud_printf(cx->arena, "/statements/%zu", i), *wrong = NULL;

		if (!of_this_run(s, entry))
			wrong = "No line of the timeline speaks of its command.";
		if (!is(entry, "verdict", ud_statement_verdicts[UD_STATEMENT_VALID])) {
			s->r->unsigned_answers++;
		} else {
			s->r->signed_answers++;
			wrong = wrong ? wrong : wrong_with(cx, s, entry);
		}
		if (wrong)
			ud_evidence_find(s->r, where, wrong);
	}
}

/* ---- steps ---- */

/* The entry about a command of a VM at a host. */
static json_t *entry_of(const struct statements *s, const char *vm_id, const json_t *step)
{
	json_t *entry;
	size_t i;

	json_array_foreach(s->list, i, entry)
	{
		if (int_of(entry, "command") == int_of(step, "command") &&
			is(entry, "vm_id", vm_id) && is(entry, "host_id", text_of(step, "host_id")))
			return entry;
	}
	return NULL;
}

/* What a valid entry states; to be released. */
static json_t *stated(const json_t *entry)
{
	return entry && is(entry, "verdict", ud_statement_verdicts[UD_STATEMENT_VALID])
		? json_loads(text_of(entry, "statement"), JSON_REJECT_DUPLICATES, NULL)
		: NULL;
}

static void compare_step(struct ud_ctx *cx, struct statements *s, const json_t *step,
	const json_t *statement, size_t i)
{
	const char *result = json_string_value(json_object_get(step, "result"));

	if (int_of(step, "agent_ms") != int_of(statement, "took_ms"))
		ud_evidence_find(s->r, ud_printf(cx->arena, "/steps/%zu/agent_ms", i),
			"The agent stated another time for it.");
	if (!result || !is(statement, "outcome", ud_outcomes.names[UD_OUTCOME_DONE]))
		return;
	json_t *facts = ud_statement_facts(cx, text_of(statement, "verb"), result);

	if (!facts || !json_equal(facts, json_object_get(statement, "facts")))
		ud_evidence_find(s->r, ud_printf(cx->arena, "/steps/%zu/result", i),
			"The agent stated something else.");
	json_decref(facts);
}

static void check_steps(struct ud_ctx *cx, struct statements *s)
{
	json_t *step;
	size_t i;

	json_array_foreach(json_object_get(s->doc, "steps"), i, step)
	{
		json_t *entry = entry_of(s, text_of(step, "vm_id"), step);
		json_t *statement = stated(entry);
		const char *verdict = text_of(step, "signature");

		if (!*verdict && !entry && *text_of(step, "result"))
			s->r->unsigned_answers++; /* answered before statements were kept */
		else if (*verdict && !entry)
			ud_evidence_find(s->r, ud_printf(cx->arena, "/steps/%zu", i),
				"The statement about what was answered here was dropped.");
		else if (entry && !is(entry, "verdict", verdict))
			ud_evidence_find(s->r, ud_printf(cx->arena, "/steps/%zu/signature", i),
				"The statement is marked otherwise than its step.");
		if (statement)
			compare_step(cx, s, step, statement, i);
		json_decref(statement);
	}
}

/* ---- numbers of a VM ---- */

/* The newest done step of a name, of a VM. */
static json_t *step_of(const struct statements *s, const char *vm_id, const char *name)
{
	json_t *step, *found = NULL;
	size_t i;

	json_array_foreach(json_object_get(s->doc, "steps"), i, step)
	{
		if (is(step, "vm_id", vm_id) && is(step, "name", name) && is(step, "state", "done"))
			found = step;
	}
	return found;
}

/* The point of the run among those that were stated. */
static const json_t *point_in(const json_t *statement, const char *id)
{
	const json_t *facts = json_object_get(statement, "facts");
	const json_t *one = json_object_get(facts, "point");
	json_t *point;
	size_t i;

	if (one)
		return is(one, "id", id) ? one : NULL;
	json_array_foreach(json_object_get(facts, "points"), i, point)
	{
		if (is(point, "id", id))
			return point;
	}
	return NULL;
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* How old the point was when the source was heard of last: as the server counts it. */
static int64_t age_at_outage(const json_t *vm, const json_t *step, const json_t *entry,
	const json_t *statement, int64_t age_ms)
{
	int64_t after = int_of(json_object_get(statement, "facts"), "after_ms");
	int64_t read = instant_of(entry, "given_at") + (after == UD_NONE ? 0 : after);
	int64_t outage = instant_of(vm, "outage_at"), since;

	since = outage ? smaller(read, instant_of(step, "ended_at")) - outage : 0;
	return since <= 0 ? age_ms : age_ms > since ? age_ms - since : 0;
}

/* Where the point and its age come from: of a planned failover from the source, else from the
 * replica. */
static void check_point(struct ud_ctx *cx, struct statements *s, const json_t *vm, size_t i)
{
	static const char *const sources[] = { UD_VERB_SYNC, UD_VERB_FENCE };
	const char *vm_id = text_of(vm, "vm_id");
	int64_t told = int_of(vm, "point_age_ms");

	for (size_t k = 0; k < UD_LEN(sources) && told != UD_NONE; k++) {
		json_t *step = step_of(s, vm_id, sources[k]);
		json_t *entry = step ? entry_of(s, vm_id, step) : NULL, *statement = stated(entry);
		const json_t *point =
			statement ? point_in(statement, text_of(vm, "recovery_point_id")) : NULL;
		int64_t age = point ? int_of(point, "age_ms") : UD_NONE;

		if (point && strcmp(sources[k], UD_VERB_FENCE) == 0)
			age = age_at_outage(vm, step, entry, statement, age);
		if (point && (age != told || !is(point, "taken_at", text_of(vm, "point_taken_at"))))
			ud_evidence_find(s->r, ud_printf(cx->arena, "/vms/%zu/point_age_ms", i),
				"The age of the point does not follow from what the agent stated.");
		json_decref(statement);
	}
}

/* A check that has passed, as its step keeps it; that this is what was stated was looked at. */
static bool passed(const json_t *step)
{
	json_t *result = json_loads(text_of(step, "result"), JSON_REJECT_DUPLICATES, NULL);
	bool yes = json_is_true(json_object_get(result, "passed")) &&
		!json_is_true(json_object_get(result, "skipped"));

	json_decref(result);
	return yes;
}

static void check_counts(struct ud_ctx *cx, struct statements *s, const json_t *vm, size_t i)
{
	int64_t count = 0, serving = 0;
	json_t *step;
	size_t k;

	json_array_foreach(json_object_get(s->doc, "steps"), k, step)
	{
		if (!is(step, "vm_id", text_of(vm, "vm_id")) ||
			strncmp(text_of(step, "name"), "check_", 6) != 0 || !passed(step))
			continue;
		count++;
		if (instant_of(step, "ended_at") > serving)
			serving = instant_of(step, "ended_at");
	}
	if (count != int_of(vm, "checks_passed"))
		ud_evidence_find(s->r, ud_printf(cx->arena, "/vms/%zu/checks_passed", i),
			"As many checks did not pass.");
	if (instant_of(vm, "serving_at") != serving)
		ud_evidence_find(s->r, ud_printf(cx->arena, "/vms/%zu/serving_at", i),
			"No check that passed ended then.");
}

/* ---- numbers of the run ---- */

static int64_t seconds(int64_t ms)
{
	return ms < 0 ? 0 : (ms + 999) / 1000;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a == UD_NONE || b > a ? b : a;
}

/* The slowest VM's, and the one that lost most, as server/workflow/summary.c counts. */
static void check_run(struct statements *s)
{
	const json_t *run = json_object_get(s->doc, "failover");
	bool test = is(run, "kind", "test");
	int64_t rpo = UD_NONE, rto = UD_NONE;
	json_t *vm;
	size_t i;

	json_array_foreach(json_object_get(s->doc, "vms"), i, vm)
	{
		int64_t age = int_of(vm, "point_age_ms"), serving = instant_of(vm, "serving_at");
		int64_t from = test ? instant_of(run, "approved_at") : instant_of(vm, "outage_at");
		bool committed = instant_of(vm, "committed_at") > 0;

		if (is(run, "kind", "planned") && committed)
			rpo = larger(rpo, 0);
		else if (age != UD_NONE && (test || committed))
			rpo = larger(rpo, seconds(age));
		if (serving > 0 && from > 0)
			rto = larger(rto, seconds(serving - from));
	}
	if (rpo != int_of(run, "rpo_measured_seconds"))
		ud_evidence_find(s->r, "/failover/rpo_measured_seconds",
			"It does not follow from the VMs' numbers.");
	if (rto != int_of(run, "rto_measured_seconds"))
		ud_evidence_find(s->r, "/failover/rto_measured_seconds",
			"It does not follow from the VMs' numbers.");
}

void ud_evidence_statements(struct ud_ctx *cx, json_t *doc, struct ud_evidence_report *r)
{
	struct statements s = { .doc = doc, .list = json_object_get(doc, "statements"), .r = r };
	json_t *vm;
	size_t i;

	if (!json_is_array(s.list))
		return;
	check_each(cx, &s);
	check_steps(cx, &s);
	if (!r->signed_answers)
		return;
	json_array_foreach(json_object_get(doc, "vms"), i, vm)
	{
		check_point(cx, &s, vm, i);
		check_counts(cx, &s, vm, i);
	}
	check_run(&s);
}
