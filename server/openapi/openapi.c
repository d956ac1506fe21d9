/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The document is built as a jansson tree, since it is made once per build and order and escapes
 * then take care of themselves. Extensions: x-roles (who may), x-scope (what a token needs),
 * x-columns (fields of short tables).
 */
#include "server/openapi/openapi.h"

#include <stdlib.h>
#include <string.h>

#include "server/http/rest.h"

static json_t *ref(const char *kind, const char *name)
{
	return json_pack("{s:o}", "$ref", json_sprintf("#/components/%s/%s", kind, name));
}

/* "service_account" -> "ServiceAccount" */
static const char *schema_name(struct ud_ctx *cx, const char *object)
{
	char *name = ud_strdup(cx->arena, object), *out = name;
	bool up = true;

	for (const char *p = object; *p; p++) {
		if (*p == '_' || *p == '.' || *p == '-') {
			up = true;
			continue;
		}
		*out++ = up && *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
		up = false;
	}
	*out = 0;
	return name;
}

/* "users.create" -> "UsersCreateBody": bodies are named after their call. */
static const char *body_name(struct ud_ctx *cx, const struct ud_route *r)
{
	return ud_printf(cx->arena, "%sBody", schema_name(cx, r->operation));
}

static void set_range(json_t *s, const char *least, const char *most, const struct ud_field *f,
	int64_t standard_max)
{
	int64_t max = f->max ? f->max : standard_max;

	if (f->min || f->type == UD_INT)
		json_object_set_new(s, least, json_integer(f->min));
	if (max)
		json_object_set_new(s, most, json_integer(max));
}

static json_t *names_of(const struct ud_enum *e)
{
	json_t *a = json_array();

	for (int i = 0; i < e->count; i++)
		json_array_append_new(a, json_string(e->names[i]));
	return a;
}

/* Types that may be null are lists in OpenAPI 3.1. */
static void set_type(json_t *s, const char *type, bool null)
{
	json_object_set_new(
		s, "type", null ? json_pack("[s, s]", type, "null") : json_string(type));
}

static bool may_be_null(const struct ud_field *f)
{
	return !(f->flags & UD_REQUIRED) &&
		(f->type == UD_TEXT || f->type == UD_INSTANT || f->flags & UD_NULLABLE);
}

enum part { ANSWER, BODY_CREATE, BODY_PATCH };

static json_t *shape_schema(const struct ud_shape *shape, enum part part);

/* A document of any form, or what its table says. */
static json_t *document_schema(const struct ud_field *f)
{
	json_t *s = f->part ? shape_schema(f->part, ANSWER) : json_object();

	if (f->many)
		s = json_pack("{s:s, s:o}", "type", "array", "items", s);
	if (f->part && f->flags & UD_NULLABLE)
		set_type(s, f->many ? "array" : "object", true);
	return s;
}

static json_t *field_schema(const struct ud_field *f)
{
	json_t *s = json_object();
	bool null = may_be_null(f);

	switch (f->type) {
	case UD_TEXT:
		set_type(s, "string", null);
		set_range(s, "minLength", "maxLength", f,
			f->flags & (UD_SERVER | UD_COMPUTED) ? 0 : 255);
		if (f->refers)
			json_object_set_new(s, "pattern",
				json_sprintf("^%s_[0-9a-hjkmnp-tv-z]{26}$", f->refers));
		break;
	case UD_INT:
		set_type(s, "integer", null);
		json_object_set_new(s, "format", json_string("int64"));
		set_range(s, "minimum", "maximum", f, INT64_C(1) << 53);
		break;
	case UD_BOOL:
		set_type(s, "boolean", false);
		break;
	case UD_ENUM:
		set_type(s, "string", false);
		json_object_set_new(s, "enum", names_of(f->values));
		break;
	case UD_INSTANT:
		set_type(s, "string", null);
		json_object_set_new(s, "format", json_string("date-time"));
		break;
	case UD_JSON:
		json_object_update_new(s, document_schema(f));
		break;
	case UD_TEXTS:
		set_type(s, "array", false);
		json_object_set_new(s, "items",
			f->values ? json_pack("{s:s, s:o}", "type", "string", "enum",
					    names_of(f->values))
				  : json_pack("{s:s}", "type", "string"));
		set_range(s, "minItems", "maxItems", f, 200);
	}
	if (f->about)
		json_object_set_new(s, "description", json_string(f->about));
	if (f->flags & (UD_SERVER | UD_COMPUTED))
		json_object_set_new(s, "readOnly", json_true());
	return s;
}

