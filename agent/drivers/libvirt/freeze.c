/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Freezing a guest's file systems, never for longer than allowed: each freeze has a thread that
 * thaws at the deadline, whatever the caller does or hangs in. What a process before us left frozen
 * is thawed when we open.
 */
#include <string.h>

#include "agent/drivers/libvirt/inside.h"
#include "base/env.h"
#include "base/log.h"

enum { STATUS_MS = 1000, THAW_MS = 5000, TRIES = 3 };
enum freeze_state { FROZEN, THAWED, EXPIRED };

struct ud_lv_freeze {
	struct ud_lv_freeze *next;
	struct ud_lv *lv;
	char uuid[VIR_UUID_STRING_BUFLEN];
	struct timespec until;
	enum freeze_state state; /* under lv->lock */
	pthread_t thread;
};

static int thaw_now(struct ud_lv *lv, const char *uuid)
{
	virDomainPtr d = virDomainLookupByUUIDString(lv->conn, uuid);
	int n = -1;

	if (!d)
		return n;
	ud_lv_words_begin(lv, d, uuid, THAW_MS);
	for (int i = 0; n < 0 && i < TRIES; i++)
		n = virDomainFSThaw(d, NULL, 0, 0);
	ud_lv_words_end(lv, uuid);
	virDomainFree(d);
	return n;
}

static void *watch(void *data)
{
	struct ud_lv_freeze *f = data;
	struct ud_lv *lv = f->lv;

	pthread_mutex_lock(&lv->lock);
	while (f->state == FROZEN && pthread_cond_timedwait(&lv->moved, &lv->lock, &f->until) == 0)
		;
	bool late = f->state == FROZEN;

	if (late)
		f->state = EXPIRED;
	pthread_mutex_unlock(&lv->lock);
	if (late)
		ud_log(UD_LOG_WARNING, "thawed_by_watchdog", "vm", f->uuid, "result",
			thaw_now(lv, f->uuid) < 0 ? "failed" : "done", NULL);
	return NULL;
}

/* Take a VM's freeze out of the list; state of it before: THAWED when there is none. */
static enum freeze_state take(struct ud_lv *lv, const char *uuid)
{
	struct ud_lv_freeze **at = &lv->frozen, *f;

	pthread_mutex_lock(&lv->lock);
	while (*at && strcmp((*at)->uuid, uuid) != 0)
		at = &(*at)->next;
	f = *at;
	if (!f) {
		pthread_mutex_unlock(&lv->lock);
		return THAWED;
	}
	*at = f->next;
	enum freeze_state was = f->state;

	if (was == FROZEN)
		f->state = THAWED;
	pthread_cond_broadcast(&lv->moved);
	pthread_mutex_unlock(&lv->lock);
	pthread_join(f->thread, NULL);
	ud_free(f);
	return was;
}

static bool begin_watch(struct ud_lv *lv, const char *uuid, int64_t timeout_ms)
{
	struct ud_lv_freeze *f = ud_malloc(sizeof(*f));

	f->lv = lv;
	strncpy(f->uuid, uuid, sizeof(f->uuid) - 1);
	ud_deadline(timeout_ms, &f->until);
	pthread_mutex_lock(&lv->lock);
	bool made = pthread_create(&f->thread, NULL, watch, f) == 0;

	if (made) {
		f->next = lv->frozen;
		lv->frozen = f;
	}
	pthread_mutex_unlock(&lv->lock);
	if (!made)
		ud_free(f);
	return made;
}

/* The guest has answered: what it may stand still counts from now. Until then the watch was over
 * the call, which a busy guest can make long. False: the watchdog was quicker. */
