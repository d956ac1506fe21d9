/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing in a program without a browser (RFC 8628 in shape): it gets a secret and a short code,
 * somebody who is signed in types the code and approves, and the program, which asks every few
 * seconds, gets a token of that person's. The token is made when it is fetched: its secret is never
 * stored. A code is good for ten minutes and once.
 */
#include "db/devices.h"

#include <string.h>

#include "api/api.h"
#include "api/oauth.h"
#include "api/people.h"
#include "base/id.h"
#include "base/rules.h"
#include "db/events.h"
#include "server/auth/auth.h"
#include "server/http/server.h"

enum {
	LIFE_SECONDS = 600,
	INTERVAL_SECONDS = 5,
	INTERVAL_MAX_SECONDS = 60,
	OPEN_MAX = 10,       /* of one address */
	OPEN_ALL_MAX = 2000, /* of all of them */
	CODE_LETTERS = 8
};

/* No vowels, so that no words come about, and nothing that looks like a digit. */
static const char letters[] = "BCDFGHJKLMNPQRSTVWXZ";

/* ---- asking ---- */

struct begin_body {
	const char *client_name;
};
struct begin_answer {
	const char *device_code, *user_code, *verification_uri, *verification_uri_complete;
	int64_t expires_in, interval;
};
/* clang-format off */
static const struct ud_field begin_fields[] = {
	UD_FIELD(begin_body, client_name, .flags = UD_REQUIRED, .max = 100, .rule = ud_rule_name, .about = "What asks, for whoever approves; the token has this name."),
};
static const struct ud_shape begin_shape = { .bare = true, UD_SHAPE(begin_body, begin_fields) };
static const struct ud_field begin_answer_fields[] = {
	UD_FIELD(begin_answer, device_code,               .about = "Secret to fetch the token with."),
	UD_FIELD(begin_answer, user_code,                 .about = "Code for the person: eight letters."),
	UD_FIELD(begin_answer, verification_uri,          .about = "Page where it is typed in."),
	UD_FIELD(begin_answer, verification_uri_complete, .about = "The same page with the code."),
	UD_FIELD(begin_answer, expires_in,                .about = "Seconds that both are good for."),
	UD_FIELD(begin_answer, interval,                  .about = "Seconds to leave between two tries."),
};
/* clang-format on */
static const struct ud_shape begin_answer_shape = {
	.object = "device_authorization", .bare = true, UD_SHAPE(begin_answer, begin_answer_fields)
};

/* "BCDF-GHJK", each letter as likely as any other. */
static const char *new_code(struct ud_ctx *cx)
{
	char code[CODE_LETTERS + 2], *p = code;

	for (int i = 0; i < CODE_LETTERS;) {
		unsigned char b;

		ud_random(cx->env, &b, 1);
		if (b >= 256 / (sizeof(letters) - 1) * (sizeof(letters) - 1))
			continue;
		if (i++ == CODE_LETTERS / 2)
			*p++ = '-';
		*p++ = letters[b % (sizeof(letters) - 1)];
	}
	*p = 0;
	return ud_strdup(cx->arena, code);
}

/* A code as people type it: any case, with or without what stands between. */
static const char *code_hash(struct ud_ctx *cx, const char *typed)
{
	char *plain = ud_alloc(cx->arena, strlen(typed) + 1), *p = plain;

	for (; *typed; typed++)
		if (*typed != '-' && *typed != ' ')
			*p++ = *typed >= 'a' && *typed <= 'z' ? (char)(*typed - 32) : *typed;
	return ud_auth_hash(cx, plain);
}

static enum ud_code begin(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct begin_body *in = rq->in;
	const char *secret = ud_secret_new(cx->arena, cx->env, "udev"), *code = new_code(cx),
		   *address = rq->scope.address ? rq->scope.address : "";
	struct ud_device_request row = {
		.id = ud_id_new(cx->arena, cx->env, cx->now_ms, "dvr"),
		.client_name = in->client_name,
		.address = address,
		.created_at = cx->now_ms,
		.expires_at = cx->now_ms + LIFE_SECONDS * 1000,
		.interval_seconds = INTERVAL_SECONDS,
		.polled_at = UD_NONE,
	};
	int64_t open = 0, all = 0;

	UD_TRY(ud_devices_open(cx, address, &open, &all));
	if (open >= OPEN_MAX || all >= OPEN_ALL_MAX) {
		cx->problem.retry_after_seconds = 60;
		return ud_fail(cx, UD_E_THROTTLED, NULL,
			"Too many requests%s wait for somebody to approve them.",
			open >= OPEN_MAX ? " of this address" : "");
	}
	UD_TRY(ud_device_add(cx, &row, ud_auth_hash(cx, secret), code_hash(cx, code)));
	struct begin_answer out = { .device_code = secret,
		.user_code = code,
		.verification_uri = ud_printf(cx->arena, "%s/app/device", rq->server->base_url),
		.expires_in = LIFE_SECONDS,
		.interval = INTERVAL_SECONDS };

	out.verification_uri_complete =
		ud_printf(cx->arena, "%s?code=%s", out.verification_uri, code);
	return ud_answer(cx, rq, &begin_answer_shape, &out);
}

