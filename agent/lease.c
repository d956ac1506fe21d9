/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holder and grantor. The holder counts from before it sends its question; a lease never gets
 * shorter; an answer counts for its own question alone. The mutex covers the memory of this file
 * and is never held across a call to anybody.
 */
#include "agent/lease.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "base/log.h"

/* Standard length of a lease where the journal has none; bounds of the time between two looks. */
enum { LEASE_SECONDS = 30, ID = 40, LOOK_LEAST_MS = 50, LOOK_MOST_MS = 1000 };

/* What is remembered of a VM beside the journal. */
struct slot {
	struct slot *next;
	char vm_id[ID];
	int64_t asked_ms;   /* when its lease was asked for last; UD_NONE = never */
	int64_t until_ms;   /* when the lease ends that it has; UD_NONE = it has none */
	int64_t granted_ms; /* when the peer was granted one last; UD_NONE = not by this process */
	int64_t peer_ms;    /* when the peer asked last; UD_NONE = never */
	bool ran;           /* this process saw it running */
	bool starting;      /* somebody is about to start it */
};

struct ud_leases {
	const struct ud_env *env;
	struct ud_lease_settings s;
	int64_t began_ms;
	pthread_mutex_t mutex;
	struct slot *slots;
};

ud_leases *ud_leases_new(const struct ud_env *env, const struct ud_lease_settings *settings)
{
	ud_leases *l = ud_malloc(sizeof(*l));

	*l = (ud_leases){ .env = env, .s = *settings, .began_ms = ud_mono_ms(env) };
	pthread_mutex_init(&l->mutex, NULL);
	return l;
}

void ud_leases_release(ud_leases **leases)
{
	ud_leases *l = *leases;

	if (!l)
		return;
	for (struct slot *s = l->slots, *next; s; s = next) {
		next = s->next;
		ud_free(s);
	}
	pthread_mutex_destroy(&l->mutex);
	ud_free(l);
	*leases = NULL;
}

/* The slot of a VM; under the mutex. */
static struct slot *slot_of(ud_leases *l, const char *vm_id)
{
	struct slot *s = l->slots;

	while (s && strcmp(s->vm_id, vm_id) != 0)
		s = s->next;
	if (s)
		return s;
	s = ud_malloc(sizeof(*s));
	*s = (struct slot){ .next = l->slots,
		.asked_ms = UD_NONE,
		.until_ms = UD_NONE,
		.granted_ms = UD_NONE,
		.peer_ms = UD_NONE };
	snprintf(s->vm_id, sizeof(s->vm_id), "%s", vm_id);
	l->slots = s;
	return s;
}

static struct slot read_slot(ud_leases *l, const char *vm_id)
{
	pthread_mutex_lock(&l->mutex);
	struct slot s = *slot_of(l, vm_id);

	pthread_mutex_unlock(&l->mutex);
	return s;
}

static int64_t seconds_of(const struct ud_journal_vm *vm)
{
	return vm->lease_seconds > 0 ? vm->lease_seconds : LEASE_SECONDS;
}

/* ---- the VMs of the journal ---- */

struct vms {
	struct ud_journal_vm *at;
	size_t n, room;
};

static enum ud_code collect(struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm)
{
	struct vms *v = data;

	if (v->n == v->room) {
		size_t room = v->room ? v->room * 2 : 16;
		struct ud_journal_vm *more = ud_alloc(cx->arena, room * sizeof(*more));

		if (v->n)
			memcpy(more, v->at, v->n * sizeof(*more));
		v->at = more;
		v->room = room;
	}
	v->at[v->n++] = *vm;
	return UD_OK;
}

/* ---- what the guard holds ---- */

struct holdings {
	struct ud_ctx *cx;
	struct ud_lease_held *at;
	size_t n, room;
};

static void hold(void *data, const struct ud_lease_held *held)
{
	struct holdings *h = data;

	if (h->n == h->room) {
		size_t room = h->room ? h->room * 2 : 16;
		struct ud_lease_held *more = ud_alloc(h->cx->arena, room * sizeof(*more));

		if (h->n)
			memcpy(more, h->at, h->n * sizeof(*more));
		h->at = more;
		h->room = room;
	}
	h->at[h->n] = *held;
	h->at[h->n++].uuid = ud_strdup(h->cx->arena, held->uuid);
}

static const struct ud_lease_held *held_for(const struct holdings *h, const char *uuid)
{
	for (size_t i = 0; i < h->n; i++)
		if (strcmp(h->at[i].uuid, uuid) == 0)
			return &h->at[i];
	return NULL;
}

static bool any_primary(const struct vms *v)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->at[i].role == UD_VM_ROLE_PRIMARY)
			return true;
	return false;
}

/* Journal and guard, as they are now. Without a primary the guard has nothing of ours. */
static enum ud_code take_stock(
	struct ud_ctx *cx, ud_leases *l, struct vms *ret, struct holdings *ret_held)
{
	*ret = (struct vms){ 0 };
	*ret_held = (struct holdings){ .cx = cx };
	UD_TRY(ud_journal_vm_visit(cx, l->s.journal, collect, ret));
	if (!any_primary(ret))
		return UD_OK;
	return l->s.calls.held(cx, l->s.calls.data, hold, ret_held);
}

