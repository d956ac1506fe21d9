/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases on the host, against a hypervisor in memory, a clock of the test's, and grantors and a
 * guard that say what the test wants: what is renewed, started, ended, and what is granted to the
 * peer. The guard's own process is tested in guard_test.c.
 */
#include "agent/lease.h"

#include <stdio.h>
#include <string.h>

#include "support/context.h"
#include "support/scripted.h"

#define VM "vm_01HZZZZZZZZZZZZZZZZZZZZZZZ"
#define BOOT "boot-2"

enum { L = 30, LEASE_MS = 30000, WAIT_MS = 45000 };

/* What a grantor of the test says. */
struct grantor {
	bool silent;
	unsigned verdict;
	int64_t epoch;   /* that it knows */
	int64_t late_ms; /* its answer takes so long */
	bool stale;      /* answers another question */
	int asked;
	unsigned purpose; /* of the last question */
	int64_t asked_epoch;
};

struct scene {
	struct ud_ctx *cx;
	struct ud_env env;
	int64_t now_ms;
	struct scripted *script;
	struct ud_hv *_Atomic hv;
	ud_journal *journal;
	ud_leases *leases;
	struct grantor server, peer;
	/* the guard's one entry */
	bool armed, killed, guard_dead;
	int64_t deadline_ms, guard_epoch;
	int arms;
	enum ud_power power_at_arm;
	const char *uuid;
	const char *dies_at; /* the agent's crash point; NULL = it lives */
};

static struct scene *scene_of(const struct ud_env *env)
{
	return env->data;
}

static int64_t standing_ms(const struct ud_env *env)
{
	return scene_of(env)->now_ms;
}

static enum ud_code say(struct ud_ctx *cx, struct scene *s, struct grantor *g,
	const struct ud_wire_lease *ask, struct ud_wire_leases *ret)
{
	struct ud_lease_ask *asks = NULL;
	struct ud_buf b = { 0 };
	size_t n = 0;

	g->asked++;
	UD_TRY(ud_shape_read_list(
		cx, &ud_lease_ask_shape, ask->asks.text, UD_LEASE_ASKS, &asks, &n));
	g->purpose = asks[0].purpose;
	g->asked_epoch = asks[0].epoch;
	s->now_ms += g->late_ms;
	if (g->silent)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "no answer");
	for (size_t i = 0; i < n; i++) {
		const struct ud_lease_word w = { .vm_id = asks[i].vm_id,
			.verdict = g->verdict,
			.seconds = g->verdict == UD_LEASE_GRANTED ? L : 0,
			.epoch = g->epoch,
			.reason = g->verdict == UD_LEASE_GRANTED ? NULL : "it is so" };

		ud_buf_putc(&b, i ? ',' : '[');
		ud_shape_encode(&b, &ud_lease_word_shape, &w, NULL);
	}
	ud_buf_putc(&b, ']');
	ret->nonce = g->stale ? "another" : ask->nonce;
	ret->words.text = ud_buf_take(cx->arena, &b);
	return UD_OK;
}

static enum ud_code server(
	struct ud_ctx *cx, void *data, const struct ud_wire_lease *ask, struct ud_wire_leases *ret)
{
	struct scene *s = data;

	return say(cx, s, &s->server, ask, ret);
}

static enum ud_code peer(struct ud_ctx *cx, void *data, const char *vm_id,
	const struct ud_wire_lease *ask, struct ud_wire_leases *ret)
{
	struct scene *s = data;

	assert_string_equal(vm_id, VM);
	return say(cx, s, &s->peer, ask, ret);
}

static enum ud_code arm(
	struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm, int64_t deadline_ms)
{
	struct scene *s = data;

	if (s->guard_dead)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "no guard");
	s->arms++;
	s->power_at_arm = scripted_power(s->script, vm->uuid);
	s->armed = true;
	s->killed = false;
	s->deadline_ms = deadline_ms;
	s->guard_epoch = vm->epoch;
	return UD_OK;
}

static enum ud_code renew(
	struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm, int64_t deadline_ms)
{
	struct scene *s = data;

	(void)vm;
	if (s->guard_dead)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "no guard");
	if (!s->armed || s->killed)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "not armed");
	if (deadline_ms > s->deadline_ms)
		s->deadline_ms = deadline_ms;
	return UD_OK;
}

static enum ud_code disarm(struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm)
{
	struct scene *s = data;

