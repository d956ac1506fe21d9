/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waivers: people of both sides sign that a VM stays unprotected after a failover, until a date. A
 * row is one signature; the second, by the other side, makes the pair hold until the earlier of the
 * two dates.
 */
#ifndef DB_WAIVERS_H
#define DB_WAIVERS_H

#include "db/rows.h"

struct ud_waiver {
	struct ud_row row;
	const char *ticket_id, *vm_id, *statement;
	unsigned side; /* enum ud_side (db/approvals.h) */
	const char *user_id, *user_name;
	struct ud_time expires_at;  /* as this person signed it */
	bool effective;             /* it is the second of a pair */
	struct ud_time holds_until; /* of the second: until when both hold */
	struct ud_time ended_at;    /* of the second: when its end was noted */
};
extern const struct ud_table ud_waiver_table;

/* What stands for a VM under a ticket: the signature that waits for its other side (id NULL =
 * none), and until when a pair holds (0 = none does). */
struct ud_waiver_standing {
	const char *waiting_id;
	unsigned waiting_side;
	int64_t waiting_until, holds_until;
};
enum ud_code ud_waiver_standing(struct ud_ctx *cx, const char *ticket_id, const char *vm_id,
	struct ud_waiver_standing *ret) UD_USE;
/* A signature has found its other side, or has expired without: it waits no longer. */
enum ud_code ud_waiver_paired(struct ud_ctx *cx, const char *id) UD_USE;

/* Pairs whose time is up and of which that was not noted, a batch of their ids. Every tenant's. */
enum ud_code ud_waivers_over(struct ud_ctx *cx, struct ud_texts *ret) UD_USE;

#endif
