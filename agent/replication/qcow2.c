/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The format is QEMU's docs/interop/qcow2.txt. Layout of ours: header cluster, first level table,
 * data, second level tables, refcount blocks, refcount table.
 */
#include "agent/replication/qcow2.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/replication/beneath.h"

enum {
	BITS = 16,
	CLUSTER = 1 << BITS,
	ENTRIES = CLUSTER / 8,       /* of a second level table: 512 MiB of disk */
	BLOCK_ENTRIES = CLUSTER / 2, /* refcounts of 16 bits */
	HEADER = 104,
	HEADER_AREA = 4096, /* header, extensions and backing name: one write */
	FORMAT_EXTENSION = (int)0xE2792ACA
};
static const uint64_t copied = UINT64_C(1) << 63; /* the cluster's refcount is 1 */
static const uint64_t offset_mask = UINT64_C(0x00fffffffffffe00);
_Static_assert((int)CLUSTER == (int)UD_EXTENT, "a cluster holds an extent");

/* What stands on the disk, big-endian. */
struct header {
	uint32_t magic, version;
	uint64_t backing_offset;
	uint32_t backing_size, cluster_bits;
	uint64_t size;
	uint32_t crypt, l1_size;
	uint64_t l1_offset, refcount_offset;
	uint32_t refcount_clusters, snapshots;
	uint64_t snapshots_offset, incompatible, compatible, autoclear;
	uint32_t refcount_order, header_length;
};
_Static_assert(sizeof(struct header) == HEADER, "the header has no holes");

static int64_t divide_up(int64_t a, int64_t b)
{
	return (a + b - 1) / b;
}

static int64_t tables_of(int64_t size_bytes)
{
	return divide_up(size_bytes, (int64_t)CLUSTER * ENTRIES);
}

/* ---- writing ---- */

struct ud_qcow2_writer {
	int fd;
	int64_t size;
	int64_t next;       /* free cluster */
	int64_t l1_entries; /* in use by the size */
	uint64_t **tables;  /* second level, host order; NULL = nothing in it */
};

int ud_qcow2_begin(int fd, int64_t size_bytes, ud_qcow2_writer **ret)
{
	if (size_bytes <= 0 || size_bytes > UD_DISK_MAX || size_bytes % 512)
		return -EINVAL;
	ud_qcow2_writer *w = ud_malloc(sizeof(*w));

	*w = (ud_qcow2_writer){ .fd = fd, .size = size_bytes, .l1_entries = tables_of(size_bytes) };
	w->next = 1 + divide_up(w->l1_entries * 8, CLUSTER);
	w->tables = ud_malloc((size_t)w->l1_entries * sizeof(*w->tables));
	memset(w->tables, 0, (size_t)w->l1_entries * sizeof(*w->tables));
	*ret = w;
	return 0;
}

void ud_qcow2_writer_release(ud_qcow2_writer **writer)
{
	ud_qcow2_writer *w = *writer;

	*writer = NULL;
	if (!w)
		return;
	for (int64_t i = 0; i < w->l1_entries; i++)
		ud_free(w->tables[i]);
	ud_free(w->tables);
	ud_free(w);
}

static uint64_t *entry_of(ud_qcow2_writer *w, int64_t extent)
{
	uint64_t **table = &w->tables[extent / ENTRIES];

	if (!*table) {
		*table = ud_malloc(CLUSTER);
		memset(*table, 0, CLUSTER);
	}
	return &(*table)[extent % ENTRIES];
}

int64_t ud_qcow2_place(ud_qcow2_writer *writer, int64_t extent)
{
	uint64_t *e = entry_of(writer, extent);

	if (*e <= 1)
		*e = (uint64_t)(writer->next++ * CLUSTER) | copied;
	return (int64_t)(*e & offset_mask);
}

void ud_qcow2_zero(ud_qcow2_writer *writer, int64_t extent, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		*entry_of(writer, extent + i) = 1;
}

static int64_t table_count(const ud_qcow2_writer *w)
{
	int64_t n = 0;

	for (int64_t i = 0; i < w->l1_entries; i++)
		n += w->tables[i] != NULL;
	return n;
}

/* Refcount blocks and clusters of their table, which count themselves, too. */
static void refcounts_of(int64_t used, int64_t *ret_blocks, int64_t *ret_table)
{
	int64_t blocks = 1, table = 1;

	for (;;) {
		int64_t want_blocks = divide_up(used + blocks + table, BLOCK_ENTRIES);
		int64_t want_table = divide_up(want_blocks * 8, CLUSTER);

		if (want_blocks <= blocks && want_table <= table)
			break;
		blocks = want_blocks;
		table = want_table;
	}
	*ret_blocks = blocks;
	*ret_table = table;
}

