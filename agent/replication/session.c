/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Record after record: a table says what each kind does. A refusal of a question leaves the
 * connection as it is; one in the midst of a point's data ends it, after the words have gone out.
 */
#include "agent/replication/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

struct session {
	const struct ud_env *env;
	const struct ud_receiver_calls *calls;
	ud_stream *stream;
	int64_t timeout_ms;
	struct ud_session_state *state;
	struct ud_carrier carrier;
	struct ud_record record;
	ud_store *store; /* NULL before the hello */
	ud_intake *intake;
	char replication_id[UD_DISK_NAME];
	int broken; /* an errno of the link */
};

/* ---- what others see ---- */

void ud_session_state_begin(struct ud_session_state *state)
{
	*state = (struct ud_session_state){ 0 };
	pthread_mutex_init(&state->mutex, NULL);
}

void ud_session_state_end(struct ud_session_state *state)
{
	pthread_mutex_destroy(&state->mutex);
}

bool ud_session_is(struct ud_session_state *state, const char *replication_id)
{
	pthread_mutex_lock(&state->mutex);
	bool is = strcmp(state->replication_id, replication_id) == 0;

	pthread_mutex_unlock(&state->mutex);
	return is;
}

void ud_session_progress(struct ud_session_state *state, struct ud_progress *ret)
{
	pthread_mutex_lock(&state->mutex);
	*ret = state->progress;
	pthread_mutex_unlock(&state->mutex);
}

static void tell_progress(struct session *s, int64_t wire)
{
	struct ud_progress *p = &s->state->progress;

	pthread_mutex_lock(&s->state->mutex);
	p->active = ud_intake_active(s->intake);
	p->done_bytes = ud_intake_bytes(s->intake);
	p->wire_bytes = p->active ? p->wire_bytes + wire : 0;
	p->eta_seconds = UD_NONE;
	snprintf(p->id, sizeof(p->id), "%.39s", ud_intake_id(s->intake));
	pthread_mutex_unlock(&s->state->mutex);
}

/* ---- answers ---- */

static int carry_out(void *data, const void *bytes, size_t n)
{
	struct session *s = data;

	return ud_stream_send(s->stream, bytes, n, s->timeout_ms);
}

static int carry_in(void *data, void *bytes, size_t n)
{
	struct session *s = data;

	return ud_stream_receive(s->stream, bytes, n, s->timeout_ms);
}

static enum ud_code sent(struct session *s, int rc)
{
	if (rc != 0)
		s->broken = rc;
	return UD_OK;
}

static enum ud_code say(
	struct session *s, unsigned type, const struct ud_shape *shape, const void *row)
{
	return sent(s, ud_record_send_shape(&s->carrier, type, shape, row));
}

static enum ud_code say_bytes(struct session *s, unsigned type, const void *data, size_t n)
{
	struct ud_record r = { .type = type, .payload_n = n };

	r.payload = (unsigned char *)(uintptr_t)data; /* is only read */
	return sent(s, ud_record_send(&s->carrier, &r));
}

static enum ud_code say_done(struct ud_ctx *cx, struct session *s, const struct ud_manifest *m)
{
	return sent(s,
		ud_record_send_text(&s->carrier, UD_RECORD_DONE, m ? ud_manifest_text(cx, m) : ""));
}

static enum ud_code say_have(struct ud_ctx *cx, struct session *s)
{
	struct ud_have h = { .newest_id = "",
		.receiving_id = ud_store_receiving(cx, s->store),
		.seeded = ud_store_seeded(s->store),
		.free_bytes = ud_store_free_bytes(s->store) };
	struct ud_stored_point newest = { 0 };

	h.wrong = ud_store_is_wrong(s->store);
	if (ud_store_newest(cx, s->store, &newest) == UD_OK) {
		h.newest_id = newest.point.id;
		h.newest_epoch = newest.point.epoch;
	}
	ud_ctx_clear(cx);
	return say(s, UD_RECORD_HAVE, &ud_have_shape, &h);
}

/* ---- kinds ---- */

static enum ud_code on_hello(struct ud_ctx *cx, struct session *s)
{
	struct ud_hello h = { 0 };

