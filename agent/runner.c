/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue per subject and a few threads that serve them.
 */
#include "agent/runner.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "base/log.h"

enum { WORKERS = 8, RETRY_MS = 1000, ID = 64, STEPS = 32768 };

struct task {
	struct task *next;
	char *payload;
	bool again;
	bool urgent; /* what takes long and can be asked for again gives way to it */
};

/* A VM or the host, as long as something is to be done about it. */
struct subject {
	struct subject *next;
	char id[ID];
	struct task *first, *last;
	bool busy;
	/* of the command that runs */
	int64_t seq, percent;
	char *steps;
	bool told; /* the newest progress was */
};

struct ud_runner {
	struct ud_runner_settings settings;
	unsigned char key[UD_SIGN_PUBLIC];
	pthread_t workers[WORKERS];
	size_t worker_count;
	pthread_mutex_t mutex; /* all below */
	pthread_cond_t wake;
	pthread_cond_t pause; /* verbs that wait; only the end is told */
	struct subject *subjects;
	bool stop, quarantine;
};

static struct ud_ctx context(const struct ud_runner *r, ud_arena *arena)
{
	const struct ud_env *env = r->settings.station->env;

	return (struct ud_ctx){
		.arena = arena, .env = env, .now_ms = ud_now_ms(env), .request_id = "command"
	};
}

static void changed(const struct ud_runner *r)
{
	if (r->settings.changed)
		r->settings.changed(r->settings.data);
}

/* ---- queues ---- */

/* Under the mutex. */
static struct subject *subject_of(struct ud_runner *r, const char *id, bool make)
{
	struct subject *s = r->subjects;

	while (s && strcmp(s->id, id) != 0)
		s = s->next;
	if (s || !make)
		return s;
	s = ud_malloc(sizeof(*s));
	snprintf(s->id, sizeof(s->id), "%s", id);
	s->next = r->subjects;
	s->told = true;
	r->subjects = s;
	return s;
}

/* Steps of failovers, and what gives the VM another part, do not wait for hours. */
static bool is_urgent(const struct ud_runner *r, const struct ud_wire_command *c)
{
	const struct ud_verb *v = c->verb ? ud_verb_find(r->settings.verbs, c->verb) : NULL;

	return v && v->flags & (UD_VERB_TICKET | UD_VERB_RAISES);
}

static void enqueue(
	struct ud_runner *r, const struct ud_wire_command *c, const char *payload, bool again)
{
	struct task *t = ud_malloc(sizeof(*t));

	t->payload = ud_heap_strdup(payload);
	t->again = again;
	t->urgent = is_urgent(r, c);
	pthread_mutex_lock(&r->mutex);
	struct subject *s = subject_of(r, c->subject_id, true);

	if (s->last)
		s->last->next = t;
	else
		s->first = t;
	s->last = t;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->mutex);
}

/* The next task of a subject that nobody works for, or NULL. Under the mutex. */
static struct task *take_task(struct ud_runner *r, struct subject **ret_subject)
{
	for (struct subject *s = r->subjects; s; s = s->next) {
		if (s->busy || !s->first)
			continue;
		struct task *t = s->first;

		s->first = t->next;
		s->last = s->first ? s->last : NULL;
		s->busy = true;
		*ret_subject = s;
		return t;
	}
	return NULL;
}

static void free_task(struct task *t)
{
	ud_free(t->payload);
	ud_free(t);
}

static void free_subject(struct subject *s)
{
	for (struct task *t = s->first, *next; t; t = next) {
		next = t->next;
		free_task(t);
	}
	ud_free(s->steps);
	ud_free(s);
}

/* Under the mutex. */
static void leave_subject(struct ud_runner *r, struct subject *s)
{
	struct subject **at = &r->subjects;

	s->busy = false;
	s->seq = 0;
	s->told = true;
	if (s->first) {
		pthread_cond_signal(&r->wake);
		return;
	}
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	free_subject(s);
}

size_t ud_runner_busy(struct ud_runner *r)
{
	size_t n = 0;

	pthread_mutex_lock(&r->mutex);
	for (const struct subject *s = r->subjects; s; s = s->next) {
		n += s->busy;
		for (const struct task *t = s->first; t; t = t->next)
			n++;
	}
	pthread_mutex_unlock(&r->mutex);
	return n;
}

/* ---- progress ---- */

