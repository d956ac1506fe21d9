/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of fence devices.
 */
#include "db/fence_devices.h"

#include "base/rules.h"

static const char *const agent_names[] = { [UD_FENCE_IPMILAN] = "fence_ipmilan",
	[UD_FENCE_REDFISH] = "fence_redfish",
	[UD_FENCE_APC] = "fence_apc",
	[UD_FENCE_APC_SNMP] = "fence_apc_snmp",
	[UD_FENCE_EATON_SNMP] = "fence_eaton_snmp",
	[UD_FENCE_RARITAN] = "fence_raritan",
	[UD_FENCE_VIRSH] = "fence_virsh" };
_Static_assert(UD_LEN(agent_names) == UD_FENCE_AGENTS, "a name for every agent");
const struct ud_enum ud_fence_agents = { "fence_agent", agent_names, UD_LEN(agent_names) };
static const char *const power_names[] = { "unknown", "on", "off" };
const struct ud_enum ud_host_powers = { "host_power", power_names, UD_LEN(power_names) };

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_fence_device, host_id,        .flags = UD_SERVER | UD_BRIEF, .refers = "hst", .about = "Host that it switches off."),
	UD_FIELD(ud_fence_device, agent,          .flags = UD_REQUIRED | UD_BRIEF, .values = &ud_fence_agents, .about = "Program of fence-agents that speaks to it."),
	UD_FIELD(ud_fence_device, address,        .flags = UD_REQUIRED | UD_BRIEF, .max = 253, .rule = ud_rule_word, .about = "Its name or address, as the server reaches it."),
	UD_FIELD(ud_fence_device, port,           .flags = UD_NULLABLE, .min = 1, .max = 65535, .about = "Its port; null = the usual one."),
	UD_FIELD(ud_fence_device, plug,           .max = 64, .rule = ud_rule_line, .about = "Outlet or machine that is meant, where the device has several."),
	UD_FIELD(ud_fence_device, username,       .max = 64, .rule = ud_rule_line, .about = "Who signs in there."),
	UD_FIELD(ud_fence_device, password,       .flags = UD_SECRET, .max = 128, .rule = ud_rule_line, .about = "Their password, or the SNMP community; kept sealed. Not given: the one before stays, for the same address and user."),
	UD_FIELD(ud_fence_device, cipher_suite,   .flags = UD_NULLABLE, .min = 0, .max = 17, .about = "Cipher suite of IPMI 2.0, where the device is particular; null = it is found out."),
	UD_FIELD(ud_fence_device, tls_unverified, .about = "True: its certificate is not checked."),
	UD_FIELD(ud_fence_device, separate_power, .about = "True: it has power when its host has none. Otherwise a host without power cannot be told from a device without."),
	UD_FIELD(ud_fence_device, host_power,     .flags = UD_SERVER | UD_BRIEF, .values = &ud_host_powers, .about = "What it said of the host when it was asked last."),
	UD_FIELD(ud_fence_device, checked_at,     .flags = UD_SERVER | UD_BRIEF, .about = "When that was."),
	UD_FIELD(ud_fence_device, problem,        .flags = UD_SERVER, .about = "Why it could not tell."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "fence_device",
	.prefix = "fnc",
	.table = "fence_devices",
	UD_SHAPE(ud_fence_device, fields),
	.about = "What can switch a host off, and tell that it is." };
/* the same fields, and no owner: a device is its host's */
const struct ud_shape ud_fence_device_wish = { UD_SHAPE(ud_fence_device, fields), .bare = true };
const struct ud_table ud_fence_devices = { .shape = &shape };

enum ud_code ud_fence_device_of(
	struct ud_ctx *cx, const char *host_id, bool *ret_found, struct ud_fence_device *ret)
{
	const char *id = NULL;

	/* every tenant: the caller has read the host with its scope */
	UD_TRY(ud_query_text(cx, ret_found, &id, "SELECT id FROM fence_devices WHERE host_id = $1",
		UD_VALS(ud_t(host_id))));
	return *ret_found ? ud_row_get(cx, &ud_fence_devices, id, ret) : UD_OK;
}

enum ud_code ud_fence_device_told(
	struct ud_ctx *cx, const char *host_id, enum ud_host_power power, const char *problem)
{
	/* every tenant: devices are the provider's */
	return ud_exec(cx, NULL,
		"UPDATE fence_devices SET host_power = $2, problem = $3, checked_at = $4"
		" WHERE host_id = $1",
		UD_VALS(ud_t(host_id), ud_t(power_names[power]), ud_t(problem), ud_i(cx->now_ms)));
}
