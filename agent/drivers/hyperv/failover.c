/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failovers: each step looks at Hyper-V's own state and does what is missing. Stop-VMFailover means
 * three things, by where it is said: who says it here has looked first.
 */
#include <string.h>
#include <strings.h>

#include "agent/drivers/hyperv/inside.h"
#include "base/env.h"
#include "base/log.h"

struct subject {
	struct ud_relation r;
	struct ud_hy_note note;
	struct ud_hy_link link;
	bool found; /* it has a relationship */
};

static enum ud_code see(
	struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id, struct subject *ret)
{
	*ret = (struct subject){ 0 };
	UD_TRY(ud_hy_note_get(cx, hv, replication_id, &ret->note, &ret->r));
	return ud_hy_link(cx, hv, &ret->r, &ret->found, &ret->link);
}

static bool is(const struct subject *s, const char *state)
{
	return s->found && strcmp(s->link.state, state) == 0;
}

static enum ud_code wrong(struct ud_ctx *cx, const struct subject *s, const char *what)
{
	return ud_fail(cx, UD_E_INVALID_STATE, NULL, "Hyper-V says %s: no %s now.",
		s->found ? s->link.state : "that the VM does not replicate here", what);
}

static enum ud_code on_vm(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *cmdlet,
	const char *option, int64_t timeout_ms)
{
	struct ud_hy_batch b;

	ud_hy_begin_vm(cx, hv, uuid, &b);
	ud_hy_call(&b, cmdlet, NULL);
	ud_hy_ref(&b, "VM", 0);
	if (option)
		ud_hy_switch(&b, option);
	ud_hy_unasked(&b);
	UD_TRY(ud_hy_run(&b, timeout_ms));
	ud_hy_tell(hv, uuid);
	return UD_OK;
}

/* ---- planned, at the source ---- */

/*
 * The point is no snapshot that the source could name: it is what the replica has from now on. Its
 * id says so by itself, because the two hosts' clocks may differ.
 */
static const char *final_key(struct ud_ctx *cx, const char *replication_id)
{
	return ud_printf(cx->arena, "final %s", replication_id);
}

static bool is_final(
	struct ud_ctx *cx, const char *replication_id, const char *point_id, int64_t *ret_at_ms)
{
	return ud_hy_is_newest(cx, final_key(cx, replication_id), point_id, ret_at_ms);
}

struct ud_point ud_hy_final_point(
	struct ud_ctx *cx, const struct ud_relation *r, const struct ud_hy_note *note)
{
	enum { SECOND_MS = 1000 };
	struct ud_point p = { 0 };

	(void)cx;
	ud_shape_init(&ud_point_shape, &p);
	p.id = note->final_id;
	p.n = note->final_at.ms / SECOND_MS;
	p.taken_at = note->final_at;
	p.age_ms = 0;
	p.epoch = r->epoch;
	p.state = UD_POINT_COMPLETE;
	return p;
}

/* The same point however often it is asked for: noted before Hyper-V makes it. */
static enum ud_code note_final(struct ud_ctx *cx, struct ud_hv *hv, struct subject *s)
{
	s->note.final_at.ms = ud_now_ms(cx->env);
	s->note.final_id =
		ud_hy_newest_id(cx, final_key(cx, s->r.replication_id), s->note.final_at.ms);
	return ud_hy_note_put(cx, hv, &s->note);
}

enum ud_code ud_hy_prepare(
	struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id, struct ud_point *ret)
{
	struct ud_hy_vm vm = { 0 };
	struct subject s;

	UD_TRY(see(cx, hv, replication_id, &s));
	UD_TRY(ud_hy_look(cx, hv, s.r.uuid, &vm));
	if (ud_hy_power_of(vm.state) != UD_POWER_OFF)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is %s, not off.", vm.state);
	if (!is(&s, "PreparedForFailover")) {
		if (!is(&s, "Replicating"))
			return wrong(cx, &s, "planned failover");
		UD_TRY(note_final(cx, hv, &s));
		UD_TRY(on_vm(cx, hv, s.r.uuid, "Start-VMFailover", "Prepare", UD_HY_PREPARE_MS));
		UD_TRY(see(cx, hv, replication_id, &s));
	} else if (!s.note.final_id) {
		UD_TRY(note_final(cx, hv, &s));
	}
	if (!is(&s, "PreparedForFailover"))
		return wrong(cx, &s, "final point");
	*ret = ud_hy_final_point(cx, &s.r, &s.note);
	return UD_OK;
}

