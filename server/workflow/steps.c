/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What steps tell agents, and what they take of the answers.
 */
#include <string.h>

#include "base/crypto.h"
#include "base/failover.h"
#include "base/replication.h"
#include "db/events.h"
#include "db/network_maps.h"
#include "db/vms.h"
#include "server/replication/relations.h"
#include "server/workflow/steps.h"

enum { SHUTDOWN_SECONDS = 300, GUEST_SECONDS = 120 };

/* ---- arguments ---- */

enum ud_code ud_args_stop(struct ud_ctx *cx, struct flow *fl, struct ud_buf *b)
{
	struct ud_stop_args a = { SHUTDOWN_SECONDS, fl->f.allow_hard_stop };

	fl->w->outage_at.ms = cx->now_ms; /* from here on it does not serve */
	ud_shape_encode(b, &ud_stop_args_shape, &a, NULL);
	return UD_OK;
}

enum ud_code ud_args_stop_hard(struct ud_ctx *cx, struct flow *fl, struct ud_buf *b)
{
	struct ud_stop_args a = { 1, true };

	(void)cx, (void)fl;
	ud_shape_encode(b, &ud_stop_args_shape, &a, NULL);
	return UD_OK;
}

enum ud_code ud_args_relation(struct ud_ctx *cx, struct flow *fl, struct ud_buf *b)
{
	struct ud_relation_args a = { fl->w->replication_id };

	(void)cx;
	ud_shape_encode(b, &ud_relation_args_shape, &a, NULL);
	return UD_OK;
}

/* From where to where, by the plan that was approved. */
static struct ud_network_way way_of(const struct flow *fl)
{
	const struct ud_workflow *w = fl->w;

	return (struct ud_network_way){ w->vm_id, w->source_host_id, w->target_host_id,
		w->kind == UD_FAILOVER_TEST, fl->f.network_map.text };
}

enum ud_code ud_args_promote(struct ud_ctx *cx, struct flow *fl, struct ud_buf *b)
{
	struct ud_promote_args a = { .replication_id = fl->w->replication_id,
		.point_id = fl->w->recovery_point_id,
		.peer_fenced = true };
	struct ud_texts unmapped = { 0 };

	const struct ud_network_way way = way_of(fl);

	UD_TRY(ud_network_map_cards(cx, &way, &a.networks, &unmapped));
	ud_shape_encode(b, &ud_promote_args_shape, &a, NULL);
	return UD_OK;
}

/* The former source goes on with its own disks. */
enum ud_code ud_args_promote_back(struct ud_ctx *cx, struct flow *fl, struct ud_buf *b)
{
	struct ud_promote_args a = { .replication_id = fl->w->replication_id, .peer_fenced = true };

	(void)cx;
	ud_shape_encode(b, &ud_promote_args_shape, &a, NULL);
	return UD_OK;
}

enum ud_code ud_args_test_start(struct ud_ctx *cx, struct flow *fl, struct ud_buf *b)
{
	struct ud_vm vm = { 0 };

	UD_TRY(ud_row_get(cx, &ud_vms, fl->w->vm_id, &vm));
	struct ud_test_start_args a = { .test_id = fl->w->test_id,
		.replication_id = fl->w->replication_id,
		.point_id = fl->w->recovery_point_id,
		.name = ud_printf(cx->arena, "%s - Test", vm.name) };
	struct ud_texts unmapped = { 0 };

	const struct ud_network_way way = way_of(fl);

	UD_TRY(ud_network_map_cards(cx, &way, &a.networks, &unmapped));
	ud_shape_encode(b, &ud_test_start_args_shape, &a, NULL);
	return UD_OK;
}

enum ud_code ud_args_test_drop(struct ud_ctx *cx, struct flow *fl, struct ud_buf *b)
{
	struct ud_test_args a = { fl->w->test_id };

	(void)cx;
	ud_shape_encode(b, &ud_test_args_shape, &a, NULL);
	return UD_OK;
}

/* What is to be looked at inside the guest: member "checks" of the request. */
struct inside {
	struct ud_texts services, arguments;
	const char *program;
};
/* clang-format off */
static const struct ud_field inside_fields[] = {
	UD_FIELD(inside, services,  .max = 32),
	UD_FIELD(inside, program),
	UD_FIELD(inside, arguments, .max = 32),
};
/* clang-format on */
static const struct ud_shape inside_shape = { UD_SHAPE(inside, inside_fields), .bare = true };

static const char *const check_names[] = { [UD_CHECK_POWER] = "check_power",
	[UD_CHECK_GUEST_AGENT] = "check_guest_agent",
	[UD_CHECK_SERVICES] = "check_services",
	[UD_CHECK_SCRIPT] = "check_script" };

static enum ud_check_level level_of(const char *step)
{
	int level = 0;

