/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field tables of wire_inventory.h.
 */
#include "base/wire_inventory.h"

enum { BOOT = 64, LIST = 900 << 10, SEAL = 64 << 10 };

/* clang-format off */
static const struct ud_field facts_fields[] = {
	UD_FIELD(ud_wire_facts, agent_boot, .flags = UD_REQUIRED, .max = BOOT, .about = "Process that tells."),
	UD_FIELD(ud_wire_facts, host,       .max = LIST, .about = "Facts of the host."),
	UD_FIELD(ud_wire_facts, machines,   .max = LIST, .about = "VMs that are new or changed."),
	UD_FIELD(ud_wire_facts, complete,   .about = "What is not in present is gone."),
	UD_FIELD(ud_wire_facts, present,    .max = UD_HOST_MACHINES, .about = "UUIDs of all VMs of the host."),
};
static const struct ud_field heartbeat_fields[] = {
	UD_FIELD(ud_wire_heartbeat, agent_boot, .flags = UD_REQUIRED, .max = BOOT, .about = "Process that tells."),
	UD_FIELD(ud_wire_heartbeat, samples,    .max = LIST, .about = "Figures of the host and its VMs."),
	UD_FIELD(ud_wire_heartbeat, seal_number,     .about = "Seal of the log that the host keeps; 0 = none."),
	UD_FIELD(ud_wire_heartbeat, seal_generation, .about = "Its generation."),
	UD_FIELD(ud_wire_heartbeat, seal_digest,     .max = 64, .about = "Its digest."),
	UD_FIELD(ud_wire_heartbeat, seal_refused,    .max = 64, .about = "Digest of one that came and did not follow it."),
};
static const struct ud_field heard_fields[] = {
	UD_FIELD(ud_wire_heard, tell_all, .about = "Send everything again."),
	UD_FIELD(ud_wire_heard, seals,    .max = LIST, .about = "The next seals of the log."),
};
static const struct ud_field seal_fields[] = {
	UD_FIELD(ud_wire_seal, document, .flags = UD_REQUIRED, .max = SEAL, .about = "The document."),
};
/* clang-format on */
const struct ud_shape ud_wire_facts_shape = { UD_SHAPE(ud_wire_facts, facts_fields), .bare = true };
const struct ud_shape ud_wire_heartbeat_shape = { UD_SHAPE(ud_wire_heartbeat, heartbeat_fields),
	.bare = true };
const struct ud_shape ud_wire_heard_shape = { UD_SHAPE(ud_wire_heard, heard_fields), .bare = true };
const struct ud_shape ud_wire_seal_shape = { UD_SHAPE(ud_wire_seal, seal_fields), .bare = true };
