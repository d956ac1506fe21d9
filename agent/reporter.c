/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread. What the server was told is remembered per VM as a digest, and forgotten whenever the
 * server may not have it.
 */
#include "agent/reporter.h"

#include <pthread.h>
#include <string.h>

#include "agent/seals.h"
#include "base/crypto.h"
#include "base/env.h"
#include "base/log.h"
#include "base/wire_inventory.h"

/* After an event a moment is left for others to come along; everything is told anew each quarter
 * of an hour, for figures that no event tells of. A look that failed is made again after a second:
 * pauses that grow are for the server, which many hosts call. */
enum { CALL_MS = 30000, SETTLE_MS = 50, AGAIN_MS = 1000, ALL_MS = 15 * 60 * 1000, UUID = 37 };

/* What the server was told of a VM. */
struct told {
	char uuid[UUID];
	char digest[UD_SHA256_HEX];
};

struct ud_reporter {
	struct ud_station *station;
	ud_link *link;
	struct told *told; /* UD_HOST_MACHINES; the thread's */
	size_t told_count;
	bool knows; /* the server was told everything */
	bool blind; /* the hypervisor could not be looked at, which the server has no part in */
	int64_t all_ms;
	pthread_t thread;
	bool running;
	pthread_mutex_t mutex; /* all below */
	pthread_cond_t wake, over;
	bool changed, stop;
	uint64_t begun, ended; /* looks, and their telling */
	bool gone;             /* the thread has ended: nothing is told any more */
};

static bool ended(const struct ud_reporter *r)
{
	return ud_link_stopped(r->link) || atomic_load(&r->station->dead);
}

/* ---- looking ---- */

/* What one look found. */
struct seen {
	const struct ud_reporter *r;
	struct told *now; /* of all VMs */
	size_t count;
	const char **changed; /* JSON of those the server does not know so */
	size_t changed_count;
	/* UUIDs of those that the hypervisor starts when the host boots */
	struct ud_texts autostarts;
	bool first; /* the server knows nothing */
};

static const struct told *told_of(const struct ud_reporter *r, const char *uuid)
{
	for (size_t i = 0; i < r->told_count; i++)
		if (strcmp(r->told[i].uuid, uuid) == 0)
			return &r->told[i];
	return NULL;
}

static const char *text_of(struct ud_ctx *cx, const struct ud_machine *m)
{
	struct ud_buf b = { 0 };

	ud_shape_encode(&b, &ud_machine_shape, m, NULL);
	return ud_buf_take(cx->arena, &b);
}

/* Sizes of images grow all the time and are no change; definition_hash tells of disks. */
static void digest_of(struct ud_ctx *cx, const struct ud_machine *m, char ret[UD_SHA256_HEX])
{
	struct ud_machine bare = *m;

	bare.disks.text = NULL;
	const char *text = text_of(cx, &bare);

	ud_sha256_hex(text, strlen(text), ret);
}

static enum ud_code see(struct ud_ctx *cx, void *data, const struct ud_machine *m)
{
	struct seen *s = data;

	if (s->count == UD_HOST_MACHINES)
		return UD_OK;
	struct told *now = &s->now[s->count++];
	const struct told *before = told_of(s->r, m->uuid);

	if (m->autostart)
		s->autostarts.items[s->autostarts.count++] = ud_strdup(cx->arena, m->uuid);
	snprintf(now->uuid, sizeof(now->uuid), "%s", m->uuid);
	digest_of(cx, m, now->digest);
	if (s->first || !before || strcmp(before->digest, now->digest) != 0)
		s->changed[s->changed_count++] = text_of(cx, m);
	return UD_OK;
}

/* ---- telling ---- */

static const char *host_text(struct ud_ctx *cx, struct ud_reporter *r)
{
	struct ud_host_facts facts = { 0 };
	struct ud_buf b = { 0 };

	if (ud_hv_facts(cx, r->station->hv, &facts) != UD_OK) {
		ud_ctx_clear(cx);
		return NULL;
	}
	ud_shape_encode(&b, &ud_host_facts_shape, &facts, NULL);
	return ud_buf_take(cx->arena, &b);
}

