/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of CPU and disks. CPU limits need the cpu controller of cgroups, which an embedded driver
 * does without: there they are refused, because a stored one would keep the VM from starting.
 */
#include <string.h>

#include "agent/drivers/libvirt/inside.h"

enum { PERIOD_US = 100000 };

static int64_t wanted(struct ud_ctx *cx, xmlNodePtr node)
{
	int64_t v = ud_lv_number(cx, node);

	return v > 0 ? v : UD_NONE;
}

enum ud_code ud_lv_limits_get(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_vm_limits *ret)
{
	UD_AUTO(ud_lv_domain) *d = NULL;
	UD_AUTO(ud_lv_doc) *doc = NULL;

	UD_TRY(ud_lv_find(cx, ud_lv_of(hv), uuid, &d));
	UD_TRY(ud_lv_definition(cx, d, 0, &doc));
	xmlNodePtr root = xmlDocGetRootElement(doc);
	int64_t quota = wanted(cx, ud_lv_child(root, "cputune/global_quota"));
	int64_t period = wanted(cx, ud_lv_child(root, "cputune/global_period"));
	xmlNodePtr disk = ud_lv_child(root, "devices/disk");

	while (disk && !ud_lv_disk_target(cx, disk))
		disk = ud_lv_next(disk);
	*ret = (struct ud_vm_limits){ .cpu_percent = quota == UD_NONE
			? UD_NONE
			: quota * 100 / (period == UD_NONE ? PERIOD_US : period),
		.cpu_weight = wanted(cx, ud_lv_child(root, "cputune/shares")),
		.disk_iops = wanted(cx, ud_lv_child(disk, "iotune/total_iops_sec")),
		.disk_bytes_per_second = wanted(cx, ud_lv_child(disk, "iotune/total_bytes_sec")) };
	return UD_OK;
}

static enum ud_code set_cpu(struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d, unsigned flags,
	const struct ud_vm_limits *limits)
{
	virTypedParameterPtr params = NULL;
	int n = 0, max = 0;
	bool none = limits->cpu_percent == UD_NONE && limits->cpu_weight == UD_NONE;

	if (lv->root)
		return none ? UD_OK
			    : ud_fail(cx, UD_E_UNSUPPORTED, NULL,
				      "This hypervisor runs without cgroups: no CPU limits.");
	long long quota =
		none || limits->cpu_percent == UD_NONE ? -1 : limits->cpu_percent * PERIOD_US / 100;
	/* 100 is the kernel's own standard */
	unsigned long long shares =
		limits->cpu_weight == UD_NONE ? 100 : (unsigned long long)limits->cpu_weight;

	if (virTypedParamsAddULLong(
		    &params, &n, &max, VIR_DOMAIN_SCHEDULER_GLOBAL_PERIOD, PERIOD_US) < 0 ||
		virTypedParamsAddLLong(
			&params, &n, &max, VIR_DOMAIN_SCHEDULER_GLOBAL_QUOTA, quota) < 0 ||
		virTypedParamsAddULLong(
			&params, &n, &max, VIR_DOMAIN_SCHEDULER_CPU_SHARES, shares) < 0 ||
		virDomainSetSchedulerParametersFlags(d, params, n, flags) < 0) {
		virTypedParamsFree(params, n);
		return ud_lv_fail(cx, "limit the VM's CPU");
	}
	virTypedParamsFree(params, n);
	return UD_OK;
}

static enum ud_code set_disk(struct ud_ctx *cx, virDomainPtr d, const char *target, unsigned flags,
	const struct ud_vm_limits *limits)
{
	virTypedParameterPtr params = NULL;
	int n = 0, max = 0;
	int64_t iops = limits->disk_iops, bytes = limits->disk_bytes_per_second;

	if (virTypedParamsAddULLong(&params, &n, &max, VIR_DOMAIN_BLOCK_IOTUNE_TOTAL_IOPS_SEC,
		    iops == UD_NONE ? 0 : (unsigned long long)iops) < 0 ||
		virTypedParamsAddULLong(&params, &n, &max, VIR_DOMAIN_BLOCK_IOTUNE_TOTAL_BYTES_SEC,
			bytes == UD_NONE ? 0 : (unsigned long long)bytes) < 0 ||
		virDomainSetBlockIoTune(d, target, params, n, flags) < 0) {
		virTypedParamsFree(params, n);
		return ud_lv_fail(cx, "limit the VM's disk");
	}
	virTypedParamsFree(params, n);
	return UD_OK;
}

enum ud_code ud_lv_limits_set(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const struct ud_vm_limits *limits)
{
	struct ud_lv *lv = ud_lv_of(hv);
	UD_AUTO(ud_lv_domain) *d = NULL;
	UD_AUTO(ud_lv_doc) *doc = NULL;

	if (limits->host_protection)
		return ud_fail(cx, UD_E_UNSUPPORTED, NULL,
			"KVM has no host resource protection: limit CPU and disks instead.");
	UD_TRY(ud_lv_find(cx, lv, uuid, &d));
	UD_TRY(ud_lv_definition(cx, d, 0, &doc));
	unsigned flags = virDomainIsPersistent(d) == 1 ? VIR_DOMAIN_AFFECT_CONFIG : 0;

	if (virDomainIsActive(d) == 1)
		flags |= VIR_DOMAIN_AFFECT_LIVE;
	UD_TRY(set_cpu(cx, lv, d, flags, limits));
	xmlNodePtr disk = ud_lv_child(xmlDocGetRootElement(doc), "devices/disk");

	for (; disk; disk = ud_lv_next(disk)) {
		const char *target = ud_lv_disk_target(cx, disk);

		if (target)
			UD_TRY(set_disk(cx, d, target, flags, limits));
	}
	return UD_OK;
}
