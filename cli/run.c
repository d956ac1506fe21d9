/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a command: its words become the path, its flags the query or the body.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/id.h"
#include "base/shape.h"
#include "cli/cli.h"

/* What is no event that ends a wait, like progress, is asked for this often. */
enum { LOOK_SECONDS = 2 };

/* "memory-bytes" for "memory_bytes". */
static const char *flag_name(struct cli *c, const char *field)
{
	char *name = ud_strdup(c->cx.arena, field);

	for (char *p = name; *p; p++)
		*p = *p == '_' ? '-' : *p;
	return name;
}

const char *ud_cli_percent(struct cli *c, const char *text)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = ud_alloc(c->cx.arena, strlen(text) * 3 + 1), *p = out;

	for (; *text; text++) {
		unsigned char b = (unsigned char)*text;

		if ((b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') ||
			strchr("-._~,:", b)) {
			*p++ = (char)b;
			continue;
		}
		*p++ = '%';
		*p++ = digits[b >> 4];
		*p++ = digits[b & 15];
	}
	return out;
}

bool ud_cli_has_type(json_t *schema, const char *type)
{
	json_t *t = json_object_get(schema, "type"), *one;
	size_t i;

	if (json_is_string(t))
		return strcmp(json_string_value(t), type) == 0;
	json_array_foreach(t, i, one) if (strcmp(json_string_value(one), type) == 0) return true;
	return false;
}

/* Pairs k=v of every --label into an object. */
static json_t *labels_of(struct cli *c)
{
	json_t *labels = json_object();

	for (size_t i = 0; i < c->flag_count; i++) {
		const char *v = c->flags[i].value, *eq = v ? strchr(v, '=') : NULL;

		if (strcmp(c->flags[i].name, "label") != 0 || !eq)
			continue;
		c->flags[i].used = true;
		json_object_set_new(
			labels, ud_strndup(c->cx.arena, v, (size_t)(eq - v)), json_string(eq + 1));
	}
	if (json_object_size(labels))
		return labels;
	json_decref(labels);
	return NULL;
}

/* A list from commas and from repeated flags. */
static json_t *list_of(struct cli *c, const char *name)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->flag_count; i++) {
		const char *v = c->flags[i].value;

		if (strcmp(c->flags[i].name, name) != 0 || !v)
			continue;
		c->flags[i].used = true;
		for (; *v; v += strcspn(v, ",") + (v[strcspn(v, ",")] == ','))
			json_array_append_new(list, json_stringn(v, strcspn(v, ",")));
	}
	return list;
}

/* What a flag says in JSON, or where it is. */
static json_t *document_of(const char *name, const char *text, json_type wanted, int *ret_code)
{
	json_t *document = ud_cli_document(text);

	if (!document || json_typeof(document) != wanted)
		*ret_code = ud_cli_fail(CLI_USAGE, "--%s takes a JSON %s, or @FILE with one, or -",
			name, wanted == JSON_ARRAY ? "list" : "object");
	return document;
}

/* One field's value by its schema; NULL and *ret_code when the text does not fit. */
static json_t *field_value(
	struct cli *c, const char *name, const char *text, json_t *schema, int *ret_code)
{
	char *end = NULL;

	if (ud_cli_has_type(json_object_get(schema, "items"), "object"))
		return document_of(name, text, JSON_ARRAY, ret_code);
	if (ud_cli_has_type(schema, "object"))
		return document_of(name, text, JSON_OBJECT, ret_code);
	if (ud_cli_has_type(schema, "array"))
		return list_of(c, name);
	if (ud_cli_has_type(schema, "integer")) {
		long long n = strtoll(text, &end, 10);

		if (!*text || *end)
			*ret_code = ud_cli_fail(
				CLI_USAGE, "--%s takes a whole number, not %s", name, text);
		return json_integer(n);
	}
	if (ud_cli_has_type(schema, "boolean"))
		return json_boolean(!*text || strcmp(text, "true") == 0);
	if (!json_object_get(schema, "type") && (*text == '{' || *text == '['))
		return json_loads(text, 0, NULL); /* a document of any form */
	return json_string(text);
}