/* A page of the changed ones; the last one says what there is. */
static enum ud_code send_page(struct ud_ctx *cx, struct ud_reporter *r, const struct seen *s,
	size_t from, struct ud_wire_facts *in)
{
	struct ud_buf b = { 0 };
	size_t i = from;

	for (; i < s->changed_count && i < from + UD_FACTS_MACHINES; i++)
		ud_buf_printf(&b, "%c%s", i > from ? ',' : '[', s->changed[i]);
	ud_buf_puts(&b, i > from ? "]" : "[]");
	in->machines.text = ud_buf_take(cx->arena, &b);
	in->complete = i == s->changed_count;
	in->present = (struct ud_texts){ ud_alloc(cx->arena, (s->count + 1) * sizeof(char *)), 0 };
	for (size_t k = 0; in->complete && k < s->count; k++)
		in->present.items[in->present.count++] = s->now[k].uuid;
	return ud_link_send(cx, r->link, "/v1/agent/facts", &ud_wire_facts_shape, in, CALL_MS, NULL,
		NULL, NULL);
}

static enum ud_code send_all(struct ud_ctx *cx, struct ud_reporter *r, const struct seen *s)
{
	struct ud_wire_facts in = { .agent_boot = ud_link_run(r->link) };
	size_t from = 0;

	if (s->first)
		in.host.text = host_text(cx, r);
	do {
		UD_TRY(send_page(cx, r, s, from, &in));
		in.host.text = NULL;
		from += UD_FACTS_MACHINES;
	} while (from < s->changed_count);
	return UD_OK;
}

/* ---- boot hold ---- */

/* Which of these VMs are of a relation, and so are started by nobody but us. */
struct held {
	const struct ud_texts *among;
	struct ud_texts vms;
};

static enum ud_code add_held(struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm)
{
	struct held *h = data;

	(void)cx;
	for (size_t i = 0; i < h->among->count && vm->role != UD_VM_ROLE_FREE; i++)
		if (strcmp(vm->uuid, h->among->items[i]) == 0)
			h->vms.items[h->vms.count++] = h->among->items[i];
	return UD_OK;
}

/* Somebody has set a protected VM's autostart: it is taken off again. The server hears of it,
 * since it is told what was seen. */
static enum ud_code end_autostarts(
	struct ud_ctx *cx, struct ud_reporter *r, const struct ud_texts *autostarts)
{
	struct held h = { .among = autostarts };

	if (!autostarts->count)
		return UD_OK;
	h.vms.items = ud_alloc(cx->arena, autostarts->count * sizeof(char *));
	UD_TRY(ud_journal_vm_visit(cx, r->station->journal, add_held, &h));
	for (size_t i = 0; i < h.vms.count; i++) {
		enum ud_code code = ud_hv_autostart(cx, r->station->hv, h.vms.items[i], false);

		ud_log(UD_LOG_WARNING, "autostart_found", "uuid", h.vms.items[i], "switched_off",
			code == UD_OK ? "yes" : "no", "reason",
			code == UD_OK ? NULL : cx->problem.detail, NULL);
		ud_ctx_clear(cx);
	}
	return UD_OK;
}

/* That it cannot be looked at is said once, and that it can be again. */
static void sight(struct ud_ctx *cx, struct ud_reporter *r, enum ud_code code)
{
	bool blind = code != UD_OK;

	if (blind && !r->blind && !ended(r))
		ud_log(UD_LOG_WARNING, "look_failed", "code", ud_error_info(code)->name, "reason",
			cx->problem.detail, NULL);
	if (!blind && r->blind)
		ud_log(UD_LOG_INFO, "look_works_again", NULL);
	r->blind = blind;
}

