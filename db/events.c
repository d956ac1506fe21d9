/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing and reading the log. Every writer takes the head '*' first, so records become visible in
 * the order of n even with several instances on one PostgreSQL, and no reader can miss one that
 * commits late.
 */
#include "db/events.h"

#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "base/id.h"
#include "db/sql.h"

enum { SALT = 16 };

#define COLUMNS                                                                                           \
	"n, seq, id, customer_id, type, created_at, actor_kind, actor_id, actor_name, on_behalf_of, via," \
	" address, request_id, subject_object, subject_id, data, previous, previous_hash, hash, salt,"    \
	" personal_digest"

struct ud_audit_line ud_event_line(const struct ud_event *e)
{
	return (struct ud_audit_line){ .seq = e->seq,
		.created_at = e->created_at,
		.id = e->id,
		.customer_id = e->customer_id,
		.type = e->type,
		.actor_kind = e->actor_kind,
		.actor_id = e->actor_id,
		.actor_name = e->actor_name,
		.on_behalf_of = e->on_behalf_of,
		.via = e->via,
		.address = e->address,
		.request_id = e->request_id,
		.subject_object = e->subject_object,
		.subject_id = e->subject_id,
		.data = e->data,
		.previous = e->previous,
		.previous_hash = e->previous_hash,
		.hash = e->hash,
		.salt = e->salt,
		.personal_digest = e->personal_digest };
}

/* What may be forgotten one day goes into the hash by a digest that chance keeps from being
 * guessed. */
static void set_hashes(struct ud_ctx *cx, struct ud_event *e)
{
	unsigned char salt[SALT];

	ud_random(cx->env, salt, sizeof(salt));
	e->salt = ud_hex(cx->arena, salt, sizeof(salt));
	struct ud_audit_line line = ud_event_line(e);

	e->personal_digest = line.personal_digest = ud_audit_personal(cx, &line);
	e->hash = ud_audit_hash(cx, &line);
}

/* Take the next global place and the customer's next number and last hash. */
static enum ud_code take_heads(struct ud_ctx *cx, struct ud_event *e)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool found, more = false;

	/* every tenant: the order of commits is one for all */
	UD_TRY(ud_query_int(cx, &found, &e->n,
		"UPDATE log_heads SET seq = seq + 1 WHERE customer_id = '*' RETURNING seq",
		UD_NO_VALS));
	UD_TRY(ud_query(cx, &rows,
		"INSERT INTO log_heads(customer_id, seq, hash) VALUES ($1, 1, '')"
		" ON CONFLICT(customer_id) DO UPDATE SET seq = log_heads.seq + 1"
		" RETURNING seq, hash",
		UD_VALS(ud_t(e->customer_id ? e->customer_id : ""))));
	UD_TRY(ud_next(cx, rows, &more));
	if (!found || !more)
		return ud_fail(cx, UD_E_INTERNAL, NULL, "the log has no head");
	e->seq = ud_col_int(rows, 0);
	e->previous_hash = ud_col_dup(cx, rows, 1);
	return ud_next(cx, rows, &more);
}

static enum ud_code store(struct ud_ctx *cx, struct ud_event *e)
{
	UD_TRY(take_heads(cx, e));
	set_hashes(cx, e);
	UD_TRY(ud_exec(cx, NULL,
		"INSERT INTO events(" COLUMNS ")"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)",
		UD_VALS(ud_i(e->n), ud_i(e->seq), ud_t(e->id), ud_t(e->customer_id), ud_t(e->type),
			ud_i(e->created_at), ud_t(e->actor_kind), ud_t(e->actor_id),
			ud_t(e->actor_name), ud_t(e->on_behalf_of), ud_t(e->via), ud_t(e->address),
			ud_t(e->request_id), ud_t(e->subject_object), ud_t(e->subject_id),
			ud_t(e->data), ud_t(e->previous), ud_t(e->previous_hash), ud_t(e->hash),
			ud_t(e->salt), ud_t(e->personal_digest))));
	return ud_exec(cx, NULL, "UPDATE log_heads SET hash = $2 WHERE customer_id = $1",
		UD_VALS(ud_t(e->customer_id ? e->customer_id : ""), ud_t(e->hash)));
}

/* A record of now by cx->scope. */
static struct ud_event begin_event(struct ud_ctx *cx)
{
	const struct ud_scope *s = cx->scope;

