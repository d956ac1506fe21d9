/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A point on its way into a store: for receivers and imports, which bring it extent by extent. One
 * thread places extents in the order they come; any may write what was placed.
 */
#ifndef AGENT_REPLICATION_INCOMING_H
#define AGENT_REPLICATION_INCOMING_H

#include "agent/replication/store.h"

typedef struct ud_incoming ud_incoming;

/*
 * Begin to take in a point, or go on with it: digest (hex) names the plan of the sender, and
 * *ret_records is what of it is here already. UD_E_ALREADY_EXISTS: the point is in the store.
 * UD_E_CONFLICT: its parent is not the newest point, or another image. UD_E_INVALID_STATE: its
 * epoch has passed, the gate says no, another sender is at it, or the store failed.
 * UD_E_STORAGE_FULL, UD_E_VALIDATION (a disk shrank).
 */
enum ud_code ud_incoming_begin(struct ud_ctx *cx, ud_store *store,
	const struct ud_manifest *manifest, const char *digest, ud_incoming **ret,
	int64_t *ret_records) UD_USE;
/* Leave it to be gone on with later. The store may throw it away meanwhile. All writes have ended.
 */
void ud_incoming_leave(ud_incoming **incoming);
/* Throw it away. All writes have ended. */
void ud_incoming_abandon(ud_incoming **incoming);
/* Disks, as in its manifest. */
size_t ud_incoming_disks(const ud_incoming *incoming);
int64_t ud_incoming_size(const ud_incoming *incoming, size_t disk);

/*
 * Take the next extent of a disk: *ret_place is where ud_incoming_write has to put it. Extents of a
 * disk ascend. UD_E_MALFORMED.
 */
enum ud_code ud_incoming_place(struct ud_ctx *cx, ud_incoming *incoming, size_t disk,
	int64_t extent, const unsigned char hash[UD_SHA256], int64_t *ret_place) UD_USE;
/* The next extents are zeros. */
enum ud_code ud_incoming_zero(struct ud_ctx *cx, ud_incoming *incoming, size_t disk, int64_t extent,
	int64_t count) UD_USE;
/* A record has come in whole: one more to go on behind. */
void ud_incoming_record(ud_incoming *incoming);
/* Write extents whose places lie one after the other; 0 or a negative errno, which also spoils the
 * point. Any thread. */
int ud_incoming_write(
	ud_incoming *incoming, size_t disk, int64_t place, const unsigned char *data, size_t n);
/* A check failed, or a write: it cannot be published any more. Any thread. */
void ud_incoming_spoil(ud_incoming *incoming, int error);

/* A small file of the point. UD_E_VALIDATION, UD_E_STORAGE_FULL. */
enum ud_code ud_incoming_file(struct ud_ctx *cx, ud_incoming *incoming, const char *name,
	const void *data, size_t n) UD_USE;
/* A file that is the parent's. UD_E_MALFORMED: it has none of that name. */
enum ud_code ud_incoming_same(struct ud_ctx *cx, ud_incoming *incoming, const char *name) UD_USE;
/* Files of the parent that are what they were; none without a parent. As ud_store_files. */
enum ud_code ud_incoming_parent_files(
	struct ud_ctx *cx, const ud_incoming *incoming, struct ud_json *ret) UD_USE;
/*
 * Make it a point: when this returns UD_OK it is durable, and the newest. manifest brings the roots
 * that the sender reckoned: UD_E_CONFLICT when they differ from ours, and the point is gone. On
 * other failures it is gone, too, and the last point is as it was. *ret is what was stored; its
 * age_ms is that of the manifest.
 */
enum ud_code ud_incoming_publish(struct ud_ctx *cx, ud_incoming **incoming,
	const struct ud_manifest *manifest, struct ud_manifest *ret) UD_USE;

/* Id of the point that was left to be gone on with; "" = none. */
const char *ud_store_receiving(struct ud_ctx *cx, ud_store *store);
/* Is there an image without a point? */
bool ud_store_seeded(ud_store *store);
/* Hashes of extents of the newest point, or of an image without one: UD_E_NOT_FOUND for a disk that
 * is not there. Any thread. */
enum ud_code ud_store_hashes(struct ud_ctx *cx, ud_store *store, const char *disk, int64_t extent,
	int64_t count, unsigned char *ret) UD_USE;
/* Put the right bytes of an extent of the newest point where wrong ones are. UD_E_CONFLICT when the
 * bytes have not the hash that is wanted there. */
enum ud_code ud_store_mend(struct ud_ctx *cx, ud_store *store, const char *disk, int64_t extent,
	const unsigned char *data) UD_USE;
/* Bytes free on its file system above the reserve. */
int64_t ud_store_free_bytes(ud_store *store);

#endif
