/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records: writing, and reading what may come from anybody.
 */
#include "agent/replication/record.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "agent/replication/tree.h"

/* clang-format off */
static const struct ud_field hello_fields[] = {
	UD_FIELD(ud_hello, record_version, .flags = UD_REQUIRED, .about = "Version of the records."),
	UD_FIELD(ud_hello, replication_id, .flags = UD_REQUIRED, .max = 64, .about = "The relation."),
	UD_FIELD(ud_hello, vm_id,          .flags = UD_REQUIRED, .max = 64, .about = "The VM."),
};
static const struct ud_field have_fields[] = {
	UD_FIELD(ud_have, newest_id,    .max = 64, .about = "The newest point; empty = none."),
	UD_FIELD(ud_have, newest_epoch, .about = "Its epoch."),
	UD_FIELD(ud_have, receiving_id, .max = 64, .about = "A point that can go on; empty = none."),
	UD_FIELD(ud_have, seeded,       .about = "True when an image lies there without a point."),
	UD_FIELD(ud_have, wrong,        .about = "True when extents were found wrong and are to be repaired."),
	UD_FIELD(ud_have, free_bytes,   .about = "Bytes free for points."),
};
static const struct ud_field begin_fields[] = {
	UD_FIELD(ud_begin, digest,   .flags = UD_REQUIRED, .max = 64, .about = "Names the sender's plan."),
	UD_FIELD(ud_begin, manifest, .flags = UD_REQUIRED, .max = UD_MANIFEST_MAX, .about = "The point, without roots."),
};
static const struct ud_field ready_fields[] = {
	UD_FIELD(ud_ready, records, .about = "Records of the plan that are here already."),
	UD_FIELD(ud_ready, files,   .max = UD_MANIFEST_MAX, .about = "Files of the parent, which need not come again."),
};
static const struct ud_field refused_fields[] = {
	UD_FIELD(ud_refused, code,   .flags = UD_REQUIRED, .max = 64, .about = "Name of the problem."),
	UD_FIELD(ud_refused, detail, .max = 4000, .about = "What is wrong."),
};
static const struct ud_field confirmed_fields[] = {
	UD_FIELD(ud_confirmed, point_id, .flags = UD_REQUIRED, .max = 64, .about = "The newest point over there."),
	UD_FIELD(ud_confirmed, age_ms,   .flags = UD_REQUIRED, .about = "How long ago that was looked at."),
};
static const struct ud_field range_fields[] = {
	UD_FIELD(ud_range, disk,     .flags = UD_REQUIRED, .max = UD_DISK_NAME - 1, .about = "Name of the disk."),
	UD_FIELD(ud_range, point_id, .max = 64, .about = "The point it is about."),
	UD_FIELD(ud_range, extent,   .max = UD_DISK_MAX / UD_EXTENT, .about = "The first extent."),
	UD_FIELD(ud_range, count,    .max = UD_DISK_MAX / UD_EXTENT, .about = "How many."),
};
/* clang-format on */
const struct ud_shape ud_hello_shape = { .bare = true, UD_SHAPE(ud_hello, hello_fields) };
const struct ud_shape ud_have_shape = { .bare = true, UD_SHAPE(ud_have, have_fields) };
const struct ud_shape ud_confirmed_shape = { .bare = true,
	UD_SHAPE(ud_confirmed, confirmed_fields) };
const struct ud_shape ud_begin_shape = { .bare = true, UD_SHAPE(ud_begin, begin_fields) };
const struct ud_shape ud_ready_shape = { .bare = true, UD_SHAPE(ud_ready, ready_fields) };
const struct ud_shape ud_refused_shape = { .bare = true, UD_SHAPE(ud_refused, refused_fields) };
const struct ud_shape ud_range_shape = { .bare = true, UD_SHAPE(ud_range, range_fields) };

static const uint32_t magic = 0x31524455; /* "UDR1" */

struct header {
	uint32_t magic;
	uint8_t type, codec;
	uint16_t zero;
	uint32_t meta_n, payload_n;
	uint32_t unused, crc;
};
_Static_assert(sizeof(struct header) == UD_RECORD_HEADER, "the header has no holes");

/* ---- chunks ---- */

struct chunk_head {
	uint32_t disk, zeros;
	uint64_t extent, count, unused;
};

static int bits_in(unsigned v)
{
	return __builtin_popcount(v);
}

size_t ud_chunk_write(const struct ud_chunk *chunk, unsigned char *meta)
{
	const struct chunk_head h = { htole32((uint32_t)chunk->disk), htole32(chunk->zeros),
		htole64((uint64_t)chunk->extent), htole64((uint64_t)chunk->count), 0 };
	size_t n = chunk->data_n / UD_EXTENT * UD_SHA256;

	memcpy(meta, &h, sizeof(h));
	if (n)
		memcpy(meta + sizeof(h), chunk->hashes, n);
	return sizeof(h) + n;
}

