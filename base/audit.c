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

/* How a member stands in a record's hash. */
enum part {
	PLAIN,    /* as it is */
	PERSONAL, /* by the digest, where there is one */
	SALT,     /* in front of the digest */
	DIGEST    /* as it is, where it is there */
};

#define PLACE(name, part)                                         \
	{                                                         \
#name, offsetof(struct ud_audit_line, name), part \
	}

/* The texts of a record, in the order in which they are hashed. */
static const struct {
	const char *key;
	size_t offset;
	enum part part;
} texts[] = {
	PLACE(previous_hash, PLAIN),
	PLACE(id, PLAIN),
	PLACE(customer_id, PLAIN),
	PLACE(type, PLAIN),
	PLACE(actor_kind, PLAIN),
	PLACE(actor_id, PLAIN),
	PLACE(actor_name, PERSONAL),
	PLACE(on_behalf_of, PLAIN),
	PLACE(via, PLAIN),
	PLACE(address, PERSONAL),
	PLACE(request_id, PLAIN),
	PLACE(subject_object, PLAIN),
	PLACE(subject_id, PLAIN),
	PLACE(data, PERSONAL),
	PLACE(previous, PERSONAL),
	PLACE(salt, SALT),
	PLACE(personal_digest, DIGEST),
};

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

/* Append those members whose part is among the parts (bits). */
static void add_parts(struct ud_buf *b, const struct ud_audit_line *line, unsigned parts)
{
	struct ud_audit_line l = *line;

	for (size_t i = 0; i < UD_LEN(texts); i++)
		if (parts & 1U << texts[i].part)
			canonical(b, *text_at(&l, i));
}

static const char *digest_of(struct ud_ctx *cx, struct ud_buf *b)
{
	char *hex = ud_alloc(cx->arena, UD_SHA256_HEX);

	ud_sha256_hex(b->data, b->len, hex);
	ud_buf_free(b);
	return hex;
}

const char *ud_audit_personal(struct ud_ctx *cx, const struct ud_audit_line *line)
{
	struct ud_buf b = { 0 };

	canonical(&b, line->salt);
	add_parts(&b, line, 1U << PERSONAL);
	return digest_of(cx, &b);
}

const char *ud_audit_hash(struct ud_ctx *cx, const struct ud_audit_line *line)
{
	struct ud_buf b = { 0 };

	ud_buf_printf(&b, "%lld %lld\n", (long long)line->seq, (long long)line->created_at);
	add_parts(&b, line, 1U << PLAIN | 1U << (line->personal_digest ? DIGEST : PERSONAL));
	return digest_of(cx, &b);
}

bool ud_audit_emptied(const struct ud_audit_line *line)
{
	struct ud_audit_line l = *line;
	bool any = l.salt != NULL;

	for (size_t i = 0; i < UD_LEN(texts); i++)
		any = any || (texts[i].part == PERSONAL && *text_at(&l, i));
	return l.personal_digest && !any;
}

bool ud_audit_asks_erasure(const struct ud_audit_line *line)
{
	return strcmp(line->type, UD_ERASURE_BEGUN) == 0 && line->customer_id && line->subject_id &&
		strcmp(line->subject_id, line->customer_id) == 0 && !ud_audit_emptied(line);
}

bool ud_audit_whole(struct ud_ctx *cx, const struct ud_audit_line *line)
{
	if (!line->hash || strcmp(ud_audit_hash(cx, line), line->hash) != 0)
		return false;
	if (!line->personal_digest || ud_audit_emptied(line))
		return !line->salt;
	return line->salt && strcmp(ud_audit_personal(cx, line), line->personal_digest) == 0;
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

		if (texts[i].part >= SALT && !l.personal_digest)
			continue;
		json_object_set_new(v, texts[i].key, text ? json_string(text) : json_null());
	}
	ud_buf_puts(out, ud_json_text(cx->arena, v, JSON_COMPACT | JSON_SORT_KEYS));
	json_decref(v);
}

/* ---- checking ---- */

static void find_at(struct ud_audit_check *c, int64_t row, const char *what)
{
	struct ud_evidence_report *r = c->report;

	r->intact = false;
	if (r->count < UD_EVIDENCE_FINDINGS)
		r->findings[r->count++] = (struct ud_evidence_finding){
			ud_printf(c->keep, "line %lld", (long long)row), what
		};
}

static void find(struct ud_audit_check *c, const char *what)
{
	find_at(c, c->row, what);
}

bool ud_audit_is(const char *text)
{
	return strstr(text, "\"schema\":\"" UD_AUDIT_SCHEMA "\"") ||
		strstr(text, "\"schema\":\"" UD_AUDIT_SCHEMA_1 "\"");
}

void ud_audit_check_begin(struct ud_ctx *cx, struct ud_audit_check *c, const char *text, size_t n,
	const char *const *known, size_t known_n, struct ud_evidence_report *report)
{
	json_t *first = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	const char *schema = json_string_value(json_object_get(first, "schema"));
	bool older = schema && strcmp(schema, UD_AUDIT_SCHEMA_1) == 0;

	*c = (struct ud_audit_check){ .report = report, .keep = cx->arena, .row = 1 };
	ud_seal_verify(
		cx, text, n, older ? UD_AUDIT_SCHEMA_1 : UD_AUDIT_SCHEMA, known, known_n, report);
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
	bool fine = json_is_object(v);

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
	if (c->emptied && !c->asked)
		find_at(c, c->emptied, UD_AUDIT_NOT_ASKED);
	c->emptied = 0;
	c->asked = false;
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
	return ud_audit_whole(cx, l) ? NULL : "This record was changed.";
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
	else if (ud_audit_emptied(&l) && !c->emptied)
		c->emptied = c->row;
	c->asked = c->asked || (!what && ud_audit_asks_erasure(&l));
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
