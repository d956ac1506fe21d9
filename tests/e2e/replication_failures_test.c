/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can go wrong while a VM is replicated, by doing it to a QEMU that runs: agents and QEMU
 * killed at each step that is durable, twice in a row, too; a link that is cut, slow, stalled or
 * turns bits; disks that are full at either end; bits that flip on the replica. After each the same
 * is asked: every point that is offered reads back as it was published, one that was not published
 * is not to be had, points come again by themselves, and then the replica is the VM's disks, byte
 * for byte. Without UD_TEST_LONG a few of each.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/drivers/libvirt/inside.h"
#include "base/env.h"
#include "base/file.h"
#include "support/context.h"
#include "support/relay.h"
#include "support/trio.h"

enum {
	HOST_MIB = 900, /* a file system of its own for each host */
	EVENT_MS = 120000,
	LOOK_MS = 50,
	TEXT_MAX = 1 << 20
};

struct scene {
	struct trio *s;
	struct relay *relay;
	int written;
	struct {
		int rows, kills, points, refused;
	} count;
};

static bool is_long(void)
{
	return getenv("UD_TEST_LONG") != NULL;
}

/* ---- what must hold after each ---- */

/* A word of a host's files below its root, found by name; "" = none. */
static const char *find_file(struct scene *c, const struct host *h, const char *path)
{
	const char *const argv[] = { "/usr/bin/find",
		ud_printf(c->s->cx.arena, "%s/%s", c->s->guests.dir, h->name), "-path", path,
		NULL };
	const char *out = guests_run(&c->s->cx, argv);

	return ud_strndup(c->s->cx.arena, out, strcspn(out, "\n"));
}

/* The point that the source has begun and does not know the fate of; "" = none. */
static const char *pending(struct scene *c)
{
	const char *path =
		find_file(c, &c->s->a, ud_printf(c->s->cx.arena, "*/%s/state.json", trio_id));
	const char *text = NULL, *at;
	size_t n = 0;

	if (ud_file_read(&c->s->cx, path, TEXT_MAX, &text, &n) != UD_OK)
		return "";
	at = strstr(text, "\"pending_point\":\"");
	if (!at)
		return "";
	at += strlen("\"pending_point\":\"");
	return ud_strndup(c->s->cx.arena, at, strcspn(at, "\""));
}

/* Whatever is not in the list must not be had, by whoever knows its name. */
static void wants_refused(struct scene *c, const char *id)
{
	struct trio *s = c->s;
	const char *list = host_must(&s->cx, &s->b, work_points, trio_id);

	if (!*id || strstr(list, id))
		return;
	enum ud_code code = host_do(
		&s->cx, &s->b, work_test_start, ud_printf(s->cx.arena, "%s %s", trio_id, id), NULL);

	/* it may have been published between the two */
	if (code == UD_OK)
		assert_non_null(strstr(host_must(&s->cx, &s->b, work_points, trio_id), id));
	else
		assert_int_equal(code, UD_E_NOT_FOUND);
	(void)host_do(&s->cx, &s->b, work_test_drop, "tst_1", NULL);
	c->count.refused++;
}

/* One reading proves all points of the store; the roots of the newest are what it was told with. */
static void wants_proven(struct scene *c)
{
	struct trio *s = c->s;
	const char *list = host_must(&s->cx, &s->b, work_points, trio_id);
	const char *id = ud_strndup(s->cx.arena, list, strcspn(list, " "));
	const char *proof = NULL;

	if (host_do(&s->cx, &s->b, work_prove, ud_printf(s->cx.arena, "%s %s", trio_id, id),
		    &proof) != UD_OK) {
		/* merged away meanwhile: there is a newer one */
		id = trio_point(s, &s->b, 0);
		proof = host_must(
			&s->cx, &s->b, work_prove, ud_printf(s->cx.arena, "%s %s", trio_id, id));
	}
	if (strncmp(proof, "intact ", 7) != 0)
		fail_msg("%s: %s", id, proof);
	list = host_must(&s->cx, &s->b, work_points, trio_id);
	if (strstr(list, " corrupt ") || strstr(list, " receiving "))
		fail_msg("%s", list);
	const char *told = strstr(list, id);

	if (told && !strstr(ud_strndup(s->cx.arena, told, strcspn(told, "\n")), proof + 7))
		fail_msg("%s is not %s", told, proof);
	for (; *list; list = strchr(list, '\n') + 1)
		c->count.points++;
}