/* The body from flags: --name, --no-managed, --label, --unset a,b. */
static json_t *body_of(struct cli *c, json_t *schema, int *ret_code)
{
	json_t *body = json_object(), *properties = json_object_get(schema, "properties"), *s,
	       *labels;
	const char *field, *unset = ud_cli_flag(c, "unset");

	json_object_foreach(properties, field, s)
	{
		const char *name = flag_name(c, field), *text = ud_cli_flag(c, name);

		int code = text ? ud_cli_reference(c, field, s, text, &text) : CLI_DONE;

		*ret_code = code ? code : *ret_code;
		if (text)
			json_object_set_new(body, field, field_value(c, name, text, s, ret_code));
		else if (ud_cli_has_type(s, "boolean") &&
			ud_cli_flag(c, ud_printf(c->cx.arena, "no-%s", name)))
			json_object_set_new(body, field, json_false());
	}
	labels = json_object_get(properties, "labels") ? labels_of(c) : NULL;
	if (labels)
		json_object_set_new(body, "labels", labels);
	for (; unset && *unset; unset += strcspn(unset, ",") + (unset[strcspn(unset, ",")] == ','))
		json_object_set_new(
			body, ud_strndup(c->cx.arena, unset, strcspn(unset, ",")), json_null());
	return body;
}

/* Add "name=value" to a query. */
static const char *with_query(struct cli *c, const char *path, const char *name, const char *value)
{
	return ud_printf(c->cx.arena, "%s%s%s=%s", path, strchr(path, '?') ? "&" : "?",
		ud_cli_percent(c, name), ud_cli_percent(c, value));
}

/* Query parameters from flags: those of the specification, and any by --filter name=value. */
static int add_parameters(struct cli *c, const struct cli_command *cmd, const char **ret)
{
	const char *path = *ret;
	json_t *parameters = json_object_get(cmd->operation, "parameters"), *p;
	size_t i;

	json_array_foreach(parameters, i, p)
	{
		const char *name = json_string_value(json_object_get(p, "name"));
		const char *in = json_string_value(json_object_get(p, "in"));

		if (strcmp(in, "query") != 0 || strcmp(name, "cursor") == 0 ||
			strcmp(name, "wait") == 0)
			continue;
		const char *text = ud_cli_flag(c, flag_name(c, name));
		int code = text ? ud_cli_reference(c, name, NULL, text, &text) : CLI_DONE;

		if (code)
			return code;
		if (text)
			path = with_query(
				c, path, name, strcmp(name, "dry_run") == 0 ? "true" : text);
	}
	for (i = 0; i < c->flag_count; i++) {
		const char *v = c->flags[i].value, *eq = v ? strchr(v, '=') : NULL;

		if (strcmp(c->flags[i].name, "filter") != 0 || !eq)
			continue;
		c->flags[i].used = true;
		path = with_query(c, path, ud_strndup(c->cx.arena, v, (size_t)(eq - v)), eq + 1);
	}
	*ret = path;
	return CLI_DONE;
}

/* True when a row has this very name. */
static bool is_named(json_t *row, const char *name)
{
	static const char *const keys[] = { "name", "code", "email", "prefix", "address",
		"account_number", "number" };

	for (size_t i = 0; i < UD_LEN(keys); i++) {
		const char *s = json_string_value(json_object_get(row, keys[i]));

		if (s && strcmp(s, name) == 0)
			return true;
	}
	return false;
}

/* What is named so in a collection, to be released; the call's exit code in *ret_code, its problem
 * said unless quiet. */
static json_t *matches_of(
	struct cli *c, const char *collection, const char *name, bool quiet, int *ret_code)
{
	struct cli_reply r;
	json_t *row, *matches = json_array();
	bool explain = c->explain;
	size_t i;

	c->explain = false;
	ud_cli_call(c, "GET", with_query(c, with_query(c, collection, "limit", "200"), "q", name),
		NULL, NULL, &r);
	c->explain = explain;
	*ret_code = quiet ? CLI_DONE : ud_cli_reply_code(c, &r);
	json_array_foreach(json_object_get(r.json, "data"), i, row) if (is_named(row, name))
		json_array_append(matches, row);
	ud_cli_reply_free(&r);
	return matches;
}

/* The id of the only one, in the arena; NULL when there are none or several. */
static const char *only_id(struct cli *c, json_t *matches)
{
	json_t *id = json_object_get(json_array_get(matches, 0), "id");

	return json_array_size(matches) == 1 ? ud_strdup(c->cx.arena, json_string_value(id)) : NULL;
}

