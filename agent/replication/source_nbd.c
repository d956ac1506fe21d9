/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks behind NBD servers, over libnbd. Everything has a deadline: a server may hang. A range is
 * sent when its bitmap says dirty, and costs nothing when its allocation says that it reads as
 * zeros: a discard of the guest's makes much dirty and little data.
 */
#include <errno.h>
#include <libnbd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "agent/replication/source.h"

enum { ASK_BYTES = 1 << 30, ENTRIES = 32768 };

static const char allocation[] = "base:allocation";

/* A disk: its connection, and answers to the query that is under way. */
struct export
{
	char name[UD_DISK_NAME];
	struct nbd_handle *nbd;
	char *bitmap;
	bool has_allocation;
	int in_flight;
};

/* One context's answer: lengths and flags in turn. */
struct answer {
	size_t n;
	uint32_t entries[2 * ENTRIES];
};

struct nbd_source {
	ud_source source;
	int64_t timeout_ms;
	size_t count;
	struct export exports[UD_MANIFEST_DISKS];
	struct ud_source_disk list[UD_MANIFEST_DISKS];
	struct ud_read *done;
	struct answer dirty, alloc; /* of a query */
	int query;                  /* -1 = under way, else an errno */
};

static struct nbd_source *nbd_of(ud_source *source)
{
	return UD_OUTER(source, struct nbd_source, source);
}

static enum ud_code failed(struct ud_ctx *cx, const struct export *e)
{
	const char *words = nbd_get_error();

	return ud_fail(cx, UD_E_HYPERVISOR, NULL, "NBD of %s: %s", e->name,
		words ? words : "no reason given");
}

/* Let the connection work once, within the deadline. */
static enum ud_code step(struct ud_ctx *cx, const struct export *e, int64_t end_us)
{
	int64_t left = (end_us - ud_stopwatch_us()) / 1000;

	if (left <= 0)
		return ud_fail(cx, UD_E_NOT_IN_TIME, NULL, "the NBD server of %s does not answer",
			e->name);
	return nbd_poll(e->nbd, left < 60000 ? (int)left : 60000) < 0 ? failed(cx, e) : UD_OK;
}

static int64_t deadline_of(int64_t timeout_ms)
{
	return ud_stopwatch_us() + timeout_ms * 1000;
}

/* ---- reading ---- */

/* A read is over; libnbd forgets it (the result 1). */
static int read_done(void *data, int *error)
{
	struct ud_read *read = data;
	struct nbd_source *s = (struct nbd_source *)(void *)read->next;

	read->error = *error;
	read->next = s->done;
	s->done = read;
	s->exports[read->disk].in_flight--;
	return 1;
}

static enum ud_code nbd_submit(struct ud_ctx *cx, ud_source *source, struct ud_read *read)
{
	struct nbd_source *s = nbd_of(source);
	struct export *e = &s->exports[read->disk];

	/* until it is done its next is where to put it */
	read->next = (struct ud_read *)(void *)s;
	e->in_flight++;
	if (nbd_aio_pread(e->nbd, read->buf, read->n, (uint64_t)read->offset,
		    (nbd_completion_callback){ .callback = read_done, .user_data = read }, 0) >= 0)
		return UD_OK;
	e->in_flight--;
	return failed(cx, e);
}

static struct export *busy_export(struct nbd_source *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->exports[i].in_flight > 0)
			return &s->exports[i];
	return NULL;
}

static enum ud_code nbd_reap(
	struct ud_ctx *cx, ud_source *source, int64_t timeout_ms, struct ud_read **ret)
{
	struct nbd_source *s = nbd_of(source);
	int64_t end_us = deadline_of(timeout_ms < s->timeout_ms ? timeout_ms : s->timeout_ms);

	while (!s->done) {
		struct export *e = busy_export(s);

		if (!e)
			return ud_fail(cx, UD_E_NOT_IN_TIME, NULL, "no read is under way");
		UD_TRY(step(cx, e, end_us));
	}
	*ret = s->done;
	s->done = s->done->next;
	return UD_OK;
}

