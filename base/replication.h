/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replication as server and agents speak of it: the relation that the server wants (one command
 * relation_set, the whole of it each time), recovery points, what agents report, and what forbids a
 * relation. Plain data with a field table each, the same on every hypervisor.
 *
 * An RPO is always an age that an agent measured on one clock: nobody takes the difference of two
 * machines' clocks.
 */
#ifndef BASE_REPLICATION_H
#define BASE_REPLICATION_H

#include "base/lease.h"

#define UD_VERB_RELATION_SET "relation_set"
#define UD_VERB_RELATION_RESYNC "relation_resync"
#define UD_VERB_RELATION_DROP "relation_drop"
#define UD_VERB_RELATION_TEST "relation_test"
#define UD_VERB_POINT_VERIFY "point_verify"

/* Which end of a relation a host is. */
enum ud_relation_role { UD_RELATION_SOURCE, UD_RELATION_TARGET };
extern const struct ud_enum ud_relation_roles;
/* First copy, or the copy of a copy at a third host. */
enum ud_leg { UD_LEG_PRIMARY, UD_LEG_EXTENDED };
extern const struct ud_enum ud_legs;
/* What the server wants of a relation. */
enum ud_relation_state { UD_RELATION_ACTIVE, UD_RELATION_PAUSED, UD_RELATION_REMOVED };
extern const struct ud_enum ud_relation_states;
/* Chosen per link when auto. */
enum ud_compression {
	UD_COMPRESSION_AUTO,
	UD_COMPRESSION_NONE,
	UD_COMPRESSION_ZSTD1,
	UD_COMPRESSION_ZSTD3
};
extern const struct ud_enum ud_compressions;
enum ud_authentication { UD_AUTHENTICATION_CERTIFICATE, UD_AUTHENTICATION_KERBEROS };
extern const struct ud_enum ud_authentications;
/* How the target gets its first full copy. */
enum ud_initial_method {
	UD_INITIAL_NETWORK, /* over the replication channel */
	/* a copy lies on the target already: only what differs is sent */
	UD_INITIAL_EXISTING,
	UD_INITIAL_EXTERNAL_MEDIA, /* exported to a folder and imported on the other side */
	UD_INITIAL_REVERSE         /* roles were swapped: only what changed since the failover */
};
extern const struct ud_enum ud_initial_methods;
/* How a resynchronisation finds what differs. */
enum ud_resync_method {
	UD_RESYNC_AUTO,   /* bitmaps where they are sound, else hashes */
	UD_RESYNC_HASHES, /* hashes of all blocks on both ends */
	UD_RESYNC_FULL    /* the whole disks again; points are lost */
};
extern const struct ud_enum ud_resync_methods;

/* States of a replication, in our words, whatever the hypervisor calls them. */
enum ud_replication_state {
	UD_REPLICATION_UNKNOWN, /* nobody tells; never treated as healthy */
	UD_REPLICATION_DISABLED,
	UD_REPLICATION_PREFLIGHT_FAILED,
	UD_REPLICATION_READY_FOR_SEED,
	UD_REPLICATION_SEEDING,
	UD_REPLICATION_REPLICATING,
	UD_REPLICATION_PREPARED,
	UD_REPLICATION_FAILING_OVER,
	UD_REPLICATION_FAILED_OVER_UNCOMMITTED,
	UD_REPLICATION_COMMITTED,
	UD_REPLICATION_FAILING_BACK,
	UD_REPLICATION_PAUSED,
	UD_REPLICATION_ERROR,
	UD_REPLICATION_RESYNC_REQUIRED,
	UD_REPLICATION_RESYNCING,
	UD_REPLICATION_RESYNC_PAUSED,
	UD_REPLICATION_DISK_UPDATE,
	UD_REPLICATION_DISK_UPDATE_ERROR,
	UD_REPLICATION_BUSY, /* Hyper-V's states that we have no word for; raw tells which */
	UD_REPLICATION_STATE_COUNT
};
extern const struct ud_enum ud_replication_states;

