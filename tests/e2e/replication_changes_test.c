/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people do to a VM and its disks while it is replicated, by doing it to a QEMU that runs: a
 * first copy on a medium, a disk added, a disk grown, discarded space, somebody else's snapshot,
 * lost bitmaps; then both hosts write by themselves, and the way back carries what differs, while a
 * third host's leg goes on by itself. After each the images of both hosts are the same, byte for
 * byte. Bytes are printed.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/drivers/libvirt/inside.h"
#include "base/env.h"
#include "support/context.h"
#include "support/trio.h"

enum { EVENT_MS = 300000, LOOK_MS = 50, MIB = 1 << 20 };

/* ---- works ---- */

/* in: text of a device */
static enum ud_code work_attach(struct host_inside *h, const char *in, const char **ret_out)
{
	UD_AUTO(ud_lv_domain) *d = NULL;

	(void)ret_out;
	UD_TRY(ud_lv_find(h->cx, ud_lv_of(h->hv), trio_uuid, &d));
	return virDomainAttachDeviceFlags(
		       d, in, VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG) < 0
		? ud_lv_fail(h->cx, "attach")
		: UD_OK;
}

/* in: "vdb BYTES" */
static enum ud_code work_grow(struct host_inside *h, const char *in, const char **ret_out)
{
	UD_AUTO(ud_lv_domain) *d = NULL;
	unsigned long long bytes = 0;
	char disk[16] = "";

	(void)ret_out;
	UD_TRY(ud_lv_find(h->cx, ud_lv_of(h->hv), trio_uuid, &d));
	if (sscanf(in, "%15s %llu", disk, &bytes) != 2 ||
		virDomainBlockResize(d, disk, bytes, VIR_DOMAIN_BLOCK_RESIZE_BYTES) < 0)
		return ud_lv_fail(h->cx, "resize");
	return UD_OK;
}

/* A snapshot of another product: all disks get overlays. in: its name */
static enum ud_code work_snapshot(struct host_inside *h, const char *in, const char **ret_out)
{
	UD_AUTO(ud_lv_domain) *d = NULL;
	UD_AUTO(ud_lv_snapshot) *made = NULL;

	(void)ret_out;
	UD_TRY(ud_lv_find(h->cx, ud_lv_of(h->hv), trio_uuid, &d));
	made = virDomainSnapshotCreateXML(d,
		ud_printf(h->cx->arena, "<domainsnapshot><name>%s</name></domainsnapshot>", in),
		VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA |
			VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC);
	return made ? UD_OK : ud_lv_fail(h->cx, "take a snapshot");
}

/* A checkpoint, and no more of it. */
static enum ud_code work_checkpoint(struct host_inside *h, const char *in, const char **ret_out)
{
	struct ud_checkpoint_info info = { 0 };

	(void)ret_out;
	UD_TRY(ud_hv_checkpoint_create(h->cx, h->hv, trio_uuid, in, "production", &info));
	return ud_hv_checkpoint_delete(h->cx, h->hv, trio_uuid, in);
}

/* All bitmaps of vda go, as when QEMU was killed; libvirt still believes in them. */
static enum ud_code work_lose_bitmaps(struct host_inside *h, const char *in, const char **ret_out)
{
	UD_AUTO(ud_lv_domain) *d = NULL;
	json_t *nodes = NULL, *node, *bitmap;
	size_t i, k;
	int lost = 0;

