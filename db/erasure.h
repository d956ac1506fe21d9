/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forgetting a customer: all rows that are its own or tell of it are deleted, and the records of
 * its chain are emptied. A record keeps its place, its kind, the ids in it and its hash, so that
 * the chain is whole as before. In pages, each a transaction of its caller's; every page can be
 * repeated.
 */
#ifndef DB_ERASURE_H
#define DB_ERASURE_H

#include "base/audit.h"
#include "db/engine/engine.h"
#include "db/scope.h"

/* A customer to be erased; one that was closed, or whose erasure has begun, too. */
struct ud_erasable {
	const char *name;
	bool serving; /* it is neither suspended nor on its way out */
	bool begun;
	const char *operation_id; /* that is at it, or waits to be; NULL = none */
};
/* UD_E_NOT_FOUND when there is none (any more), or cx->scope may not see it. Texts in cx->arena. */
enum ud_code ud_erasable(struct ud_ctx *cx, const char *customer_id, struct ud_erasable *ret)
	UD_USE;
/*
 * What forbids it: things in use that somebody must end first, as a text ("2 tickets that are
 * not solved, 1 VM that a host has"); NULL = nothing. In cx->arena.
 */
enum ud_code ud_erasure_hindrance(struct ud_ctx *cx, const char *customer_id, const char **ret)
	UD_USE;
/* Close it: nobody finds or refers to it any more, nobody is signed in. operation_id is what does
 * the rest. */
enum ud_code ud_erasure_begin(struct ud_ctx *cx, const char *customer_id, const char *operation_id)
	UD_USE;

/* The tables, in the order in which they are emptied; NULL after the last one. */
const char *ud_erasure_table(size_t i);
/* Are its rows those of files? Then they are deleted by ud_erasure_drop_files. */
bool ud_erasure_of_files(size_t i);
/* Delete some hundred rows of table i at most; *ret how many. Done when it is 0. */
enum ud_code ud_erasure_page(struct ud_ctx *cx, const char *customer_id, size_t i, int64_t *ret)
	UD_USE;
/* Ids of files of its tickets, up to 200: they are removed before their rows are. */
enum ud_code ud_erasure_files(struct ud_ctx *cx, const char *customer_id, struct ud_texts *ret)
	UD_USE;
enum ud_code ud_erasure_drop_files(
	struct ud_ctx *cx, const char *customer_id, const struct ud_texts *ids) UD_USE;

/*
 * Empty some hundred records of its chain behind place (0 = from the start); *ret is the place to
 * go on from, UD_NONE after the last one.
 */
enum ud_code ud_erasure_log(struct ud_ctx *cx, const char *customer_id, int64_t place, int64_t *ret)
	UD_USE;
/* The customer's own row goes last (*ret_gone false: it is gone already); *ret_kept is how many
 * records stay as they are, because they were written before records could be emptied. */
enum ud_code ud_erasure_end(
	struct ud_ctx *cx, const char *customer_id, bool *ret_gone, int64_t *ret_kept) UD_USE;

#endif
