/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fence device of a host. It is part of its host: one at most, set as a whole.
 */
#include <string.h>

#include "api/api.h"
#include "api/verbs.h"
#include "db/events.h"
#include "db/fence_devices.h"
#include "db/hosts.h"
#include "server/fencing/fencing.h"
#include "server/http/server.h"

enum { SET = UD_OPERATOR | UD_R(SUPPORT_LEAD), CHECK = SET | UD_R(SUPPORT_ENGINEER) };

static const struct ud_resource devices = { .table = &ud_fence_devices };
static const struct ud_resource operations = { .table = &ud_operations };

static enum ud_code load(struct ud_ctx *cx, struct ud_request *rq, struct ud_fence_device *ret)
{
	struct ud_host h = { 0 };
	bool found = false;

	UD_TRY(ud_row_get(cx, &ud_hosts, rq->arg[0], &h));
	UD_TRY(ud_fence_device_of(cx, h.row.id, &found, ret));
	return found ? UD_OK : ud_fail(cx, UD_E_NOT_FOUND, NULL, "The host has no fence device.");
}

static enum ud_code show(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_fence_device d = { 0 };

	UD_TRY(load(cx, rq, &d));
	return ud_answer(cx, rq, ud_fence_devices.shape, &d);
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* A password goes to the device it was given for and to no other: else whoever may change the
 * address could have it sent to a place of theirs. */
static void keep_password(const struct ud_fence_device *old, struct ud_fence_device *d)
{
	if (!d->password && old->agent == d->agent && old->port == d->port &&
		same(old->address, d->address) && same(old->username, d->username))
		d->password = old->password;
}

static enum ud_code put(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_fence_device old = { 0 }, d = *(const struct ud_fence_device *)rq->in;
	struct ud_host h = { 0 };
	bool found = false;

	UD_TRY(ud_row_get(cx, &ud_hosts, rq->arg[0], &h));
	UD_TRY(ud_fence_device_of(cx, h.row.id, &found, &old));
	d.row = old.row;
	d.row.customer_id = h.row.customer_id;
	d.host_id = h.row.id;
	d.host_power = UD_HOST_POWER_UNKNOWN;
	d.password = ud_fencing_seal(cx, rq->server->keys.seal, h.row.id, d.password);
	if (!found) {
		UD_TRY(ud_row_insert(cx, &ud_fence_devices, &d));
		UD_TRY(ud_event_add(cx, "created", ud_fence_devices.shape, NULL, &d));
		return ud_answer(cx, rq, ud_fence_devices.shape, &d);
	}
	UD_TRY(ud_check_match(cx, rq, old.row.version));
	keep_password(&old, &d);
	UD_TRY(ud_row_update(cx, &ud_fence_devices, &old, &d));
	UD_TRY(ud_event_add(cx, "updated", ud_fence_devices.shape, &old, &d));
	return ud_answer(cx, rq, ud_fence_devices.shape, &d);
}

static enum ud_code drop(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_fence_device d = { 0 };

	UD_TRY(load(cx, rq, &d));
	UD_TRY(ud_check_match(cx, rq, d.row.version));
	UD_TRY(ud_row_delete(cx, &ud_fence_devices, &d));
	UD_TRY(ud_event_add(cx, "deleted", ud_fence_devices.shape, &d, NULL));
	return ud_answer_none(cx, rq);
}

static enum ud_code test(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_fence_device d = { 0 };
	struct ud_operation op = { 0 };

	UD_TRY(load(cx, rq, &d));
	UD_TRY(ud_fencing_begin(cx, UD_FENCE_CHECK_KIND, d.host_id, &op));
	return ud_answer_operation(cx, rq, &op);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",    "/v1/hosts/{id}/fence-device",      "hosts.fence-device",        UD_STAFF, "hosts:read",  0, .resource = &devices, .handle = show, .about = "Show what can switch a host off; its password is not shown." },
	{ "PUT",    "/v1/hosts/{id}/fence-device",      "hosts.set-fence-device",    SET,      "hosts:write", UD_WRITE | UD_NO_BODY_LOG, &ud_fence_device_wish, .resource = &devices, .handle = put, .about = "Say what can switch a host off; replaces what was said." },
	{ "DELETE", "/v1/hosts/{id}/fence-device",      "hosts.drop-fence-device",   SET,      "hosts:write", UD_WRITE, .status = 204, .resource = &devices, .handle = drop, .about = "Forget a host's fence device." },
	{ "POST",   "/v1/hosts/{id}/fence-device/test", "hosts.test-fence-device",   CHECK,    "hosts:write", UD_WRITE, .status = 202, .resource = &operations, .handle = test, .about = "Ask the fence device whether the host has power; switches nothing." },
};
/* clang-format on */
const struct ud_routes ud_api_fence_devices = { "Fence devices", rows, UD_LEN(rows) };