bool ud_cli_find(struct cli *c, const char *collection, const char *prefix, const char *name,
	const char **ret)
{
	int code;

	if (ud_id_valid(name, NULL)) {
		*ret = name;
		return ud_id_valid(name, prefix);
	}
	json_t *matches = matches_of(c, collection, name, true, &code);
	const char *id = only_id(c, matches);

	json_decref(matches);
	if (id)
		*ret = id;
	return id != NULL;
}

int ud_cli_resolve(struct cli *c, const char *collection, const char *name, const char **ret)
{
	json_t *row;
	size_t i;
	int code;

	if (ud_id_valid(name, NULL)) {
		*ret = name;
		return CLI_DONE;
	}
	json_t *matches = matches_of(c, collection, name, false, &code);

	if (code == CLI_DONE && json_array_size(matches) == 0)
		code = ud_cli_fail(CLI_NOT_FOUND, "nothing is named %s", name);
	if (code == CLI_DONE && json_array_size(matches) > 1) {
		code = ud_cli_fail(CLI_USAGE, "several are named %s; say which by id:", name);
		json_array_foreach(matches, i, row)
			fprintf(stderr, "  %s\n", json_string_value(json_object_get(row, "id")));
	}
	if (code == CLI_DONE)
		*ret = only_id(c, matches);
	json_decref(matches);
	return code;
}

/* A replication has no name: it goes by its VM's, and the third host's by NAME/extended. */
static int resolve_replication(struct cli *c, const char *name, const char **ret)
{
	const char *slash = strchr(name, '/'), *vm = NULL;
	const char *leg = slash ? slash + 1 : "primary";
	struct cli_reply r;
	bool explain = c->explain;

	if (ud_id_valid(name, NULL)) {
		*ret = name;
		return CLI_DONE;
	}
	int code = ud_cli_resolve(c, "/v1/vms",
		slash ? ud_strndup(c->cx.arena, name, (size_t)(slash - name)) : name, &vm);

	if (code)
		return code;
	c->explain = false;
	ud_cli_call(c, "GET",
		ud_printf(c->cx.arena, "/v1/replications?vm_id=%s&leg=%s&wanted=active,paused", vm,
			ud_cli_percent(c, leg)),
		NULL, NULL, &r);
	c->explain = explain;
	code = ud_cli_reply_code(c, &r);
	const char *id = json_string_value(
		json_object_get(json_array_get(json_object_get(r.json, "data"), 0), "id"));

	if (code == CLI_DONE && !id)
		code = ud_cli_fail(CLI_NOT_FOUND, "%s is not replicated", name);
	*ret = ud_strdup(c->cx.arena, id);
	ud_cli_reply_free(&r);
	return code;
}

/* Put the words into the path's {…}. */
static int fill_path(struct cli *c, const struct cli_command *cmd, size_t used, const char **ret)
{
	const char *rest = cmd->path, *path = "";
	size_t next = used;

	for (const char *brace; (brace = strchr(rest, '{')); rest = strchr(brace, '}') + 1) {
		const char *id = NULL;

		if (next >= c->word_count)
			return ud_cli_fail(CLI_USAGE, "%s needs the id or name of what it is about",
				ud_cli_command_name(c, cmd->id));
		path = ud_printf(c->cx.arena, "%s%.*s", path, (int)(brace - rest), rest);
		const char *collection = ud_strndup(c->cx.arena, path, strlen(path) - 1);
		bool replication = strcmp(collection, "/v1/replications") == 0;
		int code = CLI_DONE;

		if (strncmp(brace, "{n}", 3) == 0) /* a number has no name */
			id = ud_cli_percent(c, c->words[next++]);
		else if (replication)
			code = resolve_replication(c, c->words[next++], &id);
		else
			code = ud_cli_resolve(c, collection, c->words[next++], &id);

		if (code)
			return code;
		path = ud_printf(c->cx.arena, "%s%s", path, id);
	}
	path = ud_printf(c->cx.arena, "%s%s", path, rest);
	if (strcmp(cmd->id, "search") == 0 && next < c->word_count)
		path = with_query(c, path, "q", c->words[next++]);
	*ret = path;
	return next == c->word_count
		? CLI_DONE
		: ud_cli_fail(CLI_USAGE, "%s is one word too many", c->words[next]);
}

