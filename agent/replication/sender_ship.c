/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shipping a point from its beginning to the target's word that it is durable; writing one onto
 * external media; and proving and repairing what is over there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/replication/sender_inside.h"

static const char media_file[] = "initial.udr", media_part[] = "initial.udr.part";

/* A ship under way. */
struct ship {
	ud_sender *sender;
	const struct ud_ship_job *job;
	struct ud_manifest manifest;
	struct ud_manifest_disk *disks;
	struct ud_pending pending;
	struct ud_flow flow;
	ud_plan *plan;
	char digest[UD_SHA256_HEX];
	struct ud_record record;
	struct ud_json there; /* files that the target has; NULL = none */
	bool wrong;
};

/* ---- progress ---- */

static void begin_progress(ud_sender *s, const char *id, int64_t total)
{
	pthread_mutex_lock(&s->mutex);
	s->progress = (struct ud_progress){ .active = true, .total_bytes = total };
	snprintf(s->progress.id, sizeof(s->progress.id), "%s", id);
	s->began_us = ud_stopwatch_us();
	pthread_mutex_unlock(&s->mutex);
}

static void end_progress(ud_sender *s)
{
	pthread_mutex_lock(&s->mutex);
	s->progress.active = false;
	pthread_mutex_unlock(&s->mutex);
}

void ud_sender_progress(ud_sender *sender, struct ud_progress *ret)
{
	pthread_mutex_lock(&sender->mutex);
	*ret = sender->progress;
	int64_t took_us = ud_stopwatch_us() - sender->began_us;

	pthread_mutex_unlock(&sender->mutex);
	ret->point_id = ret->id;
	ret->eta_seconds = UD_NONE;
	if (!ret->active || took_us <= 0)
		return;
	ret->bytes_per_second = (int64_t)((double)ret->done_bytes * 1e6 / (double)took_us);
	if (ret->bytes_per_second > 0)
		ret->eta_seconds =
			(ret->total_bytes - ret->done_bytes + ret->bytes_per_second - 1) /
			ret->bytes_per_second;
}

/* ---- a ship ---- */

static enum ud_code check_job(struct ud_ctx *cx, const struct ud_ship_job *job)
{
	const char *parent = job->point.parent ? job->point.parent : "";

	bool either = job->how == UD_SHIP_COMPARE || job->how == UD_SHIP_UNION;

	if (!job->point.id || (!either && (job->how == UD_SHIP_DELTA) != (*parent != 0)))
		return ud_fail(cx, UD_E_VALIDATION, NULL,
			"a delta has a parent, a full copy has none, and both have an id");
	return UD_OK;
}

static struct ud_manifest manifest_of(const ud_sender *s, const struct ud_ship_job *job)
{
	static const unsigned kinds[] = { [UD_SHIP_FULL] = UD_MANIFEST_FULL,
		[UD_SHIP_DELTA] = UD_MANIFEST_DELTA,
		[UD_SHIP_COMPARE] = UD_MANIFEST_RESYNC,
		[UD_SHIP_UNION] = UD_MANIFEST_RESYNC };
	struct ud_manifest m = job->point;

	m.kind = kinds[job->how];
	m.parent = m.parent ? m.parent : "";
	m.reason = m.reason ? m.reason : "";
	m.replication_id = s->settings.replication_id;
	m.vm_id = s->settings.vm_id;
	return m;
}

static int64_t age_of(struct ud_ctx *cx, const struct ud_ship_job *job)
{
	int64_t age = job->taken_mono_ms ? ud_mono_ms(cx->env) - job->taken_mono_ms : 0;

	return age > 0 ? age : 0;
}

/* Ask the source, and get the hashes ready. */
static enum ud_code prepare(struct ud_ctx *cx, struct ship *p)
{
	const struct ud_ship_job *job = p->job;
	bool whole = job->how == UD_SHIP_FULL || job->how == UD_SHIP_COMPARE;

