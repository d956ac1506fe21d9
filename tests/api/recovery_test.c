/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that was put back from a copy, on both databases: it grants, commands and moves nothing
 * for a VM before the VM's hosts were heard; what they know wins over its own rows.
 */
#include <string.h>

#include "db/commands.h"
#include "db/leases.h"
#include "server/agents/recovery.h"
#include "support/agents.h"
#include "support/stage.h"

static int begin(void **state)
{
	*state = stage_begin(1);
	return 0;
}

static int end(void **state)
{
	stage_end(*state);
	return 0;
}

/* ---- what happens to the database ---- */

static enum ud_code run_sql(struct ud_ctx *cx, void *sql)
{
	return ud_exec(cx, NULL, sql, UD_NO_VALS);
}

static void sql(struct stage *s, const char *text)
{
	world_write(s->w, run_sql, (char *)text);
}

/* As understudyd restore leaves it, and as the port begins with it. */
static void put_back(struct stage *s)
{
	sql(s,
		"INSERT INTO installation(key, value) VALUES ('recovery', '1')"
		" ON CONFLICT(key) DO UPDATE SET value = '1'");
	world_write(s->w, ud_recovery_enter, NULL);
}

struct heard {
	const char *host, *heads;
	bool news;
};

static enum ud_code take(struct ud_ctx *cx, void *data)
{
	struct heard *h = data;

	UD_TRY(ud_recovery_look(cx, h->host, h->heads, &h->news));
	return h->news ? ud_recovery_take(cx, h->host, h->heads) : UD_OK;
}

static bool hear(struct stage *s, int host, const char *heads)
{
	struct heard h = { .host = s->hosts[host].id, .heads = heads };

	world_write(s->w, take, &h);
	return h.news;
}

/* What a host's journal has of the one VM. */
static bool hear_of(struct stage *s, int host, int64_t epoch, int64_t seq, const char *role)
{
	return hear(s, host,
		fmt(s->w, "[{\"subject_id\":\"%s\",\"epoch\":%lld,\"seq\":%lld,\"role\":\"%s\"}]",
			s->vms[0].id, (long long)epoch, (long long)seq, role));
}

/* ---- what is seen ---- */

struct looking {
	struct stage *s;
	int host;
	int64_t epoch;
	struct ud_lease_word word;
	int commands;
};

static enum ud_code ask(struct ud_ctx *cx, void *data)
{
	struct looking *l = data;
	const struct ud_lease_ask in = {
		.vm_id = l->s->vms[0].id, .epoch = l->epoch, .purpose = UD_LEASE_KEEP
	};

	return ud_lease_grant(cx, l->s->hosts[l->host].id, true, 30, &in, &l->word);
}

static unsigned verdict(struct stage *s, int host, int64_t epoch)
{
	struct looking l = { .s = s, .host = host, .epoch = epoch };

	world_write(s->w, ask, &l);
	return l.word.verdict;
}

static enum ud_code count_one(
	struct ud_ctx *cx, void *data, const struct ud_command_pending *command)
{
	int *n = data;

	(void)cx, (void)command;
	++*n;
	return UD_OK;
}

static enum ud_code visit(struct ud_ctx *cx, void *data)
{
	struct looking *l = data;

	return ud_command_visit(cx, l->s->hosts[l->host].id, count_one, &l->commands);
}

/* Commands that a poll of a host finds. */
static int commands_for(struct stage *s, int host)
{
	struct looking l = { .s = s, .host = host };

	world_write(s->w, visit, &l);
	return l.commands;
}

static struct reply vm_of(struct stage *s)
{
	return expect(s->w, LEAD, "GET", fmt(s->w, "/v1/vms/%s", s->vms[0].id), NULL, 200);
}

static struct reply recovery_is(struct stage *s, const char *state, int missing, int held)
{
	struct reply r = expect(s->w, AUDITOR, "GET", "/v1/recovery", NULL, 200);

	assert_string_equal(text_at(r.json, "state"), state);
	assert_int_equal(number_at(r.json, "hosts_missing"), missing);
	assert_int_equal(number_at(r.json, "vms_held"), held);
	return r;
}

