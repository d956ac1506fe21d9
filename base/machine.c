/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field tables of machines.
 */
#include "base/machine.h"

#include <string.h>

static const char *const power_names[] = { "unknown", "running", "off", "saved", "paused",
	"starting", "stopping", "critical" };
const struct ud_enum ud_powers = { "power", power_names, UD_LEN(power_names) };
static const char *const firmware_names[] = { "uefi", "bios" };
const struct ud_enum ud_firmwares = { "firmware", firmware_names, UD_LEN(firmware_names) };
static const char *const guest_agent_names[] = { "unknown", "connected", "disconnected", "none" };
const struct ud_enum ud_guest_agents = { "guest_agent", guest_agent_names,
	UD_LEN(guest_agent_names) };

static const char *const mode_names[] = { "off", "on_join", "always" };
const struct ud_enum ud_balance_modes = { "balance_mode", mode_names, UD_LEN(mode_names) };
static const char *const level_names[] = { "low", "medium", "high" };
const struct ud_enum ud_balance_levels = { "balance_level", level_names, UD_LEN(level_names) };
static const char *const balancing_names[] = { "dynamic", "port" };
const struct ud_enum ud_team_balancings = { "team_balancing", balancing_names,
	UD_LEN(balancing_names) };

enum { PATH = 4096, TEXT = 255, LIST = 1 << 18, TYPES = 500 };

