/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A failover under policy stonith with the real fence_ipmilan, which speaks IPMI 2.0 to OpenIPMI's
 * simulator of a management controller; that one's power is the life of a process of ours, which
 * stands for the host.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "support/ports.h"
#include "support/stage.h"

struct bmc {
	struct stage *s;
	int host, simulator; /* processes */
	int port;
};

static const char *path(struct bmc *b, const char *name)
{
	return fmt(b->s->w, "%s/%s", b->s->w->dir, name);
}

static void write_file(struct bmc *b, const char *name, mode_t mode, const char *text)
{
	FILE *f = fopen(path(b, name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path(b, name), mode), 0);
}

static int spawn(const char *const *argv)
{
	const struct ud_program program = { argv, NULL, -1, -1, -1 };
	int pid = 0;

	assert_int_equal(ud_processes_real.start(&program, &pid), 0);
	return pid;
}

static void start_host(struct bmc *b)
{
	const char *const argv[] = { "/bin/sleep", "3600", NULL };

	b->host = spawn(argv);
	/* what the controller does with the power; a zombie has none */
	write_file(b, "chassis", 0755,
		fmt(b->s->w,
			"#!/bin/sh\n"
			"case \"$2 $3 $4\" in\n"
			"'get power '*) case $(ps -o stat= -p %d) in ''|Z*) echo power:0 ;;"
			" *) echo power:1 ;; esac ;;\n"
			"'set power 0') kill -9 %d ;;\n"
			"esac\n",
			b->host, b->host));
}

static void start_simulator(struct bmc *b)
{
	b->port = free_port();
	write_file(b, "sim.emu", 0600,
		"mc_setbmc 0x20\n"
		"mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\n"
		"mc_enable 0x20\n");
	write_file(b, "lan.conf", 0600,
		fmt(b->s->w,
			"name \"host\"\nset_working_mc 0x20\n  startlan 1\n"
			"    addr 127.0.0.1 %d\n    priv_limit admin\n"
			"    allowed_auths_admin none md2 md5 straight\n"
			"    guid a123456789abcdefa123456789abcdef\n  endlan\n"
			"  chassis_control \"%s 0x20\"\n"
			"  user 1 true \"\" \"x\" user 10 none md2 md5 straight\n"
			"  user 2 true \"fencer\" \"sesame-1\" admin 10 none md2 md5 straight\n",
			b->port, path(b, "chassis")));
	assert_int_equal(mkdir(path(b, "state"), 0700), 0);
	const char *const argv[] = { "/usr/bin/ipmi_sim", "-c", path(b, "lan.conf"), "-f",
		path(b, "sim.emu"), "-s", path(b, "state"), "-n", NULL };

	b->simulator = spawn(argv);
}

static void end_process(int pid)
{
	int status;

	if (pid <= 0)
		return;
	ud_processes_real.kill(pid, SIGKILL);
	ud_processes_real.wait(pid, 10000, &status);
}

static int begin(void **state)
{
	struct bmc *b = ud_malloc(sizeof(*b));

	*state = b;
	*b = (struct bmc){ .s = stage_begin(1) };
	b->s->w->server->means.fence_agents = "/usr/sbin";
	start_host(b);
	start_simulator(b);
	return 0;
}

static int end(void **state)
{
	struct bmc *b = *state;
	const char *const argv[] = { "/bin/rm", "-rf", path(b, "state"), path(b, "chassis"),
		path(b, "lan.conf"), path(b, "sim.emu"), NULL };
	int status, rm;

	end_process(b->simulator);
	end_process(b->host);
	rm = spawn(argv);
	ud_processes_real.wait(rm, 10000, &status);
	stage_end(b->s);
	ud_free(b);
	return 0;
}

static void set_device(struct bmc *b)
{
	struct world *w = b->s->w;

	expect(w, OPERATOR, "PUT", fmt(w, "/v1/hosts/%s/fence-device", b->s->hosts[0].id),
		fmt(w,
			"{\"agent\":\"fence_ipmilan\",\"address\":\"127.0.0.1\",\"port\":%d,"
			"\"username\":\"fencer\",\"password\":\"sesame-1\",\"cipher_suite\":3,"
			"\"separate_power\":true}",
			b->port),
		200);
}

static const char *test_device(struct bmc *b)
{
	struct world *w = b->s->w;
	const char *device = fmt(w, "/v1/hosts/%s/fence-device", b->s->hosts[0].id);
	struct reply r;

	expect(w, ENGINEER, "POST", fmt(w, "%s/test", device), NULL, 202);
	stage_wait_device(b->s);
	r = expect(w, ENGINEER, "GET", device, NULL, 200);
	return text_at(r.json, "host_power");
}

static enum ud_code apply_policy(struct ud_ctx *cx, void *data)
{
	(void)data;
	return ud_exec(cx, NULL, "UPDATE vms SET fencing_policy = 'stonith'", UD_NO_VALS);
}

static int64_t asked(struct stage *s)
{
	return stage_count(
		s, "SELECT COUNT(*) FROM workflows WHERE fence_operation_id IS NOT NULL");
}

static void a_management_controller_switches_the_host_off(void **state)
{
	struct bmc *b = *state;
	int status = 0;

	set_device(b);
	assert_string_equal(test_device(b), "on");
	assert_int_equal(waitpid(b->host, &status, WNOHANG), 0);
	world_write(b->s->w, apply_policy, NULL);
	stage_kill(b->s, 0);
	const char *run = stage_start(b->s, "unplanned", "site_outage", 1, "");

	/* a real program has its time by this clock, which must not run ahead meanwhile */
	while (stage_round(b->s))
		;
	assert_int_equal(asked(b->s), 1);
	stage_wait_device(b->s);
	stage_pass(b->s, 2);
	stage_settle(b->s);
	stage_wants(b->s, run, "customer_validation", NULL);
	assert_int_equal(stage_where(b->s, 0), 1);
	assert_int_equal(waitpid(b->host, &status, WNOHANG), b->host);
	b->host = 0;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_string_equal(test_device(b), "off");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_management_controller_switches_the_host_off, begin, end),
	};

	if (access("/usr/bin/ipmi_sim", X_OK) != 0 ||
		access("/usr/sbin/fence_ipmilan", X_OK) != 0) {
		puts("1..0 # SKIP needs fence-agents and openipmi (deploy/install-deps)");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
