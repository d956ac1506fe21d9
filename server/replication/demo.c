/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signs of life, figures and an hourly point of the copies of a demo.
 */
#include "server/replication/demo.h"

#include "db/demo.h"
#include "db/recovery_points.h"

enum { POINTS_AT_ONCE = 32 };

enum ud_code ud_demo_due(struct ud_ctx *cx, bool *ret)
{
	return ud_demo_loaded(cx, ret);
}

static enum ud_code add_point(struct ud_ctx *cx, const struct ud_demo_stale *s)
{
	struct ud_recovery_point p = { .row.customer_id = s->customer_id,
		.row.labels.text = UD_DEMO_LABELS,
		.replication_id = s->replication_id,
		.vm_id = s->vm_id,
		.host_id = s->host_id,
		.number = s->number + 1,
		.taken_at.ms = cx->now_ms,
		.applied_at.ms = cx->now_ms,
		.state = UD_POINT_COMPLETE,
		.size_bytes = 4096 * (1 + (s->number * 7919) % 9000),
		.parent_point_id = s->newest_id,
		.epoch = s->epoch,
		.verified_at.ms = UD_NONE };

	if (p.number % 4 == 0)
		p.consistency = p.consistency_requested = UD_CONSISTENCY_APPLICATION;
	UD_TRY(ud_row_insert(cx, &ud_recovery_points, &p));
	return ud_demo_drop_points(cx, s->replication_id, p.number - s->kept - 1);
}

enum ud_code ud_demo_move(struct ud_ctx *cx, const struct ud_commanding *c)
{
	struct ud_demo_stale stale[POINTS_AT_ONCE];
	size_t n = 0;

	(void)c;
	UD_TRY(ud_demo_beat(cx));
	UD_TRY(ud_demo_stale(cx, UD_LEN(stale), stale, &n));
	for (size_t i = 0; i < n; i++)
		UD_TRY(add_point(cx, &stale[i]));
	return UD_OK;
}
