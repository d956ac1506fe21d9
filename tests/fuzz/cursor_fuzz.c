/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cursors and list parameters: nobody without the key makes a cursor that is taken.
 */
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "db/vms.h"
#include "server/events/stream.h"
#include "server/http/list.h"
#include "server/http/server.h"
#include "server/http/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ud_server server = { .keys.cursor = "a key that nobody has" };
	static const struct ud_route route = { .path = "/v1/vms" };
	ud_arena *arena = ud_arena_new();
	struct ud_scope scope = ud_scope_system("fuzz");
	struct ud_request rq = { .server = &server, .path = "/v1/vms", .route = &route };
	struct ud_page page;
	int64_t place;

	rq.cx = (struct ud_ctx){ .arena = arena, .env = &ud_env_real, .scope = &scope };
	const char *text = ud_strndup(arena, (const char *)data, size);

	if (ud_target_query(&rq.cx, text, rq.params, &rq.param_count) == UD_OK &&
		ud_page_read(&rq.cx, &rq, &ud_vms, &page) == UD_OK && page.list.has_after)
		abort();
	ud_ctx_clear(&rq.cx);
	if (ud_event_cursor_read(&rq.cx, &server, text, &place) == UD_OK)
		abort();
	ud_arena_release(&arena);
	return 0;
}
