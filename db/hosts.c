/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of hosts.
 */
#include "db/hosts.h"

#include "base/rules.h"

static const char *const hypervisor_names[] = { "kvm", "hyperv" };
const struct ud_enum ud_hypervisors = { "hypervisor", hypervisor_names, UD_LEN(hypervisor_names) };
static const char *const state_names[] = { "discovered", "enrolled", "active", "maintenance",
	"unreachable", "fenced", "quarantined", "retired" };
const struct ud_enum ud_host_states = { "host_state", state_names, UD_LEN(state_names) };

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_host, name,            .flags = UD_REQUIRED | UD_UNIQUE | UD_SEARCH | UD_SORT | UD_BRIEF, .max = 63, .rule = ud_rule_host_name, .about = "Name of the host; unique."),
	UD_FIELD(ud_host, hypervisor,      .flags = UD_REQUIRED | UD_FIXED | UD_FILTER | UD_BRIEF, .values = &ud_hypervisors, .about = "What runs the VMs."),
	UD_FIELD(ud_host, site_id,         .flags = UD_REQUIRED | UD_FILTER | UD_BRIEF, .refers = "sit", .about = "Site it stands in."),
	UD_FIELD(ud_host, fault_domain_id, .flags = UD_FILTER, .refers = "fdm", .about = "Fault domain it belongs to."),
	UD_FIELD(ud_host, state,           .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_host_states, .about = "Where the host stands."),
	UD_FIELD(ud_host, memory_bytes,    .flags = UD_NULLABLE, .min = 512 << 20, .max = INT64_C(1) << 44, .about = "Memory of the machine."),
	UD_FIELD(ud_host, cpu_count,       .flags = UD_NULLABLE, .min = 1, .max = 4096, .about = "Logical processors of the machine."),
	UD_FIELD(ud_host, replication_listen,  .flags = UD_SERVER, .about = "Where its agent takes replication, as it tells."),
	UD_FIELD(ud_host, replication_address, .max = 100, .rule = ud_rule_endpoint, .about = "Address and port where other hosts reach it for replication, when that is another; null = as the agent tells."),
	UD_FIELD(ud_host, heartbeat_at,    .flags = UD_SERVER, .about = "Its agent's last sign of life."),
	UD_FIELD(ud_host, state_before,    .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_host, allowed_operations, .flags = UD_COMPUTED, .about = "What may be done with it now."),
	UD_FIELD(ud_host, blocked_operations, .flags = UD_COMPUTED, .about = "What may not, why, and who can change that."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "host",
	.prefix = "hst",
	.table = "hosts",
	UD_SHAPE(ud_host, fields),
	.about = "A machine that runs VMs." };
const struct ud_table ud_hosts = { .shape = &shape };
