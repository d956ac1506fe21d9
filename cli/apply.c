/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Things as files want them: diff shows what would change, apply changes it. A document is an
 * object as the API answers it ("object" says of what kind); it means the thing with its id, else
 * the one with its name, and what it does not mention stays. Changes carry the version that was
 * compared, so that nobody else's change is lost. "site": "lon" stands for the site_id of what is
 * named so.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/shape.h"
#include "cli/cli.h"

enum action { CREATE, CHANGE, KEEP, LATER };

static const struct {
	const char *word, *mark, *done;
} actions[] = {
	[CREATE] = { "create", "+", "created" },
	[CHANGE] = { "change", "~", "changed" },
	[KEEP] = { "keep", "=", "kept" },
	[LATER] = { "create", "+", "created" }, /* names what an earlier document makes */
};

/* A document and what it comes to. */
struct want {
	json_t *document;
	const char *where, *object, *name;
	struct cli_command create;
	json_t *create_fields, *edit_fields, *answer_fields;
	enum action action;
	json_t *found; /* what is there; NULL = nothing */
	json_t *body;  /* what is sent */
};

struct wants {
	struct cli *c;
	struct want *all;
	size_t count;
};

/* ---- what the specification says ---- */

/* "recovery_plan" of "#/components/schemas/RecoveryPlan". */
static const char *object_of(struct cli *c, json_t *schema)
{
	const char *ref = json_string_value(json_object_get(schema, "$ref"));
	const char *name = ref ? strrchr(ref, '/') + 1 : "";
	char *out = ud_alloc(c->cx.arena, strlen(name) * 2 + 1), *o = out;

	for (const char *p = name; *p; p++) {
		if (isupper((unsigned char)*p) && p > name)
			*o++ = '_';
		*o++ = (char)tolower((unsigned char)*p);
	}
	return out;
}

struct lookup {
	const char *object;
	struct cli_command *ret;
	bool found;
};

/* The call that makes such a thing: it stands on a collection and answers with one. */
static void look(struct cli *c, const struct cli_command *cmd, void *data)
{
	struct lookup *l = data;
	json_t *created = json_object_get(json_object_get(cmd->operation, "responses"), "201");
	json_t *content = json_object_get(json_object_get(created, "content"), "application/json");

	if (l->found || strcmp(cmd->method, "post") != 0 || strchr(cmd->path, '{') ||
		strcmp(object_of(c, json_object_get(content, "schema")), l->object) != 0)
		return;
	*l->ret = *cmd;
	l->found = true;
}

static json_t *properties(json_t *schema)
{
	return json_object_get(schema, "properties");
}

bool ud_cli_kind(struct cli *c, const char *object, struct cli_command *ret, json_t **ret_fields)
{
	struct lookup l = { object, ret, false };

	ud_cli_command_each(c, look, &l);
	if (l.found && ret_fields)
		*ret_fields = properties(ud_cli_body_schema(c, ret));
	return l.found;
}

/* Body fields of PATCH on the collection's objects; NULL when they are not changed. */
static json_t *edit_fields(struct cli *c, const char *collection)
{
	json_t *paths = json_object_get(c->spec, "paths");
	json_t *item = json_object_get(paths, ud_printf(c->cx.arena, "%s/{id}", collection));
	const struct cli_command cmd = { "patch", collection, "", json_object_get(item, "patch") };

	return properties(ud_cli_body_schema(c, &cmd));
}

/* ---- references by name ---- */

static const char *name_of(json_t *document)
{
	static const char *const keys[] = { "name", "prefix", "address", "email", "account_number",
		"code", "subject" };

	for (size_t i = 0; i < UD_LEN(keys); i++)
		if (*ud_cli_text(document, keys[i]))
			return ud_cli_text(document, keys[i]);
	return "";
}

/* Does a document before this one make what is named so? */
static bool made_before(
	const struct wants *w, const struct want *me, const char *object, const char *name)
{
	for (const struct want *p = w->all; p < me; p++)
		if (strcmp(p->object, object) == 0 && p->action != KEEP && p->action != CHANGE &&
			(strcmp(p->name, name) == 0 ||
				strcmp(ud_cli_text(p->document, "code"), name) == 0))
			return true;
	return false;
}

