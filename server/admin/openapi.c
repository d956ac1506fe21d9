/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudyd openapi: print the specification that api/openapi.json is committed from.
 */
#include "server/openapi/openapi.h"

#include <stdio.h>

#include "api/api.h"
#include "server/admin/installation.h"

int ud_command_openapi(struct ud_ctx *cx, int argc, char **argv)
{
	const struct ud_flag none[] = { { 0 } };
	struct ud_buf b = { 0 };

	if (!ud_flags_read(argc, argv, none))
		return 2;
	ud_openapi_write(cx, ud_api, &b);
	bool fine = fwrite(b.data, 1, b.len, stdout) == b.len && fflush(stdout) == 0;

	ud_buf_free(&b);
	return fine ? 0 : 1;
}