/* Both disks are written to, always something else. */
static void write_some(struct scene *c)
{
	struct trio *s = c->s;
	int n = ++c->written, at = n * 7 % 60;

	host_must(&s->cx, &s->a, work_io,
		ud_printf(s->cx.arena, "vda write -P %d %dM 1M", n % 250 + 1, at));
	host_must(&s->cx, &s->a, work_io,
		ud_printf(s->cx.arena, "vdb write -P %d %dM 64k", n % 250 + 1, at));
}

/* The most of our bitmaps that an image has. */
static enum ud_code work_bitmaps(struct host_inside *h, const char *in, const char **ret_out)
{
	UD_AUTO(ud_lv_domain) *d = NULL;
	json_t *nodes = NULL, *node, *bitmap;
	size_t i, k, most = 0;

	UD_TRY(ud_lv_find(h->cx, ud_lv_of(h->hv), in, &d));
	UD_TRY(ud_lv_qmp(h->cx, d, "query-named-block-nodes", "{\"flat\":true}", &nodes));
	json_array_foreach(nodes, i, node)
	{
		size_t ours = 0;

		json_array_foreach(json_object_get(node, "dirty-bitmaps"), k, bitmap)
		{
			const char *name = json_string_value(json_object_get(bitmap, "name"));

			ours += name && strncmp(name, "ud-", 3) == 0;
		}
		most = ours > most ? ours : most;
	}
	json_decref(nodes);
	*ret_out = ud_printf(h->cx->arena, "%zu", most);
	return UD_OK;
}

/* One, and in the midst of a cycle the new one: none of a cycle that died records on for ever. */
static void wants_few_bitmaps(struct scene *c, const char *row)
{
	const char *most = host_must(&c->s->cx, &c->s->a, work_bitmaps, trio_uuid);

	if (atoi(most) > 2)
		fail_msg("%s: an image has %s bitmaps", row, most);
}

static void wants_whole(struct scene *c, const char *row, const char *last)
{
	struct trio *s = c->s;

	write_some(c);
	last = trio_next(s, &s->b, last);
	wants_proven(c);
	trio_wants_same(s, &s->a, &s->b);
	wants_few_bitmaps(c, row);
	c->count.rows++;
	print_message("# %s: %s is the newest\n", row, last);
}

static void wants_power(struct scene *c, const char *power)
{
	int64_t until = ud_mono_ms(&ud_env_real) + EVENT_MS;

	while (!trio_is_power(c->s, &c->s->a, power)) {
		assert_true(ud_mono_ms(&ud_env_real) < until);
		poll(NULL, 0, LOOK_MS);
	}
}

/* ---- killed at a step ---- */

