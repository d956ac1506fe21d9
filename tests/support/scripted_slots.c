/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's table over the scripted hypervisor: what each call does to its VMs.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "support/scripted_inside.h"

#define ENTER(slot_, uuid_, flags_) UD_TRY(scripted_enter(cx, hv, slot_, uuid_, flags_, &vm))

static enum ud_code open_it(
	struct ud_ctx *cx, const char *uri, ud_hv_changed *changed, void *data, struct ud_hv **ret)
{
	struct scripted *s = scripted_find(uri + strlen("scripted:"));

	if (!s)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL, "%s does not answer", uri);
	struct scripted_hv *hv = ud_malloc(sizeof(*hv));

	*hv = (struct scripted_hv){
		.hv = { &scripted_driver }, .s = s, .changed = changed, .data = data
	};
	pthread_mutex_lock(&s->lock);
	hv->next = s->open;
	s->open = hv;
	pthread_mutex_unlock(&s->lock);
	*ret = &hv->hv;
	return UD_OK;
}

static void close_it(struct ud_hv *handle)
{
	struct scripted_hv *hv = UD_OUTER(handle, struct scripted_hv, hv);
	struct scripted *s = hv->s;
	struct scripted_hv **at = &s->open;

	pthread_mutex_lock(&s->lock);
	while (*at != hv)
		at = &(*at)->next;
	*at = hv->next;
	pthread_mutex_unlock(&s->lock);
	ud_free(hv);
}

static enum ud_code facts(struct ud_ctx *cx, struct ud_hv *hv, struct ud_host_facts *ret)
{
	struct scripted_vm *vm;

	ENTER("facts", NULL, SCRIPTED_LOOKS);
	*ret = scripted_of(hv)->facts;
	ud_hv_capabilities(cx, hv->driver, &ret->capabilities);
	return scripted_leave(cx, hv, "facts", UD_OK);
}

static enum ud_code inventory(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_visitor *visit, void *data)
{
	struct scripted_vm *vm;
	enum ud_code code = UD_OK;

	ENTER("inventory", NULL, SCRIPTED_LOOKS);
	for (vm = scripted_of(hv)->vms; vm && code == UD_OK; vm = vm->next)
		if (!vm->gone)
			code = visit(cx, data, &vm->m);
	return scripted_leave(cx, hv, "inventory", code);
}

static enum ud_code machine(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_machine *ret)
{
	struct scripted_vm *vm;

	ENTER("machine", uuid, SCRIPTED_LOOKS);
	*ret = vm->m;
	return scripted_leave(cx, hv, "machine", UD_OK);
}

static enum ud_code power(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, enum ud_power *ret,
	const char **ret_raw)
{
	struct scripted_vm *vm;

	ENTER("power", uuid, SCRIPTED_LOOKS);
	*ret = vm->m.power;
	*ret_raw = vm->m.power_raw;
	return scripted_leave(cx, hv, "power", UD_OK);
}

static enum ud_code sample(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_sampled *visit, void *data)
{
	struct scripted_vm *vm;
	struct ud_sample s = { .taken_mono_ms = ud_mono_ms(cx->env), .cpu_ns = 1000000000 };
	enum ud_code code;

	ENTER("sample", NULL, SCRIPTED_LOOKS);
	code = visit(cx, data, &s);
	for (vm = scripted_of(hv)->vms; vm && code == UD_OK; vm = vm->next) {
		if (vm->gone || vm->m.power != UD_POWER_RUNNING)
			continue;
		s.uuid = vm->m.uuid;
		s.memory_used_bytes = vm->m.memory_bytes;
		code = visit(cx, data, &s);
	}
	return scripted_leave(cx, hv, "sample", code);
}

/* Move from one of the powers in the set to another; where it is already, nothing happens. */
static enum ud_code move(struct ud_ctx *cx, struct ud_hv *hv, const char *slot, const char *uuid,
	unsigned from, enum ud_power to)
{
	struct scripted_vm *vm;
	enum ud_code code = UD_OK;

	ENTER(slot, uuid, 0);
	if (from & 1u << vm->m.power) {
		scripted_power_is(scripted_of(hv), vm, to);
		scripted_did(scripted_of(hv), slot);
	} else if (vm->m.power != to)
		code = ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is %s.",
			ud_powers.names[vm->m.power]);
	return scripted_leave(cx, hv, slot, code);
}

