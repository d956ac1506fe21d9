/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two hosts that claim one VM. People look which of the copies counts, and two of them say so; the
 * other is demoted, and its disks are kept.
 */
#include <assert.h>
#include <string.h>

#include "api/api.h"
#include "base/crypto.h"
#include "base/failover.h"
#include "db/conflicts.h"
#include "db/events.h"
#include "db/leases.h"
#include "db/replications.h"
#include "db/vms.h"
#include "server/agents/ca.h"
#include "server/http/list.h"
#include "server/http/server.h"
#include "server/replication/owner.h"
#include "server/workflow/workflow.h"

enum {
	CHOOSE = UD_OPERATOR | UD_R(SUPPORT_ENGINEER) | UD_R(SUPPORT_LEAD),
	STATEMENT_MIN = 20,
	DOING_SECONDS = 600,
};

/* ---- looking ---- */

struct conflict {
	const char *vm_id;
	bool standing;
	int64_t epoch;
	const char *owner_host_id;
	struct ud_json claims;
};
/* clang-format off */
static const struct ud_field conflict_fields[] = {
	UD_FIELD(conflict, vm_id,         .about = "The VM."),
	UD_FIELD(conflict, standing,      .about = "True: hosts claim it against each other, and none is granted anything."),
	UD_FIELD(conflict, epoch,         .about = "Epoch that the server has."),
	UD_FIELD(conflict, owner_host_id, .about = "Host that has it by the server's records."),
	UD_FIELD(conflict, claims,        .about = "Hosts that say otherwise: host_id, epoch, claimed_at."),
};
/* clang-format on */
static const struct ud_shape conflict_shape = { .object = "owner_conflict",
	.bare = true,
	UD_SHAPE(conflict, conflict_fields),
	.about = "Who claims a VM." };

static const char *claims_text(struct ud_ctx *cx, const struct ud_epoch_claim *claims, size_t n)
{
	struct ud_buf b = { 0 };

	ud_buf_putc(&b, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			ud_buf_putc(&b, ',');
		ud_shape_encode(&b, &ud_epoch_claim_shape, &claims[i], NULL);
	}
	ud_buf_putc(&b, ']');
	return ud_buf_take(cx->arena, &b);
}

static enum ud_code show(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_epoch_claim claims[UD_EPOCH_CLAIMS_MAX];
	enum ud_lease_gate gate = UD_GATE_OPEN;
	struct ud_vm vm = { 0 };
	size_t n = 0;

	UD_TRY(ud_row_get(cx, &ud_vms, rq->arg[0], &vm));
	UD_TRY(ud_lease_gate_get(cx, vm.row.id, &gate));
	UD_TRY(ud_epoch_claims(cx, vm.row.id, claims, &n));
	const struct conflict out = { .vm_id = vm.row.id,
		.standing = gate == UD_GATE_CONFLICT,
		.epoch = vm.epoch,
		.owner_host_id = vm.host_id,
		.claims.text = claims_text(cx, claims, n) };

	return ud_answer(cx, rq, &conflict_shape, &out);
}

/* ---- choosing ---- */

struct choose_body {
	const char *host_id, *statement;
};
/* clang-format off */
static const struct ud_field choose_fields[] = {
	UD_FIELD(choose_body, host_id,   .flags = UD_REQUIRED, .refers = "hst", .about = "Host whose copy is to go on."),
	UD_FIELD(choose_body, statement, .flags = UD_REQUIRED, .min = STATEMENT_MIN, .max = 2000, .about = "What you have looked at yourself, in your own words."),
};
/* clang-format on */
static const struct ud_shape choose_shape = { .bare = true, UD_SHAPE(choose_body, choose_fields) };

/* A conflict as it is settled. */
struct settling {
	const struct ud_vm *vm;
	struct ud_epoch_claim claims[UD_EPOCH_CLAIMS_MAX];
	size_t n;
	struct ud_replication relation;
	const char *winner, *choice_id, *plan_hash;
};

static enum ud_code order(struct ud_ctx *cx, const struct ud_request *rq, const struct settling *s,
	const char *host_id, const char *verb, const char *args)
{
	const struct ud_command_new in = { .host_id = host_id,
		.vm_id = s->vm->row.id,
		.verb = verb,
		.args = args,
		.ticket_id = s->choice_id,
		.plan_hash = s->plan_hash,
		.timeout_seconds = DOING_SECONDS,
		.wait_seconds = UD_STANDING_SECONDS };
	int64_t seq;

	return ud_command_send(cx, &rq->server->commanding, &in, &seq);
}

static enum ud_code demote(struct ud_ctx *cx, const struct ud_request *rq, const struct settling *s,
	const char *host_id)
{
	assert(s->winner);
	if (!host_id || strcmp(host_id, s->winner) == 0)
		return UD_OK;
	return order(cx, rq, s, host_id, UD_VERB_DEMOTE, "{\"keep_disk\":true}");
}

/* Both ends hear of the new epoch as soon as their orders are done (server/replication/watch.c);
 * whom it runs from follows the owner (server/replication/owner.c). */
static enum ud_code renew_relation(struct ud_ctx *cx, const struct settling *s)
{
	struct ud_replication r = s->relation;

	r.generation++;
	return ud_row_update(cx, &ud_replications, &s->relation, &r);
}

/* The epoch is above all that were claimed, so whoever has not heard is an older primary. The
 * losers are told first. */
static enum ud_code settle(struct ud_ctx *cx, const struct ud_request *rq, const struct settling *s)
{
	int64_t epoch = s->vm->epoch;

