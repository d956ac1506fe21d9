/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What server and agents say to each other in a failover: the verbs, and the shape of each one's
 * arguments and result. Every one of them carries the ticket's id and the hash of the approved plan
 * in the command around it (base/wire.h); an agent refuses it without. All are idempotent: a verb
 * first looks whether its work is done.
 */
#ifndef BASE_FAILOVER_H
#define BASE_FAILOVER_H

#include "base/shape.h"

#define UD_VERB_STOP "stop"
#define UD_VERB_SYNC "sync"
#define UD_VERB_FENCE "fence"
#define UD_VERB_PROMOTE "promote"
#define UD_VERB_DEMOTE "demote"
#define UD_VERB_RESUME "resume"
#define UD_VERB_COMPLETE "complete"
#define UD_VERB_REVERT "revert"
#define UD_VERB_TEST_START "test_start"
#define UD_VERB_TEST_DROP "test_drop"
#define UD_VERB_BOOT_CHECK "boot_check"
#define UD_VERB_SET_ADDRESSES "set_addresses"

/* stop: end the guest and hold it, so that nothing but resume or promote starts it again. */
struct ud_stop_args {
	int64_t timeout_seconds; /* for the guest to shut down by itself */
	bool hard;               /* switch it off when it does not; else the verb fails */
};
struct ud_stop_result {
	bool forced; /* it was switched off */
	/* by the host's clock, for the record; the hold alone counts */
	struct ud_time stopped_at;
};

/* sync: the last difference of the stopped guest, published at the replica. Asked of the source. */
struct ud_sync_args {
	const char *replication_id;
};
struct ud_sync_result {
	struct ud_json point; /* the final point (base/replication.h) */
};

/*
 * fence: the replica promises to grant the peer nothing more for this epoch, waits its own grants
 * out, and tells which points it has. It needs nothing of the source.
 */
struct ud_fence_args {
	const char *replication_id;
};
struct ud_fence_result {
	struct ud_json points; /* array of points, newest first */
	const char *newest;    /* id of the newest complete one; NULL = there is none */
	/* the source answered on the replication channel within the last lease time */
	bool source_seen;
	/* from the command's beginning here to the reading of the points, by the host's own clock;
	 * UD_NONE = not told */
	int64_t after_ms;
};

/*
 * promote: take the epoch of the command, make the point the VM's disks and start it. At the
 * replica point_id names a point; at the former source, and at a primary that is chosen anew,
 * point_id is null and the VM goes on with the disks that it has. Raises the epoch.
 */
struct ud_promote_args {
	const char *replication_id, *point_id;
	/* [{"mac","network"}]: what each card is connected to; absent ones stay as they are */
	struct ud_json networks;
	bool peer_fenced; /* the server's word is enough to start: no grant of the peer is needed */
};
struct ud_promote_result {
	const char *point_id;
	struct ud_json roots; /* {"vda":"hex"}: of the disks it was started from */
	struct ud_time started_at;
};

/* demote: link down, guest down, role replica under the epoch of the command; the disks are kept
 * as a divergent set. Raises the epoch. */
struct ud_demote_args {
	bool keep_disk;
};
struct ud_demote_result {
	bool was_running;        /* it ran when this was asked */
	const char *divergent;   /* name of the kept set; NULL = nothing differed */
	int64_t divergent_bytes; /* written there since the last point; UD_NONE = not known */
	struct ud_time stopped_at;
};

/* resume: an uncommitted planned failover is called off; the source runs again. No arguments. */
struct ud_resume_result {
	struct ud_time started_at;
};

/* complete: the failover is final; the other points are merged or dropped. revert: a failover that
 * was not completed is called off; the guest is stopped and the host is a replica again. */
struct ud_relation_args {
	const char *replication_id;
};
struct ud_revert_result {
	struct ud_time stopped_at;
};

