/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does what the server says, once: a command is checked, its intent journalled, its verb run, its
 * answer journalled, in this order. Commands of one subject run one after the other, those of
 * different subjects beside each other in a bounded pool. Knows no network: whoever does hands
 * commands in and takes answers out of the journal.
 *
 * After a start it goes on with what the journal says was begun: repeatable verbs are done again,
 * the others are answered as unknown unless the hypervisor shows that they were done.
 */
#ifndef AGENT_RUNNER_H
#define AGENT_RUNNER_H

#include "agent/verbs.h"

struct ud_runner_settings {
	struct ud_station *station;
	const struct ud_verb *verbs;
	/* an answer was stored, or something got further; any thread, must not block; may be NULL
	 */
	void (*changed)(void *data);
	/* for tests with a clock of their own; NULL in the program: there are no threads, tasks are
	 * done by ud_runner_step, and a verb that waits lets the time pass by this */
	void (*pass)(void *data, int64_t ms);
	void *data;
};

/* Go on with what the journal has, and take commands from now on. UD_E_VALIDATION for a wrong
 * command key in the configuration. */
enum ud_code ud_runner_start(struct ud_ctx *cx, const struct ud_runner_settings *settings,
	struct ud_runner **ret) UD_USE;
/* Verbs that run are waited for; what waits stays in the journal. Takes NULL. */
void ud_runner_release(struct ud_runner **runner);

/*
 * Take a command as it came. UD_OK also for those known already; UD_E_VALIDATION: the server's
 * command key did not sign it, or it is not for this host; nothing was kept. *ret_stale (may be
 * NULL): its number is older than what was taken, and nobody knows what became of it.
 */
enum ud_code ud_runner_offer(struct ud_ctx *cx, struct ud_runner *runner,
	const struct ud_wire_signed *message, const struct ud_wire_command **ret_stale) UD_USE;
/* While a person must look at this agent, only verbs that allow it are done. Any thread. */
void ud_runner_quarantine(struct ud_runner *runner, bool on);

typedef void ud_runner_progressed(void *data, const struct ud_wire_progress *progress);
/* Tell each what got further since the last time. Any thread. */
void ud_runner_progress(struct ud_runner *runner, ud_runner_progressed *each, void *data);
/* How many commands are under way or wait. Any thread. */
size_t ud_runner_busy(struct ud_runner *runner);
/* Without threads: do the next task here; false = there is none. */
bool ud_runner_step(struct ud_runner *runner);

#endif
