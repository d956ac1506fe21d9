/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing and checking evidence. The seal signs the digest of the canonical document without the
 * seal; digests per part are what lets a check name the part that was touched.
 */
#include "base/evidence.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/crypto.h"
#include "base/evidence_inside.h"
#include "base/shape.h"

enum { CANONICAL = JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY };

static const char *canonical_of(struct ud_ctx *cx, const json_t *v)
{
	return ud_json_text(cx->arena, v, CANONICAL);
}

static const char *hash_of(struct ud_ctx *cx, const char *text)
{
	char hex[UD_SHA256_HEX];

	ud_sha256_hex(text, strlen(text), hex);
	return ud_strdup(cx->arena, hex);
}

static json_t *parse(const char *text, size_t n, json_error_t *error)
{
	return json_loadb(text, n, JSON_REJECT_DUPLICATES, error);
}

enum ud_code ud_canonical(struct ud_ctx *cx, const char *text, size_t n, const char **ret)
{
	json_error_t error;
	json_t *v = parse(text, n, &error);

	if (!v)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "%s (line %d, column %d)", error.text,
			error.line, error.column);
	*ret = canonical_of(cx, v);
	json_decref(v);
	return UD_OK;
}

/* ---- parts ---- */

/* The hash of a line: over the hash before it and the line without its own. */
static const char *line_hash(struct ud_ctx *cx, const char *before, json_t *line)
{
	json_t *copy = json_copy(line);

	json_object_del(copy, "hash");
	const char *hash =
		hash_of(cx, ud_printf(cx->arena, "%s\n%s", before, canonical_of(cx, copy)));

	json_decref(copy);
	return hash;
}

static bool is_outside(const char *key)
{
	return strcmp(key, "digests") == 0 || strcmp(key, "seal") == 0;
}

/* Called for each part: a member, or each item of a member that is a list. */
typedef void part_visitor(struct ud_ctx *cx, void *data, const char *pointer, json_t *part);

static void visit_parts(struct ud_ctx *cx, json_t *doc, part_visitor *visit, void *data)
{
	const char *key;
	json_t *value, *item;
	size_t i;

	json_object_foreach(doc, key, value)
	{
		if (is_outside(key))
			continue;
		if (!json_is_array(value)) {
			visit(cx, data, ud_printf(cx->arena, "/%s", key), value);
			continue;
		}
		visit(cx, data, ud_printf(cx->arena, "/%s/#", key), json_object_get(doc, "schema"));
		json_array_foreach(value, i, item)
			visit(cx, data, ud_printf(cx->arena, "/%s/%zu", key, i), item);
	}
}

/* The number of items of a list is a part, too: "/timeline/#". */
static const char *digest_of(struct ud_ctx *cx, json_t *doc, const char *pointer, json_t *part)
{
	size_t n = strlen(pointer);

	if (n < 2 || strcmp(pointer + n - 2, "/#") != 0)
		return hash_of(cx, canonical_of(cx, part));
	const char *key = ud_strndup(cx->arena, pointer + 1, n - 3);

	return hash_of(cx, ud_printf(cx->arena, "%zu", json_array_size(json_object_get(doc, key))));
}

/* ---- sealing ---- */

struct digesting {
	json_t *doc, *digests;
};

static void add_digest(struct ud_ctx *cx, void *data, const char *pointer, json_t *part)
{
	struct digesting *d = data;

	json_object_set_new(d->digests, pointer, json_string(digest_of(cx, d->doc, pointer, part)));
}

static void chain(struct ud_ctx *cx, json_t *timeline)
{
	const char *before = "";
	json_t *line;
	size_t i;

	json_array_foreach(timeline, i, line)
	{
		before = line_hash(cx, before, line);
		json_object_set_new(line, "hash", json_string(before));
	}
}

static void hash_pictures(struct ud_ctx *cx, json_t *pictures)
{
	json_t *picture;
	size_t i;

	json_array_foreach(pictures, i, picture)
	{
		const char *png = json_string_value(json_object_get(picture, "png"));

		json_object_set_new(picture, "sha256", json_string(hash_of(cx, png ? png : "")));
	}
}

