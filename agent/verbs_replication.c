/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verbs of relations: each passes on to the driver what the server wants; the driver does the work
 * and the replicator tells how it goes. Which part this host plays for the VM comes first.
 */
#include "agent/verbs.h"
#include "base/replication.h"

static enum ud_code leave(
	struct ud_ctx *cx, struct ud_act *act, const struct ud_relation_result *result)
{
	ud_act_leave(cx, act, &ud_relation_result_shape, result);
	return UD_OK;
}

enum ud_code ud_do_relation_set(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_relation_result result = { 0 };

	UD_TRY(ud_act_relate(cx, act, act->args));
	act->begun = true;
	UD_TRY(ud_hv_relation_set(cx, act->station->hv, act->args, &result));
	return leave(cx, act, &result);
}

enum ud_code ud_do_relation_resync(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_relation_result result = { 0 };

	act->begun = true;
	UD_TRY(ud_hv_relation_resync(cx, act->station->hv, act->args, &result));
	return leave(cx, act, &result);
}

enum ud_code ud_do_relation_drop(struct ud_ctx *cx, struct ud_act *act)
{
	const struct ud_relation_drop *drop = act->args;
	struct ud_relation_result result = { 0 };

	act->begun = true;
	UD_TRY(ud_hv_relation_drop(cx, act->station->hv, drop, &result));
	UD_TRY(ud_act_unrelate(cx, act, drop->replication_id));
	return leave(cx, act, &result);
}

enum ud_code ud_do_relation_test(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_relation_tested tested = { 0 };

	UD_TRY(ud_hv_relation_test(cx, act->station->hv, act->args, &tested));
	ud_act_leave(cx, act, &ud_relation_tested_shape, &tested);
	return UD_OK;
}

static bool may_go_on(void *data)
{
	return !ud_act_gives_way(data);
}

enum ud_code ud_do_point_verify(struct ud_ctx *cx, struct ud_act *act)
{
	const struct ud_hv_leave may = { may_go_on, act };
	struct ud_point_verified verified = { 0 };

	UD_TRY(ud_hv_point_verify(cx, act->station->hv, act->args, &may, &verified));
	ud_act_leave(cx, act, &ud_point_verified_shape, &verified);
	return UD_OK;
}
