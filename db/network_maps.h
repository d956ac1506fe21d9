/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps of networks: what a network of one site is at another, for real failovers and for tests. A
 * map belongs to its network, whose scope the caller has checked.
 */
#ifndef DB_NETWORK_MAPS_H
#define DB_NETWORK_MAPS_H

#include "db/networks.h"

enum { UD_NETWORK_MAP_MAX = 64 };

/* One site's entry. Either network may be absent, not both. */
struct ud_network_map_entry {
	const char *target_site_id, *real_network_id, *test_network_id;
};
extern const struct ud_shape ud_network_map_entry_shape;

/* The entries of a network's map, by site; at most UD_NETWORK_MAP_MAX. */
enum ud_code ud_network_map_get(struct ud_ctx *cx, const char *network_id,
	struct ud_network_map_entry *ret, size_t *ret_n) UD_USE;
/* Replace them. */
enum ud_code ud_network_map_set(struct ud_ctx *cx, const char *network_id,
	const struct ud_network_map_entry *entries, size_t n) UD_USE;

/* What a recovery plan says of one network and site; it goes before the network's own map. */
struct ud_plan_network {
	const char *network_id, *target_site_id, *real_network_id, *test_network_id;
};
extern const struct ud_shape ud_plan_network_shape;
enum { UD_PLAN_NETWORKS = 100 };
/* Read the network_map of a plan or of a run; NULL gives none. UD_E_VALIDATION naming what is
 * wrong. */
enum ud_code ud_plan_networks_read(
	struct ud_ctx *cx, const char *text, struct ud_plan_network **ret, size_t *ret_n) UD_USE;

/* Where a VM goes. The caller has read it with its scope. */
struct ud_network_way {
	const char *vm_id, *from_host_id, *to_host_id;
	bool test;
	const char *plan_map; /* network_map of its plan; NULL = none */
};

/*
 * What a VM's cards are to be connected to when it starts at another host: [{"mac","network"}] as
 * promote and test_start take it, network being the switch's name there. Cards whose network has no
 * entry are left out of it and named in *ret_unmapped by their MAC addresses, those that are in no
 * network aside; without an inventory of the VM both are empty.
 */
enum ud_code ud_network_map_cards(struct ud_ctx *cx, const struct ud_network_way *way,
	struct ud_json *ret, struct ud_texts *ret_unmapped) UD_USE;
/*
 * The addresses that each card is to have there (ud_card_addresses of base/failover.h, as
 * set_addresses takes them): those of the VM in blocks of the network that the card's is mapped to,
 * kept for failovers (without any: its usual ones), or for tests. Length, router and servers of
 * names are the block's. An address that names no card counts where the VM has one card in that
 * network; cards without any are left out.
 */
enum ud_code ud_network_map_addresses(
	struct ud_ctx *cx, const struct ud_network_way *way, struct ud_json *ret) UD_USE;

#endif