	return (struct ud_event){
		.id = ud_id_new(cx->arena, cx->env, cx->now_ms, "evt"),
		.created_at = cx->now_ms,
		.actor_kind = ud_principal_kinds.names[s->kind],
		.actor_id = s->id,
		.actor_name = s->name,
		.on_behalf_of = s->on_behalf_of,
		.via = s->token_id ? s->token_id : s->session_id,
		.address = s->address,
		.request_id = cx->request_id,
	};
}

enum ud_code ud_event_add_plain(struct ud_ctx *cx, const char *type, const char *customer_id,
	const char *subject_object, const char *subject_id, const char *data)
{
	struct ud_event e = begin_event(cx);

	e.type = type;
	e.customer_id = customer_id;
	e.subject_object = subject_object;
	e.subject_id = subject_id;
	e.data = data;
	return store(cx, &e);
}

static const char *encoded(struct ud_ctx *cx, const struct ud_shape *shape, const void *old_row,
	const void *row, const struct ud_texts *only)
{
	struct ud_buf b = { 0 };

	if (old_row)
		ud_shape_encode_changes(&b, shape, old_row, row);
	else
		ud_shape_encode(&b, shape, row, only);
	return ud_buf_take(cx->arena, &b);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

enum ud_code ud_event_add(struct ud_ctx *cx, const char *verb, const struct ud_shape *shape,
	const void *old_row, const void *new_row)
{
	struct ud_event e = begin_event(cx);
	const struct ud_row *row = new_row ? new_row : old_row, *old = old_row;

	e.type = ud_printf(cx->arena, "%s.%s", shape->object, verb);
	e.customer_id = shape->bare ? NULL : row->customer_id;
	e.subject_object = shape->object;
	e.subject_id = shape->bare ? NULL : row->id;
	const struct ud_texts *only = e.customer_id ? NULL : shape->discreet;

	e.data = encoded(cx, shape, NULL, row, only);
	if (old_row && new_row && !only)
		e.previous = encoded(cx, shape, old_row, new_row, NULL);
	if (old_row && new_row && !shape->bare && old->customer_id &&
		!same_text(old->customer_id, row->customer_id))
		UD_TRY(ud_event_add_plain(cx, ud_printf(cx->arena, "%s.unassigned", shape->object),
			old->customer_id, shape->object, row->id, NULL));
	return store(cx, &e);
}

int64_t ud_event_place(const struct ud_scope *scope, const struct ud_event *event)
{
	return scope->customer_id ? event->seq : event->n;
}

static void read_event(struct ud_ctx *cx, const ud_rows *rows, struct ud_event *e)
{
	const char **texts[] = { &e->id, &e->customer_id, &e->type, NULL, &e->actor_kind,
		&e->actor_id, &e->actor_name, &e->on_behalf_of, &e->via, &e->address,
		&e->request_id, &e->subject_object, &e->subject_id, &e->data, &e->previous,
		&e->previous_hash, &e->hash, &e->salt, &e->personal_digest };

	e->n = ud_col_int(rows, 0);
	e->seq = ud_col_int(rows, 1);
	e->created_at = ud_col_int(rows, 5);
	for (size_t i = 0; i < UD_LEN(texts); i++)
		if (texts[i])
			*texts[i] = ud_col_dup(cx, rows, (int)i + 2);
}

/* The condition that no reading goes without. */
static void where_visible(struct ud_sql *s, const struct ud_scope *scope)
{
	ud_sql_add(s, " WHERE ");
	if (!scope->customer_id) {
		ud_sql_add(s, "1 = 1");
		return;
	}
	ud_sql_add(s, "COALESCE(customer_id, '') = ");
	ud_sql_val(s, ud_t(scope->customer_id));
}

/* " AND (type = … OR type LIKE 'ticket.%' …)" */
static void add_types(struct ud_ctx *cx, struct ud_sql *s, const struct ud_texts *types)
{
	for (size_t i = 0; types && i < types->count; i++) {
		const char *type = types->items[i];
		size_t n = strlen(type);
		bool family = n > 2 && strcmp(type + n - 2, ".*") == 0;

		ud_sql_add(s, i ? " OR " : " AND (");
		ud_sql_add(s, family ? "type LIKE " : "type = ");
		ud_sql_val(
			s, ud_t(family ? ud_printf(cx->arena, "%.*s%%", (int)n - 1, type) : type));
	}
	if (types && types->count)
		ud_sql_add(s, ")");
}

static void build_list(struct ud_ctx *cx, struct ud_sql *s, const struct ud_event_query *q)
{
	const char *place = cx->scope->customer_id || q->chain ? "seq" : "n";

	ud_sql_clear(s);
	ud_sql_add(s, "SELECT " COLUMNS " FROM events");
	where_visible(s, cx->scope);
	if (q->after || !q->newest_first) {
		ud_sql_add(s, " AND ");
		ud_sql_add(s, place);
		ud_sql_add(s, q->newest_first ? " < " : " > ");
		ud_sql_val(s, ud_i(q->after));
	}
	if (q->chain) {
		ud_sql_add(s, " AND COALESCE(customer_id, '') = ");
		ud_sql_val(s, ud_t(q->chain));
	}
	add_types(cx, s, q->types);
	if (q->subject_id) {
		ud_sql_add(s, " AND subject_id = ");
		ud_sql_val(s, ud_t(q->subject_id));
	}
	ud_sql_add(s, " ORDER BY ");
	ud_sql_add(s, place);
	ud_sql_add(s, q->newest_first ? " DESC LIMIT " : " LIMIT ");
	ud_sql_val(s, ud_i((int64_t)q->limit + 1));
}

enum ud_code ud_event_list(struct ud_ctx *cx, const struct ud_event_query *q,
	ud_event_visitor *visit, void *data, bool *ret_more)
{
	UD_AUTO(ud_rows) *rows = NULL;
	struct ud_sql s;
	bool more = true;

	build_list(cx, &s, q);
	UD_TRY(ud_query(cx, &rows, s.text, s.vals, s.count));
	for (size_t i = 0; i < q->limit && more; i++) {
		struct ud_event e = { 0 };

		UD_TRY(ud_next(cx, rows, &more));
		if (!more)
			break;
		read_event(cx, rows, &e);
		UD_TRY(visit(cx, data, &e));
	}
	if (more)
		UD_TRY(ud_next(cx, rows, &more));
	*ret_more = more;
	return UD_OK;
}

enum ud_code ud_event_last(struct ud_ctx *cx, int64_t *ret)
{
	bool found;

	*ret = 0;
	return ud_query_int(cx, &found, ret, "SELECT seq FROM log_heads WHERE customer_id = $1",
		UD_VALS(ud_t(cx->scope->customer_id ? cx->scope->customer_id : "*")));
}

enum ud_code ud_event_heads(struct ud_ctx *cx, ud_head_visitor *visit, void *data)
{
	UD_AUTO(ud_rows) *rows = NULL;
	const char *own = cx->scope->customer_id;
	bool more = true;

	/* every tenant: staff have all chains */
	UD_TRY(ud_query(cx, &rows,
		"SELECT customer_id, seq, hash FROM log_heads"
		" WHERE customer_id <> '*' AND (customer_id = $1 OR $2 = 1) ORDER BY customer_id",
		UD_VALS(ud_t(own ? own : ""), ud_i(!own))));
	for (;;) {
		UD_TRY(ud_next(cx, rows, &more));
		if (!more)
			return UD_OK;
		UD_TRY(visit(cx, data, ud_col_dup(cx, rows, 0), ud_col_int(rows, 1),
			ud_col_dup(cx, rows, 2)));
	}
}

enum ud_code ud_event_get(struct ud_ctx *cx, const char *id, struct ud_event *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;
	struct ud_sql s;
	bool more = false;

	ud_sql_clear(&s);
	ud_sql_add(&s, "SELECT " COLUMNS " FROM events");
	where_visible(&s, cx->scope);
	ud_sql_add(&s, " AND id = ");
	ud_sql_val(&s, ud_t(id));
	UD_TRY(ud_query(cx, &rows, s.text, s.vals, s.count));
	UD_TRY(ud_next(cx, rows, &more));
	if (!more)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no record with this id.");
	read_event(cx, rows, ret);
	return UD_OK;
}

/* Walking one customer's chain. */
struct walk {
	const char *customer_id;
	int64_t seq;
	char hash[UD_SHA256_HEX];
	struct ud_chain_report *report;
	ud_arena *keep;         /* where the report's texts live */
	const char *emptied_id; /* the first record that was emptied */
	bool asked;             /* its customer was to be erased */
};

static void broken(struct walk *w, const char *id, const char *rule)
{
	if (!w->report->intact)
		return;
	w->report->intact = false;
	w->report->broken_id = ud_strdup(w->keep, id);
	w->report->broken_rule = rule;
}

static void check_record(struct ud_ctx *cx, struct walk *w, const struct ud_event *e)
{
	struct ud_audit_line line = ud_event_line(e);

	w->report->records++;
	if (e->seq != w->seq + 1)
		broken(w, e->id, "a record before this one is missing");
	else if (strcmp(e->previous_hash, w->hash) != 0)
		broken(w, e->id, "previous_hash is not the hash of the record before");
	else if (!ud_audit_whole(cx, &line))
		broken(w, e->id, "the record was changed after it was written");
	if (ud_audit_emptied(&line) && !w->emptied_id)
		w->emptied_id = ud_strdup(w->keep, e->id);
	w->asked = w->asked || ud_audit_asks_erasure(&line);
	w->seq = e->seq;
	snprintf(w->hash, sizeof(w->hash), "%s", e->hash);
}

/* Compare the walked end with the head, so that cut-off records show; and nobody empties records on
 * his own. */
static enum ud_code check_head(struct ud_ctx *cx, struct walk *w)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	if (w->emptied_id && !w->asked)
		broken(w, w->emptied_id, UD_AUDIT_NOT_ASKED);
	UD_TRY(ud_query(cx, &rows, "SELECT seq, hash FROM log_heads WHERE customer_id = $1",
		UD_VALS(ud_t(w->customer_id))));
	UD_TRY(ud_next(cx, rows, &more));
	if (!more && w->seq == 0)
		return UD_OK;
	if (!more || ud_col_int(rows, 0) != w->seq || strcmp(ud_col_text(rows, 1), w->hash) != 0)
		broken(w, NULL, "records at the end are missing");
	return UD_OK;
}