	(void)in;
	UD_TRY(ud_lv_find(h->cx, ud_lv_of(h->hv), trio_uuid, &d));
	UD_TRY(ud_lv_qmp(h->cx, d, "query-named-block-nodes", "{\"flat\":true}", &nodes));
	json_array_foreach(nodes, i, node)
	{
		json_array_foreach(json_object_get(node, "dirty-bitmaps"), k, bitmap)
		{
			const char *args =
				ud_printf(h->cx->arena, "{\"node\":\"%s\",\"name\":\"%s\"}",
					json_string_value(json_object_get(node, "node-name")),
					json_string_value(json_object_get(bitmap, "name")));
			json_t *answer = NULL;

			/* one in use by a job stays */
			if (ud_lv_qmp(h->cx, d, "block-dirty-bitmap-remove", args, &answer) ==
				UD_OK) {
				json_decref(answer);
				lost++;
			}
			ud_ctx_clear(h->cx);
		}
	}
	json_decref(nodes);
	*ret_out = ud_printf(h->cx->arena, "%d", lost);
	return UD_OK;
}

/* What is done while a proof reads the replica, which by itself holds nothing up. */
struct beside {
	struct host_inside *h;
	const char *relation, *point;
	bool up;           /* bring the VM up from it, too */
	int calls, points; /* of the proof; that were told */
	enum ud_code code; /* the first that went wrong */
};

static enum ud_code count_point(struct ud_ctx *cx, void *data, const struct ud_point *point)
{
	(void)cx, (void)point;
	++*(int *)data;
	return UD_OK;
}

static bool do_beside(void *data)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };
	struct beside *b = data;
	struct ud_hv_promotion up = { b->relation, b->point, { NULL } };
	struct ud_hv_promoted done = { 0 };

	if (++b->calls > 1)
		return true;
	b->code = ud_hv_points(&cx, b->h->hv, b->relation, count_point, &b->points);
	if (b->code == UD_OK && b->up)
		b->code = ud_hv_fail_over(&cx, b->h->hv, &up, &done);
	return true; /* it is the driver that sees what was done */
}

/* in: "RELATION POINT" or "RELATION POINT up"; points that were told meanwhile, and what came of
 * the proof */
static enum ud_code work_prove_beside(struct host_inside *h, const char *in, const char **ret_out)
{
	char *copy = ud_strdup(h->cx->arena, in), *rest = NULL;
	struct beside b = { .h = h, .relation = strtok_r(copy, " ", &rest) };

	b.point = strtok_r(NULL, " ", &rest);
	b.up = strtok_r(NULL, " ", &rest) != NULL;
	const struct ud_point_verify verify = { b.relation, b.point };
	const struct ud_hv_leave may = { do_beside, &b };
	struct ud_point_verified v = { 0 };
	enum ud_code code = ud_hv_point_verify(h->cx, h->hv, &verify, &may, &v);

	if (b.code != UD_OK)
		return ud_fail(h->cx, b.code, NULL, "beside a proof");
	*ret_out = ud_printf(h->cx->arena, "%s %s", b.points > 0 ? "told" : "none",
		code == UD_OK && v.intact            ? "intact"
			: code == UD_E_INVALID_STATE ? "stopped"
						     : "else");
	ud_ctx_clear(h->cx);
	return UD_OK;
}

/* ---- the test's own words ---- */

/* What a change cost: bytes that the source sent for it. */
struct cost {
	const char *what;
	int64_t before;
};

/* The source counts a point's bytes after it was published: with the next one they are counted. */
static void settle_at(struct trio *s, struct host *target, int points)
{
	const char *last = trio_point(s, target, 0);

	for (int i = 0; i < points; i++)
		last = trio_next(s, target, last);
}

static struct cost cost_of(struct trio *s, const char *what)
{
	settle_at(s, &s->b, 2);
	return (struct cost){ what, trio_told(s, &s->a, "bytes_sent") };
}

static int64_t cost_end(struct trio *s, const struct cost *c)
{
	settle_at(s, &s->b, 3); /* one may have been begun before it happened */
	int64_t bytes = trio_told(s, &s->a, "bytes_sent") - c->before;

	print_message("# %s: %lld KiB on the wire\n", c->what, (long long)bytes / 1024);
	return bytes;
}