/* ---- at the replica ---- */

/* clang-format off */
struct snapshot { const char *id, *type; struct ud_time at; };
static const struct ud_field snapshot_fields[] = {
	UD_FIELD(snapshot, id,   .flags = UD_REQUIRED),
	UD_FIELD(snapshot, type, .flags = UD_REQUIRED),
	UD_FIELD(snapshot, at),
};
/* clang-format on */
static const char *const snapshot_paths[] = { "Id", "SnapshotType", "CreationTime" };
static const struct ud_shape snapshot_shape = { UD_SHAPE(snapshot, snapshot_fields),
	.object = "recovery point", .bare = true };
static const struct ud_hy_class snapshots = { &snapshot_shape, snapshot_paths };

/* What a point is called over there. */
struct choice {
	const char *guid;  /* NULL = the newest state */
	const char *point; /* its id */
};

static enum ud_code list_snapshots(struct ud_ctx *cx, struct ud_hv *hv, const struct subject *s,
	struct snapshot **ret, size_t *ret_n)
{
	struct ud_hy_batch b;

	ud_hy_begin_vm(cx, hv, s->r.uuid, &b);
	int call = ud_hy_call(&b, "Get-VMSnapshot", &snapshots);

	ud_hy_ref(&b, "VM", 0);
	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	return ud_hy_rows(&b, call, ret, ret_n);
}

static enum ud_code find_snapshot(struct ud_ctx *cx, struct ud_hv *hv, const struct subject *s,
	const char *point_id, struct choice *ret)
{
	struct snapshot *rows = NULL;
	size_t n = 0;

	UD_TRY(list_snapshots(cx, hv, s, &rows, &n));
	for (size_t i = 0; i < n; i++)
		if (strcmp(ud_hy_point_id(cx, rows[i].id, rows[i].at.ms), point_id) == 0)
			*ret = (struct choice){ rows[i].id, point_id };
	if (!ret->guid)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no point %s.", point_id);
	return UD_OK;
}

/* What a source prepared is the newest state while its mark is there, or nothing came after it. */
static enum ud_code still_final(
	struct ud_ctx *cx, struct ud_hv *hv, const struct subject *s, int64_t at_ms)
{
	struct snapshot *rows = NULL;
	size_t n = 0;

	if (s->link.last.ms <= at_ms)
		return UD_OK;
	UD_TRY(list_snapshots(cx, hv, s, &rows, &n));
	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].type, "SyncedReplica") == 0)
			return UD_OK;
	return ud_fail(cx, UD_E_NOT_FOUND, NULL,
		"The preparation that left this point was called off, and the replica has received "
		"more since.");
}

/*
 * A recovery point, or the newest state. As of an instant before the last cycle that state exists
 * no more: a test takes the one that took its place, a failover does not.
 */
static enum ud_code choose(struct ud_ctx *cx, struct ud_hv *hv, const struct subject *s,
	const char *point_id, bool test, struct choice *ret)
{
	int64_t at_ms = 0;

	*ret = (struct choice){ .point = point_id };
	if (!point_id)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no point (none named).");
	if (is_final(cx, s->r.replication_id, point_id, &at_ms))
		return still_final(cx, hv, s, at_ms);
	if (!ud_hy_is_newest(cx, s->r.replication_id, point_id, &at_ms))
		return find_snapshot(cx, hv, s, point_id, ret);
	if (s->link.last.ms > at_ms && !test)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL,
			"The replica has received more since: the state of then is no more. Choose "
			"the newest, or a recovery point.");
	return UD_OK;
}

