/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands around the VMs of a host: its cluster with fault domains and balancer, Storage
 * Spaces, and paths of SMB. Hosts without one of them have no module for it, and then it is not
 * told. A health or state that is not known by name is "unknown".
 */
#include <string.h>

#include "agent/drivers/hyperv/inside.h"
#include "base/env.h"

enum { WORDS = 4096, BALANCE_WORDS = 1024 };

/* ---- classes ---- */

/* clang-format off */
struct cluster { const char *name, *domain; };
static const struct ud_field cluster_fields[] = {
	UD_FIELD(cluster, name,   .flags = UD_REQUIRED),
	UD_FIELD(cluster, domain),
};
static const char *const cluster_paths[] = { "Name", "Domain" };
struct node { const char *name, *state; };
static const struct ud_field node_fields[] = {
	UD_FIELD(node, name,  .flags = UD_REQUIRED),
	UD_FIELD(node, state),
};
static const char *const node_paths[] = { "Name", "State" };
struct domain { const char *name, *type, *parent, *location; };
static const struct ud_field domain_fields[] = {
	UD_FIELD(domain, name,     .flags = UD_REQUIRED),
	UD_FIELD(domain, type),
	UD_FIELD(domain, parent),
	UD_FIELD(domain, location, .max = WORDS),
};
static const char *const domain_paths[] = { "Name", "Type", "ParentName", "Location" };
struct pool { const char *name, *health; bool primordial; int64_t size, used; };
static const struct ud_field pool_fields[] = {
	UD_FIELD(pool, name),
	UD_FIELD(pool, health),
	UD_FIELD(pool, primordial),
	UD_FIELD(pool, size, .flags = UD_NULLABLE),
	UD_FIELD(pool, used, .flags = UD_NULLABLE),
};
static const char *const pool_paths[] = { "FriendlyName", "HealthStatus", "IsPrimordial", "Size", "AllocatedSize" };
struct space { const char *name, *health, *resiliency; int64_t size; };
static const struct ud_field space_fields[] = {
	UD_FIELD(space, name),
	UD_FIELD(space, health),
	UD_FIELD(space, resiliency),
	UD_FIELD(space, size, .flags = UD_NULLABLE),
};
static const char *const space_paths[] = { "FriendlyName", "HealthStatus", "ResiliencySettingName", "Size" };
struct disk { const char *name, *serial, *health, *usage; int64_t size; };
static const struct ud_field disk_fields[] = {
	UD_FIELD(disk, name),
	UD_FIELD(disk, serial),
	UD_FIELD(disk, health),
	UD_FIELD(disk, usage),
	UD_FIELD(disk, size, .flags = UD_NULLABLE),
};
static const char *const disk_paths[] = { "FriendlyName", "SerialNumber", "HealthStatus", "Usage", "Size" };
struct job { const char *name, *state; int64_t percent; };
static const struct ud_field job_fields[] = {
	UD_FIELD(job, name),
	UD_FIELD(job, state),
	UD_FIELD(job, percent, .flags = UD_NULLABLE),
};
static const char *const job_paths[] = { "Name", "JobState", "PercentComplete" };
struct path { const char *server, *from, *to; bool selected, failed; };
static const struct ud_field path_fields[] = {
	UD_FIELD(path, server),
	UD_FIELD(path, from),
	UD_FIELD(path, to),
	UD_FIELD(path, selected),
	UD_FIELD(path, failed),
};
static const char *const path_paths[] = { "ServerName", "ClientIpAddress", "ServerIpAddress", "Selected", "Failed" };
/* clang-format on */
#define SHAPE(name_, table_)                                            \
	{                                                               \
		UD_SHAPE(name_, table_), .object = #name_, .bare = true \
	}
static const struct ud_shape cluster_shape = SHAPE(cluster, cluster_fields),
			     node_shape = SHAPE(node, node_fields),
			     domain_shape = SHAPE(domain, domain_fields),
			     pool_shape = SHAPE(pool, pool_fields),
			     space_shape = SHAPE(space, space_fields),
			     disk_shape = SHAPE(disk, disk_fields),
			     job_shape = SHAPE(job, job_fields),
			     path_shape = SHAPE(path, path_fields);
static const struct ud_hy_class clusters = { &cluster_shape, cluster_paths };
static const struct ud_hy_class nodes = { &node_shape, node_paths };
static const struct ud_hy_class domains = { &domain_shape, domain_paths };
static const struct ud_hy_class pools = { &pool_shape, pool_paths };
static const struct ud_hy_class spaces = { &space_shape, space_paths };
static const struct ud_hy_class disks = { &disk_shape, disk_paths };
static const struct ud_hy_class jobs = { &job_shape, job_paths };
static const struct ud_hy_class paths = { &path_shape, path_paths };

