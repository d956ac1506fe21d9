/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints and limits. A production checkpoint freezes the guest's file systems; where the guest
 * cannot, ProductionOnly fails, and then a standard one is taken and said to be less.
 */
#include <string.h>

#include "agent/drivers/hyperv/inside.h"
#include "base/env.h"

struct snapshot {
	const char *id, *name, *type, *state;
	struct ud_time at;
};
/* clang-format off */
static const struct ud_field snapshot_fields[] = {
	UD_FIELD(snapshot, id,    .flags = UD_REQUIRED),
	UD_FIELD(snapshot, name),
	UD_FIELD(snapshot, type),
	UD_FIELD(snapshot, state),
	UD_FIELD(snapshot, at),
};
/* clang-format on */
static const char *const snapshot_paths[] = { "Id", "Name", "SnapshotType", "State",
	"CreationTime" };
static const struct ud_shape snapshot_shape = { UD_SHAPE(snapshot, snapshot_fields),
	.object = "checkpoint", .bare = true };
static const struct ud_hy_class snapshots = { &snapshot_shape, snapshot_paths };

/* Only those that people made: replicas have points of their own kinds. */
static bool is_own(const struct snapshot *s)
{
	return s->type && strcmp(s->type, "Standard") == 0 && s->name;
}

static enum ud_code list(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct snapshot **ret, size_t *ret_n)
{
	struct ud_hy_batch b;

	ud_hy_begin_vm(cx, hv, uuid, &b);
	int call = ud_hy_call(&b, "Get-VMSnapshot", &snapshots);

	ud_hy_ref(&b, "VM", 0);
	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	return ud_hy_rows(&b, call, ret, ret_n);
}

static enum ud_code find(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *name,
	bool *ret_found, struct snapshot *ret)
{
	struct snapshot *all = NULL;
	size_t n = 0;

	*ret_found = false;
	UD_TRY(list(cx, hv, uuid, &all, &n));
	for (size_t i = 0; i < n && !*ret_found; i++)
		if (is_own(&all[i]) && strcmp(all[i].name, name) == 0) {
			*ret = all[i];
			*ret_found = true;
		}
	return UD_OK;
}

/* One that was taken of a guest that ran has its memory; a production one never has. */
static struct ud_checkpoint_info info_of(const struct snapshot *s)
{
	bool production = s->state && strcmp(s->state, "Off") == 0;

	return (struct ud_checkpoint_info){ .name = s->name,
		.kind = production ? "production" : "standard",
		.consistency = production ? "application" : "crash",
		.created_at = s->at };
}

static enum ud_code take(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *name, const char *type)
{
	struct ud_hy_batch b;

	ud_hy_begin_vm(cx, hv, uuid, &b);
	ud_hy_call(&b, "Set-VM", NULL);
	ud_hy_ref(&b, "VM", 0);
	ud_hy_text(&b, "CheckpointType", type);
	ud_hy_unasked(&b);
	ud_hy_call(&b, "Checkpoint-VM", NULL);
	ud_hy_ref(&b, "VM", 0);
	ud_hy_text(&b, "SnapshotName", name);
	ud_hy_unasked(&b);
	return ud_hy_run(&b, UD_HY_CHANGE_MS);
}

enum ud_code ud_hy_checkpoint_create(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *name, const char *kind, struct ud_checkpoint_info *ret)
{
	bool production = strcmp(kind, "production") == 0, found = false;
	struct snapshot s = { 0 };
	const char *reason = NULL;

	UD_TRY(find(cx, hv, uuid, name, &found, &s));
	if (found)
		return ud_fail(cx, UD_E_ALREADY_EXISTS, NULL, "There is a checkpoint %s.", name);
	enum ud_code code = take(cx, hv, uuid, name, production ? "ProductionOnly" : "Standard");

	if (production && (code == UD_E_HYPERVISOR || code == UD_E_INVALID_STATE)) {
		reason = cx->problem.detail;
		ud_ctx_clear(cx);
		code = take(cx, hv, uuid, name, "Standard");
	}
	UD_TRY(code);
	UD_TRY(find(cx, hv, uuid, name, &found, &s));
	if (!found)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL, "The checkpoint %s is not there.", name);
	*ret = info_of(&s);
	ret->kind = production ? "production" : "standard";
	ret->consistency = production && !reason ? "application" : "crash";
	ret->reason = reason;
	return UD_OK;
}

enum ud_code ud_hy_checkpoint_list(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	ud_hv_checkpointed *visit, void *data)
{
	struct snapshot *all = NULL;
	size_t n = 0;

	UD_TRY(list(cx, hv, uuid, &all, &n));
	for (size_t i = 0; i < n; i++) {
		struct ud_checkpoint_info info = info_of(&all[i]);

		if (is_own(&all[i]))
			UD_TRY(visit(cx, data, &info));
	}
	return UD_OK;
}

/* Apply or delete: the checkpoint is found by its id, because a name may stand for several. */
static enum ud_code act(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *name, const char *cmdlet)
{
	struct snapshot s = { 0 };
	struct ud_hy_batch b;
	bool found = false;

	UD_TRY(find(cx, hv, uuid, name, &found, &s));
	if (!found)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no checkpoint %s.", name);
	ud_hy_begin_vm(cx, hv, uuid, &b);
	int call = ud_hy_call(&b, "Get-VMSnapshot", &snapshots);

