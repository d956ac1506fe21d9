/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people are told: one row for each person and thing, written in the transaction of what
 * happened. Never to who did it, never across tenants.
 */
#ifndef DB_NOTIFICATIONS_H
#define DB_NOTIFICATIONS_H

#include "db/rows.h"

struct ud_notification {
	struct ud_row row;
	const char *user_id, *event, *subject_id, *title, *actor_name;
	bool seen;
};
extern const struct ud_table ud_notifications;

/* Kinds of news, by the types of their events, and how each is put. */
extern const struct ud_enum ud_news_kinds;
extern const char *const ud_news_words[];

/* The words of a kind. */
const char *ud_news_word(const char *kind);

/* Something to tell. */
struct ud_news {
	const char *event;      /* of ud_news_kinds */
	const char *subject_id; /* what it is about */
	/* whose people may hear of it, beside the provider's; NULL = none */
	const char *customer_id;
	const char *title; /* a line for people */
};
/*
 * Tell people (ids of users); the actor is cx->scope. Who is gone, who did it, and who belongs to
 * another customer is left out.
 */
enum ud_code ud_notify(
	struct ud_ctx *cx, const struct ud_news *news, const struct ud_texts *user_ids) UD_USE;
/* Mark all of a person's as seen. *ret = how many were not. */
enum ud_code ud_notifications_see(struct ud_ctx *cx, const char *user_id, int64_t *ret) UD_USE;
/* A notification that is to go out by mail. */
struct ud_letter {
	const char *notification_id, *email, *display_name, *title, *actor_name, *subject_id;
	int64_t created_ms;
};
enum { UD_LETTERS_MAX = 20 };
/* Is a letter due? Those older than a day no longer are. A read. */
enum ud_code ud_letters_due(struct ud_ctx *cx, bool *ret) UD_USE;
/* Take up to UD_LETTERS_MAX that are due; nobody else gets them before their next try is due. In
 * the arena. */
enum ud_code ud_letters_claim(struct ud_ctx *cx, struct ud_letter *ret, size_t *ret_n) UD_USE;
/* It was sent, or it was not: then it stays due for its next try, until it is a day old. */
enum ud_code ud_letter_settle(struct ud_ctx *cx, const char *notification_id, bool sent) UD_USE;
/* Forget what was seen before an instant. */
enum ud_code ud_notifications_forget(struct ud_ctx *cx, int64_t before_ms) UD_USE;
/* Is there anything to forget? A read. */
enum ud_code ud_notifications_old(struct ud_ctx *cx, int64_t before_ms, bool *ret) UD_USE;

#endif
