/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The drivers of the agent's program in tests: one hypervisor in memory with two VMs, whatever the
 * address after "scripted:". Its VMs live as long as the program.
 */
#include "agent/main.h"
#include "support/scripted.h"

static struct ud_driver driver;
const struct ud_driver *const ud_drivers[] = { &driver, NULL };

static enum ud_code open_host(
	struct ud_ctx *cx, const char *uri, ud_hv_changed *changed, void *data, struct ud_hv **ret)
{
	static struct scripted *host;

	if (!host) {
		host = scripted_begin(uri + sizeof("scripted:") - 1);
		scripted_add(host, scripted_uuid(host, 1), "web-01");
		scripted_add(host, scripted_uuid(host, 2), "sql-01");
	}
	return scripted_driver.open(cx, uri, changed, data, ret);
}

__attribute__((constructor)) static void fill(void)
{
	driver = scripted_driver;
	driver.open = open_host;
}
