/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of the installation that people change while it runs: one row.
 */
#ifndef DB_SETTINGS_H
#define DB_SETTINGS_H

#include "db/rows.h"

#define UD_SETTINGS_ID "set_00000000000000000000000000"

struct ud_settings {
	struct ud_row row;
	const char *name, *support_email, *support_phone;
	int64_t address_quarantine_days, audit_retention_years;
};
extern const struct ud_table ud_settings_table;

/* Days a released address rests. */
enum ud_code ud_settings_quarantine_days(struct ud_ctx *cx, int64_t *ret) UD_USE;

#endif
