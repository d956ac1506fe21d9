/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that say how things are to be: JSON documents, as answers have them, and tables (RFC 4180),
 * a row a thing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/shape.h"
#include "cli/cli.h"

enum { FILE_MAX_BYTES = 16 << 20, FILES_MAX = 500, COLUMNS_MAX = 64 };

/* Each document remembers where it stands: a member that no resource has. */
static void add_document(json_t *all, json_t *document, const char *where)
{
	json_t *copy = json_copy(document);

	json_object_set_new(copy, CLI_WHERE, json_string(where));
	json_array_append_new(all, copy);
}

/* One document, a list of them, or a list as the API answers it. */
static int add_documents(struct cli *c, json_t *all, json_t *json, const char *path)
{
	json_t *list = json_is_array(json) ? json : json_object_get(json, "data"), *one;
	size_t i;

	if (!json_is_array(list)) {
		if (!json_is_object(json))
			return ud_cli_fail(CLI_USAGE, "%s: a document is an object", path);
		add_document(all, json, path);
		return CLI_DONE;
	}
	json_array_foreach(list, i, one)
	{
		if (!json_is_object(one))
			return ud_cli_fail(CLI_USAGE, "%s: document %zu is no object", path, i + 1);
		add_document(all, one, ud_printf(c->cx.arena, "%s, document %zu", path, i + 1));
	}
	return CLI_DONE;
}

static int read_text(struct cli *c, const char *path, const char **ret)
{
	const char *stdin_path = "/dev/stdin";
	size_t n;

	if (ud_file_read(&c->cx, strcmp(path, "-") == 0 ? stdin_path : path, FILE_MAX_BYTES, ret,
		    &n) != UD_OK)
		return ud_cli_fail(CLI_USAGE, "%s", c->cx.problem.detail);
	return CLI_DONE;
}

static int read_json(struct cli *c, json_t *all, const char *path)
{
	const char *text = NULL;
	json_error_t error;
	int code = read_text(c, path, &text);

	if (code)
		return code;
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!json)
		return ud_cli_fail(CLI_USAGE, "%s:%d: %s", path, error.line, error.text);
	code = add_documents(c, all, json, path);
	json_decref(json);
	return code;
}

struct folder {
	struct cli *c;
	const char *path, *names[FILES_MAX];
	size_t count;
	bool too_many;
};

static void keep_name(void *data, const char *name)
{
	struct folder *f = data;
	size_t n = strlen(name);

	if (n < 6 || name[0] == '.' || strcmp(name + n - 5, ".json") != 0)
		return;
	f->too_many = f->count == FILES_MAX;
	if (!f->too_many)
		f->names[f->count++] = ud_printf(f->c->cx.arena, "%s/%s", f->path, name);
}

int ud_cli_documents(struct cli *c, const char *path, json_t *all)
{
	struct folder *f = ud_alloc(c->cx.arena, sizeof(*f));
	struct stat st;
	int code = CLI_DONE;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return read_json(c, all, path);
	f->c = c;
	f->path = path;
	if (c->cx.env->files->list(path, keep_name, f) != 0)
		return ud_cli_fail(CLI_USAGE, "%s cannot be read", path);
	if (f->too_many)
		return ud_cli_fail(CLI_USAGE, "%s has more than %d files", path, FILES_MAX);
	for (size_t i = 0; code == CLI_DONE && i < f->count; i++)
		code = read_json(c, all, f->names[i]);
	return code;
}

/* ---- tables ---- */

/* The next cell, unquoted; *ret_last = it ends its line. NULL for a quote that does not end, or not
 * with its cell. */