/* ---- questions ---- */

/* Questions that go out together, and what came back for each. */
struct round {
	struct ud_journal_vm vm[UD_LEASE_ASKS];
	unsigned purpose[UD_LEASE_ASKS];
	bool guarded[UD_LEASE_ASKS];              /* policy lease, and the guard holds it */
	struct ud_lease_word word[UD_LEASE_ASKS]; /* vm_id NULL: no answer */
	int64_t sent_ms;
	size_t n;
};

static void write_question(
	struct ud_ctx *cx, const struct round *r, size_t from, size_t n, struct ud_wire_lease *ret)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char chance[UD_LEASE_NONCE / 2];
	char *nonce = ud_alloc(cx->arena, UD_LEASE_NONCE + 1);
	struct ud_buf b = { 0 };

	ud_random(cx->env, chance, sizeof(chance));
	for (size_t i = 0; i < sizeof(chance); i++) {
		nonce[2 * i] = digits[chance[i] >> 4];
		nonce[2 * i + 1] = digits[chance[i] & 15];
	}
	ud_buf_putc(&b, '[');
	for (size_t i = from; i < from + n; i++) {
		const struct ud_lease_ask ask = { .vm_id = r->vm[i].vm_id,
			.epoch = r->vm[i].epoch,
			.purpose = r->purpose[i],
			.peer_start = r->vm[i].peer_start,
			.breakglass = r->vm[i].breakglass,
			.guarded = r->guarded[i] };

		if (i > from)
			ud_buf_putc(&b, ',');
		ud_shape_encode(&b, &ud_lease_ask_shape, &ask, NULL);
	}
	ud_buf_putc(&b, ']');
	*ret = (struct ud_wire_lease){ .nonce = nonce,
		.asks.text = ud_strdup(cx->arena, ud_buf_text(&b)) };
	ud_buf_free(&b);
}

/* Take the words that belong to these questions; anything else is no answer. */
static enum ud_code read_answer(struct ud_ctx *cx, struct round *r, size_t from, size_t n,
	const struct ud_wire_lease *ask, const struct ud_wire_leases *answer)
{
	struct ud_lease_word *words = NULL;
	size_t count = 0;

	if (!answer->nonce || strcmp(answer->nonce, ask->nonce) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "an answer to another question");
	UD_TRY(ud_shape_read_list(
		cx, &ud_lease_word_shape, answer->words.text, UD_LEASE_ASKS, &words, &count));
	if (count != n)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "an answer of the wrong length");
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i].vm_id, r->vm[from + i].vm_id) == 0)
			r->word[from + i] = words[i];
	return UD_OK;
}

static void note_asked(ud_leases *l, const struct round *r)
{
	pthread_mutex_lock(&l->mutex);
	for (size_t i = 0; i < r->n; i++)
		slot_of(l, r->vm[i].vm_id)->asked_ms = r->sent_ms;
	pthread_mutex_unlock(&l->mutex);
}

static void ask_server(struct ud_ctx *cx, ud_leases *l, struct round *r)
{
	struct ud_wire_lease ask;
	struct ud_wire_leases answer = { 0 };

	if (!r->n)
		return;
	write_question(cx, r, 0, r->n, &ask);
	r->sent_ms = ud_mono_ms(l->env);
	note_asked(l, r);
	enum ud_code code = l->s.calls.server(cx, l->s.calls.data, &ask, &answer);

	if (code == UD_OK)
		code = read_answer(cx, r, 0, r->n, &ask, &answer);
	if (code != UD_OK)
		ud_log(UD_LOG_DEBUG, "lease_unanswered", "by", "server", "reason",
			cx->problem.detail ? cx->problem.detail : "", NULL);
	ud_ctx_clear(cx);
}

/* The peer is asked about one VM; *ret_sent = when. */
static enum ud_code ask_peer(
	struct ud_ctx *cx, ud_leases *l, struct round *r, size_t i, int64_t *ret_sent)
{
	struct ud_wire_lease ask;
	struct ud_wire_leases answer = { 0 };

	if (!l->s.calls.peer)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the VM has no peer");
	write_question(cx, r, i, 1, &ask);
	*ret_sent = ud_mono_ms(l->env);
	UD_TRY(l->s.calls.peer(cx, l->s.calls.data, r->vm[i].vm_id, &ask, &answer));
	return read_answer(cx, r, i, 1, &ask, &answer);
}

/* Any answer will do to go on, and a newer epoch at either counts. */
static bool answered(const struct ud_lease_word *w)
{
	return w->vm_id && w->verdict != UD_LEASE_REFUSED;
}

/* ---- superseded ---- */

struct older {
	int64_t epoch; /* that somebody else has */
	bool changed;
};

static enum ud_code displace(struct ud_ctx *cx, void *data, bool found, struct ud_journal_vm *vm)
{
	struct older *o = data;