static const struct crash {
	const char *name;
	bool target;             /* which end */
	struct host_trap first;  /* in the process that runs */
	struct host_trap second; /* in the one that takes its place */
	bool sample;             /* in the ordinary run, too */
} crashes[] = {
	/* clang-format off */
	{ "source agent, point named",        false, { "cycle.named", 1, HOST_ITSELF },    { 0 },                              false },
	{ "source agent, job half begun",     false, { "cycle.named", 1, HOST_ITSELF | HOST_LATER }, { 0 },                    true },
	{ "source agent, job begun",          false, { "cycle.job", 1, HOST_ITSELF },      { 0 },                              false },
	{ "source agent, point shipped",      false, { "cycle.shipped", 1, HOST_ITSELF },  { 0 },                              true },
	{ "source agent, job ended",          false, { "cycle.ended", 1, HOST_ITSELF },    { 0 },                              false },
	{ "source agent, accepted",           false, { "cycle.accepted", 1, HOST_ITSELF }, { 0 },                              false },
	{ "source agent, checkpoint dropped", false, { "cycle.dropped", 1, HOST_ITSELF },  { 0 },                              false },
	{ "source agent twice, shipped and named", false, { "cycle.shipped", 1, HOST_ITSELF }, { "cycle.named", 1, HOST_ITSELF }, false },
	{ "source agent twice, job begun both times", false, { "cycle.job", 1, HOST_ITSELF }, { "cycle.job", 1, HOST_ITSELF }, false },
	{ "source agent twice, ended and accepted", false, { "cycle.ended", 1, HOST_ITSELF }, { "cycle.accepted", 1, HOST_ITSELF }, false },
	{ "QEMU, point named",                false, { "cycle.named", 1, HOST_QEMU },      { 0 },                              false },
	{ "QEMU, job begun",                  false, { "cycle.job", 1, HOST_QEMU },        { 0 },                              false },
	{ "QEMU, point shipped",              false, { "cycle.shipped", 1, HOST_QEMU },    { 0 },                              false },
	{ "QEMU, job ended",                  false, { "cycle.ended", 1, HOST_QEMU },      { 0 },                              false },
	{ "QEMU, accepted",                   false, { "cycle.accepted", 1, HOST_QEMU },   { 0 },                              false },
	{ "QEMU and source agent, job begun", false, { "cycle.job", 1, HOST_QEMU | HOST_ITSELF }, { 0 },                       false },
	{ "QEMU and source agent, shipped",   false, { "cycle.shipped", 1, HOST_QEMU | HOST_ITSELF }, { 0 },                   false },
	{ "target, begun",                    true,  { "begin", 1, HOST_ITSELF },          { 0 },                              false },
	{ "target, data",                     true,  { "data", 1, HOST_ITSELF },           { 0 },                              false },
	{ "target, one disk of two",          true,  { "disk", 1, HOST_ITSELF },           { 0 },                              false },
	{ "target, both disks",               true,  { "disk", 2, HOST_ITSELF },           { 0 },                              true },
	{ "target, folder",                   true,  { "folder", 1, HOST_ITSELF },         { 0 },                              false },
	{ "target, manifest",                 true,  { "manifest", 1, HOST_ITSELF },       { 0 },                              false },
	{ "target, published",                true,  { "published", 1, HOST_ITSELF },      { 0 },                              false },
	{ "target, merging: uncommitted",     true,  { "uncommit", 1, HOST_ITSELF },       { 0 },                              false },
	{ "target, merging: data",            true,  { "merge.data", 1, HOST_ITSELF },     { 0 },                              false },
	{ "target, merging: hashes",          true,  { "merge.hashes", 1, HOST_ITSELF },   { 0 },                              false },
	{ "target, merging: rebased",         true,  { "merge.rebase", 1, HOST_ITSELF },   { 0 },                              false },
	{ "target, merging: end",             true,  { "merge.end", 1, HOST_ITSELF },      { 0 },                              false },
	{ "target twice, folder and disk",    true,  { "folder", 1, HOST_ITSELF },         { "disk", 1, HOST_ITSELF },         false },
	{ "target twice, merging",            true,  { "merge.data", 1, HOST_ITSELF },     { "merge.rebase", 1, HOST_ITSELF }, false },
	/* clang-format on */
};

/* What was killed is brought back as a person or systemd would, with nothing told. */
static void bring_back(struct scene *c, struct host *h, const struct host_trap *trap)
{
	struct trio *s = c->s;

	if (trap->victims & HOST_ITSELF) {
		host_kill(h);
		host_again(&s->cx, h);
		c->count.kills++;
		if (h == &s->b) /* its port is another one now */
			relay_target(c->relay, h->port);
	}
	if (trap->victims & HOST_QEMU) {
		c->count.kills++;
		wants_power(c, "off"); /* libvirt learns of it in its own time */
		/* whatever cycle reads the images of the VM that is off gives way */
		host_must(&s->cx, h, work_start, trio_uuid);
	}
}

static void crash_at(struct scene *c, const struct crash *row)
{
	struct trio *s = c->s;
	struct host *h = row->target ? &s->b : &s->a;
	const char *last = trio_point(s, &s->b, 0);

	write_some(c);
	host_arm(&s->cx, h, row->first);
	if (!host_sprung(h, EVENT_MS))
		fail_msg("%s: the step never came", row->name);
	const char *begun = pending(c);

	h->trap = row->second;
	bring_back(c, h, &row->first);
	h->trap = (struct host_trap){ 0 };
	if (!row->target)
		wants_refused(c, begun);
	if (row->second.step) {
		if (!host_sprung(h, EVENT_MS))
			fail_msg("%s: the second step never came", row->name);
		bring_back(c, h, &row->second);
	}
	wants_whole(c, row->name, last);
}

