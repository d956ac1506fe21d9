/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers as tables (libsmartcols), JSON, YAML, CSV or names. Standard output carries data and
 * nothing else.
 */
#include <libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/shape.h"
#include "cli/cli.h"

const char *ud_cli_text(json_t *row, const char *key)
{
	const char *s = json_string_value(json_object_get(row, key));

	return s ? s : "";
}

int64_t ud_cli_int(json_t *row, const char *key, int64_t standard)
{
	json_t *v = json_object_get(row, key);

	return json_is_integer(v) ? json_integer_value(v) : standard;
}

/* A value as one line of text, in the arena. */
static const char *cell(struct cli *c, json_t *v)
{
	if (json_is_string(v))
		return json_string_value(v);
	if (!v || json_is_null(v))
		return "-";
	return ud_json_text(c->cx.arena, v, JSON_COMPACT);
}

/* Column names: --columns, else id where there is one and the schema's short ones, else with wide
 * all that are no objects. */
static json_t *columns_of(struct cli *c, json_t *schema, json_t *first)
{
	const char *wanted = ud_cli_flag(c, "columns"), *key;
	json_t *columns = json_array(), *v, *brief = json_object_get(schema, "x-columns");
	size_t i;

	if (wanted) {
		for (; *wanted;
			wanted += strcspn(wanted, ",") + (wanted[strcspn(wanted, ",")] == ','))
			json_array_append_new(columns, json_stringn(wanted, strcspn(wanted, ",")));
		return columns;
	}
	if (brief && strcmp(c->output, "wide") != 0) {
		if (!first || json_object_get(first, "id"))
			json_array_append_new(columns, json_string("id"));
		json_array_foreach(brief, i, v) if (strcmp(json_string_value(v), "id") != 0)
			json_array_append(columns, v);
		return columns;
	}
	json_object_foreach(first, key, v) if (!json_is_object(v) && strcmp(key, "object") != 0)
		json_array_append_new(columns, json_string(key));
	return columns;
}

/* How many columns have room in a terminal: each as wide as its heading, the first as its longest
 * cell. */
static size_t columns_that_fit(struct cli *c, json_t *rows, json_t *columns, size_t width)
{
	const char *first = json_string_value(json_array_get(columns, 0));
	size_t i, used = strlen(first ? first : "");
	json_t *row;

	json_array_foreach(rows, i, row)
	{
		size_t n = strlen(cell(c, json_object_get(row, first)));

		used = n > used ? n : used;
	}
	for (i = 1; i < json_array_size(columns); i++) {
		used += 1 + strlen(json_string_value(json_array_get(columns, i)));
		if (used > width)
			break;
	}
	return i;
}

/* Leave out what has no room, and say so. */
static void narrow(struct cli *c, json_t *rows, json_t *columns, size_t width)
{
	size_t fit = columns_that_fit(c, rows, columns, width);

	if (fit >= json_array_size(columns))
		return;
	if (!c->quiet)
		fprintf(stderr, "Columns that have no room:");
	while (json_array_size(columns) > fit) {
		if (!c->quiet)
			fprintf(stderr, " %s", json_string_value(json_array_get(columns, fit)));
		json_array_remove(columns, fit);
	}
	if (!c->quiet)
		fputs(" (a wider terminal, -c or -o json)\n", stderr);
}

/* A terminal that is too narrow gets fewer columns and cells cut short, but for the first, which
 * names the thing; what is not a terminal gets all of it. */
static int print_table(struct cli *c, json_t *rows, json_t *columns)
{
	struct libscols_table *t = scols_new_table();
	bool terminal = isatty(STDOUT_FILENO);
	json_t *row, *column;
	size_t i, j;

	if (terminal && !ud_cli_flag(c, "columns"))
		narrow(c, rows, columns, scols_table_get_termwidth(t));
	scols_table_enable_noheadings(t, 0);
	scols_table_enable_colors(t, 0);
	scols_table_enable_maxout(t, 0);
	json_array_foreach(columns, j, column) scols_table_new_column(
		t, json_string_value(column), 0, terminal && j ? SCOLS_FL_TRUNC : 0);
	json_array_foreach(rows, i, row)
	{
		struct libscols_line *line = scols_table_new_line(t, NULL);

		json_array_foreach(columns, j, column) scols_line_set_data(line, j,
			ud_cli_local(c, cell(c, json_object_get(row, json_string_value(column)))));
	}
	int rc = json_array_size(rows) ? scols_print_table(t) : 0;

	scols_unref_table(t);
	if (!json_array_size(rows) && !c->quiet)
		fputs("Nothing.\n", stderr);
	return rc ? CLI_UNEXPECTED : CLI_DONE;
}