	p->manifest = manifest_of(p->sender, job);
	UD_TRY(ud_plan_make(cx, job->source, whole, &p->plan));
	ud_plan_digest(p->plan, p->digest);
	p->disks = ud_alloc(cx->arena, job->source->disk_count * sizeof(*p->disks));
	p->pending = (struct ud_pending){ .whole = job->how != UD_SHIP_DELTA,
		.onto = job->how == UD_SHIP_UNION };
	UD_TRY(ud_hashes_begin(
		cx, p->sender, job->source, p->manifest.parent, &p->pending, p->disks));
	if (job->how == UD_SHIP_COMPARE || job->how == UD_SHIP_UNION)
		for (size_t i = 0; i < job->source->disk_count; i++)
			p->disks[i].parent_root = "";
	ud_manifest_set_disks(cx, &p->manifest, p->disks, job->source->disk_count);
	p->flow.sender = p->sender;
	p->flow.source = job->source;
	p->flow.plan = p->plan;
	p->flow.pending = &p->pending;
	begin_progress(p->sender, p->manifest.id, ud_plan_bytes(p->plan));
	return UD_OK;
}

static int send_begin(struct ud_ctx *cx, struct ship *p, const struct ud_carrier *carrier)
{
	const struct ud_begin begin = { p->digest, { ud_manifest_text(cx, &p->manifest) } };

	return ud_record_send_shape(carrier, UD_RECORD_BEGIN, &ud_begin_shape, &begin);
}

/* Is it as the target has it? */
static bool is_there(const struct ud_ship_file *f, const char *sha256,
	const struct ud_manifest_file *there, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(there[i].name, f->name) == 0)
			return there[i].bytes == (int64_t)f->n &&
				strcmp(there[i].sha256, sha256) == 0;
	return false;
}

/* One file, or its name where the target has it; what is read for it is let go again. */
static enum ud_code send_file(struct ud_ctx *cx, const struct ud_ship_file *f,
	const struct ud_manifest_file *there, size_t n, const struct ud_carrier *carrier,
	int *ret_rc)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx own = { .arena = arena, .env = cx->env };
	const void *data = f->data;
	char sum[UD_SHA256_HEX];

	if (!f->sha256)
		ud_sha256_hex(data, f->n, sum);
	if (is_there(f, f->sha256 ? f->sha256 : sum, there, n)) {
		*ret_rc = ud_record_send_text(carrier, UD_RECORD_SAME, f->name);
		return UD_OK;
	}
	enum ud_code code = data ? UD_OK : f->read(&own, f, &data);

	if (code != UD_OK)
		return ud_fail(cx, code, NULL, "%s: %s", f->name, own.problem.detail);
	struct ud_record r = {
		.type = UD_RECORD_FILE, .meta_n = strlen(f->name), .payload_n = f->n
	};

	r.meta = (unsigned char *)(uintptr_t)f->name; /* both are only read */
	r.payload = (unsigned char *)(uintptr_t)data;
	*ret_rc = ud_record_send(carrier, &r);
	return UD_OK;
}

static enum ud_code send_files(
	struct ud_ctx *cx, const struct ship *p, const struct ud_carrier *carrier, int *ret_rc)
{
	const struct ud_ship_job *job = p->job;
	struct ud_manifest_file *there = NULL;
	size_t n = 0;

	if (p->there.text)
		UD_TRY(ud_shape_read_list(
			cx, &ud_manifest_file_shape, p->there.text, UD_MANIFEST_FILES, &there, &n));
	for (size_t i = 0; i < job->file_count && *ret_rc == 0; i++)
		UD_TRY(send_file(cx, &job->files[i], there, n, carrier, ret_rc));
	return UD_OK;
}

/* Files, roots and age; pending is written before the target can know that all is there. */
static enum ud_code send_end(
	struct ud_ctx *cx, struct ship *p, const struct ud_carrier *carrier, int *ret_rc)
{
	const struct ud_ship_job *job = p->job;
	int rc = 0;

