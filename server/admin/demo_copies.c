/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is copied where: policies, relations with what their ends told and their ledger, recovery
 * points, plans. A few copies are not well, so that the pages have something to say.
 */
#include <string.h>

#include "base/crypto.h"
#include "db/demo.h"
#include "db/policies.h"
#include "db/recovery_points.h"
#include "db/replications.h"
#include "server/admin/demo.h"

static const int64_t DAY_MINUTES = 1440, LEDGER_DAYS = 35;
enum { MINUTE_MS = 60000, POINTS = 24, EXTENDED_EACH = 4 };

static const struct {
	const char *name, *note;
	int64_t interval, rpo, rto, kept, app_hours;
} policies[] = {
	{ "Gold", "Every 30 seconds, for what the business stands on.", 30, 120, 900, 24, 1 },
	{ "Silver", "Every five minutes.", 300, 900, 3600, 12, 4 },
	{ "Bronze", "Every quarter of an hour.", 900, 3600, 14400, 8, 12 },
};

static enum ud_code add_policies(struct ud_ctx *cx, const char **ret_ids)
{
	for (size_t i = 0; i < UD_LEN(policies); i++) {
		struct ud_policy p = { .name = policies[i].name,
			.note = policies[i].note,
			.schedule_interval_seconds = policies[i].interval,
			.rpo_target_seconds = policies[i].rpo,
			.rto_target_seconds = policies[i].rto,
			.recovery_points_kept = policies[i].kept,
			.app_consistent_every_hours = policies[i].app_hours,
			.rate_bytes_per_second = UD_NONE };

		UD_TRY(ud_demo_put(cx, &ud_policies_table, &p));
		ret_ids[i] = p.row.id;
	}
	return UD_OK;
}

/* ---- relations ---- */

/* What is the matter with a copy now. */
struct ailment {
	size_t customer, vm;
	unsigned state, wanted;
	int64_t age_minutes; /* of its newest point */
	const char *error;
};
static const struct ailment ailments[] = {
	{ 1, 4, UD_REPLICATION_ERROR, UD_RELATION_ACTIVE, 190,
		"{\"code\":\"peer_unreachable\",\"detail\":\"The replica's host has not answered for three hours.\"}" },
	{ 4, 1, UD_REPLICATION_RESYNC_REQUIRED, UD_RELATION_ACTIVE, 55,
		"{\"code\":\"tracking_lost\",\"detail\":\"The host was switched off hard; its record of changes is not sound.\"}" },
	{ 2, 6, UD_REPLICATION_PAUSED, UD_RELATION_PAUSED, 610, NULL },
	{ 5, 9, UD_REPLICATION_SEEDING, UD_RELATION_ACTIVE, -1, NULL },
};

static const struct ailment *ailment_of(size_t customer, size_t vm)
{
	for (size_t i = 0; i < UD_LEN(ailments); i++)
		if (ailments[i].customer == customer && ailments[i].vm == vm)
			return &ailments[i];
	return NULL;
}

static enum ud_code tell_end(struct ud_ctx *cx, const struct ud_replication *r,
	const struct ailment *bad, unsigned role, int64_t elapsed_minutes)
{
	int64_t cycles = elapsed_minutes * 60 / r->schedule_interval_seconds;
	bool seeding = r->state == UD_REPLICATION_SEEDING;
	const struct ud_replication_report told = { .replication_id = r->row.id,
		.role = role,
		.state = r->state,
		.raw = ud_replication_states.names[r->state],
		.generation = r->generation,
		.progress_percent = seeding ? 62 : UD_NONE,
		.eta_seconds = seeding ? 5400 : UD_NONE,
		.newest_point_age_ms = seeding ? UD_NONE
			: bad                  ? bad->age_minutes * MINUTE_MS
					       : r->schedule_interval_seconds * 400,
		.pending_bytes = bad ? INT64_C(3) << 30 : 1 << 20,
		.last_cycle_ms = seeding ? UD_NONE : 700,
		.cycles_total = cycles,
		.cycles_missed = bad ? cycles / 500 : cycles / 20000,
		.latency_ms = 620,
		.bytes_sent = elapsed_minutes * 1572864,
		.error.text = r->error.text };

	return ud_replication_told(
		cx, role == UD_RELATION_SOURCE ? r->source_host_id : r->target_host_id, &told);
}

