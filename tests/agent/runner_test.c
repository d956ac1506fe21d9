/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands from the server's row to the hypervisor and back, with real agents on the real port and
 * a scripted hypervisor: once each, in order, under the right number and epoch, through every
 * crash point.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/failover.h"
#include "base/verbs.h"
#include "db/operations.h"
#include "db/vms.h"
#include "support/agents.h"
#include "support/scripted.h"

enum { PATIENCE_MS = 30000 };

struct scene {
	struct port *p;
	struct world *w;
	struct scripted *hv;
	struct agent *a;
	const char *host, *uuid, *vm;
	int displaced;  /* calls of it */
	bool too_early; /* one came before the relations were known */
};

/* A row of a VM that the hypervisor has. */
static const char *row_of(struct scene *s, const char *uuid, const char *name)
{
	struct reply r = expect(s->w, LEAD, "POST", "/v1/vms",
		fmt(s->w, "{\"name\":\"%s\",\"host_id\":\"%s\",\"hypervisor_uuid\":\"%s\"}", name,
			s->host, uuid),
		201);

	return text_at(r.json, "id");
}

static int begin(void **state)
{
	struct scene *s = ud_malloc(sizeof(*s));

	*state = s;
	s->w = world_begin();
	s->p = port_begin(s->w, ud_agent_routes);
	s->hv = scripted_begin("runner");
	s->host = port_host(s->p);
	s->uuid = scripted_uuid(s->hv, 1);
	scripted_add(s->hv, s->uuid, "sql-01");
	s->vm = row_of(s, s->uuid, "sql-01");
	s->a = agent_begin(s->p, s->host, scripted_uri(s->hv));
	return 0;
}

static int end(void **state)
{
	struct scene *s = *state;

	agent_end(s->a);
	scripted_end(s->hv);
	port_end(s->p);
	world_end(s->w);
	ud_free(s);
	return 0;
}

/* ---- telling ---- */

struct told {
	struct scene *s;
	struct ud_command_new in;
	const char *op;
	int64_t seq;
};

static enum ud_code add(struct ud_ctx *cx, void *data)
{
	struct told *t = data;
	struct ud_operation op = {
		.kind = "test", .state = UD_OPERATION_WAITING, .requested_by = "sys_test"
	};

	UD_TRY(ud_row_insert(cx, &ud_operations, &op));
	t->in.operation_id = t->op = op.row.id;
	return ud_command_send(cx, &t->s->w->server->commanding, &t->in, &t->seq);
}

/* Tell the host something about a VM (NULL = about itself); the operation behind it. */
static const char *tell(struct scene *s, const char *vm, const char *verb, const char *args)
{
	struct told t = { .s = s,
		.in = { .host_id = s->host,
			.vm_id = vm,
			.verb = verb,
			.args = args,
			.ticket_id = "tkt_01jd0000000000000000000001",
			.plan_hash = "0123",
			.timeout_seconds = 60,
			.wait_seconds = 600 } };

	world_write(s->w, add, &t);
	return t.op;
}

static struct reply operation(struct scene *s, const char *op)
{
	return expect(s->w, AUDITOR, "GET", fmt(s->w, "/v1/operations/%s", op), NULL, 200);
}

/* Wait for its end. */
static struct reply ended(struct scene *s, const char *op)
{
	struct reply r = { 0 };

	for (int i = 0; i < 4; i++) {
		r = expect(s->w, AUDITOR, "GET", fmt(s->w, "/v1/operations/%s?wait=10", op), NULL,
			200);
		if (strlen(text_at(r.json, "ended_at")))
			return r;
	}
	fail_msg("it does not end: %s", r.body);
	return r;
}

static void ends(struct scene *s, const char *op, const char *state, const char *code)
{
	struct reply r = ended(s, op);

	if (strcmp(text_at(r.json, "state"), state) != 0 ||
		(code && strcmp(text_at(r.json, "error.code"), code) != 0))
		fail_msg("wanted %s %s: %s", state, code ? code : "", r.body);
}

/* ---- tests ---- */

