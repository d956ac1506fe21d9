/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real server inside the test's process, on a fresh database of the engine that UD_TEST_DATABASE
 * names, and a real HTTP client to call it. Fixtures own their handles: a failed assertion jumps
 * past scopes.
 */
#ifndef TESTS_SUPPORT_HARNESS_H
#define TESTS_SUPPORT_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/env.h"
#include "server/http/server.h"

/* Who calls. The two customers have the same kinds of people; other's rows carry canary texts. */
enum who {
	NOBODY,
	OPERATOR,
	LEAD,
	ENGINEER,
	AUDITOR,
	OWN_ADMIN,
	OWN_APPROVER,
	OWN_OPERATOR,
	OWN_VIEWER,
	OTHER_ADMIN,
	OTHER_VIEWER,
	READ_ONLY_TOKEN,
	WHO_COUNT
};

extern const char *const who_names[WHO_COUNT];

struct world {
	ud_arena *arena;
	struct ud_ctx cx;
	struct ud_scope scope;
	struct ud_env env;
	_Atomic int64_t mono_ms;  /* added to the steady clock: deadlines come at once */
	_Atomic int64_t clock_ms; /* added to the real clock: tests move time */
	int64_t begun_ms, begun_mono_ms;
	char *dir; /* temporary folder */
	char *url; /* of the database */
	ud_database *db;
	struct ud_server *server;
	const char *token[WHO_COUNT];
	const char *principal[WHO_COUNT];
	const char *own, *other; /* customers */
	void *curl;
	json_t *replies; /* trees of all replies, released at the end */
};

/* A world with a running server; release with world_end. */
struct world *world_begin(void);
void world_end(struct world *w);
/* Stop the server and start another on the same database. */
void world_restart(struct world *w);
/* Run SQL-level work as our own system scope, committed. */
void world_write(struct world *w, enum ud_code (*apply)(struct ud_ctx *cx, void *data), void *data);

/* Let the work of time look at every row (server/jobs/ticks.h); how many had work. Tests move the
 * clock by clock_ms before. */
size_t world_tick(struct world *w);

struct reply {
	int status;
	json_t *json;      /* NULL when the body is not JSON */
	char *body, *head; /* text */
	size_t size;
};

/* Call the API. headers: "Name: value" lines ended by NULL, or NULL; a Content-Type of one's own
 * stands first. The reply lives until the next
 * call or world_end. */
struct reply call(struct world *w, enum who who, const char *method, const char *path,
	const char *body, const char *const *headers);
/* The same with printf-like body. */
struct reply callf(struct world *w, enum who who, const char *method, const char *path,
	const char *format, ...) UD_PRINTF(5, 6);
/* Call and expect a status; the body is printed when it differs. */
struct reply expect(struct world *w, enum who who, const char *method, const char *path,
	const char *body, int status);
/* A string member of a reply's object ("" when it is not there), by dotted path: "data.0.id". */
const char *text_at(json_t *json, const char *path);
int64_t number_at(json_t *json, const char *path);
/* Value of a response header, or NULL; lives as the reply. */
const char *header_of(struct world *w, const struct reply *r, const char *name);
/* printf into the world's arena. */
const char *fmt(struct world *w, const char *format, ...) UD_PRINTF(2, 3);
enum { RAW_PATIENCE_MS = 60000 };
/* Send raw bytes to the server's port and read until it closes, `last` has come (NULL: nothing ends
 * it), or nothing comes for so long; in the arena. */
const char *raw_until(struct world *w, const char *bytes, size_t n, const char *last,
	int silence_ms, size_t *ret_n);
/* The same with 0.7 s of silence: only for what need not be answered at all. */
const char *raw_exchange(struct world *w, const char *bytes, size_t n, size_t *ret_n);
/* Fail with the reply's body when a problem's code differs. */
void expect_code(const struct reply *r, int status, const char *code);

#endif
