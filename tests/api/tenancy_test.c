/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No customer sees another's data: every row of the route table is called by every kind of caller,
 * with its own, a foreign, the provider's and a missing id in each place that takes one: path,
 * query, body. What is expected follows from the row. Where the tenant ends, a foreign id answers
 * word for word as a missing one, and no answer holds a text of somebody else's rows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/rules.h"
#include "db/events.h"
#include "db/vms.h"
#include "server/auth/auth.h"
#include "support/batches.h"
#include "support/callers.h"

struct matrix {
	struct world *w;
	struct tenants t;
	struct callers callers;
	bool used[160]; /* rows of reasons */
	size_t cells, proven, batched;
};

static int begin(void **state)
{
	struct matrix *m = ud_malloc(sizeof(*m));

	m->w = world_begin();
	tenants_fill(&m->t, m->w);
	callers_add(&m->callers, &m->t);
	*state = m;
	return 0;
}

static int end(void **state)
{
	struct matrix *m = *state;

	world_end(m->w);
	ud_free(m);
	return 0;
}

/* ---- ids and the places they stand in ---- */

/* Whose id, as the caller sees it. */
enum whose { OWN, FOREIGN, PROVIDERS, MISSING, WHOSE_COUNT };
static const char *const whose_names[] = { "its own", "a foreign", "the provider's", "a missing" };

/* Collections whose objects paths name. */
/* clang-format off */
static const struct {
	const char *part, *prefix;
	bool personal; /* not the tenant's but the person's: never seen by the callers here */
} collections[] = {
	{ "/customers/{", "cus", false },
	{ "/subscriptions/{", "sub", false },
	{ "/sites/{", "sit", false },
	{ "/fault-domains/{", "fdm", false },
	{ "/hosts/{", "hst", false },
	{ "/agents/{", "agt", false },
	{ "/vms/{", "vm", false },
	{ "/checkpoints/{", "cpt", false },
	{ "/policies/{", "pol", false },
	{ "/replications/{", "rpl", false },
	{ "/recovery-points/{", "rpt", false },
	{ "/recovery-plans/{", "pln", false },
	{ "/failovers/{", "flo", false },
	{ "/evidence/{", "evd", false },
	{ "/steps/{", NULL, false },
	{ "/versions/{", NULL, false },
	{ "/networks/{", "net", false },
	{ "/ip-blocks/{", "ipb", false },
	{ "/ip-addresses/{", "ipa", false },
	{ "/users/{", "usr", false },
	{ "/service-accounts/{", "sva", false },
	{ "/me/notifications/{", "ntf", true },
	{ "/me/saved-views/{", "svw", true },
	{ "/me/sessions/{", "ses", true },
	{ "/me/tokens/{", "tok", true },
	{ "/tokens/{", "tok", false },
	{ "/operations/{", "op", false },
	{ "/tickets/{", "tkt", false },
	{ "/queues/{", "que", false },
	{ "/macros/{", "mac", false },
	{ "/ticket-categories/{", "tca", false },
	{ "/calendars/{", "cal", false },
	{ "/slas/{", "sla", false },
	{ "/comments/{", "tco", false },
	{ "/attachments/{", "tat", false },
	{ "/watchers/{", "twa", false },
	{ "/links/{", "tln", false },
	{ "/time-entries/{", "tte", false },
	{ "/approval-policies/{", "apl", false },
	{ "/standing-orders/{", "sto", false },
	{ "/events/{", "evt", false },
	{ "/audit-records/{", "evt", false },
	/* names, the same for everybody */
	{ "/problems/{", NULL, false },
	{ "/device/{", NULL, false },
	{ "/app/{", NULL, false },
	{ "/static/{", NULL, false },
	{ "/{hash}/{", NULL, false },
};
/* clang-format on */

static size_t collection_at(const char *path, const char *brace)
{
	for (size_t i = 0; i < UD_LEN(collections); i++) {
		size_t n = strlen(collections[i].part);

		if (brace + 1 - path >= (long)n &&
			strncmp(brace + 1 - n, collections[i].part, n) == 0)
			return i;
	}
	fail_msg("%s: collections[] does not say whose id stands at %s", path, brace);
	return 0;
}

/* NULL: nobody has such a row. */
static const char *id_of(
	const struct matrix *m, const struct caller *c, const char *prefix, enum whose whose)
{
	if (whose == MISSING)
		return tenants_missing(&m->t, prefix);
	if (whose == PROVIDERS)
		return tenants_id(&m->t, prefix, PROVIDER);
	return tenants_id(&m->t, prefix,
		whose == OWN               ? c->base
			: c->base == FIRST ? SECOND
					   : FIRST);
}

/* One place of a route that takes an id. */
struct place {
	enum where { NOWHERE, PATH, BODY, QUERY } where;
	size_t index;       /* PATH: of the brace */
	const char *name;   /* BODY, QUERY: of the member or parameter */
	const char *prefix; /* NULL for NOWHERE */
};

enum { MAX_PLACES = 24 };