	while (strcmp(check_names[level], step) != 0)
		level++;
	return (enum ud_check_level)level;
}

static enum ud_code read_inside(struct ud_ctx *cx, const struct flow *fl, struct inside *ret)
{
	const char *text = fl->f.checks.text;

	return text ? ud_shape_read(cx, &inside_shape, text, strlen(text), ret) : UD_OK;
}

enum ud_code ud_args_check(struct ud_ctx *cx, struct flow *fl, struct ud_buf *b)
{
	struct inside in = { 0 };

	int64_t wait = 0;

	UD_TRY(read_inside(cx, fl, &in));
	UD_TRY(ud_flow_gate_seconds(cx, fl, &wait));
	struct ud_check_args a = { .level = level_of(fl->w->step),
		.test_id = fl->w->test_id,
		.wait_seconds = wait,
		.screenshot = true };

	if (a.level == UD_CHECK_SERVICES)
		a.services = in.services;
	if (a.level == UD_CHECK_SCRIPT) {
		a.program = in.program;
		a.arguments = in.arguments;
	}
	ud_shape_encode(b, &ud_check_args_shape, &a, NULL);
	return UD_OK;
}

/* Services and a program are looked at where the request names some. */
enum ud_code ud_look_check(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	struct inside in = { 0 };
	enum ud_check_level level = level_of(fl->w->step);

	(void)ret_jump;
	*ret = STAY;
	if (level != UD_CHECK_SERVICES && level != UD_CHECK_SCRIPT)
		return UD_OK;
	UD_TRY(read_inside(cx, fl, &in));
	if (level == UD_CHECK_SERVICES ? !in.services.count : !in.program)
		*ret = PASS;
	return UD_OK;
}

/* ---- addresses of the guest ---- */

static enum ud_code cards_to_set(struct ud_ctx *cx, struct flow *fl, struct ud_json *ret)
{
	const struct ud_network_way way = way_of(fl);

	return ud_network_map_addresses(cx, &way, ret);
}

enum ud_code ud_args_addresses(struct ud_ctx *cx, struct flow *fl, struct ud_buf *b)
{
	struct ud_addresses_args a = { .test_id = fl->w->test_id, .wait_seconds = GUEST_SECONDS };

	UD_TRY(cards_to_set(cx, fl, &a.cards));
	ud_shape_encode(b, &ud_addresses_args_shape, &a, NULL);
	return UD_OK;
}

/* Guests that keep what they have are left alone. */
enum ud_code ud_look_addresses(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	struct ud_json cards = { 0 };

	(void)ret_jump;
	UD_TRY(cards_to_set(cx, fl, &cards));
	*ret = strcmp(cards.text, "[]") == 0 ? PASS : STAY;
	return UD_OK;
}

/* ---- results ---- */

static enum ud_code read(
	struct ud_ctx *cx, const struct ud_shape *shape, const char *text, void *ret)
{
	const char *from = text ? text : "{}";

	return ud_shape_read(cx, shape, from, strlen(from), ret);
}

enum ud_code ud_took_stop(struct ud_ctx *cx, struct flow *fl, const char *result)
{
	(void)result;
	fl->w->stopped_at.ms = cx->now_ms;
	return UD_OK;
}

/* The point that the run goes on with. Its age stands where it was when it was told. */
static void take_point(struct ud_workflow *w, const struct ud_point *p)
{
	w->recovery_point_id = p->id;
	w->point_age_ms = p->age_ms;
	w->point_taken_at = p->taken_at;
}

enum ud_code ud_took_sync(struct ud_ctx *cx, struct flow *fl, const char *result)
{
	struct ud_sync_result r = { 0 };
	struct ud_point p = { 0 };

	UD_TRY(read(cx, &ud_sync_result_shape, result, &r));
	UD_TRY(read(cx, &ud_point_shape, r.point.text, &p));
	take_point(fl->w, &p);
	return UD_OK;
}

/* The fence's answer stays with the step; the point is chosen from it later. What cannot be read is
 * this step's failure, which people see: the later one could only stand still. */
enum ud_code ud_took_fence(struct ud_ctx *cx, struct flow *fl, const char *result)
{
	struct ud_fence_result r = { 0 };
	struct ud_point *points = NULL;
	size_t n = 0;

	UD_TRY(read(cx, &ud_fence_result_shape, result, &r));
	UD_TRY(ud_shape_read_list(
		cx, &ud_point_shape, r.points.text, UD_REPORT_POINTS, (void **)&points, &n));
	fl->w->fenced_at.ms = cx->now_ms;
	return UD_OK;
}

enum ud_code ud_took_promote(struct ud_ctx *cx, struct flow *fl, const char *result)
{
	struct ud_promote_result r = { 0 };

