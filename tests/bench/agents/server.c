/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the benchmark of agents runs against: the agents' port as it is installed, and beside it one
 * call that stores a command as the calls of the API do, with its operation and its event.
 *   server seed DIR N     a database with N enrolled agents; DIR/agents has who they are, DIR/token
 *   server serve DIR      prints the ports of both, then serves until SIGTERM
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "api/api.h"
#include "api/people.h"
#include "base/env.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "db/agents.h"
#include "db/engine/database.h"
#include "db/engine/migrate.h"
#include "db/events.h"
#include "db/hosts.h"
#include "db/migrations.h"
#include "db/operations.h"
#include "db/people.h"
#include "db/sites.h"
#include "server/agents/agents.h"
#include "server/agents/ca.h"

static const struct ud_keys keys = { .pepper = "pepper", .cursor = "cursor", .seal = "seal" };

struct bench {
	struct ud_ctx cx;
	const char *dir, *url;
	int n;
	struct ud_buf agents;
	const char *token;
};

static int failed(const struct ud_ctx *cx, const char *what)
{
	fprintf(stderr, "bench server: %s: %s\n", what,
		cx->problem.detail ? cx->problem.detail : "");
	return 1;
}

/* ---- seed ---- */

static enum ud_code add_user(struct ud_ctx *cx, struct bench *b)
{
	const char *roles[] = { "operator" }, *scopes[] = { "*" };
	struct ud_user u = { .email = "bench@example.net",
		.display_name = "Bench",
		.state = UD_USER_ACTIVE,
		.role_names = { roles, 1 } };
	struct ud_token t = { .name = "bench", .scopes = { scopes, 1 } };

	UD_TRY(ud_row_insert(cx, &ud_users, &u));
	UD_TRY(ud_token_make(cx, "usp", u.row.id, NULL, &t));
	b->token = t.token;
	return UD_OK;
}

static enum ud_code add_agent(
	struct ud_ctx *cx, struct bench *b, const struct ud_ca *ca, const char *site_id, int number)
{
	struct ud_host h = { .name = ud_printf(cx->arena, "host-%d", number),
		.site_id = site_id,
		.state = UD_HOST_ENROLLED,
		.memory_bytes = UD_NONE,
		.cpu_count = UD_NONE };
	struct ud_agent a = { .state = UD_AGENT_ACTIVE, .may_promote = true };
	const char *key = ud_x509_key(cx), *public_key = NULL, *certificate = NULL;
	struct ud_x509_info info = { 0 };

	UD_TRY(ud_row_insert(cx, &ud_hosts, &h));
	a.row.id = ud_id_new(cx->arena, cx->env, cx->now_ms, "agt");
	a.host_id = h.row.id;
	UD_TRY(ud_x509_public(cx, key, &public_key));
	UD_TRY(ud_ca_agent(cx, ca, a.row.id, public_key, &certificate));
	UD_TRY(ud_x509_read(cx, certificate, &info));
	a.certificate_serial = info.serial;
	a.certificate_expires_at.ms = info.not_after_ms;
	a.spki_sha256 = info.spki_sha256;
	a.previous_until.ms = a.last_seen_at.ms = UD_NONE;
	UD_TRY(ud_row_insert(cx, &ud_agents_table, &a));
	ud_buf_printf(&b->agents, "%s\n%s%s", h.row.id, certificate, key);
	return UD_OK;
}

static enum ud_code seed(struct ud_ctx *cx, void *data)
{
	struct bench *b = data;
	struct ud_site site = {
		.name = "Bench", .code = "bench", .kind = UD_SITE_PROVIDER_DC, .time_zone = "UTC"
	};
	struct ud_ca ca = { 0 };

	UD_TRY(ud_ca_ensure(cx, keys.seal));
	UD_TRY(ud_ca_load(cx, keys.seal, &ca));
	UD_TRY(add_user(cx, b));
	UD_TRY(ud_row_insert(cx, &ud_sites, &site));
	for (int i = 0; i < b->n; i++)
		UD_TRY(add_agent(cx, b, &ca, site.row.id, i));
	return UD_OK;
}

static enum ud_code make(struct ud_ctx *cx, struct bench *b)
{
	ud_database *db = NULL;

	UD_TRY(ud_conn_open(cx, b->url, UD_CONN_CREATE, &cx->conn));
	enum ud_code code = ud_migrate(cx, ud_migrations);

