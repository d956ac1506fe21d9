/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picture of an installation from its inventory: site > fault domain > host > VM, and who is
 * copied where. A customer sees its own VMs and, of hosts, those that they stand on; figures of VMs
 * and hosts belong to the picture, too.
 */
#include <string.h>

#include "api/answers.h"
#include "api/api.h"
#include "db/hosts.h"
#include "db/inventory.h"
#include "db/replications.h"
#include "db/sites.h"
#include "db/vms.h"
#include "server/http/list.h"

enum { ROWS_MAX = 5000, HOUR_MS = 3600 * 1000 };

/* Rows of one table, in the order of their ids. */
struct all {
	const struct ud_table *table;
	void *rows;
	size_t count;
};

struct picture {
	struct all sites, domains, hosts, vms, replications;
	const char *vm_id; /* only what concerns this VM; NULL = everything */
};

/* ---- reading ---- */

static enum ud_code keep_row(struct ud_ctx *cx, void *data, const void *row)
{
	struct all *a = data;
	const struct ud_shape *shape = a->table->shape;
	char *mine = (char *)a->rows + a->count++ * shape->size;

	memcpy(mine, row, shape->size);
	/* texts of a row live as long as the visit */
	((struct ud_row *)(void *)mine)->id =
		ud_strdup(cx->arena, ((const struct ud_row *)row)->id);
	((struct ud_row *)(void *)mine)->customer_id =
		ud_strdup(cx->arena, ((const struct ud_row *)row)->customer_id);
	for (size_t i = 0; i < shape->field_count; i++) {
		const struct ud_field *f = &shape->fields[i];

		if (f->type == UD_TEXT && !(f->flags & UD_COMPUTED))
			*ud_field_text(f, mine) = ud_strdup(cx->arena, *ud_field_text(f, mine));
	}
	return UD_OK;
}

static enum ud_code read_all(struct ud_ctx *cx, const struct ud_table *table, struct all *ret)
{
	bool more = true;

	*ret = (struct all){ table, ud_alloc(cx->arena, ROWS_MAX * table->shape->size), 0 };
	while (more && ret->count + UD_LIST_MAX <= ROWS_MAX) {
		struct ud_list list = { .limit = UD_LIST_MAX, .has_after = ret->count > 0 };

		if (ret->count)
			list.after[0] = ud_t(((struct ud_row *)(void *)((char *)ret->rows +
						      (ret->count - 1) * table->shape->size))
						     ->id);
		UD_TRY(ud_row_list(cx, table, &list, keep_row, ret, &more));
	}
	return UD_OK;
}

/* Hosts are the provider's; where a VM stands its customer may know. */
static enum ud_code read_hosts(struct ud_ctx *cx, struct all *ret)
{
	struct ud_scope all = ud_scope_system("topology");
	const struct ud_scope *mine = cx->scope;

	cx->scope = &all;
	enum ud_code code = read_all(cx, &ud_hosts, ret);

	cx->scope = mine;
	return code;
}

static enum ud_code read_picture(struct ud_ctx *cx, struct picture *p)
{
	UD_TRY(read_all(cx, &ud_sites, &p->sites));
	UD_TRY(read_all(cx, &ud_fault_domains, &p->domains));
	UD_TRY(read_hosts(cx, &p->hosts));
	UD_TRY(read_all(cx, &ud_vms, &p->vms));
	return read_all(cx, &ud_replications, &p->replications);
}

/* ---- what is in it ---- */

static bool shows_vm(const struct picture *p, const struct ud_vm *vm)
{
	return !p->vm_id || strcmp(p->vm_id, vm->row.id) == 0;
}

static bool shows_replication(const struct picture *p, const struct ud_replication *r)
{
	return r->wanted != UD_RELATION_REMOVED && (!p->vm_id || strcmp(p->vm_id, r->vm_id) == 0);
}

