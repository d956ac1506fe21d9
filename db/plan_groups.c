/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field tables of a plan's groups.
 */
#include "db/plan_groups.h"

#include <string.h>

enum { GATE_SECONDS = 120, HALF_HOUR = 1800 };

static const char *const levels[] = { "power", "os", "service", "probe" };
static const struct ud_enum level_enum = { "gate_level", levels, UD_LEN(levels) };
static const char *const on_fails[] = { "pause", "stop", "continue" };
static const struct ud_enum on_fail_enum = { "on_fail", on_fails, UD_LEN(on_fails) };

/* clang-format off */
static const struct ud_field gate_fields[] = {
	UD_FIELD(ud_gate, level,           .values = &level_enum, .standard = UD_LEVEL_PROBE, .about = "How far its VMs are looked at before the next group starts."),
	UD_FIELD(ud_gate, timeout_seconds, .min = 5, .max = HALF_HOUR, .standard = GATE_SECONDS, .about = "How long each look waits for it."),
	UD_FIELD(ud_gate, on_fail,         .values = &on_fail_enum, .about = "What follows when a look fails."),
};
static const struct ud_field group_fields[] = {
	UD_FIELD(ud_plan_group, group,      .flags = UD_REQUIRED, .max = 99, .about = "Number of the group."),
	{ .name = "gate", .type = UD_JSON, .offset = offsetof(struct ud_plan_group, gate_text), .max = 1024, .about = "What it must pass." },
	UD_FIELD(ud_plan_group, first_wave, .flags = UD_NULLABLE, .max = 500),
	UD_FIELD(ud_plan_group, last_wave,  .flags = UD_NULLABLE, .max = 500),
};
/* clang-format on */
static const struct ud_shape gate_shape = { UD_SHAPE(ud_gate, gate_fields), .bare = true };
static const struct ud_shape group_shape = { UD_SHAPE(ud_plan_group, group_fields), .bare = true };

static enum ud_code read_gate(struct ud_ctx *cx, struct ud_plan_group *g)
{
	if (!g->gate_text.text) {
		g->gate = ud_plan_group_standard(0).gate;
		return UD_OK;
	}
	return ud_shape_read(
		cx, &gate_shape, g->gate_text.text, strlen(g->gate_text.text), &g->gate);
}

enum ud_code ud_plan_groups_read(
	struct ud_ctx *cx, const char *text, struct ud_plan_group **ret, size_t *ret_n)
{
	UD_TRY(ud_shape_read_list(cx, &group_shape, text, UD_PLAN_GROUPS, (void **)ret, ret_n));
	for (size_t i = 0; i < *ret_n; i++)
		UD_TRY(read_gate(cx, &(*ret)[i]));
	return UD_OK;
}

const char *ud_plan_groups_text(struct ud_ctx *cx, const struct ud_plan_group *groups, size_t n)
{
	struct ud_buf b = { 0 };

	ud_buf_putc(&b, '[');
	for (size_t i = 0; i < n; i++) {
		const struct ud_plan_group *g = &groups[i];

		ud_buf_printf(&b, "%s{\"group\":%lld,", i ? "," : "", (long long)g->group);
		if (g->first_wave >= 0)
			ud_buf_printf(&b, "\"first_wave\":%lld,\"last_wave\":%lld,",
				(long long)g->first_wave, (long long)g->last_wave);
		ud_buf_puts(&b, "\"gate\":");
		ud_shape_encode(&b, &gate_shape, &g->gate, NULL);
		ud_buf_putc(&b, '}');
	}
	ud_buf_putc(&b, ']');
	return ud_buf_take(cx->arena, &b);
}

const struct ud_plan_group *ud_plan_group_find(
	const struct ud_plan_group *groups, size_t n, int64_t group)
{
	for (size_t i = 0; i < n; i++)
		if (groups[i].group == group)
			return &groups[i];
	return NULL;
}

struct ud_plan_group ud_plan_group_standard(int64_t group)
{
	struct ud_plan_group g = { .group = group, .first_wave = UD_NONE, .last_wave = UD_NONE };

	ud_shape_init(&gate_shape, &g.gate);
	return g;
}