static enum ud_code start_failover(struct ud_ctx *cx, struct ud_hv *hv, const struct subject *s,
	const struct choice *c, bool test)
{
	struct ud_hy_batch b;

	ud_hy_begin_vm(cx, hv, s->r.uuid, &b);
	int call = c->guid ? ud_hy_call(&b, "Get-VMSnapshot", &snapshots) : 0;

	if (c->guid)
		ud_hy_ref(&b, "VM", 0);
	ud_hy_call(&b, "Start-VMFailover", NULL);
	if (c->guid)
		ud_hy_element(&b, "VMRecoverySnapshot", call, "Id", c->guid);
	else
		ud_hy_ref(&b, "VM", 0);
	if (test)
		ud_hy_switch(&b, "AsTest");
	ud_hy_unasked(&b);
	UD_TRY(ud_hy_run(&b, UD_HY_CHANGE_MS));
	ud_hy_tell(hv, s->r.uuid);
	return UD_OK;
}

/* ---- networks ---- */

struct wire {
	const char *mac, *network;
};
static const struct ud_field wire_fields[] = { UD_FIELD(wire, mac), UD_FIELD(wire, network) };
static const struct ud_shape wire_shape = { UD_SHAPE(wire, wire_fields), .bare = true };
enum { WIRES = 64 };

static enum ud_code nics_of(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	struct ud_hy_nic **ret, size_t *ret_n)
{
	struct ud_hy_batch b;

	ud_hy_begin_vm(cx, hv, uuid, &b);
	int call = ud_hy_call(&b, "Get-VMNetworkAdapter", &ud_hy_nics);

	ud_hy_ref(&b, "VM", 0);
	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	return ud_hy_rows(&b, call, ret, ret_n);
}

static const struct wire *wire_of(
	struct ud_ctx *cx, const struct wire *wires, size_t n, const struct ud_hy_nic *nic)
{
	for (size_t i = 0; i < n; i++)
		if (wires[i].mac && strcasecmp(wires[i].mac, ud_hy_mac(cx, nic->mac)) == 0)
			return &wires[i];
	return NULL;
}

/* Connect each card that is named; for a test, say what its copy is to be connected to. */
static enum ud_code connect(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const struct ud_json *networks, bool test)
{
	struct wire *wires = NULL;
	struct ud_hy_nic *nics = NULL;
	struct ud_hy_batch b;
	size_t wire_n = 0, nic_n = 0, done = 0;

	UD_TRY(ud_shape_read_list(cx, &wire_shape, networks->text, WIRES, &wires, &wire_n));
	if (wire_n == 0)
		return UD_OK;
	UD_TRY(nics_of(cx, hv, uuid, &nics, &nic_n));
	ud_hy_begin_vm(cx, hv, uuid, &b);
	int call = ud_hy_call(&b, "Get-VMNetworkAdapter", &ud_hy_nics);

	ud_hy_ref(&b, "VM", 0);
	for (size_t i = 0; i < nic_n; i++) {
		const struct wire *w = wire_of(cx, wires, wire_n, &nics[i]);

		if (!w || !w->network)
			continue;
		ud_hy_call(&b, test ? "Set-VMNetworkAdapter" : "Connect-VMNetworkAdapter", NULL);
		ud_hy_element(&b, "VMNetworkAdapter", call, "Id", nics[i].id);
		ud_hy_text(&b, test ? "TestReplicaSwitchName" : "SwitchName", w->network);
		ud_hy_unasked(&b);
		done++;
	}
	if (done == 0) {
		ud_buf_free(&b.text);
		return UD_OK;
	}
	return ud_hy_run(&b, UD_HY_CHANGE_MS);
}

/* ---- failing over ---- */

