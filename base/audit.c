/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing and checking the audit log as a file. A line holds nothing but what its hash covers, and
 * there is one way to write it: so no letter can be changed without a trace.
 */
#include "base/audit.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/crypto.h"
#include "base/shape.h"

#define PLACE(name)                                         \
	{                                                   \
#name, offsetof(struct ud_audit_line, name) \
	}

/* The texts that a hash covers, in its order. */
static const struct {
	const char *key;
	size_t offset;
} texts[] = {
	PLACE(previous_hash),
	PLACE(id),
	PLACE(customer_id),
	PLACE(type),
	PLACE(actor_kind),
	PLACE(actor_id),
	PLACE(actor_name),
	PLACE(on_behalf_of),
	PLACE(via),
	PLACE(address),
	PLACE(request_id),
	PLACE(subject_object),
	PLACE(subject_id),
	PLACE(data),
	PLACE(previous),
};

enum { MEMBERS = UD_LEN(texts) + 3 }; /* seq, created_at, hash */

static const char **text_at(struct ud_audit_line *line, size_t i)
{
	return (const char **)((char *)line + texts[i].offset);
}

/* One member of the canonical text: its length makes the text unambiguous; "-" is null. */
static void canonical(struct ud_buf *b, const char *text)
{
	if (text)
		ud_buf_printf(b, "%zu:%s\n", strlen(text), text);
	else
		ud_buf_puts(b, "-\n");
}

const char *ud_audit_hash(struct ud_ctx *cx, const struct ud_audit_line *line)
{
	struct ud_audit_line l = *line;
	struct ud_buf b = { 0 };
	char *hex = ud_alloc(cx->arena, UD_SHA256_HEX);

	ud_buf_printf(&b, "%lld %lld\n", (long long)l.seq, (long long)l.created_at);
	for (size_t i = 0; i < UD_LEN(texts); i++)
		canonical(&b, *text_at(&l, i));
	ud_sha256_hex(b.data, b.len, hex);
	ud_buf_free(&b);
	return hex;
}

void ud_audit_line_write(struct ud_ctx *cx, struct ud_buf *out, const struct ud_audit_line *line)
{
	struct ud_audit_line l = *line;
	json_t *v = json_object();

	json_object_set_new(v, "seq", json_integer(l.seq));
	json_object_set_new(v, "created_at", json_integer(l.created_at));
	json_object_set_new(v, "hash", json_string(l.hash));
	for (size_t i = 0; i < UD_LEN(texts); i++) {
		const char *text = *text_at(&l, i);

		json_object_set_new(v, texts[i].key, text ? json_string(text) : json_null());
	}
	ud_buf_puts(out, ud_json_text(cx->arena, v, JSON_COMPACT | JSON_SORT_KEYS));
	json_decref(v);
}

/* ---- checking ---- */

static void find(struct ud_audit_check *c, const char *what)
{
	struct ud_evidence_report *r = c->report;

	r->intact = false;
	if (r->count < UD_EVIDENCE_FINDINGS)
		r->findings[r->count++] = (struct ud_evidence_finding){
			ud_printf(c->keep, "line %lld", (long long)c->row), what
		};
}

bool ud_audit_is(const char *text)
{
	return strstr(text, "\"schema\":\"" UD_AUDIT_SCHEMA "\"") != NULL;
}

void ud_audit_check_begin(struct ud_ctx *cx, struct ud_audit_check *c, const char *text, size_t n,
	const char *const *known, size_t known_n, struct ud_evidence_report *report)
{
	json_t *first = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);

	*c = (struct ud_audit_check){ .report = report, .keep = cx->arena, .row = 1 };
	ud_seal_verify(cx, text, n, UD_AUDIT_SCHEMA, known, known_n, report);
	c->heads = json_incref(json_object_get(first, "heads"));
	report->parts = (int64_t)json_array_size(c->heads);
	if (!json_is_array(c->heads))
		find(c, "The first line names no chains.");
	json_decref(first);
}