enum { PAGE = 500 };

/* Check up to PAGE records; *ret_n = how many there were. */
static enum ud_code walk_page(struct ud_ctx *cx, struct walk *w, size_t *ret_n)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = true;

	UD_TRY(ud_query(cx, &rows,
		"SELECT " COLUMNS " FROM events WHERE COALESCE(customer_id, '') = $1 AND seq > $2"
		" ORDER BY seq LIMIT $3",
		UD_VALS(ud_t(w->customer_id), ud_i(w->seq), ud_i(PAGE))));
	for (*ret_n = 0; more; ++*ret_n) {
		struct ud_event e = { 0 };

		UD_TRY(ud_next(cx, rows, &more));
		if (!more)
			break;
		read_event(cx, rows, &e);
		check_record(cx, w, &e);
	}
	return UD_OK;
}

/* Pages have an arena of their own, so that a long chain needs little memory. */
static enum ud_code walk_chain(struct ud_ctx *cx, struct walk *w)
{
	size_t n = PAGE;

	while (n == PAGE) {
		UD_AUTO(ud_arena) *arena = ud_arena_new();
		struct ud_ctx page = *cx;

		page.arena = arena;
		enum ud_code code = walk_page(&page, w, &n);

		if (code != UD_OK)
			return ud_fail(cx, code, NULL, "%s",
				page.problem.detail ? page.problem.detail : "");
	}
	w->report->chains++;
	return check_head(cx, w);
}

