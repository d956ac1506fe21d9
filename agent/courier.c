/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two loops. The server sends a command until the journal has it and the poll says so; an answer is
 * sent until the server says that it took it.
 */
#include "agent/courier.h"

#include <pthread.h>
#include <string.h>

#include "base/crypto.h"
#include "base/env.h"
#include "base/log.h"

enum {
	KEY_MS = 60000,
	CALL_MS = 30000,
	POLL_MS = 40000,
	SEEN_MS = 15000, /* an answer waits no longer for what is seen to be told */
	LOOK_MS = 1000,
	WAIT_MIN = 20,
	JITTER = 6
};

struct ud_courier {
	struct ud_station *station;
	ud_link *link;
	struct ud_runner *runner;
	struct ud_reporter *reporter;
	pthread_t threads[2];
	size_t thread_count;
	pthread_mutex_t mutex; /* the two below */
	pthread_cond_t wake;
	bool news, stop;
	/* the sender's: does the server have our key for statements, and since when do we know */
	bool key_taken;
	int64_t key_mono_ms;
};

/* What the server answers a poll with. */
struct commands {
	struct ud_json commands;
};
/* clang-format off */
static const struct ud_field commands_fields[] = {
	UD_FIELD(commands, commands, .flags = UD_REQUIRED, .max = 1 << 24, .about = "Signed commands."),
};
/* clang-format on */
static const struct ud_shape commands_shape = { UD_SHAPE(commands, commands_fields), .bare = true };

static struct ud_ctx context(const struct ud_courier *c, ud_arena *arena)
{
	const struct ud_env *env = c->station->env;

	return (struct ud_ctx){
		.arena = arena, .env = env, .now_ms = ud_now_ms(env), .request_id = "courier"
	};
}

static bool dead(const struct ud_courier *c)
{
	return atomic_load(&c->station->dead);
}

static bool ended(const struct ud_courier *c)
{
	return ud_link_stopped(c->link) || dead(c);
}

/* ---- poll ---- */

static enum ud_code add_number(
	struct ud_ctx *cx, void *data, const char *payload, const struct ud_wire_result *r)
{
	struct ud_buf *b = data;

	(void)cx, (void)payload;
	ud_buf_printf(b, "%s\"%s/%lld\"", b->len > 1 ? "," : "", r->subject_id, (long long)r->seq);
	return UD_OK;
}

static enum ud_code add_head(struct ud_ctx *cx, void *data, const struct ud_wire_head *head)
{
	struct ud_buf *b = data;

	(void)cx;
	ud_buf_puts(b, b->len > 1 ? "," : "");
	ud_shape_encode(b, &ud_wire_head_shape, head, NULL);
	return UD_OK;
}

static const char *close_list(struct ud_ctx *cx, struct ud_buf *b)
{
	ud_buf_putc(b, ']');
	const char *text = ud_strdup(cx->arena, ud_buf_text(b));

	ud_buf_free(b);
	return text;
}

static enum ud_code journal_state(struct ud_ctx *cx, ud_journal *j, struct ud_wire_poll *ret)
{
	struct ud_buf numbers = { 0 }, heads = { 0 };

	ud_buf_putc(&numbers, '[');
	ud_buf_putc(&heads, '[');
	enum ud_code code = ud_journal_working(cx, j, add_number, &numbers);

	if (code == UD_OK)
		code = ud_journal_unsent(cx, j, add_number, &numbers);
	if (code == UD_OK)
		code = ud_journal_heads(cx, j, add_head, &heads);
	ret->working.text = close_list(cx, &numbers);
	ret->heads.text = close_list(cx, &heads);
	return code;
}

