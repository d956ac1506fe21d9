/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machines as agents see them and tell the server: hosts, VMs, their parts and their figures. Plain
 * data with a field table each, the same on every hypervisor; what a hypervisor calls it stands
 * beside it as "raw". Unknown is a value: what cannot be read is null or "unknown", never a guess.
 */
#ifndef BASE_MACHINE_H
#define BASE_MACHINE_H

#include "base/shape.h"

enum ud_power {
	UD_POWER_UNKNOWN,
	UD_POWER_RUNNING,
	UD_POWER_OFF,
	UD_POWER_SAVED,
	UD_POWER_PAUSED,
	UD_POWER_STARTING,
	UD_POWER_STOPPING,
	UD_POWER_CRITICAL
};
extern const struct ud_enum ud_powers;
enum ud_firmware { UD_FIRMWARE_UEFI, UD_FIRMWARE_BIOS };
extern const struct ud_enum ud_firmwares;
enum ud_guest_agent { UD_GUEST_UNKNOWN, UD_GUEST_CONNECTED, UD_GUEST_DISCONNECTED, UD_GUEST_NONE };
extern const struct ud_enum ud_guest_agents;

/* A disk of a VM. */
struct ud_disk {
	const char *target;                     /* name inside the definition: "vda" */
	const char *path;                       /* on the host; NULL when it has none */
	const char *format;                     /* qcow2, raw, vhdx, lvm, rbd, … */
	const char *bus;                        /* virtio, scsi, ide, … */
	int64_t virtual_bytes, allocated_bytes; /* UD_NONE when not known */
	struct ud_json chain;                   /* paths below it, nearest first */
	bool shared, passthrough, boot, read_only;
};
extern const struct ud_shape ud_disk_shape;

/* A network card of a VM. */
struct ud_nic {
	const char *mac, *model;
	const char *kind;   /* network, bridge, user, mcast, … */
	const char *source; /* name of the network or bridge; NULL when it has none */
	bool link_up;
	struct ud_json addresses; /* as the guest agent tells them: ["192.0.2.7/24"] */
};
extern const struct ud_shape ud_nic_shape;

/* A VM as it stands on a host. */
struct ud_machine {
	const char *uuid, *name;
	unsigned power;        /* enum ud_power */
	const char *power_raw; /* the hypervisor's word: "paused (I/O error)" */
	int64_t vcpus, memory_bytes;
	unsigned firmware;    /* enum ud_firmware */
	unsigned guest_agent; /* enum ud_guest_agent */
	const char *machine_type, *guest_os, *accelerator;
	bool autostart, transient;
	struct ud_json disks, nics;  /* arrays of ud_disk_shape and ud_nic_shape */
	int64_t disk_bytes;          /* sum of the virtual sizes */
	const char *definition_hash; /* SHA-256 of the stored definition: changes with it */
	struct ud_json bars;         /* what of it, disks aside, stands in the way of a replica:
				      * array of ud_blocker (base/replication.h) */
	const char *test_of;         /* UUID of the VM it is a test's copy of; NULL = it is none */
};
extern const struct ud_shape ud_machine_shape;

/* A host. Lists are arrays of objects; what a hypervisor does not have is an empty list. */
struct ud_host_facts {
	const char *hypervisor;         /* kvm, hyperv */
	const char *hypervisor_version; /* "QEMU 7.2.22, libvirt 9.0.0" */
	const char *os, *cpu_model, *accelerator, *host_boot;
	int64_t cpu_count, memory_bytes, memory_free_bytes;
	struct ud_json pools;    /* [{"name","path","capacity_bytes","available_bytes"}] */
	struct ud_json networks; /* [{"name","kind","bridge","active"}] */
	/* NIC teams: [{"name","mode","members":[{"name","up","speed_mbps"}]}] */
	struct ud_json teams;
	/* objects of clusters and their storage; NULL = this hypervisor or host has none:
	 * {"name","balancer":{"mode","level"},"nodes":[],"fault_domains":[]} */
	struct ud_json cluster;
	struct ud_json spaces; /* {"pools":[],"volumes":[],"disks":[],"jobs":[]} */
	/* paths to file servers: [{"server","from","to","selected","failed"}] */
	struct ud_json smb;
	struct ud_json versions;      /* {"qemu":…,"libvirt":…,"kernel":…} */
	struct ud_texts capabilities; /* names of the driver's filled slots */
	struct ud_texts machine_types;
};
extern const struct ud_shape ud_host_facts_shape;
/* Can the host run the VM's virtual board: is its type (on Hyper-V the version of its definition)
 * among those that the host tells? Also true when one of them tells none, and when the list is as
 * long as a list can be. */
bool ud_machine_fits(const struct ud_machine *machine, const struct ud_host_facts *host);
/* Does the VM want KVM where it does not work? False when one of them tells nothing of it. */
bool ud_machine_lacks_kvm(const struct ud_machine *machine, const struct ud_host_facts *host);

/* Figures of a VM, or of the host (uuid NULL), since its start; rates are made by the reader. */
struct ud_sample {
	const char *uuid;
	int64_t taken_mono_ms; /* CLOCK_BOOTTIME of the host */
	int64_t cpu_ns, memory_used_bytes;
	int64_t disk_read_bytes, disk_write_bytes, disk_reads, disk_writes;
	int64_t net_receive_bytes, net_send_bytes;
};
extern const struct ud_shape ud_sample_shape;

/* A state a VM can be brought back to, kept by the hypervisor. */
struct ud_checkpoint_info {
	const char *name;
	const char *kind;        /* standard (memory and disks), production (disks, frozen guest) */
	const char *consistency; /* crash or application: what it got */
	const char *reason;      /* why it is not what was asked for; NULL = it is */
	struct ud_time created_at;
};
extern const struct ud_shape ud_checkpoint_shape;

/* Limits of a VM; UD_NONE = none. */
struct ud_vm_limits {
	int64_t cpu_percent; /* of one CPU, summed over vCPUs: 150 = one and a half */
	int64_t cpu_weight;  /* relative share, 1 to 10000 */
	int64_t disk_iops, disk_bytes_per_second; /* per disk */
	/* the hypervisor slows it down when it behaves as if it attacked its host (Hyper-V) */
	bool host_protection;
};
extern const struct ud_shape ud_vm_limits_shape;

/* When a cluster moves VMs by itself, and from what load of a node on; names and order of Windows.
 */
enum ud_balance_mode { UD_BALANCE_OFF, UD_BALANCE_ON_JOIN, UD_BALANCE_ALWAYS };
enum ud_balance_level { UD_BALANCE_LOW, UD_BALANCE_MEDIUM, UD_BALANCE_HIGH }; /* 80, 70, 60 % */
extern const struct ud_enum ud_balance_modes, ud_balance_levels;
struct ud_host_balance {
	unsigned mode, level; /* of the enumerations above */
};
extern const struct ud_shape ud_host_balance_shape;

/* A switch over several network cards. */
enum ud_team_balancing { UD_TEAM_DYNAMIC, UD_TEAM_PORT };
extern const struct ud_enum ud_team_balancings;
struct ud_host_team {
	const char *name;
	struct ud_texts members; /* names of cards; empty = as they are */
	unsigned load_balancing; /* enum ud_team_balancing */
};
extern const struct ud_shape ud_host_team_shape;

#endif
