/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people ask of VMs: power, care, checkpoints. Each call is judged by the table of verbs and
 * becomes an operation that the host's agent carries out; what is shown afterwards is what the
 * agent saw.
 */
#include <string.h>

#include "api/api.h"
#include "api/verbs.h"
#include "base/crypto.h"
#include "base/replication.h"
#include "base/time.h"
#include "base/verbs.h"
#include "db/checkpoints.h"
#include "db/commands.h"
#include "db/events.h"
#include "db/inventory.h"
#include "server/http/list.h"

enum {
	POWER = UD_CUSTOMER_WRITE | UD_R(SUPPORT_ENGINEER) | UD_R(SUPPORT_LEAD) | UD_OPERATOR,
	LOOK = POWER | UD_R(SUPPORT_AGENT),
	HOST = UD_OPERATOR | UD_R(SUPPORT_ENGINEER) | UD_R(SUPPORT_LEAD),
	/* what a verb may take beside what its arguments allow */
	TIMEOUT_SECONDS = 600,
	CHECKPOINTS_MAX = 500,
};

/* ---- verbs ---- */

/* "start" of "vms.start", with underscores as objects list it. */
static const char *op_of(struct ud_ctx *cx, const struct ud_request *rq)
{
	char *op = ud_strdup(cx->arena, strchr(rq->route->operation, '.') + 1);

	for (char *s = op; *s; s++)
		*s = *s == '-' ? '_' : *s;
	return op;
}

static const struct ud_vm_verb *verb_of(const char *op)
{
	const struct ud_vm_verb *v = ud_vm_verbs;

	while (strcmp(v->op, op) != 0)
		v++;
	return v;
}

/* What was asked for stands beside what is seen. */
static enum ud_code want(struct ud_ctx *cx, struct ud_vm *vm, const char *op)
{
	static const struct {
		const char *op;
		enum ud_power power;
	} wishes[] = { { "start", UD_POWER_RUNNING }, { "resume", UD_POWER_RUNNING },
		{ "reset", UD_POWER_RUNNING }, { "shutdown", UD_POWER_OFF },
		{ "stop", UD_POWER_OFF }, { "save", UD_POWER_SAVED },
		{ "pause", UD_POWER_PAUSED } };

	for (size_t i = 0; i < UD_LEN(wishes); i++) {
		if (strcmp(wishes[i].op, op) != 0 || vm->desired_power == wishes[i].power)
			continue;
		struct ud_vm old = *vm;

		vm->desired_power = wishes[i].power;
		UD_TRY(ud_row_update(cx, &ud_vms, &old, vm));
		return ud_event_add(cx, "power_requested", ud_vms.shape, &old, vm);
	}
	return UD_OK;
}

static enum ud_code ask(struct ud_ctx *cx, struct ud_request *rq, struct ud_vm *vm, const char *op,
	const struct ud_shape *shape, const void *args)
{
	const struct ud_ask out = { .vm = vm,
		.host_id = vm->host_id,
		.verb = verb_of(op)->verb,
		.args_shape = shape,
		.args = args,
		.timeout_seconds = TIMEOUT_SECONDS };

	UD_TRY(ud_vm_may(cx, vm, op));
	UD_TRY(want(cx, vm, op));
	return ud_ask_agent(cx, rq, &out);
}

static enum ud_code do_verb(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_vm vm = { 0 };

	UD_TRY(ud_row_get(cx, &ud_vms, rq->arg[0], &vm));
	UD_TRY(ud_check_match(cx, rq, vm.row.version));
	return ask(cx, rq, &vm, op_of(cx, rq), rq->route->body, rq->in);
}

/* ---- pictures and limits ---- */

