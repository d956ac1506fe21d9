/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases as the server grants them, on both databases: to whom, under which epoch, through which
 * gate; and how long it waits for what it has granted.
 */
#include <string.h>

#include "db/leases.h"
#include "support/agents.h"

enum { LEASE_MS = 30000, MARGIN_MS = 15000 };

/* A VM on the first of two enrolled hosts, protected under epoch 5. */
struct scene {
	struct port *p;
	struct world *w;
	struct shown owner, other;
	const char *vm;
	/* what the functions below are about */
	enum ud_lease_gate gate;
	const char *but;
	int64_t wait_ms;
	int64_t epoch;
};

static enum ud_code protect(struct ud_ctx *cx, void *data)
{
	struct scene *s = data;

	return ud_exec(cx, NULL,
		"UPDATE vms SET epoch = $2, fencing_policy = 'lease' WHERE id = $1",
		UD_VALS(ud_t(s->vm), ud_i(s->epoch)));
}

static void set_epoch(struct scene *s, int64_t epoch)
{
	s->epoch = epoch;
	world_write(s->w, protect, s);
}

static int begin(void **state)
{
	struct port *p = port_begin(world_begin(), ud_agent_routes);
	struct scene *s = ud_alloc(p->w->arena, sizeof(*s));

	*s = (struct scene){ .p = p, .w = p->w };
	s->owner = port_enroll(p, port_host(p));
	s->other = port_enroll(p, port_host(p));
	struct reply r = expect(s->w, LEAD, "POST", "/v1/vms",
		fmt(s->w, "{\"name\":\"db-1\",\"host_id\":\"%s\",\"customer_id\":\"%s\"}",
			s->owner.host_id, s->w->own),
		201);

	s->vm = text_at(r.json, "id");
	set_epoch(s, 5);
	*state = s;
	return 0;
}

static int end(void **state)
{
	struct scene *s = *state;
	struct world *w = s->w;

	port_end(s->p);
	world_end(w);
	return 0;
}

static enum ud_code move_gate(struct ud_ctx *cx, void *data)
{
	struct scene *s = data;

	return ud_lease_gate_set(cx, s->vm, s->gate);
}

static void set_gate(struct scene *s, enum ud_lease_gate gate)
{
	s->gate = gate;
	world_write(s->w, move_gate, s);
}

static enum ud_code look(struct ud_ctx *cx, void *data)
{
	struct scene *s = data;

	return ud_lease_wait(cx, s->vm, s->but, &s->wait_ms);
}

/* How long the grants to all but this host last. */
static int64_t wait_for(struct scene *s, const char *but)
{
	s->but = but;
	world_write(s->w, look, s);
	return s->wait_ms;
}

static struct reply ask(struct scene *s, const struct shown *who, const char *vm, int64_t epoch,
	const char *purpose)
{
	struct reply r = port_call(s->p, who, "POST", "/v1/agent/lease",
		fmt(s->w,
			"{\"nonce\":\"n-1\",\"asks\":[{\"vm_id\":\"%s\",\"epoch\":%lld,\"purpose\":\"%s\"}]}",
			vm, (long long)epoch, purpose));

	assert_int_equal(r.status, 200);
	assert_string_equal(text_at(r.json, "nonce"), "n-1");
	assert_string_equal(text_at(r.json, "words.0.vm_id"), vm);
	return r;
}

/* As a host asks whose guard ends the VM with its lease. */
static void keep_guarded(struct scene *s, const struct shown *who, int64_t epoch)
{
	struct reply r = port_call(s->p, who, "POST", "/v1/agent/lease",
		fmt(s->w,
			"{\"nonce\":\"n-1\",\"asks\":[{\"vm_id\":\"%s\",\"epoch\":%lld,"
			"\"purpose\":\"keep\",\"guarded\":true}]}",
			s->vm, (long long)epoch));

	assert_string_equal(text_at(r.json, "words.0.verdict"), "granted");
}

static const char *verdict(
	struct scene *s, const struct shown *who, int64_t epoch, const char *purpose)
{
	return text_at(ask(s, who, s->vm, epoch, purpose).json, "words.0.verdict");
}

static void the_owner_of_the_epoch_gets_a_lease(void **state)
{
	struct scene *s = *state;
	struct reply r = ask(s, &s->owner, s->vm, 5, "keep");

	assert_string_equal(text_at(r.json, "words.0.verdict"), "granted");
	assert_int_equal(number_at(r.json, "words.0.seconds"), 30);
	assert_int_equal(number_at(r.json, "words.0.epoch"), 5);
	assert_string_equal(verdict(s, &s->owner, 5, "start"), "granted");
}

