/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replication between hypervisors in memory: what a guest has written is a number, a point is that
 * number at a moment, and it stands at both ends at once. Only one hypervisor is locked at a time.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/id.h"
#include "support/scripted_inside.h"

enum { WRITTEN = 1 << 20 }; /* bytes that one writing counts for */

static struct scripted_relation *relation_of(struct scripted *s, const char *replication_id)
{
	struct scripted_relation *r = s->relations;

	while (r && (r->gone || strcmp(r->r.replication_id, replication_id) != 0))
		r = r->next;
	return r;
}

/* Begin a call about a relation. */
static enum ud_code enter(struct ud_ctx *cx, struct ud_hv *hv, const char *slot,
	const char *replication_id, unsigned flags, struct scripted_relation **ret)
{
	UD_TRY(scripted_enter_for(cx, hv, slot, replication_id, flags));
	*ret = relation_of(scripted_of(hv), replication_id);
	if (*ret)
		return UD_OK;
	return scripted_leave(cx, hv, slot,
		ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no relation %s.", replication_id));
}

void scripted_agent(struct scripted *s, const char *agent_id)
{
	pthread_mutex_lock(&s->lock);
	s->agent_id = ud_strdup(s->arena, agent_id);
	pthread_mutex_unlock(&s->lock);
}

void scripted_write(struct scripted *s, const char *uuid)
{
	pthread_mutex_lock(&s->lock);
	struct scripted_vm *vm = scripted_vm(s, uuid);

	if (vm)
		vm->content++;
	pthread_mutex_unlock(&s->lock);
}

int64_t scripted_content(struct scripted *s, const char *uuid)
{
	pthread_mutex_lock(&s->lock);
	struct scripted_vm *vm = scripted_vm(s, uuid);
	int64_t content = vm ? vm->content : -1;

	pthread_mutex_unlock(&s->lock);
	return content;
}

void scripted_cut(struct scripted *s, bool cut)
{
	pthread_mutex_lock(&s->lock);
	s->cut = cut;
	pthread_mutex_unlock(&s->lock);
}

/* ---- relations ---- */

/* Texts of the relation into the hypervisor's arena, by the field table. */
static void keep(struct scripted *s, const struct ud_relation *from, struct ud_relation *ret)
{
	*ret = *from;
	for (size_t i = 0; i < ud_relation_shape.field_count; i++) {
		const struct ud_field *f = &ud_relation_shape.fields[i];

		if (f->type == UD_TEXT)
			*ud_field_text(f, ret) = ud_strdup(s->arena, *ud_field_text(f, from));
		if (f->type == UD_JSON)
			ud_field_json(f, ret)->text =
				ud_strdup(s->arena, ud_field_json(f, from)->text);
		if (f->type != UD_TEXTS)
			continue;
		struct ud_texts *t = ud_field_texts(f, ret);
		const char **items = ud_alloc(s->arena, sizeof(char *) * (t->count + 1));

		for (size_t k = 0; k < t->count; k++)
			items[k] = ud_strdup(s->arena, t->items[k]);
		t->items = items;
	}
}

enum ud_code scripted_replicate(
	struct ud_ctx *cx, struct ud_hv *hv, const struct ud_hv_replication *with, int *ret_port)
{
	const char *colon = with->listen ? strrchr(with->listen, ':') : NULL;

	UD_TRY(scripted_enter_for(cx, hv, "replicate", NULL, SCRIPTED_LOOKS));
	UD_OUTER(hv, struct scripted_hv, hv)->with = *with;
	*ret_port = colon ? atoi(colon + 1) : 0;
	return scripted_leave(cx, hv, "replicate", UD_OK);
}

bool scripted_replicates(const struct scripted *s)
{
	return s->open && s->open->with.agent_id;
}

/* Does the journal of the host's agent let a point in? Under the lock. */
static bool may_receive(struct scripted *s, const struct scripted_relation *r, int64_t epoch)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };

	for (struct scripted_hv *hv = s->open; hv; hv = hv->next)
		if (hv->with.may_receive &&
			hv->with.may_receive(&cx, hv->with.data, r->r.vm_id, epoch) != UD_OK)
			return false;
	return true;
}

static void tell_agents(struct scripted *s, const struct scripted_relation *r)
{
	for (struct scripted_hv *hv = s->open; hv; hv = hv->next)
		if (hv->with.changed)
			hv->with.changed(hv->with.data, r->r.replication_id);
}

