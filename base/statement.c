/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing, signing and reading statements.
 */
#include "base/statement.h"

#include <string.h>

#include "base/buf.h"
#include "base/crypto.h"
#include "base/failover.h"
#include "base/shape.h"
#include "base/time.h"

enum { CANONICAL = JSON_COMPACT | JSON_SORT_KEYS };

const char *const ud_statement_verdicts[UD_STATEMENT_VERDICTS] = { "valid", "invalid", "missing" };

bool ud_statement_wanted(const char *verb)
{
	return ud_failover_verb(verb) != NULL;
}

/* ---- facts ---- */

/* What the server keeps in the picture's place. */
static void hash_picture(struct ud_ctx *cx, json_t *facts)
{
	static const char prefix[] = "sha256:";
	const char *png = json_string_value(json_object_get(facts, "screenshot"));
	char hex[UD_SHA256_HEX];

	if (!png || strncmp(png, prefix, strlen(prefix)) == 0)
		return;
	ud_sha256_hex(png, strlen(png), hex);
	json_object_set_new(
		facts, "screenshot", json_string(ud_printf(cx->arena, "%s%s", prefix, hex)));
}

static void shorten_points(struct ud_ctx *cx, json_t *facts)
{
	static const char *const kept[] = { "age_ms", "id", "state", "taken_at" };
	json_t *points = json_object_get(facts, "points"), *point, *list;
	size_t i;

	(void)cx;
	if (!json_is_array(points))
		return;
	list = json_array();
	json_array_foreach(points, i, point)
	{
		json_t *brief = json_object();

		for (size_t k = 0; k < UD_LEN(kept); k++) {
			json_t *v = json_object_get(point, kept[k]);

			if (v)
				json_object_set(brief, kept[k], v);
		}
		json_array_append_new(list, brief);
	}
	json_object_set_new(facts, "points", list);
}

/* What is stated otherwise than it is answered. */
static const struct {
	const char *verb;
	void (*change)(struct ud_ctx *cx, json_t *facts);
} changes[] = {
	{ UD_VERB_BOOT_CHECK, hash_picture },
	{ UD_VERB_FENCE, shorten_points },
};

json_t *ud_statement_facts(struct ud_ctx *cx, const char *verb, const char *result)
{
	json_t *facts = json_loads(result, JSON_REJECT_DUPLICATES, NULL);

	if (!json_is_object(facts)) {
		json_decref(facts);
		return NULL;
	}
	for (size_t i = 0; i < UD_LEN(changes); i++)
		if (strcmp(changes[i].verb, verb) == 0)
			changes[i].change(cx, facts);
	return facts;
}

/* ---- writing ---- */

static json_t *instant(int64_t ms)
{
	char at[UD_TIME_TEXT];

	ud_time_format(ms, at);
	return json_string(at);
}

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

static json_t *marks_of(const struct ud_statement *in)
{
	json_t *list = json_array();

	for (size_t i = 0; i < in->mark_count; i++)
		json_array_append_new(list,
			json_pack("{s:s,s:I}", "point", in->marks[i].point, "after_ms",
				(json_int_t)in->marks[i].after_ms));
	return list;
}

static json_t *tree_of(const struct ud_statement *in, const char *key, json_t *facts)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:s,s:o,s:s,s:s,s:o,s:o,s:I,s:b,s:o,s:o}",
		"schema", UD_STATEMENT_SCHEMA, "agent_id", in->agent_id, "host_id", in->host_id,
		"subject_id", in->subject_id, "command", (json_int_t)in->seq, "epoch",
		(json_int_t)in->epoch, "verb", in->verb, "ticket_id", text_or_null(in->ticket_id),
		"outcome", in->outcome, "key", key, "began_at", instant(in->began_ms), "ended_at",
		instant(in->ended_ms), "took_ms", (json_int_t)in->took_ms, "again", in->again,
		"marks", marks_of(in), "facts", facts);
}