/* The former source goes on with its own disks: what binds it is undone. */
static enum ud_code bring_back(struct ud_ctx *cx, struct ud_hv *hv, struct subject *s)
{
	if (is(s, "PreparedForFailover") && strcmp(s->link.mode, "Primary") == 0)
		UD_TRY(on_vm(cx, hv, s->r.uuid, "Stop-VMFailover", NULL, UD_HY_CHANGE_MS));
	else if (s->found && s->note.displaced && strcmp(s->link.mode, "Replica") == 0)
		UD_TRY(on_vm(cx, hv, s->r.uuid, "Remove-VMReplication", NULL, UD_HY_CHANGE_MS));
	s->note.displaced = false;
	return ud_hy_note_put(cx, hv, &s->note);
}

static enum ud_code note_failover(
	struct ud_ctx *cx, struct ud_hv *hv, struct subject *s, const struct choice *c)
{
	s->note.failed_over = c->point;
	s->note.completed = false;
	int64_t at_ms = 0;

	s->note.planned = is_final(cx, s->r.replication_id, c->point, &at_ms);
	return ud_hy_note_put(cx, hv, &s->note);
}

enum ud_code ud_hy_fail_over(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_hv_promotion *promotion, struct ud_hv_promoted *ret)
{
	struct subject s;
	struct choice c;

	UD_TRY(see(cx, hv, promotion->replication_id, &s));
	if (!promotion->point_id) {
		*ret = (struct ud_hv_promoted){ 0 };
		return bring_back(cx, hv, &s);
	}
	if (is(&s, "FailedOverWaitingCompletion") || is(&s, "FailedOver") ||
		(s.found && strcmp(s.link.mode, "Primary") == 0)) {
		if (!s.note.failed_over || strcmp(s.note.failed_over, promotion->point_id) != 0)
			return ud_fail(cx, UD_E_INVALID_STATE, NULL,
				"The VM was brought up from %s.",
				s.note.failed_over ? s.note.failed_over : "another point");
	} else {
		if (!s.found)
			return wrong(cx, &s, "failover");
		UD_TRY(choose(cx, hv, &s, promotion->point_id, false, &c));
		UD_TRY(note_failover(cx, hv, &s, &c));
		UD_TRY(start_failover(cx, hv, &s, &c, false));
	}
	UD_TRY(connect(cx, hv, s.r.uuid, &promotion->networks, false));
	*ret = (struct ud_hv_promoted){ .point_id = s.note.failed_over };
	return UD_OK;
}

/*
 * After a planned failover the turning of the relation commits it, and only that is described:
 * until then we merely remember that nobody may call it off.
 */
enum ud_code ud_hy_complete(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id)
{
	struct subject s;

	UD_TRY(see(cx, hv, replication_id, &s));
	bool over = is(&s, "FailedOver") || (s.note.completed && s.note.failed_over);

	if (!over && !is(&s, "FailedOverWaitingCompletion"))
		return wrong(cx, &s, "completion");
	if (is(&s, "FailedOverWaitingCompletion") && !s.note.planned)
		UD_TRY(on_vm(cx, hv, s.r.uuid, "Complete-VMFailover", NULL, UD_HY_CHANGE_MS));
	s.note.completed = true;
	return ud_hy_note_put(cx, hv, &s.note);
}

enum ud_code ud_hy_cancel(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id)
{
	struct subject s;

	UD_TRY(see(cx, hv, replication_id, &s));
	if (s.note.completed || is(&s, "FailedOver"))
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The failover is complete.");
	if (is(&s, "FailedOverWaitingCompletion")) {
		UD_TRY(ud_hy_power_off(cx, hv, s.r.uuid));
		UD_TRY(on_vm(cx, hv, s.r.uuid, "Stop-VMFailover", NULL, UD_HY_CHANGE_MS));
	}
	s.note.failed_over = NULL;
	s.note.planned = false;
	return ud_hy_note_put(cx, hv, &s.note);
}

/*
 * A replica cannot be started, whoever tries: that is what keeps the former source still. Its disks
 * stay as they are until the relation is turned and overwrites what differs. One that was prepared
 * waits for the turning as it is.
 */
