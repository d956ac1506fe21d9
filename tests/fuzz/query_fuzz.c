/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Query strings: names are never empty or twice there; a parameter written again reads the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "server/http/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(struct ud_ctx *cx, const struct ud_param *p)
{
	struct ud_param again[UD_MAX_PARAMS];
	const char *text = ud_printf(cx->arena, "%s=%s", ud_percent(cx->arena, p->name),
		ud_percent(cx->arena, p->value));
	size_t n = 0;

	if (ud_target_query(cx, text, again, &n) != UD_OK || n != 1 ||
		strcmp(again[0].name, p->name) != 0 || strcmp(again[0].value, p->value) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ud_arena *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };
	struct ud_param params[UD_MAX_PARAMS];
	size_t n = 0;

	if (ud_target_query(&cx, ud_strndup(arena, (const char *)data, size), params, &n) == UD_OK)
		for (size_t i = 0; i < n; i++) {
			if (!*params[i].name)
				abort();
			check_again(&cx, &params[i]);
		}
	ud_arena_release(&arena);
	return 0;
}