static void add_common(json_t *properties)
{
	json_object_set_new(properties, "id",
		json_pack("{s:s, s:b, s:s}", "type", "string", "readOnly", 1, "description",
			"Id: a prefix, _ and 26 characters that say nothing."));
	json_object_set_new(properties, "object",
		json_pack("{s:s, s:b, s:s}", "type", "string", "readOnly", 1, "description",
			"Kind of the object."));
	json_object_set_new(properties, "customer_id",
		json_pack("{s:[s,s], s:s}", "type", "string", "null", "description",
			"Customer it belongs to; null = the provider."));
	json_object_set_new(properties, "version",
		json_pack("{s:s, s:b, s:s}", "type", "integer", "readOnly", 1, "description",
			"Grows by one with every change; the ETag."));
	json_object_set_new(properties, "created_at",
		json_pack("{s:s, s:s, s:b, s:s}", "type", "string", "format", "date-time",
			"readOnly", 1, "description", "When it was made."));
	json_object_set_new(properties, "updated_at",
		json_pack("{s:s, s:s, s:b, s:s}", "type", "string", "format", "date-time",
			"readOnly", 1, "description", "When it was last changed."));
	json_object_set_new(properties, "labels",
		json_pack("{s:s, s:{s:s}, s:i, s:s}", "type", "object", "additionalProperties",
			"type", "string", "maxProperties", 32, "description",
			"Pairs of strings for one's own use."));
}

static bool shown(const struct ud_field *f, enum part part)
{
	if (part == ANSWER)
		return !(f->flags & (UD_SECRET | UD_INPUT));
	return !(f->flags & (UD_SERVER | UD_COMPUTED));
}

static json_t *shape_schema(const struct ud_shape *shape, enum part part)
{
	json_t *properties = json_object(), *required = json_array(), *columns = json_array();

	if (!shape->bare && part == ANSWER)
		add_common(properties);
	if (!shape->bare && part != ANSWER) {
		json_object_set_new(properties, "customer_id",
			json_pack("{s:[s,s], s:s}", "type", "string", "null", "description",
				"Customer it belongs to; null = the provider."));
		json_object_set_new(properties, "labels",
			json_pack("{s:s, s:{s:s}, s:i, s:s}", "type", "object",
				"additionalProperties", "type", "string", "maxProperties", 32,
				"description", "Pairs of strings for one's own use."));
	}
	if (shape->bare && shape->object && part == ANSWER)
		json_object_set_new(properties, "object",
			json_pack("{s:s, s:s}", "type", "string", "description",
				"Kind of the object."));
	for (size_t i = 0; i < shape->field_count; i++) {
		const struct ud_field *f = &shape->fields[i];

		if (!shown(f, part))
			continue;
		json_object_set_new(properties, f->name, field_schema(f));
		if (part == BODY_CREATE && f->flags & UD_REQUIRED)
			json_array_append_new(required, json_string(f->name));
		if (f->flags & UD_BRIEF)
			json_array_append_new(columns, json_string(f->name));
	}
	json_t *s = json_pack("{s:s}", "type", "object");

	if (json_object_size(properties) || part != ANSWER)
		json_object_set(s, "properties", properties);
	if (part != ANSWER)
		json_object_set_new(s, "additionalProperties", json_false());
	if (json_array_size(required))
		json_object_set(s, "required", required);
	if (part == ANSWER && json_array_size(columns))
		json_object_set(s, "x-columns", columns);
	if (shape->about)
		json_object_set_new(s, "description", json_string(shape->about));
	json_decref(required);
	json_decref(columns);
	json_decref(properties);
	return s;
}

static json_t *list_schema(json_t *item)
{
	return json_pack(
		"{s:s, s:{s:{s:s, s:s}, s:{s:s, s:o, s:s}, s:{s:s, s:s}, s:{s:[s,s], s:s}, s:{s:s, s:s}, s:{s:s, s:s}}}",
		"type", "object", "properties", "object", "type", "string", "description",
		"Always list.", "data", "type", "array", "items", item, "description",
		"This page's objects.", "has_more", "type", "boolean", "description",
		"True when another page follows.", "next_cursor", "type", "string", "null",
		"description", "Value of cursor for the next page.", "url", "type", "string",
		"description", "The list's own address.", "total", "type", "integer", "description",
		"Objects in all, with count=exact.");
}

