/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a point on its way, for incoming*.c and nobody else.
 */
#ifndef AGENT_REPLICATION_INCOMING_INSIDE_H
#define AGENT_REPLICATION_INCOMING_INSIDE_H

#include "agent/replication/store_inside.h"

/* A disk on its way. */
struct in_disk {
	char name[UD_DISK_NAME];
	int64_t size;
	int fd;      /* the point's file, or the base */
	int sums_fd; /* -1 into the base */
	ud_qcow2_writer *writer;
	ud_sums *sums;
	/* of the base; a point's is the store's and may be made anew meanwhile */
	ud_tree *tree;
	int64_t next;      /* extents ascend */
	int64_t extents;   /* that came */
	int64_t unflushed; /* atomic */
};

struct ud_incoming {
	ud_store *store;
	bool base;     /* straight into the base */
	bool attached; /* under the store's mutex */
	int64_t n;     /* number it will have */
	struct ud_manifest head;
	ud_arena *arena; /* of head and the files */
	char digest[UD_SHA256_HEX];
	int64_t records, written; /* written is atomic */
	int error;                /* atomic: the first that came */
	struct in_disk disks[UD_MANIFEST_DISKS];
	size_t disk_count;
	struct ud_manifest_file files[UD_MANIFEST_FILES];
	size_t file_count;
};

/* Path of a disk's file of the point: "qcow2", "sums". In the arena. */
const char *ud_incoming_path(
	struct ud_ctx *cx, const ud_incoming *in, const char *format, const char *name);
/* A new file beneath the store's root, in place of one that was left; its descriptor or a negative
 * errno. */
int ud_incoming_open_new(ud_store *store, const char *path);
/* May a point of that epoch come in? Under the store's mutex. UD_E_INVALID_STATE. */
enum ud_code ud_incoming_ask_gate(struct ud_ctx *cx, ud_store *store, int64_t epoch) UD_USE;
/* Nobody finds it any more. */
void ud_incoming_detach(ud_incoming *in);
/* Close it and free it; its files stay. */
void ud_incoming_destroy(ud_incoming *in);
/* Close it and remove its files; an image that grows in the base stays. */
void ud_incoming_discard(ud_incoming *in);

#endif
