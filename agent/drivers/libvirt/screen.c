/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The screen as QEMU gives it to libvirt; since QEMU 7.1 that is a PNG.
 */
#include <string.h>

#include "agent/drivers/libvirt/inside.h"

enum { PICTURE_MAX = 64 << 20 };

static enum ud_code receive(struct ud_ctx *cx, virStreamPtr stream, struct ud_buf *b)
{
	char piece[64 << 10];
	int n;

	while ((n = virStreamRecv(stream, piece, sizeof(piece))) > 0) {
		if (b->len + (size_t)n > PICTURE_MAX) {
			virStreamAbort(stream);
			return ud_fail(cx, UD_E_HYPERVISOR, NULL, "The screen is too large.");
		}
		ud_buf_add(b, piece, (size_t)n);
	}
	if (n < 0 || virStreamFinish(stream) < 0)
		return ud_lv_fail(cx, "read the screen");
	return UD_OK;
}

enum ud_code ud_lv_screenshot(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const void **ret, size_t *ret_n)
{
	struct ud_lv *lv = ud_lv_of(hv);
	UD_AUTO(ud_lv_domain) *d = NULL;
	UD_AUTO(ud_lv_stream) *stream = NULL;
	struct ud_buf b = { 0 };

	UD_TRY(ud_lv_find(cx, lv, uuid, &d));
	UD_TRY(ud_lv_must_run(cx, d, true));
	stream = virStreamNew(lv->conn, 0);
	if (!stream)
		return ud_lv_fail(cx, "open a stream");
	char *type = virDomainScreenshot(d, stream, 0, 0);

	if (!type)
		return ud_lv_fail(cx, "look at the screen");
	bool png = strcmp(type, "image/png") == 0;

	ud_free(type);
	enum ud_code code = receive(cx, stream, &b);

	if (code == UD_OK && (!png || b.len == 0))
		code = ud_fail(cx, UD_E_UNSUPPORTED, NULL,
			"This QEMU gives no PNG of the screen (7.1 does).");
	if (code == UD_OK) {
		*ret = ud_strndup(cx->arena, b.data, b.len);
		*ret_n = b.len;
	}
	ud_buf_free(&b);
	return code;
}
