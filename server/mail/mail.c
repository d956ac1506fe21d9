/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Take, send, store. Looking costs a read; only what is due costs a commit.
 */
#include "server/mail/mail.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/env.h"
#include "base/log.h"
#include "db/notifications.h"

enum { LOOK_MS = 5000 };

struct ud_mail {
	ud_database *db;
	const struct ud_smtp *smtp;
	const char *base_url;
	const struct ud_env *env;
	ud_reader *reader;
	pthread_t thread;
	bool running;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	bool stop, woken;
};

struct batch {
	struct ud_letter letters[UD_LETTERS_MAX];
	size_t count;
};

struct settling {
	const char *id;
	bool sent;
};

static enum ud_code apply_claim(struct ud_ctx *cx, void *data)
{
	struct batch *b = data;

	return ud_letters_claim(cx, b->letters, &b->count);
}

static enum ud_code apply_settle(struct ud_ctx *cx, void *data)
{
	const struct settling *s = data;

	return ud_letter_settle(cx, s->id, s->sent);
}

static bool stopped(struct ud_mail *m)
{
	pthread_mutex_lock(&m->mutex);
	bool stop = m->stop;

	pthread_mutex_unlock(&m->mutex);
	return stop;
}

/* Where the thing is in the portal. */
static const char *address_of(struct ud_ctx *cx, const struct ud_mail *m, const struct ud_letter *l)
{
	return strncmp(l->subject_id, "tkt_", 4) == 0
		? ud_printf(cx->arena, "%s/app/tickets/%s", m->base_url, l->subject_id)
		: ud_printf(cx->arena, "%s/app", m->base_url);
}

static void deliver(struct ud_ctx *cx, struct ud_mail *m, const struct ud_letter *l)
{
	const struct ud_letter_text text = { .id = l->notification_id,
		.to = l->email,
		.subject = l->title,
		.body = ud_printf(cx->arena,
			"%s,\n\n%s%s%s\n\n%s\n\nYou can turn these letters off in your profile.\n",
			l->display_name, l->title, l->actor_name ? "\nBy: " : "",
			l->actor_name ? l->actor_name : "", address_of(cx, m, l)),
		.written_ms = l->created_ms };
	const char *said = NULL;
	struct settling s = { l->notification_id,
		ud_smtp_send(cx, m->smtp, &text, &said) == UD_OK };

	const char *reason = s.sent ? NULL : ud_strdup(cx->arena, cx->problem.detail);

	cx->now_ms = ud_now_ms(m->env);
	if (ud_database_write(m->db, cx, apply_settle, &s) != UD_OK)
		ud_log(UD_LOG_WARNING, "mail_not_stored", "notification", l->notification_id,
			"reason", cx->problem.detail, NULL);
	/* said once it is known when it is tried again: who reads this may hurry that */
	if (!s.sent)
		ud_log(UD_LOG_WARNING, "mail_not_sent", "notification", l->notification_id,
			"reason", reason, NULL);
}

static bool due(struct ud_ctx *cx, struct ud_mail *m)
{
	bool there = false;

	if (ud_read_begin(cx, m->reader) != UD_OK)
		return false;
	if (ud_letters_due(cx, &there) != UD_OK)
		there = false;
	ud_read_end(cx, m->reader);
	return there;
}

/* One batch; were there any letters? */
static bool work(struct ud_mail *m)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_scope scope = ud_scope_system("mail");
	struct ud_ctx cx = { .arena = arena,
		.env = m->env,
		.now_ms = ud_now_ms(m->env),
		.scope = &scope,
		.request_id = "mail" };
	struct batch b = { .count = 0 };

	if (!due(&cx, m) || ud_database_write(m->db, &cx, apply_claim, &b) != UD_OK)
		return false;
	for (size_t i = 0; i < b.count && !stopped(m); i++)
		deliver(&cx, m, &b.letters[i]);
	return b.count > 0;
}

/* False at the end. */
static bool wait_for_letters(struct ud_mail *m)
{
	struct timespec until;
	int rc = 0;

	ud_deadline(LOOK_MS, &until);
	pthread_mutex_lock(&m->mutex);
	while (!m->woken && !m->stop && rc == 0)
		rc = pthread_cond_timedwait(&m->wake, &m->mutex, &until);
	m->woken = false;
	bool go_on = !m->stop;

	pthread_mutex_unlock(&m->mutex);
	return go_on;
}

static void *run(void *data)
{
	struct ud_mail *m = data;

	do
		while (!stopped(m) && work(m))
			continue;
	while (wait_for_letters(m));
	return NULL;
}

enum ud_code ud_mail_start(struct ud_ctx *cx, ud_database *db, const struct ud_smtp *smtp,
	const char *base_url, const struct ud_env *env, struct ud_mail **ret)
{
	pthread_condattr_t monotonic;

	*ret = NULL;
	if (!smtp->server)
		return UD_OK;
	struct ud_mail *m = *ret = ud_malloc(sizeof(*m));

	*m = (struct ud_mail){ .db = db, .smtp = smtp, .base_url = base_url, .env = env };
	pthread_mutex_init(&m->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&m->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	UD_TRY(ud_reader_open(cx, db, &m->reader));
	if (pthread_create(&m->thread, NULL, run, m) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot start a thread");
	m->running = true;
	return UD_OK;
}

void ud_mail_wake(struct ud_mail *m)
{
	if (!m)
		return;
	pthread_mutex_lock(&m->mutex);
	m->woken = true;
	pthread_cond_signal(&m->wake);
	pthread_mutex_unlock(&m->mutex);
}

void ud_mail_release(struct ud_mail **mail)
{
	struct ud_mail *m = *mail;

	if (!m)
		return;
	pthread_mutex_lock(&m->mutex);
	m->stop = true;
	pthread_cond_signal(&m->wake);
	pthread_mutex_unlock(&m->mutex);
	if (m->running)
		pthread_join(m->thread, NULL);
	ud_reader_release(&m->reader);
	pthread_mutex_destroy(&m->mutex);
	pthread_cond_destroy(&m->wake);
	ud_free(m);
	*mail = NULL;
}