static json_t *parameter(
	const char *in, const char *name, const char *type, bool required, const char *about)
{
	return json_pack("{s:s, s:s, s:b, s:{s:s}, s:s}", "name", name, "in", in, "required",
		required, "schema", "type", type, "description", about);
}

static void path_parameters(json_t *list, const struct ud_route *r)
{
	for (const char *p = strchr(r->path, '{'); p; p = strchr(p + 1, '{')) {
		json_t *name = json_stringn(p + 1, strcspn(p + 1, "}"));

		json_array_append_new(list,
			parameter(
				"path", json_string_value(name), "string", true, "Which object."));
		json_decref(name);
	}
}

static const struct {
	const char *in, *name, *type, *about;
	unsigned flag; /* 0 = on every call that changes something */
} general[] = {
	{ "query", "limit", "integer", "Objects per page, 1 to 200, 50 when not given.", UD_LIST },
	{ "query", "cursor", "string", "next_cursor of the page before.", UD_LIST },
	{ "query", "sort", "string",
		"Fields to sort by, comma-separated; - before one turns its order.", UD_LIST },
	{ "query", "fields", "string", "Fields to answer with, comma-separated.", UD_LIST },
	{ "query", "q", "string", "Text to look for.", UD_LIST },
	{ "query", "count", "string", "exact = count all objects.", UD_LIST },
	{ "query", "wait", "integer", "Seconds to wait for a change, at most 25.", UD_WAIT },
	{ "header", "If-Match", "string", "ETag of the object as it was read, or *.",
		UD_MATCH_REQUIRED },
	{ "query", "filename", "string", "Name of the file, 1 to 200 bytes without a path.",
		UD_UPLOAD },
	{ "query", "dry_run", "boolean", "true = check everything and change nothing.", 0 },
	{ "header", "Idempotency-Key", "string",
		"A fresh key; a repeated call with it is answered as the first.", 0 },
};

static void filter_parameters(json_t *list, const struct ud_route *r)
{
	static const char about[] =
		"Only objects with this value; comma = or; null = none (ids, instants, integers); [ne], [gte], [gt], [lte], [lt] behind the name.";
	static const char *const common[] = { "customer_id", "created_at", "updated_at" };
	const struct ud_shape *s = ud_route_answer(r);

	for (size_t i = 0; s && !s->bare && i < UD_LEN(common); i++)
		json_array_append_new(list, parameter("query", common[i], "string", false, about));
	for (size_t i = 0; s && i < s->field_count; i++)
		if (s->fields[i].flags & UD_FILTER)
			json_array_append_new(list,
				parameter("query", s->fields[i].name, "string", false, about));
}

/* Which objects may come beside their ids. */
static void expand_parameter(json_t *list, const struct ud_shape *s)
{
	json_t *about = json_sprintf(
		"Objects to answer beside their ids, comma-separated, two levels by a dot:%s",
		s->bare ? "" : " customer");

	for (size_t i = 0; i < s->field_count; i++) {
		const struct ud_field *f = &s->fields[i];
		size_t n = strlen(f->name);

		if (!f->refers || f->flags & (UD_SECRET | UD_INPUT) || n < 4)
			continue;
		json_t *more =
			json_sprintf("%s, %.*s", json_string_value(about), (int)n - 3, f->name);

		json_decref(about);
		about = more;
	}
	json_array_append_new(
		list, parameter("query", "expand", "string", false, json_string_value(about)));
	json_decref(about);
}

/* Does the call take it? Whoever is nobody yet can try without effect, but has no keys. */
static bool takes(const struct ud_route *r, size_t i)
{
	if (general[i].flag)
		return r->flags & general[i].flag;
	return r->flags & UD_WRITE &&
		(!(r->roles & UD_ANYONE) || strcmp(general[i].name, "Idempotency-Key") != 0);
}

