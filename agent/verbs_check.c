/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Did it come up? A look at a VM, or at a test's copy of it, level by level: the hypervisor, the
 * guest agent, services, a program inside. It changes nothing. What cannot be told on this
 * hypervisor or guest is skipped, with the reason, and never counted as passed.
 */
#include <string.h>

#include "agent/verbs.h"
#include "base/crypto.h"
#include "base/env.h"

enum { LOOK_MS = 500, PROGRAM_MS = 60000, PICTURE_MAX = 512 << 10, TEXT_MAX = 1000 };

struct check {
	struct ud_act *act;
	const struct ud_check_args *args;
	const char *uuid;
	struct ud_check_result r;
};

/* True with a sentence when the level is reached. A code: it cannot be told now. */
typedef enum ud_code check_level(struct ud_ctx *cx, struct check *c, bool *ret_passed);

static enum ud_code see_power(struct ud_ctx *cx, struct check *c, bool *ret_passed)
{
	enum ud_power power = UD_POWER_UNKNOWN;
	const char *raw = NULL;

	UD_TRY(ud_hv_power(cx, c->act->station->hv, c->uuid, &power, &raw));
	*ret_passed = power == UD_POWER_RUNNING;
	c->r.text = ud_printf(cx->arena, "The VM is %s.", ud_powers.names[power]);
	return UD_OK;
}

static enum ud_code see_guest_agent(struct ud_ctx *cx, struct check *c, bool *ret_passed)
{
	struct ud_machine m = { 0 };

	UD_TRY(ud_hv_machine(cx, c->act->station->hv, c->uuid, &m));
	*ret_passed = m.power == UD_POWER_RUNNING && m.guest_agent == UD_GUEST_CONNECTED;
	c->r.skipped = m.power == UD_POWER_RUNNING && m.guest_agent == UD_GUEST_NONE;
	c->r.text = c->r.skipped
		? "The VM has no channel for a guest agent."
		: ud_printf(cx->arena, "The VM is %s, its guest agent is %s.",
			  ud_powers.names[m.power], ud_guest_agents.names[m.guest_agent]);
	return UD_OK;
}

static enum ud_code run_inside(struct ud_ctx *cx, struct check *c, const char *program,
	const struct ud_texts *arguments, struct ud_guest_ran *ret)
{
	const struct ud_guest_program p = {
		.path = program, .arguments = *arguments, .timeout_ms = PROGRAM_MS
	};

	return ud_hv_guest_run(cx, c->act->station->hv, c->uuid, &p, ret);
}

/* One after the other, by the guest's own service manager: the first that does not run is named. */
static enum ud_code see_services(struct ud_ctx *cx, struct check *c, bool *ret_passed)
{
	*ret_passed = false;
	for (size_t i = 0; i < c->args->services.count; i++) {
		const char *arguments[] = { "is-active", "--", c->args->services.items[i] };
		const struct ud_texts texts = { arguments, UD_LEN(arguments) };
		struct ud_guest_ran ran = { 0 };

		UD_TRY(run_inside(cx, c, "/usr/bin/systemctl", &texts, &ran));
		if (ran.status != 0) {
			c->r.text = ud_printf(cx->arena, "The service %s is %.*s.", arguments[2],
				(int)strcspn(ran.output, "\r\n"), ran.output);
			return UD_OK;
		}
	}
	*ret_passed = true;
	c->r.text = ud_printf(cx->arena, "%zu services run.", c->args->services.count);
	return UD_OK;
}

static enum ud_code see_script(struct ud_ctx *cx, struct check *c, bool *ret_passed)
{
	struct ud_guest_ran ran = { 0 };

	if (!c->args->program)
		return ud_fail(cx, UD_E_VALIDATION, "program", "Which program?");
	UD_TRY(run_inside(cx, c, c->args->program, &c->args->arguments, &ran));
	*ret_passed = ran.status == 0;
	c->r.text =
		ud_printf(cx->arena, "It ended with %d: %.*s", ran.status, TEXT_MAX, ran.output);
	return UD_OK;
}

static check_level *const levels[] = { [UD_CHECK_POWER] = see_power,
	[UD_CHECK_GUEST_AGENT] = see_guest_agent,
	[UD_CHECK_SERVICES] = see_services,
	[UD_CHECK_SCRIPT] = see_script };
_Static_assert(UD_LEN(levels) == UD_CHECK_COUNT, "a look for every level");

/* Look until it passes or the time is up. A guest that cannot answer yet is no failure of ours. */
static enum ud_code look(struct ud_ctx *cx, struct check *c)
{
	int64_t last = ud_mono_ms(cx->env) + c->args->wait_seconds * 1000;

	for (;;) {
		enum ud_code code = levels[c->args->level](cx, c, &c->r.passed);

		if (code == UD_E_UNSUPPORTED)
			c->r.skipped = true;
		if (code != UD_OK) {
			c->r.passed = false;
			c->r.text = cx->problem.detail;
		}
		ud_ctx_clear(cx);
		if (c->r.passed || c->r.skipped || ud_mono_ms(cx->env) >= last)
			return UD_OK;
		UD_TRY(ud_act_wait(cx, c->act, LOOK_MS));
	}
}

static void take_picture(struct ud_ctx *cx, struct check *c)
{
	const void *png = NULL;
	size_t n = 0;

	if (ud_hv_screenshot(cx, c->act->station->hv, c->uuid, &png, &n) == UD_OK &&
		n <= PICTURE_MAX)
		c->r.screenshot = ud_base64url(cx->arena, png, n);
	ud_ctx_clear(cx);
}

enum ud_code ud_do_boot_check(struct ud_ctx *cx, struct ud_act *act)
{
	struct check c = { .act = act, .args = act->args, .uuid = act->command->uuid };

	if (c.args->test_id) {
		UD_TRY(ud_test_uuid(cx, act, c.args->test_id, &c.uuid));
		if (!c.uuid)
			return ud_fail(cx, UD_E_NOT_FOUND, "test_id", "This host has no test %s.",
				c.args->test_id);
	}
	act->begun = true;
	UD_TRY(look(cx, &c));
	if (c.args->screenshot)
		take_picture(cx, &c);
	c.r.seen_at.ms = ud_now_ms(cx->env);
	ud_act_leave(cx, act, &ud_check_result_shape, &c.r);
	return UD_OK;
}