static bool happened(struct stage *s, const char *type)
{
	return stage_count(s, fmt(s->w, "SELECT COUNT(*) FROM events WHERE type = '%s'", type)) > 0;
}

static int64_t vm_number(struct stage *s, const char *column)
{
	return stage_count(s, fmt(s->w, "SELECT %s FROM vms", column));
}

/* ---- stories ---- */

static void nothing_moves_before_the_hosts_of_a_vm_were_heard(void **state)
{
	struct stage *s = *state;
	int64_t epoch = vm_number(s, "epoch"), seq = vm_number(s, "cmd_seq");

	recovery_is(s, "none", 0, 0);
	sql(s,
		"INSERT INTO commands(subject_id, seq, host_id, verb, epoch, state, payload,"
		" signature, created_at, expires_at) SELECT id, 900, host_id, 'vm_pause', epoch,"
		" 'delivered', '{}', '', 0, 9000000000000 FROM vms");
	assert_int_equal(commands_for(s, 0), 1);
	put_back(s);
	recovery_is(s, "recovering", STAGE_HOSTS, 1);
	assert_non_null(strstr(expect(s->w, NOBODY, "GET", "/readyz", NULL, 200).body,
		"\"recovery\":\"recovering\",\"hosts_missing\":3,\"vms_held\":1"));
	assert_true(happened(s, "installation.recovery_begun"));
	assert_int_equal(commands_for(s, 0), 0);
	assert_int_equal(verdict(s, 0, epoch), UD_LEASE_REFUSED);
	assert_non_null(strstr(vm_of(s).body, "\"reason_code\":\"recovering\""));
	/* one end of two says nothing new, and is not enough */
	assert_true(hear_of(s, 0, epoch, seq, "primary"));
	assert_false(hear_of(s, 0, epoch, seq, "primary"));
	recovery_is(s, "recovering", STAGE_HOSTS - 1, 1);
	assert_int_equal(commands_for(s, 0), 0);
	assert_true(hear_of(s, 1, epoch, 2000, "replica"));
	recovery_is(s, "recovering", STAGE_HOSTS - 2, 0);
	assert_int_equal(commands_for(s, 0), 1);
	assert_int_equal(verdict(s, 0, epoch), UD_LEASE_GRANTED);
	assert_int_equal(vm_number(s, "epoch"), epoch);
	/* no number is given out again that a host has taken */
	assert_int_equal(vm_number(s, "cmd_seq"), 2000);
	assert_false(happened(s, "installation.recovery_ended"));
	assert_true(hear(s, 2, "[]"));
	recovery_is(s, "none", 0, 0);
	assert_true(happened(s, "installation.recovery_ended"));
	assert_null(strstr(expect(s->w, NOBODY, "GET", "/readyz", NULL, 200).body, "recovery"));
}

static void the_highest_epoch_wins(void **state)
{
	struct stage *s = *state;
	int64_t epoch = vm_number(s, "epoch");

	put_back(s);
	hear_of(s, 0, epoch + 2, 40, "displaced");
	hear_of(s, 1, epoch + 2, 44, "primary");
	assert_int_equal(vm_number(s, "epoch"), epoch + 2);
	assert_string_equal(text_at(vm_of(s).json, "host_id"), s->hosts[1].id);
	assert_true(happened(s, "vm.epoch_adopted"));
	assert_int_equal(verdict(s, 0, epoch), UD_LEASE_SUPERSEDED);
	assert_int_equal(verdict(s, 1, epoch + 2), UD_LEASE_GRANTED);
	assert_int_equal(vm_number(s, "cmd_seq"), 44);
}