/* test_start: a copy of a point, isolated, beside the replica; nothing else changes. */
struct ud_test_start_args {
	const char *test_id; /* made by the server; names the copy from now on */
	const char *replication_id, *point_id;
	const char *name;        /* of the copy: "sql-01 - Test" */
	struct ud_json networks; /* as of promote; cards not named get no link */
};
struct ud_test_start_result {
	const char *uuid; /* of the copy */
	struct ud_json roots;
	struct ud_time started_at;
};
struct ud_test_args {
	const char *test_id;
};
struct ud_test_drop_result {
	struct ud_texts left; /* what could not be removed; empty = nothing is left */
};

/* How far a boot check looks. */
enum ud_check_level {
	UD_CHECK_POWER,       /* the hypervisor says it runs */
	UD_CHECK_GUEST_AGENT, /* the operating system answers */
	UD_CHECK_SERVICES,    /* the named services of the guest run */
	UD_CHECK_SCRIPT,      /* a program inside the guest ends with 0 */
	UD_CHECK_COUNT
};
extern const struct ud_enum ud_check_levels;

struct ud_check_args {
	unsigned level;      /* enum ud_check_level */
	const char *test_id; /* of a test's copy; NULL = the VM itself */
	int64_t wait_seconds;
	struct ud_texts services; /* level services */
	const char *program;      /* level script: path inside the guest */
	struct ud_texts arguments;
	bool screenshot; /* with a picture, where the driver can */
};
struct ud_check_result {
	bool passed;
	bool skipped;           /* the driver or the guest cannot tell; text says why */
	const char *text;       /* what was seen */
	const char *screenshot; /* PNG, base64url; NULL = none */
	struct ud_time seen_at;
};

/*
 * set_addresses: give the guest that came up the addresses that were kept for it where it is now,
 * by its guest agent. It changes what the guest has set at this moment; what it sets at its next
 * boot is its own matter. A card that cannot be set is told, and fails nothing.
 */
struct ud_card_addresses {
	const char *mac;           /* of the VM's card; a test's copy has another in its place */
	struct ud_texts addresses; /* with their lengths: "198.51.100.7/24" */
	struct ud_texts gateways;  /* one for IPv4, one for IPv6 at most */
	struct ud_texts dns;       /* empty = as they are */
};
extern const struct ud_shape ud_card_addresses_shape;
struct ud_addresses_args {
	const char *test_id; /* of a test's copy; NULL = the VM itself */
	int64_t wait_seconds;
	struct ud_json cards; /* of the shape above; UD_FAILOVER_CARDS at most */
};
enum { UD_FAILOVER_CARDS = 64, UD_CARD_ADDRESSES = 8 };
enum ud_card_outcome {
	UD_CARD_SET,     /* they are what they should be, and were not */
	UD_CARD_ALREADY, /* they were so already */
	UD_CARD_FAILED   /* they are not; detail says why */
};
extern const struct ud_enum ud_card_outcomes;
struct ud_card_told {
	const char *mac;
	struct ud_texts addresses; /* that were to be set */
	unsigned outcome;          /* enum ud_card_outcome */
	const char *detail;        /* why not; NULL = they stand */
};
extern const struct ud_shape ud_card_told_shape;
struct ud_addresses_result {
	struct ud_json cards; /* of the shape above, as they were given */
	struct ud_time seen_at;
};

/* One verb of the failover. */
struct ud_failover_verb {
	const char *verb;
	const struct ud_shape *args, *result; /* NULL = an empty object */
	bool raises_epoch;
};
/* All of them, ended by a NULL verb. */
extern const struct ud_failover_verb ud_failover_verbs[];
/* The row of a verb, or NULL. Any thread. */
const struct ud_failover_verb *ud_failover_verb(const char *verb);

extern const struct ud_shape ud_stop_args_shape, ud_stop_result_shape, ud_sync_args_shape,
	ud_sync_result_shape, ud_fence_args_shape, ud_fence_result_shape, ud_promote_args_shape,
	ud_promote_result_shape, ud_demote_args_shape, ud_demote_result_shape,
	ud_resume_result_shape, ud_relation_args_shape, ud_revert_result_shape,
	ud_test_start_args_shape, ud_test_start_result_shape, ud_test_args_shape,
	ud_test_drop_result_shape, ud_check_args_shape, ud_check_result_shape,
	ud_addresses_args_shape, ud_addresses_result_shape;

#endif
