/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sender's connection, and the questions it asks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/replication/sender_inside.h"

enum { TIMEOUT_MS = 30000, PATIENCE = 20 }; /* a commit may take so many timeouts */

/* ---- the connection ---- */

static int carry_out(void *data, const void *bytes, size_t n)
{
	ud_sender *s = data;

	return ud_stream_send(s->stream, bytes, n, s->settings.timeout_ms);
}

/* The other end may be syncing gigabytes before it answers: be patient, but stop when told. */
static int carry_in(void *data, void *bytes, size_t n)
{
	ud_sender *s = data;

	int rc = n ? ETIMEDOUT : 0;

	for (int i = 0; i < PATIENCE && rc == ETIMEDOUT && !ud_sender_stopped(s); i++)
		rc = ud_stream_wait(s->stream, s->settings.timeout_ms);
	return rc ? rc : ud_stream_receive(s->stream, bytes, n, s->settings.timeout_ms);
}

static struct ud_transfer_window *copy_windows(
	const struct ud_transfer_window *windows, size_t n, ud_arena *arena)
{
	struct ud_transfer_window *copy = ud_malloc((n + 1) * sizeof(*copy));

	for (size_t i = 0; i < n; i++) {
		copy[i] = windows[i];
		copy[i].days.items = ud_alloc(arena, (windows[i].days.count + 1) * sizeof(char *));
		for (size_t k = 0; k < windows[i].days.count; k++)
			copy[i].days.items[k] = ud_strdup(arena, windows[i].days.items[k]);
	}
	return copy;
}

enum ud_code ud_sender_open(
	struct ud_ctx *cx, const struct ud_sender_settings *settings, ud_sender **ret)
{
	pthread_condattr_t attributes;
	ud_sender *s = ud_malloc(sizeof(*s));
	enum ud_code code = UD_OK;

	memset(s, 0, sizeof(*s));
	s->arena = ud_arena_new();
	s->settings = *settings;
	s->settings.replication_id = ud_strdup(s->arena, settings->replication_id);
	s->settings.vm_id = ud_strdup(s->arena, settings->vm_id);
	s->settings.address = ud_strdup(s->arena, settings->address);
	if (!s->settings.timeout_ms)
		s->settings.timeout_ms = TIMEOUT_MS;
	s->rate = settings->rate_bytes_per_second;
	s->windows = copy_windows(settings->windows, settings->window_count, s->arena);
	s->window_count = settings->window_count;
	s->carrier = (struct ud_carrier){ carry_out, carry_in, s };
	pthread_mutex_init(&s->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	s->root = ud_beneath_root(settings->folder);
	if (s->root < 0)
		code = ud_beneath_fail(cx, s->root, settings->folder);
	if (code == UD_OK)
		code = ud_peers_open(cx, &settings->peer, &s->peers);
	if (code != UD_OK)
		ud_sender_release(&s);
	else
		*ret = s;
	return code;
}

void ud_sender_hang_up(ud_sender *sender)
{
	pthread_mutex_lock(&sender->mutex);
	ud_stream *stream = UD_TAKE(sender->stream);

	pthread_mutex_unlock(&sender->mutex);
	ud_stream_release(&stream);
}

void ud_sender_release(ud_sender **sender)
{
	ud_sender *s = *sender;

	*sender = NULL;
	if (!s)
		return;
	ud_sender_hang_up(s);
	ud_peers_release(&s->peers);
	if (s->root >= 0)
		close(s->root);
	ud_free(s->windows);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->mutex);
	ud_arena_release(&s->arena);
	ud_free(s);
}

void ud_sender_stop(ud_sender *sender)
{
	pthread_mutex_lock(&sender->mutex);
	sender->stop = true;
	if (sender->stream)
		ud_stream_cut(sender->stream);
	pthread_cond_broadcast(&sender->wake);
	pthread_mutex_unlock(&sender->mutex);
}

bool ud_sender_stopped(ud_sender *sender)
{
	pthread_mutex_lock(&sender->mutex);
	bool stop = sender->stop;

	pthread_mutex_unlock(&sender->mutex);
	return stop;
}

void ud_sender_set_rate(ud_sender *sender, int64_t bytes_per_second,
	const struct ud_transfer_window *windows, size_t window_count)
{
	pthread_mutex_lock(&sender->mutex);
	sender->rate = bytes_per_second;
	ud_free(sender->windows);
	sender->windows = copy_windows(windows, window_count, sender->arena);
	sender->window_count = window_count;
	pthread_cond_broadcast(&sender->wake);
	pthread_mutex_unlock(&sender->mutex);
}

