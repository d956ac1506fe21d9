/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work that time brings: a table of rows that one thread asks in turn whether something is due, and
 * does it on the writer. Of several servers on one PostgreSQL one does it at a time (db/duties.h).
 * A row is looked at by whoever has the duty, runs again after a crash, and changes rows alone.
 */
#ifndef SERVER_JOBS_TICKS_H
#define SERVER_JOBS_TICKS_H

#include "db/commands.h"
#include "db/engine/database.h"

struct ud_tick {
	const char *name; /* for the log */
	int64_t every_ms;
	bool on_commit; /* looked at after each commit, too: for what must follow at once */
	/* is there anything to do? A read; NULL = always */
	enum ud_code (*due)(struct ud_ctx *cx, bool *ret);
	/* do it, inside one write. c: what it takes to command (ud_command_send) */
	enum ud_code (*apply)(struct ud_ctx *cx, const struct ud_commanding *c);
	/* not looked at so long after the start: for what others must be heard before */
	int64_t after_ms;
};

struct ud_ticks;

/*
 * Start the thread over a table ended by a NULL name; with by_hand there is none, and ud_ticks_step
 * does its work. commanding, ticks and env outlive it. Release before the database.
 */
enum ud_code ud_ticks_start(struct ud_ctx *cx, ud_database *db, const struct ud_tick *ticks,
	const struct ud_commanding *commanding, const struct ud_env *env, bool by_hand,
	struct ud_ticks **ret) UD_USE;
/* Takes NULL. */
void ud_ticks_release(struct ud_ticks **ticks);
/* Something was committed; any thread, never blocks. Takes NULL. */
void ud_ticks_wake(struct ud_ticks *ticks);
/* Look at every row now, whenever it was looked at last; only by hand. How many had work. */
size_t ud_ticks_step(struct ud_ticks *ticks);

#endif
