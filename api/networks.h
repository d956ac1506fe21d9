/* SPDX-License-Identifier: Apache-2.0 */
/* The rule of entries of failover maps, for networks and for recovery plans. */
#ifndef API_NETWORKS_H
#define API_NETWORKS_H

#include "db/network_maps.h"

/* Its networks stand in its site, are those of the customer or the provider, and a test's is for
 * tests. UD_E_VALIDATION naming the member. */
enum ud_code ud_network_map_check(
	struct ud_ctx *cx, const char *customer_id, const struct ud_network_map_entry *e) UD_USE;

#endif
