/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of recovery plans, and the order that their members give.
 */
#include "db/recovery_plans.h"

#include <stdlib.h>
#include <string.h>

#include "base/rules.h"
#include "db/plan_groups.h"

enum { DOCUMENT = 256 << 10, WEEK_MINUTES = 7 * 1440 };

static const char *const stale_names[] = { "plan", "age", "members", "hosts", "certificates",
	"networks" };
const struct ud_enum ud_stale_reasons = { "stale_reason", stale_names, UD_LEN(stale_names) };

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_recovery_plan, name,                .flags = UD_REQUIRED | UD_UNIQUE | UD_SEARCH | UD_SORT | UD_BRIEF, .max = 100, .rule = ud_rule_name, .about = "Name of the plan, unique."),
	UD_FIELD(ud_recovery_plan, note,                .max = 4000, .about = "What it is for."),
	UD_FIELD(ud_recovery_plan, members,             .flags = UD_REQUIRED, .max = DOCUMENT, .about = "VMs: vm_id, group (they start in order), after (ids of members that start before it)."),
	UD_FIELD(ud_recovery_plan, allow_hard_stop,     .about = "True when guests may be switched off if they do not shut down."),
	UD_FIELD(ud_recovery_plan, commit_policy,       .values = &ud_commit_policies, .about = "What happens when nobody decides in time."),
	UD_FIELD(ud_recovery_plan, commit_minutes,      .flags = UD_NULLABLE, .min = 1, .max = WEEK_MINUTES, .about = "How long that time is."),
	UD_FIELD(ud_recovery_plan, checks,              .max = DOCUMENT, .about = "Services, program and arguments to look at inside the guests."),
	UD_FIELD(ud_recovery_plan, point_policy,        .values = &ud_point_policies, .about = "Which recovery points a test or an unplanned failover starts from: the latest, the latest that applications agreed to, the latest of all VMs that lie together (common), or one that is chosen with the request."),
	UD_FIELD(ud_recovery_plan, point_within_seconds, .flags = UD_NULLABLE, .min = 1, .max = 86400, .about = "How far apart the points of common may lie."),
	UD_FIELD(ud_recovery_plan, groups,              .max = DOCUMENT, .about = "Groups of which more is said: group, gate (level power, os, service or probe; timeout_seconds; on_fail pause, stop or continue), before and after (steps: name, kind, runs, timeout_seconds, on_fail, and what the kind needs)."),
	UD_FIELD(ud_recovery_plan, network_map,         .max = DOCUMENT, .about = "What networks are at other sites for this plan alone: network_id, target_site_id, real_network_id, test_network_id. What it does not say is as the networks' own maps say."),
	UD_FIELD(ud_recovery_plan, drill_interval_days, .flags = UD_NULLABLE, .min = 1, .max = 366, .about = "Days between drills; null = none are due."),
	UD_FIELD(ud_recovery_plan, verified_at,         .flags = UD_SERVER, .about = "When its dry run found nothing in the way."),
	UD_FIELD(ud_recovery_plan, verified_version,    .flags = UD_SERVER | UD_NULLABLE, .about = "Version that was looked at then."),
	UD_FIELD(ud_recovery_plan, stale_because,       .flags = UD_SERVER, .values = &ud_stale_reasons, .max = UD_LEN(stale_names), .about = "What is another than when it was verified: the plan itself, definitions of its VMs, hosts, certificates of agents, networks or addresses; age: it was 31 days ago."),
	UD_FIELD(ud_recovery_plan, readiness,           .flags = UD_COMPUTED | UD_BRIEF, .about = "Unverified, verified, or stale: what it stood on has changed since, or 31 days have passed."),
	UD_FIELD(ud_recovery_plan, last_drill_at,       .flags = UD_COMPUTED, .about = "When a test of it last passed."),
	UD_FIELD(ud_recovery_plan, next_drill_due_at,   .flags = UD_COMPUTED | UD_BRIEF, .about = "When the next one is due."),
};
static const struct ud_field member_fields[] = {
	UD_FIELD(ud_plan_member, vm_id, .flags = UD_REQUIRED, .max = 40, .about = "The VM."),
	UD_FIELD(ud_plan_member, group, .max = 99, .about = "Groups start one after the other, from 0."),
	UD_FIELD(ud_plan_member, after, .max = 50, .about = "Members that must serve before it starts."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "recovery_plan",
	.prefix = "pln",
	.table = "recovery_plans",
	UD_SHAPE(ud_recovery_plan, fields),
	.about = "VMs that are moved together, and their order." };
const struct ud_table ud_recovery_plans = { .shape = &shape };
const struct ud_shape ud_plan_member_shape = { UD_SHAPE(ud_plan_member, member_fields),
	.bare = true };

/* ---- order ---- */

struct sorting {
	struct ud_plan_member *members;
	size_t count;
	int64_t *depth; /* inside its group; -1 = not known yet */
};

static size_t position(const struct sorting *s, const char *vm_id)
{
	size_t i = 0;

	while (i < s->count && strcmp(s->members[i].vm_id, vm_id) != 0)
		i++;
	return i;
}

static enum ud_code check_names(struct ud_ctx *cx, const struct sorting *s)
{
	if (!s->count)
		return ud_fail_field(cx, "members", "required", "A plan has one VM at least.");
	for (size_t i = 0; i < s->count; i++) {
		const struct ud_plan_member *m = &s->members[i];

		if (position(s, m->vm_id) != i)
			return ud_fail_field(
				cx, "members", "duplicate", "VM %s is named twice.", m->vm_id);
		for (size_t k = 0; k < m->after.count; k++) {
			size_t p = position(s, m->after.items[k]);

			if (p == s->count)
				return ud_fail_field(cx, "members", "not_found",
					"%s is no member of the plan.", m->after.items[k]);
			if (s->members[p].group > m->group)
				return ud_fail_field(cx, "members", "order",
					"VM %s waits for one of a later group.", m->vm_id);
		}
	}
	return UD_OK;
}

/* Depths grow until nothing changes; with a circle they would for ever. */
static enum ud_code find_depths(struct ud_ctx *cx, struct sorting *s)
{
	bool moved = true;

	for (size_t round = 0; moved; round++) {
		if (round > s->count)
			return ud_fail_field(cx, "members", "cycle",
				"The order of the members runs in a circle.");
		moved = false;
		for (size_t i = 0; i < s->count; i++)
			for (size_t k = 0; k < s->members[i].after.count; k++) {
				size_t p = position(s, s->members[i].after.items[k]);

				if (s->members[p].group != s->members[i].group ||
					s->depth[i] > s->depth[p])
					continue;
				s->depth[i] = s->depth[p] + 1;
				moved = true;
			}
	}
	return UD_OK;
}

struct placed {
	int64_t key;
	size_t i;
};

static int by_key(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->i < y->i ? -1 : 1;
}

enum ud_code ud_plan_order(struct ud_ctx *cx, const char *members, struct ud_plan_order *ret)
{
	struct sorting s = { 0 };
	int64_t wave = -1, last = -1;

	UD_TRY(ud_shape_read_list(cx, &ud_plan_member_shape, members, UD_PLAN_MEMBERS,
		(void **)&s.members, &s.count));
	s.depth = ud_alloc(cx->arena, sizeof(*s.depth) * (s.count + 1));
	UD_TRY(check_names(cx, &s));
	UD_TRY(find_depths(cx, &s));
	struct placed *placed = ud_alloc(cx->arena, sizeof(*placed) * (s.count + 1));

	for (size_t i = 0; i < s.count; i++)
		placed[i] = (struct placed){ s.members[i].group * 1000 + s.depth[i], i };
	qsort(placed, s.count, sizeof(*placed), by_key);
	ret->vm_ids = ud_alloc(cx->arena, sizeof(char *) * (s.count + 1));
	ret->waves = ud_alloc(cx->arena, sizeof(int64_t) * (s.count + 1));
	ret->groups = ud_alloc(cx->arena, sizeof(int64_t) * (s.count + 1));
	ret->count = s.count;
	for (size_t i = 0; i < s.count; i++) {
		wave += placed[i].key != last;
		last = placed[i].key;
		ret->vm_ids[i] = s.members[placed[i].i].vm_id;
		ret->waves[i] = wave;
		ret->groups[i] = s.members[placed[i].i].group;
	}
	return UD_OK;
}

/* ---- groups ---- */

/* Guests that steps name belong to their group. */
static enum ud_code check_guests(
	struct ud_ctx *cx, const struct ud_plan_order *order, const struct ud_plan_group *g)
{
	for (size_t k = 0; k < g->after.count; k++) {
		const char *id = g->after.items[k].vm_id;
		size_t i = 0;

		while (id && i < order->count &&
			(strcmp(order->vm_ids[i], id) != 0 || order->groups[i] != g->group))
			i++;
		if (id && i == order->count)
			return ud_fail_field(cx, "vm_id", "not_found",
				"VM %s of step %s is not in group %lld.", id,
				g->after.items[k].name, (long long)g->group);
	}
	return UD_OK;
}

static bool has_group(const struct ud_plan_order *order, int64_t group)
{
	for (size_t i = 0; i < order->count; i++)
		if (order->groups[i] == group)
			return true;
	return false;
}

enum ud_code ud_plan_groups_check(
	struct ud_ctx *cx, const struct ud_plan_order *order, struct ud_json *groups)
{
	struct ud_plan_group *all = NULL;
	size_t n = 0;

	if (!groups->text)
		return UD_OK;
	UD_TRY(ud_plan_groups_read(cx, groups->text, &all, &n));
	for (size_t i = 0; i < n; i++) {
		if (ud_plan_group_find(all, i, all[i].group))
			return ud_fail_field(cx, "groups", "duplicate",
				"Group %lld is named twice.", (long long)all[i].group);
		if (!has_group(order, all[i].group))
			return ud_fail_field(cx, "groups", "not_found",
				"No member of the plan is in group %lld.", (long long)all[i].group);
		UD_TRY(check_guests(cx, order, &all[i]));
		all[i].first_wave = all[i].last_wave = UD_NONE;
	}
	groups->text = ud_plan_groups_text(cx, all, n);
	return UD_OK;
}

/* Members come in the order of their waves, so each group's stand together. */
enum ud_code ud_plan_groups_of_run(
	struct ud_ctx *cx, const struct ud_plan_order *order, struct ud_json *groups)
{
	struct ud_plan_group *said = NULL, *all;
	size_t n = 0, count = 0;

	UD_TRY(ud_plan_groups_read(cx, groups->text, &said, &n));
	all = ud_alloc(cx->arena, sizeof(*all) * (order->count + 1));
	for (size_t i = 0; i < order->count; i++) {
		const struct ud_plan_group *g = ud_plan_group_find(said, n, order->groups[i]);

		if (!count || all[count - 1].group != order->groups[i]) {
			all[count] = g ? *g : ud_plan_group_standard(order->groups[i]);
			all[count++].first_wave = order->waves[i];
		}
		all[count - 1].last_wave = order->waves[i];
	}
	groups->text = ud_plan_groups_text(cx, all, count);
	return UD_OK;
}

/* ---- versions and drills ---- */

enum ud_code ud_plan_version_add(struct ud_ctx *cx, const struct ud_recovery_plan *p)
{
	struct ud_buf b = { 0 };

	ud_shape_encode(&b, &shape, p, NULL);
	const char *text = ud_buf_take(cx->arena, &b);

	return ud_exec(cx, NULL,
		"INSERT INTO recovery_plan_versions(plan_id, customer_id, version, created_at,"
		" created_by, document) VALUES ($1, $2, $3, $4, $5, $6)",
		UD_VALS(ud_t(p->row.id), ud_t(p->row.customer_id), ud_i(p->row.version),
			ud_i(cx->now_ms), ud_t(cx->scope->id), ud_t(text)));
}

enum ud_code ud_plan_versions(
	struct ud_ctx *cx, const char *plan_id, ud_plan_version_visitor *visit, void *data)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	/* every tenant: the caller has read the plan with its scope */
	UD_TRY(ud_query(cx, &rows,
		"SELECT version, created_at, created_by, document FROM recovery_plan_versions"
		" WHERE plan_id = $1 ORDER BY version DESC LIMIT 200",
		UD_VALS(ud_t(plan_id))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		UD_TRY(visit(cx, data, ud_col_int(rows, 0), ud_col_int(rows, 1),
			ud_col_text(rows, 2), ud_col_text(rows, 3)));
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code ud_plan_version_get(struct ud_ctx *cx, const char *plan_id, int64_t version,
	const char **ret_document, int64_t *ret_before)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret_document = NULL;
	*ret_before = 0;
	/* every tenant: the caller has read the plan with its scope */
	UD_TRY(ud_query(cx, &rows,
		"SELECT version, document FROM recovery_plan_versions"
		" WHERE plan_id = $1 AND version <= $2 ORDER BY version DESC LIMIT 2",
		UD_VALS(ud_t(plan_id), ud_i(version))));
	UD_TRY(ud_next(cx, rows, &more));
	if (!more || ud_col_int(rows, 0) != version)
		return UD_OK;
	*ret_document = ud_col_dup(cx, rows, 1);
	UD_TRY(ud_next(cx, rows, &more));
	if (more)
		*ret_before = ud_col_int(rows, 0);
	return UD_OK;
}

enum ud_code ud_plan_verified(struct ud_ctx *cx, const char *plan_id, const char *facts)
{
	/* every tenant: the caller has read the plan with its scope */
	return ud_exec(cx, NULL,
		"UPDATE recovery_plans SET verified_facts = $2, looked_at = $3 WHERE id = $1",
		UD_VALS(ud_t(plan_id), ud_t(facts), ud_i(cx->now_ms)));
}

enum ud_code ud_plan_verified_facts(struct ud_ctx *cx, const char *plan_id, const char **ret)
{
	bool found = false;

	/* every tenant: the caller has read the plan with its scope */
	return ud_query_text(cx, &found, ret,
		"SELECT verified_facts FROM recovery_plans WHERE id = $1 AND verified_facts IS NOT NULL",
		UD_VALS(ud_t(plan_id)));
}

enum ud_code ud_plan_compared(
	struct ud_ctx *cx, const char *plan_id, const struct ud_texts *differs)
{
	struct ud_buf b = { 0 };

	ud_texts_write(&b, differs);
	const char *text = ud_buf_take(cx->arena, &b);

	/* every tenant: the plan was read before */
	return ud_exec(cx, NULL,
		"UPDATE recovery_plans SET stale_because = $2, looked_at = $3 WHERE id = $1",
		UD_VALS(ud_t(plan_id), ud_t(text), ud_i(cx->now_ms)));
}

enum ud_code ud_plan_last_drill(struct ud_ctx *cx, const char *plan_id, int64_t *ret_ms)
{
	bool found = false;

	*ret_ms = 0;
	/* every tenant: the caller has read the plan with its scope */
	return ud_query_int(cx, &found, ret_ms,
		"SELECT MAX(ended_at) FROM failovers WHERE plan_id = $1 AND kind = 'test'"
		" AND state = 'solved' AND verdict = 'passed'",
		UD_VALS(ud_t(plan_id)));
}

enum { BATCH = 100, HANDFUL = 5 };

enum ud_code ud_plans_to_compare(struct ud_ctx *cx, int64_t before_ms, struct ud_texts *ret)
{
	/* every tenant: hosts and networks are the same for all */
	return ud_query_texts(cx, HANDFUL, ret,
		"SELECT id FROM recovery_plans WHERE verified_facts IS NOT NULL"
		" AND verified_version = version AND stale_because = '[]' AND looked_at <= $1"
		" ORDER BY looked_at, id LIMIT $2",
		UD_VALS(ud_i(before_ms), ud_i(HANDFUL)));
}

enum ud_code ud_plans_with_drills(struct ud_ctx *cx, struct ud_texts *ret)
{
	/* every tenant: the clock is the same for all */
	return ud_query_texts(cx, BATCH, ret,
		"SELECT p.id FROM recovery_plans p WHERE p.drill_interval_days IS NOT NULL"
		" AND COALESCE((SELECT MAX(f.ended_at) FROM failovers f WHERE f.plan_id = p.id"
		" AND f.kind = 'test' AND f.state = 'solved' AND f.verdict = 'passed'), p.created_at)"
		" + p.drill_interval_days * 86400000 <= $1"
		" AND COALESCE(p.drill_told_at, 0) + p.drill_interval_days * 86400000 <= $1"
		" ORDER BY p.id LIMIT 100",
		UD_VALS(ud_i(cx->now_ms)));
}

enum ud_code ud_plan_told(struct ud_ctx *cx, const char *plan_id)
{
	/* every tenant: the plan was read before */
	return ud_exec(cx, NULL, "UPDATE recovery_plans SET drill_told_at = $2 WHERE id = $1",
		UD_VALS(ud_t(plan_id), ud_i(cx->now_ms)));
}
