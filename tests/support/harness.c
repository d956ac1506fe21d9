/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building worlds. Principals are put into the database directly, the server is the real one.
 */
#include "support/harness.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/api.h"
#include "api/people.h"
#include "base/env.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "db/customers.h"
#include "db/engine/migrate.h"
#include "db/event_types.h"
#include "db/events.h"
#include "db/migrations.h"
#include "db/people.h"
#include "server/jobs/ticks.h"
#include "support/proxy.h"

enum { CALL_SECONDS = 60, PROXY_SECONDS = 20, PROXY_PACE = 20 };

const char *const who_names[WHO_COUNT] = { "nobody", "operator", "lead", "engineer", "auditor",
	"own admin", "own approver", "own operator", "own viewer", "other admin", "other viewer",
	"read-only token" };

static const struct {
	const char *role;
	int side; /* 0 = provider, 1 = own, 2 = other */
} kinds[WHO_COUNT] = {
	[OPERATOR] = { "operator", 0 },
	[LEAD] = { "support_lead", 0 },
	[ENGINEER] = { "support_engineer", 0 },
	[AUDITOR] = { "auditor", 0 },
	[OWN_ADMIN] = { "customer_admin", 1 },
	[OWN_APPROVER] = { "customer_approver", 1 },
	[OWN_OPERATOR] = { "customer_operator", 1 },
	[OWN_VIEWER] = { "customer_viewer", 1 },
	[OTHER_ADMIN] = { "customer_admin", 2 },
	[OTHER_VIEWER] = { "customer_viewer", 2 },
	[READ_ONLY_TOKEN] = { "customer_admin", 1 },
};

static void must(enum ud_code code, const struct ud_ctx *cx)
{
	if (code != UD_OK)
		fail_msg("%s: %s", ud_error_info(code)->name,
			cx->problem.detail ? cx->problem.detail : "");
}

/* Behind the proxy everything takes longer, so that time goes slower there, too. */
static int64_t paced(int64_t now_ms, int64_t begun_ms)
{
	return proxy_url() ? begun_ms + (now_ms - begun_ms) / PROXY_PACE : now_ms;
}

static int64_t shifted_now(const struct ud_env *env)
{
	const struct world *w = env->data;

	return paced(ud_env_real.now_ms(&ud_env_real), w->begun_ms) + w->clock_ms;
}

static int64_t shifted_mono(const struct ud_env *env)
{
	const struct world *w = env->data;

	return paced(ud_env_real.mono_ms(&ud_env_real), w->begun_mono_ms) + w->mono_ms;
}

/* A fresh database. */
static void make_database(struct world *w)
{
	const char *engine = getenv("UD_TEST_DATABASE"), *cluster = getenv("UD_TEST_POSTGRES");
	ud_conn *conn = NULL;
	char name[64];

	if (!engine || strcmp(engine, "postgresql") != 0) {
		w->url = ud_heap_strdup(fmt(w, "sqlite:%s/test.db", w->dir));
		return;
	}
	const char *mark = cluster ? strstr(cluster, "%s") : NULL;

	if (!mark) {
		fail_msg(
			"UD_TEST_POSTGRES is no URL with %%s: run under tests/support/postgres.sh");
		return;
	}
	snprintf(name, sizeof(name), "t%d_%lld", getpid(), (long long)ud_mono_ms(&ud_env_real));
	must(ud_conn_open(&w->cx,
		     fmt(w, "%.*spostgres%s", (int)(mark - cluster), cluster, mark + 2), 0, &conn),
		&w->cx);
	must(conn->engine->script(&w->cx, conn,
		     fmt(w, "CREATE DATABASE %s TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
			     name)),
		&w->cx);
	ud_conn_release(&conn);
	w->url = ud_heap_strdup(fmt(w, "%.*s%s%s", (int)(mark - cluster), cluster, name, mark + 2));
}

static void migrate(struct world *w)
{
	ud_conn *conn = NULL;

	must(ud_conn_open(&w->cx, w->url, UD_CONN_CREATE, &conn), &w->cx);
	w->cx.conn = conn;
	must(ud_migrate(&w->cx, ud_migrations), &w->cx);
	w->cx.conn = NULL;
	ud_conn_release(&conn);
}

static enum ud_code add_customer(struct ud_ctx *cx, const char *name, const char **ret_id)
{
	struct ud_customer c = { .name = name,
		.account_number = name,
		.time_zone = "UTC",
		.state = UD_CUSTOMER_ACTIVE };

	c.row.id = c.row.customer_id = ud_id_new(cx->arena, cx->env, cx->now_ms, "cus");
	*ret_id = c.row.id;
	UD_TRY(ud_row_insert(cx, &ud_customers, &c));
	return ud_event_add(cx, "created", ud_customers.shape, NULL, &c);
}

