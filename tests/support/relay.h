/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link that can be bad: a relay in user space between a sender and a receiver on loopback, which
 * holds bytes back, cuts connections and turns bits. No root, no kernel module.
 */
#ifndef TESTS_SUPPORT_RELAY_H
#define TESTS_SUPPORT_RELAY_H

#include <stdbool.h>
#include <stdint.h>

struct relay;

/* What happens to bytes on their way to the target. All zeros = nothing. */
struct relay_faults {
	int64_t cut_after;        /* the connection ends after so many bytes; once */
	int64_t corrupt_at;       /* a bit of this byte is turned; once */
	int64_t bytes_per_second; /* slow */
	int64_t delay_ms;         /* each piece waits so long */
	bool stall;               /* nothing moves any more */
};

/* Listen, and pass on to a port of 127.0.0.1. */
struct relay *relay_new(int target_port);
/* Cuts what is going on. */
void relay_free(struct relay *relay);
/* "127.0.0.1:PORT" of it; valid as long as the relay. */
const char *relay_address(const struct relay *relay);
/* From now on; bytes are counted anew. */
void relay_set(struct relay *relay, struct relay_faults faults);
/* Another port from the next connection on: the target was started again. */
void relay_target(struct relay *relay, int target_port);
/* Bytes that went to the target since then. */
int64_t relay_bytes(struct relay *relay);

#endif