static enum ud_code picture(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_vm vm = { 0 };
	struct ud_picture p = { 0 };
	const char *text = NULL;
	char when[UD_TIME_TEXT];
	int64_t at;
	size_t n = 0;

	UD_TRY(ud_row_get(cx, &ud_vms, rq->arg[0], &vm));
	UD_TRY(ud_command_newest(cx, vm.row.id, UD_VERB_VM_SCREENSHOT, &text, &at));
	if (!text)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"Nobody has taken a picture of this VM yet: POST to this address.");
	UD_TRY(ud_shape_read(cx, &ud_picture_shape, text, strlen(text), &p));
	const unsigned char *png = ud_base64url_decode(cx->arena, p.png, &n);

	if (!png)
		return ud_fail(cx, UD_E_INTERNAL, NULL, "a stored picture is damaged");
	ud_buf_add(&rq->out, png, n);
	ud_time_format(at, when);
	ud_answer_header(rq, "Understudy-Taken-At", ud_strdup(cx->arena, when));
	return ud_answer_text(cx, rq, 200, "image/png");
}

static enum ud_code limits(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_vm vm = { 0 };
	struct ud_vm_limits out = { 0 };
	const char *text = NULL;
	int64_t at;

	ud_shape_init(&ud_vm_limits_shape, &out);
	UD_TRY(ud_row_get(cx, &ud_vms, rq->arg[0], &vm));
	UD_TRY(ud_command_newest(cx, vm.row.id, UD_VERB_VM_LIMITS, &text, &at));
	if (text)
		UD_TRY(ud_shape_read(cx, &ud_vm_limits_shape, text, strlen(text), &out));
	return ud_answer(cx, rq, &ud_vm_limits_shape, &out);
}

/* ---- facts and figures ---- */

struct vm_facts {
	const char *vm_id, *host_id;
	struct ud_time observed_at;
	struct ud_json disks, nics, bars;
	const char *machine_type, *accelerator;
	bool autostart;
};
/* clang-format off */
static const struct ud_field facts_fields[] = {
	UD_FIELD(vm_facts, vm_id,        .about = "The VM."),
	UD_FIELD(vm_facts, host_id,      .about = "Host that tells."),
	UD_FIELD(vm_facts, observed_at,  .about = "When it told."),
	UD_FIELD(vm_facts, disks,        .about = "Its disks with their chains."),
	UD_FIELD(vm_facts, nics,         .about = "Its network cards with the addresses the guest tells."),
	UD_FIELD(vm_facts, bars,         .part = &ud_blocker_shape, .many = true, .about = "What of it, disks aside, stands in the way of a replica."),
	UD_FIELD(vm_facts, machine_type, .about = "Type of the virtual board."),
	UD_FIELD(vm_facts, accelerator,  .about = "kvm, or tcg where there is none."),
	UD_FIELD(vm_facts, autostart,    .about = "Started by the hypervisor at boot."),
};
/* clang-format on */
static const struct ud_shape facts_shape = {
	.object = "vm_facts", UD_SHAPE(vm_facts, facts_fields), .bare = true
};

/* Paths on the host are the provider's business. */
static enum ud_code without_paths(struct ud_ctx *cx, struct ud_machine *m)
{
	struct ud_disk *disks = NULL;
	struct ud_buf b = { 0 };
	size_t n = 0;

	if (!cx->scope->home_customer_id)
		return UD_OK;
	UD_TRY(ud_shape_read_list(cx, &ud_disk_shape, m->disks.text, 1000, (void **)&disks, &n));
	for (size_t i = 0; i < n; i++) {
		disks[i].path = NULL;
		disks[i].chain.text = NULL;
		ud_buf_putc(&b, i ? ',' : '[');
		ud_shape_encode(&b, &ud_disk_shape, &disks[i], NULL);
	}
	ud_buf_puts(&b, n ? "]" : "[]");
	m->disks.text = ud_buf_take(cx->arena, &b);
	return UD_OK;
}

/* What the VM's host told of it, for the caller's eyes. */
static enum ud_code observed(struct ud_ctx *cx, const struct ud_request *rq, struct ud_vm *ret_vm,
	struct ud_machine *ret, int64_t *ret_at)
{
	const char *text = NULL;