/* Every page into the first one's data. */
static int add_pages(struct cli *c, const char *path, json_t *first)
{
	int code = CLI_DONE;

	while (code == CLI_DONE && json_is_true(json_object_get(first, "has_more"))) {
		struct cli_reply r;
		const char *cursor = json_string_value(json_object_get(first, "next_cursor"));

		ud_cli_call(c, "GET", with_query(c, path, "cursor", cursor), NULL, NULL, &r);
		code = ud_cli_reply_code(c, &r);
		if (code == CLI_DONE) {
			json_array_extend(
				json_object_get(first, "data"), json_object_get(r.json, "data"));
			json_object_set(first, "has_more", json_object_get(r.json, "has_more"));
			json_object_set(
				first, "next_cursor", json_object_get(r.json, "next_cursor"));
		}
		ud_cli_reply_free(&r);
	}
	return code;
}

/* Does the call answer with a file? */
static bool is_file(const struct cli_command *cmd)
{
	json_t *ok = json_object_get(json_object_get(cmd->operation, "responses"), "200");

	return json_object_get(json_object_get(ok, "content"), "application/octet-stream") != NULL;
}

/* Is nothing asked for but JSON or the standard? */
static bool is_plain(const struct cli *c)
{
	return !c->jq && (strcmp(c->output, "table") == 0 || strcmp(c->output, "json") == 0);
}

static int print_reply(struct cli *c, const struct cli_command *cmd, struct cli_reply *r)
{
	const char *keep = ud_cli_flag(c, "file");

	/* a file, a log's lines or a picture, as it is: nobody's table */
	if (keep)
		return ud_cli_save(c, r, keep);
	if (is_file(cmd) || (!r->json && r->body.len) || (r->attachment && is_plain(c)))
		return ud_cli_save(c, r, "-");
	int code = ud_cli_print(c, r->json, ud_cli_answer_schema(c, cmd));

	if (code == CLI_DONE && json_is_true(json_object_get(r->json, "has_more")) && !c->quiet)
		fputs("There is more: use --all.\n", stderr);
	fflush(stdout);
	return code;
}

/* Get and print; with seen only what differs from it, which it then is. */
static int get_once(
	struct cli *c, const struct cli_command *cmd, const char *path, bool all, json_t **seen)
{
	struct cli_reply r;

	ud_cli_call(c, "GET", path, NULL, NULL, &r);
	int code = ud_cli_reply_code(c, &r);

	if (code == CLI_DONE && all)
		code = add_pages(c, path, r.json);
	bool same = seen && *seen && json_equal(*seen, r.json);

	if (code == CLI_DONE && seen && !same && isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
	if (code == CLI_DONE && !same)
		code = print_reply(c, cmd, &r);
	if (code == CLI_DONE && seen && !same) {
		json_decref(*seen);
		*seen = json_incref(r.json);
	}
	ud_cli_reply_free(&r);
	return code;
}

/* Until somebody ends it, or the server says no. */
static int watch(struct cli *c, const struct cli_command *cmd, const char *path, bool all)
{
	json_t *seen = NULL;
	int code = get_once(c, cmd, path, all, &seen);

	while (code == CLI_DONE && seen) {
		poll(NULL, 0, LOOK_SECONDS * 1000);
		code = get_once(c, cmd, path, all, &seen);
	}
	json_decref(seen);
	return code;
}

static int run_get(struct cli *c, const struct cli_command *cmd, const char *path)
{
	bool all = ud_cli_flag(c, "all") != NULL, again = ud_cli_flag(c, "watch") != NULL;

	(void)ud_cli_flag(c, "columns");
	bool keep = ud_cli_flag(c, "file") != NULL;
	int code = ud_cli_check_flags(c);

	if (code == CLI_DONE && keep && (all || again || c->jq))
		code = ud_cli_fail(CLI_USAGE,
			"--file keeps one answer as it came: without --all, --watch and --jq");
	if (code)
		return code;
	if (c->explain) {
		printf("curl -sS '%s%s' -H \"Authorization: Bearer $UNDERSTUDY_TOKEN\"\n", c->url,
			path);
		return CLI_DONE;
	}
	return again ? watch(c, cmd, path, all) : get_once(c, cmd, path, all, NULL);
}

/* The ETag of what a path shows, "" when it has none. */
static int etag_of(struct cli *c, const char *path, const char **ret)
{
	struct cli_reply r;
	bool explain = c->explain;

	c->explain = false;
	ud_cli_call(c, "GET", path, NULL, NULL, &r);
	c->explain = explain;
	int code = ud_cli_reply_code(c, &r);

	*ret = ud_strdup(c->cx.arena, r.etag);
	ud_cli_reply_free(&r);
	return code;
}

/* The ETag of what only a list shows, "" when it is not in it. */
static int etag_in_list(struct cli *c, const char *collection, const char *id, const char **ret)
{
	const char *path = with_query(c, collection, "limit", "200");
	struct cli_reply r;
	json_t *row;
	bool explain = c->explain;
	size_t i;

	c->explain = false;
	ud_cli_call(c, "GET", path, NULL, NULL, &r);
	int code = ud_cli_reply_code(c, &r);

	if (code == CLI_DONE)
		code = add_pages(c, path, r.json);
	c->explain = explain;
	json_array_foreach(json_object_get(r.json, "data"), i,
		row) if (strcmp(ud_cli_text(row, "id"), id) == 0) *ret =
		ud_printf(c->cx.arena, "\"v%lld\"", (long long)ud_cli_int(row, "version", 0));
	ud_cli_reply_free(&r);
	return code || **ret ? code : ud_cli_fail(CLI_NOT_FOUND, "there is no %s here", id);
}

/* If-Match from the object as it is now; a part of one that has no ETag goes by the object's. */
static int match_header(
	struct cli *c, const struct cli_command *cmd, const char *path, const char **ret)
{
	const char *object = ud_strndup(c->cx.arena, path, strcspn(path, "?"));
	const char *part = strrchr(object, '/'), *etag = "";
	json_t *methods = json_object_get(json_object_get(c->spec, "paths"), cmd->path);
	bool shown = json_object_get(methods, "get") != NULL;
	int code = CLI_DONE;