static bool takes(const struct ud_field *f)
{
	return f->refers && !(f->flags & (UD_SERVER | UD_COMPUTED));
}

static size_t add_place(struct place *places, size_t n, enum where where, size_t index,
	const char *name, const char *prefix)
{
	assert_true(n < MAX_PLACES);
	places[n] = (struct place){ where, index, name, prefix };
	return n + 1;
}

static size_t query_places(const struct ud_route *r, struct place *places, size_t n)
{
	const struct ud_shape *shape = r->resource ? r->resource->table->shape : NULL;

	if (strcmp(r->operation, "events.list") == 0 ||
		strcmp(r->operation, "audit-records.list") == 0)
		return add_place(places, n, QUERY, 0, "subject_id", "vm");
	if (!(r->flags & UD_LIST) || !shape)
		return n;
	n = add_place(places, n, QUERY, 0, "customer_id", "cus");
	if (shape->prefix)
		n = add_place(places, n, QUERY, 0, "id", shape->prefix);
	for (size_t i = 0; i < shape->field_count; i++)
		if (shape->fields[i].flags & UD_FILTER && shape->fields[i].refers)
			n = add_place(places, n, QUERY, 0, shape->fields[i].name,
				shape->fields[i].refers);
	return n;
}

/* Every place of a route, the first of them none: everything as it should be. */
static size_t places_of(const struct ud_route *r, struct place *places)
{
	const struct ud_shape *body = ud_route_body(r);
	size_t n = add_place(places, 0, NOWHERE, 0, NULL, NULL), index = 0;

	for (const char *b = r->path; (b = strchr(b, '{')); b++, index++) {
		const char *prefix = collections[collection_at(r->path, b)].prefix;

		if (prefix)
			n = add_place(places, n, PATH, index, NULL, prefix);
	}
	for (size_t i = 0; body && i < body->field_count; i++)
		if (takes(&body->fields[i]))
			n = add_place(
				places, n, BODY, 0, body->fields[i].name, body->fields[i].refers);
	if (body && !body->bare)
		n = add_place(places, n, BODY, 0, "customer_id", "cus");
	return query_places(r, places, n);
}

/* ---- requests ---- */

/* A cell of the matrix. */
struct cell {
	const struct ud_route *route;
	const struct caller *caller;
	struct place place;
	enum whose whose;
};

static const char *path_of(const struct matrix *m, const struct cell *x)
{
	const char *out = "", *path = x->route->path, *glue = "?";
	size_t index = 0;

	for (const char *b; (b = strchr(path, '{')); path = strchr(b, '}') + 1, index++) {
		const char *prefix = collections[collection_at(x->route->path, b)].prefix;
		bool here = x->place.where == PATH && x->place.index == index;

		out = fmt(m->w, "%s%.*s%s", out, (int)(b - path), path,
			prefix ? id_of(m, x->caller, prefix, here ? x->whose : OWN) : "not_found");
	}
	out = fmt(m->w, "%s%s", out, path);
	if (x->place.where == QUERY) {
		out = fmt(m->w, "%s?%s=%s", out, x->place.name,
			id_of(m, x->caller, x->place.prefix, x->whose));
		glue = "&";
	}
	if (strcmp(x->route->operation, "search") == 0)
		out = fmt(m->w, "%s%sq=%s", out, glue,
			tenants_marks[x->caller->base == FIRST ? SECOND : FIRST]);
	if (x->route->flags & UD_UPLOAD) {
		out = fmt(m->w, "%s%sfilename=cell.txt", out, glue);
		glue = "&";
	}
	/* writes are tried dry, so that every cell meets the same rows */
	return x->route->flags & UD_WRITE ? fmt(m->w, "%s%sdry_run=true", out, glue) : out;
}

/* Values that a rule over several fields or one of the handler's own asks for. */
static const struct {
	const char *operation, *field, *value;
} values[] = {
	{ "ip-blocks.create", "prefix", "10.9.0.0/24" },
	{ "ip-blocks.allocate-block", "prefix_length", "28" },
	{ "ip-blocks.split", "prefix_length", "26" },
	{ "ip-addresses.create", "address", "10.0.0.77" },
	{ "users.create", "role", "customer_viewer" },
	{ "service-accounts.create", "role", "customer_viewer" },
	{ "me.password", "new_password", "an altogether New phrase" },
	{ "fault-domains.create", "type", "rack" },
	{ "vms.protect", "target_host_id", "its own" },
	{ "vms.protect", "schedule_interval_seconds", "300" },
	{ "vms.protect", "rpo_target_seconds", "900" },
	{ "vms.protect", "rto_target_seconds", "3600" },
	{ "vms.protect", "recovery_points_kept", "3" },
	{ "replications.extend", "target_host_id", "its own" },
	{ "replications.extend", "schedule_interval_seconds", "300" },
	{ "recovery-plans.create", "members", "vm_id" },
	{ "tickets.create", "subject", "A sample" },
	{ "tickets.comments.create", "body", "A sample" },
	{ "tickets.attest-down", "statement", "I pulled the plug myself." },
	{ "tickets.waive", "statement", "We live with it for a week." },
	{ "standing-orders.create", "plan_id", "its own" },
	{ "standing-orders.create", "statement", "Test it when it is due." },
	{ "vms.choose-owner", "statement", "I have looked at both copies." },
	{ "hosts.go-on-without", "statement", "It burnt down; I have seen its ashes." },
};