static void whoever_is_killed_at_whatever_step_nothing_is_lost(void **state)
{
	struct scene *c = *state;

	for (size_t i = 0; i < UD_LEN(crashes); i++)
		if (crashes[i].sample || is_long())
			crash_at(c, &crashes[i]);
}

/* libvirt itself dies with the agent: at moments spread over all of a begin. Killed so, libvirt 9.0
 * never let go of its own word that a backup begins. */
static void a_begin_may_be_cut_off_anywhere(void **state)
{
	enum { KILLS = 24, STEP_US = 2500 };
	struct scene *c = *state;

	for (int i = 0; is_long() && i < KILLS; i++) {
		struct crash row = { .name = ud_printf(c->s->cx.arena,
					     "source agent, %d us into a begin", i * STEP_US),
			.first = { "cycle.named", 1, HOST_ITSELF | HOST_LATER, i * STEP_US } };

		crash_at(c, &row);
	}
}

/* ---- the link ---- */

static const struct bad_link {
	const char *name;
	struct relay_faults faults;
	int64_t stands_ms; /* the link is good again after that */
	bool sample;
} links[] = {
	{ "cut in the midst of a point", { .cut_after = 300000 }, 4000, true },
	{ "cut at once", { .cut_after = 1 }, 4000, false },
	{ "cut in the handshake", { .cut_after = 900 }, 4000, false },
	{ "a bit turned", { .corrupt_at = 200000 }, 4000, true },
	{ "a bit turned early", { .corrupt_at = 40 }, 4000, false },
	{ "slow", { .bytes_per_second = 150000 }, 15000, false },
	{ "late", { .delay_ms = 400 }, 15000, false },
	{ "stalled", { .stall = true }, 12000, false },
};

/* The VM writes on, whatever the link does: no write waits for it. */
static void bad_link(struct scene *c, const struct bad_link *row)
{
	struct trio *s = c->s;
	const char *last = trio_point(s, &s->b, 0);
	int64_t now = ud_mono_ms(&ud_env_real), until = now + row->stands_ms, worst = 0;

	relay_set(c->relay, row->faults);
	while (now < until) {
		write_some(c);
		int64_t took = ud_mono_ms(&ud_env_real) - now;

		worst = took > worst ? took : worst;
		poll(NULL, 0, LOOK_MS);
		now = ud_mono_ms(&ud_env_real);
	}
	print_message("# %s: a write took %lld ms at worst\n", row->name, (long long)worst);
	if (worst >= row->stands_ms)
		fail_msg("%s: the VM stood still for %lld ms", row->name, (long long)worst);
	wants_refused(c, pending(c));
	relay_set(c->relay, (struct relay_faults){ 0 });
	wants_whole(c, row->name, last);
}

static void a_bad_link_costs_time_and_nothing_else(void **state)
{
	struct scene *c = *state;

	for (size_t i = 0; i < UD_LEN(links); i++)
		if (links[i].sample || is_long())
			bad_link(c, &links[i]);
}

/* ---- a start in the midst of a cycle ---- */

/* A file of bytes that nothing makes smaller. */
static const char *noise(struct scene *c)
{
	static unsigned char bytes[1 << 20];
	const char *path = ud_printf(c->s->cx.arena, "%s/noise", c->s->guests.dir);

	ud_random(&ud_env_real, bytes, sizeof(bytes));
	assert_int_equal(ud_file_write(&c->s->cx, path, bytes, sizeof(bytes), 0600), UD_OK);
	return path;
}

/* A cycle that reads the images of the VM, which is off, over a slow link: the VM starts at once.
 */