/* Look, and tell what the server does not know. */
static enum ud_code look_and_tell(struct ud_ctx *cx, struct ud_reporter *r)
{
	struct seen s = { .r = r,
		.now = ud_alloc(cx->arena, UD_HOST_MACHINES * sizeof(*s.now)),
		.changed = ud_alloc(cx->arena, UD_HOST_MACHINES * sizeof(*s.changed)),
		.autostarts.items = ud_alloc(cx->arena, UD_HOST_MACHINES * sizeof(char *)),
		.first = !r->knows || ud_mono_ms(cx->env) >= r->all_ms };

	enum ud_code code = ud_hv_inventory(cx, r->station->hv, see, &s);

	sight(cx, r, code);
	UD_TRY(code);
	UD_TRY(end_autostarts(cx, r, &s.autostarts));
	if (s.first || s.changed_count || s.count != r->told_count) {
		r->knows = false; /* until the server has taken it */
		UD_TRY(send_all(cx, r, &s));
		if (s.first)
			r->all_ms = ud_mono_ms(cx->env) + ALL_MS;
	}
	memcpy(r->told, s.now, s.count * sizeof(*s.now));
	r->told_count = s.count;
	r->knows = true;
	return UD_OK;
}

/* The same, for those who wait for it: one that failed is made anew. */
static enum ud_code report(struct ud_ctx *cx, struct ud_reporter *r)
{
	pthread_mutex_lock(&r->mutex);
	r->begun++;
	pthread_mutex_unlock(&r->mutex);
	enum ud_code code = look_and_tell(cx, r);

	pthread_mutex_lock(&r->mutex);
	if (code == UD_OK)
		r->ended = r->begun;
	pthread_cond_broadcast(&r->over);
	pthread_mutex_unlock(&r->mutex);
	return code;
}

static enum ud_code add_sample(struct ud_ctx *cx, void *data, const struct ud_sample *s)
{
	struct ud_buf *b = data;

	(void)cx;
	ud_buf_puts(b, b->len > 1 ? "," : "");
	ud_shape_encode(b, &ud_sample_shape, s, NULL);
	return UD_OK;
}

/* Figures that cannot be had are left out; the sign of life is not. */
static const char *samples(struct ud_ctx *cx, struct ud_reporter *r)
{
	struct ud_buf b = { 0 };

	ud_buf_putc(&b, '[');
	bool fine = ud_hv_sample(cx, r->station->hv, add_sample, &b) == UD_OK;

	ud_ctx_clear(cx);
	ud_buf_putc(&b, ']');
	const char *text = fine ? ud_strdup(cx->arena, ud_buf_text(&b)) : "[]";

	ud_buf_free(&b);
	return text;
}

static enum ud_code heartbeat(struct ud_ctx *cx, struct ud_reporter *r)
{
	struct ud_wire_heartbeat in = { .agent_boot = ud_link_run(r->link),
		.samples.text = samples(cx, r) };
	struct ud_wire_heard out = { 0 };

	UD_TRY(ud_seals_tell(cx, r->station->journal, &in));
	UD_TRY(ud_link_send(cx, r->link, "/v1/agent/heartbeat", &ud_wire_heartbeat_shape, &in,
		CALL_MS, &ud_wire_heard_shape, &out, NULL));
	UD_TRY(ud_seals_take(cx, r->station->journal, &out));
	if (out.tell_all)
		r->knows = false;
	return out.tell_all ? report(cx, r) : UD_OK;
}

/* ---- the thread ---- */

/* Wait for the next look, or for an event; false = stop. */
static bool next(struct ud_reporter *r, int64_t ms)
{
	struct timespec until;
	int rc = 0;

	ud_deadline(ms, &until);
	pthread_mutex_lock(&r->mutex);
	while (!r->stop && !r->changed && rc == 0)
		rc = pthread_cond_timedwait(&r->wake, &r->mutex, &until);
	bool event = r->changed && !r->stop;

	pthread_mutex_unlock(&r->mutex);
	/* others come along */
	bool go_on = !event || ud_link_wait(r->link, SETTLE_MS);

	pthread_mutex_lock(&r->mutex);
	r->changed = false;
	go_on = go_on && !r->stop;
	pthread_mutex_unlock(&r->mutex);
	return go_on;
}

