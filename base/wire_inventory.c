/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field tables of wire_inventory.h.
 */
#include "base/wire_inventory.h"

enum { BOOT = 64, LIST = 900 << 10 };

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
};
static const struct ud_field heard_fields[] = {
	UD_FIELD(ud_wire_heard, tell_all, .about = "Send everything again."),
};
/* clang-format on */
const struct ud_shape ud_wire_facts_shape = { UD_SHAPE(ud_wire_facts, facts_fields), .bare = true };
const struct ud_shape ud_wire_heartbeat_shape = { UD_SHAPE(ud_wire_heartbeat, heartbeat_fields),
	.bare = true };
const struct ud_shape ud_wire_heard_shape = { UD_SHAPE(ud_wire_heard, heard_fields), .bare = true };
