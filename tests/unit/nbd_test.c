/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources over NBD, against a real qemu-nbd with a real dirty bitmap.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/replication/beneath.h"
#include "agent/replication/plan.h"
#include "agent/replication/tree.h"
#include "base/process.h"
#include "support/context.h"
#include "support/disks.h"

enum { MIB = 1 << 20, SIZE = 40 * MIB, WAIT_MS = 30000 };

struct server {
	int pid;
	const char *socket;
};

static void run(struct ud_ctx *cx, const char *const *argv)
{
	const struct ud_run r = { .argv = argv, .output_max = 4096, .timeout_ms = WAIT_MS };
	struct ud_ran ran = { 0 };

	assert_int_equal(ud_process_run(cx, &r, &ran), UD_OK);
	if (ran.status != 0)
		fail_msg("%s %s: %s", argv[0], argv[1], ran.error);
}

/* qemu-io with one command on a qcow2 image. */
static void io(struct ud_ctx *cx, const char *image, const char *command)
{
	const char *const argv[] = { "/usr/bin/qemu-io", "-f", "qcow2", "-c", command, image,
		NULL };

	run(cx, argv);
}

/* An image with data, a bitmap, and then some writes and a discard. */
static const char *make_image(struct ud_ctx *cx)
{
	const char *image = context_path(cx, "vda.qcow2");
	const char *const create[] = { "/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", image,
		"40M", NULL };
	const char *const bitmap[] = { "/usr/bin/qemu-img", "bitmap", "--add", image, "b0", NULL };

	run(cx, create);
	io(cx, image, "write -P 1 0 8M");
	io(cx, image, "write -P 2 20M 8M");
	run(cx, bitmap);
	io(cx, image, "write -P 3 1M 65536");
	io(cx, image, "write -P 4 30M 1000");
	io(cx, image, "write -z -u 22M 2M");
	return image;
}

static struct server serve(struct ud_ctx *cx, const char *image)
{
	struct server s = { .socket = context_path(cx, "nbd.sock") };
	const char *const argv[] = { "/usr/bin/qemu-nbd", "-r", "-t", "-f", "qcow2", "-B", "b0",
		"-x", "vda", "-k", s.socket, image, NULL };
	const struct ud_program program = { argv, NULL, -1, -1, -1 };
	int status = 0;

	assert_int_equal(cx->env->processes->start(&program, &s.pid), 0);
	/* it is there when its socket is; until then its end is what we wait for */
	for (int i = 0; i < WAIT_MS / 10 && access(s.socket, F_OK) != 0; i++)
		cx->env->processes->wait(s.pid, 10, &status);
	return s;
}

static void stop(struct ud_ctx *cx, struct server *s)
{
	int status = 0;

	cx->env->processes->kill(s->pid, SIGKILL);
	assert_int_equal(cx->env->processes->wait(s->pid, WAIT_MS, &status), 0);
}

static enum ud_code connect_to(
	struct ud_ctx *cx, const struct server *s, const char *bitmap, ud_source **ret)
{
	const struct ud_nbd_disk disk = { "vda", s->socket, "vda", bitmap };

	return ud_source_nbd(cx, &disk, 1, WAIT_MS, ret);
}

static void dirty_is_cut_with_allocation(void **state)
{
	struct ud_ctx *cx = *state;
	struct server s = serve(cx, make_image(cx));
	static const struct ud_plan_run want[] = {
		{ 0, 16, 1, false },  /* 64 KiB at 1 MiB */
		{ 0, 352, 32, true }, /* the discard: 2 MiB at 22 MiB */
		{ 0, 480, 1, false }, /* at 30 MiB */
	};
	struct ud_plan_at at = { 0 };
	struct ud_plan_run run;
	ud_source *source = NULL;
	ud_plan *plan = NULL;
	size_t n = 0;

	assert_int_equal(connect_to(cx, &s, "qemu:dirty-bitmap:b0", &source), UD_OK);
	assert_int_equal(source->disks[0].size_bytes, SIZE);
	assert_int_equal(ud_plan_make(cx, source, false, &plan), UD_OK);
	while (ud_plan_next(plan, &at, &run)) {
		assert_true(n < UD_LEN(want));
		assert_int_equal(run.extent, want[n].extent);
		assert_int_equal(run.count, want[n].count);
		assert_int_equal(run.zero, want[n].zero);
		n++;
	}
	assert_int_equal(n, UD_LEN(want));
	ud_plan_release(&plan);
	/* of the whole disk: 8 + 6 MiB and an extent are data */
	assert_int_equal(ud_plan_make(cx, source, true, &plan), UD_OK);
	int64_t data = 0;

	at = (struct ud_plan_at){ 0 };
	while (ud_plan_next(plan, &at, &run))
		data += run.zero ? 0 : run.count * UD_EXTENT;
	assert_int_equal(data, 14 * MIB + UD_EXTENT);
	assert_int_equal(ud_plan_bytes(plan), SIZE);
	ud_plan_release(&plan);
	ud_source_release(&source);
	stop(cx, &s);
}