static void nobody_else_gets_one(void **state)
{
	struct scene *s = *state;

	assert_string_equal(verdict(s, &s->other, 5, "keep"), "refused");
	assert_string_equal(verdict(s, &s->other, 5, "start"), "refused");
	/* an epoch that the server does not know: something to reconcile, never a grant */
	assert_string_equal(verdict(s, &s->owner, 6, "keep"), "refused");
	assert_string_equal(verdict(s, &s->other, 6, "start"), "refused");
	assert_string_equal(
		text_at(ask(s, &s->owner, "vm_00000000000000000000000000", 5, "keep").json,
			"words.0.verdict"),
		"refused");
	assert_int_equal(wait_for(s, NULL), 0);
}

static void an_older_epoch_is_told_so(void **state)
{
	struct scene *s = *state;
	struct reply r;

	set_epoch(s, 7);
	r = ask(s, &s->other, s->vm, 5, "keep");
	assert_string_equal(text_at(r.json, "words.0.verdict"), "superseded");
	assert_int_equal(number_at(r.json, "words.0.epoch"), 7);
	/* the owner is told by a promotion: until it has come it may not think that its time is
	 * over */
	assert_string_equal(verdict(s, &s->owner, 5, "keep"), "refused");
	/* a restored server does not know that */
	set_gate(s, UD_GATE_RECOVERING);
	assert_string_equal(verdict(s, &s->other, 5, "keep"), "refused");
	set_gate(s, UD_GATE_CONFLICT);
	assert_string_equal(verdict(s, &s->other, 5, "keep"), "refused");
}

static void the_gate_decides(void **state)
{
	static const struct {
		enum ud_lease_gate gate;
		const char *keep, *start;
	} rows[] = {
		{ UD_GATE_OPEN, "granted", "granted" },
		{ UD_GATE_KEEP, "granted", "refused" },
		{ UD_GATE_SHUT, "refused", "refused" },
		{ UD_GATE_RECOVERING, "refused", "refused" },
		{ UD_GATE_CONFLICT, "refused", "refused" },
	};
	struct scene *s = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		set_gate(s, rows[i].gate);
		assert_string_equal(verdict(s, &s->owner, 5, "keep"), rows[i].keep);
		assert_string_equal(verdict(s, &s->owner, 5, "start"), rows[i].start);
	}
}

static void a_quarantined_agent_starts_nothing(void **state)
{
	struct scene *s = *state;
	struct shown copy = s->owner;
	int64_t last = ud_mono_ms(&ud_env_real) + 60000;

	/* two runs in turn: one of them must be a copy */
	for (int i = 0; strcmp(verdict(s, &copy, 5, "start"), "granted") == 0; i++) {
		assert_true(ud_mono_ms(&ud_env_real) < last);
		copy.run = i % 2 ? "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				 : "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
	}
	assert_string_equal(verdict(s, &copy, 5, "start"), "refused");
	assert_string_equal(verdict(s, &copy, 5, "keep"), "granted");
}

static void a_grant_is_waited_out_with_its_margin(void **state)
{
	struct scene *s = *state;

	assert_int_equal(wait_for(s, s->other.host_id), 0);
	assert_string_equal(verdict(s, &s->owner, 5, "keep"), "granted");
	set_gate(s, UD_GATE_SHUT);
	int64_t left = wait_for(s, s->other.host_id);

	assert_in_range(left, LEASE_MS + MARGIN_MS - 10000, LEASE_MS + MARGIN_MS);
	assert_int_equal(wait_for(s, s->owner.host_id), 0); /* it need not wait for itself */
	s->w->mono_ms += LEASE_MS;
	left = wait_for(s, s->other.host_id);
	assert_in_range(left, MARGIN_MS - 10000, MARGIN_MS);
	s->w->mono_ms += MARGIN_MS;
	assert_int_equal(wait_for(s, s->other.host_id), 0);
}

static const char *other_clock = "another machine";

static void name_other_clock(const struct ud_env *env, char ret[UD_CLOCK_NAME])
{
	(void)env;
	strcpy(ret, other_clock);
}