/* A service account or user of a kind, with a token. */
static enum ud_code add_principal(struct ud_ctx *cx, struct world *w, enum who who)
{
	const char *roles[] = { kinds[who].role },
		   *scopes[] = { who == READ_ONLY_TOKEN ? "customers:read" : "*" };
	const char *customer = kinds[who].side == 1 ? w->own
		: kinds[who].side == 2              ? w->other
						    : NULL;
	struct ud_user u = { .email = fmt(w, "%s%d@example.net",
				     kinds[who].side == 2 ? "canary" : "person", who),
		.display_name = kinds[who].side == 2 ? "canary person" : who_names[who],
		.state = UD_USER_ACTIVE,
		.role_names = { roles, 1 },
		.row.customer_id = customer };
	struct ud_token t = { .name = who_names[who], .scopes = { scopes, 1 } };

	UD_TRY(ud_row_insert(cx, &ud_users, &u));
	UD_TRY(ud_event_add(cx, "created", ud_users.shape, NULL, &u));
	UD_TRY(ud_token_make(cx, "usp", u.row.id, customer, &t));
	w->principal[who] = u.row.id;
	w->token[who] = t.token;
	return UD_OK;
}

static enum ud_code populate(struct ud_ctx *cx, void *data)
{
	struct world *w = data;

	UD_TRY(add_customer(cx, "Own Ltd", &w->own));
	UD_TRY(add_customer(cx, "canary customer", &w->other));
	for (int who = OPERATOR; who < WHO_COUNT; who++)
		UD_TRY(add_principal(cx, w, (enum who)who));
	return UD_OK;
}

void world_write(struct world *w, enum ud_code (*apply)(struct ud_ctx *cx, void *data), void *data)
{
	w->cx.now_ms = ud_now_ms(&w->env);
	must(ud_database_write(w->db, &w->cx, apply, data), &w->cx);
}

static void start(struct world *w)
{
	static const struct ud_server_settings settings = { .listen = "127.0.0.1:0",
		.workers = 2,
		.connections = 2000,
		.per_address = 20,
		.requests_per_minute = 0,
		.burst = 1,
		.streams_per_user = 20,
		.require_mfa = "none",
		.session_hours = 12,
		.idle_minutes = 30,
		.idempotency_days = 7,
		.metrics_allow = "127.0.0.1,::1",
		.trusted_proxies = "",
		.fence_agents = UD_SOURCE_DIR "/tests/support/fence-agents",
		.webhook_key = "a key for the tests alone",
		.webhook_allow = "127.0.0.1",
		.ticks_by_hand = true };
	static const struct ud_keys keys = {
		.pepper = "pepper", .cursor = "cursor", .seal = "seal"
	};

	struct ud_server_settings mine = settings;

	mine.attachments = fmt(w, "%s/attachments", w->dir);
	must(ud_server_start(
		     &w->cx, w->db, &mine, &keys, ud_api, &ud_api_work, &w->env, &w->server),
		&w->cx);
}

struct world *world_begin(void)
{
	struct world *w = ud_malloc(sizeof(*w));
	char dir[] = "/tmp/understudy-test.XXXXXX";

	ud_log_set_level(UD_LOG_ERROR);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	w->arena = ud_arena_new();
	w->begun_ms = ud_now_ms(&ud_env_real);
	w->begun_mono_ms = ud_mono_ms(&ud_env_real);
	w->env = ud_env_real;
	w->env.now_ms = shifted_now;
	w->env.mono_ms = shifted_mono;
	w->env.data = w;
	w->scope = ud_scope_system("test");
	w->cx = (struct ud_ctx){
		.arena = w->arena, .env = &w->env, .now_ms = ud_now_ms(&w->env), .scope = &w->scope
	};
	w->dir = ud_heap_strdup(mkdtemp(dir));
	make_database(w);
	migrate(w);
	must(ud_database_open(&w->cx, w->url, &w->env, &w->db), &w->cx);
	world_write(w, populate, w);
	start(w);
	w->curl = curl_easy_init();
	w->replies = json_array();
	return w;
}

size_t world_tick(struct world *w)
{
	return ud_ticks_step(w->server->ticks);
}

void world_restart(struct world *w)
{
	ud_server_release(&w->server);
	ud_database_release(&w->db);
	must(ud_database_open(&w->cx, w->url, &w->env, &w->db), &w->cx);
	start(w);
}

static void remove_attachment(void *data, const char *name)
{
	struct world *w = data;

	unlink(fmt(w, "%s/attachments/%s", w->dir, name));
}

static enum ud_code read_types(struct ud_ctx *cx, void *data)
{
	UD_AUTO(ud_rows) *rows = NULL;
	struct ud_buf *unknown = data;
	bool more = true;