	(void)fl;
	return read(cx, &ud_promote_result_shape, result, &r);
}

enum ud_code ud_took_revert(struct ud_ctx *cx, struct flow *fl, const char *result)
{
	struct ud_revert_result r = { 0 };

	(void)fl;
	return read(cx, &ud_revert_result_shape, result, &r);
}

enum ud_code ud_took_test_start(struct ud_ctx *cx, struct flow *fl, const char *result)
{
	struct ud_test_start_result r = { 0 };

	UD_TRY(read(cx, &ud_test_start_result_shape, result, &r));
	fl->w->test_uuid = r.uuid;
	return UD_OK;
}

/* A copy that could not be removed is no end: the step fails with what is left. */
enum ud_code ud_took_test_drop(struct ud_ctx *cx, struct flow *fl, const char *result)
{
	struct ud_test_drop_result r = { 0 };

	UD_TRY(read(cx, &ud_test_drop_result_shape, result, &r));
	if (r.left.count)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL, "Left behind at the host: %s%s.",
			r.left.items[0], r.left.count > 1 ? " and more" : "");
	fl->w->test_uuid = NULL;
	return UD_OK;
}

/* The picture goes into a row of its own; the step keeps its hash. */
static enum ud_code keep_picture(struct ud_ctx *cx, struct flow *fl, struct ud_check_result *r)
{
	char hash[UD_SHA256_HEX];

	if (!r->screenshot)
		return UD_OK;
	ud_sha256_hex(r->screenshot, strlen(r->screenshot), hash);
	UD_TRY(ud_picture_add(cx, &fl->f, fl->w->row.id, fl->w->step, hash, r->screenshot));
	r->screenshot = ud_printf(cx->arena, "sha256:%s", hash);
	return UD_OK;
}

enum ud_code ud_took_check(struct ud_ctx *cx, struct flow *fl, const char *result)
{
	struct ud_check_result r = { 0 };
	struct ud_buf b = { 0 };

	UD_TRY(read(cx, &ud_check_result_shape, result, &r));
	UD_TRY(keep_picture(cx, fl, &r));
	ud_shape_encode(&b, &ud_check_result_shape, &r, NULL);
	fl->step.result.text = ud_buf_take(cx->arena, &b);
	if (r.skipped)
		return UD_OK;
	if (!r.passed)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL, "%s",
			r.text ? r.text : "The guest is not as it should be.");
	fl->w->checks_passed++;
	fl->w->serving_at.ms = cx->now_ms;
	/* that it has power says nothing of what is in the point */
	if (level_of(fl->w->step) == UD_CHECK_POWER)
		return UD_OK;
	return ud_point_ran(cx, fl->w->recovery_point_id,
		level_of(fl->w->step) == UD_CHECK_GUEST_AGENT ? UD_VERIFIED_BOOT_OK
							      : UD_VERIFIED_SERVICE_OK);
}

/* A card that is not set is a word to people; the VM runs. */
enum ud_code ud_took_addresses(struct ud_ctx *cx, struct flow *fl, const char *result)
{
	struct ud_addresses_result r = { 0 };
	struct ud_card_told *cards = NULL;
	const struct ud_card_told *first = NULL;
	size_t n = 0, failed = 0;

	(void)fl;
	UD_TRY(read(cx, &ud_addresses_result_shape, result, &r));
	UD_TRY(ud_shape_read_list(
		cx, &ud_card_told_shape, r.cards.text, UD_FAILOVER_CARDS, (void **)&cards, &n));
	for (size_t i = 0; i < n; i++)
		if (cards[i].outcome == UD_CARD_FAILED) {
			first = first ? first : &cards[i];
			failed++;
		}
	if (!first)
		return UD_OK;
	return ud_fail(cx, UD_E_HYPERVISOR, NULL,
		"%zu of %zu cards do not have their addresses (%s: %s) The VM runs; set them"
		" inside the guest.",
		failed, n, first->mac, first->detail ? first->detail : "no reason was told.");
}

enum ud_code ud_flow_demoted(struct ud_ctx *cx, struct flow *fl, const char *result)
{
	struct ud_demote_result r = { 0 };
	struct ud_workflow *w = fl->w;

	UD_TRY(read(cx, &ud_demote_result_shape, result, &r));
	w->demoted_at.ms = cx->now_ms;
	w->divergent = r.divergent;
	UD_TRY(ud_step_log(cx, w, "demoted", w->source_host_id, w->demote_seq, result));
	/* two ran for a while: told, however it came to that */
	if (!r.was_running || w->kind != UD_FAILOVER_UNPLANNED)
		return UD_OK;
	return ud_event_add_plain(
		cx, "vm.split_brain_ended", w->row.customer_id, "vm", w->vm_id, result);
}
