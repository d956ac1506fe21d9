/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounds before the parser (it would accept 2,048 levels), then its own strict flags, then a walk
 * that refuses what our API has no use for: reals and integers that other languages cannot hold.
 */
#include <string.h>

#include "base/shape.h"

enum { MAX_DEPTH = 32, MAX_MEMBERS = 2000 };

/* Depth and number of members outside strings. NULL when within bounds. */
static const char *bounds(const char *s, size_t n)
{
	int depth = 0, members = 0;
	bool in_string = false;

	for (size_t i = 0; i < n; i++) {
		if (in_string) {
			if (s[i] == '\\')
				i++;
			else if (s[i] == '"')
				in_string = false;
			continue;
		}
		if (s[i] == '"')
			in_string = true;
		else if (s[i] == '{' || s[i] == '[')
			depth++;
		else if (s[i] == '}' || s[i] == ']')
			depth--;
		else if (s[i] == ',' || s[i] == ':')
			members++;
		if (depth > MAX_DEPTH)
			return "The JSON is nested deeper than 32 levels.";
		if (members > 2 * MAX_MEMBERS)
			return "The JSON has more than 2,000 members.";
	}
	return NULL;
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

enum ud_code ud_json_parse(struct ud_ctx *cx, const char *text, size_t n, json_t **ret)
{
	json_error_t error;
	const char *rule = bounds(text, n);

	if (rule)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "%s", rule);
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
