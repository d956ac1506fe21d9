/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A database as the server uses it: one writer thread that commits groups, and a read connection
 * per reader that keeps its read transaction open until the data changed. Knows no table.
 */
#ifndef DB_ENGINE_DATABASE_H
#define DB_ENGINE_DATABASE_H

#include "db/engine/engine.h"

typedef struct ud_database ud_database;
typedef struct ud_reader ud_reader;

/*
 * One write on its way. Embed it first in a struct of your own. apply runs on the writer inside the
 * group's transaction, on a mark of its own: on an error what it did is undone. It may run again
 * (deadlock on PostgreSQL), so it only uses SQL and its own memory. cx is the caller's; apply finds
 * cx->conn set. done runs on the writer after the group is durable, or has failed: code is apply's
 * own, or the commit's.
 */
struct ud_write {
	struct ud_write *next;
	struct ud_ctx *cx;
	enum ud_code (*apply)(struct ud_write *w);
	void (*done)(struct ud_write *w, enum ud_code code);
	enum ud_code code; /* apply's, kept until the commit */
};

enum { UD_GROUP_MAX = 512 };

/* Figures for /metrics; read without a lock, each exact on its own. */
struct ud_database_stats {
	int64_t commits, writes, failures, queued, largest_group, checkpoints;
};

/*
 * Open the database and start its writer. The schema is not looked at. url as in the configuration;
 * a relative sqlite path is relative to the working directory. Release with ud_database_release.
 */
enum ud_code ud_database_open(
	struct ud_ctx *cx, const char *url, const struct ud_env *env, ud_database **ret) UD_USE;
/* Finish queued writes, stop the writer, close. Readers must be released before. Takes NULL. */
void ud_database_release(ud_database **db);
/*
 * From now on no connection is used whose database is older than what the file at path remembers
 * (db/engine/history.h, rule C); the writer's is checked before this returns. Call it once, before
 * readers are opened. UD_E_UNAVAILABLE with the reason when the database is older.
 *
 * Rule B is left to callers: after a crash PostgreSQL shows rows that no standby has. Act on the
 * world only after a write of your own (the claim, with its fence) was acknowledged, made after the
 * row was read on the same connection: the log's order then says that the standby has both.
 */
enum ud_code ud_database_remember(struct ud_ctx *cx, ud_database *db, const char *path) UD_USE;
/* The engine's name: "sqlite" or "postgresql". */
const char *ud_database_engine(const ud_database *db);
/* The URL it was opened with. */
const char *ud_database_url(const ud_database *db);

/*
 * Hand a write to the writer; any thread. w must live until done ran. False, and nothing is kept,
 * when more than 10,000 writes wait already: answer UD_E_OVERLOADED.
 */
bool ud_database_post(ud_database *db, struct ud_write *w) UD_USE;
/* Post and wait: for tools, jobs and tests, never on a server's worker. */
enum ud_code ud_database_write(ud_database *db, struct ud_ctx *cx,
	enum ud_code (*apply)(struct ud_ctx *cx, void *data), void *data) UD_USE;
enum { UD_LISTENERS_MAX = 4 };
/*
 * Call the listener after each durable commit, on the writer's thread, and on PostgreSQL within a
 * second after another program's, on a thread of its own. It must not block, nor call these two. A
 * call too many does no harm. At most UD_LISTENERS_MAX; added and taken away by one thread.
 */
void ud_database_on_commit(ud_database *db, void (*listener)(void *data), void *data);
/* Forget the listeners with this data: none of them is called any more when this returns. */
void ud_database_off_commit(ud_database *db, const void *data);
/* Grows with every commit this process made. */
uint64_t ud_database_commits(const ud_database *db);
struct ud_database_stats ud_database_stats(const ud_database *db);

/* A read connection; one thread at a time. */
enum ud_code ud_reader_open(struct ud_ctx *cx, ud_database *db, ud_reader **ret) UD_USE;
void ud_reader_release(ud_reader **reader);
/*
 * Start reading: sets cx->conn to a connection whose snapshot is at least as new as the last commit
 * of this process. End it before waiting for anything.
 */
enum ud_code ud_read_begin(struct ud_ctx *cx, ud_reader *reader) UD_USE;
void ud_read_end(struct ud_ctx *cx, ud_reader *reader);

#endif
