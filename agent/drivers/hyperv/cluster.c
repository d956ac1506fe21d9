/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cluster receives replicas by its broker: one name for all nodes. Made where there is none, and
 * completed where it was begun: each part is looked for first.
 */
#include <stdio.h>
#include <string.h>

#include "agent/drivers/hyperv/inside.h"
#include "base/env.h"

/* clang-format off */
struct group { const char *name, *type, *state; };
static const struct ud_field group_fields[] = {
	UD_FIELD(group, name,  .flags = UD_REQUIRED),
	UD_FIELD(group, type),
	UD_FIELD(group, state),
};
static const char *const group_paths[] = { "Name", "GroupType", "State" };
struct resource { const char *name; };
static const struct ud_field resource_fields[] = { UD_FIELD(resource, name, .flags = UD_REQUIRED) };
static const char *const resource_paths[] = { "Name" };
/* clang-format on */
static const struct ud_shape group_shape = { UD_SHAPE(group, group_fields),
	.object = "group of the cluster", .bare = true },
			     resource_shape = { UD_SHAPE(resource, resource_fields),
				     .object = "resource of the cluster", .bare = true };
static const struct ud_hy_class groups = { &group_shape, group_paths };
static const struct ud_hy_class resources = { &resource_shape, resource_paths };

/* Parts of a broker: each is a resource named after the group. */
static const struct {
	const char *suffix, *type;
} parts[] = {
	{ "", "Network Name" },
	{ " address", "IP Address" },
	{ " broker", "Virtual Machine Replication Broker" },
};
enum { NAME_PART, ADDRESS_PART, BROKER_PART, NAME_MAX_CHARS = 15 };

struct seen {
	struct ud_hy_cluster_name cluster;
	struct group *groups;
	struct resource *resources;
	size_t group_n, resource_n;
	const struct group *broker;
	const char *name; /* what the broker is called, or will be */
};

/* "hv-lon-hvrb": NetBIOS has room for 15 characters. */
static const char *default_name(struct ud_ctx *cx, const char *cluster)
{
	static const char suffix[] = "-hvrb";
	int room = NAME_MAX_CHARS - (int)strlen(suffix);

	return ud_printf(cx->arena, "%.*s%s", room, cluster, suffix);
}

static enum ud_code see(struct ud_ctx *cx, struct ud_hv *hv, bool *ret_found, struct seen *ret)
{
	struct ud_hy_batch b;

	*ret = (struct seen){ 0 };
	UD_TRY(ud_hy_cluster(cx, hv, ret_found, &ret->cluster));
	if (!*ret_found)
		return UD_OK;
	ud_hy_begin(cx, hv, &b);
	int group_call = ud_hy_call(&b, "Get-ClusterGroup", &groups);
	int resource_call = ud_hy_call(&b, "Get-ClusterResource", &resources);

	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	UD_TRY(ud_hy_rows(&b, group_call, &ret->groups, &ret->group_n));
	UD_TRY(ud_hy_rows(&b, resource_call, &ret->resources, &ret->resource_n));
	for (size_t i = 0; i < ret->group_n; i++)
		if (ret->groups[i].type && strcmp(ret->groups[i].type, "VMReplicaBroker") == 0)
			ret->broker = &ret->groups[i];
	ret->name = ret->broker ? ret->broker->name : default_name(cx, ret->cluster.name);
	return UD_OK;
}

static const char *part_name(struct ud_ctx *cx, const struct seen *s, int part)
{
	return ud_printf(cx->arena, "%s%s", s->name, parts[part].suffix);
}

static bool has_part(struct ud_ctx *cx, const struct seen *s, int part)
{
	for (size_t i = 0; i < s->resource_n; i++)
		if (strcmp(s->resources[i].name, part_name(cx, s, part)) == 0)
			return true;
	return false;
}