enum {
	FROM_OFF = 1 << UD_POWER_OFF | 1 << UD_POWER_SAVED,
	FROM_STILL = FROM_OFF | 1 << UD_POWER_PAUSED,
	FROM_RUNNING = 1 << UD_POWER_RUNNING,
	FROM_PAUSED = 1 << UD_POWER_PAUSED,
	FROM_ANY = ~(1 << UD_POWER_OFF)
};

static enum ud_code start(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, unsigned flags)
{
	if (flags & UD_START_PAUSED)
		return move(cx, hv, "start", uuid, FROM_OFF, UD_POWER_PAUSED);
	return move(cx, hv, "start", uuid, FROM_STILL, UD_POWER_RUNNING);
}

static enum ud_code shut_down(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int64_t timeout_ms)
{
	struct scripted_vm *vm;
	enum ud_code code = UD_OK;

	ENTER("shutdown", uuid, 0);
	if (vm->m.power != UD_POWER_OFF && vm->m.power != UD_POWER_RUNNING)
		code = ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is %s.",
			ud_powers.names[vm->m.power]);
	else if (vm->deaf && vm->m.power == UD_POWER_RUNNING)
		code = ud_fail(cx, UD_E_NOT_IN_TIME, NULL, "The guest still runs after %lld ms.",
			(long long)timeout_ms);
	else if (vm->m.power == UD_POWER_RUNNING)
		scripted_did(scripted_of(hv), "shutdown");
	if (code == UD_OK)
		scripted_power_is(scripted_of(hv), vm, UD_POWER_OFF);
	return scripted_leave(cx, hv, "shutdown", code);
}

static enum ud_code power_off(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	return move(cx, hv, "power_off", uuid, FROM_ANY, UD_POWER_OFF);
}

static enum ud_code save(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	return move(cx, hv, "save", uuid, FROM_RUNNING | FROM_PAUSED, UD_POWER_SAVED);
}

static enum ud_code pause_it(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	return move(cx, hv, "pause", uuid, FROM_RUNNING, UD_POWER_PAUSED);
}

static enum ud_code resume(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	return move(cx, hv, "resume", uuid, FROM_PAUSED, UD_POWER_RUNNING);
}

static enum ud_code reset(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	return move(cx, hv, "reset", uuid, FROM_RUNNING | FROM_PAUSED, UD_POWER_RUNNING);
}

static enum ud_code autostart(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, bool on)
{
	struct scripted_vm *vm;

	ENTER("autostart", uuid, 0);
	vm->m.autostart = on;
	return scripted_leave(cx, hv, "autostart", UD_OK);
}

static enum ud_code pid(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int *ret)
{
	struct scripted_vm *vm;
	enum ud_code code = UD_OK;

	ENTER("pid", uuid, SCRIPTED_LOOKS);
	if (vm->pid <= 0 && vm->m.power != UD_POWER_OFF && !scripted_of(hv)->processes)
		code = ud_fail(cx, UD_E_UNSUPPORTED, NULL, "VMs are no processes here.");
	else if (vm->pid <= 0)
		code = ud_fail(cx, UD_E_INVALID_STATE, NULL, "No process runs the VM.");
	else
		*ret = vm->pid;
	return scripted_leave(cx, hv, "pid", code);
}

/* ---- the guest ---- */

static enum ud_code screenshot(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const void **ret, size_t *ret_n)
{
	/* 1 x 1, black, grey of 8 bits */
	static const unsigned char png[] = { 0x89, 'P', 'N', 'G', 13, 10, 26, 10, 0, 0, 0, 13, 'I',
		'H', 'D', 'R', 0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0x3a, 0x7e, 0x9b, 0x55, 0, 0,
		0, 10, 'I', 'D', 'A', 'T', 0x78, 0x9c, 0x63, 0x60, 0, 0, 0, 2, 0, 1, 0x48, 0xaf,
		0xa4, 0x71, 0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82 };
	struct scripted_vm *vm;

