/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wrappers: an empty slot is answered here, a wrong UUID never reaches a driver, and each call
 * that changes something leaves one line in the log.
 */
#include "agent/driver.h"

#include <ctype.h>
#include <string.h>

#include "base/crypto.h"
#include "base/env.h"
#include "base/log.h"
#include "base/rules.h"

/* Slots that are capabilities, by name and place in the table. */
#define SLOT(name_)                                       \
	{                                                 \
#name_, offsetof(struct ud_driver, name_) \
	}
static const struct {
	const char *name;
	size_t offset;
} slots[] = { SLOT(facts), SLOT(inventory), SLOT(machine), SLOT(power), SLOT(sample), SLOT(start),
	SLOT(shutdown), SLOT(power_off), SLOT(save), SLOT(pause), SLOT(resume), SLOT(reset),
	SLOT(autostart), SLOT(pid), SLOT(screenshot), SLOT(guest_run), SLOT(guest_write),
	SLOT(guest_read), SLOT(freeze), SLOT(thaw), SLOT(checkpoint_create), SLOT(checkpoint_list),
	SLOT(checkpoint_apply), SLOT(checkpoint_delete), SLOT(limits_get), SLOT(limits_set),
	SLOT(upgrade), SLOT(balance), SLOT(team), SLOT(definition_export), SLOT(definition_import),
	SLOT(undefine), SLOT(diagnose), SLOT(replicate), SLOT(peer_ask), SLOT(relation_set),
	SLOT(relation_drop), SLOT(relation_resync), SLOT(relation_test), SLOT(relations),
	SLOT(points), SLOT(point_verify), SLOT(prepare), SLOT(fail_over), SLOT(complete),
	SLOT(cancel), SLOT(displace), SLOT(test_start), SLOT(test_drop) };

void ud_hv_capabilities(struct ud_ctx *cx, const struct ud_driver *driver, struct ud_texts *ret)
{
	ret->items = ud_alloc(cx->arena, sizeof(char *) * UD_LEN(slots));
	ret->count = 0;
	for (size_t i = 0; i < UD_LEN(slots); i++) {
		void (*slot)(void) = NULL;

		memcpy(&slot, (const char *)driver + slots[i].offset, sizeof(slot));
		if (slot)
			ret->items[ret->count++] = slots[i].name;
	}
}

const char *ud_hv_why_missing(const struct ud_driver *driver, const char *slot)
{
	for (const struct ud_hv_missing *m = driver->missing; m && m->slot; m++)
		if (strcmp(m->slot, slot) == 0)
			return m->reason;
	return NULL;
}

static const struct {
	const char *scheme, *driver;
} schemes[] = {
	{ "qemu:", "libvirt" },
	{ "hyperv:", "hyperv" },
	{ "scripted:", "scripted" },
};

static const struct ud_driver *driver_for(const struct ud_driver *const *drivers, const char *uri)
{
	for (size_t i = 0; i < UD_LEN(schemes); i++)
		for (size_t k = 0; drivers[k]; k++)
			if (strncmp(uri, schemes[i].scheme, strlen(schemes[i].scheme)) == 0 &&
				strcmp(drivers[k]->name, schemes[i].driver) == 0)
				return drivers[k];
	return NULL;
}

enum ud_code ud_hv_open(struct ud_ctx *cx, const struct ud_driver *const *drivers, const char *uri,
	ud_hv_changed *changed, void *data, struct ud_hv **ret)
{
	const struct ud_driver *driver = driver_for(drivers, uri);

	if (!driver)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "no driver takes the address %s", uri);
	return driver->open(cx, uri, changed, data, ret);
}

void ud_hv_close(struct ud_hv **hv)
{
	if (*hv)
		(*hv)->driver->close(*hv);
	*hv = NULL;
}

/* May the slot be called for this VM? */
static enum ud_code ready(
	struct ud_ctx *cx, const struct ud_hv *hv, bool filled, const char *what, const char *uuid)
{
	if (!filled) {
		const char *why = ud_hv_why_missing(hv->driver, what);

		return ud_fail(cx, UD_E_UNSUPPORTED, NULL, "The driver %s cannot do %s.%s%s",
			hv->driver->name, what, why ? " " : "", why ? why : "");
	}
	if (uuid && ud_rule_uuid(cx, uuid))
		return ud_fail(cx, UD_E_VALIDATION, NULL, "%s is no UUID.", uuid);
	return UD_OK;
}

/* The same for a call about a relation or a test, which the hypervisor does not know by UUID. */
static enum ud_code ready_for(
	struct ud_ctx *cx, const struct ud_hv *hv, bool filled, const char *what, const char *id)
{
	UD_TRY(ready(cx, hv, filled, what, NULL));
	if (!id || !*id || strchr(id, '/') || *id == '.')
		return ud_fail(cx, UD_E_VALIDATION, NULL, "%s is no id.", id ? id : "nothing");
	return UD_OK;
}

