/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps, and the one question that failovers ask of them.
 */
#include "db/network_maps.h"

#include <string.h>
#include <strings.h>

#include "base/failover.h"
#include "base/machine.h"
#include "db/inventory.h"

/* clang-format off */
static const struct ud_field entry_fields[] = {
	UD_FIELD(ud_network_map_entry, target_site_id,  .flags = UD_REQUIRED, .refers = "sit", .about = "Site that a VM may be failed over to."),
	UD_FIELD(ud_network_map_entry, real_network_id, .refers = "net", .about = "What the network is there."),
	UD_FIELD(ud_network_map_entry, test_network_id, .refers = "net", .about = "What it is there in a test: an isolated network."),
};
static const struct ud_field plan_fields[] = {
	UD_FIELD(ud_plan_network, network_id,      .flags = UD_REQUIRED, .refers = "net", .about = "Network of the VMs' site."),
	UD_FIELD(ud_plan_network, target_site_id,  .flags = UD_REQUIRED, .refers = "sit", .about = "Site that a VM may be failed over to."),
	UD_FIELD(ud_plan_network, real_network_id, .refers = "net", .about = "What the network is there."),
	UD_FIELD(ud_plan_network, test_network_id, .refers = "net", .about = "What it is there in a test: an isolated network."),
};
/* clang-format on */
const struct ud_shape ud_network_map_entry_shape = { UD_SHAPE(ud_network_map_entry, entry_fields),
	.bare = true };
const struct ud_shape ud_plan_network_shape = { UD_SHAPE(ud_plan_network, plan_fields),
	.bare = true };

enum ud_code ud_plan_networks_read(
	struct ud_ctx *cx, const char *text, struct ud_plan_network **ret, size_t *ret_n)
{
	*ret_n = 0;
	if (!text)
		return UD_OK;
	return ud_shape_read_list(
		cx, &ud_plan_network_shape, text, UD_PLAN_NETWORKS, (void **)ret, ret_n);
}

