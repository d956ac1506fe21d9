/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recovery point: all disks of a VM at one instant, as a store keeps it (manifest.json) and as
 * sender and receiver speak of it. Plain data with field tables; nothing here touches a file.
 *
 * Sizes: an extent is 64 KiB, the unit of hashes, of the qcow2 files' clusters and of dirty
 * bitmaps; a chunk is up to 16 extents, the unit of the wire.
 */
#ifndef AGENT_REPLICATION_MANIFEST_H
#define AGENT_REPLICATION_MANIFEST_H

#include "base/crypto.h"
#include "base/replication.h"

enum {
	UD_EXTENT = 65536,
	UD_CHUNK = 1 << 20,
	UD_CHUNK_EXTENTS = UD_CHUNK / UD_EXTENT,
	UD_MANIFEST_DISKS = 32,     /* disks of a VM at most */
	UD_MANIFEST_FILES = 72,     /* files that go along at most */
	UD_MANIFEST_FILE = 4 << 20, /* bytes of such a file at most; larger ones go in pieces */
	UD_DISK_NAME = 64,          /* characters of a disk's or file's name, with its NUL */
	UD_MANIFEST_MAX = 64 << 10  /* bytes of a manifest at most */
};
#define UD_DISK_MAX (INT64_C(1) << 46) /* bytes of a disk at most: 64 TiB */

enum ud_manifest_kind {
	UD_MANIFEST_FULL,  /* first of its chain: all that is not zero */
	UD_MANIFEST_DELTA, /* what was written since its parent */
	UD_MANIFEST_RESYNC /* what comparing hashes with its parent found to differ */
};
extern const struct ud_enum ud_manifest_kinds;

/* A disk of a point. */
struct ud_manifest_disk {
	const char *name; /* "vda": letters, digits, '.', '_' and '-', not first a dot */
	int64_t size_bytes;
	int64_t changed_bytes;   /* of this point, in whole extents, zeros included */
	const char *root;        /* Merkle root of the whole image at this point, hex */
	const char *parent_root; /* the same at the parent; "" when there is none */
};
extern const struct ud_shape ud_manifest_disk_shape;

/* A file that belongs to the point: the VM's definition, its NVRAM, a piece of its kernel. */
struct ud_manifest_file {
	const char *name; /* as a disk's, and not that of a file of the store */
	int64_t bytes;
	const char *sha256; /* hex */
};
extern const struct ud_shape ud_manifest_file_shape;

/* manifest.json. */
struct ud_manifest {
	const char *id;     /* "rpt_…", made by the source */
	int64_t n;          /* number in this store, ascending; set by the store */
	const char *parent; /* id of the point before; "" for the first */
	const char *replication_id, *vm_id;
	unsigned kind; /* enum ud_manifest_kind */
	int64_t epoch;
	struct ud_time taken_at; /* by the source's clock, for people */
	/* when the target published it: by the source's steady clock */
	int64_t age_ms;
	unsigned requested, consistency; /* enum ud_consistency: asked for, and got */
	const char *reason;              /* why they differ; "" when they do not */
	int64_t changed_bytes;           /* of all disks */
	struct ud_json disks;            /* array of ud_manifest_disk_shape */
	struct ud_json files;            /* array of ud_manifest_file_shape */
};
extern const struct ud_shape ud_manifest_shape;

/* True for a name that may be a file's: never a path, never hidden, never ours (".part"). Pure. */
bool ud_disk_name_valid(const char *name);
/* Make an id for a new point. */
const char *ud_manifest_id(struct ud_ctx *cx);
/* The disks of a point as structs in the arena; checks names, sizes, twins and roots.
 * UD_E_VALIDATION. */
enum ud_code ud_manifest_disks(struct ud_ctx *cx, const struct ud_manifest *manifest,
	const struct ud_manifest_disk **ret, size_t *ret_n) UD_USE;
/* Put them back. */
void ud_manifest_set_disks(struct ud_ctx *cx, struct ud_manifest *manifest,
	const struct ud_manifest_disk *disks, size_t n);
/* The same for its files. UD_E_VALIDATION. */
enum ud_code ud_manifest_files(struct ud_ctx *cx, const struct ud_manifest *manifest,
	const struct ud_manifest_file **ret, size_t *ret_n) UD_USE;
void ud_manifest_set_files(struct ud_ctx *cx, struct ud_manifest *manifest,
	const struct ud_manifest_file *files, size_t n);
/* Read a manifest, untrusted bytes included; all of it is checked. UD_E_MALFORMED,
 * UD_E_UNKNOWN_FIELD, UD_E_VALIDATION. */
enum ud_code ud_manifest_read(
	struct ud_ctx *cx, const char *text, size_t n, struct ud_manifest *ret) UD_USE;
/* The point as the server is told of it; bad: it must not be used. */
void ud_manifest_point(
	struct ud_ctx *cx, const struct ud_manifest *manifest, bool bad, struct ud_point *ret);
/* The manifest's text, in the arena. */
const char *ud_manifest_text(struct ud_ctx *cx, const struct ud_manifest *manifest);

#endif
