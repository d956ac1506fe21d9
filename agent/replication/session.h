/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of a receiver, from the hello to its end. For receiver.c alone.
 */
#ifndef AGENT_REPLICATION_SESSION_H
#define AGENT_REPLICATION_SESSION_H

#include <pthread.h>

#include "agent/replication/intake.h"
#include "agent/replication/receiver.h"

/* What others may look at while it runs. */
struct ud_session_state {
	pthread_mutex_t mutex;
	char replication_id[UD_DISK_NAME];
	struct ud_progress progress;
};
void ud_session_state_begin(struct ud_session_state *state);
void ud_session_state_end(struct ud_session_state *state);
/* Is it this relation's? */
bool ud_session_is(struct ud_session_state *state, const char *replication_id);
void ud_session_progress(struct ud_session_state *state, struct ud_progress *ret);

/* Answer the other end until it goes, or fails. */
void ud_session_run(const struct ud_env *env, const struct ud_receiver_calls *calls,
	ud_intake_pool *pool, ud_stream *stream, int64_t timeout_ms,
	struct ud_session_state *state);

#endif