/* ---- words ---- */

/* A name of theirs as one of ours; whatever is not in the list is "unknown". */
static const char *word_of(const char *const table[][2], size_t n, const char *name)
{
	for (size_t i = 0; name && i < n; i++)
		if (strcmp(table[i][0], name) == 0)
			return table[i][1];
	return "unknown";
}

const char *ud_hy_health_of(const char *name)
{
	static const char *const known[][2] = { { "Healthy", "healthy" }, { "Warning", "warning" },
		{ "Unhealthy", "unhealthy" } };

	return word_of(known, UD_LEN(known), name);
}

static const char *node_of(const char *name)
{
	static const char *const known[][2] = { { "Up", "up" }, { "Down", "down" },
		{ "Paused", "paused" }, { "Joining", "joining" } };

	return word_of(known, UD_LEN(known), name);
}

static const char *level_of(const char *name)
{
	static const char *const known[][2] = { { "Site", "site" }, { "Rack", "rack" },
		{ "Chassis", "chassis" }, { "Node", "node" } };

	return word_of(known, UD_LEN(known), name);
}

/* ---- writing ---- */

struct member {
	const char *key, *value;
};

static void add_texts(struct ud_buf *b, bool *first, const struct member *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		ud_buf_key(b, first, m[i].key);
		ud_buf_json(b, m[i].value);
	}
}

static void add_count(struct ud_buf *b, bool *first, const char *key, int64_t value)
{
	ud_buf_key(b, first, key);
	if (value == UD_NONE)
		ud_buf_puts(b, "null");
	else
		ud_buf_int(b, value);
}

static void add_flag(struct ud_buf *b, bool *first, const char *key, bool value)
{
	ud_buf_key(b, first, key);
	ud_buf_puts(b, value ? "true" : "false");
}

static void begin_item(struct ud_buf *b, size_t i)
{
	ud_buf_puts(b, i ? ",{" : "{");
}

/* ---- storage ---- */

struct storage {
	struct pool *pools;
	struct space *spaces;
	struct disk *disks;
	struct job *jobs;
	size_t pool_n, space_n, disk_n, job_n;
};

static void add_pools(struct ud_buf *b, const struct storage *s)
{
	size_t told = 0;

	for (size_t i = 0; i < s->pool_n; i++) {
		const struct pool *p = &s->pools[i];
		const struct member texts[] = { { "name", p->name },
			{ "health", ud_hy_health_of(p->health) } };
		bool first = true;

		if (p->primordial) /* disks that are in no pool */
			continue;
		begin_item(b, told++);
		add_texts(b, &first, texts, UD_LEN(texts));
		add_count(b, &first, "capacity_bytes", p->size);
		add_count(b, &first, "used_bytes", p->used);
		ud_buf_putc(b, '}');
	}
}

static void add_spaces(struct ud_buf *b, const struct storage *s)
{
	for (size_t i = 0; i < s->space_n; i++) {
		const struct space *v = &s->spaces[i];
		const struct member texts[] = { { "name", v->name },
			{ "health", ud_hy_health_of(v->health) }, { "resiliency", v->resiliency } };
		bool first = true;

		begin_item(b, i);
		add_texts(b, &first, texts, UD_LEN(texts));
		add_count(b, &first, "size_bytes", v->size);
		ud_buf_putc(b, '}');
	}
}

static void add_disks(struct ud_buf *b, const struct storage *s)
{
	for (size_t i = 0; i < s->disk_n; i++) {
		const struct disk *d = &s->disks[i];
		const struct member texts[] = { { "name", d->name }, { "serial", d->serial },
			{ "health", ud_hy_health_of(d->health) }, { "usage", d->usage } };
		bool first = true;

		begin_item(b, i);
		add_texts(b, &first, texts, UD_LEN(texts));
		add_count(b, &first, "size_bytes", d->size);
		ud_buf_putc(b, '}');
	}
}

static void add_jobs(struct ud_buf *b, const struct storage *s)
{
	for (size_t i = 0; i < s->job_n; i++) {
		const struct member texts[] = { { "name", s->jobs[i].name },
			{ "state", s->jobs[i].state } };
		bool first = true;

		begin_item(b, i);
		add_texts(b, &first, texts, UD_LEN(texts));
		add_count(b, &first, "percent", s->jobs[i].percent);
		ud_buf_putc(b, '}');
	}
}

