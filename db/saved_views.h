/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters and orders of lists that a person keeps under a name.
 */
#ifndef DB_SAVED_VIEWS_H
#define DB_SAVED_VIEWS_H

#include "db/rows.h"

struct ud_saved_view {
	struct ud_row row;
	const char *user_id, *name, *page, *query;
};
extern const struct ud_table ud_saved_views;

#endif
