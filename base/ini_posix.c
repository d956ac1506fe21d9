/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inih.
 */
#include "base/ini.h"

#include <ini.h>

int ud_ini_read(ud_ini_reader *reader, void *stream, ud_ini_handler *handler, void *user)
{
	return ini_parse_stream(reader, stream, handler, user);
}