static json_t *parameters(const struct ud_route *r)
{
	json_t *list = json_array();

	path_parameters(list, r);
	for (size_t i = 0; i < UD_LEN(general); i++)
		if (takes(r, i))
			json_array_append_new(list,
				parameter(general[i].in, general[i].name, general[i].type,
					general[i].flag == UD_MATCH_REQUIRED ||
						general[i].flag == UD_UPLOAD ||
						(r->flags & UD_KEY_REQUIRED &&
							strcmp(general[i].name,
								"Idempotency-Key") == 0),
					general[i].about));
	if (ud_route_brief(r))
		json_array_append_new(list,
			parameter("header", "Prefer", "string", false,
				"return=minimal = answer without the object."));
	if (r->handle == ud_rest_list || r->handle == ud_rest_show)
		expand_parameter(list, r->resource->table->shape);
	if (r->flags & UD_LIST && r->resource)
		filter_parameters(list, r);
	for (const struct ud_parameter *p = r->parameters; p && p->name; p++)
		json_array_append_new(list, parameter("query", p->name, p->type, false, p->about));
	return list;
}

/* An object that the caller has already is not sent again. */
static void unchanged_response(json_t *responses, const struct ud_route *r)
{
	const struct ud_shape *s = ud_route_answer(r);

	if (strcmp(r->method, "GET") == 0 && !(r->flags & UD_LIST) && s && !s->bare)
		json_object_set_new(responses, "304",
			json_pack("{s:s}", "description",
				"It is as it was: its ETag stands in If-None-Match."));
}

/* Errors a row can have by its nature; every one is a problem. */
static void error_responses(json_t *responses, const struct ud_route *r)
{
	const struct {
		const char *status;
		bool there;
	} errors[] = {
		{ "400", true },
		{ "401", !(r->roles & UD_ANYONE) || r->flags & UD_WRITE },
		{ "403", !(r->roles & UD_ANYONE) },
		{ "404", strchr(r->path, '{') != NULL },
		{ "409", r->flags & UD_WRITE },
		{ "410", r->flags & (UD_WRITE | UD_LIST) },
		{ "412", r->flags & UD_WRITE && strchr(r->path, '{') },
		{ "413", r->flags & UD_WRITE },
		{ "415", r->flags & UD_WRITE },
		{ "422", ud_route_body(r) || r->flags & UD_WRITE },
		{ "428", r->flags & UD_MATCH_REQUIRED },
		{ "429", !(r->flags & UD_OUTSIDE) },
		{ "503", true },
	};

	for (size_t i = 0; i < UD_LEN(errors); i++)
		if (errors[i].there)
			json_object_set_new(
				responses, errors[i].status, ref("responses", "Problem"));
}

static const char *media_type(const struct ud_route *r)
{
	if (r->media)
		return r->media;
	if (r->flags & UD_STREAM)
		return "text/event-stream";
	if (r->flags & UD_HTML)
		return "text/html";
	if (r->flags & UD_DOWNLOAD)
		return "application/octet-stream";
	return "application/json";
}

/* By its name where it has one. */
static json_t *one_schema(struct ud_ctx *cx, const struct ud_shape *s)
{
	if (!s)
		return json_object();
	return s->object ? ref("schemas", schema_name(cx, s->object)) : shape_schema(s, ANSWER);
}

static json_t *answer_schema(struct ud_ctx *cx, const struct ud_route *r)
{
	const struct ud_shape *s = ud_route_answer(r);

	if (r->flags & UD_LIST && s && s->object)
		return ref("schemas", ud_printf(cx->arena, "%sList", schema_name(cx, s->object)));
	if (r->flags & (UD_LIST | UD_WHOLE))
		return list_schema(one_schema(cx, s));
	if (r->answer_else)
		return json_pack(
			"{s:[o, o]}", "anyOf", one_schema(cx, s), one_schema(cx, *r->answer_else));
	return one_schema(cx, s);
}

static json_t *success(struct ud_ctx *cx, const struct ud_route *r)
{
	json_t *schema;

	if (r->status == 204)
		return json_pack("{s:s}", "description", "Done.");
	schema = strcmp(media_type(r), "application/json") == 0
		? answer_schema(cx, r)
		: json_pack("{s:s}", "type", "string");
	return json_pack("{s:s, s:{s:{s:o}}}", "description",
		r->flags & UD_LIST            ? "A page of the list."
			: r->flags & UD_WHOLE ? "The whole list."
					      : "The answer.",
		"content", media_type(r), "schema", schema);
}

static json_t *roles_of(uint32_t roles)
{
	json_t *a = json_array();

	for (int i = 0; i < UD_ROLE_COUNT; i++)
		if (roles >> i & 1)
			json_array_append_new(a, json_string(ud_roles.names[i]));
	return a;
}

