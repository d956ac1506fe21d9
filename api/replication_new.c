/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a replication, and its extension to a third host. The preflight is part of both: a dry run
 * answers with its list, the call itself is refused while something on it forbids the work.
 */
#include <string.h>

#include "api/preflight.h"
#include "api/replications.h"
#include "db/events.h"
#include "db/policies.h"
#include "db/references.h"
#include "server/http/server.h"
#include "server/replication/judge.h"
#include "server/replication/relations.h"

static const char *const fencing_names[] = { "attest", "lease", "stonith" };
static const struct ud_enum fencing_policies = { "fencing_policy", fencing_names,
	UD_LEN(fencing_names) };

enum { WINDOWS = 4096, DISKS = 64 };
static const int64_t rate_max = INT64_C(1) << 40;

struct wish {
	const char *target_host_id, *target_site_id, *policy_id;
	int64_t schedule_interval_seconds, rpo_target_seconds, rto_target_seconds;
	int64_t recovery_points_kept, app_consistent_every_hours;
	unsigned compression, authentication, fencing_policy;
	int64_t rate_bytes_per_second;
	struct ud_json windows;
	struct ud_texts excluded_disk_ids;
	unsigned initial_method;
	struct ud_time initial_start_at;
	bool auto_resync;
	struct ud_texts waivers;
};
/* clang-format off */
static const struct ud_field wish_fields[] = {
	UD_FIELD(wish, target_host_id,             .refers = "hst", .about = "Host that takes the copy."),
	UD_FIELD(wish, target_site_id,             .refers = "sit", .about = "Or the site: then the host with the most room is taken."),
	UD_FIELD(wish, policy_id,                  .refers = "pol", .about = "Policy that the figures come from which are not given."),
	UD_FIELD(wish, schedule_interval_seconds,  .flags = UD_NULLABLE, .min = 5, .max = 86400, .about = "Seconds from one cycle to the next: 5 or more on KVM; 30, 300 or 900 on Hyper-V."),
	UD_FIELD(wish, rpo_target_seconds,         .flags = UD_NULLABLE, .min = 5, .max = 604800, .about = "Age of the newest recovery point that is promised."),
	UD_FIELD(wish, rto_target_seconds,         .flags = UD_NULLABLE, .min = 1, .max = 604800, .about = "Time to be running again that is promised."),
	UD_FIELD(wish, recovery_points_kept,       .flags = UD_NULLABLE, .min = 0, .max = 240, .about = "Points kept beside the newest."),
	UD_FIELD(wish, app_consistent_every_hours, .flags = UD_NULLABLE, .min = 1, .max = 12, .about = "Hours between application-consistent points; null = none."),
	UD_FIELD(wish, compression,                .values = &ud_compressions, .about = "Compression on the wire."),
	UD_FIELD(wish, authentication,             .values = &ud_authentications, .about = "How the hosts know each other; data is encrypted with certificates alone."),
	UD_FIELD(wish, fencing_policy,             .values = &fencing_policies, .about = "How it is made sure that the VM never runs twice."),
	UD_FIELD(wish, rate_bytes_per_second,      .flags = UD_NULLABLE, .min = 1024, .max = rate_max, .about = "Bytes a second at most; null = no limit."),
	UD_FIELD(wish, windows,                    .max = WINDOWS, .about = "Times at which it may send: days, from_minute, until_minute, rate_bytes_per_second; none = always."),
	UD_FIELD(wish, excluded_disk_ids,          .max = DISKS, .about = "Disks that are not copied, by their names in the VM."),
	UD_FIELD(wish, initial_method,             .values = &ud_initial_methods, .about = "How the first full copy comes to the target."),
	UD_FIELD(wish, initial_start_at,           .about = "Not before, seven days ahead at most; null = at once."),
	UD_FIELD(wish, auto_resync,                .standard = 1, .about = "Resynchronise by itself when that is needed."),
	UD_FIELD(wish, waivers,                    .max = 2, .values = &ud_waivers, .about = "Rules that are set aside."),
};
/* clang-format on */
const struct ud_shape ud_replication_new_shape = { .object = "replication_wish",
	UD_SHAPE(wish, wish_fields),
	.bare = true,
	.about = "A replication to be." };