	(void)cx, (void)vm;
	s->armed = false;
	return UD_OK;
}

static enum ud_code held(struct ud_ctx *cx, void *data, ud_lease_holding *each, void *each_data)
{
	struct scene *s = data;
	const struct ud_lease_held h = { s->uuid, s->guard_epoch, s->deadline_ms, s->killed };

	(void)cx;
	if (s->armed)
		each(each_data, &h);
	return UD_OK;
}

/* What the guard does when the time comes. */
static void pass(struct scene *s, int64_t ms)
{
	s->now_ms += ms;
	if (s->armed && !s->killed && s->now_ms >= s->deadline_ms) {
		s->killed = true;
		scripted_set_power(s->script, s->uuid, UD_POWER_OFF);
	}
}

static bool dies(void *data, const char *point)
{
	const struct scene *s = data;

	return s->dies_at && strcmp(s->dies_at, point) == 0;
}

static void restart(struct scene *s)
{
	const struct ud_lease_settings settings = { .journal = s->journal,
		.hv = &s->hv,
		.host_boot = BOOT,
		.calls = { server, peer, arm, renew, disarm, held, s },
		.dies = dies,
		.dies_data = s };

	ud_leases_release(&s->leases);
	s->leases = ud_leases_new(&s->env, &settings);
}

static void put(struct scene *s, struct ud_journal_vm vm)
{
	vm.vm_id = VM;
	vm.uuid = s->uuid;
	vm.lease_seconds = L;
	if (!vm.epoch)
		vm.epoch = 5;
	vm.permit_ms = vm.promised = vm.granted = UD_NONE;
	assert_int_equal(ud_journal_vm_put(s->cx, s->journal, &vm), UD_OK);
}

static struct ud_journal_vm get(struct scene *s)
{
	struct ud_journal_vm vm = { 0 };
	bool found = false;

	assert_int_equal(ud_journal_vm_get(s->cx, s->journal, VM, &found, &vm), UD_OK);
	assert_true(found);
	return vm;
}

/* A primary under policy lease that runs and is guarded. */
static void leased(struct scene *s)
{
	put(s,
		(struct ud_journal_vm){ .role = UD_VM_ROLE_PRIMARY,
			.policy = UD_POLICY_LEASE,
			.wanted = true,
			.host_boot = BOOT });
	scripted_set_power(s->script, s->uuid, UD_POWER_RUNNING);
	s->armed = true;
	s->guard_epoch = 5;
	s->deadline_ms = s->now_ms + LEASE_MS;
}

static int begin(void **state)
{
	static int worlds;

	context_begin(state);
	struct ud_ctx *cx = *state;
	struct scene *s = ud_alloc(cx->arena, sizeof(*s));

	*s = (struct scene){ .cx = cx, .env = *cx->env, .now_ms = 1000000 };
	s->env.mono_ms = standing_ms;
	s->env.data = s;
	s->server = s->peer = (struct grantor){ .verdict = UD_LEASE_GRANTED, .epoch = 5 };
	s->script = scripted_begin(ud_printf(cx->arena, "lease-%d", worlds++));
	s->uuid = scripted_uuid(s->script, 1);
	scripted_add(s->script, s->uuid, "db-1");
	struct ud_hv *hv = NULL;

	assert_int_equal(
		ud_hv_open(cx, scripted_drivers, scripted_uri(s->script), NULL, NULL, &hv), UD_OK);
	s->hv = hv;
	assert_int_equal(ud_journal_open(cx, context_path(cx, "journal.db"), &s->journal), UD_OK);
	restart(s);
	*state = s;
	return 0;
}

static int end(void **state)
{
	struct scene *s = *state;
	void *cx = s->cx;

	ud_leases_release(&s->leases);
	ud_journal_release(&s->journal);
	struct ud_hv *hv = s->hv;

	ud_hv_close(&hv);
	scripted_end(s->script);
	return context_end(&cx);
}

static void look_renew(struct scene *s)
{
	int64_t next = 0;

	assert_int_equal(ud_leases_renew(s->cx, s->leases, &next), UD_OK);
	assert_in_range(next, 1, 1000);
}

static void look_tend(struct scene *s)
{
	int64_t next = 0;

	assert_int_equal(ud_leases_tend(s->cx, s->leases, &next), UD_OK);
	assert_in_range(next, 1, 1000);
}

/* ---- keeping ---- */

