/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of settings.
 */
#include "db/settings.h"

#include "base/rules.h"

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_settings, name,                    .flags = UD_REQUIRED | UD_BRIEF, .max = 100, .rule = ud_rule_name, .about = "Name of the installation, on pages and in mail."),
	UD_FIELD(ud_settings, support_email,           .max = 254, .rule = ud_rule_email, .about = "Address that people write to for help."),
	UD_FIELD(ud_settings, support_phone,           .max = 50, .rule = ud_rule_name, .about = "Number that people call for help."),
	UD_FIELD(ud_settings, address_quarantine_days, .min = 0, .max = 365, .standard = 7, .about = "Days a released address rests before it is given out again."),
	UD_FIELD(ud_settings, audit_retention_years,   .min = 1, .max = 30, .standard = 7, .about = "Years that audit records are kept at least."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "settings",
	.prefix = "set",
	.table = "settings",
	UD_SHAPE(ud_settings, fields),
	.about = "Settings of the installation." };
const struct ud_table ud_settings_table = { .shape = &shape };

enum ud_code ud_settings_quarantine_days(struct ud_ctx *cx, int64_t *ret)
{
	bool found;

	*ret = 7;
	/* every tenant: one setting for all */
	return ud_query_int(cx, &found, ret,
		"SELECT address_quarantine_days FROM settings WHERE id = '" UD_SETTINGS_ID "'",
		UD_NO_VALS);
}
