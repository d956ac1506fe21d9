/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ships a delta between two processes of this machine, over loopback, encrypted, and prints one
 * line of figures. tests/bench/replication calls it: bench_ship_bench FOLDER none|zstd1|zstd3|auto
 * EMPTY.sock DIRTY.sock BITMAP The target first gets a full copy of the export "vda" behind
 * EMPTY.sock (not counted), then the delta that DIRTY.sock's bitmap tells.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/replication/receiver.h"
#include "base/log.h"
#include "support/context.h"
#include "support/ends.h"

enum { TIMEOUT_MS = 60000 };

static struct ud_ctx *new_context(void)
{
	static struct ud_ctx cx;

	cx = (struct ud_ctx){
		.arena = ud_arena_new(), .env = &ud_env_real, .now_ms = ud_now_ms(&ud_env_real)
	};
	return &cx;
}

static void must(struct ud_ctx *cx, enum ud_code code, const char *what)
{
	if (code == UD_OK)
		return;
	fprintf(stderr, "%s: %s: %s\n", what, ud_error_info(code)->name,
		cx->problem.detail ? cx->problem.detail : "");
	exit(1);
}

static double cpu_seconds(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* ---- the target's process ---- */

static enum ud_code the_store(
	struct ud_ctx *cx, void *data, const struct ud_caller *caller, ud_store **ret)
{
	(void)cx;
	(void)caller;
	*ret = data;
	return UD_OK;
}

/* Serve until the other side closes the pipe; tells its port first. */
static int run_target(
	struct ud_ctx *cx, const char *folder, const struct ud_peer *peer, int in, int out)
{
	const struct ud_store_settings settings = { .path = ud_printf(
							    cx->arena, "%s/replica", folder) };
	ud_store *store = NULL;
	ud_receiver *receiver = NULL;
	char byte;

	must(cx, ud_store_open(cx, &settings, &store), "store");
	const struct ud_receiver_settings r = { .listen = "127.0.0.1:0",
		.peer = *peer,
		.calls = { .store = the_store, .data = store } };

	must(cx, ud_receiver_open(cx, &r, &receiver), "receiver");
	int port = ud_receiver_port(receiver);

	if (write(out, &port, sizeof(port)) != sizeof(port))
		return 1;
	while (read(in, &byte, 1) > 0) {
		double cpu = cpu_seconds(RUSAGE_SELF);

		if (write(out, &cpu, sizeof(cpu)) != sizeof(cpu))
			return 1;
	}
	ud_receiver_release(&receiver);
	ud_store_release(&store);
	return 0;
}

/* ---- the source's ---- */

struct target {
	pid_t pid;
	int to, from, port;
};

static struct target start_target(struct ud_ctx *cx, const char *folder, const struct ud_peer *peer)
{
	int to[2], from[2];
	struct target t = { 0 };

	if (pipe(to) != 0 || pipe(from) != 0)
		exit(1);
	t.pid = fork();
	if (t.pid == 0) {
		close(to[1]);
		close(from[0]);
		_exit(run_target(cx, folder, peer, to[0], from[1]));
	}
	close(to[0]);
	close(from[1]);
	t.to = to[1];
	t.from = from[0];
	if (read(t.from, &t.port, sizeof(t.port)) != sizeof(t.port))
		exit(1);
	return t;
}

static double target_cpu(const struct target *t)
{
	double cpu = 0;

	if (write(t->to, "c", 1) != 1 || read(t->from, &cpu, sizeof(cpu)) != sizeof(cpu))
		exit(1);
	return cpu;
}

static void ship(struct ud_ctx *cx, ud_sender *sender, const struct ud_nbd_disk *disk,
	const char *parent, struct ud_shipped *ret)
{
	ud_source *source = NULL;

	must(cx, ud_source_nbd(cx, disk, 1, TIMEOUT_MS, &source), "source");
	const struct ud_ship_job job = { .point = { .id = ud_manifest_id(cx), .parent = parent },
		.taken_mono_ms = ud_mono_ms(cx->env),
		.how = *parent ? UD_SHIP_DELTA : UD_SHIP_FULL,
		.source = source };

	must(cx, ud_sender_ship(cx, sender, &job, ret), "ship");
	ud_source_release(&source);
}

int main(int argc, char **argv)
{
	struct ud_ctx *cx = new_context();

	if (argc != 6 || ud_enum_index(&ud_compressions, argv[2]) < 0) {
		fprintf(stderr, "usage: %s FOLDER COMPRESSION EMPTY.sock DIRTY.sock BITMAP\n",
			argv[0]);
		return 2;
	}
	ud_log_set_level(UD_LOG_WARNING);
	struct ends_authority a = ends_authority(cx);
	const struct ud_peer theirs = {
		.identity = ends_identity(cx, &a, UD_X509_AGENT, "agt_b", 0), .root = a.root
	};
	struct target t = start_target(cx, argv[1], &theirs);
	const struct ud_sender_settings settings = { .replication_id = "rep_bench",
		.vm_id = "vm_bench",
		.address = ud_printf(cx->arena, "127.0.0.1:%d", t.port),
		.peer = { .identity = ends_identity(cx, &a, UD_X509_AGENT, "agt_a", 0),
			.root = a.root,
			.agent_id = "agt_b" },
		.folder = ud_printf(cx->arena, "%s/hashes", argv[1]),
		.compression = (unsigned)ud_enum_index(&ud_compressions, argv[2]),
		.rate_bytes_per_second = UD_NONE };
	const struct ud_nbd_disk empty = { "vda", argv[3], "vda", NULL };
	const struct ud_nbd_disk dirty = { "vda", argv[4], "vda", argv[5] };
	struct ud_shipped base = { 0 }, s = { 0 };
	ud_sender *sender = NULL;
	int status = 0;

	must(cx, ud_sender_open(cx, &settings, &sender), "sender");
	ship(cx, sender, &empty, "", &base);
	double cpu = target_cpu(&t) + cpu_seconds(RUSAGE_SELF);

	ship(cx, sender, &dirty, base.point.id, &s);
	cpu = target_cpu(&t) + cpu_seconds(RUSAGE_SELF) - cpu;
	printf("%.3f %.0f %.0f %.2f\n", (double)s.duration_ms / 1000,
		(double)s.point.changed_bytes / 1048576, (double)s.wire_bytes / 1048576, cpu);
	ud_sender_release(&sender);
	close(t.to);
	waitpid(t.pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
