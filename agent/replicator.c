/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread that reports: at once when something changed, else every UD_HEARTBEAT_SECONDS. A
 * report has a bounded number of relations and points; with more, several follow each other.
 */
#include "agent/replicator.h"

#include <pthread.h>
#include <string.h>

#include "agent/lease.h"
#include "base/crypto.h"
#include "base/env.h"
#include "base/file.h"
#include "base/log.h"
#include "base/wire.h"

enum { CALL_MS = 30000, PEM_MAX = 1 << 18, TOLD_MAX = 4096, AT_ONCE_MS = 200 };

/* A point the server has acknowledged, or is to hear that it is gone. */
struct told {
	struct told *next;
	char *replication_id, *point_id;
	unsigned state; /* as it was told */
	bool acked, seen, gone;
};

struct ud_replicator {
	struct ud_station *station;
	ud_link *link;
	struct ud_hv *hv; /* to which replication was given */
	int port;
	unsigned char identity[UD_SHA256]; /* of the credentials it was given */
	bool told_address;                 /* the server knows where points are taken */
	pthread_t thread;
	bool runs;
	struct told *told; /* the thread's */
	size_t told_count;
	size_t told_relations; /* in this round of reports */
	pthread_mutex_t talk;  /* over answers to peers: none is given after the end */
	pthread_mutex_t mutex; /* the two below */
	pthread_cond_t moved;
	bool news, ends;
};

/* ---- what the driver asks ---- */

static enum ud_code may_receive(struct ud_ctx *cx, void *data, const char *vm_id, int64_t epoch)
{
	struct ud_replicator *p = data;
	struct ud_journal_vm vm = { 0 };
	bool known = false;

	UD_TRY(ud_journal_vm_get(cx, p->station->journal, vm_id, &known, &vm));
	if (known && vm.role == UD_VM_ROLE_PRIMARY)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"This host is the VM's primary: it takes no points of it.");
	if (known && epoch < vm.epoch)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The epoch %lld has passed.",
			(long long)epoch);
	return UD_OK;
}

/* A peer asks for a lease, or tells of one. */
static enum ud_code answer_peer(struct ud_ctx *cx, void *data, const char *vm_id,
	const char *peer_agent_id, const char *message, const char **ret_answer)
{
	struct ud_replicator *p = data;
	enum ud_code code;

	(void)peer_agent_id;
	pthread_mutex_lock(&p->talk);
	if (!p->ends && p->station->leases)
		code = ud_leases_answer(cx, p->station->leases, vm_id, message, ret_answer);
	else
		code = ud_fail(cx, UD_E_UNAVAILABLE, NULL, "The agent is ending.");
	pthread_mutex_unlock(&p->talk);
	return code;
}

static void changed(void *data, const char *replication_id)
{
	(void)replication_id;
	ud_replicator_wake(data);
}

void ud_replicator_wake(struct ud_replicator *p)
{
	pthread_mutex_lock(&p->mutex);
	p->news = true;
	pthread_cond_broadcast(&p->moved);
	pthread_mutex_unlock(&p->mutex);
}

int ud_replicator_port(struct ud_replicator *p)
{
	pthread_mutex_lock(&p->mutex);
	int port = p->port;

	pthread_mutex_unlock(&p->mutex);
	return port;
}

/* Give the driver what it needs, again when the certificate was renewed or the hypervisor opened.
 */
static enum ud_code equip(struct ud_ctx *cx, struct ud_replicator *p)
{
	const struct ud_agent_config *config = p->station->config;
	struct ud_hv *hv = p->station->hv;
	struct ud_hv_replication with = { .agent_id = config->agent_id,
		.listen = config->replication_listen,
		.keytab = config->keytab,
		.media = config->media,
		.scrub_every_ms = ud_agent_scrub_every_ms(config),
		.scrub_bytes_per_second = ud_agent_scrub_rate(config),
		.may_receive = may_receive,
		.message = answer_peer,
		.changed = changed,
		.data = p };
	unsigned char identity[UD_SHA256];
	size_t n;
	int port = 0;