/* "site": "lon" becomes site_id. LATER when it is not there yet but will be. */
static int put_reference(struct wants *w, struct want *me, const char *key, const char *name)
{
	struct cli *c = w->c;
	const char *field = ud_printf(c->cx.arena, "%s_id", key), *id = NULL;
	json_t *schema = json_object_get(me->create_fields, field);
	const struct cli_kind *kind = schema ? ud_cli_named(field, schema) : NULL;

	if (!kind)
		return ud_cli_fail(CLI_USAGE, "%s: %s has no field %s", me->where, me->object, key);
	if (!ud_cli_find(c, kind->collection, kind->prefix, name, &id) &&
		made_before(w, me, kind->object, name)) {
		me->action = LATER;
		return CLI_DONE;
	}
	int code = id ? CLI_DONE : ud_cli_resolve(c, kind->collection, name, &id);

	if (code == CLI_DONE)
		json_object_set_new(me->body, field, json_string(id));
	return code;
}

/* The document's fields, each of which a body knows; what only answers have is left out. */
static int put_fields(struct wants *w, struct want *me)
{
	const char *key;
	json_t *value;
	int code = CLI_DONE;

	json_object_clear(me->body);
	json_object_foreach(me->document, key, value)
	{
		bool known = json_object_get(me->create_fields, key) ||
			json_object_get(me->edit_fields, key);

		if (known)
			json_object_set(me->body, key, value);
		else if (strcmp(key, CLI_WHERE) != 0 && !json_object_get(me->answer_fields, key))
			code = put_reference(
				w, me, key, json_is_string(value) ? json_string_value(value) : "");
		if (code)
			return code;
	}
	return CLI_DONE;
}

/* ---- what is there ---- */

/* Is this row what the document means? What cannot be changed tells things of one name apart. */
static bool is_meant(const struct want *me, json_t *row)
{
	const char *key;
	json_t *value;

	if (strcmp(name_of(row), me->name) != 0)
		return false;
	json_object_foreach(me->body, key, value)
	{
		bool fixed = !json_object_get(me->edit_fields, key) ||
			(strlen(key) > 3 && strcmp(key + strlen(key) - 3, "_id") == 0);

		if (fixed && json_object_get(row, key) &&
			!json_equal(json_object_get(row, key), value))
			return false;
	}
	return true;
}

static int find_by_name(struct cli *c, struct want *me)
{
	struct cli_reply r;
	json_t *row;
	size_t i;

	ud_cli_call(c, "GET",
		ud_printf(c->cx.arena, "%s?limit=200&q=%s", me->create.path,
			ud_cli_percent(c, me->name)),
		NULL, NULL, &r);
	int code = ud_cli_reply_code(c, &r), n = 0;

	json_array_foreach(json_object_get(r.json, "data"), i, row)
	{
		if (!is_meant(me, row))
			continue;
		json_decref(me->found);
		me->found = json_incref(row);
		n++;
	}
	ud_cli_reply_free(&r);
	if (code == CLI_DONE && n > 1)
		code = ud_cli_fail(CLI_USAGE, "%s: several are named %s; say which by id",
			me->where, me->name);
	return code;
}

static int find_by_id(struct cli *c, struct want *me, const char *id)
{
	struct cli_reply r;

	ud_cli_call(c, "GET", ud_printf(c->cx.arena, "%s/%s", me->create.path, id), NULL, NULL, &r);
	int code = ud_cli_reply_code(c, &r);

	if (code == CLI_DONE)
		me->found = json_incref(r.json);
	ud_cli_reply_free(&r);
	return code;
}

/* Leave in the body what differs from what is there. */
static int reduce(struct want *me)
{
	json_t *value;
	void *next;
	const char *key;

	json_object_foreach_safe(me->body, next, key, value)
	{
		json_t *is = json_object_get(me->found, key);

		if (json_equal(is, value) || (!is && json_is_null(value)) ||
			!json_object_get(me->answer_fields, key)) /* never shown: not compared */
			json_object_del(me->body, key);
		else if (!json_object_get(me->edit_fields, key))
			return ud_cli_fail(CLI_REFUSED, "%s: %s of %s %s cannot be changed",
				me->where, key, me->object, me->name);
	}
	me->action = json_object_size(me->body) ? CHANGE : KEEP;
	return CLI_DONE;
}

/* Find out what a document comes to. */
static int plan_one(struct wants *w, struct want *me)
{
	const char *id = ud_cli_text(me->document, "id");

	me->action = CREATE;
	json_decref(me->found);
	me->found = NULL;
	int code = put_fields(w, me);

	if (code || me->action == LATER)
		return code;
	if (*id)
		code = find_by_id(w->c, me, id);
	else if (*me->name)
		code = find_by_name(w->c, me);
	else
		code = ud_cli_fail(CLI_USAGE, "%s: it has neither id nor name", me->where);
	return code || !me->found ? code : reduce(me);
}