static bool is_agent(struct scripted *s, const void *agent_id)
{
	return s->agent_id && strcmp(s->agent_id, agent_id) == 0;
}

/* Add a point to one end; the hypervisor must not be locked. */
static bool add_point(struct scripted *s, const char *replication_id, enum ud_relation_role role,
	const struct scripted_point *from)
{
	bool added = false;

	pthread_mutex_lock(&s->lock);
	struct scripted_relation *r = relation_of(s, replication_id);

	/* what was brought up takes nothing in any more, whether an agent is there or not */
	if (r && r->r.role == role && !s->cut && r->r.state == UD_RELATION_ACTIVE &&
		(role == UD_RELATION_SOURCE || !r->failed_over_to) && from->p.epoch >= r->r.epoch &&
		(role == UD_RELATION_SOURCE || may_receive(s, r, from->p.epoch))) {
		struct scripted_point *p = ud_alloc(s->arena, sizeof(*p));

		*p = *from;
		p->next = r->points;
		p->p.id = ud_strdup(s->arena, from->p.id);
		p->p.parent = ud_strdup(s->arena, from->p.parent);
		p->p.reason = ud_strdup(s->arena, from->p.reason);
		p->p.roots.text = ud_strdup(s->arena, from->p.roots.text);
		r->points = p;
		r->state = UD_REPLICATION_REPLICATING;
		int64_t kept = 0;

		for (struct scripted_point *old = r->points; old; old = old->next)
			if (!old->gone && kept++ > r->r.recovery_points_kept)
				old->gone = true;
		added = true;
		tell_agents(s, r);
	}
	pthread_mutex_unlock(&s->lock);
	return added;
}

/* The next point of a relation, made of what its VM holds now. Under the lock. */
static bool next_point(struct ud_ctx *cx, struct scripted *s, struct scripted_relation *r,
	struct scripted_point *ret)
{
	struct scripted_vm *vm = scripted_vm(s, r->r.uuid);

	if (!vm || r->r.role != UD_RELATION_SOURCE || r->r.state != UD_RELATION_ACTIVE)
		return false;
	int64_t before = r->points ? r->points->content : 0, now = ud_now_ms(cx->env);

	/* a real one does not make two within a moment */
	if (r->points && r->points->p.taken_at.ms >= now)
		now = r->points->p.taken_at.ms + 1;
	*ret = (struct scripted_point){
		.p = { .id = ud_id_new(cx->arena, cx->env, ud_now_ms(cx->env), "rpt"),
			.n = r->points ? r->points->p.n + 1 : 1,
			.taken_at = { now },
			.bytes = llabs(vm->content - before) * WRITTEN,
			.roots = { ud_printf(cx->arena, "{\"vda\":\"%064llx\",\"vdb\":\"%064llx\"}",
				(unsigned long long)vm->content, (unsigned long long)vm->content) },
			.parent = r->points ? r->points->p.id : NULL,
			.epoch = r->r.epoch,
			.state = UD_POINT_COMPLETE },
		.taken_mono_ms = ud_mono_ms(cx->env),
		.content = vm->content
	};
	r->cycles++;
	scripted_did(s, "point");
	return true;
}

/* One cycle of a source that is not locked. */
static enum ud_code cycle(struct ud_ctx *cx, struct scripted *s, const char *replication_id,
	struct scripted_point *ret)
{
	struct scripted_point p = { 0 };

	pthread_mutex_lock(&s->lock);
	struct scripted_relation *r = relation_of(s, replication_id);
	bool made = r && next_point(cx, s, r, &p);
	const char *peer_id = r ? ud_strdup(cx->arena, r->r.peer_agent_id) : NULL;
	bool cut = s->cut;

	pthread_mutex_unlock(&s->lock);
	if (!made)
		return ud_fail(
			cx, UD_E_INVALID_STATE, NULL, "%s makes no points here.", replication_id);
	struct scripted *peer = scripted_find_by(is_agent, peer_id);

	if (cut || !peer || !add_point(peer, replication_id, UD_RELATION_TARGET, &p)) {
		pthread_mutex_lock(&s->lock);
		r->missed++;
		pthread_mutex_unlock(&s->lock);
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "The target is not reached.");
	}
	if (!add_point(s, replication_id, UD_RELATION_SOURCE, &p))
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "The relation has changed.");
	*ret = p;
	return UD_OK;
}