	if (s->store)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "a second hello");
	UD_TRY(ud_record_read(cx, &s->record, &ud_hello_shape, &h));
	if (h.record_version != UD_RECORD_VERSION)
		return ud_fail(cx, UD_E_UNSUPPORTED, NULL,
			"the sender's records have version %lld, ours %d",
			(long long)h.record_version, UD_RECORD_VERSION);
	if (strlen(h.replication_id) >= sizeof(s->replication_id))
		return ud_fail(cx, UD_E_VALIDATION, NULL, "the relation's id is too long");
	const struct ud_caller caller = { h.replication_id, h.vm_id, ud_stream_peer(s->stream),
		ud_stream_auth(s->stream) };

	/* whoever cuts the relation's connections must see us before we have its store */
	pthread_mutex_lock(&s->state->mutex);
	snprintf(
		s->state->replication_id, sizeof(s->state->replication_id), "%s", h.replication_id);
	pthread_mutex_unlock(&s->state->mutex);
	UD_TRY(s->calls->store(cx, s->calls->data, &caller, &s->store));
	snprintf(s->replication_id, sizeof(s->replication_id), "%s", h.replication_id);
	return say_have(cx, s);
}

static enum ud_code on_have(struct ud_ctx *cx, struct session *s)
{
	struct ud_confirmed c = { 0 };

	if (s->record.meta_n == 0)
		return say_have(cx, s);
	UD_TRY(ud_record_read(cx, &s->record, &ud_confirmed_shape, &c));
	if (s->calls->confirmed)
		s->calls->confirmed(s->calls->data, s->replication_id, c.point_id, c.age_ms);
	return say_have(cx, s);
}

static enum ud_code on_begin(struct ud_ctx *cx, struct session *s)
{
	struct ud_stored_point there = { 0 };
	struct ud_ready ready = { 0 };
	struct ud_begin begin = { 0 };
	struct ud_manifest m = { 0 };
	enum ud_code code = ud_intake_begin(cx, s->intake, &s->record, &ready);

	if (code == UD_OK)
		return say(s, UD_RECORD_READY, &ud_ready_shape, &ready);
	if (code != UD_E_ALREADY_EXISTS)
		return code;
	ud_ctx_clear(cx);
	UD_TRY(ud_record_read(cx, &s->record, &ud_begin_shape, &begin));
	UD_TRY(ud_manifest_read(cx, begin.manifest.text, strlen(begin.manifest.text), &m));
	UD_TRY(ud_store_point(cx, s->store, m.id, &there));
	return say_done(cx, s, &there.point);
}

static enum ud_code on_data(struct ud_ctx *cx, struct session *s)
{
	return ud_intake_take(cx, s->intake, &s->record);
}

static enum ud_code on_end(struct ud_ctx *cx, struct session *s)
{
	struct ud_manifest stored = { 0 };

	UD_TRY(ud_intake_end(cx, s->intake, &s->record, &stored));
	ud_log(UD_LOG_INFO, "replication.point", "replication", s->replication_id, "point",
		stored.id, NULL);
	if (s->calls->published)
		s->calls->published(s->calls->data, s->replication_id, &stored);
	return say_done(cx, s, &stored);
}

static enum ud_code read_range(struct ud_ctx *cx, struct session *s, struct ud_range *ret)
{
	UD_TRY(ud_record_read(cx, &s->record, &ud_range_shape, ret));
	return UD_OK;
}

static enum ud_code on_hashes(struct ud_ctx *cx, struct session *s)
{
	struct ud_range range = { 0 };

	UD_TRY(read_range(cx, s, &range));
	if (range.count < 1 || range.count > UD_HASHES_MAX)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "1 to %d hashes are told at once",
			UD_HASHES_MAX);
	unsigned char *hashes = ud_alloc(cx->arena, (size_t)range.count * UD_SHA256);
	enum ud_code code =
		ud_store_hashes(cx, s->store, range.disk, range.extent, range.count, hashes);

	if (code == UD_E_NOT_FOUND) {
		ud_ctx_clear(cx);
		return say_bytes(s, UD_RECORD_HASHES, NULL, 0);
	}
	UD_TRY(code);
	return say_bytes(s, UD_RECORD_HASHES, hashes, (size_t)range.count * UD_SHA256);
}