	ud_conn_release(&cx->conn);
	UD_TRY(code);
	UD_TRY(ud_database_open(cx, b->url, cx->env, &db));
	code = ud_database_write(db, cx, seed, b);
	ud_database_release(&db);
	UD_TRY(code);
	UD_TRY(ud_file_write(
		cx, ud_printf(cx->arena, "%s/token", b->dir), b->token, strlen(b->token), 0600));
	return ud_file_write(
		cx, ud_printf(cx->arena, "%s/agents", b->dir), b->agents.data, b->agents.len, 0600);
}

/* ---- serve ---- */

struct job {
	const char *host_id;
};
/* clang-format off */
static const struct ud_field job_fields[] = {
	UD_FIELD(job, host_id, .flags = UD_REQUIRED, .max = 40, .refers = "hst", .about = "Who is told."),
};
/* clang-format on */
static const struct ud_shape job_shape = { UD_SHAPE(job, job_fields), .bare = true };

static enum ud_code enqueue(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct job *in = rq->in;
	struct ud_operation op = {
		.kind = "bench", .state = UD_OPERATION_WAITING, .requested_by = rq->scope.id
	};
	struct ud_host h = { 0 };
	int64_t seq = 0;

	UD_TRY(ud_row_get(cx, &ud_hosts, in->host_id, &h));
	UD_TRY(ud_row_insert(cx, &ud_operations, &op));
	UD_TRY(ud_event_add(cx, "created", ud_operations.shape, NULL, &op));
	const struct ud_command_new command = { .host_id = h.row.id,
		.verb = "logs",
		.args = "{}",
		.operation_id = op.row.id,
		.timeout_seconds = 60,
		.wait_seconds = 600 };

	UD_TRY(ud_command_send(cx, &rq->server->commanding, &command, &seq));
	return ud_answer(cx, rq, ud_operations.shape, &op);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "POST", "/v1/jobs", "jobs.create", UD_R(OPERATOR), "hosts:write", UD_WRITE, &job_shape, .status = 202, .handle = enqueue, .about = "Tell a host something." },
};
/* clang-format on */
static const struct ud_routes jobs = { "Jobs", rows, UD_LEN(rows) };
static const struct ud_routes *const routes[] = { &jobs, NULL };

static enum ud_code open_both(struct ud_ctx *cx, struct bench *b, ud_database **db,
	struct ud_agents **agents, struct ud_server **server)
{
	static const struct ud_server_settings settings = { .listen = "127.0.0.1:0",
		.connections = 12000,
		.burst = 1,
		.require_mfa = "none",
		.session_hours = 12,
		.idle_minutes = 30,
		.idempotency_days = 7,
		.lease_seconds = 30,
		.trusted_proxies = "" };

	UD_TRY(ud_database_open(cx, b->url, cx->env, db));
	UD_TRY(ud_agents_start(
		cx, *db, &settings, &keys, ud_agent_routes, &ud_api_work, cx->env, agents));
	return ud_server_start(cx, *db, &settings, &keys, routes, &ud_api_work, cx->env, server);
}

static enum ud_code serve(struct ud_ctx *cx, struct bench *b)
{
	struct rlimit files;
	ud_database *db = NULL;
	struct ud_agents *agents = NULL;
	struct ud_server *server = NULL;
	sigset_t ends;
	int got;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	enum ud_code code = open_both(cx, b, &db, &agents, &server);

	if (code == UD_OK) {
		printf("%d %d\n", ud_agents_server(agents)->port, server->port);
		fflush(stdout);
		sigwait(&ends, &got);
	}
	ud_server_release(&server);
	ud_agents_release(&agents);
	ud_database_release(&db);
	return code;
}

int main(int argc, char **argv)
{
	struct ud_scope scope = ud_scope_system("bench");
	struct bench b = {
		.cx = { .arena = ud_arena_new(), .env = &ud_env_real, .scope = &scope }
	};
	struct ud_ctx *cx = &b.cx;
	bool seeding = argc == 4 && strcmp(argv[1], "seed") == 0;

	if (!seeding && (argc != 3 || strcmp(argv[1], "serve") != 0)) {
		fputs("usage: server seed DIR N | server serve DIR\n", stderr);
		return 2;
	}
	ud_log_set_level(UD_LOG_WARNING);
	cx->now_ms = ud_now_ms(cx->env);
	b.dir = argv[2];
	b.url = ud_printf(cx->arena, "sqlite:%s/bench.db", b.dir);
	b.n = seeding ? atoi(argv[3]) : 0;
	int rc = (seeding ? make : serve)(cx, &b) == UD_OK ? 0 : failed(cx, argv[1]);

	ud_buf_free(&b.agents);
	ud_arena_release(&cx->arena);
	return rc;
}