static void a_lease_counts_from_before_the_question(void **state)
{
	struct scene *s = *state;

	leased(s);
	pass(s, 10000);
	s->server.late_ms = 4000;
	int64_t sent = s->now_ms;

	look_renew(s);
	assert_int_equal(s->server.asked, 1);
	assert_int_equal(s->server.purpose, UD_LEASE_KEEP);
	assert_int_equal(s->server.asked_epoch, 5);
	assert_int_equal(s->deadline_ms, sent + LEASE_MS);
	assert_int_equal(s->peer.asked, 0);
	assert_int_equal(scripted_calls(s->script, "power"), 0);
}

static void it_is_asked_for_every_quarter(void **state)
{
	struct scene *s = *state;

	leased(s);
	look_renew(s);
	for (int i = 0; i < 7; i++) {
		pass(s, 1000);
		look_renew(s);
	}
	assert_int_equal(s->server.asked, 1);
	pass(s, 500);
	look_renew(s);
	assert_int_equal(s->server.asked, 2);
}

static void the_peer_is_enough_to_go_on(void **state)
{
	struct scene *s = *state;

	leased(s);
	pass(s, 10000);
	s->server.silent = true;
	s->server.late_ms = 5000;
	look_renew(s);
	assert_int_equal(s->peer.asked, 1);
	assert_int_equal(s->deadline_ms, s->now_ms + LEASE_MS);
	/* a server that says no is no newer epoch */
	s->server.silent = false;
	s->server.verdict = UD_LEASE_REFUSED;
	pass(s, 10000);
	look_renew(s);
	assert_int_equal(s->peer.asked, 2);
	assert_true(get(s).role == UD_VM_ROLE_PRIMARY);
}

static void without_anybody_the_guard_ends_it(void **state)
{
	struct scene *s = *state;

	leased(s);
	s->server.silent = s->peer.silent = true;
	int64_t last = s->deadline_ms;

	while (s->now_ms < last - 1000) {
		pass(s, 1000);
		look_renew(s);
		look_tend(s);
	}
	assert_int_equal(s->deadline_ms, last);
	assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_RUNNING);
	pass(s, 1000);
	assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_OFF);
	/* and it stays off until somebody grants a start */
	for (int i = 0; i < 20; i++) {
		pass(s, 1000);
		look_renew(s);
		look_tend(s);
	}
	assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_OFF);
	s->server.silent = false;
	pass(s, 10000);
	look_tend(s);
	assert_int_equal(s->server.purpose, UD_LEASE_START);
	assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_RUNNING);
	assert_true(s->armed && !s->killed && s->deadline_ms == s->now_ms + LEASE_MS);
	assert_int_equal(s->power_at_arm, UD_POWER_PAUSED);
}

static void an_answer_to_another_question_counts_for_nothing(void **state)
{
	struct scene *s = *state;

	leased(s);
	s->peer.silent = true;
	s->server.stale = true;
	int64_t last = s->deadline_ms;

	pass(s, 10000);
	look_renew(s);
	assert_int_equal(s->deadline_ms, last);
}

static void a_guard_that_was_started_anew_is_armed_again(void **state)
{
	struct scene *s = *state;

	leased(s);
	s->armed = false; /* it knows nothing any more */
	pass(s, 8000);
	look_renew(s);
	assert_int_equal(s->server.asked, 0); /* that is found by looking at what runs */
	look_tend(s);
	assert_int_equal(s->arms, 1);
	assert_int_equal(s->deadline_ms, s->now_ms + LEASE_MS);
	assert_int_equal(s->power_at_arm, UD_POWER_RUNNING);
}

/* Agent and guard were both away: nobody knows when its lease ended. */
static void what_runs_without_guard_and_leave_is_ended(void **state)
{
	struct scene *s = *state;

	leased(s);
	s->armed = false;
	s->server.silent = s->peer.silent = true;
	look_tend(s);
	assert_true(s->armed);
	assert_true(s->deadline_ms <= s->now_ms);
}