	if (!found || vm->role != UD_VM_ROLE_PRIMARY || vm->epoch >= o->epoch)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "%s is no older primary", vm->vm_id);
	vm->role = UD_VM_ROLE_DISPLACED;
	vm->wanted = vm->fast_start = vm->breakglass = false;
	vm->permit_ms = UD_NONE;
	o->changed = true;
	return UD_OK;
}

/* First it may not run any more, then it is switched off: a crash between leaves what must not
 * start, and ud_leases_tend goes on. */
static void step_down(struct ud_ctx *cx, ud_leases *l, const char *vm_id, int64_t epoch)
{
	struct older o = { .epoch = epoch };
	enum ud_code code = ud_journal_vm_change(cx, l->s.journal, vm_id, displace, &o);

	if (code == UD_OK)
		ud_log(UD_LOG_WARNING, "superseded", "vm", vm_id, NULL);
	else if (code != UD_E_INVALID_STATE)
		ud_log(UD_LOG_ERROR, "journal_failed", "reason", cx->problem.detail, NULL);
	ud_ctx_clear(cx);
}

/* ---- renewing ---- */

static bool is_due(ud_leases *l, const struct ud_journal_vm *vm, int64_t every_ms, int64_t *next)
{
	int64_t now = ud_mono_ms(l->env), asked = read_slot(l, vm->vm_id).asked_ms;
	int64_t left = asked == UD_NONE ? 0 : asked + every_ms - now;

	int64_t again = left > 0 ? left : every_ms;

	if (again < *next)
		*next = again;
	return left <= 0;
}

static enum ud_code clear_breakglass(
	struct ud_ctx *cx, void *data, bool found, struct ud_journal_vm *vm)
{
	const int64_t *epoch = data;

	if (!found || !vm->breakglass || vm->epoch != *epoch)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "nothing to reconcile");
	vm->breakglass = false;
	return UD_OK;
}

/* The server has taken the break-glass epoch for its own. */
static void reconciled(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm)
{
	int64_t epoch = vm->epoch;

	if (vm->breakglass &&
		ud_journal_vm_change(cx, l->s.journal, vm->vm_id, clear_breakglass, &epoch) ==
			UD_OK)
		ud_log(UD_LOG_INFO, "breakglass_adopted", "vm", vm->vm_id, NULL);
	ud_ctx_clear(cx);
}

/* A lease never gets shorter. */
static void note_until(ud_leases *l, const char *vm_id, int64_t until_ms)
{
	pthread_mutex_lock(&l->mutex);
	struct slot *s = slot_of(l, vm_id);

	s->until_ms = until_ms > s->until_ms ? until_ms : s->until_ms;
	pthread_mutex_unlock(&l->mutex);
}

/* Tell the guard; what it does not hold (it was started anew) is handed to it. */
static enum ud_code put_off(
	struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm, int64_t until_ms)
{
	note_until(l, vm->vm_id, until_ms);
	enum ud_code code = l->s.calls.renew(cx, l->s.calls.data, vm, until_ms);

	if (code != UD_E_NOT_FOUND)
		return code;
	ud_ctx_clear(cx);
	return l->s.calls.arm(cx, l->s.calls.data, vm, until_ms);
}

static void take_keep(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm,
	const struct ud_lease_word *w, int64_t sent_ms, bool by_server)
{
	if (w->verdict == UD_LEASE_SUPERSEDED) {
		step_down(cx, l, vm->vm_id, w->epoch);
		return;
	}
	if (by_server)
		reconciled(cx, l, vm);
	if (vm->policy == UD_POLICY_LEASE &&
		put_off(cx, l, vm, sent_ms + w->seconds * 1000) != UD_OK)
		ud_log(UD_LOG_WARNING, "lease_not_kept", "vm", vm->vm_id, "reason",
			cx->problem.detail, NULL);
	ud_ctx_clear(cx);
}

/* The server's leave, else the peer's: one of them is enough to go on. */
static void keep_all(struct ud_ctx *cx, ud_leases *l, struct round *r)
{
	ask_server(cx, l, r);
	for (size_t i = 0; i < r->n; i++)
		if (answered(&r->word[i]))
			take_keep(cx, l, &r->vm[i], &r->word[i], r->sent_ms, true);
	for (size_t i = 0; i < r->n; i++) {
		int64_t sent = 0;

		if (answered(&r->word[i]))
			continue;
		r->word[i] = (struct ud_lease_word){ 0 };
		if (ask_peer(cx, l, r, i, &sent) == UD_OK && answered(&r->word[i]))
			take_keep(cx, l, &r->vm[i], &r->word[i], sent, false);
		ud_ctx_clear(cx);
	}
}

static bool may_run(const struct ud_journal_vm *vm)
{
	return vm->role == UD_VM_ROLE_PRIMARY;
}

static void add_ask(struct round *r, const struct ud_journal_vm *vm, enum ud_lease_purpose purpose)
{
	if (r->n == UD_LEASE_ASKS)
		return; /* its turn comes at the next look, which is at once */
	r->vm[r->n] = *vm;
	r->purpose[r->n++] = purpose;
}

static void add_guarded(struct round *r, const struct ud_journal_vm *vm)
{
	if (r->n < UD_LEASE_ASKS)
		r->guarded[r->n] = true;
	add_ask(r, vm, UD_LEASE_KEEP);
}