/* A record from its line; false when it is not exactly what a writer writes. */
static bool read_line(struct ud_ctx *cx, const char *text, size_t n, struct ud_audit_line *ret)
{
	json_t *v = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	struct ud_buf again = { 0 };
	bool fine = json_object_size(v) == MEMBERS;

	*ret = (struct ud_audit_line){
		.seq = json_integer_value(json_object_get(v, "seq")),
		.created_at = json_integer_value(json_object_get(v, "created_at")),
	};
	for (size_t i = 0; fine && i < UD_LEN(texts); i++) {
		const char *s = json_string_value(json_object_get(v, texts[i].key));

		*text_at(ret, i) = s ? ud_strdup(cx->arena, s) : NULL;
	}
	const char *hash = json_string_value(json_object_get(v, "hash"));

	ret->hash = ud_strdup(cx->arena, hash ? hash : "");
	ud_audit_line_write(cx, &again, ret);
	fine = fine && ret->previous_hash && again.len == n && memcmp(again.data, text, n) == 0;
	ud_buf_free(&again);
	json_decref(v);
	return fine;
}

static const char *head_text(const struct ud_audit_check *c, const char *key)
{
	const char *s = json_string_value(json_object_get(json_array_get(c->heads, c->chain), key));

	return s ? s : "";
}

static int64_t head_seq(const struct ud_audit_check *c)
{
	return json_integer_value(json_object_get(json_array_get(c->heads, c->chain), "seq"));
}

/* A chain has ended: is this where it ended when it was sealed? */
static void close_chain(struct ud_audit_check *c)
{
	if (c->seq != head_seq(c) || strcmp(c->hash, head_text(c, "hash")) != 0)
		find(c, "Records before the end of a chain that was sealed are missing.");
	c->chain++;
	c->seq = 0;
	c->hash[0] = '\0';
}

/* Go on to the chain that the record is of, over those that have ended. */
static bool seek(struct ud_audit_check *c, const struct ud_audit_line *line)
{
	const char *wanted = line->customer_id ? line->customer_id : "";
	size_t count = json_array_size(c->heads), to = c->chain;
	struct ud_audit_check at = *c;

	for (; to < count; at.chain = ++to)
		if (strcmp(head_text(&at, "customer_id"), wanted) == 0)
			break;
	if (to == count)
		return false;
	while (c->chain < to)
		close_chain(c);
	return true;
}

static const char *wrong(
	struct ud_ctx *cx, const struct ud_audit_check *c, const struct ud_audit_line *l)
{
	if (l->seq != c->seq + 1)
		return "The chain breaks here: a record was dropped, doubled or moved.";
	if (l->seq > head_seq(c))
		return "This record was added after the file was sealed.";
	if (strcmp(l->previous_hash, c->hash) != 0)
		return "The chain breaks here: this does not follow the record before.";
	return strcmp(ud_audit_hash(cx, l), l->hash) == 0 ? NULL : "This record was changed.";
}

void ud_audit_check_line(struct ud_ctx *cx, struct ud_audit_check *c, const char *text, size_t n)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx own = *cx;
	struct ud_audit_line l;

	own.arena = arena;
	c->row++;
	c->report->lines++;
	if (!read_line(&own, text, n, &l)) {
		find(c, "This line is not as a record is written.");
		return;
	}
	const char *what =
		seek(c, &l) ? wrong(&own, c, &l) : "This record is of no chain whose turn it is.";

	if (what)
		find(c, what);
	c->seq = l.seq;
	snprintf(c->hash, sizeof(c->hash), "%s", l.hash);
}

void ud_audit_check_end(struct ud_ctx *cx, struct ud_audit_check *c)
{
	(void)cx;
	while (c->chain < json_array_size(c->heads))
		close_chain(c);
	json_decref(c->heads);
	c->heads = NULL;
}