/* Another server, or ours after the machine's reboot, knows nothing of the first one's clock. */
static void a_grant_by_another_clock_is_waited_out_from_first_sight(void **state)
{
	struct scene *s = *state;
	void (*ours)(const struct ud_env *env, char ret[UD_CLOCK_NAME]) = s->w->env.mono_name;

	s->w->env.mono_name = name_other_clock;
	assert_string_equal(verdict(s, &s->owner, 5, "keep"), "granted");
	s->w->env.mono_name = ours;
	s->w->mono_ms += LEASE_MS + MARGIN_MS; /* passes, but nobody looks */
	assert_in_range(wait_for(s, NULL), LEASE_MS + MARGIN_MS - 10000, LEASE_MS + MARGIN_MS);
	s->w->mono_ms += LEASE_MS + MARGIN_MS;
	assert_int_equal(wait_for(s, NULL), 0);
}

static void a_shorter_lease_does_not_hide_a_longer_one(void **state)
{
	struct scene *s = *state;
	struct ud_server *port = ud_agents_server(s->p->agents);

	port->settings.lease_seconds = 600;
	assert_string_equal(verdict(s, &s->owner, 5, "keep"), "granted");
	port->settings.lease_seconds = 2;
	assert_string_equal(verdict(s, &s->owner, 5, "keep"), "granted");
	assert_true(wait_for(s, NULL) > 590000);
}

static enum ud_code look_force(struct ud_ctx *cx, void *data)
{
	struct scene *s = data;
	bool in_force = false;

	UD_TRY(ud_lease_in_force(cx, s->vm, s->owner.host_id, &in_force));
	s->wait_ms = in_force;
	return UD_OK;
}

static bool in_force(struct scene *s)
{
	world_write(s->w, look_force, s);
	return s->wait_ms != 0;
}

static enum ud_code apply_policy(struct ud_ctx *cx, void *data)
{
	const struct scene *s = data;

	return ud_lease_policy_set(cx, s->vm, s->but);
}

static void set_policy(struct scene *s, const char *policy)
{
	s->but = policy;
	world_write(s->w, apply_policy, s);
}

static void a_lease_is_in_force_once_one_was_kept(void **state)
{
	struct scene *s = *state;

	assert_false(in_force(s));
	assert_string_equal(verdict(s, &s->owner, 5, "start"), "granted");
	assert_false(in_force(s));
	/* a host that does not know yet that it is to end the VM */
	assert_string_equal(verdict(s, &s->owner, 5, "keep"), "granted");
	assert_false(in_force(s));
	keep_guarded(s, &s->owner, 5);
	assert_true(in_force(s));
	set_epoch(s, 6);
	assert_false(in_force(s));
	set_epoch(s, 5);
	assert_true(in_force(s));
	/* nor does an old lease prove anything after the policy was another one in between */
	set_policy(s, "attest");
	set_policy(s, "lease");
	assert_false(in_force(s));
	assert_in_range(wait_for(s, NULL), LEASE_MS, LEASE_MS + MARGIN_MS);
	keep_guarded(s, &s->owner, 5);
	assert_true(in_force(s));
}

static enum ud_code allow_break_glass(struct ud_ctx *cx, void *data)
{
	return ud_vm_break_glass_set(cx, ((struct scene *)data)->vm, true);
}

static const char *after_break_glass(struct scene *s, const struct shown *who, int64_t epoch)
{
	struct reply r = port_call(s->p, who, "POST", "/v1/agent/lease",
		fmt(s->w,
			"{\"nonce\":\"n\",\"asks\":[{\"vm_id\":\"%s\",\"epoch\":%lld,\"purpose\":\"keep\",\"breakglass\":true}]}",
			s->vm, (long long)epoch));

	assert_int_equal(r.status, 200);
	return text_at(r.json, "words.0.verdict");
}

static bool happened(struct scene *s, const char *type)
{
	struct reply r = expect(s->w, AUDITOR, "GET",
		fmt(s->w, "/v1/events?subject_id=%s&limit=200", s->vm), NULL, 200);

	return strstr(r.body, type) != NULL;
}

/* The next epoch, where break-glass is allowed, is adopted; nobody else owns the VM then. */
static void a_break_glass_epoch_is_adopted(void **state)
{
	struct scene *s = *state;

	world_write(s->w, allow_break_glass, s);
	assert_string_equal(after_break_glass(s, &s->other, 6), "granted");
	assert_true(happened(s, "vm.breakglass_adopted"));
	struct reply r = expect(s->w, LEAD, "GET", fmt(s->w, "/v1/vms/%s", s->vm), NULL, 200);

	assert_int_equal(number_at(r.json, "epoch"), 6);
	assert_string_equal(text_at(r.json, "host_id"), s->other.host_id);
	assert_string_equal(verdict(s, &s->owner, 5, "keep"), "superseded");
	assert_string_equal(after_break_glass(s, &s->other, 6), "granted");
}

