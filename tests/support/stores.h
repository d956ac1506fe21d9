/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stores for tests of replication, fed from disks in memory without a network.
 */
#ifndef TESTS_SUPPORT_STORES_H
#define TESTS_SUPPORT_STORES_H

#include "agent/replication/incoming.h"
#include "support/disks.h"

/* A point's manifest as a sender would begin it: id, parent and epoch given, roots from the disks.
 * parent "" = a first one. */
struct ud_manifest stores_manifest(struct ud_ctx *cx, const struct disks *disks, const char *id,
	const char *parent, int64_t epoch);
/* Bring all that is dirty (parent "": everything) into the store and publish it. */
enum ud_code stores_feed(struct ud_ctx *cx, ud_store *store, const struct disks *disks,
	const char *id, const char *parent, int64_t epoch);
/* The same up to its end, without publishing. */
enum ud_code stores_begin(struct ud_ctx *cx, ud_store *store, const struct disks *disks,
	const struct ud_manifest *manifest, ud_incoming **ret);
/* The image of a point is that of the disks, byte for byte, and its roots are theirs. Fails the
 * test otherwise. */
void stores_check(struct ud_ctx *cx, ud_store *store, const char *id, const struct disks *disks);
/* True when it is, without failing anything. */
bool stores_equal(struct ud_ctx *cx, ud_store *store, const char *id, const struct disks *disks);
/* How many points there are. */
size_t stores_count(struct ud_ctx *cx, ud_store *store);

#endif
