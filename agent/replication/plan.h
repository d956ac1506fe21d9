/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a source is to be sent, in whole extents and in chunks: the same source gives the same
 * plan, so a cut can be made good by counting.
 */
#ifndef AGENT_REPLICATION_PLAN_H
#define AGENT_REPLICATION_PLAN_H

#include "agent/replication/source.h"

/* Neighbouring extents of a disk: data, or zeros. */
struct ud_plan_run {
	size_t disk;
	int64_t extent, count;
	bool zero;
};
typedef struct ud_plan ud_plan;

/* Ask the source. whole: all of its disks; else what it calls dirty. Codes of the source. */
enum ud_code ud_plan_make(struct ud_ctx *cx, ud_source *source, bool whole, ud_plan **ret) UD_USE;
void ud_plan_release(ud_plan **plan);
/* Bytes of the disks that it covers. */
int64_t ud_plan_bytes(const ud_plan *plan);
/* SHA-256 over it, hex. */
void ud_plan_digest(const ud_plan *plan, char ret[UD_SHA256_HEX]);

/* A place in the plan; zeroed at the beginning. */
struct ud_plan_at {
	size_t run;
	int64_t done;
};
/* The next chunk: data of at most 16 extents that begins at a multiple of 16 or a run, or zeros of
 * any length. False at the end. */
bool ud_plan_next(const ud_plan *plan, struct ud_plan_at *at, struct ud_plan_run *ret);

#endif
