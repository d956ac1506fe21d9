/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounds before the parser (it would accept 2,048 levels), then its own strict flags, then a walk
 * that refuses what our API has no use for: reals and integers that other languages cannot hold.
 */
#include <stdlib.h>
#include <string.h>

#include "base/shape.h"

enum { MAX_DEPTH = 32 };

/*
 * Depth and number of members outside strings: each list or object has one more member than commas.
 * NULL when within bounds, else the rule, and where.
 */
static const char *bounds(struct ud_ctx *cx, const char *s, size_t n, int most, size_t *ret_at)
{
	int depth = 0, members = 0;
	bool in_string = false;

	for (size_t i = 0; i < n; i++) {
		*ret_at = i;
		if (in_string) {
			if (s[i] == '\\')
				i++;
			else if (s[i] == '"')
				in_string = false;
			continue;
		}
		if (s[i] == '"')
			in_string = true;
		else if (s[i] == '}' || s[i] == ']')
			depth--;
		bool opens = s[i] == '{' || s[i] == '[';

		depth += opens;
		members += opens || s[i] == ',';
		if (depth > MAX_DEPTH)
			return "the JSON is nested deeper than 32 levels";
		if (members > most)
			return ud_printf(cx->arena, "the JSON has more than %d members", most);
	}
	return NULL;
}

static enum ud_code fail_at(struct ud_ctx *cx, const char *text, size_t at, const char *rule)
{
	int line = 1, column = 1;

	for (size_t i = 0; i < at; i++) {
		column = text[i] == '\n' ? 1 : column + 1;
		line += text[i] == '\n';
	}
	return ud_fail(cx, UD_E_MALFORMED, NULL, "Line %d, column %d: %s.", line, column, rule);
}

static const char *walk(json_t *v)
{
	const char *key, *rule = NULL;
	json_t *child;
	size_t i;

	switch (json_typeof(v)) {
	case JSON_REAL:
		return "Numbers are integers; fractions are not taken.";
	case JSON_INTEGER:
		if (json_integer_value(v) > (INT64_C(1) << 53) ||
			json_integer_value(v) < -(INT64_C(1) << 53))
			return "An integer is beyond 2^53.";
		return NULL;
	case JSON_OBJECT:
		json_object_foreach(v, key, child) if ((rule = walk(child))) return rule;
		return NULL;
	case JSON_ARRAY:
		json_array_foreach(v, i, child) if ((rule = walk(child))) return rule;
		return NULL;
	default:
		return NULL;
	}
}

enum ud_code ud_json_parse(struct ud_ctx *cx, const char *text, size_t n, int members, json_t **ret)
{
	json_error_t error;
	size_t at = 0;
	const char *rule = bounds(cx, text, n, members, &at);

	if (rule)
		return fail_at(cx, text, at, rule);
	json_t *v = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);

	if (!v)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "Line %d, column %d: %s.", error.line,
			error.column, error.text);
	rule = walk(v);
	if (rule) {
		json_decref(v);
		return ud_fail(cx, UD_E_MALFORMED, NULL, "%s", rule);
	}
	*ret = v;
	return UD_OK;
}

const char *ud_json_text(ud_arena *arena, const json_t *v, size_t flags)
{
	char *text = v ? json_dumps(v, flags | JSON_ENCODE_ANY) : NULL;
	const char *copy = ud_strdup(arena, text ? text : "null");

	free(text);
	return copy;
}