static int64_t bounded(int64_t ms)
{
	if (ms < LOOK_LEAST_MS)
		return LOOK_LEAST_MS;
	return ms > LOOK_MOST_MS ? LOOK_MOST_MS : ms;
}

enum ud_code ud_leases_renew(struct ud_ctx *cx, ud_leases *l, int64_t *ret_next_ms)
{
	struct round *r = ud_alloc(cx->arena, sizeof(*r));
	int64_t next = LOOK_MOST_MS;
	struct holdings h;
	struct vms v;

	UD_TRY(take_stock(cx, l, &v, &h));
	for (size_t i = 0; i < v.n; i++) {
		const struct ud_lease_held *held = held_for(&h, v.at[i].uuid);

		if (held && !held->killed && may_run(&v.at[i]) &&
			v.at[i].policy == UD_POLICY_LEASE &&
			is_due(l, &v.at[i], seconds_of(&v.at[i]) * 1000 / 4, &next))
			add_guarded(r, &v.at[i]);
	}
	if (r->n == UD_LEASE_ASKS)
		next = 0;
	keep_all(cx, l, r);
	*ret_next_ms = bounded(next);
	return UD_OK;
}

/* ---- starting ---- */

static enum ud_code may_start(struct ud_ctx *cx, const struct ud_journal_vm *vm)
{
	if (vm->role != UD_VM_ROLE_PRIMARY)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"The VM is %s here: only a failover starts it.",
			ud_vm_roles.names[vm->role]);
	if (vm->hold)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"A failover has stopped the VM and holds it.");
	return UD_OK;
}

static enum ud_code granted(struct ud_ctx *cx, ud_leases *l, const struct round *r, const char *by)
{
	const struct ud_lease_word *w = &r->word[0];

	if (!w->vm_id)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL,
			"The VM may not run: the %s does not answer.", by);
	if (w->verdict == UD_LEASE_GRANTED)
		return UD_OK;
	const char *reason = w->reason ? w->reason : "it may not";

	if (w->verdict == UD_LEASE_SUPERSEDED)
		step_down(cx, l, r->vm[0].vm_id, w->epoch);
	return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM may not run: the %s says that %s.", by,
		reason);
}

/* Leave of the server, and of the peer where it counts. *ret_until: the end of the shorter one. */
static enum ud_code ask_start(
	struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm, int64_t *ret_until)
{
	struct round *r = ud_alloc(cx->arena, sizeof(*r));
	int64_t sent = 0, until;

	add_ask(r, vm, UD_LEASE_START);
	ask_server(cx, l, r);
	UD_TRY(granted(cx, l, r, "server"));
	until = r->sent_ms + r->word[0].seconds * 1000;
	if (vm->peer_start && !vm->fast_start) {
		r->word[0] = (struct ud_lease_word){ 0 };
		if (ask_peer(cx, l, r, 0, &sent) != UD_OK)
			ud_ctx_clear(cx);
		UD_TRY(granted(cx, l, r, "peer"));
		int64_t peers = sent + r->word[0].seconds * 1000;

		until = peers < until ? peers : until;
	}
	*ret_until = until;
	return UD_OK;
}

struct permit {
	const char *host_boot;
	int64_t epoch, until_ms;
	struct ud_journal_vm vm; /* as stored */
};

/* What was asked for may have changed since: the journal decides. */
static enum ud_code store_permit(
	struct ud_ctx *cx, void *data, bool found, struct ud_journal_vm *vm)
{
	struct permit *p = data;

	if (!found || vm->epoch != p->epoch)
		return ud_fail(
			cx, UD_E_INVALID_STATE, NULL, "The VM's epoch has changed meanwhile.");
	UD_TRY(may_start(cx, vm));
	vm->host_boot = p->host_boot;
	vm->permit_ms = p->until_ms;
	p->vm = *vm;
	return UD_OK;
}

/* It runs: the leave is used up, and so is the word that the peer was fenced. */
static enum ud_code store_started(
	struct ud_ctx *cx, void *data, bool found, struct ud_journal_vm *vm)
{
	const struct permit *p = data;

	if (!found || vm->epoch != p->epoch)
		return ud_fail(
			cx, UD_E_INVALID_STATE, NULL, "The VM's epoch has changed meanwhile.");
	vm->permit_ms = UD_NONE;
	vm->fast_start = false;
	vm->wanted = true;
	vm->host_boot = p->host_boot;
	return UD_OK;
}

/* Where a crash would hurt; see ud_act_point. */
static enum ud_code point(struct ud_ctx *cx, const ud_leases *l, const char *name)
{
	if (l->s.dies && l->s.dies(l->s.dies_data, name))
		return ud_fail(cx, UD_E_OUTCOME_UNKNOWN, NULL, "died at %s", name);
	return UD_OK;
}