static const struct {
	ud_text_rule *rule;
	const char *value;
} rules[] = {
	{ ud_rule_email, "cell@example.net" },
	{ ud_rule_host_name, "cell-1" },
	{ ud_rule_code, "cell-1" },
	{ ud_rule_word, "cell-1" },
	{ ud_rule_time_zone, "UTC" },
	{ ud_rule_uuid, "0192f0c1-2345-4789-8abc-0123456789ab" },
	{ ud_rule_scope, "*" },
};

static const char *special(const struct ud_route *r, const struct ud_field *f)
{
	for (size_t i = 0; i < UD_LEN(values); i++)
		if (strcmp(values[i].operation, r->operation) == 0 &&
			strcmp(values[i].field, f->name) == 0)
			return values[i].value;
	return NULL;
}

static const char *sample_text(const struct ud_field *f)
{
	for (size_t i = 0; i < UD_LEN(rules); i++)
		if (f->rule && f->rule == rules[i].rule)
			return rules[i].value;
	return f->values ? f->values->names[0] : f->max && f->max < 8 ? "000000" : "A sample";
}

static json_t *sample(const struct matrix *m, const struct cell *x, const struct ud_field *f)
{
	const char *given = special(x->route, f);
	char tomorrow[UD_TIME_TEXT];

	if (f->refers)
		return json_string(id_of(m, x->caller, f->refers, OWN));
	switch (f->type) {
	case UD_INT:
		return json_integer(given ? atol(given) : f->min);
	case UD_BOOL:
		return json_false();
	case UD_INSTANT:
		ud_time_format(ud_now_ms(&m->w->env) + 86400000, tomorrow);
		return json_string(tomorrow);
	case UD_JSON: /* or a list of one object that names a VM; of a batch, a call to nothing */
		if (x->route->flags & UD_BATCH)
			return json_pack("[{s:s}]", "path", "/nothing/at/all/here");
		return given ? json_pack("[{s:s}]", given, id_of(m, x->caller, "vm", OWN))
			     : json_object();
	case UD_TEXTS:
		return json_pack("[s]", given ? given : sample_text(f));
	default:
		return json_string(given ? given : sample_text(f));
	}
}

/* Must the body have it? Optional customers are named: staff make things for somebody. */
static bool wanted(const struct ud_route *r, const struct ud_field *f)
{
	if (f->flags & (UD_SERVER | UD_COMPUTED))
		return false;
	return f->flags & UD_REQUIRED || special(r, f) ||
		(f->refers && strcmp(f->refers, "cus") == 0);
}

static const char *body_of(const struct matrix *m, const struct cell *x)
{
	const struct ud_route *r = x->route;
	const struct ud_shape *shape = ud_route_body(r);
	json_t *body = json_object();

	if (strcmp(r->method, "GET") == 0 || strcmp(r->method, "DELETE") == 0) {
		json_decref(body);
		return NULL;
	}
	for (size_t i = 0; shape && strcmp(r->method, "PATCH") != 0 && i < shape->field_count; i++)
		if (wanted(r, &shape->fields[i]))
			json_object_set_new(
				body, shape->fields[i].name, sample(m, x, &shape->fields[i]));
	if (shape && !shape->bare && strcmp(r->method, "POST") == 0 &&
		r->resource->table->customer_required)
		json_object_set_new(
			body, "customer_id", json_string(id_of(m, x->caller, "cus", OWN)));
	if (x->place.where == BODY)
		json_object_set_new(body, x->place.name,
			json_string(id_of(m, x->caller, x->place.prefix, x->whose)));
	const char *text = ud_json_text(m->w->arena, body, JSON_COMPACT);

	json_decref(body);
	return text;
}

/* ---- what is expected ---- */

struct verdict {
	int status; /* 0 = the caller gets through */
	const char *code;
};

/* What the row says of the caller, whatever ids are in the request. */
static struct verdict admission(const struct ud_route *r, const struct caller *c)
{
	const struct kind *k = c->kind;
	const char *scope[] = { k->scope ? k->scope : "*" };
	const struct ud_texts scopes = { scope, 1 };
	bool changes = strcmp(r->method, "GET") != 0;

