/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a cluster's pool of Storage Spaces Direct when one of its nodes is switched off.
 */
#ifndef BASE_POOL_QUORUM_H
#define BASE_POOL_QUORUM_H

#include "base/machine.h"

enum ud_pool_fate {
	/* there is none, it has nodes to spare, or the node is off already */
	UD_POOL_SAFE,
	UD_POOL_NEEDS_WITNESS, /* it goes on if the cluster has a witness; hosts do not tell that */
	UD_POOL_LOST           /* it stops, witness or not */
};

struct ud_pool_outlook {
	enum ud_pool_fate fate;
	size_t left, all; /* nodes that are up once this one is off, and nodes altogether */
};

/*
 * Judge by the facts that a host of the cluster told; node is the name of the one that is to be
 * switched off, in any case of letters. What the facts do not hold is not feared: no pool, no such
 * node, no JSON = UD_POOL_SAFE. How many nodes a pool can miss, with a witness and without:
 * "Pool quorum overview" of
 * https://learn.microsoft.com/windows-server/storage/storage-spaces/understand-quorum
 */
struct ud_pool_outlook ud_pool_outlook(const struct ud_host_facts *told, const char *node);
/* Do both hosts name the same cluster, in any case of letters? */
bool ud_same_cluster(const struct ud_host_facts *one, const struct ud_host_facts *other);

#endif