void ud_act_progress(struct ud_act *act, int64_t percent, const char *steps)
{
	struct ud_runner *r = act->runner;

	if (!r || (steps && strlen(steps) > STEPS))
		return;
	pthread_mutex_lock(&r->mutex);
	struct subject *s = subject_of(r, act->command->subject_id, false);

	if (s) {
		s->seq = act->command->seq;
		s->percent = percent;
		ud_free(s->steps);
		s->steps = steps ? ud_heap_strdup(steps) : NULL;
		s->told = false;
	}
	pthread_mutex_unlock(&r->mutex);
	changed(r);
}

void ud_runner_progress(struct ud_runner *r, ud_runner_progressed *each, void *data)
{
	pthread_mutex_lock(&r->mutex);
	for (struct subject *s = r->subjects; s; s = s->next) {
		const struct ud_wire_progress p = { .subject_id = s->id,
			.seq = s->seq,
			.percent = s->percent,
			.steps.text = s->steps };

		if (!s->told && s->seq)
			each(data, &p);
		s->told = true;
	}
	pthread_mutex_unlock(&r->mutex);
}

void ud_runner_quarantine(struct ud_runner *r, bool on)
{
	pthread_mutex_lock(&r->mutex);
	r->quarantine = on;
	pthread_mutex_unlock(&r->mutex);
}

static bool in_quarantine(struct ud_runner *r)
{
	pthread_mutex_lock(&r->mutex);
	bool on = r->quarantine;

	pthread_mutex_unlock(&r->mutex);
	return on;
}

/* ---- doing ---- */

enum ud_code ud_act_point(struct ud_ctx *cx, struct ud_act *act, const char *point)
{
	struct ud_station *s = act->station;

	if (act->mark_count < UD_STATEMENT_MARKS)
		act->marks[act->mark_count++] = (struct ud_statement_mark){ point,
			ud_mono_ms(cx->env) - act->began_mono_ms };
	if (s->dies && s->dies(s->dies_data, act->command, point))
		atomic_store(&s->dead, true);
	return atomic_load(&s->dead) ? ud_fail(cx, UD_E_UNAVAILABLE, NULL, "died at %s", point)
				     : UD_OK;
}

static enum ud_code check_verb(struct ud_ctx *cx, struct ud_runner *r, const struct ud_verb *v,
	const struct ud_wire_command *c)
{
	bool host = strcmp(c->subject_id, c->host_id) == 0;

	if (!v)
		return ud_fail(cx, UD_E_UNSUPPORTED, NULL, "This agent has no verb %s.", c->verb);
	if (host != !!(v->flags & UD_VERB_HOST) || (!host && !c->uuid))
		return ud_fail(cx, UD_E_VALIDATION, NULL, "%s is not about %s.", c->verb,
			host ? "a host" : "a VM without UUID");
	if (v->flags & UD_VERB_TICKET && (!c->ticket_id || !c->plan_hash))
		return ud_fail(cx, UD_E_VALIDATION, NULL,
			"%s needs a ticket and the hash of its plan.", c->verb);
	if (!(v->flags & UD_VERB_QUARANTINE) && in_quarantine(r))
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"The agent is in quarantine until a person has looked at it.");
	return UD_OK;
}

static enum ud_code read_args(struct ud_ctx *cx, const struct ud_verb *v, struct ud_act *act)
{
	const char *text = act->command->args.text ? act->command->args.text : "{}";

	if (!v->args)
		return strcmp(text, "{}") == 0
			? UD_OK
			: ud_fail(cx, UD_E_VALIDATION, NULL, "%s takes no arguments.", v->verb);
	void *args = ud_alloc(cx->arena, v->args->size);

	UD_TRY(ud_shape_read(cx, v->args, text, strlen(text), args));
	act->args = args;
	return UD_OK;
}

/* What a verb that must not run twice left when it was interrupted. */
static enum ud_code look(struct ud_ctx *cx, const struct ud_verb *v, struct ud_act *act)
{
	act->begun = true;
	if (v->look && v->look(cx, act) == UD_OK)
		return UD_OK;
	ud_ctx_clear(cx);
	return ud_fail(cx, UD_E_OUTCOME_UNKNOWN, NULL,
		"The agent ended while it did this, and nothing shows whether it was done.");
}

static enum ud_code perform(struct ud_ctx *cx, struct ud_runner *r, struct ud_act *act)
{
	const struct ud_verb *v = ud_verb_find(r->settings.verbs, act->command->verb);