	if (!hv->driver->replicate)
		return UD_OK;
	UD_TRY(ud_file_read(
		cx, ud_agent_path(cx, config, "identity.pem"), PEM_MAX, &with.identity, &n));
	ud_sha256(with.identity, n, identity);
	if (hv == p->hv && memcmp(identity, p->identity, sizeof(identity)) == 0)
		return UD_OK;
	UD_TRY(ud_file_read(cx, ud_agent_path(cx, config, "ca.pem"), PEM_MAX, &with.root, &n));
	UD_TRY(ud_hv_replicate(cx, hv, &with, &port));
	memcpy(p->identity, identity, sizeof(identity));
	p->hv = hv;
	p->told_address = false;
	pthread_mutex_lock(&p->mutex);
	p->port = port;
	pthread_mutex_unlock(&p->mutex);
	return UD_OK;
}

/* ---- what was told ---- */

static struct told *told_of(
	struct ud_replicator *p, const char *replication_id, const char *point_id, bool make)
{
	struct told *t = p->told;

	while (t &&
		(strcmp(t->point_id, point_id) != 0 ||
			strcmp(t->replication_id, replication_id) != 0))
		t = t->next;
	if (t || !make || p->told_count == TOLD_MAX)
		return t;
	t = ud_malloc(sizeof(*t));
	t->replication_id = ud_heap_strdup(replication_id);
	t->point_id = ud_heap_strdup(point_id);
	t->next = p->told;
	p->told = t;
	p->told_count++;
	return t;
}

static void forget(struct ud_replicator *p, struct told **at)
{
	struct told *t = *at;

	*at = t->next;
	ud_free(t->replication_id);
	ud_free(t->point_id);
	ud_free(t);
	p->told_count--;
}

/* What the server has taken need not be told again; what it knows to be gone is forgotten. */
static void take_acks(struct ud_replicator *p, const struct ud_replication_acks *acks)
{
	for (size_t i = 0; i < acks->points.count; i++)
		for (struct told *t = p->told; t; t = t->next)
			if (strcmp(t->point_id, acks->points.items[i]) == 0)
				t->acked = true;
	for (size_t i = 0; i < acks->dropped.count; i++)
		for (struct told **at = &p->told; *at;)
			if ((*at)->gone && strcmp((*at)->point_id, acks->dropped.items[i]) == 0)
				forget(p, at);
			else
				at = &(*at)->next;
}

/* ---- the report ---- */

struct report {
	struct ud_replicator *p;
	struct ud_buf items;
	size_t relations, points;
	bool more; /* there is more to tell than goes into one */
	/* how the relations stand, taken first: a visitor must not call the driver */
	struct ud_replication_report stand[UD_REPORT_RELATIONS];
	size_t count, passed; /* passed: told in the reports before, of the same round */
	const struct ud_replication_report *at;
	struct ud_buf list; /* points of the relation at hand */
};

static enum ud_code take_relation(
	struct ud_ctx *cx, void *data, const struct ud_replication_report *report)
{
	struct report *r = data;

	if (r->passed < r->p->told_relations) {
		r->passed++;
		return UD_OK;
	}
	if (r->count == UD_REPORT_RELATIONS) {
		r->more = true;
		return UD_OK;
	}
	struct ud_replication_report *mine = &r->stand[r->count++];

	*mine = *report;
	mine->replication_id = ud_strdup(cx->arena, report->replication_id);
	mine->raw = ud_strdup(cx->arena, report->raw);
	mine->error.text = ud_strdup(cx->arena, report->error.text);
	return UD_OK;
}

static enum ud_code add_point(struct ud_ctx *cx, void *data, const struct ud_point *point)
{
	struct report *r = data;
	struct told *t = told_of(r->p, r->at->replication_id, point->id, true);

