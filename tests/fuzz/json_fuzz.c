/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies: parsing, and decoding over shapes with every type. What decodes must encode to JSON
 * again.
 */
#include <stdlib.h>

#include "base/env.h"
#include "db/people.h"
#include "db/vms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(struct ud_ctx *cx, const struct ud_shape *shape, json_t *body)
{
	void *row = ud_alloc(cx->arena, shape->size);
	struct ud_given given;
	struct ud_buf out = { 0 };

	if (ud_shape_decode(cx, shape, UD_CREATE, body, row, &given) == UD_OK) {
		ud_shape_encode(&out, shape, row, NULL);
		json_t *again = json_loadb(out.data, out.len, 0, NULL);

		if (!again)
			abort();
		json_decref(again);
	}
	ud_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ud_arena *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };
	json_t *body = NULL;

	if (ud_json_parse(&cx, (const char *)data, size, UD_JSON_MEMBERS, &body) == UD_OK) {
		decode(&cx, ud_vms.shape, body);
		decode(&cx, ud_tokens.shape, body);
		json_decref(body);
	}
	ud_arena_release(&arena);
	return 0;
}