	UD_TRY(check_verb(cx, r, v, act->command));
	UD_TRY(read_args(cx, v, act));
	UD_TRY(ud_act_point(cx, act, "taken"));
	enum ud_code code =
		act->again && !(v->flags & UD_VERB_REPEATABLE) ? look(cx, v, act) : v->run(cx, act);

	UD_TRY(code);
	return ud_act_point(cx, act, "done");
}

/* As a problem of the API. What went wrong inside us is for the log. */
static const char *error_text(struct ud_ctx *cx, enum ud_code code)
{
	const struct ud_error_info *i = ud_error_info(code);
	bool ours = code >= UD_E_INTERNAL && code != UD_E_OUTCOME_UNKNOWN;
	struct ud_buf b = { 0 };

	ud_buf_printf(&b, "{\"code\":\"%s\",\"status\":%d,\"title\":",
		code == UD_E_OUTCOME_UNKNOWN ? "interrupted" : i->name, i->status);
	ud_buf_json(&b, i->title);
	ud_buf_puts(&b, ",\"detail\":");
	ud_buf_json(&b, !ours && cx->problem.detail ? cx->problem.detail : i->title);
	ud_buf_putc(&b, '}');
	return ud_buf_take(cx->arena, &b);
}

static unsigned outcome_of(enum ud_code code, const struct ud_act *act)
{
	if (code == UD_OK)
		return UD_OUTCOME_DONE;
	if (code == UD_E_OUTCOME_UNKNOWN)
		return UD_OUTCOME_UNKNOWN;
	return act->begun || code >= UD_E_HYPERVISOR ? UD_OUTCOME_FAILED : UD_OUTCOME_REFUSED;
}

/* False when the agent must end without it. */
static bool wait_a_moment(struct ud_runner *r)
{
	struct timespec until;
	int rc = 0;

	if (r->settings.pass) {
		r->settings.pass(r->settings.data, RETRY_MS);
		return !atomic_load(&r->settings.station->dead);
	}
	ud_deadline(RETRY_MS, &until);
	pthread_mutex_lock(&r->mutex);
	while (!r->stop && rc == 0)
		rc = pthread_cond_timedwait(&r->wake, &r->mutex, &until);
	bool go_on = !r->stop;

	pthread_mutex_unlock(&r->mutex);
	return go_on;
}

enum ud_code ud_act_wait(struct ud_ctx *cx, struct ud_act *act, int64_t ms)
{
	struct ud_runner *r = act->runner;
	struct timespec until;
	int rc = 0;

	if (r->settings.pass)
		r->settings.pass(r->settings.data, ms);
	ud_deadline(r->settings.pass ? 0 : ms, &until);
	pthread_mutex_lock(&r->mutex);
	while (!r->stop && rc == 0)
		rc = pthread_cond_timedwait(&r->pause, &r->mutex, &until);
	act->left = r->stop || atomic_load(&act->station->dead);
	pthread_mutex_unlock(&r->mutex);
	return act->left ? ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the agent ends") : UD_OK;
}

bool ud_act_gives_way(struct ud_act *act)
{
	struct ud_runner *r = act->runner;
	bool urgent = false;

	pthread_mutex_lock(&r->mutex);
	const struct subject *s = subject_of(r, act->command->subject_id, false);

	for (const struct task *t = s ? s->first : NULL; t; t = t->next)
		urgent |= t->urgent;
	act->left = r->stop || atomic_load(&act->station->dead);
	pthread_mutex_unlock(&r->mutex);
	return urgent || act->left;
}

/* An answer that is not stored is not sent; a full disk is waited for. */
static void store_answer(struct ud_ctx *cx, struct ud_runner *r, struct ud_act *act,
	const struct ud_wire_result *answer)
{
	const struct ud_journal_vm *vm = answer->outcome == UD_OUTCOME_DONE ? act->vm : NULL;

	while (ud_journal_end(cx, act->station->journal, act->command, answer, vm) != UD_OK) {
		ud_log(UD_LOG_ERROR, "answer_not_stored", "subject", answer->subject_id, "reason",
			cx->problem.detail, NULL);
		ud_ctx_clear(cx);
		if (!wait_a_moment(r))
			return;
	}
	/* a crash from here on: the answer is sent after the restart */
	(void)!ud_act_point(cx, act, "ended");
	changed(r);
}

/* What was seen, signed. An answer is worth more than its signature: it goes without, if need be.
 */
