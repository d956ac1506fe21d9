/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks in memory for tests of replication: they are written to, remember what is dirty, and are a
 * source that a sender reads. What a writer writes is told from seed and place alone, so any extent
 * can be checked.
 */
#ifndef TESTS_SUPPORT_DISKS_H
#define TESTS_SUPPORT_DISKS_H

#include "agent/replication/source.h"

enum { DISKS_MAX = 4 };

struct disk_in_memory {
	char name[UD_DISK_NAME];
	int64_t size;
	unsigned char *data;
	unsigned char *dirty; /* one per extent */
};
struct disks {
	size_t count;
	struct disk_in_memory disk[DISKS_MAX];
};

struct disks *disks_new(void);
void disks_free(struct disks *disks);
/* Another disk of zeros. */
void disks_add(struct disks *disks, const char *name, int64_t size);
/* Grow one. */
void disks_grow(struct disks *disks, size_t disk, int64_t size);
/* Write bytes made of the seed; marks extents dirty. */
void disks_write(struct disks *disks, size_t disk, int64_t offset, int64_t n, uint64_t seed);
/* Zeros: what a discard leaves. */
void disks_zero(struct disks *disks, size_t disk, int64_t offset, int64_t n);
/* Some writes and discards all over the disks, by the seed. */
void disks_stir(struct disks *disks, uint64_t seed, int writes);
/* Nothing is dirty any more. */
void disks_clean(struct disks *disks);
/* A copy of the content and of what is dirty. */
struct disks *disks_copy(const struct disks *disks);
/* The Merkle root of a disk, reckoned in the plainest way. Hex. */
void disks_root(const struct disks *disks, size_t disk, char ret[UD_SHA256_HEX]);
/* As a source; valid as long as the disks, which must not change meanwhile. fail_at: the read with
 * this number fails (0 = none). */
ud_source *disks_source(struct disks *disks, int fail_at);

/* A small steady generator: the same seed gives the same numbers everywhere. */
uint64_t disks_chance(uint64_t *seed);

#endif
