/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records, rings and the patterns that tests write beside them. See ring.h for the promise.
 */
#include "ring.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define MAGIC UINT64_C(0x64726f6365726475) /* "udrecord" */
#define WORDS (UD_RING_BLOCK / sizeof(uint64_t))
#define PAYLOAD (sizeof(((struct ud_ring_record *)0)->payload) / sizeof(uint64_t))

/* One step of a mixing function (splitmix64): every bit of x decides about half the bits of the
 * result. */
static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* Each step can be undone when the word is known, so one changed word always changes the sum. */
static uint64_t sum_of(const struct ud_ring_record *r)
{
	const unsigned char *bytes = (const unsigned char *)r;
	uint64_t sum = MAGIC, word;

	for (size_t at = 0; at < offsetof(struct ud_ring_record, sum); at += sizeof(word)) {
		memcpy(&word, bytes + at, sizeof(word));
		sum = (sum ^ word) * UINT64_C(0xd6e8feb86659fd93);
		sum ^= sum >> 32;
	}
	return sum;
}

void ud_ring_fill(struct ud_ring_record *r, uint64_t seq, uint64_t slots, uint64_t time_ms,
	const uint64_t boot[2])
{
	r->magic = MAGIC;
	r->seq = seq;
	r->time_ms = time_ms;
	r->slots = slots;
	memcpy(r->boot, boot, sizeof(r->boot));
	for (size_t i = 0; i < PAYLOAD; i++)
		r->payload[i] = mix(seq * PAYLOAD + i);
	r->sum = sum_of(r);
}

bool ud_ring_whole(const struct ud_ring_record *r, uint64_t slot, uint64_t slots)
{
	if (r->magic != MAGIC || r->slots != slots || r->seq == 0 || r->seq % slots != slot ||
		r->sum != sum_of(r))
		return false;
	for (size_t i = 0; i < PAYLOAD; i++)
		if (r->payload[i] != mix(r->seq * PAYLOAD + i))
			return false;
	return true;
}

static int write_at(int fd, const void *data, uint64_t at)
{
	const char *bytes = data;

	for (size_t done = 0; done < UD_RING_BLOCK;) {
		ssize_t n = pwrite(fd, bytes + done, UD_RING_BLOCK - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : EIO;
		done += (size_t)n;
	}
	return 0;
}

/* What the file does not have reads as zeros. */
static int read_at(int fd, void *data, uint64_t at)
{
	char *bytes = data;
	size_t done = 0;

	while (done < UD_RING_BLOCK) {
		ssize_t n = pread(fd, bytes + done, UD_RING_BLOCK - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	memset(bytes + done, 0, UD_RING_BLOCK - done);
	return 0;
}

int ud_ring_put(int fd, const struct ud_ring_record *r)
{
	int failed = write_at(fd, r, r->seq % r->slots * UD_RING_BLOCK);

	if (failed)
		return failed;
	return fdatasync(fd) ? errno : 0;
}

static bool is_zero(const struct ud_ring_record *r)
{
	static const char zeros[UD_RING_BLOCK];

	return memcmp(r, zeros, sizeof(zeros)) == 0;
}

/* Slots that do not hold the record that the newest one asks for; seqs: 0 empty, UINT64_MAX bad. */
static uint64_t count_gaps(const uint64_t *seqs, uint64_t slots, uint64_t last)
{
	uint64_t gaps = 0;

	for (uint64_t slot = 0; slot < slots; slot++) {
		uint64_t behind = (last % slots + slots - slot) % slots;
		uint64_t due = behind < last ? last - behind : 0;

		if (seqs[slot] != UINT64_MAX && seqs[slot] != due)
			gaps++;
	}
	return gaps;
}

int ud_ring_scan(int fd, uint64_t slots, struct ud_ring_state *ret_state)
{
	uint64_t seqs[UD_RING_MAX_SLOTS];
	struct ud_ring_state s = { 0 };
	struct ud_ring_record r;

	if (slots == 0 || slots > UD_RING_MAX_SLOTS)
		return EINVAL;
	for (uint64_t slot = 0; slot < slots; slot++) {
		int failed = read_at(fd, &r, slot * UD_RING_BLOCK);

		if (failed)
			return failed;
		seqs[slot] = UINT64_MAX;
		if (ud_ring_whole(&r, slot, slots))
			seqs[slot] = r.seq;
		else if (is_zero(&r))
			seqs[slot] = 0;
		s.bad += seqs[slot] == UINT64_MAX;
		s.empty += seqs[slot] == 0;
		if (seqs[slot] != UINT64_MAX && seqs[slot] > s.last)
			s.last = seqs[slot];
	}
	s.gaps = count_gaps(seqs, slots, s.last);
	*ret_state = s;
	return 0;
}

bool ud_ring_agree(const struct ud_ring_state *first, const struct ud_ring_state *second)
{
	return first->bad + first->gaps + second->bad + second->gaps == 0 &&
		(first->last == second->last || first->last == second->last + 1);
}

static void pattern(uint64_t *block, uint64_t seed, uint64_t number)
{
	uint64_t start = mix(mix(seed) ^ number);

	for (size_t i = 0; i < WORDS; i++)
		block[i] = mix(start + i);
}

int ud_ring_dirty(int fd, uint64_t from, uint64_t bytes, uint64_t seed)
{
	uint64_t block[WORDS];

	for (uint64_t i = 0; i < bytes / UD_RING_BLOCK; i++) {
		int failed;

		pattern(block, seed, i);
		failed = write_at(fd, block, from + i * UD_RING_BLOCK);
		if (failed)
			return failed;
	}
	return fdatasync(fd) ? errno : 0;
}

int ud_ring_differ(int fd, uint64_t from, uint64_t bytes, uint64_t seed, uint64_t *ret_blocks)
{
	uint64_t want[WORDS], have[WORDS], blocks = 0;

	for (uint64_t i = 0; i < bytes / UD_RING_BLOCK; i++) {
		int failed = read_at(fd, have, from + i * UD_RING_BLOCK);

		if (failed)
			return failed;
		pattern(want, seed, i);
		blocks += memcmp(want, have, sizeof(want)) != 0;
	}
	*ret_blocks = blocks;
	return 0;
}

int ud_ring_scatter(int fd, uint64_t from, uint64_t span, uint64_t count, uint64_t seed)
{
	uint64_t block[WORDS];
	uint64_t room = span / UD_RING_BLOCK;

	if (room == 0)
		return EINVAL;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t place = mix(mix(seed ^ UD_RING_BLOCK) + i) % room;
		int failed;

		pattern(block, seed, i);
		failed = write_at(fd, block, from + place * UD_RING_BLOCK);
		if (failed)
			return failed;
	}
	return fdatasync(fd) ? errno : 0;
}
