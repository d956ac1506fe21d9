/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Empty databases for tests below the server, on both engines: each test gets a fresh one. A
 * program starts one PostgreSQL cluster for all of its tests.
 */
#ifndef TESTS_SUPPORT_STORE_H
#define TESTS_SUPPORT_STORE_H

#include "base/env.h"
#include "db/engine/engine.h"

/* A PostgreSQL cluster in a folder of its own; made by tests/support/postgres.sh. */
struct cluster {
	char dir[64]; /* "" = not started */
	char url[128];
};

/* Run postgres.sh VERB with up to two arguments; its standard output's first line in ret (NULL =
 * not wanted), without the newline. Returns its exit code. */
int postgres_run(const char *verb, const char *a, const char *b, char *ret, size_t n);
/* Start a cluster in DIR/NAME of a new temporary folder. fsync as on a real machine or not. */
void cluster_start(struct cluster *c, bool fsync);
void cluster_end(struct cluster *c);
/* The URL of another database of it, made with binary order, into ret. */
void cluster_database(const struct cluster *c, const char *name, char *ret, size_t n);
/* Run statements as a superuser of the cluster's own; on failure the test fails. */
void cluster_script(const char *url, const char *sql);

/* What a test gets: a connection on an empty database, and a context that uses it. */
struct store {
	const char *engine; /* "sqlite", "postgresql" */
	struct cluster *cluster;
	ud_arena *arena;
	struct ud_ctx cx;
	char dir[64]; /* for files of the test's own */
	char url[192];
};

/* Make an empty database; cx.conn is a connection that may write. */
void store_begin(struct store *s, const char *engine, struct cluster *cluster);
void store_end(struct store *s);
bool store_is_postgresql(const struct store *s);
/* Fail the test, with the context's words, when code is not what is wanted. */
void store_wants(struct store *s, enum ud_code wanted, enum ud_code code);
/* The integer that a query answers; -1 for no row. */
int64_t store_number(struct store *s, const char *sql);
/* Run statements that must succeed. */
void store_script(struct store *s, const char *sql);

/* A test for both engines. */
struct store_test {
	const char *name;
	void (*run)(struct store *s);
	const char *only; /* engine's name, or NULL = both */
};
/* Run tests, each on each engine; the program's exit code. */
int store_tests(const struct store_test *tests, size_t n);

#endif
