/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field tables of a plan's groups.
 */
#include "db/plan_groups.h"

#include <string.h>

#include "base/rules.h"

enum {
	GATE_SECONDS = 120,
	HALF_HOUR = 1800,
	STEP_SECONDS = 300,
	HOUR = 3600,
	LIST = 64 << 10,
	WORDS = 32,
	TEXT = 2000
};

static const char *const levels[] = { "power", "os", "service", "probe" };
static const struct ud_enum level_enum = { "gate_level", levels, UD_LEN(levels) };
static const char *const on_fails[] = { "pause", "stop", "continue" };
static const struct ud_enum on_fail_enum = { "on_fail", on_fails, UD_LEN(on_fails) };

static const char *const kinds[] = { "script_guest", "script_host", "webhook", "manual" };
_Static_assert(UD_LEN(kinds) == UD_PLAN_KINDS, "a name for every kind");
static const struct ud_enum kind_enum = { "plan_step_kind", kinds, UD_LEN(kinds) };
static const char *const owners[] = { "staff", "customer" };
static const struct ud_enum owner_enum = { "plan_step_owner", owners, UD_LEN(owners) };

/* clang-format off */
static const struct ud_field gate_fields[] = {
	UD_FIELD(ud_gate, level,           .values = &level_enum, .standard = UD_LEVEL_PROBE, .about = "How far its VMs are looked at before the next group starts."),
	UD_FIELD(ud_gate, timeout_seconds, .min = 5, .max = HALF_HOUR, .standard = GATE_SECONDS, .about = "How long each look waits for it."),
	UD_FIELD(ud_gate, on_fail,         .values = &on_fail_enum, .about = "What follows when a look fails."),
};
static const struct ud_field step_fields[] = {
	UD_FIELD(ud_plan_step, name,            .flags = UD_REQUIRED, .max = 63, .rule = ud_rule_name, .about = "Name, unique in its list."),
	UD_FIELD(ud_plan_step, kind,            .flags = UD_REQUIRED, .values = &kind_enum, .about = "What is done."),
	UD_FIELD(ud_plan_step, runs,            .values = &ud_failover_kinds, .max = 3, .about = "Kinds of failover that it is done in; planned and unplanned when not given."),
	UD_FIELD(ud_plan_step, vm_id,           .max = 40, .about = "In whose guest; the group's first VM when not given."),
	UD_FIELD(ud_plan_step, timeout_seconds, .min = 5, .max = HOUR, .standard = STEP_SECONDS, .about = "How long it may take."),
	UD_FIELD(ud_plan_step, on_fail,         .values = &on_fail_enum, .about = "What follows when it fails."),
	UD_FIELD(ud_plan_step, program,         .max = 1024, .about = "Path of the program."),
	UD_FIELD(ud_plan_step, arguments,       .max = WORDS, .about = "Its arguments."),
	UD_FIELD(ud_plan_step, url,             .max = 1000, .about = "Address that is called by POST."),
	UD_FIELD(ud_plan_step, owner,           .values = &owner_enum, .about = "Who does it: staff or customer."),
	UD_FIELD(ud_plan_step, text,            .max = TEXT, .about = "What they are to do."),
};
static const struct ud_field group_fields[] = {
	UD_FIELD(ud_plan_group, group,      .flags = UD_REQUIRED, .max = 99, .about = "Number of the group."),
	{ .name = "gate", .type = UD_JSON, .offset = offsetof(struct ud_plan_group, gate_text), .max = 1024, .about = "What it must pass." },
	{ .name = "before", .type = UD_JSON, .offset = offsetof(struct ud_plan_group, before_text), .max = LIST, .about = "What is done before it starts." },
	{ .name = "after", .type = UD_JSON, .offset = offsetof(struct ud_plan_group, after_text), .max = LIST, .about = "What is done once it is up." },
	UD_FIELD(ud_plan_group, first_wave, .flags = UD_NULLABLE, .max = 500),
	UD_FIELD(ud_plan_group, last_wave,  .flags = UD_NULLABLE, .max = 500),
};
/* clang-format on */
static const struct ud_shape gate_shape = { UD_SHAPE(ud_gate, gate_fields), .bare = true };
static const struct ud_shape step_shape = { UD_SHAPE(ud_plan_step, step_fields), .bare = true };
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

/* ---- steps ---- */

/* What each kind needs, and what it may have besides. */
static const struct {
	const char *needs, *may;
} members[] = {
	[UD_PLAN_SCRIPT_GUEST] = { "program", "vm_id arguments" },
	[UD_PLAN_SCRIPT_HOST] = { "program", "vm_id arguments" },
	[UD_PLAN_WEBHOOK] = { "url", "" },
	[UD_PLAN_MANUAL] = { "text", "owner" },
};
_Static_assert(UD_LEN(members) == UD_PLAN_KINDS, "a row for every kind");
/* Members that belong to some kinds only. */
static const char *const special[] = { "program", "arguments", "vm_id", "text", "url" };