static const char *unsealed(struct ud_ctx *cx, json_t *doc)
{
	json_t *copy = json_copy(doc);

	json_object_del(copy, "seal");
	const char *text = canonical_of(cx, copy);

	json_decref(copy);
	return text;
}

static void seal(struct ud_ctx *cx, json_t *doc, const unsigned char key[UD_SIGN_KEY])
{
	unsigned char public_key[UD_SIGN_PUBLIC], signature[UD_SIGNATURE];
	const char *digest = hash_of(cx, unsealed(cx, doc));

	ud_sign_public(key, public_key);
	ud_sign(key, digest, strlen(digest), signature);
	json_object_set_new(doc, "seal",
		json_pack("{s:s,s:s,s:s,s:s}", "algorithm", "ed25519", "digest", digest,
			"public_key", ud_hex(cx->arena, public_key, sizeof(public_key)),
			"signature", ud_base64url(cx->arena, signature, sizeof(signature))));
}

enum ud_code ud_evidence_seal(
	struct ud_ctx *cx, const char *text, const unsigned char key[UD_SIGN_KEY], const char **ret)
{
	json_error_t error;
	json_t *doc = parse(text, strlen(text), &error);
	struct digesting d = { doc, json_object() };

	if (!json_is_object(doc)) {
		json_decref(doc);
		json_decref(d.digests);
		return ud_fail(
			cx, UD_E_INTERNAL, NULL, "evidence is no JSON object: %s", error.text);
	}
	json_object_set_new(doc, "schema", json_string(UD_EVIDENCE_SCHEMA));
	chain(cx, json_object_get(doc, "timeline"));
	hash_pictures(cx, json_object_get(doc, "pictures"));
	visit_parts(cx, doc, add_digest, &d);
	json_object_set_new(doc, "digests", d.digests);
	seal(cx, doc, key);
	*ret = canonical_of(cx, doc);
	json_decref(doc);
	return UD_OK;
}

enum ud_code ud_seal_make(struct ud_ctx *cx, const char *text, const char *schema,
	const unsigned char key[UD_SIGN_KEY], const char **ret)
{
	json_error_t error;
	json_t *doc = parse(text, strlen(text), &error);

	if (!json_is_object(doc)) {
		json_decref(doc);
		return ud_fail(cx, UD_E_INTERNAL, NULL, "this is no JSON object: %s", error.text);
	}
	json_object_set_new(doc, "schema", json_string(schema));
	seal(cx, doc, key);
	*ret = canonical_of(cx, doc);
	json_decref(doc);
	return UD_OK;
}

/* ---- checking ---- */

void ud_evidence_find(struct ud_evidence_report *r, const char *where, const char *what)
{
	r->intact = false;
	if (r->count < UD_EVIDENCE_FINDINGS)
		r->findings[r->count++] = (struct ud_evidence_finding){ where, what };
}

struct checking {
	json_t *doc, *digests;
	struct ud_evidence_report *report;
};

static void check_part(struct ud_ctx *cx, void *data, const char *pointer, json_t *part)
{
	struct checking *c = data;
	const char *said = json_string_value(json_object_get(c->digests, pointer));

	c->report->parts++;
	if (!said)
		ud_evidence_find(c->report, pointer, "This part was not sealed: it was added.");
	else if (strcmp(said, digest_of(cx, c->doc, pointer, part)) != 0)
		ud_evidence_find(c->report, pointer,
			pointer[strlen(pointer) - 1] == '#' ? "Items were added or dropped here."
							    : "This part is not what was sealed.");
}

/* Parts that were sealed and are not there any more. */
static void check_missing(struct ud_ctx *cx, struct checking *c)
{
	const char *pointer;
	json_t *said;

	json_object_foreach(c->digests, pointer, said)
	{
		char *key = ud_strdup(cx->arena, pointer + (*pointer == '/')),
		     *rest = strchr(key, '/');
		json_t *v;

		if (rest)
			*rest++ = '\0';
		v = json_object_get(c->doc, key);
		if (!v ||
			(rest && strcmp(rest, "#") != 0 &&
				(size_t)strtoul(rest, NULL, 10) >= json_array_size(v)))
			ud_evidence_find(c->report, ud_strdup(cx->arena, pointer),
				"This part was sealed and is missing.");
	}
}