static void a_vm_is_started_and_stopped(void **state)
{
	struct scene *s = *state;

	ends(s, tell(s, s->vm, UD_VERB_VM_START, "{}"), "succeeded", NULL);
	assert_int_equal(scripted_power(s->hv, s->uuid), UD_POWER_RUNNING);
	/* twice is no harm: it looks first */
	ends(s, tell(s, s->vm, UD_VERB_VM_START, NULL), "succeeded", NULL);
	assert_int_equal(scripted_calls(s->hv, "start"), 1);
	ends(s, tell(s, s->vm, UD_VERB_VM_PAUSE, NULL), "succeeded", NULL);
	assert_int_equal(scripted_power(s->hv, s->uuid), UD_POWER_PAUSED);
	ends(s, tell(s, s->vm, UD_VERB_VM_RESUME, NULL), "succeeded", NULL);
	ends(s, tell(s, s->vm, UD_VERB_VM_SAVE, NULL), "succeeded", NULL);
	assert_int_equal(scripted_power(s->hv, s->uuid), UD_POWER_SAVED);
	ends(s, tell(s, s->vm, UD_VERB_VM_START, NULL), "succeeded", NULL);
	ends(s, tell(s, s->vm, UD_VERB_VM_SHUTDOWN, "{\"timeout_seconds\":5}"), "succeeded", NULL);
	assert_int_equal(scripted_power(s->hv, s->uuid), UD_POWER_OFF);
}

static void a_deaf_guest_is_switched_off_where_that_was_asked_for(void **state)
{
	struct scene *s = *state;

	scripted_set_power(s->hv, s->uuid, UD_POWER_RUNNING);
	scripted_deaf(s->hv, s->uuid, true);
	ends(s, tell(s, s->vm, UD_VERB_VM_SHUTDOWN, "{\"timeout_seconds\":1}"), "failed",
		"not_in_time");
	assert_int_equal(scripted_power(s->hv, s->uuid), UD_POWER_RUNNING);
	ends(s, tell(s, s->vm, UD_VERB_VM_SHUTDOWN, "{\"timeout_seconds\":1,\"hard\":true}"),
		"succeeded", NULL);
	assert_int_equal(scripted_power(s->hv, s->uuid), UD_POWER_OFF);
}

static void what_the_state_forbids_is_refused(void **state)
{
	struct scene *s = *state;

	ends(s, tell(s, s->vm, UD_VERB_VM_PAUSE, NULL), "failed", "invalid_state");
	ends(s, tell(s, s->vm, UD_VERB_VM_RESET, NULL), "failed", "invalid_state");
	ends(s, tell(s, s->vm, "vm_explode", NULL), "failed", "unsupported");
	ends(s, tell(s, s->vm, UD_VERB_HOST_LOGS, NULL), "failed", "validation_failed");
	ends(s, tell(s, s->vm, UD_VERB_VM_START, "{\"now\":true}"), "failed", "validation_failed");
	ends(s, tell(s, s->vm, UD_VERB_VM_SHUTDOWN, "{\"timeout_seconds\":0}"), "failed",
		"validation_failed");
	assert_string_equal(scripted_log(s->hv), "");
}

static void the_hypervisors_words_come_back(void **state)
{
	struct scene *s = *state;

	scripted_fail(s->hv, "start", UD_E_HYPERVISOR, 1);
	ends(s, tell(s, s->vm, UD_VERB_VM_START, NULL), "failed", "hypervisor_failed");
	ends(s, tell(s, s->vm, UD_VERB_VM_START, NULL), "succeeded", NULL);
}

static void subjects_do_not_wait_for_each_other(void **state)
{
	struct scene *s = *state;
	const char *uuid = scripted_uuid(s->hv, 2);
	const char *vm = row_of(s, uuid, "web-01"); /* before the agent can have told of it */

	scripted_add(s->hv, uuid, "web-01");
	scripted_hold(s->hv, "start");
	const char *first = tell(s, s->vm, UD_VERB_VM_START, NULL);
	/* of the same VM: one after the other */
	const char *second = tell(s, s->vm, UD_VERB_VM_POWER_OFF, NULL);

	assert_true(scripted_await(s->hv, "start", 1));
	ends(s, tell(s, vm, UD_VERB_VM_POWER_OFF, NULL), "succeeded", NULL);
	assert_string_equal(text_at(operation(s, first).json, "state"), "running");
	assert_int_equal(scripted_calls(s->hv, "power_off"), 0);
	scripted_release(s->hv, "start");
	ends(s, first, "succeeded", NULL);
	ends(s, second, "succeeded", NULL);
	assert_int_equal(scripted_power(s->hv, s->uuid), UD_POWER_OFF);
}

