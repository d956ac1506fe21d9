/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hypervisor hosts.
 */
#ifndef DB_HOSTS_H
#define DB_HOSTS_H

#include "db/rows.h"

enum ud_hypervisor { UD_HYPERVISOR_KVM, UD_HYPERVISOR_HYPERV };
extern const struct ud_enum ud_hypervisors;
enum ud_host_state {
	UD_HOST_DISCOVERED,
	UD_HOST_ENROLLED,
	UD_HOST_ACTIVE,
	UD_HOST_MAINTENANCE,
	UD_HOST_UNREACHABLE,
	UD_HOST_FENCED,
	UD_HOST_QUARANTINED,
	UD_HOST_RETIRED,
};
extern const struct ud_enum ud_host_states;

struct ud_host {
	struct ud_row row;
	const char *name;
	unsigned hypervisor; /* enum ud_hypervisor */
	const char *site_id, *fault_domain_id;
	unsigned state; /* enum ud_host_state */
	int64_t memory_bytes, cpu_count;
	const char *replication_listen, *replication_address; /* "A:P" */
	struct ud_time heartbeat_at;                          /* its agent's last sign of life */
	const char *state_before;           /* "maintenance", or NULL: when it is reached again */
	struct ud_texts allowed_operations; /* computed */
	struct ud_json blocked_operations;  /* computed */
};
extern const struct ud_table ud_hosts;

#endif
