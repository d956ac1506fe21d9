/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filling in macros.
 */
#ifndef API_MACROS_H
#define API_MACROS_H

#include "db/tickets.h"

/* The words of a macro for a ticket, in the arena; the caller is {{me.name}}. UD_E_NOT_FOUND when
 * the caller sees no such macro. */
enum ud_code ud_macro_fill(struct ud_ctx *cx, const char *macro_id, const struct ud_ticket *t,
	const char **ret) UD_USE;

#endif