/* clang-format off */
static const struct ud_field disk_fields[] = {
	UD_FIELD(ud_disk, target,          .flags = UD_REQUIRED, .max = TEXT, .about = "Name in the definition."),
	UD_FIELD(ud_disk, path,            .max = PATH, .about = "Where it lies on the host."),
	UD_FIELD(ud_disk, format,          .max = TEXT, .about = "Format of the image."),
	UD_FIELD(ud_disk, bus,             .max = TEXT, .about = "How the guest sees it."),
	UD_FIELD(ud_disk, virtual_bytes,   .flags = UD_NULLABLE, .about = "Size the guest sees."),
	UD_FIELD(ud_disk, allocated_bytes, .flags = UD_NULLABLE, .about = "Room it takes on the host."),
	UD_FIELD(ud_disk, chain,           .max = LIST, .about = "Images below it, nearest first."),
	UD_FIELD(ud_disk, shared,          .about = "Used by several VMs."),
	UD_FIELD(ud_disk, passthrough,     .about = "A device of the host."),
	UD_FIELD(ud_disk, boot,            .about = "The guest boots from it."),
	UD_FIELD(ud_disk, read_only,       .about = "The guest cannot write to it."),
};
static const struct ud_field nic_fields[] = {
	UD_FIELD(ud_nic, mac,       .max = 17, .about = "Hardware address."),
	UD_FIELD(ud_nic, model,     .max = TEXT, .about = "Model of the card."),
	UD_FIELD(ud_nic, kind,      .max = TEXT, .about = "What it is connected to: network, bridge, user."),
	UD_FIELD(ud_nic, source,    .max = TEXT, .about = "Name of the network or bridge."),
	UD_FIELD(ud_nic, link_up,   .about = "Is the cable in?"),
	UD_FIELD(ud_nic, addresses, .max = LIST, .about = "IP addresses the guest reports."),
};
static const struct ud_field machine_fields[] = {
	UD_FIELD(ud_machine, uuid,            .flags = UD_REQUIRED, .max = 36, .about = "UUID at the hypervisor."),
	UD_FIELD(ud_machine, name,            .flags = UD_REQUIRED, .max = TEXT, .about = "Name at the hypervisor."),
	UD_FIELD(ud_machine, power,           .values = &ud_powers, .about = "Power, in our words."),
	UD_FIELD(ud_machine, power_raw,       .max = TEXT, .about = "Power, in the hypervisor's words."),
	UD_FIELD(ud_machine, vcpus,           .flags = UD_NULLABLE, .about = "Virtual processors."),
	UD_FIELD(ud_machine, memory_bytes,    .flags = UD_NULLABLE, .about = "Memory."),
	UD_FIELD(ud_machine, firmware,        .values = &ud_firmwares, .standard = UD_FIRMWARE_BIOS, .about = "Firmware."),
	UD_FIELD(ud_machine, guest_agent,     .values = &ud_guest_agents, .about = "State of the agent inside the guest."),
	UD_FIELD(ud_machine, machine_type,    .max = TEXT, .about = "Type of the virtual board."),
	UD_FIELD(ud_machine, guest_os,        .max = TEXT, .about = "Operating system the guest reports."),
	UD_FIELD(ud_machine, accelerator,     .max = TEXT, .about = "kvm, or tcg where there is none."),
	UD_FIELD(ud_machine, autostart,       .about = "Started by the hypervisor at boot."),
	UD_FIELD(ud_machine, transient,       .about = "Gone when it stops."),
	UD_FIELD(ud_machine, disks,           .max = LIST, .about = "Its disks."),
	UD_FIELD(ud_machine, nics,            .max = LIST, .about = "Its network cards."),
	UD_FIELD(ud_machine, disk_bytes,      .flags = UD_NULLABLE, .about = "Virtual size of all disks."),
	UD_FIELD(ud_machine, definition_hash, .max = 64, .about = "SHA-256 of the stored definition."),
	UD_FIELD(ud_machine, bars,            .max = LIST, .about = "What of it, disks aside, stands in the way of a replica."),
	UD_FIELD(ud_machine, test_of,         .max = 36, .about = "UUID of the VM that it is a test's copy of."),
};
static const struct ud_field host_fields[] = {
	UD_FIELD(ud_host_facts, hypervisor,         .flags = UD_REQUIRED, .max = TEXT, .about = "What runs the VMs."),
	UD_FIELD(ud_host_facts, hypervisor_version, .max = TEXT, .about = "Its version."),
	UD_FIELD(ud_host_facts, os,                 .max = TEXT, .about = "Operating system of the host."),
	UD_FIELD(ud_host_facts, cpu_model,          .max = TEXT, .about = "Model of its processors."),
	UD_FIELD(ud_host_facts, accelerator,        .max = TEXT, .about = "kvm when a test guest booted with it, else tcg."),
	UD_FIELD(ud_host_facts, host_boot,          .max = TEXT, .about = "Boot id of the machine."),
	UD_FIELD(ud_host_facts, cpu_count,          .flags = UD_NULLABLE, .about = "Logical processors."),
	UD_FIELD(ud_host_facts, memory_bytes,       .flags = UD_NULLABLE, .about = "Memory."),
	UD_FIELD(ud_host_facts, memory_free_bytes,  .flags = UD_NULLABLE, .about = "Memory that is free."),
	UD_FIELD(ud_host_facts, pools,              .max = LIST, .about = "Storage pools."),
	UD_FIELD(ud_host_facts, networks,           .max = LIST, .about = "Networks that VMs can be connected to."),
	UD_FIELD(ud_host_facts, teams,              .max = LIST, .about = "Teams of network cards."),
	UD_FIELD(ud_host_facts, cluster,            .max = LIST, .about = "Its cluster, with balancer, nodes and fault domains; null = none."),
	UD_FIELD(ud_host_facts, spaces,             .max = LIST, .about = "Storage Spaces: pools, volumes, disks, jobs of repair; null = none."),
	UD_FIELD(ud_host_facts, smb,                .max = LIST, .about = "Paths to file servers over several cards; null = none."),
	UD_FIELD(ud_host_facts, versions,           .max = LIST, .about = "Versions of what matters."),
	UD_FIELD(ud_host_facts, capabilities,       .max = 100, .about = "What the driver can do."),
	UD_FIELD(ud_host_facts, machine_types,      .max = TYPES, .about = "Types of virtual boards it can run."),
};
static const struct ud_field sample_fields[] = {
	UD_FIELD(ud_sample, uuid,              .max = 36, .about = "The VM; null for the host."),
	UD_FIELD(ud_sample, taken_mono_ms,     .about = "When, on the host's steady clock."),
	UD_FIELD(ud_sample, cpu_ns,            .flags = UD_NULLABLE, .about = "CPU time used."),
	UD_FIELD(ud_sample, memory_used_bytes, .flags = UD_NULLABLE, .about = "Memory used."),
	UD_FIELD(ud_sample, disk_read_bytes,   .flags = UD_NULLABLE, .about = "Bytes read from disks."),
	UD_FIELD(ud_sample, disk_write_bytes,  .flags = UD_NULLABLE, .about = "Bytes written to disks."),
	UD_FIELD(ud_sample, disk_reads,        .flags = UD_NULLABLE, .about = "Reads."),
	UD_FIELD(ud_sample, disk_writes,       .flags = UD_NULLABLE, .about = "Writes."),
	UD_FIELD(ud_sample, net_receive_bytes, .flags = UD_NULLABLE, .about = "Bytes received."),
	UD_FIELD(ud_sample, net_send_bytes,    .flags = UD_NULLABLE, .about = "Bytes sent."),
};
static const struct ud_field checkpoint_fields[] = {
	UD_FIELD(ud_checkpoint_info, name,        .flags = UD_REQUIRED, .max = 128, .about = "Name at the hypervisor."),
	UD_FIELD(ud_checkpoint_info, kind,        .max = TEXT, .about = "standard or production."),
	UD_FIELD(ud_checkpoint_info, consistency, .max = TEXT, .about = "crash or application."),
	UD_FIELD(ud_checkpoint_info, reason,      .max = TEXT, .about = "Why it is less than was asked for."),
	UD_FIELD(ud_checkpoint_info, created_at,  .about = "When it was taken."),
};
static const struct ud_field limit_fields[] = {
	UD_FIELD(ud_vm_limits, cpu_percent,           .flags = UD_NULLABLE, .min = 1, .max = 102400, .about = "Share of one CPU at most, over all vCPUs."),
	UD_FIELD(ud_vm_limits, cpu_weight,            .flags = UD_NULLABLE, .min = 1, .max = 10000, .about = "Weight against other VMs."),
	UD_FIELD(ud_vm_limits, disk_iops,             .flags = UD_NULLABLE, .min = 1, .max = 10000000, .about = "Operations a second of each disk at most."),
	UD_FIELD(ud_vm_limits, disk_bytes_per_second, .flags = UD_NULLABLE, .min = 4096, .max = INT64_C(1) << 40, .about = "Bytes a second of each disk at most."),
	UD_FIELD(ud_vm_limits, host_protection,       .about = "The hypervisor slows the VM down when it behaves as if it attacked its host; Hyper-V alone."),
};
static const struct ud_field balance_fields[] = {
	UD_FIELD(ud_host_balance, mode,  .flags = UD_REQUIRED, .values = &ud_balance_modes, .about = "When the cluster moves VMs by itself: off, when a node joins, always (every 30 minutes)."),
	UD_FIELD(ud_host_balance, level, .flags = UD_REQUIRED, .values = &ud_balance_levels, .about = "From what load of a node on: low 80 %, medium 70 %, high 60 %."),
};
static const struct ud_field team_fields[] = {
	UD_FIELD(ud_host_team, name,           .flags = UD_REQUIRED, .max = 128, .about = "Name of the switch."),
	UD_FIELD(ud_host_team, members,        .max = 8, .about = "Names of its network cards; none = as they are. Where there is no switch of the name it is made of them."),
	UD_FIELD(ud_host_team, load_balancing, .flags = UD_REQUIRED, .values = &ud_team_balancings, .about = "How VMs are spread over the cards: dynamic, or by port."),
};
/* clang-format on */
const struct ud_shape ud_disk_shape = { UD_SHAPE(ud_disk, disk_fields), .bare = true };
const struct ud_shape ud_nic_shape = { UD_SHAPE(ud_nic, nic_fields), .bare = true };
const struct ud_shape ud_machine_shape = { UD_SHAPE(ud_machine, machine_fields), .bare = true };
const struct ud_shape ud_host_facts_shape = { UD_SHAPE(ud_host_facts, host_fields), .bare = true };
const struct ud_shape ud_sample_shape = { UD_SHAPE(ud_sample, sample_fields), .bare = true };
const struct ud_shape ud_checkpoint_shape = { UD_SHAPE(ud_checkpoint_info, checkpoint_fields),
	.bare = true };
const struct ud_shape ud_host_balance_shape = { UD_SHAPE(ud_host_balance, balance_fields),
	.bare = true };
const struct ud_shape ud_host_team_shape = { UD_SHAPE(ud_host_team, team_fields), .bare = true };
const struct ud_shape ud_vm_limits_shape = { UD_SHAPE(ud_vm_limits, limit_fields), .bare = true };

bool ud_machine_lacks_kvm(const struct ud_machine *machine, const struct ud_host_facts *host)
{
	return machine->accelerator && strcmp(machine->accelerator, "kvm") == 0 &&
		host->accelerator && strcmp(host->accelerator, "tcg") == 0;
}

bool ud_machine_fits(const struct ud_machine *machine, const struct ud_host_facts *host)
{
	static const char version[] = ", version ";
	const char *type = machine->machine_type;
	const char *at = type ? strstr(type, version) : NULL;

	if (!type || !*type || !host->machine_types.count || host->machine_types.count == TYPES)
		return true;
	/* "generation 2, version 8.0" */
	type = at ? at + strlen(version) : type;
	for (size_t i = 0; i < host->machine_types.count; i++)
		if (strcmp(host->machine_types.items[i], type) == 0)
			return true;
	return false;
}
