/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records into a store: for receivers, whose workers unpack and write beside, and for imports. It
 * answers nobody; whoever calls does.
 */
#ifndef AGENT_REPLICATION_INTAKE_H
#define AGENT_REPLICATION_INTAKE_H

#include "agent/replication/incoming.h"
#include "agent/replication/record.h"

/* Threads that unpack, check and write. */
typedef struct ud_intake_pool ud_intake_pool;
ud_intake_pool *ud_intake_pool_new(int workers);
void ud_intake_pool_release(ud_intake_pool **pool);

/* A point coming in, record by record. One thread. */
typedef struct ud_intake ud_intake;
ud_intake *ud_intake_new(ud_intake_pool *pool, ud_store *store);
/* Leaves what is coming in to be gone on with. */
void ud_intake_release(ud_intake **intake);
/* Begin by a BEGIN record; *ret is what to answer. Codes of ud_incoming_begin. */
enum ud_code ud_intake_begin(struct ud_ctx *cx, ud_intake *intake, const struct ud_record *record,
	struct ud_ready *ret) UD_USE;
/* A DATA, ZERO, FILE or SAME record. Takes the payload's memory and gives other instead. */
enum ud_code ud_intake_take(struct ud_ctx *cx, ud_intake *intake, struct ud_record *record) UD_USE;
/* END: publish. */
enum ud_code ud_intake_end(struct ud_ctx *cx, ud_intake *intake, const struct ud_record *record,
	struct ud_manifest *ret) UD_USE;
/* Throw it away. */
void ud_intake_abandon(ud_intake *intake);
/* True between begin and end. */
bool ud_intake_active(const ud_intake *intake);
/* Bytes of disks that came in, and id of the point; for progress. */
int64_t ud_intake_bytes(const ud_intake *intake);
const char *ud_intake_id(const ud_intake *intake);

#endif
