/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log from two sides: events for programs that follow what happens, audit records for people
 * who ask who did it.
 */
#include <string.h>

#include "api/answers.h"
#include "api/api.h"
#include "api/audit_seals.h"
#include "api/evidence.h"
#include "base/audit.h"
#include "base/id.h"
#include "base/time.h"
#include "db/event_types.h"
#include "db/events.h"
#include "db/vms.h"
#include "server/events/stream.h"
#include "server/http/list.h"
#include "server/http/server.h"

/* "ticket.*,host.created" as a list. */
static enum ud_code read_types(struct ud_ctx *cx, struct ud_request *rq, struct ud_texts *ret)
{
	const char *text = ud_request_param(rq, "types");

	*ret = (struct ud_texts){ 0 };
	if (!text)
		return UD_OK;
	ret->items = ud_alloc(cx->arena, 20 * sizeof(*ret->items));
	while (*text) {
		size_t n = strcspn(text, ",");

		if (ret->count == 20 || strspn(text, "abcdefghijklmnopqrstuvwxyz_-.*") < n ||
			n == 0)
			return ud_fail(cx, UD_E_PARAMETER_INVALID, "types",
				"types is at most 20 names such as ticket.* or host.created.");
		ret->items[ret->count++] = ud_strndup(cx->arena, text, n);
		text += n + (text[n] == ',');
	}
	return UD_OK;
}

struct writing {
	struct ud_request *rq;
	size_t n;
	int64_t last;
	bool by_seq; /* places are those of one chain */
	void (*encode)(struct ud_ctx *cx, const struct ud_server *server, struct ud_buf *b,
		const struct ud_event *e);
};

static enum ud_code add_record(struct ud_ctx *cx, void *data, const struct ud_event *e)
{
	struct writing *w = data;

	if (w->n++)
		ud_buf_putc(&w->rq->out, ',');
	w->encode(cx, w->rq->server, &w->rq->out, e);
	w->last = w->by_seq ? e->seq : ud_event_place(cx->scope, e);
	return UD_OK;
}

/* Where to read on: ?after= or, for pages, ?cursor=. */
static enum ud_code read_place(struct ud_ctx *cx, struct ud_request *rq, int64_t *ret)
{
	const char *after = ud_request_param(rq, "after"), *cursor = ud_request_param(rq, "cursor");

	*ret = 0;
	if (after || cursor)
		return ud_event_cursor_read(cx, rq->server, after ? after : cursor, ret);
	return UD_OK;
}

static enum ud_code list_log(struct ud_ctx *cx, struct ud_request *rq, struct ud_event_query *q,
	const char *subject_id, struct writing *w)
{
	bool more = false;

	UD_TRY(ud_page_limit(cx, rq, &q->limit));
	UD_TRY(read_place(cx, rq, &q->after));
	q->subject_id = subject_id;
	ud_page_open(rq);
	UD_TRY(ud_event_list(cx, q, add_record, w, &more));
	return ud_page_close(
		cx, rq, more ? ud_event_cursor(cx, rq->server, w->last) : NULL, UD_NONE);
}

static enum ud_code list_events(struct ud_ctx *cx, struct ud_request *rq)
{
	struct writing w = { .rq = rq, .encode = ud_event_encode };
	struct ud_event_query q = { 0 };
	struct ud_texts types;

	UD_TRY(read_types(cx, rq, &types));
	q.types = &types;
	return list_log(cx, rq, &q, ud_request_param(rq, "subject_id"), &w);
}

/* A VM's own, newest first. */
static enum ud_code timeline(struct ud_ctx *cx, struct ud_request *rq)
{
	struct writing w = { .rq = rq, .encode = ud_event_encode };
	struct ud_event_query q = { .newest_first = true };
	struct ud_vm vm = { 0 };

	UD_TRY(ud_row_get(cx, &ud_vms, rq->arg[0], &vm));
	return list_log(cx, rq, &q, vm.row.id, &w);
}