/* Points an hour apart, the newest first in time last in number; some are proved. */
static enum ud_code add_points(struct ud_ctx *cx, struct ud_demo *d, const struct ud_replication *r,
	const struct ailment *bad)
{
	int64_t newest = ud_demo_ago(d, bad ? bad->age_minutes : ud_demo_below(d, 50));
	const char *before = NULL;
	char root[UD_SHA256_HEX];

	for (int64_t i = 0; i < POINTS; i++) {
		bool app = r->app_consistent_every_hours != UD_NONE &&
			i % r->app_consistent_every_hours == 0;
		struct ud_recovery_point p = { .row.customer_id = r->row.customer_id,
			.row.labels.text = UD_DEMO_LABELS,
			.replication_id = r->row.id,
			.vm_id = r->vm_id,
			.host_id = r->target_host_id,
			.number = 2000 + i,
			.taken_at.ms = newest - (POINTS - 1 - i) * 60 * MINUTE_MS,
			.state = i % 8 == 3 ? UD_POINT_VERIFIED : UD_POINT_COMPLETE,
			.consistency = app ? UD_CONSISTENCY_APPLICATION : UD_CONSISTENCY_CRASH,
			.consistency_requested =
				app ? UD_CONSISTENCY_APPLICATION : UD_CONSISTENCY_CRASH,
			.size_bytes = 4096 * (200 + ud_demo_below(d, 60000)),
			.parent_point_id = before,
			.epoch = 1 };

		if (i + 1 + r->recovery_points_kept < POINTS)
			continue;
		p.applied_at.ms = cx->now_ms = p.taken_at.ms + 800;
		if (p.state == UD_POINT_VERIFIED) {
			p.verified = UD_VERIFIED_HASH_OK;
			p.verified_at.ms = p.taken_at.ms + 5 * MINUTE_MS;
			p.verified_text = "Read back; every block is as it was sent.";
		}
		ud_sha256_hex(&p.taken_at.ms, sizeof(p.taken_at.ms), root);
		p.roots.text = ud_printf(cx->arena, "{\"vda\":\"%s\"}", root);
		UD_TRY(ud_row_insert(cx, &ud_recovery_points, &p));
		before = p.row.id;
	}
	return UD_OK;
}

/* One copy of each customer has the whole ledger, the others a day of it. Two had an hour that was
 * not good. */
static enum ud_code add_ledger(struct ud_ctx *cx, struct ud_demo *d, const struct ud_replication *r,
	size_t customer, size_t n)
{
	int64_t until = d->until_ms / MINUTE_MS, days = n == 0 ? LEDGER_DAYS : 1;
	struct ud_demo_ledger l = { .replication_id = r->row.id,
		.customer_id = r->row.customer_id,
		.from = until - days * DAY_MINUTES,
		.until = until,
		.interval_seconds = r->schedule_interval_seconds,
		.target_seconds = r->rpo_target_seconds };

	if (n == 0 && (customer == 0 || customer == 3)) {
		l.broken_from = until - (customer ? 25 : 12) * DAY_MINUTES - 400;
		l.broken_until = l.broken_from + (customer ? 50 : 180);
	}
	return ud_demo_minutes(cx, &l);
}

static void describe(struct ud_ctx *cx, const struct ud_demo *d, const struct ailment *bad,
	size_t tier, struct ud_replication *r)
{
	r->schedule_interval_seconds = policies[tier].interval;
	r->rpo_target_seconds = policies[tier].rpo;
	r->rto_target_seconds = policies[tier].rto;
	r->recovery_points_kept = policies[tier].kept;
	r->app_consistent_every_hours = policies[tier].app_hours;
	r->rate_bytes_per_second = UD_NONE;
	r->wanted = bad ? bad->wanted : UD_RELATION_ACTIVE;
	r->state = bad ? bad->state : UD_REPLICATION_REPLICATING;
	r->health = bad ? UD_HEALTH_WARNING : UD_HEALTH_NORMAL;
	if (r->state == UD_REPLICATION_ERROR)
		r->health = UD_HEALTH_CRITICAL;
	r->error.text = bad ? bad->error : NULL;
	r->auto_resync = true;
	r->generation = 1;
	r->row.labels.text = UD_DEMO_LABELS;
	r->state_since.ms = r->health_since.ms = r->window_started_at.ms = cx->now_ms;
	if (r->state != UD_REPLICATION_SEEDING)
		r->seeded_at.ms = cx->now_ms + 4 * 60 * MINUTE_MS;
	if (bad && bad->age_minutes > 0 && r->wanted == UD_RELATION_ACTIVE)
		r->rpo_breached_at.ms =
			ud_demo_ago(d, bad->age_minutes - r->rpo_target_seconds / 60);
}

