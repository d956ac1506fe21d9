/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server, agent's keeper and lease guard together: short leases over the real port, guests
 * that are processes, a hypervisor in memory. What each part decides is tested beside this file.
 */
#include "agent/keeper.h"

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "agent/enroll.h"
#include "agent/guard/guard.h"
#include "base/file.h"
#include "db/leases.h"
#include "support/agents.h"
#include "support/scripted.h"

/* A lease is long enough for a busy machine. */
enum { L = 2, LEASE_MS = 2000, BOUND_MS = 250, EVENT_MS = 20000 };

struct scene {
	struct port *p;
	struct world *w;
	struct ud_ctx cx; /* the agent's side */
	struct ud_agent_config config;
	ud_link *link;
	struct scripted *script;
	struct ud_station station;
	struct ud_keeper *keeper;
	const char *vm, *uuid;
	enum ud_lease_gate gate;
};

static void agent_ok(struct scene *s, enum ud_code code)
{
	if (code != UD_OK)
		fail_msg("%s: %s", ud_error_info(code)->name, s->cx.problem.detail);
}

static enum ud_code protect(struct ud_ctx *cx, void *data)
{
	struct scene *s = data;

	return ud_exec(cx, NULL,
		"UPDATE vms SET epoch = 3, fencing_policy = 'lease', hypervisor_uuid = $2 WHERE id = $1",
		UD_VALS(ud_t(s->vm), ud_t(s->uuid)));
}

static void start_keeper(struct scene *s)
{
	const struct ud_keeper_settings settings = { .station = &s->station, .link = s->link };

	agent_ok(s, ud_keeper_start(&s->cx, &settings, &s->keeper));
}

static void enroll(struct scene *s)
{
	struct world *w = s->w;
	const char *host = port_host(s->p);
	const struct ud_enrolment in = { .server_url = s->p->url,
		.root_sha256 = s->p->pin,
		.token = port_token(s->p, host),
		.dir = fmt(w, "%s/agent", w->dir),
		.hypervisor_uri = scripted_uri(s->script) };

	agent_ok(s, ud_agent_enroll(&s->cx, &in, &s->config));
	agent_ok(s, ud_link_open(&s->cx, &s->config, &s->link));
	struct reply r = expect(w, LEAD, "POST", "/v1/vms",
		fmt(w, "{\"name\":\"db-1\",\"host_id\":\"%s\",\"customer_id\":\"%s\"}", host,
			w->own),
		201);

	s->vm = text_at(r.json, "id");
	world_write(w, protect, s);
}

static int begin(void **state)
{
	static int worlds;
	struct port *p = port_begin(world_begin(), ud_agent_routes);
	struct scene *s = ud_alloc(p->w->arena, sizeof(*s));

	*s = (struct scene){ .p = p, .w = p->w };
	s->cx = (struct ud_ctx){
		.arena = p->w->arena, .env = &ud_env_real, .now_ms = ud_now_ms(&ud_env_real)
	};
	ud_agents_server(p->agents)->settings.lease_seconds = L;
	s->script = scripted_begin(fmt(s->w, "keeper-%d", worlds++));
	scripted_processes(s->script);
	s->uuid = scripted_uuid(s->script, 1);
	scripted_add(s->script, s->uuid, "db-1");
	struct ud_hv *hv = NULL;

	agent_ok(s, ud_hv_open(&s->cx, scripted_drivers, scripted_uri(s->script), NULL, NULL, &hv));
	s->station.hv = hv;
	s->station.config = &s->config;
	s->station.env = &ud_env_real;
	s->station.host_boot = "boot-1";
	enroll(s);
	s->config.guard_program = UD_BINARY_DIR "/understudy-guard";
	agent_ok(s,
		ud_journal_open(&s->cx, ud_agent_path(&s->cx, &s->config, "journal.db"),
			&s->station.journal));
	const struct ud_journal_vm vm = { .vm_id = s->vm,
		.uuid = s->uuid,
		.epoch = 3,
		.role = UD_VM_ROLE_PRIMARY,
		.policy = UD_POLICY_LEASE,
		.lease_seconds = L,
		.permit_ms = UD_NONE,
		.promised = UD_NONE,
		.granted = UD_NONE };

	agent_ok(s, ud_journal_vm_put(&s->cx, s->station.journal, &vm));
	start_keeper(s);
	*state = s;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
	(void)st, (void)kind, (void)walk;
	return remove(path);
}

static void stop_keeper(struct scene *s)
{
	ud_link_stop(s->link);
	ud_keeper_release(&s->keeper);
	ud_link_release(&s->link);
}

static pid_t guard_pid(struct scene *s)
{
	const char *text = NULL;
	size_t n = 0;

	agent_ok(s,
		ud_file_read(
			&s->cx, ud_agent_path(&s->cx, &s->config, UD_GUARD_LOCK), 64, &text, &n));
	return (pid_t)strtol(text, NULL, 10);
}