static void an_agent_that_was_away_does_what_waited(void **state)
{
	struct scene *s = *state;

	agent_stop(s->a);
	const char *op = tell(s, s->vm, UD_VERB_VM_START, NULL);

	assert_string_equal(text_at(operation(s, op).json, "state"), "waiting");
	agent_start(s->a);
	ends(s, op, "succeeded", NULL);
}

/* ---- crashes ---- */

/* Commands, how often each may touch the hypervisor whatever happens, and how the operation ends
 * when the agent dies between doing it and storing that. */
static const struct {
	const char *verb, *args, *slot;
	enum ud_power before, after;
	const char *done;  /* state when it died after the work */
	const char *taken; /* … and before it */
	bool again;        /* twice is once: done again after a crash */
} crashes[] = {
	{ UD_VERB_VM_START, "{}", "start", UD_POWER_OFF, UD_POWER_RUNNING, "succeeded",
		"succeeded" },
	{ UD_VERB_VM_SHUTDOWN, "{\"timeout_seconds\":5}", "shutdown", UD_POWER_RUNNING,
		UD_POWER_OFF, "succeeded", "succeeded" },
	{ UD_VERB_VM_POWER_OFF, "{}", "power_off", UD_POWER_RUNNING, UD_POWER_OFF, "succeeded",
		"succeeded" },
	{ UD_VERB_VM_SAVE, "{}", "save", UD_POWER_RUNNING, UD_POWER_SAVED, "succeeded",
		"succeeded" },
	{ UD_VERB_VM_PAUSE, "{}", "pause", UD_POWER_RUNNING, UD_POWER_PAUSED, "succeeded",
		"succeeded" },
	{ UD_VERB_VM_RESUME, "{}", "resume", UD_POWER_PAUSED, UD_POWER_RUNNING, "succeeded",
		"succeeded" },
	/* not repeated: nobody knows */
	{ UD_VERB_VM_RESET, "{}", "reset", UD_POWER_RUNNING, UD_POWER_RUNNING, "failed", "failed" },
	{ UD_VERB_VM_RUN, "{\"program\":\"/bin/true\"}", "guest_run", UD_POWER_RUNNING,
		UD_POWER_RUNNING, "failed", "failed" },
	/* not repeated, but the hypervisor shows it */
	{ UD_VERB_CHECKPOINT_CREATE, "{\"name\":\"a\"}", "checkpoint_create", UD_POWER_RUNNING,
		UD_POWER_RUNNING, "succeeded", "failed" },
	/* what twice is as good as once */
	{ UD_VERB_VM_WRITE_FILE, "{\"path\":\"/tmp/a\",\"content\":\"YQ\"}", "guest_write",
		UD_POWER_RUNNING, UD_POWER_RUNNING, "succeeded", "succeeded", true },
	{ UD_VERB_VM_READ_FILE, "{\"path\":\"/tmp/a\"}", "guest_read", UD_POWER_RUNNING,
		UD_POWER_RUNNING, "succeeded", "succeeded", true },
	{ UD_VERB_VM_DEFINITION, "{}", "definition_export", UD_POWER_RUNNING, UD_POWER_RUNNING,
		"succeeded", "succeeded", true },
	{ UD_VERB_VM_DIAGNOSE, "{}", "diagnose", UD_POWER_RUNNING, UD_POWER_RUNNING, "succeeded",
		"succeeded", true },
	{ UD_VERB_VM_SCREENSHOT, "{}", "screenshot", UD_POWER_RUNNING, UD_POWER_RUNNING,
		"succeeded", "succeeded", true },
	{ UD_VERB_VM_LIMITS, "{\"cpu_percent\":50}", "limits_set", UD_POWER_RUNNING,
		UD_POWER_RUNNING, "succeeded", "succeeded", true },
	{ UD_VERB_CHECKPOINT_LIST, "{}", "checkpoint_list", UD_POWER_RUNNING, UD_POWER_RUNNING,
		"succeeded", "succeeded", true },
};