	ENTER("screenshot", uuid, SCRIPTED_RUNNING);
	*ret = png;
	*ret_n = sizeof(png);
	return scripted_leave(cx, hv, "screenshot", UD_OK);
}

static enum ud_code guest_run(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const struct ud_guest_program *program, struct ud_guest_ran *ret)
{
	struct scripted_vm *vm;

	(void)program;
	ENTER("guest_run", uuid, SCRIPTED_RUNNING);
	scripted_did(scripted_of(hv), "guest_run");
	*ret = (struct ud_guest_ran){
		.status = vm->status, .output = ud_strdup(cx->arena, vm->says), .error = ""
	};
	return scripted_leave(cx, hv, "guest_run", UD_OK);
}

static enum ud_code guest_write(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *path, const void *data, size_t n)
{
	struct scripted_vm *vm;
	struct scripted *s = scripted_of(hv);

	ENTER("guest_write", uuid, SCRIPTED_RUNNING);
	vm->file_path = ud_strdup(s->arena, path);
	vm->file = memcpy(ud_alloc(s->arena, n + 1), data, n);
	vm->file_n = n;
	return scripted_leave(cx, hv, "guest_write", UD_OK);
}

static enum ud_code guest_read(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *path, const void **ret, size_t *ret_n)
{
	struct scripted_vm *vm;
	enum ud_code code = UD_OK;

	ENTER("guest_read", uuid, SCRIPTED_RUNNING);
	if (!vm->file_path || strcmp(vm->file_path, path) != 0) {
		code = ud_fail(cx, UD_E_NOT_FOUND, NULL, "The guest has no file %s.", path);
	} else {
		*ret = vm->file;
		*ret_n = vm->file_n;
	}
	return scripted_leave(cx, hv, "guest_read", code);
}

static enum ud_code freeze(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int64_t timeout_ms)
{
	struct scripted_vm *vm;

	ENTER("freeze", uuid, SCRIPTED_RUNNING);
	vm->frozen_until_ms = ud_mono_ms(&ud_env_real) + timeout_ms;
	return scripted_leave(cx, hv, "freeze", UD_OK);
}

static enum ud_code thaw(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	struct scripted_vm *vm;
	enum ud_code code = UD_OK;

	ENTER("thaw", uuid, SCRIPTED_RUNNING);
	if (vm->frozen_until_ms && vm->frozen_until_ms <= ud_mono_ms(&ud_env_real))
		code = ud_fail(cx, UD_E_NOT_IN_TIME, NULL, "The watchdog thawed the guest before.");
	vm->frozen_until_ms = 0;
	return scripted_leave(cx, hv, "thaw", code);
}

/* ---- checkpoints, limits, definitions ---- */

static struct scripted_checkpoint *checkpoint_of(struct scripted_vm *vm, const char *name)
{
	struct scripted_checkpoint *c = vm->checkpoints;

	while (c && (c->gone || strcmp(c->info.name, name) != 0))
		c = c->next;
	return c;
}

static enum ud_code checkpoint_create(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *name, const char *kind, struct ud_checkpoint_info *ret)
{
	struct scripted_vm *vm;
	struct scripted *s = scripted_of(hv);

	ENTER("checkpoint_create", uuid, 0);
	if (checkpoint_of(vm, name))
		return scripted_leave(cx, hv, "checkpoint_create",
			ud_fail(cx, UD_E_ALREADY_EXISTS, NULL, "There is a checkpoint %s.", name));
	struct scripted_checkpoint *c = ud_alloc(s->arena, sizeof(*c));
	bool production = strcmp(kind, "production") == 0;
	bool answers = vm->m.guest_agent == UD_GUEST_CONNECTED;

