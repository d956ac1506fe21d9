/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replica's host as grantor: leases for the peer, and the promise to grant it none any more.
 */
#include <string.h>

#include "agent/lease_inside.h"
#include "base/env.h"

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
	g->word.seconds = ud_lease_seconds(vm);
	vm->granted = ask->epoch;
	return UD_OK;
}

/* The time of a grant stands before the journal decides, so that a promise made meanwhile waits for
 * it; where the journal refuses, it never was. */
static int64_t set_granted(ud_leases *l, const char *vm_id, int64_t ms)
{
	pthread_mutex_lock(&l->mutex);
	struct ud_lease_slot *s = ud_lease_slot_of(l, vm_id);
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
	ud_lease_slot_of(l, g->ask->vm_id)->peer_ms = ud_mono_ms(l->env);
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
	*ret_answer = ud_buf_take(cx->arena, &b);
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
	int64_t now = ud_mono_ms(l->env), lease_ms = ud_lease_seconds(&vm) * 1000;
	struct ud_lease_slot s = ud_lease_slot_read(l, vm_id);
	/* what an earlier process granted counts as granted at our start */
	int64_t last = s.granted_ms != UD_NONE ? s.granted_ms : l->began_ms;
	int64_t left = last + lease_ms + ud_lease_margin_ms(ud_lease_seconds(&vm)) - now;
	bool ever = vm.granted != UD_NONE;

	*ret_wait_ms = ever && left > 0 ? left : 0;
	*ret_seen = s.peer_ms != UD_NONE && now - s.peer_ms <= lease_ms;
	return UD_OK;
}
