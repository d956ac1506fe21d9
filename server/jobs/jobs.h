/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runner of operations: a few threads that claim them and run the function of their kind, so
 * that a long export keeps no fence device waiting. What one had begun when the process ended is
 * claimed again by whoever comes first, and runs from its start: a kind's work is idempotent. Its
 * claim ends after UD_JOB_LEASE_MS without progress.
 */
#ifndef SERVER_JOBS_JOBS_H
#define SERVER_JOBS_JOBS_H

#include "db/engine/database.h"
#include "db/operations.h"

struct ud_jobs;
struct ud_job;
struct ud_smtp;

enum { UD_JOB_LEASE_MS = 30000 };

/* Work of one kind. It reads with ud_job_read…, tells its progress, and leaves its result. */
typedef enum ud_code ud_job_run(struct ud_ctx *cx, struct ud_job *job);

struct ud_job_kind {
	const char *kind;
	ud_job_run *run;
	bool shown; /* its result comes with the operation, not only by itself */
	bool final; /* what has begun is brought to its end: it cannot be canceled */
};

/* What work may need of the installation; outlives the runner. */
struct ud_job_means {
	const unsigned char *seal; /* key of stored secrets */
	const char *fence_agents;  /* folder of the programs that speak to fence devices */
	/* what calls of plans are signed with (NULL = none are made), whom they may reach inside,
	 * and the authorities that are trusted (NULL = the system's) */
	const char *webhook_key, *webhook_allow, *webhook_ca_file;
	const struct ud_smtp *smtp; /* how letters leave */
	const char *attachments;    /* folder of tickets' files; NULL = none are kept */
};

struct ud_job {
	struct ud_jobs *jobs;
	ud_reader *reader;
	const struct ud_job_means *means;
	struct ud_operation op; /* as claimed; result.text is what the kind leaves */
};

/* Start the runner over a table of kinds ended by a NULL kind. Release before the database. */
enum ud_code ud_jobs_start(struct ud_ctx *cx, ud_database *db, const struct ud_job_kind *kinds,
	const struct ud_job_means *means, const struct ud_env *env, struct ud_jobs **ret) UD_USE;
void ud_jobs_release(struct ud_jobs **jobs);
/* Look for work now; any thread, never blocks. */
void ud_jobs_wake(struct ud_jobs *jobs);

/* Begin and end reading with the runner's connection. cx->scope is the job's. */
enum ud_code ud_job_read_begin(struct ud_ctx *cx, struct ud_job *job) UD_USE;
void ud_job_read_end(struct ud_ctx *cx, struct ud_job *job);
/* Change rows, in one write. */
enum ud_code ud_job_write(struct ud_ctx *cx, struct ud_job *job,
	enum ud_code (*apply)(struct ud_ctx *cx, void *data), void *data) UD_USE;
/* Store how far it is, and its steps as a JSON text. UD_E_STALE_VERSION: stop, it was canceled or
 * taken over, or the runner is being released. */
enum ud_code ud_job_progress(
	struct ud_ctx *cx, struct ud_job *job, int64_t percent, const char *steps) UD_USE;

#endif
