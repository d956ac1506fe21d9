/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server is killed (SIGKILL) at each moment that matters to a command: before and after every
 * fsync of its database, from the call that asks for it to the answer that was taken. A real agent
 * lives on beside it. Each command then has had its effect once, and its result is there.
 * Ordinarily each third moment of one command after the other, with UD_TEST_LONG each of every one.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/api.h"
#include "base/log.h"
#include "support/agents.h"
#include "support/ports.h"
#include "support/scripted.h"

enum { PATIENCE_MS = 120000, MOMENTS_MAX = 400 };

enum place { VM, HOST, AGENT, CHECKPOINT, PLACES };
static const char *const places[] = {
	[VM] = "vms", [HOST] = "hosts", [AGENT] = "agents", [CHECKPOINT] = "checkpoints"
};

/* ---- the moment ---- */

struct moment {
	int n;      /* the nth fsync of the server; 0 = it lives */
	bool after; /* it has been done */
};
static struct moment moment;
static _Atomic int syncs;

/* SQLite's, and the test's in its place: it is called for the log and for checkpoints. */
int fdatasync(int fd)
{
	int n = moment.n ? atomic_fetch_add(&syncs, 1) + 1 : 0;

	if (n && n == moment.n && !moment.after)
		kill(getpid(), SIGKILL);
	int rc = (int)syscall(SYS_fdatasync, fd);

	if (n && n == moment.n)
		kill(getpid(), SIGKILL);
	return rc;
}

/* ---- processes ---- */

struct scene {
	struct port *p;
	struct world *w;
	struct scripted *hv;
	struct agent *a;
	const char *uuid, *id[PLACES]; /* of what calls are about */
	int api_port, agents_port;
	struct ud_keys keys;
	/* who starts servers: a process from before there were threads */
	pid_t starter;
	int line; /* to it */
	int deaths;
	int64_t moments;
};

/* The server's process. It tells when it serves, and never returns. */
static void serve(struct scene *s, struct moment m, int ready)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_scope scope = ud_scope_system("serve");
	struct ud_ctx cx = { .arena = arena,
		.env = &ud_env_real,
		.now_ms = ud_now_ms(&ud_env_real),
		.scope = &scope };
	struct ud_server_settings settings = { .workers = 2,
		.connections = 2000,
		.per_address = 0,
		.burst = 1,
		.streams_per_user = 20,
		.require_mfa = "none",
		.session_hours = 12,
		.idle_minutes = 30,
		.idempotency_days = 7,
		.lease_seconds = 30,
		.metrics_allow = "127.0.0.1",
		.trusted_proxies = "" };
	struct ud_server *server = NULL;
	struct ud_agents *agents = NULL;
	ud_database *db = NULL;

	if (ud_database_open(&cx, s->w->url, &ud_env_real, &db) != UD_OK)
		_exit(1);
	settings.listen = ud_printf(arena, "127.0.0.1:%d", s->agents_port);
	if (ud_agents_start(&cx, db, &settings, &s->keys, ud_agent_routes, &ud_api_work,
		    &ud_env_real, &agents) != UD_OK)
		_exit(1);
	settings.listen = ud_printf(arena, "127.0.0.1:%d", s->api_port);
	settings.agents_url = ud_agents_url(agents);
	settings.ca_sha256 = ud_agents_pin(agents);
	if (ud_server_start(&cx, db, &settings, &s->keys, ud_api, &ud_api_work, &ud_env_real,
		    &server) != UD_OK)
		_exit(1);
	moment = m;
	if (write(ready, "r", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static pid_t start_child(struct scene *s, struct moment m)
{
	int ends[2];
	char word = 0;

	if (pipe2(ends, O_CLOEXEC) != 0)
		_exit(1);
	pid_t pid = fork();

	if (pid == 0)
		serve(s, m, ends[1]);
	close(ends[1]);
	/* one that dies before it serves closes the pipe */
	if (read(ends[0], &word, 1) != 1)
		word = 0;
	close(ends[0]);
	return pid;
}

/* Starts a server for each moment it is told; the one before ends. */
static void be_starter(struct scene *s, int line)
{
	struct moment m;
	pid_t pid = 0;

	while (read(line, &m, sizeof(m)) == sizeof(m)) {
		if (pid > 0) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		pid = m.n < 0 ? 0 : start_child(s, m);
		if (write(line, &pid, sizeof(pid)) != sizeof(pid))
			break;
	}
	if (pid > 0)
		kill(pid, SIGKILL);
	_exit(0);
}

static pid_t start_server(struct scene *s, struct moment m)
{
	pid_t pid = 0;

	assert_int_equal(write(s->line, &m, sizeof(m)), sizeof(m));
	assert_int_equal(read(s->line, &pid, sizeof(pid)), sizeof(pid));
	return pid;
}

/* ---- calls that may fail ---- */

static size_t collect(char *data, size_t size, size_t n, void *to)
{
	ud_buf_add(to, data, size * n);
	return size * n;
}

struct ask {
	const char *method, *path;
	const char *key, *body; /* of a request that changes something */
};

static const char *path_of(struct scene *s, enum place place, const char *call)
{
	return fmt(s->w, "/v1/%s/%s%s%s", places[place], s->id[place], *call ? "/" : "", call);
}

/* 0 = no answer. */
static int try_call(struct scene *s, const struct ask *ask, json_t **ret)
{
	struct curl_slist *list = curl_slist_append(
		NULL, fmt(s->w, "Authorization: Bearer %s", s->w->token[OPERATOR]));
	struct ud_buf out = { 0 };
	long status = 0;
	CURL *c = curl_easy_init();

	if (ask->key) {
		list = curl_slist_append(list, fmt(s->w, "Idempotency-Key: %s", ask->key));
		list = curl_slist_append(list, "If-Match: *");
	}
	list = curl_slist_append(list, "Content-Type: application/json");
	curl_easy_setopt(
		c, CURLOPT_URL, fmt(s->w, "http://127.0.0.1:%d%s", s->api_port, ask->path));
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, ask->method);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, 60L);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	if (ask->body)
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, ask->body);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &out);
	if (curl_easy_perform(c) == CURLE_OK)
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	*ret = status ? json_loads(ud_buf_text(&out), 0, NULL) : NULL;
	if (*ret)
		json_array_append_new(s->w->replies, *ret);
	curl_slist_free_all(list);
	curl_easy_cleanup(c);
	ud_buf_free(&out);
	return (int)status;
}