struct extension {
	const char *target_host_id, *target_site_id;
	int64_t schedule_interval_seconds, rpo_target_seconds, rto_target_seconds;
	int64_t recovery_points_kept;
	struct ud_texts waivers;
};
/* clang-format off */
static const struct ud_field extension_fields[] = {
	UD_FIELD(extension, target_host_id,            .refers = "hst", .about = "Third host."),
	UD_FIELD(extension, target_site_id,            .refers = "sit", .about = "Or its site: then the host with the most room is taken."),
	UD_FIELD(extension, schedule_interval_seconds, .flags = UD_REQUIRED, .min = 5, .max = 86400, .about = "Seconds from one cycle to the next: 300 or more, and not faster than the first leg."),
	UD_FIELD(extension, rpo_target_seconds,        .flags = UD_NULLABLE, .min = 5, .max = 604800, .about = "Age of the newest point at the third host that is promised, counted from the first; null = three times the interval."),
	UD_FIELD(extension, rto_target_seconds,        .flags = UD_NULLABLE, .min = 1, .max = 604800, .about = "Time to be running again that is promised; null = as the first leg."),
	UD_FIELD(extension, recovery_points_kept,      .flags = UD_NULLABLE, .min = 0, .max = 240, .about = "Points kept beside the newest; null = as the first leg."),
	UD_FIELD(extension, waivers,                   .max = 2, .values = &ud_waivers, .about = "Rules that are set aside."),
};
/* clang-format on */
const struct ud_shape ud_replication_extend_shape = { .object = "replication_extension",
	UD_SHAPE(extension, extension_fields),
	.bare = true,
	.about = "An extension to a third host." };

/* ---- the answer of a dry run ---- */

struct report {
	const char *vm_id, *source_host_id, *target_host_id;
	unsigned leg;
	bool possible;
	struct ud_json blockers;
	int64_t copy_bytes, available_bytes;
};
/* clang-format off */
static const struct ud_field report_fields[] = {
	UD_FIELD(report, vm_id,           .about = "VM it is about."),
	UD_FIELD(report, source_host_id,  .about = "Host it would be copied from."),
	UD_FIELD(report, target_host_id,  .about = "Host it would be copied to; null = none fits."),
	UD_FIELD(report, leg,             .values = &ud_legs, .about = "First copy, or the copy of a copy."),
	UD_FIELD(report, possible,        .about = "Would the call succeed?"),
	UD_FIELD(report, blockers,        .about = "What stands in the way, and what is worth knowing (warning): code, text, fix, subject."),
	UD_FIELD(report, copy_bytes,      .flags = UD_NULLABLE, .about = "Room that the first full copy takes."),
	UD_FIELD(report, available_bytes, .flags = UD_NULLABLE, .about = "Room that the target has."),
};
/* clang-format on */
static const struct ud_shape report_shape = { .object = "replication_preflight",
	UD_SHAPE(report, report_fields),
	.bare = true,
	.about = "What stands in the way of a replication." };

static enum ud_code answer_report(
	struct ud_ctx *cx, struct ud_request *rq, const struct ud_preflight *p)
{
	const struct report out = { .vm_id = p->vm.row.id,
		.source_host_id = p->wanted.source_host_id,
		.target_host_id = p->wanted.target_host_id,
		.leg = p->wanted.leg,
		.possible = !p->blocked,
		.blockers.text = ud_preflight_json(cx, p),
		.copy_bytes = p->copy_bytes,
		.available_bytes = p->available_bytes };

	return ud_answer(cx, rq, &report_shape, &out);
}

/* ---- what is asked for ---- */

static enum ud_code stands_in(
	struct ud_ctx *cx, const char *host_id, const char *site_id, bool *ret)
{
	const struct ud_scope *asker = cx->scope, system = ud_scope_system("replications");
	struct ud_host host = { 0 };

	cx->scope = &system;
	enum ud_code code = ud_row_get(cx, &ud_hosts, host_id, &host);

	cx->scope = asker;
	*ret = code == UD_OK && strcmp(host.site_id, site_id) == 0;
	return code;
}

/* The host named, or the best of the site named; staff name the provider's, customers their own. */
static enum ud_code find_target(struct ud_ctx *cx, const struct ud_vm *vm, const char *host_id,
	const char *site_id, const char **ret)
{
	bool fine = true, there = true;

	*ret = host_id;
	if (!host_id && !site_id)
		return ud_fail_field(cx, "target_host_id", "required",
			"Either target_host_id or target_site_id is required.");
	if (host_id)
		UD_TRY(ud_reference_check(
			cx, "target_host_id", "hst", host_id, vm->row.customer_id, &fine));
	if (site_id)
		UD_TRY(ud_reference_check(
			cx, "target_site_id", "sit", site_id, vm->row.customer_id, &fine));
	if (!fine)
		return UD_E_VALIDATION;
	if (!host_id)
		return ud_preflight_choose(cx, vm, site_id, ret);
	if (site_id)
		UD_TRY(stands_in(cx, host_id, site_id, &there));
	return there ? UD_OK
		     : ud_fail_field(cx, "target_site_id", "other_site",
			       "The target host stands in another site.");
}