	UD_TRY(send_files(cx, p, carrier, &rc));
	UD_TRY(ud_hashes_finish(cx, p->sender, &p->pending, p->manifest.id, p->disks));
	ud_manifest_set_disks(cx, &p->manifest, p->disks, job->source->disk_count);
	p->manifest.age_ms = age_of(cx, job);
	if (rc == 0)
		rc = ud_record_send_text(
			carrier, UD_RECORD_END, ud_manifest_text(cx, &p->manifest));
	*ret_rc = rc;
	return UD_OK;
}

/* Everything between "begin" and "done". */
static enum ud_code transfer(struct ud_ctx *cx, struct ship *p)
{
	struct ud_ready ready = { 0 };
	ud_sender *s = p->sender;
	int rc = send_begin(cx, p, &s->carrier);

	if (rc != 0)
		return ud_sender_lost(cx, s, rc);
	UD_TRY(ud_sender_answer(cx, s, UD_RECORD_READY, &p->record));
	if (p->record.type == UD_RECORD_DONE)
		return UD_OK; /* it has it already */
	UD_TRY(ud_record_read(cx, &p->record, &ud_ready_shape, &ready));
	p->there = ready.files;
	p->flow.skip = ready.records;
	p->flow.carrier = &s->carrier;
	UD_TRY(ud_flow_run(cx, &p->flow));
	UD_TRY(send_end(cx, p, &s->carrier, &rc));
	if (rc != 0)
		return ud_sender_lost(cx, s, rc);
	return ud_sender_answer(cx, s, UD_RECORD_DONE, &p->record);
}

/* It is there, and only its manifest is wanted. */
static enum ud_code ask_again(struct ud_ctx *cx, struct ship *p)
{
	const ud_source *source = p->job->source;
	struct ud_manifest_disk *disks = ud_alloc(cx->arena, source->disk_count * sizeof(*disks));

	for (size_t i = 0; i < source->disk_count; i++)
		disks[i] = (struct ud_manifest_disk){ .name = source->disks[i].name,
			.size_bytes = source->disks[i].size_bytes };
	p->manifest = manifest_of(p->sender, p->job);
	snprintf(p->digest, sizeof(p->digest), "-");
	ud_manifest_set_disks(cx, &p->manifest, disks, source->disk_count);
	return transfer(cx, p);
}

static enum ud_code ship(struct ud_ctx *cx, struct ship *p)
{
	enum ud_ship how = p->job->how;
	struct ud_sender_have have = { 0 };

	UD_TRY(check_job(cx, p->job));
	UD_TRY(ud_sender_have(cx, p->sender, &have));
	if (strcmp(have.newest_id, p->job->point.id) == 0)
		return ask_again(cx, p);
	p->wrong = have.wrong;
	p->flow.compare = how != UD_SHIP_DELTA && (how != UD_SHIP_FULL || have.seeded);
	if (p->flow.compare)
		UD_TRY(ud_hashes_fetch(cx, p->sender, p->job->source));
	UD_TRY(prepare(cx, p));
	enum ud_code code = transfer(cx, p);

	/* after a failure nobody knows what is still on its way in the connection */
	if (code != UD_OK)
		ud_sender_hang_up(p->sender);
	return code;
}

static enum ud_code take_done(struct ud_ctx *cx, struct ship *p, struct ud_shipped *ret)
{
	const struct ud_record *r = &p->record;

	UD_TRY(ud_manifest_read(cx, (const char *)r->meta, r->meta_n, &ret->point));
	ret->age_ms = age_of(cx, p->job);
	ret->read_bytes = p->flow.read_bytes;
	ret->wire_bytes = p->flow.wire_bytes;
	ret->resumed_bytes = p->flow.resumed_bytes;
	ret->wrong = p->wrong;
	ud_hashes_end(&p->pending);
	return ud_hashes_settle(cx, p->sender, ret->point.id);
}