	UD_TRY(ud_query(cx, &rows, "SELECT DISTINCT type FROM events", UD_NO_VALS));
	for (;;) {
		UD_TRY(ud_next(cx, rows, &more));
		if (!more)
			return UD_OK;
		const char *type = ud_col_text(rows, 0);

		if (strncmp(type, "test.", 5) != 0 && !strstr(type, ".made_up") &&
			!ud_event_type_known(type))
			ud_buf_printf(unknown, " %s", type);
	}
}

/* Whatever was written to the log is in the list of types; what tests make up says so. */
static void check_types(struct world *w)
{
	struct ud_buf unknown = { 0 };

	world_write(w, read_types, &unknown);
	const char *text = ud_buf_take(w->arena, &unknown);

	if (*text)
		fail_msg("db/event_types.c lacks%s", text);
}

void world_end(struct world *w)
{
	if (w->db) /* a server in another process has its own */
		check_types(w);
	curl_easy_cleanup(w->curl);
	json_decref(w->replies);
	ud_server_release(&w->server);
	ud_database_release(&w->db);
	for (const char *end[] = { "", "-wal", "-shm" }, **e = end; e < end + 3; e++)
		unlink(fmt(w, "%s/test.db%s", w->dir, *e));
	ud_files_real.list(fmt(w, "%s/attachments", w->dir), remove_attachment, w);
	rmdir(fmt(w, "%s/attachments", w->dir));
	rmdir(w->dir);
	ud_free(w->dir);
	ud_free(w->url);
	ud_arena_release(&w->arena);
	ud_free(w);
	curl_global_cleanup();
}

static size_t collect(char *data, size_t size, size_t n, void *to)
{
	ud_buf_add(to, data, size * n);
	return size * n;
}

static struct curl_slist *header_list(struct world *w, enum who who, const char *method,
	const char *body, const char *const *headers)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	if (proxy_url()) /* or it would go on with a connection to another server */
		list = curl_slist_append(list, "Connection: close");
	if (who != NOBODY)
		list = curl_slist_append(list, fmt(w, "Authorization: Bearer %s", w->token[who]));
	if (body && !(headers && *headers && strncmp(*headers, "Content-Type:", 13) == 0))
		list = curl_slist_append(list,
			strcmp(method, "PATCH") == 0 ? "Content-Type: application/merge-patch+json"
						     : "Content-Type: application/json");
	for (; headers && *headers; headers++)
		list = curl_slist_append(list, *headers);
	return list;
}

/* Texts of replies are the arena's; trees are kept in a list until the world ends. */
static struct reply exchange(struct world *w, const char *base, enum who who, const char *method,
	const char *path, const char *body, const char *const *headers)
{
	struct ud_buf out = { 0 }, head = { 0 };
	struct curl_slist *list = header_list(w, who, method, body, headers);
	struct reply r = { 0 };
	long status = 0;
	CURL *c = w->curl;
	bool proxied = base == proxy_url();

	curl_easy_reset(c);
	curl_easy_setopt(c, CURLOPT_URL, fmt(w, "%s%s", base, path));
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, proxied ? (long)PROXY_SECONDS : (long)CALL_SECONDS);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	if (body)
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &out);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, collect);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, &head);
	CURLcode rc = curl_easy_perform(c);

	if (rc != CURLE_OK && !proxied) /* the proxy has no answer to some malformed bodies */
		fail_msg("%s %s: %s", method, path, curl_easy_strerror(rc));
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(list);
	r.status = (int)status;
	r.size = out.len;
	r.body = ud_strndup(w->arena, out.data ? out.data : "", out.len);
	r.head = ud_strndup(w->arena, head.data ? head.data : "", head.len);
	json_t *tree = json_loads(r.body, JSON_DECODE_ANY, NULL);

	r.json = tree;
	if (tree)
		json_array_append_new(w->replies, tree);
	ud_buf_free(&out);
	ud_buf_free(&head);
	return r;
}

/* By way of the proxy. What it does not let through is no secret between it and the caller: the
 * server must refuse it as well. */
static struct reply call_proxy(struct world *w, enum who who, const char *method, const char *path,
	const char *body, const char *const *headers)
{
	proxy_to(w->server->port);
	struct reply r = exchange(w, proxy_url(), who, method, path, body, headers);
	enum proxy_answer answer = proxy_judge(r.head, r.body);

	/* it takes bytes for text: of a picture only the way there is looked at */
	if (answer == PROXY_SERVER && strcasestr(r.head, "\nContent-Type: image/"))
		return exchange(w, w->server->base_url, who, method, path, body, headers);
	if (answer == PROXY_SERVER)
		return r;
	if (answer == PROXY_VIOLATION)
		fail_msg("%s %s: the answer is not in the specification: %s", method, path, r.body);
	struct reply direct = exchange(w, w->server->base_url, who, method, path, body, headers);

	if (direct.status < 400)
		fail_msg("%s %s %s: the server takes (%d) what the specification does not: %s",
			method, path, body ? body : "", direct.status, r.body);
	return direct;
}

