/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replica of one VM: a folder with a raw base per disk and one finished qcow2 file per point
 * and disk, each on the one before.
 *
 *   base/vda.raw  base/vda.tree      what has been merged, and the hash of each of its extents
 *   head/vda.tree                    hashes of the newest point
 *   p/000007/vda.qcow2  vda.sums     the extents that changed, and their hashes
 *   p/000007/manifest.json           renamed into place last: the commit of the point, for all
 * disks p/000007/pins/NAME  bad          who needs it; why it must not be used clone/NAME/vda.qcow2
 * overlays that test VMs, or the VM after a failover, write to
 *
 * A point is what has a manifest, and nothing else is ever offered. Only the store's own functions
 * write here; VMs write into overlays. Every file is opened beneath the folder and never through a
 * link. Any thread; a store is opened by one process at a time.
 */
#ifndef AGENT_REPLICATION_STORE_H
#define AGENT_REPLICATION_STORE_H

#include "agent/replication/source.h"

typedef struct ud_store ud_store;

/* May a delta of this epoch come in? Asked when it begins and again right before its commit, with
 * the store locked: say what the host's journal says (a primary takes none). */
typedef enum ud_code ud_store_gate(struct ud_ctx *cx, void *data, int64_t epoch);

/* Steps that are on the disk once they are done, for tests that stop there. */
typedef void ud_store_step(void *data, const char *step);

struct ud_store_settings {
	const char *path;      /* the folder; made when it is not there, its parent must be */
	int64_t reserve_bytes; /* left free on the file system: below it nothing comes in */
	ud_store_gate *gate;   /* NULL = everything may */
	void *gate_data;
	ud_store_step *step; /* NULL but in tests */
	void *step_data;
};

/*
 * Open it: remove what was never committed, finish a merge or a drop that was under way, bring the
 * hashes up to the newest point. UD_E_UNAVAILABLE, UD_E_STORAGE_FULL, UD_E_IN_USE (another process
 * has it), UD_E_INTERNAL when what is there cannot be understood; it is then left as it is.
 */
enum ud_code ud_store_open(
	struct ud_ctx *cx, const struct ud_store_settings *settings, ud_store **ret) UD_USE;
/* No call may be under way. */
void ud_store_release(ud_store **store);
/* Its folder. */
const char *ud_store_path(const ud_store *store);

enum ud_store_condition {
	UD_STORE_GOOD,
	UD_STORE_FULL,  /* the reserve is touched: nothing comes in until there is room again */
	UD_STORE_FAILED /* a sync failed: nothing comes in until the store was opened anew */
};
/* How it is, with the reason in the arena when it is not good ("" else). */
enum ud_store_condition ud_store_state(struct ud_ctx *cx, ud_store *store, const char **ret_reason);

/* ---- points ---- */

/* What a store knows of a point beside its manifest. */
struct ud_stored_point {
	struct ud_manifest point;
	bool pinned;
	const char *bad; /* why it must not be used; "" when it may */
};
typedef enum ud_code ud_stored_point_visitor(
	struct ud_ctx *cx, void *data, const struct ud_stored_point *point);

/* Visit the points, oldest first. */
enum ud_code ud_store_points(
	struct ud_ctx *cx, ud_store *store, ud_stored_point_visitor *visit, void *data) UD_USE;
/* The newest point. UD_E_NOT_FOUND when there is none. */
enum ud_code ud_store_newest(struct ud_ctx *cx, ud_store *store, struct ud_stored_point *ret)
	UD_USE;
/* One by its id. UD_E_NOT_FOUND. */
enum ud_code ud_store_point(
	struct ud_ctx *cx, ud_store *store, const char *id, struct ud_stored_point *ret) UD_USE;
/* A small file of a point (the definition), in the arena. UD_E_NOT_FOUND, UD_E_UNAVAILABLE. */
/* Files of a point that are what they were, for the next that is taken in: an array of
 * ud_manifest_file_shape. UD_E_NOT_FOUND. */
enum ud_code ud_store_files(struct ud_ctx *cx, ud_store *store, const char *id, struct ud_json *ret)
	UD_USE;
enum ud_code ud_store_file(struct ud_ctx *cx, ud_store *store, const char *id, const char *name,
	const char **ret, size_t *ret_n) UD_USE;

/* Keep a point until it is unpinned under the same name; survives a restart. UD_E_NOT_FOUND,
 * UD_E_VALIDATION (name as a disk's). Twice is once. */
enum ud_code ud_store_pin(struct ud_ctx *cx, ud_store *store, const char *id, const char *name)
	UD_USE;
enum ud_code ud_store_unpin(struct ud_ctx *cx, ud_store *store, const char *id, const char *name)
	UD_USE;