	if (r->roles & UD_ANYONE)
		return k->fault == ORIGIN_FOREIGN && changes
			? (struct verdict){ 403, "csrf_failed" }
			: (struct verdict){ 0 };
	if (k->means == NOTHING || (k->fault >= EXPIRED && k->fault <= GARBLED))
		return (struct verdict){ 401, "unauthenticated" };
	if (k->on_behalf && k->side != PROVIDER)
		return (struct verdict){ 403, "role_missing" };
	if (k->fault >= CSRF_MISSING && k->fault <= ORIGIN_FOREIGN && changes)
		return (struct verdict){ 403, "csrf_failed" };
	if (!(r->roles & c->roles))
		return (struct verdict){ 403, "role_missing" };
	if (k->means != SESSION && !ud_auth_scope_covers(&scopes, r->scope))
		return (struct verdict){ 403, "scope_missing" };
	if (r->flags & UD_PERSON && k->means == SERVICE)
		return (struct verdict){ 403, "person_required" };
	if (r->flags & UD_STEP_UP && k->means == SESSION && k->fault == FACTOR_OLD)
		return (struct verdict){ 401, "step_up_required" };
	return (struct verdict){ 0 };
}

static bool is_shared(const char *prefix)
{
	return strcmp(prefix, "sit") == 0 || strcmp(prefix, "net") == 0 ||
		strcmp(prefix, "fdm") == 0 || strcmp(prefix, "pol") == 0 ||
		strcmp(prefix, "tca") == 0 || strcmp(prefix, "cal") == 0 ||
		strcmp(prefix, "apl") == 0 || strcmp(prefix, "sla") == 0;
}

static bool sees(const struct caller *c, const char *prefix, enum whose whose)
{
	if (whose == MISSING)
		return false;
	return !c->bound || (whose == OWN && c->kind->on_behalf >= 0) ||
		(whose == PROVIDERS && is_shared(prefix));
}

/* May a body name it? Staff who act for a customer put its VMs on the provider's hosts. */
static bool names(const struct caller *c, const struct place *p, enum whose whose)
{
	return sees(c, p->prefix, whose) ||
		(p->where == BODY && whose == PROVIDERS && c->kind->side == PROVIDER);
}

/* Does a path name something that the caller sees? Inner ids belong to the outer ones. */
static bool path_is_seen(const struct cell *x)
{
	const char *brace = strchr(x->route->path, '{'), *last = brace;

	for (const char *b = brace; b; b = strchr(b + 1, '{')) {
		size_t collection = collection_at(x->route->path, b);

		if (collections[collection].personal)
			return false;
		/* what has no id belongs to whatever stands before it */
		if (collections[collection].prefix)
			last = b;
	}
	if (x->place.where != PATH)
		return !brace || x->caller->kind->on_behalf >= 0;
	return sees(x->caller, x->place.prefix, x->whose) && (brace == last || x->whose == OWN);
}

/* Does a problem have this code? On a page for people it stands in its words. */
static bool says_code(
	const struct matrix *m, const struct cell *x, const struct reply *got, const char *code)
{
	if (x->route->flags & UD_HTML)
		return strstr(got->body, fmt(m->w, "<code>%s</code>", code)) != NULL;
	return strcmp(text_at(got->json, "code"), code) == 0;
}

static void complain(
	const struct matrix *m, const struct cell *x, const struct reply *got, const char *what)
{
	const char *body = body_of(m, x);

	fail_msg("%s, %s id%s%s: %s %s %s (%s)\n%s\ngot %d %s", x->caller->kind->name,
		whose_names[x->whose], x->place.name ? " in " : "",
		x->place.name ? x->place.name : "", x->route->method, path_of(m, x),
		body ? body : "", x->route->operation, what, got->status, got->body);
}

/* An answer without what every answer has of its own. */
static const char *words_of(const struct matrix *m, const struct cell *x, const struct reply *got)
{
	static const char *const own[] = { "instance", "request_id", "url" };
	const char *id = x->place.prefix ? id_of(m, x->caller, x->place.prefix, x->whose) : NULL;

	if (!json_is_object(got->json))
		return got->body;
	json_t *copy = json_copy(got->json);

	for (size_t i = 0; i < UD_LEN(own); i++)
		json_object_del(copy, own[i]);
	char *text = ud_strdup(m->w->arena, ud_json_text(m->w->arena, copy, JSON_COMPACT));

	json_decref(copy);
	for (char *p = text; id && x->whose != OWN && (p = strstr(p, id));)
		memset(p, '*', strlen(id));
	return text;
}

/* Nothing of the other tenant, and of the provider only what is everybody's. */
static void check_silence(
	const struct matrix *m, const struct cell *x, const struct reply *got, const char *words)
{
	const struct caller *c = x->caller;
	enum side other = c->base == FIRST ? SECOND : FIRST;

	if (admission(x->route, c).status || x->route->roles & UD_ANYONE)
		for (int side = 0; side < SIDE_COUNT; side++)
			if (strstr(words, tenants_marks[side]))
				complain(m, x, got, "tells something without a right to know");
	if (!c->bound)
		return;
	/* staff who name the provider's may be told of it */
	bool named =
		x->place.where == BODY && x->whose == PROVIDERS && names(c, &x->place, x->whose);

	if (strstr(words, tenants_marks[other]) ||
		(strstr(words, tenants_marks[PROVIDER]) && !named))
		complain(m, x, got, "tells a text of somebody else");
	if (x->place.where != BODY && strstr(words, m->t.customer[other]))
		complain(m, x, got, "tells another customer's id");
	if (c->kind->on_behalf < 0 && strstr(words, tenants_marks[c->base]))
		complain(m, x, got, "tells a text of a customer to one who is for nobody");
}