/* A file of a page, or a page itself, is no call: the specification has none of them. */
static bool is_listed(const char *path)
{
	for (const struct ud_routes *const *part = ud_api; *part; part++)
		for (size_t i = 0; i < (*part)->count; i++) {
			const struct ud_route *r = &(*part)->rows[i];
			size_t fixed = strcspn(r->path, "{");

			if (r->flags & UD_UNLISTED && strncmp(r->path, path, fixed) == 0 &&
				(r->path[fixed] || strcspn(path, "?") == fixed))
				return false;
		}
	return true;
}

/* A 201 without its object: a specification has no word for a body that may be missing. */
static bool leaves_object_out(const char *method, const char *const *headers)
{
	bool does = false;

	for (; strcmp(method, "POST") == 0 && headers && *headers; headers++)
		does = does || strcasestr(*headers, "return=\"minimal\"") ||
			strcasestr(*headers, "return=minimal");
	return does;
}

struct reply call(struct world *w, enum who who, const char *method, const char *path,
	const char *body, const char *const *headers)
{
	if (proxy_url() && is_listed(path) && !leaves_object_out(method, headers))
		return call_proxy(w, who, method, path, body, headers);
	return exchange(w, w->server->base_url, who, method, path, body, headers);
}

struct reply callf(struct world *w, enum who who, const char *method, const char *path,
	const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	const char *body = ud_vprintf(w->arena, format, ap);

	va_end(ap);
	return call(w, who, method, path, body, NULL);
}

struct reply expect(struct world *w, enum who who, const char *method, const char *path,
	const char *body, int status)
{
	const char *any[] = { "If-Match: *", NULL };
	bool changes = strcmp(method, "PATCH") == 0 || strcmp(method, "DELETE") == 0 ||
		strcmp(method, "PUT") == 0;
	struct reply r = call(w, who, method, path, body, changes ? any : NULL);

	if (r.status != status)
		fail_msg("%s: %s %s %s\nwanted %d, got %d %s", who_names[who], method, path,
			body ? body : "", status, r.status, r.body);
	return r;
}

static json_t *at(json_t *json, const char *path)
{
	while (json && *path) {
		char key[128];
		size_t n = strcspn(path, ".");

		snprintf(key, sizeof(key), "%.*s", (int)n, path);
		json = json_is_array(json) ? json_array_get(json, (size_t)atol(key))
					   : json_object_get(json, key);
		path += n + (path[n] == '.');
	}
	return json;
}

const char *text_at(json_t *json, const char *path)
{
	const char *s = json_string_value(at(json, path));

	return s ? s : "";
}

int64_t number_at(json_t *json, const char *path)
{
	return json_integer_value(at(json, path));
}

const char *header_of(struct world *w, const struct reply *r, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = r->head; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (strncasecmp(p, name, n) == 0 && p[n] == ':')
			return ud_strndup(w->arena, p + n + 2, strcspn(p + n + 2, "\r\n"));
	return NULL;
}

const char *fmt(struct world *w, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	const char *s = ud_vprintf(w->arena, format, ap);

	va_end(ap);
	return s;
}

static int raw_send(struct world *w, const char *bytes, size_t n)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)w->server->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

	(void)sent; /* the server may have closed already: that is one of the answers */
	return fd;
}

const char *raw_until(struct world *w, const char *bytes, size_t n, const char *last,
	int silence_ms, size_t *ret_n)
{
	int fd = raw_send(w, bytes, n);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct ud_buf b = { 0 };
	char part[4096];

	while (poll(&p, 1, silence_ms) > 0) {
		ssize_t got = recv(fd, part, sizeof(part), 0);

		if (got <= 0)
			break;
		ud_buf_add(&b, part, (size_t)got);
		if (last && memmem(b.data, b.len, last, strlen(last)))
			break;
	}
	close(fd);
	const char *text = ud_strndup(w->arena, b.data ? b.data : "", b.len);

	*ret_n = b.len;
	ud_buf_free(&b);
	return text;
}

const char *raw_exchange(struct world *w, const char *bytes, size_t n, size_t *ret_n)
{
	return raw_until(w, bytes, n, NULL, 700, ret_n);
}

void expect_code(const struct reply *r, int status, const char *code)
{
	if (r->status != status || strcmp(text_at(r->json, "code"), code) != 0)
		fail_msg("wanted %d %s, got %d %s", status, code, r->status, r->body);
}
