/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one log: a record per change, written in the change's own transaction. Events, webhooks,
 * streams, audit and metrics all read it. A customer's records are numbered without gaps and
 * chained by hashes.
 */
#ifndef DB_EVENTS_H
#define DB_EVENTS_H

#include "base/audit.h"
#include "base/shape.h"
#include "db/engine/engine.h"
#include "db/scope.h"

/* One record as it is stored. Texts live in the context's arena. */
struct ud_event {
	int64_t n, seq;
	const char *id, *customer_id, *type;
	int64_t created_at;
	const char *actor_kind, *actor_id, *actor_name, *on_behalf_of, *via, *address, *request_id;
	const char *subject_object, *subject_id;
	const char *data, *previous; /* JSON texts or NULL */
	const char *previous_hash, *hash;
	const char *salt, *personal_digest; /* as base/audit.h has them */
};

/*
 * Record what happened to an object: type is "<shape's object>.<verb>" (verb "created", "updated",
 * "deleted", …). old_row and new_row may be NULL; data is the new object (else the old one),
 * previous the old values of what changed. What is the provider's and may name a customer's people
 * (shape->discreet) tells a few members alone and no old values. When the owner changed, the former
 * one gets
 * "<object>.unassigned" without data. The actor is cx->scope.
 */
enum ud_code ud_event_add(struct ud_ctx *cx, const char *verb, const struct ud_shape *shape,
	const void *old_row, const void *new_row) UD_USE;
/* Record something without a shape: subject and data (JSON text, may be NULL) as given. */
enum ud_code ud_event_add_plain(struct ud_ctx *cx, const char *type, const char *customer_id,
	const char *subject_object, const char *subject_id, const char *data) UD_USE;

/* What to read of the log: records after a place, oldest first, those cx->scope may see. */
struct ud_event_query {
	int64_t after; /* seq for a tenant's scope, n for staff; 0 = from the start */
	const struct ud_texts *types; /* "ticket.*" or exact types; NULL or empty = all */
	const char *subject_id;       /* NULL = all */
	size_t limit;                 /* 1 to 200 */
	bool newest_first;            /* then after is "before"; 0 = from the end */
	const char *chain;            /* one customer's, "" = the installation's; NULL = all.
				       * Then places are seq */
};

typedef enum ud_code ud_event_visitor(struct ud_ctx *cx, void *data, const struct ud_event *event);

/* Visit the records; *ret_more tells whether more follow. */
enum ud_code ud_event_list(struct ud_ctx *cx, const struct ud_event_query *query,
	ud_event_visitor *visit, void *data, bool *ret_more) UD_USE;
/* The place of the newest record that cx->scope may see (seq or n as above), 0 when there is none.
 */
enum ud_code ud_event_last(struct ud_ctx *cx, int64_t *ret) UD_USE;
/* The place of a record in the numbering of cx->scope. */
int64_t ud_event_place(const struct ud_scope *scope, const struct ud_event *event);
/* One record by its id. UD_E_NOT_FOUND. */
enum ud_code ud_event_get(struct ud_ctx *cx, const char *id, struct ud_event *ret) UD_USE;

/* What verifying the chain found. */
struct ud_chain_report {
	int64_t records, chains;
	bool intact;
	const char *broken_id, *broken_rule; /* the first bad record and what is wrong with it */
};
/* Walk every chain that cx->scope may see and compare hashes, numbers and heads. */
enum ud_code ud_event_verify(struct ud_ctx *cx, struct ud_chain_report *ret) UD_USE;
/* A record as a line of the audit log's file. */
struct ud_audit_line ud_event_line(const struct ud_event *event);
/* Visit the heads of the chains that cx->scope may see: whose, how long, last hash. "" = the
 * installation's own. */
typedef enum ud_code ud_head_visitor(
	struct ud_ctx *cx, void *data, const char *customer_id, int64_t seq, const char *hash);
enum ud_code ud_event_heads(struct ud_ctx *cx, ud_head_visitor *visit, void *data) UD_USE;

#endif
