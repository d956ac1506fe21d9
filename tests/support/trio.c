/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest between three hosts; see trio.h.
 */
#include "support/trio.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "agent/drivers/libvirt/inside.h"
#include "agent/guest_cards.h"
#include "base/env.h"
#include "support/context.h"

const char trio_uuid[] = "0d5ad4f1-41d3-4d85-9ad1-6d6b2a2f5a01";
const char trio_id[] = "rpl_01jd0000000000000000000001";
const char trio_extended_id[] = "rpl_01jd0000000000000000000002";
enum { EVENT_MS = 300000, LOOK_MS = 100, WORDS = 8, BARS_MAX = 64 };

/* ---- work on a host ---- */

enum ud_code work_define(struct host_inside *h, const char *in, const char **ret_out)
{
	return ud_hv_definition_import(h->cx, h->hv, in, ret_out);
}

enum ud_code work_start(struct host_inside *h, const char *in, const char **ret_out)
{
	(void)ret_out;
	return ud_hv_start(h->cx, h->hv, in, 0);
}

enum ud_code work_shutdown(struct host_inside *h, const char *in, const char **ret_out)
{
	(void)ret_out;
	return ud_hv_shutdown(h->cx, h->hv, in, 30000);
}

enum ud_code work_power_off(struct host_inside *h, const char *in, const char **ret_out)
{
	(void)ret_out;
	return ud_hv_power_off(h->cx, h->hv, in);
}

enum ud_code work_power(struct host_inside *h, const char *in, const char **ret_out)
{
	enum ud_power power;
	const char *raw;
	enum ud_code code = ud_hv_power(h->cx, h->hv, in, &power, &raw);

	*ret_out = code == UD_OK ? ud_powers.names[power] : "none";
	ud_ctx_clear(h->cx);
	return UD_OK;
}

enum ud_code work_verify(struct host_inside *h, const char *in, const char **ret_out)
{
	const char *words[] = { "verify" };
	struct ud_guest_program p = {
		.path = "/bin/guest", .arguments = { words, 1 }, .timeout_ms = 60000
	};
	struct ud_guest_ran ran = { 0 };

	UD_TRY(ud_hv_guest_run(h->cx, h->hv, in, &p, &ran));
	*ret_out = ran.output;
	return UD_OK;
}

enum ud_code work_guest(struct host_inside *h, const char *in, const char **ret_out)
{
	char *line = ud_strdup(h->cx->arena, in), *rest = NULL;
	const char *words[WORDS], *path = strtok_r(line, " ", &rest);
	struct ud_guest_program p = { .path = path, .timeout_ms = EVENT_MS };
	struct ud_guest_ran ran = { 0 };
	size_t n = 0;

	for (char *word; n < WORDS && (word = strtok_r(NULL, " ", &rest));)
		words[n++] = word;
	p.arguments = (struct ud_texts){ words, n };
	UD_TRY(ud_hv_guest_run(h->cx, h->hv, trio_uuid, &p, &ran));
	*ret_out = ran.output;
	return ran.status == 0 ? UD_OK
			       : ud_fail(h->cx, UD_E_HYPERVISOR, NULL, "%s ends with %d: %s%s", in,
					 ran.status, ran.output, ran.error);
}

/* The guest's own way to the disk: what a backup job must see passes there. */
static enum ud_code device_of(struct ud_ctx *cx, virDomainPtr d, const char *disk, const char **ret)
{
	const char *name = ud_printf(cx->arena, "/virtio-disk%d/", disk[2] - 'a');
	json_t *blocks = NULL, *block;
	size_t i;

	*ret = NULL;
	UD_TRY(ud_lv_qmp(cx, d, "query-block", NULL, &blocks));
	json_array_foreach(blocks, i, block)
	{
		const char *qdev = json_string_value(json_object_get(block, "qdev"));

		if (qdev && strstr(qdev, name))
			*ret = ud_strdup(cx->arena, qdev);
	}
	json_decref(blocks);
	return *ret ? UD_OK : ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no disk %s.", disk);
}

enum ud_code work_io(struct host_inside *h, const char *in, const char **ret_out)
{
	const char *disk = ud_strndup(h->cx->arena, in, strcspn(in, " ")), *device = NULL;
	UD_AUTO(ud_lv_domain) *d = NULL;
	json_t *answer = NULL;

