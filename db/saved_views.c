/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of saved views.
 */
#include "db/saved_views.h"

#include "base/rules.h"

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_saved_view, user_id, .flags = UD_SERVER, .about = "Whose it is."),
	UD_FIELD(ud_saved_view, name,    .flags = UD_REQUIRED | UD_BRIEF, .max = 100, .rule = ud_rule_name, .about = "What the person calls it."),
	UD_FIELD(ud_saved_view, page,    .flags = UD_REQUIRED | UD_FIXED | UD_FILTER | UD_BRIEF, .min = 1, .max = 200, .about = "Page or list it belongs to, as whoever keeps it names it: the portal's begin with /app/."),
	UD_FIELD(ud_saved_view, query,   .flags = UD_REQUIRED | UD_BRIEF, .max = 2000, .about = "Filter and order as the query of an address, without the question mark."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "saved_view",
	.prefix = "svw",
	.table = "saved_views",
	UD_SHAPE(ud_saved_view, fields),
	.about = "A filter and order of a list that a person keeps." };
const struct ud_table ud_saved_views = { .shape = &shape };