/* Where the relation stands now, as an answer; the hypervisor must not be locked. */
static void stands(struct scripted *s, const char *replication_id, struct ud_relation_result *ret)
{
	pthread_mutex_lock(&s->lock);
	struct scripted_relation *r = relation_of(s, replication_id);

	*ret = (struct ud_relation_result){ .replication_id = replication_id,
		.generation = r ? r->r.generation : UD_NONE,
		.state = r ? r->state : UD_REPLICATION_DISABLED };
	pthread_mutex_unlock(&s->lock);
}

enum ud_code scripted_cycle(struct ud_ctx *cx, struct scripted *s, const char *replication_id)
{
	struct scripted_point p;

	return cycle(cx, s, replication_id, &p);
}

enum ud_code scripted_relation_set(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation *relation, struct ud_relation_result *ret)
{
	struct scripted *s = scripted_of(hv);
	struct scripted_point p;

	UD_TRY(scripted_enter_for(cx, hv, "relation_set", relation->replication_id, 0));
	struct scripted_relation *r = relation_of(s, relation->replication_id);

	if (r && (relation->generation < r->r.generation || relation->epoch < r->r.epoch))
		return scripted_leave(cx, hv, "relation_set",
			ud_fail(cx, UD_E_CONFLICT, NULL, "A newer relation stands here."));
	if (!r) {
		r = ud_alloc(s->arena, sizeof(*r));
		r->next = s->relations;
		s->relations = r;
		r->state = UD_REPLICATION_READY_FOR_SEED;
	}
	bool turned = r->r.replication_id && r->r.role != relation->role;

	keep(s, relation, &r->r);
	if (turned) {
		r->state = UD_REPLICATION_READY_FOR_SEED;
		r->failed_over_to = NULL;
	}
	if (relation->state == UD_RELATION_PAUSED)
		r->state = UD_REPLICATION_PAUSED;
	if (relation->state == UD_RELATION_REMOVED)
		r->state = UD_REPLICATION_DISABLED;
	if (relation->state == UD_RELATION_ACTIVE &&
		(r->state == UD_REPLICATION_PAUSED || r->state == UD_REPLICATION_DISABLED))
		r->state = r->points ? UD_REPLICATION_REPLICATING : UD_REPLICATION_READY_FOR_SEED;
	bool seeds = r->state == UD_REPLICATION_READY_FOR_SEED && r->r.role == UD_RELATION_SOURCE;

	UD_TRY(scripted_leave(cx, hv, "relation_set", UD_OK));
	if (seeds && cycle(cx, s, relation->replication_id, &p) != UD_OK)
		ud_ctx_clear(cx); /* the target is not set yet: the next cycle seeds */
	stands(s, relation->replication_id, ret);
	return UD_OK;
}

enum ud_code scripted_relation_drop(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_drop *drop, struct ud_relation_result *ret)
{
	struct scripted *s = scripted_of(hv);

	UD_TRY(scripted_enter_for(cx, hv, "relation_drop", drop->replication_id, 0));
	struct scripted_relation *r = relation_of(s, drop->replication_id);

	if (r) {
		r->gone = true;
		scripted_did(s, "relation_drop");
	}
	UD_TRY(scripted_leave(cx, hv, "relation_drop", UD_OK));
	stands(s, drop->replication_id, ret);
	return UD_OK;
}

enum ud_code scripted_relation_resync(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_resync *resync, struct ud_relation_result *ret)
{
	struct scripted_relation *r;
	struct scripted_point p;

	UD_TRY(enter(cx, hv, "relation_resync", resync->replication_id, 0, &r));
	bool source = r->r.role == UD_RELATION_SOURCE;

	UD_TRY(scripted_leave(cx, hv, "relation_resync", UD_OK));
	if (source)
		UD_TRY(cycle(cx, scripted_of(hv), resync->replication_id, &p));
	stands(scripted_of(hv), resync->replication_id, ret);
	return UD_OK;
}

enum ud_code scripted_relation_test(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_test *test, struct ud_relation_tested *ret)
{
	UD_TRY(scripted_enter_for(cx, hv, "relation_test", NULL, SCRIPTED_LOOKS));
	bool cut = scripted_of(hv)->cut;