static enum ud_code verify_all(struct ud_ctx *cx, struct ud_chain_report *ret)
{
	struct walk w = { .customer_id = "", .report = ret, .keep = cx->arena };
	bool found = true;

	*ret = (struct ud_chain_report){ .intact = true };
	if (cx->scope->customer_id) {
		w.customer_id = cx->scope->customer_id;
		return walk_chain(cx, &w);
	}
	while (found) {
		w.seq = 0;
		w.hash[0] = 0;
		w.emptied_id = NULL;
		w.asked = false;
		UD_TRY(walk_chain(cx, &w));
		/* every tenant: staff verify all chains */
		UD_TRY(ud_query_text(cx, &found, &w.customer_id,
			"SELECT customer_id FROM log_heads WHERE customer_id > $1 AND customer_id <> '*'"
			" ORDER BY customer_id LIMIT 1",
			UD_VALS(ud_t(w.customer_id))));
	}
	return UD_OK;
}

enum ud_code ud_event_verify(struct ud_ctx *cx, struct ud_chain_report *ret)
{
	bool own = !cx->conn->in_transaction;

	/* one snapshot: records written while we walk are not missing from it */
	if (own)
		UD_TRY(ud_begin(cx, false));
	enum ud_code code = verify_all(cx, ret);

	if (own)
		ud_rollback(cx);
	return code;
}