enum ud_code ud_sender_ship(
	struct ud_ctx *cx, ud_sender *sender, const struct ud_ship_job *job, struct ud_shipped *ret)
{
	struct ship p = { .sender = sender, .job = job };
	int64_t began_us = ud_stopwatch_us();

	*ret = (struct ud_shipped){ 0 };
	ud_record_init(&p.record);
	enum ud_code code = ship(cx, &p);

	if (code == UD_OK)
		code = take_done(cx, &p, ret);
	ret->duration_ms = (ud_stopwatch_us() - began_us) / 1000;
	ud_hashes_end(&p.pending);
	ud_plan_release(&p.plan);
	ud_record_free(&p.record);
	end_progress(sender);
	return code;
}

/* ---- external media ---- */

static int media_out(void *data, const void *bytes, size_t n)
{
	const int *fd = data;
	const unsigned char *p = bytes;

	while (n) {
		ssize_t put = write(*fd, p, n);

		if (put < 0 && errno != EINTR)
			return errno;
		if (put > 0) {
			p += put;
			n -= (size_t)put;
		}
	}
	return 0;
}

static int media_in(void *data, void *bytes, size_t n)
{
	const int *fd = data;
	unsigned char *p = bytes;

	while (n) {
		ssize_t got = read(*fd, p, n);

		if (got < 0 && errno != EINTR)
			return errno;
		if (got == 0)
			return EPIPE;
		if (got > 0) {
			p += got;
			n -= (size_t)got;
		}
	}
	return 0;
}

/* Whole records of the same plan that are there already; the file ends behind them then. */
static int64_t media_records(
	struct ud_ctx *cx, struct ship *p, int fd, const struct ud_carrier *carrier)
{
	struct ud_begin begin = { 0 };
	int64_t n = 0;
	off_t whole = 0;

	if (ud_record_receive(carrier, &p->record) == 0 && p->record.type == UD_RECORD_BEGIN &&
		ud_record_read(cx, &p->record, &ud_begin_shape, &begin) == UD_OK &&
		strcmp(begin.digest, p->digest) == 0) {
		whole = lseek(fd, 0, SEEK_CUR);
		while (ud_record_receive(carrier, &p->record) == 0 &&
			(p->record.type == UD_RECORD_DATA || p->record.type == UD_RECORD_ZERO)) {
			whole = lseek(fd, 0, SEEK_CUR);
			n++;
		}
	}
	ud_ctx_clear(cx);
	if (ftruncate(fd, whole) != 0 || lseek(fd, whole, SEEK_SET) != whole)
		return -errno;
	return whole ? n : -ENODATA;
}

static enum ud_code media_failed(struct ud_ctx *cx, int error)
{
	return ud_fail(cx, error == ENOSPC ? UD_E_STORAGE_FULL : UD_E_UNAVAILABLE, NULL,
		"the folder: %s", strerror(error));
}

static enum ud_code export_to(struct ud_ctx *cx, struct ship *p, int root)
{
	int fd = ud_beneath_open(root, media_part, O_RDWR | O_CREAT, 0600), rc = 0;
	struct ud_carrier carrier = { media_out, media_in, &fd };

	if (fd < 0)
		return media_failed(cx, -fd);
	int64_t have = media_records(cx, p, fd, &carrier);

	p->flow.skip = have > 0 ? have : 0;
	p->flow.carrier = &carrier;
	p->flow.file = true;
	if (have == -ENODATA)
		rc = send_begin(cx, p, &carrier);
	else if (have < 0)
		rc = (int)-have;
	enum ud_code code = rc ? media_failed(cx, rc) : ud_flow_run(cx, &p->flow);