enum ud_code ud_statement_write(struct ud_ctx *cx, const unsigned char key[UD_SIGN_KEY],
	const struct ud_statement *in, const char **ret_text, const char **ret_signature)
{
	unsigned char public_key[UD_SIGN_PUBLIC], signature[UD_SIGNATURE];
	json_t *facts = ud_statement_facts(cx, in->verb, in->result ? in->result : "{}");

	if (!facts)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "the answer is no JSON object");
	ud_sign_public(key, public_key);
	json_t *tree = tree_of(in, ud_hex(cx->arena, public_key, sizeof(public_key)), facts);
	const char *text = tree ? ud_json_text(cx->arena, tree, CANONICAL) : NULL;

	json_decref(tree);
	if (!text)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "a part of the statement is no text");
	if (strlen(text) > UD_STATEMENT_MAX)
		return ud_fail(
			cx, UD_E_BODY_TOO_LARGE, NULL, "the statement has %zu bytes", strlen(text));
	ud_sign(key, text, strlen(text), signature);
	*ret_text = text;
	*ret_signature = ud_base64url(cx->arena, signature, sizeof(signature));
	return UD_OK;
}

/* ---- reading ---- */

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_key(const char *hex, unsigned char out[UD_SIGN_PUBLIC])
{
	if (!hex || strlen(hex) != UD_STATEMENT_KEY_HEX)
		return false;
	for (size_t i = 0; i < UD_SIGN_PUBLIC; i++) {
		int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

bool ud_statement_signed(
	struct ud_ctx *cx, const char *key_hex, const char *text, const char *signature)
{
	unsigned char public_key[UD_SIGN_PUBLIC];
	size_t n = 0;
	unsigned char *raw = signature ? ud_base64url_decode(cx->arena, signature, &n) : NULL;

	return text && raw && n == UD_SIGNATURE && read_key(key_hex, public_key) &&
		strcmp(ud_base64url(cx->arena, raw, n), signature) == 0 &&
		ud_sign_verify(public_key, text, strlen(text), raw);
}

static bool says(const json_t *tree, const char *member, const char *wanted)
{
	const char *is = json_string_value(json_object_get(tree, member));

	return is && wanted && strcmp(is, wanted) == 0;
}

const char *ud_statement_about(
	struct ud_ctx *cx, const char *text, const struct ud_statement *like, json_t **ret)
{
	json_t *tree = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	const char *wrong = NULL;

	if (!json_is_object(tree) || !says(tree, "schema", UD_STATEMENT_SCHEMA))
		wrong = "It is no statement.";
	else if (strcmp(ud_json_text(cx->arena, tree, CANONICAL), text) != 0)
		wrong = "It is not in canonical form.";
	else if (!says(tree, "agent_id", like->agent_id) || !says(tree, "host_id", like->host_id))
		wrong = "It is another agent's.";
	else if (!says(tree, "subject_id", like->subject_id) || !says(tree, "verb", like->verb) ||
		json_integer_value(json_object_get(tree, "command")) != like->seq)
		wrong = "It is about another command.";
	if (ret)
		*ret = json_is_object(tree) ? tree : NULL;
	if (!ret || !*ret)
		json_decref(tree);
	return wrong;
}

static const char *kept_text(struct ud_ctx *cx, const json_t *tree, const char *member)
{
	const char *text = json_string_value(json_object_get(tree, member));

	return text ? ud_strdup(cx->arena, text) : NULL;
}

static bool same_answer(struct ud_ctx *cx, const json_t *tree, const struct ud_statement *like)
{
	json_t *facts = ud_statement_facts(cx, like->verb, like->result ? like->result : "{}");
	bool same = facts && json_equal(facts, json_object_get(tree, "facts")) &&
		says(tree, "outcome", like->outcome);

	json_decref(facts);
	return same;
}

const char *ud_statement_answers(struct ud_ctx *cx, const char *text,
	const struct ud_statement *like, struct ud_statement_told *ret)
{
	json_t *tree = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const json_t *took = json_object_get(tree, "took_ms");
	struct ud_statement its = *like;

	its.agent_id = ret->agent_id = kept_text(cx, tree, "agent_id");
	ret->key = kept_text(cx, tree, "key");
	ret->took_ms = json_is_integer(took) ? json_integer_value(took) : UD_NONE;
	const char *wrong = ud_statement_about(cx, text, &its, NULL);

	if (!wrong && !same_answer(cx, tree, like))
		wrong = "It states something else than the answer.";
	json_decref(tree);
	return wrong;
}
