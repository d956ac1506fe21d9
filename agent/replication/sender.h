/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ships points of one VM to the next agent: over TLS 1.3 with both ends' agent certificates, or
 * under Kerberos, straight between hosts. Reading, compressing and sending overlap. One connection;
 * it is opened when needed and again after a cut. Whoever schedules cycles calls this from one
 * thread; progress and stop may be called from any.
 */
#ifndef AGENT_REPLICATION_SENDER_H
#define AGENT_REPLICATION_SENDER_H

#include "agent/replication/peer.h"
#include "agent/replication/source.h"

typedef struct ud_sender ud_sender;

struct ud_sender_settings {
	const char *replication_id, *vm_id;
	const char *address; /* of the target's receiver, "A:P" */
	struct ud_peer peer; /* who we are, and who it must be */
	/* of this relation's own, made when it is not there: hashes */
	const char *folder;
	enum ud_compression compression;
	int64_t rate_bytes_per_second; /* of the wire; UD_NONE = as fast as it goes */
	/* when something may be sent at all; none = at all times */
	const struct ud_transfer_window *windows;
	size_t window_count;
	int64_t timeout_ms; /* the other side says nothing for so long: the link is cut; 0 = 30 s */
};

/* Nothing is sent yet. Settings are copied. UD_E_UNAVAILABLE, UD_E_VALIDATION. */
enum ud_code ud_sender_open(
	struct ud_ctx *cx, const struct ud_sender_settings *settings, ud_sender **ret) UD_USE;
void ud_sender_release(ud_sender **sender);
/* End the call that is under way with UD_E_UNAVAILABLE, and all later ones. Any thread. */
void ud_sender_stop(ud_sender *sender);

/* What the target has. */
struct ud_sender_have {
	const char *newest_id; /* "" = no point yet */
	int64_t newest_epoch;
	const char *receiving_id; /* a point that was cut off and can go on; "" = none */
	bool seeded;              /* an image lies there without a point: compare with it */
	bool wrong;               /* scrubbing found extents that are to be repaired */
	int64_t free_bytes;
};
/* Ask it: after a lost answer, before the first cycle, after any failure. UD_E_UNAVAILABLE (no
 * link), UD_E_CERTIFICATE_REFUSED, or the target's own refusal. */
enum ud_code ud_sender_have(struct ud_ctx *cx, ud_sender *sender, struct ud_sender_have *ret)
	UD_USE;
/* Tell it that its newest point was all that there is here, age_ms ago. Codes as ud_sender_have. */
enum ud_code ud_sender_confirm(
	struct ud_ctx *cx, ud_sender *sender, const char *point_id, int64_t age_ms) UD_USE;

enum ud_ship {
	UD_SHIP_FULL, /* everything; the target must be empty (a seed that was cut goes on) */
	/* what the source calls dirty; point->parent must be the target's newest */
	UD_SHIP_DELTA,
	UD_SHIP_COMPARE, /* whole disks, but only what differs by SHA-256 of 64 KiB travels; parent
			    as for a delta, or "" onto a seeded base */
	UD_SHIP_UNION    /* what the source calls dirty, onto an image that is the same in all else
			    by both ends' bitmaps (ud_source_union): only that is read, and only
			    what differs of it travels; parent as for UD_SHIP_COMPARE */
};

/* A file to go along, of UD_MANIFEST_FILE bytes at most; one that the target has is not sent. */
struct ud_ship_file {
	const char *name;
	const void *data; /* NULL: read */
	size_t n;
	const char *sha256; /* hex; NULL: reckoned from data */
	/* Its n bytes, in the arena; asked for when it is sent. */
	enum ud_code (*read)(struct ud_ctx *cx, const struct ud_ship_file *file, const void **ret);
	const void *from; /* read's own */
	int64_t at;       /* read's own */
};
struct ud_ship_job {
	struct ud_manifest point; /* id, parent, epoch, taken_at, requested, consistency, reason */
	int64_t taken_mono_ms;    /* ud_mono_ms when it was taken: the age is made from it */
	enum ud_ship how;
	ud_source *source; /* stays the caller's */
	const struct ud_ship_file *files;
	size_t file_count;
};
struct ud_shipped {
	struct ud_manifest point; /* as it was published, roots and all */
	int64_t read_bytes, wire_bytes, resumed_bytes;
	bool wrong;                  /* as the target had it before (ud_sender_have) */
	int64_t duration_ms, age_ms; /* age when it became durable over there */
};
/*
 * Ship one point; returns when it is durable on the target and its manifest committed. After a cut
 * call it again with the same point and the source still open: it goes on at the last whole chunk.
 * UD_E_UNAVAILABLE (link; nobody knows: ask ud_sender_have), UD_E_CONFLICT (parent is not its
 * newest), UD_E_INVALID_STATE (epoch too low, or it is primary), UD_E_STORAGE_FULL,
 * UD_E_VALIDATION, UD_E_HYPERVISOR (source). A point that is there already is a success.
 */
enum ud_code ud_sender_ship(struct ud_ctx *cx, ud_sender *sender, const struct ud_ship_job *job,
	struct ud_shipped *ret) UD_USE;

struct ud_progress {
	bool active;
	const char *point_id;            /* in no arena: copied into ret's buffer */
	int64_t total_bytes, done_bytes; /* of the disk: read and settled */
	int64_t wire_bytes;
	int64_t bytes_per_second; /* of the disk, lately */
	int64_t eta_seconds;      /* UD_NONE when nobody can know */
	char id[40];
};
/* How far the ship under way has come. Any thread. */
void ud_sender_progress(ud_sender *sender, struct ud_progress *ret);
/* Change rate and windows, for the ship under way, too. Any thread. */
void ud_sender_set_rate(ud_sender *sender, int64_t bytes_per_second,
	const struct ud_transfer_window *windows, size_t window_count);

/*
 * Send the extents that the target's scrub found wrong again. source must be the image of the
 * target's newest point (a backup job at it, whole). *ret_extents = how many were right afterwards.
 */
enum ud_code ud_sender_repair(
	struct ud_ctx *cx, ud_sender *sender, ud_source *source, int64_t *ret_extents) UD_USE;
/*
 * Compare the hashes of some extents (from a random place, in a round) with the source, which must
 * be the image of the target's newest point. UD_E_CONFLICT names the first that differs: the
 * relation needs UD_SHIP_COMPARE.
 */
enum ud_code ud_sender_verify(struct ud_ctx *cx, ud_sender *sender, ud_source *source,
	int64_t extents, int64_t *ret_compared) UD_USE;
/* The pieces that the target's own (displaced) disk has changed since the point, by its receiver's
 * changed callback; in the arena. For ud_source_union. */
enum ud_code ud_sender_changed(struct ud_ctx *cx, ud_sender *sender, const char *point_id,
	const struct ud_source_disk *disks, size_t disk_count, const struct ud_piece **ret,
	size_t *ret_n) UD_USE;
/* Pass a message to the peer's lease callback and take its answer; at most UD_PEER_MESSAGE bytes
 * each. Opens a connection of its own and so never waits behind data. Any thread. */
enum ud_code ud_sender_lease(
	struct ud_ctx *cx, ud_sender *sender, const char *message, const char **ret_answer) UD_USE;

/* Write the first point onto external media: a folder that ud_store_import reads. Not encrypted:
 * the medium must be. job->how must be UD_SHIP_FULL. Resumes a folder that was cut. */
enum ud_code ud_sender_export(struct ud_ctx *cx, ud_sender *sender, const struct ud_ship_job *job,
	const char *folder, struct ud_shipped *ret) UD_USE;

#endif