/* Calls that are right in form and about what the caller sees, and what still keeps them from
 * success. */
/* clang-format off */
static const struct {
	const char *operation, *code;
} reasons[] = {
	{ "agents.delete", "invalid_state" }, /* it is believed still */
	{ "calendars.delete", "in_use" },
	{ "agents.fetch-logs", "invalid_state" }, /* this server has no port for agents */
	{ "agents.logs", "invalid_state" }, /* nobody fetched them */
	{ "customers.erase", "invalid_state" }, /* it is active */
	{ "checkpoints.apply", "invalid_state" }, /* no host of theirs is heard */
	{ "checkpoints.delete", "invalid_state" },
	{ "vms.choose-owner", "invalid_state" }, /* nobody else claims it */
	{ "vms.set-fencing-policy", "invalid_state" }, /* it is not protected */
	{ "hosts.go-on-without", "invalid_state" }, /* nobody waits for it */
	{ "hosts.diagnose", "invalid_state" },
	{ "hosts.drain", "invalid_state" },
	{ "hosts.quarantine", "invalid_state" },
	{ "hosts.resume", "invalid_state" },
	{ "hosts.facts", "invalid_state" }, /* it has told nothing */
	{ "hosts.networks", "invalid_state" }, /* it has told nothing */
	{ "hosts.storage", "invalid_state" }, /* it has told nothing */
	{ "hosts.teams", "invalid_state" }, /* it has told nothing */
	{ "hosts.cluster", "invalid_state" }, /* it has told nothing */
	{ "hosts.spaces", "invalid_state" }, /* it has told nothing */
	{ "hosts.smb", "invalid_state" }, /* it has told nothing */
	{ "hosts.balance", "invalid_state" },
	{ "hosts.team", "invalid_state" },
	{ "vms.break-glass", "invalid_state" }, /* it is not replicated */
	{ "vms.checkpoint", "invalid_state" },
	{ "vms.checkpoint-list", "invalid_state" },
	{ "vms.diagnose", "invalid_state" },
	{ "vms.definition", "invalid_state" },
	{ "vms.read-file", "invalid_state" },
	{ "vms.write-file", "invalid_state" },
	{ "vms.limit", "invalid_state" },
	{ "vms.pause", "invalid_state" },
	{ "vms.reset", "invalid_state" },
	{ "vms.resume", "invalid_state" },
	{ "vms.run", "invalid_state" },
	{ "vms.save", "invalid_state" },
	{ "vms.screenshot", "invalid_state" },
	{ "vms.shutdown", "invalid_state" },
	{ "vms.start", "invalid_state" },
	{ "vms.stop", "invalid_state" },
	{ "vms.upgrade", "invalid_state" },
	{ "vms.run", "vm_unmanaged" },
	{ "vms.read-file", "vm_unmanaged" },
	{ "vms.write-file", "vm_unmanaged" },
	{ "vms.facts", "invalid_state" },
	{ "vms.disks", "invalid_state" },
	{ "vms.nics", "invalid_state" },
	{ "vms.picture", "invalid_state" },
	{ "customers.create", "parameter_invalid" }, /* nobody is made on behalf of another */
	{ "customers.create", "validation_failed" }, /* customer_id is its own id */
	{ "customers.resume", "invalid_state" }, /* it is active */
	{ "failovers.verify", "invalid_state" }, /* it has ended */
	{ "failovers.commit", "invalid_state" },
	{ "failovers.rollback", "invalid_state" },
	{ "failovers.reverse", "invalid_state" },
	{ "failovers.cleanup", "invalid_state" },
	{ "failovers.cancel", "invalid_state" },
	{ "failovers.extend-timer", "invalid_state" },
	{ "failovers.retry-step", "parameter_invalid" }, /* a step is a number */
	{ "failovers.skip-step", "parameter_invalid" },
	{ "failovers.confirm-step", "parameter_invalid" },
	{ "device-requests.show", "not_found" }, /* nothing waits under that code */
	{ "device-requests.approve", "not_found" },
	{ "device-requests.deny", "not_found" },
	{ "fault-domains.delete", "in_use" },
	{ "fault-domains.edit", "validation_failed" }, /* a site is part of nothing */
	{ "hosts.delete", "in_use" },
	{ "hosts.enroll", "invalid_state" }, /* this server has no port for agents */
	{ "ip-addresses.assign", "invalid_state" }, /* it is assigned */
	{ "ip-blocks.delete", "in_use" },
	{ "ip-blocks.release", "invalid_state" }, /* it is no part */
	{ "ip-blocks.split", "in_use" },
	{ "me.edit", "person_required" }, /* programs have no profile */
	{ "me.edit", "validation_failed" }, /* nobody changes customer */
	{ "me.notification-preferences.show", "person_required" },
	{ "me.notification-preferences.edit", "person_required" },
	{ "me.password", "invalid_credentials" }, /* the callers have no password */
	{ "me.saved-views.create", "person_required" },
	{ "me.step-up", "invalid_credentials" },
	{ "me.step-up", "person_required" }, /* a token never steps up */
	{ "me.totp.verify", "invalid_state" }, /* no seed was made */
	{ "networks.delete", "in_use" },
	{ "policies.delete", "in_use" },
	{ "recovery-points.pin", "invalid_state" }, /* its replication is removed */
	{ "recovery-points.unpin", "invalid_state" },
	{ "recovery-points.verify", "invalid_state" },
	{ "replications.delete-replica", "invalid_state" }, /* the customer has not agreed */
	{ "replications.edit", "invalid_state" }, /* it is removed */
	{ "replications.extend", "invalid_state" },
	{ "replications.pause", "invalid_state" },
	{ "replications.remove", "invalid_state" },
	{ "replications.reset-health", "invalid_state" },
	{ "replications.resume", "invalid_state" },
	{ "replications.resync", "invalid_state" },
	{ "replications.reverse", "invalid_state" },
	{ "replications.seed", "invalid_state" },
	{ "replications.test-connection", "invalid_state" },
	{ "operations.cancel", "invalid_state" }, /* it has ended */
	{ "recovery-plans.diff", "parameter_invalid" }, /* a version is a number */
	{ "queues.edit", "validation_failed" }, /* nothing escalates to itself */
	{ "queues.next", "exhausted" }, /* nobody waits */
	{ "sessions.delete", "invalid_state" }, /* a token has no session */
	{ "settings.edit", "not_found" }, /* the installation's, not a customer's */
	{ "settings.show", "not_found" },
	{ "settings.test-mail", "not_found" },
	{ "settings.test-mail", "invalid_state" }, /* no mail server is configured */
	{ "sites.delete", "in_use" },
	{ "standing-orders.create", "invalid_state" }, /* its plan's hosts are silent */
	{ "slas.create", "already_exists" }, /* each customer has one */
	{ "ticket-categories.edit", "validation_failed" }, /* its parent stays */
	{ "tickets.approve", "invalid_state" }, /* it needs none */
	{ "tickets.assign", "person_required" }, /* programs take none */
	{ "tickets.assign", "validation_failed" }, /* a customer's person is none of the team */
	{ "tickets.attest-down", "invalid_state" },
	{ "tickets.close", "invalid_state" }, /* it is new */
	{ "tickets.comments.edit", "role_missing" }, /* somebody else said it */
	{ "tickets.links.create", "invalid_state" }, /* to itself */
	{ "tickets.merge", "invalid_state" }, /* into itself */
	{ "tickets.reject", "invalid_state" },
	{ "tickets.release", "invalid_state" },
	{ "tickets.reopen", "invalid_state" },
	{ "tickets.resume", "invalid_state" },
	{ "tickets.time-entries.delete", "role_missing" }, /* somebody else worked */
	{ "tickets.time-entries.edit", "role_missing" },
	{ "tickets.waive", "invalid_state" },
	{ "tickets.watchers.create", "already_exists" },
	{ "tickets.watchers.create", "invalid_state" }, /* not on behalf of another */
	{ "tickets.watchers.create", "person_required" },
	{ "users.enable", "invalid_state" }, /* the person is active */
	{ "users.invite", "invalid_state" },
	{ "vms.delete", "in_use" },
	{ "vms.edit", "validation_failed" }, /* host_id is the staff's to set */
};
/* clang-format on */