/* Until the call has this status: a server that does not answer is started anew, for good. */
static json_t *insist(struct scene *s, struct ask ask, int status, const char *state)
{
	int64_t until = ud_mono_ms(&ud_env_real) + PATIENCE_MS;
	json_t *body = NULL;
	int got;

	for (;;) {
		got = try_call(s, &ask, &body);
		if (got == status && (!state || strcmp(text_at(body, "state"), state) == 0))
			return body;
		if (ud_mono_ms(&ud_env_real) > until)
			fail_msg("%s %s: %d %s", ask.method, ask.path, got, text_at(body, "state"));
		if (got == 0) {
			s->deaths++;
			start_server(s, (struct moment){ 0 });
		}
		poll(NULL, 0, 20); /* the server is another process */
	}
}

/* ---- the story ---- */

static int begin(void **state)
{
	struct scene *s = ud_malloc(sizeof(*s));
	int ends[2];

	*state = s;
	s->w = world_begin();
	s->p = port_begin(s->w, ud_agent_routes);
	s->hv = scripted_begin("killed");
	s->id[HOST] = port_host(s->p);
	s->uuid = scripted_uuid(s->hv, 1);
	scripted_add(s->hv, s->uuid, "sql-01");
	s->id[VM] = text_at(
		expect(s->w, LEAD, "POST", "/v1/vms",
			fmt(s->w,
				"{\"name\":\"sql-01\",\"customer_id\":\"%s\",\"managed\":true,\"host_id\":\"%s\",\"hypervisor_uuid\":\"%s\"}",
				s->w->own, s->id[HOST], s->uuid),
			201)
			.json,
		"id");
	s->a = agent_begin(s->p, s->id[HOST], scripted_uri(s->hv));
	s->id[AGENT] = text_at(
		json_array_get(
			json_object_get(
				call(s->w, OPERATOR, "GET",
					fmt(s->w, "/v1/agents?host_id=%s", s->id[HOST]), NULL, NULL)
					.json,
				"data"),
			0),
		"id");
	agent_stop(s->a);
	/* from here on servers are processes, and this one is none */
	s->keys = s->w->server->keys;
	port_end(s->p);
	ud_server_release(&s->w->server);
	ud_database_release(&s->w->db);
	s->api_port = free_port();
	s->agents_port = free_port();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	s->starter = fork();
	if (s->starter == 0) {
		close(ends[0]);
		be_starter(s, ends[1]);
	}
	close(ends[1]);
	s->line = ends[0];
	s->a->config.server_url = fmt(s->w, "https://127.0.0.1:%d", s->agents_port);
	start_server(s, (struct moment){ 0 });
	agent_start(s->a);
	return 0;
}

