/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How relations stand, and which points a replica has. State comes from Get-VMReplication alone:
 * what Get-VM says of it is wrong on some releases, and numbers differ between interfaces, so names
 * are read. A name that is not known here is no health.
 */
#include <string.h>

#include "agent/drivers/hyperv/inside.h"
#include "base/crypto.h"
#include "base/env.h"

/* clang-format off */
static const struct ud_field link_fields[] = {
	UD_FIELD(ud_hy_link, vm,           .flags = UD_REQUIRED),
	UD_FIELD(ud_hy_link, state,        .flags = UD_REQUIRED),
	UD_FIELD(ud_hy_link, health,       .flags = UD_REQUIRED),
	UD_FIELD(ud_hy_link, mode,         .flags = UD_REQUIRED),
	UD_FIELD(ud_hy_link, relationship, .flags = UD_REQUIRED),
	UD_FIELD(ud_hy_link, primary),
	UD_FIELD(ud_hy_link, replica),
	UD_FIELD(ud_hy_link, test_vm),
	UD_FIELD(ud_hy_link, thumbprint),
	UD_FIELD(ud_hy_link, last),
	UD_FIELD(ud_hy_link, interval,     .flags = UD_NULLABLE),
};
static const char *const link_paths[] = { "VMId", "ReplicationState", "ReplicationHealth", "ReplicationMode",
	"ReplicationRelationshipType", "PrimaryServerName", "ReplicaServerName", "TestVirtualMachine.Id",
	"CertificateThumbprint", "LastReplicationTime", "ReplicationFrequencySec" };
static const struct ud_field figure_fields[] = {
	UD_FIELD(ud_hy_figures, vm,           .flags = UD_REQUIRED),
	UD_FIELD(ud_hy_figures, relationship, .flags = UD_REQUIRED),
	UD_FIELD(ud_hy_figures, pending,      .flags = UD_NULLABLE),
	UD_FIELD(ud_hy_figures, errors,       .flags = UD_NULLABLE),
	UD_FIELD(ud_hy_figures, successes,    .flags = UD_NULLABLE),
	UD_FIELD(ud_hy_figures, missed,       .flags = UD_NULLABLE),
	UD_FIELD(ud_hy_figures, latency_ms,   .flags = UD_NULLABLE),
};
static const char *const figure_paths[] = { "VMId", "ReplicationRelationshipType", "PendingReplicationSize",
	"ReplicationErrors", "SuccessfulReplicationCount", "MissedReplicationCount", "AverageReplicationLatency" };
/* clang-format on */
static const struct ud_shape link_shape = { UD_SHAPE(ud_hy_link, link_fields),
	.object = "replication", .bare = true },
			     figure_shape = { UD_SHAPE(ud_hy_figures, figure_fields),
				     .object = "measurement", .bare = true };
const struct ud_hy_class ud_hy_links = { &link_shape, link_paths };
const struct ud_hy_class ud_hy_figures_class = { &figure_shape, figure_paths };

static const struct {
	const char *name;
	enum ud_replication_state state;
} states[] = {
	{ "Disabled", UD_REPLICATION_DISABLED },
	{ "ReadyForInitialReplication", UD_REPLICATION_READY_FOR_SEED },
	{ "InitialReplicationInProgress", UD_REPLICATION_SEEDING },
	{ "WaitingForInitialReplication", UD_REPLICATION_READY_FOR_SEED },
	{ "Replicating", UD_REPLICATION_REPLICATING },
	{ "PreparedForFailover", UD_REPLICATION_PREPARED },
	{ "FailedOverWaitingCompletion", UD_REPLICATION_FAILED_OVER_UNCOMMITTED },
	{ "FailedOver", UD_REPLICATION_COMMITTED },
	{ "Suspended", UD_REPLICATION_PAUSED },
	{ "Error", UD_REPLICATION_ERROR },
	{ "WaitingForStartResynchronize", UD_REPLICATION_RESYNC_REQUIRED },
	{ "Resynchronizing", UD_REPLICATION_RESYNCING },
	{ "ResynchronizeSuspended", UD_REPLICATION_RESYNC_PAUSED },
	{ "RecoveryInProgress", UD_REPLICATION_FAILING_OVER },
	{ "FailbackInProgress", UD_REPLICATION_FAILING_BACK },
	{ "FailbackComplete", UD_REPLICATION_FAILING_BACK },
	{ "WaitingForUpdateCompletion", UD_REPLICATION_DISK_UPDATE },
	{ "UpdateError", UD_REPLICATION_DISK_UPDATE_ERROR },
	{ "WaitingForRepurposeCompletion", UD_REPLICATION_BUSY },
	{ "PreparedForSyncReplication", UD_REPLICATION_BUSY },
	{ "PreparedForGroupReverseReplication", UD_REPLICATION_BUSY },
	{ "FiredrillInProgress", UD_REPLICATION_BUSY },
	/* spellings of older texts: read, never sent */
	{ "FailOverWaitingCompletion", UD_REPLICATION_FAILED_OVER_UNCOMMITTED },
	{ "SyncedReplicationComplete", UD_REPLICATION_PREPARED },
	{ "Critical", UD_REPLICATION_ERROR },
};

