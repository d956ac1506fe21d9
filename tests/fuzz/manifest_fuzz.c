/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests of points, as another agent may send them. What is taken must be written and read again
 * the same.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/replication/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ud_arena *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };
	struct ud_manifest m = { 0 }, again = { 0 };
	struct ud_point point;

	if (ud_manifest_read(&cx, (const char *)data, size, &m) == UD_OK) {
		const char *text = ud_manifest_text(&cx, &m);

		if (strlen(text) <= UD_MANIFEST_MAX &&
			(ud_manifest_read(&cx, text, strlen(text), &again) != UD_OK ||
				strcmp(ud_manifest_text(&cx, &again), text) != 0))
			abort();
		ud_manifest_point(&cx, &m, false, &point);
	}
	ud_arena_release(&arena);
	return 0;
}