/* One line for what changed something, or did not work. */
static enum ud_code told(
	struct ud_ctx *cx, enum ud_code code, const char *what, const char *uuid, int64_t began_us)
{
	ud_log(code == UD_OK ? UD_LOG_INFO : UD_LOG_WARNING, "hypervisor_call", "call", what, "of",
		uuid, "ms",
		ud_printf(cx->arena, "%lld", (long long)((ud_stopwatch_us() - began_us) / 1000)),
		"code", code == UD_OK ? NULL : ud_error_info(code)->name, "reason",
		code == UD_OK ? NULL : cx->problem.detail, NULL);
	return code;
}

/* A call that only looks, and one that changes something. */
#define LOOK(slot_, uuid_, ...)                                                       \
	__extension__({                                                               \
		enum ud_code ud_c_ = ready(cx, hv, hv->driver->slot_, #slot_, uuid_); \
		if (ud_c_ == UD_OK)                                                   \
			ud_c_ = hv->driver->slot_(cx, hv, ##__VA_ARGS__);             \
		ud_c_;                                                                \
	})
#define DO(slot_, uuid_, ...)                                                             \
	__extension__({                                                                   \
		int64_t ud_t_ = ud_stopwatch_us();                                        \
		told(cx, LOOK(slot_, uuid_, uuid_, ##__VA_ARGS__), #slot_, uuid_, ud_t_); \
	})

/* A call about a relation or a test. */
#define FOR(slot_, id_, ...)                                                            \
	__extension__({                                                                 \
		enum ud_code ud_f_ = ready_for(cx, hv, hv->driver->slot_, #slot_, id_); \
		if (ud_f_ == UD_OK)                                                     \
			ud_f_ = hv->driver->slot_(cx, hv, ##__VA_ARGS__);               \
		ud_f_;                                                                  \
	})
#define DO_FOR(slot_, id_, ...)                                               \
	__extension__({                                                       \
		int64_t ud_t_ = ud_stopwatch_us();                            \
		told(cx, FOR(slot_, id_, ##__VA_ARGS__), #slot_, id_, ud_t_); \
	})

enum ud_code ud_hv_facts(struct ud_ctx *cx, struct ud_hv *hv, struct ud_host_facts *ret)
{
	return LOOK(facts, NULL, ret);
}

enum ud_code ud_hv_inventory(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_visitor *visit, void *data)
{
	return LOOK(inventory, NULL, visit, data);
}

enum ud_code ud_hv_machine(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_machine *ret)
{
	return LOOK(machine, uuid, uuid, ret);
}

enum ud_code ud_hv_power(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, enum ud_power *ret,
	const char **ret_raw)
{
	return LOOK(power, uuid, uuid, ret, ret_raw);
}

enum ud_code ud_hv_sample(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_sampled *visit, void *data)
{
	return LOOK(sample, NULL, visit, data);
}

enum ud_code ud_hv_start(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, unsigned flags)
{
	return DO(start, uuid, flags);
}

enum ud_code ud_hv_shutdown(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int64_t timeout_ms)
{
	return DO(shutdown, uuid, timeout_ms);
}

enum ud_code ud_hv_power_off(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	return DO(power_off, uuid);
}

enum ud_code ud_hv_save(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	return DO(save, uuid);
}

enum ud_code ud_hv_pause(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	return DO(pause, uuid);
}

enum ud_code ud_hv_resume(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	return DO(resume, uuid);
}

enum ud_code ud_hv_reset(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	return DO(reset, uuid);
}

enum ud_code ud_hv_autostart(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, bool on)
{
	return DO(autostart, uuid, on);
}

enum ud_code ud_hv_pid(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int *ret)
{
	return LOOK(pid, uuid, uuid, ret);
}

enum ud_code ud_hv_screenshot(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const void **ret, size_t *ret_n)
{
	return DO(screenshot, uuid, ret, ret_n);
}

enum ud_code ud_hv_guest_run(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const struct ud_guest_program *program, struct ud_guest_ran *ret)
{
	return DO(guest_run, uuid, program, ret);
}

enum ud_code ud_hv_guest_write(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *path, const void *data, size_t n)
{
	return DO(guest_write, uuid, path, data, n);
}

enum ud_code ud_hv_guest_read(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *path, const void **ret, size_t *ret_n)
{
	return DO(guest_read, uuid, path, ret, ret_n);
}

enum ud_code ud_hv_freeze(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int64_t timeout_ms)
{
	return DO(freeze, uuid, timeout_ms);
}

enum ud_code ud_hv_thaw(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	return DO(thaw, uuid);
}

enum ud_code ud_hv_checkpoint_create(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *name, const char *kind, struct ud_checkpoint_info *ret)
{
	return DO(checkpoint_create, uuid, name, kind, ret);
}

enum ud_code ud_hv_checkpoint_list(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	ud_hv_checkpointed *visit, void *data)
{
	return LOOK(checkpoint_list, uuid, uuid, visit, data);
}

enum ud_code ud_hv_checkpoint_apply(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *name)
{
	return DO(checkpoint_apply, uuid, name);
}

enum ud_code ud_hv_checkpoint_delete(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *name)
{
	return DO(checkpoint_delete, uuid, name);
}

enum ud_code ud_hv_limits_get(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_vm_limits *ret)
{
	return LOOK(limits_get, uuid, uuid, ret);
}

enum ud_code ud_hv_limits_set(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const struct ud_vm_limits *limits)
{
	return DO(limits_set, uuid, limits);
}

enum ud_code ud_hv_upgrade(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret_version)
{
	return DO(upgrade, uuid, ret_version);
}

enum ud_code ud_hv_balance(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_host_balance *wanted, struct ud_host_balance *ret)
{
	int64_t began = ud_stopwatch_us();

	return told(cx, LOOK(balance, NULL, wanted, ret), "balance", NULL, began);
}

enum ud_code ud_hv_team(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_host_team *team)
{
	int64_t began = ud_stopwatch_us();

	return told(cx, LOOK(team, NULL, team), "team", team->name, began);
}

enum ud_code ud_hv_definition_export(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret)
{
	return LOOK(definition_export, uuid, uuid, ret);
}

enum ud_code ud_hv_definition_import(
	struct ud_ctx *cx, struct ud_hv *hv, const char *text, const char **ret_uuid)
{
	int64_t began = ud_stopwatch_us();

	return told(cx, LOOK(definition_import, NULL, text, ret_uuid), "definition_import", NULL,
		began);
}

enum ud_code ud_hv_undefine(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	return DO(undefine, uuid);
}

enum ud_code ud_hv_diagnose(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret)
{
	return LOOK(diagnose, uuid, uuid, ret);
}

enum ud_code ud_hv_selftest(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_differed *visit, void *data,
	size_t *ret_compared)
{
	return LOOK(selftest, NULL, visit, data, ret_compared);
}

enum ud_code ud_hv_replicate(
	struct ud_ctx *cx, struct ud_hv *hv, const struct ud_hv_replication *with, int *ret_port)
{
	return LOOK(replicate, NULL, with, ret_port);
}

enum ud_code ud_hv_peer_ask(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
	const char *message, const char **ret_answer)
{
	return FOR(peer_ask, replication_id, replication_id, message, ret_answer);
}

enum ud_code ud_hv_relation_set(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation *relation, struct ud_relation_result *ret)
{
	return DO_FOR(relation_set, relation->replication_id, relation, ret);
}

enum ud_code ud_hv_relation_drop(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_drop *drop, struct ud_relation_result *ret)
{
	return DO_FOR(relation_drop, drop->replication_id, drop, ret);
}

enum ud_code ud_hv_relation_resync(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_resync *resync, struct ud_relation_result *ret)
{
	return DO_FOR(relation_resync, resync->replication_id, resync, ret);
}

enum ud_code ud_hv_relation_test(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_test *test, struct ud_relation_tested *ret)
{
	return FOR(relation_test, test->replication_id, test, ret);
}

enum ud_code ud_hv_relations(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_related *visit, void *data)
{
	return LOOK(relations, NULL, visit, data);
}

enum ud_code ud_hv_points(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
	ud_hv_pointed *visit, void *data)
{
	return FOR(points, replication_id, replication_id, visit, data);
}

enum ud_code ud_hv_point_verify(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_point_verify *verify, const struct ud_hv_leave *may,
	struct ud_point_verified *ret)
{
	return DO_FOR(point_verify, verify->replication_id, verify, may, ret);
}

enum ud_code ud_hv_prepare(
	struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id, struct ud_point *ret)
{
	return DO_FOR(prepare, replication_id, replication_id, ret);
}

enum ud_code ud_hv_fail_over(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_hv_promotion *promotion, struct ud_hv_promoted *ret)
{
	return DO_FOR(fail_over, promotion->replication_id, promotion, ret);
}

enum ud_code ud_hv_complete(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id)
{
	return DO_FOR(complete, replication_id, replication_id);
}

enum ud_code ud_hv_cancel(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id)
{
	return DO_FOR(cancel, replication_id, replication_id);
}

enum ud_code ud_hv_displace(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_hv_displaced *ret)
{
	return DO(displace, uuid, ret);
}

enum ud_code ud_hv_test_start(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_hv_test *test,
	struct ud_hv_tested *ret)
{
	return DO_FOR(test_start, test->test_id, test, ret);
}

const char *ud_hv_test_mac(struct ud_ctx *cx, const char *test_id, const char *mac)
{
	char *text = ud_printf(cx->arena, "%s/%s", test_id, mac), hex[UD_SHA256_HEX];

	for (char *c = text; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	ud_sha256_hex(text, strlen(text), hex);
	/* set by hand, not by a maker, and for one card: 52 */
	return ud_printf(cx->arena, "52:54:00:%.2s:%.2s:%.2s", hex, hex + 2, hex + 4);
}

enum ud_code ud_hv_test_drop(struct ud_ctx *cx, struct ud_hv *hv, const char *test_id)
{
	return DO_FOR(test_drop, test_id, test_id);
}
