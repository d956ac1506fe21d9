/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule B: no agent is sent what may be lost. On a PostgreSQL pair whose standby is gone the primary
 * shows rows that it alone has, after a crash or when the wait for the standby was cancelled; a
 * server sends a command only after a commit of its own, which came after it, was acknowledged.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/commands.h"
#include "db/hosts.h"
#include "server/jobs/work.h"
#include "support/agents.h"
#include "support/store.h"

enum { PATIENCE_MS = 60000 };

struct pair {
	struct cluster cluster; /* owns the folder both are in */
	char primary[96], standby[96];
	struct port *p;
	struct shown agent;
};

static struct world *world_of(const struct pair *x)
{
	return x->p->w;
}

static int begin(void **state)
{
	struct pair *x = ud_malloc(sizeof(*x));
	char url[160];

	cluster_start(&x->cluster, true);
	snprintf(x->primary, sizeof(x->primary), "%s/pg", x->cluster.dir);
	snprintf(x->standby, sizeof(x->standby), "%s/b", x->cluster.dir);
	snprintf(url, sizeof(url), "%.*s/%%s", (int)(strrchr(x->cluster.url, '/') - x->cluster.url),
		x->cluster.url);
	setenv("UD_TEST_DATABASE", "postgresql", 1);
	setenv("UD_TEST_POSTGRES", url, 1);
	x->p = port_begin(world_begin(), ud_agent_routes);
	x->agent = port_enroll(x->p, port_host(x->p));
	assert_int_equal(postgres_run("standby", x->standby, x->primary, NULL, 0), 0);
	*state = x;
	return 0;
}

static int end(void **state)
{
	struct pair *x = *state;
	struct world *w = world_of(x);

	port_end(x->p);
	world_end(w);
	postgres_run("stop", x->standby, NULL, NULL, 0);
	cluster_end(&x->cluster);
	ud_free(x);
	return 0;
}

static struct reply poll_for(struct pair *x, int wait)
{
	return port_call(x->p, &x->agent, "POST", fmt(world_of(x), "/v1/agent/poll?wait=%d", wait),
		"{\"agent_boot\":\"run\",\"host_boot\":\"boot\",\"agent_version\":\"0\",\"working\":[]}");
}

/* Poll until there is a command. */
static void poll_until_told(struct pair *x)
{
	int64_t until = ud_mono_ms(&ud_env_real) + PATIENCE_MS;
	struct reply r;

	do {
		r = poll_for(x, 5);
		if (ud_mono_ms(&ud_env_real) > until)
			fail_msg("nothing was told in %d s, the last answer was %d",
				PATIENCE_MS / 1000, r.status);
	} while (r.status != 200);
	assert_non_null(strstr(text_at(r.json, "commands.0.payload"), "\"verb\":\"logs\""));
}

static enum ud_code tell(struct ud_ctx *cx, void *data)
{
	const struct pair *x = data;
	const struct ud_command_new in = { .host_id = x->agent.host_id,
		.verb = "logs",
		.args = "{}",
		.timeout_seconds = 60,
		.wait_seconds = 600 };
	int64_t seq;

	return ud_command_send(cx, &world_of(x)->server->commanding, &in, &seq);
}

/* Store on the primary alone, as what a crash restart shows of an unfinished commit. */
static void store_unreplicated(struct pair *x, const char *after)
{
	struct world *w = world_of(x);
	struct ud_ctx cx = w->cx;

	assert_int_equal(ud_conn_open(&cx, w->url, 0, &cx.conn), UD_OK);
	assert_int_equal(
		cx.conn->engine->script(&cx, cx.conn, "SET synchronous_commit = local"), UD_OK);
	assert_int_equal(ud_begin(&cx, true), UD_OK);
	assert_int_equal(tell(&cx, x), UD_OK);
	assert_int_equal(ud_exec(&cx, NULL, after, UD_NO_VALS), UD_OK);
	assert_int_equal(ud_commit(&cx), UD_OK);
	ud_conn_release(&cx.conn);
}

static int64_t number(struct pair *x, const char *sql)
{
	struct world *w = world_of(x);
	struct ud_ctx cx = w->cx;
	int64_t n = -1;
	bool found;

	assert_int_equal(ud_conn_open(&cx, w->url, UD_CONN_READ, &cx.conn), UD_OK);
	assert_int_equal(ud_query_int(&cx, &found, &n, sql, UD_NO_VALS), UD_OK);
	ud_conn_release(&cx.conn);
	return n;
}

static void until_number(struct pair *x, const char *sql)
{
	for (int64_t until = ud_mono_ms(&ud_env_real) + PATIENCE_MS; number(x, sql) < 1;) {
		if (ud_mono_ms(&ud_env_real) > until)
			fail_msg("waited too long for %s", sql);
		poll(NULL, 0, 5); /* PostgreSQL tells nobody */
	}
}

static const char by_another[] =
	"UPDATE commands SET state = 'delivered', delivered_at = 1, delivered_by = 'another', delivered_n = 1"
	" WHERE state = 'queued'";

static enum ud_code end_all(struct ud_ctx *cx, void *data)
{
	(void)data;
	return ud_exec(cx, NULL, "UPDATE commands SET state = 'done'", UD_NO_VALS);
}

/* Another server marked it, and that commit is on no standby. */
static void what_another_server_marked_waits_for_a_commit_of_ones_own(void **state)
{
	struct pair *x = *state;

	world_write(world_of(x), tell, x);
	poll_until_told(x);
	world_write(world_of(x), end_all, x);
	assert_int_equal(postgres_run("kill", x->standby, NULL, NULL, 0), 0);
	store_unreplicated(x, by_another);
	assert_int_equal(poll_for(x, 2).status, 204);
	assert_int_equal(postgres_run("standby", x->standby, x->primary, NULL, 0), 0);
	poll_until_told(x);
}

/* Our own mark, whose wait for the standby somebody cancelled: it is there to be seen, and nobody
 * promised that it stays. */
static void an_own_mark_counts_when_its_commit_was_acknowledged(void **state)
{
	struct pair *x = *state;

	assert_int_equal(postgres_run("kill", x->standby, NULL, NULL, 0), 0);
	store_unreplicated(x, "UPDATE commands SET state = 'done' WHERE state <> 'queued'");
	assert_int_equal(poll_for(x, 1).status, 204); /* it asks for the mark */
	until_number(x, "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
	for (int64_t until = ud_mono_ms(&ud_env_real) + PATIENCE_MS;
		number(x, "SELECT COUNT(*) FROM commands WHERE state = 'delivered'") < 1;) {
		number(x,
			"SELECT COUNT(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
		assert_true(ud_mono_ms(&ud_env_real) < until);
	}
	assert_int_equal(poll_for(x, 2).status, 204);
	assert_int_equal(postgres_run("standby", x->standby, x->primary, NULL, 0), 0);
	poll_until_told(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_another_server_marked_waits_for_a_commit_of_ones_own),
		cmocka_unit_test(an_own_mark_counts_when_its_commit_was_acknowledged),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
