/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table of fixed size: whoever comes when it is full takes the place of who looked longest ago.
 */
#include "server/http/viewers.h"

#include <pthread.h>
#include <string.h>

#include "base/env.h"

enum { ID_MAX = 40, NAME_MAX_BYTES = 120 };

struct look {
	char object[ID_MAX], who[ID_MAX], name[NAME_MAX_BYTES];
	int64_t since_ms, last_ms; /* wall clock; monotonic */
};

struct ud_viewers {
	pthread_mutex_t mutex;
	struct look looks[UD_VIEWERS_MAX];
};

struct ud_viewers *ud_viewers_new(void)
{
	struct ud_viewers *v = ud_malloc(sizeof(*v));

	pthread_mutex_init(&v->mutex, NULL);
	return v;
}

void ud_viewers_release(struct ud_viewers **viewers)
{
	if (!*viewers)
		return;
	pthread_mutex_destroy(&(*viewers)->mutex);
	ud_free(*viewers);
	*viewers = NULL;
}

static bool lives(const struct look *l, int64_t mono_ms)
{
	return *l->object && mono_ms - l->last_ms < UD_VIEWING_MS;
}

/* The place of this visit, else a free one, else the oldest. */
static struct look *place_of(
	struct ud_viewers *v, const char *object_id, const char *who, int64_t mono_ms)
{
	struct look *best = &v->looks[0];

	for (size_t i = 0; i < UD_VIEWERS_MAX; i++) {
		struct look *l = &v->looks[i];

		if (lives(l, mono_ms) && strcmp(l->object, object_id) == 0 &&
			strcmp(l->who, who) == 0)
			return l;
		if (l->last_ms < best->last_ms || !*l->object)
			best = l;
	}
	memset(best, 0, sizeof(*best));
	return best;
}

static void copy(char *to, size_t n, const char *from)
{
	memcpy(to, from, strnlen(from, n - 1));
}

static void note(struct ud_ctx *cx, struct ud_viewers *v, const char *object_id, const char *who,
	const char *name, int64_t mono_ms)
{
	struct look *l = place_of(v, object_id, who, mono_ms);

	if (!*l->object) {
		copy(l->object, sizeof(l->object), object_id);
		copy(l->who, sizeof(l->who), who);
		copy(l->name, sizeof(l->name), name ? name : "");
		l->since_ms = cx->now_ms;
	}
	l->last_ms = mono_ms;
}

size_t ud_viewers_look(struct ud_ctx *cx, struct ud_viewers *v, const char *object_id,
	const char *who, const char *name, struct ud_viewer *ret, size_t max)
{
	int64_t mono_ms = ud_mono_ms(cx->env);
	size_t n = 0;

	if (strlen(object_id) >= ID_MAX || (who && strlen(who) >= ID_MAX))
		return 0; /* ids are shorter */
	pthread_mutex_lock(&v->mutex);
	if (who)
		note(cx, v, object_id, who, name, mono_ms);
	for (size_t i = 0; i < UD_VIEWERS_MAX && n < max; i++) {
		const struct look *l = &v->looks[i];

		if (lives(l, mono_ms) && strcmp(l->object, object_id) == 0)
			ret[n++] = (struct ud_viewer){ ud_strdup(cx->arena, l->who),
				ud_strdup(cx->arena, l->name), l->since_ms };
	}
	pthread_mutex_unlock(&v->mutex);
	return n;
}
