/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What agents saw, as rows: facts of hosts, facts of VMs per host that has them, figures. Agents
 * belong to hosts, not customers, so the questions here look at every tenant; what a tenant may see
 * is decided where its VM is read.
 */
#ifndef DB_INVENTORY_H
#define DB_INVENTORY_H

#include "db/hosts.h"
#include "db/vms.h"

/* Keep the newest facts of a host (JSON of ud_host_facts). */
enum ud_code ud_inventory_host(struct ud_ctx *cx, const char *host_id, const char *facts) UD_USE;
/* Them, and when they were observed; *ret NULL = nothing was told yet. */
enum ud_code ud_inventory_host_facts(
	struct ud_ctx *cx, const char *host_id, const char **ret, int64_t *ret_observed_at) UD_USE;
/* What other hosts of a host's site have told, those whose agents were seen after since_ms; the
 * newest first, UD_NEAR_MAX at most. */
enum { UD_NEAR_MAX = 64 };
enum ud_code ud_inventory_near_facts(
	struct ud_ctx *cx, const char *host_id, int64_t since_ms, struct ud_texts *ret) UD_USE;

/* The VM with this UUID, of whichever tenant; *ret_found false = none. */
enum ud_code ud_inventory_vm(
	struct ud_ctx *cx, const char *uuid, bool *ret_found, struct ud_vm *ret) UD_USE;
/* Keep what a host's agent saw of a VM; *ret_redefined: its definition is another than before. */
enum ud_code ud_inventory_seen(struct ud_ctx *cx, const char *vm_id, const char *host_id,
	const struct ud_machine *machine, bool *ret_redefined) UD_USE;
/* What was seen of a VM on its host: JSON of ud_machine, or NULL. */
enum ud_code ud_inventory_vm_facts(struct ud_ctx *cx, const char *vm_id, const char *host_id,
	const char **ret, int64_t *ret_observed_at) UD_USE;
/* Is the VM there on this host? Does it run on some other host, as far as agents told? */
enum ud_code ud_inventory_on(struct ud_ctx *cx, const char *vm_id, const char *host_id, bool *ret)
	UD_USE;
enum ud_code ud_inventory_runs_elsewhere(
	struct ud_ctx *cx, const char *vm_id, const char *host_id, bool *ret) UD_USE;
/* A VM as a host told of it. */
struct ud_seen_vm {
	const char *vm_id, *customer_id, *name, *facts; /* facts: JSON of ud_machine */
};
/* VMs of whichever tenant that are switched on at a host, as its agent told; 2000 at most. */
enum ud_code ud_inventory_running(
	struct ud_ctx *cx, const char *host_id, struct ud_seen_vm **ret, size_t *ret_n) UD_USE;
/* What VMs of whichever tenant take at a host, and what the copies that it keeps of others' would.
 */
struct ud_host_load {
	int64_t vms_running, vcpus_running, memory_running_bytes;
	int64_t vms_replicated, vcpus_replicated, memory_replicated_bytes;
};
enum ud_code ud_inventory_load(struct ud_ctx *cx, const char *host_id, struct ud_host_load *ret)
	UD_USE;
/* Those that are switched on at any host of a host's site and told this address somewhere, with or
 * without the length of a prefix: candidates, 64 at most. */
enum ud_code ud_inventory_telling(struct ud_ctx *cx, const char *host_id, const char *address,
	struct ud_seen_vm **ret, size_t *ret_n) UD_USE;
/* Forget the VMs of a host that are not among these UUIDs; the ids of those forgotten. */
enum ud_code ud_inventory_gone(struct ud_ctx *cx, const char *host_id,
	const struct ud_texts *present, struct ud_texts *ret_vms) UD_USE;

/* A sign of life; no event, no new version. */
enum ud_code ud_inventory_heartbeat(struct ud_ctx *cx, const char *host_id, int64_t at_ms) UD_USE;
/* Keep figures of a VM by its UUID; unknown ones are dropped. */
enum ud_code ud_inventory_sample(
	struct ud_ctx *cx, const char *host_id, int64_t at_ms, const struct ud_sample *s) UD_USE;
/* Hosts that gave a sign of life and none after an instant, and are not marked so: ids, 200 at
 * most. */
enum ud_code ud_inventory_silent(struct ud_ctx *cx, int64_t before_ms, struct ud_texts *ret_hosts)
	UD_USE;
/* VMs whose record says that they are on a host: ids. */
enum ud_code ud_inventory_vms_of(struct ud_ctx *cx, const char *host_id, struct ud_texts *ret_vms)
	UD_USE;

/* Figures of a VM after an instant, the newest 360 at most, oldest first. The time of its
 * processors comes apart and in microseconds, UD_NONE when not known: nanoseconds of all VMs of a
 * host can leave 64 bits. s->cpu_ns is 0. */
typedef enum ud_code ud_sample_visitor(
	struct ud_ctx *cx, void *data, int64_t taken_at, int64_t cpu_us, const struct ud_sample *s);
enum ud_code ud_inventory_samples(struct ud_ctx *cx, const char *vm_id, int64_t after_ms,
	ud_sample_visitor *visit, void *data) UD_USE;
/* Sums over the VMs that a host has now. */
enum ud_code ud_inventory_host_samples(struct ud_ctx *cx, const char *host_id, int64_t after_ms,
	ud_sample_visitor *visit, void *data) UD_USE;
/* Forget figures older than an instant; is there any such? */
enum ud_code ud_inventory_forget(struct ud_ctx *cx, int64_t before_ms) UD_USE;
enum ud_code ud_inventory_old(struct ud_ctx *cx, int64_t before_ms, bool *ret) UD_USE;

#endif