	ud_hy_ref(&b, "VM", 0);
	ud_hy_call(&b, cmdlet, NULL);
	ud_hy_element(&b, "VMSnapshot", call, "Id", s.id);
	ud_hy_unasked(&b);
	UD_TRY(ud_hy_run(&b, UD_HY_CHANGE_MS));
	ud_hy_tell(hv, uuid);
	return UD_OK;
}

enum ud_code ud_hy_checkpoint_apply(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *name)
{
	return act(cx, hv, uuid, name, "Restore-VMSnapshot");
}

enum ud_code ud_hy_checkpoint_delete(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *name)
{
	return act(cx, hv, uuid, name, "Remove-VMSnapshot");
}

/* ---- limits ---- */

struct cpu {
	int64_t maximum, weight;
	bool protected;
};
static const struct ud_field cpu_fields[] = { UD_FIELD(cpu, maximum, .flags = UD_NULLABLE),
	UD_FIELD(cpu, weight, .flags = UD_NULLABLE), UD_FIELD(cpu, protected) };
static const char *const cpu_paths[] = { "Maximum", "RelativeWeight",
	"EnableHostResourceProtection" };
static const struct ud_shape cpu_shape = { UD_SHAPE(cpu, cpu_fields), .object = "processor",
	.bare = true };
static const struct ud_hy_class cpus = { &cpu_shape, cpu_paths };

/* What Hyper-V gives a VM that nobody has limited; its IOPS count pieces of 8 KiB. */
enum { ALL = 100, WEIGHT = 100, PIECE = 8 << 10 };

struct limits {
	struct ud_hy_vm vm;
	struct cpu cpu;
	struct ud_hy_disk *disks;
	size_t disk_n;
};

static enum ud_code see_limits(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct limits *ret)
{
	struct ud_hy_batch b;
	bool found = false;

	ud_hy_begin_vm(cx, hv, uuid, &b);
	int cpu_call = ud_hy_call(&b, "Get-VMProcessor", &cpus);

	ud_hy_ref(&b, "VM", 0);
	int disk_call = ud_hy_call(&b, "Get-VMHardDiskDrive", &ud_hy_disks);

	ud_hy_ref(&b, "VM", 0);
	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	UD_TRY(ud_hy_row(&b, 0, &found, &ret->vm));
	UD_TRY(ud_hy_row(&b, cpu_call, &found, &ret->cpu));
	return ud_hy_rows(&b, disk_call, &ret->disks, &ret->disk_n);
}

enum ud_code ud_hy_limits_get(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_vm_limits *ret)
{
	struct limits l = { .cpu = { ALL, WEIGHT, false } };

	UD_TRY(see_limits(cx, hv, uuid, &l));
	bool slowed = l.disk_n > 0 && l.disks[0].maximum_iops > 0;

	*ret = (struct ud_vm_limits){
		.cpu_percent = l.cpu.maximum < ALL ? l.cpu.maximum * l.vm.vcpus : UD_NONE,
		.cpu_weight = l.cpu.weight == WEIGHT ? UD_NONE : l.cpu.weight,
		.disk_iops = slowed ? l.disks[0].maximum_iops : UD_NONE,
		.disk_bytes_per_second = UD_NONE,
		.host_protection = l.cpu.protected
	};
	return UD_OK;
}

/* Bytes are counted by Hyper-V in pieces of 8 KiB too: there is one limit for both. */
static enum ud_code pieces(struct ud_ctx *cx, const struct ud_vm_limits *limits, int64_t *ret)
{
	*ret = limits->disk_iops == UD_NONE ? 0 : limits->disk_iops;
	if (limits->disk_bytes_per_second == UD_NONE)
		return UD_OK;
	return ud_fail(cx, UD_E_UNSUPPORTED, NULL,
		"Hyper-V limits disks by operations of %d KiB, not by bytes.", PIECE >> 10);
}

enum ud_code ud_hy_limits_set(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const struct ud_vm_limits *limits)
{
	struct limits l = { .cpu = { ALL, WEIGHT, false } };
	struct ud_hy_batch b;
	int64_t iops = 0, share = ALL;

	UD_TRY(pieces(cx, limits, &iops));
	UD_TRY(see_limits(cx, hv, uuid, &l));
	if (limits->cpu_percent != UD_NONE && l.vm.vcpus > 0)
		share = limits->cpu_percent / l.vm.vcpus;
	share = share < 1 ? 1 : share > ALL ? ALL : share;
	ud_hy_begin_vm(cx, hv, uuid, &b);
	int disk_call = ud_hy_call(&b, "Get-VMHardDiskDrive", &ud_hy_disks);

	ud_hy_ref(&b, "VM", 0);
	ud_hy_call(&b, "Set-VMProcessor", NULL);
	ud_hy_ref(&b, "VM", 0);
	ud_hy_int(&b, "Maximum", share);
	ud_hy_int(
		&b, "RelativeWeight", limits->cpu_weight == UD_NONE ? WEIGHT : limits->cpu_weight);
	/* what is so already is not asked for: it may need the VM off */
	if (l.cpu.protected != limits->host_protection)
		ud_hy_bool(&b, "EnableHostResourceProtection", limits->host_protection);
	ud_hy_unasked(&b);
	ud_hy_call(&b, "Set-VMHardDiskDrive", NULL);
	ud_hy_ref(&b, "VMHardDiskDrive", disk_call);
	ud_hy_int(&b, "MaximumIOPS", iops);
	ud_hy_unasked(&b);
	return ud_hy_run(&b, UD_HY_CHANGE_MS);
}