static void crash(struct scene *s, size_t i, const char *point)
{
	scripted_forgive(s->hv);
	scripted_set_power(s->hv, s->uuid, crashes[i].before);
	agent_dies(s->a, crashes[i].verb, point);
	const char *op = tell(s, s->vm, crashes[i].verb, crashes[i].args);

	assert_true(agent_died(s->a));
	assert_string_equal(text_at(operation(s, op).json, "state"), "running");
	agent_restart(s->a);
	const char *wanted = strcmp(point, "taken") == 0 ? crashes[i].taken
		: strcmp(point, "done") == 0             ? crashes[i].done
							 : "succeeded";
	struct reply r = ended(s, op);

	if (strcmp(text_at(r.json, "state"), wanted) != 0)
		fail_msg("%s at %s: %s", crashes[i].verb, point, r.body);
	if (strcmp(wanted, "failed") == 0)
		assert_string_equal(text_at(r.json, "error.code"), "interrupted");
	/* once, or not at all where it was not repeated */
	int calls = scripted_calls(s->hv, crashes[i].slot);

	if (strcmp(wanted, "succeeded") == 0 && !crashes[i].again)
		assert_int_equal(calls, 1);
	assert_true(calls <= (crashes[i].again ? 2 : 1));
	if (strcmp(wanted, "succeeded") == 0)
		assert_int_equal(scripted_power(s->hv, s->uuid), crashes[i].after);
	if (strcmp(crashes[i].slot, "checkpoint_create") == 0 && calls)
		ends(s, tell(s, s->vm, UD_VERB_CHECKPOINT_DELETE, "{\"name\":\"a\"}"), "succeeded",
			NULL);
}

static void killed_at_any_point_each_command_takes_effect_once(void **state)
{
	static const char *const points[] = { "taken", "done", "ended" };

	bool all = getenv("UD_TEST_LONG") != NULL;

	/* what may be done twice is struck at one point each in the ordinary run */
	for (size_t i = 0; i < UD_LEN(crashes); i++)
		for (size_t k = 0; k < UD_LEN(points); k++)
			if (all || !crashes[i].again || k == i % UD_LEN(points))
				crash(*state, i, points[k]);
}

/* ---- a demotion that is cut off ---- */

static enum ud_code raise_epoch(struct ud_ctx *cx, void *data)
{
	struct scene *s = data;

	return ud_exec(
		cx, NULL, "UPDATE vms SET epoch = epoch + 1 WHERE id = $1", UD_VALS(ud_t(s->vm)));
}

/* Under the hypervisor's lock. */
static bool in_order(void *data, const char *slot, enum scripted_when when)
{
	struct scene *s = data;

	if (when == SCRIPTED_BEFORE && strcmp(slot, "displace") == 0) {
		s->displaced++;
		s->too_early |= !scripted_replicates(s->hv);
	}
	return true;
}

/* The next process does it again at once. A hypervisor that has not been told of replication knows
 * no relation, and would say that there is nothing to displace: the way back had no disks then. */
static void a_demotion_goes_on_when_the_relations_are_known(void **state)
{
	enum { SLOW_MS = 400 };
	struct scene *s = *state;

	ends(s,
		tell(s, s->vm, UD_VERB_PROTECT,
			"{\"role\":\"primary\",\"policy\":\"attest\",\"lease_seconds\":30,\"break_glass\":false}"),
		"succeeded", NULL);
	world_write(s->w, raise_epoch, s);
	scripted_watch(s->hv, in_order, s);
	agent_dies(s->a, UD_VERB_DEMOTE, "stopped");
	const char *op = tell(s, s->vm, UD_VERB_DEMOTE, "{\"keep_disk\":true}");

	assert_true(agent_died(s->a));
	assert_int_equal(s->displaced, 0);
	scripted_delay(s->hv, "replicate", SLOW_MS);
	agent_restart(s->a);
	ends(s, op, "succeeded", NULL);
	assert_int_equal(s->displaced, 1);
	assert_false(s->too_early);
	scripted_watch(s->hv, NULL, NULL);
}

/* ---- statements ---- */

struct stated {
	struct scene *s;
	const char *verdict, *reason, *text;
};

