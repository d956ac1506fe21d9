/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appending to a statement. Too long a statement is a bug of ours and ends the process.
 */
#include "db/sql.h"

#include <assert.h>
#include <string.h>

void ud_sql_clear(struct ud_sql *s)
{
	s->len = 0;
	s->text[0] = 0;
	s->count = 0;
}

void ud_sql_add(struct ud_sql *s, const char *text)
{
	size_t n = strlen(text);

	assert(s->len + n < UD_SQL_TEXT);
	memcpy(s->text + s->len, text, n + 1);
	s->len += n;
}

void ud_sql_val(struct ud_sql *s, struct ud_val v)
{
	char name[] = "$00";

	_Static_assert(UD_SQL_VALS < 100, "two digits are enough");
	assert(s->count < UD_SQL_VALS);
	s->vals[s->count++] = v;
	if (s->count < 10) {
		name[1] = (char)('0' + s->count);
		name[2] = 0;
	} else {
		name[1] = (char)('0' + s->count / 10);
		name[2] = (char)('0' + s->count % 10);
	}
	ud_sql_add(s, name);
}