/* RFC 4180: quotes around what needs them. */
static void csv_cell(const char *s)
{
	if (!strpbrk(s, ",\"\r\n")) {
		fputs(s, stdout);
		return;
	}
	putchar('"');
	for (; *s; s++) {
		if (*s == '"')
			putchar('"');
		putchar(*s);
	}
	putchar('"');
}

static int print_csv(struct cli *c, json_t *rows, json_t *columns)
{
	json_t *row, *column;
	size_t i, j;

	json_array_foreach(columns, j, column)
		printf("%s%s", j ? "," : "", json_string_value(column));
	fputs("\r\n", stdout);
	json_array_foreach(rows, i, row)
	{
		json_array_foreach(columns, j, column)
		{
			json_t *v = json_object_get(row, json_string_value(column));

			if (j)
				putchar(',');
			csv_cell(json_is_null(v) || !v ? "" : cell(c, v));
		}
		fputs("\r\n", stdout);
	}
	return CLI_DONE;
}

/* JSON's strings are YAML's double-quoted ones (YAML 1.2, 1.3). */
static void yaml_scalar(json_t *v)
{
	json_dumpf(v, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
	putchar('\n');
}

static void yaml_value(json_t *v, int depth, bool in_list)
{
	const char *key;
	json_t *child;
	size_t i;
	bool first = in_list;

	if (json_is_object(v) && json_object_size(v)) {
		if (!in_list && depth)
			putchar('\n');
		json_object_foreach(v, key, child)
		{
			printf("%*s%s: ", first ? 0 : depth * 2, "", key);
			first = false;
			yaml_value(child, depth + 1, false);
		}
	} else if (json_is_array(v) && json_array_size(v)) {
		if (depth)
			putchar('\n');
		json_array_foreach(v, i, child)
		{
			printf("%*s- ", depth * 2, "");
			yaml_value(child, depth + 1, true);
		}
	} else {
		yaml_scalar(v);
	}
}

/* What a command takes for the thing, and people know it by. */
static int print_names(json_t *rows)
{
	static const char *const names[] = { "name", "code", "email", "prefix", "address", "number",
		"id" };
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) for (size_t k = 0; k < UD_LEN(names); k++)
	{
		const char *s = json_string_value(json_object_get(row, names[k]));

		if (!s)
			continue;
		puts(s);
		break;
	}
	return CLI_DONE;
}

/* One object for people: a line a member. */
static int print_object(struct cli *c, json_t *json)
{
	const char *key;
	json_t *v;
	int width = 0;

	json_object_foreach(json, key, v) if ((int)strlen(key) > width) width = (int)strlen(key);
	json_object_foreach(json, key, v)
		printf("%-*s  %s\n", width, key, ud_cli_local(c, cell(c, v)));
	return CLI_DONE;
}

static int print_rows(struct cli *c, json_t *rows, json_t *schema)
{
	json_t *columns = columns_of(c, schema, json_array_get(rows, 0));
	int code = strcmp(c->output, "csv") == 0 ? print_csv(c, rows, columns)
						 : print_table(c, rows, columns);

	json_decref(columns);
	return code;
}

int ud_cli_print(struct cli *c, json_t *json, json_t *schema)
{
	json_t *data = json_object_get(json, "data");
	bool list = json_is_array(data) && json_object_get(json, "has_more");

	if (!json)
		return CLI_DONE;
	if (c->jq)
		return ud_cli_jq(c, json);
	if (strcmp(c->output, "json") == 0) {
		json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
		putchar('\n');
		return CLI_DONE;
	}
	if (strcmp(c->output, "yaml") == 0) {
		yaml_value(json, 0, false);
		return CLI_DONE;
	}
	if (!list && (strcmp(c->output, "table") == 0 || strcmp(c->output, "wide") == 0))
		return print_object(c, json);
	json_t *rows = list ? json_incref(data) : json_pack("[O]", json);
	int code = strcmp(c->output, "name") == 0 ? print_names(rows) : print_rows(c, rows, schema);

	json_decref(rows);
	return code;
}
