/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking up: what replication works with, the receiver, and the relations of earlier processes; and
 * the end of it all.
 */
#include "agent/drivers/libvirt/relation.h"
#include "base/env.h"
#include "base/file.h"
#include "base/log.h"

enum { FILE_MAX = 1 << 20 };

struct names {
	struct ud_ctx *cx;
	const char *found[1024];
	size_t count;
};

static void take_name(void *data, const char *name)
{
	struct names *n = data;

	if (n->count < UD_LEN(n->found))
		n->found[n->count++] = ud_strdup(n->cx->arena, name);
}

/* A relation that an earlier process set. */
static enum ud_code load(struct ud_ctx *cx, struct ud_lv *lv, const char *id)
{
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };
	const char *text = NULL;
	size_t n;
	const char *dir = ud_printf(cx->arena, "%s/relations/%s", lv->dir, id);

	UD_TRY(ud_file_read(
		cx, ud_printf(cx->arena, "%s/relation.json", dir), FILE_MAX, &text, &n));
	UD_TRY(ud_shape_read(cx, &ud_relation_shape, text, n, &relation));
	UD_TRY(ud_file_read(cx, ud_printf(cx->arena, "%s/state.json", dir), FILE_MAX, &text, &n));
	UD_TRY(ud_shape_read(cx, &ud_lv_state_shape, text, n, &state));
	struct ud_lv_relation *r = ud_lv_relation_new(cx, lv, id);

	ud_lv_rows_keep(cx, r, &relation, &state);
	ud_lv_relation_add(lv, r);
	return ud_lv_relation_begin(cx, r);
}

static void load_all(struct ud_ctx *cx, struct ud_lv *lv)
{
	struct names *names = ud_alloc(cx->arena, sizeof(*names));

	names->cx = cx;
	(void)cx->env->files->list(ud_printf(cx->arena, "%s/relations", lv->dir), take_name, names);
	for (size_t i = 0; i < names->count; i++) {
		if (ud_lv_relation_find(lv, names->found[i]))
			continue;
		if (load(cx, lv, names->found[i]) != UD_OK)
			ud_log(UD_LOG_ERROR, "relation_not_read", "relation", names->found[i],
				"reason", cx->problem.detail, NULL);
		ud_ctx_clear(cx);
	}
	pthread_mutex_lock(&lv->book->lock);
	lv->book->loaded = true;
	pthread_mutex_unlock(&lv->book->lock);
}

bool ud_lv_relations_loaded(struct ud_lv *lv)
{
	pthread_mutex_lock(&lv->book->lock);
	bool loaded = lv->book->loaded;

	pthread_mutex_unlock(&lv->book->lock);
	return loaded;
}

static void keep_settings(struct ud_lv *lv, const struct ud_hv_replication *with)
{
	struct ud_lv_book *book = lv->book;
	ud_arena *fresh = ud_arena_new();

	pthread_mutex_lock(&book->lock);
	ud_arena_release(&book->arena);
	book->arena = fresh;
	book->with = *with;
	book->with.agent_id = ud_strdup(fresh, with->agent_id);
	book->with.listen = ud_strdup(fresh, with->listen);
	book->with.identity = ud_strdup(fresh, with->identity);
	book->with.root = ud_strdup(fresh, with->root);
	book->with.keytab = ud_strdup(fresh, with->keytab);
	book->with.media = ud_strdup(fresh, with->media);
	for (struct ud_lv_relation *r = book->relations; r; r = r->next)
		/* with the new credentials from the next cycle on */
		r->sender_generation = r->messenger_generation = 0;
	pthread_mutex_unlock(&book->lock);
}

enum ud_code ud_lv_replicate(
	struct ud_ctx *cx, struct ud_hv *hv, const struct ud_hv_replication *with, int *ret_port)
{
	struct ud_lv *lv = ud_lv_of(hv);
	struct ud_lv_book *book = lv->book;
	struct ud_receiver_settings settings = { .listen = with->listen,
		.peer = { .auth = UD_PEER_CERTIFICATE,
			.identity = with->identity,
			.root = with->root,
			.principal = ud_printf(cx->arena, "understudy/%s", with->agent_id),
			.keytab = with->keytab } };

	keep_settings(lv, with);
	ud_lv_receiver_calls(lv, &settings.calls);
	if (book->receiver)
		UD_TRY(ud_receiver_set_peer(cx, book->receiver, &settings.peer));
	else if (with->listen && *with->listen)
		UD_TRY(ud_receiver_open(cx, &settings, &book->receiver));
	book->port = book->receiver ? ud_receiver_port(book->receiver) : 0;
	load_all(cx, lv);
	*ret_port = book->port;
	return ud_lv_scrubs_begin(cx, lv);
}

void ud_lv_replication_end(struct ud_lv *lv)
{
	struct ud_lv_book *book = lv->book;

	ud_lv_scrubs_end(lv);
	for (struct ud_lv_relation *r = book->relations; r; r = r->next)
		ud_lv_relation_end(r);
	ud_receiver_release(&book->receiver);
	while (book->relations) {
		struct ud_lv_relation *r = book->relations;

		book->relations = r->next;
		ud_lv_relation_free(r);
	}
	ud_arena_release(&book->arena);
	pthread_cond_destroy(&book->moved);
	pthread_mutex_destroy(&book->lock);
	ud_free(book);
}
