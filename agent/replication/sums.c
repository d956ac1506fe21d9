/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of hashes on the disk: entries of 56 bytes, little-endian.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/replication/beneath.h"
#include "agent/replication/tree.h"

enum { ENTRY = 56, BUFFERED = 1024 };

struct entry {
	uint64_t extent, count, place;
	unsigned char hash[UD_SHA256];
};
_Static_assert(sizeof(struct entry) == ENTRY, "an entry has no holes");

struct ud_sums {
	int fd;
	int64_t next, end; /* the first extent that may follow; bytes written */
	size_t n;
	struct entry entries[BUFFERED];
};

int64_t ud_extents(int64_t size_bytes)
{
	return (size_bytes + UD_EXTENT - 1) / UD_EXTENT;
}

bool ud_all_zero(const void *data, size_t n)
{
	const unsigned char *p = data;

	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

void ud_extent_hash(const unsigned char *data, unsigned char ret[UD_SHA256])
{
	if (ud_all_zero(data, UD_EXTENT))
		memset(ret, 0, UD_SHA256);
	else
		ud_sha256(data, UD_EXTENT, ret);
}

ud_sums *ud_sums_begin(int fd)
{
	ud_sums *s = ud_malloc(sizeof(*s));

	*s = (ud_sums){ .fd = fd };
	return s;
}

void ud_sums_release(ud_sums **sums)
{
	ud_free(*sums);
	*sums = NULL;
}

static int flush(ud_sums *s)
{
	int rc = ud_write_at(s->fd, s->entries, s->n * ENTRY, s->end);

	if (rc == 0) {
		s->end += (int64_t)s->n * ENTRY;
		s->n = 0;
	}
	return rc;
}

int ud_sums_add(ud_sums *sums, const struct ud_sum *sum)
{
	if (sum->extent < sums->next || sum->count < 1)
		return -EBADMSG;
	if (sums->n == BUFFERED) {
		int rc = flush(sums);

		if (rc < 0)
			return rc;
	}
	struct entry *e = &sums->entries[sums->n++];

	e->extent = htole64((uint64_t)sum->extent);
	e->count = htole64((uint64_t)sum->count);
	e->place = htole64((uint64_t)sum->place);
	memcpy(e->hash, sum->hash, UD_SHA256);
	sums->next = sum->extent + sum->count;
	return 0;
}

int ud_sums_finish(ud_sums *sums)
{
	int rc = flush(sums);

	return rc < 0 ? rc : fdatasync(sums->fd) == 0 ? 0 : -errno;
}

/* The entry as numbers, when it may follow. */
static bool decode(const struct entry *e, int64_t next, int64_t extents, struct ud_sum *ret)
{
	uint64_t extent = le64toh(e->extent), count = le64toh(e->count), place = le64toh(e->place);

	if (extent < (uint64_t)next || extent >= (uint64_t)extents || count == 0 ||
		count > (uint64_t)extents - extent || place > INT64_MAX)
		return false;
	*ret = (struct ud_sum){ (int64_t)extent, (int64_t)count, (int64_t)place, { 0 } };
	memcpy(ret->hash, e->hash, UD_SHA256);
	return place ? count == 1 : ud_all_zero(e->hash, UD_SHA256);
}

static int visit_some(const struct entry *entries, size_t n, int64_t extents, int64_t *next,
	ud_sums_visitor *visit, void *data)
{
	for (size_t i = 0; i < n; i++) {
		struct ud_sum s;

		if (!decode(&entries[i], *next, extents, &s))
			return -EBADMSG;
		*next = s.extent + s.count;
		int rc = visit(data, &s);

		if (rc != 0)
			return rc;
	}
	return 0;
}

int ud_sums_visit(int fd, int64_t extents, ud_sums_visitor *visit, void *data)
{
	struct stat st;
	int64_t next = 0, at = 0;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (st.st_size % ENTRY)
		return -EBADMSG;
	struct entry *entries = ud_malloc(BUFFERED * ENTRY);
	int rc = 0;

	while (rc == 0 && at < st.st_size) {
		int64_t left = (st.st_size - at) / ENTRY;
		size_t n = left < BUFFERED ? (size_t)left : BUFFERED;

		rc = ud_read_at(fd, entries, n * ENTRY, at);
		if (rc == 0)
			rc = visit_some(entries, n, extents, &next, visit, data);
		at += (int64_t)n * ENTRY;
	}
	ud_free(entries);
	return rc;
}