static bool explained(struct matrix *m, const struct cell *x, const struct reply *got)
{
	const char *code = text_at(got->json, "code");

	/* a field refused by a rule; never the whole body, which would hide what is behind */
	if (strcmp(code, "validation_failed") == 0 && x->place.where != BODY)
		return false;
	/* shared rows are the provider's to change */
	if (x->whose == PROVIDERS && x->caller->bound)
		return strcmp(code, "role_missing") == 0;
	for (size_t i = 0; i < UD_LEN(reasons); i++)
		if (strcmp(reasons[i].operation, x->route->operation) == 0 &&
			strcmp(reasons[i].code, code) == 0)
			return m->used[i] = true;
	return false;
}

/* Must it succeed? Staff who act for nobody have no rows, and theirs may not fit together. */
static bool demanding(const struct cell *x)
{
	return x->caller->kind->on_behalf >= 0 &&
		(x->whose == OWN || (x->place.where == PATH && x->caller->bound));
}

/* What a call that is admitted may answer. */
static void check_admitted(struct matrix *m, const struct cell *x, const struct reply *got)
{
	bool reference = x->place.where == BODY && strcmp(x->place.prefix, "cus") != 0;
	bool seen = !reference || names(x->caller, &x->place, x->whose);

	if (!path_is_seen(x)) {
		if (got->status != 404 || !says_code(m, x, got, "not_found"))
			complain(m, x, got, "wanted 404");
	} else if (x->place.where == QUERY && got->status != 200) {
		complain(m, x, got, "wanted a list");
	} else if (!seen && got->status / 100 == 2) {
		complain(m, x, got, "took a reference to what the caller does not see");
	} else if (x->place.where == PATH && got->status == 404) {
		complain(m, x, got, "wanted the object");
	} else if (demanding(x) && got->status / 100 != 2 && !explained(m, x, got)) {
		complain(m, x, got, "wanted success");
	}
}