	UD_TRY(ud_row_get(cx, &ud_vms, rq->arg[0], ret_vm));
	if (ret_vm->host_id)
		UD_TRY(ud_inventory_vm_facts(cx, ret_vm->row.id, ret_vm->host_id, &text, ret_at));
	if (!text)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "No host has told of this VM yet.");
	UD_TRY(ud_shape_read(cx, &ud_machine_shape, text, strlen(text), ret));
	return without_paths(cx, ret);
}

static enum ud_code facts(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_machine m = { 0 };
	struct ud_vm vm = { 0 };
	int64_t at = UD_NONE;

	UD_TRY(observed(cx, rq, &vm, &m, &at));
	const struct vm_facts out = { .vm_id = vm.row.id,
		.host_id = vm.host_id,
		.observed_at.ms = at,
		.disks = m.disks,
		.nics = m.nics,
		.bars.text = m.bars.text ? m.bars.text : "[]",
		.machine_type = m.machine_type,
		.accelerator = m.accelerator,
		.autostart = m.autostart };

	return ud_answer(cx, rq, &facts_shape, &out);
}

/* One of the lists that facts have, by itself: disks or cards. */
static enum ud_code list_parts(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_machine m = { 0 };
	struct ud_vm vm = { 0 };
	int64_t at = UD_NONE;

	UD_TRY(observed(cx, rq, &vm, &m, &at));
	const char *array = rq->route->answer == &ud_disk_shape ? m.disks.text : m.nics.text;

	ud_page_open(rq);
	if (array)
		ud_buf_add(&rq->out, array + 1, strlen(array) - 2);
	return ud_page_close(cx, rq, NULL, UD_NONE);
}

/* ---- checkpoints ---- */

static const struct ud_resource operations = { .table = &ud_operations };
static const struct ud_resource checkpoints = { .table = &ud_checkpoints,
	.parent_column = "vm_id" };

static enum ud_code checkpoint_verb(struct ud_ctx *cx, struct ud_request *rq, const char *op)
{
	struct ud_checkpoint c = { 0 };
	struct ud_vm vm = { 0 };

	UD_TRY(ud_row_get(cx, &ud_checkpoints, rq->arg[0], &c));
	UD_TRY(ud_check_match(cx, rq, c.row.version));
	UD_TRY(ud_row_get(cx, &ud_vms, c.vm_id, &vm));
	const struct ud_checkpoint_name name = { c.name };

	return ask(cx, rq, &vm, op, &ud_checkpoint_name_shape, &name);
}

static enum ud_code apply_checkpoint(struct ud_ctx *cx, struct ud_request *rq)
{
	return checkpoint_verb(cx, rq, "checkpoint_apply");
}

static enum ud_code delete_checkpoint(struct ud_ctx *cx, struct ud_request *rq)
{
	return checkpoint_verb(cx, rq, "checkpoint_delete");
}

static enum ud_code list_checkpoints(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_vm vm = { 0 };

	UD_TRY(ud_row_get(cx, &ud_vms, rq->arg[0], &vm));
	return ud_rest_list(cx, rq);
}

/* ---- what hosts answer ---- */

static enum ud_code keep_checkpoint(
	struct ud_ctx *cx, const char *vm_id, const struct ud_checkpoint_info *info)
{
	struct ud_checkpoint c = { 0 };
	struct ud_vm vm = { 0 };
	bool found = false;

	UD_TRY(ud_checkpoint_named(cx, vm_id, info->name, &found, &c));
	if (found)
		return UD_OK;
	UD_TRY(ud_row_get(cx, &ud_vms, vm_id, &vm));
	int kind = info->kind ? ud_enum_index(&ud_checkpoint_kinds, info->kind) : -1;

	c = (struct ud_checkpoint){ .vm_id = vm_id,
		.name = info->name,
		.kind = kind < 0 ? UD_CHECKPOINT_PRODUCTION : (unsigned)kind,
		.consistency = info->consistency,
		.reason = info->reason,
		.taken_at = info->created_at };
	c.row.customer_id = vm.row.customer_id;
	UD_TRY(ud_row_insert(cx, &ud_checkpoints, &c));
	return ud_event_add(cx, "created", ud_checkpoints.shape, NULL, &c);
}

