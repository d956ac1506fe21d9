/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limit-vm URI UUID PERCENT WEIGHT: limit a VM's CPU by the driver, as the agent does on command (0
 * = no limit), and print what the hypervisor says of it afterwards. For scripts that have a
 * libvirtd.
 */
#include <stdio.h>
#include <stdlib.h>

#include "agent/drivers/libvirt/libvirt.h"
#include "base/env.h"

static int64_t number(const char *text)
{
	int64_t n = strtoll(text, NULL, 10);

	return n ? n : UD_NONE;
}

static enum ud_code limit(
	struct ud_ctx *cx, const char *uri, const char *uuid, struct ud_vm_limits *l)
{
	static const struct ud_driver *const drivers[] = { &ud_driver_libvirt, NULL };
	struct ud_hv *hv = NULL;

	UD_TRY(ud_hv_open(cx, drivers, uri, NULL, NULL, &hv));
	enum ud_code code = ud_hv_limits_set(cx, hv, uuid, l);

	if (code == UD_OK)
		code = ud_hv_limits_get(cx, hv, uuid, l);
	ud_hv_close(&hv);
	return code;
}

int main(int argc, char **argv)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = {
		.arena = arena, .env = &ud_env_real, .now_ms = ud_now_ms(&ud_env_real)
	};

	if (argc != 5)
		return 2;
	struct ud_vm_limits l = { .cpu_percent = number(argv[3]),
		.cpu_weight = number(argv[4]),
		.disk_iops = UD_NONE,
		.disk_bytes_per_second = UD_NONE };

	if (limit(&cx, argv[1], argv[2], &l) != UD_OK) {
		fprintf(stderr, "limit-vm: %s\n", cx.problem.detail);
		return 1;
	}
	printf("%lld %lld\n", l.cpu_percent == UD_NONE ? 0LL : (long long)l.cpu_percent,
		l.cpu_weight == UD_NONE ? 0LL : (long long)l.cpu_weight);
	return 0;
}