	UD_TRY(scripted_leave(cx, hv, "relation_test", UD_OK));
	bool there = !cut && scripted_find_by(is_agent, test->peer_agent_id);

	*ret = (struct ud_relation_tested){ .reachable = there,
		.encrypted = true,
		.latency_ms = there ? 1 : UD_NONE,
		.bytes_per_second = UD_NONE,
		.code = there ? NULL : "not_reached",
		.text = there ? NULL : "The other end does not answer." };
	return UD_OK;
}

/* ---- what is told ---- */

/* By the clock of whoever asks; the other host's may go ahead of it. */
static int64_t age_of(struct ud_ctx *cx, const struct scripted_point *p)
{
	int64_t age = ud_mono_ms(cx->env) - p->taken_mono_ms;

	return age > 0 ? age : 0;
}

static const struct scripted_point *newest(const struct scripted_relation *r)
{
	const struct scripted_point *p = r->points;

	while (p && p->gone)
		p = p->next;
	return p;
}

enum ud_code scripted_relations(
	struct ud_ctx *cx, struct ud_hv *hv, ud_hv_related *visit, void *data)
{
	enum ud_code code = UD_OK;

	UD_TRY(scripted_enter_for(cx, hv, "relations", NULL, SCRIPTED_LOOKS));
	struct scripted *s = scripted_of(hv);

	for (struct scripted_relation *r = s->relations; r && code == UD_OK; r = r->next) {
		const struct scripted_point *p = newest(r);
		struct ud_replication_report report = { .replication_id = r->r.replication_id,
			.role = r->r.role,
			.state = r->state,
			.raw = ud_replication_states.names[r->state],
			.generation = r->r.generation,
			.progress_percent = UD_NONE,
			.eta_seconds = UD_NONE,
			.newest_point_age_ms = p ? age_of(cx, p) : UD_NONE,
			.last_cycle_ms = 1,
			.cycles_total = r->cycles,
			.cycles_missed = r->missed,
			.latency_ms = 1 };

		if (!r->gone)
			code = visit(cx, data, &report);
	}
	return scripted_leave(cx, hv, "relations", code);
}

static struct ud_point told(struct ud_ctx *cx, const struct scripted_point *p)
{
	struct ud_point point = p->p;

	point.age_ms = age_of(cx, p);
	return point;
}

enum ud_code scripted_points(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
	ud_hv_pointed *visit, void *data)
{
	struct scripted_relation *r;
	enum ud_code code = UD_OK;

	UD_TRY(enter(cx, hv, "points", replication_id, SCRIPTED_LOOKS, &r));
	for (struct scripted_point *p = r->points; p && code == UD_OK; p = p->next) {
		struct ud_point point = told(cx, p);

		if (!p->gone)
			code = visit(cx, data, &point);
	}
	return scripted_leave(cx, hv, "points", code);
}

static struct scripted_point *point_of(struct scripted_relation *r, const char *point_id)
{
	struct scripted_point *p = r->points;

	while (p && (p->gone || strcmp(p->p.id, point_id) != 0))
		p = p->next;
	return p;
}

/* The point of that id, or UD_E_NOT_FOUND and the call is left. */
static enum ud_code need_point(struct ud_ctx *cx, struct ud_hv *hv, const char *slot,
	struct scripted_relation *r, const char *point_id, struct scripted_point **ret)
{
	*ret = point_of(r, point_id ? point_id : "");
	if (*ret)
		return UD_OK;
	return scripted_leave(cx, hv, slot,
		ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no point %s.",
			point_id ? point_id : "(none named)"));
}

enum ud_code scripted_point_verify(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_point_verify *verify, const struct ud_hv_leave *may,
	struct ud_point_verified *ret)
{
	struct scripted_relation *r;
	struct scripted_point *p;

	UD_TRY(enter(cx, hv, "point_verify", verify->replication_id, SCRIPTED_LOOKS, &r));
	UD_TRY(need_point(cx, hv, "point_verify", r, verify->point_id, &p));
	*ret = (struct ud_point_verified){ .point_id = p->p.id,
		.intact = p->p.state != UD_POINT_CORRUPT,
		.roots = p->p.roots,
		.text = "Read back." };
	bool patient = scripted_of(hv)->patient;