static void who_is_superseded_steps_down(void **state)
{
	struct scene *s = *state;

	for (int by_peer = 0; by_peer < 2; by_peer++) {
		s->server = s->peer = (struct grantor){ .verdict = UD_LEASE_GRANTED, .epoch = 5 };
		leased(s);
		pass(s, 10000);
		s->server.silent = by_peer;
		(by_peer ? &s->peer : &s->server)->verdict = UD_LEASE_SUPERSEDED;
		(by_peer ? &s->peer : &s->server)->epoch = 6;
		look_renew(s);
		assert_int_equal(get(s).role, UD_VM_ROLE_DISPLACED);
		assert_int_equal(get(s).epoch, 5); /* a command brings the new one */
		look_tend(s);
		assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_OFF);
		assert_false(s->armed);
		/* nothing starts it again */
		s->server = s->peer = (struct grantor){ .verdict = UD_LEASE_GRANTED, .epoch = 5 };
		assert_int_equal(ud_leases_start(s->cx, s->leases, VM), UD_E_INVALID_STATE);
		pass(s, 60000);
		look_tend(s);
		assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_OFF);
	}
}

/* Without policy lease nothing ends it but the news of a newer epoch. */
static void attest_asks_only_for_news(void **state)
{
	struct scene *s = *state;

	leased(s);
	put(s,
		(struct ud_journal_vm){ .role = UD_VM_ROLE_PRIMARY,
			.policy = UD_POLICY_ATTEST,
			.wanted = true,
			.host_boot = BOOT });
	s->armed = false;
	s->server.silent = s->peer.silent = true;
	for (int i = 0; i < 100; i++) {
		pass(s, 1000);
		look_renew(s);
		look_tend(s);
	}
	assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_RUNNING);
	assert_in_range(s->server.asked, 3, 4);
	assert_int_equal(s->arms, 0);
	s->peer.silent = false;
	s->peer.verdict = UD_LEASE_SUPERSEDED;
	s->peer.epoch = 6;
	pass(s, LEASE_MS);
	look_tend(s);
	look_tend(s);
	assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_OFF);
	assert_int_equal(get(s).role, UD_VM_ROLE_DISPLACED);
}

/* ---- starting ---- */

static void off_primary(struct scene *s, struct ud_journal_vm vm)
{
	vm.role = UD_VM_ROLE_PRIMARY;
	put(s, vm);
}

static void a_start_needs_the_servers_leave(void **state)
{
	static const unsigned policies[] = { UD_POLICY_ATTEST, UD_POLICY_LEASE, UD_POLICY_STONITH };
	struct scene *s = *state;

	for (size_t i = 0; i < UD_LEN(policies); i++) {
		scripted_set_power(s->script, s->uuid, UD_POWER_OFF);
		s->armed = false;
		off_primary(s, (struct ud_journal_vm){ .policy = policies[i] });
		s->server.silent = true;
		assert_int_equal(ud_leases_start(s->cx, s->leases, VM), UD_E_UNAVAILABLE);
		s->server.silent = false;
		s->server.verdict = UD_LEASE_REFUSED;
		assert_int_equal(ud_leases_start(s->cx, s->leases, VM), UD_E_INVALID_STATE);
		assert_non_null(strstr(s->cx->problem.detail, "it is so"));
		assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_OFF);
		assert_true(get(s).permit_ms == UD_NONE);
		s->server.verdict = UD_LEASE_GRANTED;
		assert_int_equal(ud_leases_start(s->cx, s->leases, VM), UD_OK);
		assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_RUNNING);
		/* it stood still until the guard held it, which it goes on doing under lease */
		assert_int_equal(s->power_at_arm, UD_POWER_PAUSED);
		assert_int_equal(s->armed, policies[i] == UD_POLICY_LEASE);
		assert_true(get(s).wanted && get(s).permit_ms == UD_NONE);
		assert_string_equal(get(s).host_boot, BOOT);
	}
	assert_int_equal(s->peer.asked, 0);
}

/* The model's rule 4: the server may not know of a break-glass on the other side. */
static void where_break_glass_is_allowed_the_peer_must_agree(void **state)
{
	struct scene *s = *state;

	off_primary(s, (struct ud_journal_vm){ .policy = UD_POLICY_ATTEST, .peer_start = true });
	s->peer.silent = true;
	assert_int_equal(ud_leases_start(s->cx, s->leases, VM), UD_E_UNAVAILABLE);
	s->peer.silent = false;
	s->peer.verdict = UD_LEASE_SUPERSEDED;
	s->peer.epoch = 6;
	assert_int_equal(ud_leases_start(s->cx, s->leases, VM), UD_E_INVALID_STATE);
	assert_int_equal(get(s).role, UD_VM_ROLE_DISPLACED);
	/* promoted with the peer fenced, the server's word is enough, once */
	off_primary(s,
		(struct ud_journal_vm){
			.policy = UD_POLICY_ATTEST, .peer_start = true, .fast_start = true });
	s->peer.silent = true;
	assert_int_equal(ud_leases_start(s->cx, s->leases, VM), UD_OK);
	assert_false(get(s).fast_start);
	scripted_set_power(s->script, s->uuid, UD_POWER_OFF);
	assert_int_equal(ud_leases_start(s->cx, s->leases, VM), UD_E_UNAVAILABLE);
	s->peer = (struct grantor){ .verdict = UD_LEASE_GRANTED, .epoch = 5 };
	assert_int_equal(ud_leases_start(s->cx, s->leases, VM), UD_OK);
	assert_int_equal(s->peer.purpose, UD_LEASE_START);
}

