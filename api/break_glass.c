/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Envelopes for the day when no server can be reached (base/envelope.h). Asking for one allows
 * break-glass for the VM: from then on its primary needs the replica's leave to start.
 */
#include "api/api.h"
#include "base/envelope.h"
#include "db/events.h"
#include "db/leases.h"
#include "db/replications.h"
#include "db/vms.h"
#include "server/agents/ca.h"
#include "server/http/server.h"
#include "server/replication/relations.h"

static const int64_t day_ms = INT64_C(86400000);

struct wish {
	int64_t days;
};
struct sealed {
	const char *vm_id, *host_id, *envelope;
	int64_t epoch;
	struct ud_time expires_at;
};
/* clang-format off */
static const struct ud_field wish_fields[] = {
	UD_FIELD(wish, days, .min = 1, .max = UD_ENVELOPE_DAYS, .standard = UD_ENVELOPE_DAYS, .about = "Days that it is good for."),
};
static const struct ud_field sealed_fields[] = {
	UD_FIELD(sealed, vm_id,      .about = "VM that may be promoted."),
	UD_FIELD(sealed, host_id,    .about = "Host of its replica, where it may be done."),
	UD_FIELD(sealed, envelope,   .flags = UD_SERVER, .about = "The line to print and seal; shown once."),
	UD_FIELD(sealed, epoch,      .about = "Epoch that it is good for; after a failover another one is needed."),
	UD_FIELD(sealed, expires_at, .about = "When it ends."),
};
/* clang-format on */
static const struct ud_shape wish_shape = {
	.object = "break_glass_wish", .bare = true, UD_SHAPE(wish, wish_fields)
};
static const struct ud_shape sealed_shape = {
	.object = "break_glass_envelope", .bare = true, UD_SHAPE(sealed, sealed_fields)
};

static enum ud_code seal(
	struct ud_ctx *cx, struct ud_request *rq, const struct ud_envelope *e, struct sealed *ret)
{
	unsigned char key[UD_SIGN_KEY];

	UD_TRY(ud_command_key(cx, rq->server->keys.seal, key));
	*ret = (struct sealed){ .vm_id = e->vm_id,
		.host_id = e->host_id,
		.envelope = ud_envelope_write(cx, key, e),
		.epoch = e->epoch,
		.expires_at = e->expires_at };
	ud_wipe(key, sizeof(key));
	return UD_OK;
}

static enum ud_code make(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct wish *in = rq->in;
	struct ud_replication r = { 0 };
	struct ud_vm vm = { 0 };
	struct sealed out;
	bool found = false;

	UD_TRY(ud_row_get(cx, &ud_vms, rq->arg[0], &vm));
	UD_TRY(ud_replication_of_vm(cx, vm.row.id, UD_LEG_PRIMARY, &found, &r));
	if (!found)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is not replicated.");
	/* the hosts must know before anybody may use it: a start without knowing is refused */
	UD_TRY(ud_vm_break_glass_set(cx, vm.row.id, true));
	const struct ud_replication old = r;

	r.generation++;
	UD_TRY(ud_row_update(cx, &ud_replications, &old, &r));
	UD_TRY(ud_relation_send_both(cx, &rq->server->commanding, &r));
	const struct ud_envelope e = { .vm_id = vm.row.id,
		.host_id = r.target_host_id,
		.epoch = vm.epoch,
		.issued_at.ms = cx->now_ms,
		.expires_at.ms = cx->now_ms + in->days * day_ms,
		.issued_by = cx->scope->id };

	UD_TRY(seal(cx, rq, &e, &out));
	UD_TRY(ud_event_add_plain(cx, "vm.break_glass_envelope_made", vm.row.customer_id, "vm",
		vm.row.id, ud_printf(cx->arena, "{\"host_id\":\"%s\"}", r.target_host_id)));
	return ud_answer(cx, rq, &sealed_shape, &out);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "POST", "/v1/vms/{id}/break-glass", "vms.break-glass", UD_OPERATOR | UD_R(SUPPORT_LEAD), "vms:write", UD_WRITE | UD_PERSON | UD_STEP_UP | UD_NO_BODY_LOG, &wish_shape, &sealed_shape, 201, .handle = make, .about = "Make an envelope with which the VM's replica may be promoted at its host while no server can be reached." },
};
/* clang-format on */
const struct ud_routes ud_api_break_glass = { "Break-glass", rows, UD_LEN(rows) };