/* Any other one is a conflict: nobody gets anything until people have chosen. */
static void another_epoch_is_a_conflict(void **state)
{
	static const int64_t epochs[] = { 5, 7 };
	struct scene *s = *state;

	for (size_t i = 0; i < UD_LEN(epochs); i++) {
		set_gate(s, UD_GATE_OPEN);
		world_write(s->w, allow_break_glass, s);
		assert_string_equal(after_break_glass(s, &s->other, epochs[i]), "refused");
		assert_true(happened(s, "vm.epoch_conflict"));
		assert_string_equal(verdict(s, &s->owner, 5, "keep"), "refused");
	}
}

/* Nor where nobody allowed it. */
static void break_glass_without_leave_is_a_conflict(void **state)
{
	struct scene *s = *state;

	assert_string_equal(after_break_glass(s, &s->other, 6), "refused");
	assert_true(happened(s, "vm.epoch_conflict"));
}

/* A host that does not know yet that it must ask its peer, too, is not let start. */
static void a_start_waits_until_the_host_knows_of_break_glass(void **state)
{
	struct scene *s = *state;

	world_write(s->w, allow_break_glass, s);
	assert_string_equal(verdict(s, &s->owner, 5, "start"), "refused");
	assert_string_equal(verdict(s, &s->owner, 5, "keep"), "granted");
	struct reply r = port_call(s->p, &s->owner, "POST", "/v1/agent/lease",
		fmt(s->w,
			"{\"nonce\":\"n\",\"asks\":[{\"vm_id\":\"%s\",\"epoch\":5,\"purpose\":\"start\",\"peer_start\":true}]}",
			s->vm));

	assert_string_equal(text_at(r.json, "words.0.verdict"), "granted");
}

static void many_questions_are_answered_in_order(void **state)
{
	struct scene *s = *state;
	struct reply r = port_call(s->p, &s->owner, "POST", "/v1/agent/lease",
		fmt(s->w,
			"{\"nonce\":\"x\",\"asks\":[{\"vm_id\":\"vm_none\",\"epoch\":1,\"purpose\":\"keep\"},"
			"{\"vm_id\":\"%s\",\"epoch\":5,\"purpose\":\"keep\"},"
			"{\"vm_id\":\"%s\",\"epoch\":4,\"purpose\":\"keep\"}]}",
			s->vm, s->vm));

	assert_int_equal(r.status, 200);
	assert_string_equal(text_at(r.json, "words.0.verdict"), "refused");
	assert_string_equal(text_at(r.json, "words.1.verdict"), "granted");
	assert_string_equal(text_at(r.json, "words.2.verdict"), "refused");
	r = port_call(s->p, &s->owner, "POST", "/v1/agent/lease", "{\"nonce\":\"x\",\"asks\":[]}");
	assert_int_equal(r.status, 200);
	r = port_call(
		s->p, &s->owner, "POST", "/v1/agent/lease", "{\"nonce\":\"x\",\"asks\":[{}]}");
	assert_int_equal(r.status, 422);
	r = port_call(s->p, &s->owner, "POST", "/v1/agent/lease", "{\"nonce\":\"x\",\"asks\":{}}");
	assert_int_equal(r.status, 422);
}

int main(void)
{
#define SCENE(test_) cmocka_unit_test_setup_teardown(test_, begin, end)
	const struct CMUnitTest tests[] = {
		SCENE(the_owner_of_the_epoch_gets_a_lease),
		SCENE(nobody_else_gets_one),
		SCENE(an_older_epoch_is_told_so),
		SCENE(the_gate_decides),
		SCENE(a_quarantined_agent_starts_nothing),
		SCENE(a_grant_is_waited_out_with_its_margin),
		SCENE(a_grant_by_another_clock_is_waited_out_from_first_sight),
		SCENE(a_shorter_lease_does_not_hide_a_longer_one),
		SCENE(a_lease_is_in_force_once_one_was_kept),
		SCENE(a_break_glass_epoch_is_adopted),
		SCENE(another_epoch_is_a_conflict),
		SCENE(break_glass_without_leave_is_a_conflict),
		SCENE(a_start_waits_until_the_host_knows_of_break_glass),
		SCENE(many_questions_are_answered_in_order),
	};
#undef SCENE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