static enum ud_code on_wrong(struct ud_ctx *cx, struct session *s)
{
	const struct ud_manifest_disk *disks = NULL;
	const struct ud_piece *pieces = NULL;
	struct ud_stored_point newest = { 0 };
	struct ud_buf b = { 0 };
	size_t n = 0, disk_count = 0;

	UD_TRY(ud_store_newest(cx, s->store, &newest));
	UD_TRY(ud_manifest_disks(cx, &newest.point, &disks, &disk_count));
	UD_TRY(ud_store_wrong(cx, s->store, &pieces, &n));
	for (size_t i = 0; i < n && b.len < UD_CHUNK - 2 * UD_DISK_NAME; i++)
		if (pieces[i].disk < disk_count)
			ud_buf_printf(&b, "%s %lld\n", disks[pieces[i].disk].name,
				(long long)(pieces[i].offset / UD_EXTENT));
	say_bytes(s, UD_RECORD_WRONG, b.data, b.len);
	ud_buf_free(&b);
	return UD_OK;
}

static enum ud_code on_mend(struct ud_ctx *cx, struct session *s)
{
	struct ud_range range = { 0 };

	UD_TRY(read_range(cx, s, &range));
	if (s->record.payload_n != UD_EXTENT)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "an extent has %d bytes", UD_EXTENT);
	UD_TRY(ud_store_mend(cx, s->store, range.disk, range.extent, s->record.payload));
	return say_done(cx, s, NULL);
}

/* Pieces gathered into records. */
struct gathering {
	struct session *s;
	size_t n;
	int64_t words[UD_PIECES_MAX * 3];
};

static void tell_pieces(struct gathering *g)
{
	say_bytes(g->s, UD_RECORD_CHANGED, g->words, g->n * 3 * sizeof(g->words[0]));
	g->n = 0;
}

static enum ud_code gather_piece(
	struct ud_ctx *cx, void *data, int64_t offset, int64_t length, enum ud_extent_kind kind)
{
	struct gathering *g = data;

	(void)cx;
	if (kind == UD_EXTENT_CLEAN)
		return UD_OK;
	memcpy(&g->words[g->n * 3], (int64_t[]){ 0, offset, length }, 3 * sizeof(int64_t));
	if (++g->n == UD_PIECES_MAX)
		tell_pieces(g);
	return UD_OK;
}

static enum ud_code on_changed(struct ud_ctx *cx, struct session *s)
{
	struct ud_range range = { 0 };

	UD_TRY(read_range(cx, s, &range));
	if (!s->calls->changed)
		return ud_fail(cx, UD_E_UNSUPPORTED, NULL, "this host cannot tell what changed");
	struct gathering *g = ud_alloc(cx->arena, sizeof(*g));

	g->s = s;
	UD_TRY(s->calls->changed(cx, s->calls->data, s->replication_id,
		range.point_id ? range.point_id : "", gather_piece, range.disk, g));
	if (g->n)
		tell_pieces(g);
	tell_pieces(g); /* none: that was all */
	return UD_OK;
}

static enum ud_code on_lease(struct ud_ctx *cx, struct session *s)
{
	const char *answer = "";

	if (!s->calls->lease)
		return ud_fail(cx, UD_E_UNSUPPORTED, NULL, "this host gives no leases to peers");
	if (s->record.meta_n > UD_PEER_MESSAGE)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "the message is too long");
	UD_TRY(s->calls->lease(cx, s->calls->data, s->replication_id, ud_stream_peer(s->stream),
		(const char *)s->record.meta, &answer));
	return sent(s, ud_record_send_text(&s->carrier, UD_RECORD_LEASE, answer));
}