static enum ud_code resume_in_time(
	struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm, int64_t until_ms)
{
	note_until(l, vm->vm_id, until_ms);
	enum ud_code code = l->s.calls.arm(cx, l->s.calls.data, vm, until_ms);

	/* where VMs are no processes, no guard can hold them: only policy lease needs one */
	if (code == UD_E_UNSUPPORTED && vm->policy != UD_POLICY_LEASE) {
		ud_ctx_clear(cx);
		code = UD_OK;
	}
	UD_TRY(code);
	UD_TRY(point(cx, l, "guarded"));
	if (ud_mono_ms(l->env) >= until_ms)
		return ud_fail(cx, UD_E_NOT_IN_TIME, NULL,
			"The leave to start had ended before the VM was ready.");
	UD_TRY(ud_hv_resume(cx, *l->s.hv, vm->uuid));
	return point(cx, l, "running");
}

/*
 * It stands still until the guard holds it: should we be frozen from here on, it is ended before
 * anybody else is promoted. Then, under other policies than lease, the guard lets it go.
 */
static enum ud_code start_guarded(
	struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm, int64_t until_ms)
{
	if (vm->breakglass)
		return ud_hv_start(cx, *l->s.hv, vm->uuid, 0);
	UD_TRY(ud_hv_start(cx, *l->s.hv, vm->uuid, UD_START_PAUSED));
	UD_TRY(point(cx, l, "standing"));
	enum ud_code code = resume_in_time(cx, l, vm, until_ms);

	if (code == UD_OK && vm->policy != UD_POLICY_LEASE)
		code = l->s.calls.disarm(cx, l->s.calls.data, vm);
	if (code != UD_OK && code != UD_E_OUTCOME_UNKNOWN) {
		struct ud_problem why = cx->problem;

		if (ud_hv_power_off(cx, *l->s.hv, vm->uuid) != UD_OK)
			ud_log(UD_LOG_ERROR, "not_switched_off", "vm", vm->vm_id, NULL);
		cx->problem = why;
	}
	return code;
}

/* It got going, and the agent ended before it could say so: all it lacks is what comes after. */
static enum ud_code go_on(
	struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm, int64_t until_ms)
{
	if (vm->breakglass)
		return UD_OK;
	return vm->policy == UD_POLICY_LEASE ? put_off(cx, l, vm, until_ms)
					     : l->s.calls.disarm(cx, l->s.calls.data, vm);
}

static void saw_running(ud_leases *l, const char *vm_id)
{
	pthread_mutex_lock(&l->mutex);
	slot_of(l, vm_id)->ran = true;
	pthread_mutex_unlock(&l->mutex);
}

static enum ud_code power_of(
	struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm, enum ud_power *ret)
{
	const char *raw = NULL;

	*ret = UD_POWER_UNKNOWN;
	return ud_hv_power(cx, *l->s.hv, vm->uuid, ret, &raw);
}

/* One at a time for each VM; false: somebody else is at it. */
static bool begin_start(ud_leases *l, const char *vm_id)
{
	pthread_mutex_lock(&l->mutex);
	struct slot *s = slot_of(l, vm_id);
	bool ours = !s->starting;

	s->starting = true;
	pthread_mutex_unlock(&l->mutex);
	return ours;
}

static void end_start(ud_leases *l, const char *vm_id, bool ran)
{
	pthread_mutex_lock(&l->mutex);
	struct slot *s = slot_of(l, vm_id);

	s->starting = false;
	s->ran |= ran;
	pthread_mutex_unlock(&l->mutex);
}

static enum ud_code start_permitted(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm)
{
	struct permit p = { .host_boot = l->s.host_boot, .epoch = vm->epoch };
	enum ud_power power;

	UD_TRY(may_start(cx, vm));
	if (vm->breakglass) /* two people have said so, and the journal has it */
		p.until_ms = ud_mono_ms(l->env) + LEASE_SECONDS * 1000;
	else
		UD_TRY(ask_start(cx, l, vm, &p.until_ms));
	UD_TRY(ud_journal_vm_change(cx, l->s.journal, vm->vm_id, store_permit, &p));
	UD_TRY(point(cx, l, "permitted"));
	UD_TRY(power_of(cx, l, vm, &power));
	UD_TRY(power == UD_POWER_RUNNING ? go_on(cx, l, &p.vm, p.until_ms)
					 : start_guarded(cx, l, &p.vm, p.until_ms));
	return ud_journal_vm_change(cx, l->s.journal, vm->vm_id, store_started, &p);
}

static enum ud_code start_with_leave(
	struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm)
{
	if (!begin_start(l, vm->vm_id))
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is being started.");
	enum ud_code code = start_permitted(cx, l, vm);

	end_start(l, vm->vm_id, code == UD_OK);
	return code;
}

enum ud_code ud_leases_start(struct ud_ctx *cx, ud_leases *l, const char *vm_id)
{
	struct ud_journal_vm vm = { 0 };
	enum ud_power power;
	bool found = false;

	UD_TRY(ud_journal_vm_get(cx, l->s.journal, vm_id, &found, &vm));
	if (!found)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "The journal has no VM %s.", vm_id);
	UD_TRY(power_of(cx, l, &vm, &power));
	if (power == UD_POWER_RUNNING && vm.permit_ms == UD_NONE && !vm.fast_start)
		return may_start(cx, &vm);
	if (vm.role == UD_VM_ROLE_FREE)
		return ud_hv_start(cx, *l->s.hv, vm.uuid, 0);
	return start_with_leave(cx, l, &vm);
}