	if (shown)
		code = etag_of(c, object, &etag);
	else
		code = etag_in_list(c, ud_strndup(c->cx.arena, object, (size_t)(part - object)),
			part + 1, &etag);
	if (code == CLI_DONE && !*etag && part)
		code = etag_of(c, ud_strndup(c->cx.arena, object, (size_t)(part - object)), &etag);
	*ret = ud_printf(c->cx.arena, "If-Match: %s", etag);
	return code;
}

/* A deletion is asked about on a terminal, and needs --yes elsewhere. */
static int confirm(struct cli *c, const char *path)
{
	const char *name = ud_cli_flag(c, "confirm");
	char line[16];

	if (c->yes || c->explain)
		return CLI_DONE;
	if (name && strcmp(name, c->words[c->word_count - 1]) == 0)
		return CLI_DONE;
	if (name)
		return ud_cli_fail(CLI_USAGE, "--confirm says %s, the command %s", name,
			c->words[c->word_count - 1]);
	if (c->no_input)
		return ud_cli_fail(CLI_USAGE, "deleting needs --yes where nobody can be asked");
	fprintf(stderr, "Delete %s? Type yes: ", path);
	if (fgets(line, sizeof(line), stdin) && strncmp(line, "yes", 3) == 0)
		return CLI_DONE;
	return ud_cli_fail(CLI_USAGE, "nothing was deleted");
}

int64_t ud_cli_seconds(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text)
		return 600;
	return *end == 'm' ? n * 60 : *end == 'h' ? n * 3600 : n;
}

/* One line when something has changed. */
static void tell_progress(struct cli *c, const char *id, const char *state, json_t *op)
{
	const char *line = ud_printf(c->cx.arena, "%s %s %lld %%", id, state ? state : "",
		(long long)json_integer_value(json_object_get(op, "progress_percent")));

	if (!c->quiet && (!c->told || strcmp(c->told, line) != 0))
		fprintf(stderr, "%s\n", line);
	c->told = line;
}

/* What somebody who breaks off a wait is told. */
static char go_on[128];

static void break_off(int number)
{
	ssize_t n = write(STDERR_FILENO, go_on, strlen(go_on));

	(void)n;
	_exit(128 + number);
}

