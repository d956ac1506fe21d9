/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people ask of hosts, and what hosts told of themselves.
 */
#include <string.h>

#include "api/api.h"
#include "api/verbs.h"
#include "base/verbs.h"
#include "db/agents.h"
#include "db/commands.h"
#include "db/events.h"
#include "db/inventory.h"

enum {
	CHANGE = UD_OPERATOR | UD_R(SUPPORT_ENGINEER) | UD_R(SUPPORT_LEAD),
	ASK_SECONDS = 120,
	LOG_LINES = 500,
};

static const struct ud_resource operations = { .table = &ud_operations };
static const struct ud_resource hosts = { .table = &ud_hosts, .complete = ud_host_complete };

/* ---- states ---- */

static enum ud_code move(struct ud_ctx *cx, struct ud_request *rq, const char *op, unsigned state,
	struct ud_host *ret)
{
	struct ud_host old = { 0 };

	UD_TRY(ud_row_get(cx, &ud_hosts, rq->arg[0], &old));
	UD_TRY(ud_check_match(cx, rq, old.row.version));
	UD_TRY(ud_host_may(cx, &old, op));
	*ret = old;
	ret->state = state;
	ret->state_before = NULL;
	UD_TRY(ud_row_update(cx, &ud_hosts, &old, ret));
	return ud_event_add(cx, ud_host_states.names[state], ud_hosts.shape, &old, ret);
}

static enum ud_code resume(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_host h = { 0 };

	UD_TRY(move(cx, rq, "resume", UD_HOST_ACTIVE, &h));
	UD_TRY(ud_host_complete(cx, &h));
	return ud_answer(cx, rq, ud_hosts.shape, &h);
}

static enum ud_code quarantine(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_host h = { 0 };

	UD_TRY(move(cx, rq, "quarantine", UD_HOST_QUARANTINED, &h));
	UD_TRY(ud_host_complete(cx, &h));
	return ud_answer(cx, rq, ud_hosts.shape, &h);
}

/* VMs that still run there, as steps for a person: they are moved by failover or shut down. */
static enum ud_code still_running(struct ud_ctx *cx, const char *host_id, const char **ret)
{
	struct ud_texts ids = { 0 };
	struct ud_buf b = { 0 };
	enum ud_code code = ud_inventory_vms_of(cx, host_id, &ids);

	for (size_t i = 0; code == UD_OK && i < ids.count; i++) {
		struct ud_vm vm = { 0 };

		code = ud_row_get(cx, &ud_vms, ids.items[i], &vm);
		if (code != UD_OK || vm.power == UD_POWER_OFF || vm.power == UD_POWER_SAVED)
			continue;
		ud_buf_puts(&b, b.len ? ",{\"name\":" : "[{\"name\":");
		ud_buf_json(&b, vm.name);
		ud_buf_printf(&b, ",\"state\":\"waiting\",\"vm_id\":\"%s\"}", vm.row.id);
	}
	ud_buf_puts(&b, b.len ? "]" : "[]");
	*ret = ud_buf_take(cx->arena, &b);
	return code;
}

/* From now on nothing is started or placed there. What runs is not touched: the operation names it.
 */
static enum ud_code drain(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_operation op = { .kind = "host_drain",
		.state = UD_OPERATION_SUCCEEDED,
		.progress_percent = 100,
		.requested_by = cx->scope->id };
	struct ud_host h = { 0 };

	UD_TRY(move(cx, rq, "drain", UD_HOST_MAINTENANCE, &h));
	UD_TRY(still_running(cx, h.row.id, &op.steps.text));
	op.resource.text = ud_printf(cx->arena, "{\"id\":\"%s\",\"object\":\"host\"}", h.row.id);
	op.ended_at.ms = cx->now_ms;
	UD_TRY(ud_row_insert(cx, &ud_operations, &op));
	UD_TRY(ud_event_add(cx, "succeeded", ud_operations.shape, NULL, &op));
	return ud_answer_operation(cx, rq, &op);
}

/* ---- questions ---- */

static enum ud_code ask_host(struct ud_ctx *cx, struct ud_request *rq, const char *host_id,
	const char *verb, const struct ud_shape *shape, const void *args)
{
	const struct ud_ask ask = { .host_id = host_id,
		.verb = verb,
		.args_shape = shape,
		.args = args,
		.timeout_seconds = ASK_SECONDS };

	return ud_ask_agent(cx, rq, &ask);
}

static enum ud_code diagnose(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_host h = { 0 };

	UD_TRY(ud_row_get(cx, &ud_hosts, rq->arg[0], &h));
	UD_TRY(ud_host_may(cx, &h, "diagnose"));
	return ask_host(cx, rq, h.row.id, UD_VERB_HOST_DIAGNOSE, NULL, NULL);
}

/* What the host's driver cannot do is answered by its agent, with the reason. */
static enum ud_code change_host(
	struct ud_ctx *cx, struct ud_request *rq, const char *op, const char *verb)
{
	struct ud_host h = { 0 };