static void check_chain(struct ud_ctx *cx, json_t *timeline, struct ud_evidence_report *r)
{
	const char *before = "";
	json_t *line;
	size_t i;

	json_array_foreach(timeline, i, line)
	{
		const char *said = json_string_value(json_object_get(line, "hash"));
		const char *is = json_is_object(line) ? line_hash(cx, before, line) : "";

		r->lines++;
		if (!said || strcmp(said, is) != 0)
			ud_evidence_find(r, ud_printf(cx->arena, "/timeline/%zu", i),
				"The chain breaks here: a line was changed, dropped or moved.");
		before = said ? said : is;
	}
}

/* A picture belongs to the check that took it: its hash stands in that step's result. */
static void check_taken(
	struct ud_ctx *cx, json_t *doc, json_t *picture, size_t i, struct ud_evidence_report *r)
{
	const char *vm = json_string_value(json_object_get(picture, "vm_id"));
	const char *name = json_string_value(json_object_get(picture, "step"));
	const char *hash = json_string_value(json_object_get(picture, "sha256"));
	json_t *step;
	size_t k;

	json_array_foreach(json_object_get(doc, "steps"), k, step)
	{
		const char *of = json_string_value(json_object_get(step, "vm_id"));
		const char *called = json_string_value(json_object_get(step, "name"));
		const char *result = json_string_value(json_object_get(step, "result"));

		if (vm && name && hash && of && called && result && strcmp(vm, of) == 0 &&
			strcmp(name, called) == 0 && strstr(result, hash))
			return;
	}
	ud_evidence_find(r, ud_printf(cx->arena, "/pictures/%zu", i),
		"No check of this VM took this picture: pictures were swapped or changed.");
}

static void check_pictures(struct ud_ctx *cx, json_t *doc, struct ud_evidence_report *r)
{
	json_t *picture;
	size_t i;

	json_array_foreach(json_object_get(doc, "pictures"), i, picture)
	{
		const char *png = json_string_value(json_object_get(picture, "png"));
		const char *said = json_string_value(json_object_get(picture, "sha256"));

		r->pictures++;
		if (!png || !said || strcmp(said, hash_of(cx, png)) != 0)
			ud_evidence_find(r, ud_printf(cx->arena, "/pictures/%zu/png", i),
				"The picture is not the one with this hash.");
		check_taken(cx, doc, picture, i, r);
	}
}

static void check_plan(struct ud_ctx *cx, json_t *doc, struct ud_evidence_report *r)
{
	const char *plan = json_string_value(json_object_get(doc, "plan"));
	const char *said = json_string_value(json_object_get(doc, "plan_hash"));

	if (!plan || !said ||
		strcmp(said, ud_printf(cx->arena, "sha256:%s", hash_of(cx, plan))) != 0)
		ud_evidence_find(
			r, "/plan", "The plan is not the one that was approved: its hash differs.");
}

static bool read_hex(const char *text, unsigned char *out, size_t n)
{
	if (!text || strlen(text) != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned v;

		if (sscanf(text + 2 * i, "%2x", &v) != 1)
			return false;
		out[i] = (unsigned char)v;
	}
	return true;
}

static void check_signature(struct ud_ctx *cx, json_t *seal, struct ud_evidence_report *r)
{
	unsigned char public_key[UD_SIGN_PUBLIC];
	const char *digest = json_string_value(json_object_get(seal, "digest"));
	const char *text = json_string_value(json_object_get(seal, "signature"));
	size_t n = 0;
	unsigned char *signature = text ? ud_base64url_decode(cx->arena, text, &n) : NULL;

	/* one way to write each: else a letter could be changed without a trace */
	if (!digest || !signature || n != UD_SIGNATURE ||
		strcmp(ud_base64url(cx->arena, signature, n), text) != 0 ||
		!read_hex(r->public_key, public_key, sizeof(public_key)) ||
		strcmp(ud_hex(cx->arena, public_key, sizeof(public_key)), r->public_key) != 0 ||
		!ud_sign_verify(public_key, digest, strlen(digest), signature))
		ud_evidence_find(
			r, "/seal/signature", "The owner of the key did not sign this digest.");
}