/* ---- fetching ---- */

/* Not yet: the next try may come after the interval, and one that comes too early makes it longer.
 */
static enum ud_code not_yet(struct ud_ctx *cx, struct ud_request *rq, struct ud_device_request *row)
{
	bool early = row->polled_at != UD_NONE &&
		cx->now_ms < row->polled_at + row->interval_seconds * 1000,
	     done;

	if (early && row->interval_seconds < INTERVAL_MAX_SECONDS)
		row->interval_seconds += INTERVAL_SECONDS;
	row->polled_at = cx->now_ms;
	UD_TRY(ud_device_update(cx, row, &done)); /* answered just now: the next try tells */
	cx->problem.retry_after_seconds = row->interval_seconds;
	rq->verdict = early ? ud_fail(cx, UD_E_SLOW_DOWN, NULL, "Ask every %lld seconds.",
				      (long long)row->interval_seconds)
			    : ud_fail(cx, UD_E_AUTHORIZATION_PENDING, NULL,
				      "Nobody has typed the code and approved yet.");
	return UD_OK;
}

static enum ud_code expired(struct ud_ctx *cx)
{
	return ud_fail(cx, UD_E_EXPIRED, "device_code",
		"The request is unknown, used or older than ten minutes.");
}

/* The token of whoever approved, if they may still sign in. Of two that fetch at once one gets it.
 */
static enum ud_code hand_over(
	struct ud_ctx *cx, struct ud_request *rq, const struct ud_device_request *row)
{
	const struct ud_scope all = ud_scope_system("device");
	struct ud_token t = { .name = row->client_name, .scopes = row->scopes };
	struct ud_user u = { 0 };
	bool mine = false;

	UD_TRY(ud_device_delete(cx, row->id, &mine));
	if (!mine)
		return expired(cx);
	cx->scope = &all;
	enum ud_code code = ud_row_get(cx, &ud_users, row->user_id, &u);

	cx->scope = &rq->scope;
	if (code == UD_E_NOT_FOUND || (code == UD_OK && u.state != UD_USER_ACTIVE))
		return ud_fail(
			cx, UD_E_ACCESS_DENIED, NULL, "Whoever approved may no longer sign in.");
	UD_TRY(code);
	ud_become(rq, &u);
	UD_TRY(ud_token_make(cx, "usp", u.row.id, u.row.customer_id, &t));
	return ud_oauth_answer(cx, rq, &t);
}

enum ud_code ud_device_fetch(struct ud_ctx *cx, struct ud_request *rq, const char *device_code)
{
	struct ud_device_request row;
	bool found = false;

	if (ud_secret_formed(device_code, "udev"))
		UD_TRY(ud_device_by_secret(cx, ud_auth_hash(cx, device_code), &found, &row));
	if (!found)
		return expired(cx);
	if (row.state == UD_DEVICE_PENDING)
		return not_yet(cx, rq, &row);
	if (row.state == UD_DEVICE_APPROVED)
		return hand_over(cx, rq, &row);
	UD_TRY(ud_device_delete(cx, row.id, &found));
	if (!found)
		return expired(cx);
	rq->verdict = ud_fail(cx, UD_E_ACCESS_DENIED, NULL, "Somebody said no.");
	return UD_OK;
}

/* ---- approving ---- */

struct approve_body {
	struct ud_texts scopes;
};
struct shown {
	const char *user_code, *client_name, *address;
	struct ud_time created_at, expires_at;
};
/* clang-format off */
static const struct ud_field approve_fields[] = {
	UD_FIELD(approve_body, scopes, .max = 50, .rule = ud_rule_scope, .about = "What the token may do; [\"*\"] when not given: all that the person may."),
};
static const struct ud_shape approve_shape = { .bare = true, UD_SHAPE(approve_body, approve_fields) };
static const struct ud_field shown_fields[] = {
	UD_FIELD(shown, user_code,   .about = "The code as it was typed."),
	UD_FIELD(shown, client_name, .about = "What asks, in its own words."),
	UD_FIELD(shown, address,     .about = "Address it asked from."),
	UD_FIELD(shown, created_at,  .about = "When it asked."),
	UD_FIELD(shown, expires_at,  .about = "Until when it can be approved."),
};
/* clang-format on */
static const struct ud_shape shown_shape = {
	.object = "device_request", .bare = true, UD_SHAPE(shown, shown_fields)
};