static void state(struct ud_ctx *cx, struct ud_act *act, struct ud_wire_result *answer)
{
	const struct ud_station *s = act->station;
	const struct ud_wire_command *c = act->command;
	struct ud_statement said = { .agent_id = s->config->agent_id,
		.host_id = c->host_id,
		.subject_id = c->subject_id,
		.seq = c->seq,
		.epoch = c->epoch,
		.verb = c->verb,
		.ticket_id = c->ticket_id,
		.outcome = ud_outcomes.names[answer->outcome],
		.again = act->again,
		.began_ms = act->began_ms,
		.ended_ms = ud_now_ms(cx->env),
		.took_ms = ud_mono_ms(cx->env) - act->began_mono_ms,
		.mark_count = act->mark_count,
		.result = answer->result.text };

	if (!s->statement_key || !ud_statement_wanted(c->verb))
		return;
	memcpy(said.marks, act->marks, sizeof(said.marks));
	if (ud_statement_write(
		    cx, s->statement_key, &said, &answer->statement, &answer->signature) == UD_OK)
		return;
	ud_log(UD_LOG_WARNING, "answer_not_signed", "subject", c->subject_id, "verb", c->verb,
		"reason", cx->problem.detail, NULL);
	ud_ctx_clear(cx);
}

static void run_command(
	struct ud_ctx *cx, struct ud_runner *r, const struct ud_wire_command *c, bool again)
{
	struct ud_act act = { .station = r->settings.station,
		.command = c,
		.again = again,
		.runner = r,
		.began_ms = ud_now_ms(cx->env),
		.began_mono_ms = ud_mono_ms(cx->env) };
	enum ud_code code = perform(cx, r, &act);

	if (act.left || atomic_load(&act.station->dead))
		return;
	struct ud_wire_result answer = { .subject_id = c->subject_id,
		.seq = c->seq,
		.outcome = outcome_of(code, &act),
		.result.text = code == UD_OK ? (act.result ? act.result : "{}") : NULL,
		.error.text = code == UD_OK ? NULL : error_text(cx, code) };

	ud_log(code == UD_OK ? UD_LOG_INFO : UD_LOG_WARNING, "command_ended", "subject",
		c->subject_id, "seq", ud_printf(cx->arena, "%lld", (long long)c->seq), "verb",
		c->verb, "outcome", ud_outcomes.names[answer.outcome], "reason",
		code == UD_OK ? NULL : cx->problem.detail, NULL);
	ud_ctx_clear(cx);
	state(cx, &act, &answer);
	store_answer(cx, r, &act, &answer);
}

static void run_task(struct ud_runner *r, const struct task *t)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = context(r, arena);
	struct ud_wire_command c = { 0 };

	/* it was read before it was taken */
	if (ud_shape_read(&cx, &ud_wire_command_shape, t->payload, strlen(t->payload), &c) != UD_OK)
		ud_log(UD_LOG_ERROR, "journal_unreadable", "reason", cx.problem.detail, NULL);
	else
		run_command(&cx, r, &c, t->again);
}

static void *work(void *data)
{
	struct ud_runner *r = data;

	pthread_mutex_lock(&r->mutex);
	while (!r->stop) {
		struct subject *s = NULL;
		struct task *t = take_task(r, &s);

		if (!t) {
			pthread_cond_wait(&r->wake, &r->mutex);
			continue;
		}
		pthread_mutex_unlock(&r->mutex);
		if (!atomic_load(&r->settings.station->dead))
			run_task(r, t);
		free_task(t);
		pthread_mutex_lock(&r->mutex);
		leave_subject(r, s);
	}
	pthread_mutex_unlock(&r->mutex);
	return NULL;
}

bool ud_runner_step(struct ud_runner *r)
{
	struct subject *s = NULL;

	pthread_mutex_lock(&r->mutex);
	struct task *t = take_task(r, &s);

	pthread_mutex_unlock(&r->mutex);
	if (!t)
		return false;
	if (!atomic_load(&r->settings.station->dead))
		run_task(r, t);
	free_task(t);
	pthread_mutex_lock(&r->mutex);
	leave_subject(r, s);
	pthread_mutex_unlock(&r->mutex);
	return true;
}

/* ---- taking ---- */

