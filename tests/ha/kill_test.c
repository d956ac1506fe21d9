/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9 of the whole server under parallel writes, again and again: every acknowledged row is
 * there afterwards, the files are whole and the chain of records is intact. With
 * UD_TEST_POSTGRES_DIR it is PostgreSQL that is killed. 20 kills in the ordinary run, 200 with
 * UD_TEST_LONG.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/client.h"
#include "support/harness.h"
#include "support/ports.h"
#include "support/programs.h"

enum { WRITERS = 4, START_MS = 120000, ACKS_MAX = 400000 };

struct arena_of_acks {
	pthread_mutex_t mutex;
	char (*ids)[40];
	size_t count;
	_Atomic bool stop;
	_Atomic int64_t total;
	char base[64];
	char token[128];
};

struct server {
	pid_t pid;
	char dir[64], config[128], token_file[128];
	int port;
};

/* What a case that fails leaves behind, for end(). */
static struct arena_of_acks acks;
static struct server server;
static pthread_t writers[WRITERS];
static int writing;

static void run_to_end(const char *const *argv)
{
	if (program_run(argv) != 0)
		fail_msg("%s failed", argv[1]);
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void make_installation(struct server *s, const char *database)
{
	char path[160], text[256];

	snprintf(s->dir, sizeof(s->dir), "/tmp/understudy-kill.XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->token_file, sizeof(s->token_file), "%s/token", s->dir);
	char install[80];

	snprintf(install, sizeof(install), "%s/i", s->dir);
	snprintf(s->config, sizeof(s->config), "%s/understudyd.conf", install);
	const char *const with[] = { UD_SERVER_PROGRAM, "init", "--dir", install,
		"--admin-token-file", s->token_file, database ? "--database" : NULL, database,
		NULL };

	run_to_end(with);
	s->port = free_port();
	snprintf(path, sizeof(path), "%s/conf.d/test.conf", install);
	snprintf(text, sizeof(text),
		"[server]\nlisten=127.0.0.1:%d\n[agents]\nlisten=\n[limits]\nrequests_per_minute=0\n[log]\nlevel=error\n",
		s->port);
	write_text(path, text);
}

/* Start and wait until it answers. */
static void start_server(struct server *s)
{
	const char *const serve[] = { UD_SERVER_PROGRAM, "serve", "--config", s->config, NULL };
	char base[64];
	struct client c = { 0 };

	snprintf(base, sizeof(base), "http://127.0.0.1:%d", s->port);
	c.base = base;
	s->pid = program_start(serve, -1);
	int64_t last = ud_mono_ms(&ud_env_real) + START_MS;
	int status = 0;

	while (client_call(&c, "GET", "/readyz", NULL, NULL) != 200) {
		if (waitpid(s->pid, &status, WNOHANG) == s->pid) {
			s->pid = 0;
			fail_msg("the server ended while it started: status %#x", status);
		}
		if (ud_mono_ms(&ud_env_real) > last) {
			program_describe(s->pid);
			fail_msg("the server does not answer within %d ms; last: %s", START_MS,
				ud_buf_text(&c.body));
		}
		poll(NULL, 0, 1); /* until it listens; there is no event to wait for from outside */
	}
	client_end(&c);
}

static void *write_rows(void *data)
{
	struct arena_of_acks *a = data;
	struct client c = { .base = a->base, .token = a->token };

	while (!atomic_load(&a->stop)) {
		if (client_call(&c, "POST", "/v1/vms", "{\"name\":\"killed\"}", NULL) != 201) {
			/* while it is away: it needs the processor to come back */
			poll(NULL, 0, 1);
			continue;
		}
		json_t *j = client_json(&c);

		pthread_mutex_lock(&a->mutex);
		if (a->count < ACKS_MAX)
			snprintf(a->ids[a->count++], sizeof(*a->ids), "%s", text_at(j, "id"));
		pthread_mutex_unlock(&a->mutex);
		json_decref(j);
		atomic_fetch_add(&a->total, 1);
	}
	client_end(&c);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* All ids the server has now, against all that were acknowledged. */
static size_t count_lost(struct arena_of_acks *a)
{
	struct client c = { .base = a->base, .token = a->token };
	char(*have)[40] = ud_malloc(ACKS_MAX * sizeof(*have) * 2),
	path[400] = "/v1/vms?limit=200&fields=id";
	size_t n = 0, lost = 0;

	for (;;) {
		assert_int_equal(client_call(&c, "GET", path, NULL, NULL), 200);
		json_t *page = client_json(&c), *row;
		size_t i;

		json_array_foreach(json_object_get(page, "data"), i, row)
			snprintf(have[n++], sizeof(*have), "%s", text_at(row, "id"));
		bool more = json_is_true(json_object_get(page, "has_more"));

		snprintf(path, sizeof(path), "/v1/vms?limit=200&fields=id&cursor=%s",
			text_at(page, "next_cursor"));
		json_decref(page);
		if (!more)
			break;
	}
	qsort(have, n, sizeof(*have), compare);
	for (size_t i = 0; i < a->count; i++)
		lost += !bsearch(a->ids[i], have, n, sizeof(*have), compare);
	assert_int_equal(client_call(&c, "GET", "/v1/audit-records/verify", NULL, NULL), 200);
	json_t *v = client_json(&c);

	assert_true(json_is_true(json_object_get(v, "intact")));
	json_decref(v);
	client_end(&c);
	ud_free(have);
	return lost;
}

static void read_token(const struct server *s, struct arena_of_acks *a)
{
	FILE *f = fopen(s->token_file, "r");

	assert_non_null(f);
	assert_non_null(fgets(a->token, sizeof(a->token), f));
	a->token[strcspn(a->token, "\n")] = 0;
	fclose(f);
}

/* Wait until so many more writes were acknowledged, so that a kill falls among writes. */
static void let_write(struct arena_of_acks *a, int64_t more)
{
	int64_t until = atomic_load(&a->total) + more;

	while (atomic_load(&a->total) < until)
		poll(NULL, 0, 1); /* the event is a count that other threads raise */
}

static void check_files(const struct server *s)
{
	char url[160];
	ud_conn *conn = NULL;
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };
	const char *answer = "";
	bool found;

	snprintf(url, sizeof(url), "sqlite:%s/i/understudy.db", s->dir);
	assert_int_equal(ud_conn_open(&cx, url, UD_CONN_READ, &conn), UD_OK);
	cx.conn = conn;
	assert_int_equal(
		ud_query_text(&cx, &found, &answer, "PRAGMA integrity_check", UD_NO_VALS), UD_OK);
	assert_string_equal(answer, "ok");
	ud_conn_release(&conn);
}

static int postgres(const char *verb, const char *dir)
{
	char command[512];

	snprintf(command, sizeof(command), "%s/tests/support/postgres.sh %s %s >/dev/null 2>&1",
		UD_SOURCE_DIR, verb, dir);
	return system(command);
}

/* One kill of what is to be killed, and its return. */
static void kill_once(struct server *s, const char *postgres_dir)
{
	if (postgres_dir) {
		assert_int_equal(postgres("kill", postgres_dir), 0);
		assert_int_equal(postgres("start", postgres_dir), 0);
		return;
	}
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	start_server(s);
}

static void stop_writing(void)
{
	atomic_store(&acks.stop, true);
	while (writing > 0)
		pthread_join(writers[--writing], NULL);
}

static void kill_loop(const char *database, const char *postgres_dir)
{
	const char *is_long = getenv("UD_TEST_LONG");
	int kills = is_long && *is_long ? 200 : 20;

	memset(&acks, 0, sizeof(acks));
	acks.ids = ud_malloc(ACKS_MAX * sizeof(*acks.ids));
	pthread_mutex_init(&acks.mutex, NULL);
	make_installation(&server, database);
	start_server(&server);
	read_token(&server, &acks);
	snprintf(acks.base, sizeof(acks.base), "http://127.0.0.1:%d", server.port);
	for (; writing < WRITERS; writing++)
		assert_int_equal(pthread_create(&writers[writing], NULL, write_rows, &acks), 0);
	for (int i = 0; i < kills; i++) {
		unsigned char chance;

		ud_random(&ud_env_real, &chance, 1);
		let_write(&acks, 20 + chance % 200);
		kill_once(&server, postgres_dir);
	}
	let_write(&acks, 10);
	stop_writing();
	size_t lost = count_lost(&acks);

	kill(server.pid, SIGTERM);
	waitpid(server.pid, NULL, 0);
	server.pid = 0;
	if (!database)
		check_files(&server);
	printf("# %d kills of %s, %zu rows acknowledged, %zu lost\n", kills,
		postgres_dir ? "PostgreSQL" : "the server", acks.count, lost);
	assert_int_equal(lost, 0);
	const char *const rm[] = { "/bin/rm", "-rf", server.dir, NULL };

	run_to_end(rm);
}

static int end(void **state)
{
	(void)state;
	stop_writing();
	ud_free(acks.ids);
	acks.ids = NULL;
	if (server.pid > 0) {
		kill(server.pid, SIGKILL);
		waitpid(server.pid, NULL, 0);
	}
	server = (struct server){ 0 };
	return 0;
}

static void a_killed_server_loses_nothing_on_sqlite(void **state)
{
	(void)state;
	kill_loop(NULL, NULL);
}

/* The URL that postgres.sh prints for a fresh cluster with real fsync. */
static void start_cluster(char *dir, char *url, size_t n)
{
	char command[512];

	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755), 0);
	snprintf(command, sizeof(command), "%s/tests/support/postgres.sh start %s/pg --fsync",
		UD_SOURCE_DIR, dir);
	FILE *f = popen(command, "r");

	assert_non_null(f);
	assert_non_null(fgets(url, (int)n, f));
	url[strcspn(url, "\n")] = 0;
	assert_int_equal(pclose(f), 0);
}

static void a_killed_server_or_database_loses_nothing_on_postgresql(void **state)
{
	char dir[] = "/tmp/understudy-killpg.XXXXXX", url[256], pg[80];

	(void)state;
	start_cluster(dir, url, sizeof(url));
	snprintf(pg, sizeof(pg), "%s/pg", dir);
	kill_loop(url, pg);
	assert_int_equal(postgres("stop", pg), 0);
	const char *const rm[] = { "/bin/rm", "-rf", dir, NULL };

	run_to_end(rm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_killed_server_loses_nothing_on_sqlite, end),
		cmocka_unit_test_teardown(
			a_killed_server_or_database_loses_nothing_on_postgresql, end),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
