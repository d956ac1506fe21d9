/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries in one array, searched from end to end: a host has some hundred VMs at most, and a look
 * at all of them takes microseconds.
 */
#include "agent/guard/table.h"

#include <string.h>

#include "agent/guard/process.h"

void ud_guard_table_init(struct ud_guard_table *t)
{
	t->count = 0;
	for (size_t i = 0; i < UD_LEN(t->entries); i++)
		t->entries[i].process = -1;
}

static void forget(struct ud_guard_table *t, struct ud_guard_entry *e)
{
	ud_guard_let_go(e->process);
	e->process = -1;
	t->count--;
}

static struct ud_guard_entry *find(struct ud_guard_table *t, const unsigned char *uuid)
{
	for (size_t i = 0; i < UD_LEN(t->entries); i++)
		if (t->entries[i].process >= 0 &&
			memcmp(t->entries[i].uuid, uuid, UD_GUARD_UUID) == 0)
			return &t->entries[i];
	return NULL;
}

static struct ud_guard_entry *find_free(struct ud_guard_table *t)
{
	for (size_t i = 0; i < UD_LEN(t->entries); i++)
		if (t->entries[i].process < 0)
			return &t->entries[i];
	return NULL;
}

static void show(const struct ud_guard_entry *e, struct ud_guard_reply *ret)
{
	memcpy(ret->uuid, e->uuid, sizeof(ret->uuid));
	ret->epoch = e->epoch;
	ret->deadline_ms = e->deadline_ms;
	ret->killed_ms = e->killed_ms;
}

/* A lease grows and an epoch rises; neither ever falls. */
static enum ud_guard_result renew(
	struct ud_guard_entry *e, const struct ud_guard_request *rq, struct ud_guard_reply *ret)
{
	enum ud_guard_result result = UD_GUARD_DONE;

	if (e->killed_ms || ud_guard_has_ended(e->process)) {
		result = UD_GUARD_NONE;
	} else if (rq->epoch < e->epoch) {
		result = UD_GUARD_OLDER;
	} else {
		e->epoch = rq->epoch;
		if (rq->deadline_ms > e->deadline_ms)
			e->deadline_ms = rq->deadline_ms;
	}
	show(e, ret);
	return result;
}

static enum ud_guard_result add(struct ud_guard_table *t, const struct ud_guard_request *rq,
	int process, struct ud_guard_reply *ret, struct ud_guard_entry **ret_new)
{
	struct ud_guard_entry *e = find_free(t);

	if (!e)
		return UD_GUARD_FULL;
	*e = (struct ud_guard_entry){
		.epoch = rq->epoch, .deadline_ms = rq->deadline_ms, .process = process
	};
	memcpy(e->uuid, rq->uuid, sizeof(e->uuid));
	t->count++;
	*ret_new = e;
	show(e, ret);
	return UD_GUARD_DONE;
}

/* A process that lives is guarded already: the same hypervisor never has two of one VM. */
static enum ud_guard_result arm(struct ud_guard_table *t, const struct ud_guard_request *rq,
	int process, struct ud_guard_reply *ret, struct ud_guard_entry **ret_new)
{
	struct ud_guard_entry *e = find(t, rq->uuid);
	enum ud_guard_result result;

	if (process < 0 || !ud_guard_is_process(process) || ud_guard_has_ended(process)) {
		if (process >= 0)
			ud_guard_let_go(process);
		return process >= 0 ? UD_GUARD_NONE : UD_GUARD_BAD;
	}
	if (e && ud_guard_has_ended(e->process)) {
		forget(t, e);
		e = NULL;
	}
	if (!e) {
		result = add(t, rq, process, ret, ret_new);
		if (result == UD_GUARD_DONE)
			return result;
	} else {
		result = renew(e, rq, ret);
	}
	ud_guard_let_go(process);
	return result;
}

