/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a sender, for its own files (sender*.c, ship*.c).
 */
#ifndef AGENT_REPLICATION_SENDER_INSIDE_H
#define AGENT_REPLICATION_SENDER_INSIDE_H

#include <pthread.h>

#include "agent/replication/beneath.h"
#include "agent/replication/pace.h"
#include "agent/replication/plan.h"
#include "agent/replication/record.h"
#include "agent/replication/sender.h"
#include "agent/replication/tree.h"

struct ud_sender {
	ud_arena *arena; /* of the settings' texts */
	struct ud_sender_settings settings;
	ud_peers *peers;
	int root; /* its folder */
	struct ud_carrier carrier;
	struct ud_link_speed speed;
	struct ud_bucket bucket;

	pthread_mutex_t mutex; /* of what follows */
	pthread_cond_t wake;
	bool stop;
	ud_stream *stream;
	struct ud_transfer_window *windows;
	size_t window_count;
	int64_t rate;
	struct ud_progress progress;
	int64_t began_us;
};

/* Connect if need be; *ret is what the target has, asked just now. */
enum ud_code ud_sender_reach(struct ud_ctx *cx, ud_sender *sender, struct ud_sender_have *ret)
	UD_USE;
/* Forget the connection. */
void ud_sender_hang_up(ud_sender *sender);
/* A call of the carrier failed: hang up, and fail. */
enum ud_code ud_sender_lost(struct ud_ctx *cx, ud_sender *sender, int error) UD_USE;
/* Receive the answer of that type (to READY also DONE); a refusal becomes its code and words.
 * record has room. */
enum ud_code ud_sender_answer(
	struct ud_ctx *cx, ud_sender *sender, unsigned type, struct ud_record *record) UD_USE;
/* Ask with a shape and take the answer. */
enum ud_code ud_sender_ask(struct ud_ctx *cx, ud_sender *sender, unsigned type,
	const struct ud_shape *shape, const void *row, unsigned answer, struct ud_record *record)
	UD_USE;
/* Wait until n bytes of the wire may go; stops when the sender is stopped. */
enum ud_code ud_sender_pace(struct ud_ctx *cx, ud_sender *sender, int64_t n) UD_USE;
bool ud_sender_stopped(ud_sender *sender);

/*
 * Hashes at the sender's end, in its folder: DISK.tree is the image of the point in "parent". What
 * is on its way is DISK.sums (a delta) or DISK.next (a whole image) with the id in "pending": it
 * takes its place when the target has the point.
 */
struct ud_pending {
	bool whole; /* an image of its own, no delta */
	bool onto;  /* it begins as the target's (DISK.theirs), not as zeros */
	size_t count;
	struct ud_pending_disk {
		char name[UD_DISK_NAME];
		int64_t size;
		int64_t extents; /* sent */
		ud_tree *tree;   /* whole: the next; else the parent's */
		int sums_fd;
		ud_sums *sums;
	} disks[UD_MANIFEST_DISKS];
};
/* The target's newest point is newest_id: if that is what was on its way, take it in. */
enum ud_code ud_hashes_settle(struct ud_ctx *cx, ud_sender *sender, const char *newest_id) UD_USE;
/* Begin with a point; parent_roots are written into the manifest's disks. ret says whole and onto.
 * UD_E_CONFLICT when the hashes here are not those of the parent. */
enum ud_code ud_hashes_begin(struct ud_ctx *cx, ud_sender *sender, const ud_source *source,
	const char *parent, struct ud_pending *ret, struct ud_manifest_disk *ret_disks) UD_USE;
/* Note the extents of a chunk, in order; hashes of all of them, zeros for zeros. */
enum ud_code ud_hashes_note(struct ud_ctx *cx, struct ud_pending *pending, size_t disk,
	int64_t extent, int64_t count, const unsigned char *hashes) UD_USE;
/* All is noted: write it down under the point's id, with the roots. */
enum ud_code ud_hashes_finish(struct ud_ctx *cx, ud_sender *sender, struct ud_pending *pending,
	const char *id, struct ud_manifest_disk *disks) UD_USE;
void ud_hashes_end(struct ud_pending *pending);
/* Fetch the target's hashes of all disks into DISK.theirs. */
enum ud_code ud_hashes_fetch(struct ud_ctx *cx, ud_sender *sender, const ud_source *source) UD_USE;
/* The target's hash of some extents, as they were fetched. A negative errno. */
int ud_hashes_theirs(ud_sender *sender, const char *disk, int64_t extent, int64_t count,
	unsigned char *ret) UD_USE;

/* Read, pack and send all of a plan behind skip records, over any carrier. */
struct ud_flow {
	ud_sender *sender;
	const struct ud_carrier *carrier;
	ud_source *source;
	const ud_plan *plan;
	struct ud_pending *pending;
	bool compare; /* leave out what the target has */
	bool file;    /* no link: no pace, no answers */
	int64_t skip;
	int64_t read_bytes, wire_bytes, resumed_bytes;
};
enum ud_code ud_flow_run(struct ud_ctx *cx, struct ud_flow *flow) UD_USE;

#endif
