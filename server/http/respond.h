/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the front share about answers. Handlers use http.h.
 */
#ifndef SERVER_HTTP_RESPOND_H
#define SERVER_HTTP_RESPOND_H

#include "server/events/stream.h"
#include "server/http/http.h"

/* The members that ?fields= names, in the arena. UD_E_PARAMETER_INVALID for one that is not there.
 */
enum ud_code ud_split_fields(struct ud_ctx *cx, const struct ud_shape *shape, const char *text,
	struct ud_texts *ret) UD_USE;

/* Deprecation and Sunset headers of a row that is on its way out. */
void ud_answer_deprecation(struct ud_request *rq);

#endif