	(void)cx;
	if (!t)
		return UD_OK; /* more points than anybody keeps */
	t->seen = true;
	if (t->acked && t->state == point->state)
		return UD_OK;
	if (r->points == UD_REPORT_POINTS) {
		r->more = true;
		return UD_OK;
	}
	t->acked = false;
	t->state = point->state;
	r->points++;
	ud_buf_putc(&r->list, r->list.len ? ',' : '[');
	ud_shape_encode(&r->list, &ud_point_shape, point, NULL);
	return UD_OK;
}

/* Points that were told and are not there any more. */
static void add_dropped(
	struct ud_ctx *cx, struct ud_replicator *p, struct ud_replication_report *report)
{
	report->dropped.items = ud_alloc(cx->arena, sizeof(char *) * UD_REPORT_POINTS);
	for (struct told *t = p->told; t; t = t->next) {
		if (t->seen || strcmp(t->replication_id, report->replication_id) != 0)
			continue;
		t->gone = true;
		if (report->dropped.count < UD_REPORT_POINTS)
			report->dropped.items[report->dropped.count++] = t->point_id;
	}
}

/* The target tells its points; while its store is being filled there are none, and it is busy. */
static enum ud_code add_relation(
	struct ud_ctx *cx, struct report *r, const struct ud_replication_report *report)
{
	struct ud_replication_report full = *report;

	r->at = report;
	r->list.len = 0;
	/* a prepared source may be the only one that knows the name of what it has left there */
	if (report->role == UD_RELATION_TARGET ? report->state != UD_REPLICATION_READY_FOR_SEED
					       : report->state == UD_REPLICATION_PREPARED) {
		for (struct told *t = r->p->told; t; t = t->next)
			if (strcmp(t->replication_id, report->replication_id) == 0)
				t->seen = false;
		UD_TRY(ud_hv_points(cx, r->p->station->hv, report->replication_id, add_point, r));
		if (report->role == UD_RELATION_TARGET)
			add_dropped(cx, r->p, &full);
	}
	if (r->list.len) {
		ud_buf_putc(&r->list, ']');
		full.points.text = ud_strdup(cx->arena, ud_buf_text(&r->list));
	}
	ud_buf_putc(&r->items, r->relations++ ? ',' : '[');
	ud_shape_encode(&r->items, &ud_replication_report_shape, &full, NULL);
	return UD_OK;
}

/* Where points are taken, with the port that was really chosen; NULL = nowhere. */
static const char *address_of(struct ud_ctx *cx, struct ud_replicator *p)
{
	const char *listen = p->station->config->replication_listen;
	const char *colon = listen ? strrchr(listen, ':') : NULL;
	int port = ud_replicator_port(p);

	if (!colon || port <= 0)
		return NULL;
	return ud_printf(cx->arena, "%.*s:%d", (int)(colon - listen), listen, port);
}

/* Tell it all once; *ret_more: at once again. */
static enum ud_code report_once(struct ud_ctx *cx, struct ud_replicator *p, bool *ret_more)
{
	struct report r = { .p = p };
	struct ud_replication_reports out = { .agent_boot = ud_link_run(p->link),
		.listen = address_of(cx, p) };
	struct ud_replication_acks acks = { 0 };
	enum ud_code code = UD_OK;

	*ret_more = false;
	if (p->station->hv->driver->relations)
		code = ud_hv_relations(cx, p->station->hv, take_relation, &r);
	for (size_t i = 0; i < r.count && code == UD_OK; i++)
		code = add_relation(cx, &r, &r.stand[i]);
	if (code == UD_OK && r.relations > 0) {
		ud_buf_putc(&r.items, ']');
		out.items.text = ud_strdup(cx->arena, ud_buf_text(&r.items));
	}
	ud_buf_free(&r.items);
	ud_buf_free(&r.list);
	UD_TRY(code);
	if (!out.items.text)
		p->told_relations = 0;
	if (!out.items.text && p->told_address)
		return UD_OK;
	if (!out.items.text)
		out.items.text = "[]";
	UD_TRY(ud_link_send(cx, p->link, "/v1/agent/replication", &ud_replication_reports_shape,
		&out, CALL_MS, &ud_replication_acks_shape, &acks, NULL));
	p->told_address = true;
	p->told_relations = r.more ? p->told_relations + r.count : 0;
	take_acks(p, &acks);
	*ret_more = r.more;
	return UD_OK;
}

