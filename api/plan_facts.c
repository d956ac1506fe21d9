/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts are hashed in groups, so that what changed can be named and a plan of 500 VMs keeps four
 * short texts.
 */
#include "api/plan_facts.h"

#include <string.h>

#include "base/crypto.h"
#include "base/machine.h"
#include "db/agents.h"
#include "db/hosts.h"
#include "db/inventory.h"
#include "db/network_maps.h"
#include "db/replications.h"

enum { HOSTS_MAX = 2 * UD_PLAN_MEMBERS };

/* Its members are names of ud_stale_reasons. */
struct kept {
	const char *members, *hosts, *certificates, *networks;
};
/* clang-format off */
static const struct ud_field kept_fields[] = {
	UD_FIELD(kept, members),
	UD_FIELD(kept, hosts),
	UD_FIELD(kept, certificates),
	UD_FIELD(kept, networks),
};
/* clang-format on */
static const struct ud_shape kept_shape = { UD_SHAPE(kept, kept_fields), .bare = true };

/* While they are gathered. */
struct gathering {
	const struct ud_recovery_plan *plan;
	struct ud_buf members, hosts, certificates, networks;
	struct ud_texts seen; /* hosts that were looked at */
};

static void add(struct ud_buf *b, const char *text)
{
	ud_buf_json(b, text);
	ud_buf_putc(b, '\n');
}

/* A VM's definition where it is. */
static enum ud_code add_member(
	struct ud_ctx *cx, struct gathering *g, const char *vm_id, const char *host_id)
{
	struct ud_machine m = { 0 };
	const char *facts = NULL;
	int64_t at;

	UD_TRY(ud_inventory_vm_facts(cx, vm_id, host_id, &facts, &at));
	if (facts && ud_shape_read(cx, &ud_machine_shape, facts, strlen(facts), &m) != UD_OK)
		ud_ctx_clear(cx); /* what cannot be read is not known */
	add(&g->members, vm_id);
	add(&g->members, m.definition_hash);
	return UD_OK;
}

/* What a host is; figures that only time changes aside. */
static enum ud_code add_facts(struct ud_ctx *cx, struct gathering *g, const char *host_id)
{
	struct ud_host_facts f = { 0 };
	const char *facts = NULL;
	int64_t at;

	UD_TRY(ud_inventory_host_facts(cx, host_id, &facts, &at));
	if (facts && ud_shape_read(cx, &ud_host_facts_shape, facts, strlen(facts), &f) != UD_OK)
		ud_ctx_clear(cx);
	const char *const said[] = { f.hypervisor, f.hypervisor_version, f.os, f.cpu_model };

	for (size_t i = 0; i < UD_LEN(said); i++)
		add(&g->hosts, said[i]);
	return UD_OK;
}

static enum ud_code add_host(struct ud_ctx *cx, struct gathering *g, const char *host_id)
{
	struct ud_agent a = { 0 };
	bool found = false;

	add(&g->hosts, host_id);
	for (size_t i = 0; i < g->seen.count; i++)
		if (strcmp(g->seen.items[i], host_id) == 0)
			return UD_OK;
	g->seen.items[g->seen.count++] = host_id;
	UD_TRY(add_facts(cx, g, host_id));
	UD_TRY(ud_agent_of_host(cx, host_id, &found, &a));
	add(&g->certificates, host_id);
	add(&g->certificates, found ? a.certificate_serial : NULL);
	return UD_OK;
}

static enum ud_code add_networks(
	struct ud_ctx *cx, struct gathering *g, const struct ud_replication *r)
{
	for (int test = 0; test < 2; test++) {
		const struct ud_network_way way = { r->vm_id, r->source_host_id, r->target_host_id,
			test, g->plan->network_map.text };
		struct ud_texts unmapped = { 0 };
		struct ud_json cards = { 0 }, addresses = { 0 };

		UD_TRY(ud_network_map_cards(cx, &way, &cards, &unmapped));
		UD_TRY(ud_network_map_addresses(cx, &way, &addresses));
		add(&g->networks, cards.text);
		add(&g->networks, addresses.text);
	}
	return UD_OK;
}

static enum ud_code add_vm(struct ud_ctx *cx, struct gathering *g, const char *vm_id)
{
	struct ud_replication r = { 0 };
	bool found = false;

	UD_TRY(ud_replication_of_vm(cx, vm_id, UD_LEG_PRIMARY, &found, &r));
	if (!found) {
		add(&g->members, vm_id);
		return UD_OK;
	}
	UD_TRY(add_member(cx, g, vm_id, r.source_host_id));
	UD_TRY(add_host(cx, g, r.source_host_id));
	UD_TRY(add_host(cx, g, r.target_host_id));
	return add_networks(cx, g, &r);
}

static enum ud_code gather(struct ud_ctx *cx, struct gathering *g)
{
	struct ud_plan_order order = { 0 };

	UD_TRY(ud_plan_order(cx, g->plan->members.text, &order));
	for (size_t i = 0; i < order.count; i++)
		UD_TRY(add_vm(cx, g, order.vm_ids[i]));
	return UD_OK;
}

static const char *hash_of(struct ud_ctx *cx, struct ud_buf *b)
{
	char hash[UD_SHA256_HEX];

	ud_sha256_hex(b->data, b->len, hash);
	ud_buf_free(b);
	return ud_strdup(cx->arena, hash);
}

/* As ourselves: hosts and agents are the provider's, and customers ask. */
enum ud_code ud_plan_facts(struct ud_ctx *cx, const struct ud_recovery_plan *p, const char **ret)
{
	const struct ud_scope *asker = cx->scope, system = ud_scope_system("plan facts");
	struct gathering g = { .plan = p,
		.seen.items = ud_alloc(cx->arena, HOSTS_MAX * sizeof(char *)) };
	struct ud_buf b = { 0 };

	cx->scope = &system;
	enum ud_code code = gather(cx, &g);

	cx->scope = asker;
	const struct kept k = { hash_of(cx, &g.members), hash_of(cx, &g.hosts),
		hash_of(cx, &g.certificates), hash_of(cx, &g.networks) };

	ud_shape_encode(&b, &kept_shape, &k, NULL);
	*ret = ud_buf_take(cx->arena, &b);
	return code;
}

enum ud_code ud_plan_facts_compare(
	struct ud_ctx *cx, const char *before, const char *now, struct ud_texts *ret)
{
	struct kept was = { 0 }, is = { 0 };

	*ret = (struct ud_texts){ ud_alloc(cx->arena, sizeof(char *) * UD_LEN(kept_fields)), 0 };
	UD_TRY(ud_shape_read(cx, &kept_shape, before, strlen(before), &was));
	UD_TRY(ud_shape_read(cx, &kept_shape, now, strlen(now), &is));
	for (size_t i = 0; i < UD_LEN(kept_fields); i++) {
		size_t at = kept_fields[i].offset;

		if (strcmp(*(const char **)((char *)&was + at),
			    *(const char **)((char *)&is + at)) != 0)
			ret->items[ret->count++] = kept_fields[i].name;
	}
	return UD_OK;
}
