/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of VMs.
 */
#include "db/vms.h"

#include "base/rules.h"

static const char *const state_names[] = { "provisioning", "ready", "changing", "deleting",
	"deleted", "error" };
const struct ud_enum ud_vm_states = { "vm_state", state_names, UD_LEN(state_names) };
static const char *const dr_role_names[] = { "unprotected", "primary", "replica",
	"extended_replica", "test_replica", "displaced" };
const struct ud_enum ud_dr_roles = { "dr_role", dr_role_names, UD_LEN(dr_role_names) };

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_vm, name,            .flags = UD_REQUIRED | UD_SEARCH | UD_SORT | UD_BRIEF, .max = 63, .rule = ud_rule_host_name, .about = "Name of the VM; for people only."),
	UD_FIELD(ud_vm, hypervisor_uuid, .flags = UD_UNIQUE | UD_SEARCH, .rule = ud_rule_uuid, .max = 36, .about = "UUID the hypervisor knows it by; unique."),
	UD_FIELD(ud_vm, host_id,         .flags = UD_FILTER | UD_BRIEF, .refers = "hst", .about = "Host it runs on."),
	UD_FIELD(ud_vm, managed,         .flags = UD_BRIEF, .about = "True when the provider looks after the guest too."),
	UD_FIELD(ud_vm, state,           .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_vm_states, .standard = UD_VM_READY, .about = "Where the record stands."),
	UD_FIELD(ud_vm, power,           .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_powers, .about = "Power as observed last; unknown until an agent reports."),
	UD_FIELD(ud_vm, dr_role,         .flags = UD_SERVER | UD_FILTER, .values = &ud_dr_roles, .about = "Part it plays in replication."),
	UD_FIELD(ud_vm, firmware,        .values = &ud_firmwares, .about = "Firmware it boots with."),
	UD_FIELD(ud_vm, guest_os,        .flags = UD_SEARCH, .max = 100, .about = "Operating system inside."),
	UD_FIELD(ud_vm, vcpus,           .flags = UD_NULLABLE, .min = 1, .max = 1024, .about = "Virtual processors."),
	UD_FIELD(ud_vm, memory_bytes,    .flags = UD_NULLABLE, .min = 1 << 20, .max = INT64_C(1) << 44, .about = "Memory."),
	UD_FIELD(ud_vm, disk_bytes,      .flags = UD_NULLABLE, .min = 0, .max = INT64_C(1) << 50, .about = "Virtual size of all disks."),
	UD_FIELD(ud_vm, desired_power,   .flags = UD_SERVER, .values = &ud_powers, .about = "Power that was asked for last; unknown when nobody asked."),
	UD_FIELD(ud_vm, power_last,      .flags = UD_SERVER, .values = &ud_powers, .about = "Power that was observed before it became unknown."),
	UD_FIELD(ud_vm, power_raw,       .flags = UD_SERVER, .about = "Power in the hypervisor's words."),
	UD_FIELD(ud_vm, guest_agent,     .flags = UD_SERVER, .values = &ud_guest_agents, .about = "State of the agent inside the guest."),
	UD_FIELD(ud_vm, holder_host_id,  .flags = UD_SERVER, .refers = "hst", .about = "Host that was seen running it."),
	UD_FIELD(ud_vm, observed_at,     .flags = UD_SERVER, .about = "When what is observed changed last."),
	UD_FIELD(ud_vm, source,          .flags = UD_SERVER, .about = "Who observed it."),
	UD_FIELD(ud_vm, missing,         .flags = UD_SERVER, .about = "Its host does not have it any more."),
	UD_FIELD(ud_vm, split_brain_suspected, .flags = UD_SERVER, .about = "Two hosts say that they run it."),
	UD_FIELD(ud_vm, epoch,           .flags = UD_SERVER, .about = "Fencing epoch: grows with every change of its owner."),
	UD_FIELD(ud_vm, allowed_operations, .flags = UD_COMPUTED, .about = "What may be done with it now."),
	UD_FIELD(ud_vm, protection,         .flags = UD_COMPUTED, .about = "How it is protected: replication, state, health, age of the newest point, third host; null = not at all."),
	UD_FIELD(ud_vm, blocked_operations, .flags = UD_COMPUTED, .about = "What may not, why, and who can change that."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "vm",
	.prefix = "vm",
	.table = "vms",
	UD_SHAPE(ud_vm, fields),
	.about = "A virtual machine." };
const struct ud_table ud_vms = { .shape = &shape };

enum ud_code ud_vms_on(
	struct ud_ctx *cx, const char *customer_id, const char *hypervisor, bool *ret)
{
	int64_t one;

	return ud_query_int(cx, ret, &one,
		"SELECT 1 FROM vms JOIN hosts ON hosts.id = vms.host_id"
		" WHERE vms.customer_id = $1 AND hosts.hypervisor = $2 LIMIT 1",
		UD_VALS(ud_t(customer_id), ud_t(hypervisor)));
}