enum ud_replication_state ud_hy_state_of(const char *state, const char *health)
{
	static const char *const known[] = { "NotApplicable", "Normal", "Warning", "Critical" };
	enum ud_replication_state found = UD_REPLICATION_UNKNOWN;
	bool sound = false;

	for (size_t i = 0; state && i < UD_LEN(states); i++)
		if (strcmp(states[i].name, state) == 0)
			found = states[i].state;
	for (size_t i = 0; health && i < UD_LEN(known); i++)
		sound = sound || strcmp(known[i], health) == 0;
	if (found == UD_REPLICATION_REPLICATING && health && strcmp(health, "Critical") == 0)
		return UD_REPLICATION_ERROR;
	return found == UD_REPLICATION_REPLICATING && !sound ? UD_REPLICATION_UNKNOWN : found;
}

bool ud_hy_is_link(const struct ud_relation *r, const struct ud_hy_link *link)
{
	bool onward = r->leg == UD_LEG_EXTENDED && r->role == UD_RELATION_SOURCE;

	return strcmp(link->vm, r->uuid) == 0 &&
		strcmp(link->relationship, onward ? "Extended" : "Simple") == 0;
}

/* All relationships of the host; a VM that is not here has none. */
static enum ud_code links(
	struct ud_ctx *cx, struct ud_hv *hv, struct ud_hy_link **ret, size_t *ret_n)
{
	struct ud_hy_batch b;

	ud_hy_begin(cx, hv, &b);
	ud_hy_call(&b, "Get-VMReplication", &ud_hy_links);
	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	return ud_hy_rows(&b, 0, ret, ret_n);
}

enum ud_code ud_hy_link(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_relation *r,
	bool *ret_found, struct ud_hy_link *ret)
{
	struct ud_hy_link *all = NULL;
	size_t n = 0;

	*ret_found = false;
	UD_TRY(links(cx, hv, &all, &n));
	for (size_t i = 0; i < n; i++)
		if (ud_hy_is_link(r, &all[i])) {
			*ret = all[i];
			*ret_found = true;
		}
	return UD_OK;
}

/* ---- the report ---- */

static const char *error_json(struct ud_ctx *cx, const struct ud_hy_link *link)
{
	struct ud_replication_error e = { "hyperv",
		ud_printf(cx->arena, "Hyper-V says %s, health %s.", link->state, link->health) };
	struct ud_buf b = { 0 };

	ud_shape_encode(&b, &ud_replication_error_shape, &e, NULL);
	return ud_buf_take(cx->arena, &b);
}

static int64_t age_of(struct ud_ctx *cx, struct ud_time at)
{
	int64_t now = ud_now_ms(cx->env);

	if (at.ms == UD_NONE || at.ms <= 0)
		return UD_NONE;
	return now > at.ms ? now - at.ms : 0;
}

static void add_figures(const struct ud_hy_figures *f, size_t n, const struct ud_hy_link *link,
	struct ud_replication_report *r)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(f[i].vm, link->vm) != 0 ||
			strcmp(f[i].relationship, link->relationship) != 0)
			continue;
		r->pending_bytes = f[i].pending;
		r->cycles_missed = f[i].missed;
		r->cycles_total = f[i].successes == UD_NONE
			? UD_NONE
			: f[i].successes + (f[i].missed == UD_NONE ? 0 : f[i].missed);
		r->latency_ms = f[i].latency_ms;
	}
}

struct status {
	struct ud_hy_link *links;
	struct ud_hy_figures *figures;
	size_t link_n, figure_n;
};