	UD_TRY(scripted_leave(cx, hv, "point_verify", UD_OK));
	while (patient && may->go_on(may->data))
		sched_yield();
	return patient ? ud_fail(cx, UD_E_INVALID_STATE, NULL, "Something else had to be done.")
		       : UD_OK;
}

void scripted_patient(struct scripted *s)
{
	pthread_mutex_lock(&s->lock);
	s->patient = true;
	pthread_mutex_unlock(&s->lock);
}

/* ---- failover ---- */

enum ud_code scripted_prepare(
	struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id, struct ud_point *ret)
{
	struct scripted_relation *r;
	struct scripted_point p = { 0 };
	enum ud_code code = UD_OK;

	UD_TRY(enter(cx, hv, "prepare", replication_id, 0, &r));
	struct scripted_vm *vm = scripted_vm(scripted_of(hv), r->r.uuid);

	if (!vm || vm->m.power != UD_POWER_OFF)
		code = ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is not off.");
	UD_TRY(scripted_leave(cx, hv, "prepare", code));
	UD_TRY(cycle(cx, scripted_of(hv), replication_id, &p));
	pthread_mutex_lock(&scripted_of(hv)->lock);
	r->state = UD_REPLICATION_PREPARED;
	pthread_mutex_unlock(&scripted_of(hv)->lock);
	*ret = told(cx, &p);
	return UD_OK;
}

/* The former source's VM comes back with its own disks. */
static void bring_back(struct scripted *s, struct scripted_relation *r)
{
	struct scripted_vm *vm = s->vms;

	while (vm && strcmp(vm->m.uuid, r->r.uuid) != 0)
		vm = vm->next;
	if (!vm)
		return;
	vm->gone = false;
	if (vm->m.power == UD_POWER_OFF) {
		scripted_did(s, "bring_back");
		scripted_power_is(s, vm, UD_POWER_PAUSED);
	}
}

enum ud_code scripted_fail_over(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_hv_promotion *promotion, struct ud_hv_promoted *ret)
{
	struct scripted *s = scripted_of(hv);
	struct scripted_relation *r;
	struct scripted_point *p;

	UD_TRY(enter(cx, hv, "fail_over", promotion->replication_id, 0, &r));
	if (r->r.role == UD_RELATION_SOURCE && !promotion->point_id) {
		bring_back(s, r);
		*ret = (struct ud_hv_promoted){ 0 };
		return scripted_leave(cx, hv, "fail_over", UD_OK);
	}
	if (r->failed_over_to && !promotion->point_id) {
		bring_back(s, r);
		*ret = (struct ud_hv_promoted){ .point_id = r->failed_over_to };
		return scripted_leave(cx, hv, "fail_over", UD_OK);
	}
	UD_TRY(need_point(cx, hv, "fail_over", r, promotion->point_id, &p));
	if (!r->failed_over_to) {
		struct scripted_vm *vm = scripted_make(s, r->r.uuid, r->r.vm_id);

		vm->gone = false;
		vm->content = p->content;
		r->failed_over_to = p->p.id;
		r->state = UD_REPLICATION_FAILED_OVER_UNCOMMITTED;
		scripted_did(s, "fail_over");
		scripted_power_is(s, vm, UD_POWER_PAUSED);
	}
	*ret = (struct ud_hv_promoted){ .point_id = p->p.id, .roots = p->p.roots };
	if (strcmp(r->failed_over_to, p->p.id) != 0)
		return scripted_leave(cx, hv, "fail_over",
			ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM was brought up from %s.",
				r->failed_over_to));
	return scripted_leave(cx, hv, "fail_over", UD_OK);
}

enum ud_code scripted_complete(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id)
{
	struct scripted_relation *r;
	enum ud_code code = UD_OK;

	UD_TRY(enter(cx, hv, "complete", replication_id, 0, &r));
	if (r->state == UD_REPLICATION_FAILED_OVER_UNCOMMITTED) {
		for (struct scripted_point *p = r->points;
			p && strcmp(p->p.id, r->failed_over_to) != 0; p = p->next)
			p->gone = true;
		scripted_did(scripted_of(hv), "complete");
		r->state = UD_REPLICATION_COMMITTED;
	} else if (r->state != UD_REPLICATION_COMMITTED) {
		code = ud_fail(cx, UD_E_INVALID_STATE, NULL, "Nothing was failed over.");
	}
	return scripted_leave(cx, hv, "complete", code);
}

