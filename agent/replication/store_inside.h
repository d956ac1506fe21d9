/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a store, for its own files (store*.c, incoming.c) and nobody else.
 *
 * Two locks. "layout" is held by whoever changes or walks files of points and base: merges, drops,
 * clones, and slices of a scrub. "mutex" guards what is in memory and is never held across the
 * reading or writing of data. Who needs both takes layout first.
 */
#ifndef AGENT_REPLICATION_STORE_INSIDE_H
#define AGENT_REPLICATION_STORE_INSIDE_H

#include <pthread.h>

#include "agent/replication/beneath.h"
#include "agent/replication/incoming.h"
#include "agent/replication/qcow2.h"
#include "agent/replication/tree.h"

#define UD_STORE_SCRUB_PLACE "scrub" /* how far scrubbing came */

enum { UD_STORE_POINTS = 1024, UD_STORE_WRONG = 4096, UD_STORE_PATH = 256 };

/* A committed point. */
struct ud_store_entry {
	int64_t n, epoch;
	char id[UD_DISK_NAME];
	char *text;  /* manifest.json */
	int holds;   /* open sources */
	char *bad;   /* why it must not be used; NULL = it may */
	bool judged; /* because of wrong extents alone */
};

/* An extent that is not what its hash says. layer 0 = base, else number of the point. */
struct ud_store_wrong_one {
	char disk[UD_DISK_NAME];
	int64_t extent, layer;
};

/* The hashes of a disk at the newest point, kept open from point to point. */
struct ud_store_head {
	char disk[UD_DISK_NAME];
	ud_tree *tree;
};

struct ud_store {
	char *path;
	int root, lock;
	struct ud_store_settings settings;
	pthread_mutex_t layout, mutex;
	struct ud_store_entry points[UD_STORE_POINTS];
	size_t count;
	struct ud_store_wrong_one wrong[UD_STORE_WRONG];
	_Atomic size_t wrong_count; /* changes under layout, is read without */
	struct ud_store_head heads[UD_MANIFEST_DISKS];
	size_t head_count;
	ud_incoming *incoming; /* attached or left */
	bool reckoned;         /* hashes of an image without points are those of its bytes */
	enum ud_store_condition condition;
	char reason[256];
};

/* A path of the store's files, in the arena: "p/000007/vda.qcow2". layer 0 = "base/vda.raw". */
const char *ud_store_layer_path(struct ud_ctx *cx, int64_t layer, const char *disk);
const char *ud_store_point_path(struct ud_ctx *cx, int64_t n, const char *name);

/* Lines of the step trace. */
void ud_store_stepped(const ud_store *store, const char *step);
/* A call failed: note what it means for the store, and fail. synced: it was a sync. */
enum ud_code ud_store_failed(
	struct ud_ctx *cx, ud_store *store, int error, const char *path, bool synced) UD_USE;
/* Nothing comes in until it was opened anew. */
void ud_store_fail(ud_store *store, const char *words);
/* UD_OK when something may come in now. Under the mutex. */
enum ud_code ud_store_ready(struct ud_ctx *cx, ud_store *store) UD_USE;

/* The manifest and the disks of an entry. Under the mutex. */
enum ud_code ud_store_manifest(struct ud_ctx *cx, const struct ud_store_entry *entry,
	struct ud_manifest *ret, const struct ud_manifest_disk **ret_disks, size_t *ret_n) UD_USE;
/* The entry with this id, or NULL. Under the mutex. */
struct ud_store_entry *ud_store_find(ud_store *store, const char *id);
/* The disk of that name, or NULL. */
const struct ud_manifest_disk *ud_store_disk(
	const struct ud_manifest_disk *disks, size_t n, const char *name);
/* Add a committed point behind the others. Under the mutex. */
void ud_store_append(ud_store *store, const struct ud_manifest *manifest, const char *text);
/* Forget entries from..to (not included). Under the mutex. */
void ud_store_forget(ud_store *store, size_t from, size_t to);
/* True when a point is pinned or held. Under the mutex. */
bool ud_store_is_pinned(struct ud_ctx *cx, ud_store *store, const struct ud_store_entry *entry);
/* Remove the files of a point, its manifest first. Under layout. */
enum ud_code ud_store_remove_point(struct ud_ctx *cx, ud_store *store, int64_t n) UD_USE;

/* Open a point's file, or the base, of a disk. A negative errno. */
int ud_store_open_layer(
	struct ud_ctx *cx, ud_store *store, int64_t layer, const char *disk, int flags) UD_USE;
/* Bring the hashes of the newest point up to date: from what is there, else from the base's. Under
 * layout. */
enum ud_code ud_store_heads(struct ud_ctx *cx, ud_store *store) UD_USE;
/* The tree of a disk at the newest point; made when the disk is new. It stays the store's. Under
 * layout.
 */
int ud_store_head(struct ud_ctx *cx, ud_store *store, const char *disk, int64_t size, ud_tree **ret)
	UD_USE;
/* Close those trees. Under layout. */
void ud_store_close_heads(ud_store *store);
/* Reckon the hashes of base images from their bytes. Under layout. */
enum ud_code ud_store_reckon(struct ud_ctx *cx, ud_store *store) UD_USE;
/* The same for one. A negative errno. */
int ud_store_reckon_disk(ud_store *store, const char *disk) UD_USE;

/* Which points are bad by the wrong extents there are; writes the list down. Under layout. */
enum ud_code ud_store_judge(struct ud_ctx *cx, ud_store *store) UD_USE;
/* Read the list when opening. */
enum ud_code ud_store_load_wrong(struct ud_ctx *cx, ud_store *store) UD_USE;
/* Note a wrong extent; the caller judges later. */
void ud_store_note_wrong(ud_store *store, const char *disk, int64_t extent, int64_t layer);
/* Remove what clones left behind. Under layout. */
enum ud_code ud_store_tidy_clones(struct ud_ctx *cx, ud_store *store) UD_USE;
/* Drop an incoming point that nobody is attached to. Under the mutex. UD_E_IN_USE. */
enum ud_code ud_store_drop_incoming(struct ud_ctx *cx, ud_store *store) UD_USE;

#endif