	c->next = vm->checkpoints;
	c->power = vm->m.power;
	c->content = vm->content;
	c->info = (struct ud_checkpoint_info){ .name = ud_strdup(s->arena, name),
		.kind = production ? "production" : "standard",
		.consistency = production && answers ? "application" : "crash",
		.reason = production && !answers ? "The guest agent does not answer." : NULL,
		.created_at = { ud_now_ms(cx->env) } };
	vm->checkpoints = c;
	*ret = c->info;
	scripted_did(s, "checkpoint_create");
	return scripted_leave(cx, hv, "checkpoint_create", UD_OK);
}

static enum ud_code checkpoint_list(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	ud_hv_checkpointed *visit, void *data)
{
	struct scripted_vm *vm;
	enum ud_code code = UD_OK;

	ENTER("checkpoint_list", uuid, SCRIPTED_LOOKS);
	for (struct scripted_checkpoint *c = vm->checkpoints; c && code == UD_OK; c = c->next)
		if (!c->gone)
			code = visit(cx, data, &c->info);
	return scripted_leave(cx, hv, "checkpoint_list", code);
}

static enum ud_code checkpoint_apply(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *name)
{
	struct scripted_vm *vm;
	enum ud_code code = UD_OK;

	ENTER("checkpoint_apply", uuid, 0);
	struct scripted_checkpoint *c = checkpoint_of(vm, name);

	if (!c) {
		code = ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no checkpoint %s.", name);
	} else {
		vm->content = c->content;
		scripted_did(scripted_of(hv), "checkpoint_apply");
		scripted_power_is(scripted_of(hv), vm,
			strcmp(c->info.kind, "standard") == 0 ? c->power : UD_POWER_OFF);
	}
	return scripted_leave(cx, hv, "checkpoint_apply", code);
}

static enum ud_code checkpoint_delete(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *name)
{
	struct scripted_vm *vm;
	enum ud_code code = UD_OK;

	ENTER("checkpoint_delete", uuid, 0);
	struct scripted_checkpoint *c = checkpoint_of(vm, name);

	if (c) {
		c->gone = true;
		scripted_did(scripted_of(hv), "checkpoint_delete");
	} else
		code = ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no checkpoint %s.", name);
	return scripted_leave(cx, hv, "checkpoint_delete", code);
}

static enum ud_code limits_get(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_vm_limits *ret)
{
	struct scripted_vm *vm;

	ENTER("limits_get", uuid, SCRIPTED_LOOKS);
	*ret = vm->limits;
	return scripted_leave(cx, hv, "limits_get", UD_OK);
}

static enum ud_code limits_set(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const struct ud_vm_limits *limits)
{
	struct scripted_vm *vm;

	ENTER("limits_set", uuid, 0);
	vm->limits = *limits;
	return scripted_leave(cx, hv, "limits_set", UD_OK);
}

static enum ud_code upgrade(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret_version)
{
	struct scripted_vm *vm;
	enum ud_code code = UD_OK;

	ENTER("upgrade", uuid, 0);
	if (vm->m.power != UD_POWER_OFF)
		code = ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is %s, not off.",
			ud_powers.names[vm->m.power]);
	else if (!vm->upgraded)
		scripted_did(scripted_of(hv), "upgrade");
	vm->upgraded |= code == UD_OK;
	*ret_version = "2";
	return scripted_leave(cx, hv, "upgrade", code);
}

static enum ud_code balance(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_host_balance *wanted, struct ud_host_balance *ret)
{
	struct scripted_vm *vm;

	ENTER("balance", NULL, 0);
	*ret = scripted_of(hv)->balance = *wanted;
	return scripted_leave(cx, hv, "balance", UD_OK);
}

static enum ud_code team(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_host_team *wanted)
{
	struct scripted_vm *vm;
	struct scripted *s = scripted_of(hv);

	ENTER("team", NULL, 0);
	s->team = ud_printf(s->arena, "%s of %zu, %s", wanted->name, wanted->members.count,
		ud_team_balancings.names[wanted->load_balancing]);
	return scripted_leave(cx, hv, "team", UD_OK);
}

