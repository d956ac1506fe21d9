/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few HTTP clients that calls take turns with. A renewal makes a new generation: clients of an
 * older one are opened anew before their next call.
 */
#include "agent/link.h"

#include <pthread.h>
#include <string.h>

#include "agent/relay.h"
#include "base/file.h"
#include "base/http_client.h"
#include "base/log.h"
#include "base/sign.h"
#include "base/wire_identity.h"
#include "base/x509.h"

enum {
	LINES = 6,
	RUN_BYTES = 16,
	PAUSE_FIRST_MS = 1000,
	PAUSE_MAX_MS = 60000,
	/* who is not believed any more has nothing to hurry for */
	REFUSED_MS = 300000,
	RENEW_MS = 30000,
	ANSWER_MAX = 65536
};

struct line {
	ud_http_client *client;
	int generation;
	bool busy;
};

struct ud_link {
	const struct ud_agent_config *config;
	char run[2 * RUN_BYTES + 1];
	char *header;
	char *root;
	pthread_mutex_t mutex; /* all below */
	pthread_cond_t wake;
	char *identity; /* certificate, chain and key, PEM */
	int64_t not_before_ms, not_after_ms;
	int generation;
	struct line lines[LINES];
	int failures;
	int64_t asked_ms; /* what the server asked us to wait */
	bool stop;
	struct ud_relay *relay; /* makes the calls, when there is one */
	enum ud_code (*store)(struct ud_ctx *cx, void *data, const char *pem);
	void *store_data;
};

/* ---- identity ---- */

enum ud_code ud_link_store_identity(struct ud_ctx *cx, const struct ud_agent_config *config,
	const char *certificate, const char *chain, const char *key)
{
	char *all = ud_printf(cx->arena, "%s%s%s", certificate, chain, key);
	enum ud_code code = ud_file_write(
		cx, ud_agent_path(cx, config, "identity.pem"), all, strlen(all), 0600);

	ud_wipe(all, strlen(all));
	return code;
}

/* Take an identity into use. Under the mutex, or before there is a second thread. */
static enum ud_code use_identity(struct ud_ctx *cx, ud_link *link, const char *pem)
{
	struct ud_x509_info info = { 0 };

	UD_TRY(ud_x509_read(cx, pem, &info));
	if (link->identity) {
		ud_wipe(link->identity, strlen(link->identity));
		ud_free(link->identity);
	}
	link->identity = ud_heap_strdup(pem);
	link->not_before_ms = info.not_before_ms;
	link->not_after_ms = info.not_after_ms;
	link->generation++;
	return UD_OK;
}

static enum ud_code load_identity(struct ud_ctx *cx, ud_link *link)
{
	const char *pem = NULL;
	size_t n;

	UD_TRY(ud_file_read(
		cx, ud_agent_path(cx, link->config, "identity.pem"), UD_PEM_MAX, &pem, &n));
	return use_identity(cx, link, pem);
}

static enum ud_code load_root(struct ud_ctx *cx, ud_link *link)
{
	const char *pem = NULL;
	size_t n;

	UD_TRY(ud_file_read(cx, ud_agent_path(cx, link->config, "ca.pem"), UD_PEM_MAX, &pem, &n));
	link->root = ud_heap_strdup(pem);
	return UD_OK;
}

static void name_run(struct ud_ctx *cx, ud_link *link)
{
	unsigned char raw[RUN_BYTES];

	ud_random(cx->env, raw, sizeof(raw));
	memcpy(link->run, ud_hex(cx->arena, raw, sizeof(raw)), sizeof(link->run));
	link->header = ud_heap_strdup(ud_printf(cx->arena, "%s: %s", UD_RUN_HEADER, link->run));
}

static enum ud_code load_files(struct ud_ctx *cx, ud_link *link)
{
	UD_TRY(load_root(cx, link));
	return load_identity(cx, link);
}

void ud_link_store_by(ud_link *link,
	enum ud_code (*store)(struct ud_ctx *cx, void *data, const char *pem), void *data)
{
	link->store = store;
	link->store_data = data;
}

int64_t ud_link_asked_ms(ud_link *link)
{
	pthread_mutex_lock(&link->mutex);
	int64_t ms = link->asked_ms;

	pthread_mutex_unlock(&link->mutex);
	return ms;
}

enum ud_code ud_link_open(struct ud_ctx *cx, const struct ud_agent_config *config, ud_link **ret)
{
	ud_link *link = ud_malloc(sizeof(*link));
	pthread_condattr_t monotonic;

