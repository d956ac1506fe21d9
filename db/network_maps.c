/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps, and the one question that failovers ask of them.
 */
#include "db/network_maps.h"

#include <string.h>

#include "base/machine.h"
#include "db/inventory.h"

/* clang-format off */
static const struct ud_field entry_fields[] = {
	UD_FIELD(ud_network_map_entry, target_site_id,  .flags = UD_REQUIRED, .refers = "sit", .about = "Site that a VM may be failed over to."),
	UD_FIELD(ud_network_map_entry, real_network_id, .refers = "net", .about = "What the network is there."),
	UD_FIELD(ud_network_map_entry, test_network_id, .refers = "net", .about = "What it is there in a test: an isolated network."),
};
/* clang-format on */
const struct ud_shape ud_network_map_entry_shape = { UD_SHAPE(ud_network_map_entry, entry_fields),
	.bare = true };

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

/* The switch at the other host that a card's network is mapped to; NULL = none. A network of the
 * VM's own customer goes before the provider's. */
static enum ud_code find_switch(struct ud_ctx *cx, const char *vm_id, const char *from_host_id,
	const char *to_host_id, const char *source, bool test, const char **ret)
{
	bool found = false;

	*ret = NULL;
	/* every tenant: the caller has read the VM with its scope; networks are its own or the
	 * provider's */
	return ud_query_text(cx, &found, ret,
		"SELECT COALESCE(t.switch_name, t.name) FROM vms v"
		" JOIN hosts a ON a.id = $2 JOIN hosts b ON b.id = $3"
		" JOIN networks n ON n.site_id = a.site_id AND COALESCE(n.switch_name, n.name) = $4"
		" AND (n.customer_id IS NULL OR n.customer_id = v.customer_id)"
		" JOIN network_maps m ON m.network_id = n.id AND m.target_site_id = b.site_id"
		" JOIN networks t ON t.id = CASE WHEN $5 = 1 THEN m.test_network_id"
		" ELSE m.real_network_id END"
		" WHERE v.id = $1"
		" ORDER BY CASE WHEN n.customer_id IS NULL THEN 1 ELSE 0 END, n.id LIMIT 1",
		UD_VALS(ud_t(vm_id), ud_t(from_host_id), ud_t(to_host_id), ud_t(source),
			ud_i(test)));
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

enum ud_code ud_network_map_cards(struct ud_ctx *cx, const char *vm_id, const char *from_host_id,
	const char *to_host_id, bool test, struct ud_json *ret, struct ud_texts *ret_unmapped)
{
	struct ud_nic *cards = NULL;
	struct ud_buf b = { 0 };
	size_t n = 0;
	enum ud_code code = read_cards(cx, vm_id, from_host_id, &cards, &n);

	*ret_unmapped = (struct ud_texts){ ud_alloc(cx->arena, (n + 1) * sizeof(char *)), 0 };
	ud_buf_putc(&b, '[');
	for (size_t i = 0; i < n && code == UD_OK; i++) {
		const char *network = NULL;

		if (!cards[i].mac)
			continue;
		if (cards[i].source)
			code = find_switch(cx, vm_id, from_host_id, to_host_id, cards[i].source,
				test, &network);
		if (network)
			add_card(&b, cards[i].mac, network);
		else
			ret_unmapped->items[ret_unmapped->count++] = cards[i].mac;
	}
	ud_buf_putc(&b, ']');
	ret->text = ud_buf_take(cx->arena, &b);
	return code;
}
