/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of commands. Every statement here serves all tenants: agents belong to hosts, not customers,
 * and whoever adds a command has read its VM with a scope of its own.
 */
#include "db/commands.h"

#include <string.h>

#include "db/events.h"

static const char *const state_names[] = { "queued", "delivered", "done", "refused", "failed",
	"unknown", "expired", "withdrawn" };
/* Not of a VM whose hosts are still to be heard after a restore (db/recovery.h). */
#define UNHELD                                                                      \
	" AND NOT EXISTS (SELECT 1 FROM vms WHERE vms.id = commands.subject_id AND" \
	" vms.lease_gate = 'recovering')"

const struct ud_enum ud_command_states = { "command_state", state_names, UD_LEN(state_names) };

/* Take the next number of a VM (or host), with what the command must carry of it. */
static enum ud_code take_number(struct ud_ctx *cx, const struct ud_command_new *in,
	struct ud_wire_command *c, const char **ret_customer)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	if (in->vm_id) /* every tenant: the caller has read it with its scope */
		UD_TRY(ud_query(cx, &rows,
			"UPDATE vms SET cmd_seq = cmd_seq + 1 WHERE id = $1"
			" RETURNING cmd_seq, epoch, hypervisor_uuid, customer_id",
			UD_VALS(ud_t(in->vm_id))));
	else /* every tenant: the caller has read it with its scope */
		UD_TRY(ud_query(cx, &rows,
			"UPDATE hosts SET cmd_seq = cmd_seq + 1 WHERE id = $1"
			" RETURNING cmd_seq, 0, NULL, customer_id",
			UD_VALS(ud_t(in->host_id))));
	UD_TRY(ud_next(cx, rows, &more));
	if (!more)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no such VM or host.");
	c->seq = ud_col_int(rows, 0);
	c->epoch = ud_col_int(rows, 1);
	c->uuid = ud_col_dup(cx, rows, 2);
	*ret_customer = ud_col_dup(cx, rows, 3);
	return ud_next(cx, rows, &more);
}

enum ud_code ud_command_add(struct ud_ctx *cx, const unsigned char key[UD_SIGN_KEY],
	const struct ud_command_new *in, int64_t *ret_seq)
{
	struct ud_wire_command c = {
		.host_id = in->host_id,
		.subject_id = in->vm_id ? in->vm_id : in->host_id,
		.verb = in->verb,
		.args.text = in->args,
		.ticket_id = in->ticket_id,
		.plan_hash = in->plan_hash,
		.timeout_seconds = in->timeout_seconds,
	};
	const char *customer_id = NULL;

	UD_TRY(take_number(cx, in, &c, &customer_id));
	const char *payload = ud_wire_payload(cx, &c);

	UD_TRY(ud_exec(cx, NULL,
		"INSERT INTO commands(subject_id, seq, host_id, customer_id, verb, epoch, state, payload,"
		" signature, operation_id, created_at, expires_at)"
		" VALUES ($1, $2, $3, $4, $5, $6, 'queued', $7, $8, $9, $10, $11)",
		UD_VALS(ud_t(c.subject_id), ud_i(c.seq), ud_t(c.host_id), ud_t(customer_id),
			ud_t(c.verb), ud_i(c.epoch), ud_t(payload),
			ud_t(ud_wire_sign(cx->arena, key, payload)), ud_t(in->operation_id),
			ud_i(cx->now_ms), ud_i(cx->now_ms + in->wait_seconds * 1000))));
	*ret_seq = c.seq;
	return UD_OK;
}

enum ud_code ud_command_open(struct ud_ctx *cx, const char *subject_id, const char *host_id,
	const char **ret_verb, const char **ret_operation)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret_verb = *ret_operation = NULL;
	/* every tenant: the caller has read the subject with its scope */
	UD_TRY(ud_query(cx, &rows,
		"SELECT verb, operation_id FROM commands"
		" WHERE subject_id = $1 AND host_id = COALESCE($2, host_id)"
		" AND state IN ('queued', 'delivered') ORDER BY seq LIMIT 1",
		UD_VALS(ud_t(subject_id), ud_t(host_id))));
	UD_TRY(ud_next(cx, rows, &more));
	if (!more)
		return UD_OK;
	*ret_verb = ud_col_dup(cx, rows, 0);
	*ret_operation = ud_col_dup(cx, rows, 1);
	return UD_OK;
}