	link->config = config;
	pthread_mutex_init(&link->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&link->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	name_run(cx, link);
	enum ud_code code = config->network
		? ud_relay_start(cx, config, config->network, &link->relay)
		: load_files(cx, link);

	if (code != UD_OK) {
		ud_link_release(&link);
		return code;
	}
	*ret = link;
	return UD_OK;
}

void ud_link_release(ud_link **plink)
{
	ud_link *link = *plink;

	if (!link)
		return;
	ud_relay_release(&link->relay);
	for (size_t i = 0; i < LINES; i++)
		ud_http_client_release(&link->lines[i].client);
	if (link->identity)
		ud_wipe(link->identity, strlen(link->identity));
	ud_free(link->identity);
	ud_free(link->root);
	ud_free(link->header);
	pthread_mutex_destroy(&link->mutex);
	pthread_cond_destroy(&link->wake);
	ud_free(link);
	*plink = NULL;
}

const char *ud_link_run(const ud_link *link)
{
	return link->run;
}

void ud_link_stop(ud_link *link)
{
	pthread_mutex_lock(&link->mutex);
	link->stop = true;
	if (link->relay)
		ud_relay_stop(link->relay);
	for (size_t i = 0; i < LINES; i++)
		if (link->lines[i].client)
			ud_http_client_stop(link->lines[i].client);
	pthread_cond_broadcast(&link->wake);
	pthread_mutex_unlock(&link->mutex);
}

bool ud_link_stopped(ud_link *link)
{
	pthread_mutex_lock(&link->mutex);
	bool stop = link->stop;

	pthread_mutex_unlock(&link->mutex);
	return stop;
}

/* ---- calls ---- */

/* A line that nobody uses, of the newest generation. Under the mutex. */
static enum ud_code open_line(struct ud_ctx *cx, ud_link *link, struct line *l)
{
	const struct ud_http_settings s = { .url = link->config->server_url,
		.root = link->root,
		.certificate = link->identity,
		.key = link->identity,
		.user_agent = "understudy-agent/" UD_VERSION };

	if (l->client && l->generation == link->generation)
		return UD_OK;
	ud_http_client_release(&l->client);
	l->generation = link->generation;
	return ud_http_client_open(cx, &s, &l->client);
}

static struct line *idle_line(ud_link *link)
{
	for (size_t i = 0; i < LINES; i++)
		if (!link->lines[i].busy)
			return &link->lines[i];
	return NULL;
}

static enum ud_code take_line(struct ud_ctx *cx, ud_link *link, struct line **ret)
{
	enum ud_code code = UD_OK;
	struct line *l = NULL;

	pthread_mutex_lock(&link->mutex);
	while (!link->stop && !(l = idle_line(link)))
		pthread_cond_wait(&link->wake, &link->mutex);
	if (link->stop)
		code = ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the agent is stopping");
	else
		code = open_line(cx, link, l);
	if (code == UD_OK)
		l->busy = true;
	pthread_mutex_unlock(&link->mutex);
	*ret = l;
	return code;
}

static void give_line(ud_link *link, struct line *l, int64_t asked_ms)
{
	pthread_mutex_lock(&link->mutex);
	l->busy = false;
	link->asked_ms = asked_ms;
	pthread_cond_broadcast(&link->wake);
	pthread_mutex_unlock(&link->mutex);
}

enum ud_code ud_link_refusal(struct ud_ctx *cx, int status, const char *body, size_t n)
{
	struct ud_wire_problem p = { 0 };
	enum ud_code code = UD_CODE_COUNT;