static bool given(const struct ud_request *rq, const char *name)
{
	return ud_given_name(&rq->given, &ud_replication_new_shape, name);
}

static int64_t either(const struct ud_request *rq, const char *name, int64_t asked, int64_t policy)
{
	return given(rq, name) ? asked : policy;
}

/* Figures of the policy, with those of the request before them. */
static void apply_policy(const struct ud_request *rq, const struct wish *in,
	const struct ud_policy *p, struct ud_replication *r)
{
	r->schedule_interval_seconds = either(rq, "schedule_interval_seconds",
		in->schedule_interval_seconds, p->schedule_interval_seconds);
	r->rpo_target_seconds =
		either(rq, "rpo_target_seconds", in->rpo_target_seconds, p->rpo_target_seconds);
	r->rto_target_seconds =
		either(rq, "rto_target_seconds", in->rto_target_seconds, p->rto_target_seconds);
	r->recovery_points_kept = either(
		rq, "recovery_points_kept", in->recovery_points_kept, p->recovery_points_kept);
	r->app_consistent_every_hours = either(rq, "app_consistent_every_hours",
		in->app_consistent_every_hours, p->app_consistent_every_hours);
	r->rate_bytes_per_second = either(
		rq, "rate_bytes_per_second", in->rate_bytes_per_second, p->rate_bytes_per_second);
	r->compression = given(rq, "compression") ? in->compression : p->compression;
	r->authentication = given(rq, "authentication") ? in->authentication : p->authentication;
	r->windows = given(rq, "windows") ? in->windows : p->windows;
	r->excluded_disk_ids =
		given(rq, "excluded_disk_ids") ? in->excluded_disk_ids : p->excluded_disk_ids;
}

static enum ud_code check_figures(struct ud_ctx *cx, const struct ud_replication *r)
{
	const struct {
		const char *name;
		int64_t value;
	} needed[] = { { "schedule_interval_seconds", r->schedule_interval_seconds },
		{ "recovery_points_kept", r->recovery_points_kept },
		{ "rpo_target_seconds", r->rpo_target_seconds },
		{ "rto_target_seconds", r->rto_target_seconds } };
	enum ud_code code = UD_OK;

	for (size_t i = 0; i < UD_LEN(needed); i++)
		if (needed[i].value == UD_NONE)
			code = ud_fail_field(cx, needed[i].name, "required",
				"%s is required where no policy says it.", needed[i].name);
	return code;
}

static enum ud_code check_start(struct ud_ctx *cx, const struct wish *in)
{
	const int64_t week_ms = INT64_C(7) * 86400000;

	if (in->initial_method == UD_INITIAL_REVERSE)
		return ud_fail_field(cx, "initial_method", "not_allowed",
			"reverse is what a failover leaves behind.");
	if (in->initial_start_at.ms > cx->now_ms + week_ms)
		return ud_fail_field(cx, "initial_start_at", "out_of_range",
			"initial_start_at is seven days ahead at most.");
	return UD_OK;
}

static void begin_row(struct ud_ctx *cx, const struct ud_vm *vm, struct ud_replication *r)
{
	*r = (struct ud_replication){ .row.customer_id = vm->row.customer_id,
		.vm_id = vm->row.id,
		.state = UD_REPLICATION_READY_FOR_SEED,
		.state_since.ms = cx->now_ms,
		.health = UD_HEALTH_WARNING,
		.health_since.ms = cx->now_ms,
		.app_consistent_every_hours = UD_NONE,
		.rate_bytes_per_second = UD_NONE,
		.auto_resync = true,
		.generation = 1,
		.window_started_at.ms = ud_health_window(cx->now_ms) };
}

static enum ud_code read_wish(struct ud_ctx *cx, struct ud_request *rq, struct ud_preflight *p)
{
	static const struct ud_policy none = { .schedule_interval_seconds = UD_NONE,
		.rpo_target_seconds = UD_NONE,
		.rto_target_seconds = UD_NONE,
		.recovery_points_kept = UD_NONE,
		.app_consistent_every_hours = UD_NONE,
		.rate_bytes_per_second = UD_NONE };
	const struct wish *in = rq->in;
	struct ud_replication *r = &p->wanted;
	struct ud_policy policy = none;
	bool fine = true;