static const char *storage_json(struct ud_ctx *cx, const struct storage *s)
{
	struct ud_buf b = { 0 };

	ud_buf_puts(&b, "{\"pools\":[");
	add_pools(&b, s);
	ud_buf_puts(&b, "],\"volumes\":[");
	add_spaces(&b, s);
	ud_buf_puts(&b, "],\"disks\":[");
	add_disks(&b, s);
	ud_buf_puts(&b, "],\"jobs\":[");
	add_jobs(&b, s);
	ud_buf_puts(&b, "]}");
	return ud_buf_take(cx->arena, &b);
}

static enum ud_code see_storage(struct ud_ctx *cx, struct ud_hv *hv, struct ud_host_facts *ret)
{
	struct storage s = { 0 };
	struct path *rows = NULL;
	struct ud_buf out = { 0 };
	struct ud_hy_batch b;
	size_t n = 0;

	ud_hy_begin(cx, hv, &b);
	int pool_call = ud_hy_call(&b, "Get-StoragePool", &pools);

	ud_hy_optional(&b);
	int space_call = ud_hy_call(&b, "Get-VirtualDisk", &spaces);

	ud_hy_optional(&b);
	int disk_call = ud_hy_call(&b, "Get-PhysicalDisk", &disks);

	ud_hy_optional(&b);
	int job_call = ud_hy_call(&b, "Get-StorageJob", &jobs);

	ud_hy_optional(&b);
	int path_call = ud_hy_call(&b, "Get-SmbMultichannelConnection", &paths);

	ud_hy_optional(&b);
	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	UD_TRY(ud_hy_rows(&b, pool_call, &s.pools, &s.pool_n));
	UD_TRY(ud_hy_rows(&b, space_call, &s.spaces, &s.space_n));
	UD_TRY(ud_hy_rows(&b, disk_call, &s.disks, &s.disk_n));
	UD_TRY(ud_hy_rows(&b, job_call, &s.jobs, &s.job_n));
	UD_TRY(ud_hy_rows(&b, path_call, &rows, &n));
	ret->spaces.text = storage_json(cx, &s);
	ud_buf_putc(&out, '[');
	for (size_t i = 0; i < n; i++) {
		const struct member texts[] = { { "server", rows[i].server },
			{ "from", rows[i].from }, { "to", rows[i].to } };
		bool first = true;

		begin_item(&out, i);
		add_texts(&out, &first, texts, UD_LEN(texts));
		add_flag(&out, &first, "selected", rows[i].selected);
		add_flag(&out, &first, "failed", rows[i].failed);
		ud_buf_putc(&out, '}');
	}
	ud_buf_putc(&out, ']');
	ret->smb.text = ud_buf_take(cx->arena, &out);
	return UD_OK;
}

/* ---- the cluster ---- */

struct balance_answer {
	bool ok;
	int64_t mode, level;
	const char *message;
};
/* clang-format off */
static const struct ud_field answer_fields[] = {
	UD_FIELD(balance_answer, ok),
	UD_FIELD(balance_answer, mode,    .flags = UD_NULLABLE),
	UD_FIELD(balance_answer, level,   .flags = UD_NULLABLE),
	UD_FIELD(balance_answer, message, .max = WORDS),
};
/* clang-format on */
static const struct ud_shape answer_shape = { UD_SHAPE(balance_answer, answer_fields),
	.bare = true };

static void add_wish(struct ud_buf *b, bool *first, const char *key, int64_t value)
{
	add_count(b, first, key, value);
}

/* mode and level UD_NONE: only look. */
static enum ud_code balance(struct ud_ctx *cx, struct ud_hv *hv, int64_t mode, int64_t level,
	struct balance_answer *ret)
{
	struct ud_buf line = { 0 };
	const char *said = NULL;
	bool first = true;

	ud_buf_putc(&line, '{');
	add_wish(&line, &first, "mode", mode);
	add_wish(&line, &first, "level", level);
	ud_buf_putc(&line, '}');
	enum ud_code code =
		ud_hy_script(cx, hv, "clusterprop.ps1", ud_buf_text(&line), UD_HY_READ_MS, &said);

