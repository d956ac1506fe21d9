/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands around a host's VMs and is not whole, as its facts tell.
 */
#ifndef BASE_HOST_TROUBLES_H
#define BASE_HOST_TROUBLES_H

#include "base/machine.h"

enum ud_host_trouble_kind {
	UD_TROUBLE_TEAM,    /* a card of a team is known to be down */
	UD_TROUBLE_STORAGE, /* a pool or volume is not "healthy"; unknown is not */
	UD_TROUBLE_PATH,    /* a path to a file server has failed */
	UD_TROUBLE_KINDS
};

/* A host has few of them; when there are more these are told. */
enum { UD_TROUBLES_MAX = 32 };

struct ud_host_troubles {
	struct ud_host_trouble {
		enum ud_host_trouble_kind kind;
		const char *name; /* of the team, the pool or volume, the server */
	} items[UD_TROUBLES_MAX];
	size_t count;
};

/* Find them, each once; names are in the arena. Lists that are no JSON hold none. */
void ud_host_troubles(
	struct ud_ctx *cx, const struct ud_host_facts *facts, struct ud_host_troubles *ret);
/* Is this one among them? */
bool ud_host_troubled(const struct ud_host_troubles *all, const struct ud_host_trouble *t);

#endif