enum ud_code ud_command_visit(
	struct ud_ctx *cx, const char *host_id, ud_command_visitor *visit, void *data)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	/* every tenant: a host runs VMs of several */
	UD_TRY(ud_query(cx, &rows,
		"SELECT subject_id, verb, seq, state, payload, signature, delivered_by, delivered_n"
		" FROM commands"
		" WHERE host_id = $1 AND state IN ('queued', 'delivered')" UNHELD
		" ORDER BY subject_id, seq LIMIT $2",
		UD_VALS(ud_t(host_id), ud_i(UD_COMMANDS_OPEN_MAX))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		struct ud_command_pending p = { .subject_id = ud_col_text(rows, 0),
			.verb = ud_col_text(rows, 1),
			.seq = ud_col_int(rows, 2),
			.delivered = strcmp(ud_col_text(rows, 3), "delivered") == 0,
			.message = { ud_col_text(rows, 4), ud_col_text(rows, 5) },
			.mark = { ud_col_text(rows, 6), ud_col_int(rows, 7) } };

		UD_TRY(visit(cx, data, &p));
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum { HOSTS_MAX = 20000 };

enum ud_code ud_command_hosts(struct ud_ctx *cx, struct ud_texts *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	ret->items = ud_alloc(cx->arena, sizeof(char *) * HOSTS_MAX);
	ret->count = 0;
	/* every tenant: hosts are woken, not customers */
	UD_TRY(ud_query(cx, &rows,
		"SELECT DISTINCT host_id FROM commands WHERE state = 'queued'" UNHELD " LIMIT $1",
		UD_VALS(ud_i(HOSTS_MAX))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		ret->items[ret->count++] = ud_col_dup(cx, rows, 0);
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

/* Move the operation behind a command on, with its event. One that has ended stays as it is. */
static enum ud_code move_operation(struct ud_ctx *cx, const char *id, enum ud_operation_state state,
	const char *result, const char *error)
{
	struct ud_operation old = { 0 }, op;

	if (!id)
		return UD_OK;
	UD_TRY(ud_row_get(cx, &ud_operations, id, &old));
	if (ud_operation_ended(&old) || old.state == state)
		return UD_OK;
	op = old;
	op.state = state;
	op.waiting_for.text = NULL;
	if (ud_operation_ended(&op)) {
		op.progress_percent = state == UD_OPERATION_SUCCEEDED ? 100 : op.progress_percent;
		op.result.text = result;
		op.error.text = error;
		op.ended_at.ms = cx->now_ms;
	}
	UD_TRY(ud_row_update(cx, &ud_operations, &old, &op));
	return ud_event_add(cx, ud_operation_states.names[state], ud_operations.shape, &old, &op);
}

/* Mark one; its operation in *ret_operation ("" = none). */
static enum ud_code deliver_one(struct ud_ctx *cx, const char *host_id, bool promotes,
	struct ud_command_mark mark, bool *ret_found, const char **ret_operation)
{
	/* every tenant: a host runs VMs of several */
	return ud_query_text(cx, ret_found, ret_operation,
		"UPDATE commands SET state = 'delivered', delivered_at = COALESCE(delivered_at, $2),"
		" delivered_by = $5, delivered_n = $6 WHERE (subject_id, seq, host_id) ="
		" (SELECT subject_id, seq, host_id FROM commands WHERE host_id = $1"
		" AND state IN ('queued', 'delivered') AND (state = 'queued' OR delivered_by <> $5)"
		" AND (verb <> $3 OR $4 = 1)" UNHELD " ORDER BY subject_id, seq LIMIT 1)"
		" RETURNING COALESCE(operation_id, '')",
		UD_VALS(ud_t(host_id), ud_i(cx->now_ms), ud_t(UD_VERB_PROMOTE), ud_i(promotes),
			ud_t(mark.by), ud_i(mark.n)));
}

enum ud_code ud_command_deliver(
	struct ud_ctx *cx, const char *host_id, bool promotes, struct ud_command_mark mark)
{
	bool found = true;

	while (found) {
		const char *operation = "";

		UD_TRY(deliver_one(cx, host_id, promotes, mark, &found, &operation));
		if (found && *operation)
			UD_TRY(move_operation(cx, operation, UD_OPERATION_RUNNING, NULL, NULL));
	}
	return UD_OK;
}

enum ud_code ud_command_progress(
	struct ud_ctx *cx, const char *host_id, const struct ud_wire_progress *p)
{
	/* every tenant: a host runs VMs of several */
	return ud_exec(cx, NULL,
		"UPDATE operations SET progress_percent = $4, steps = $5, version = version + 1,"
		" updated_at = $6 WHERE state = 'running' AND id = (SELECT operation_id FROM commands"
		" WHERE subject_id = $1 AND seq = $2 AND host_id = $3 AND state = 'delivered')",
		UD_VALS(ud_t(p->subject_id), ud_i(p->seq), ud_t(host_id), ud_i(p->percent),
			ud_t(p->steps.text), ud_i(cx->now_ms)));
}

/* ---- ends ---- */

/* What one row tells of a command that ended: host, subject, seq, operation, state, result, error,
 * payload. */
#define ENDED                                                                      \
	" RETURNING host_id, subject_id, seq, operation_id, state, result, error," \
	" payload"

static enum ud_code read_ended(struct ud_ctx *cx, ud_rows *rows, struct ud_command_ended *ret)
{
	struct ud_wire_command sent = { 0 };
	const char *payload = ud_col_dup(cx, rows, 7), *state = ud_col_text(rows, 4);

	*ret = (struct ud_command_ended){
		.host_id = ud_col_dup(cx, rows, 0),
		.subject_id = ud_col_dup(cx, rows, 1),
		.seq = ud_col_int(rows, 2),
		.operation_id = ud_col_dup(cx, rows, 3),
		.state = (unsigned)ud_enum_index(&ud_command_states, state),
		.result = ud_col_dup(cx, rows, 5),
		.error = ud_col_dup(cx, rows, 6),
	};
	UD_TRY(ud_shape_read(cx, &ud_wire_command_shape, payload, strlen(payload), &sent));
	ret->verb = sent.verb;
	ret->ticket_id = sent.ticket_id;
	ret->args = sent.args.text;
	return UD_OK;
}

/* Run a statement that ends one command at most. */
static enum ud_code end_one(struct ud_ctx *cx, const char *sql, const struct ud_val *vals, size_t n,
	bool *ret_found, struct ud_command_ended *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	UD_TRY(ud_query(cx, &rows, sql, vals, n));
	UD_TRY(ud_next(cx, rows, ret_found));
	if (!*ret_found)
		return UD_OK;
	UD_TRY(read_ended(cx, rows, ret));
	return ud_next(cx, rows, &more);
}

static enum ud_code react(
	struct ud_ctx *cx, const struct ud_commanding *c, struct ud_command_ended *ended)
{
	bool told = false;

	ended->commanding = c;
	for (const struct ud_command_reaction *r = c->reactions; r && r->ended; r++) {
		if (r->verb && (told || strcmp(r->verb, ended->verb) != 0))
			continue;
		told |= r->verb != NULL;
		UD_TRY(r->ended(cx, ended));
	}
	return UD_OK;
}

enum ud_code ud_command_answer(struct ud_ctx *cx, const struct ud_commanding *c,
	const char *host_id, const struct ud_wire_result *answer, bool *ret_fresh)
{
	struct ud_command_ended ended = { 0 };

	/* every tenant: a host runs VMs of several */
	UD_TRY(end_one(cx,
		"UPDATE commands SET state = $4, result = $5, error = $6, ended_at = $7"
		" WHERE subject_id = $1 AND seq = $2 AND host_id = $3"
		" AND state IN ('queued', 'delivered')" ENDED,
		UD_VALS(ud_t(answer->subject_id), ud_i(answer->seq), ud_t(host_id),
			ud_t(state_names[UD_COMMAND_DONE + answer->outcome]),
			ud_t(answer->result.text), ud_t(answer->error.text), ud_i(cx->now_ms)),
		ret_fresh, &ended));
	if (!*ret_fresh)
		return UD_OK;
	UD_TRY(move_operation(cx, ended.operation_id,
		answer->outcome == UD_OUTCOME_DONE ? UD_OPERATION_SUCCEEDED : UD_OPERATION_FAILED,
		answer->result.text, answer->error.text));
	return react(cx, c, &ended);
}

enum ud_code ud_command_newest(struct ud_ctx *cx, const char *subject_id, const char *verb,
	const char **ret, int64_t *ret_at)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret = NULL;
	*ret_at = UD_NONE;
	/* every tenant: the caller has read the subject with its scope */
	UD_TRY(ud_query(cx, &rows,
		"SELECT result, ended_at FROM commands WHERE subject_id = $1 AND verb = $2"
		" AND state = 'done' ORDER BY seq DESC LIMIT 1",
		UD_VALS(ud_t(subject_id), ud_t(verb))));
	UD_TRY(ud_next(cx, rows, &more));
	if (!more)
		return UD_OK;
	*ret = ud_col_dup(cx, rows, 0);
	*ret_at = ud_col_int(rows, 1);
	return ud_next(cx, rows, &more);
}

enum ud_code ud_command_given(struct ud_ctx *cx, const char *subject_id, int64_t seq,
	const char *host_id, int64_t *ret_ms)
{
	bool found = false;

	*ret_ms = 0;
	/* every tenant: the caller has read the subject */
	return ud_query_int(cx, &found, ret_ms,
		"SELECT COALESCE(delivered_at, created_at) FROM commands WHERE subject_id = $1"
		" AND seq = $2 AND host_id = $3",
		UD_VALS(ud_t(subject_id), ud_i(seq), ud_t(host_id)));
}

enum ud_code ud_command_last(struct ud_ctx *cx, const struct ud_command_new *like, int64_t epoch,
	bool *ret_found, enum ud_command_state *ret, int64_t *ret_ended_at)
{
	UD_AUTO(ud_rows) *rows = NULL;

	/* every tenant: the caller has read the subject */
	UD_TRY(ud_query(cx, &rows,
		"SELECT state, ended_at FROM commands WHERE subject_id = $1 AND host_id = $2"
		" AND verb = $3 AND epoch = $4 ORDER BY seq DESC LIMIT 1",
		UD_VALS(ud_t(like->vm_id), ud_t(like->host_id), ud_t(like->verb), ud_i(epoch))));
	UD_TRY(ud_next(cx, rows, ret_found));
	if (!*ret_found)
		return UD_OK;
	int state = ud_enum_index(&ud_command_states, ud_col_text(rows, 0));

	*ret = state < 0 ? UD_COMMAND_UNKNOWN : (enum ud_command_state)state;
	*ret_ended_at = ud_col_int(rows, 1);
	return UD_OK;
}

enum ud_code ud_command_overdue(struct ud_ctx *cx, bool *ret)
{
	int64_t one;

	/* every tenant: the clock is the same for all */
	return ud_query_int(cx, ret, &one,
		"SELECT 1 FROM commands WHERE state = 'queued' AND expires_at < $1 LIMIT 1",
		UD_VALS(ud_i(cx->now_ms)));
}

static const char unreachable[] =
	"{\"code\":\"host_unreachable\",\"status\":503,\"title\":\"The host did not fetch the command\","
	"\"detail\":\"The host's agent was not connected in time; nothing was done.\"}";

enum ud_code ud_command_expire(struct ud_ctx *cx, const struct ud_commanding *c)
{
	for (;;) {
		struct ud_command_ended ended = { 0 };
		bool found = false;

		/* every tenant: the clock is the same for all */
		UD_TRY(end_one(cx,
			"UPDATE commands SET state = 'expired', ended_at = $1, error = $2"
			" WHERE (subject_id, seq, host_id) ="
			" (SELECT subject_id, seq, host_id FROM commands WHERE state = 'queued'"
			" AND expires_at < $1 LIMIT 1)" ENDED,
			UD_VALS(ud_i(cx->now_ms), ud_t(unreachable)), &found, &ended));
		if (!found)
			return UD_OK;
		UD_TRY(move_operation(
			cx, ended.operation_id, UD_OPERATION_FAILED, NULL, unreachable));
		UD_TRY(react(cx, c, &ended));
	}
}

enum ud_code ud_command_withdraw(struct ud_ctx *cx, const struct ud_commanding *c,
	const char *operation_id, bool *ret_withdrawn)
{
	int64_t one;
	bool delivered = false, found = true;

	/* every tenant: the caller has read the operation with its scope */
	UD_TRY(ud_query_int(cx, &delivered, &one,
		"SELECT 1 FROM commands WHERE operation_id = $1 AND state <> 'queued' LIMIT 1",
		UD_VALS(ud_t(operation_id))));
	*ret_withdrawn = !delivered;
	while (!delivered && found) {
		struct ud_command_ended ended = { 0 };

		/* every tenant: the caller has read the operation with its scope */
		UD_TRY(end_one(cx,
			"UPDATE commands SET state = 'withdrawn', ended_at = $2"
			" WHERE (subject_id, seq, host_id) ="
			" (SELECT subject_id, seq, host_id FROM commands WHERE operation_id = $1"
			" AND state = 'queued' LIMIT 1)" ENDED,
			UD_VALS(ud_t(operation_id), ud_i(cx->now_ms)), &found, &ended));
		if (found)
			UD_TRY(react(cx, c, &ended));
	}
	return UD_OK;
}

enum ud_code ud_command_supersede(
	struct ud_ctx *cx, const char *subject_id, int64_t seq, bool *ret_delivered)
{
	int64_t at = 0;

	/* every tenant: the caller has read the subject with its scope */
	return ud_query_int(cx, ret_delivered, &at,
		"UPDATE commands SET state = 'withdrawn', ended_at = $3 WHERE subject_id = $1"
		" AND seq = $2 AND state IN ('queued', 'delivered') RETURNING delivered_at",
		UD_VALS(ud_t(subject_id), ud_i(seq), ud_i(cx->now_ms)));
}