enum ud_code scripted_cancel(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id)
{
	struct scripted_relation *r;
	enum ud_code code = UD_OK;

	UD_TRY(enter(cx, hv, "cancel", replication_id, 0, &r));
	struct scripted *s = scripted_of(hv);
	struct scripted_vm *vm = scripted_vm(s, r->r.uuid);

	if (r->state == UD_REPLICATION_COMMITTED) {
		code = ud_fail(cx, UD_E_INVALID_STATE, NULL, "The failover is complete.");
	} else if (r->failed_over_to) {
		if (vm) {
			scripted_power_is(s, vm, UD_POWER_OFF);
			vm->gone = true;
		}
		r->failed_over_to = NULL;
		scripted_did(s, "cancel");
		r->state = UD_REPLICATION_REPLICATING;
	}
	return scripted_leave(cx, hv, "cancel", code);
}

enum ud_code scripted_displace(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_hv_displaced *ret)
{
	struct scripted *s = scripted_of(hv);
	struct scripted_relation *r = NULL;
	enum ud_code code = UD_OK;

	UD_TRY(scripted_enter_for(cx, hv, "displace", uuid, 0));
	for (r = s->relations; r && (r->gone || strcmp(r->r.uuid, uuid) != 0); r = r->next)
		;
	struct scripted_vm *vm = scripted_vm(s, uuid);
	const struct scripted_point *p = r ? newest(r) : NULL;

	if (vm && vm->m.power != UD_POWER_OFF)
		return scripted_leave(cx, hv, "displace",
			ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is not off."));
	*ret = (struct ud_hv_displaced){ .divergent = r ? r->divergent : NULL };
	if (vm && r) {
		int64_t more = vm->content - (p ? p->content : 0);

		r->divergent =
			more ? ud_printf(s->arena, "divergent-%lld", (long long)r->r.epoch) : NULL;
		*ret = (struct ud_hv_displaced){ r->divergent, more * WRITTEN };
	}
	if (vm) {
		vm->gone = true;
		scripted_did(s, "displace");
		scripted_tell(s, uuid);
	}
	return scripted_leave(cx, hv, "displace", code);
}

static struct scripted_vm *test_of(struct scripted *s, const char *test_id)
{
	struct scripted_vm *vm = s->vms;

	while (vm && (vm->gone || !vm->test_id || strcmp(vm->test_id, test_id) != 0))
		vm = vm->next;
	return vm;
}

enum ud_code scripted_test_start(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_hv_test *test,
	struct ud_hv_tested *ret)
{
	struct scripted *s = scripted_of(hv);
	struct scripted_relation *r;
	struct scripted_point *p;
	int n = 1;

	UD_TRY(enter(cx, hv, "test_start", test->replication_id, 0, &r));
	UD_TRY(need_point(cx, hv, "test_start", r, test->point_id, &p));
	struct scripted_vm *vm = test_of(s, test->test_id);

	if (!vm) {
		for (vm = s->vms; vm; vm = vm->next)
			n++;
		vm = scripted_make(
			s, ud_printf(cx->arena, "00000000-0000-4000-8000-7e57%08d", n), test->name);
		vm->test_id = ud_strdup(s->arena, test->test_id);
		vm->content = p->content;
		vm->m.transient = true;
		vm->m.test_of = r->r.uuid;
		scripted_did(s, "test_start");
		scripted_power_is(s, vm, UD_POWER_RUNNING);
	}
	*ret = (struct ud_hv_tested){ .uuid = ud_strdup(cx->arena, vm->m.uuid),
		.roots = p->p.roots };
	return scripted_leave(cx, hv, "test_start", UD_OK);
}

enum ud_code scripted_test_drop(struct ud_ctx *cx, struct ud_hv *hv, const char *test_id)
{
	UD_TRY(scripted_enter_for(cx, hv, "test_drop", test_id, 0));
	struct scripted_vm *vm = test_of(scripted_of(hv), test_id);

	if (vm) {
		scripted_did(scripted_of(hv), "test_drop");
		scripted_power_is(scripted_of(hv), vm, UD_POWER_OFF);
	}
	return scripted_leave(cx, hv, "test_drop", UD_OK);
}