static enum ud_code forget_checkpoint(struct ud_ctx *cx, const char *vm_id, const char *name)
{
	struct ud_checkpoint c = { 0 };
	bool found = false;

	UD_TRY(ud_checkpoint_named(cx, vm_id, name, &found, &c));
	if (!found)
		return UD_OK;
	UD_TRY(ud_row_delete(cx, &ud_checkpoints, &c));
	return ud_event_add(cx, "deleted", ud_checkpoints.shape, &c, NULL);
}

enum ud_code ud_checkpoint_created(struct ud_ctx *cx, const struct ud_command_ended *e)
{
	struct ud_checkpoint_info info = { 0 };

	if (e->state != UD_COMMAND_DONE || !e->result)
		return UD_OK;
	UD_TRY(ud_shape_read(cx, &ud_checkpoint_shape, e->result, strlen(e->result), &info));
	return keep_checkpoint(cx, e->subject_id, &info);
}

enum ud_code ud_checkpoint_deleted(struct ud_ctx *cx, const struct ud_command_ended *e)
{
	struct ud_checkpoint_name name = { 0 };

	if (e->state != UD_COMMAND_DONE)
		return UD_OK;
	UD_TRY(ud_shape_read(cx, &ud_checkpoint_name_shape, e->args, strlen(e->args), &name));
	return forget_checkpoint(cx, e->subject_id, name.name);
}

static bool listed(const struct ud_checkpoint_info *all, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i].name, name) == 0)
			return true;
	return false;
}

enum ud_code ud_checkpoints_listed(struct ud_ctx *cx, const struct ud_command_ended *e)
{
	struct ud_checkpoint_info *all = NULL;
	struct ud_checkpoints in = { 0 };
	struct ud_texts known = { 0 };
	size_t n = 0;

	if (e->state != UD_COMMAND_DONE || !e->result)
		return UD_OK;
	UD_TRY(ud_shape_read(cx, &ud_checkpoints_shape, e->result, strlen(e->result), &in));
	UD_TRY(ud_shape_read_list(
		cx, &ud_checkpoint_shape, in.checkpoints.text, CHECKPOINTS_MAX, (void **)&all, &n));
	for (size_t i = 0; i < n; i++)
		UD_TRY(keep_checkpoint(cx, e->subject_id, &all[i]));
	UD_TRY(ud_checkpoint_names(cx, e->subject_id, &known));
	for (size_t i = 0; i < known.count; i++)
		if (!listed(all, n, known.items[i]))
			UD_TRY(forget_checkpoint(cx, e->subject_id, known.items[i]));
	return UD_OK;
}

/* clang-format off */
#define VERB(op_, path_, roles_, body_, about_) \
	{ "POST", "/v1/vms/{id}/" path_, "vms." op_, roles_, "vms:" op_, UD_WRITE, body_, .status = 202, .resource = &operations, .handle = do_verb, .about = about_ }