static const char *next_cell(struct cli *c, const char **at, bool *ret_last)
{
	const char *p = *at;
	char *out = ud_alloc(c->cx.arena, strlen(p) + 1), *o = out;
	bool quoted = *p == '"';

	for (p += quoted; *p; p++) {
		if (quoted && *p == '"' && p[1] != '"')
			break;
		if (!quoted && strchr(",\r\n", *p))
			break;
		p += quoted && *p == '"';
		*o++ = *p;
	}
	*o = 0;
	if (quoted && *p++ != '"')
		return NULL;
	*ret_last = *p != ',';
	p += *ret_last ? strspn(p, "\r") : 1;
	if (*ret_last && *p && *p != '\n')
		return NULL; /* words behind a quote */
	*at = p + (*ret_last && *p);
	return out;
}

/* A cell's value by its field's type; NULL when it does not fit. Lists stand between semicolons. */
static json_t *cell_value(json_t *schema, const char *text)
{
	char *end = NULL;

	if (ud_cli_has_type(schema, "integer")) {
		long long n = strtoll(text, &end, 10);

		return *end ? NULL : json_integer(n);
	}
	if (ud_cli_has_type(schema, "boolean"))
		return strcmp(text, "true") == 0     ? json_true()
			: strcmp(text, "false") == 0 ? json_false()
						     : NULL;
	if (ud_cli_has_type(schema, "object") || *text == '[')
		return json_loads(text, 0, NULL);
	if (!ud_cli_has_type(schema, "array"))
		return json_string(text);
	json_t *list = json_array();

	for (; *text; text += strcspn(text, ";") + (text[strcspn(text, ";")] == ';'))
		json_array_append_new(list, json_stringn(text, strcspn(text, ";")));
	return list;
}

struct table {
	const char *path, *object, *columns[COLUMNS_MAX];
	size_t count;
	json_t *fields; /* of the thing's body */
};

static int read_head(struct cli *c, struct table *t, const char **at)
{
	bool last = false;

	while (!last) {
		const char *name = next_cell(c, at, &last);

		if (!name || !*name || t->count == COLUMNS_MAX)
			return ud_cli_fail(CLI_USAGE,
				"%s:1: a column has no name, or there are too many", t->path);
		t->columns[t->count++] = name;
	}
	return CLI_DONE;
}

static int read_row(struct cli *c, struct table *t, const char **at, int line, json_t *all)
{
	json_t *row = json_object();
	bool last = false;
	int code = CLI_DONE;
	size_t i = 0;

	for (; code == CLI_DONE && !last; i++) {
		const char *text = next_cell(c, at, &last);

		if (!text || i == t->count) {
			code = ud_cli_fail(CLI_USAGE, "%s:%d: %s", t->path, line,
				text ? "the row has more cells than the first"
				     : "a quote stands where none may");
			break;
		}
		json_t *value =
			*text ? cell_value(json_object_get(t->fields, t->columns[i]), text) : NULL;

		if (*text && !value)
			code = ud_cli_fail(CLI_USAGE, "%s:%d: %s is no value of %s", t->path, line,
				text, t->columns[i]);
		if (value)
			json_object_set_new(row, t->columns[i], value);
	}
	if (code == CLI_DONE && i < t->count && i > 1)
		code = ud_cli_fail(
			CLI_USAGE, "%s:%d: the row has fewer cells than the first", t->path, line);
	json_object_set_new(row, "object", json_string(t->object));
	if (code == CLI_DONE && json_object_size(row) > 1)
		add_document(all, row, ud_printf(c->cx.arena, "%s:%d", t->path, line));
	json_decref(row);
	return code;
}

int ud_cli_table(struct cli *c, const char *path, const char *object, json_t *fields, json_t *all)
{
	struct table t = { .path = path, .object = object, .fields = fields };
	const char *text = NULL;
	int code = read_text(c, path, &text), line = 1;

	if (code == CLI_DONE && strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	if (code == CLI_DONE)
		code = read_head(c, &t, &text);
	while (code == CLI_DONE && *text) {
		const char *row = text;

		code = read_row(c, &t, &text, ++line, all);
		for (row = strchr(row, '\n'); row && row + 1 < text; row = strchr(row + 1, '\n'))
			line++; /* lines inside of quotes */
	}
	return code;
}