	UD_TRY(ud_lv_find(h->cx, ud_lv_of(h->hv), trio_uuid, &d));
	UD_TRY(device_of(h->cx, d, disk, &device));
	UD_TRY(ud_lv_qmp(h->cx, d, "human-monitor-command",
		ud_printf(h->cx->arena, "{\"command-line\":\"qemu-io -d %s \\\"%s\\\"\"}", device,
			in + strlen(disk) + 1),
		&answer));
	*ret_out = ud_strdup(h->cx->arena, json_string_value(answer));
	json_decref(answer);
	return strstr(*ret_out, "rror") || strstr(*ret_out, "failed")
		? ud_fail(h->cx, UD_E_HYPERVISOR, NULL, "%s: %s", in, *ret_out)
		: UD_OK;
}

enum ud_code work_set(struct host_inside *h, const char *in, const char **ret_out)
{
	struct ud_relation relation = { 0 };
	struct ud_relation_result result = { 0 };

	(void)ret_out;
	UD_TRY(ud_shape_read(h->cx, &ud_relation_shape, in, strlen(in), &relation));
	return ud_hv_relation_set(h->cx, h->hv, &relation, &result);
}

static enum ud_code add_report(
	struct ud_ctx *cx, void *data, const struct ud_replication_report *report)
{
	struct ud_buf *b = data;

	(void)cx;
	ud_shape_encode(b, &ud_replication_report_shape, report, NULL);
	return UD_OK;
}

enum ud_code work_report(struct host_inside *h, const char *in, const char **ret_out)
{
	struct ud_buf b = { 0 };

	(void)in;
	enum ud_code code = ud_hv_relations(h->cx, h->hv, add_report, &b);

	*ret_out = ud_buf_take(h->cx->arena, &b);
	return code;
}

/* One line per point, newest first: id, what it got, state, bytes that changed, age, roots; and
 * why it got less than was asked for. */
static enum ud_code add_point(struct ud_ctx *cx, void *data, const struct ud_point *p)
{
	(void)cx;
	ud_buf_printf(data, "%s %s %s %lld %lld %s %s\n", p->id,
		ud_consistencies.names[p->consistency], ud_point_states.names[p->state],
		(long long)p->bytes, (long long)p->age_ms, p->roots.text,
		p->reason ? p->reason : "");
	return UD_OK;
}

enum ud_code work_points(struct host_inside *h, const char *in, const char **ret_out)
{
	struct ud_buf b = { 0 };
	enum ud_code code = ud_hv_points(h->cx, h->hv, in, add_point, &b);

	*ret_out = ud_buf_take(h->cx->arena, &b);
	return code;
}

enum ud_code work_prove(struct host_inside *h, const char *in, const char **ret_out)
{
	const char *relation = ud_strndup(h->cx->arena, in, strcspn(in, " "));
	const struct ud_point_verify verify = { relation, in + strlen(relation) + 1 };
	struct ud_point_verified v = { 0 };

	UD_TRY(ud_hv_point_verify(h->cx, h->hv, &verify, NULL, &v));
	*ret_out = ud_printf(h->cx->arena, "%s %s", v.intact ? "intact" : "corrupt", v.roots.text);
	return UD_OK;
}

enum ud_code work_resync(struct host_inside *h, const char *in, const char **ret_out)
{
	struct ud_relation_resync resync = { .replication_id = in, .method = UD_RESYNC_HASHES };
	struct ud_relation_result result = { 0 };

	(void)ret_out;
	return ud_hv_relation_resync(h->cx, h->hv, &resync, &result);
}

enum ud_code work_prepare(struct host_inside *h, const char *in, const char **ret_out)
{
	struct ud_point point = { 0 };

	UD_TRY(ud_hv_prepare(h->cx, h->hv, in, &point));
	*ret_out = point.id;
	return UD_OK;
}

enum ud_code work_fail_over(struct host_inside *h, const char *in, const char **ret_out)
{
	struct ud_hv_promotion up = { trio_id, in, { NULL } };
	struct ud_hv_promoted done = { 0 };

	UD_TRY(ud_hv_fail_over(h->cx, h->hv, &up, &done));
	*ret_out = done.roots.text;
	return UD_OK;
}

enum ud_code work_displace(struct host_inside *h, const char *in, const char **ret_out)
{
	struct ud_hv_displaced gone = { 0 };

	UD_TRY(ud_hv_displace(h->cx, h->hv, in, &gone));
	*ret_out = ud_printf(h->cx->arena, "%s %lld", gone.divergent ? gone.divergent : "none",
		(long long)gone.divergent_bytes);
	return UD_OK;
}

