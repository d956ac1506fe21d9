/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The holder's questions and renewals. It counts from before it sends its question; a lease never
 * gets shorter; an answer counts for its own question alone. Starts are in lease_start.c, what is
 * looked after beside the guard in lease_tend.c, what the peer is granted in lease_grant.c.
 */
#include "agent/lease_inside.h"

#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "base/log.h"

/* Bounds of the time between two looks. */
enum { LOOK_LEAST_MS = 50 };

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
	for (struct ud_lease_slot *s = l->slots, *next; s; s = next) {
		next = s->next;
		ud_free(s);
	}
	pthread_mutex_destroy(&l->mutex);
	ud_free(l);
	*leases = NULL;
}

/* The slot of a VM; under the mutex. */
struct ud_lease_slot *ud_lease_slot_of(ud_leases *l, const char *vm_id)
{
	struct ud_lease_slot *s = l->slots;

	while (s && strcmp(s->vm_id, vm_id) != 0)
		s = s->next;
	if (s)
		return s;
	s = ud_malloc(sizeof(*s));
	*s = (struct ud_lease_slot){ .next = l->slots,
		.asked_ms = UD_NONE,
		.until_ms = UD_NONE,
		.granted_ms = UD_NONE,
		.peer_ms = UD_NONE };
	snprintf(s->vm_id, sizeof(s->vm_id), "%s", vm_id);
	l->slots = s;
	return s;
}

struct ud_lease_slot ud_lease_slot_read(ud_leases *l, const char *vm_id)
{
	pthread_mutex_lock(&l->mutex);
	struct ud_lease_slot s = *ud_lease_slot_of(l, vm_id);

	pthread_mutex_unlock(&l->mutex);
	return s;
}

int64_t ud_lease_seconds(const struct ud_journal_vm *vm)
{
	return vm->lease_seconds > 0 ? vm->lease_seconds : UD_LEASE_SECONDS;
}

/* ---- the VMs of the journal ---- */

static enum ud_code collect(struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm)
{
	struct ud_lease_vms *v = data;

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

static void hold(void *data, const struct ud_lease_held *held)
{
	struct ud_lease_holdings *h = data;

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

const struct ud_lease_held *ud_lease_held_for(const struct ud_lease_holdings *h, const char *uuid)
{
	for (size_t i = 0; i < h->n; i++)
		if (strcmp(h->at[i].uuid, uuid) == 0)
			return &h->at[i];
	return NULL;
}

static bool any_primary(const struct ud_lease_vms *v)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->at[i].role == UD_VM_ROLE_PRIMARY)
			return true;
	return false;
}

/* Journal and guard, as they are now. Without a primary the guard has nothing of ours. */
enum ud_code ud_lease_stock(struct ud_ctx *cx, ud_leases *l, struct ud_lease_vms *ret,
	struct ud_lease_holdings *ret_held)
{
	*ret = (struct ud_lease_vms){ 0 };
	*ret_held = (struct ud_lease_holdings){ .cx = cx };
	UD_TRY(ud_journal_vm_visit(cx, l->s.journal, collect, ret));
	if (!any_primary(ret))
		return UD_OK;
	return l->s.calls.held(cx, l->s.calls.data, hold, ret_held);
}

/* ---- questions ---- */

