/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a loop remembers of the secrets it has looked up, so that a program's next request costs no
 * query. An entry counts until the next commit of this process, and one second at most: another
 * instance's commits are heard of within that. Neither secrets nor refusals are kept. One thread:
 * the loop's.
 */
#ifndef SERVER_AUTH_BEARERS_H
#define SERVER_AUTH_BEARERS_H

#include "db/people.h"

struct ud_bearers;

/* One of ud_bearer_by_session and its like. */
typedef enum ud_code ud_bearer_lookup(
	struct ud_ctx *cx, const char *hash, bool *ret_found, struct ud_bearer *ret);

/* An empty memory; release with ud_bearers_release. */
struct ud_bearers *ud_bearers_new(void);
/* Takes NULL. */
void ud_bearers_release(struct ud_bearers **bearers);

/*
 * Who the secret with this hash belongs to: remembered, or looked up now on cx->conn. commits is
 * the database's count from before that connection's snapshot began. The answer lives in cx->arena.
 */
enum ud_code ud_bearers_find(struct ud_ctx *cx, struct ud_bearers *bearers, uint64_t commits,
	ud_bearer_lookup *lookup, const char *hash, bool *ret_found, struct ud_bearer *ret) UD_USE;

#endif