static enum ud_code definition_export(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret)
{
	struct scripted_vm *vm;

	ENTER("definition_export", uuid, SCRIPTED_LOOKS);
	*ret = ud_printf(cx->arena, "scripted %s %s", vm->m.uuid, vm->m.name);
	return scripted_leave(cx, hv, "definition_export", UD_OK);
}

static enum ud_code definition_import(
	struct ud_ctx *cx, struct ud_hv *hv, const char *text, const char **ret_uuid)
{
	enum { WORD = 9, UUID = 36 };
	struct scripted_vm *vm;
	struct scripted *s = scripted_of(hv);

	ENTER("definition_import", NULL, 0);
	if (strncmp(text, "scripted ", WORD) != 0 || strlen(text) < WORD + UUID + 2)
		return scripted_leave(cx, hv, "definition_import",
			ud_fail(cx, UD_E_VALIDATION, NULL, "This is no definition."));
	const char *uuid = ud_strndup(cx->arena, text + WORD, UUID);

	if (scripted_vm(s, uuid))
		return scripted_leave(cx, hv, "definition_import",
			ud_fail(cx, UD_E_ALREADY_EXISTS, NULL, "There is a VM %s.", uuid));
	scripted_make(s, uuid, text + WORD + UUID + 1);
	scripted_tell(s, uuid);
	*ret_uuid = uuid;
	return scripted_leave(cx, hv, "definition_import", UD_OK);
}

static enum ud_code undefine(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	struct scripted_vm *vm;
	enum ud_code code = UD_OK;

	ENTER("undefine", uuid, 0);
	if (vm->m.power != UD_POWER_OFF && vm->m.power != UD_POWER_SAVED) {
		code = ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is %s, not off.",
			ud_powers.names[vm->m.power]);
	} else {
		vm->gone = true;
		scripted_tell(scripted_of(hv), uuid);
	}
	return scripted_leave(cx, hv, "undefine", code);
}

static enum ud_code diagnose(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret)
{
	struct scripted_vm *vm;

	ENTER("diagnose", uuid, SCRIPTED_LOOKS);
	*ret = ud_printf(cx->arena, "== state\n%s\n", vm->m.power_raw);
	return scripted_leave(cx, hv, "diagnose", UD_OK);
}

const struct ud_driver scripted_driver = {
	.name = "scripted",
	.platform = "kvm",
	.open = open_it,
	.close = close_it,
	.facts = facts,
	.inventory = inventory,
	.machine = machine,
	.power = power,
	.sample = sample,
	.start = start,
	.shutdown = shut_down,
	.power_off = power_off,
	.save = save,
	.pause = pause_it,
	.resume = resume,
	.reset = reset,
	.autostart = autostart,
	.pid = pid,
	.screenshot = screenshot,
	.guest_run = guest_run,
	.guest_write = guest_write,
	.guest_read = guest_read,
	.freeze = freeze,
	.thaw = thaw,
	.checkpoint_create = checkpoint_create,
	.checkpoint_list = checkpoint_list,
	.checkpoint_apply = checkpoint_apply,
	.checkpoint_delete = checkpoint_delete,
	.limits_get = limits_get,
	.limits_set = limits_set,
	.upgrade = upgrade,
	.balance = balance,
	.team = team,
	.definition_export = definition_export,
	.definition_import = definition_import,
	.undefine = undefine,
	.diagnose = diagnose,
	.replicate = scripted_replicate,
	.relation_set = scripted_relation_set,
	.relation_drop = scripted_relation_drop,
	.relation_resync = scripted_relation_resync,
	.relation_test = scripted_relation_test,
	.relations = scripted_relations,
	.points = scripted_points,
	.point_verify = scripted_point_verify,
	.prepare = scripted_prepare,
	.fail_over = scripted_fail_over,
	.complete = scripted_complete,
	.cancel = scripted_cancel,
	.displace = scripted_displace,
	.test_start = scripted_test_start,
	.test_drop = scripted_test_drop,
};
const struct ud_driver *const scripted_drivers[] = { &scripted_driver, NULL };
