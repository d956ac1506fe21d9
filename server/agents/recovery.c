/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The highest epoch wins; where it has no owner, or two, people choose.
 */
#include "server/agents/recovery.h"

#include <string.h>

#include "base/log.h"
#include "db/events.h"
#include "db/recovery.h"
#include "server/workflow/workflow.h"

static enum ud_code tell(struct ud_ctx *cx, const char *type)
{
	ud_log(UD_LOG_WARNING, strchr(type, '.') + 1, NULL);
	return ud_event_add_plain(cx, type, NULL, "installation", NULL, NULL);
}

/* ---- settling ---- */

static enum ud_code tell_vm(
	struct ud_ctx *cx, const char *type, const char *vm_id, const struct ud_recovery_verdict *v)
{
	struct ud_buf b = { 0 };

	ud_buf_printf(&b, "{\"epoch\":%lld,\"known_before\":%lld", (long long)v->newest,
		(long long)v->epoch);
	if (v->owner)
		ud_buf_printf(&b, ",\"host_id\":\"%s\"", v->owner);
	ud_buf_putc(&b, '}');
	const char *data = ud_buf_take(cx->arena, &b);

	ud_log(UD_LOG_WARNING, strchr(type, '.') + 1, "vm", vm_id, NULL);
	return ud_event_add_plain(cx, type, v->customer_id, "vm", vm_id, data);
}

/* A newest epoch without an owner may still be some silent host's. */
static enum ud_code dispute(
	struct ud_ctx *cx, const char *vm_id, const struct ud_recovery_verdict *v)
{
	bool waits = false;

	UD_TRY(ud_recovery_waits(cx, &waits));
	if (waits && !v->contenders)
		return UD_OK;
	UD_TRY(ud_recovery_dispute(cx, vm_id, v->newest));
	return tell_vm(cx, "vm.epoch_conflict", vm_id, v);
}

static enum ud_code settle(struct ud_ctx *cx, const char *vm_id)
{
	struct ud_recovery_verdict v;

	UD_TRY(ud_recovery_weigh(cx, vm_id, &v));
	if (v.contenders > 1 || (v.newest > v.epoch && !v.owner))
		return dispute(cx, vm_id, &v);
	if (v.newest == v.epoch)
		return ud_recovery_open(cx, vm_id);
	UD_TRY(ud_recovery_adopt(cx, vm_id, v.owner, v.newest));
	UD_TRY(ud_flow_overtaken(cx, vm_id));
	return tell_vm(cx, "vm.epoch_adopted", vm_id, &v);
}

enum ud_code ud_recovery_settle(struct ud_ctx *cx, const char *host_id)
{
	struct ud_texts vms = { 0 };
	const char *after = "";
	bool ended = false;

	do {
		UD_TRY(ud_recovery_ripe(cx, host_id, after, &vms));
		for (size_t i = 0; i < vms.count; i++)
			UD_TRY(settle(cx, vms.items[i]));
		after = vms.count ? vms.items[vms.count - 1] : after;
	} while (vms.count);
	UD_TRY(ud_recovery_end(cx, &ended));
	return ended ? tell(cx, "installation.recovery_ended") : UD_OK;
}

/* ---- hearing ---- */

enum ud_code ud_recovery_enter(struct ud_ctx *cx, void *unused)
{
	bool begun = false;

	(void)unused;
	UD_TRY(ud_recovery_begin(cx, &begun));
	if (!begun)
		return UD_OK;
	UD_TRY(tell(cx, "installation.recovery_begun"));
	return ud_recovery_settle(cx, NULL);
}

static enum ud_code read_heads(
	struct ud_ctx *cx, const char *text, struct ud_wire_head **ret, size_t *ret_n)
{
	return ud_shape_read_list(
		cx, &ud_wire_head_shape, text, UD_WIRE_HEADS, (void **)ret, ret_n);
}

enum ud_code ud_recovery_look(struct ud_ctx *cx, const char *host_id, const char *heads, bool *ret)
{
	struct ud_wire_head *all = NULL;
	size_t n = 0;

	*ret = false;
	if (!heads)
		return UD_OK;
	if (read_heads(cx, heads, &all, &n) != UD_OK) {
		ud_log(UD_LOG_WARNING, "heads_unreadable", "host", host_id, "reason",
			cx->problem.detail, NULL);
		ud_ctx_clear(cx);
		return UD_OK;
	}
	return ud_recovery_news(cx, host_id, all, n, ret);
}

enum ud_code ud_recovery_take(struct ud_ctx *cx, const char *host_id, const char *heads)
{
	struct ud_wire_head *all = NULL;
	bool waits = false;
	size_t n = 0;

	UD_TRY(read_heads(cx, heads, &all, &n));
	UD_TRY(ud_recovery_heard(cx, host_id, all, n));
	UD_TRY(ud_recovery_waits(cx, &waits));
	/* the last one may decide about VMs that it has nothing to do with */
	return ud_recovery_settle(cx, waits ? host_id : NULL);
}
