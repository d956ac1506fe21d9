/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a site's hosts have, what runs on them takes, and what the copies they keep would take if
 * all of them came up: by what agents told last.
 */
#include <string.h>

#include "api/api.h"
#include "base/machine.h"
#include "db/hosts.h"
#include "db/inventory.h"
#include "db/sites.h"
#include "server/http/list.h"

enum { POOLS_MAX = 64 };

/* Of a host, and of all hosts together. */
struct room {
	int64_t cpu_count, memory_bytes;
	int64_t storage_bytes, storage_available_bytes;
	struct ud_host_load n; /* its fields are fields of the answer */
};
struct host_room {
	struct room room; /* first: its fields are fields of a host's, too */
	const char *host_id, *name;
	unsigned state; /* enum ud_host_state */
	struct ud_time observed_at;
};
struct capacity {
	struct room room;
	const char *site_id;
	int64_t hosts_untold;
	struct ud_json hosts;
};
struct pool {
	const char *name, *path;
	int64_t capacity_bytes, available_bytes;
};

/* clang-format off */
#define COUNTED(member, text) { .name = #member, .type = UD_INT, .offset = offsetof(struct room, n.member), .flags = UD_COMPUTED, .about = text }
#define ROOM                                                                                           \
	UD_FIELD(room, cpu_count,               .flags = UD_COMPUTED, .about = "Logical processors."),  \
	UD_FIELD(room, memory_bytes,            .flags = UD_COMPUTED, .about = "Memory."),              \
	UD_FIELD(room, storage_bytes,           .flags = UD_COMPUTED, .about = "Size of the storage pools."), \
	UD_FIELD(room, storage_available_bytes, .flags = UD_COMPUTED, .about = "What is free in them."), \
	COUNTED(vms_running, "VMs that run there."),                                                     \
	COUNTED(vcpus_running, "Virtual processors of these."),                                          \
	COUNTED(memory_running_bytes, "Memory of these."),                                               \
	COUNTED(vms_replicated, "VMs of other hosts that are copied there."),                            \
	COUNTED(vcpus_replicated, "Virtual processors they would have there."),                          \
	COUNTED(memory_replicated_bytes, "Memory they would take if all of them came up there.")

static const struct ud_field host_fields[] = {
	UD_FIELD(host_room, host_id,     .flags = UD_REQUIRED | UD_COMPUTED, .about = "The host."),
	UD_FIELD(host_room, name,        .flags = UD_REQUIRED | UD_COMPUTED, .about = "Its name."),
	UD_FIELD(host_room, state,       .flags = UD_COMPUTED, .values = &ud_host_states, .about = "Where it stands."),
	UD_FIELD(host_room, observed_at, .flags = UD_COMPUTED, .about = "When it told of itself; null = never, and what it has is 0 here."),
	ROOM,
};
static const struct ud_shape host_shape = { .bare = true, UD_SHAPE(host_room, host_fields) };
static const struct ud_field capacity_fields[] = {
	UD_FIELD(capacity, site_id,      .flags = UD_REQUIRED | UD_COMPUTED, .about = "The site."),
	ROOM,
	UD_FIELD(capacity, hosts_untold, .flags = UD_COMPUTED, .about = "Hosts that have told nothing yet: what they have is not in the sums."),
	UD_FIELD(capacity, hosts,        .flags = UD_COMPUTED, .part = &host_shape, .many = true, .about = "The same of each host that is not retired."),
};
static const struct ud_shape capacity_shape = { .object = "site_capacity",
	.bare = true,
	UD_SHAPE(capacity, capacity_fields),
	.about = "What a site's hosts have, and what is or would be taken of it." };
static const struct ud_field pool_fields[] = {
	UD_FIELD(pool, name),
	UD_FIELD(pool, path, .max = 4096),
	UD_FIELD(pool, capacity_bytes),
	UD_FIELD(pool, available_bytes),
};
/* clang-format on */
static const struct ud_shape pool_shape = { .bare = true, UD_SHAPE(pool, pool_fields) };

/* A sum of what is told by others ends at the greatest number there is. */
static void add_to(int64_t *sum, int64_t n)
{
	if (n > 0 && __builtin_add_overflow(*sum, n, sum))
		*sum = INT64_MAX;
}

/* What a host told of itself. */
static enum ud_code read_told(struct ud_ctx *cx, struct host_room *h)
{
	struct ud_host_facts f = { 0 };
	struct pool *pools = NULL;
	const char *text = NULL;
	size_t n = 0;

	h->observed_at.ms = UD_NONE;
	UD_TRY(ud_inventory_host_facts(cx, h->host_id, &text, &h->observed_at.ms));
	if (!text)
		return UD_OK;
	UD_TRY(ud_shape_read(cx, &ud_host_facts_shape, text, strlen(text), &f));
	UD_TRY(ud_shape_read_list(cx, &pool_shape, f.pools.text, POOLS_MAX, (void **)&pools, &n));
	h->room.cpu_count = f.cpu_count > 0 ? f.cpu_count : 0;
	h->room.memory_bytes = f.memory_bytes > 0 ? f.memory_bytes : 0;
	for (size_t i = 0; i < n; i++) {
		add_to(&h->room.storage_bytes, pools[i].capacity_bytes);
		add_to(&h->room.storage_available_bytes, pools[i].available_bytes);
	}
	return UD_OK;
}

/* Every member of struct room is a number. */
static void add(struct room *sum, const struct room *one)
{
	int64_t *to = (int64_t *)(void *)sum;
	const int64_t *from = (const int64_t *)(const void *)one;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		add_to(&to[i], from[i]);
}

struct summing {
	struct capacity out;
	struct ud_buf hosts;
};

static enum ud_code add_host(struct ud_ctx *cx, void *data, const void *row)
{
	const struct ud_host *of = row;
	struct summing *s = data;
	struct host_room h = { .host_id = of->row.id, .name = of->name, .state = of->state };

	if (of->state == UD_HOST_RETIRED)
		return UD_OK;
	UD_TRY(read_told(cx, &h));
	UD_TRY(ud_inventory_load(cx, h.host_id, &h.room.n));
	s->out.hosts_untold += h.observed_at.ms == UD_NONE;
	add(&s->out.room, &h.room);
	ud_buf_putc(&s->hosts, s->hosts.len ? ',' : '[');
	ud_shape_encode(&s->hosts, &host_shape, &h, NULL);
	return UD_OK;
}

static enum ud_code show(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_list list = { .limit = UD_LIST_MAX };
	struct ud_site site = { 0 };
	struct summing s = { 0 };
	bool more = false;

	UD_TRY(ud_row_get(cx, &ud_sites, rq->arg[0], &site));
	s.out.site_id = site.row.id;
	ud_list_where(&list, "site_id", UD_OP_EQ, ud_t(site.row.id));
	enum ud_code code = ud_row_list(cx, &ud_hosts, &list, add_host, &s, &more);

	ud_buf_puts(&s.hosts, s.hosts.len ? "]" : "[]");
	s.out.hosts.text = ud_buf_take(cx->arena, &s.hosts);
	UD_TRY(code);
	return ud_answer(cx, rq, &capacity_shape, &s.out);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET", "/v1/sites/{id}/capacity", "sites.capacity", UD_STAFF, "hosts:read", 0, .answer = &capacity_shape, .handle = show, .about = "Show what the first 200 hosts of a site have, what runs there, and what would be taken if all copies came up there." },
};
/* clang-format on */
const struct ud_routes ud_api_capacity = { "Capacity", rows, UD_LEN(rows) };