/* Under the mutex: wait so long, or until something is changed. */
static void wait_ms(ud_sender *s, int64_t ms)
{
	struct timespec until;

	ud_deadline(ms, &until);
	pthread_cond_timedwait(&s->wake, &s->mutex, &until);
}

static int64_t rate_now(struct ud_ctx *cx, ud_sender *s)
{
	int weekday = 0, minute = 0;

	if (s->window_count == 0)
		return s->rate;
	ud_local_time(ud_now_ms(cx->env), &weekday, &minute);
	return ud_pace_rate(s->windows, s->window_count, s->rate, weekday, minute);
}

enum ud_code ud_sender_pace(struct ud_ctx *cx, ud_sender *sender, int64_t n)
{
	enum { LOOK_MS = 1000 };

	pthread_mutex_lock(&sender->mutex);
	int64_t rate = rate_now(cx, sender);

	while (rate == 0 && !sender->stop) {
		wait_ms(sender, LOOK_MS);
		rate = rate_now(cx, sender);
	}
	int64_t until_us = ud_stopwatch_us();

	until_us += ud_bucket_take(&sender->bucket, rate, n, until_us);
	while (!sender->stop && ud_stopwatch_us() < until_us)
		wait_ms(sender, (until_us - ud_stopwatch_us()) / 1000 + 1);
	bool stop = sender->stop;

	pthread_mutex_unlock(&sender->mutex);
	return stop ? ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the sender was stopped") : UD_OK;
}

enum ud_code ud_sender_lost(struct ud_ctx *cx, ud_sender *sender, int error)
{
	ud_sender_hang_up(sender);
	if (ud_sender_stopped(sender))
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the sender was stopped");
	if (error == EACCES)
		return ud_fail(cx, UD_E_CERTIFICATE_REFUSED, NULL,
			"the target does not believe our certificate");
	if (error == EBADMSG)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "the target sent no record of ours");
	return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the link to %s: %s", sender->settings.address,
		error == EPIPE ? "the other end is gone" : strerror(error));
}

enum ud_code ud_sender_answer(
	struct ud_ctx *cx, ud_sender *sender, unsigned type, struct ud_record *record)
{
	struct ud_refused refused = { 0 };
	int rc = ud_record_receive(&sender->carrier, record);

	if (rc != 0)
		return ud_sender_lost(cx, sender, rc);
	/* to a beginning the end is an answer, too: the point is there */
	if (record->type == type || (type == UD_RECORD_READY && record->type == UD_RECORD_DONE))
		return UD_OK;
	if (record->type != UD_RECORD_REFUSED)
		return ud_sender_lost(cx, sender, EBADMSG);
	UD_TRY(ud_record_read(cx, record, &ud_refused_shape, &refused));
	enum ud_code code = ud_error_by_name(refused.code);

	if (code == UD_CODE_COUNT || code == UD_OK)
		code = UD_E_UNAVAILABLE;
	return ud_fail(
		cx, code, NULL, "the target: %s", refused.detail ? refused.detail : refused.code);
}

enum ud_code ud_sender_ask(struct ud_ctx *cx, ud_sender *sender, unsigned type,
	const struct ud_shape *shape, const void *row, unsigned answer, struct ud_record *record)
{
	int rc = ud_record_send_shape(&sender->carrier, type, shape, row);

	if (rc != 0)
		return ud_sender_lost(cx, sender, rc);
	return ud_sender_answer(cx, sender, answer, record);
}

/* ---- reaching the target ---- */

static enum ud_code connect_stream(struct ud_ctx *cx, ud_sender *s, ud_stream **ret)
{
	if (ud_sender_stopped(s))
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the sender was stopped");
	return ud_stream_connect(cx, s->peers, s->settings.address, s->settings.timeout_ms, ret);
}

static enum ud_code dial(struct ud_ctx *cx, ud_sender *s)
{
	ud_stream *stream = NULL;

	UD_TRY(connect_stream(cx, s, &stream));
	pthread_mutex_lock(&s->mutex);
	s->stream = stream;
	bool stop = s->stop;

	pthread_mutex_unlock(&s->mutex);
	return stop ? ud_sender_lost(cx, s, ECANCELED) : UD_OK;
}