	if (code == UD_OK)
		code = send_end(cx, p, &carrier, &rc);
	if (code == UD_OK && (rc != 0 || fsync(fd) != 0))
		code = media_failed(cx, rc ? rc : errno);
	p->flow.carrier = NULL;
	close(fd);
	if (code == UD_OK && (rc = ud_beneath_rename(root, media_part, media_file)) < 0)
		code = media_failed(cx, -rc);
	return code;
}

enum ud_code ud_sender_export(struct ud_ctx *cx, ud_sender *sender, const struct ud_ship_job *job,
	const char *folder, struct ud_shipped *ret)
{
	struct ship p = { .sender = sender, .job = job };
	int root = ud_beneath_root(folder);
	enum ud_code code = UD_OK;

	*ret = (struct ud_shipped){ 0 };
	if (root < 0)
		return media_failed(cx, -root);
	ud_record_init(&p.record);
	if (job->how != UD_SHIP_FULL)
		code = ud_fail(cx, UD_E_VALIDATION, NULL, "only a full copy goes onto media");
	if (code == UD_OK)
		code = prepare(cx, &p);
	if (code == UD_OK)
		code = export_to(cx, &p, root);
	if (code == UD_OK) {
		ret->point = p.manifest;
		ret->read_bytes = p.flow.read_bytes;
		ret->wire_bytes = p.flow.wire_bytes;
		ret->resumed_bytes = p.flow.resumed_bytes;
	}
	ud_hashes_end(&p.pending);
	ud_plan_release(&p.plan);
	ud_record_free(&p.record);
	close(root);
	end_progress(sender);
	return code;
}

/* ---- proof and repair ---- */

/* Read one extent of the source, padded with zeros. */
static enum ud_code read_extent(
	struct ud_ctx *cx, ud_source *source, size_t disk, int64_t extent, unsigned char *buf)
{
	int64_t at = extent * UD_EXTENT, left = source->disks[disk].size_bytes - at;
	struct ud_read read = { disk, at, left < UD_EXTENT ? (size_t)left : UD_EXTENT, buf, 0,
		NULL };
	struct ud_read *done = NULL;

	memset(buf, 0, UD_EXTENT);
	UD_TRY(source->ops->submit(cx, source, &read));
	UD_TRY(source->ops->reap(cx, source, 60000, &done));
	if (read.error)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL, "reading %s: %s",
			source->disks[disk].name, strerror(read.error));
	return UD_OK;
}

static bool disk_named(const ud_source *source, const char *name, size_t *ret)
{
	for (*ret = 0; *ret < source->disk_count; ++*ret)
		if (strcmp(source->disks[*ret].name, name) == 0)
			return true;
	return false;
}

/* Send an extent; the target takes it only when it is what belongs there. */
static enum ud_code mend(struct ud_ctx *cx, ud_sender *s, ud_source *source, const char *name,
	int64_t extent, struct ud_record *record, int64_t *ret_extents)
{
	struct ud_range range = { .disk = name, .extent = extent, .count = 1 };
	struct ud_buf b = { 0 };
	size_t disk = 0;

	if (!disk_named(source, name, &disk) || extent < 0 ||
		extent >= ud_extents(source->disks[disk].size_bytes))
		return UD_OK;
	unsigned char *data = ud_alloc(cx->arena, UD_EXTENT);

	UD_TRY(read_extent(cx, source, disk, extent, data));
	ud_shape_encode(&b, &ud_range_shape, &range, NULL);
	const struct ud_record r = { .type = UD_RECORD_MEND,
		.meta = (unsigned char *)b.data,
		.meta_n = b.len,
		.payload = data,
		.payload_n = UD_EXTENT };
	int rc = ud_record_send(&s->carrier, &r);

	ud_buf_free(&b);
	if (rc != 0)
		return ud_sender_lost(cx, s, rc);
	enum ud_code code = ud_sender_answer(cx, s, UD_RECORD_DONE, record);

	*ret_extents += code == UD_OK;
	return code == UD_E_CONFLICT ? UD_OK : code; /* it was written to since: not to be had */
}

