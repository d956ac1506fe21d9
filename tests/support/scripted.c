/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hypervisor in memory; see scripted.h. Each call goes through enter(), which counts it, waits,
 * fails it when told to, and finds the VM; leave() fails it afterwards when told to. All of it
 * happens under one lock, which waiting gives up.
 */
#include "support/scripted_inside.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/process.h"

/* All hypervisors of this program. */
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct scripted *all;

struct scripted *scripted_find(const char *name)
{
	struct scripted *s;

	pthread_mutex_lock(&all_lock);
	for (s = all; s && strcmp(s->name, name) != 0; s = s->next)
		;
	pthread_mutex_unlock(&all_lock);
	return s;
}

struct scripted *scripted_find_by(
	bool (*is)(struct scripted *s, const void *data), const void *data)
{
	struct scripted *s;

	pthread_mutex_lock(&all_lock);
	for (s = all; s && !is(s, data); s = s->next)
		;
	pthread_mutex_unlock(&all_lock);
	return s;
}

static void new_boot(struct scripted *s)
{
	s->boots++;
	s->facts.host_boot = ud_printf(s->arena, "boot-%s-%d", s->name, s->boots);
}

struct scripted *scripted_begin(const char *name)
{
	struct scripted *s = ud_malloc(sizeof(*s));
	pthread_condattr_t attr;

	if (scripted_find(name))
		abort(); /* a test that uses a name twice */
	*s = (struct scripted){ .arena = ud_arena_new() };
	s->name = ud_strdup(s->arena, name);
	s->uri = ud_printf(s->arena, "scripted:%s", name);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->moved, &attr);
	pthread_condattr_destroy(&attr);
	s->facts = (struct ud_host_facts){ .hypervisor = "kvm",
		.hypervisor_version = "scripted 1",
		.os = "Debian GNU/Linux 12",
		.cpu_model = "scripted",
		.accelerator = "kvm",
		.cpu_count = 8,
		.memory_bytes = INT64_C(64) << 30,
		.memory_free_bytes = INT64_C(32) << 30,
		.pools = { "[{\"name\":\"default\",\"path\":\"/pool\",\"capacity_bytes\":"
			   "1099511627776,\"available_bytes\":549755813888}]" },
		.networks = { "[{\"name\":\"br0\",\"kind\":\"bridge\",\"bridge\":\"br0\","
			      "\"active\":true}]" },
		.teams = { "[]" },
		.versions = { "{\"scripted\":\"1\"}" } };
	new_boot(s);
	pthread_mutex_lock(&all_lock);
	s->next = all;
	all = s;
	pthread_mutex_unlock(&all_lock);
	return s;
}

static void stop_process(struct scripted_vm *vm)
{
	int status;

	if (vm->pid <= 0)
		return;
	ud_env_real.processes->kill(vm->pid, SIGKILL);
	ud_env_real.processes->wait(vm->pid, 10000, &status);
	vm->pid = 0;
}

void scripted_end(struct scripted *s)
{
	struct scripted **at = &all;

	pthread_mutex_lock(&all_lock);
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	pthread_mutex_unlock(&all_lock);
	for (struct scripted_vm *vm = s->vms; vm; vm = vm->next)
		stop_process(vm);
	pthread_cond_destroy(&s->moved);
	pthread_mutex_destroy(&s->lock);
	ud_arena_release(&s->arena);
	ud_free(s);
}

const char *scripted_uri(const struct scripted *s)
{
	return s->uri;
}

struct ud_host_facts *scripted_facts(struct scripted *s)
{
	return &s->facts;
}

/* ---- events ---- */

/* Tell all who have it open. Under the lock: those told must not call back. */
void scripted_tell(struct scripted *s, const char *uuid)
{
	for (struct scripted_hv *hv = s->open; hv; hv = hv->next)
		if (hv->changed)
			hv->changed(hv->data, uuid);
	pthread_cond_broadcast(&s->moved);
}

/* ---- rules of the test: failures, delays, holds ---- */

static struct scripted_slot *slot_of(struct scripted *s, const char *name)
{
	struct scripted_slot *slot = s->slots;

	while (slot && strcmp(slot->name, name) != 0)
		slot = slot->next;
	if (slot)
		return slot;
	slot = ud_alloc(s->arena, sizeof(*slot));
	*slot = (struct scripted_slot){ .next = s->slots, .name = ud_strdup(s->arena, name) };
	s->slots = slot;
	return slot;
}