static void fill(struct ud_ctx *cx, const struct status *s, const struct ud_hy_note *note,
	const struct ud_relation *r, struct ud_replication_report *ret)
{
	const struct ud_hy_link *link = NULL;

	ud_shape_init(&ud_replication_report_shape, ret);
	ret->replication_id = note->replication_id;
	ret->role = r->role;
	ret->generation = r->generation;
	ret->state = UD_REPLICATION_DISABLED;
	ret->raw = "not replicating";
	for (size_t i = 0; i < s->link_n; i++)
		if (ud_hy_is_link(r, &s->links[i]))
			link = &s->links[i];
	if (!link)
		return;
	ret->state = ud_hy_state_of(link->state, link->health);
	if (ret->state == UD_REPLICATION_FAILED_OVER_UNCOMMITTED && note->completed)
		ret->state = UD_REPLICATION_COMMITTED;
	ret->raw = ud_printf(cx->arena, "%s, %s, %s", link->state, link->health, link->mode);
	ret->newest_point_age_ms = age_of(cx, link->last);
	if (ret->state == UD_REPLICATION_ERROR || ret->state == UD_REPLICATION_RESYNC_REQUIRED ||
		ret->state == UD_REPLICATION_DISK_UPDATE_ERROR ||
		ret->state == UD_REPLICATION_UNKNOWN)
		ret->error.text = error_json(cx, link);
	add_figures(s->figures, s->figure_n, link, ret);
}

enum ud_code ud_hy_relations(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_related *visit, void *data)
{
	struct ud_hy_note *notes = NULL;
	struct status s = { 0 };
	struct ud_hy_batch b;
	size_t n = 0;

	UD_TRY(ud_hy_notes(cx, hv, &notes, &n));
	if (n == 0)
		return UD_OK;
	ud_hy_begin(cx, hv, &b);
	int link_call = ud_hy_call(&b, "Get-VMReplication", &ud_hy_links);
	int figure_call = ud_hy_call(&b, "Measure-VMReplication", &ud_hy_figures_class);

	ud_hy_optional(&b);
	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	UD_TRY(ud_hy_rows(&b, link_call, &s.links, &s.link_n));
	UD_TRY(ud_hy_rows(&b, figure_call, &s.figures, &s.figure_n));
	for (size_t i = 0; i < n; i++) {
		struct ud_replication_report report = { 0 };
		struct ud_relation r = { 0 };

		UD_TRY(ud_shape_read(cx, &ud_relation_shape, notes[i].relation.text,
			strlen(notes[i].relation.text), &r));
		fill(cx, &s, &notes[i], &r, &report);
		UD_TRY(visit(cx, data, &report));
	}
	return UD_OK;
}

/* ---- points ---- */

enum { TIME_BYTES = 6, ULID_BYTES = 16, ULID_CHARS = 26 };

/* 128 bits in the alphabet of ids: 48 of time, 80 that say which. */
static const char *id_of(struct ud_ctx *cx, int64_t at_ms, const unsigned char tail[UD_SHA256])
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	unsigned char bits[ULID_BYTES];
	char text[ULID_CHARS + 1] = "";

	for (int i = 0; i < TIME_BYTES; i++)
		bits[i] = (unsigned char)((uint64_t)at_ms >> (8 * (TIME_BYTES - 1 - i)));
	memcpy(bits + TIME_BYTES, tail, ULID_BYTES - TIME_BYTES);
	for (int i = 0; i < ULID_CHARS; i++) {
		unsigned v = 0;

		/* 130 bits, of which the first two are zero */
		for (int k = i * 5 - 2; k < i * 5 + 3; k++)
			v = v << 1 | (k < 0 ? 0 : (bits[k / 8] >> (7 - k % 8)) & 1u);
		text[i] = digits[v];
	}
	return ud_printf(cx->arena, "rpt_%s", text);
}

const char *ud_hy_point_id(struct ud_ctx *cx, const char *guid, int64_t at_ms)
{
	unsigned char hash[UD_SHA256];

	ud_sha256(guid, strlen(guid), hash);
	return id_of(cx, at_ms, hash);
}

const char *ud_hy_newest_id(struct ud_ctx *cx, const char *replication_id, int64_t at_ms)
{
	return ud_hy_point_id(cx, ud_printf(cx->arena, "newest %s", replication_id), at_ms);
}

bool ud_hy_is_newest(
	struct ud_ctx *cx, const char *replication_id, const char *point_id, int64_t *ret_at_ms)
{
	enum { PREFIX = 4, TIME_CHARS = 10 };
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	int64_t at_ms = 0;