static enum ud_code add_copy(struct ud_ctx *cx, struct ud_demo *d, size_t customer, size_t n,
	const char *const policy_ids[])
{
	struct ud_demo_vm *vm = &d->vms[customer * UD_DEMO_VMS_EACH + n];
	size_t tier = n < 4 ? 0 : n < 16 ? 1 : 2;
	const struct ailment *bad = ailment_of(customer, n);
	struct ud_replication r = { .row.customer_id = vm->customer_id,
		.vm_id = vm->id,
		.policy_id = policy_ids[tier],
		.source_host_id = vm->source_id,
		.target_host_id = vm->target_id };
	int64_t made = bad && bad->state == UD_REPLICATION_SEEDING
		? 180
		: UD_DEMO_DAYS * DAY_MINUTES - (int64_t)(customer * 40 + n);

	cx->now_ms = ud_demo_ago(d, made);
	describe(cx, d, bad, tier, &r);
	UD_TRY(ud_row_insert(cx, &ud_replications, &r));
	vm->replication_id = r.row.id;
	cx->now_ms = d->until_ms;
	UD_TRY(tell_end(cx, &r, bad, UD_RELATION_SOURCE, made));
	UD_TRY(tell_end(cx, &r, bad, UD_RELATION_TARGET, made));
	if (r.state == UD_REPLICATION_SEEDING)
		return UD_OK;
	UD_TRY(add_points(cx, d, &r, bad));
	return add_ledger(cx, d, &r, customer, n);
}

/* The copy of a copy, at a host of the other house. */
static enum ud_code add_onward(struct ud_ctx *cx, struct ud_demo *d, size_t customer, size_t n,
	const char *const policy_ids[])
{
	const struct ud_demo_vm *vm = &d->vms[customer * UD_DEMO_VMS_EACH + n];
	size_t site = customer < UD_DEMO_CUSTOMERS / 2 ? UD_DEMO_LONDON : UD_DEMO_FRANKFURT;
	const char *const *hosts = d->host_ids + site * (UD_DEMO_HOSTS / UD_DEMO_SITES);
	size_t third = n;

	while (strcmp(hosts[third], vm->source_id) == 0)
		third++;
	struct ud_replication r = { .row.customer_id = vm->customer_id,
		.vm_id = vm->id,
		.leg = UD_LEG_EXTENDED,
		.parent_id = vm->replication_id,
		.policy_id = policy_ids[2],
		.source_host_id = vm->target_id,
		.target_host_id = hosts[third] };

	cx->now_ms = ud_demo_ago(d, 60 * DAY_MINUTES - (int64_t)n);
	describe(cx, d, NULL, 2, &r);
	UD_TRY(ud_row_insert(cx, &ud_replications, &r));
	cx->now_ms = d->until_ms;
	UD_TRY(tell_end(cx, &r, NULL, UD_RELATION_SOURCE, 60 * DAY_MINUTES));
	UD_TRY(tell_end(cx, &r, NULL, UD_RELATION_TARGET, 60 * DAY_MINUTES));
	UD_TRY(add_points(cx, d, &r, NULL));
	return add_ledger(cx, d, &r, customer, 1);
}

/* ---- plans ---- */

static enum ud_code add_plan(struct ud_ctx *cx, struct ud_demo *d, size_t customer, size_t which)
{
	static const char *const names[UD_DEMO_PLANS_EACH] = { "Business core", "Web and files" };
	const struct ud_demo_vm *vms =
		&d->vms[customer * UD_DEMO_VMS_EACH + which * UD_DEMO_PLAN_VMS];
	struct ud_recovery_plan *p = &d->customers[customer].plans[which];
	const char *members = "";

	for (size_t i = 0; i < UD_DEMO_PLAN_VMS; i++)
		members = ud_printf(cx->arena, "%s%s{\"vm_id\":\"%s\",\"group\":%zu,\"after\":[]}",
			members, i ? "," : "", vms[i].id, i / 2);
	*p = (struct ud_recovery_plan){ .row.customer_id = d->customers[customer].id,
		.name = names[which],
		.note = which ? "What customers see." : "Databases first, then what needs them.",
		.members.text = ud_printf(cx->arena, "[%s]", members),
		.commit_policy = UD_COMMIT_NONE,
		.commit_minutes = UD_NONE,
		.point_within_seconds = UD_NONE,
		.drill_interval_days = which ? 90 : 30,
		.verified_at.ms = ud_demo_ago(d, 600 + (int64_t)customer * 90),
		.verified_version = 1 };
	UD_TRY(ud_demo_put(cx, &ud_recovery_plans, p));
	return ud_plan_version_add(cx, p);
}

enum ud_code ud_demo_copies(struct ud_ctx *cx, struct ud_demo *d)
{
	const char *policy_ids[UD_LEN(policies)];

	UD_TRY(add_policies(cx, policy_ids));
	for (size_t i = 0; i < UD_DEMO_CUSTOMERS; i++) {
		for (size_t n = 0; n < UD_DEMO_PROTECTED_EACH; n++)
			UD_TRY(add_copy(cx, d, i, n, policy_ids));
		for (size_t n = 0; n < EXTENDED_EACH; n++)
			UD_TRY(add_onward(cx, d, i, n, policy_ids));
	}
	cx->now_ms = ud_demo_ago(d, UD_DEMO_DAYS * DAY_MINUTES);
	for (size_t i = 0; i < UD_DEMO_CUSTOMERS; i++)
		for (size_t n = 0; n < UD_DEMO_PLANS_EACH; n++)
			UD_TRY(add_plan(cx, d, i, n));
	return UD_OK;
}