static bool is(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* Staff see every host; others those that something of theirs stands on or is copied to. */
static bool shows_host(const struct ud_ctx *cx, const struct picture *p, const struct ud_host *h)
{
	const struct ud_replication *r = p->replications.rows;
	const struct ud_vm *vm = p->vms.rows;

	if (!cx->scope->home_customer_id && !cx->scope->customer_id && !p->vm_id)
		return true;
	for (size_t i = 0; i < p->vms.count; i++)
		if (shows_vm(p, &vm[i]) && is(vm[i].host_id, h->row.id))
			return true;
	for (size_t i = 0; i < p->replications.count; i++)
		if (shows_replication(p, &r[i]) && is(r[i].target_host_id, h->row.id))
			return true;
	return false;
}

/* ---- writing ---- */

/* Members of a row by name, as one object without its end. */
static void put(
	struct ud_buf *b, const struct ud_shape *shape, const void *row, const char *const *names)
{
	ud_buf_puts(b, "{\"id\":");
	ud_buf_json(b, ((const struct ud_row *)row)->id);
	for (; *names; names++) {
		ud_buf_printf(b, ",\"%s\":", *names);
		ud_field_encode(b, &shape->fields[ud_shape_find(shape, *names)], row);
	}
}

static void put_vms(struct ud_buf *b, const struct picture *p, const char *host_id)
{
	static const char *const names[] = { "name", "power", "power_last", "dr_role",
		"split_brain_suspected", NULL };
	const struct ud_vm *vm = p->vms.rows;
	bool any = false;

	ud_buf_puts(b, ",\"vms\":[");
	for (size_t i = 0; i < p->vms.count; i++) {
		if (!shows_vm(p, &vm[i]) || !is(vm[i].host_id, host_id))
			continue;
		ud_buf_puts(b, any ? "," : "");
		any = true;
		put(b, ud_vms.shape, &vm[i], names);
		ud_buf_puts(b, ",\"customer_id\":");
		ud_buf_json(b, vm[i].row.customer_id);
		ud_buf_putc(b, '}');
	}
	ud_buf_putc(b, ']');
}

static void put_hosts(
	const struct ud_ctx *cx, struct ud_buf *b, const struct picture *p, const char *site_id)
{
	static const char *const names[] = { "name", "state", "hypervisor", "fault_domain_id",
		"heartbeat_at", NULL };
	const struct ud_host *h = p->hosts.rows;
	bool any = false;

	ud_buf_puts(b, ",\"hosts\":[");
	for (size_t i = 0; i < p->hosts.count; i++) {
		if (!is(h[i].site_id, site_id) || !shows_host(cx, p, &h[i]))
			continue;
		ud_buf_puts(b, any ? "," : "");
		any = true;
		put(b, ud_hosts.shape, &h[i], names);
		put_vms(b, p, h[i].row.id);
		ud_buf_putc(b, '}');
	}
	ud_buf_putc(b, ']');
}

static void put_domains(struct ud_buf *b, const struct picture *p, const char *site_id)
{
	static const char *const names[] = { "name", "type", "parent_id", NULL };
	const struct ud_fault_domain *d = p->domains.rows;
	bool any = false;

	ud_buf_puts(b, ",\"fault_domains\":[");
	for (size_t i = 0; i < p->domains.count; i++) {
		if (!is(d[i].site_id, site_id))
			continue;
		ud_buf_puts(b, any ? "," : "");
		any = true;
		put(b, ud_fault_domains.shape, &d[i], names);
		ud_buf_putc(b, '}');
	}
	ud_buf_putc(b, ']');
}

static void put_sites(const struct ud_ctx *cx, struct ud_buf *b, const struct picture *p)
{
	static const char *const names[] = { "name", "code", "kind", "state", NULL };
	const struct ud_site *s = p->sites.rows;

	ud_buf_puts(b, "\"sites\":[");
	for (size_t i = 0; i < p->sites.count; i++) {
		ud_buf_puts(b, i ? "," : "");
		put(b, ud_sites.shape, &s[i], names);
		put_domains(b, p, s[i].row.id);
		put_hosts(cx, b, p, s[i].row.id);
		ud_buf_putc(b, '}');
	}
	ud_buf_putc(b, ']');
}

static void put_replications(struct ud_buf *b, const struct picture *p)
{
	static const char *const names[] = { "vm_id", "leg", "source_host_id", "target_host_id",
		"state", "health", NULL };
	const struct ud_replication *r = p->replications.rows;
	bool any = false;

	ud_buf_puts(b, ",\"replications\":[");
	for (size_t i = 0; i < p->replications.count; i++) {
		if (!shows_replication(p, &r[i]))
			continue;
		ud_buf_puts(b, any ? "," : "");
		any = true;
		put(b, ud_replications.shape, &r[i], names);
		ud_buf_putc(b, '}');
	}
	ud_buf_putc(b, ']');
}

static enum ud_code draw(struct ud_ctx *cx, struct ud_request *rq, const char *vm_id)
{
	struct picture p = { .vm_id = vm_id };

	UD_TRY(read_picture(cx, &p));
	ud_buf_puts(&rq->out, "{\"object\":\"topology\",\"drawn_at\":");
	ud_buf_time(&rq->out, cx->now_ms);
	ud_buf_putc(&rq->out, ',');
	put_sites(cx, &rq->out, &p);
	put_replications(&rq->out, &p);
	ud_buf_putc(&rq->out, '}');
	return ud_answer_text(cx, rq, 200, "application/json");
}

static enum ud_code topology(struct ud_ctx *cx, struct ud_request *rq)
{
	return draw(cx, rq, NULL);
}

static enum ud_code topology_of_vm(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_vm vm = { 0 };

	UD_TRY(ud_row_get(cx, &ud_vms, rq->arg[0], &vm));
	return draw(cx, rq, vm.row.id);
}

/* ---- figures ---- */

/* Figures come as sums since a start; what is told are rates between two of them. */
struct rates {
	struct ud_buf *out;
	struct ud_sample last;
	int64_t last_cpu_us;
	bool have_last, any;
};

static void put_rate(
	struct ud_buf *b, const char *name, int64_t now, int64_t before, int64_t ms, int64_t scale)
{
	ud_buf_printf(b, ",\"%s\":", name);
	if (now == UD_NONE || before == UD_NONE || now < before || ms <= 0)
		ud_buf_puts(b, "null");
	else
		ud_buf_int(b, (now - before) * scale / ms);
}

static enum ud_code put_sample(
	struct ud_ctx *cx, void *data, int64_t taken_at, int64_t cpu_us, const struct ud_sample *s)
{
	struct rates *r = data;
	int64_t ms = s->taken_mono_ms - r->last.taken_mono_ms;

	(void)cx;
	if (r->have_last) {
		ud_buf_puts(r->out, r->any ? ",{\"taken_at\":" : "{\"taken_at\":");
		r->any = true;
		ud_buf_time(r->out, taken_at);
		ud_buf_puts(r->out, ",\"memory_used_bytes\":");
		if (s->memory_used_bytes == UD_NONE)
			ud_buf_puts(r->out, "null");
		else
			ud_buf_int(r->out, s->memory_used_bytes);
		/* microseconds over milliseconds: a tenth part is a percent */
		if (cpu_us != UD_NONE && r->last_cpu_us != UD_NONE)
			put_rate(r->out, "cpu_percent", cpu_us / 10, r->last_cpu_us / 10, ms, 1);
		else
			ud_buf_puts(r->out, ",\"cpu_percent\":null");
		put_rate(r->out, "disk_read_bytes_per_second", s->disk_read_bytes,
			r->last.disk_read_bytes, ms, 1000);
		put_rate(r->out, "disk_write_bytes_per_second", s->disk_write_bytes,
			r->last.disk_write_bytes, ms, 1000);
		put_rate(r->out, "disk_reads_per_second", s->disk_reads, r->last.disk_reads, ms,
			1000);
		put_rate(r->out, "disk_writes_per_second", s->disk_writes, r->last.disk_writes, ms,
			1000);
		put_rate(r->out, "net_receive_bytes_per_second", s->net_receive_bytes,
			r->last.net_receive_bytes, ms, 1000);
		put_rate(r->out, "net_send_bytes_per_second", s->net_send_bytes,
			r->last.net_send_bytes, ms, 1000);
		ud_buf_putc(r->out, '}');
	}
	r->last = *s;
	r->last_cpu_us = cpu_us;
	r->have_last = true;
	return UD_OK;
}

static enum ud_code metrics(struct ud_ctx *cx, struct ud_request *rq)
{
	struct rates r = { .out = &rq->out };
	struct ud_vm vm = { 0 };

	UD_TRY(ud_row_get(cx, &ud_vms, rq->arg[0], &vm));
	ud_page_open(rq);
	UD_TRY(ud_inventory_samples(cx, vm.row.id, cx->now_ms - HOUR_MS, put_sample, &r));
	return ud_page_close(cx, rq, NULL, UD_NONE);
}

static enum ud_code host_metrics(struct ud_ctx *cx, struct ud_request *rq)
{
	struct rates r = { .out = &rq->out };
	struct ud_host h = { 0 };

	UD_TRY(ud_row_get(cx, &ud_hosts, rq->arg[0], &h));
	ud_page_open(rq);
	UD_TRY(ud_inventory_host_samples(cx, h.row.id, cx->now_ms - HOUR_MS, put_sample, &r));
	return ud_page_close(cx, rq, NULL, UD_NONE);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET", "/v1/topology",           "topology",      UD_PEOPLE, "vms:read",   0, .answer = &ud_topology_shape, .handle = topology, .about = "Sites, fault domains, hosts and VMs as one tree, and who is copied where." },
	{ "GET", "/v1/vms/{id}/topology",  "vms.topology",  UD_PEOPLE, "vms:read",   0, .answer = &ud_topology_shape, .handle = topology_of_vm, .about = "The part of the topology that a VM stands in." },
	{ "GET", "/v1/vms/{id}/metrics",   "vms.metrics",   UD_PEOPLE, "vms:read",   UD_WHOLE, .answer = &ud_figures_shape, .handle = metrics, .about = "Figures of a VM in the last hour, every ten seconds." },
	{ "GET", "/v1/hosts/{id}/metrics", "hosts.metrics", UD_STAFF,  "hosts:read", UD_WHOLE, .answer = &ud_figures_shape, .handle = host_metrics, .about = "Figures of a host's VMs together in the last hour." },
};
/* clang-format on */
const struct ud_routes ud_api_topology = { "Topology", rows, UD_LEN(rows) };