static enum ud_code take_have(
	struct ud_ctx *cx, const struct ud_record *record, struct ud_sender_have *ret)
{
	struct ud_have h = { 0 };

	UD_TRY(ud_record_read(cx, record, &ud_have_shape, &h));
	*ret = (struct ud_sender_have){ .newest_id = h.newest_id ? h.newest_id : "",
		.newest_epoch = h.newest_epoch,
		.receiving_id = h.receiving_id ? h.receiving_id : "",
		.seeded = h.seeded,
		.wrong = h.wrong,
		.free_bytes = h.free_bytes };
	return UD_OK;
}

/* Say who we are; the answer says what is there. */
static enum ud_code greet(
	struct ud_ctx *cx, ud_sender *s, struct ud_record *record, struct ud_sender_have *ret)
{
	const struct ud_hello hello = { UD_RECORD_VERSION, s->settings.replication_id,
		s->settings.vm_id };
	int rc = ud_record_send_shape(&s->carrier, UD_RECORD_HELLO, &ud_hello_shape, &hello);

	if (rc != 0)
		return ud_sender_lost(cx, s, rc);
	UD_TRY(ud_sender_answer(cx, s, UD_RECORD_HAVE, record));
	return take_have(cx, record, ret);
}

/* The other end may have gone while nothing was said: then dial anew, once. */
static enum ud_code reach(
	struct ud_ctx *cx, ud_sender *s, struct ud_record *record, struct ud_sender_have *ret)
{
	if (s->stream) {
		int rc = ud_record_send_text(&s->carrier, UD_RECORD_HAVE, "");

		if (rc == 0)
			rc = ud_record_receive(&s->carrier, record);
		if (rc == 0 && record->type == UD_RECORD_HAVE)
			return take_have(cx, record, ret);
		ud_sender_hang_up(s);
	}
	UD_TRY(dial(cx, s));
	enum ud_code code = greet(cx, s, record, ret);

	if (code != UD_OK)
		ud_sender_hang_up(s);
	return code;
}

enum ud_code ud_sender_reach(struct ud_ctx *cx, ud_sender *sender, struct ud_sender_have *ret)
{
	struct ud_record record;

	ud_record_init(&record);
	enum ud_code code = reach(cx, sender, &record, ret);

	ud_record_free(&record);
	return code;
}

enum ud_code ud_sender_have(struct ud_ctx *cx, ud_sender *sender, struct ud_sender_have *ret)
{
	UD_TRY(ud_sender_reach(cx, sender, ret));
	return ud_hashes_settle(cx, sender, ret->newest_id);
}

/* ---- questions ---- */

enum ud_code ud_sender_confirm(
	struct ud_ctx *cx, ud_sender *sender, const char *point_id, int64_t age_ms)
{
	const struct ud_confirmed confirmed = { point_id, age_ms };
	struct ud_sender_have have = { 0 };
	struct ud_record record;

	UD_TRY(ud_sender_reach(cx, sender, &have));
	ud_record_init(&record);
	enum ud_code code = ud_sender_ask(cx, sender, UD_RECORD_HAVE, &ud_confirmed_shape,
		&confirmed, UD_RECORD_HAVE, &record);

	ud_record_free(&record);
	return code;
}

static enum ud_code take_pieces(struct ud_ctx *cx, const struct ud_record *record, size_t disks,
	struct ud_piece *ret, size_t *ret_n)
{
	size_t n = record->payload_n / (3 * sizeof(uint64_t));

	if (record->payload_n % (3 * sizeof(uint64_t)) || n > UD_PIECES_MAX)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "a list of pieces is broken");
	for (size_t i = 0; i < n; i++) {
		int64_t w[3];

		memcpy(w, record->payload + i * sizeof(w), sizeof(w));
		if (w[0] < 0 || (size_t)w[0] >= disks || w[1] < 0 || w[2] <= 0 ||
			w[1] > UD_DISK_MAX || w[2] > UD_DISK_MAX)
			return ud_fail(cx, UD_E_MALFORMED, NULL, "a list of pieces is broken");
		ret[i] = (struct ud_piece){ (size_t)w[0], w[1], w[2] };
	}
	*ret_n = n;
	return UD_OK;
}

