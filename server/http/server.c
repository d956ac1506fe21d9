/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting the loops together and taking them apart again.
 */
#include "server/http/server.h"

#include <string.h>
#include <unistd.h>

#include "server/http/io.h"
#include "server/http/limits.h"
#include "server/http/slow.h"
#include "server/http/viewers.h"
#include "server/http/waiters.h"
#include "server/jobs/work.h"
#include "server/mail/mail.h"
#include "server/metrics/metrics.h"

enum { WORKERS_MIN = 2, WORKERS_MAX = 8 };

static size_t worker_count(const struct ud_server_settings *s)
{
	long n = s->workers ? s->workers : sysconf(_SC_NPROCESSORS_ONLN);

	return (size_t)(n < WORKERS_MIN && !s->workers ? WORKERS_MIN
			: n > WORKERS_MAX              ? WORKERS_MAX
						       : n);
}

bool ud_server_tls(const struct ud_server_settings *s)
{
	return s->tls_cert || s->tls_cert_text;
}

void ud_server_wake(struct ud_server *server, const char *key)
{
	ud_waiters_wake(server->waiters, key);
}

void ud_server_changed(struct ud_server *server)
{
	ud_jobs_wake(server->jobs);
	ud_ticks_wake(server->ticks);
	ud_mail_wake(server->mail);
	for (size_t i = 0; i < server->loop_count; i++) {
		struct ud_loop *loop = server->loops[i];

		if (loop && !atomic_exchange(&loop->changed, true))
			ud_loop_wake(loop);
	}
}

static void on_commit(void *data)
{
	ud_server_changed(data);
}

enum ud_code ud_server_check_plain(struct ud_ctx *cx, const struct ud_server_settings *s)
{
	static const char *const local[] = { "127.", "[::1]:", "localhost:", "unix:" };

	for (size_t i = 0; i < UD_LEN(local); i++)
		if (strncmp(s->listen, local[i], strlen(local[i])) == 0)
			return UD_OK;
	if (ud_server_tls(s))
		return UD_OK;
	return ud_fail(cx, UD_E_UNAVAILABLE, NULL,
		"[server] listen=%s: without tls_cert and tls_key only loopback or a Unix socket is allowed",
		s->listen);
}

/* The listening address's host as others may write it; our own name when it is every address. */
static const char *host_text(struct ud_ctx *cx, const char *listen)
{
	const char *colon = strrchr(listen, ':');
	const char *host = ud_strndup(cx->arena, listen, (size_t)(colon - listen));
	char name[256] = "localhost";

	if (*host && strcmp(host, "0.0.0.0") != 0 && strcmp(host, "[::]") != 0)
		return host;
	/* a name that was cut has no end */
	if (gethostname(name, sizeof(name) - 1) != 0)
		return "localhost";
	return ud_strdup(cx->arena, name);
}

static const char *made_url(struct ud_ctx *cx, const struct ud_server_settings *s, int port)
{
	if (s->public_url && *s->public_url)
		return s->public_url;
	if (!port)
		return "http://localhost";
	return ud_printf(cx->arena, "%s://%s:%d", ud_server_tls(s) ? "https" : "http",
		host_text(cx, s->listen), port);
}

/* The first socket decides the port; the others share it. */
static enum ud_code listen_for(struct ud_ctx *cx, struct ud_server *s, size_t i, int *ret_fd)
{
	const char *where = s->settings.listen, *colon = strrchr(where, ':');
	int port = 0;

	*ret_fd = -1;
	if (i > 0 && strncmp(where, "unix:", 5) == 0)
		return UD_OK; /* one socket, one loop: a proxy in front keeps few connections */
	if (i > 0)
		where = ud_printf(cx->arena, "%.*s:%d", (int)(colon - where), where, s->port);
	UD_TRY(ud_listen(cx, where, i == 0, ret_fd, &port));
	if (i == 0)
		s->port = port;
	return UD_OK;
}

/* A loop for streams comes after the workers, but on the agents' port. */
static enum ud_code start_loops(struct ud_ctx *cx, struct ud_server *s, size_t workers)
{
	size_t all = workers + !s->settings.agents;
	int fds[WORKERS_MAX + 1];

