/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both ends of a replication tell, brought to one judgement: its state, its health by
 * Hyper-V's rules, the age of its newest point. Pure but for ud_judge_store: no clock but the one
 * given, no database. Silence is never health.
 */
#ifndef SERVER_REPLICATION_JUDGE_H
#define SERVER_REPLICATION_JUDGE_H

#include "db/replications.h"

/* What an end told longer ago than three reports is not known any more. */
enum { UD_REPLICATION_STALE_MS = 30000 };

struct ud_judgement {
	unsigned state;         /* enum ud_replication_state */
	unsigned health;        /* enum ud_replication_health */
	struct ud_json reasons; /* [{"code","text"}] */
	struct ud_json error;   /* what an end says is wrong, or NULL */
	bool rpo_known;         /* an end has told it lately */
	int64_t rpo_at_most_ms; /* UD_NONE = there is no point */
	bool breached;
	int64_t cycles_total, cycles_missed; /* of the window; UD_NONE = not told */
};

/* Judge. The texts live in cx->arena; cx->now_ms is the time. */
void ud_judge(struct ud_ctx *cx, const struct ud_replication *r,
	const struct ud_replication_ends *ends, struct ud_judgement *ret);
/* Fill the computed members of a row from what its ends told. */
void ud_judge_show(struct ud_ctx *cx, const struct ud_replication_ends *ends,
	const struct ud_judgement *j, struct ud_replication *r);
/* Begin of the window of health that an instant lies in: every twelve hours from 09:00 UTC. */
int64_t ud_health_window(int64_t now_ms);

/*
 * Judge a stored row anew and keep what has changed, each change with its event
 * (replication.state_changed, .health_changed, .rpo_breached, .rpo_restored, .seeded). *r becomes
 * the row as it is now; *ret_changed tells whether it was written.
 */
enum ud_code ud_judge_store(struct ud_ctx *cx, struct ud_replication *r, bool *ret_changed) UD_USE;
/* Would ud_judge_store write something? A read. */
enum ud_code ud_judge_due(struct ud_ctx *cx, const struct ud_replication *r, bool *ret) UD_USE;

#endif
