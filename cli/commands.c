/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations as commands. The one table here gives resources their nouns; verbs are what stands
 * behind the resource in the operation's id.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const struct {
	const char *resource, *noun;
} nouns[] = {
	/* the more particular first */
	{ "tickets.comments.create", "ticket comment" },
	{ "tickets.comments.list", "ticket thread" },
	{ "tickets.request-info", "ticket info" },
	{ "tickets", "ticket" },
	{ "queues", "queue" },
	{ "macros", "macro" },
	{ "ticket-categories", "ticket-category" },
	{ "ticket-forms", "ticket-form" },
	{ "approval-policies", "approval-policy" },
	{ "standing-orders", "standing-order" },
	{ "me.notifications", "notification" },
	{ "me.notification-preferences", "notification-preferences" },
	{ "calendars", "calendar" },
	{ "slas", "sla" },
	{ "recovery-plans", "plan" },
	{ "recovery", "recovery" },
	{ "failovers", "failover" },
	{ "evidence", "evidence" },
	{ "customers", "customer" },
	{ "subscriptions", "subscription" },
	{ "roles", "role" },
	{ "sites", "site" },
	{ "fault-domains", "fault-domain" },
	{ "hosts", "host" },
	{ "replications.recovery-points", "replication points" },
	{ "replications", "replication" },
	{ "recovery-points", "recovery-point" },
	{ "policies", "policy" },
	{ "vms", "vm" },
	{ "checkpoints", "checkpoint" },
	{ "agents", "agent" },
	{ "topology", "topology" },
	{ "networks", "network" },
	{ "ip-blocks", "ip block" },
	{ "ip-addresses", "ip address" },
	{ "users", "user" },
	{ "service-accounts", "service-account" },
	{ "events", "event" },
	{ "audit-records", "audit" },
	{ "operations", "operation" },
	{ "settings", "settings" },
	{ "me.tokens", "token" },
	{ "me.sessions", "session" },
	{ "me.saved-views", "saved-view" },
	{ "me.show", "whoami" },
	{ "me.edit", "me edit" },
	{ "search", "search" },
};

/* What commands of their own do, as body or answer is no JSON. */
static const char *const hidden[] = { "events.stream", "tickets.attachments.create" };

const char *ud_cli_command_name(struct cli *c, const char *id)
{
	for (size_t i = 0; i < UD_LEN(hidden); i++)
		if (strcmp(hidden[i], id) == 0)
			return NULL;
	for (size_t i = 0; i < UD_LEN(nouns); i++) {
		size_t n = strlen(nouns[i].resource);

		if (strncmp(id, nouns[i].resource, n) != 0 || (id[n] && id[n] != '.'))
			continue;
		char *name = ud_printf(c->cx.arena, "%s%s", nouns[i].noun, id + n);

		for (char *p = name; *p; p++)
			*p = *p == '.' ? ' ' : *p;
		return name;
	}
	return NULL;
}

void ud_cli_command_each(struct cli *c,
	void (*visit)(struct cli *c, const struct cli_command *cmd, void *data), void *data)
{
	json_t *methods, *operation;
	const char *path, *method;

	json_object_foreach(json_object_get(c->spec, "paths"), path, methods)
		json_object_foreach(methods, method, operation)
	{
		struct cli_command cmd = { method, path,
			json_string_value(json_object_get(operation, "operationId")), operation };

		if (ud_cli_command_name(c, cmd.id))
			visit(c, &cmd, data);
	}
}

struct search {
	struct cli_command *found;
	size_t used;
};

/* How many words of the line the name takes; 0 = it does not fit. */
static size_t fits(const struct cli *c, const char *name)
{
	size_t n = 0;

	while (*name) {
		size_t len = strcspn(name, " ");

		if (n >= c->word_count || strlen(c->words[n]) != len ||
			strncmp(c->words[n], name, len) != 0)
			return 0;
		n++;
		name += len + (name[len] == ' ');
	}
	return n;
}

static void try_command(struct cli *c, const struct cli_command *cmd, void *data)
{
	struct search *s = data;
	size_t used = fits(c, ud_cli_command_name(c, cmd->id));

	if (used <= s->used)
		return;
	s->used = used;
	*s->found = *cmd;
}

bool ud_cli_command_find(struct cli *c, struct cli_command *ret, size_t *ret_used)
{
	struct search s = { ret, 0 };

	ud_cli_command_each(c, try_command, &s);
	*ret_used = s.used;
	return s.used > 0;
}

json_t *ud_cli_schema(const struct cli *c, json_t *schema)
{
	json_t *first = json_array_get(json_object_get(schema, "anyOf"), 0);

	if (first)
		return ud_cli_schema(c, first);
	const char *ref = json_string_value(json_object_get(schema, "$ref"));
	const char *name = ref ? strrchr(ref, '/') + 1 : NULL;

	return name
		? json_object_get(
			  json_object_get(json_object_get(c->spec, "components"), "schemas"), name)
		: schema;
}

/* The schema of the first media type. */
static json_t *content_schema(json_t *content)
{
	void *first = json_object_iter(content);

	return first ? json_object_get(json_object_iter_value(first), "schema") : NULL;
}

json_t *ud_cli_body_schema(const struct cli *c, const struct cli_command *cmd)
{
	json_t *body = json_object_get(cmd->operation, "requestBody");

	return ud_cli_schema(c, content_schema(json_object_get(body, "content")));
}

json_t *ud_cli_answer_schema(const struct cli *c, const struct cli_command *cmd)
{
	json_t *responses = json_object_get(cmd->operation, "responses"), *r, *s = NULL;
	const char *status;

	json_object_foreach(responses, status, r) if (status[0] == '2') s =
		ud_cli_schema(c, content_schema(json_object_get(r, "content")));
	json_t *items =
		json_object_get(json_object_get(json_object_get(s, "properties"), "data"), "items");

	return items ? ud_cli_schema(c, items) : s;
}

size_t ud_cli_path_args(const char *path)
{
	size_t n = 0;

	for (; (path = strchr(path, '{')); path++)
		n++;
	return n;
}