static const struct {
	enum ud_code (*take)(struct ud_ctx *cx, struct session *s);
	bool hello; /* may be the first */
	bool last;  /* a refusal ends the connection: more of it is on its way */
} kinds[UD_RECORD_TYPES] = {
	[UD_RECORD_HELLO] = { on_hello, true, true },
	[UD_RECORD_HAVE] = { on_have, false, false },
	[UD_RECORD_BEGIN] = { on_begin, false, false },
	[UD_RECORD_DATA] = { on_data, false, true },
	[UD_RECORD_ZERO] = { on_data, false, true },
	[UD_RECORD_FILE] = { on_data, false, true },
	[UD_RECORD_SAME] = { on_data, false, true },
	[UD_RECORD_END] = { on_end, false, false },
	[UD_RECORD_HASHES] = { on_hashes, false, false },
	[UD_RECORD_WRONG] = { on_wrong, false, false },
	[UD_RECORD_MEND] = { on_mend, false, false },
	[UD_RECORD_CHANGED] = { on_changed, false, true },
	[UD_RECORD_LEASE] = { on_lease, false, false },
};

/* ---- the loop ---- */

static void refuse(struct ud_ctx *cx, struct session *s, enum ud_code code)
{
	const struct ud_refused r = { ud_error_info(code)->name,
		cx->problem.detail ? ud_printf(cx->arena, "%.1000s", cx->problem.detail) : "" };

	ud_log(UD_LOG_WARNING, "replication.refuse", "replication", s->replication_id, "code",
		r.code, "reason", r.detail, NULL);
	say(s, UD_RECORD_REFUSED, &ud_refused_shape, &r);
}

/* What is still on its way must be read, or the words we sent may be lost with it. */
static void drain(struct session *s)
{
	enum { DRAIN_MS = 2000, DRAIN_BYTES = 256 << 20 };
	int64_t end_us = ud_stopwatch_us() + DRAIN_MS * 1000;

	for (size_t n = 0; n < DRAIN_BYTES && ud_stopwatch_us() < end_us; n += UD_EXTENT)
		if (ud_stream_receive(s->stream, s->record.payload, UD_EXTENT, DRAIN_MS) != 0)
			return;
}

/* One record; false when it was the last. */
static bool serve(struct session *s)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = s->env, .now_ms = ud_now_ms(s->env) };
	int rc = ud_record_receive(&s->carrier, &s->record);
	unsigned type = s->record.type;

	if (rc == EBADMSG) {
		refuse(&cx, s, ud_fail(&cx, UD_E_MALFORMED, NULL, "that is no record"));
		return false;
	}
	if (rc != 0)
		return false;
	int64_t wire = (int64_t)(UD_RECORD_HEADER + s->record.meta_n + s->record.payload_n);
	bool known = kinds[type].take && (s->store || kinds[type].hello);
	enum ud_code code = known ? kinds[type].take(&cx, s)
				  : ud_fail(&cx, UD_E_MALFORMED, NULL, "a record out of place");

	if (s->store && s->intake)
		tell_progress(s, wire);
	if (code == UD_OK)
		return s->broken == 0;
	refuse(&cx, s, code);
	if (known && !kinds[type].last)
		return s->broken == 0;
	if (s->intake && ud_intake_active(s->intake))
		ud_intake_abandon(s->intake);
	drain(s);
	return false;
}

void ud_session_run(const struct ud_env *env, const struct ud_receiver_calls *calls,
	ud_intake_pool *pool, ud_stream *stream, int64_t timeout_ms, struct ud_session_state *state)
{
	struct session s = { .env = env,
		.calls = calls,
		.stream = stream,
		.timeout_ms = timeout_ms,
		.state = state };
	bool more = true;

	s.carrier = (struct ud_carrier){ carry_out, carry_in, &s };
	ud_record_init(&s.record);
	while (more) {
		more = serve(&s);
		if (s.store && !s.intake)
			s.intake = ud_intake_new(pool, s.store);
	}
	ud_intake_release(&s.intake);
	if (s.store && calls->closed)
		calls->closed(calls->data, s.replication_id, s.store);
	pthread_mutex_lock(&state->mutex);
	state->replication_id[0] = 0;
	state->progress.active = false;
	pthread_mutex_unlock(&state->mutex);
	ud_record_free(&s.record);
}
