/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases: leave to run a VM, or to start it, for some seconds. A host asks the server, and in a
 * replication its peer. The one who asks counts from the moment it sent the question, the one who
 * grants from the moment it answers and a margin longer: so the lease of the first is over before
 * the second thinks so. All of it by clocks that run on through suspension (CLOCK_BOOTTIME), each
 * side by its own; wall clocks are never looked at.
 */
#ifndef BASE_LEASE_H
#define BASE_LEASE_H

#include "base/shape.h"

enum ud_lease_purpose {
	UD_LEASE_KEEP,  /* it runs and is to go on */
	UD_LEASE_START, /* it is off and is to be started */
};
extern const struct ud_enum ud_lease_purposes;

/* What a grantor says. */
enum ud_lease_verdict {
	UD_LEASE_GRANTED,
	UD_LEASE_REFUSED,    /* not now; ask again */
	UD_LEASE_SUPERSEDED, /* a newer epoch exists: the asker's time is over */
};
extern const struct ud_enum ud_lease_verdicts;

/* How the old primary is kept from running before another host is promoted. */
enum ud_fencing_policy { UD_POLICY_NONE, UD_POLICY_ATTEST, UD_POLICY_LEASE, UD_POLICY_STONITH };
extern const struct ud_enum ud_fencing_policies;

/*
 * protect: what part this host plays for the VM, and by which policy. Roles change by failovers
 * alone: this makes a free VM a primary or a replica, a displaced one a replica, and sets either
 * free again. A VM that runs under policy lease has its first lease when this is done. Raises the
 * epoch.
 */
#define UD_VERB_PROTECT "protect"
enum ud_protect_role { UD_PROTECT_FREE, UD_PROTECT_PRIMARY, UD_PROTECT_REPLICA };
extern const struct ud_enum ud_protect_roles;
struct ud_protect_args {
	unsigned role;         /* enum ud_protect_role */
	unsigned policy;       /* enum ud_fencing_policy */
	int64_t lease_seconds; /* of what this host grants its peer, and how often it asks */
	bool break_glass;      /* allowed: a start needs the peer's leave, too */
};
extern const struct ud_shape ud_protect_args_shape;

/* A question about one VM. */
struct ud_lease_ask {
	const char *vm_id;
	int64_t epoch;    /* of the asker's journal */
	unsigned purpose; /* enum ud_lease_purpose */
	bool peer_start;  /* the asker knows that a start needs the peer's leave, too */
	bool breakglass;  /* the epoch was taken by break-glass */
	bool guarded;     /* it runs, and the asker's guard ends it with its lease */
};
extern const struct ud_shape ud_lease_ask_shape;

/* The answer to it. */
struct ud_lease_word {
	const char *vm_id;
	unsigned verdict; /* enum ud_lease_verdict */
	int64_t seconds;  /* length of the lease, when granted */
	int64_t epoch;    /* that the grantor knows */
	const char *reason;
};
extern const struct ud_shape ud_lease_word_shape;

enum { UD_LEASE_ASKS = 128, UD_LEASE_NONCE = 32 };

/* POST /v1/agent/lease, and the same on the replication channel. */
struct ud_wire_lease {
	const char *nonce;   /* random; an answer counts for its own question alone */
	struct ud_json asks; /* list of ud_lease_ask, UD_LEASE_ASKS at most */
};
extern const struct ud_shape ud_wire_lease_shape;

/* The answer, in the order of the questions. */
struct ud_wire_leases {
	const char *nonce;
	struct ud_json words; /* list of ud_lease_word */
};
extern const struct ud_shape ud_wire_leases_shape;

/*
 * How much longer than the lease a grantor waits: five seconds to kill, one for the guard, and
 * three tenths of the lease for clocks that differ and for what nobody thought of. 15 s at 30 s.
 */
int64_t ud_lease_margin_ms(int64_t lease_seconds);

#endif
