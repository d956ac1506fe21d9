/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of macros.
 */
#include "db/macros.h"

#include "base/rules.h"

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_macro, name, .flags = UD_REQUIRED | UD_UNIQUE | UD_SEARCH | UD_SORT | UD_BRIEF, .max = 100, .rule = ud_rule_name, .about = "Name of the macro."),
	UD_FIELD(ud_macro, body, .flags = UD_REQUIRED | UD_BRIEF, .max = 16000, .about = "What it says; {{ticket.number}}, {{ticket.subject}}, {{requester.name}} and {{me.name}} are filled in."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "macro",
	.prefix = "mac",
	.table = "macros",
	UD_SHAPE(ud_macro, fields),
	.about = "An answer that the support team gives often." };
const struct ud_table ud_macros = { .shape = &shape };