static int begin_want(struct cli *c, struct want *me, json_t *document)
{
	me->document = document;
	me->where = ud_cli_text(document, CLI_WHERE);
	me->object = ud_cli_text(document, "object");
	me->name = name_of(document);
	if (!ud_cli_kind(c, me->object, &me->create, &me->create_fields))
		return ud_cli_fail(CLI_USAGE, "%s: %s%s", me->where,
			*me->object ? "nothing is made that is called " : "it has no \"object\"",
			me->object);
	me->edit_fields = edit_fields(c, me->create.path);
	me->answer_fields = properties(ud_cli_answer_schema(c, &me->create));
	me->body = json_object();
	return CLI_DONE;
}

static int plan_all(struct wants *w, json_t *documents)
{
	json_t *document;
	int code = CLI_DONE;
	size_t i;

	w->all = ud_alloc(w->c->cx.arena, (json_array_size(documents) + 1) * sizeof(*w->all));
	json_array_foreach(documents, i, document)
	{
		struct want *me = &w->all[w->count++];

		code = begin_want(w->c, me, document);
		if (code == CLI_DONE)
			code = plan_one(w, me);
		if (code)
			return code;
	}
	return CLI_DONE;
}

static void release(struct wants *w)
{
	for (size_t i = 0; i < w->count; i++) {
		json_decref(w->all[i].found);
		json_decref(w->all[i].body);
	}
}

/* ---- telling ---- */

static const char *text_of(struct cli *c, json_t *v)
{
	return v ? ud_json_text(c->cx.arena, v, JSON_COMPACT | JSON_ENCODE_ANY) : "-";
}

static void tell_want(struct cli *c, const struct want *me)
{
	const char *key;
	json_t *value;

	printf("%s %s %s\n", actions[me->action].mark, me->object, me->name);
	if (me->action == CHANGE)
		json_object_foreach(me->body, key, value) printf("    %s: %s -> %s\n", key,
			text_of(c, json_object_get(me->found, key)), text_of(c, value));
}

static json_t *want_json(const struct want *me)
{
	json_t *fields = json_object(), *value;
	const char *key;

	json_object_foreach(me->body, key, value) json_object_set_new(fields, key,
		json_pack("{s:O?, s:O}", "from", json_object_get(me->found, key), "to", value));
	return json_pack("{s:s, s:s, s:s, s:O?, s:o}", "object", me->object, "name", me->name,
		"action", actions[me->action].word, "id", json_object_get(me->found, "id"),
		"fields", fields);
}

static int tell_json(struct wants *w)
{
	json_t *data = json_array();

	for (size_t i = 0; i < w->count; i++)
		json_array_append_new(data, want_json(&w->all[i]));
	json_t *list = json_pack("{s:s, s:o, s:b}", "object", "list", "data", data, "has_more", 0);
	int code = ud_cli_print(w->c, list, NULL);

	json_decref(list);
	return code;
}

static int tell(struct wants *w)
{
	size_t n[UD_LEN(actions)] = { 0 };

	if (w->c->jq || strcmp(w->c->output, "table") != 0)
		return tell_json(w);
	for (size_t i = 0; i < w->count; i++) {
		n[w->all[i].action]++;
		if (w->all[i].action != KEEP)
			tell_want(w->c, &w->all[i]);
	}
	printf("%zu to create, %zu to change, %zu as they are.\n", n[CREATE] + n[LATER], n[CHANGE],
		n[KEEP]);
	fflush(stdout);
	return CLI_DONE;
}

/* ---- doing ---- */

/* One change, or the server's word on it with dry. */
static int do_one(struct wants *w, struct want *me, bool dry)
{
	struct cli *c = w->c;
	const char *query = dry ? "?dry_run=true" : "", *match = NULL, *path = me->create.path;
	struct cli_reply r = { 0 };

	if (me->action == LATER && dry)
		return CLI_DONE; /* nothing can be said before its parent is there */
	int code = me->action == LATER ? plan_one(w, me) : CLI_DONE;

	if (code || me->action == KEEP)
		return code;
	if (me->action == CHANGE) {
		path = ud_printf(c->cx.arena, "%s/%s", path, ud_cli_text(me->found, "id"));
		match = ud_printf(c->cx.arena, "If-Match: \"v%lld\"",
			(long long)ud_cli_int(me->found, "version", 0));
	}
	if (ud_cli_call(c, me->action == CHANGE ? "PATCH" : "POST",
		    ud_printf(c->cx.arena, "%s%s", path, query),
		    ud_json_text(c->cx.arena, me->body, JSON_COMPACT), match, &r))
		return CLI_DONE;
	code = ud_cli_reply_code(c, &r);
	if (code)
		fprintf(stderr, "  %s: %s %s\n", me->where, me->object, me->name);
	else if (!dry && !c->quiet)
		fprintf(stderr, "%s %s %s\n", me->object, me->name, actions[me->action].done);
	ud_cli_reply_free(&r);
	return code;
}