	if (ud_shape_read(cx, &ud_wire_problem_shape, body, n, &p) == UD_OK && p.code)
		code = ud_error_by_name(p.code);
	ud_ctx_clear(cx);
	if (code == UD_CODE_COUNT || code == UD_OK)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the server answered %d", status);
	return ud_fail(cx, code, NULL, "%s", p.detail ? p.detail : p.code);
}

static enum ud_code call_over(struct ud_ctx *cx, ud_link *link, const char *path, const char *body,
	int64_t timeout_ms, struct ud_link_answer *ret)
{
	int64_t asked_ms = 0;
	enum ud_code code = ud_relay_call(cx, link->relay, path, body, timeout_ms, ret, &asked_ms);

	pthread_mutex_lock(&link->mutex);
	link->asked_ms = asked_ms;
	pthread_mutex_unlock(&link->mutex);
	return code;
}

enum ud_code ud_link_call(struct ud_ctx *cx, ud_link *link, const char *path, const char *body,
	int64_t timeout_ms, struct ud_link_answer *ret)
{
	struct ud_http_answer a = { 0 };
	struct line *l = NULL;

	if (link->relay)
		return call_over(cx, link, path, body, timeout_ms, ret);
	UD_TRY(take_line(cx, link, &l));
	enum ud_code code =
		ud_http_client_call(cx, l->client, path, body, link->header, timeout_ms, &a);

	give_line(link, l, code == UD_OK ? a.retry_after_seconds * 1000 : 0);
	UD_TRY(code);
	if (a.status < 200 || a.status > 299)
		return ud_link_refusal(cx, a.status, a.body, a.n);
	*ret = (struct ud_link_answer){ .status = a.status, .body = a.body, .n = a.n };
	return UD_OK;
}

enum ud_code ud_link_send(struct ud_ctx *cx, ud_link *link, const char *path,
	const struct ud_shape *in_shape, const void *in, int64_t timeout_ms,
	const struct ud_shape *out_shape, void *out, bool *ret_none)
{
	struct ud_link_answer a = { 0 };
	struct ud_buf b = { 0 };
	const char *body = NULL;

	if (in) {
		ud_shape_encode(&b, in_shape, in, NULL);
		body = ud_buf_take(cx->arena, &b);
	}
	UD_TRY(ud_link_call(cx, link, path, body, timeout_ms, &a));
	if (ret_none)
		*ret_none = a.status == 204;
	if (!out_shape || a.status == 204)
		return UD_OK;
	return ud_shape_read(cx, out_shape, a.body, a.n, out);
}

/* ---- waiting ---- */

bool ud_link_wait(ud_link *link, int64_t ms)
{
	struct timespec until;
	int rc = 0;

	ud_deadline(ms, &until);
	pthread_mutex_lock(&link->mutex);
	while (!link->stop && rc == 0)
		rc = pthread_cond_timedwait(&link->wake, &link->mutex, &until);
	bool go_on = !link->stop;

	pthread_mutex_unlock(&link->mutex);
	return go_on;
}

int64_t ud_link_pause_bound_ms(int failures)
{
	int64_t bound = PAUSE_FIRST_MS;

	if (failures <= 0)
		return 0;
	for (int i = 1; i < failures && bound < PAUSE_MAX_MS; i++)
		bound *= 2;
	return bound < PAUSE_MAX_MS ? bound : PAUSE_MAX_MS;
}

/* 0 up to the bound, every value as likely as any other. */
static int64_t random_up_to(const struct ud_env *env, int64_t bound)
{
	uint64_t r;

	ud_random(env, &r, sizeof(r));
	return bound > 0 ? (int64_t)(r % (uint64_t)(bound + 1)) : 0;
}

bool ud_link_pause(struct ud_ctx *cx, ud_link *link, enum ud_code code)
{
	pthread_mutex_lock(&link->mutex);
	link->failures = code == UD_OK ? 0 : link->failures + 1;
	int64_t bound = code == UD_E_CERTIFICATE_REFUSED ? REFUSED_MS
							 : ud_link_pause_bound_ms(link->failures);
	int64_t least = code == UD_OK ? 0 : link->asked_ms;

	pthread_mutex_unlock(&link->mutex);
	return ud_link_wait(link, least + random_up_to(cx->env, bound));
}

/* ---- renewal ---- */

enum ud_code ud_link_renew(struct ud_ctx *cx, ud_link *link)
{
	const char *key = ud_x509_key(cx);
	struct ud_wire_renew in = { .agent_version = UD_VERSION };
	struct ud_wire_credentials out = { 0 };

	UD_TRY(ud_x509_request(cx, key, link->config->agent_id, &in.request));
	UD_TRY(ud_link_send(cx, link, "/v1/agent/renew", &ud_wire_renew_shape, &in, RENEW_MS,
		&ud_wire_credentials_shape, &out, NULL));
	char *all = ud_printf(cx->arena, "%s%s%s", out.certificate, out.chain, key);
	enum ud_code code = link->store
		? link->store(cx, link->store_data, all)
		: ud_link_store_identity(cx, link->config, out.certificate, out.chain, key);

	UD_TRY(code);
	pthread_mutex_lock(&link->mutex);
	code = use_identity(cx, link, all);

	pthread_mutex_unlock(&link->mutex);
	return code;
}

enum ud_code ud_link_keep(struct ud_ctx *cx, ud_link *link)
{
	if (link->relay) /* the network part does */
		return UD_OK;
	pthread_mutex_lock(&link->mutex);
	int64_t due = link->not_before_ms + (link->not_after_ms - link->not_before_ms) / 3 * 2;

	pthread_mutex_unlock(&link->mutex);
	return ud_now_ms(cx->env) < due ? UD_OK : ud_link_renew(cx, link);
}