enum ud_code ud_hy_displace(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_hv_displaced *ret)
{
	struct ud_hy_vm vm = { 0 };
	struct subject s = { 0 };
	bool known = false;

	UD_TRY(ud_hy_look(cx, hv, uuid, &vm));
	if (ud_hy_power_of(vm.state) != UD_POWER_OFF && ud_hy_power_of(vm.state) != UD_POWER_SAVED)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is %s, not off.", vm.state);
	UD_TRY(ud_hy_quiet(cx, hv, uuid));
	UD_TRY(ud_hy_note_of_vm(cx, hv, uuid, &known, &s.note, &s.r));
	*ret = (struct ud_hv_displaced){ .divergent_bytes = UD_NONE };
	if (!known)
		return UD_OK;
	UD_TRY(ud_hy_link(cx, hv, &s.r, &s.found, &s.link));
	if (is(&s, "PreparedForFailover"))
		ret->divergent_bytes = 0;
	else if (s.found && strcmp(s.link.mode, "Primary") == 0)
		UD_TRY(on_vm(cx, hv, uuid, "Set-VMReplication", "AsReplica", UD_HY_CHANGE_MS));
	if (!is(&s, "PreparedForFailover"))
		ret->divergent =
			ud_printf(cx->arena, "%s-epoch-%lld", vm.name, (long long)s.r.epoch);
	s.note.displaced = true;
	return ud_hy_note_put(cx, hv, &s.note);
}

/* ---- tests ---- */

/* Its copy is named by Hyper-V; the relationship says which it is. */
static enum ud_code run_copy(
	struct ud_ctx *cx, struct ud_hv *hv, const struct subject *s, struct ud_hv_tested *ret)
{
	struct ud_hy_link link = { 0 };
	bool found = false;

	UD_TRY(ud_hy_link(cx, hv, &s->r, &found, &link));
	if (!found || !link.test_vm)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL, "The test's copy is not there.");
	UD_TRY(ud_hy_start(cx, hv, link.test_vm, 0));
	*ret = (struct ud_hv_tested){ .uuid = link.test_vm };
	return UD_OK;
}

enum ud_code ud_hy_test_start(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_hv_test *test,
	struct ud_hv_tested *ret)
{
	const char *whose = NULL;
	struct subject s;
	struct choice c;

	UD_TRY(see(cx, hv, test->replication_id, &s));
	UD_TRY(ud_hy_test_get(cx, hv, test->test_id, &whose));
	if (!s.found)
		return wrong(cx, &s, "test");
	if (s.link.test_vm && !whose)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"A test of this VM is running: Hyper-V has one at a time.");
	if (!s.link.test_vm) {
		UD_TRY(choose(cx, hv, &s, test->point_id, true, &c));
		UD_TRY(ud_hy_test_put(cx, hv, test->test_id, test->replication_id));
		UD_TRY(connect(cx, hv, s.r.uuid, &test->networks, true));
		UD_TRY(start_failover(cx, hv, &s, &c, true));
	}
	return run_copy(cx, hv, &s, ret);
}

enum ud_code ud_hy_test_drop(struct ud_ctx *cx, struct ud_hv *hv, const char *test_id)
{
	const char *replication_id = NULL;
	struct subject s;

	UD_TRY(ud_hy_test_get(cx, hv, test_id, &replication_id));
	if (!replication_id)
		return UD_OK;
	enum ud_code code = see(cx, hv, replication_id, &s);

	if (code == UD_E_NOT_FOUND) {
		ud_ctx_clear(cx);
		return ud_hy_test_put(cx, hv, test_id, NULL);
	}
	UD_TRY(code);
	if (s.found && s.link.test_vm) {
		UD_TRY(on_vm(cx, hv, s.r.uuid, "Stop-VMFailover", NULL, UD_HY_CHANGE_MS));
		ud_hy_tell(hv, s.link.test_vm);
	}
	return ud_hy_test_put(cx, hv, test_id, NULL);
}