	if (!point_id || strlen(point_id) != PREFIX + ULID_CHARS)
		return false;
	for (int i = 0; i < TIME_CHARS; i++) {
		const char *d = strchr(digits, point_id[PREFIX + i]);

		if (!d)
			return false;
		at_ms = at_ms << 5 | (d - digits);
	}
	*ret_at_ms = at_ms;
	return strcmp(ud_hy_newest_id(cx, replication_id, at_ms), point_id) == 0;
}

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

static struct ud_point point_of(
	struct ud_ctx *cx, const struct ud_relation *r, const char *id, struct ud_time at, bool app)
{
	enum { SECOND_MS = 1000 };
	struct ud_point p = { 0 };
	int64_t age = age_of(cx, at);

	ud_shape_init(&ud_point_shape, &p);
	p.id = id;
	p.n = at.ms > 0 ? at.ms / SECOND_MS : 0;
	p.taken_at = at;
	p.age_ms = age == UD_NONE ? 0 : age;
	p.consistency = p.requested = app ? UD_CONSISTENCY_APPLICATION : UD_CONSISTENCY_CRASH;
	p.epoch = r->epoch;
	p.state = UD_POINT_COMPLETE;
	return p;
}

/* The state a replica has received last is no snapshot, and yet the point most people want. */
static enum ud_code visit_newest(struct ud_ctx *cx, const struct ud_relation *r,
	const struct ud_hy_link *link, ud_hv_pointed *visit, void *data)
{
	struct ud_point p = point_of(
		cx, r, ud_hy_newest_id(cx, r->replication_id, link->last.ms), link->last, false);

	return visit(cx, data, &p);
}

/* What the source has prepared lies at the replica, and only the source knows its id. */
static enum ud_code visit_final(struct ud_ctx *cx, const struct ud_relation *r,
	const struct ud_hy_note *note, const struct ud_hy_link *link, ud_hv_pointed *visit,
	void *data)
{
	if (!note->final_id || strcmp(link->state, "PreparedForFailover") != 0)
		return UD_OK;
	struct ud_point p = ud_hy_final_point(cx, r, note);

	return visit(cx, data, &p);
}

static bool has_points(const struct ud_hy_link *link)
{
	return link->last.ms > 0 && strcmp(link->state, "FailedOver") != 0 &&
		strcmp(link->state, "Disabled") != 0 &&
		strcmp(link->state, "WaitingForInitialReplication") != 0 &&
		strcmp(link->mode, "Primary") != 0;
}

static int by_time(const void *a, const void *b)
{
	const struct snapshot *x = a, *y = b;

	return x->at.ms < y->at.ms ? 1 : x->at.ms > y->at.ms ? -1 : 0;
}

enum ud_code ud_hy_points(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
	ud_hv_pointed *visit, void *data)
{
	struct ud_relation r = { 0 };
	struct ud_hy_note note = { 0 };
	struct ud_hy_link link = { 0 };
	struct snapshot *rows = NULL;
	struct ud_hy_batch b;
	bool found = false;
	size_t n = 0;

	UD_TRY(ud_hy_note_get(cx, hv, replication_id, &note, &r));
	UD_TRY(ud_hy_link(cx, hv, &r, &found, &link));
	if (found && r.role == UD_RELATION_SOURCE)
		return visit_final(cx, &r, &note, &link, visit, data);
	if (!found || !has_points(&link))
		return UD_OK;
	ud_hy_begin_vm(cx, hv, r.uuid, &b);
	int call = ud_hy_call(&b, "Get-VMSnapshot", &snapshots);

	ud_hy_ref(&b, "VM", 0);
	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	UD_TRY(ud_hy_rows(&b, call, &rows, &n));
	UD_TRY(visit_newest(cx, &r, &link, visit, data));
	if (n > 0)
		qsort(rows, n, sizeof(*rows), by_time);
	for (size_t i = 0; i < n; i++) {
		bool app = strcmp(rows[i].type, "AppConsistentReplica") == 0;
		struct ud_point p = point_of(
			cx, &r, ud_hy_point_id(cx, rows[i].id, rows[i].at.ms), rows[i].at, app);

		if (app || strcmp(rows[i].type, "Replica") == 0)
			UD_TRY(visit(cx, data, &p));
	}
	return UD_OK;
}