/* One disk's answers, until one has no pieces. */
static enum ud_code changed_of(struct ud_ctx *cx, ud_sender *s, const char *point_id,
	const char *disk, size_t number, struct ud_record *record, struct ud_buf *out)
{
	const struct ud_range range = { .disk = disk, .point_id = point_id };
	struct ud_piece *pieces = ud_alloc(cx->arena, UD_PIECES_MAX * sizeof(*pieces));
	size_t n = 0;

	UD_TRY(ud_sender_ask(
		cx, s, UD_RECORD_CHANGED, &ud_range_shape, &range, UD_RECORD_CHANGED, record));
	for (;;) {
		UD_TRY(take_pieces(cx, record, 1, pieces, &n));
		if (n == 0)
			return UD_OK;
		for (size_t i = 0; i < n; i++)
			pieces[i].disk = number;
		ud_buf_add(out, pieces, n * sizeof(*pieces));
		UD_TRY(ud_sender_answer(cx, s, UD_RECORD_CHANGED, record));
	}
}

enum ud_code ud_sender_changed(struct ud_ctx *cx, ud_sender *sender, const char *point_id,
	const struct ud_source_disk *disks, size_t disk_count, const struct ud_piece **ret,
	size_t *ret_n)
{
	struct ud_sender_have have = { 0 };
	struct ud_buf all = { 0 };
	struct ud_record record;

	UD_TRY(ud_sender_reach(cx, sender, &have));
	ud_record_init(&record);
	enum ud_code code = UD_OK;

	for (size_t i = 0; i < disk_count && code == UD_OK; i++)
		code = changed_of(cx, sender, point_id, disks[i].name, i, &record, &all);
	ud_record_free(&record);
	if (code == UD_OK) {
		struct ud_piece *pieces = ud_alloc(cx->arena, all.len + sizeof(*pieces));

		if (all.len)
			memcpy(pieces, all.data, all.len);
		*ret = pieces;
		*ret_n = all.len / sizeof(*pieces);
	}
	ud_buf_free(&all);
	return code;
}

/* ---- lease messages ---- */

/* A connection of its own, for one question. */
struct side {
	ud_stream *stream;
	int64_t timeout_ms;
};

static int side_out(void *data, const void *bytes, size_t n)
{
	struct side *s = data;

	return ud_stream_send(s->stream, bytes, n, s->timeout_ms);
}

static int side_in(void *data, void *bytes, size_t n)
{
	struct side *s = data;

	return ud_stream_receive(s->stream, bytes, n, s->timeout_ms);
}

static enum ud_code lease_over(struct ud_ctx *cx, ud_sender *sender,
	const struct ud_carrier *carrier, const char *message, struct ud_record *record,
	const char **ret)
{
	const struct ud_hello hello = { UD_RECORD_VERSION, sender->settings.replication_id,
		sender->settings.vm_id };
	int rc = ud_record_send_shape(carrier, UD_RECORD_HELLO, &ud_hello_shape, &hello);

	if (rc == 0)
		rc = ud_record_receive(carrier, record);
	if (rc == 0 && record->type == UD_RECORD_HAVE) {
		rc = ud_record_send_text(carrier, UD_RECORD_LEASE, message);
		if (rc == 0)
			rc = ud_record_receive(carrier, record);
	}
	if (rc != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the link to %s: %s",
			sender->settings.address, strerror(rc));
	if (record->type == UD_RECORD_LEASE) {
		*ret = ud_strndup(cx->arena, (const char *)record->meta, record->meta_n);
		return UD_OK;
	}
	struct ud_refused refused = { 0 };

	if (record->type != UD_RECORD_REFUSED)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "no answer to a lease's message");
	UD_TRY(ud_record_read(cx, record, &ud_refused_shape, &refused));
	enum ud_code code = ud_error_by_name(refused.code);

	return ud_fail(cx, code == UD_CODE_COUNT || code == UD_OK ? UD_E_UNAVAILABLE : code, NULL,
		"the target: %s", refused.detail ? refused.detail : refused.code);
}

enum ud_code ud_sender_lease(
	struct ud_ctx *cx, ud_sender *sender, const char *message, const char **ret_answer)
{
	struct side side = { .timeout_ms = sender->settings.timeout_ms };
	const struct ud_carrier carrier = { side_out, side_in, &side };
	struct ud_record record;

	if (strlen(message) > UD_PEER_MESSAGE)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "a message has at most %d bytes",
			UD_PEER_MESSAGE);
	UD_TRY(connect_stream(cx, sender, &side.stream));
	ud_record_init(&record);
	enum ud_code code = lease_over(cx, sender, &carrier, message, &record, ret_answer);

	ud_record_free(&record);
	ud_stream_release(&side.stream);
	return code;
}