enum ud_code work_complete(struct host_inside *h, const char *in, const char **ret_out)
{
	(void)ret_out;
	return ud_hv_complete(h->cx, h->hv, in);
}

enum ud_code work_cancel(struct host_inside *h, const char *in, const char **ret_out)
{
	(void)ret_out;
	return ud_hv_cancel(h->cx, h->hv, in);
}

enum ud_code work_test_start(struct host_inside *h, const char *in, const char **ret_out)
{
	const char *relation = ud_strndup(h->cx->arena, in, strcspn(in, " "));
	struct ud_hv_test t = { "tst_1", relation, in + strlen(relation) + 1, "guest-test",
		{ NULL } };
	struct ud_hv_tested copy = { 0 };

	UD_TRY(ud_hv_test_start(h->cx, h->hv, &t, &copy));
	*ret_out = copy.uuid;
	return UD_OK;
}

enum ud_code work_test_drop(struct host_inside *h, const char *in, const char **ret_out)
{
	(void)ret_out;
	return ud_hv_test_drop(h->cx, h->hv, in);
}

enum ud_code work_addresses(struct host_inside *h, const char *in, const char **ret_out)
{
	char *line = ud_strdup(h->cx->arena, in), *rest = NULL;
	const char *words[6] = { strtok_r(line, " ", &rest) };
	struct ud_guest_net net = { 0 };
	struct ud_card_told told = { 0 };

	for (size_t i = 1; i < UD_LEN(words); i++)
		words[i] = strtok_r(NULL, " ", &rest);
	const char *mac =
		strcmp(words[1], "-") == 0 ? words[2] : ud_hv_test_mac(h->cx, words[1], words[2]);
	const struct ud_card_addresses card = { mac, { &words[3], 1 }, { &words[4], 1 },
		{ &words[5], 1 } };

	UD_TRY(ud_guest_net_ask(h->cx, h->hv, words[0], &net));
	ud_guest_card_set(h->cx, h->hv, words[0], &net, &card, &told);
	*ret_out = ud_printf(h->cx->arena, "%s %s", ud_card_outcomes.names[told.outcome],
		told.detail ? told.detail : "");
	return UD_OK;
}

enum ud_code work_drop(struct host_inside *h, const char *in, const char **ret_out)
{
	const struct ud_relation_drop drop = { .replication_id = in };
	struct ud_relation_result result = { 0 };

	(void)ret_out;
	return ud_hv_relation_drop(h->cx, h->hv, &drop, &result);
}

enum ud_code work_check(struct host_inside *h, const char *in, const char **ret_out)
{
	struct ud_machine m = { 0 };
	struct ud_blocker *bars = NULL;
	struct ud_buf b = { 0 };
	size_t n = 0;

	UD_TRY(ud_hv_machine(h->cx, h->hv, in, &m));
	UD_TRY(ud_shape_read_list(
		h->cx, &ud_blocker_shape, m.bars.text, BARS_MAX, (void **)&bars, &n));
	for (size_t i = 0; i < n; i++)
		ud_buf_printf(&b, "%s%s ", bars[i].code, bars[i].warning ? "(warning)" : "");
	*ret_out = ud_buf_take(h->cx->arena, &b);
	return UD_OK;
}

/* ---- the test's own words ---- */

const char *trio_file(struct trio *s, const struct host *h, const char *pattern)
{
	const char *const argv[] = { "/usr/bin/find",
		ud_printf(s->cx.arena, "%s/%s", s->guests.dir, h->name), "-path", pattern, NULL };
	const char *out = guests_run(&s->cx, argv);

	return ud_strndup(s->cx.arena, out, strcspn(out, "\n"));
}

const char *trio_relation(struct trio *s, const char *id, const struct host *peer, const char *role,
	const char *initial)
{
	bool source = strcmp(role, "source") == 0;
	const char *address = source && s->address
		? s->address
		: ud_printf(s->cx.arena, "127.0.0.1:%d", peer->port);

	return ud_printf(s->cx.arena,
		"{\"replication_id\":\"%s\",\"leg\":\"%s\",\"state\":\"%s\","
		"\"vm_id\":\"vm_01jd0000000000000000000001\","
		"\"uuid\":\"%s\",\"role\":\"%s\",\"peer_host_id\":\"hst_peer\","
		"\"peer_agent_id\":\"%s\",\"peer_address\":\"%s\",\"epoch\":%d,"
		"\"schedule_interval_seconds\":%d,\"recovery_points_kept\":4,"
		"\"app_consistent_every_hours\":%s,\"initial\":%s,"
		"\"generation\":%d}",
		id, strcmp(id, trio_extended_id) == 0 ? "extended" : "primary",
		s->paused ? "paused" : "active", trio_uuid, role, peer->agent_id, address, s->epoch,
		s->interval_seconds, s->frozen ? "1" : "null", initial, s->generation);
}