/* The first failure ends it; a dry one looks at everything, and tells the first one's code. */
static int do_all(struct wants *w, bool dry)
{
	int code = CLI_DONE;

	for (size_t i = 0; i < w->count && (dry || code == CLI_DONE); i++) {
		int one = do_one(w, &w->all[i], dry);

		code = code ? code : one;
	}
	return code;
}

static int agree(struct wants *w)
{
	char line[16];

	if (w->c->yes || w->c->explain)
		return CLI_DONE;
	if (w->c->no_input)
		return ud_cli_fail(CLI_USAGE, "applying needs --yes where nobody can be asked");
	fputs("Do it? Type yes: ", stderr);
	if (fgets(line, sizeof(line), stdin) && strncmp(line, "yes", 3) == 0)
		return CLI_DONE;
	return ud_cli_fail(CLI_USAGE, "nothing was changed");
}

static bool is_something(const struct wants *w)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->all[i].action != KEEP)
			return true;
	return false;
}

enum mode { SHOW, TRY, DO };

/* The server is asked about all of it before anybody is, and before the first change. */
static int carry_out(struct wants *w, enum mode mode)
{
	int code = w->c->explain ? CLI_DONE : do_all(w, true);

	if (code == CLI_DONE && mode == TRY && !w->c->quiet)
		fputs("Nothing was changed.\n", stderr);
	if (code == CLI_DONE && mode == DO)
		code = agree(w);
	return code || mode == TRY ? code : do_all(w, false);
}

static int run(struct cli *c, json_t *documents, enum mode mode)
{
	struct wants w = { .c = c };
	bool explain = c->explain;

	c->explain = false; /* looking is no change */
	int code = plan_all(&w, documents);

	if (code == CLI_DONE)
		code = tell(&w);
	c->explain = explain;
	if (code == CLI_DONE && mode != SHOW && is_something(&w))
		code = carry_out(&w, mode);
	release(&w);
	return code;
}

/* Documents of every -f. */
static int read_files(struct cli *c, json_t *documents)
{
	int code = CLI_DONE, n = 0;

	for (size_t i = 0; code == CLI_DONE && i < c->flag_count; i++) {
		struct cli_flag *f = &c->flags[i];

		if (strcmp(f->name, "field") != 0 && strcmp(f->name, "file") != 0)
			continue;
		f->used = true;
		n++;
		code = ud_cli_documents(c, f->value ? f->value : "", documents);
	}
	return code || n ? code : ud_cli_fail(CLI_USAGE, "%s -f FILE|FOLDER", c->words[0]);
}

int ud_cli_run_apply(struct cli *c)
{
	bool diff = strcmp(c->words[0], "diff") == 0, dry = ud_cli_flag(c, "dry-run") != NULL;
	json_t *documents = json_array();
	int code = read_files(c, documents);

	if (code == CLI_DONE)
		code = ud_cli_check_flags(c);
	if (code == CLI_DONE)
		code = run(c, documents, diff ? SHOW : dry ? TRY : DO);
	json_decref(documents);
	return code;
}

int ud_cli_run_import(struct cli *c)
{
	bool preview = ud_cli_flag(c, "preview") || ud_cli_flag(c, "dry-run");
	json_t *documents = json_array(), *fields = NULL;
	struct cli_command create;
	int code = ud_cli_check_flags(c);

	if (code == CLI_DONE && (c->word_count != 4 || strcmp(c->words[1], "csv") != 0))
		code = ud_cli_fail(CLI_USAGE, "import csv KIND FILE [--preview]");
	if (code == CLI_DONE && !ud_cli_kind(c, c->words[2], &create, &fields))
		code = ud_cli_fail(CLI_USAGE, "nothing is made that is called %s", c->words[2]);
	if (code == CLI_DONE)
		code = ud_cli_table(c, c->words[3], c->words[2], fields, documents);
	if (code == CLI_DONE)
		code = run(c, documents, preview ? TRY : DO);
	json_decref(documents);
	return code;
}
