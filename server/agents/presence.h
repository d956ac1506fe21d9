/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who was seen, in memory: a sighting costs no write of its own. What is due is stored by one
 * thread, all in one commit; that is also where two copies of one agent come to light.
 */
#ifndef SERVER_AGENTS_PRESENCE_H
#define SERVER_AGENTS_PRESENCE_H

#include "db/agents.h"

struct ud_presence;

/* Nobody was seen yet. Release with ud_presence_release. */
struct ud_presence *ud_presence_new(void);
/* Takes NULL. */
void ud_presence_release(struct ud_presence **presence);
/* Note a sighting; true when it is to be stored at once. Any thread. */
bool ud_presence_saw(struct ud_presence *presence, const struct ud_sighting *seen);
/*
 * The sightings not stored yet, in the arena: all of them, or those alone that are to be stored at
 * once. Now they count as stored.
 */
size_t ud_presence_take(
	struct ud_presence *presence, struct ud_ctx *cx, bool all, struct ud_sighting **ret);
/* Store sightings; agents that cannot be one machine are put into quarantine. Inside a write. */
enum ud_code ud_presence_store(struct ud_ctx *cx, const struct ud_sighting *seen, size_t n) UD_USE;

#endif