static bool is_given(const struct ud_plan_step *s, const char *name)
{
	const struct ud_field *f = &step_fields[ud_shape_find(&step_shape, name)];

	return f->type == UD_TEXTS ? ud_field_texts(f, s)->count > 0 : *ud_field_text(f, s) != NULL;
}

static enum ud_code check_kind(struct ud_ctx *cx, const struct ud_plan_step *s)
{
	for (size_t i = 0; i < UD_LEN(special); i++) {
		bool needed = strstr(members[s->kind].needs, special[i]) != NULL;
		bool allowed = needed || strstr(members[s->kind].may, special[i]) != NULL;
		bool given = is_given(s, special[i]);

		if (needed && !given)
			return ud_fail_field(cx, special[i], "required",
				"Step %s of kind %s needs %s.", s->name, kinds[s->kind],
				special[i]);
		if (given && !allowed)
			return ud_fail_field(cx, special[i], "not_allowed",
				"Step %s of kind %s has no %s.", s->name, kinds[s->kind],
				special[i]);
	}
	return UD_OK;
}

/* Programs of hosts are named by their file names: the host refuses anything else, too. */
static enum ud_code check_host(struct ud_ctx *cx, const struct ud_plan_step *s, bool before)
{
	if (s->kind != UD_PLAN_SCRIPT_HOST)
		return UD_OK;
	if (strchr(s->program, '/') || *s->program == '.')
		return ud_fail_field(cx, "program", "not_allowed",
			"Step %s: a program of a host is named by its file name alone.", s->name);
	if (before && s->vm_id)
		return ud_fail_field(cx, "vm_id", "not_allowed",
			"Step %s: before a group starts its first VM stands for it.", s->name);
	return UD_OK;
}

static const char *usual_runs[] = { "planned", "unplanned" };

static enum ud_code read_steps(
	struct ud_ctx *cx, const struct ud_json *text, bool before, struct ud_plan_steps *ret)
{
	UD_TRY(ud_shape_read_list(
		cx, &step_shape, text->text, UD_PLAN_STEPS, (void **)&ret->items, &ret->count));
	for (size_t i = 0; i < ret->count; i++) {
		struct ud_plan_step *s = &ret->items[i];

		for (size_t k = 0; k < i; k++)
			if (strcmp(ret->items[k].name, s->name) == 0)
				return ud_fail_field(cx, "name", "duplicate",
					"Step %s is named twice.", s->name);
		UD_TRY(check_kind(cx, s));
		UD_TRY(check_host(cx, s, before));
		if (before && s->kind == UD_PLAN_SCRIPT_GUEST)
			return ud_fail_field(cx, "kind", "not_allowed",
				"Step %s: the guests of a group do not run before it starts.",
				s->name);
		if (!s->runs.count)
			s->runs = (struct ud_texts){ usual_runs, UD_LEN(usual_runs) };
	}
	return UD_OK;
}

static void put_steps(struct ud_buf *b, const char *name, const struct ud_plan_steps *steps)
{
	ud_buf_printf(b, ",\"%s\":[", name);
	for (size_t i = 0; i < steps->count; i++) {
		if (i)
			ud_buf_putc(b, ',');
		ud_shape_encode(b, &step_shape, &steps->items[i], NULL);
	}
	ud_buf_putc(b, ']');
}

bool ud_plan_step_runs(const struct ud_plan_step *s, enum ud_failover_kind kind)
{
	for (size_t i = 0; i < s->runs.count; i++)
		if (strcmp(s->runs.items[i], ud_failover_kinds.names[kind]) == 0)
			return true;
	return false;
}

/* ---- groups ---- */

enum ud_code ud_plan_groups_read(
	struct ud_ctx *cx, const char *text, struct ud_plan_group **ret, size_t *ret_n)
{
	UD_TRY(ud_shape_read_list(cx, &group_shape, text, UD_PLAN_GROUPS, (void **)ret, ret_n));
	for (size_t i = 0; i < *ret_n; i++) {
		struct ud_plan_group *g = &(*ret)[i];

		UD_TRY(read_gate(cx, g));
		UD_TRY(read_steps(cx, &g->before_text, true, &g->before));
		UD_TRY(read_steps(cx, &g->after_text, false, &g->after));
	}
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
		put_steps(&b, "before", &g->before);
		put_steps(&b, "after", &g->after);
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