enum ud_code ud_leases_adopt(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm)
{
	struct round *r = ud_alloc(cx->arena, sizeof(*r));

	add_ask(r, vm, UD_LEASE_KEEP);
	ask_server(cx, l, r);
	UD_TRY(granted(cx, l, r, "server"));
	return put_off(cx, l, vm, r->sent_ms + r->word[0].seconds * 1000);
}

void ud_leases_stopped(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm)
{
	if (vm->policy == UD_POLICY_LEASE)
		(void)!l->s.calls.disarm(cx, l->s.calls.data, vm);
	ud_ctx_clear(cx);
	pthread_mutex_lock(&l->mutex);
	slot_of(l, vm->vm_id)->ran = false;
	pthread_mutex_unlock(&l->mutex);
}

/* ---- tending ---- */

/* What must not run here is switched off, whatever brought it up. */
static void tend_forbidden(
	struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm, enum ud_power power)
{
	if (power == UD_POWER_OFF || power == UD_POWER_SAVED || power == UD_POWER_UNKNOWN)
		return;
	ud_log(UD_LOG_WARNING, "may_not_run", "vm", vm->vm_id, "role", ud_vm_roles.names[vm->role],
		NULL);
	if (ud_hv_power_off(cx, *l->s.hv, vm->uuid) == UD_OK)
		ud_leases_stopped(cx, l, vm);
	ud_ctx_clear(cx);
}

static enum ud_code stop_wanting(
	struct ud_ctx *cx, void *data, bool found, struct ud_journal_vm *vm)
{
	(void)data;
	if (!found || !vm->wanted)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "it was not wanted");
	vm->wanted = false;
	return UD_OK;
}

/*
 * A primary that is off: it is started again when the host's boot or the end of its lease took it
 * down, and not when its own guest, or a person, ended it.
 */
static void tend_off(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm,
	const struct ud_lease_held *held, int64_t *next)
{
	bool booted = !vm->host_boot || strcmp(vm->host_boot, l->s.host_boot) != 0;
	bool taken = booted || vm->breakglass || vm->fast_start || vm->permit_ms != UD_NONE ||
		(held && held->killed);

	if (!vm->wanted || vm->hold)
		return;
	if (!taken && read_slot(l, vm->vm_id).ran) {
		(void)!ud_journal_vm_change(cx, l->s.journal, vm->vm_id, stop_wanting, NULL);
		ud_leases_stopped(cx, l, vm);
		return;
	}
	if (!taken || !is_due(l, vm, seconds_of(vm) * 1000 / 4, next))
		return;
	if (start_with_leave(cx, l, vm) != UD_OK)
		ud_log(UD_LOG_WARNING, "not_started", "vm", vm->vm_id, "reason", cx->problem.detail,
			NULL);
	ud_ctx_clear(cx);
}

/* The leave to start has ended, and nobody is using it. */
static enum ud_code end_permit(struct ud_ctx *cx, void *data, bool found, struct ud_journal_vm *vm)
{
	const int64_t *now = data;

	if (!found || vm->permit_ms == UD_NONE || vm->permit_ms > *now)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "it may still be started");
	vm->permit_ms = UD_NONE;
	return UD_OK;
}

static bool permit_ended(ud_leases *l, const struct ud_journal_vm *vm)
{
	return vm->permit_ms != UD_NONE && vm->permit_ms <= ud_mono_ms(l->env);
}

/* What it was started for is over, one way or the other. */
static void forget_permit(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm)
{
	int64_t now = ud_mono_ms(l->env);

	(void)!ud_journal_vm_change(cx, l->s.journal, vm->vm_id, end_permit, &now);
	ud_ctx_clear(cx);
}

/*
 * A start that was cut off left it standing still, and its command did not go on while the leave
 * lasted: nobody wants it to run, so it is off. A pause that somebody ordered has no leave beside
 * it.
 */
static void tend_standing(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm)
{
	struct ud_journal_vm now = { 0 };
	enum ud_power power = UD_POWER_UNKNOWN;
	bool found = false;

	if (!permit_ended(l, vm) || !begin_start(l, vm->vm_id))
		return;
	/* looked at again, now that no start can come between */
	enum ud_code code = ud_journal_vm_get(cx, l->s.journal, vm->vm_id, &found, &now);

	if (code == UD_OK && found && permit_ended(l, &now))
		code = power_of(cx, l, vm, &power);
	if (code == UD_OK && power == UD_POWER_PAUSED) {
		ud_log(UD_LOG_WARNING, "start_cut_off", "vm", vm->vm_id, NULL);
		code = ud_hv_power_off(cx, *l->s.hv, vm->uuid);
		if (code == UD_OK)
			forget_permit(cx, l, vm);
	}
	ud_ctx_clear(cx);
	end_start(l, vm->vm_id, false);
}

