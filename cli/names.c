/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References by name: which collection a field's id belongs to.
 */
#include <string.h>

#include "base/id.h"
#include "cli/cli.h"

/* What ids of this beginning name, and where they are listed. */
static const struct cli_kind kinds[] = {
	{ "cus", "customer", "/v1/customers" },
	{ "sit", "site", "/v1/sites" },
	{ "fdm", "fault_domain", "/v1/fault-domains" },
	{ "hst", "host", "/v1/hosts" },
	{ "vm", "vm", "/v1/vms" },
	{ "net", "network", "/v1/networks" },
	{ "ipb", "ip_block", "/v1/ip-blocks" },
	{ "pol", "policy", "/v1/policies" },
	{ "pln", "recovery_plan", "/v1/recovery-plans" },
	{ "que", "queue", "/v1/queues" },
	{ "cal", "calendar", "/v1/calendars" },
	{ "tca", "ticket_category", "/v1/ticket-categories" },
	{ "usr", "user", "/v1/users" },
};

/* "^sit_…" in the schema says it. */
static bool has_prefix(json_t *schema, const struct cli_kind *k)
{
	const char *pattern = json_string_value(json_object_get(schema, "pattern"));
	size_t n = strlen(k->prefix);

	return pattern && strncmp(pattern + 1, k->prefix, n) == 0 && pattern[n + 1] == '_';
}

/* "site_id" and "target_host_id" do, where no pattern stands: in filters, and for customers. */
static bool has_name(const char *field, const struct cli_kind *k)
{
	size_t n = strlen(k->object), all = strlen(field);

	if (all < n + 3 || strcmp(field + all - 3, "_id") != 0)
		return false;
	const char *word = field + all - 3 - n;

	return strncmp(word, k->object, n) == 0 && (word == field || word[-1] == '_');
}

const struct cli_kind *ud_cli_named(const char *field, json_t *schema)
{
	bool pattern = json_object_get(schema, "pattern") != NULL;

	for (size_t i = 0; i < UD_LEN(kinds); i++)
		if (pattern ? has_prefix(schema, &kinds[i]) : has_name(field, &kinds[i]))
			return &kinds[i];
	return NULL;
}

int ud_cli_reference(
	struct cli *c, const char *field, json_t *schema, const char *text, const char **ret)
{
	const struct cli_kind *kind = ud_cli_named(field, schema);
	bool list = strchr(text, ',') || strcmp(text, "null") == 0; /* of a filter */

	*ret = text;
	if (!kind || !*text || list || ud_id_valid(text, NULL))
		return CLI_DONE;
	return ud_cli_resolve(c, kind->collection, text, ret);
}