/* ---- extents ---- */

static int take_entries(
	void *data, const char *context, uint64_t offset, uint32_t *entries, size_t n, int *error)
{
	struct nbd_source *s = data;
	struct answer *a = strcmp(context, allocation) == 0 ? &s->alloc : &s->dirty;

	(void)offset;
	(void)error;
	a->n = n / 2 < ENTRIES ? n / 2 : ENTRIES;
	memcpy(a->entries, entries, a->n * 2 * sizeof(*entries));
	return 0;
}

static int query_done(void *data, int *error)
{
	struct nbd_source *s = data;

	s->query = *error;
	return 1;
}

/* Ask for a range; the answers may cover less of it. */
static enum ud_code ask(
	struct ud_ctx *cx, struct nbd_source *s, struct export *e, int64_t offset, int64_t n)
{
	int64_t end_us = deadline_of(s->timeout_ms);

	s->dirty.n = s->alloc.n = 0;
	s->query = -1;
	if (nbd_aio_block_status(e->nbd, (uint64_t)n, (uint64_t)offset,
		    (nbd_extent_callback){ .callback = take_entries, .user_data = s },
		    (nbd_completion_callback){ .callback = query_done, .user_data = s }, 0) < 0)
		return failed(cx, e);
	while (s->query == -1)
		UD_TRY(step(cx, e, end_us));
	if (s->query)
		return ud_fail(
			cx, UD_E_HYPERVISOR, NULL, "NBD of %s: %s", e->name, strerror(s->query));
	return UD_OK;
}

/* A walk over an answer: what is left of the entry it is in. */
struct walk {
	const struct answer *answer;
	size_t at;
	uint32_t left, flags;
};

/* True while there is something; an answer that was not asked for has no end. */
static bool load(struct walk *w, int64_t most)
{
	while (w->answer && w->left == 0 && w->at < w->answer->n) {
		w->left = w->answer->entries[2 * w->at];
		w->flags = w->answer->entries[2 * w->at + 1];
		w->at++;
	}
	if (!w->answer)
		w->left = most < UINT32_MAX ? (uint32_t)most : UINT32_MAX;
	return w->left > 0;
}

/* Both answers together, as far as both reach; *ret_n = bytes told. */
static enum ud_code tell(struct ud_ctx *cx, struct walk *dirty, struct walk *alloc, int64_t offset,
	int64_t n, ud_extent_visitor *visit, void *data, int64_t *ret_n)
{
	*ret_n = 0;
	while (*ret_n < n && load(dirty, n - *ret_n) && load(alloc, n - *ret_n)) {
		uint32_t both = dirty->left < alloc->left ? dirty->left : alloc->left;
		enum ud_extent_kind kind = UD_EXTENT_DATA;

		if ((int64_t)both > n - *ret_n)
			both = (uint32_t)(n - *ret_n);
		if (alloc->answer && alloc->flags & LIBNBD_STATE_ZERO)
			kind = UD_EXTENT_ZERO;
		if (dirty->answer && !(dirty->flags & 1))
			kind = UD_EXTENT_CLEAN;
		UD_TRY(visit(cx, data, offset + *ret_n, both, kind));
		dirty->left -= both;
		alloc->left -= both;
		*ret_n += both;
	}
	return UD_OK;
}

static enum ud_code nbd_extents(struct ud_ctx *cx, ud_source *source, size_t disk, bool whole,
	ud_extent_visitor *visit, void *data)
{
	struct nbd_source *s = nbd_of(source);
	struct export *e = &s->exports[disk];
	int64_t size = s->list[disk].size_bytes, offset = 0;
	bool use_bitmap = e->bitmap && !whole;

	if (!use_bitmap && !e->has_allocation)
		return visit(cx, data, 0, size, UD_EXTENT_DATA);
	while (offset < size) {
		int64_t n = size - offset < ASK_BYTES ? size - offset : ASK_BYTES, told = 0;

		UD_TRY(ask(cx, s, e, offset, n));
		struct walk dirty = { .answer = use_bitmap ? &s->dirty : NULL };
		struct walk alloc = { .answer = e->has_allocation ? &s->alloc : NULL };

		UD_TRY(tell(cx, &dirty, &alloc, offset, n, visit, data, &told));
		if (told == 0)
			return ud_fail(cx, UD_E_HYPERVISOR, NULL,
				"the NBD server of %s does not tell its extents", e->name);
		offset += told;
	}
	return UD_OK;
}

