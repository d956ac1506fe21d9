/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks in memory; see disks.h.
 */
#include "support/disks.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/replication/tree.h"

uint64_t disks_chance(uint64_t *seed)
{
	uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

struct disks *disks_new(void)
{
	struct disks *d = ud_malloc(sizeof(*d));

	memset(d, 0, sizeof(*d));
	return d;
}

void disks_free(struct disks *disks)
{
	for (size_t i = 0; disks && i < disks->count; i++) {
		ud_free(disks->disk[i].data);
		ud_free(disks->disk[i].dirty);
	}
	ud_free(disks);
}

/* Room for whole extents, so that the last one can be hashed as it is. */
static void resize(struct disk_in_memory *d, int64_t size)
{
	size_t old = (size_t)ud_extents(d->size), n = (size_t)ud_extents(size);

	d->data = ud_realloc(d->data, n * UD_EXTENT);
	memset(d->data + old * UD_EXTENT, 0, (n - old) * UD_EXTENT);
	d->dirty = ud_realloc(d->dirty, n);
	memset(d->dirty + old, 0, n - old);
	d->size = size;
}

void disks_add(struct disks *disks, const char *name, int64_t size)
{
	struct disk_in_memory *d = &disks->disk[disks->count++];

	memcpy(d->name, name, strlen(name) + 1);
	resize(d, size);
}

void disks_grow(struct disks *disks, size_t disk, int64_t size)
{
	resize(&disks->disk[disk], size);
}

static void mark(struct disk_in_memory *d, int64_t offset, int64_t n)
{
	for (int64_t e = offset / UD_EXTENT; e <= (offset + n - 1) / UD_EXTENT; e++)
		d->dirty[e] = 1;
}

void disks_write(struct disks *disks, size_t disk, int64_t offset, int64_t n, uint64_t seed)
{
	struct disk_in_memory *d = &disks->disk[disk];

	for (int64_t i = 0; i < n; i++) {
		/* half of it repeats, so that compressing gains something */
		if (i % 8 == 0)
			disks_chance(&seed);
		d->data[offset + i] = (unsigned char)(seed >> (i % 4 * 8)) | 1;
	}
	mark(d, offset, n);
}

void disks_zero(struct disks *disks, size_t disk, int64_t offset, int64_t n)
{
	memset(disks->disk[disk].data + offset, 0, (size_t)n);
	mark(&disks->disk[disk], offset, n);
}

void disks_stir(struct disks *disks, uint64_t seed, int writes)
{
	for (int i = 0; i < writes; i++) {
		size_t k = disks_chance(&seed) % disks->count;
		int64_t size = disks->disk[k].size,
			offset = (int64_t)(disks_chance(&seed) % (uint64_t)size);
		int64_t n = 1 + (int64_t)(disks_chance(&seed) % (3 * UD_EXTENT));

		if (n > size - offset)
			n = size - offset;
		if (disks_chance(&seed) % 5 == 0)
			disks_zero(disks, k, offset, n);
		else
			disks_write(disks, k, offset, n, seed);
	}
}

void disks_clean(struct disks *disks)
{
	for (size_t i = 0; i < disks->count; i++)
		memset(disks->disk[i].dirty, 0, (size_t)ud_extents(disks->disk[i].size));
}

struct disks *disks_copy(const struct disks *disks)
{
	struct disks *c = disks_new();

	for (size_t i = 0; i < disks->count; i++) {
		const struct disk_in_memory *d = &disks->disk[i];
		size_t n = (size_t)ud_extents(d->size);

		disks_add(c, d->name, d->size);
		memcpy(c->disk[i].data, d->data, n * UD_EXTENT);
		memcpy(c->disk[i].dirty, d->dirty, n);
	}
	return c;
}

/* Hash up, level by level: 256 children, zeros for zeros. */
void disks_root(const struct disks *disks, size_t disk, char ret[UD_SHA256_HEX])
{
	const struct disk_in_memory *d = &disks->disk[disk];
	size_t n = (size_t)ud_extents(d->size), room = (n / 256 + 1) * 256;
	unsigned char *level = calloc(room, 32), last[40];
	uint64_t size = htole64((uint64_t)d->size);

	for (size_t i = 0; i < n; i++)
		ud_extent_hash(d->data + i * UD_EXTENT, level + i * 32);
	do {
		unsigned char *up = calloc(room, 32);
		size_t k = 0;

		for (size_t i = 0; i < n; i += 256, k++)
			if (!ud_all_zero(level + i * 32, (size_t)256 * 32))
				ud_sha256(level + i * 32, (size_t)256 * 32, up + k * 32);
		free(level);
		level = up;
		n = k;
	} while (n > 1);
	memcpy(last, &size, 8);
	memcpy(last + 8, level, 32);
	free(level);
	ud_sha256_hex(last, sizeof(last), ret);
}

/* ---- as a source ---- */

struct memory_source {
	ud_source source;
	struct disks *disks;
	struct ud_source_disk list[DISKS_MAX];
	struct ud_read *done; /* newest first: replies come out of order */
	int reads, fail_at;
};

static enum ud_code memory_extents(struct ud_ctx *cx, ud_source *source, size_t disk, bool whole,
	ud_extent_visitor *visit, void *data)
{
	struct memory_source *m = UD_OUTER(source, struct memory_source, source);
	struct disk_in_memory *d = &m->disks->disk[disk];
	int64_t offset = 0;

	while (offset < d->size) {
		int64_t n = UD_EXTENT < d->size - offset ? UD_EXTENT : d->size - offset;
		enum ud_extent_kind kind = UD_EXTENT_DATA;

		if (ud_all_zero(d->data + offset, (size_t)n))
			kind = UD_EXTENT_ZERO;
		if (!whole && !d->dirty[offset / UD_EXTENT])
			kind = UD_EXTENT_CLEAN;
		UD_TRY(visit(cx, data, offset, n, kind));
		offset += n;
	}
	return UD_OK;
}

static enum ud_code memory_submit(struct ud_ctx *cx, ud_source *source, struct ud_read *read)
{
	struct memory_source *m = UD_OUTER(source, struct memory_source, source);
	struct disk_in_memory *d = &m->disks->disk[read->disk];

	(void)cx;
	if (read->offset < 0 || (int64_t)read->n > d->size - read->offset)
		abort(); /* a sender never reads behind the end */
	memcpy(read->buf, d->data + read->offset, read->n);
	read->error = ++m->reads == m->fail_at ? EIO : 0;
	read->next = m->done;
	m->done = read;
	return UD_OK;
}

static enum ud_code memory_reap(
	struct ud_ctx *cx, ud_source *source, int64_t timeout_ms, struct ud_read **ret)
{
	struct memory_source *m = UD_OUTER(source, struct memory_source, source);

	(void)timeout_ms;
	if (!m->done)
		return ud_fail(cx, UD_E_NOT_IN_TIME, NULL, "no read is under way");
	*ret = m->done;
	m->done = m->done->next;
	return UD_OK;
}

static void memory_close(ud_source *source)
{
	ud_free(UD_OUTER(source, struct memory_source, source));
}

ud_source *disks_source(struct disks *disks, int fail_at)
{
	static const struct ud_source_ops ops = { memory_extents, memory_submit, memory_reap,
		memory_close };
	struct memory_source *m = ud_malloc(sizeof(*m));

	*m = (struct memory_source){ .disks = disks, .fail_at = fail_at };
	for (size_t i = 0; i < disks->count; i++)
		m->list[i] = (struct ud_source_disk){ disks->disk[i].name, disks->disk[i].size };
	m->source = (ud_source){ &ops, m->list, disks->count };
	return &m->source;
}
