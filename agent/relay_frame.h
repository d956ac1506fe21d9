/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames between the agent's two processes, for relay.c and network.c.
 */
#ifndef AGENT_RELAY_FRAME_H
#define AGENT_RELAY_FRAME_H

#include "base/shape.h"

/* call, answer: a call and what came of it. identity: store this; stored: how that ended. */
enum ud_frame_kind { UD_FRAME_CALL, UD_FRAME_ANSWER, UD_FRAME_IDENTITY, UD_FRAME_STORED };

struct ud_frame {
	unsigned kind; /* enum ud_frame_kind */
	int64_t id;    /* of the call, chosen by who calls */
	const char *path;
	const char *body; /* of a call (NULL = a GET), an answer, or the identity */
	int64_t timeout_ms;
	int64_t status, asked_ms;
	const char *code, *detail; /* of a failure; code NULL = none */
};

/* Write one whole frame; false when the other side is gone. One thread at a time. */
bool ud_frame_send(int fd, const struct ud_frame *frame) UD_USE;
/* Read one; UD_E_UNAVAILABLE at the end, UD_E_VALIDATION for what is none. In cx->arena. */
enum ud_code ud_frame_read(struct ud_ctx *cx, int fd, struct ud_frame *ret) UD_USE;

#endif