static void tell_taken(const struct ud_wire_command *c, enum ud_taken taken, struct ud_ctx *cx)
{
	static const char *const names[] = { [UD_TAKEN_NEW] = "new",
		[UD_TAKEN_KNOWN] = "known",
		[UD_TAKEN_ENDED] = "ended",
		[UD_TAKEN_REFUSED] = "refused",
		[UD_TAKEN_STALE] = "stale" };

	ud_log(taken == UD_TAKEN_NEW ? UD_LOG_INFO : UD_LOG_WARNING, "command_taken", "subject",
		c->subject_id, "seq", ud_printf(cx->arena, "%lld", (long long)c->seq), "verb",
		c->verb, "taken", names[taken], NULL);
}

enum ud_code ud_runner_offer(struct ud_ctx *cx, struct ud_runner *r,
	const struct ud_wire_signed *message, const struct ud_wire_command **ret_stale)
{
	struct ud_station *station = r->settings.station;
	struct ud_wire_command *c = ud_alloc(cx->arena, sizeof(*c));
	enum ud_taken taken = UD_TAKEN_STALE;

	if (ret_stale)
		*ret_stale = NULL;
	UD_TRY(ud_wire_open(cx, r->key, message, c));
	if (strcmp(c->host_id, station->config->host_id) != 0)
		return ud_fail(
			cx, UD_E_VALIDATION, NULL, "The command is for host %s.", c->host_id);
	const struct ud_verb *v = ud_verb_find(r->settings.verbs, c->verb);

	UD_TRY(ud_journal_take(
		cx, station->journal, c, message->payload, v && v->flags & UD_VERB_RAISES, &taken));
	tell_taken(c, taken, cx);
	if (taken == UD_TAKEN_NEW)
		enqueue(r, c, message->payload, false);
	else if (taken == UD_TAKEN_ENDED || taken == UD_TAKEN_REFUSED)
		changed(r);
	else if (taken == UD_TAKEN_STALE && ret_stale)
		*ret_stale = c;
	return UD_OK;
}

/* ---- start and end ---- */

static enum ud_code go_on(
	struct ud_ctx *cx, void *data, const char *payload, const struct ud_wire_result *result)
{
	struct ud_wire_command c = { 0 };

	if (ud_shape_read(cx, &ud_wire_command_shape, payload, strlen(payload), &c) != UD_OK)
		ud_ctx_clear(cx); /* who runs it says so */
	c.subject_id = result->subject_id;
	enqueue(data, &c, payload, true);
	return UD_OK;
}

static enum ud_code read_key(struct ud_ctx *cx, struct ud_runner *r)
{
	size_t n = 0;
	const unsigned char *key =
		ud_base64url_decode(cx->arena, r->settings.station->config->command_key, &n);

	if (!key || n != UD_SIGN_PUBLIC)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "[agent] command_key is no key");
	memcpy(r->key, key, sizeof(r->key));
	return UD_OK;
}

static enum ud_code start(struct ud_ctx *cx, struct ud_runner *r)
{
	UD_TRY(read_key(cx, r));
	UD_TRY(ud_journal_working(cx, r->settings.station->journal, go_on, r));
	while (!r->settings.pass && r->worker_count < WORKERS) {
		if (pthread_create(&r->workers[r->worker_count], NULL, work, r) != 0)
			return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot start a thread");
		r->worker_count++;
	}
	return UD_OK;
}

enum ud_code ud_runner_start(
	struct ud_ctx *cx, const struct ud_runner_settings *settings, struct ud_runner **ret)
{
	struct ud_runner *r = ud_malloc(sizeof(*r));
	pthread_condattr_t monotonic;

	r->settings = *settings;
	pthread_mutex_init(&r->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, &monotonic);
	pthread_cond_init(&r->pause, &monotonic);
	pthread_condattr_destroy(&monotonic);
	enum ud_code code = start(cx, r);

	if (code != UD_OK) {
		ud_runner_release(&r);
		return code;
	}
	*ret = r;
	return UD_OK;
}

void ud_runner_release(struct ud_runner **pr)
{
	struct ud_runner *r = *pr;

	if (!r)
		return;
	pthread_mutex_lock(&r->mutex);
	r->stop = true;
	pthread_cond_broadcast(&r->wake);
	pthread_cond_broadcast(&r->pause);
	pthread_mutex_unlock(&r->mutex);
	for (size_t i = 0; i < r->worker_count; i++)
		pthread_join(r->workers[i], NULL);
	for (struct subject *s = r->subjects, *next; s; s = next) {
		next = s->next;
		free_subject(s);
	}
	pthread_mutex_destroy(&r->mutex);
	pthread_cond_destroy(&r->wake);
	pthread_cond_destroy(&r->pause);
	ud_free(r);
	*pr = NULL;
}