/* The newest point over there reads back as it was published, and shows that disk's size. */
static void wants_proven(struct trio *s, struct host *target)
{
	const char *proof = host_must(&s->cx, target, work_prove,
		ud_printf(s->cx.arena, "%s %s", trio_id, trio_point(s, target, 0)));

	if (strncmp(proof, "intact ", 7) != 0)
		fail_msg("%s", proof);
}

/* What the guest would write: "vda write -P 3 8M 4M". */
static void io(struct trio *s, struct host *h, const char *command)
{
	host_must(&s->cx, h, work_io, command);
}

/* ---- the story ---- */

#define OTHER_UUID "0d5ad4f1-41d3-4d85-9ad1-6d6b2a2f5aff"
#define OTHER(parts_, devices_)                                                                   \
	"<domain type='qemu'><name>other</name><uuid>" OTHER_UUID "</uuid>"                       \
	"<memory unit='MiB'>64</memory>" parts_ "<os><type arch='x86_64' machine='pc'>hvm</type>" \
	"</os><devices>" devices_ "</devices></domain>"

/* in: a definition */
static enum ud_code work_define_as_is(struct host_inside *h, const char *in, const char **ret_out)
{
	UD_AUTO(ud_lv_domain) *d = virDomainDefineXML(ud_lv_of(h->hv)->conn, in);

	(void)ret_out;
	return d ? UD_OK : ud_lv_fail(h->cx, "define");
}

/* What would be missed at a replica, and what could not be started there, is told by the host
 * before anything is made. */
static void what_a_definition_puts_in_the_way_is_told(void **state)
{
	static const struct {
		const char *xml, *told;
	} rows[] = {
		{ OTHER("", ""), "" },
		{ OTHER("", "<graphics type='vnc' port='-1'/><console type='pty'/>"), "" },
		{ OTHER("<memoryBacking><nosharepages/></memoryBacking>", ""),
			"parts_left_out(warning) " },
		{ OTHER("",
			  "<filesystem type='mount'><source dir='/srv'/><target dir='data'/>"
			  "</filesystem>"),
			"parts_left_out(warning) " },
		{ OTHER("",
			  "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/>"
			  "<product id='0xbeef'/></source></hostdev>"),
			"host_device(warning) " },
	};
	struct trio *s = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		host_must(&s->cx, &s->a, work_define_as_is, rows[i].xml);
		assert_string_equal(host_must(&s->cx, &s->a, work_check, OTHER_UUID), rows[i].told);
	}
	host_must(&s->cx, &s->a, work_define_as_is,
		"<domain type='qemu'><name>other</name><uuid>" OTHER_UUID "</uuid>"
		"<memory unit='MiB'>64</memory><os><type arch='x86_64' machine='pc'>hvm</type>"
		"<loader type='rom'>/srv/own.bin</loader></os></domain>");
	assert_string_equal(host_must(&s->cx, &s->a, work_check, OTHER_UUID), "definition_unfit ");
}

/* A medium is written at one host, carried, and taken in at the other; then deltas come. */
static void a_first_copy_comes_on_a_medium(void **state)
{
	struct trio *s = *state;
	const char *from = ud_printf(s->cx.arena, "%s/media-a/%s", s->guests.dir, trio_id);
	const char *to = ud_printf(s->cx.arena, "%s/media-b", s->guests.dir);
	const char *file = ud_printf(s->cx.arena, "%s/initial.udr", from);
	int64_t until = ud_mono_ms(&ud_env_real) + EVENT_MS;
	struct stat st;

	host_must(&s->cx, &s->a, work_start, trio_uuid);
	io(s, &s->a, "vda write -P 1 8M 8M");
	io(s, &s->a, "vdb write -P 2 1M 2M");
	trio_set(s, &s->a, &s->b, "external_media");
	while (stat(file, &st) != 0) {
		if (ud_mono_ms(&ud_env_real) >= until)
			fail_msg("nothing was exported: %s",
				host_must(&s->cx, &s->a, work_report, ""));
		poll(NULL, 0, LOOK_MS);
	}
	io(s, &s->a, "vda write -P 3 12M 1M"); /* while it is carried */
	const char *const carry[] = { "/bin/cp", "-r", from, to, NULL };

	assert_string_equal(trio_point(s, &s->b, 0), "");
	assert_int_equal(mkdir(to, 0700), 0);
	guests_run(&s->cx, carry);
	/* so that it looks at once: by itself it does every half a minute */
	trio_tell(s, &s->a, &s->b, "{\"method\":\"external_media\"}");
	trio_next(s, &s->b, trio_next(s, &s->b, trio_next(s, &s->b, "")));
	int64_t sent = trio_told(s, &s->a, "bytes_sent");

	print_message("# first copy: %lld KiB on the medium; %lld KiB on the wire since\n",
		(long long)st.st_size / 1024, (long long)sent / 1024);
	assert_true(sent < 2 * MIB);
	wants_proven(s, &s->b);
	trio_wants_same(s, &s->a, &s->b);
}

