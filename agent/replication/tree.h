/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof of a disk's content: a SHA-256 for each extent in a file, and a root over them. Nodes have
 * 256 children; a child that is all zeros has the hash of 32 zeros, so an empty disk costs nothing.
 * The root covers the disk's size, too. Sums are the list of what a point changes, in ascending
 * order: from a tree and a point's sums comes the next tree. Functions return 0 or a negative
 * errno; -EBADMSG: not such a file. One thread at a time, but for ud_tree_get.
 */
#ifndef AGENT_REPLICATION_TREE_H
#define AGENT_REPLICATION_TREE_H

#include "agent/replication/manifest.h"

/* Extents of a disk. */
int64_t ud_extents(int64_t size_bytes);
/* Hash of one extent of 64 KiB; 32 zeros for one that is all zeros. */
void ud_extent_hash(const unsigned char *data, unsigned char ret[UD_SHA256]);
/* True when n bytes are zeros. */
bool ud_all_zero(const void *data, size_t n);

/* ---- sums ---- */

/* What a point says of neighbouring extents. */
struct ud_sum {
	int64_t extent, count; /* count is 1 unless they are zeros */
	int64_t place;         /* in the point's file; 0 = zeros */
	unsigned char hash[UD_SHA256];
};
typedef struct ud_sums ud_sums;
/* Begin a list in an empty file that stays the caller's. */
ud_sums *ud_sums_begin(int fd);
void ud_sums_release(ud_sums **sums);
/* Add one: -EBADMSG when it is not behind the last one. */
int ud_sums_add(ud_sums *sums, const struct ud_sum *sum) UD_USE;
/* Write what is still in memory, and sync. */
int ud_sums_finish(ud_sums *sums) UD_USE;
/* Call each of a finished list; extents = those of the disk: -EBADMSG for what is not a list of
 * them. Stops at a result that is not 0. */
typedef int ud_sums_visitor(void *data, const struct ud_sum *sum);
int ud_sums_visit(int fd, int64_t extents, ud_sums_visitor *visit, void *data) UD_USE;

/* ---- trees ---- */

typedef struct ud_tree ud_tree;

/* Open the tree of a disk beneath root, or make one of zeros with number 0. size_bytes 0 = what the
 * file says. */
int ud_tree_open(int root, const char *path, int64_t size_bytes, ud_tree **ret) UD_USE;
void ud_tree_release(ud_tree **tree);
int64_t ud_tree_size(const ud_tree *tree);
/* Number of the point whose content it certainly has; changes of later ones may be in it, too. */
int64_t ud_tree_number(const ud_tree *tree);
/* Hashes of some extents; zeros behind the disk's end. Any thread. */
int ud_tree_get(const ud_tree *tree, int64_t extent, int64_t count, unsigned char *ret) UD_USE;
/* The same straight from a file, without opening the tree. */
int ud_tree_peek(int root, const char *path, int64_t extent, int64_t count, unsigned char *ret)
	UD_USE;
/* Set hashes; NULL = zeros. */
int ud_tree_set(ud_tree *tree, int64_t extent, int64_t count, const unsigned char *hashes) UD_USE;
/* The root, in hex. */
int ud_tree_root(ud_tree *tree, char ret[UD_SHA256_HEX]) UD_USE;
/* The root that a point of this size with these sums would give; nothing changes. */
int ud_tree_preview(ud_tree *tree, int64_t size_bytes, int sums_fd, char ret[UD_SHA256_HEX]) UD_USE;
/* Take the point in; not durable until ud_tree_commit. Twice is once. */
int ud_tree_apply(ud_tree *tree, int64_t size_bytes, int sums_fd) UD_USE;
/* Sync, and note the number. */
int ud_tree_commit(ud_tree *tree, int64_t number) UD_USE;

#endif