/* What a point can be trusted with. */
enum ud_consistency { UD_CONSISTENCY_CRASH, UD_CONSISTENCY_APPLICATION };
extern const struct ud_enum ud_consistencies;
enum ud_point_state {
	UD_POINT_RECEIVING,
	UD_POINT_COMPLETE,
	UD_POINT_VERIFIED, /* its hashes were read back, or it has booted */
	UD_POINT_EXPIRING, /* being merged into the older ones' base */
	UD_POINT_DELETED,
	UD_POINT_CORRUPT /* never to be used */
};
extern const struct ud_enum ud_point_states;

/* A time of the week, in the source host's local time, and how fast it may go then. */
struct ud_transfer_window {
	struct ud_texts days;              /* "mon" to "sun"; empty = every day */
	int64_t from_minute, until_minute; /* of the day; until 1440; until < from: over midnight */
	int64_t rate_bytes_per_second;     /* UD_NONE = the relation's */
};
extern const struct ud_shape ud_transfer_window_shape;

/* The first full copy. */
struct ud_relation_initial {
	unsigned method;         /* enum ud_initial_method */
	struct ud_time start_at; /* not before; absent = at once */
};
extern const struct ud_shape ud_relation_initial_shape;

/*
 * Arguments of relation_set: all that one end of a relation is to be. Idempotent: the newest
 * generation stands, an older one is refused. "removed" stops the work and keeps the replica's
 * files; relation_drop deletes them.
 */
struct ud_relation {
	const char *replication_id, *vm_id, *uuid;
	unsigned role, leg, state;                /* of the enumerations above */
	const char *peer_host_id, *peer_agent_id; /* the other end, and its certificate's name */
	const char *peer_address;                 /* "A:P" of its replication port */
	int64_t epoch;                            /* points carry it; an older one is refused */
	int64_t schedule_interval_seconds;
	int64_t recovery_points_kept;       /* beside the newest; 0 = the newest alone */
	int64_t app_consistent_every_hours; /* UD_NONE = never */
	unsigned compression;               /* enum ud_compression */
	unsigned authentication;            /* enum ud_authentication */
	int64_t rate_bytes_per_second;      /* UD_NONE = as fast as it goes */
	struct ud_json windows;         /* list of ud_transfer_window; NULL or [] = at all times */
	struct ud_texts excluded_disks; /* targets inside the definition: "vdb" */
	struct ud_texts pinned_points;  /* ids that are not merged away */
	struct ud_json initial;         /* ud_relation_initial */
	int64_t generation;             /* grows with every change */
	/* what a first copy's ends need to know of their VM: base/lease.h */
	unsigned fencing_policy; /* enum ud_fencing_policy */
	int64_t lease_seconds;
	bool break_glass;
};
extern const struct ud_shape ud_relation_shape;

/* What the agent answers to relation_set. */
struct ud_relation_result {
	const char *replication_id;
	int64_t generation;
	unsigned state; /* enum ud_replication_state: where it stands now */
};
extern const struct ud_shape ud_relation_result_shape;

/* Arguments of relation_resync; the answer is ud_relation_result. */
struct ud_relation_resync {
	const char *replication_id;
	unsigned method;         /* enum ud_resync_method */
	struct ud_time start_at; /* absent = at once */
};
extern const struct ud_shape ud_relation_resync_shape;

/*
 * Arguments of relation_drop: forget the relation; the answer is ud_relation_result. About a
 * relation that the server does not know it is a command to the host itself.
 */
struct ud_relation_drop {
	const char *replication_id;
	bool keep_replica; /* files of points and base stay where they are */
};
extern const struct ud_shape ud_relation_drop_shape;

/* Arguments of relation_test, at the source: reach the peer as a cycle would. */
struct ud_relation_test {
	const char *replication_id, *peer_agent_id, *peer_address;
	unsigned authentication; /* enum ud_authentication */
};
extern const struct ud_shape ud_relation_test_shape;

struct ud_relation_tested {
	bool reachable, encrypted;
	int64_t latency_ms, bytes_per_second;       /* UD_NONE when not measured */
	struct ud_time peer_certificate_expires_at; /* absent without certificates */
	const char *code, *text;                    /* why it is not reachable */
};
extern const struct ud_shape ud_relation_tested_shape;

/* Arguments of point_verify, at the target: read a point's hashes back. */
struct ud_point_verify {
	const char *replication_id, *point_id;
};
extern const struct ud_shape ud_point_verify_shape;

