/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in the way of a replication, found before anything is made: the same list for a dry
 * run, for the call itself and for recovery plans.
 */
#ifndef API_PREFLIGHT_H
#define API_PREFLIGHT_H

#include "base/machine.h"
#include "db/agents.h"
#include "db/hosts.h"
#include "db/replications.h"
#include "db/vms.h"

enum { UD_BLOCKERS_MAX = 48 };

/* The host of one end, as it is known. */
struct ud_preflight_host {
	bool found, has_agent, has_facts;
	struct ud_host row;
	struct ud_agent agent;
	struct ud_host_facts facts;
};

struct ud_preflight {
	/* given: the VM, and the replication as it would be made (target_host_id NULL: none fits)
	 */
	struct ud_vm vm;
	struct ud_replication wanted;
	const struct ud_replication *parent; /* of the extended leg, else NULL */
	struct ud_texts waivers;             /* codes of waivable blockers that are set aside */
	/* found */
	struct ud_preflight_host source, target;
	bool has_machine;
	struct ud_machine machine;
	struct ud_disk *disks;
	size_t disk_count;
	int64_t copy_bytes;      /* room the first copy takes; UD_NONE = not known */
	int64_t available_bytes; /* of the target's roomiest pool; UD_NONE = not known */
	struct ud_blocker blockers[UD_BLOCKERS_MAX];
	size_t count;
	bool blocked;      /* one of them forbids it */
	bool not_entitled; /* one of them is the missing add-on */
};

/* Codes that a request may set aside. */
extern const struct ud_enum ud_waivers;

/*
 * Find all blockers. The caller has read the VM (and the parent) with its own scope; hosts, agents
 * and inventory are read as ourselves. Texts live in cx->arena.
 */
enum ud_code ud_preflight_run(struct ud_ctx *cx, struct ud_preflight *p) UD_USE;
/*
 * The host of a site that takes a copy of this VM best: of the same hypervisor, ready, connected,
 * with the most room. *ret NULL = there is none.
 */
enum ud_code ud_preflight_choose(
	struct ud_ctx *cx, const struct ud_vm *vm, const char *site_id, const char **ret) UD_USE;
/* The blockers as a JSON list. */
const char *ud_preflight_json(struct ud_ctx *cx, const struct ud_preflight *p);
/* Record them as a problem: UD_E_NOT_ENTITLED, or UD_E_REPLICATION_BLOCKED with one entry each. */
enum ud_code ud_preflight_fail(struct ud_ctx *cx, const struct ud_preflight *p) UD_USE;

#endif
