/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The port's own server and its one thread beside the loops: it asks the sources for news after
 * each commit, and stores sightings.
 */
#include "server/agents/agents.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/log.h"
#include "server/agents/ca.h"
#include "server/agents/due.h"
#include "server/agents/presence.h"
#include "server/agents/recovery.h"
#include "server/jobs/work.h"

enum { LOOK_MS = 1000, STORE_MS = 5000 };

struct ud_agents {
	const struct ud_env *env;
	ud_database *db;
	const struct ud_routes *const *routes;
	ud_arena *arena; /* of the authority and the port's own certificate */
	struct ud_ca ca;
	struct ud_server *server;
	struct ud_presence *presence;
	struct ud_due *due;
	const struct ud_work *work;
	ud_reader *reader; /* the thread's */
	int64_t cursors[UD_AGENT_SOURCES_MAX];
	int64_t stored_ms;
	pthread_t thread;
	bool running;
	pthread_mutex_t mutex; /* the three below */
	pthread_cond_t wake;
	bool stop, news, urgent;
};

void ud_agents_wake(struct ud_agents *agents, const char *host_id)
{
	ud_server_wake(agents->server, host_id);
}

const char *ud_agents_url(const struct ud_agents *agents)
{
	return agents->server->base_url;
}

const char *ud_agents_pin(const struct ud_agents *agents)
{
	return agents->ca.pin;
}

const struct ud_ca *ud_agents_ca(const struct ud_agents *agents)
{
	return &agents->ca;
}

struct ud_server *ud_agents_server(const struct ud_agents *agents)
{
	return agents->server;
}

static void call(struct ud_agents *a, bool *flag)
{
	pthread_mutex_lock(&a->mutex);
	*flag = true;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->mutex);
}

static void on_commit(void *data)
{
	struct ud_agents *a = data;

	call(a, &a->news);
}

void ud_agents_saw(struct ud_agents *a, const struct ud_sighting *seen)
{
	if (ud_presence_saw(a->presence, seen))
		call(a, &a->urgent);
}

void ud_agents_deliver(struct ud_agents *a, const char *host_id, bool promotes)
{
	ud_due_delivery(a->due, host_id, promotes);
	call(a, &a->urgent);
}

bool ud_agents_counts(struct ud_agents *a, struct ud_command_mark mark)
{
	return ud_due_counts(a->due, mark);
}

void ud_agents_progress(
	struct ud_agents *a, const char *host_id, const struct ud_wire_progress *progress)
{
	/* the thread looks once a second anyway */
	ud_due_progress(a->due, host_id, progress);
}

void ud_agents_heads(struct ud_agents *a, const char *host_id, const char *heads)
{
	ud_due_heads(a->due, host_id, heads);
	call(a, &a->urgent);
}

void ud_agents_doubt(struct ud_agents *a, const char *host_id, int64_t number, const char *digest)
{
	ud_due_doubt(a->due, host_id, number, digest);
}

void ud_agents_heartbeat(struct ud_agents *a, const char *host_id, int64_t at_ms,
	const struct ud_sample *samples, size_t n)
{
	ud_due_heartbeat(a->due, host_id, at_ms, samples, n);
}

static void wake_one(void *data, const char *host_id)
{
	ud_agents_wake(data, host_id);
}

static void look(struct ud_agents *a, struct ud_ctx *cx)
{
	if (ud_read_begin(cx, a->reader) != UD_OK)
		return; /* tried again within a second; the database tells its own troubles */
	for (size_t i = 0; i < ud_agent_source_count; i++)
		if (ud_agent_sources[i].look(cx, &a->cursors[i], wake_one, a) != UD_OK)
			ud_log(UD_LOG_WARNING, "agents_look_failed", "source",
				ud_agent_sources[i].name, "reason",
				cx->problem.detail ? cx->problem.detail : "", NULL);
	ud_read_end(cx, a->reader);
}