static void who_may_not_run_is_not_started(void **state)
{
	static const struct {
		unsigned role;
		bool hold;
	} rows[] = { { UD_VM_ROLE_REPLICA, false }, { UD_VM_ROLE_DISPLACED, false },
		{ UD_VM_ROLE_PRIMARY, true } };
	struct scene *s = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		put(s,
			(struct ud_journal_vm){ .role = rows[i].role,
				.policy = UD_POLICY_ATTEST,
				.hold = rows[i].hold,
				.wanted = true });
		assert_int_equal(ud_leases_start(s->cx, s->leases, VM), UD_E_INVALID_STATE);
		look_tend(s);
		assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_OFF);
	}
	assert_int_equal(s->server.asked, 0);
}

/* The agent was frozen between question and start: its leave is over. */
static void a_leave_that_has_ended_starts_nothing(void **state)
{
	struct scene *s = *state;

	off_primary(s, (struct ud_journal_vm){ .policy = UD_POLICY_ATTEST });
	s->server.late_ms = LEASE_MS;
	assert_int_equal(ud_leases_start(s->cx, s->leases, VM), UD_E_NOT_IN_TIME);
	assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_OFF);
	/* without a guard nothing is started either */
	s->server.late_ms = 0;
	s->guard_dead = true;
	assert_int_equal(ud_leases_start(s->cx, s->leases, VM), UD_E_UNAVAILABLE);
	assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_OFF);
}

/* Boot hold: a primary that ran before the machine went down waits for leave. */
static void after_a_boot_nothing_starts_without_leave(void **state)
{
	struct scene *s = *state;

	off_primary(s,
		(struct ud_journal_vm){
			.policy = UD_POLICY_ATTEST, .wanted = true, .host_boot = "boot-1" });
	s->server.silent = true;
	for (int i = 0; i < 60; i++) {
		look_tend(s);
		pass(s, 1000);
	}
	assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_OFF);
	assert_in_range(s->server.asked, 7, 9);
	s->server.silent = false;
	pass(s, 10000);
	look_tend(s);
	assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_RUNNING);
	assert_string_equal(get(s).host_boot, BOOT);
}

/* … and one that is owned elsewhere by now never starts. */
static void after_a_boot_the_old_primary_steps_down(void **state)
{
	struct scene *s = *state;

	off_primary(s,
		(struct ud_journal_vm){
			.policy = UD_POLICY_ATTEST, .wanted = true, .host_boot = "boot-1" });
	s->server.verdict = UD_LEASE_SUPERSEDED;
	s->server.epoch = 6;
	look_tend(s);
	assert_int_equal(get(s).role, UD_VM_ROLE_DISPLACED);
	assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_OFF);
}

static void a_guest_that_ends_itself_stays_off(void **state)
{
	struct scene *s = *state;

	leased(s);
	look_tend(s);
	scripted_set_power(s->script, s->uuid, UD_POWER_OFF);
	for (int i = 0; i < 10; i++) {
		pass(s, 10000);
		look_tend(s);
	}
	assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_OFF);
	assert_false(get(s).wanted);
}

/* An agent that ends at this point of a start which nobody but a command wants. */
static void cut_off(struct scene *s, const char *point, bool hold)
{
	put(s,
		(struct ud_journal_vm){ .role = UD_VM_ROLE_PRIMARY,
			.policy = UD_POLICY_ATTEST,
			.host_boot = BOOT });
	s->dies_at = point;
	assert_int_equal(ud_leases_start(s->cx, s->leases, VM), UD_E_OUTCOME_UNKNOWN);
	ud_ctx_clear(s->cx);
	s->dies_at = NULL;
	restart(s);
	if (hold) {
		struct ud_journal_vm vm = get(s);

		vm.hold = true;
		assert_int_equal(ud_journal_vm_put(s->cx, s->journal, &vm), UD_OK);
	}
}

