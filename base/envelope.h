/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A break-glass envelope: leave, given beforehand, to promote one VM's replica on one host while no
 * server can be reached. It is a line of text to be printed and sealed, signed with the server's
 * command key over words that no command begins with, and good only as long as the host knows the
 * epoch that it was made for.
 */
#ifndef BASE_ENVELOPE_H
#define BASE_ENVELOPE_H

#include "base/shape.h"
#include "base/sign.h"

enum { UD_ENVELOPE_DAYS = 30, UD_ENVELOPE_MAX = 2048 };

struct ud_envelope {
	const char *vm_id, *host_id;
	int64_t epoch; /* of the VM when it was made */
	struct ud_time issued_at, expires_at;
	const char *issued_by; /* who asked for it */
};
extern const struct ud_shape ud_envelope_shape;

/* The line, in the arena. */
const char *ud_envelope_write(struct ud_ctx *cx, const unsigned char key[UD_SIGN_KEY],
	const struct ud_envelope *envelope);
/* Read it back. UD_E_VALIDATION: it is no envelope, or another key signed it; UD_E_EXPIRED. */
enum ud_code ud_envelope_open(struct ud_ctx *cx, const unsigned char public_key[UD_SIGN_PUBLIC],
	const char *line, struct ud_envelope *ret) UD_USE;

#endif