static enum ud_code show_event(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_event e = { 0 };

	UD_TRY(ud_event_get(cx, rq->arg[0], &e));
	ud_event_encode(cx, rq->server, &rq->out, &e);
	return ud_answer_text(cx, rq, 200, "application/json");
}

struct type_answer {
	const char *type, *subject_object, *verb;
};
/* clang-format off */
static const struct ud_field type_fields[] = {
	UD_FIELD(type_answer, type,        .flags = UD_REQUIRED | UD_COMPUTED | UD_BRIEF, .about = "The type, as types and recipients want it."),
	UD_FIELD(type_answer, subject_object, .flags = UD_REQUIRED | UD_COMPUTED, .about = "Kind of the object it happens to."),
	UD_FIELD(type_answer, verb,        .flags = UD_REQUIRED | UD_COMPUTED, .about = "What happens to it."),
};
/* clang-format on */
static const struct ud_shape type_shape = { .object = "event_type",
	.bare = true,
	UD_SHAPE(type_answer, type_fields),
	.about = "A kind of thing that happens." };

static enum ud_code list_types(struct ud_ctx *cx, struct ud_request *rq)
{
	struct type_answer a = { 0 };

	ud_page_open(rq);
	for (const struct ud_event_types *t = ud_event_types; t->object; t++)
		for (const char *verbs = t->verbs; (a.verb = ud_event_verb(cx->arena, &verbs));) {
			if (a.subject_object)
				ud_buf_putc(&rq->out, ',');
			a.subject_object = t->object;
			a.type = ud_printf(cx->arena, "%s.%s", a.subject_object, a.verb);
			ud_shape_encode(&rq->out, &type_shape, &a, NULL);
		}
	return ud_page_close(cx, rq, NULL, UD_NONE);
}

/* A client that comes back says where it was; a new one begins with what happens from now on. */
static enum ud_code stream(struct ud_ctx *cx, struct ud_request *rq)
{
	const char *last = ud_request_header(rq, "Last-Event-ID"),
		   *after = ud_request_param(rq, "after");
	struct ud_texts types;
	int64_t place;

	UD_TRY(read_types(cx, rq, &types));
	if (last || after)
		UD_TRY(ud_event_cursor_read(cx, rq->server, last ? last : after, &place));
	else
		UD_TRY(ud_event_last(cx, &place));
	return ud_stream_begin(cx, rq, place, &types);
}

/* ---- audit ---- */

static void text_member(struct ud_buf *b, const char *key, const char *value)
{
	bool first = false;

	ud_buf_key(b, &first, key);
	ud_buf_json(b, value);
}

static void encode_audit(struct ud_ctx *cx, const struct ud_server *server, struct ud_buf *b,
	const struct ud_event *e)
{
	(void)cx, (void)server;
	ud_buf_puts(b, "{\"object\":\"audit_record\"");
	text_member(b, "id", e->id);
	ud_buf_printf(b, ",\"seq\":%lld,\"at\":", (long long)e->seq);
	ud_buf_time(b, e->created_at);
	text_member(b, "customer_id", e->customer_id);
	text_member(b, "action", e->type);
	text_member(b, "actor_kind", e->actor_kind);
	text_member(b, "actor_id", e->actor_id);
	text_member(b, "actor_name", e->actor_name);
	text_member(b, "on_behalf_of", e->on_behalf_of);
	text_member(b, "via", e->via);
	text_member(b, "address", e->address);
	text_member(b, "request_id", e->request_id);
	text_member(b, "subject_object", e->subject_object);
	text_member(b, "subject_id", e->subject_id);
	ud_buf_puts(b, ",\"data\":");
	ud_buf_puts(b, e->data ? e->data : "null");
	ud_buf_puts(b, ",\"previous\":");
	ud_buf_puts(b, e->previous ? e->previous : "null");
	text_member(b, "previous_hash", e->previous_hash);
	text_member(b, "hash", e->hash);
	ud_buf_putc(b, '}');
}