/* An old number: the server's row must end, and only this much is true. */
static enum ud_code answer_stale(
	struct ud_ctx *cx, struct ud_courier *c, const struct ud_wire_command *command)
{
	const struct ud_wire_result r = { .subject_id = command->subject_id,
		.seq = command->seq,
		.outcome = UD_OUTCOME_UNKNOWN,
		.error.text =
			"{\"code\":\"stale_number\",\"status\":409,\"title\":\"The number is an old one\","
			"\"detail\":\"The host has taken a newer command of this VM; this one was not done now.\"}",
		.agent_boot = ud_link_run(c->link) };

	return ud_link_send(cx, c->link, "/v1/agent/result", &ud_wire_result_shape, &r, CALL_MS,
		NULL, NULL, NULL);
}

/* Take them all; the first failure is what the next poll waits for. */
static enum ud_code take(struct ud_ctx *cx, struct ud_courier *c, const struct commands *in)
{
	struct ud_wire_signed *all = NULL;
	enum ud_code worst = UD_OK;
	size_t n = 0;

	UD_TRY(ud_shape_read_list(cx, &ud_wire_signed_shape, in->commands.text, 1000, &all, &n));
	for (size_t i = 0; i < n && !dead(c); i++) {
		const struct ud_wire_command *stale = NULL;
		enum ud_code code = ud_runner_offer(cx, c->runner, &all[i], &stale);

		if (code == UD_OK && stale)
			code = answer_stale(cx, c, stale);
		if (code != UD_OK)
			ud_log(UD_LOG_WARNING, "command_not_taken", "reason", cx->problem.detail,
				NULL);
		worst = worst == UD_OK ? code : worst;
	}
	return worst;
}

static enum ud_code poll_once(struct ud_ctx *cx, struct ud_courier *c)
{
	struct ud_wire_poll in = { .agent_boot = ud_link_run(c->link),
		.host_boot = c->station->host_boot,
		.agent_version = UD_VERSION };
	struct commands out = { 0 };
	unsigned char r = 0;
	bool none = false;

	UD_TRY(journal_state(cx, c->station->journal, &in));
	ud_random(cx->env, &r, sizeof(r));
	UD_TRY(ud_link_send(cx, c->link,
		ud_printf(cx->arena, "/v1/agent/poll?wait=%d", WAIT_MIN + r % JITTER),
		&ud_wire_poll_shape, &in, POLL_MS, &commands_shape, &out, &none));
	return none || dead(c) ? UD_OK : take(cx, c, &out);
}

static void *poll_loop(void *data)
{
	struct ud_courier *c = data;

	for (bool go_on = true; go_on && !ended(c);) {
		UD_AUTO(ud_arena) *arena = ud_arena_new();
		struct ud_ctx cx = context(c, arena);
		enum ud_code code = poll_once(&cx, c);

		if (code != UD_OK && !ended(c))
			ud_log(UD_LOG_WARNING, "poll_failed", "code", ud_error_info(code)->name,
				"reason", cx.problem.detail, NULL);
		go_on = ud_link_pause(&cx, c->link, code);
	}
	return NULL;
}

/* ---- answers ---- */

struct answers {
	struct ud_wire_result all[UD_JOURNAL_PAGE];
	bool seen[UD_JOURNAL_PAGE]; /* what is seen is told before it */
	size_t count;
};

/* Whoever hears that a VM was started finds it running, and not as it was told of before. */
static bool is_seen(struct ud_ctx *cx, const char *payload, const struct ud_wire_result *r)
{
	struct ud_wire_command c = { 0 };

	if (r->outcome != UD_OUTCOME_DONE || !payload)
		return false;
	if (ud_shape_read(cx, &ud_wire_command_shape, payload, strlen(payload), &c) != UD_OK) {
		ud_ctx_clear(cx);
		return false;
	}
	const struct ud_verb *v = ud_verb_find(ud_agent_verbs, c.verb);

	return v && v->flags & UD_VERB_SEEN;
}

static enum ud_code add_answer(
	struct ud_ctx *cx, void *data, const char *payload, const struct ud_wire_result *r)
{
	struct answers *a = data;