static bool watch_anew(struct ud_lv *lv, const char *uuid, int64_t timeout_ms)
{
	bool watched = false;

	pthread_mutex_lock(&lv->lock);
	for (struct ud_lv_freeze *f = lv->frozen; f; f = f->next) {
		if (strcmp(f->uuid, uuid) != 0 || f->state != FROZEN)
			continue;
		ud_deadline(timeout_ms, &f->until);
		watched = true;
	}
	pthread_cond_broadcast(&lv->moved);
	pthread_mutex_unlock(&lv->lock);
	return watched;
}

enum ud_code ud_lv_freeze(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int64_t timeout_ms)
{
	struct ud_lv *lv = ud_lv_of(hv);
	UD_AUTO(ud_lv_domain) *d = NULL;

	UD_TRY(ud_lv_find(cx, lv, uuid, &d));
	UD_TRY(ud_lv_must_run(cx, d, false));
	if (take(lv, uuid) == FROZEN) {
		(void)thaw_now(lv, uuid); /* the error that matters is this: */
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"The guest was frozen already; it is thawed now.");
	}
	if (!begin_watch(lv, uuid, timeout_ms))
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot start a thread");
	/* a guest that does not answer holds the call no longer than that */
	ud_lv_words_begin(lv, d, uuid, timeout_ms + 1000);
	bool frozen = virDomainFSFreeze(d, NULL, 0, 0) >= 0;

	ud_lv_words_end(lv, uuid);
	if (frozen) {
		/* the watchdog may have thawed what was not frozen yet; ud_lv_thaw says so */
		if (!watch_anew(lv, uuid, timeout_ms))
			(void)thaw_now(lv, uuid);
		return UD_OK;
	}
	enum ud_code code = ud_lv_fail(cx, "freeze the guest");

	(void)take(lv, uuid);
	(void)thaw_now(lv, uuid); /* an agent that froze some of it and failed */
	return code;
}

enum ud_code ud_lv_thaw(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	struct ud_lv *lv = ud_lv_of(hv);
	UD_AUTO(ud_lv_domain) *d = NULL;

	UD_TRY(ud_lv_find(cx, lv, uuid, &d));
	UD_TRY(ud_lv_must_run(cx, d, false));
	enum freeze_state was = take(lv, uuid);

	if (was == EXPIRED)
		return ud_fail(cx, UD_E_NOT_IN_TIME, NULL, "The watchdog thawed the guest before.");
	if (thaw_now(lv, uuid) < 0)
		return ud_lv_fail(cx, "thaw the guest");
	return UD_OK;
}

static void thaw_left(struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d)
{
	UD_AUTO(ud_lv_doc) *doc = NULL;
	const char *status = NULL;

	if (ud_lv_definition(cx, d, 0, &doc) != UD_OK ||
		ud_lv_agent_state(xmlDocGetRootElement(doc), cx) != UD_GUEST_CONNECTED)
		return;
	if (ud_lv_ask(cx, lv, d, "guest-fsfreeze-status", NULL, STATUS_MS, &status) != UD_OK ||
		strcmp(status, "\"frozen\"") != 0)
		return;
	int n = virDomainFSThaw(d, NULL, 0, 0);

	ud_log(UD_LOG_WARNING, "thawed_at_start", "vm", virDomainGetName(d), "result",
		n < 0 ? "failed" : "done", NULL);
}

void ud_lv_thaw_all(struct ud_ctx *cx, struct ud_lv *lv)
{
	virDomainPtr *all = NULL;
	int n = virConnectListAllDomains(lv->conn, &all, VIR_CONNECT_LIST_DOMAINS_RUNNING);

	for (int i = 0; i < n; i++) {
		thaw_left(cx, lv, all[i]);
		ud_ctx_clear(cx);
		virDomainFree(all[i]);
	}
	ud_free(all);
}

void ud_lv_freeze_end(struct ud_lv *lv)
{
	while (lv->frozen) {
		char uuid[VIR_UUID_STRING_BUFLEN];

		memcpy(uuid, lv->frozen->uuid, sizeof(uuid));
		if (take(lv, uuid) == FROZEN)
			(void)thaw_now(lv, uuid);
	}
}