static void plan(struct scripted *s, const char *name, bool after, enum ud_code code, int times)
{
	pthread_mutex_lock(&s->lock);
	struct scripted_slot *slot = slot_of(s, name);

	slot->fails[after] = (struct scripted_failure){ code, times };
	pthread_mutex_unlock(&s->lock);
}

void scripted_fail(struct scripted *s, const char *slot, enum ud_code code, int times)
{
	plan(s, slot, false, code, times);
}

void scripted_fail_after(struct scripted *s, const char *slot, enum ud_code code, int times)
{
	plan(s, slot, true, code, times);
}

void scripted_delay(struct scripted *s, const char *slot, int64_t ms)
{
	pthread_mutex_lock(&s->lock);
	slot_of(s, slot)->delay_ms = ms;
	pthread_mutex_unlock(&s->lock);
}

static void hold(struct scripted *s, const char *slot, bool held)
{
	pthread_mutex_lock(&s->lock);
	slot_of(s, slot)->held = held;
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
}

void scripted_hold(struct scripted *s, const char *slot)
{
	hold(s, slot, true);
}

void scripted_release(struct scripted *s, const char *slot)
{
	hold(s, slot, false);
}

bool scripted_await(struct scripted *s, const char *slot, int calls)
{
	enum { PATIENCE_MS = 60000 };
	struct timespec until;
	bool there;

	ud_deadline(PATIENCE_MS, &until);
	pthread_mutex_lock(&s->lock);
	while (!(there = slot_of(s, slot)->calls >= calls) &&
		pthread_cond_timedwait(&s->moved, &s->lock, &until) == 0)
		;
	pthread_mutex_unlock(&s->lock);
	return there;
}

int scripted_calls(struct scripted *s, const char *slot)
{
	pthread_mutex_lock(&s->lock);
	int calls = slot_of(s, slot)->calls;

	pthread_mutex_unlock(&s->lock);
	return calls;
}

const char *scripted_log(struct scripted *s)
{
	pthread_mutex_lock(&s->lock);
	const char *text = s->log ? s->log : "";

	pthread_mutex_unlock(&s->lock);
	return text;
}

void scripted_forgive(struct scripted *s)
{
	pthread_mutex_lock(&s->lock);
	s->log = NULL;
	s->slots = NULL;
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
}

void scripted_did(struct scripted *s, const char *slot)
{
	slot_of(s, slot)->effects++;
}

void scripted_effects(struct scripted *s, scripted_effect *each, void *data)
{
	pthread_mutex_lock(&s->lock);
	for (const struct scripted_slot *slot = s->slots; slot; slot = slot->next)
		if (slot->effects)
			each(data, slot->name, slot->effects);
	pthread_mutex_unlock(&s->lock);
}

void scripted_watch(struct scripted *s, scripted_lives *lives, void *data)
{
	pthread_mutex_lock(&s->lock);
	s->lives = lives;
	s->lives_data = data;
	pthread_mutex_unlock(&s->lock);
}

/* Is whoever calls alive? Under the lock. */
static enum ud_code alive(
	struct ud_ctx *cx, struct scripted *s, const char *name, enum scripted_when when)
{
	if (!s->lives || s->lives(s->lives_data, name, when))
		return UD_OK;
	return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "nobody is there who calls %s", name);
}

/* A failure that is due; one that is counted is used up. */
static enum ud_code due(struct ud_ctx *cx, struct scripted_failure *f, const char *name)
{
	if (f->times == 0 || f->code == UD_OK)
		return UD_OK;
	if (f->times > 0)
		f->times--;
	return ud_fail(cx, f->code, NULL, "%s fails as the test wants it", name);
}

/* A call begins: count it, note it, wait as long as it is to take. */
static enum ud_code begin_call(
	struct ud_ctx *cx, struct scripted *s, const char *name, const char *note)
{
	struct scripted_slot *slot = slot_of(s, name);
	struct timespec until;

	UD_TRY(alive(cx, s, name, note ? SCRIPTED_BEFORE : SCRIPTED_LOOKING));
	slot->calls++;
	slot->looks = !note;
	if (note)
		s->log = ud_printf(
			s->arena, "%s%s%s%s\n", s->log ? s->log : "", name, *note ? " " : "", note);
	pthread_cond_broadcast(&s->moved);
	ud_deadline(slot->delay_ms, &until);
	while (slot->delay_ms > 0 && pthread_cond_timedwait(&s->moved, &s->lock, &until) == 0)
		;
	while (slot_of(s, name)->held)
		pthread_cond_wait(&s->moved, &s->lock);
	return due(cx, &slot_of(s, name)->fails[0], name);
}

/* ---- VMs ---- */

