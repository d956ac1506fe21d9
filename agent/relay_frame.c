/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four bytes of length, the least first, then JSON of one shape.
 */
#include "agent/relay_frame.h"

#include <unistd.h>

enum { FRAME_MAX = 8 << 20, TEXT = 4 << 20, NAME = 64, PATH = 4096, HEAD = 4 };

static const char *const kind_names[] = { "call", "answer", "identity", "stored" };
static const struct ud_enum kinds = { "frame", kind_names, UD_LEN(kind_names) };
/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_frame, kind,       .flags = UD_REQUIRED, .values = &kinds, .about = "What it is."),
	UD_FIELD(ud_frame, id,         .flags = UD_REQUIRED, .about = "The call it belongs to."),
	UD_FIELD(ud_frame, path,       .max = PATH, .about = "Where to."),
	UD_FIELD(ud_frame, body,       .max = TEXT, .about = "What is said."),
	UD_FIELD(ud_frame, timeout_ms, .about = "Time for the call."),
	UD_FIELD(ud_frame, status,     .about = "HTTP status."),
	UD_FIELD(ud_frame, asked_ms,   .about = "How long the server asked to wait."),
	UD_FIELD(ud_frame, code,       .max = NAME, .about = "Why it failed."),
	UD_FIELD(ud_frame, detail,     .max = PATH, .about = "The same in words."),
};
/* clang-format on */
static const struct ud_shape shape = { UD_SHAPE(ud_frame, fields), .bare = true };

static bool write_all(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t done = write(fd, data, n);

		if (done <= 0)
			return false;
		data += done;
		n -= (size_t)done;
	}
	return true;
}

static bool read_all(int fd, char *data, size_t n)
{
	while (n) {
		ssize_t done = read(fd, data, n);

		if (done <= 0)
			return false;
		data += done;
		n -= (size_t)done;
	}
	return true;
}

bool ud_frame_send(int fd, const struct ud_frame *frame)
{
	struct ud_buf b = { 0 };

	ud_buf_add(&b, "\0\0\0\0", HEAD);
	ud_shape_encode(&b, &shape, frame, NULL);
	size_t n = b.len - HEAD;

	for (int i = 0; i < HEAD; i++)
		b.data[i] = (char)(n >> (8 * i));
	bool fine = n <= FRAME_MAX && write_all(fd, b.data, b.len);

	ud_buf_free(&b);
	return fine;
}

enum ud_code ud_frame_read(struct ud_ctx *cx, int fd, struct ud_frame *ret)
{
	unsigned char head[HEAD];
	size_t n = 0;

	if (!read_all(fd, (char *)head, sizeof(head)))
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the other process is gone");
	for (int i = 0; i < HEAD; i++)
		n |= (size_t)head[i] << (8 * i);
	if (n > FRAME_MAX)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "a frame of %zu bytes is too long", n);
	char *text = ud_alloc(cx->arena, n + 1);

	if (!read_all(fd, text, n))
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the other process is gone");
	return ud_shape_read(cx, &shape, text, n, ret);
}