struct sightings {
	struct ud_sighting *seen;
	size_t n;
};

static enum ud_code apply_sightings(struct ud_ctx *cx, void *data)
{
	const struct sightings *s = data;

	return ud_presence_store(cx, s->seen, s->n);
}

/* A failure loses times of last contact, no more: the next sighting tells them anew. */
static void store(struct ud_agents *a, struct ud_ctx *cx)
{
	int64_t now = ud_mono_ms(a->env);
	bool all = now - a->stored_ms >= STORE_MS;
	struct sightings s = { 0 };

	s.n = ud_presence_take(a->presence, cx, all, &s.seen);
	if (all)
		a->stored_ms = now;
	if (s.n && ud_database_write(a->db, cx, apply_sightings, &s) != UD_OK)
		ud_log(UD_LOG_WARNING, "agents_store_failed", "reason",
			cx->problem.detail ? cx->problem.detail : "", NULL);
}

/* Deliveries and progress in one commit; who was delivered to is woken. */
static void store_due(struct ud_agents *a, struct ud_ctx *cx)
{
	struct ud_due_batch batch = { 0 };

	if (!ud_due_take(a->due, cx, &batch))
		return;
	if (ud_database_write(a->db, cx, ud_due_store, &batch) != UD_OK) {
		ud_log(UD_LOG_WARNING, "agents_store_failed", "reason",
			cx->problem.detail ? cx->problem.detail : "", NULL);
		ud_due_return(a->due, &batch); /* polls wait for it: tried again within a second */
		return;
	}
	ud_due_stored(a->due, &batch);
	for (const struct ud_due_delivery *d = batch.deliveries; d; d = d->next)
		ud_agents_wake(a, d->host_id);
}

/* Wait for something to do; false = stop. */
static bool next(struct ud_agents *a, bool *ret_urgent)
{
	struct timespec until;
	int rc = 0;

	ud_deadline(LOOK_MS, &until);
	pthread_mutex_lock(&a->mutex);
	while (!a->stop && !a->news && !a->urgent && rc == 0)
		rc = pthread_cond_timedwait(&a->wake, &a->mutex, &until);
	bool go_on = !a->stop;

	*ret_urgent = a->urgent;
	a->news = a->urgent = false;
	pthread_mutex_unlock(&a->mutex);
	return go_on;
}

static void one_turn(struct ud_agents *a, bool urgent)
{
	struct ud_scope scope = ud_scope_system("agents");
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena,
		.env = a->env,
		.now_ms = ud_now_ms(a->env),
		.request_id = "agents",
		.scope = &scope };

	store_due(a, &cx);
	look(a, &cx);
	if (urgent || ud_mono_ms(a->env) - a->stored_ms >= STORE_MS)
		store(a, &cx);
}

static void *run(void *data)
{
	struct ud_agents *a = data;
	bool urgent = false;

	do
		one_turn(a, urgent);
	while (next(a, &urgent));
	one_turn(a, true);
	return NULL;
}

/* The host of a URL or a listening address, without brackets and port. */
static const char *host_of(struct ud_ctx *cx, const char *text)
{
	const char *scheme = strstr(text, "://"), *host = scheme ? scheme + 3 : text;

	if (*host == '[')
		return ud_strndup(cx->arena, host + 1, strcspn(host + 1, "]"));
	return ud_strndup(cx->arena, host, strcspn(host, ":/"));
}

/* Whoever reaches us, by the public name, the listening address, our own name or from here, sees a
 * certificate that names what it called. */
static struct ud_texts own_names(struct ud_ctx *cx, const struct ud_server_settings *s)
{
	char own[256] = "";
	struct ud_texts names = { ud_alloc(cx->arena, 6 * sizeof(char *)), 0 };
	const char *all[] = { s->public_url ? host_of(cx, s->public_url) : "",
		host_of(cx, s->listen), own, "localhost", "127.0.0.1", "::1" };

