/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes are counted: those up, and whether the one in question is among them.
 */
#include "base/pool_quorum.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>

/* Nodes that a pool of so many nodes can miss; the last row is for all larger ones. */
static const struct {
	size_t nodes, alone, with_witness;
} spare[] = { { 1, 0, 0 }, { 2, 0, 1 }, { 3, 1, 1 }, { 4, 1, 2 }, { 5, 2, 2 } };

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

/* A paused node runs no VMs, but its disks are in the pool. True when the node is up now, so that
 * switching it off costs one. */
static bool count(const json_t *nodes, const char *node, struct ud_pool_outlook *ret)
{
	const json_t *one;
	bool up = false;
	size_t i;

	json_array_foreach(nodes, i, one)
	{
		const char *state = text_of(one, "state");
		bool runs = strcmp(state, "up") == 0 || strcmp(state, "paused") == 0;

		ret->all++;
		if (strcasecmp(text_of(one, "name"), node) == 0)
			up = runs;
		else
			ret->left += runs;
	}
	return up;
}

struct ud_pool_outlook ud_pool_outlook(const struct ud_host_facts *told, const char *node)
{
	struct ud_pool_outlook ret = { UD_POOL_SAFE, 0, 0 };
	json_t *cluster = told->cluster.text ? json_loads(told->cluster.text, 0, NULL) : NULL;
	json_t *spaces = told->spaces.text ? json_loads(told->spaces.text, 0, NULL) : NULL;

	if (count(json_object_get(cluster, "nodes"), node, &ret) &&
		json_array_size(json_object_get(spaces, "pools"))) {
		size_t row = ret.all < UD_LEN(spare) ? ret.all - 1 : UD_LEN(spare) - 1;
		size_t missing = ret.all - ret.left;

		ret.fate = missing > spare[row].with_witness ? UD_POOL_LOST
			: missing > spare[row].alone         ? UD_POOL_NEEDS_WITNESS
							     : UD_POOL_SAFE;
	}
	json_decref(cluster);
	json_decref(spaces);
	return ret;
}

bool ud_same_cluster(const struct ud_host_facts *one, const struct ud_host_facts *other)
{
	json_t *a = one->cluster.text ? json_loads(one->cluster.text, 0, NULL) : NULL;
	json_t *b = other->cluster.text ? json_loads(other->cluster.text, 0, NULL) : NULL;
	bool same = *text_of(a, "name") && strcasecmp(text_of(a, "name"), text_of(b, "name")) == 0;

	json_decref(a);
	json_decref(b);
	return same;
}