/* Its command may go on as long as the leave lasts; then it does not stand still for ever. */
static void what_a_start_left_standing_is_switched_off(void **state)
{
	struct scene *s = *state;

	for (int hold = 0; hold < 2; hold++) {
		scripted_set_power(s->script, s->uuid, UD_POWER_OFF);
		cut_off(s, "standing", hold);
		s->server.silent = true;
		assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_PAUSED);
		look_tend(s);
		assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_PAUSED);
		pass(s, LEASE_MS);
		look_tend(s);
		assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_OFF);
		assert_int_equal(get(s).permit_ms, UD_NONE);
		s->server.silent = false;
	}
	put(s, (struct ud_journal_vm){ .role = UD_VM_ROLE_PRIMARY, .policy = UD_POLICY_ATTEST });
	cut_off(s, "standing", false);
	assert_int_equal(ud_leases_start(s->cx, s->leases, VM), UD_OK);
	assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_RUNNING);
}

/* It got going before the agent ended: a pause that somebody orders later is a pause. */
static void a_pause_is_no_start_that_was_cut_off(void **state)
{
	struct scene *s = *state;

	cut_off(s, "running", false);
	assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_RUNNING);
	s->server.silent = true;
	s->armed = false;
	pass(s, LEASE_MS);
	look_tend(s);
	assert_int_equal(get(s).permit_ms, UD_NONE);
	scripted_set_power(s->script, s->uuid, UD_POWER_PAUSED);
	pass(s, LEASE_MS);
	look_tend(s);
	assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_PAUSED);
}

static void what_may_not_run_is_switched_off(void **state)
{
	struct scene *s = *state;

	put(s, (struct ud_journal_vm){ .role = UD_VM_ROLE_DISPLACED, .policy = UD_POLICY_ATTEST });
	scripted_set_power(s->script, s->uuid, UD_POWER_RUNNING);
	look_tend(s);
	assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_OFF);
}

static void break_glass_needs_nobody_until_the_server_is_back(void **state)
{
	struct scene *s = *state;

	off_primary(s,
		(struct ud_journal_vm){ .policy = UD_POLICY_LEASE,
			.wanted = true,
			.breakglass = true,
			.epoch = 6 });
	s->server.silent = s->peer.silent = true;
	look_tend(s);
	assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_RUNNING);
	for (int i = 0; i < 100; i++) {
		pass(s, 1000);
		look_renew(s);
		look_tend(s);
	}
	assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_RUNNING);
	assert_true(get(s).breakglass);
	assert_false(s->armed);
	/* the server takes the epoch over: from then on it is a VM as any other */
	s->server = (struct grantor){ .verdict = UD_LEASE_GRANTED, .epoch = 6 };
	pass(s, LEASE_MS);
	look_tend(s);
	assert_false(get(s).breakglass);
	look_tend(s);
	assert_true(s->armed);
}

/* ---- granting ---- */

static const char *ask_as_peer(struct scene *s, int64_t epoch)
{
	const char *answer = NULL;
	const char *question = ud_printf(s->cx->arena,
		"{\"nonce\":\"n\",\"asks\":[{\"vm_id\":\"%s\",\"epoch\":%lld,\"purpose\":\"keep\"}]}",
		VM, (long long)epoch);

	assert_int_equal(ud_leases_answer(s->cx, s->leases, VM, question, &answer), UD_OK);
	assert_non_null(strstr(answer, "\"nonce\":\"n\""));
	return answer;
}

static bool grants(struct scene *s, int64_t epoch)
{
	return strstr(ask_as_peer(s, epoch), "\"granted\"") != NULL;
}

static void promise(struct scene *s, int64_t wait_ms, bool seen)
{
	int64_t wait = -1;
	bool saw = false;

	assert_int_equal(ud_leases_promise(s->cx, s->leases, VM, &wait, &saw), UD_OK);
	assert_int_equal(wait, wait_ms);
	assert_int_equal(saw, seen);
}

