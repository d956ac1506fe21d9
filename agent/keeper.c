/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two threads, and how questions reach server and peers.
 */
#include "agent/keeper.h"

#include <pthread.h>
#include <string.h>

#include "base/env.h"
#include "base/log.h"

/* An answer that takes longer is of little use to a lease of 30 s. */
enum { ASK_MS = 5000 };

struct loop {
	struct ud_keeper *keeper;
	enum ud_code (*look)(struct ud_ctx *cx, ud_leases *leases, int64_t *ret_next_ms);
	const char *name;
	pthread_t thread;
	bool running, woken; /* woken: under the keeper's mutex */
};

struct ud_keeper {
	struct ud_keeper_settings s;
	struct ud_guard *guard;
	struct loop loops[2];
	pthread_mutex_t mutex; /* all below, and woken */
	pthread_cond_t wake;
	bool stop;
};

/* ---- questions ---- */

static enum ud_code ask_server(
	struct ud_ctx *cx, void *data, const struct ud_wire_lease *ask, struct ud_wire_leases *ret)
{
	const struct ud_keeper *k = data;

	return ud_link_send(cx, k->s.link, "/v1/agent/lease", &ud_wire_lease_shape, ask, ASK_MS,
		&ud_wire_leases_shape, ret, NULL);
}

static enum ud_code ask_peer(struct ud_ctx *cx, void *data, const char *vm_id,
	const struct ud_wire_lease *ask, struct ud_wire_leases *ret)
{
	const struct ud_keeper *k = data;
	const char *answer = NULL, *replication_id = NULL;
	struct ud_buf b = { 0 };

	UD_TRY(ud_journal_noted(cx, k->s.station->journal,
		ud_printf(cx->arena, UD_NOTE_RELATION, vm_id), &replication_id));
	if (!replication_id)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s has no replication", vm_id);
	ud_shape_encode(&b, &ud_wire_lease_shape, ask, NULL);
	enum ud_code code =
		ud_hv_peer_ask(cx, k->s.station->hv, replication_id, ud_buf_text(&b), &answer);

	ud_buf_free(&b);
	UD_TRY(code);
	return ud_shape_read(cx, &ud_wire_leases_shape, answer, strlen(answer), ret);
}

/* ---- the guard ---- */

/* From now on there is something to renew. */
static enum ud_code arm(
	struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm, int64_t deadline_ms)
{
	struct ud_keeper *k = data;
	enum ud_code code = ud_keeper_arm(cx, k->guard, k->s.station->hv, vm, deadline_ms);

	ud_keeper_wake(k);
	return code;
}

static enum ud_code renew(
	struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm, int64_t deadline_ms)
{
	struct ud_keeper *k = data;

	return ud_keeper_renew(cx, k->guard, vm, deadline_ms);
}

static enum ud_code disarm(struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm)
{
	struct ud_keeper *k = data;

	return ud_keeper_disarm(cx, k->guard, vm);
}

static enum ud_code held(struct ud_ctx *cx, void *data, ud_lease_holding *each, void *each_data)
{
	struct ud_keeper *k = data;

	return ud_keeper_held(cx, k->guard, each, each_data);
}

/* ---- the threads ---- */

/* False = stop. */
static bool wait_for_news(struct loop *loop, int64_t ms)
{
	struct ud_keeper *k = loop->keeper;
	struct timespec until;
	int rc = 0;

	ud_deadline(ms, &until);
	pthread_mutex_lock(&k->mutex);
	while (!k->stop && !loop->woken && rc == 0)
		rc = pthread_cond_timedwait(&k->wake, &k->mutex, &until);
	bool go_on = !k->stop;

	loop->woken = false;
	pthread_mutex_unlock(&k->mutex);
	return go_on;
}

static void *run(void *data)
{
	struct loop *loop = data;
	struct ud_keeper *k = loop->keeper;
	int64_t next;

	do {
		UD_AUTO(ud_arena) *arena = ud_arena_new();
		struct ud_ctx cx = { .arena = arena,
			.env = k->s.station->env,
			.now_ms = ud_now_ms(k->s.station->env),
			.request_id = loop->name };

		next = 1000;
		if (atomic_load(&k->s.station->dead))
			continue;
		if (loop->look(&cx, k->s.station->leases, &next) != UD_OK)
			ud_log(UD_LOG_ERROR, "leases_not_kept", "by", loop->name, "reason",
				cx.problem.detail, NULL);
	} while (wait_for_news(loop, next));
	return NULL;
}

static enum ud_code begin(struct ud_ctx *cx, struct ud_keeper *k)
{
	struct ud_station *st = k->s.station;
	const struct ud_lease_settings settings = { .journal = st->journal,
		.hv = &st->hv,
		.host_boot = st->host_boot,
		.calls = { ask_server, ask_peer, arm, renew, disarm, held, k } };

	k->guard = ud_keeper_open_guard(cx, st->config);
	st->leases = ud_leases_new(st->env, &settings);
	k->loops[0] = (struct loop){ k, ud_leases_renew, "renewal", 0, false, false };
	k->loops[1] = (struct loop){ k, ud_leases_tend, "tending", 0, false, false };
	for (size_t i = 0; i < UD_LEN(k->loops); i++) {
		struct loop *loop = &k->loops[i];

		if (pthread_create(&loop->thread, NULL, run, loop) != 0)
			return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot start a thread");
		loop->running = true;
	}
	return UD_OK;
}

enum ud_code ud_keeper_start(
	struct ud_ctx *cx, const struct ud_keeper_settings *settings, struct ud_keeper **ret)
{
	struct ud_keeper *k = ud_malloc(sizeof(*k));
	pthread_condattr_t monotonic;

	*k = (struct ud_keeper){ .s = *settings };
	pthread_mutex_init(&k->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&k->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	enum ud_code code = begin(cx, k);

	if (code != UD_OK) {
		ud_keeper_release(&k);
		return code;
	}
	*ret = k;
	return UD_OK;
}

void ud_keeper_release(struct ud_keeper **keeper)
{
	struct ud_keeper *k = *keeper;

	if (!k)
		return;
	pthread_mutex_lock(&k->mutex);
	k->stop = true;
	pthread_cond_broadcast(&k->wake);
	pthread_mutex_unlock(&k->mutex);
	for (size_t i = 0; i < UD_LEN(k->loops); i++)
		if (k->loops[i].running)
			pthread_join(k->loops[i].thread, NULL);
	ud_leases_release(&k->s.station->leases);
	ud_keeper_close_guard(&k->guard);
	pthread_cond_destroy(&k->wake);
	pthread_mutex_destroy(&k->mutex);
	ud_free(k);
	*keeper = NULL;
}

void ud_keeper_wake(struct ud_keeper *k)
{
	pthread_mutex_lock(&k->mutex);
	for (size_t i = 0; i < UD_LEN(k->loops); i++)
		k->loops[i].woken = true;
	pthread_cond_broadcast(&k->wake);
	pthread_mutex_unlock(&k->mutex);
}