struct scripted_vm *scripted_vm(struct scripted *s, const char *uuid)
{
	struct scripted_vm *vm = s->vms;

	while (vm && strcmp(vm->m.uuid, uuid) != 0)
		vm = vm->next;
	return vm && !vm->gone ? vm : NULL;
}

static void power_is(struct scripted *s, struct scripted_vm *vm, enum ud_power power)
{
	vm->m.power = power;
	vm->m.power_raw = ud_powers.names[power];
	bool runs = power == UD_POWER_RUNNING || power == UD_POWER_PAUSED;

	vm->m.guest_agent = power == UD_POWER_RUNNING ? UD_GUEST_CONNECTED : UD_GUEST_DISCONNECTED;
	if (!runs) {
		vm->frozen_until_ms = 0;
		stop_process(vm);
	}
	if (runs && s->processes && vm->pid <= 0) {
		const char *const argv[] = { "/bin/sleep", "100000", NULL };
		const struct ud_program program = { .argv = argv, .in = -1, .out = -1, .err = -1 };

		if (ud_env_real.processes->start(&program, &vm->pid) != 0)
			abort();
	}
	if (!runs && vm->m.transient)
		vm->gone = true;
	scripted_tell(s, vm->m.uuid);
}

void scripted_power_is(struct scripted *s, struct scripted_vm *vm, enum ud_power power)
{
	power_is(s, vm, power);
}

/* A process that somebody killed is a VM that is off. */
static void look_after(struct scripted *s)
{
	for (struct scripted_vm *vm = s->vms; vm; vm = vm->next) {
		int status;

		if (vm->pid > 0 && ud_env_real.processes->wait(vm->pid, 0, &status) == 0) {
			vm->pid = 0;
			power_is(s, vm, UD_POWER_OFF);
		}
	}
}

const char *scripted_uuid(struct scripted *s, int n)
{
	pthread_mutex_lock(&s->lock);
	const char *uuid = ud_printf(s->arena, "00000000-0000-4000-8000-%012d", n);

	pthread_mutex_unlock(&s->lock);
	return uuid;
}

struct scripted_vm *scripted_make(struct scripted *s, const char *uuid, const char *name)
{
	struct scripted_vm *vm = scripted_vm(s, uuid);

	if (!vm) {
		vm = ud_alloc(s->arena, sizeof(*vm));
		vm->next = s->vms;
		s->vms = vm;
	}
	vm->m = (struct ud_machine){ .uuid = ud_strdup(s->arena, uuid),
		.name = ud_strdup(s->arena, name),
		.power = UD_POWER_OFF,
		.power_raw = "off",
		.vcpus = 2,
		.memory_bytes = INT64_C(1) << 30,
		.firmware = UD_FIRMWARE_BIOS,
		.guest_agent = UD_GUEST_DISCONNECTED,
		.machine_type = "scripted-1",
		.accelerator = "kvm",
		.disks = { "[{\"target\":\"vda\",\"path\":\"/pool/a\",\"format\":\"qcow2\","
			   "\"bus\":\"virtio\",\"virtual_bytes\":1073741824,\"allocated_bytes\":"
			   "1048576,\"chain\":[],\"shared\":false,\"passthrough\":false,"
			   "\"boot\":true,\"read_only\":false},"
			   "{\"target\":\"vdb\",\"path\":\"/pool/b\",\"format\":\"qcow2\","
			   "\"bus\":\"virtio\",\"virtual_bytes\":1073741824,\"allocated_bytes\":"
			   "1048576,\"chain\":[],\"shared\":false,\"passthrough\":false,"
			   "\"boot\":false,\"read_only\":false}]" },
		.nics = { "[{\"mac\":\"52:54:00:00:00:01\",\"model\":\"virtio\",\"kind\":"
			  "\"bridge\",\"source\":\"br0\",\"link_up\":true,\"addresses\":[]}]" },
		.disk_bytes = INT64_C(2) << 30,
		.definition_hash =
			"0000000000000000000000000000000000000000000000000000000000000000" };
	vm->limits = (struct ud_vm_limits){ .cpu_percent = UD_NONE,
		.cpu_weight = UD_NONE,
		.disk_iops = UD_NONE,
		.disk_bytes_per_second = UD_NONE };
	vm->says = "";
	return vm;
}

void scripted_add(struct scripted *s, const char *uuid, const char *name)
{
	pthread_mutex_lock(&s->lock);
	scripted_make(s, uuid, name);
	scripted_tell(s, uuid);
	pthread_mutex_unlock(&s->lock);
}