/*
 * A primary that runs and that the guard does not hold. Under policy lease it is handed over with
 * the end that we know; when nobody knows it, the first answer decides whether it gets a lease, or
 * its end. Under the other policies the question is whether a newer epoch exists.
 */
static void tend_running(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm,
	const struct ud_lease_held *held, int64_t *next)
{
	struct round *r = ud_alloc(cx->arena, sizeof(*r));
	bool guarded = vm->policy == UD_POLICY_LEASE && !vm->breakglass;

	saw_running(l, vm->vm_id);
	if (permit_ended(l, vm))
		forget_permit(cx, l, vm);
	if (guarded && held && !held->killed)
		return;
	if (!guarded && held && !held->killed) /* it got going in time, or the guard had ended it */
		(void)!l->s.calls.disarm(cx, l->s.calls.data, vm);
	if (!guarded && !is_due(l, vm, seconds_of(vm) * 1000, next))
		return;
	int64_t until = read_slot(l, vm->vm_id).until_ms;

	if (guarded && until > ud_mono_ms(l->env)) {
		if (l->s.calls.arm(cx, l->s.calls.data, vm, until) != UD_OK)
			ud_log(UD_LOG_ERROR, "not_guarded", "vm", vm->vm_id, "reason",
				cx->problem.detail, NULL);
		ud_ctx_clear(cx);
		return;
	}
	add_ask(r, vm, UD_LEASE_KEEP);
	keep_all(cx, l, r);
	if (guarded && !answered(&r->word[0])) {
		ud_log(UD_LOG_WARNING, "no_lease", "vm", vm->vm_id, NULL);
		(void)!l->s.calls.arm(cx, l->s.calls.data, vm, ud_mono_ms(l->env));
	}
	ud_ctx_clear(cx);
}

/* ---- break-glass ---- */

static enum ud_code take_newest(struct ud_ctx *cx, void *data, const struct ud_point *p)
{
	const char **newest = data;

	if (!*newest && (p->state == UD_POINT_COMPLETE || p->state == UD_POINT_VERIFIED))
		*newest = ud_strdup(cx->arena, p->id);
	return UD_OK;
}

/* The newest point becomes the VM's disks; what is so already stays. */
static enum ud_code bring_up(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm)
{
	struct ud_hv_promotion promotion = { 0 };
	struct ud_hv_promoted promoted = { 0 };

	UD_TRY(ud_journal_noted(cx, l->s.journal, ud_printf(cx->arena, UD_NOTE_RELATION, vm->vm_id),
		&promotion.replication_id));
	if (!promotion.replication_id)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "the VM has no replication here");
	UD_TRY(ud_hv_points(
		cx, *l->s.hv, promotion.replication_id, take_newest, &promotion.point_id));
	if (!promotion.point_id)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "the VM has no whole point here");
	UD_TRY(ud_hv_fail_over(cx, *l->s.hv, &promotion, &promoted));
	return start_with_leave(cx, l, vm);
}

static void tend_breakglass(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm)
{
	enum ud_code code = bring_up(cx, l, vm);

	ud_log(code == UD_OK ? UD_LOG_WARNING : UD_LOG_ERROR, "breakglass", "vm", vm->vm_id,
		"started", code == UD_OK ? "yes" : "no", "reason",
		code == UD_OK ? NULL : cx->problem.detail, NULL);
	ud_ctx_clear(cx);
}

static void tend(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm,
	const struct ud_lease_held *held, int64_t *next)
{
	enum ud_power power;

	if (vm->role == UD_VM_ROLE_FREE)
		return;
	if (vm->role == UD_VM_ROLE_PRIMARY && vm->breakglass && !vm->wanted) {
		tend_breakglass(cx, l, vm);
		return;
	}
	if (power_of(cx, l, vm, &power) != UD_OK) {
		ud_ctx_clear(cx); /* a replica need not be known to the hypervisor */
		return;
	}
	if (!may_run(vm))
		tend_forbidden(cx, l, vm, power);
	else if (power == UD_POWER_RUNNING)
		tend_running(cx, l, vm, held, next);
	else if (power == UD_POWER_PAUSED && (!vm->wanted || vm->hold))
		tend_standing(cx, l, vm);
	else if (power == UD_POWER_OFF || (power == UD_POWER_PAUSED && vm->permit_ms != UD_NONE))
		tend_off(cx, l, vm, held, next);
}

enum ud_code ud_leases_tend(struct ud_ctx *cx, ud_leases *l, int64_t *ret_next_ms)
{
	int64_t next = LOOK_MOST_MS;
	struct holdings h;
	struct vms v;

	UD_TRY(take_stock(cx, l, &v, &h));
	for (size_t i = 0; i < v.n; i++)
		tend(cx, l, &v.at[i], held_for(&h, v.at[i].uuid), &next);
	*ret_next_ms = bounded(next);
	return UD_OK;
}

/* ---- granting to the peer ---- */

struct grant {
	ud_leases *leases;
	const struct ud_lease_ask *ask;
	struct ud_lease_word word;
};

static void refuse(struct grant *g, enum ud_lease_verdict verdict, const char *reason)
{
	g->word.verdict = verdict;
	g->word.reason = reason;
}