	UD_TRY(ud_row_get(cx, &ud_vms, rq->arg[0], &p->vm));
	begin_row(cx, &p->vm, r);
	r->leg = UD_LEG_PRIMARY;
	r->source_host_id = p->vm.host_id;
	UD_TRY(find_target(cx, &p->vm, in->target_host_id, in->target_site_id, &r->target_host_id));
	if (in->policy_id) {
		UD_TRY(ud_reference_check(
			cx, "policy_id", "pol", in->policy_id, p->vm.row.customer_id, &fine));
		if (!fine)
			return UD_E_VALIDATION;
		UD_TRY(ud_row_get(cx, &ud_policies_table, in->policy_id, &policy));
	}
	r->policy_id = in->policy_id;
	apply_policy(rq, in, &policy, r);
	r->initial_method = in->initial_method;
	r->initial_start_at = in->initial_start_at;
	r->auto_resync = in->auto_resync;
	p->waivers = in->waivers;
	UD_TRY(check_figures(cx, r));
	UD_TRY(check_start(cx, in));
	return ud_windows_check(cx, "windows", r->windows.text);
}

/* ---- making it ---- */

/* Store it, begin the work, answer with its operation. */
static enum ud_code make(struct ud_ctx *cx, struct ud_request *rq, struct ud_replication *r)
{
	struct ud_replication old;
	struct ud_operation op;

	UD_TRY(ud_row_insert(cx, &ud_replications, r));
	old = *r;
	UD_TRY(ud_replication_begin(cx, &rq->server->commanding, r, UD_WORK_SETUP, NULL, &op));
	UD_TRY(ud_row_update(cx, &ud_replications, &old, r));
	UD_TRY(ud_event_add(cx, "created", ud_replications.shape, NULL, r));
	return ud_replication_accepted(cx, rq, &op);
}

enum ud_code ud_replications_create(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct wish *in = rq->in;
	struct ud_preflight *p = ud_alloc(cx->arena, sizeof(*p));
	int64_t epoch = 0;

	UD_TRY(read_wish(cx, rq, p));
	UD_TRY(ud_preflight_run(cx, p));
	if (rq->dry_run)
		return answer_report(cx, rq, p);
	if (p->blocked)
		return ud_preflight_fail(cx, p);
	/* the epoch first: the relations carry it */
	UD_TRY(ud_vm_protect(cx, p->vm.row.id, fencing_names[in->fencing_policy], &epoch));
	UD_TRY(ud_event_add_plain(cx, "vm.protected", p->vm.row.customer_id, "vm", p->vm.row.id,
		ud_printf(cx->arena, "{\"fencing_policy\":\"%s\",\"target_host_id\":\"%s\"}",
			fencing_names[in->fencing_policy], p->wanted.target_host_id)));
	return make(cx, rq, &p->wanted);
}

/* The third copy follows the second: same disks, crash-consistent points. */
static enum ud_code read_extension(struct ud_ctx *cx, struct ud_request *rq,
	const struct ud_replication *first, struct ud_preflight *p)
{
	const struct extension *in = rq->in;
	struct ud_replication *r = &p->wanted;

	UD_TRY(ud_row_get(cx, &ud_vms, first->vm_id, &p->vm));
	begin_row(cx, &p->vm, r);
	r->leg = UD_LEG_EXTENDED;
	r->parent_id = first->row.id;
	r->source_host_id = first->target_host_id;
	r->schedule_interval_seconds = in->schedule_interval_seconds;
	r->rpo_target_seconds = in->rpo_target_seconds != UD_NONE
		? in->rpo_target_seconds
		: 3 * in->schedule_interval_seconds;
	r->rto_target_seconds = in->rto_target_seconds != UD_NONE ? in->rto_target_seconds
								  : first->rto_target_seconds;
	r->recovery_points_kept = in->recovery_points_kept != UD_NONE ? in->recovery_points_kept
								      : first->recovery_points_kept;
	r->compression = first->compression;
	r->authentication = first->authentication;
	r->rate_bytes_per_second = first->rate_bytes_per_second;
	r->windows = first->windows;
	r->excluded_disk_ids = first->excluded_disk_ids;
	p->parent = first;
	p->waivers = in->waivers;
	return find_target(cx, &p->vm, in->target_host_id, in->target_site_id, &r->target_host_id);
}

enum ud_code ud_replications_extend(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_preflight *p = ud_alloc(cx->arena, sizeof(*p));
	struct ud_replication *stored = ud_alloc(cx->arena, sizeof(*stored));
	struct ud_replication first = { 0 };

	UD_TRY(ud_row_get(cx, &ud_replications, rq->arg[0], stored));
	UD_TRY(read_extension(cx, rq, stored, p));
	UD_TRY(ud_replication_open(cx, rq, UD_RPL_EXTEND, stored, &first));
	UD_TRY(ud_preflight_run(cx, p));
	if (rq->dry_run)
		return answer_report(cx, rq, p);
	if (p->blocked)
		return ud_preflight_fail(cx, p);
	return make(cx, rq, &p->wanted);
}