static enum ud_code list_audit(struct ud_ctx *cx, struct ud_request *rq)
{
	struct writing w = { .rq = rq, .encode = encode_audit };
	struct ud_event_query q = { .newest_first = true };

	return list_log(cx, rq, &q, ud_request_param(rq, "subject_id"), &w);
}

static enum ud_code show_audit(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_event e = { 0 };

	UD_TRY(ud_event_get(cx, rq->arg[0], &e));
	encode_audit(cx, rq->server, &rq->out, &e);
	return ud_answer_text(cx, rq, 200, "application/json");
}

static enum ud_code verify(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_chain_report r;
	int64_t seals = UD_NONE;

	UD_TRY(ud_event_verify(cx, &r));
	if (!cx->scope->customer_id)
		UD_TRY(ud_seals_verify(cx, &r, &seals));
	ud_buf_printf(&rq->out,
		"{\"object\":\"audit_verification\",\"intact\":%s,\"records\":%lld,\"chains\":%lld,\"seals\":",
		r.intact ? "true" : "false", (long long)r.records, (long long)r.chains);
	if (seals == UD_NONE)
		ud_buf_puts(&rq->out, "null");
	else
		ud_buf_int(&rq->out, seals);
	ud_buf_puts(&rq->out, ",\"broken_id\":");
	ud_buf_json(&rq->out, r.broken_id);
	ud_buf_puts(&rq->out, ",\"rule\":");
	ud_buf_json(&rq->out, r.broken_rule);
	ud_buf_putc(&rq->out, '}');
	return ud_answer_text(cx, rq, 200, "application/json");
}

static void encode_line(struct ud_ctx *cx, const struct ud_server *server, struct ud_buf *b,
	const struct ud_event *e)
{
	struct ud_audit_line line = ud_event_line(e);

	(void)server;
	ud_audit_line_write(cx, b, &line);
}

/* One chain, oldest first, in the form whose every letter the hashes cover. */
static enum ud_code export_chain(struct ud_ctx *cx, struct ud_request *rq)
{
	const char *chain = ud_request_param(rq, "customer_id");
	struct writing w = { .rq = rq, .encode = encode_line, .by_seq = true };
	struct ud_event_query q = { .chain = chain ? chain : "" };

	if (!chain && cx->scope->customer_id)
		q.chain = cx->scope->customer_id;
	return list_log(cx, rq, &q, ud_request_param(rq, "subject_id"), &w);
}

static enum ud_code add_head(
	struct ud_ctx *cx, void *data, const char *customer_id, int64_t seq, const char *hash)
{
	struct ud_buf *b = data;

	(void)cx;
	ud_buf_puts(b, b->len ? ",{\"customer_id\":" : "{\"customer_id\":");
	ud_buf_json(b, customer_id);
	ud_buf_printf(b, ",\"seq\":%lld,\"hash\":\"%s\"}", (long long)seq, hash);
	return UD_OK;
}

/* The heads of the chains, sealed with the key of evidence: what an export begins with. */
static enum ud_code seal_heads(struct ud_ctx *cx, struct ud_request *rq)
{
	unsigned char key[UD_SIGN_KEY];
	struct ud_buf heads = { 0 };
	char at[UD_TIME_TEXT];
	const char *text = NULL;
	enum ud_code code = ud_event_heads(cx, add_head, &heads);
	const char *list = ud_buf_take(cx->arena, &heads);

	UD_TRY(code);
	UD_TRY(ud_evidence_key(cx, rq->server->keys.seal, key));
	ud_time_format(cx->now_ms, at);
	code = ud_seal_make(cx,
		ud_printf(cx->arena,
			"{\"object\":\"audit_seal\",\"sealed_at\":\"%s\",\"heads\":[%s]}", at,
			list),
		UD_AUDIT_SCHEMA, key, &text);
	ud_wipe(key, sizeof(key));
	UD_TRY(code);
	ud_buf_puts(&rq->out, text);
	return ud_answer_text(cx, rq, 200, "application/json");
}

/* ---- what the answers above are, for the specification ---- */