void trio_set_initial(struct trio *s, struct host *source, struct host *target, const char *initial)
{
	s->epoch++;
	trio_tell(s, source, target, initial);
}

void trio_tell(struct trio *s, struct host *source, struct host *target, const char *initial)
{
	s->generation++;
	host_must(&s->cx, target, work_set, trio_relation(s, trio_id, source, "target", initial));
	host_must(&s->cx, source, work_set, trio_relation(s, trio_id, target, "source", initial));
}

void trio_set(struct trio *s, struct host *source, struct host *target, const char *method)
{
	trio_set_initial(s, source, target, ud_printf(s->cx.arena, "{\"method\":\"%s\"}", method));
}

const char *trio_point_of(struct trio *s, struct host *target, const char *relation, int line)
{
	const char *text = host_must(&s->cx, target, work_points, relation);

	for (; line > 0 && *text; line--) {
		text = strchr(text, '\n');
		assert_non_null(text);
		text++;
	}
	return ud_strndup(s->cx.arena, text, strcspn(text, " \n"));
}

const char *trio_point(struct trio *s, struct host *target, int line)
{
	return trio_point_of(s, target, trio_id, line);
}

const char *trio_next_of(
	struct trio *s, struct host *target, const char *relation, const char *last)
{
	int64_t until = ud_mono_ms(&ud_env_real) + EVENT_MS;

	for (;;) {
		const char *id = trio_point_of(s, target, relation, 0);

		if (*id && strcmp(id, last) != 0)
			return id;
		if (ud_mono_ms(&ud_env_real) >= until)
			fail_msg("no point came; %s: %s; %s: %s", s->a.name,
				host_must(&s->cx, &s->a, work_report, ""), s->b.name,
				host_must(&s->cx, &s->b, work_report, ""));
		poll(NULL, 0, LOOK_MS);
	}
}

const char *trio_next(struct trio *s, struct host *target, const char *last)
{
	return trio_next_of(s, target, trio_id, last);
}

/* The image of a disk, by the running VM's definition. */
static enum ud_code work_image(struct host_inside *h, const char *in, const char **ret_out)
{
	UD_AUTO(ud_lv_domain) *d = NULL;
	UD_AUTO(ud_lv_doc) *doc = NULL;

	UD_TRY(ud_lv_find(h->cx, ud_lv_of(h->hv), trio_uuid, &d));
	UD_TRY(ud_lv_definition(h->cx, d, 0, &doc));
	xmlNodePtr disk = ud_lv_child(xmlDocGetRootElement(doc), "devices/disk");

	for (; disk; disk = ud_lv_next(disk))
		if (strcmp(ud_lv_disk_target(h->cx, disk), in) == 0)
			*ret_out = ud_lv_disk_path(h->cx, disk);
	return UD_OK;
}

static void compare(struct trio *s, struct host *source, struct host *target, const char *disk)
{
	const char *ours = host_must(&s->cx, source, work_image, disk);
	const char *const find[] = { "/bin/sh", "-c",
		ud_printf(s->cx.arena, "find %s/%s -path '*/p/*/%s.qcow2' | sort -V | tail -1",
			s->guests.dir, target->name, disk),
		NULL };
	const char *theirs = guests_run(&s->cx, find);
	const char *const compared[] = { "/usr/bin/qemu-img", "compare", "-U", ours,
		ud_strndup(s->cx.arena, theirs, strcspn(theirs, "\n")), NULL };

	guests_run(&s->cx, compared); /* fails where they differ */
}

void trio_wants_equal(struct trio *s, struct host *source, struct host *target)
{
	const char *points = host_must(&s->cx, target, work_points, trio_id);

	for (const char *disk = "vda\0vdb\0vdc\0"; *disk; disk += 4) {
		if (!strstr(points, ud_printf(s->cx.arena, "\"%s\":", disk)))
			continue;
		if (trio_is_power(s, source, "running"))
			host_must(
				&s->cx, source, work_io, ud_printf(s->cx.arena, "%s flush", disk));
		compare(s, source, target, disk);
	}
}

