/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See owner.h. Looking costs no commit; what is on its way is waited for.
 */
#include "server/replication/owner.h"

#include <string.h>

#include "base/crypto.h"
#include "base/failover.h"
#include "db/replications.h"
#include "server/agents/ca.h"
#include "server/replication/relations.h"

enum { DOING_SECONDS = 600, REST_MS = 300000 };

/* What is to be done about a relation now. */
enum move {
	WAIT,   /* the former source has its order, or has just refused it */
	DEMOTE, /* it has none yet */
	TURN,   /* it has given up: the other direction */
};

static struct ud_command_new order_for(const struct ud_replication *r)
{
	return (struct ud_command_new){ .host_id = r->source_host_id,
		.vm_id = r->vm_id,
		.verb = UD_VERB_DEMOTE,
		.args = "{\"keep_disk\":true}",
		.timeout_seconds = DOING_SECONDS,
		.wait_seconds = UD_STANDING_SECONDS };
}

static enum ud_code consider(
	struct ud_ctx *cx, const struct ud_replication *r, enum move *ret, int64_t *ret_epoch)
{
	const struct ud_command_new order = order_for(r);
	enum ud_command_state state = UD_COMMAND_UNKNOWN;
	const char *policy;
	int64_t ended_at = UD_NONE;
	bool found = false;

	UD_TRY(ud_vm_epoch(cx, r->vm_id, ret_epoch, &policy));
	UD_TRY(ud_command_last(cx, &order, *ret_epoch, &found, &state, &ended_at));
	if (!found)
		*ret = DEMOTE;
	else if (state == UD_COMMAND_DONE)
		*ret = TURN;
	else if (state < UD_COMMAND_DONE || cx->now_ms - ended_at < REST_MS)
		*ret = WAIT;
	else
		*ret = DEMOTE;
	return UD_OK;
}

/* No ticket stands behind it, but the epoch that people have made. */
static enum ud_code demote(struct ud_ctx *cx, const struct ud_commanding *c,
	const struct ud_replication *r, int64_t epoch)
{
	struct ud_command_new order = order_for(r);
	const char *leave = ud_printf(
		cx->arena, "%s epoch %lld of %s", r->vm_id, (long long)epoch, r->target_host_id);
	char hex[UD_SHA256_HEX];
	int64_t seq;

	ud_sha256_hex(leave, strlen(leave), hex);
	order.ticket_id = ud_printf(cx->arena, "epoch-%lld", (long long)epoch);
	order.plan_hash = ud_printf(cx->arena, "sha256:%s", hex);
	return ud_command_send(cx, c, &order, &seq);
}

static enum ud_code follow(
	struct ud_ctx *cx, const struct ud_commanding *c, struct ud_replication *r)
{
	enum move move = WAIT;
	int64_t epoch = 0;

	UD_TRY(consider(cx, r, &move, &epoch));
	if (move == DEMOTE)
		return demote(cx, c, r, epoch);
	return move == TURN ? ud_replication_reverse(cx, c, r) : UD_OK;
}

enum ud_code ud_replication_astray_due(struct ud_ctx *cx, bool *ret)
{
	struct ud_texts ids = { 0 };

	*ret = false;
	UD_TRY(ud_replications_astray(cx, &ids));
	for (size_t i = 0; i < ids.count && !*ret; i++) {
		struct ud_replication r = { 0 };
		enum move move = WAIT;
		int64_t epoch = 0;

		UD_TRY(ud_row_get(cx, &ud_replications, ids.items[i], &r));
		UD_TRY(consider(cx, &r, &move, &epoch));
		*ret = move != WAIT;
	}
	return UD_OK;
}

enum ud_code ud_replication_follow(struct ud_ctx *cx, const struct ud_commanding *c)
{
	struct ud_texts ids = { 0 };

	UD_TRY(ud_replications_astray(cx, &ids));
	for (size_t i = 0; i < ids.count; i++) {
		struct ud_replication r = { 0 };

		UD_TRY(ud_row_get(cx, &ud_replications, ids.items[i], &r));
		UD_TRY(follow(cx, c, &r));
	}
	return UD_OK;
}
