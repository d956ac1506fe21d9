/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small table of slots, each with an arena of its own; an entry overwrites what stood in its
 * slot. Answers are copied out: a write may need its scope on the writer's thread after the slot
 * was filled anew.
 */
#include "server/auth/bearers.h"

#include <string.h>

#include "base/crypto.h"

enum { SLOTS = 64, FRESH_MS = 1000 };

struct slot {
	ud_arena *arena;
	ud_bearer_lookup *lookup;
	char hash[UD_SHA256_HEX];
	uint64_t commits;
	int64_t at_ms;
	struct ud_bearer bearer;
};

struct ud_bearers {
	struct slot slots[SLOTS];
};

struct ud_bearers *ud_bearers_new(void)
{
	return ud_malloc(sizeof(struct ud_bearers));
}

void ud_bearers_release(struct ud_bearers **bearers)
{
	for (size_t i = 0; *bearers && i < SLOTS; i++)
		ud_arena_release(&(*bearers)->slots[i].arena);
	ud_free(*bearers);
	*bearers = NULL;
}

/* The hash is SHA-256 in hexadecimal: its first digits are as good as any. */
static struct slot *slot_of(struct ud_bearers *bearers, const char *hash)
{
	unsigned n = 0;

	for (int i = 0; i < 4; i++)
		n = n * 31 + (unsigned char)hash[i];
	return &bearers->slots[n % SLOTS];
}

static bool counts(const struct ud_ctx *cx, const struct slot *s, uint64_t commits,
	ud_bearer_lookup *lookup, const char *hash)
{
	int64_t age = cx->now_ms - s->at_ms;

	return s->lookup == lookup && s->commits == commits && age >= 0 && age < FRESH_MS &&
		strcmp(s->hash, hash) == 0;
}

static struct ud_texts copy_texts(ud_arena *arena, const struct ud_texts *t)
{
	struct ud_texts copy = { ud_alloc(arena, sizeof(*copy.items) * (t->count + 1)), t->count };

	for (size_t i = 0; i < t->count; i++)
		copy.items[i] = ud_strdup(arena, t->items[i]);
	return copy;
}

static struct ud_bearer copy_of(ud_arena *arena, const struct ud_bearer *b)
{
	struct ud_bearer copy = *b;

	copy.id = ud_strdup(arena, b->id);
	copy.principal_id = ud_strdup(arena, b->principal_id);
	copy.name = ud_strdup(arena, b->name);
	copy.customer_id = ud_strdup(arena, b->customer_id);
	copy.csrf_hash = ud_strdup(arena, b->csrf_hash);
	copy.role_names = copy_texts(arena, &b->role_names);
	copy.scopes = copy_texts(arena, &b->scopes);
	copy.addresses = copy_texts(arena, &b->addresses);
	return copy;
}

static void remember(struct slot *s, const struct ud_ctx *cx, uint64_t commits,
	ud_bearer_lookup *lookup, const char *hash, const struct ud_bearer *b)
{
	if (!s->arena)
		s->arena = ud_arena_new();
	ud_arena_reset(s->arena);
	s->bearer = copy_of(s->arena, b);
	s->lookup = lookup;
	s->commits = commits;
	s->at_ms = cx->now_ms;
	memcpy(s->hash, hash, sizeof(s->hash));
}

enum ud_code ud_bearers_find(struct ud_ctx *cx, struct ud_bearers *bearers, uint64_t commits,
	ud_bearer_lookup *lookup, const char *hash, bool *ret_found, struct ud_bearer *ret)
{
	struct slot *s = slot_of(bearers, hash);

	if (counts(cx, s, commits, lookup, hash)) {
		*ret = copy_of(cx->arena, &s->bearer);
		*ret_found = true;
		return UD_OK;
	}
	UD_TRY(lookup(cx, hash, ret_found, ret));
	if (*ret_found)
		remember(s, cx, commits, lookup, hash, ret);
	return UD_OK;
}
