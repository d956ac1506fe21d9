/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts and VMs, as records: agents bring the machines behind them to life.
 */
#include <string.h>

#include "api/replications.h"
#include "api/verbs.h"
#include "db/hosts.h"
#include "db/sites.h"
#include "db/vms.h"

/* The fault domain of a host stands in the host's site. */
static enum ud_code host_before(
	struct ud_ctx *cx, const struct ud_given *given, const void *old_row, void *row)
{
	const struct ud_host *h = row;
	struct ud_fault_domain d = { 0 };

	(void)given, (void)old_row;
	if (!h || !h->fault_domain_id)
		return UD_OK;
	if (ud_row_get(cx, &ud_fault_domains, h->fault_domain_id, &d) != UD_OK) {
		ud_ctx_clear(cx);
		return ud_fail_field(cx, "fault_domain_id", "not_found",
			"fault_domain_id names nothing that you can use here.");
	}
	if (strcmp(d.site_id, h->site_id) != 0)
		return ud_fail_field(cx, "fault_domain_id", "other_site",
			"The fault domain stands in another site.");
	return UD_OK;
}

static const struct ud_resource hosts = {
	.table = &ud_hosts, .before = host_before, .complete = ud_host_complete
};

/* What only staff may change of a VM's record. */
static enum ud_code vm_before(
	struct ud_ctx *cx, const struct ud_given *given, const void *old_row, void *row)
{
	static const char *const staff_only[] = { "hypervisor_uuid", "host_id", "managed" };

	(void)old_row;
	for (size_t i = 0; row && cx->scope->home_customer_id && i < UD_LEN(staff_only); i++)
		if (ud_given_name(given, ud_vms.shape, staff_only[i]))
			return ud_fail_field(cx, staff_only[i], "staff_only",
				"%s is changed by the provider.", staff_only[i]);
	return UD_OK;
}

static enum ud_code vm_complete(struct ud_ctx *cx, void *row)
{
	struct ud_vm *vm = row;

	UD_TRY(ud_replication_summary(cx, vm->row.id, &vm->protection));
	return ud_vm_complete(cx, vm);
}

static const struct ud_resource vms = {
	.table = &ud_vms, .before = vm_before, .complete = vm_complete
};

enum {
	HOST_CHANGE = UD_OPERATOR | UD_R(SUPPORT_ENGINEER) | UD_R(SUPPORT_LEAD),
	VM_CHANGE = UD_STAFF_WRITE
};

/* clang-format off */
static const struct ud_route rows[] = {
	UD_REST_ROWS("/v1/hosts", "hosts", "a host", "hosts", UD_STAFF, HOST_CHANGE, &hosts),
	{ "GET",    "/v1/vms",      "vms.list",   UD_PEOPLE,                     "vms:read",  UD_LIST, .resource = &vms, .handle = ud_rest_list, .about = "List VMs." },
	{ "POST",   "/v1/vms",      "vms.create", VM_CHANGE,                     "vms:write", UD_WRITE, .status = 201, .resource = &vms, .handle = ud_rest_create, .about = "Create a VM's record." },
	{ "GET",    "/v1/vms/{id}", "vms.show",   UD_PEOPLE,                     "vms:read",  0, .resource = &vms, .handle = ud_rest_show, .about = "Show a VM." },
	{ "PATCH",  "/v1/vms/{id}", "vms.edit",   VM_CHANGE | UD_CUSTOMER_WRITE, "vms:write", UD_WRITE | UD_MATCH_REQUIRED, .resource = &vms, .handle = ud_rest_edit, .about = "Change a VM's record; staff assign it to a customer." },
	{ "DELETE", "/v1/vms/{id}", "vms.delete", VM_CHANGE,                     "vms:write", UD_WRITE | UD_MATCH_REQUIRED, .status = 204, .resource = &vms, .handle = ud_rest_delete, .about = "Delete a VM's record." },
};
/* clang-format on */
const struct ud_routes ud_api_machines = { "Machines", rows, UD_LEN(rows) };