static const struct ud_route rows[] = {
	VERB("start",           "start",       POWER, NULL, "Start a VM."),
	VERB("shutdown",        "shutdown",    POWER, &ud_shutdown_args_shape, "Ask the guest to shut down; with hard it is switched off when it does not."),
	VERB("stop",            "stop",        POWER, NULL, "Switch a VM off at once."),
	VERB("save",            "save",        POWER, NULL, "Save a VM's memory to disk and stop it."),
	VERB("pause",           "pause",       POWER, NULL, "Let a VM stand still."),
	VERB("resume",          "resume",      POWER, NULL, "Let a paused VM go on."),
	VERB("reset",           "reset",       POWER, NULL, "Reset a VM, as its button would."),
	VERB("run",             "run",         POWER, &ud_guest_args_shape, "Run a program inside the guest, by its guest agent."),
	VERB("write-file",      "write-file",  POWER, &ud_guest_file_shape, "Write a small file inside the guest, by its guest agent."),
	VERB("read-file",       "read-file",   POWER, &ud_guest_path_shape, "Read a small file inside the guest, by its guest agent; the operation's output holds it."),
	VERB("definition",      "definition",  HOST,  NULL, "Fetch the VM's definition from its host; the operation's output holds it."),
	VERB("diagnose",        "diagnose",    LOOK,  NULL, "Gather what tells what is wrong with a VM."),
	VERB("screenshot",      "screenshot",  LOOK,  NULL, "Take a picture of the VM's screen."),
	VERB("upgrade",         "upgrade",     HOST,  NULL, "Bring a VM's definition to the newest version its host knows: there is no way back, and older hosts cannot run it any more."),
	VERB("checkpoint",      "checkpoints", POWER, &ud_checkpoint_args_shape, "Take a checkpoint."),
	{ "POST",   "/v1/vms/{id}/checkpoints/refresh", "vms.checkpoint-list", LOOK, "vms:checkpoint_list", UD_WRITE, .status = 202, .resource = &operations, .handle = do_verb, .about = "Ask the host which checkpoints there are." },
	{ "GET",    "/v1/vms/{id}/screenshot",          "vms.picture",       UD_PEOPLE, "vms:read", 0, .media = "image/png", .handle = picture, .about = "The newest picture of the VM's screen, as PNG." },
	{ "GET",    "/v1/vms/{id}/resource-protection", "vms.limits",        UD_PEOPLE, "vms:read", 0, .answer = &ud_vm_limits_shape, .handle = limits, .about = "Limits that the VM's host told of last." },
	{ "PUT",    "/v1/vms/{id}/resource-protection", "vms.limit",         POWER,     "vms:limit", UD_WRITE | UD_MATCH_REQUIRED, &ud_vm_limits_shape, .status = 202, .resource = &operations, .handle = do_verb, .about = "Set limits of CPU and disks, null = none; and host resource protection." },
	{ "GET",    "/v1/vms/{id}/facts",               "vms.facts",         UD_PEOPLE, "vms:read", 0, .answer = &facts_shape, .handle = facts, .about = "Disks, network cards and board of a VM, as its host sees them." },
	{ "GET",    "/v1/vms/{id}/disks",               "vms.disks",         UD_PEOPLE, "vms:read", UD_WHOLE, .answer = &ud_disk_shape, .handle = list_parts, .about = "List the disks of a VM, as its host sees them." },
	{ "GET",    "/v1/vms/{id}/nics",                "vms.nics",          UD_PEOPLE, "vms:read", UD_WHOLE, .answer = &ud_nic_shape, .handle = list_parts, .about = "List the network cards of a VM with the addresses its guest tells." },
	{ "GET",    "/v1/vms/{id}/checkpoints",         "checkpoints.list",  UD_PEOPLE, "vms:read", UD_LIST, .resource = &checkpoints, .handle = list_checkpoints, .about = "List the checkpoints of a VM." },
	{ "GET",    "/v1/checkpoints/{id}",             "checkpoints.show",  UD_PEOPLE, "vms:read", 0, .resource = &checkpoints, .handle = ud_rest_show, .about = "Show a checkpoint." },
	{ "POST",   "/v1/checkpoints/{id}/apply",       "checkpoints.apply", POWER,     "vms:checkpoint", UD_WRITE, .status = 202, .resource = &operations, .handle = apply_checkpoint, .about = "Put a VM back to a checkpoint; what came after it is lost." },
	{ "DELETE", "/v1/checkpoints/{id}",             "checkpoints.delete", POWER,    "vms:checkpoint", UD_WRITE | UD_MATCH_REQUIRED, .status = 202, .resource = &operations, .handle = delete_checkpoint, .about = "Delete a checkpoint; the VM stays as it is." },
};
/* clang-format on */
const struct ud_routes ud_api_vm_verbs = { "VMs", rows, UD_LEN(rows) };