static void many_reads_are_under_way_at_once(void **state)
{
	struct ud_ctx *cx = *state;
	struct server s = serve(cx, make_image(cx));
	struct ud_read reads[UD_SOURCE_IN_FLIGHT], *done = NULL;
	ud_source *source = NULL;
	int seen = 0;

	assert_int_equal(connect_to(cx, &s, NULL, &source), UD_OK);
	for (size_t i = 0; i < UD_LEN(reads); i++) {
		reads[i] = (struct ud_read){ 0, (int64_t)i * 4 * MIB, UD_CHUNK, ud_malloc(UD_CHUNK),
			0, NULL };
		assert_int_equal(source->ops->submit(cx, source, &reads[i]), UD_OK);
	}
	for (size_t i = 0; i < UD_LEN(reads); i++) {
		assert_int_equal(source->ops->reap(cx, source, WAIT_MS, &done), UD_OK);
		assert_int_equal(done->error, 0);
		seen |= 1 << (done - reads);
	}
	assert_int_equal(seen, (1 << UD_SOURCE_IN_FLIGHT) - 1);
	assert_int_equal(reads[0].buf[0], 1);
	assert_int_equal(reads[5].buf[7], 2);
	assert_true(ud_all_zero(reads[2].buf, UD_CHUNK));
	for (size_t i = 0; i < UD_LEN(reads); i++)
		ud_free(reads[i].buf);
	ud_source_release(&source);
	stop(cx, &s);
}

static void a_server_that_goes_or_lacks_something_is_an_error(void **state)
{
	struct ud_ctx *cx = *state;
	struct server s = serve(cx, make_image(cx));
	unsigned char *buf = ud_malloc(UD_CHUNK);
	struct ud_read read = { 0, 0, UD_CHUNK, buf, 0, NULL }, *done = NULL;
	ud_source *source = NULL;
	ud_plan *plan = NULL;

	assert_int_equal(connect_to(cx, &s, "qemu:dirty-bitmap:none", &source), UD_E_HYPERVISOR);
	stop(cx, &s);
	unlink(s.socket);
	s = serve(cx, context_path(cx, "vda.qcow2"));
	assert_int_equal(connect_to(cx, &s, "qemu:dirty-bitmap:b0", &source), UD_OK);
	stop(cx, &s);
	assert_int_not_equal(ud_plan_make(cx, source, false, &plan), UD_OK);
	enum ud_code code = source->ops->submit(cx, source, &read);

	if (code == UD_OK)
		code = source->ops->reap(cx, source, WAIT_MS, &done);
	assert_true(code != UD_OK || read.error != 0);
	ud_source_release(&source);
	assert_int_equal(connect_to(cx, &s, NULL, &source), UD_E_HYPERVISOR);
	ud_free(buf);
}

/* ---- plans ---- */

struct piece {
	int64_t offset, length;
	enum ud_extent_kind kind;
};
struct listed {
	ud_source source;
	const struct piece *pieces;
	size_t n;
};

static enum ud_code listed_extents(struct ud_ctx *cx, ud_source *source, size_t disk, bool whole,
	ud_extent_visitor *visit, void *data)
{
	const struct listed *l = UD_OUTER(source, struct listed, source);

	(void)disk;
	(void)whole;
	for (size_t i = 0; i < l->n; i++)
		UD_TRY(visit(
			cx, data, l->pieces[i].offset, l->pieces[i].length, l->pieces[i].kind));
	return UD_OK;
}

static void pieces_of_any_alignment_become_whole_extents(void **state)
{
	enum { E = UD_EXTENT };
	static const struct piece pieces[] = {
		{ 0, 100, UD_EXTENT_DATA },            /* 0: data */
		{ 100, 2 * E - 100, UD_EXTENT_CLEAN }, /* 1: clean */
		{ 2 * E, E / 2, UD_EXTENT_ZERO },      /* 2: half zeros, half clean: read it */
		{ 2 * E + E / 2, E / 2, UD_EXTENT_CLEAN },
		{ 3 * E, 3 * E, UD_EXTENT_ZERO }, /* 3 to 5: zeros */
		{ 6 * E, 10, UD_EXTENT_ZERO },    /* 6: zeros and data: data */
		{ 6 * E + 10, 2 * E - 10, UD_EXTENT_DATA },
		{ 8 * E, 512, UD_EXTENT_ZERO }, /* 8: the last one, 512 bytes: zeros */
	};
	static const struct ud_plan_run want[] = { { 0, 0, 1, false }, { 0, 2, 1, false },
		{ 0, 3, 3, true }, { 0, 6, 2, false }, { 0, 8, 1, true } };
	static const struct ud_source_ops ops = { .extents = listed_extents };
	static const struct ud_source_disk disk = { "vda", 8 * E + 512 };
	struct listed l = { { &ops, &disk, 1 }, pieces, UD_LEN(pieces) };
	struct ud_plan_at at = { 0 };
	struct ud_plan_run run;
	ud_plan *plan = NULL;

	assert_int_equal(ud_plan_make(*state, &l.source, false, &plan), UD_OK);
	for (size_t i = 0; i < UD_LEN(want); i++) {
		assert_true(ud_plan_next(plan, &at, &run));
		assert_int_equal(run.extent, want[i].extent);
		assert_int_equal(run.count, want[i].count);
		assert_int_equal(run.zero, want[i].zero);
	}
	assert_false(ud_plan_next(plan, &at, &run));
	ud_plan_release(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			dirty_is_cut_with_allocation, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			many_reads_are_under_way_at_once, context_begin, context_end),
		cmocka_unit_test_setup_teardown(a_server_that_goes_or_lacks_something_is_an_error,
			context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			pieces_of_any_alignment_become_whole_extents, context_begin, context_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