struct ud_point_verified {
	const char *point_id;
	bool intact;
	struct ud_json roots; /* {"vda":"<hex>"} as read now */
	const char *text;     /* what was found */
};
extern const struct ud_shape ud_point_verified_shape;

/*
 * A recovery point as the source made it and the target holds it. Each leg has points of its own:
 * what the second host passes on to the third gets a new id, and taken_at and age of its content.
 */
struct ud_point {
	const char *id;          /* "rpt_…", given by the source when it begins the cycle */
	int64_t n;               /* grows by one per point of a relation's generation of copies */
	struct ud_time taken_at; /* by the source's clock: for people, never for sums */
	/* since it was taken, when this is said, by the agents' own clocks */
	int64_t age_ms;
	unsigned consistency, requested; /* enum ud_consistency: what it got and was to be */
	const char *reason;              /* why it got less */
	int64_t bytes;                   /* of the delta, before compression */
	struct ud_json roots;            /* Merkle root per disk: {"vda":"<hex>"} */
	const char *parent;              /* id of the point before; NULL = a base of its own */
	int64_t epoch;
	unsigned state; /* enum ud_point_state */
};
extern const struct ud_shape ud_point_shape;

/* One relation in a report. */
struct ud_replication_report {
	const char *replication_id;
	unsigned role;      /* enum ud_relation_role: who tells */
	unsigned state;     /* enum ud_replication_state */
	const char *raw;    /* the hypervisor's own words */
	int64_t generation; /* of the relation it works with; UD_NONE when it has none */
	/* of a first copy or resynchronisation, else UD_NONE */
	int64_t progress_percent, eta_seconds;
	/* since the newest durable point on the target was taken; on the extended leg since its
	 * content was taken at the first source. Told by the target; and by the source of a VM that
	 * is off, since it saw last that this point is all there is. UD_NONE: there is none */
	int64_t newest_point_age_ms;
	int64_t pending_bytes; /* waiting to be sent */
	int64_t last_cycle_ms;
	int64_t cycles_total, cycles_missed; /* since the relation was set up here */
	/* mean time of the last cycles, begin to acknowledged */
	int64_t latency_ms;
	int64_t bytes_sent;   /* on the wire, since the relation was set up here */
	struct ud_json error; /* ud_replication_error, or NULL */
	/* list of ud_point: new or changed since the last ack */
	struct ud_json points;
	struct ud_texts dropped; /* points that are gone: merged, or thrown away */
};
extern const struct ud_shape ud_replication_report_shape;

struct ud_replication_error {
	const char *code, *detail;
};
extern const struct ud_shape ud_replication_error_shape;

/* A report has at most so many relations, and so many points in all; an agent with more sends
 * several. */
enum { UD_REPORT_RELATIONS = 32, UD_REPORT_POINTS = 64 };

/* POST /v1/agent/replication: sent at least every UD_HEARTBEAT_SECONDS for each relation, and at
 * once after a cycle. */
struct ud_replication_reports {
	const char *agent_boot;
	/* "A:P" where it takes replication, A being 0.0.0.0 or :: where it takes it on all of its
	 * addresses; NULL = it takes none. Reports without items tell this alone */
	const char *listen;
	struct ud_json items; /* list of ud_replication_report */
};
extern const struct ud_shape ud_replication_reports_shape;

/* The answer: what the server has stored and need not be told again. */
struct ud_replication_acks {
	struct ud_texts points;  /* ids of points stored as they were told */
	struct ud_texts dropped; /* ids of points known to be gone */
	/* relations that the server does not have (any more): a command follows where it can */
	struct ud_texts unknown;
};
extern const struct ud_shape ud_replication_acks_shape;

/* Something that forbids a relation, or that a person should know before it is made. */
struct ud_blocker {
	const char *code; /* "shared_disk", "same_host", … */
	const char *text, *fix;
	bool warning;        /* it may be made nevertheless */
	bool waivable;       /* may be set aside by a waiver in the request */
	const char *subject; /* what it is about: an id, or a disk's target; NULL = the whole */
};
extern const struct ud_shape ud_blocker_shape;

#endif
