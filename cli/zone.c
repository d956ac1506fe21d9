/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --time-zone: instants in what people read are shown as clocks of that zone show them. What
 * programs read stays UTC.
 */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "base/zone.h"
#include "cli/cli.h"

int ud_cli_zone(struct cli *c, bool is_field)
{
	const char *name = is_field ? NULL : ud_cli_flag(c, "time-zone");
	struct ud_zone *zone;

	if (!name || ud_cli_flag(c, "utc"))
		return CLI_DONE;
	zone = ud_alloc(c->cx.arena, sizeof(*zone));
	if (ud_zone_load(&c->cx, name, zone) != UD_OK)
		return ud_cli_fail(CLI_USAGE, "there is no time zone %s", name);
	c->zone = zone;
	return CLI_DONE;
}

const char *ud_cli_local(struct cli *c, const char *text)
{
	char local[UD_TIME_TEXT];
	int64_t ms;
	size_t n = strlen(text);

	if (!c->zone || n < 20 || text[n - 1] != 'Z' || !ud_time_parse(text, &ms))
		return text;
	int32_t offset = ud_zone_offset(c->zone, ms / 1000);
	int minutes = (offset < 0 ? -offset : offset) / 60;

	ud_time_format(ms + offset * INT64_C(1000), local);
	return ud_printf(c->cx.arena, "%.10s %.8s %c%02d:%02d", local, local + 11,
		offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
}