static void a_disk_is_added(void **state)
{
	struct trio *s = *state;
	const char *path = ud_printf(s->cx.arena, "%s/added.qcow2", s->guests.dir);
	const char *const make[] = { "/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", path,
		"32M", NULL };
	struct cost c = cost_of(s, "a disk of 32 MiB added, 4 MiB written to it");

	guests_run(&s->cx, make);
	host_must(&s->cx, &s->a, work_attach,
		ud_printf(s->cx.arena,
			"<disk type='file' device='disk'><driver name='qemu' type='qcow2' "
			"discard='unmap'/><source file='%s'/><target dev='vdc' bus='virtio'/></disk>",
			path));
	io(s, &s->a, "vdc write -P 4 1M 4M");
	/* the others go on by their bitmaps: nothing is compared, nothing sent twice */
	assert_true(cost_end(s, &c) < 6 * MIB);
	assert_null(strstr(host_must(&s->cx, &s->a, work_report, ""), "hashes are to be compared"));
	assert_non_null(strstr(host_must(&s->cx, &s->b, work_points, trio_id), "\"vdc\":"));
	wants_proven(s, &s->b);
	trio_wants_same(s, &s->a, &s->b);
}

/* What QEMU refuses as long as a job of ours runs. */
static void between_jobs(struct trio *s, host_work *work, const char *text)
{
	int64_t until = ud_mono_ms(&ud_env_real) + EVENT_MS;

	while (host_do(&s->cx, &s->a, work, text, NULL) != UD_OK) {
		assert_true(ud_mono_ms(&ud_env_real) < until);
		poll(NULL, 0, LOOK_MS);
	}
}

static void a_disk_grows(void **state)
{
	struct trio *s = *state;
	struct cost c = cost_of(s, "that disk grown to 48 MiB, 4 MiB written to its end");

	between_jobs(s, work_grow, ud_printf(s->cx.arena, "vdc %d", 48 * MIB));
	io(s, &s->a, "vdc write -P 5 44M 4M");
	assert_true(cost_end(s, &c) < 6 * MIB);
	wants_proven(s, &s->b);
	trio_wants_same(s, &s->a, &s->b);
}

/* Discarded space is dirty, and costs next to nothing. */
static void space_is_discarded(void **state)
{
	struct trio *s = *state;

	io(s, &s->a, "vda write -P 6 20M 24M");
	struct cost c = cost_of(s, "24 MiB discarded");

	io(s, &s->a, "vda discard 20M 24M");
	assert_true(cost_end(s, &c) < MIB);
	wants_proven(s, &s->b);
	trio_wants_same(s, &s->a, &s->b);
}

static void somebody_takes_a_snapshot(void **state)
{
	struct trio *s = *state;
	struct cost c = cost_of(s, "somebody's snapshot, 4 MiB written");

	between_jobs(s, work_snapshot, "theirs");
	io(s, &s->a, "vda write -P 7 30M 4M");
	assert_true(cost_end(s, &c) < 6 * MIB);
	wants_proven(s, &s->b);
	trio_wants_same(s, &s->a, &s->b);
}

