/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hangs on a ticket: comments, watchers, links to other tickets, working time. A row that is
 * only for the provider's people has no customer_id, so no customer's scope ever reaches it: that
 * is what "internal" means here, and not a mark that somebody could forget to look at.
 */
#ifndef DB_TICKET_PARTS_H
#define DB_TICKET_PARTS_H

#include "db/approvals.h"

enum ud_visibility { UD_VISIBILITY_PUBLIC, UD_VISIBILITY_INTERNAL };
extern const struct ud_enum ud_visibilities;

struct ud_ticket_comment {
	struct ud_row row;
	const char *ticket_id, *body;
	unsigned visibility; /* enum ud_visibility */
	unsigned side;       /* enum ud_side */
	const char *author_id, *author_name;
	struct ud_time edited_at;
};
extern const struct ud_table ud_ticket_comments;
/* Hang comments of one ticket (named by their ids) on another. *ret = how many were. */
enum ud_code ud_comments_move(struct ud_ctx *cx, const char *ticket_id, const char *to_id,
	const struct ud_texts *ids, int64_t *ret) UD_USE;

/* A file; its bytes lie in the attachments' folder under the row's id. */
struct ud_ticket_attachment {
	struct ud_row row;
	const char *ticket_id, *filename, *content_type;
	int64_t size_bytes;
	const char *sha256;
	unsigned visibility; /* enum ud_visibility */
	const char *author_id, *author_name;
};
extern const struct ud_table ud_ticket_attachments;
/* How many a ticket has. */
enum ud_code ud_attachments_count(struct ud_ctx *cx, const char *ticket_id, int64_t *ret) UD_USE;

struct ud_ticket_watcher {
	struct ud_row row;
	const char *ticket_id, *user_id, *user_name;
};
extern const struct ud_table ud_ticket_watchers;
/* A user's name and customer (NULL = the provider's); *ret_found false when there is no such user.
 */
enum ud_code ud_watcher_name(struct ud_ctx *cx, const char *user_id, bool *ret_found,
	const char **ret_name, const char **ret_customer_id) UD_USE;
/* Whoever watches one ticket watches the other, too. */
enum ud_code ud_watchers_copy(struct ud_ctx *cx, const char *ticket_id, const char *to_id) UD_USE;
/* Everybody who hears of a ticket: requester, on behalf of whom, assignee, watchers; at most 100.
 */
enum ud_code ud_ticket_hearers(struct ud_ctx *cx, const struct ud_ticket *t, struct ud_texts *ret)
	UD_USE;

enum ud_ticket_relation {
	UD_RELATES_TO,
	UD_DUPLICATES,
	UD_IS_CAUSED_BY,
	UD_BLOCKS,
	UD_CONTINUES,
	UD_IS_PART_OF
};
extern const struct ud_enum ud_ticket_relations;

struct ud_ticket_link {
	struct ud_row row;
	const char *ticket_id, *other_id;
	unsigned relation;        /* enum ud_ticket_relation */
	const char *other_number; /* computed */
	unsigned other_state;     /* computed */
};
extern const struct ud_table ud_ticket_links;

struct ud_time_entry {
	struct ud_row row;
	const char *ticket_id, *user_id, *user_name;
	int64_t minutes;
	struct ud_time started_at;
	const char *note;
};
extern const struct ud_table ud_time_entries;

#endif