void scripted_change(struct scripted *s, const char *uuid,
	void (*change)(void *data, struct ud_machine *machine), void *data)
{
	pthread_mutex_lock(&s->lock);
	struct scripted_vm *vm = scripted_vm(s, uuid);

	if (vm) {
		change(data, &vm->m);
		scripted_tell(s, uuid);
	}
	pthread_mutex_unlock(&s->lock);
}

void scripted_forget(struct scripted *s, const char *uuid)
{
	pthread_mutex_lock(&s->lock);
	struct scripted_vm *vm = scripted_vm(s, uuid);

	if (vm) {
		vm->gone = true;
		stop_process(vm);
		scripted_tell(s, uuid);
	}
	pthread_mutex_unlock(&s->lock);
}

void scripted_set_power(struct scripted *s, const char *uuid, enum ud_power power)
{
	pthread_mutex_lock(&s->lock);
	struct scripted_vm *vm = scripted_vm(s, uuid);

	if (vm)
		power_is(s, vm, power);
	pthread_mutex_unlock(&s->lock);
}

enum ud_power scripted_power(struct scripted *s, const char *uuid)
{
	pthread_mutex_lock(&s->lock);
	look_after(s);
	struct scripted_vm *vm = scripted_vm(s, uuid);
	enum ud_power power = vm ? vm->m.power : UD_POWER_UNKNOWN;

	pthread_mutex_unlock(&s->lock);
	return power;
}

void scripted_deaf(struct scripted *s, const char *uuid, bool deaf)
{
	pthread_mutex_lock(&s->lock);
	struct scripted_vm *vm = scripted_vm(s, uuid);

	if (vm)
		vm->deaf = deaf;
	pthread_mutex_unlock(&s->lock);
}

void scripted_says(struct scripted *s, const char *uuid, const char *output, int status)
{
	pthread_mutex_lock(&s->lock);
	struct scripted_vm *vm = scripted_vm(s, uuid);

	if (vm) {
		vm->says = ud_strdup(s->arena, output);
		vm->status = status;
	}
	pthread_mutex_unlock(&s->lock);
}

void scripted_processes(struct scripted *s)
{
	pthread_mutex_lock(&s->lock);
	s->processes = true;
	pthread_mutex_unlock(&s->lock);
}

void scripted_boot(struct scripted *s)
{
	pthread_mutex_lock(&s->lock);
	new_boot(s);
	for (struct scripted_vm *vm = s->vms; vm; vm = vm->next)
		if (!vm->gone) {
			power_is(s, vm, UD_POWER_OFF);
			if (!vm->gone && vm->m.autostart)
				power_is(s, vm, UD_POWER_RUNNING);
		}
	pthread_mutex_unlock(&s->lock);
}

/* ---- calls ---- */

enum ud_code scripted_enter_for(
	struct ud_ctx *cx, struct ud_hv *hv, const char *slot, const char *id, unsigned flags)
{
	struct scripted *s = scripted_of(hv);

	pthread_mutex_lock(&s->lock);
	enum ud_code code = begin_call(cx, s, slot, flags & SCRIPTED_LOOKS ? NULL : (id ? id : ""));

	look_after(s);
	if (code != UD_OK)
		pthread_mutex_unlock(&s->lock);
	return code;
}

enum ud_code scripted_enter(struct ud_ctx *cx, struct ud_hv *hv, const char *slot, const char *uuid,
	unsigned flags, struct scripted_vm **ret)
{
	UD_TRY(scripted_enter_for(cx, hv, slot, uuid, flags));
	struct scripted_vm *vm = uuid ? scripted_vm(scripted_of(hv), uuid) : NULL;
	enum ud_code code = UD_OK;

	if (uuid && !vm)
		code = ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no VM %s.", uuid);
	else if (vm && flags & SCRIPTED_RUNNING && vm->m.power != UD_POWER_RUNNING)
		code = ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is %s, not running.",
			ud_powers.names[vm->m.power]);
	if (code != UD_OK)
		return scripted_leave(cx, hv, slot, code);
	*ret = vm;
	return UD_OK;
}

enum ud_code scripted_leave(
	struct ud_ctx *cx, struct ud_hv *hv, const char *slot, enum ud_code code)
{
	struct scripted *s = scripted_of(hv);

	if (code == UD_OK)
		code = due(cx, &slot_of(s, slot)->fails[1], slot);
	if (code == UD_OK && !slot_of(s, slot)->looks)
		code = alive(cx, s, slot, SCRIPTED_AFTER);
	pthread_mutex_unlock(&s->lock);
	return code;
}