	ud_buf_free(&line);
	UD_TRY(code);
	*ret = (struct balance_answer){ .mode = UD_NONE, .level = UD_NONE };
	if (ud_shape_read(cx, &answer_shape, said, strcspn(said, "\r\n"), ret) != UD_OK)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL,
			"The cluster's answer is not understood: %s", cx->problem.detail);
	return ret->ok ? UD_OK
		       : ud_fail(cx, UD_E_HYPERVISOR, NULL, "The cluster says: %s",
				 ret->message ? ret->message : "nothing");
}

/* Modes 0 to 2 and levels 1 to 3, in Windows' order. */
static const char *const modes[] = { "off", "on_join", "always" };
static const char *const levels[] = { NULL, "low", "medium", "high" };

static const char *name_in(const char *const *names, size_t n, int64_t i)
{
	return i >= 0 && (size_t)i < n && names[i] ? names[i] : "unknown";
}

const char *ud_hy_balance_mode(int64_t mode)
{
	return name_in(modes, UD_LEN(modes), mode);
}

const char *ud_hy_balance_level(int64_t level)
{
	return name_in(levels, UD_LEN(levels), level);
}

enum ud_code ud_hy_balance(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_host_balance *wanted, struct ud_host_balance *ret)
{
	struct balance_answer said;

	UD_TRY(balance(cx, hv, wanted->mode, wanted->level + 1, &said));
	if (said.mode < UD_BALANCE_OFF || said.mode > UD_BALANCE_ALWAYS || said.level < 1 ||
		said.level > UD_BALANCE_HIGH + 1)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL,
			"The cluster says mode %lld, level %lld: nobody knows these.",
			(long long)said.mode, (long long)said.level);
	*ret = (struct ud_host_balance){ (unsigned)said.mode, (unsigned)said.level - 1 };
	return UD_OK;
}

struct around {
	struct cluster cluster;
	struct node *nodes;
	struct domain *domains;
	size_t node_n, domain_n;
	bool found;
};

static enum ud_code look_around(struct ud_ctx *cx, struct ud_hv *hv, struct around *ret)
{
	struct ud_hy_batch b;

	ud_hy_begin(cx, hv, &b);
	int cluster_call = ud_hy_call(&b, "Get-Cluster", &clusters);

	ud_hy_optional(&b);
	int node_call = ud_hy_call(&b, "Get-ClusterNode", &nodes);

	ud_hy_optional(&b);
	int domain_call = ud_hy_call(&b, "Get-ClusterFaultDomain", &domains);

	ud_hy_optional(&b);
	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	UD_TRY(ud_hy_row(&b, cluster_call, &ret->found, &ret->cluster));
	UD_TRY(ud_hy_rows(&b, node_call, &ret->nodes, &ret->node_n));
	return ud_hy_rows(&b, domain_call, &ret->domains, &ret->domain_n);
}

enum ud_code ud_hy_cluster(
	struct ud_ctx *cx, struct ud_hv *hv, bool *ret_found, struct ud_hy_cluster_name *ret)
{
	struct cluster c = { 0 };
	struct ud_hy_batch b;

	ud_hy_begin(cx, hv, &b);
	ud_hy_call(&b, "Get-Cluster", &clusters);
	ud_hy_optional(&b);
	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	UD_TRY(ud_hy_row(&b, 0, ret_found, &c));
	*ret = (struct ud_hy_cluster_name){ c.name, c.domain };
	return UD_OK;
}

static void add_nodes(struct ud_buf *b, const struct around *a)
{
	for (size_t i = 0; i < a->node_n; i++) {
		const struct member texts[] = { { "name", a->nodes[i].name },
			{ "state", node_of(a->nodes[i].state) } };
		bool first = true;

		begin_item(b, i);
		add_texts(b, &first, texts, UD_LEN(texts));
		ud_buf_putc(b, '}');
	}
}

static void add_domains(struct ud_buf *b, const struct around *a)
{
	for (size_t i = 0; i < a->domain_n; i++) {
		const struct domain *d = &a->domains[i];
		const struct member texts[] = { { "name", d->name }, { "level", level_of(d->type) },
			{ "parent", d->parent }, { "location", d->location } };
		bool first = true;

		begin_item(b, i);
		add_texts(b, &first, texts, UD_LEN(texts));
		ud_buf_putc(b, '}');
	}
}

static const char *cluster_json(
	struct ud_ctx *cx, const struct around *a, const struct balance_answer *balanced)
{
	const struct member balancer[] = { { "mode", ud_hy_balance_mode(balanced->mode) },
		{ "level", ud_hy_balance_level(balanced->level) } };
	struct ud_buf b = { 0 };
	bool first = true;

