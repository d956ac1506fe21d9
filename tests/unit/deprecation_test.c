/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A route row that is on its way out says so in every answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "server/http/respond.h"

static const char *value_of(const struct ud_request *rq, const char *name)
{
	for (size_t i = 0; i < rq->header_count; i++)
		if (strcmp(rq->headers[i].name, name) == 0)
			return rq->headers[i].value;
	return NULL;
}

static void a_deprecated_row_says_since_when_and_until_when(void **state)
{
	static const struct ud_route row = { .deprecated_at = 1798761600, .sunset_at = 1830297599 };
	struct ud_request rq = { .route = &row };

	(void)state;
	rq.cx.arena = ud_arena_new();
	ud_answer_deprecation(&rq);
	assert_string_equal(value_of(&rq, "Deprecation"), "@1798761600");
	assert_string_equal(value_of(&rq, "Sunset"), "Fri, 31 Dec 2027 23:59:59 GMT");
	ud_arena_release(&rq.cx.arena);
}

static void any_other_row_says_nothing(void **state)
{
	static const struct ud_route row = { .path = "/v1/hosts" };
	struct ud_request rq = { .route = &row };

	(void)state;
	ud_answer_deprecation(&rq);
	assert_int_equal(rq.header_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deprecated_row_says_since_when_and_until_when),
		cmocka_unit_test(any_other_row_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
