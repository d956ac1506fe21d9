/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard's table: processes, each with the end of its lease. Only the rules; who talks to it and
 * what time it is are given. Its memory is all there from the start.
 */
#ifndef AGENT_GUARD_TABLE_H
#define AGENT_GUARD_TABLE_H

#include "agent/guard/wire.h"

struct ud_guard_entry {
	unsigned char uuid[UD_GUARD_UUID];
	int64_t epoch, deadline_ms;
	int64_t killed_ms; /* 0 = not yet */
	int process;       /* -1 = the entry is free */
};

struct ud_guard_table {
	struct ud_guard_entry entries[UD_GUARD_ENTRIES];
	uint32_t count;
};

/* Make all entries free. */
void ud_guard_table_init(struct ud_guard_table *t);
/*
 * Do what a request says and fill the reply. process is the hold that came along, or -1; it is kept
 * or let go of here. *ret_new: an entry whose process is to be watched from now on, or NULL.
 */
void ud_guard_table_do(struct ud_guard_table *t, const struct ud_guard_request *rq, int process,
	int64_t now_ms, struct ud_guard_reply *ret, struct ud_guard_entry **ret_new);
/* Kill every process whose lease has ended; *ret_killed = those of this call. */
void ud_guard_table_expire(struct ud_guard_table *t, int64_t now_ms, uint32_t *ret_killed);
/* The earliest end of a lease that is running, or 0. */
int64_t ud_guard_table_next(const struct ud_guard_table *t);
/* Forget entries whose process has ended by itself; where a lease ended it, that is to be told. */
void ud_guard_table_sweep(struct ud_guard_table *t);
/* True when a process was killed so long ago that it should be gone, and is not. */
bool ud_guard_table_stuck(const struct ud_guard_table *t, int64_t now_ms);
/* True while a process lives by a lease. */
bool ud_guard_table_armed(const struct ud_guard_table *t);

#endif