static enum ud_code turn(struct ud_ctx *cx, struct ud_reporter *r, int64_t *next_heartbeat_ms)
{
	UD_TRY(report(cx, r));
	if (ud_mono_ms(cx->env) < *next_heartbeat_ms)
		return UD_OK;
	UD_TRY(heartbeat(cx, r));
	*next_heartbeat_ms = ud_mono_ms(cx->env) + UD_HEARTBEAT_SECONDS * 1000;
	return UD_OK;
}

static void *run(void *data)
{
	struct ud_reporter *r = data;
	const struct ud_env *env = r->station->env;
	int64_t heartbeat_ms = 0;

	for (bool go_on = true; go_on && !ended(r);) {
		UD_AUTO(ud_arena) *arena = ud_arena_new();
		struct ud_ctx cx = { .arena = arena,
			.env = env,
			.now_ms = ud_now_ms(env),
			.request_id = "reporter" };
		enum ud_code code = turn(&cx, r, &heartbeat_ms);

		if (code == UD_OK || r->blind) {
			int64_t left = r->blind ? AGAIN_MS : heartbeat_ms - ud_mono_ms(env);

			go_on = next(r, left > 0 ? left : 1);
			continue;
		}
		if (!ended(r))
			ud_log(UD_LOG_WARNING, "report_failed", "code", ud_error_info(code)->name,
				"reason", cx.problem.detail, NULL);
		go_on = ud_link_pause(&cx, r->link, code);
	}
	pthread_mutex_lock(&r->mutex);
	r->gone = true;
	pthread_cond_broadcast(&r->over);
	pthread_mutex_unlock(&r->mutex);
	return NULL;
}

void ud_reporter_wake(struct ud_reporter *r)
{
	pthread_mutex_lock(&r->mutex);
	r->changed = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->mutex);
}

void ud_reporter_tell(struct ud_reporter *r, int64_t timeout_ms)
{
	struct timespec until;
	int rc = 0;

	ud_deadline(timeout_ms, &until);
	pthread_mutex_lock(&r->mutex);
	const uint64_t mine = r->begun + 1;

	r->changed = true;
	pthread_cond_signal(&r->wake);
	while (r->ended < mine && !r->gone && rc == 0)
		rc = pthread_cond_timedwait(&r->over, &r->mutex, &until);
	bool late = r->ended < mine && !r->gone;

	pthread_mutex_unlock(&r->mutex);
	if (late)
		ud_log(UD_LOG_WARNING, "seen_late", NULL);
}

enum ud_code ud_reporter_start(
	struct ud_ctx *cx, struct ud_station *station, ud_link *link, struct ud_reporter **ret)
{
	struct ud_reporter *r = ud_malloc(sizeof(*r));
	pthread_condattr_t monotonic;

	r->station = station;
	r->link = link;
	r->told = ud_malloc(UD_HOST_MACHINES * sizeof(*r->told));
	pthread_mutex_init(&r->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, &monotonic);
	pthread_cond_init(&r->over, &monotonic);
	pthread_condattr_destroy(&monotonic);
	*ret = r;
	if (pthread_create(&r->thread, NULL, run, r) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot start a thread");
	r->running = true;
	return UD_OK;
}

void ud_reporter_stop(struct ud_reporter *r)
{
	pthread_mutex_lock(&r->mutex);
	r->stop = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->mutex);
	if (r->running)
		pthread_join(r->thread, NULL);
	r->running = false;
}

void ud_reporter_release(struct ud_reporter **pr)
{
	struct ud_reporter *r = *pr;

	if (!r)
		return;
	ud_reporter_stop(r);
	pthread_mutex_destroy(&r->mutex);
	pthread_cond_destroy(&r->wake);
	pthread_cond_destroy(&r->over);
	ud_free(r->told);
	ud_free(r);
	*pr = NULL;
}