/* A dry run answers 200: with the object as it would be, or with what stands in the way of work. */
static void dry_run_response(struct ud_ctx *cx, json_t *responses, const struct ud_route *r)
{
	json_t *answer;

	if (!(r->flags & UD_WRITE) || (r->status != 201 && r->status != 202))
		return;
	answer = r->status == 201 ? success(cx, r)
				  : json_pack("{s:{s:{s:{s:s}}}}", "content", "application/json",
					    "schema", "type", "object");
	json_object_set_new(answer, "description",
		json_string("The answer of a dry run; nothing was changed."));
	json_object_set_new(responses, "200", answer);
}

static json_t *json_content(const char *media, json_t *schema)
{
	return json_pack("{s:{s:o}}", media, "schema", schema);
}

/* The body that a call needs; an empty object is welcome where it needs none. */
static json_t *request_body(struct ud_ctx *cx, const struct ud_route *r)
{
	bool patch = strcmp(r->method, "PATCH") == 0;

	if (r->flags & UD_UPLOAD) /* bytes have no type: a file of JSON is any value */
		return json_pack("{s:b, s:{s:{s:{s:s}}}}", "required", 1, "content", "*/*",
			"schema", "description", "The file as it is.");
	if (!ud_route_body(r))
		return strcmp(r->method, "POST") != 0
			? NULL
			: json_pack("{s:b, s:o}", "required", 0, "content",
				  json_content("application/json",
					  json_pack("{s:s, s:i}", "type", "object", "maxProperties",
						  0)));
	json_t *content = json_content(patch ? "application/merge-patch+json" : "application/json",
		ref("schemas", body_name(cx, r)));

	if (patch)
		json_object_update_new(content,
			json_content("application/json", ref("schemas", body_name(cx, r))));
	if (r->flags & UD_OAUTH)
		json_object_update_new(content,
			json_content("application/x-www-form-urlencoded",
				ref("schemas", body_name(cx, r))));
	return json_pack("{s:b, s:o}", "required", 1, "content", content);
}

static json_t *operation(struct ud_ctx *cx, const char *tag, const struct ud_route *r)
{
	json_t *body = request_body(cx, r);
	json_t *responses = json_object();
	json_t *op = json_pack("{s:s, s:s, s:s, s:[s]}", "operationId", r->operation, "summary",
		r->about, "description", r->about, "tags", tag);

	dry_run_response(cx, responses, r);
	json_object_set_new(responses, r->status ? ud_printf(cx->arena, "%d", r->status) : "200",
		success(cx, r));
	unchanged_response(responses, r);
	if (ud_route_brief(r) && r->status != 201)
		json_object_set_new(responses, "204",
			json_pack("{s:s}", "description",
				"Done; Prefer asked for no more (return=minimal)."));
	error_responses(responses, r);
	json_object_set_new(op, "parameters", parameters(r));
	if (body)
		json_object_set_new(op, "requestBody", body);
	json_object_set_new(op, "responses", responses);
	if (r->deprecated_at)
		json_object_set_new(op, "deprecated", json_true());
	if (r->roles & UD_ANYONE) {
		json_object_set_new(op, "security", json_array());
		return op;
	}
	json_object_set_new(op, "x-roles", roles_of(r->roles));
	json_object_set_new(op, "x-scope", json_string(r->scope));
	if (r->flags & UD_STEP_UP)
		json_object_set_new(op, "x-step-up", json_true());
	return op;
}

static void add_schemas(struct ud_ctx *cx, json_t *schemas, const struct ud_route *r)
{
	const struct ud_shape *answer = ud_route_answer(r), *body = ud_route_body(r);

	if (answer && answer->object) {
		const char *name = schema_name(cx, answer->object);

		if (!json_object_get(schemas, name))
			json_object_set_new(schemas, name, shape_schema(answer, ANSWER));
		if (r->flags & UD_LIST)
			json_object_set_new(schemas, ud_printf(cx->arena, "%sList", name),
				list_schema(ref("schemas", name)));
	}
	if (body)
		json_object_set_new(schemas, body_name(cx, r),
			shape_schema(
				body, strcmp(r->method, "PATCH") == 0 ? BODY_PATCH : BODY_CREATE));
}