struct log_answer {
	int64_t seq;
	const char *id, *customer_id, *type, *action, *cursor, *request_id;
	const char *actor_kind, *actor_id, *actor_name, *on_behalf_of, *via, *address;
	const char *subject_object, *subject_id, *previous_hash, *hash;
	struct ud_time at, created_at;
	struct ud_json data, previous, actor, subject;
};
struct line_answer {
	struct log_answer log; /* first: its fields are fields of a line, too */
	int64_t created_at;
	const char *data, *previous, *salt, *personal_digest;
};
struct seal_answer {
	const char *schema;
	struct ud_time sealed_at;
	struct ud_json heads, seal;
};
struct verify_answer {
	bool intact;
	int64_t records, chains, seals;
	const char *broken_id, *rule;
};

enum { ALWAYS = UD_REQUIRED | UD_COMPUTED, COLUMN = UD_COMPUTED | UD_BRIEF };

/* clang-format off */
#define WHO_AND_WHAT(brief)                                                                                    \
	UD_FIELD(log_answer, actor_kind, .flags = UD_COMPUTED, .about = "What kind of principal did it."),     \
	UD_FIELD(log_answer, actor_id, .flags = UD_COMPUTED, .about = "Id of who did it."),                    \
	UD_FIELD(log_answer, actor_name, .flags = brief, .about = "Name of who did it, as it was then."),      \
	UD_FIELD(log_answer, on_behalf_of, .flags = UD_COMPUTED, .about = "Customer that staff acted for."),   \
	UD_FIELD(log_answer, via, .flags = UD_COMPUTED, .about = "Session or token that was used."),           \
	UD_FIELD(log_answer, address, .flags = UD_COMPUTED, .about = "Network address it came from."),         \
	UD_FIELD(log_answer, request_id, .flags = UD_COMPUTED, .about = "Request that did it."),               \
	UD_FIELD(log_answer, subject_object, .flags = brief, .about = "Kind of the object it happened to."),   \
	UD_FIELD(log_answer, subject_id, .flags = brief, .about = "Id of the object it happened to."),         \
	UD_FIELD(log_answer, previous_hash, .flags = ALWAYS, .about = "Hash of the record before; empty at the start."), \
	UD_FIELD(log_answer, hash, .flags = ALWAYS, .about = "Hash of this record.")