/* Wait for news, or for the time of the next report. False: it ends. */
static bool wait_news(struct ud_replicator *p, int64_t ms)
{
	struct timespec until;

	ud_deadline(ms, &until);
	pthread_mutex_lock(&p->mutex);
	while (!p->news && !p->ends && pthread_cond_timedwait(&p->moved, &p->mutex, &until) == 0)
		;
	p->news = false;
	bool go_on = !p->ends;

	pthread_mutex_unlock(&p->mutex);
	return go_on;
}

static void *run(void *data)
{
	struct ud_replicator *p = data;
	const struct ud_env *env = p->station->env;
	int64_t next_ms = 0;

	while (wait_news(p, next_ms)) {
		UD_AUTO(ud_arena) *arena = ud_arena_new();
		struct ud_ctx cx = { .arena = arena,
			.env = env,
			.now_ms = ud_now_ms(env),
			.request_id = "replicator" };
		bool more = false;
		enum ud_code code =
			atomic_load(&p->station->dead) ? UD_E_UNAVAILABLE : equip(&cx, p);

		if (code == UD_OK)
			code = report_once(&cx, p, &more);
		if (code != UD_OK && !ud_link_stopped(p->link))
			ud_log(UD_LOG_WARNING, "replication_not_reported", "code",
				ud_error_info(code)->name, "reason",
				cx.problem.detail ? cx.problem.detail : "", NULL);
		next_ms = more ? AT_ONCE_MS : (int64_t)UD_HEARTBEAT_SECONDS * 1000;
	}
	return NULL;
}

enum ud_code ud_replicator_start(
	struct ud_ctx *cx, struct ud_station *station, ud_link *link, struct ud_replicator **ret)
{
	struct ud_replicator *p = ud_malloc(sizeof(*p));
	pthread_condattr_t attr;

	p->station = station;
	p->link = link;
	pthread_mutex_init(&p->mutex, NULL);
	pthread_mutex_init(&p->talk, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->moved, &attr);
	pthread_condattr_destroy(&attr);
	/* relations are known before anybody works with them; what fails is tried again by the
	 * thread */
	if (equip(cx, p) != UD_OK) {
		ud_log(UD_LOG_WARNING, "replication_not_begun", "reason",
			cx->problem.detail ? cx->problem.detail : "", NULL);
		ud_ctx_clear(cx);
	}
	p->runs = pthread_create(&p->thread, NULL, run, p) == 0;
	if (!p->runs) {
		ud_replicator_release(&p);
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot start a thread");
	}
	*ret = p;
	return UD_OK;
}

void ud_replicator_stop(struct ud_replicator *p)
{
	pthread_mutex_lock(&p->talk);
	pthread_mutex_lock(&p->mutex);
	p->ends = true;
	pthread_cond_broadcast(&p->moved);
	pthread_mutex_unlock(&p->mutex);
	pthread_mutex_unlock(&p->talk);
	if (p->runs)
		pthread_join(p->thread, NULL);
	p->runs = false;
}

void ud_replicator_release(struct ud_replicator **pp)
{
	struct ud_replicator *p = *pp;

	if (!p)
		return;
	ud_replicator_stop(p);
	while (p->told)
		forget(p, &p->told);
	pthread_cond_destroy(&p->moved);
	pthread_mutex_destroy(&p->mutex);
	pthread_mutex_destroy(&p->talk);
	ud_free(p);
	*pp = NULL;
}
