/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fence devices: what can switch a host off, and tell that it is. One per host. The password is
 * sealed before it is stored, and tied to the host; nobody reads it back.
 */
#ifndef DB_FENCE_DEVICES_H
#define DB_FENCE_DEVICES_H

#include "db/rows.h"

/* The programs of fence-agents that may be run, and no others. */
enum ud_fence_agent {
	UD_FENCE_IPMILAN,
	UD_FENCE_REDFISH,
	UD_FENCE_APC,
	UD_FENCE_APC_SNMP,
	UD_FENCE_EATON_SNMP,
	UD_FENCE_RARITAN,
	UD_FENCE_VIRSH,
	UD_FENCE_AGENTS
};
extern const struct ud_enum ud_fence_agents;

/* What a device says of its host. */
enum ud_host_power { UD_HOST_POWER_UNKNOWN, UD_HOST_POWER_ON, UD_HOST_POWER_OFF };
extern const struct ud_enum ud_host_powers;

struct ud_fence_device {
	struct ud_row row;
	const char *host_id;
	unsigned agent; /* enum ud_fence_agent */
	const char *address;
	int64_t port; /* UD_NONE = the agent's usual one */
	const char *plug, *username;
	const char *password; /* stored: sealed with the host's id */
	int64_t cipher_suite; /* of IPMI; UD_NONE = the program chooses */
	bool tls_unverified, separate_power;
	unsigned host_power; /* enum ud_host_power: when it was asked last */
	struct ud_time checked_at;
	const char *problem; /* why it could not tell, or NULL */
};
extern const struct ud_table ud_fence_devices;
/* What people may say of one, as a body. */
extern const struct ud_shape ud_fence_device_wish;

/* The device of a host, which the caller has read with its own scope; *ret_found false = it has
 * none. */
enum ud_code ud_fence_device_of(struct ud_ctx *cx, const char *host_id, bool *ret_found,
	struct ud_fence_device *ret) UD_USE;
/* Keep what the device said when it was asked; the record stays as it is, version and all. */
enum ud_code ud_fence_device_told(struct ud_ctx *cx, const char *host_id, enum ud_host_power power,
	const char *problem) UD_USE;

#endif