/* QEMU takes none over a job of ours: they wait for each other. */
static void checkpoints_are_taken_between_cycles(void **state)
{
	struct trio *s = *state;
	const char *last = trio_point(s, &s->b, 0);

	for (int points = 0; points < 5;) {
		host_must(&s->cx, &s->a, work_checkpoint, "ours");
		const char *newest = trio_point(s, &s->b, 0);

		points += strcmp(newest, last) != 0;
		last = newest;
	}
	wants_proven(s, &s->b);
	trio_wants_same(s, &s->a, &s->b);
}

static void bitmaps_are_lost(void **state)
{
	struct trio *s = *state;
	struct cost c = cost_of(s, "bitmaps lost, 4 MiB written");
	int64_t until = ud_mono_ms(&ud_env_real) + EVENT_MS;

	while (atoi(host_must(&s->cx, &s->a, work_lose_bitmaps, "")) == 0) {
		assert_true(ud_mono_ms(&ud_env_real) < until);
		poll(NULL, 0, LOOK_MS);
	}
	io(s, &s->a, "vda write -P 8 32M 4M");
	assert_true(cost_end(s, &c) < 6 * MIB);
	wants_proven(s, &s->b);
	trio_wants_same(s, &s->a, &s->b);
}

static void a_qemu_that_was_killed_starts_again(void **state)
{
	struct trio *s = *state;
	struct cost c = cost_of(s, "QEMU killed and started, 4 MiB written");

	host_arm(&s->cx, &s->a, (struct host_trap){ "cycle.job", 1, HOST_QEMU });
	assert_true(host_sprung(&s->a, EVENT_MS));
	int64_t until = ud_mono_ms(&ud_env_real) + EVENT_MS;

	while (!trio_is_power(s, &s->a, "off")) {
		assert_true(ud_mono_ms(&ud_env_real) < until);
		poll(NULL, 0, LOOK_MS);
	}
	host_must(&s->cx, &s->a, work_start, trio_uuid);
	io(s, &s->a, "vdb write -P 9 32M 4M");
	assert_true(cost_end(s, &c) < 6 * MIB);
	wants_proven(s, &s->b);
	trio_wants_same(s, &s->a, &s->b);
}

/* Until the source has begun and ended a cycle from now on. */
static void await_cycle(struct trio *s)
{
	int64_t until = ud_mono_ms(&ud_env_real) + EVENT_MS;
	int64_t had = trio_told(s, &s->a, "cycles_total");

	for (int ended = 0; ended < 2;) { /* missed ones are counted with the one that ends */
		int64_t now = trio_told(s, &s->a, "cycles_total");

		ended += now != had;
		had = now;
		assert_true(ud_mono_ms(&ud_env_real) < until);
		poll(NULL, 0, LOOK_MS);
	}
}

/* Until the source has seen that the newest point, which grows old over there, is all there is. */
static void await_confirmed(
	struct trio *s, const char *relation, struct host *source, struct host *target)
{
	int64_t until = ud_mono_ms(&ud_env_real) + EVENT_MS;

	for (;;) {
		/* asked in this order a source that tells no younger age never passes */
		int64_t there = trio_age(s, target, relation);
		int64_t here = trio_age(s, source, relation);

		if (here != UD_NONE && here < there)
			return;
		assert_true(ud_mono_ms(&ud_env_real) < until);
		poll(NULL, 0, LOOK_MS);
	}
}

/* The VM is off, and all it wrote is over there; then it runs for a moment between two cycles. What
 * it wrote goes over while it is off, and no start is waited for. */
