/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths: what passes has no empty or dotted segment, no control character, and matches routes
 * without surprise.
 */
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "server/http/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ud_arena *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };
	const char *path = NULL, *arg[UD_MAX_ARGS] = { NULL };

	if (ud_target_path(&cx, (const char *)data, size, &path) == UD_OK) {
		if (path[0] != '/' || strstr(path, "//") || strstr(path, "/../") ||
			strchr(path, '\\'))
			abort();
		for (const char *p = path; *p; p++)
			if ((unsigned char)*p < 32)
				abort();
		if (ud_target_match(&cx, "/v1/hosts/{id}/tokens/{token_id}", path, arg) &&
			(strchr(arg[0], '/') || strchr(arg[1], '/')))
			abort();
	}
	ud_arena_release(&arena);
	return 0;
}
