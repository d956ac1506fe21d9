/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a sender reads from: the disks of one VM at one instant. A table of functions with three
 * makers: NBD (a backup job of libvirt, or qemu-nbd over an image), a store's own points (for the
 * extended leg), and a test's memory. Whatever it is, it must not change while it is read.
 *
 * One thread at a time, apart from nothing: the sender's reading thread owns the source.
 */
#ifndef AGENT_REPLICATION_SOURCE_H
#define AGENT_REPLICATION_SOURCE_H

#include "agent/replication/manifest.h"

enum { UD_SOURCE_IN_FLIGHT = 8 }; /* reads that a sender has under way at once */

enum ud_extent_kind {
	UD_EXTENT_CLEAN, /* as at the parent point: nothing to send */
	UD_EXTENT_DATA,
	UD_EXTENT_ZERO /* reads as zeros, and need not be read */
};

/* What an extent query tells: neighbouring pieces of one disk in ascending order, without gaps;
 * pieces may have any alignment. */
typedef enum ud_code ud_extent_visitor(
	struct ud_ctx *cx, void *data, int64_t offset, int64_t length, enum ud_extent_kind kind);

/* A read under way; its submitter's until it is reaped. */
struct ud_read {
	size_t disk;
	int64_t offset;
	size_t n; /* UD_CHUNK at most, inside the disk */
	unsigned char *buf;
	int error;            /* after reaping: 0 or an errno */
	struct ud_read *next; /* for the source */
};

struct ud_source;
struct ud_source_ops {
	/* pieces that differ from the parent; whole: of all the disk, then nothing is clean */
	enum ud_code (*extents)(struct ud_ctx *cx, struct ud_source *source, size_t disk,
		bool whole, ud_extent_visitor *visit, void *data);
	/* begin a read; at most UD_SOURCE_IN_FLIGHT are under way */
	enum ud_code (*submit)(struct ud_ctx *cx, struct ud_source *source, struct ud_read *read);
	/* wait until one read is done, whichever; UD_E_NOT_IN_TIME after timeout_ms */
	enum ud_code (*reap)(struct ud_ctx *cx, struct ud_source *source, int64_t timeout_ms,
		struct ud_read **ret);
	void (*close)(struct ud_source *source);
};

/* Each maker's own struct begins with it. */
typedef struct ud_source ud_source;
struct ud_source {
	const struct ud_source_ops *ops;
	const struct ud_source_disk *disks; /* valid until it is released */
	size_t disk_count;
};
struct ud_source_disk {
	const char *name;
	int64_t size_bytes;
};

/* Close it. Takes NULL; sets *source to NULL. */
void ud_source_release(ud_source **source);

/* An NBD export to read a disk from. */
struct ud_nbd_disk {
	const char *name;        /* the disk's: "vda" */
	const char *socket_path; /* Unix socket of the server */
	const char *export_name;
	/* meta context of the dirty bitmap ("qemu:dirty-bitmap:backup-vda"); NULL = none, then a
	 * delta is all the disk */
	const char *bitmap;
};
/*
 * Connect to the exports, one connection each. Extents are the bitmap's intersected with
 * base:allocation, so that a discarded range costs a few bytes. UD_E_HYPERVISOR with the server's
 * words, UD_E_NOT_IN_TIME when it does not answer within timeout_ms (each later call, too).
 * Release with ud_source_release.
 */
enum ud_code ud_source_nbd(struct ud_ctx *cx, const struct ud_nbd_disk *disks, size_t n,
	int64_t timeout_ms, ud_source **ret) UD_USE;

/* A piece of a disk. */
struct ud_piece {
	size_t disk; /* index */
	int64_t offset, length;
};
/*
 * Another source with more to send: what inner calls dirty, and these pieces besides (what the
 * other side wrote by itself, when two sides have diverged). Takes inner over: *inner becomes NULL.
 * Pieces beyond a disk's end are cut.
 */
enum ud_code ud_source_union(struct ud_ctx *cx, ud_source **inner, const struct ud_piece *pieces,
	size_t n, ud_source **ret) UD_USE;

#endif
