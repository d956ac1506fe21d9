/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many calls in one: the calls come from a file or the line, each has a row in what is printed.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

json_t *ud_cli_document(const char *text)
{
	if (strcmp(text, "-") == 0)
		return json_loadf(stdin, 0, NULL);
	return *text == '@' ? json_load_file(text + 1, 0, NULL) : json_loads(text, 0, NULL);
}

/* What a table has room for. */
static json_t *row_of(size_t i, json_t *result)
{
	json_t *body = json_object_get(result, "body");
	bool failed = json_integer_value(json_object_get(result, "status")) >= 400;

	return json_pack("{s:I, s:O, s:O?, s:O?, s:O?}", "item", (json_int_t)i, "status",
		json_object_get(result, "status"), "id", json_object_get(body, "id"), "code",
		failed ? json_object_get(body, "code") : NULL, "detail",
		failed ? json_object_get(body, "detail") : NULL);
}

/* Programs get the answer as it is. */
static json_t *view_of(const struct cli *c, json_t *json)
{
	json_t *rows, *result;
	size_t i;

	if (c->jq || strcmp(c->output, "json") == 0 || strcmp(c->output, "yaml") == 0)
		return json_incref(json);
	rows = json_array();
	json_array_foreach(json_object_get(json, "results"), i, result)
		json_array_append_new(rows, row_of(i, result));
	return json_pack("{s:o, s:b}", "data", rows, "has_more", 0);
}

int ud_cli_batch_print(struct cli *c, json_t *json)
{
	json_t *view = view_of(c, json), *results = json_object_get(json, "results"), *result;
	int code = c->quiet ? CLI_DONE : ud_cli_print(c, view, NULL), first = CLI_DONE, failed = 0;
	size_t i;

	json_array_foreach(results, i, result)
	{
		int one = ud_cli_status_code(
			(int)json_integer_value(json_object_get(result, "status")));

		failed += one != CLI_DONE;
		first = first == CLI_DONE ? one : first;
	}
	if (failed && !c->quiet)
		fprintf(stderr, "%d of %zu calls failed.\n", failed, json_array_size(results));
	json_decref(view);
	return code == CLI_DONE ? first : code;
}