static enum ud_guard_result show_at(
	const struct ud_guard_table *t, uint32_t index, struct ud_guard_reply *ret)
{
	for (size_t i = 0; i < UD_LEN(t->entries); i++)
		if (t->entries[i].process >= 0 && index-- == 0) {
			show(&t->entries[i], ret);
			return UD_GUARD_DONE;
		}
	return UD_GUARD_NONE;
}

static enum ud_guard_result disarm(
	struct ud_guard_table *t, const struct ud_guard_request *rq, struct ud_guard_reply *ret)
{
	struct ud_guard_entry *e = find(t, rq->uuid);

	if (!e)
		return UD_GUARD_NONE;
	show(e, ret);
	if (rq->epoch < e->epoch)
		return UD_GUARD_OLDER;
	forget(t, e);
	return UD_GUARD_DONE;
}

static bool sound(const struct ud_guard_request *rq, int64_t now_ms)
{
	return rq->version == UD_GUARD_VERSION &&
		(rq->verb > UD_GUARD_RENEW ||
			(rq->deadline_ms > 0 && rq->deadline_ms <= now_ms + UD_GUARD_LONGEST_MS));
}

void ud_guard_table_do(struct ud_guard_table *t, const struct ud_guard_request *rq, int process,
	int64_t now_ms, struct ud_guard_reply *ret, struct ud_guard_entry **ret_new)
{
	struct ud_guard_entry *e;

	*ret = (struct ud_guard_reply){ .version = UD_GUARD_VERSION, .result = UD_GUARD_BAD };
	*ret_new = NULL;
	if (sound(rq, now_ms) && rq->verb == UD_GUARD_ARM) {
		ret->result = arm(t, rq, process, ret, ret_new);
		ret->count = t->count;
		return;
	}
	if (process >= 0)
		ud_guard_let_go(process);
	ret->count = t->count;
	if (!sound(rq, now_ms))
		return;
	if (rq->verb == UD_GUARD_RENEW) {
		e = find(t, rq->uuid);
		ret->result = e ? renew(e, rq, ret) : UD_GUARD_NONE;
	} else if (rq->verb == UD_GUARD_DISARM) {
		ret->result = disarm(t, rq, ret);
	} else if (rq->verb == UD_GUARD_SHOW) {
		ret->result = show_at(t, rq->index, ret);
	}
}

void ud_guard_table_expire(struct ud_guard_table *t, int64_t now_ms, uint32_t *ret_killed)
{
	*ret_killed = 0;
	for (size_t i = 0; i < UD_LEN(t->entries); i++) {
		struct ud_guard_entry *e = &t->entries[i];

		if (e->process < 0 || e->killed_ms || now_ms < e->deadline_ms)
			continue;
		/* what has ended by itself cannot be hit: our hold stays its own */
		ud_guard_kill(e->process);
		e->killed_ms = now_ms;
		(*ret_killed)++;
	}
}

int64_t ud_guard_table_next(const struct ud_guard_table *t)
{
	int64_t next = 0;

	for (size_t i = 0; i < UD_LEN(t->entries); i++) {
		const struct ud_guard_entry *e = &t->entries[i];

		if (e->process >= 0 && !e->killed_ms && (!next || e->deadline_ms < next))
			next = e->deadline_ms;
	}
	return next;
}

void ud_guard_table_sweep(struct ud_guard_table *t)
{
	for (size_t i = 0; i < UD_LEN(t->entries); i++) {
		struct ud_guard_entry *e = &t->entries[i];

		if (e->process >= 0 && !e->killed_ms && ud_guard_has_ended(e->process))
			forget(t, e);
	}
}

bool ud_guard_table_stuck(const struct ud_guard_table *t, int64_t now_ms)
{
	for (size_t i = 0; i < UD_LEN(t->entries); i++) {
		const struct ud_guard_entry *e = &t->entries[i];

		if (e->process >= 0 && e->killed_ms && now_ms - e->killed_ms > UD_GUARD_KILL_MS &&
			!ud_guard_has_ended(e->process))
			return true;
	}
	return false;
}

bool ud_guard_table_armed(const struct ud_guard_table *t)
{
	return ud_guard_table_next(t) != 0;
}