static enum ud_code repair(struct ud_ctx *cx, ud_sender *s, ud_source *source,
	struct ud_record *record, int64_t *ret_extents)
{
	int rc = ud_record_send_text(&s->carrier, UD_RECORD_WRONG, "");

	if (rc != 0)
		return ud_sender_lost(cx, s, rc);
	UD_TRY(ud_sender_answer(cx, s, UD_RECORD_WRONG, record));
	const char *list = ud_strndup(cx->arena, (const char *)record->payload, record->payload_n);
	char name[UD_DISK_NAME];
	long long extent = 0;

	for (; *list; list += strcspn(list, "\n"), list += *list == '\n') {
		UD_AUTO(ud_arena) *arena = ud_arena_new();
		struct ud_ctx own = { .arena = arena, .env = cx->env };

		if (sscanf(list, "%63s %lld", name, &extent) != 2)
			return ud_fail(cx, UD_E_MALFORMED, NULL, "a list of extents is broken");
		enum ud_code code = mend(&own, s, source, name, extent, record, ret_extents);

		if (code != UD_OK)
			return ud_fail(cx, code, NULL, "%s", own.problem.detail);
	}
	return UD_OK;
}

enum ud_code ud_sender_repair(
	struct ud_ctx *cx, ud_sender *sender, ud_source *source, int64_t *ret_extents)
{
	struct ud_sender_have have = { 0 };
	struct ud_record record;

	*ret_extents = 0;
	UD_TRY(ud_sender_reach(cx, sender, &have));
	ud_record_init(&record);
	enum ud_code code = repair(cx, sender, source, &record, ret_extents);

	ud_record_free(&record);
	return code;
}

/* Compare some extents of a disk from a random one on. */
static enum ud_code verify_disk(struct ud_ctx *cx, ud_sender *s, ud_source *source, size_t disk,
	int64_t extents, struct ud_record *record, int64_t *ret_compared)
{
	const struct ud_source_disk *d = &source->disks[disk];
	int64_t end = ud_extents(d->size_bytes), n = extents < end ? extents : end;
	unsigned char *data = ud_alloc(cx->arena, UD_EXTENT), hash[UD_SHA256];
	uint64_t r = 0;

	ud_random(cx->env, &r, sizeof(r));
	n = n < UD_HASHES_MAX ? n : UD_HASHES_MAX;
	const struct ud_range range = {
		.disk = d->name, .extent = (int64_t)(r % (uint64_t)(end - n + 1)), .count = n
	};

	UD_TRY(ud_sender_ask(
		cx, s, UD_RECORD_HASHES, &ud_range_shape, &range, UD_RECORD_HASHES, record));
	if (record->payload_n != (size_t)n * UD_SHA256)
		return ud_fail(cx, UD_E_CONFLICT, NULL, "the target has no disk %s", d->name);
	for (int64_t i = 0; i < n; i++) {
		UD_TRY(read_extent(cx, source, disk, range.extent + i, data));
		ud_extent_hash(data, hash);
		++*ret_compared;
		if (memcmp(hash, record->payload + i * UD_SHA256, UD_SHA256) != 0)
			return ud_fail(cx, UD_E_CONFLICT, NULL,
				"extent %lld of %s is not the same at both ends",
				(long long)(range.extent + i), d->name);
	}
	return UD_OK;
}

enum ud_code ud_sender_verify(struct ud_ctx *cx, ud_sender *sender, ud_source *source,
	int64_t extents, int64_t *ret_compared)
{
	struct ud_sender_have have = { 0 };
	enum ud_code code = UD_OK;
	struct ud_record record;

	*ret_compared = 0;
	UD_TRY(ud_sender_reach(cx, sender, &have));
	ud_record_init(&record);
	for (size_t i = 0; i < source->disk_count && code == UD_OK; i++)
		code = verify_disk(cx, sender, source, i, extents, &record, ret_compared);
	ud_record_free(&record);
	return code;
}
