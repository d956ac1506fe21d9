/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Macros: the support team's, with words of the ticket that are filled in when one is used. A word
 * that nobody knows is refused when the macro is written, and not when a customer reads it.
 */
#include "api/macros.h"

#include <string.h>

#include "api/api.h"
#include "base/buf.h"
#include "db/macros.h"

enum word { NUMBER, SUBJECT, REQUESTER, ME, WORDS };
static const char *const words[] = { [NUMBER] = "ticket.number",
	[SUBJECT] = "ticket.subject",
	[REQUESTER] = "requester.name",
	[ME] = "me.name" };
_Static_assert(UD_LEN(words) == WORDS, "a name for every word");

/* Which word stands between {{ and }} at the beginning of a text; *ret_n = what it takes. WORDS
 * when there is none of ours. */
static enum word word_at(const char *text, size_t *ret_n)
{
	const char *end = strstr(text, "}}");
	enum word w = NUMBER;

	while (end && w < WORDS &&
		(strlen(words[w]) != (size_t)(end - text) - 2 ||
			strncmp(text + 2, words[w], strlen(words[w])) != 0))
		w++;
	*ret_n = end ? (size_t)(end - text) + 2 : 2;
	return end ? w : WORDS;
}

static enum ud_code check(struct ud_ctx *cx, const void *old_row, void *row)
{
	const struct ud_macro *m = row;
	size_t n = 0;

	(void)old_row;
	for (const char *p = m->body; (p = strstr(p, "{{")); p += n)
		if (word_at(p, &n) == WORDS)
			return ud_fail_field(cx, "body", "unknown_word",
				"body has {{ with a word that there is not; see its description.");
	return UD_OK;
}

enum ud_code ud_macro_fill(
	struct ud_ctx *cx, const char *macro_id, const struct ud_ticket *t, const char **ret)
{
	const char *values[WORDS] = { [NUMBER] = t->number,
		[SUBJECT] = t->subject,
		[REQUESTER] = t->requester_name,
		[ME] = cx->scope->name };
	struct ud_macro m = { 0 };
	struct ud_buf out = { 0 };
	const char *p, *next;
	size_t n = 0;

	UD_TRY(ud_row_get(cx, &ud_macros, macro_id, &m));
	for (p = m.body; (next = strstr(p, "{{")); p = next + n) {
		enum word w = word_at(next, &n);

		ud_buf_add(&out, p, (size_t)(next - p));
		ud_buf_puts(&out, w < WORDS && values[w] ? values[w] : "");
	}
	ud_buf_puts(&out, p);
	*ret = ud_buf_take(cx->arena, &out);
	return UD_OK;
}

static const struct ud_resource macros = { .table = &ud_macros, .check = check };

enum { ARRANGE = UD_R(SUPPORT_LEAD) | UD_OPERATOR };

/* clang-format off */
static const struct ud_route rows[] = {
	UD_REST_ROWS("/v1/macros", "macros", "a macro", "macros", UD_STAFF, ARRANGE, &macros),
};
/* clang-format on */
const struct ud_routes ud_api_macros = { "Macros", rows, UD_LEN(rows) };