static void a_replica_grants_until_it_promises_not_to(void **state)
{
	struct scene *s = *state;

	put(s, (struct ud_journal_vm){ .role = UD_VM_ROLE_REPLICA, .policy = UD_POLICY_LEASE });
	assert_true(grants(s, 5));
	assert_non_null(strstr(ask_as_peer(s, 5), "\"seconds\":30"));
	assert_non_null(strstr(ask_as_peer(s, 4), "\"superseded\""));
	assert_true(grants(s, 6)); /* the peer knows more than we */
	pass(s, 1000);
	promise(s, WAIT_MS - 1000, true);
	/* neither asking nor being asked for changes that */
	pass(s, 10000);
	assert_false(grants(s, 5));
	promise(s, WAIT_MS - 11000, true);
	pass(s, WAIT_MS);
	promise(s, 0, false);
	/* a newer epoch of the peer is none that we promised about */
	assert_true(grants(s, 6));
}

static void a_promise_survives_a_crash_and_grants_are_waited_out_anew(void **state)
{
	struct scene *s = *state;

	put(s, (struct ud_journal_vm){ .role = UD_VM_ROLE_REPLICA, .policy = UD_POLICY_LEASE });
	promise(s, 0, false); /* nothing was ever granted */
	restart(s);
	assert_false(grants(s, 5));
	put(s, (struct ud_journal_vm){ .role = UD_VM_ROLE_REPLICA, .policy = UD_POLICY_LEASE });
	assert_true(grants(s, 5));
	pass(s, 20000);
	restart(s);
	promise(s, WAIT_MS, false);
	pass(s, WAIT_MS);
	promise(s, 0, false);
}

static void only_a_replica_grants_and_promises(void **state)
{
	static const unsigned roles[] = { UD_VM_ROLE_FREE, UD_VM_ROLE_PRIMARY,
		UD_VM_ROLE_DISPLACED };
	struct scene *s = *state;
	int64_t wait = 0;
	const char *answer = NULL;
	bool seen = false;

	for (size_t i = 0; i < UD_LEN(roles); i++) {
		put(s, (struct ud_journal_vm){ .role = roles[i] });
		assert_false(grants(s, 5));
		assert_int_equal(
			ud_leases_promise(s->cx, s->leases, VM, &wait, &seen), UD_E_INVALID_STATE);
	}
	/* nor is one asked about another VM than the relation's */
	assert_int_equal(ud_leases_answer(s->cx, s->leases, "vm_other",
				 "{\"nonce\":\"n\",\"asks\":[{\"vm_id\":\"" VM
				 "\",\"epoch\":5,\"purpose\":\"keep\"}]}",
				 &answer),
		UD_E_VALIDATION);
	assert_int_equal(
		ud_leases_answer(s->cx, s->leases, VM, "{\"nonce\":\"n\",\"asks\":[]}", &answer),
		UD_E_VALIDATION);
}

int main(void)
{
#define SCENE(test_) cmocka_unit_test_setup_teardown(test_, begin, end)
	const struct CMUnitTest tests[] = {
		SCENE(a_lease_counts_from_before_the_question),
		SCENE(it_is_asked_for_every_quarter),
		SCENE(the_peer_is_enough_to_go_on),
		SCENE(without_anybody_the_guard_ends_it),
		SCENE(an_answer_to_another_question_counts_for_nothing),
		SCENE(a_guard_that_was_started_anew_is_armed_again),
		SCENE(what_runs_without_guard_and_leave_is_ended),
		SCENE(who_is_superseded_steps_down),
		SCENE(attest_asks_only_for_news),
		SCENE(a_start_needs_the_servers_leave),
		SCENE(where_break_glass_is_allowed_the_peer_must_agree),
		SCENE(who_may_not_run_is_not_started),
		SCENE(a_leave_that_has_ended_starts_nothing),
		SCENE(after_a_boot_nothing_starts_without_leave),
		SCENE(after_a_boot_the_old_primary_steps_down),
		SCENE(a_guest_that_ends_itself_stays_off),
		SCENE(what_a_start_left_standing_is_switched_off),
		SCENE(a_pause_is_no_start_that_was_cut_off),
		SCENE(what_may_not_run_is_switched_off),
		SCENE(break_glass_needs_nobody_until_the_server_is_back),
		SCENE(a_replica_grants_until_it_promises_not_to),
		SCENE(a_promise_survives_a_crash_and_grants_are_waited_out_anew),
		SCENE(only_a_replica_grants_and_promises),
	};
#undef SCENE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