	UD_TRY(ud_row_get(cx, &ud_hosts, rq->arg[0], &h));
	UD_TRY(ud_host_may(cx, &h, op));
	return ask_host(cx, rq, h.row.id, verb, rq->route->body, rq->in);
}

static enum ud_code set_balance(struct ud_ctx *cx, struct ud_request *rq)
{
	return change_host(cx, rq, "balance", UD_VERB_HOST_BALANCE);
}

static enum ud_code set_team(struct ud_ctx *cx, struct ud_request *rq)
{
	return change_host(cx, rq, "team", UD_VERB_HOST_TEAM);
}

static enum ud_code fetch_logs(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct ud_logs_args args = { LOG_LINES };
	struct ud_agent a = { 0 };

	UD_TRY(ud_row_get(cx, &ud_agents_table, rq->arg[0], &a));
	if (!ud_agent_alive(&a))
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The agent is %s.",
			ud_agent_states.names[a.state]);
	return ask_host(cx, rq, a.host_id, UD_VERB_HOST_LOGS, &ud_logs_args_shape, &args);
}

static enum ud_code logs(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_text_result r = { 0 };
	struct ud_agent a = { 0 };
	const char *text = NULL;
	int64_t at;

	UD_TRY(ud_row_get(cx, &ud_agents_table, rq->arg[0], &a));
	UD_TRY(ud_command_newest(cx, a.host_id, UD_VERB_HOST_LOGS, &text, &at));
	if (!text)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"Nobody has fetched this agent's log yet: POST to this address.");
	UD_TRY(ud_shape_read(cx, &ud_text_result_shape, text, strlen(text), &r));
	ud_buf_puts(&rq->out, r.text ? r.text : "");
	return ud_answer_text(cx, rq, 200, "text/plain; charset=utf-8");
}

/* ---- facts ---- */

/* What a host told of itself, or a part of it. */
struct host_facts {
	const char *host_id;
	struct ud_time observed_at;
	struct ud_json facts, networks, storage, teams, cluster, spaces, smb;
};
/* clang-format off */
static const struct ud_field facts_fields[] = {
	UD_FIELD(host_facts, host_id,     .about = "The host."),
	UD_FIELD(host_facts, observed_at, .about = "When it told."),
	UD_FIELD(host_facts, facts,       .about = "All that it told."),
};
static const struct ud_field networks_fields[] = {
	UD_FIELD(host_facts, host_id,     .about = "The host."),
	UD_FIELD(host_facts, observed_at, .about = "When it told."),
	UD_FIELD(host_facts, networks,    .about = "Networks that VMs can be connected to."),
};
static const struct ud_field storage_fields[] = {
	UD_FIELD(host_facts, host_id,     .about = "The host."),
	UD_FIELD(host_facts, observed_at, .about = "When it told."),
	UD_FIELD(host_facts, storage,     .about = "Storage pools with their room."),
};
static const struct ud_field teams_fields[] = {
	UD_FIELD(host_facts, host_id,     .about = "The host."),
	UD_FIELD(host_facts, observed_at, .about = "When it told."),
	UD_FIELD(host_facts, teams,       .about = "Teams of network cards with their members."),
};
static const struct ud_field cluster_fields[] = {
	UD_FIELD(host_facts, host_id,     .about = "The host."),
	UD_FIELD(host_facts, observed_at, .about = "When it told."),
	UD_FIELD(host_facts, cluster,     .about = "Its cluster: name, balancer, nodes, fault domains; null = none."),
};
static const struct ud_field spaces_fields[] = {
	UD_FIELD(host_facts, host_id,     .about = "The host."),
	UD_FIELD(host_facts, observed_at, .about = "When it told."),
	UD_FIELD(host_facts, spaces,      .about = "Storage Spaces: pools, volumes and disks with their health, jobs of repair; null = none."),
};
static const struct ud_field smb_fields[] = {
	UD_FIELD(host_facts, host_id,     .about = "The host."),
	UD_FIELD(host_facts, observed_at, .about = "When it told."),
	UD_FIELD(host_facts, smb,         .about = "Paths to file servers, and which are selected or failed; null = none."),
};
/* clang-format on */
static const struct ud_shape facts_shape = {
	.object = "host_facts", UD_SHAPE(host_facts, facts_fields), .bare = true
};
static const struct ud_shape networks_shape = {
	.object = "host_networks", UD_SHAPE(host_facts, networks_fields), .bare = true
};
static const struct ud_shape storage_shape = {
	.object = "host_storage", UD_SHAPE(host_facts, storage_fields), .bare = true
};
static const struct ud_shape teams_shape = {
	.object = "host_teams", UD_SHAPE(host_facts, teams_fields), .bare = true
};