static void check_seal(struct ud_ctx *cx, json_t *doc, const char *const *known, size_t known_n,
	struct ud_evidence_report *r)
{
	json_t *s = json_object_get(doc, "seal");
	const char *digest = json_string_value(json_object_get(s, "digest"));
	const char *algorithm = json_string_value(json_object_get(s, "algorithm"));
	size_t i = 0;

	if (!json_is_object(s)) {
		ud_evidence_find(r, "/seal", "There is no seal.");
		return;
	}
	if (!algorithm || strcmp(algorithm, "ed25519") != 0 || json_object_size(s) != 4)
		ud_evidence_find(r, "/seal/algorithm", "The seal is not of the known form.");
	if (!digest || strcmp(digest, hash_of(cx, unsealed(cx, doc))) != 0)
		ud_evidence_find(r, "/seal/digest", "The document is not the one that was sealed.");
	check_signature(cx, s, r);
	while (i < known_n && r->public_key && strcmp(known[i], r->public_key) != 0)
		i++;
	if (known_n && i == known_n)
		ud_evidence_find(
			r, "/seal/public_key", "The seal is not by a key that is believed.");
}

static const char *text_of(struct ud_ctx *cx, json_t *doc, const char *key)
{
	const char *text = json_string_value(json_object_get(doc, key));

	return text ? ud_strdup(cx->arena, text) : NULL;
}

static void check_form(struct ud_ctx *cx, json_t *doc, const char *text, size_t n,
	const char *wanted, struct ud_evidence_report *r)
{
	const char *is = canonical_of(cx, doc), *schema = text_of(cx, doc, "schema");
	size_t at = 0;

	if (n && text[n - 1] == '\n')
		n--;
	while (at < n && is[at] && is[at] == text[at])
		at++;
	if (at != n || is[at])
		ud_evidence_find(r, ud_printf(cx->arena, "byte %zu", at),
			"The file is not in canonical form from here on.");
	if (!schema || strcmp(schema, wanted) != 0)
		ud_evidence_find(
			r, "/schema", "This is not evidence of a version that is known here.");
}

/* The document, with what its head says in the report; NULL when it cannot be read. */
static json_t *open_document(
	struct ud_ctx *cx, const char *text, size_t n, struct ud_evidence_report *ret)
{
	json_error_t error;
	json_t *doc = parse(text, n, &error);

	*ret = (struct ud_evidence_report){ .intact = true };
	if (!json_is_object(doc)) {
		ud_evidence_find(ret,
			ud_printf(cx->arena, "line %d, column %d", error.line, error.column),
			ud_printf(cx->arena, "The file cannot be read: %s.",
				doc ? "no object" : error.text));
		json_decref(doc);
		return NULL;
	}
	ret->id = text_of(cx, doc, "id");
	ret->sealed_at = text_of(cx, doc, "sealed_at");
	ret->public_key = text_of(cx, json_object_get(doc, "seal"), "public_key");
	return doc;
}

void ud_seal_verify(struct ud_ctx *cx, const char *text, size_t n, const char *schema,
	const char *const *known, size_t known_n, struct ud_evidence_report *ret)
{
	json_t *doc = open_document(cx, text, n, ret);

	if (!doc)
		return;
	check_form(cx, doc, text, n, schema, ret);
	check_seal(cx, doc, known, known_n, ret);
	json_decref(doc);
}

void ud_evidence_verify(struct ud_ctx *cx, const char *text, size_t n, const char *const *known,
	size_t known_n, struct ud_evidence_report *ret)
{
	json_t *doc = open_document(cx, text, n, ret);
	struct checking c = { .doc = doc, .report = ret };

	if (!doc)
		return;
	c.digests = json_object_get(doc, "digests");
	check_form(cx, doc, text, n, UD_EVIDENCE_SCHEMA, ret);
	visit_parts(cx, doc, check_part, &c);
	check_missing(cx, &c);
	check_chain(cx, json_object_get(doc, "timeline"), ret);
	check_pictures(cx, doc, ret);
	check_plan(cx, doc, ret);
	ud_evidence_statements(cx, doc, ret);
	check_seal(cx, doc, known, known_n, ret);
	json_decref(doc);
}