static const struct ud_field event_fields[] = {
	UD_FIELD(log_answer, id, .flags = ALWAYS, .about = "Id of the event."),
	UD_FIELD(log_answer, seq, .flags = UD_COMPUTED, .about = "Its number in the customer's log, without gaps."),
	UD_FIELD(log_answer, cursor, .flags = ALWAYS, .about = "Its place, for after and Last-Event-ID."),
	UD_FIELD(log_answer, created_at, .flags = ALWAYS | UD_BRIEF, .about = "When it happened."),
	UD_FIELD(log_answer, type, .flags = ALWAYS | UD_BRIEF, .about = "What happened: an object's kind and a verb."),
	UD_FIELD(log_answer, customer_id, .flags = UD_COMPUTED, .about = "Customer it belongs to; null = the provider."),
	UD_FIELD(log_answer, actor, .flags = UD_COMPUTED | UD_BRIEF, .about = "Who did it: object, id, name."),
	UD_FIELD(log_answer, subject, .flags = UD_COMPUTED | UD_BRIEF, .about = "What it happened to: object, id."),
	UD_FIELD(log_answer, data, .flags = UD_COMPUTED, .about = "The object as it is since then, or null."),
	UD_FIELD(log_answer, previous, .flags = UD_COMPUTED, .about = "Old values of what changed, or null."),
	UD_FIELD(log_answer, request_id, .flags = UD_COMPUTED, .about = "Request that did it."),
};
static const struct ud_field audit_fields[] = {
	UD_FIELD(log_answer, id, .flags = ALWAYS, .about = "Id of the record; its event has the same."),
	UD_FIELD(log_answer, seq, .flags = UD_COMPUTED, .about = "Its number in the customer's chain, without gaps."),
	UD_FIELD(log_answer, at, .flags = ALWAYS | UD_BRIEF, .about = "When it was done."),
	UD_FIELD(log_answer, customer_id, .flags = UD_COMPUTED, .about = "Customer it belongs to; null = the provider."),
	UD_FIELD(log_answer, action, .flags = ALWAYS | UD_BRIEF, .about = "What was done: an object's kind and a verb."),
	WHO_AND_WHAT(COLUMN),
	UD_FIELD(log_answer, data, .flags = UD_COMPUTED, .about = "The object as it is since then, or null."),
	UD_FIELD(log_answer, previous, .flags = UD_COMPUTED, .about = "Old values of what changed, or null."),
};
static const struct ud_field line_fields[] = {
	UD_FIELD(log_answer, id, .flags = ALWAYS, .about = "Id of the record."),
	UD_FIELD(log_answer, seq, .flags = UD_COMPUTED, .about = "Its number in the chain."),
	UD_FIELD(line_answer, created_at, .flags = UD_COMPUTED, .about = "Milliseconds since 1970."),
	UD_FIELD(log_answer, customer_id, .flags = UD_COMPUTED, .about = "Customer it belongs to; null = the provider."),
	UD_FIELD(log_answer, type, .flags = ALWAYS, .about = "What was done."),
	WHO_AND_WHAT(UD_COMPUTED),
	UD_FIELD(line_answer, data, .flags = UD_COMPUTED, .about = "The object as it is since then: JSON as text, as it was hashed."),
	UD_FIELD(line_answer, previous, .flags = UD_COMPUTED, .about = "Old values of what changed, likewise."),
	UD_FIELD(line_answer, salt, .flags = UD_COMPUTED, .about = "Chance in front of what personal_digest covers; null once the record was emptied."),
	UD_FIELD(line_answer, personal_digest, .flags = UD_COMPUTED, .about = "Digest of salt, actor_name, address, data and previous, which the hash covers in their place. Records of older versions have neither."),
};
static const struct ud_field seal_fields[] = {
	UD_FIELD(seal_answer, schema, .flags = ALWAYS, .about = "Version of the file's form."),
	UD_FIELD(seal_answer, sealed_at, .flags = ALWAYS, .about = "When it was sealed."),
	UD_FIELD(seal_answer, heads, .flags = UD_COMPUTED, .about = "Of each chain: customer_id (empty = the installation's), seq and hash of its last record."),
	UD_FIELD(seal_answer, seal, .flags = UD_COMPUTED, .about = "Algorithm, digest, public_key and signature."),
};
static const struct ud_field verify_fields[] = {
	UD_FIELD(verify_answer, intact, .flags = UD_COMPUTED, .about = "Every hash, number and head is as it must be."),
	UD_FIELD(verify_answer, records, .flags = UD_COMPUTED, .about = "Records that were compared."),
	UD_FIELD(verify_answer, chains, .flags = UD_COMPUTED, .about = "Chains that were compared."),
	UD_FIELD(verify_answer, seals, .flags = UD_COMPUTED | UD_NULLABLE, .about = "Seals of heads that were compared with the records; null for customers."),
	UD_FIELD(verify_answer, broken_id, .flags = UD_COMPUTED, .about = "The first record that is not, or null."),
	UD_FIELD(verify_answer, rule, .flags = UD_COMPUTED, .about = "What is wrong with it, or null."),
};
/* clang-format on */
const struct ud_shape ud_event_shape = { .object = "event",
	.bare = true,
	UD_SHAPE(log_answer, event_fields),
	.about = "Something that happened." };
static const struct ud_shape audit_shape = { .object = "audit_record",
	.bare = true,
	UD_SHAPE(log_answer, audit_fields),
	.about = "Who did what." };
static const struct ud_shape line_shape = { .object = "audit_line",
	.bare = true,
	UD_SHAPE(line_answer, line_fields),
	.about = "An audit record in the form that is hashed." };