static bool opens_a_stream(const struct ud_route *r, const struct caller *c)
{
	return r->flags & UD_STREAM && !admission(r, c).status;
}

/* The cell's call as the only item of a batch. */
static const char *batch_body(const struct matrix *m, const struct cell *x)
{
	const char *path = path_of(m, x) + collection_length(x->route->path), *body = body_of(m, x);
	size_t n = strcspn(path, "?"); /* the batch itself is tried dry */
	json_t *item = json_pack("{s:s, s:s, s:s}", "method", x->route->method, "if_match", "*",
		"idempotency_key", "tried-dry");

	if (n)
		json_object_set_new(item, "path", json_stringn(path, n));
	if (body)
		json_object_set_new(item, "body", json_loads(body, 0, NULL));
	json_t *whole = json_pack("{s:[o]}", "items", item);
	const char *text = ud_json_text(m->w->arena, whole, JSON_COMPACT);

	json_decref(whole);
	return text;
}

/* A result as the reply that it stands for. */
static struct reply result_of(struct matrix *m, const struct reply *got)
{
	json_t *one = json_array_get(json_object_get(got->json, "results"), 0);
	json_t *body = json_object_get(one, "body");

	return (struct reply){ .status = (int)number_at(one, "status"),
		.json = json_is_object(body) ? body : NULL,
		.body = (char *)ud_json_text(m->w->arena, body, JSON_COMPACT) };
}

/* In a batch a call is answered as it is alone. The ordinary run tries one cell of three. */
static void try_in_batch(
	struct matrix *m, const struct cell *x, const struct reply *alone, const char *words)
{
	const struct ud_route *b = batch_of(x->route);

	if (!b || admission(b, x->caller).status || (m->cells % 3 && !getenv("UD_TEST_LONG")))
		return;
	struct reply whole = callers_call(&m->callers, x->caller, "POST",
			     fmt(m->w, "%s?dry_run=true", b->path), batch_body(m, x), false),
		     got = result_of(m, &whole);
	bool done = alone->status / 100 == 2;

	if (whole.status != 207 || got.status != alone->status ||
		(!done && strcmp(words_of(m, x, &got), words) != 0))
		complain(m, x, &whole, fmt(m->w, "in a batch; alone %d %s", alone->status, words));
	check_silence(m, x, &got, words_of(m, x, &got));
	m->batched++;
}

/* Try one cell; its words, or NULL when there is no such cell. */
static const char *try(struct matrix *m, const struct cell *x)
{
	const struct ud_route *r = x->route;
	struct verdict v = admission(r, x->caller);

	if (x->place.prefix && !id_of(m, x->caller, x->place.prefix, x->whose))
		return NULL;
	struct reply got = callers_call(&m->callers, x->caller, r->method, path_of(m, x),
		body_of(m, x), (r->flags & UD_KEY_REQUIRED) != 0);
	const char *words = words_of(m, x, &got);

	m->cells++;
	if (got.status >= 500)
		complain(m, x, &got, "an error of ours");
	if (v.status && (got.status != v.status || !says_code(m, x, &got, v.code)))
		complain(m, x, &got, fmt(m->w, "wanted %d %s", v.status, v.code));
	if (!v.status && !(r->roles & UD_ANYONE))
		check_admitted(m, x, &got);
	check_silence(m, x, &got, words);
	try_in_batch(m, x, &got, words);
	if (got.status / 100 == 2 && strstr(words, tenants_marks[x->caller->base]))
		m->proven++;
	return fmt(m->w, "%d %s", got.status,
		got.status / 100 == 2 && r->flags & UD_WRITE ? "" : words);
}

/* One place of a route, for one caller: whatever is not to be seen is as if it were not there. */
static void try_place(struct matrix *m, struct cell x)
{
	const char *answers[WHOSE_COUNT] = { NULL };

	for (int whose = 0; whose < WHOSE_COUNT; whose++) {
		x.whose = (enum whose)whose;
		answers[whose] = try(m, &x);
		if (x.place.where == NOWHERE)
			return;
	}
	if (!x.caller->bound || x.route->roles & UD_ANYONE)
		return;
	for (int whose = 0; whose < MISSING; whose++) {
		if (!answers[whose] || names(x.caller, &x.place, (enum whose)whose))
			continue;
		if (strcmp(answers[whose], answers[MISSING]) != 0)
			fail_msg("%s: %s %s tells %s id from a missing one (%s)\n%s\n%s",
				x.caller->kind->name, x.route->method, x.route->path,
				whose_names[whose], x.place.name ? x.place.name : "path",
				answers[whose], answers[MISSING]);
	}
}