static void write_question(struct ud_ctx *cx, const struct ud_lease_round *r, size_t from, size_t n,
	struct ud_wire_lease *ret)
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
static enum ud_code read_answer(struct ud_ctx *cx, struct ud_lease_round *r, size_t from, size_t n,
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

static void note_asked(ud_leases *l, const struct ud_lease_round *r)
{
	pthread_mutex_lock(&l->mutex);
	for (size_t i = 0; i < r->n; i++)
		ud_lease_slot_of(l, r->vm[i].vm_id)->asked_ms = r->sent_ms;
	pthread_mutex_unlock(&l->mutex);
}

void ud_lease_ask_server(struct ud_ctx *cx, ud_leases *l, struct ud_lease_round *r)
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
enum ud_code ud_lease_ask_peer(
	struct ud_ctx *cx, ud_leases *l, struct ud_lease_round *r, size_t i, int64_t *ret_sent)
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
bool ud_lease_answered(const struct ud_lease_word *w)
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
void ud_lease_step_down(struct ud_ctx *cx, ud_leases *l, const char *vm_id, int64_t epoch)
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

bool ud_lease_is_due(ud_leases *l, const struct ud_journal_vm *vm, int64_t every_ms, int64_t *next)
{
	int64_t now = ud_mono_ms(l->env), asked = ud_lease_slot_read(l, vm->vm_id).asked_ms;
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
void ud_lease_note_until(ud_leases *l, const char *vm_id, int64_t until_ms)
{
	pthread_mutex_lock(&l->mutex);
	struct ud_lease_slot *s = ud_lease_slot_of(l, vm_id);

	s->until_ms = until_ms > s->until_ms ? until_ms : s->until_ms;
	pthread_mutex_unlock(&l->mutex);
}

/* Tell the guard; what it does not hold (it was started anew) is handed to it. */
enum ud_code ud_lease_put_off(
	struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm, int64_t until_ms)
{
	ud_lease_note_until(l, vm->vm_id, until_ms);
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
		ud_lease_step_down(cx, l, vm->vm_id, w->epoch);
		return;
	}
	if (by_server)
		reconciled(cx, l, vm);
	if (vm->policy == UD_POLICY_LEASE &&
		ud_lease_put_off(cx, l, vm, sent_ms + w->seconds * 1000) != UD_OK)
		ud_log(UD_LOG_WARNING, "lease_not_kept", "vm", vm->vm_id, "reason",
			cx->problem.detail, NULL);
	ud_ctx_clear(cx);
}

/* The server's leave, else the peer's: one of them is enough to go on. */
void ud_lease_keep_all(struct ud_ctx *cx, ud_leases *l, struct ud_lease_round *r)
{
	ud_lease_ask_server(cx, l, r);
	for (size_t i = 0; i < r->n; i++)
		if (ud_lease_answered(&r->word[i]))
			take_keep(cx, l, &r->vm[i], &r->word[i], r->sent_ms, true);
	for (size_t i = 0; i < r->n; i++) {
		int64_t sent = 0;

		if (ud_lease_answered(&r->word[i]))
			continue;
		r->word[i] = (struct ud_lease_word){ 0 };
		if (ud_lease_ask_peer(cx, l, r, i, &sent) == UD_OK &&
			ud_lease_answered(&r->word[i]))
			take_keep(cx, l, &r->vm[i], &r->word[i], sent, false);
		ud_ctx_clear(cx);
	}
}

static bool may_run(const struct ud_journal_vm *vm)
{
	return vm->role == UD_VM_ROLE_PRIMARY;
}

void ud_lease_add_ask(
	struct ud_lease_round *r, const struct ud_journal_vm *vm, enum ud_lease_purpose purpose)
{
	if (r->n == UD_LEASE_ASKS)
		return; /* its turn comes at the next look, which is at once */
	r->vm[r->n] = *vm;
	r->purpose[r->n++] = purpose;
}

static void add_guarded(struct ud_lease_round *r, const struct ud_journal_vm *vm)
{
	if (r->n < UD_LEASE_ASKS)
		r->guarded[r->n] = true;
	ud_lease_add_ask(r, vm, UD_LEASE_KEEP);
}

int64_t ud_lease_bounded(int64_t ms)
{
	if (ms < LOOK_LEAST_MS)
		return LOOK_LEAST_MS;
	return ms > UD_LEASE_LOOK_MS ? UD_LEASE_LOOK_MS : ms;
}

enum ud_code ud_leases_renew(struct ud_ctx *cx, ud_leases *l, int64_t *ret_next_ms)
{
	struct ud_lease_round *r = ud_alloc(cx->arena, sizeof(*r));
	int64_t next = UD_LEASE_LOOK_MS;
	struct ud_lease_holdings h;
	struct ud_lease_vms v;

	UD_TRY(ud_lease_stock(cx, l, &v, &h));
	for (size_t i = 0; i < v.n; i++) {
		const struct ud_lease_held *held = ud_lease_held_for(&h, v.at[i].uuid);

		if (held && !held->killed && may_run(&v.at[i]) &&
			v.at[i].policy == UD_POLICY_LEASE &&
			ud_lease_is_due(l, &v.at[i], ud_lease_seconds(&v.at[i]) * 1000 / 4, &next))
			add_guarded(r, &v.at[i]);
	}
	if (r->n == UD_LEASE_ASKS)
		next = 0;
	ud_lease_keep_all(cx, l, r);
	*ret_next_ms = ud_lease_bounded(next);
	return UD_OK;
}
