/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the stage share: orders as the server gives them, and the hosts that are real
 * agents over a Hyper-V site in a box in place of those that the test plays.
 */
#ifndef TESTS_SUPPORT_STAGE_INSIDE_H
#define TESTS_SUPPORT_STAGE_INSIDE_H

#include "base/sign.h"
#include "support/stage.h"

struct stage_order {
	const char *vm_id, *host_id, *verb, *args, *payload, *signature;
	int64_t seq, epoch, given_ms;
};

/* The names of the hosts. */
extern const char *const stage_host_names[STAGE_HOSTS];

/* The key that a host's statements are signed with. */
void stage_key(int host, unsigned char key[UD_SIGN_KEY]);

/* Agents over Hyper-V for the stage's rows, replicating, with points; and their end. */
void stage_site_begin(struct stage *s);
void stage_site_end(struct stage *s);
/* Give an order to the host's agent and take all that it answers to the server. */
void stage_site_obey(struct stage *s, const struct stage_order *o, int host);
/* What agents do without being told, once, and what they say of replication. */
void stage_site_round(struct stage *s);
void stage_site_report(struct stage *s);
/* The last cycle of each VM was a little before now; then the power goes, and comes back. */
void stage_site_last_cycle(struct stage *s, int host);
void stage_site_kill(struct stage *s, int host);
void stage_site_revive(struct stage *s, int host);

#endif