static int end(void **state)
{
	struct scene *s = *state;

	agent_end(s->a);
	close(s->line);
	waitpid(s->starter, NULL, 0);
	scripted_end(s->hv);
	world_end(s->w);
	ud_free(s);
	return 0;
}

/* What the agent tells by itself is there, so that the server lets the VM be switched. */
static void wait_for_vm(struct scene *s, enum ud_power power)
{
	int64_t until = ud_mono_ms(&ud_env_real) + PATIENCE_MS;
	const struct ask ask = { "GET", path_of(s, VM, ""), NULL, NULL };

	while (strcmp(text_at(insist(s, ask, 200, NULL), "power"), ud_powers.names[power]) != 0) {
		if (ud_mono_ms(&ud_env_real) > until)
			fail_msg("the VM is not seen as %s", ud_powers.names[power]);
		poll(NULL, 0, 20); /* the server is another process */
	}
}

/* Calls of the API that become commands, each with another end in the server. */
static const struct deed {
	enum place on;
	const char *method, *call, *body,
		*slot; /* body NULL = a name of its own; slot NULL = none */
	enum ud_power before, after;
} deeds[] = {
	{ VM, "POST", "start", "{}", "start", UD_POWER_OFF, UD_POWER_RUNNING },
	{ VM, "POST", "stop", "{}", "power_off", UD_POWER_RUNNING, UD_POWER_OFF },
	{ VM, "POST", "shutdown", "{\"timeout_seconds\":5}", "shutdown", UD_POWER_RUNNING,
		UD_POWER_OFF },
	{ VM, "POST", "save", "{}", "save", UD_POWER_RUNNING, UD_POWER_SAVED },
	{ VM, "POST", "pause", "{}", "pause", UD_POWER_RUNNING, UD_POWER_PAUSED },
	{ VM, "POST", "resume", "{}", "resume", UD_POWER_PAUSED, UD_POWER_RUNNING },
	{ VM, "POST", "reset", "{}", "reset", UD_POWER_RUNNING, UD_POWER_RUNNING },
	{ VM, "POST", "diagnose", "{}", "diagnose", UD_POWER_RUNNING, UD_POWER_RUNNING },
	{ VM, "POST", "screenshot", "{}", "screenshot", UD_POWER_RUNNING, UD_POWER_RUNNING },
	{ VM, "POST", "definition", "{}", "definition_export", UD_POWER_RUNNING, UD_POWER_RUNNING },
	{ VM, "POST", "checkpoints", NULL, "checkpoint_create", UD_POWER_RUNNING,
		UD_POWER_RUNNING },
	{ VM, "POST", "checkpoints/refresh", "{}", "checkpoint_list", UD_POWER_RUNNING,
		UD_POWER_RUNNING },
	{ CHECKPOINT, "POST", "apply", "{}", "checkpoint_apply", UD_POWER_RUNNING, UD_POWER_OFF },
	{ CHECKPOINT, "DELETE", "", "", "checkpoint_delete", UD_POWER_RUNNING, UD_POWER_RUNNING },
	{ VM, "POST", "run", "{\"program\":\"/bin/true\"}", "guest_run", UD_POWER_RUNNING,
		UD_POWER_RUNNING },
	{ VM, "POST", "write-file", "{\"path\":\"/run/x\",\"content\":\"eA\"}", "guest_write",
		UD_POWER_RUNNING, UD_POWER_RUNNING },
	{ VM, "POST", "read-file", "{\"path\":\"/run/x\"}", "guest_read", UD_POWER_RUNNING,
		UD_POWER_RUNNING },
	{ VM, "PUT", "resource-protection", "{\"cpu_percent\":50}", "limits_set", UD_POWER_RUNNING,
		UD_POWER_RUNNING },
	{ VM, "POST", "upgrade", "{}", "upgrade", UD_POWER_OFF, UD_POWER_OFF },
	{ HOST, "POST", "diagnose", "{}", NULL, UD_POWER_RUNNING, UD_POWER_RUNNING },
	{ HOST, "POST", "balance", "{\"mode\":\"on_join\",\"level\":\"high\"}", "balance",
		UD_POWER_RUNNING, UD_POWER_RUNNING },
	{ HOST, "POST", "teams", "{\"name\":\"External\",\"load_balancing\":\"port\"}", "team",
		UD_POWER_RUNNING, UD_POWER_RUNNING },
	{ AGENT, "POST", "logs", "{}", NULL, UD_POWER_RUNNING, UD_POWER_RUNNING },
};

