/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What travels between sender and receiver, and lies on external media: records of a fixed header
 * (little-endian, with a CRC over header and meta), meta, and payload. Small words are JSON of a
 * shape; data of disks is binary, a chunk of up to 16 extents with a SHA-256 for each. Every length
 * is bounded before it is believed.
 */
#ifndef AGENT_REPLICATION_RECORD_H
#define AGENT_REPLICATION_RECORD_H

#include "agent/replication/source.h"

enum {
	UD_RECORD_VERSION = 1,
	UD_RECORD_HEADER = 24,
	UD_RECORD_META = 128 << 10,
	UD_RECORD_PAYLOAD = UD_MANIFEST_FILE, /* the largest: a file of a point */
	UD_HASHES_MAX = 8192,                 /* hashes in one answer at most */
	UD_PIECES_MAX = 4096                  /* pieces in one answer at most */
};

enum ud_record_type {
	UD_RECORD_HELLO = 1, /* ud_hello: the sender's first */
	/* ud_have: the answer, and to HAVE; a sender's has nothing in it, or ud_confirmed */
	UD_RECORD_HAVE,
	UD_RECORD_BEGIN,   /* ud_begin */
	UD_RECORD_READY,   /* ud_ready */
	UD_RECORD_DATA,    /* ud_chunk */
	UD_RECORD_ZERO,    /* ud_chunk without data */
	UD_RECORD_FILE,    /* meta: name; payload: content */
	UD_RECORD_END,     /* manifest with roots */
	UD_RECORD_DONE,    /* manifest as stored; empty after MEND */
	UD_RECORD_REFUSED, /* ud_refused: the request failed */
	UD_RECORD_HASHES,  /* ud_range; the answer's payload: 32 bytes each */
	UD_RECORD_WRONG,   /* asks for wrong extents; the answer's payload: pieces */
	UD_RECORD_MEND,    /* ud_range; payload: 64 KiB; the answer is DONE or REFUSED */
	/* ud_range with a point's id; answers with pieces until none are left */
	UD_RECORD_CHANGED,
	UD_RECORD_LEASE, /* meta: text; the answer's meta: text */
	UD_RECORD_SAME,  /* meta: name of a file that is as READY says of the parent's */
	UD_RECORD_TYPES
};

/* How a payload is packed. */
enum ud_codec { UD_CODEC_RAW, UD_CODEC_ZSTD };

struct ud_record {
	unsigned type, codec;
	size_t meta_n, payload_n;
	unsigned char *meta;    /* NUL-terminated beyond meta_n */
	unsigned char *payload; /* room for UD_RECORD_PAYLOAD when it is received */
};

/* Where records go and come from: 0 or an errno each, all bytes or none that count. */
struct ud_carrier {
	int (*send)(void *data, const void *bytes, size_t n);
	int (*receive)(void *data, void *bytes, size_t n);
	void *data;
};

/* ---- words ---- */

struct ud_hello {
	int64_t record_version;
	const char *replication_id, *vm_id;
};
struct ud_have {
	const char *newest_id;
	int64_t newest_epoch;
	const char *receiving_id;
	bool seeded, wrong;
	int64_t free_bytes;
};
struct ud_confirmed { /* so long ago that point was all that the sender had */
	const char *point_id;
	int64_t age_ms;
};
struct ud_begin {
	const char *digest;
	struct ud_json manifest;
};
struct ud_ready {
	int64_t records;
	struct ud_json files; /* of the parent, and whole: array of ud_manifest_file_shape */
};
struct ud_refused {
	const char *code, *detail;
};
struct ud_range {
	const char *disk, *point_id;
	int64_t extent, count;
};
extern const struct ud_shape ud_hello_shape, ud_have_shape, ud_confirmed_shape, ud_begin_shape,
	ud_ready_shape, ud_refused_shape, ud_range_shape;

/* ---- chunks ---- */

/* Extents of a disk that lie one after the other. */
struct ud_chunk {
	size_t disk;
	int64_t extent, count;
	unsigned zeros;              /* bit i: extent + i is all zeros, and not in the payload */
	const unsigned char *hashes; /* of those that are, UD_SHA256 each */
	size_t data_n;               /* bytes of the payload once unpacked */
};
/* Write a chunk's meta; bytes written. */
size_t ud_chunk_write(const struct ud_chunk *chunk, unsigned char *meta);
/* Read and check it; for a DATA or ZERO record. False for anything a sender does not write. */
bool ud_chunk_read(const struct ud_record *record, struct ud_chunk *ret);
enum { UD_CHUNK_META = 32 + UD_CHUNK_EXTENTS * UD_SHA256 };

/* Pack data at a level of zstd (0 = raw) into out, which has room for n; returns the bytes, or 0
 * when it does not shrink. packer is from ud_packer_new, one per thread. */
typedef struct ud_packer ud_packer;
ud_packer *ud_packer_new(void);
void ud_packer_release(ud_packer **packer);
size_t ud_pack(ud_packer *packer, int level, const void *data, size_t n, void *out);
/* Unpack a payload to exactly want bytes. False when it is not that. */
bool ud_unpack(
	ud_packer *packer, unsigned codec, const void *data, size_t n, void *out, size_t want);

/* ---- records ---- */

/* Send one; 0 or an errno. */
int ud_record_send(const struct ud_carrier *carrier, const struct ud_record *record) UD_USE;
/* Send one of a shape, or with a text as meta. */
int ud_record_send_shape(const struct ud_carrier *carrier, unsigned type,
	const struct ud_shape *shape, const void *row) UD_USE;
int ud_record_send_text(const struct ud_carrier *carrier, unsigned type, const char *text) UD_USE;
/* Room for records that are received. */
void ud_record_init(struct ud_record *record);
void ud_record_free(struct ud_record *record);
/* Receive one. EBADMSG: that is no record. */
int ud_record_receive(const struct ud_carrier *carrier, struct ud_record *ret) UD_USE;
/* Read its meta as a shape. UD_E_MALFORMED and the codes of decoding. */
enum ud_code ud_record_read(struct ud_ctx *cx, const struct ud_record *record,
	const struct ud_shape *shape, void *row) UD_USE;

#endif