/*
 * Merge the oldest points until keep are left (at least one stays). A pinned point, and all that is
 * newer, is left alone: *ret_left (may be NULL) = points there are then. VMs that run on newer
 * points do not notice. UD_E_STORAGE_FULL, UD_E_UNAVAILABLE: nothing is lost, do it again.
 */
enum ud_code ud_store_keep(struct ud_ctx *cx, ud_store *store, size_t keep, size_t *ret_left)
	UD_USE;
/* Remove all points newer than this one: the failover to it is complete. UD_E_NOT_FOUND,
 * UD_E_IN_USE when one of them is pinned. */
enum ud_code ud_store_drop_newer(struct ud_ctx *cx, ud_store *store, const char *id) UD_USE;
/* Remove everything in it: the replica is given up. UD_E_IN_USE while a clone is there. */
enum ud_code ud_store_clear(struct ud_ctx *cx, ud_store *store) UD_USE;

/* ---- clones ---- */

/* Where a clone's disk lies, for the VM's definition. */
struct ud_clone_disk {
	const char *name;
	const char *path; /* absolute; format qcow2 */
	int64_t size_bytes;
};
struct ud_clone {
	const char *name;
	const char *point_id;
	const struct ud_clone_disk *disks;
	size_t disk_count;
};
/*
 * Make overlays on a point for a VM to write to, and pin the point with the clone's name. Twice
 * gives the same one; UD_E_CONFLICT when a clone of that name stands on another point;
 * UD_E_INVALID_STATE when the point is bad. UD_E_NOT_FOUND, UD_E_STORAGE_FULL.
 */
enum ud_code ud_store_clone(struct ud_ctx *cx, ud_store *store, const char *id, const char *name,
	struct ud_clone *ret) UD_USE;
/* Find one. UD_E_NOT_FOUND. */
enum ud_code ud_store_clone_get(
	struct ud_ctx *cx, ud_store *store, const char *name, struct ud_clone *ret) UD_USE;
/* Remove its overlays and its pin; the VM must be gone. Fine when there is none. */
enum ud_code ud_store_clone_drop(struct ud_ctx *cx, ud_store *store, const char *name) UD_USE;

/* ---- proof ---- */

struct ud_scrub {
	int64_t rate_bytes_per_second;                 /* 0 = as fast as it goes */
	bool (*go_on)(void *data, int64_t bytes_done); /* NULL = to the end */
	/* something wrong was found, and the points that show it are bad now; NULL = nobody asks */
	void (*found)(void *data);
	void *data;
	/* begin where one of these was stopped, by a crash, too */
	bool resume;
};
struct ud_scrubbed {
	int64_t extents, bad_extents;
	bool whole; /* not stopped */
	/* of the first wrong extent: what, and which points are bad by it */
	const char *words;
};
/*
 * Read every extent and compare it with its hash, roots included. A point whose image has a wrong
 * extent becomes bad and is never offered again until it was repaired (ud_sender_repair).
 * Points come and are merged beside it; a merge compares what it moves.
 */
enum ud_code ud_store_scrub(struct ud_ctx *cx, ud_store *store, const struct ud_scrub *scrub,
	struct ud_scrubbed *ret) UD_USE;
/* When a scrub with resume last came to its end, by the wall clock; 0 = never. */
int64_t ud_store_scrubbed_ms(struct ud_ctx *cx, ud_store *store);
/* Did scrubbing find something that is not repaired? Never waits, whatever else is going on. */
bool ud_store_is_wrong(ud_store *store) UD_USE;
/* The extents that scrubbing found wrong and that are not repaired yet, of the newest point's
 * image; in the arena. */
enum ud_code ud_store_wrong(
	struct ud_ctx *cx, ud_store *store, const struct ud_piece **ret, size_t *ret_n) UD_USE;

/* ---- other ways in and out ---- */

/*
 * Read the image of a point, or what lies between two: from "" = everything, else extents that
 * changed after that point. Both are pinned while it is open. For the extended leg: a sender ships
 * it as one delta whose parent is from. UD_E_NOT_FOUND, UD_E_INVALID_STATE (bad). Release before
 * the store.
 */
enum ud_code ud_store_source(struct ud_ctx *cx, ud_store *store, const char *from, const char *to,
	ud_source **ret) UD_USE;
/*
 * Fill an empty store's base from an image that is here already, hashes included. No point comes of
 * it: a sender compares (UD_SHIP_COMPARE) and ships what differs. UD_E_INVALID_STATE when there are
 * points. Can be repeated after a stop.
 */
enum ud_code ud_store_seed(struct ud_ctx *cx, ud_store *store, ud_source *source) UD_USE;
/* Take in the first point from external media (ud_sender_export), resuming where it stopped.
 * UD_E_MALFORMED, and the codes of a receive. */
enum ud_code ud_store_import(struct ud_ctx *cx, ud_store *store, const char *folder) UD_USE;

#endif