static void it_runs_between_two_cycles(void **state)
{
	struct trio *s = *state;

	host_must(&s->cx, &s->a, work_power_off, trio_uuid);
	await_confirmed(s, trio_id, &s->a, &s->b);
	const char *last = trio_point(s, &s->b, 0);

	trio_wants_equal(s, &s->a, &s->b);
	await_cycle(s);
	assert_string_equal(trio_point(s, &s->b, 0), last); /* nothing changed: no point is made */
	trio_source_pauses(s, true);
	host_must(&s->cx, &s->a, work_start, trio_uuid);
	io(s, &s->a, "vdb write -P 15 40M 1M");
	host_must(&s->cx, &s->a, work_power_off, trio_uuid);
	trio_source_pauses(s, false);
	trio_next(s, &s->b, last);
	trio_wants_equal(s, &s->a, &s->b);
	await_cycle(s); /* and all of it is over there */
}

static void set_onward(struct trio *s, int generation)
{
	const char *initial = "{\"method\":\"network\"}";

	s->generation = generation;
	host_must(&s->cx, &s->c, work_set,
		trio_relation(s, trio_extended_id, &s->b, "target", initial));
	host_must(&s->cx, &s->b, work_set,
		trio_relation(s, trio_extended_id, &s->c, "source", initial));
}

/* The newest point over there is proven while other things are done with it. */
static const char *prove_beside(struct trio *s, const char *more)
{
	return host_must(&s->cx, &s->b, work_prove_beside,
		ud_printf(s->cx.arena, "%s %s%s", trio_id, trio_point(s, &s->b, 0), more));
}

/* The first host is lost for the second, and runs on; both write. Then it comes back. What the
 * third host has goes on, with nothing set anew. */
static void both_write_by_themselves(void **state)
{
	struct trio *s = *state;

	set_onward(s, s->generation + 1);
	const char *third = trio_next_of(s, &s->c, trio_extended_id, "");

	/* the first host's word that this is all there is reaches as far as the third */
	await_confirmed(s, trio_extended_id, &s->b, &s->c);
	trio_source_pauses(s, true); /* it has seen the VM off, and never sees it run */
	host_must(&s->cx, &s->a, work_start, trio_uuid);
	assert_string_equal(prove_beside(s, ""), "told intact");
	assert_string_equal(prove_beside(s, " up"), "told stopped");
	host_must(&s->cx, &s->b, work_start, trio_uuid);
	io(s, &s->a, "vda write -P 10 40M 6M");
	io(s, &s->b, "vda write -P 11 44M 5M");
	io(s, &s->b, "vdb write -P 12 3M 64k");
	host_must(&s->cx, &s->a, work_power_off, trio_uuid);
	const char *kept = host_must(&s->cx, &s->a, work_displace, trio_uuid);

	assert_non_null(strstr(kept, "divergent-"));
	host_must(&s->cx, &s->b, work_complete, trio_id);
	third = trio_next_of(s, &s->c, trio_extended_id, third);
	trio_next_of(s, &s->c, trio_extended_id, third);
	trio_set(s, &s->b, &s->a, "reverse");
	trio_next(s, &s->a, "");
	const char *points = host_must(&s->cx, &s->a, work_points, trio_id);
	long long looked = 0;

	/* the oldest line is the first point: what was read for it */
	for (const char *line = points; *line; line = strchr(line, '\n') + 1)
		looked = strtoll(strstr(line, " complete ") + 10, NULL, 10);
	settle_at(s, &s->a, 2);
	int64_t sent = trio_told(s, &s->b, "bytes_sent");

	print_message("# both wrote (%s): %lld KiB looked at, %lld KiB on the wire\n", kept,
		looked / 1024, (long long)sent / 1024);
	/* by the bitmaps of both, not by reading all */
	assert_true(looked < 24 * MIB);
	assert_true(sent < looked + MIB);
	wants_proven(s, &s->a);
	trio_wants_same(s, &s->b, &s->a);
}

