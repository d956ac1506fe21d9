/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring of records that the test guest writes to two disks, and the proof that nothing of it was
 * lost, torn or put in another order. Record n goes to slot n % slots of the first disk's ring and
 * is made durable there before it goes to the second's; so whatever moment a copy of both disks
 * shows, no record may be missing in either, and the first may lead by one at most. Knows neither
 * the library of base/ nor the guest: the tests run it on ordinary files. Functions that can fail
 * return 0 or an errno. Any thread may call them; they keep nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define UD_RING_BLOCK 4096
#define UD_RING_MAX_SLOTS 65536

struct ud_ring_record {
	uint64_t magic;
	uint64_t seq; /* from 1 */
	uint64_t time_ms;
	uint64_t slots;
	uint64_t boot[2];      /* which boot wrote it */
	uint64_t payload[505]; /* follows from seq */
	uint64_t sum;          /* over all before it */
};

_Static_assert(sizeof(struct ud_ring_record) == UD_RING_BLOCK, "a record is one block");

/* What stands in one ring. */
struct ud_ring_state {
	uint64_t last; /* newest whole record, 0: none */
	uint64_t bad;  /* slots that hold neither a whole record of their own nor zeros */
	/* slots that are not bad, but do not hold what the newest record says they must */
	uint64_t gaps;
	uint64_t empty; /* slots of zeros */
};

/* Fill in a record: payload and sum follow from the rest. */
void ud_ring_fill(struct ud_ring_record *r, uint64_t seq, uint64_t slots, uint64_t time_ms,
	const uint64_t boot[2]);

/* True when the record is whole and belongs into this slot of a ring of that many. */
bool ud_ring_whole(const struct ud_ring_record *r, uint64_t slot, uint64_t slots);

/* Write the record to its slot of the file or disk, and wait until it is durable. */
int ud_ring_put(int fd, const struct ud_ring_record *r);

/* Read the whole ring and judge it. A file that ends early is empty from there on; slots is at most
 * UD_RING_MAX_SLOTS (else EINVAL). */
int ud_ring_scan(int fd, uint64_t slots, struct ud_ring_state *ret_state);

/* True when a copy of both rings, taken at one moment, may look like this. */
bool ud_ring_agree(const struct ud_ring_state *first, const struct ud_ring_state *second);

/* Overwrite bytes (whole blocks) from there on with what follows from the seed, durably. */
int ud_ring_dirty(int fd, uint64_t from, uint64_t bytes, uint64_t seed);

/* Count the blocks in that range that are not what ud_ring_dirty wrote. */
int ud_ring_differ(int fd, uint64_t from, uint64_t bytes, uint64_t seed, uint64_t *ret_blocks);

/* Overwrite count blocks at places of chance within [from, from + span), durably. EINVAL when no
 * block fits. */
int ud_ring_scatter(int fd, uint64_t from, uint64_t span, uint64_t count, uint64_t seed);