static void try_route(struct matrix *m, const struct ud_route *r)
{
	struct place places[MAX_PLACES];
	size_t n = places_of(r, places);

	for (size_t i = 0; i < m->callers.count; i++) {
		/* a stream that opens stays open: see streams_keep_tenants_apart */
		for (size_t j = 0; j < n && !opens_a_stream(r, &m->callers.all[i]); j++)
			try_place(m, (struct cell){ r, &m->callers.all[i], places[j], OWN });
		json_array_clear(m->w->replies);
	}
}

static void every_route_keeps_tenants_apart(void **state)
{
	struct matrix *m = *state;
	size_t routes = 0;

	for (const struct ud_routes *const *part = ud_api; *part; part++)
		for (size_t i = 0; i < (*part)->count; i++, routes++)
			try_route(m, &(*part)->rows[i]);
	printf("# %zu routes, %zu callers, %zu cells, %zu of them in a batch, too; %zu answers showed the caller's own rows\n",
		routes, m->callers.count, m->cells, m->batched, m->proven);
	assert_true(m->batched > 2000);
	assert_true(m->proven > 2000);
	_Static_assert(UD_LEN(reasons) <= UD_LEN(m->used), "a flag for every reason");
	for (size_t i = 0; i < UD_LEN(reasons); i++)
		if (!m->used[i])
			fail_msg("reasons[]: %s never answers %s", reasons[i].operation,
				reasons[i].code);
}

/* The route that lists things of this name. */
static const struct ud_route *list_of(const char *object)
{
	for (const struct ud_routes *const *part = ud_api; *part; part++)
		for (size_t i = 0; i < (*part)->count; i++) {
			const struct ud_route *r = &(*part)->rows[i];

			if (r->flags & UD_LIST && r->resource && !r->resource->parent_column &&
				strcmp(r->resource->table->shape->object, object) == 0)
				return r;
		}
	fail_msg("nothing lists a %s", object);
	return NULL;
}

/* The one box finds no kind of thing that the caller may not list. */
static void search_finds_what_lists_show(void **state)
{
	struct matrix *m = *state;
	const struct ud_route r = {
		.method = "GET", .roles = UD_PEOPLE, .scope = "search:read", .flags = 0
	};
	size_t found = 0, i;
	json_t *item;

	for (size_t k = 0; k < m->callers.count; k++) {
		const struct caller *c = &m->callers.all[k];

		if (admission(&r, c).status)
			continue;
		struct reply got = callers_call(&m->callers, c, "GET",
			fmt(m->w, "/v1/search?q=%s", tenants_marks[c->base]), NULL, false);

		assert_int_equal(got.status, 200);
		json_array_foreach(json_object_get(got.json, "data"), i, item)
		{
			if (admission(list_of(text_at(item, "object")), c).status)
				fail_msg("%s finds a %s", c->kind->name, text_at(item, "object"));
			found++;
		}
	}
	assert_true(found > 100);
}

/* ---- streams ---- */

static enum ud_code add_vm(struct ud_ctx *cx, const char *customer, const char *name)
{
	struct ud_vm vm = { .row.customer_id = customer,
		.name = name,
		.vcpus = UD_NONE,
		.memory_bytes = UD_NONE,
		.disk_bytes = UD_NONE };

	UD_TRY(ud_row_insert(cx, &ud_vms, &vm));
	return ud_event_add(cx, "created", ud_vms.shape, NULL, &vm);
}

/* The other's and the provider's before the one that is waited for. */
static enum ud_code add_late_vms(struct ud_ctx *cx, void *data)
{
	struct matrix *m = data;

	UD_TRY(add_vm(cx, m->t.customer[SECOND], "canary-late"));
	UD_TRY(add_vm(cx, NULL, "inner-late"));
	return add_vm(cx, m->t.customer[FIRST], "plain-late");
}

/* Whoever may follow the log hears of its own tenant's changes and of nobody else's, those of
 * before it came included. */
static void streams_keep_tenants_apart(void **state)
{
	struct matrix *m = *state;
	const struct ud_route r = {
		.method = "GET", .roles = UD_PEOPLE, .scope = "events:read", .flags = UD_STREAM
	};
	size_t heard = 0;

	world_write(m->w, add_late_vms, m);
	for (size_t i = 0; i < m->callers.count; i++) {
		const struct caller *c = &m->callers.all[i];

		if (!opens_a_stream(&r, c) || c->base != FIRST || c->kind->on_behalf < 0)
			continue;
		struct reply first =
			callers_call(&m->callers, c, "GET", "/v1/events?limit=1", NULL, false);
		const char *text = callers_follow(&m->callers, c,
			fmt(m->w, "/v1/events/stream?after=%s",
				text_at(first.json, "data.0.cursor")),
			"plain-late");

		if (c->bound && (strstr(text, "canary-") || strstr(text, "inner-")))
			fail_msg("%s hears of others: %s", c->kind->name, text);
		if (!c->bound && !strstr(text, "canary-late"))
			fail_msg("%s does not hear of everybody: %s", c->kind->name, text);
		heard++;
	}
	assert_true(heard > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_route_keeps_tenants_apart),
		cmocka_unit_test(search_finds_what_lists_show),
		cmocka_unit_test(streams_keep_tenants_apart),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
