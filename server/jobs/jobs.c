/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim, run, store; each thread one operation after the other.
 */
#include "server/jobs/jobs.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/env.h"
#include "base/id.h"
#include "base/log.h"
#include "db/events.h"

enum { LOOK_MS = 5000, THREADS = 3 };

struct thread {
	struct ud_jobs *jobs;
	ud_reader *reader;
	pthread_t id;
	bool running;
	uint64_t looked; /* wakes that it has followed */
};

struct ud_jobs {
	ud_database *db;
	const struct ud_job_kind *kinds;
	const struct ud_job_means *means;
	const struct ud_env *env;
	struct thread threads[THREADS];
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	bool stop;
	uint64_t wakes;
	char owner[UD_ULID_TEXT];
};

struct claim {
	struct ud_jobs *jobs;
	struct ud_job *job;
	bool found;
};

static enum ud_code apply_claim(struct ud_ctx *cx, void *data)
{
	struct claim *c = data;

	return ud_operation_claim(cx, c->jobs->owner, UD_JOB_LEASE_MS, &c->found, &c->job->op);
}

static enum ud_code apply_progress(struct ud_ctx *cx, void *data)
{
	return ud_operation_store(cx, data, UD_JOB_LEASE_MS);
}

static enum ud_code apply_end(struct ud_ctx *cx, void *data)
{
	struct ud_operation *op = data;

	UD_TRY(ud_operation_store(cx, op, 0));
	return ud_event_add(
		cx, ud_operation_states.names[op->state], ud_operations.shape, NULL, op);
}

enum ud_code ud_job_progress(
	struct ud_ctx *cx, struct ud_job *job, int64_t percent, const char *steps)
{
	pthread_mutex_lock(&job->jobs->mutex);
	bool stop = job->jobs->stop;

	pthread_mutex_unlock(&job->jobs->mutex);
	if (stop)
		return UD_E_STALE_VERSION; /* somebody goes on once the claim has run out */
	job->op.progress_percent = percent;
	job->op.steps.text = steps;
	cx->now_ms = ud_now_ms(cx->env);
	return ud_database_write(job->jobs->db, cx, apply_progress, &job->op);
}

enum ud_code ud_job_read_begin(struct ud_ctx *cx, struct ud_job *job)
{
	return ud_read_begin(cx, job->reader);
}

void ud_job_read_end(struct ud_ctx *cx, struct ud_job *job)
{
	ud_read_end(cx, job->reader);
}

enum ud_code ud_job_write(struct ud_ctx *cx, struct ud_job *job,
	enum ud_code (*apply)(struct ud_ctx *cx, void *data), void *data)
{
	cx->now_ms = ud_now_ms(cx->env);
	return ud_database_write(job->jobs->db, cx, apply, data);
}

static ud_job_run *run_of(const struct ud_jobs *jobs, const char *kind)
{
	for (const struct ud_job_kind *k = jobs->kinds; k->kind; k++)
		if (strcmp(k->kind, kind) == 0)
			return k->run;
	return NULL;
}

/* A problem as the operation's error, without words of ours for failures of ours. */
static const char *error_json(struct ud_ctx *cx, enum ud_code code)
{
	const struct ud_error_info *i = ud_error_info(code);
	struct ud_buf b = { 0 };

	ud_buf_printf(&b, "{\"code\":\"%s\",\"status\":%d,\"title\":", i->name, i->status);
	ud_buf_json(&b, i->title);
	ud_buf_puts(&b, ",\"detail\":");
	ud_buf_json(&b, code < UD_E_INTERNAL && cx->problem.detail ? cx->problem.detail : i->title);
	ud_buf_putc(&b, '}');
	return ud_buf_take(cx->arena, &b);
}

static void run_one(struct ud_jobs *jobs, struct ud_ctx *cx, struct ud_job *job)
{
	ud_job_run *run = run_of(jobs, job->op.kind);
	struct ud_scope scope = ud_scope_system("jobs");

	/* a customer's operation works with that customer's eyes */
	scope.customer_id = job->op.row.customer_id;
	cx->scope = &scope;
	cx->request_id = job->op.row.id;
	enum ud_code code = run
		? run(cx, job)
		: ud_fail(cx, UD_E_INTERNAL, NULL, "no work of kind %s", job->op.kind);

	if (code == UD_E_STALE_VERSION)
		return; /* canceled, or somebody else has it */
	job->op.state = code == UD_OK ? UD_OPERATION_SUCCEEDED : UD_OPERATION_FAILED;
	job->op.error.text = code == UD_OK ? NULL : error_json(cx, code);
	job->op.progress_percent = code == UD_OK ? 100 : job->op.progress_percent;
	cx->now_ms = ud_now_ms(cx->env);
	job->op.ended_at.ms = cx->now_ms;
	ud_log(code == UD_OK ? UD_LOG_INFO : UD_LOG_WARNING, "operation_ended", "op",
		job->op.row.id, "kind", job->op.kind, "state",
		ud_operation_states.names[job->op.state], "reason", cx->problem.detail, NULL);
	if (ud_database_write(jobs->db, cx, apply_end, &job->op) != UD_OK)
		ud_log(UD_LOG_WARNING, "operation_not_stored", "op", job->op.row.id, "reason",
			cx->problem.detail, NULL);
}

