/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs of the host that plans may run: those of one folder.
 */
#ifndef AGENT_SCRIPT_H
#define AGENT_SCRIPT_H

#include "base/ctx.h"

/*
 * Path of a program in the folder, in the arena. UD_E_NOT_FOUND: there is none. UD_E_INVALID_STATE
 * with the reason unless folder and file are the administrator's (root's) alone to change, the file
 * is a regular one, no link, and may be run. UD_E_UNSUPPORTED on Windows.
 */
enum ud_code ud_script_find(
	struct ud_ctx *cx, const char *folder, const char *name, const char **ret) UD_USE;
/* What a program wrote, as text of one byte per character; in the arena. */
const char *ud_script_text(struct ud_ctx *cx, const char *data, size_t n);

#endif