	if (a->count == UD_LEN(a->all))
		return UD_OK;
	a->seen[a->count] = is_seen(cx, payload, r);
	a->all[a->count++] = *r;
	return UD_OK;
}

/*
 * The server is told the key before what is signed with it, and anew a minute later: it may have
 * been put back to a state before it knew. One that does not take it gets answers without
 * statements, which is how all that do not know of statements are answered.
 */
static enum ud_code tell_key(struct ud_ctx *cx, struct ud_courier *c)
{
	unsigned char public_key[UD_SIGN_PUBLIC];
	int64_t now = ud_mono_ms(c->station->env);

	if (!c->station->statement_key || (c->key_mono_ms && now - c->key_mono_ms < KEY_MS))
		return UD_OK;
	ud_sign_public(c->station->statement_key, public_key);
	const struct ud_wire_key key = { ud_hex(cx->arena, public_key, sizeof(public_key)) };
	enum ud_code code = ud_link_send(cx, c->link, "/v1/agent/statement-key", &ud_wire_key_shape,
		&key, CALL_MS, NULL, NULL, NULL);

	if (code == UD_E_UNAVAILABLE || code == UD_E_CERTIFICATE_REFUSED)
		return code;
	c->key_taken = code == UD_OK;
	c->key_mono_ms = now ? now : 1;
	if (code != UD_OK)
		ud_log(UD_LOG_WARNING, "statement_key_not_taken", "code", ud_error_info(code)->name,
			"reason", cx->problem.detail, NULL);
	ud_ctx_clear(cx);
	return UD_OK;
}

static enum ud_code send_result(struct ud_ctx *cx, struct ud_courier *c, struct ud_wire_result *r)
{
	if (r->statement)
		UD_TRY(tell_key(cx, c));
	if (!c->key_taken)
		r->statement = r->signature = NULL;
	r->agent_boot = ud_link_run(c->link);
	return ud_link_send(cx, c->link, "/v1/agent/result", &ud_wire_result_shape, r, CALL_MS,
		NULL, NULL, NULL);
}

/* Refused for what it says and not for who says it: then its outcome alone is told. */
static bool unsayable(enum ud_code code)
{
	return code == UD_E_VALIDATION || code == UD_E_BODY_TOO_LARGE || code == UD_E_MALFORMED;
}

static enum ud_code send_one(struct ud_ctx *cx, struct ud_courier *c, struct ud_wire_result *r)
{
	enum ud_code code = send_result(cx, c, r);

	if (unsayable(code)) {
		ud_log(UD_LOG_ERROR, "answer_refused", "subject", r->subject_id, "reason",
			cx->problem.detail, NULL);
		r->result.text = r->error.text = NULL;
		r->statement = r->signature = NULL;
		code = send_result(cx, c, r);
	}
	if (code != UD_OK || dead(c))
		return code;
	return ud_journal_sent(cx, c->station->journal, r->subject_id, r->seq);
}

static enum ud_code send_those(
	struct ud_ctx *cx, struct ud_courier *c, struct answers *a, bool seen, size_t *ret_n)
{
	*ret_n = 0;
	for (size_t i = 0; i < a->count && !ended(c); i++) {
		if (a->seen[i] != seen)
			continue;
		UD_TRY(send_one(cx, c, &a->all[i]));
		++*ret_n;
	}
	return UD_OK;
}

/* All there are; *ret_more when there may be others. Steps of failovers do not wait for a look. */
static enum ud_code send_answers(struct ud_ctx *cx, struct ud_courier *c, bool *ret_more)
{
	struct answers *a = ud_alloc(cx->arena, sizeof(*a));
	size_t n = 0;

	UD_TRY(ud_journal_unsent(cx, c->station->journal, add_answer, a));
	UD_TRY(send_those(cx, c, a, false, &n));
	if (n < a->count && !ended(c)) {
		ud_reporter_tell(c->reporter, SEEN_MS);
		UD_TRY(send_those(cx, c, a, true, &n));
	}
	*ret_more = a->count == UD_LEN(a->all);
	return UD_OK;
}