	if (gethostname(own, sizeof(own) - 1) != 0)
		own[0] = 0;
	all[2] = ud_strdup(cx->arena, own);
	for (size_t i = 0; i < UD_LEN(all); i++) {
		bool known = !*all[i];

		for (size_t k = 0; k < names.count; k++)
			known |= strcmp(names.items[k], all[i]) == 0;
		if (!known)
			names.items[names.count++] = all[i];
	}
	return names;
}

static enum ud_code start_server(struct ud_ctx *cx, struct ud_agents *a,
	const struct ud_server_settings *settings, const struct ud_keys *keys)
{
	struct ud_server_settings s = *settings;
	struct ud_texts names = own_names(cx, settings);

	s.agents = a;
	s.tls_trust_text = a->ca.agents;
	UD_TRY(ud_ca_server(cx, &a->ca, &names, &s.tls_cert_text, &s.tls_key_text));
	return ud_server_start(cx, a->db, &s, keys, a->routes, a->work, a->env, &a->server);
}

static enum ud_code start(struct ud_ctx *cx, struct ud_agents *a,
	const struct ud_server_settings *settings, const struct ud_keys *keys)
{
	/* what the port keeps lives in its own arena */
	struct ud_ctx own = {
		.arena = a->arena, .env = cx->env, .now_ms = cx->now_ms, .scope = cx->scope
	};

	UD_TRY(ud_reader_open(cx, a->db, &a->reader));
	enum ud_code code = ud_read_begin(&own, a->reader);

	if (code == UD_OK) {
		code = ud_ca_load(&own, keys->seal, &a->ca);
		ud_read_end(&own, a->reader);
	}
	/* before any host is granted or told anything */
	if (code == UD_OK)
		code = ud_database_write(a->db, &own, ud_recovery_enter, NULL);
	if (code == UD_OK)
		code = start_server(&own, a, settings, keys);
	if (code != UD_OK)
		return ud_fail(cx, code, NULL, "[agents] %s",
			own.problem.detail ? own.problem.detail : "cannot start");
	if (pthread_create(&a->thread, NULL, run, a) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot start a thread");
	a->running = true;
	ud_database_on_commit(a->db, on_commit, a);
	return UD_OK;
}

enum ud_code ud_agents_start(struct ud_ctx *cx, ud_database *db,
	const struct ud_server_settings *settings, const struct ud_keys *keys,
	const struct ud_routes *const *routes, const struct ud_work *work, const struct ud_env *env,
	struct ud_agents **ret)
{
	struct ud_agents *a = ud_malloc(sizeof(*a));
	pthread_condattr_t monotonic;

	a->env = env;
	a->db = db;
	a->routes = routes;
	a->arena = ud_arena_new();
	a->work = work;
	a->presence = ud_presence_new();
	a->due = ud_due_new(env);
	for (size_t i = 0; i < UD_LEN(a->cursors); i++)
		a->cursors[i] = UD_NONE;
	pthread_mutex_init(&a->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&a->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	enum ud_code code = start(cx, a, settings, keys);

	if (code != UD_OK) {
		ud_agents_release(&a);
		return code;
	}
	*ret = a;
	return UD_OK;
}

void ud_agents_release(struct ud_agents **pa)
{
	struct ud_agents *a = *pa;

	if (!a)
		return;
	/* first the thread: it wakes requests, and loops end theirs on their own */
	ud_database_off_commit(a->db, a);
	call(a, &a->stop);
	if (a->running)
		pthread_join(a->thread, NULL);
	ud_server_release(&a->server);
	ud_reader_release(&a->reader);
	ud_presence_release(&a->presence);
	ud_due_release(&a->due);
	pthread_mutex_destroy(&a->mutex);
	pthread_cond_destroy(&a->wake);
	ud_arena_release(&a->arena);
	ud_free(a);
	*pa = NULL;
}
