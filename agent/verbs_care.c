/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verbs that look after a VM, and those that look at the host.
 */
#include <string.h>

#include "agent/hold.h"
#include "agent/verbs.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/verbs.h"

enum {
	CHECKPOINTS_MAX = 500,
	LOGS_MAX = 200 << 10,
	PICTURE_MAX = 500 << 10,
	FILE_MAX = 48 << 10,
	APPLY_MS = 600000
};

enum ud_code ud_do_vm_run(struct ud_ctx *cx, struct ud_act *act)
{
	const struct ud_guest_args *args = act->args;
	const struct ud_guest_program program = { .path = args->program,
		.arguments = args->arguments,
		.input = args->input,
		.input_n = args->input ? strlen(args->input) : 0,
		.timeout_ms = args->timeout_seconds * 1000 };
	struct ud_guest_ran ran = { 0 };

	act->begun = true;
	UD_TRY(ud_hv_guest_run(cx, act->station->hv, act->command->uuid, &program, &ran));
	const struct ud_guest_result r = { ran.status, ran.output, ran.error, ran.cut };

	ud_act_leave(cx, act, &ud_guest_result_shape, &r);
	return UD_OK;
}

enum ud_code ud_do_vm_write_file(struct ud_ctx *cx, struct ud_act *act)
{
	const struct ud_guest_file *args = act->args;
	size_t n = 0;
	const unsigned char *data = ud_base64url_decode(cx->arena, args->content, &n);

	if (!data)
		return ud_fail(cx, UD_E_VALIDATION, "content", "content is not base64url.");
	act->begun = true;
	return ud_hv_guest_write(cx, act->station->hv, act->command->uuid, args->path, data, n);
}

enum ud_code ud_do_vm_read_file(struct ud_ctx *cx, struct ud_act *act)
{
	const struct ud_guest_path *args = act->args;
	const void *data = NULL;
	size_t n = 0;

	UD_TRY(ud_hv_guest_read(cx, act->station->hv, act->command->uuid, args->path, &data, &n));
	if (n > FILE_MAX)
		return ud_fail(cx, UD_E_VALIDATION, NULL,
			"The file is too large to be fetched: %zu bytes.", n);
	const struct ud_guest_file r = { args->path, ud_base64url(cx->arena, data, n) };

	ud_act_leave(cx, act, &ud_guest_file_shape, &r);
	return UD_OK;
}

enum ud_code ud_do_vm_definition(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_text_result r = { 0 };

	UD_TRY(ud_hv_definition_export(cx, act->station->hv, act->command->uuid, &r.text));
	ud_act_leave(cx, act, &ud_text_result_shape, &r);
	return UD_OK;
}

enum ud_code ud_do_vm_diagnose(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_text_result r = { 0 };

	UD_TRY(ud_hv_diagnose(cx, act->station->hv, act->command->uuid, &r.text));
	ud_act_leave(cx, act, &ud_text_result_shape, &r);
	return UD_OK;
}

enum ud_code ud_do_vm_screenshot(struct ud_ctx *cx, struct ud_act *act)
{
	const void *png = NULL;
	size_t n = 0;

	UD_TRY(ud_hv_screenshot(cx, act->station->hv, act->command->uuid, &png, &n));
	if (n > PICTURE_MAX)
		return ud_fail(
			cx, UD_E_HYPERVISOR, NULL, "The picture is too large: %zu bytes.", n);
	const struct ud_picture r = { ud_base64url(cx->arena, png, n) };

	ud_act_leave(cx, act, &ud_picture_shape, &r);
	return UD_OK;
}

enum ud_code ud_do_vm_limits(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_vm_limits now = { 0 };

	act->begun = true;
	UD_TRY(ud_hv_limits_set(cx, act->station->hv, act->command->uuid, act->args));
	UD_TRY(ud_hv_limits_get(cx, act->station->hv, act->command->uuid, &now));
	ud_act_leave(cx, act, &ud_vm_limits_shape, &now);
	return UD_OK;
}

/* ---- checkpoints ---- */

enum ud_code ud_do_checkpoint_create(struct ud_ctx *cx, struct ud_act *act)
{
	const struct ud_checkpoint_args *args = act->args;
	struct ud_checkpoint_info info = { 0 };

	act->begun = true;
	UD_TRY(ud_hv_checkpoint_create(cx, act->station->hv, act->command->uuid, args->name,
		ud_checkpoint_kinds.names[args->kind], &info));
	ud_act_leave(cx, act, &ud_checkpoint_shape, &info);
	return UD_OK;
}

struct checkpoints {
	struct ud_buf out;
	size_t count;
	const char *wanted; /* only that one */
};

static enum ud_code add_checkpoint(
	struct ud_ctx *cx, void *data, const struct ud_checkpoint_info *info)
{
	struct checkpoints *c = data;

