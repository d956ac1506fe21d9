/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of agents by id that only grows: there are as many entries as agents that ever spoke to
 * this process.
 */
#include "server/agents/presence.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/x509.h"
#include "db/events.h"

enum { SLOTS = 8192, ID = 40, RUN = 72, ADDRESS = 64 };

struct seen_agent {
	struct seen_agent *next;
	char id[ID], serial[UD_SERIAL_HEX], run[RUN], address[ADDRESS];
	int64_t at_ms;
	bool due, urgent;
};

struct ud_presence {
	pthread_mutex_t mutex;
	struct seen_agent *slots[SLOTS];
	size_t urgent; /* entries that are: without one, nobody walks through all */
};

struct ud_presence *ud_presence_new(void)
{
	struct ud_presence *p = ud_malloc(sizeof(*p));

	pthread_mutex_init(&p->mutex, NULL);
	return p;
}

void ud_presence_release(struct ud_presence **pp)
{
	struct ud_presence *p = *pp;

	if (!p)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		for (struct seen_agent *a = p->slots[i], *next; a; a = next) {
			next = a->next;
			ud_free(a);
		}
	pthread_mutex_destroy(&p->mutex);
	ud_free(p);
	*pp = NULL;
}

static struct seen_agent *entry(struct ud_presence *p, const char *id)
{
	uint64_t h = 14695981039346656037ULL; /* FNV-1a */

	for (const char *s = id; *s; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211ULL;
	struct seen_agent **slot = &p->slots[h % SLOTS], *a = *slot;

	while (a && strcmp(a->id, id) != 0)
		a = a->next;
	if (a)
		return a;
	a = ud_malloc(sizeof(*a));
	snprintf(a->id, sizeof(a->id), "%s", id);
	a->next = *slot;
	*slot = a;
	return a;
}

bool ud_presence_saw(struct ud_presence *p, const struct ud_sighting *s)
{
	pthread_mutex_lock(&p->mutex);
	struct seen_agent *a = entry(p, s->agent_id);
	bool same = strcmp(a->serial, s->serial) == 0 && strcmp(a->run, s->run) == 0 &&
		strcmp(a->address, s->address) == 0;
	bool urgent = !same && !a->urgent;

	snprintf(a->serial, sizeof(a->serial), "%s", s->serial);
	snprintf(a->run, sizeof(a->run), "%s", s->run);
	snprintf(a->address, sizeof(a->address), "%s", s->address);
	a->at_ms = s->at_ms;
	a->due = true;
	p->urgent += urgent;
	a->urgent |= !same;
	pthread_mutex_unlock(&p->mutex);
	return urgent;
}

static struct ud_sighting copy(struct ud_ctx *cx, const struct seen_agent *a)
{
	return (struct ud_sighting){ .agent_id = ud_strdup(cx->arena, a->id),
		.serial = ud_strdup(cx->arena, a->serial),
		.address = ud_strdup(cx->arena, a->address),
		.run = ud_strdup(cx->arena, a->run),
		.at_ms = a->at_ms };
}

size_t ud_presence_take(
	struct ud_presence *p, struct ud_ctx *cx, bool all, struct ud_sighting **ret)
{
	size_t n = 0, i = 0;

	*ret = NULL;
	pthread_mutex_lock(&p->mutex);
	if (!all && !p->urgent) {
		pthread_mutex_unlock(&p->mutex);
		return 0;
	}
	p->urgent = 0;
	for (size_t slot = 0; slot < SLOTS; slot++)
		for (const struct seen_agent *a = p->slots[slot]; a; a = a->next)
			n += a->urgent || (all && a->due);
	*ret = n ? ud_alloc(cx->arena, n * sizeof(**ret)) : NULL;
	for (size_t slot = 0; slot < SLOTS && i < n; slot++)
		for (struct seen_agent *a = p->slots[slot]; a; a = a->next)
			if (a->urgent || (all && a->due)) {
				(*ret)[i++] = copy(cx, a);
				a->urgent = a->due = false;
			}
	pthread_mutex_unlock(&p->mutex);
	return n;
}

/* Both copies go on talking, and neither may promote, until a person has looked. */
static enum ud_code quarantine(struct ud_ctx *cx, const char *agent_id, const char *alarm)
{
	struct ud_agent old = { 0 };

	UD_TRY(ud_row_get(cx, &ud_agents_table, agent_id, &old));
	if (old.state != UD_AGENT_ACTIVE)
		return UD_OK;
	struct ud_agent a = old;

	a.state = UD_AGENT_QUARANTINED;
	a.may_promote = false;
	a.alarm = alarm;
	UD_TRY(ud_row_update(cx, &ud_agents_table, &old, &a));
	ud_log(UD_LOG_WARNING, "agent_quarantined", "agent", agent_id, "reason", alarm, NULL);
	return ud_event_add(cx, "quarantined", ud_agents_table.shape, &old, &a);
}

enum ud_code ud_presence_store(struct ud_ctx *cx, const struct ud_sighting *seen, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *alarm = NULL;
		enum ud_code code = ud_agent_sighted(cx, &seen[i], &alarm);

		if (code == UD_E_NOT_FOUND) /* deleted meanwhile */
			continue;
		UD_TRY(code);
		if (alarm)
			UD_TRY(quarantine(cx, seen[i].agent_id, alarm));
	}
	return UD_OK;
}