static enum ud_code read_stated(struct ud_ctx *cx, void *data)
{
	struct stated *t = data;
	UD_AUTO(ud_rows) *rows = NULL;
	bool found = false;

	UD_TRY(ud_query(cx, &rows,
		"SELECT verdict, reason, statement FROM statements WHERE subject_id = $1"
		" ORDER BY seq DESC LIMIT 1",
		UD_VALS(ud_t(t->s->vm))));
	UD_TRY(ud_next(cx, rows, &found));
	assert_true(found);
	t->verdict = fmt(t->s->w, "%s", ud_col_text(rows, 0));
	t->reason = ud_col_null(rows, 1) ? "" : fmt(t->s->w, "%s", ud_col_text(rows, 1));
	t->text = ud_col_null(rows, 2) ? "" : fmt(t->s->w, "%s", ud_col_text(rows, 2));
	return UD_OK;
}

static struct stated newest_statement(struct scene *s)
{
	struct stated t = { .s = s };

	world_write(s->w, read_stated, &t);
	if (strcmp(t.verdict, "valid") != 0)
		fail_msg("%s: %s (%s)", t.verdict, t.reason, t.text);
	return t;
}

static struct reply keys_of(struct scene *s)
{
	return expect(s->w, AUDITOR, "GET",
		fmt(s->w, "/v1/agents/%s/statement-keys", s->a->shown.id), NULL, 200);
}

/* Also by a process that comes after the one that saw it; and with a new key, when that is lost. */
static void what_an_agent_saw_it_signs(void **state)
{
	static const char look[] = "{\"level\":\"power\",\"wait_seconds\":0}";
	struct scene *s = *state;

	ends(s, tell(s, s->vm, UD_VERB_BOOT_CHECK, look), "succeeded", NULL);
	struct stated t = newest_statement(s);

	assert_non_null(strstr(t.text, "\"facts\":{\"passed\":false"));
	assert_non_null(strstr(t.text, fmt(s->w, "\"host_id\":\"%s\"", s->host)));
	assert_non_null(strstr(t.text, "{\"after_ms\":0,\"point\":\"taken\"}"));
	struct reply r = keys_of(s);
	const char *key = fmt(s->w, "%s", text_at(r.json, "data.0.public_key"));

	assert_non_null(strstr(t.text, key));
	agent_dies(s->a, UD_VERB_BOOT_CHECK, "ended");
	const char *op = tell(s, s->vm, UD_VERB_BOOT_CHECK, look);

	assert_true(agent_died(s->a));
	agent_restart(s->a);
	ends(s, op, "succeeded", NULL);
	assert_non_null(strstr(newest_statement(s).text, key));
	agent_stop(s->a);
	assert_int_equal(unlink(fmt(s->w, "%s/statement.key", s->a->dir)), 0);
	agent_start(s->a);
	ends(s, tell(s, s->vm, UD_VERB_BOOT_CHECK, look), "succeeded", NULL);
	assert_null(strstr(newest_statement(s).text, key));
	r = keys_of(s);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 2);
	assert_string_equal(text_at(r.json, "data.0.public_key"), key);
	assert_true(strlen(text_at(r.json, "data.0.until")) > 0);
	r = expect(s->w, AUDITOR, "GET",
		fmt(s->w, "/v1/audit-records?subject_id=%s", s->a->shown.id), NULL, 200);
	assert_non_null(strstr(r.body, "agent.statement_key_changed"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_vm_is_started_and_stopped, begin, end),
		cmocka_unit_test_setup_teardown(
			a_deaf_guest_is_switched_off_where_that_was_asked_for, begin, end),
		cmocka_unit_test_setup_teardown(what_the_state_forbids_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(the_hypervisors_words_come_back, begin, end),
		cmocka_unit_test_setup_teardown(subjects_do_not_wait_for_each_other, begin, end),
		cmocka_unit_test_setup_teardown(
			an_agent_that_was_away_does_what_waited, begin, end),
		cmocka_unit_test_setup_teardown(
			killed_at_any_point_each_command_takes_effect_once, begin, end),
		cmocka_unit_test_setup_teardown(
			a_demotion_goes_on_when_the_relations_are_known, begin, end),
		cmocka_unit_test_setup_teardown(what_an_agent_saw_it_signs, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