/* Ask, and wait until the operation succeeded. */
static void have_done(struct scene *s, struct ask ask)
{
	json_t *op = insist(s, ask, 202, NULL);

	ask = (struct ask){ "GET", fmt(s->w, "/v1/operations/%s?wait=20", text_at(op, "id")), NULL,
		NULL };
	insist(s, ask, 200, "succeeded");
}

/* A fresh checkpoint for what is done to one. */
static void add_checkpoint(struct scene *s)
{
	const char *key = fmt(s->w, "before-%lld", (long long)s->moments);
	const struct ask list = { "GET", fmt(s->w, "%s?limit=200", path_of(s, VM, "checkpoints")),
		NULL, NULL };
	size_t i;
	json_t *one;

	have_done(s,
		(struct ask){ "POST", path_of(s, VM, "checkpoints"), key,
			fmt(s->w, "{\"name\":\"%s\"}", key) });
	s->id[CHECKPOINT] = NULL;
	json_array_foreach(json_object_get(insist(s, list, 200, NULL), "data"), i,
		one) if (strcmp(text_at(one, "name"), key) == 0) s->id[CHECKPOINT] =
		text_at(one, "id");
	assert_non_null(s->id[CHECKPOINT]);
}

/* One command under a server that is killed at that moment; false: it never came to it. */
static bool strike(struct scene *s, const struct deed *d, struct moment m)
{
	const char *key = fmt(s->w, "key-%lld", (long long)s->moments++);

	scripted_set_power(s->hv, s->uuid, d->before);
	wait_for_vm(s, d->before);
	if (d->on == CHECKPOINT)
		add_checkpoint(s);
	scripted_forgive(s->hv);
	int deaths = s->deaths;

	start_server(s, m);
	have_done(s,
		(struct ask){ d->method, path_of(s, d->on, d->call), key,
			d->body ? d->body : fmt(s->w, "{\"name\":\"%s\"}", key) });
	wait_for_vm(s, d->after);
	if (d->slot)
		assert_int_equal(scripted_calls(s->hv, d->slot), 1);
	assert_int_equal(scripted_power(s->hv, s->uuid), d->after);
	return s->deaths > deaths;
}

/* Every moment of one deed, or of those in turn. */
static int strike_all(struct scene *s, size_t first, size_t deed_count, int step)
{
	size_t turn = 0;
	int struck = 0;
	bool died = true;

	for (int n = 1; died && n < MOMENTS_MAX; n += step)
		for (int after = 0; after < 2; after++) {
			died = strike(s, &deeds[first + turn++ % deed_count],
				(struct moment){ n, after });
			struck += died;
		}
	return struck;
}

static void every_command_has_its_effect_once_and_its_result(void **state)
{
	struct scene *s = *state;
	bool all = getenv("UD_TEST_LONG") != NULL;
	int struck = 0;

	for (size_t i = 0; all && i < UD_LEN(deeds); i++)
		struck += strike_all(s, i, 1, 1);
	if (!all)
		struck = strike_all(s, 0, UD_LEN(deeds), 3);
	printf("# the server died at %d moments of %zu commands: 0 double effects, 0 lost results\n",
		struck, UD_LEN(deeds));
	assert_true(struck >= (all ? 4 * (int)UD_LEN(deeds) : 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			every_command_has_its_effect_once_and_its_result, begin, end),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