/* ---- opening ---- */

static void nbd_source_close(ud_source *source)
{
	struct nbd_source *s = nbd_of(source);

	for (size_t i = 0; i < s->count; i++) {
		if (s->exports[i].nbd)
			nbd_close(s->exports[i].nbd);
		ud_free(s->exports[i].bitmap);
	}
	ud_free(s);
}

static enum ud_code connect_export(
	struct ud_ctx *cx, const struct export *e, const char *path, int64_t timeout_ms)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int64_t end_us = deadline_of(timeout_ms);

	if (strlen(path) >= sizeof(address.sun_path))
		return ud_fail(
			cx, UD_E_VALIDATION, NULL, "the path of a socket is too long: %s", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (nbd_aio_connect(
		    e->nbd, (const struct sockaddr *)(const void *)&address, sizeof(address)) < 0)
		return failed(cx, e);
	while (!nbd_aio_is_ready(e->nbd)) {
		if (nbd_aio_is_dead(e->nbd) || nbd_aio_is_closed(e->nbd))
			return ud_fail(
				cx, UD_E_HYPERVISOR, NULL, "the NBD server of %s hung up", e->name);
		UD_TRY(step(cx, e, end_us));
	}
	return UD_OK;
}

static enum ud_code open_export(
	struct ud_ctx *cx, struct nbd_source *s, const struct ud_nbd_disk *disk)
{
	struct export *e = &s->exports[s->count++];

	*e = (struct export){ .bitmap = ud_heap_strdup(disk->bitmap) };
	snprintf(e->name, sizeof(e->name), "%s", disk->name);
	e->nbd = nbd_create();
	if (!e->nbd || nbd_add_meta_context(e->nbd, allocation) < 0 ||
		(e->bitmap && nbd_add_meta_context(e->nbd, e->bitmap) < 0) ||
		nbd_set_export_name(e->nbd, disk->export_name) < 0)
		return failed(cx, e);
	UD_TRY(connect_export(cx, e, disk->socket_path, s->timeout_ms));
	int64_t size = nbd_get_size(e->nbd);

	if (size <= 0)
		return failed(cx, e);
	if (e->bitmap && nbd_can_meta_context(e->nbd, e->bitmap) != 1)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL, "NBD of %s: there is no bitmap %s",
			e->name, e->bitmap);
	e->has_allocation = nbd_can_meta_context(e->nbd, allocation) == 1;
	s->list[s->count - 1] = (struct ud_source_disk){ e->name, size };
	return UD_OK;
}

enum ud_code ud_source_nbd(struct ud_ctx *cx, const struct ud_nbd_disk *disks, size_t n,
	int64_t timeout_ms, ud_source **ret)
{
	static const struct ud_source_ops ops = { nbd_extents, nbd_submit, nbd_reap,
		nbd_source_close };
	struct nbd_source *s = ud_malloc(sizeof(*s));
	enum ud_code code = UD_OK;

	memset(s, 0, sizeof(*s));
	s->timeout_ms = timeout_ms;
	if (n == 0 || n > UD_MANIFEST_DISKS)
		code = ud_fail(
			cx, UD_E_VALIDATION, NULL, "a VM has 1 to %d disks", UD_MANIFEST_DISKS);
	for (size_t i = 0; i < n && code == UD_OK; i++)
		code = ud_disk_name_valid(disks[i].name)
			? open_export(cx, s, &disks[i])
			: ud_fail(cx, UD_E_VALIDATION, NULL, "%s is no name of a disk",
				  disks[i].name);
	s->source = (ud_source){ &ops, s->list, s->count };
	if (code != UD_OK)
		nbd_source_close(&s->source);
	else
		*ret = &s->source;
	return code;
}