/* Both legs leave the host that runs the VM now: each point of either is whole. */
static void a_third_host_has_it_too(void **state)
{
	struct trio *s = *state;
	const char *last = trio_point_of(s, &s->c, trio_extended_id, 0);

	io(s, &s->b, "vda write -P 13 50M 1M");
	last = trio_next_of(s, &s->c, trio_extended_id, last);
	last = trio_next_of(s, &s->c, trio_extended_id, last);
	last = trio_next_of(s, &s->c, trio_extended_id, last);
	const char *proof = host_must(&s->cx, &s->c, work_prove,
		ud_printf(s->cx.arena, "%s %s", trio_extended_id,
			trio_point_of(s, &s->c, trio_extended_id, 0)));

	if (strncmp(proof, "intact ", 7) != 0)
		fail_msg("%s", proof);
	/* the same content has the same roots: nobody writes any more */
	settle_at(s, &s->a, 3);
	const char *there = host_must(&s->cx, &s->a, work_points, trio_id);

	there = ud_strndup(s->cx.arena, there, strcspn(there, "\n"));
	if (!strstr(there, proof + 7))
		fail_msg("%s is not %s", proof, there);
	host_must(&s->cx, &s->b, work_drop, trio_extended_id);
	host_must(&s->cx, &s->c, work_drop, trio_extended_id);
}

/* An old copy lies at the target: hashes are compared, and what differs is sent. */
static void a_copy_that_is_there_spares_the_first(void **state)
{
	struct trio *s = *state;
	const char *media = ud_printf(s->cx.arena, "%s/media-a/%s", s->guests.dir, trio_id);

	host_must(&s->cx, &s->b, work_power_off, trio_uuid);
	host_must(&s->cx, &s->a, work_drop, trio_id);
	host_must(&s->cx, &s->b, work_drop, trio_id);
	for (const char *disk = "vda\0vdb\0vdc\0"; *disk; disk += 4) {
		const char *from = trio_file(
			s, &s->b, ud_printf(s->cx.arena, "*/clone/active/%s.qcow2", disk));
		const char *const copy[] = { "/usr/bin/qemu-img", "convert", "-O", "qcow2", from,
			ud_printf(s->cx.arena, "%s/%s.qcow2", media, disk), NULL };

		guests_run(&s->cx, copy);
	}
	host_must(&s->cx, &s->b, work_start, trio_uuid);
	io(s, &s->b, "vda write -P 14 10M 2M");
	trio_set(s, &s->b, &s->a, "existing");
	trio_next(s, &s->a, "");
	settle_at(s, &s->a, 2);
	int64_t sent = trio_told(s, &s->b, "bytes_sent");

	print_message("# a copy was there: %lld KiB on the wire\n", (long long)sent / 1024);
	assert_true(sent < 4 * MIB);
	wants_proven(s, &s->a);
	trio_wants_same(s, &s->b, &s->a);
}

/* ---- setting the scene ---- */

static int begin(void **state)
{
	struct trio *s = trio_begin_bare(0);

	s->interval_seconds = 1;
	s->frozen = false;
	*state = s;
	return 0;
}

static int end(void **state)
{
	trio_end(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_definition_puts_in_the_way_is_told),
		cmocka_unit_test(a_first_copy_comes_on_a_medium),
		cmocka_unit_test(a_disk_is_added),
		cmocka_unit_test(a_disk_grows),
		cmocka_unit_test(space_is_discarded),
		cmocka_unit_test(somebody_takes_a_snapshot),
		cmocka_unit_test(checkpoints_are_taken_between_cycles),
		cmocka_unit_test(bitmaps_are_lost),
		cmocka_unit_test(a_qemu_that_was_killed_starts_again),
		cmocka_unit_test(it_runs_between_two_cycles),
		cmocka_unit_test(both_write_by_themselves),
		cmocka_unit_test(a_third_host_has_it_too),
		cmocka_unit_test(a_copy_that_is_there_spares_the_first),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
