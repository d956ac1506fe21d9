/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all sources share, and the source that has more to send.
 */
#include "agent/replication/source.h"

#include <string.h>

void ud_source_release(ud_source **source)
{
	if (*source)
		(*source)->ops->close(*source);
	*source = NULL;
}

/* ---- union ---- */

struct union_source {
	ud_source source;
	ud_source *inner;
	struct ud_piece *pieces;
	size_t piece_count;
};

static struct union_source *union_of(ud_source *source)
{
	return UD_OUTER(source, struct union_source, source);
}

/* What the inner source says clean, and a piece covers, is data. */
struct union_visit {
	const struct union_source *u;
	size_t disk;
	ud_extent_visitor *visit;
	void *data;
};

/* The end of what is alike from offset on: inside a piece or outside of all. */
static int64_t piece_end(const struct union_visit *v, int64_t offset, int64_t end, bool *ret_in)
{
	*ret_in = false;
	for (size_t i = 0; i < v->u->piece_count; i++) {
		const struct ud_piece *r = &v->u->pieces[i];

		if (r->disk != v->disk || r->length <= 0)
			continue;
		if (r->offset <= offset && offset - r->offset < r->length) {
			int64_t to = r->offset + r->length;

			*ret_in = true;
			return to < end ? to : end;
		}
		if (r->offset > offset && r->offset < end)
			end = r->offset;
	}
	return end;
}

static enum ud_code visit_union(
	struct ud_ctx *cx, void *data, int64_t offset, int64_t length, enum ud_extent_kind kind)
{
	struct union_visit *v = data;
	int64_t end = offset + length;

	if (kind != UD_EXTENT_CLEAN)
		return v->visit(cx, v->data, offset, length, kind);
	while (offset < end) {
		bool in = false;
		int64_t to = piece_end(v, offset, end, &in);

		UD_TRY(v->visit(
			cx, v->data, offset, to - offset, in ? UD_EXTENT_DATA : UD_EXTENT_CLEAN));
		offset = to;
	}
	return UD_OK;
}

static enum ud_code union_extents(struct ud_ctx *cx, ud_source *source, size_t disk, bool whole,
	ud_extent_visitor *visit, void *data)
{
	struct union_source *u = union_of(source);
	struct union_visit v = { u, disk, visit, data };

	return u->inner->ops->extents(cx, u->inner, disk, whole, visit_union, &v);
}

static enum ud_code union_submit(struct ud_ctx *cx, ud_source *source, struct ud_read *read)
{
	struct union_source *u = union_of(source);

	return u->inner->ops->submit(cx, u->inner, read);
}

static enum ud_code union_reap(
	struct ud_ctx *cx, ud_source *source, int64_t timeout_ms, struct ud_read **ret)
{
	struct union_source *u = union_of(source);

	return u->inner->ops->reap(cx, u->inner, timeout_ms, ret);
}

static void union_close(ud_source *source)
{
	struct union_source *u = union_of(source);

	ud_source_release(&u->inner);
	ud_free(u->pieces);
	ud_free(u);
}

enum ud_code ud_source_union(struct ud_ctx *cx, ud_source **inner, const struct ud_piece *pieces,
	size_t n, ud_source **ret)
{
	static const struct ud_source_ops ops = { union_extents, union_submit, union_reap,
		union_close };
	for (size_t i = 0; i < n; i++)
		if (pieces[i].offset < 0 || pieces[i].length < 0 ||
			pieces[i].length > INT64_MAX - pieces[i].offset)
			return ud_fail(cx, UD_E_VALIDATION, NULL, "a piece of a disk is negative");
	struct union_source *u = ud_malloc(sizeof(*u));

	*u = (struct union_source){ .inner = *inner, .piece_count = n };
	*inner = NULL;
	u->pieces = ud_malloc((n + 1) * sizeof(*pieces));
	if (n)
		memcpy(u->pieces, pieces, n * sizeof(*pieces));
	u->source = (ud_source){ &ops, u->inner->disks, u->inner->disk_count };
	*ret = &u->source;
	return UD_OK;
}