enum ud_code ud_network_map_get(
	struct ud_ctx *cx, const char *network_id, struct ud_network_map_entry *ret, size_t *ret_n)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret_n = 0;
	/* every tenant: the caller has read the network with its scope */
	UD_TRY(ud_query(cx, &rows,
		"SELECT target_site_id, real_network_id, test_network_id FROM network_maps"
		" WHERE network_id = $1 ORDER BY target_site_id LIMIT $2",
		UD_VALS(ud_t(network_id), ud_i(UD_NETWORK_MAP_MAX))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		ret[(*ret_n)++] = (struct ud_network_map_entry){ ud_col_dup(cx, rows, 0),
			ud_col_dup(cx, rows, 1), ud_col_dup(cx, rows, 2) };
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code ud_network_map_set(struct ud_ctx *cx, const char *network_id,
	const struct ud_network_map_entry *entries, size_t n)
{
	/* every tenant: the caller has read the network with its scope */
	UD_TRY(ud_exec(cx, NULL, "DELETE FROM network_maps WHERE network_id = $1",
		UD_VALS(ud_t(network_id))));
	for (size_t i = 0; i < n; i++)
		UD_TRY(ud_exec(cx, NULL,
			"INSERT INTO network_maps(network_id, target_site_id, real_network_id, test_network_id)"
			" VALUES ($1, $2, $3, $4)",
			UD_VALS(ud_t(network_id), ud_t(entries[i].target_site_id),
				ud_t(entries[i].real_network_id),
				ud_t(entries[i].test_network_id))));
	return UD_OK;
}

/* ---- cards ---- */

enum { CARDS_MAX = 64 };

/* Where a VM goes, with what its plan says. */
struct way {
	const struct ud_network_way *asked;
	struct ud_plan_network *said;
	size_t said_n;
};

/* The network at the other host that a card's is mapped to; its id NULL = none. */
struct target {
	const char *id, *switch_name;
};

static const char *said_of(const struct way *way, const char *network_id, const char *site_id)
{
	for (size_t i = 0; i < way->said_n; i++)
		if (strcmp(way->said[i].network_id, network_id) == 0 &&
			strcmp(way->said[i].target_site_id, site_id) == 0)
			return way->asked->test ? way->said[i].test_network_id
						: way->said[i].real_network_id;
	return NULL;
}

/* A network that is gone is as one that was not said. */
static enum ud_code find_said(
	struct ud_ctx *cx, const char *vm_id, const char *network_id, struct target *ret)
{
	bool found = false;

	/* every tenant: the caller has read the VM with its scope; networks are its own or the
	 * provider's */
	UD_TRY(ud_query_text(cx, &found, &ret->switch_name,
		"SELECT COALESCE(n.switch_name, n.name) FROM networks n JOIN vms v ON v.id = $2"
		" WHERE n.id = $1 AND (n.customer_id IS NULL OR n.customer_id = v.customer_id)",
		UD_VALS(ud_t(network_id), ud_t(vm_id))));
	ret->id = found ? network_id : NULL;
	return UD_OK;
}

/* Networks that a card's may be, the customer's own before the provider's, each with what it is
 * mapped to: the first one that is mapped to anything counts. */
enum { SAME_SWITCH = 8 };
struct candidate {
	const char *network_id, *site_id;
	struct target mapped;
};

static enum ud_code find_candidates(struct ud_ctx *cx, const struct ud_network_way *way,
	const char *source, struct candidate *ret, size_t *ret_n)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret_n = 0;
	/* every tenant: the caller has read the VM with its scope; networks are its own or the
	 * provider's */
	UD_TRY(ud_query(cx, &rows,
		"SELECT n.id, b.site_id, t.id, COALESCE(t.switch_name, t.name) FROM vms v"
		" JOIN hosts a ON a.id = $2 JOIN hosts b ON b.id = $3"
		" JOIN networks n ON n.site_id = a.site_id AND COALESCE(n.switch_name, n.name) = $4"
		" AND (n.customer_id IS NULL OR n.customer_id = v.customer_id)"
		" LEFT JOIN network_maps m ON m.network_id = n.id AND m.target_site_id = b.site_id"
		" LEFT JOIN networks t ON t.id = CASE WHEN $5 = 1 THEN m.test_network_id"
		" ELSE m.real_network_id END"
		" WHERE v.id = $1"
		" ORDER BY CASE WHEN n.customer_id IS NULL THEN 1 ELSE 0 END, n.id LIMIT $6",
		UD_VALS(ud_t(way->vm_id), ud_t(way->from_host_id), ud_t(way->to_host_id),
			ud_t(source), ud_i(way->test), ud_i(SAME_SWITCH))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		ret[(*ret_n)++] =
			(struct candidate){ ud_col_dup(cx, rows, 0), ud_col_dup(cx, rows, 1),
				{ ud_col_dup(cx, rows, 2), ud_col_dup(cx, rows, 3) } };
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

static enum ud_code find_target(
	struct ud_ctx *cx, const struct way *way, const char *source, struct target *ret)
{
	struct candidate c[SAME_SWITCH];
	size_t n = 0;

	*ret = (struct target){ 0 };
	if (!source)
		return UD_OK;
	UD_TRY(find_candidates(cx, way->asked, source, c, &n));
	for (size_t i = 0; i < n && !ret->id; i++) {
		const char *said = said_of(way, c[i].network_id, c[i].site_id);

		if (said)
			UD_TRY(find_said(cx, way->asked->vm_id, said, ret));
		if (!ret->id)
			*ret = c[i].mapped;
	}
	return UD_OK;
}

static enum ud_code read_cards(struct ud_ctx *cx, const char *vm_id, const char *host_id,
	struct ud_nic **ret, size_t *ret_n)
{
	struct ud_machine m = { 0 };
	const char *text = NULL;
	int64_t at;

	*ret_n = 0;
	UD_TRY(ud_inventory_vm_facts(cx, vm_id, host_id, &text, &at));
	if (!text)
		return UD_OK;
	if (ud_shape_read(cx, &ud_machine_shape, text, strlen(text), &m) == UD_OK &&
		ud_shape_read_list(cx, &ud_nic_shape, m.nics.text, CARDS_MAX, ret, ret_n) == UD_OK)
		return UD_OK;
	ud_ctx_clear(cx); /* an inventory that cannot be read is one that is not known */
	*ret_n = 0;
	return UD_OK;
}

static void add_card(struct ud_buf *b, const char *mac, const char *network)
{
	ud_buf_puts(b, b->len > 1 ? ",{\"mac\":" : "{\"mac\":");
	ud_buf_json(b, mac);
	ud_buf_puts(b, ",\"network\":");
	ud_buf_json(b, network);
	ud_buf_putc(b, '}');
}

/* The cards of the VM where it comes from, and what its plan says. */
static enum ud_code begin_way(struct ud_ctx *cx, const struct ud_network_way *asked,
	struct way *ret, struct ud_nic **ret_cards, size_t *ret_n)
{
	*ret = (struct way){ .asked = asked };
	*ret_n = 0;
	UD_TRY(ud_plan_networks_read(cx, asked->plan_map, &ret->said, &ret->said_n));
	return read_cards(cx, asked->vm_id, asked->from_host_id, ret_cards, ret_n);
}

enum ud_code ud_network_map_cards(struct ud_ctx *cx, const struct ud_network_way *asked,
	struct ud_json *ret, struct ud_texts *ret_unmapped)
{
	struct ud_nic *cards = NULL;
	struct ud_buf b = { 0 };
	struct way way;
	size_t n = 0;
	enum ud_code code = begin_way(cx, asked, &way, &cards, &n);

	*ret_unmapped = (struct ud_texts){ ud_alloc(cx->arena, (n + 1) * sizeof(char *)), 0 };
	ud_buf_putc(&b, '[');
	for (size_t i = 0; i < n && code == UD_OK; i++) {
		struct target to = { 0 };

		if (!cards[i].mac)
			continue;
		code = find_target(cx, &way, cards[i].source, &to);
		if (to.id)
			add_card(&b, cards[i].mac, to.switch_name);
		else if (cards[i].source)
			ret_unmapped->items[ret_unmapped->count++] = cards[i].mac;
	}
	ud_buf_putc(&b, ']');
	ret->text = ud_buf_take(cx->arena, &b);
	return code;
}

/* ---- addresses ---- */

enum { HELD_MAX = 16 };

/* An address of the VM's in the network where it comes up. */
struct held {
	const char *text, *gateway, *dns, *mac;
	bool failover; /* it was kept for this */
};

/* "198.51.100.7" of "198.51.100.0/24" is "198.51.100.7/24". */
static const char *with_length(struct ud_ctx *cx, const char *address, const char *prefix)
{
	const char *slash = strchr(prefix, '/');

	return ud_printf(cx->arena, "%s%s", address, slash ? slash : "");
}

/* In a test those for tests; else those kept for failovers, and those that it always had there. */
static enum ud_code held_in(struct ud_ctx *cx, const struct ud_network_way *way,
	const char *network_id, struct held *ret, size_t *ret_n)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret_n = 0;
	/* every tenant: the caller has read the VM with its scope; the addresses are the VM's */
	UD_TRY(ud_query(cx, &rows,
		"SELECT a.address, b.prefix, b.gateway, b.dns, a.mac,"
		" CASE WHEN a.purpose = 'failover_reserved' THEN 1 ELSE 0 END"
		" FROM ip_addresses a JOIN ip_blocks b ON b.id = a.block_id"
		" WHERE a.vm_id = $1 AND b.network_id = $2 AND a.state <> 'quarantined'"
		" AND CASE WHEN a.purpose = 'test' THEN 1 ELSE 0 END = $3"
		" ORDER BY a.address_hex, a.id LIMIT $4",
		UD_VALS(ud_t(way->vm_id), ud_t(network_id), ud_i(way->test), ud_i(HELD_MAX))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		ret[(*ret_n)++] = (struct held){ with_length(cx, ud_col_dup(cx, rows, 0),
							 ud_col_dup(cx, rows, 1)),
			ud_col_dup(cx, rows, 2), ud_col_dup(cx, rows, 3), ud_col_dup(cx, rows, 4),
			ud_col_int(rows, 5) == 1 };
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

static void add_text(struct ud_ctx *cx, struct ud_texts *list, const char *text, size_t max)
{
	if (!list->items)
		list->items = ud_alloc(cx->arena, max * sizeof(char *));
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i], text) == 0)
			return;
	if (list->count < max)
		list->items[list->count++] = text;
}

/* One router of each family. */
static void add_gateway(struct ud_ctx *cx, struct ud_texts *list, const char *gateway)
{
	for (size_t i = 0; i < list->count; i++)
		if (!strchr(list->items[i], ':') == !strchr(gateway, ':'))
			return;
	add_text(cx, list, gateway, 2);
}

static void add_dns(struct ud_ctx *cx, struct ud_texts *list, const char *text)
{
	struct ud_texts servers = { 0 };

	ud_texts_read(cx, text, &servers);
	for (size_t i = 0; i < servers.count; i++)
		add_text(cx, list, servers.items[i], UD_CARD_ADDRESSES);
}

/* Is it for this card? One that names none is for the only card that the VM has there. */
static bool is_for(const struct held *h, const char *mac, bool alone)
{
	return h->mac ? strcasecmp(h->mac, mac) == 0 : alone;
}

static void card_of(struct ud_ctx *cx, const struct held *held, size_t n, const char *mac,
	bool alone, struct ud_card_addresses *ret)
{
	bool kept = false;

	*ret = (struct ud_card_addresses){ .mac = mac };
	for (size_t i = 0; i < n; i++)
		kept |= held[i].failover && is_for(&held[i], mac, alone);
	for (size_t i = 0; i < n; i++) {
		if (!is_for(&held[i], mac, alone) || held[i].failover != kept)
			continue;
		add_text(cx, &ret->addresses, held[i].text, UD_CARD_ADDRESSES);
		if (held[i].gateway)
			add_gateway(cx, &ret->gateways, held[i].gateway);
		add_dns(cx, &ret->dns, held[i].dns);
	}
}

/* Has no other card of the VM that network? */
static bool is_alone(const struct target *to, size_t n, size_t i)
{
	for (size_t k = 0; k < n; k++)
		if (k != i && to[k].id && strcmp(to[k].id, to[i].id) == 0)
			return false;
	return true;
}

static enum ud_code add_addresses(struct ud_ctx *cx, const struct ud_network_way *way,
	const struct ud_nic *nic, const struct target *to, bool alone, struct ud_buf *b)
{
	struct ud_card_addresses card;
	struct held held[HELD_MAX];
	size_t n = 0;

	UD_TRY(held_in(cx, way, to->id, held, &n));
	card_of(cx, held, n, nic->mac, alone, &card);
	if (!card.addresses.count)
		return UD_OK;
	if (b->len > 1)
		ud_buf_putc(b, ',');
	ud_shape_encode(b, &ud_card_addresses_shape, &card, NULL);
	return UD_OK;
}

enum ud_code ud_network_map_addresses(
	struct ud_ctx *cx, const struct ud_network_way *asked, struct ud_json *ret)
{
	struct target to[CARDS_MAX] = { 0 };
	struct ud_nic *cards = NULL;
	struct ud_buf b = { 0 };
	struct way way;
	size_t n = 0;
	enum ud_code code = begin_way(cx, asked, &way, &cards, &n);

	ud_buf_putc(&b, '[');
	for (size_t i = 0; i < n && code == UD_OK; i++)
		if (cards[i].mac)
			code = find_target(cx, &way, cards[i].source, &to[i]);
	for (size_t i = 0; i < n && code == UD_OK; i++)
		if (to[i].id)
			code = add_addresses(cx, asked, &cards[i], &to[i], is_alone(to, n, i), &b);
	ud_buf_putc(&b, ']');
	ret->text = ud_buf_take(cx->arena, &b);
	return code;
}