bool ud_chunk_read(const struct ud_record *record, struct ud_chunk *ret)
{
	struct chunk_head h;

	if (record->meta_n < sizeof(h))
		return false;
	memcpy(&h, record->meta, sizeof(h));
	uint64_t extent = le64toh(h.extent), count = le64toh(h.count);
	uint32_t zeros = le32toh(h.zeros);
	const uint64_t most = UD_DISK_MAX / UD_EXTENT;

	if (le32toh(h.disk) >= UD_MANIFEST_DISKS || h.unused || extent >= most || count == 0 ||
		count > most - extent)
		return false;
	*ret = (struct ud_chunk){
		.disk = le32toh(h.disk), .extent = (int64_t)extent, .count = (int64_t)count
	};
	if (record->type == UD_RECORD_ZERO)
		return zeros == 0 && record->meta_n == sizeof(h) && record->payload_n == 0 &&
			record->codec == UD_CODEC_RAW;
	if (record->type != UD_RECORD_DATA || count > UD_CHUNK_EXTENTS || zeros >> count)
		return false;
	size_t data = count - (size_t)bits_in(zeros);

	ret->zeros = zeros;
	ret->data_n = data * UD_EXTENT;
	ret->hashes = record->meta + sizeof(h);
	return data > 0 && record->meta_n == sizeof(h) + data * UD_SHA256 &&
		record->payload_n > 0 && record->payload_n <= ret->data_n &&
		(record->codec != UD_CODEC_RAW || record->payload_n == ret->data_n);
}

/* ---- sending ---- */

int ud_record_send(const struct ud_carrier *carrier, const struct ud_record *record)
{
	struct header h = { .magic = htole32(magic),
		.type = (uint8_t)record->type,
		.codec = (uint8_t)record->codec,
		.meta_n = htole32((uint32_t)record->meta_n),
		.payload_n = htole32((uint32_t)record->payload_n) };
	unsigned char small[sizeof(h) + UD_CHUNK_META];
	bool fits = record->meta_n <= UD_CHUNK_META;

	if (record->meta_n > UD_RECORD_META || record->payload_n > UD_RECORD_PAYLOAD)
		return EMSGSIZE;
	/* the CRC is over the header with a CRC of 0 and then the meta */
	unsigned char *all = fits ? small : ud_malloc(sizeof(h) + record->meta_n);

	memcpy(all, &h, sizeof(h));
	if (record->meta_n)
		memcpy(all + sizeof(h), record->meta, record->meta_n);
	h.crc = htole32(ud_crc32(all, sizeof(h) + record->meta_n));
	memcpy(all, &h, sizeof(h));
	int rc = carrier->send(carrier->data, all, sizeof(h) + record->meta_n);

	if (!fits)
		ud_free(all);
	if (rc == 0 && record->payload_n)
		rc = carrier->send(carrier->data, record->payload, record->payload_n);
	return rc;
}

int ud_record_send_text(const struct ud_carrier *carrier, unsigned type, const char *text)
{
	struct ud_record r = { .type = type, .meta_n = strlen(text) };

	r.meta = (unsigned char *)(uintptr_t)text; /* is only read */
	return ud_record_send(carrier, &r);
}

int ud_record_send_shape(const struct ud_carrier *carrier, unsigned type,
	const struct ud_shape *shape, const void *row)
{
	struct ud_buf b = { 0 };

	ud_shape_encode(&b, shape, row, NULL);
	int rc = ud_record_send_text(carrier, type, ud_buf_text(&b));

	ud_buf_free(&b);
	return rc;
}

/* ---- receiving ---- */

void ud_record_init(struct ud_record *record)
{
	*record = (struct ud_record){ 0 };
	record->meta = ud_malloc(UD_RECORD_HEADER + UD_RECORD_META + 1);
	record->payload = ud_malloc(UD_RECORD_PAYLOAD);
}

void ud_record_free(struct ud_record *record)
{
	ud_free(record->meta);
	ud_free(record->payload);
	*record = (struct ud_record){ 0 };
}

int ud_record_receive(const struct ud_carrier *carrier, struct ud_record *ret)
{
	struct header h;
	int rc = carrier->receive(carrier->data, &h, sizeof(h));

	if (rc != 0)
		return rc;
	uint32_t crc = le32toh(h.crc);

	ret->type = h.type;
	ret->codec = h.codec;
	ret->meta_n = le32toh(h.meta_n);
	ret->payload_n = le32toh(h.payload_n);
	if (le32toh(h.magic) != magic || h.zero || h.unused || h.type == 0 ||
		h.type >= UD_RECORD_TYPES || h.codec > UD_CODEC_ZSTD ||
		ret->meta_n > UD_RECORD_META || ret->payload_n > UD_RECORD_PAYLOAD ||
		(ret->type != UD_RECORD_FILE && ret->payload_n > UD_CHUNK))
		return EBADMSG;
	rc = carrier->receive(carrier->data, ret->meta + sizeof(h), ret->meta_n);
	if (rc != 0)
		return rc;
	h.crc = 0;
	memcpy(ret->meta, &h, sizeof(h));
	if (ud_crc32(ret->meta, sizeof(h) + ret->meta_n) != crc)
		return EBADMSG;
	memmove(ret->meta, ret->meta + sizeof(h), ret->meta_n);
	ret->meta[ret->meta_n] = 0;
	return ret->payload_n ? carrier->receive(carrier->data, ret->payload, ret->payload_n) : 0;
}

enum ud_code ud_record_read(
	struct ud_ctx *cx, const struct ud_record *record, const struct ud_shape *shape, void *row)
{
	return ud_shape_read(cx, shape, (const char *)record->meta, record->meta_n, row);
}
