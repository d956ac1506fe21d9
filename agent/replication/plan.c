/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From pieces of any alignment to runs of extents. An extent that is only partly dirty is sent
 * whole, and one that is only partly zeros is data.
 */
#include "agent/replication/plan.h"

#include <endian.h>
#include <string.h>

#include "agent/replication/tree.h"

struct ud_plan {
	struct ud_plan_run *runs;
	size_t count, cap;
	int64_t bytes;
	int64_t sizes[UD_MANIFEST_DISKS];
	size_t disk_count;
};

/* The extent that a visit is in: what was seen of it so far. */
struct making {
	ud_plan *plan;
	size_t disk;
	int64_t size;
	int64_t extent; /* -1 = none yet */
	bool data, zero, clean;
};

static void add(ud_plan *p, size_t disk, int64_t extent, int64_t count, bool zero)
{
	struct ud_plan_run *last = p->count ? &p->runs[p->count - 1] : NULL;

	p->bytes += count * UD_EXTENT;
	if (last && last->disk == disk && last->zero == zero &&
		last->extent + last->count == extent) {
		last->count += count;
		return;
	}
	if (!p->runs || p->count == p->cap) {
		p->cap = 2 * p->cap + 64;
		p->runs = ud_realloc(p->runs, p->cap * sizeof(*p->runs));
	}
	p->runs[p->count++] = (struct ud_plan_run){ disk, extent, count, zero };
}

/* The extent is over: what is it? Partly zeros and partly clean must be read. */
static void settle(struct making *m)
{
	if (m->extent >= 0 && (m->data || m->zero))
		add(m->plan, m->disk, m->extent, 1, !m->data && !m->clean);
	m->extent = -1;
	m->data = m->zero = m->clean = false;
}

static void see(struct making *m, int64_t extent, enum ud_extent_kind kind)
{
	if (m->extent != extent)
		settle(m);
	m->extent = extent;
	m->data |= kind == UD_EXTENT_DATA;
	m->zero |= kind == UD_EXTENT_ZERO;
	m->clean |= kind == UD_EXTENT_CLEAN;
}

/* Extents that the piece covers alone, without looking at each. */
static void take_middle(struct making *m, int64_t first, int64_t end, enum ud_extent_kind kind)
{
	settle(m);
	if (kind != UD_EXTENT_CLEAN)
		add(m->plan, m->disk, first, end - first, kind == UD_EXTENT_ZERO);
}

static enum ud_code take_piece(
	struct ud_ctx *cx, void *data, int64_t offset, int64_t length, enum ud_extent_kind kind)
{
	struct making *m = data;
	int64_t end = offset + length;

	if (offset < 0 || length <= 0 || end > m->size)
		return ud_fail(
			cx, UD_E_HYPERVISOR, NULL, "the source speaks of bytes behind its end");
	int64_t first = (offset + UD_EXTENT - 1) / UD_EXTENT;
	int64_t last = end == m->size ? ud_extents(m->size) : end / UD_EXTENT;

	if (offset % UD_EXTENT)
		see(m, offset / UD_EXTENT, kind);
	if (last > first)
		take_middle(m, first, last, kind);
	if (end % UD_EXTENT && end != m->size && end / UD_EXTENT >= first)
		see(m, end / UD_EXTENT, kind);
	return UD_OK;
}

enum ud_code ud_plan_make(struct ud_ctx *cx, ud_source *source, bool whole, ud_plan **ret)
{
	ud_plan *p = ud_malloc(sizeof(*p));
	enum ud_code code = UD_OK;

	memset(p, 0, sizeof(*p));
	if (source->disk_count == 0 || source->disk_count > UD_MANIFEST_DISKS)
		code = ud_fail(
			cx, UD_E_VALIDATION, NULL, "a VM has 1 to %d disks", UD_MANIFEST_DISKS);
	for (size_t i = 0; i < source->disk_count && code == UD_OK; i++) {
		struct making m = {
			.plan = p, .disk = i, .size = source->disks[i].size_bytes, .extent = -1
		};

		p->sizes[p->disk_count++] = m.size;
		code = source->ops->extents(cx, source, i, whole, take_piece, &m);
		settle(&m);
	}
	if (code != UD_OK)
		ud_plan_release(&p);
	else
		*ret = p;
	return code;
}

void ud_plan_release(ud_plan **plan)
{
	if (*plan)
		ud_free((*plan)->runs);
	ud_free(*plan);
	*plan = NULL;
}

int64_t ud_plan_bytes(const ud_plan *plan)
{
	return plan->bytes;
}

void ud_plan_digest(const ud_plan *plan, char ret[UD_SHA256_HEX])
{
	struct ud_buf b = { 0 };

	for (size_t i = 0; i < plan->disk_count; i++)
		ud_buf_printf(&b, "%lld\n", (long long)plan->sizes[i]);
	for (size_t i = 0; i < plan->count; i++) {
		const struct ud_plan_run *r = &plan->runs[i];
		const uint64_t words[] = { htole64(r->disk * 2 + r->zero),
			htole64((uint64_t)r->extent), htole64((uint64_t)r->count) };

		ud_buf_add(&b, words, sizeof(words));
	}
	ud_sha256_hex(b.data, b.len, ret);
	ud_buf_free(&b);
}

bool ud_plan_next(const ud_plan *plan, struct ud_plan_at *at, struct ud_plan_run *ret)
{
	if (at->run == plan->count)
		return false;
	const struct ud_plan_run *r = &plan->runs[at->run];
	int64_t extent = r->extent + at->done, left = r->count - at->done;
	int64_t most = r->zero ? left : UD_CHUNK_EXTENTS - extent % UD_CHUNK_EXTENTS;

	*ret = (struct ud_plan_run){ r->disk, extent, left < most ? left : most, r->zero };
	at->done += ret->count;
	if (at->done == r->count)
		*at = (struct ud_plan_at){ at->run + 1, 0 };
	return true;
}