/* The copy was made in the middle of a run. Whatever agents answer, it stands still. */
static void a_run_of_the_copy_goes_on_when_the_hosts_know_no_more(void **state)
{
	struct stage *s = *state;
	int64_t epoch = vm_number(s, "epoch");
	const char *run = stage_start(s, "planned", "host_maintenance", 1, "");

	s->limit = s->answered + 1;
	stage_settle(s);
	const char *phase = fmt(s->w, "%s", stage_text(s, run, "phase"));

	put_back(s);
	s->limit = -1;
	stage_settle(s);
	stage_wants(s, run, "running", phase);
	assert_int_equal(vm_number(s, "epoch"), epoch);
	hear_of(s, 1, epoch, 1, "replica");
	hear_of(s, 0, epoch, 1, "primary");
	stage_settle(s);
	stage_pass(s, 60);
	stage_settle(s);
	assert_int_equal(vm_number(s, "epoch"), epoch + 1);
	assert_int_equal(stage_where(s, 0), 1);
}

static void a_run_that_went_further_than_the_copy_is_overtaken(void **state)
{
	struct stage *s = *state;
	int64_t epoch = vm_number(s, "epoch");
	const char *run = stage_start(s, "planned", "host_maintenance", 1, "");

	s->limit = s->answered + 1;
	stage_settle(s);
	put_back(s);
	hear_of(s, 0, epoch, 7, "primary");
	hear_of(s, 1, epoch + 1, 9, "primary");
	assert_int_equal(vm_number(s, "epoch"), epoch + 1);
	s->limit = -1;
	stage_settle(s);
	assert_int_equal(vm_number(s, "epoch"), epoch + 1);
	assert_non_null(strstr(stage_run(s, run).body, "overtaken"));
}

static struct reply without(struct stage *s, enum who who, int host, int status)
{
	return expect(s->w, who, "POST", fmt(s->w, "/v1/hosts/%s/go-on-without", s->hosts[host].id),
		"{\"statement\":\"It burnt down; I have seen its ashes.\"}", status);
}

static void two_people_go_on_without_a_host(void **state)
{
	struct stage *s = *state;
	int64_t epoch = vm_number(s, "epoch");

	without(s, ENGINEER, 1, 409);
	put_back(s);
	hear_of(s, 0, epoch, 1, "primary");
	hear(s, 2, "[]");
	expect(s->w, OWN_ADMIN, "POST", fmt(s->w, "/v1/hosts/%s/go-on-without", s->hosts[1].id),
		"{\"statement\":\"It burnt down; I have seen its ashes.\"}", 403);
	without(s, ENGINEER, 1, 200);
	without(s, ENGINEER, 1, 409);
	recovery_is(s, "recovering", 1, 1);
	assert_false(happened(s, "host.recovery_waived"));
	without(s, LEAD, 1, 200);
	assert_true(happened(s, "host.recovery_waived"));
	struct reply r = recovery_is(s, "none", 0, 0);

	assert_non_null(strstr(r.body, "\"waived_at\":\"2"));
	assert_int_equal(verdict(s, 0, epoch), UD_LEASE_GRANTED);
	/* the next epoch is none that the host may have taken */
	stage_start(s, "planned", "host_maintenance", 1, "");
	stage_settle(s);
	assert_true(vm_number(s, "epoch") > epoch + 1000);
}

/* Nobody who was heard has the newest epoch: its holder may be silent, or gone. */
static void an_epoch_without_owner_is_for_people(void **state)
{
	struct stage *s = *state;
	int64_t epoch = vm_number(s, "epoch");

	put_back(s);
	hear_of(s, 0, epoch + 1, 5, "displaced");
	hear_of(s, 1, epoch, 5, "replica");
	recovery_is(s, "recovering", 1, 1);
	hear(s, 2, "[]");
	recovery_is(s, "none", 0, 0);
	assert_true(happened(s, "vm.epoch_conflict"));
	assert_int_equal(verdict(s, 0, epoch), UD_LEASE_REFUSED);
	struct reply r = expect(
		s->w, LEAD, "GET", fmt(s->w, "/v1/vms/%s/owner-conflict", s->vms[0].id), NULL, 200);

	assert_true(json_is_true(json_object_get(r.json, "standing")));
	assert_string_equal(text_at(r.json, "claims.0.host_id"), s->hosts[0].id);
}