int64_t ud_qcow2_need(const ud_qcow2_writer *writer)
{
	int64_t tables = table_count(writer), blocks, table;

	refcounts_of(writer->next + tables, &blocks, &table);
	return (tables + blocks + table + 1) * CLUSTER;
}

/* Write the second level tables behind the data, and the first level that names them. */
static int write_tables(ud_qcow2_writer *w)
{
	size_t l1_bytes = (size_t)divide_up(w->l1_entries * 8, CLUSTER) * CLUSTER;
	uint64_t *l1 = ud_malloc(l1_bytes), *out = ud_malloc(CLUSTER);
	int rc = 0;

	memset(l1, 0, l1_bytes);
	for (int64_t i = 0; i < w->l1_entries && rc == 0; i++) {
		if (!w->tables[i])
			continue;
		int64_t place = w->next++ * CLUSTER;

		for (size_t k = 0; k < ENTRIES; k++)
			out[k] = htobe64(w->tables[i][k]);
		l1[i] = htobe64((uint64_t)place | copied);
		rc = ud_write_at(w->fd, out, CLUSTER, place);
	}
	if (rc == 0)
		rc = ud_write_at(w->fd, l1, l1_bytes, CLUSTER);
	ud_free(l1);
	ud_free(out);
	return rc;
}

/* Every cluster of the file has refcount 1. */
static int write_refcounts(ud_qcow2_writer *w, int64_t *ret_offset, int64_t *ret_clusters)
{
	int64_t blocks, table;

	refcounts_of(w->next, &blocks, &table);
	int64_t total = w->next + blocks + table, first = w->next;
	uint64_t *names = ud_malloc((size_t)table * CLUSTER);
	uint16_t *counts = ud_malloc(CLUSTER);
	int rc = 0;

	memset(names, 0, (size_t)table * CLUSTER);
	for (int64_t b = 0; b < blocks && rc == 0; b++) {
		names[b] = htobe64((uint64_t)((first + b) * CLUSTER));
		for (int64_t k = 0; k < BLOCK_ENTRIES; k++)
			counts[k] = htobe16(b * BLOCK_ENTRIES + k < total);
		rc = ud_write_at(w->fd, counts, CLUSTER, (first + b) * CLUSTER);
	}
	if (rc == 0)
		rc = ud_write_at(w->fd, names, (size_t)table * CLUSTER, (first + blocks) * CLUSTER);
	ud_free(names);
	ud_free(counts);
	*ret_offset = (first + blocks) * CLUSTER;
	*ret_clusters = table;
	return rc;
}

static void put32(unsigned char **p, uint32_t v)
{
	v = htobe32(v);
	memcpy(*p, &v, sizeof(v));
	*p += sizeof(v);
}

/* Extensions and backing name behind the header; the name's place goes into it. */
static int put_backing(
	unsigned char *area, struct header *h, const char *backing, const char *format)
{
	size_t n = strlen(backing), m = strlen(format);
	unsigned char *p = area + HEADER;

	if (n >= UD_QCOW2_BACKING || m > 16)
		return -ENAMETOOLONG;
	h->backing_offset = 0;
	h->backing_size = 0;
	if (n) {
		put32(&p, (uint32_t)FORMAT_EXTENSION);
		put32(&p, (uint32_t)m);
		memcpy(p, format, m);
		p += (m + 7) / 8 * 8;
	}
	put32(&p, 0);
	put32(&p, 0);
	if (n) {
		h->backing_offset = htobe64((uint64_t)(p - area));
		h->backing_size = htobe32((uint32_t)n);
		memcpy(p, backing, n);
	}
	memcpy(area, h, sizeof(*h));
	return 0;
}

static int sync_file(int fd)
{
	return fdatasync(fd) == 0 ? 0 : -errno;
}

