/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual machines, as records. What agents observe comes with them.
 */
#ifndef DB_VMS_H
#define DB_VMS_H

#include "base/machine.h"
#include "db/rows.h"

enum ud_vm_state {
	UD_VM_PROVISIONING,
	UD_VM_READY,
	UD_VM_CHANGING,
	UD_VM_DELETING,
	UD_VM_DELETED,
	UD_VM_ERROR
};
extern const struct ud_enum ud_vm_states;
enum ud_dr_role {
	UD_DR_UNPROTECTED,
	UD_DR_PRIMARY,
	UD_DR_REPLICA,
	UD_DR_EXTENDED_REPLICA,
	UD_DR_TEST_REPLICA,
	UD_DR_DISPLACED
};
extern const struct ud_enum ud_dr_roles;

struct ud_vm {
	struct ud_row row;
	const char *name, *hypervisor_uuid, *host_id;
	bool managed;
	unsigned state;    /* enum ud_vm_state: our own record's life */
	unsigned power;    /* enum ud_power, observed */
	unsigned dr_role;  /* enum ud_dr_role */
	unsigned firmware; /* enum ud_firmware */
	const char *guest_os;
	int64_t vcpus, memory_bytes, disk_bytes;
	/* as observed; server/agents/inventory.c writes them */
	unsigned desired_power;     /* enum ud_power: as it was asked for last */
	unsigned power_last;        /* enum ud_power: before it became unknown */
	const char *power_raw;      /* in the hypervisor's words */
	unsigned guest_agent;       /* enum ud_guest_agent */
	const char *holder_host_id; /* where it was seen running */
	struct ud_time observed_at;
	const char *source;
	bool missing;               /* its host does not have it any more */
	bool split_brain_suspected; /* two hosts say that they run it */
	int64_t epoch;
	struct ud_texts allowed_operations; /* computed */
	struct ud_json blocked_operations;  /* computed */
	struct ud_json protection;          /* computed: ud_replication_summary */
};
extern const struct ud_table ud_vms;

/* Does the customer have a VM on a host with this hypervisor? */
enum ud_code ud_vms_on(
	struct ud_ctx *cx, const char *customer_id, const char *hypervisor, bool *ret) UD_USE;

#endif