static const struct ud_shape cluster_shape = {
	.object = "host_cluster", UD_SHAPE(host_facts, cluster_fields), .bare = true
};
static const struct ud_shape spaces_shape = {
	.object = "host_spaces", UD_SHAPE(host_facts, spaces_fields), .bare = true
};
static const struct ud_shape smb_shape = {
	.object = "host_smb", UD_SHAPE(host_facts, smb_fields), .bare = true
};

static enum ud_code facts(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_host_facts f = { 0 };
	struct host_facts out = { 0 };
	struct ud_host h = { 0 };
	const char *text = NULL;

	UD_TRY(ud_row_get(cx, &ud_hosts, rq->arg[0], &h));
	UD_TRY(ud_inventory_host_facts(cx, h.row.id, &text, &out.observed_at.ms));
	if (!text)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The host has told nothing yet.");
	UD_TRY(ud_shape_read(cx, &ud_host_facts_shape, text, strlen(text), &f));
	out.host_id = h.row.id;
	out.facts.text = text;
	out.networks = f.networks;
	out.storage = f.pools;
	out.teams = f.teams;
	out.cluster = f.cluster;
	out.spaces = f.spaces;
	out.smb = f.smb;
	return ud_answer(cx, rq, rq->route->answer, &out);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "POST", "/v1/hosts/{id}/drain",      "hosts.drain",      CHANGE,         "hosts:write", UD_WRITE, .status = 202, .resource = &operations, .handle = drain, .about = "Put a host into maintenance: nothing is started there; the operation names what still runs." },
	{ "POST", "/v1/hosts/{id}/resume",     "hosts.resume",     CHANGE,         "hosts:write", UD_WRITE, .resource = &hosts, .handle = resume, .about = "End maintenance or quarantine of a host, after a person has looked." },
	{ "POST", "/v1/hosts/{id}/quarantine", "hosts.quarantine", CHANGE,         "hosts:write", UD_WRITE, .resource = &hosts, .handle = quarantine, .about = "Start nothing on a host until a person has looked at it." },
	{ "POST", "/v1/hosts/{id}/diagnose",   "hosts.diagnose",   UD_STAFF_WRITE, "hosts:write", UD_WRITE, .status = 202, .resource = &operations, .handle = diagnose, .about = "Gather what tells what is wrong with a host." },
	{ "GET",  "/v1/hosts/{id}/facts",      "hosts.facts",      UD_STAFF,       "hosts:read",  0, .answer = &facts_shape, .handle = facts, .about = "What a host told of itself last." },
	{ "GET",  "/v1/hosts/{id}/networks",   "hosts.networks",   UD_STAFF,       "hosts:read",  0, .answer = &networks_shape, .handle = facts, .about = "Networks of a host." },
	{ "GET",  "/v1/hosts/{id}/storage",    "hosts.storage",    UD_STAFF,       "hosts:read",  0, .answer = &storage_shape, .handle = facts, .about = "Storage pools of a host." },
	{ "GET",  "/v1/hosts/{id}/teams",      "hosts.teams",      UD_STAFF,       "hosts:read",  0, .answer = &teams_shape, .handle = facts, .about = "Teams of network cards of a host." },
	{ "GET",  "/v1/hosts/{id}/cluster",    "hosts.cluster",    UD_STAFF,       "hosts:read",  0, .answer = &cluster_shape, .handle = facts, .about = "Cluster of a host: balancer, nodes, fault domains." },
	{ "GET",  "/v1/hosts/{id}/spaces",     "hosts.spaces",     UD_STAFF,       "hosts:read",  0, .answer = &spaces_shape, .handle = facts, .about = "Storage Spaces of a host: pools, volumes, disks, repairs." },
	{ "GET",  "/v1/hosts/{id}/smb",        "hosts.smb",        UD_STAFF,       "hosts:read",  0, .answer = &smb_shape, .handle = facts, .about = "Paths of a host to file servers." },
	{ "POST", "/v1/hosts/{id}/balance",    "hosts.balance",    CHANGE,         "hosts:write", UD_WRITE, .body = &ud_host_balance_shape, .status = 202, .resource = &operations, .handle = set_balance, .about = "Say when a host's cluster moves VMs by itself, and from what load on." },
	{ "POST", "/v1/hosts/{id}/teams",      "hosts.team",       CHANGE,         "hosts:write", UD_WRITE, .body = &ud_host_team_shape, .status = 202, .resource = &operations, .handle = set_team, .about = "Change a team of network cards, or make a switch over them." },
	{ "POST", "/v1/agents/{id}/logs",      "agents.fetch-logs", UD_STAFF_WRITE, "agents:write", UD_WRITE, .status = 202, .resource = &operations, .handle = fetch_logs, .about = "Fetch the newest lines of an agent's log." },
	{ "GET",  "/v1/agents/{id}/logs",      "agents.logs",      UD_STAFF,       "agents:read", 0, .media = "text/plain", .handle = logs, .about = "The lines of an agent's log that were fetched last." },
};
/* clang-format on */
const struct ud_routes ud_api_host_verbs = { "Hosts", rows, UD_LEN(rows) };