int ud_qcow2_finish(ud_qcow2_writer *writer, const char *backing, const char *format)
{
	unsigned char area[HEADER_AREA] = { 0 };
	int64_t refcounts = 0, clusters = 0;
	int rc = write_tables(writer);

	if (rc == 0)
		rc = write_refcounts(writer, &refcounts, &clusters);
	if (rc == 0)
		rc = sync_file(writer->fd);
	if (rc < 0)
		return rc;
	struct header h = { .magic = htobe32(0x514649fb),
		.version = htobe32(3),
		.cluster_bits = htobe32(BITS),
		.size = htobe64((uint64_t)writer->size),
		.l1_size = htobe32((uint32_t)writer->l1_entries),
		.l1_offset = htobe64(CLUSTER),
		.refcount_offset = htobe64((uint64_t)refcounts),
		.refcount_clusters = htobe32((uint32_t)clusters),
		.refcount_order = htobe32(4),
		.header_length = htobe32(HEADER) };

	rc = put_backing(area, &h, backing, format);
	if (rc == 0)
		rc = ud_write_at(writer->fd, area, sizeof(area), 0);
	return rc < 0 ? rc : sync_file(writer->fd);
}

int ud_qcow2_empty(int fd, int64_t size_bytes, const char *backing, const char *format)
{
	ud_qcow2_writer *w = NULL;
	int rc = ud_qcow2_begin(fd, size_bytes, &w);

	if (rc == 0)
		rc = ud_qcow2_finish(w, backing, format);
	ud_qcow2_writer_release(&w);
	return rc;
}

int ud_qcow2_rebase(int fd, const char *backing, const char *format)
{
	unsigned char area[HEADER_AREA] = { 0 };
	ud_qcow2_reader *reader = NULL;
	struct header h;
	int rc = ud_qcow2_open(fd, &reader);

	ud_qcow2_reader_release(&reader);
	if (rc == 0)
		rc = ud_read_at(fd, &h, sizeof(h), 0);
	if (rc == 0)
		rc = put_backing(area, &h, backing, format);
	if (rc == 0)
		rc = ud_write_at(fd, area, sizeof(area), 0);
	return rc < 0 ? rc : sync_file(fd);
}

/* ---- reading ---- */

struct ud_qcow2_reader {
	int fd;
	int64_t size, file_size;
	int64_t l1_entries, extents;
	uint64_t *l1;
	int64_t loaded; /* number of the table in memory; -1 = none */
	uint64_t *table;
	char backing[UD_QCOW2_BACKING];
};

static int64_t file_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (int64_t)st.st_size : -errno;
}

/* True when whole clusters lie there, behind the header. */
static bool inside(const ud_qcow2_reader *r, uint64_t offset, int64_t clusters)
{
	return offset >= CLUSTER && offset % CLUSTER == 0 && offset <= (uint64_t)r->file_size &&
		(uint64_t)clusters * CLUSTER <= (uint64_t)r->file_size - offset;
}

static bool header_good(ud_qcow2_reader *r, const struct header *h)
{
	uint64_t size = be64toh(h->size);

	if (h->magic != htobe32(0x514649fb) || h->version != htobe32(3) ||
		h->cluster_bits != htobe32(BITS) || h->crypt || h->snapshots || h->incompatible ||
		h->refcount_order != htobe32(4) || h->header_length != htobe32(HEADER))
		return false;
	if (size == 0 || size > (uint64_t)UD_DISK_MAX || size % 512)
		return false;
	r->size = (int64_t)size;
	r->extents = divide_up(r->size, CLUSTER);
	r->l1_entries = tables_of(r->size);
	return be32toh(h->l1_size) == r->l1_entries &&
		inside(r, be64toh(h->l1_offset), divide_up(r->l1_entries * 8, CLUSTER));
}

static int read_backing(ud_qcow2_reader *r, const struct header *h)
{
	uint64_t offset = be64toh(h->backing_offset);
	uint32_t n = be32toh(h->backing_size);

	if (offset == 0)
		return n ? -EBADMSG : 0;
	if (offset < HEADER || n == 0 || n >= UD_QCOW2_BACKING || offset > CLUSTER - n)
		return -EBADMSG;
	int rc = ud_read_at(r->fd, r->backing, n, (int64_t)offset);

	return rc == 0 && strlen(r->backing) != n ? -EBADMSG : rc;
}

static int read_header(ud_qcow2_reader *r)
{
	struct header h;

	if (r->file_size < 0)
		return (int)r->file_size;
	if (r->file_size < 2 * CLUSTER)
		return -EBADMSG;
	int rc = ud_read_at(r->fd, &h, sizeof(h), 0);

	if (rc < 0)
		return rc;
	if (!header_good(r, &h))
		return -EBADMSG;
	rc = read_backing(r, &h);
	if (rc < 0)
		return rc;
	r->l1 = ud_malloc((size_t)r->l1_entries * 8);
	return ud_read_at(r->fd, r->l1, (size_t)r->l1_entries * 8, (int64_t)be64toh(h.l1_offset));
}

