/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replication with real agents on scripted hypervisors: what the API asks for is set at both ends,
 * points come, and what the agents report of them is what the API shows; on both databases.
 */
#include <poll.h>
#include <string.h>

#include "support/agents.h"
#include "support/scripted.h"

enum { PATIENCE_MS = 30000 };

struct scene {
	struct port *p;
	struct world *w;
	struct scripted *hv[2];
	struct agent *a[2];
	const char *host[2];
	const char *vm, *replication;
};

static const char *make(struct scene *s, const char *path, const char *body)
{
	return text_at(expect(s->w, LEAD, "POST", path, body, 201).json, "id");
}

static void add_host(struct scene *s, int i)
{
	static const char *const names[] = { "replicator-a", "replicator-b" };
	static const char *const codes[] = { "lon", "ams" };
	const char *site = make(s, "/v1/sites",
		fmt(s->w,
			"{\"name\":\"%s\",\"code\":\"%s\",\"kind\":\"provider_dc\",\"time_zone\":\"UTC\"}",
			codes[i], codes[i]));

	s->host[i] = make(s, "/v1/hosts",
		fmt(s->w, "{\"name\":\"%s-a\",\"hypervisor\":\"kvm\",\"site_id\":\"%s\"}", codes[i],
			site));
	s->hv[i] = scripted_begin(names[i]);
	s->a[i] = agent_begin(s->p, s->host[i], scripted_uri(s->hv[i]));
	agent_stop(s->a[i]);
	s->a[i]->config.replication_listen = fmt(s->w, "127.0.0.1:%d", 7000 + i);
	scripted_agent(s->hv[i], s->a[i]->shown.id);
	agent_start(s->a[i]);
}

static int begin(void **state)
{
	struct scene *s = ud_malloc(sizeof(*s));

	*state = s;
	s->w = world_begin();
	s->p = port_begin(s->w, ud_agent_routes);
	add_host(s, 0);
	add_host(s, 1);
	make(s, "/v1/subscriptions",
		fmt(s->w,
			"{\"customer_id\":\"%s\",\"kind\":\"managed\",\"add_ons\":[\"hyperv_replica\"]}",
			s->w->own));
	return 0;
}

static int end(void **state)
{
	struct scene *s = *state;

	for (int i = 0; i < 2; i++) {
		agent_end(s->a[i]);
		scripted_end(s->hv[i]);
	}
	port_end(s->p);
	world_end(s->w);
	ud_free(s);
	return 0;
}

/* Ask until a member has a value; what is made by another thread has no other event. */
static struct reply until(struct scene *s, const char *path, const char *member, const char *value)
{
	int64_t end_ms = ud_mono_ms(&ud_env_real) + PATIENCE_MS;
	struct reply r = { 0 };

	while (ud_mono_ms(&ud_env_real) < end_ms) {
		r = expect(s->w, LEAD, "GET", path, NULL, 200);
		if (strcmp(text_at(r.json, member), value) == 0)
			return r;
		world_tick(s->w);
		poll(NULL, 0, 5);
	}
	fail_msg("%s of %s does not become %s: %s", member, path, value, r.body);
	return r;
}

/* A guest of the first host that belongs to a customer. */
static void bring_guest(struct scene *s)
{
	static const char *const any[] = { "If-Match: *", NULL };
	const char *uuid = scripted_uuid(s->hv[0], 1);

	scripted_add(s->hv[0], uuid, "sql-01");
	scripted_set_power(s->hv[0], uuid, UD_POWER_RUNNING);
	s->vm = text_at(until(s, "/v1/vms?q=sql-01", "data.0.name", "sql-01").json, "data.0.id");
	struct reply r = call(s->w, LEAD, "PATCH", fmt(s->w, "/v1/vms/%s", s->vm),
		fmt(s->w, "{\"customer_id\":\"%s\",\"managed\":true}", s->w->own), any);

	assert_int_equal(r.status, 200);
}

static void protect(struct scene *s)
{
	struct reply r;

	bring_guest(s);
	until(s, fmt(s->w, "/v1/hosts/%s", s->host[1]), "replication_listen", "127.0.0.1:7001");
	r = expect(s->w, LEAD, "POST", fmt(s->w, "/v1/vms/%s/replications", s->vm),
		fmt(s->w,
			"{\"target_host_id\":\"%s\",\"schedule_interval_seconds\":5,\"recovery_points_kept\":2,"
			"\"rpo_target_seconds\":60,\"rto_target_seconds\":900}",
			s->host[1]),
		202);
	until(s, fmt(s->w, "/v1/operations/%s", text_at(r.json, "id")), "state", "succeeded");
	r = expect(s->w, LEAD, "GET", fmt(s->w, "/v1/replications?vm_id=%s", s->vm), NULL, 200);
	s->replication = text_at(r.json, "data.0.id");
}

static const char *points_path(struct scene *s)
{
	return fmt(s->w, "/v1/replications/%s/recovery-points", s->replication);
}

static void cycle(struct scene *s)
{
	scripted_write(s->hv[0], scripted_uuid(s->hv[0], 1));
	if (scripted_cycle(&s->w->cx, s->hv[0], s->replication) != UD_OK)
		fail_msg("%s", s->w->cx.problem.detail);
}

/* The id of the newest point at the target. */
static enum ud_code take_first(struct ud_ctx *cx, void *data, const struct ud_point *point)
{
	const char **id = data;

	if (!*id)
		*id = ud_strdup(cx->arena, point->id);
	return UD_OK;
}

static const char *newest(struct scene *s)
{
	const char *id = NULL;
	struct ud_hv *hv = ud_agent_station(s->a[1]->run)->hv;

	assert_int_equal(ud_hv_points(&s->w->cx, hv, s->replication, take_first, &id), UD_OK);
	return id;
}

static void what_is_asked_for_is_set_and_told_back(void **state)
{
	struct scene *s = *state;

	protect(s);
	until(s, fmt(s->w, "/v1/replications/%s", s->replication), "state", "replicating");
	for (int i = 0; i < 4; i++) {
		cycle(s);
		until(s, points_path(s), "data.0.id", newest(s));
	}
}

static void after_a_restart_all_is_told_again_and_nothing_twice(void **state)
{
	struct scene *s = *state;
	const char *last;

	protect(s);
	cycle(s);
	last = newest(s);
	until(s, points_path(s), "data.0.id", last);
	agent_stop(s->a[1]);
	agent_start(s->a[1]);
	until(s, points_path(s), "data.0.id", last);
	cycle(s);
	struct reply r = until(s, points_path(s), "data.0.id", newest(s));

	assert_string_equal(text_at(r.json, "data.1.id"), last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_asked_for_is_set_and_told_back, begin, end),
		cmocka_unit_test_setup_teardown(
			after_a_restart_all_is_told_again_and_nothing_twice, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