static enum ud_code answer(
	struct ud_ctx *cx, struct ud_request *rq, const struct ud_device_request *row)
{
	struct shown out = { .user_code = rq->arg[0],
		.client_name = row->client_name,
		.address = row->address,
		.created_at.ms = row->created_at,
		.expires_at.ms = row->expires_at };

	return ud_answer(cx, rq, &shown_shape, &out);
}

/* A request that nobody has answered. */
static enum ud_code find(struct ud_ctx *cx, const struct ud_request *rq, bool *ret_found,
	struct ud_device_request *ret)
{
	UD_TRY(ud_device_by_code(cx, code_hash(cx, rq->arg[0]), ret_found, ret));
	*ret_found = *ret_found && ret->state == UD_DEVICE_PENDING;
	return UD_OK;
}

static enum ud_code none(struct ud_ctx *cx)
{
	return ud_fail(cx, UD_E_NOT_FOUND, NULL,
		"No program waits under this code: it is wrong, used or older than ten minutes.");
}

/* Who tries codes must wait, as with passwords. One that is right forgives nothing: whoever guesses
 * has codes of their own. */
static const char *throttle_key(struct ud_ctx *cx)
{
	return ud_printf(cx->arena, "device:%s", cx->scope->id);
}

static enum ud_code show(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_device_request row;
	bool found = false;

	UD_TRY(ud_throttle_check(cx, throttle_key(cx)));
	UD_TRY(find(cx, rq, &found, &row));
	if (found)
		return answer(cx, rq, &row);
	ud_throttle_count_later(cx, rq, throttle_key(cx));
	return none(cx);
}

static enum ud_code record(struct ud_ctx *cx, const char *type, const struct ud_device_request *row)
{
	struct ud_buf b = { 0 };
	bool first = true;

	ud_buf_putc(&b, '{');
	ud_buf_key(&b, &first, "client_name");
	ud_buf_json(&b, row->client_name);
	ud_buf_key(&b, &first, "address");
	ud_buf_json(&b, row->address);
	ud_buf_putc(&b, '}');
	const char *text = ud_buf_take(cx->arena, &b);

	return ud_event_add_plain(
		cx, type, cx->scope->home_customer_id, "user", cx->scope->id, text);
}

/* Both answers to a request; of two people at once the first one counts. */
static enum ud_code settle(struct ud_ctx *cx, struct ud_request *rq, enum ud_device_state state,
	const struct ud_texts *scopes)
{
	const char *key = throttle_key(cx);
	struct ud_device_request row;
	bool found = false;

	UD_TRY(ud_throttle_check(cx, key));
	UD_TRY(find(cx, rq, &found, &row));
	if (!found) {
		UD_TRY(ud_throttle_count(cx, rq, key));
		rq->verdict = none(cx);
		return UD_OK;
	}
	row.state = state;
	row.user_id = cx->scope->id;
	row.scopes = *scopes;
	UD_TRY(ud_device_update(cx, &row, &found));
	if (!found)
		return none(cx);
	UD_TRY(record(cx,
		state == UD_DEVICE_APPROVED ? "device_request.approved" : "device_request.denied",
		&row));
	return answer(cx, rq, &row);
}

static enum ud_code approve(struct ud_ctx *cx, struct ud_request *rq)
{
	static const char *all[] = { "*" };
	const struct approve_body *in = rq->in;
	struct ud_texts scopes = in->scopes.count ? in->scopes : (struct ud_texts){ all, 1 };

	UD_TRY(ud_token_scopes(cx, &scopes));
	return settle(cx, rq, UD_DEVICE_APPROVED, &scopes);
}

static enum ud_code deny(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct ud_texts nothing = { 0 };

	return settle(cx, rq, UD_DEVICE_DENIED, &nothing);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "POST", "/v1/oauth/device",                     "device-requests.create",  UD_ANYONE, NULL,       UD_WRITE | UD_NO_BODY_LOG, &begin_shape, &begin_answer_shape, 201, .handle = begin, .about = "Ask to be let in by somebody who is signed in: a program's way without a browser." },
	{ "GET",  "/v1/oauth/device/{user_code}",         "device-requests.show",    UD_PEOPLE, "me:read",  UD_PERSON, .answer = &shown_shape, .handle = show, .about = "Show what waits under a code." },
	{ "POST", "/v1/oauth/device/{user_code}/approve", "device-requests.approve", UD_PEOPLE, "me:write", UD_WRITE | UD_PERSON | UD_STEP_UP, &approve_shape, &shown_shape, .handle = approve, .about = "Let a program in as oneself." },
	{ "POST", "/v1/oauth/device/{user_code}/deny",    "device-requests.deny",    UD_PEOPLE, "me:write", UD_WRITE | UD_PERSON, .answer = &shown_shape, .handle = deny, .about = "Refuse a program." },
};
/* clang-format on */
const struct ud_routes ud_api_devices = { "Device sign-in", rows, UD_LEN(rows) };