static int end(void **state)
{
	struct scene *s = *state;
	struct world *w = s->w;

	stop_keeper(s);
	kill(guard_pid(s), SIGKILL); /* it holds what it has killed, to tell of it */
	ud_journal_release(&s->station.journal);
	struct ud_hv *hv = s->station.hv;

	ud_hv_close(&hv);
	scripted_end(s->script);
	port_end(s->p);
	nftw(fmt(w, "%s/agent", w->dir), remove_one, 8, FTW_DEPTH | FTW_PHYS);
	world_end(w);
	return 0;
}

/* A hold of the guest's process, to see it end. */
static int guest(struct scene *s)
{
	int pid = 0;

	agent_ok(s, ud_hv_pid(&s->cx, s->station.hv, s->uuid, &pid));
	int fd = pidfd_open(pid, 0);

	assert_true(fd >= 0);
	return fd;
}

static bool ended(int guest, int64_t within_ms)
{
	struct pollfd p = { .fd = guest, .events = POLLIN };

	return poll(&p, 1, (int)within_ms) == 1;
}

static void start(struct scene *s)
{
	agent_ok(s, ud_leases_start(&s->cx, s->station.leases, s->vm));
	assert_int_equal(scripted_power(s->script, s->uuid), UD_POWER_RUNNING);
}

static enum ud_code move_gate(struct ud_ctx *cx, void *data)
{
	struct scene *s = data;

	return ud_lease_gate_set(cx, s->vm, s->gate);
}

static void set_gate(struct scene *s, enum ud_lease_gate gate)
{
	s->gate = gate;
	world_write(s->w, move_gate, s);
}

/* Two leases long it goes on, since the server grants; no longer than one after the gate is shut,
 * and within what the server waits. */
static void a_guest_lives_by_its_leases(void **state)
{
	struct scene *s = *state;

	start(s);
	int fd = guest(s);

	assert_false(ended(fd, 2 * LEASE_MS));
	set_gate(s, UD_GATE_SHUT);
	int64_t shut = ud_mono_ms(&ud_env_real);

	assert_true(ended(fd, EVENT_MS));
	int64_t took = ud_mono_ms(&ud_env_real) - shut;

	printf("# gate shut, guest gone after %lld ms (lease %d ms, the server waits %lld ms)\n",
		(long long)took, LEASE_MS, (long long)(LEASE_MS + ud_lease_margin_ms(L)));
	assert_true(took <= LEASE_MS + BOUND_MS);
	close(fd);
}

/* The agent is replaced by a newer one: the guest does not notice, the guard goes on. */
static void a_new_agent_takes_over(void **state)
{
	struct scene *s = *state;

	start(s);
	pid_t pid = guard_pid(s);
	int fd = guest(s);

	stop_keeper(s);
	agent_ok(s, ud_link_open(&s->cx, &s->config, &s->link));
	start_keeper(s);
	assert_int_equal(guard_pid(s), pid);
	assert_false(ended(fd, 3 * LEASE_MS / 2));
	/* and without an agent it ends */
	stop_keeper(s);
	assert_true(ended(fd, LEASE_MS + BOUND_MS));
	close(fd);
	agent_ok(s, ud_link_open(&s->cx, &s->config, &s->link));
	start_keeper(s);
}

static bool guarded_again(struct scene *s, pid_t old)
{
	return guard_pid(s) != old;
}

/* The guard is killed: within a quarter of a lease there is another one, with the guest. */
static void a_killed_guard_is_replaced(void **state)
{
	struct scene *s = *state;

	start(s);
	pid_t old = guard_pid(s);
	int fd = guest(s);

	assert_int_equal(kill(old, SIGKILL), 0);
	int64_t last = ud_mono_ms(&ud_env_real) + EVENT_MS;

	while (!guarded_again(s, old)) {
		assert_true(ud_mono_ms(&ud_env_real) < last);
		poll(NULL, 0, 5); /* until the keeper has looked */
	}
	assert_false(ended(fd, 3 * LEASE_MS / 2));
	/* the new one holds it: with the agent gone the guest ends */
	stop_keeper(s);
	assert_true(ended(fd, LEASE_MS + BOUND_MS));
	close(fd);
	agent_ok(s, ud_link_open(&s->cx, &s->config, &s->link));
	start_keeper(s);
}

int main(void)
{
#define SCENE(test_) cmocka_unit_test_setup_teardown(test_, begin, end)
	const struct CMUnitTest tests[] = {
		SCENE(a_guest_lives_by_its_leases),
		SCENE(a_new_agent_takes_over),
		SCENE(a_killed_guard_is_replaced),
	};
#undef SCENE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