	for (size_t i = 0; i < s->n; i++)
		epoch = s->claims[i].epoch > epoch ? s->claims[i].epoch : epoch;
	epoch++;
	UD_TRY(ud_owner_settle(cx, s->vm->row.id, s->winner, &epoch));
	UD_TRY(ud_flow_overtaken(cx, s->vm->row.id));
	UD_TRY(demote(cx, rq, s, s->vm->host_id));
	for (size_t i = 0; i < s->n; i++)
		if (!s->vm->host_id || strcmp(s->claims[i].host_id, s->vm->host_id) != 0)
			UD_TRY(demote(cx, rq, s, s->claims[i].host_id));
	UD_TRY(order(cx, rq, s, s->winner, UD_VERB_PROMOTE,
		ud_printf(cx->arena, "{\"replication_id\":\"%s\",\"peer_fenced\":true}",
			s->relation.row.id)));
	UD_TRY(renew_relation(cx, s));
	return ud_event_add_plain(cx, "vm.epoch_conflict_settled", s->vm->row.customer_id, "vm",
		s->vm->row.id,
		ud_printf(cx->arena, "{\"epoch\":%lld,\"host_id\":\"%s\"}", (long long)epoch,
			s->winner));
}

static bool is_party(const struct settling *s)
{
	if (s->vm->host_id && strcmp(s->vm->host_id, s->winner) == 0)
		return true;
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->claims[i].host_id, s->winner) == 0)
			return true;
	return false;
}

/* What was granted to others before it came to this is over first. */
static enum ud_code check_leases(struct ud_ctx *cx, const struct settling *s)
{
	int64_t left = 0;

	UD_TRY(ud_lease_wait(cx, s->vm->row.id, s->winner, &left));
	if (left <= 0)
		return UD_OK;
	return ud_fail(cx, UD_E_INVALID_STATE, NULL,
		"A lease of another host lasts for %lld seconds more: wait for its end.",
		(long long)((left + 999) / 1000));
}

static enum ud_code find_parties(
	struct ud_ctx *cx, const struct choose_body *in, struct settling *s)
{
	enum ud_lease_gate gate = UD_GATE_OPEN;
	bool found = false;

	UD_TRY(ud_lease_gate_get(cx, s->vm->row.id, &gate));
	if (gate != UD_GATE_CONFLICT)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "No two hosts claim this VM.");
	UD_TRY(ud_epoch_claims(cx, s->vm->row.id, s->claims, &s->n));
	s->winner = in->host_id;
	if (!is_party(s))
		return ud_fail_field(
			cx, "host_id", "not_found", "host_id is not one of those who claim it.");
	UD_TRY(ud_replication_of_vm(cx, s->vm->row.id, UD_LEG_PRIMARY, &found, &s->relation));
	return found ? UD_OK : ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is not replicated.");
}

static const char *hash_of(struct ud_ctx *cx, const char *statement)
{
	char hex[UD_SHA256_HEX];

	ud_sha256_hex(statement, strlen(statement), hex);
	return ud_printf(cx->arena, "sha256:%s", hex);
}

static enum ud_code choose(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct choose_body *in = rq->in;
	struct ud_vm vm = { 0 };
	struct settling s = { .vm = &vm, .plan_hash = hash_of(cx, in->statement) };
	int64_t others = 0;
	bool mine = false;

	UD_TRY(ud_row_get(cx, &ud_vms, rq->arg[0], &vm));
	UD_TRY(find_parties(cx, in, &s));
	UD_TRY(ud_owner_choices_count(cx, vm.row.id, vm.epoch, s.winner, &others, &mine));
	if (mine)
		return ud_fail(
			cx, UD_E_INVALID_STATE, NULL, "You have chosen; somebody else must, too.");
	struct ud_owner_choice c = { .row.customer_id = vm.row.customer_id,
		.vm_id = vm.row.id,
		.host_id = s.winner,
		.epoch = vm.epoch,
		.statement = in->statement,
		.user_id = cx->scope->id,
		.user_name = cx->scope->name,
		.effective = others > 0 };

	if (c.effective)
		UD_TRY(check_leases(cx, &s));
	UD_TRY(ud_row_insert(cx, &ud_owner_choices, &c));
	UD_TRY(ud_event_add(cx, "created", ud_owner_choices.shape, NULL, &c));
	s.choice_id = c.row.id;
	if (c.effective)
		UD_TRY(settle(cx, rq, &s));
	return ud_answer(cx, rq, ud_owner_choices.shape, &c);
}

static const struct ud_resource choices = { .table = &ud_owner_choices, .parent_column = "vm_id" };

static enum ud_code list(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_vm vm = { 0 };

	UD_TRY(ud_row_get(cx, &ud_vms, rq->arg[0], &vm));
	return ud_rest_list(cx, rq);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",  "/v1/vms/{id}/owner-conflict", "vms.owner-conflict", UD_STAFF, "vms:read",  0, .answer = &conflict_shape, .handle = show, .about = "Show which hosts claim a VM." },
	{ "GET",  "/v1/vms/{id}/owner-choices",  "vms.owner-choices",  UD_STAFF, "vms:read",  UD_LIST, .resource = &choices, .handle = list, .about = "List whom people have chosen of hosts that claimed a VM." },
	{ "POST", "/v1/vms/{id}/choose-owner",   "vms.choose-owner",   CHOOSE,   "vms:write", UD_WRITE | UD_PERSON | UD_STEP_UP, &choose_shape, .status = 201, .resource = &choices, .handle = choose, .about = "Say whose copy of a VM that two hosts claim is to go on; two different people must. The other is switched off, its disks are kept." },
};
/* clang-format on */
const struct ud_routes ud_api_conflicts = { "Owner conflicts", rows, UD_LEN(rows) };