/* Refusing stores nothing; that a grant was made is stored before it leaves. */
static enum ud_code decide(struct ud_ctx *cx, void *data, bool found, struct ud_journal_vm *vm)
{
	struct grant *g = data;
	const struct ud_lease_ask *ask = g->ask;

	g->word = (struct ud_lease_word){ .vm_id = ask->vm_id, .epoch = vm->epoch };
	if (found && vm->epoch > ask->epoch)
		refuse(g, UD_LEASE_SUPERSEDED, "a newer epoch exists");
	else if (!found || vm->role != UD_VM_ROLE_REPLICA)
		refuse(g, UD_LEASE_REFUSED, "this host is not its replica");
	else if (vm->promised != UD_NONE && ask->epoch <= vm->promised)
		refuse(g, UD_LEASE_REFUSED, "this host has promised to grant no more");
	if (g->word.reason)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "%s", g->word.reason);
	g->word.verdict = UD_LEASE_GRANTED;
	g->word.seconds = seconds_of(vm);
	vm->granted = ask->epoch;
	return UD_OK;
}

/* The time of a grant stands before the journal decides, so that a promise made meanwhile waits for
 * it; where the journal refuses, it never was. */
static int64_t set_granted(ud_leases *l, const char *vm_id, int64_t ms)
{
	pthread_mutex_lock(&l->mutex);
	struct slot *s = slot_of(l, vm_id);
	int64_t before = s->granted_ms;

	s->granted_ms = ms;
	pthread_mutex_unlock(&l->mutex);
	return before;
}

static enum ud_code answer_one(struct ud_ctx *cx, struct grant *g)
{
	ud_leases *l = g->leases;
	int64_t before = set_granted(l, g->ask->vm_id, ud_mono_ms(l->env));
	enum ud_code code = ud_journal_vm_change(cx, l->s.journal, g->ask->vm_id, decide, g);

	pthread_mutex_lock(&l->mutex);
	slot_of(l, g->ask->vm_id)->peer_ms = ud_mono_ms(l->env);
	pthread_mutex_unlock(&l->mutex);
	if (code != UD_OK)
		set_granted(l, g->ask->vm_id, before);
	if (code != UD_OK && code != UD_E_INVALID_STATE)
		return code;
	ud_ctx_clear(cx);
	return UD_OK;
}

enum ud_code ud_leases_answer(struct ud_ctx *cx, ud_leases *l, const char *vm_id,
	const char *message, const char **ret_answer)
{
	struct ud_wire_lease in = { 0 };
	struct ud_wire_leases out = { 0 };
	struct ud_lease_ask *asks = NULL;
	struct ud_buf b = { 0 };
	size_t n = 0;

	UD_TRY(ud_shape_read(cx, &ud_wire_lease_shape, message, strlen(message), &in));
	UD_TRY(ud_shape_read_list(cx, &ud_lease_ask_shape, in.asks.text, 1, &asks, &n));
	if (n != 1 || strcmp(asks[0].vm_id, vm_id) != 0)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "not about the relation's VM");
	struct grant g = { .leases = l, .ask = &asks[0] };

	UD_TRY(answer_one(cx, &g));
	ud_buf_putc(&b, '[');
	ud_shape_encode(&b, &ud_lease_word_shape, &g.word, NULL);
	ud_buf_putc(&b, ']');
	out = (struct ud_wire_leases){ .nonce = in.nonce,
		.words.text = ud_strdup(cx->arena, ud_buf_text(&b)) };
	ud_buf_free(&b);
	ud_shape_encode(&b, &ud_wire_leases_shape, &out, NULL);
	*ret_answer = ud_strdup(cx->arena, ud_buf_text(&b));
	ud_buf_free(&b);
	return UD_OK;
}

/* ---- promising ---- */

static enum ud_code store_promise(
	struct ud_ctx *cx, void *data, bool found, struct ud_journal_vm *vm)
{
	struct ud_journal_vm *ret = data;

	if (!found || vm->role != UD_VM_ROLE_REPLICA)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "This host is not the VM's replica.");
	vm->promised = vm->epoch;
	*ret = *vm;
	return UD_OK;
}

enum ud_code ud_leases_promise(
	struct ud_ctx *cx, ud_leases *l, const char *vm_id, int64_t *ret_wait_ms, bool *ret_seen)
{
	struct ud_journal_vm vm = { 0 };

	UD_TRY(ud_journal_vm_change(cx, l->s.journal, vm_id, store_promise, &vm));
	int64_t now = ud_mono_ms(l->env), lease_ms = seconds_of(&vm) * 1000;
	struct slot s = read_slot(l, vm_id);
	/* what an earlier process granted counts as granted at our start */
	int64_t last = s.granted_ms != UD_NONE ? s.granted_ms : l->began_ms;
	int64_t left = last + lease_ms + ud_lease_margin_ms(seconds_of(&vm)) - now;
	bool ever = vm.granted != UD_NONE;

	*ret_wait_ms = ever && left > 0 ? left : 0;
	*ret_seen = s.peer_ms != UD_NONE && now - s.peer_ms <= lease_ms;
	return UD_OK;
}
