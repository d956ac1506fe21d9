/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An example of each command, made from what the specification says of its words and fields, so
 * that it can be typed as it stands. Tests type them all.
 */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "cli/cli.h"

#define DIGITS "_01k5s00000000000000000000a"

/* What stands for {…} behind a collection: a name where its things have one. */
static const struct {
	const char *collection, *name;
} things[] = {
	{ "/v1/agents", "agt" DIGITS },
	{ "/v1/approval-policies", "drills" },
	{ "/v1/audit-records", "evt" DIGITS },
	{ "/v1/calendars", "london" },
	{ "/v1/checkpoints", "cpt" DIGITS },
	{ "/v1/customers", "acme" },
	{ "/v1/events", "evt" DIGITS },
	{ "/v1/evidence", "evd" DIGITS },
	{ "/v1/failovers", "flo" DIGITS },
	{ "/v1/fault-domains", "r1" },
	{ "/v1/hosts", "lon-a" },
	{ "/v1/ip-addresses", "203.0.113.7" },
	{ "/v1/ip-blocks", "203.0.113.0/28" },
	{ "/v1/macros", "slow" },
	{ "/v1/me/notifications", "ntf" DIGITS },
	{ "/v1/me/sessions", "ses" DIGITS },
	{ "/v1/me/tokens", "tok" DIGITS },
	{ "/v1/networks", "prod" },
	{ "/v1/operations", "op" DIGITS },
	{ "/v1/policies", "gold" },
	{ "/v1/queues", "Support" },
	{ "/v1/recovery-plans", "erp" },
	{ "/v1/recovery-points", "rpt" DIGITS },
	{ "/v1/replications", "sql-01" },
	{ "/v1/service-accounts", "billing" },
	{ "/v1/sites", "lon" },
	{ "/v1/slas", "standard" },
	{ "/v1/standing-orders", "sto" DIGITS },
	{ "/v1/subscriptions", "sub" DIGITS },
	{ "/v1/ticket-categories", "network" },
	{ "/v1/tickets", "261128-lon-0000412" },
	{ "/v1/users", "ops@example.net" },
	{ "/v1/vms", "sql-01" },
	{ "attachment_id", "tat" DIGITS },
	{ "comment_id", "tco" DIGITS },
	{ "entry_id", "tte" DIGITS },
	{ "link_id", "tln" DIGITS },
	{ "n", "4" },
	{ "token_id", "tok" DIGITS },
	{ "watcher_id", "twa" DIGITS },
};

/* Texts whose schema does not say enough of them. */
static const struct {
	const char *field, *text;
} texts[] = {
	{ "account_number", "A-1" },
	{ "address", "203.0.113.7" },
	{ "body", "We are looking." },
	{ "code", "lon" },
	{ "content", "hello" },
	{ "customer_id", "cus" DIGITS },
	{ "display_name", "Night shift" },
	{ "email", "ops@example.net" },
	{ "items", "[{\"body\":{\"name\":\"first\"}}]" },
	{ "members", "[{\"vm_id\":\"vm" DIGITS "\",\"group\":1}]" },
	{ "name", "first" },
	{ "note", "as agreed" },
	{ "path", "/etc/hostname" },
	{ "plan_hash", "0f4c" },
	{ "prefix", "203.0.113.0/28" },
	{ "prefix_length", "30" },
	{ "program", "/usr/bin/uptime" },
	{ "question", "Since when?" },
	{ "rpo_target_seconds", "60" },
	{ "rto_target_seconds", "600" },
	{ "schedule_interval_seconds", "30" },
	{ "statement", "The machine is off: I saw its lights go out." },
	{ "subject", "sql-01 is slow" },
	{ "time_zone", "Europe/London" },
	{ "to", "the vendor" },
};

static const char *thing(const char *collection, const char *parameter)
{
	for (size_t i = 0; i < UD_LEN(things); i++)
		if (strcmp(things[i].collection, collection) == 0 ||
			strcmp(things[i].collection, parameter) == 0)
			return things[i].name;
	return parameter;
}