static bool pending(struct ud_ctx *cx, ud_reader *reader)
{
	bool there = false;

	if (ud_read_begin(cx, reader) != UD_OK)
		return false;
	if (ud_operation_pending(cx, &there) != UD_OK)
		there = false;
	ud_read_end(cx, reader);
	return there;
}

/* Work until there is none. */
static void work(struct thread *t)
{
	struct ud_jobs *jobs = t->jobs;
	bool found = true;

	while (found) {
		UD_AUTO(ud_arena) *arena = ud_arena_new();
		struct ud_scope scope = ud_scope_system("jobs");
		struct ud_ctx cx = { .arena = arena,
			.env = jobs->env,
			.now_ms = ud_now_ms(jobs->env),
			.scope = &scope,
			.request_id = "jobs" };
		struct ud_job job = { .jobs = jobs, .reader = t->reader, .means = jobs->means };
		struct claim claim = { jobs, &job, false };

		if (!pending(&cx, t->reader) ||
			ud_database_write(jobs->db, &cx, apply_claim, &claim) != UD_OK)
			return;
		found = claim.found;
		if (found)
			run_one(jobs, &cx, &job);
	}
}

static bool wait_for_work(struct thread *t)
{
	struct ud_jobs *jobs = t->jobs;
	struct timespec until;

	ud_deadline(LOOK_MS, &until);
	pthread_mutex_lock(&jobs->mutex);
	int rc = 0;

	while (t->looked == jobs->wakes && !jobs->stop && rc == 0)
		rc = pthread_cond_timedwait(&jobs->wake, &jobs->mutex, &until);
	t->looked = jobs->wakes;
	bool go_on = !jobs->stop;

	pthread_mutex_unlock(&jobs->mutex);
	return go_on;
}

static void *run(void *data)
{
	struct thread *t = data;

	do
		work(t);
	while (wait_for_work(t));
	return NULL;
}

static enum ud_code start_thread(struct ud_ctx *cx, struct ud_jobs *jobs, struct thread *t)
{
	t->jobs = jobs;
	UD_TRY(ud_reader_open(cx, jobs->db, &t->reader));
	if (pthread_create(&t->id, NULL, run, t) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot start a thread");
	t->running = true;
	return UD_OK;
}

enum ud_code ud_jobs_start(struct ud_ctx *cx, ud_database *db, const struct ud_job_kind *kinds,
	const struct ud_job_means *means, const struct ud_env *env, struct ud_jobs **ret)
{
	struct ud_jobs *jobs = ud_malloc(sizeof(*jobs));
	pthread_condattr_t monotonic;

	*ret = jobs;
	jobs->db = db;
	jobs->kinds = kinds;
	jobs->means = means;
	jobs->env = env;
	ud_ulid(env, cx->now_ms, jobs->owner);
	pthread_mutex_init(&jobs->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&jobs->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	for (size_t i = 0; i < THREADS; i++)
		UD_TRY(start_thread(cx, jobs, &jobs->threads[i]));
	return UD_OK;
}

void ud_jobs_wake(struct ud_jobs *jobs)
{
	pthread_mutex_lock(&jobs->mutex);
	jobs->wakes++;
	pthread_cond_broadcast(&jobs->wake);
	pthread_mutex_unlock(&jobs->mutex);
}

void ud_jobs_release(struct ud_jobs **pjobs)
{
	struct ud_jobs *jobs = *pjobs;

	if (!jobs)
		return;
	pthread_mutex_lock(&jobs->mutex);
	jobs->stop = true;
	pthread_cond_broadcast(&jobs->wake);
	pthread_mutex_unlock(&jobs->mutex);
	for (size_t i = 0; i < THREADS; i++) {
		if (jobs->threads[i].running)
			pthread_join(jobs->threads[i].id, NULL);
		ud_reader_release(&jobs->threads[i].reader);
	}
	pthread_mutex_destroy(&jobs->mutex);
	pthread_cond_destroy(&jobs->wake);
	ud_free(jobs);
	*pjobs = NULL;
}