/* What depends on what: the name on its address, the broker on its name. */
static void add_dependency(struct ud_hy_batch *b, const struct seen *s, int of, int on)
{
	ud_hy_call(b, "Add-ClusterResourceDependency", NULL);
	ud_hy_text(b, "Resource", part_name(b->cx, s, of));
	ud_hy_text(b, "Provider", part_name(b->cx, s, on));
	ud_hy_optional(b); /* it may stand already: then the group's start tells */
}

/* A part, made or found, with its parameter: the address comes by DHCP. */
static void add_part(struct ud_hy_batch *b, const struct seen *s, int part)
{
	const char *name = part_name(b->cx, s, part);
	bool there = has_part(b->cx, s, part);
	int call = ud_hy_call(b, there ? "Get-ClusterResource" : "Add-ClusterResource", &resources);

	if (there) {
		ud_hy_texts(b, "Name", &(struct ud_texts){ &name, 1 });
	} else {
		ud_hy_text(b, "Name", name);
		ud_hy_text(b, "ResourceType", parts[part].type);
		ud_hy_text(b, "Group", s->name);
	}
	if (part == BROKER_PART)
		return;
	ud_hy_call(b, "Set-ClusterParameter", NULL);
	ud_hy_ref(b, "InputObject", call);
	ud_hy_table(b, "Multiple");
	if (part == NAME_PART)
		ud_hy_text(b, "DnsName", s->name);
	else
		ud_hy_int(b, "EnableDhcp", 1);
	ud_hy_table_end(b);
}

static enum ud_code make(struct ud_ctx *cx, struct ud_hv *hv, const struct seen *s)
{
	struct ud_hy_batch b;

	ud_hy_begin(cx, hv, &b);
	if (!s->broker) {
		ud_hy_call(&b, "Add-ClusterGroup", NULL);
		ud_hy_texts(&b, "Name", &(struct ud_texts){ &(const char *){ s->name }, 1 });
		ud_hy_text(&b, "GroupType", "VMReplicaBroker");
	}
	for (int part = 0; part < (int)UD_LEN(parts); part++)
		add_part(&b, s, part);
	add_dependency(&b, s, NAME_PART, ADDRESS_PART);
	add_dependency(&b, s, BROKER_PART, NAME_PART);
	ud_hy_call(&b, "Start-ClusterGroup", NULL);
	ud_hy_text(&b, "Name", s->name);
	return ud_hy_run(&b, UD_HY_CHANGE_MS);
}

static const char *fqdn_of(struct ud_ctx *cx, const struct seen *s)
{
	return s->cluster.domain && *s->cluster.domain
		? ud_printf(cx->arena, "%s.%s", s->name, s->cluster.domain)
		: s->name;
}

enum ud_code ud_hy_broker_name(struct ud_ctx *cx, struct ud_hv *hv, const char **ret)
{
	struct seen s;
	bool clustered = false;

	*ret = NULL;
	UD_TRY(see(cx, hv, &clustered, &s));
	if (clustered)
		*ret = fqdn_of(cx, &s);
	return UD_OK;
}

enum ud_code ud_hy_broker(struct ud_ctx *cx, struct ud_hv *hv, const char **ret)
{
	struct seen s;
	bool clustered = false;

	*ret = NULL;
	UD_TRY(see(cx, hv, &clustered, &s));
	if (!clustered)
		return UD_OK;
	*ret = fqdn_of(cx, &s);
	if (s.broker && s.broker->state && strcmp(s.broker->state, "Online") == 0)
		return UD_OK;
	UD_TRY(make(cx, hv, &s));
	UD_TRY(see(cx, hv, &clustered, &s));
	if (!s.broker || !s.broker->state || strcmp(s.broker->state, "Online") != 0)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL,
			"The replica broker %s of the cluster is %s, not Online: look at its "
			"address and at the right of the cluster to make its computer account.",
			s.name, s.broker && s.broker->state ? s.broker->state : "not there");
	return UD_OK;
}