	ud_buf_puts(&b, "{\"name\":");
	ud_buf_json(&b, a->cluster.name);
	ud_buf_puts(&b, ",\"balancer\":{");
	add_texts(&b, &first, balancer, UD_LEN(balancer));
	ud_buf_puts(&b, "},\"nodes\":[");
	add_nodes(&b, a);
	ud_buf_puts(&b, "],\"fault_domains\":[");
	add_domains(&b, a);
	ud_buf_puts(&b, "]}");
	return ud_buf_take(cx->arena, &b);
}

enum ud_code ud_hy_surroundings(struct ud_ctx *cx, struct ud_hv *hv, struct ud_host_facts *ret)
{
	struct balance_answer balanced = { .mode = UD_NONE, .level = UD_NONE };
	struct around a = { 0 };

	UD_TRY(see_storage(cx, hv, ret));
	UD_TRY(look_around(cx, hv, &a));
	if (!a.found)
		return UD_OK;
	/* the balancer is told as unknown where it cannot be read: all else is still true */
	if (balance(cx, hv, UD_NONE, UD_NONE, &balanced) != UD_OK)
		ud_ctx_clear(cx);
	ret->cluster.text = cluster_json(cx, &a, &balanced);
	return UD_OK;
}

/* ---- teams and versions ---- */

/* A switch over several cards; made where there is none of that name. */
enum ud_code ud_hy_team(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_host_team *team)
{
	static const char *const algorithms[] = { "Dynamic", "HyperVPort" };
	struct node *found = NULL;
	struct ud_hy_batch b;
	size_t n = 0;

	static const char *const name_paths[] = { "Name", "TeamingMode" };
	static const struct ud_hy_class named = { &node_shape, name_paths };

	ud_hy_begin(cx, hv, &b);
	ud_hy_call(&b, "Get-VMSwitchTeam", &named);
	ud_hy_text(&b, "Name", team->name);
	ud_hy_optional(&b);
	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	UD_TRY(ud_hy_rows(&b, 0, &found, &n));
	if (n == 0 && team->members.count == 0)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL,
			"There is no team %s; with members it would be made.", team->name);
	ud_hy_begin(cx, hv, &b);
	if (n == 0) {
		ud_hy_call(&b, "New-VMSwitch", NULL);
		ud_hy_text(&b, "Name", team->name);
		ud_hy_texts(&b, "NetAdapterName", &team->members);
		ud_hy_bool(&b, "EnableEmbeddedTeaming", true);
		ud_hy_bool(&b, "AllowManagementOS", true);
		ud_hy_unasked(&b);
	}
	ud_hy_call(&b, "Set-VMSwitchTeam", NULL);
	ud_hy_texts(&b, "Name", &(struct ud_texts){ (const char *[]){ team->name }, 1 });
	ud_hy_text(&b, "LoadBalancingAlgorithm", algorithms[team->load_balancing]);
	if (n > 0)
		ud_hy_texts(&b, "NetAdapterName", &team->members);
	return ud_hy_run(&b, UD_HY_CHANGE_MS);
}

/* One way: an older host cannot run it any more. Its replica's host must know the version, too, and
 * only people know that: a VM that replicates is refused. */
enum ud_code ud_hy_upgrade(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret_version)
{
	struct ud_hy_link *links = NULL;
	struct ud_hy_vm vm = { 0 };
	struct ud_hy_batch b;
	size_t n = 0;

	UD_TRY(ud_hy_look(cx, hv, uuid, &vm));
	if (ud_hy_power_of(vm.state) != UD_POWER_OFF)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is %s, not off.", vm.state);
	ud_hy_begin_vm(cx, hv, uuid, &b);
	int call = ud_hy_call(&b, "Get-VMReplication", &ud_hy_links);

	ud_hy_ref(&b, "VM", 0);
	ud_hy_optional(&b);
	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	UD_TRY(ud_hy_rows(&b, call, &links, &n));
	if (n > 0)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"The VM replicates: stop protecting it first, and see that the other host "
			"runs the new version, too.");
	ud_hy_begin_vm(cx, hv, uuid, &b);
	ud_hy_call(&b, "Update-VMVersion", NULL);
	ud_hy_ref(&b, "VM", 0);
	ud_hy_switch(&b, "Force");
	ud_hy_unasked(&b);
	UD_TRY(ud_hy_run(&b, UD_HY_CHANGE_MS));
	UD_TRY(ud_hy_look(cx, hv, uuid, &vm));
	*ret_version = vm.version;
	ud_hy_tell(hv, uuid);
	return UD_OK;
}
