/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A first point from external media: the same records as over a link, from a file. What is in the
 * base already by its hash is written once more: a disk is faster than asking.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/replication/beneath.h"
#include "agent/replication/intake.h"

enum { WORKERS = 2 };

static int media_in(void *data, void *bytes, size_t n)
{
	const int *fd = data;
	unsigned char *p = bytes;

	while (n) {
		ssize_t got = read(*fd, p, n);

		if (got < 0 && errno != EINTR)
			return errno;
		if (got == 0)
			return EPIPE;
		if (got > 0) {
			p += got;
			n -= (size_t)got;
		}
	}
	return 0;
}

static enum ud_code one_record(
	struct ud_ctx *cx, ud_intake *t, struct ud_record *record, bool *ret_over)
{
	struct ud_manifest stored = { 0 };
	struct ud_ready ready = { 0 };

	switch (record->type) {
	case UD_RECORD_BEGIN:
		return ud_intake_begin(cx, t, record, &ready);
	case UD_RECORD_DATA:
	case UD_RECORD_ZERO:
	case UD_RECORD_FILE:
		return ud_intake_take(cx, t, record);
	case UD_RECORD_END:
		*ret_over = true;
		return ud_intake_end(cx, t, record, &stored);
	default:
		return ud_fail(cx, UD_E_MALFORMED, NULL, "the medium holds something else");
	}
}

static enum ud_code read_medium(struct ud_ctx *cx, ud_intake *t, int fd)
{
	const struct ud_carrier carrier = { NULL, media_in, &fd };
	enum ud_code code = UD_OK;
	struct ud_record record;
	bool over = false;

	ud_record_init(&record);
	while (code == UD_OK && !over) {
		UD_AUTO(ud_arena) *arena = ud_arena_new();
		struct ud_ctx own = { .arena = arena, .env = cx->env, .now_ms = cx->now_ms };
		int rc = ud_record_receive(&carrier, &record);

		if (rc == EBADMSG || rc == EPIPE)
			code = ud_fail(cx, UD_E_MALFORMED, NULL, "the medium is not whole");
		else if (rc != 0)
			code = ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the medium: %s", strerror(rc));
		if (code != UD_OK)
			break;
		code = one_record(&own, t, &record, &over);
		if (code != UD_OK)
			code = ud_fail(
				cx, code, NULL, "%s", own.problem.detail ? own.problem.detail : "");
	}
	ud_record_free(&record);
	return code;
}

enum ud_code ud_store_import(struct ud_ctx *cx, ud_store *store, const char *folder)
{
	int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = root < 0 ? -errno : ud_beneath_open(root, "initial.udr", O_RDONLY, 0);

	if (root >= 0)
		close(root);
	if (fd < 0)
		return ud_beneath_fail(cx, fd, folder);
	ud_intake_pool *pool = ud_intake_pool_new(WORKERS);
	ud_intake *t = ud_intake_new(pool, store);
	enum ud_code code = read_medium(cx, t, fd);

	ud_intake_release(&t);
	ud_intake_pool_release(&pool);
	close(fd);
	return code;
}