struct progresses {
	ud_arena *arena;
	struct ud_wire_progress all[UD_JOURNAL_PAGE];
	size_t count;
};

static void add_progress(void *data, const struct ud_wire_progress *p)
{
	struct progresses *all = data;

	if (all->count == UD_LEN(all->all))
		return;
	struct ud_wire_progress *mine = &all->all[all->count++];

	*mine = *p;
	mine->subject_id = ud_strdup(all->arena, p->subject_id);
	mine->steps.text = ud_strdup(all->arena, p->steps.text);
}

static enum ud_code send_progress(struct ud_ctx *cx, struct ud_courier *c)
{
	struct progresses *p = ud_alloc(cx->arena, sizeof(*p));

	p->arena = cx->arena;
	ud_runner_progress(c->runner, add_progress, p);
	for (size_t i = 0; i < p->count && !ended(c); i++)
		UD_TRY(ud_link_send(cx, c->link, "/v1/agent/progress", &ud_wire_progress_shape,
			&p->all[i], CALL_MS, NULL, NULL, NULL));
	return UD_OK;
}

/* False = the courier ends. */
static bool wait_for_news(struct ud_courier *c)
{
	struct timespec until;
	int rc = 0;

	ud_deadline(LOOK_MS, &until);
	pthread_mutex_lock(&c->mutex);
	while (!c->stop && !c->news && rc == 0)
		rc = pthread_cond_timedwait(&c->wake, &c->mutex, &until);
	c->news = false;
	bool go_on = !c->stop;

	pthread_mutex_unlock(&c->mutex);
	return go_on;
}

static void *send_loop(void *data)
{
	struct ud_courier *c = data;

	for (bool go_on = true; go_on && !ended(c);) {
		UD_AUTO(ud_arena) *arena = ud_arena_new();
		struct ud_ctx cx = context(c, arena);
		bool more = false;
		enum ud_code code = send_answers(&cx, c, &more);

		if (code == UD_OK)
			code = send_progress(&cx, c);
		if (code == UD_OK)
			go_on = more || wait_for_news(c);
		else
			go_on = ud_link_pause(&cx, c->link, code);
	}
	return NULL;
}

/* ---- start and end ---- */

void ud_courier_wake(void *data)
{
	struct ud_courier *c = data;

	pthread_mutex_lock(&c->mutex);
	c->news = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->mutex);
}

enum ud_code ud_courier_start(struct ud_ctx *cx, struct ud_station *station, ud_link *link,
	struct ud_runner *runner, struct ud_reporter *reporter, struct ud_courier **ret)
{
	void *(*const loops[])(void *) = { poll_loop, send_loop };
	struct ud_courier *c = ud_malloc(sizeof(*c));
	pthread_condattr_t monotonic;

	c->station = station;
	c->link = link;
	c->runner = runner;
	c->reporter = reporter;
	pthread_mutex_init(&c->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&c->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	*ret = c;
	for (size_t i = 0; i < UD_LEN(loops); i++) {
		if (pthread_create(&c->threads[i], NULL, loops[i], c) != 0)
			return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot start a thread");
		c->thread_count++;
	}
	return UD_OK;
}

void ud_courier_stop(struct ud_courier *c)
{
	pthread_mutex_lock(&c->mutex);
	c->stop = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->mutex);
	while (c->thread_count)
		pthread_join(c->threads[--c->thread_count], NULL);
}

void ud_courier_release(struct ud_courier **pc)
{
	struct ud_courier *c = *pc;

	if (!c)
		return;
	ud_courier_stop(c);
	pthread_mutex_destroy(&c->mutex);
	pthread_cond_destroy(&c->wake);
	ud_free(c);
	*pc = NULL;
}
