/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of records into a store, as a peer that has a certificate and means harm could send it:
 * CRCs are put right, so that what is behind them is reached. Whatever comes, the store opens again
 * with the points it had, or more that are whole.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/replication/beneath.h"
#include "agent/replication/intake.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t n;
};

static int take(void *data, void *bytes, size_t n)
{
	struct input *in = data;

	if (n > in->n)
		return EPIPE;
	if (n)
		memcpy(bytes, in->data, n);
	in->data += n;
	in->n -= n;
	return 0;
}

/* Make the next header of the copy one that is believed. */
static void mend_header(uint8_t *p, size_t n)
{
	uint32_t magic = htole32(0x31524455), meta, crc = 0;

	if (n < UD_RECORD_HEADER)
		return;
	memcpy(p, &magic, 4);
	p[6] = p[7] = 0;
	memset(p + 16, 0, 8);
	memcpy(&meta, p + 8, 4);
	meta = le32toh(meta);
	if (meta <= n - UD_RECORD_HEADER) {
		crc = htole32(ud_crc32(p, UD_RECORD_HEADER + meta));
		memcpy(p + 20, &crc, 4);
	}
}

static void feed(struct ud_ctx *cx, ud_intake *t, struct input *in, struct ud_record *r)
{
	const struct ud_carrier carrier = { NULL, take, in };
	struct ud_manifest stored = { 0 };
	struct ud_chunk chunk;
	struct ud_ready ready = { 0 };

	for (int i = 0; i < 50; i++) {
		mend_header((uint8_t *)(uintptr_t)in->data, in->n);
		if (ud_record_receive(&carrier, r) != 0)
			return;
		enum ud_code code = UD_OK;

		(void)ud_chunk_read(r, &chunk);
		if (r->type == UD_RECORD_BEGIN)
			code = ud_intake_begin(cx, t, r, &ready);
		else if (r->type == UD_RECORD_END)
			code = ud_intake_end(cx, t, r, &stored);
		else
			code = ud_intake_take(cx, t, r);
		if (code != UD_OK && ud_intake_active(t))
			ud_intake_abandon(t);
		ud_ctx_clear(cx);
	}
}

static enum ud_code is_whole(struct ud_ctx *cx, void *data, const struct ud_stored_point *p)
{
	(void)cx;
	(void)data;
	if (*p->bad)
		abort();
	return UD_OK;
}

static char folder[] = "/tmp/ud-fuzz-XXXXXX";

static void remove_folder(void)
{
	int root = ud_beneath_root("/tmp");

	if (root >= 0 && ud_beneath_clear(root, folder + 5) == 0)
		close(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static ud_intake_pool *pool;
	ud_arena *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };
	struct ud_store_settings settings = { .path = folder };
	ud_store *store = NULL;
	struct ud_record r;

	if (!pool) {
		pool = ud_intake_pool_new(1);
		ud_log_set_level(UD_LOG_ERROR);
		if (!mkdtemp(folder) || atexit(remove_folder) != 0)
			abort();
	}
	uint8_t *copy = ud_alloc(arena, size + 1);
	struct input in = { copy, size };

	memcpy(copy, data, size);
	ud_record_init(&r);
	if (ud_store_open(&cx, &settings, &store) != UD_OK)
		abort();
	ud_intake *t = ud_intake_new(pool, store);

	feed(&cx, t, &in, &r);
	ud_intake_release(&t);
	ud_store_release(&store);
	if (ud_store_open(&cx, &settings, &store) != UD_OK ||
		ud_store_points(&cx, store, is_whole, NULL) != UD_OK ||
		ud_store_clear(&cx, store) != UD_OK)
		abort();
	ud_store_release(&store);
	ud_record_free(&r);
	ud_arena_release(&arena);
	return 0;
}