/* Follow an operation to its end. */
static int wait_for(struct cli *c, const char *id, int64_t seconds)
{
	int64_t end = ud_mono_ms(c->cx.env) + seconds * 1000;

	snprintf(go_on, sizeof(go_on),
		"understudy: it goes on without you; to wait again: understudy operation wait %.40s\n",
		id);
	signal(SIGINT, break_off);

	for (;;) {
		struct cli_reply r;
		int64_t left = (end - ud_mono_ms(c->cx.env)) / 1000;

		ud_cli_call(c, "GET",
			ud_printf(c->cx.arena, "/v1/operations/%s?wait=%lld", id,
				(long long)(left > LOOK_SECONDS ? LOOK_SECONDS
						: left > 0      ? left
								: 0)),
			NULL, NULL, &r);
		int code = ud_cli_reply_code(c, &r);
		const char *state = json_string_value(json_object_get(r.json, "state"));

		if (code == CLI_DONE)
			tell_progress(c, id, state, r.json);
		bool ended = state &&
			(strcmp(state, "succeeded") == 0 || strcmp(state, "failed") == 0 ||
				strcmp(state, "canceled") == 0);

		if (code == CLI_DONE && ended)
			code = ud_cli_print(c, r.json, NULL);
		if (code == CLI_DONE && ended && strcmp(state, "succeeded") != 0)
			code = CLI_FAILED;
		ud_cli_reply_free(&r);
		if (code != CLI_DONE || ended)
			return code;
		if (left <= 0)
			return ud_cli_fail(CLI_TIMEOUT,
				"waited too long; go on with: understudy operation wait %s", id);
	}
}

/* Does the call make many? */
static bool is_batch(const struct cli_command *cmd)
{
	return json_object_get(json_object_get(cmd->operation, "responses"), "207") != NULL;
}

/* A call that must not happen twice has a key, its own where none was given. */
static const char *key_header(struct cli *c, const struct cli_command *cmd, const char *key)
{
	json_t *p;
	size_t i;
	bool needed = is_batch(cmd); /* some of its calls may */

	json_array_foreach(json_object_get(cmd->operation, "parameters"), i, p)
	{
		const char *name = json_string_value(json_object_get(p, "name"));

		needed |= name && strcmp(name, "Idempotency-Key") == 0 &&
			json_is_true(json_object_get(p, "required"));
	}
	if (needed && !key)
		key = ud_id_new(c->cx.arena, c->cx.env, ud_now_ms(c->cx.env), "key");
	return key ? ud_printf(c->cx.arena, "Idempotency-Key: %s", key) : NULL;
}

static int run_change(struct cli *c, const struct cli_command *cmd, const char *path)
{
	json_t *schema = ud_cli_body_schema(c, cmd), *body;
	const char *header = NULL, *wait = ud_cli_flag(c, "wait");
	const char *text = NULL;
	struct cli_reply r = { 0 };
	int code = CLI_DONE;

	body = schema ? body_of(c, schema, &code) : NULL;
	const char *key = ud_cli_flag(c, "idempotency-key");

	(void)ud_cli_flag(c, "columns");
	(void)ud_cli_flag(c, "no-wait");
	const bool deletes = strcmp(cmd->method, "delete") == 0 && !strchr(path, '?');

	if (deletes)
		(void)ud_cli_flag(c, "confirm");
	if (code == CLI_DONE)
		code = ud_cli_check_flags(c);
	if (code == CLI_DONE && deletes)
		code = confirm(c, path);
	bool match = strcmp(cmd->method, "patch") == 0 ||
		json_object_get(json_object_get(cmd->operation, "responses"), "428");

	if (code == CLI_DONE && match)
		code = match_header(c, cmd, path, &header);
	if (!header)
		header = key_header(c, cmd, key);
	if (body)
		text = ud_json_text(c->cx.arena, body, JSON_COMPACT);
	const char *method = strcmp(cmd->method, "post") == 0 ? "POST"
		: strcmp(cmd->method, "patch") == 0           ? "PATCH"
		: strcmp(cmd->method, "put") == 0             ? "PUT"
							      : "DELETE";

	if (code == CLI_DONE && !ud_cli_call(c, method, path, text, header, &r)) {
		code = ud_cli_reply_code(c, &r);
		const char *id = json_string_value(json_object_get(r.json, "id"));

		if (code == CLI_DONE && r.status == 202 && wait && id)
			code = wait_for(c, ud_strdup(c->cx.arena, id), ud_cli_seconds(wait));
		else if (code == CLI_DONE && is_batch(cmd))
			code = ud_cli_batch_print(c, r.json);
		else if (code == CLI_DONE && !c->quiet)
			code = ud_cli_print(c, r.json, ud_cli_answer_schema(c, cmd));
	}
	json_decref(body);
	ud_cli_reply_free(&r);
	return code;
}