/* The words of the path's {…}, each behind a space. */
static const char *things_of(struct cli *c, const char *path)
{
	const char *out = "";

	for (const char *p = path; (p = strchr(p, '{')); p++)
		out = ud_printf(c->cx.arena, "%s %s", out,
			thing(ud_strndup(c->cx.arena, path, (size_t)(p - path - 1)),
				ud_strndup(c->cx.arena, p + 1, strcspn(p + 1, "}"))));
	return out;
}

/* A value that the field takes. */
static const char *value_of(struct cli *c, const char *field, json_t *schema)
{
	json_t *values = json_object_get(schema, "enum"),
	       *least = json_object_get(schema, "minimum");
	const char *pattern = json_string_value(json_object_get(schema, "pattern"));
	const char *format = json_string_value(json_object_get(schema, "format"));

	if (values)
		return json_string_value(json_array_get(values, 0));
	for (size_t i = 0; i < UD_LEN(texts); i++)
		if (strcmp(texts[i].field, field) == 0)
			return texts[i].text;
	if (ud_cli_has_type(schema, "integer"))
		return ud_printf(c->cx.arena, "%lld", (long long)json_integer_value(least));
	if (pattern && pattern[0] == '^' && strchr(pattern, '_'))
		return ud_printf(
			c->cx.arena, "%.*s" DIGITS, (int)strcspn(pattern + 1, "_"), pattern + 1);
	if (format && strcmp(format, "date-time") == 0)
		return "2027-01-31T22:00:00Z";

	return ud_cli_has_type(schema, "array") ? "*" : "words";
}

/* A new thing has the name that the other examples find it by. */
static const char *value_for(
	struct cli *c, const struct cli_command *cmd, const char *field, json_t *schema)
{
	const char *name = thing(cmd->path, "");

	return strcmp(field, "name") == 0 && *name && !strstr(name, DIGITS)
		? name
		: value_of(c, field, schema);
}

static const char *with_field(struct cli *c, const struct cli_command *cmd, const char *line,
	const char *field, json_t *schema)
{
	char *flag = ud_strdup(c->cx.arena, field);

	for (char *p = flag; *p; p++)
		*p = *p == '_' ? '-' : *p;
	if (ud_cli_has_type(schema, "boolean"))
		return ud_printf(c->cx.arena, "%s --%s", line, flag);
	const char *value = value_for(c, cmd, field, schema);
	const char *quote = strpbrk(value, " *\"[]{}") ? "'" : "";

	return ud_printf(c->cx.arena, "%s --%s %s%s%s", line, flag, quote, value, quote);
}

/* All that is required; of a change the first field there is. */
static const char *with_fields(struct cli *c, const struct cli_command *cmd, const char *line)
{
	json_t *schema = ud_cli_body_schema(c, cmd), *required, *name, *s;
	const char *field;
	size_t i;

	required = json_object_get(schema, "required");
	json_array_foreach(required, i, name) line = with_field(c, cmd, line,
		json_string_value(name),
		json_object_get(json_object_get(schema, "properties"), json_string_value(name)));
	if (json_array_size(required) || strcmp(cmd->method, "patch") != 0)
		return line;
	json_object_foreach(
		json_object_get(schema, "properties"), field, s) if (strcmp(field, "labels") != 0 &&
		strcmp(field, "customer_id") != 0) return with_field(c, cmd, line, field, s);
	return line;
}

/* Query parameters that must be there. */
static const char *with_query(struct cli *c, const struct cli_command *cmd, const char *line)
{
	json_t *p;
	size_t i;

	json_array_foreach(json_object_get(cmd->operation, "parameters"), i,
		p) if (json_is_true(json_object_get(p, "required")) &&
		strcmp(ud_cli_text(p, "in"), "query") == 0) line =
		with_field(c, cmd, line, ud_cli_text(p, "name"), json_object_get(p, "schema"));
	return line;
}

const char *ud_cli_example(struct cli *c, const struct cli_command *cmd)
{
	const char *line = ud_printf(c->cx.arena, "understudy %s%s",
		ud_cli_command_name(c, cmd->id), things_of(c, cmd->path));

	line = with_fields(c, cmd, with_query(c, cmd, line));
	if (strcmp(cmd->id, "search") == 0)
		return ud_printf(c->cx.arena, "%s lon-a", line);
	return strcmp(cmd->method, "delete") == 0 ? ud_printf(c->cx.arena, "%s --yes", line) : line;
}