	s->loops = ud_malloc(all * sizeof(*s->loops));
	for (size_t i = 0; i < workers; i++)
		UD_TRY(listen_for(cx, s, i, &fds[i]));
	s->base_url = ud_heap_strdup(made_url(cx, &s->settings, s->port));
	fds[workers] = -1;
	/* each may be asked of the others, so all are there before the first accepts */
	s->loop_count = all;
	for (size_t i = 0; i < all; i++)
		UD_TRY(ud_loop_open(cx, s, i, fds[i], i == workers, &s->loops[i]));
	for (size_t i = 0; i < all; i++)
		UD_TRY(ud_loop_start(cx, s->loops[i]));
	return UD_OK;
}

static enum ud_code start_parts(struct ud_ctx *cx, struct ud_server *s, const struct ud_work *work)
{
	if (!s->settings.agents) {
		UD_TRY(ud_slow_start(cx, s->db, &s->slow));
		UD_TRY(ud_jobs_start(cx, s->db, work->jobs, &s->means, s->env, &s->jobs));
		UD_TRY(ud_ticks_start(cx, s->db, work->ticks, &s->commanding, s->env,
			s->settings.ticks_by_hand, &s->ticks));
	}
	UD_TRY(start_loops(cx, s, worker_count(&s->settings)));
	return s->settings.agents
		? UD_OK
		: ud_mail_start(cx, s->db, &s->settings.smtp, s->base_url, s->env, &s->mail);
}

enum ud_code ud_server_start(struct ud_ctx *cx, ud_database *db,
	const struct ud_server_settings *settings, const struct ud_keys *keys,
	const struct ud_routes *const *routes, const struct ud_work *work, const struct ud_env *env,
	struct ud_server **ret)
{
	UD_TRY(ud_server_check_plain(cx, settings));
	struct ud_server *s = ud_malloc(sizeof(*s));

	s->env = env;
	s->db = db;
	s->settings = *settings;
	s->keys = *keys;
	s->commanding =
		(struct ud_commanding){ s->keys.seal, work->reactions, s->settings.lease_seconds };
	s->means = (struct ud_job_means){ s->keys.seal, s->settings.fence_agents,
		s->settings.webhook_key, s->settings.webhook_allow, s->settings.webhook_ca_file,
		&s->settings.smtp, s->settings.attachments };
	s->routes = routes;
	s->limits = ud_limits_new(settings->connections, settings->per_address,
		settings->requests_per_minute, settings->burst);
	s->waiters = ud_waiters_new();
	s->viewers = ud_viewers_new();
	s->metrics = ud_metrics_new(routes);
	enum ud_code code = start_parts(cx, s, work);

	if (code != UD_OK) {
		ud_server_release(&s);
		return code;
	}
	/* agents are told what is theirs, not of every commit: server/agents */
	if (!settings->agents)
		ud_database_on_commit(db, on_commit, s);
	*ret = s;
	return UD_OK;
}

void ud_server_release(struct ud_server **server)
{
	struct ud_server *s = *server;

	if (!s)
		return;
	/* first: from here on no commit, of ours or of another server, is told to loops that go */
	ud_database_off_commit(s->db, s);
	for (size_t i = 0; i < s->loop_count; i++)
		if (s->loops[i])
			ud_loop_stop(s->loops[i]);
	/* as at the start: none goes before all have ended */
	for (size_t i = 0; i < s->loop_count; i++)
		if (s->loops[i])
			ud_loop_join(s->loops[i]);
	for (size_t i = 0; i < s->loop_count; i++)
		ud_loop_release(&s->loops[i]);
	ud_mail_release(&s->mail);
	ud_jobs_release(&s->jobs);
	ud_ticks_release(&s->ticks);
	ud_slow_release(&s->slow);
	ud_limits_release(&s->limits);
	ud_waiters_release(&s->waiters);
	ud_viewers_release(&s->viewers);
	ud_metrics_release(&s->metrics);
	ud_free(s->loops);
	ud_free(s->base_url);
	ud_free(s);
	*server = NULL;
}