	(void)cx;
	if (c->count == CHECKPOINTS_MAX || (c->wanted && strcmp(c->wanted, info->name) != 0))
		return UD_OK;
	ud_buf_puts(&c->out, c->count++ ? "," : "");
	ud_shape_encode(&c->out, &ud_checkpoint_shape, info, NULL);
	return UD_OK;
}

static enum ud_code list_checkpoints(
	struct ud_ctx *cx, struct ud_act *act, struct checkpoints *c, const char **ret)
{
	enum ud_code code =
		ud_hv_checkpoint_list(cx, act->station->hv, act->command->uuid, add_checkpoint, c);

	*ret = ud_buf_take(cx->arena, &c->out);
	return code;
}

/* Interrupted while it was made: is it there? */
enum ud_code ud_look_checkpoint_create(struct ud_ctx *cx, struct ud_act *act)
{
	const struct ud_checkpoint_args *args = act->args;
	struct checkpoints c = { .wanted = args->name };

	UD_TRY(list_checkpoints(cx, act, &c, &act->result));
	return c.count
		? UD_OK
		: ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no checkpoint %s.", args->name);
}

enum ud_code ud_do_checkpoint_list(struct ud_ctx *cx, struct ud_act *act)
{
	struct checkpoints c = { 0 };
	struct ud_checkpoints r = { 0 };
	const char *items = NULL;

	UD_TRY(list_checkpoints(cx, act, &c, &items));
	r.checkpoints.text = ud_printf(cx->arena, "[%s]", items);
	ud_act_leave(cx, act, &ud_checkpoints_shape, &r);
	return UD_OK;
}

enum ud_code ud_do_checkpoint_apply(struct ud_ctx *cx, struct ud_act *act)
{
	const struct ud_checkpoint_name *args = act->args;
	struct ud_station *s = act->station;
	const char *id = act->command->subject_id;

	/* one that keeps memory runs when it is put back */
	UD_TRY(ud_may_start(cx, act));
	act->begun = true;
	UD_TRY(ud_hold_pass(cx, s->journal, id, s->host_boot, APPLY_MS));
	enum ud_code code = ud_hv_checkpoint_apply(cx, s->hv, act->command->uuid, args->name);

	if (code != UD_OK)
		return code; /* the pass ends by itself */
	return ud_hold_end(cx, s->journal, id);
}

enum ud_code ud_do_checkpoint_delete(struct ud_ctx *cx, struct ud_act *act)
{
	const struct ud_checkpoint_name *args = act->args;
	enum ud_code code;

	act->begun = true;
	code = ud_hv_checkpoint_delete(cx, act->station->hv, act->command->uuid, args->name);
	/* begun before, and gone: done */
	return act->again && code == UD_E_NOT_FOUND ? UD_OK : code;
}

enum ud_code ud_do_vm_upgrade(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_upgraded r = { 0 };

	act->begun = true;
	UD_TRY(ud_hv_upgrade(cx, act->station->hv, act->command->uuid, &r.version));
	ud_act_leave(cx, act, &ud_upgraded_shape, &r);
	return UD_OK;
}

/* ---- the host ---- */

enum ud_code ud_do_host_balance(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_host_balance now = { 0 };

	act->begun = true;
	UD_TRY(ud_hv_balance(cx, act->station->hv, act->args, &now));
	ud_act_leave(cx, act, &ud_host_balance_shape, &now);
	return UD_OK;
}

enum ud_code ud_do_host_team(struct ud_ctx *cx, struct ud_act *act)
{
	act->begun = true;
	UD_TRY(ud_hv_team(cx, act->station->hv, act->args));
	ud_act_leave(cx, act, &ud_host_team_shape, act->args);
	return UD_OK;
}

enum ud_code ud_do_host_diagnose(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_host_facts facts = { 0 };
	struct ud_buf b = { 0 };

	UD_TRY(ud_hv_facts(cx, act->station->hv, &facts));
	ud_buf_puts(&b, "== facts\n");
	ud_shape_encode(&b, &ud_host_facts_shape, &facts, NULL);
	ud_buf_puts(&b, "\n== agent\nversion " UD_VERSION "\n== log\n");
	ud_log_tail(&b, 1000, LOGS_MAX);
	const struct ud_text_result r = { ud_strdup(cx->arena, ud_buf_text(&b)) };

	ud_buf_free(&b);
	ud_act_leave(cx, act, &ud_text_result_shape, &r);
	return UD_OK;
}

enum ud_code ud_do_host_logs(struct ud_ctx *cx, struct ud_act *act)
{
	const struct ud_logs_args *args = act->args;
	struct ud_buf b = { 0 };

	ud_log_tail(&b, (size_t)args->lines, LOGS_MAX);
	const struct ud_text_result r = { ud_strdup(cx->arena, ud_buf_text(&b)) };

	ud_buf_free(&b);
	ud_act_leave(cx, act, &ud_text_result_shape, &r);
	return UD_OK;
}
