/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Macros: answers that the support team gives often.
 */
#ifndef DB_MACROS_H
#define DB_MACROS_H

#include "db/rows.h"

struct ud_macro {
	struct ud_row row;
	const char *name, *body;
};
extern const struct ud_table ud_macros;

#endif