static void a_vm_starts_while_its_images_are_read(void **state)
{
	struct scene *c = *state;
	struct trio *s = c->s;
	enum { SLOW = 100000, UNDER_WAY = 150000 };
	const char *last = trio_point(s, &s->b, 0);
	int64_t until = ud_mono_ms(&ud_env_real) + EVENT_MS;

	relay_set(c->relay, (struct relay_faults){ .bytes_per_second = SLOW });
	host_must(
		&s->cx, &s->a, work_io, ud_printf(s->cx.arena, "vda write -s %s 0 12M", noise(c)));
	host_must(&s->cx, &s->a, work_power_off, trio_uuid);
	/* what the cycle of the running VM sent does not count */
	relay_set(c->relay, (struct relay_faults){ .bytes_per_second = SLOW });
	while (relay_bytes(c->relay) < UNDER_WAY) {
		assert_true(ud_mono_ms(&ud_env_real) < until);
		poll(NULL, 0, LOOK_MS);
	}
	host_must(&s->cx, &s->a, work_start, trio_uuid);
	wants_power(c, "running");
	relay_set(c->relay, (struct relay_faults){ 0 });
	wants_whole(c, "started meanwhile", last);
}

/* ---- full disks ---- */

/* A file that leaves so much of a host's file system; left < 0: take it away. */
static void fill(struct scene *c, const struct host *h, int64_t left)
{
	const char *dir = ud_printf(c->s->cx.arena, "%s/%s", c->s->guests.dir, h->name);
	const char *path = ud_printf(c->s->cx.arena, "%s/ballast", dir);
	int64_t room = guests_room(dir);

	if (left < 0) {
		assert_int_equal(unlink(path), 0);
		return;
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	if (room > left)
		assert_int_equal(posix_fallocate(fd, 0, room - left), 0);
	close(fd);
}

/* Wait until the source tells of that failure. */
static void wants_error(struct scene *c, const char *code)
{
	int64_t until = ud_mono_ms(&ud_env_real) + EVENT_MS;
	const char *wanted = ud_printf(c->s->cx.arena, "\"code\":\"%s\"", code), *told;

	while (!strstr(told = host_must(&c->s->cx, &c->s->a, work_report, ""), wanted)) {
		if (ud_mono_ms(&ud_env_real) >= until)
			fail_msg("not %s: %s", code, told);
		poll(NULL, 0, LOOK_MS);
	}
}

static void a_full_target_takes_nothing_until_there_is_room(void **state)
{
	struct scene *c = *state;
	struct trio *s = c->s;
	enum { LEFT = 20 << 20 };

	if (!s->own_file_systems || !is_long())
		skip();
	fill(c, &s->b, LEFT);
	wants_error(c, "storage_full");
	const char *last = trio_point(s, &s->b, 0);

	wants_proven(c);
	wants_refused(c, pending(c));
	assert_string_equal(trio_point(s, &s->b, 0), last);
	fill(c, &s->b, -1);
	wants_whole(c, "target full", last);
}

/* Scratch files grow with what the guest overwrites while a job is open: on a slow link there is
 * time for that. */
static void a_full_source_lets_the_guest_go_on(void **state)
{
	struct scene *c = *state;
	struct trio *s = c->s;
	enum { LEFT = 2 << 20, SLOW = 100000 };

	if (!s->own_file_systems)
		skip();
	const char *last = trio_point(s, &s->b, 0);

	relay_set(c->relay, (struct relay_faults){ .bytes_per_second = SLOW });
	host_must(&s->cx, &s->a, work_io, "vda write -P 91 0 12M");
	fill(c, &s->a, LEFT);
	host_must(&s->cx, &s->a, work_io, "vda write -P 92 0 12M");
	wants_error(c, "storage_full");
	wants_power(c, "running"); /* it may have stood still until the job was aborted */
	fill(c, &s->a, -1);
	relay_set(c->relay, (struct relay_faults){ 0 });
	wants_whole(c, "source full", last);
}

/* ---- flipped bits ---- */

static void flip(const char *path, int64_t at)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	unsigned char byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 8;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* Found, named, kept from use, and repaired from the source by the next cycle. */
static void flipped_bits_are_found_and_repaired(void **state)
{
	struct scene *c = *state;
	struct trio *s = c->s;
	enum { AT = 1 << 20, FAR = 40 << 20 };
	const char *base;

	/* what nobody writes to again until it is found */
	trio_wants_same(s, &s->a, &s->b);
	for (int i = 0; i < 6; i++) /* merged into the base by then */
		trio_next(s, &s->b, trio_point(s, &s->b, 0));
	base = find_file(c, &s->b, "*/base/vda.raw");

	flip(base, AT + 77);
	if (is_long())
		flip(find_file(c, &s->b, "*/base/vdb.raw"), FAR);
	const char *id = trio_point(s, &s->b, 0);
	const char *proof = NULL;

	if (host_do(&s->cx, &s->b, work_prove, ud_printf(s->cx.arena, "%s %s", trio_id, id),
		    &proof) != UD_OK)
		proof = host_must(&s->cx, &s->b, work_prove,
			ud_printf(s->cx.arena, "%s %s", trio_id, trio_point(s, &s->b, 0)));
	if (strncmp(proof, "corrupt ", 8) != 0)
		fail_msg("not found: %s", proof);
	assert_int_equal(host_do(&s->cx, &s->b, work_test_start,
				 ud_printf(s->cx.arena, "%s %s", trio_id, id), NULL),
		UD_E_INVALID_STATE);
	const char *last = trio_next(s, &s->b, id);

	/* the cycle of that point has sent what was wrong */
	trio_next(s, &s->b, last);
	wants_whole(c, "flipped bits", last);
}

/* Wait until the host, by itself, calls a point corrupt, or none any more. */
static void await_corrupt(struct scene *c, struct host *h, bool any)
{
	int64_t until = ud_mono_ms(&ud_env_real) + EVENT_MS;

	while (any != !!strstr(host_must(&c->s->cx, h, work_points, trio_id), " corrupt ")) {
		assert_true(ud_mono_ms(&ud_env_real) < until);
		poll(NULL, 0, LOOK_MS);
	}
}

/* Nobody asks: the replica's host reads it through, again and again, and finds it. */
static void what_rots_is_found_without_being_asked_for(void **state)
{
	struct scene *c = *state;
	struct trio *s = c->s;
	const char *initial = "{\"method\":\"network\"}";
	enum { AT = 2 << 20, EVERY_MS = 300 };

	trio_wants_same(s, &s->a, &s->b);
	for (int i = 0; i < 6; i++)
		trio_next(s, &s->b, trio_point(s, &s->b, 0));
	const char *last = trio_point(s, &s->b, 0);

	s->paused = true; /* or it would be repaired before anybody sees it */
	trio_tell(s, &s->a, &s->b, initial);
	s->b.scrub_every_ms = EVERY_MS;
	host_kill(&s->b);
	host_again(&s->cx, &s->b);
	relay_target(c->relay, s->b.port);
	flip(find_file(c, &s->b, "*/base/vda.raw"), AT + 33);
	await_corrupt(c, &s->b, true);
	s->paused = false;
	trio_tell(s, &s->a, &s->b, initial);
	await_corrupt(c, &s->b, false);
	wants_whole(c, "found by itself", last);
}

/* ---- setting the scene ---- */

static int begin(void **state)
{
	struct scene *c = ud_malloc(sizeof(*c));
	struct trio *s;

	*state = c;
	*c = (struct scene){ .s = NULL };
	s = c->s = trio_begin_bare(HOST_MIB);
	s->interval_seconds = 1;
	s->frozen = false;
	c->relay = relay_new(s->b.port);
	s->address = relay_address(c->relay);
	host_must(&s->cx, &s->a, work_start, trio_uuid);
	write_some(c);
	trio_set(s, &s->a, &s->b, "network");
	trio_next(s, &s->b, trio_next(s, &s->b, ""));
	return 0;
}

static int end(void **state)
{
	struct scene *c = *state;

	print_message("# %d rows, %d kills: %d points read back and right, %d times the disks were"
		      " the same; %d points that were not published refused\n",
		c->count.rows, c->count.kills, c->count.points, c->count.rows, c->count.refused);
	if (c->s)
		trio_end(c->s);
	if (c->relay)
		relay_free(c->relay);
	ud_free(c);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_is_killed_at_whatever_step_nothing_is_lost),
		cmocka_unit_test(a_begin_may_be_cut_off_anywhere),
		cmocka_unit_test(a_bad_link_costs_time_and_nothing_else),
		cmocka_unit_test(a_vm_starts_while_its_images_are_read),
		cmocka_unit_test(a_full_target_takes_nothing_until_there_is_room),
		cmocka_unit_test(a_full_source_lets_the_guest_go_on),
		cmocka_unit_test(flipped_bits_are_found_and_repaired),
		cmocka_unit_test(what_rots_is_found_without_being_asked_for),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
