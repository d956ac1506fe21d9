/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people see of a restored installation that waits for its hosts, and how two of them go on
 * without a host that will not come back.
 */
#include "api/recovery.h"
#include "api/api.h"
#include "db/events.h"
#include "db/hosts.h"
#include "db/recovery.h"
#include "server/agents/recovery.h"

enum {
	DECIDE = UD_OPERATOR | UD_R(SUPPORT_ENGINEER) | UD_R(SUPPORT_LEAD),
	STATEMENT_MIN = 20,
};

struct recovery {
	const char *state;
	int64_t vms_held, hosts_missing;
	struct ud_json hosts;
};
/* clang-format off */
static const struct ud_field recovery_fields[] = {
	UD_FIELD(recovery, state,         .about = "recovering: the database was restored, and hosts are still to be heard; partly: VMs are held whose host knows more than the server; none."),
	UD_FIELD(recovery, vms_held,      .about = "VMs for which nothing is granted or commanded until their hosts were heard."),
	UD_FIELD(recovery, hosts_missing, .about = "Hosts that are still to be heard."),
	UD_FIELD(recovery, hosts,         .about = "Hosts that are waited for, or were: host_id, name, since, heard_at, stated_by_name, waived_at, waived_by_name."),
};
static const struct ud_shape recovery_shape = { .object = "recovery",
	UD_SHAPE(recovery, recovery_fields),
	.bare = true };
/* clang-format on */

static enum ud_code read_hosts(struct ud_ctx *cx, struct recovery *out)
{
	struct ud_recovery_host *all = NULL;
	struct ud_buf b = { 0 };
	size_t n = 0;

	UD_TRY(ud_recovery_hosts(cx, &all, &n));
	for (size_t i = 0; i < n; i++) {
		ud_buf_putc(&b, i ? ',' : '[');
		ud_shape_encode(&b, &ud_recovery_host_shape, &all[i], NULL);
		out->hosts_missing +=
			all[i].heard_at.ms == UD_NONE && all[i].waived_at.ms == UD_NONE;
	}
	ud_buf_puts(&b, n ? "]" : "[]");
	out->hosts.text = ud_buf_take(cx->arena, &b);
	return UD_OK;
}

static enum ud_code look(struct ud_ctx *cx, struct recovery *out)
{
	bool on = false;

	*out = (struct recovery){ 0 };
	UD_TRY(ud_recovery_on(cx, &on));
	UD_TRY(ud_recovery_held(cx, &out->vms_held));
	UD_TRY(read_hosts(cx, out));
	out->state = on ? "recovering" : out->vms_held ? "partly" : "none";
	return UD_OK;
}

enum ud_code ud_recovery_word(struct ud_ctx *cx, struct ud_buf *out)
{
	struct recovery r;

	UD_TRY(look(cx, &r));
	ud_buf_printf(out, ",\"recovery\":\"%s\",\"hosts_missing\":%lld,\"vms_held\":%lld", r.state,
		(long long)r.hosts_missing, (long long)r.vms_held);
	return UD_OK;
}

static enum ud_code show(struct ud_ctx *cx, struct ud_request *rq)
{
	struct recovery out;

	UD_TRY(look(cx, &out));
	return ud_answer(cx, rq, &recovery_shape, &out);
}

struct without_body {
	const char *statement;
};
/* clang-format off */
static const struct ud_field without_fields[] = {
	UD_FIELD(without_body, statement, .flags = UD_REQUIRED, .min = STATEMENT_MIN, .max = 2000, .about = "Why the host cannot be heard, and how you know that none of its VMs runs."),
};
/* clang-format on */
static const struct ud_shape without_shape = { .bare = true,
	UD_SHAPE(without_body, without_fields) };

static enum ud_code tell(
	struct ud_ctx *cx, const char *type, const struct ud_host *h, const char *statement)
{
	struct ud_buf b = { 0 };

	ud_buf_puts(&b, "{\"statement\":");
	ud_buf_json(&b, statement);
	ud_buf_putc(&b, '}');
	const char *data = ud_buf_take(cx->arena, &b);

	return ud_event_add_plain(cx, type, h->row.customer_id, "host", h->row.id, data);
}

static enum ud_code go_on_without(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct without_body *in = rq->in;
	struct ud_host h = { 0 };
	bool effective = false;

	UD_TRY(ud_row_get(cx, &ud_hosts, rq->arg[0], &h));
	UD_TRY(ud_recovery_waive(cx, h.row.id, &effective));
	UD_TRY(tell(cx, effective ? "host.recovery_waived" : "host.recovery_waiver_stated", &h,
		in->statement));
	if (effective)
		UD_TRY(ud_recovery_settle(cx, NULL));
	return show(cx, rq);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",  "/v1/recovery",                  "recovery.show",         UD_STAFF, "hosts:read",  0, .answer = &recovery_shape, .handle = show, .about = "Show whether the server was restored and still waits for its hosts." },
	{ "POST", "/v1/hosts/{id}/go-on-without",  "hosts.go-on-without",   DECIDE,   "hosts:write", UD_WRITE | UD_PERSON | UD_STEP_UP, &without_shape, &recovery_shape, .handle = go_on_without, .about = "Say that a restored server will never hear a host; two different people must. Its VMs are then judged by what the others tell." },
};
/* clang-format on */
const struct ud_routes ud_api_recovery = { "Recovery", rows, UD_LEN(rows) };
