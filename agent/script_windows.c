/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs of the host on Windows: none.
 */
#include "agent/script.h"

enum ud_code ud_script_find(
	struct ud_ctx *cx, const char *folder, const char *name, const char **ret)
{
	(void)folder, (void)name, (void)ret;
	return ud_fail(cx, UD_E_UNSUPPORTED, NULL, "Plans run no programs on hosts with Windows.");
}