static const struct ud_shape seal_shape = { .object = "audit_seal",
	.bare = true,
	UD_SHAPE(seal_answer, seal_fields),
	.about = "The heads of the chains, sealed." };
static const struct ud_shape verify_shape = { .object = "audit_verification",
	.bare = true,
	UD_SHAPE(verify_answer, verify_fields),
	.about = "What checking the chains found." };

enum {
	AUDIT = UD_OPERATOR | UD_R(AUDITOR) | UD_R(SUPPORT_LEAD) | UD_R(SUPPORT_ENGINEER) |
		UD_CUSTOMER_ADMIN | UD_R(CUSTOMER_APPROVER)
};

static const struct ud_parameter places[] = {
	{ "after", "string", "Only what happened after this one: a cursor, or an event's id." },
	{ "subject_id", "string", "Only what happened to this object." },
	{ NULL, NULL, NULL },
};
static const struct ud_parameter chains[] = {
	{ "after", "string", "Only records after this one: a cursor." },
	{ "customer_id", "string", "Whose chain; that of the installation when not given." },
	{ NULL, NULL, NULL },
};
static const struct ud_parameter choices[] = {
	{ "types", "string", "Types of events, comma-separated." },
	{ "after", "string", "Only what happened after this one: a cursor, or an event's id." },
	{ "subject_id", "string", "Only what happened to this object." },
	{ NULL, NULL, NULL },
};
static const struct ud_parameter streamed[] = {
	{ "types", "string", "Types of events, comma-separated." },
	{ "after", "string", "Where to begin; Last-Event-ID stands before it." },
	{ NULL, NULL, NULL },
};

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET", "/v1/events",               "events.list",          UD_PEOPLE, "events:read", UD_LIST, .answer = &ud_event_shape, .handle = list_events, .parameters = choices, .about = "List what happened, oldest first, after a cursor; types narrows it." },
	{ "GET", "/v1/events/stream",        "events.stream",        UD_PEOPLE, "events:read", UD_STREAM, .handle = stream, .parameters = streamed, .about = "Follow what happens as server-sent events; Last-Event-ID resumes." },
	{ "GET", "/v1/events/types",         "events.types",         UD_PEOPLE, "events:read", UD_WHOLE, .answer = &type_shape, .handle = list_types, .about = "List the types of events there are." },
	{ "GET", "/v1/events/{id}",          "events.show",          UD_PEOPLE, "events:read", 0, .answer = &ud_event_shape, .handle = show_event, .about = "Show one event." },
	{ "GET", "/v1/vms/{id}/timeline",    "vms.timeline",         UD_PEOPLE, "vms:read",    UD_LIST, .answer = &ud_event_shape, .handle = timeline, .about = "List what happened to a VM, newest first." },
	{ "GET", "/v1/audit-records",        "audit-records.list",   AUDIT,     "audit:read",  UD_LIST, .answer = &audit_shape, .handle = list_audit, .parameters = places, .about = "List who did what, newest first." },
	{ "GET", "/v1/audit-records/verify", "audit-records.verify", AUDIT,     "audit:read",  0, .answer = &verify_shape, .handle = verify, .about = "Check the chain of hashes over all records one may see." },
	{ "GET", "/v1/audit-records/export", "audit-records.export", AUDIT,     "audit:read",  UD_LIST, .answer = &line_shape, .handle = export_chain, .parameters = chains, .about = "List one chain's records, oldest first, as lines of a file that understudy verify checks offline." },
	{ "POST", "/v1/audit-records/seal",  "audit-records.seal",   AUDIT,     "audit:read",  UD_WRITE, .answer = &seal_shape, .handle = seal_heads, .about = "Seal the heads of the chains one may see: the first line of such a file." },
	{ "GET", "/v1/audit-records/{id}",   "audit-records.show",   AUDIT,     "audit:read",  0, .answer = &audit_shape, .handle = show_audit, .about = "Show one audit record." },
};
/* clang-format on */
const struct ud_routes ud_api_events = { "Events", rows, UD_LEN(rows) };