static json_t *problem_schema(void)
{
	return json_pack(
		"{s:s, s:{s:{s:s, s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:[s,s]}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s, "
		"s:{s:s, s:{s:{s:s}, s:{s:s}, s:{s:s}}}}}, s:[s,s,s,s], s:s}",
		"type", "object", "properties", "type", "type", "string", "format", "uri", "title",
		"type", "string", "status", "type", "integer", "code", "type", "string", "detail",
		"type", "string", "instance", "type", "string", "null", "request_id", "type",
		"string", "retryable", "type", "boolean", "remedy", "type", "string", "errors",
		"type", "array", "items", "type", "object", "properties", "pointer", "type",
		"string", "code", "type", "string", "detail", "type", "string", "required", "type",
		"title", "status", "code", "description", "A problem (RFC 9457).");
}

static json_t *document(void)
{
	return json_pack(
		"{s:s, s:{s:s, s:s, s:s, s:{s:s, s:s}}, s:[{s:s, s:s}], s:[{s:[]}, {s:[]}, {s:[]}], s:[], s:{}, s:{s:{}, s:{s:{s:s, "
		"s:{s:{s:{s:s}}}}}, s:{s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s, s:s}, s:{s:s, s:s, s:s, s:s}}}}",
		"openapi", "3.1.0", "info", "title", "Understudy", "version", UD_VERSION,
		"description",
		"Control plane for managed services and disaster recovery of virtual machines.",
		"license", "name", "Apache-2.0", "identifier", "Apache-2.0", "servers", "url", "/",
		"description", "This installation.", "security", "token", "header", "session",
		"tags", "paths", "components", "schemas", "responses", "Problem", "description",
		"The call failed; code says why.", "content", "application/problem+json", "schema",
		"$ref", "#/components/schemas/Problem", "securitySchemes", "token", "type", "http",
		"scheme", "bearer", "description", "A personal (usp_) or service (uss_) token.",
		"header", "type", "apiKey", "in", "header", "name", "X-Auth-Token", "description",
		"The same token where Authorization is not to be had.", "session", "type", "apiKey",
		"in", "cookie", "name", "__Host-us_session", "description",
		"Session of a signed-in browser.");
}

/* get, post, … in lower case */
static const char *verb(struct ud_ctx *cx, const char *method)
{
	char *v = ud_strdup(cx->arena, method);

	for (char *p = v; *p; p++)
		*p = (char)(*p | 0x20);
	return v;
}

/* A part of pages alone has no place in the specification. */
static bool listed(const struct ud_routes *part)
{
	for (size_t i = 0; i < part->count; i++)
		if (!(part->rows[i].flags & UD_UNLISTED))
			return true;
	return false;
}

void ud_openapi_schema(const struct ud_shape *shape, struct ud_buf *out)
{
	json_t *doc = json_pack("{s:s}", "$schema", "https://json-schema.org/draft/2020-12/schema");

	json_object_update_new(doc, shape_schema(shape, BODY_CREATE));
	char *text = json_dumps(doc, JSON_COMPACT);

	ud_buf_puts(out, text ? text : "{}");
	ud_free(text);
	json_decref(doc);
}

void ud_openapi_write(struct ud_ctx *cx, const struct ud_routes *const *routes, struct ud_buf *out)
{
	json_t *doc = document();
	json_t *paths = json_object_get(doc, "paths"),
	       *components = json_object_get(doc, "components");
	json_t *schemas = json_object_get(components, "schemas");

	json_object_set_new(schemas, "Problem", problem_schema());
	for (; *routes; routes++) {
		if (!listed(*routes))
			continue;
		json_array_append_new(json_object_get(doc, "tags"),
			json_pack("{s:s, s:o}", "name", (*routes)->tag, "description",
				json_sprintf("Calls about %s.", (*routes)->tag)));
		for (size_t i = 0; i < (*routes)->count; i++) {
			const struct ud_route *r = &(*routes)->rows[i];

			if (r->flags & UD_UNLISTED)
				continue;
			if (!json_object_get(paths, r->path))
				json_object_set_new(paths, r->path, json_object());
			json_object_set_new(json_object_get(paths, r->path), verb(cx, r->method),
				operation(cx, (*routes)->tag, r));
			add_schemas(cx, schemas, r);
		}
	}
	char *text = json_dumps(doc, JSON_INDENT(1));

	ud_buf_puts(out, text ? text : "{}");
	ud_buf_putc(out, '\n');
	ud_free(text);
	json_decref(doc);
}