void trio_wants_same(struct trio *s, struct host *source, struct host *target)
{
	const char *initial = "{\"method\":\"network\"}";

	for (int i = 0; i < 2; i++) /* one may have been begun before the last write */
		trio_next(s, target, trio_point(s, target, 0));
	s->paused = true;
	trio_tell(s, source, target, initial);
	trio_wants_equal(s, source, target);
	s->paused = false;
	trio_tell(s, source, target, initial);
}

void trio_source_pauses(struct trio *s, bool paused)
{
	s->paused = paused;
	s->generation++;
	host_must(&s->cx, &s->a, work_set,
		trio_relation(s, trio_id, &s->b, "source", "{\"method\":\"network\"}"));
	s->paused = false;
}

const char *trio_verify(struct trio *s, struct host *h, const char *vm)
{
	int64_t until = ud_mono_ms(&ud_env_real) + EVENT_MS;
	const char *out = NULL;

	while (host_do(&s->cx, h, work_verify, vm, &out) != UD_OK || !strstr(out, "verify:")) {
		if (ud_mono_ms(&ud_env_real) >= until)
			fail_msg("the guest does not answer: %s", out);
		poll(NULL, 0, LOOK_MS);
	}
	return out;
}

void trio_wants_clean(const char *verified)
{
	if (!strstr(verified, " clean"))
		fail_msg("%s", verified);
}

long trio_number(struct trio *s, const char *verified, const char *key)
{
	const char *at = strstr(verified, ud_printf(s->cx.arena, " %s=", key));

	assert_non_null(at);
	return strtol(strchr(at, '=') + 1, NULL, 10);
}

bool trio_is_power(struct trio *s, struct host *h, const char *power)
{
	return strcmp(host_must(&s->cx, h, work_power, trio_uuid), power) == 0;
}

static int64_t number_of(struct trio *s, const char *text, const char *key)
{
	const char *at = strstr(text, ud_printf(s->cx.arena, "\"%s\":", key));

	assert_non_null(at);
	at = strchr(at, ':') + 1;
	return strncmp(at, "null", 4) == 0 ? UD_NONE : strtoll(at, NULL, 10);
}

int64_t trio_told(struct trio *s, struct host *h, const char *key)
{
	return number_of(s, host_must(&s->cx, h, work_report, ""), key);
}

int64_t trio_age(struct trio *s, struct host *h, const char *relation)
{
	const char *at = strstr(host_must(&s->cx, h, work_report, ""),
		ud_printf(s->cx.arena, "\"replication_id\":\"%s\"", relation));

	assert_non_null(at);
	return number_of(s, at, "newest_point_age_ms");
}

/* ---- setting the scene ---- */

/* False: we may not mount. */
static bool mount_one(struct trio *s, const char *name, int mib)
{
	const char *dir = ud_printf(s->cx.arena, "%s/%s", s->guests.dir, name);

	assert_int_equal(mkdir(dir, 0700), 0);
	return mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NODEV,
		       ud_printf(s->cx.arena, "size=%dm,mode=0711", mib)) == 0;
}

static struct trio *begin_hosts(bool bare, int mib)
{
	struct trio *s = ud_malloc(sizeof(*s));

	*s = (struct trio){ .cx = { .arena = ud_arena_new(),
				    .env = &ud_env_real,
				    .now_ms = ud_now_ms(&ud_env_real) },
		.interval_seconds = 5,
		.frozen = true };
	struct ends_authority a = ends_authority(&s->cx);

	(bare ? guests_folder : guests_begin)(&s->cx, &s->guests);
	s->own_file_systems = mib > 0 && mount_one(s, "a", mib) && mount_one(s, "b", mib);
	host_begin(&s->cx, &s->guests, &a, "a", "agt_a", &s->a);
	host_begin(&s->cx, &s->guests, &a, "b", "agt_b", &s->b);
	host_begin(&s->cx, &s->guests, &a, "c", "agt_c", &s->c);
	return s;
}

struct trio *trio_begin(const char *words)
{
	struct trio *s = begin_hosts(false, 0);

	host_must(&s->cx, &s->a, work_define,
		guests_definition(&s->cx, &s->guests, "guest", trio_uuid, words));
	return s;
}

struct trio *trio_begin_bare(int mib)
{
	struct trio *s = begin_hosts(true, mib);

	host_must(&s->cx, &s->a, work_define, guests_bare(&s->cx, &s->guests, "guest", trio_uuid));
	return s;
}

void trio_end(struct trio *s)
{
	host_end(&s->a);
	host_end(&s->b);
	host_end(&s->c);
	guests_end(&s->cx, &s->guests);
	ud_arena_release(&s->cx.arena);
	ud_free(s);
}