int ud_qcow2_open(int fd, ud_qcow2_reader **ret)
{
	ud_qcow2_reader *r = ud_malloc(sizeof(*r));

	*r = (ud_qcow2_reader){ .fd = fd, .file_size = file_size(fd), .loaded = -1 };
	int rc = read_header(r);

	if (rc < 0)
		ud_qcow2_reader_release(&r);
	else
		*ret = r;
	return rc == -ENODATA ? -EBADMSG : rc;
}

void ud_qcow2_reader_release(ud_qcow2_reader **reader)
{
	ud_qcow2_reader *r = *reader;

	*reader = NULL;
	if (!r)
		return;
	ud_free(r->l1);
	ud_free(r->table);
	ud_free(r);
}

int64_t ud_qcow2_size(const ud_qcow2_reader *reader)
{
	return reader->size;
}

const char *ud_qcow2_backing(const ud_qcow2_reader *reader)
{
	return reader->backing;
}

/* Bring a second level table into memory; *ret NULL = the file has none there. */
static int load(ud_qcow2_reader *r, int64_t number, const uint64_t **ret)
{
	uint64_t place = be64toh(r->l1[number]);

	*ret = NULL;
	if (place == 0)
		return 0;
	place &= ~copied;
	if ((place & ~offset_mask) || !inside(r, place, 1))
		return -EBADMSG;
	if (!r->table)
		r->table = ud_malloc(CLUSTER);
	if (r->loaded != number) {
		r->loaded = -1;
		int rc = ud_read_at(r->fd, r->table, CLUSTER, (int64_t)place);

		if (rc < 0)
			return rc;
		r->loaded = number;
	}
	*ret = r->table;
	return 0;
}

/* Read an entry: -1, 0 or a place that is inside the file. */
static int decode(const ud_qcow2_reader *r, uint64_t raw, int64_t *ret_place)
{
	uint64_t e = be64toh(raw);

	if (e <= 1) {
		*ret_place = e == 1 ? 0 : -1;
		return 0;
	}
	e &= ~copied;
	if ((e & ~offset_mask) || !inside(r, e, 1))
		return -EBADMSG;
	*ret_place = (int64_t)e;
	return 0;
}

int ud_qcow2_find(ud_qcow2_reader *reader, int64_t extent, int64_t *ret_place)
{
	const uint64_t *table = NULL;

	*ret_place = -1;
	if (extent < 0 || extent >= reader->extents)
		return 0;
	int rc = load(reader, extent / ENTRIES, &table);

	if (rc < 0 || !table)
		return rc;
	return decode(reader, table[extent % ENTRIES], ret_place);
}

struct visit_run {
	int64_t first, count, place;
};

static bool continues(const struct visit_run *run, int64_t extent, int64_t place)
{
	if (run->count == 0 || run->first + run->count != extent)
		return false;
	return run->place == 0 ? place == 0 : place == run->place + run->count * CLUSTER;
}

/* Add an extent to the run, or tell the run and begin another. */
static int extend(
	struct visit_run *run, int64_t extent, int64_t place, ud_qcow2_visitor *visit, void *data)
{
	int rc = 0;

	if (continues(run, extent, place)) {
		run->count++;
		return 0;
	}
	if (run->count)
		rc = visit(data, run->first, run->count, run->place);
	*run = (struct visit_run){ extent, 1, place };
	return rc;
}

static int visit_table(ud_qcow2_reader *r, int64_t number, struct visit_run *run,
	ud_qcow2_visitor *visit, void *data)
{
	const uint64_t *table = NULL;
	int rc = load(r, number, &table);

	for (int64_t k = 0; rc == 0 && table && k < ENTRIES; k++) {
		int64_t extent = number * ENTRIES + k, place = -1;

		if (table[k] == 0)
			continue;
		if (extent >= r->extents)
			return -EBADMSG;
		rc = decode(r, table[k], &place);
		if (rc == 0)
			rc = extend(run, extent, place, visit, data);
	}
	return rc;
}

int ud_qcow2_visit(ud_qcow2_reader *reader, ud_qcow2_visitor *visit, void *data)
{
	struct visit_run run = { 0 };
	int rc = 0;

	for (int64_t i = 0; i < reader->l1_entries && rc == 0; i++)
		rc = visit_table(reader, i, &run, visit, data);
	if (rc == 0 && run.count)
		rc = visit(data, run.first, run.count, run.place);
	return rc;
}