/* A copy put back by other means: the first poll of a host that knows more shows it. */
static void a_host_that_knows_more_closes_the_gate(void **state)
{
	struct stage *s = *state;
	int64_t epoch = vm_number(s, "epoch");

	assert_false(hear_of(s, 0, epoch, vm_number(s, "cmd_seq"), "primary"));
	assert_false(hear_of(s, 1, epoch, 0, "replica"));
	assert_true(hear_of(s, 1, epoch + 1, 3, "primary"));
	recovery_is(s, "partly", 1, 1);
	assert_int_equal(verdict(s, 0, epoch), UD_LEASE_REFUSED);
	assert_true(hear_of(s, 0, epoch, 2, "primary"));
	assert_int_equal(vm_number(s, "epoch"), epoch + 1);
	assert_string_equal(text_at(vm_of(s).json, "host_id"), s->hosts[1].id);
	/* two of one epoch are people's to decide about */
	assert_true(hear_of(s, 0, epoch + 1, 2, "primary"));
	hear_of(s, 1, epoch + 1, 3, "primary");
	assert_true(happened(s, "vm.epoch_conflict"));
	assert_int_equal(verdict(s, 1, epoch + 1), UD_LEASE_REFUSED);
}

/* ---- over the agents' port ---- */

static struct reply poll(struct port *p, const struct shown *who, const char *heads)
{
	return port_call(p, who, "POST", "/v1/agent/poll?wait=0",
		fmt(p->w,
			"{\"agent_boot\":\"run\",\"host_boot\":\"boot\",\"agent_version\":\"0\","
			"\"working\":[],\"heads\":%s}",
			heads));
}

static void a_poll_is_how_a_host_is_heard(void **state)
{
	struct port *before = port_begin(world_begin(), ud_agent_routes);
	struct world *w = before->w;
	struct shown host = port_enroll(before, port_host(before));
	struct reply r = expect(w, LEAD, "POST", "/v1/vms",
		fmt(w, "{\"name\":\"db-1\",\"host_id\":\"%s\",\"customer_id\":\"%s\"}",
			host.host_id, w->own),
		201);
	const char *vm = text_at(r.json, "id");

	(void)state;
	port_end(before);
	world_write(w, run_sql,
		(char *)"INSERT INTO installation(key, value) VALUES ('recovery', '1')");
	struct port *p = port_begin(w, ud_agent_routes);

	assert_int_equal(poll(p, &host, "[7]").status, 204);
	r = expect(w, AUDITOR, "GET", "/v1/recovery", NULL, 200);
	assert_int_equal(number_at(r.json, "hosts_missing"), 1);
	const char *heads = fmt(w,
		"[{\"subject_id\":\"%s\",\"epoch\":4,\"seq\":11,\"role\":\"primary\"},"
		"{\"subject_id\":\"%s\",\"epoch\":0,\"seq\":12,\"role\":\"free\"}]",
		vm, host.host_id);

	assert_int_equal(poll(p, &host, heads).status, 204);
	for (int i = 0; i < 200; i++) {
		r = expect(w, AUDITOR, "GET", "/v1/recovery", NULL, 200);
		if (strcmp(text_at(r.json, "state"), "none") == 0)
			break;
		poll(p, &host, heads);
	}
	assert_string_equal(text_at(r.json, "state"), "none");
	r = expect(w, LEAD, "GET", fmt(w, "/v1/vms/%s", vm), NULL, 200);
	assert_int_equal(number_at(r.json, "epoch"), 4);
	port_end(p);
	world_end(w);
}

int main(void)
{
#define SCENE(test_) cmocka_unit_test_setup_teardown(test_, begin, end)
	const struct CMUnitTest tests[] = {
		SCENE(nothing_moves_before_the_hosts_of_a_vm_were_heard),
		SCENE(the_highest_epoch_wins),
		SCENE(a_run_of_the_copy_goes_on_when_the_hosts_know_no_more),
		SCENE(a_run_that_went_further_than_the_copy_is_overtaken),
		SCENE(two_people_go_on_without_a_host),
		SCENE(an_epoch_without_owner_is_for_people),
		SCENE(a_host_that_knows_more_closes_the_gate),
		cmocka_unit_test(a_poll_is_how_a_host_is_heard),
	};
#undef SCENE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