int ud_cli_run_operation(struct cli *c, const struct cli_command *cmd, size_t used)
{
	const char *path = "";
	int code = fill_path(c, cmd, used, &path);

	if (code == CLI_DONE)
		code = add_parameters(c, cmd, &path);
	if (code)
		return code;
	return strcmp(cmd->method, "get") == 0 ? run_get(c, cmd, path) : run_change(c, cmd, path);
}

int ud_cli_run_wait(struct cli *c)
{
	const char *timeout = ud_cli_flag(c, "timeout");
	int code = ud_cli_check_flags(c);

	if (code)
		return code;
	if (c->word_count != 3)
		return ud_cli_fail(CLI_USAGE, "operation wait ID [--timeout 10m]");
	return wait_for(c, c->words[2], ud_cli_seconds(timeout ? timeout : ""));
}

/* Only the data lines of the stream are data. */
static void print_event(struct cli *c, const char *text)
{
	(void)c;
	if (strncmp(text, "data: ", 6) == 0) {
		puts(text + 6);
		fflush(stdout);
	}
}

int ud_cli_run_follow(struct cli *c)
{
	const char *types = ud_cli_flag(c, "types"), *after = ud_cli_flag(c, "after"),
		   *path = "/v1/events/stream";
	int code = ud_cli_check_flags(c);

	if (code)
		return code;
	if (types)
		path = with_query(c, path, "types", types);
	if (after)
		path = with_query(c, path, "after", after);
	return ud_cli_follow(c, path, print_event);
}

/* -f field=value as JSON where it is JSON, else as text. */
static json_t *raw_body(struct cli *c)
{
	json_t *body = NULL;

	for (size_t i = 0; i < c->flag_count; i++) {
		const char *v = c->flags[i].value, *eq = v ? strchr(v, '=') : NULL;

		if (strcmp(c->flags[i].name, "field") != 0 || !eq)
			continue;
		c->flags[i].used = true;
		json_t *value = json_loads(eq + 1, JSON_DECODE_ANY, NULL);

		if (!body)
			body = json_object();
		json_object_set_new(body, ud_strndup(c->cx.arena, v, (size_t)(eq - v)),
			value ? value : json_string(eq + 1));
	}
	return body;
}

/* The body of -F @file or -F - . */
static json_t *file_body(struct cli *c)
{
	const char *name = ud_cli_flag(c, "file");

	if (!name)
		return NULL;
	if (*name == '@')
		name++;
	return strcmp(name, "-") == 0 ? json_loadf(stdin, 0, NULL) : json_load_file(name, 0, NULL);
}

/* The answer as it came, unless a person looks at it or all pages were put together. */
static int print_raw(struct cli *c, struct cli_reply *r, bool pages, bool raw)
{
	if (r->json && c->jq)
		return ud_cli_jq(c, r->json);
	if (!r->json || raw || (!pages && !isatty(STDOUT_FILENO)))
		return ud_cli_save(c, r, "-");
	json_dumpf(r->json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	return putchar('\n') == EOF ? CLI_UNEXPECTED : CLI_DONE;
}

int ud_cli_run_api(struct cli *c)
{
	bool pages = ud_cli_flag(c, "paginate") != NULL, raw = ud_cli_flag(c, "raw") != NULL;
	const char *match = ud_cli_flag(c, "if-match");
	json_t *body = raw_body(c);

	if (!body)
		body = file_body(c);
	int code = ud_cli_check_flags(c);
	const char *text = body ? ud_json_text(c->cx.arena, body, JSON_COMPACT) : NULL;
	struct cli_reply r = { 0 };

	if (code == CLI_DONE && c->word_count != 3)
		code = ud_cli_fail(CLI_USAGE,
			"api METHOD PATH [-f field=value]… [-F @file] [--if-match ETAG] [--paginate | --raw]");
	if (code == CLI_DONE && raw && (pages || c->jq))
		code = ud_cli_fail(CLI_USAGE, "--raw goes with neither --paginate nor --jq");
	const char *header = match ? ud_printf(c->cx.arena, "If-Match: %s", match) : NULL;

	if (code == CLI_DONE && !ud_cli_call(c, c->words[1], c->words[2], text, header, &r)) {
		code = ud_cli_reply_code(c, &r);
		if (code == CLI_DONE && pages)
			code = add_pages(c, c->words[2], r.json);
		if (code == CLI_DONE)
			code = print_raw(c, &r, pages, raw);
	}
	json_decref(body);
	ud_cli_reply_free(&r);
	return code;
}
