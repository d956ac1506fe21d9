/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PAYLOAD.SIGNATURE, both base64url.
 */
#include "base/envelope.h"

#include <string.h>

#include "base/crypto.h"

/* What is signed begins with this; a command begins with a brace. */
static const char domain[] = "understudy break-glass envelope\n";

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_envelope, vm_id,      .flags = UD_REQUIRED, .max = 30, .about = "VM that may be promoted."),
	UD_FIELD(ud_envelope, host_id,    .flags = UD_REQUIRED, .max = 30, .about = "Host that may do it."),
	UD_FIELD(ud_envelope, epoch,      .flags = UD_REQUIRED, .min = 0, .about = "Epoch that it was made for."),
	UD_FIELD(ud_envelope, issued_at,  .flags = UD_REQUIRED, .about = "When it was made."),
	UD_FIELD(ud_envelope, expires_at, .flags = UD_REQUIRED, .about = "When it ends."),
	UD_FIELD(ud_envelope, issued_by,  .max = 64, .about = "Who asked for it."),
};
/* clang-format on */
const struct ud_shape ud_envelope_shape = { UD_SHAPE(ud_envelope, fields), .bare = true };

static const char *signed_text(struct ud_ctx *cx, const char *payload)
{
	return ud_printf(cx->arena, "%s%s", domain, payload);
}

const char *ud_envelope_write(
	struct ud_ctx *cx, const unsigned char key[UD_SIGN_KEY], const struct ud_envelope *envelope)
{
	unsigned char signature[UD_SIGNATURE];
	struct ud_buf b = { 0 };

	ud_shape_encode(&b, &ud_envelope_shape, envelope, NULL);
	const char *payload = ud_strdup(cx->arena, ud_buf_text(&b));
	const char *text = signed_text(cx, payload);

	ud_buf_free(&b);
	ud_sign(key, text, strlen(text), signature);
	return ud_printf(cx->arena, "%s.%s", ud_base64url(cx->arena, payload, strlen(payload)),
		ud_base64url(cx->arena, signature, sizeof(signature)));
}

static enum ud_code wrong(struct ud_ctx *cx, const char *why)
{
	return ud_fail(cx, UD_E_VALIDATION, NULL, "The envelope is not valid: %s.", why);
}

enum ud_code ud_envelope_open(struct ud_ctx *cx, const unsigned char public_key[UD_SIGN_PUBLIC],
	const char *line, struct ud_envelope *ret)
{
	size_t n = strcspn(line, " \t\r\n"), dot = strcspn(line, "."), payload_n = 0, sign_n = 0;

	if (n > UD_ENVELOPE_MAX || dot >= n)
		return wrong(cx, "this is no envelope");
	unsigned char *raw =
		ud_base64url_decode(cx->arena, ud_strndup(cx->arena, line, dot), &payload_n);
	const unsigned char *signature = ud_base64url_decode(
		cx->arena, ud_strndup(cx->arena, line + dot + 1, n - dot - 1), &sign_n);

	if (!raw || !signature || sign_n != UD_SIGNATURE)
		return wrong(cx, "this is no envelope");
	const char *payload = ud_strndup(cx->arena, (const char *)raw, payload_n);
	const char *text = signed_text(cx, payload);

	if (!ud_sign_verify(public_key, text, strlen(text), signature))
		return wrong(cx, "this installation did not make it");
	UD_TRY(ud_shape_read(cx, &ud_envelope_shape, payload, strlen(payload), ret));
	return cx->now_ms < ret->expires_at.ms
		? UD_OK
		: ud_fail(cx, UD_E_EXPIRED, NULL, "The envelope's time is up.");
}
