/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What agents tell of their hosts without being asked: inventory when it changes, and a sign of
 * life with figures every UD_HEARTBEAT_SECONDS.
 */
#ifndef BASE_WIRE_INVENTORY_H
#define BASE_WIRE_INVENTORY_H

#include "base/machine.h"

/* Machines in one message at most, and VMs of a host. */
enum { UD_FACTS_MACHINES = 16, UD_HOST_MACHINES = 1000 };

/* POST /v1/agent/facts. A change of one VM is a message with that one; all of them are several
 * messages, the last of which lists what there is. */
struct ud_wire_facts {
	const char *agent_boot;
	struct ud_json host;     /* ud_host_facts; NULL = as told before */
	struct ud_json machines; /* list of ud_machine: new or changed */
	bool complete;           /* present lists every VM of the host: others are gone */
	struct ud_texts present; /* their UUIDs */
};
extern const struct ud_shape ud_wire_facts_shape;

/* Seals of the log in one answer at most. */
enum { UD_HEARD_SEALS = 4 };
/* One of them: a document of base/audit_seal.h. */
struct ud_wire_seal {
	const char *document;
};
extern const struct ud_shape ud_wire_seal_shape;

/* POST /v1/agent/heartbeat. */
struct ud_wire_heartbeat {
	const char *agent_boot;
	struct ud_json samples; /* list of ud_sample */
	/* the seal of the log that the host keeps; number 0 = none */
	int64_t seal_number, seal_generation;
	const char *seal_digest;
	/* one that came and did not follow it; NULL = all did */
	const char *seal_refused;
};
extern const struct ud_shape ud_wire_heartbeat_shape;
/* Its answer. */
struct ud_wire_heard {
	bool tell_all;        /* the server does not know what it was told: send everything again */
	struct ud_json seals; /* list of ud_wire_seal: the next ones of the log */
};
extern const struct ud_shape ud_wire_heard_shape;

#endif
