/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field tables of what hangs on tickets.
 */
#include "db/ticket_parts.h"

#include <string.h>

static const char *const visibility_names[] = { "public", "internal" };
const struct ud_enum ud_visibilities = { "visibility", visibility_names, UD_LEN(visibility_names) };
static const char *const relation_names[] = { "relates_to", "duplicates", "is_caused_by", "blocks",
	"continues", "is_part_of" };
const struct ud_enum ud_ticket_relations = { "ticket_relation", relation_names,
	UD_LEN(relation_names) };

/* What staff say and do among themselves is no customer's, and stands in the provider's log. */
static const char *told[] = { "ticket_id", "visibility", "user_id", "minutes", "version",
	"created_at" };
static const struct ud_texts told_inside = { told, UD_LEN(told) };

/* clang-format off */
static const struct ud_field comment_fields[] = {
	UD_FIELD(ud_ticket_comment, ticket_id,   .flags = UD_SERVER, .refers = "tkt", .about = "Ticket it belongs to."),
	UD_FIELD(ud_ticket_comment, body,        .flags = UD_REQUIRED | UD_SEARCH | UD_BRIEF, .max = 20000, .about = "What was said."),
	UD_FIELD(ud_ticket_comment, visibility,  .flags = UD_FIXED | UD_FILTER | UD_BRIEF, .values = &ud_visibilities, .about = "internal = only the provider's people see it."),
	UD_FIELD(ud_ticket_comment, side,        .flags = UD_SERVER | UD_BRIEF, .values = &ud_sides, .about = "Whose person said it."),
	UD_FIELD(ud_ticket_comment, author_id,   .flags = UD_SERVER, .about = "Who said it."),
	UD_FIELD(ud_ticket_comment, author_name, .flags = UD_SERVER | UD_BRIEF, .about = "Name of who said it."),
	UD_FIELD(ud_ticket_comment, edited_at,   .flags = UD_SERVER, .about = "When its author changed it last."),
};
static const struct ud_shape comment_shape = { .object = "ticket_comment",
	.prefix = "tco",
	.table = "ticket_comments",
	UD_SHAPE(ud_ticket_comment, comment_fields),
	.discreet = &told_inside,
	.about = "A comment on a ticket." };
const struct ud_table ud_ticket_comments = { .shape = &comment_shape };

static const struct ud_field attachment_fields[] = {
	UD_FIELD(ud_ticket_attachment, ticket_id,    .flags = UD_SERVER, .refers = "tkt", .about = "Ticket it belongs to."),
	UD_FIELD(ud_ticket_attachment, filename,     .flags = UD_SERVER | UD_BRIEF, .about = "Name it came with."),
	UD_FIELD(ud_ticket_attachment, content_type, .flags = UD_SERVER, .about = "Media type that the sender gave."),
	UD_FIELD(ud_ticket_attachment, size_bytes,   .flags = UD_SERVER | UD_BRIEF, .about = "Size."),
	UD_FIELD(ud_ticket_attachment, sha256,       .flags = UD_SERVER, .about = "SHA-256 of its bytes, in hex."),
	UD_FIELD(ud_ticket_attachment, visibility,   .flags = UD_SERVER | UD_BRIEF, .values = &ud_visibilities, .about = "internal = only the provider's people see it."),
	UD_FIELD(ud_ticket_attachment, author_id,    .flags = UD_SERVER, .about = "Who sent it."),
	UD_FIELD(ud_ticket_attachment, author_name,  .flags = UD_SERVER | UD_BRIEF, .about = "Name of who sent it."),
};
static const struct ud_shape attachment_shape = { .object = "ticket_attachment",
	.prefix = "tat",
	.table = "ticket_attachments",
	UD_SHAPE(ud_ticket_attachment, attachment_fields),
	.discreet = &told_inside,
	.about = "A file that somebody attached to a ticket." };
const struct ud_table ud_ticket_attachments = { .shape = &attachment_shape };

static const struct ud_field watcher_fields[] = {
	UD_FIELD(ud_ticket_watcher, ticket_id, .flags = UD_SERVER, .refers = "tkt", .about = "Ticket that is watched."),
	UD_FIELD(ud_ticket_watcher, user_id,   .flags = UD_REQUIRED | UD_FIXED, .refers = "usr", .about = "Who watches it."),
	UD_FIELD(ud_ticket_watcher, user_name, .flags = UD_SERVER | UD_BRIEF, .about = "Name of who watches it."),
};
static const struct ud_shape watcher_shape = { .object = "ticket_watcher",
	.prefix = "twa",
	.table = "ticket_watchers",
	UD_SHAPE(ud_ticket_watcher, watcher_fields),
	.discreet = &told_inside,
	.about = "Somebody who wants to hear of a ticket." };
const struct ud_table ud_ticket_watchers = { .shape = &watcher_shape };

static const struct ud_field link_fields[] = {
	UD_FIELD(ud_ticket_link, ticket_id,    .flags = UD_SERVER, .refers = "tkt", .about = "Ticket it starts from."),
	UD_FIELD(ud_ticket_link, other_id,     .flags = UD_REQUIRED | UD_FIXED, .refers = "tkt", .about = "Ticket it leads to."),
	UD_FIELD(ud_ticket_link, relation,     .flags = UD_FIXED | UD_BRIEF, .values = &ud_ticket_relations, .about = "What the first is to the other."),
	UD_FIELD(ud_ticket_link, other_number, .flags = UD_COMPUTED | UD_BRIEF, .about = "Number of the other ticket."),
	UD_FIELD(ud_ticket_link, other_state,  .flags = UD_COMPUTED | UD_BRIEF, .values = &ud_ticket_states, .about = "Where the other ticket stands."),
};
static const struct ud_shape link_shape = { .object = "ticket_link",
	.prefix = "tln",
	.table = "ticket_links",
	UD_SHAPE(ud_ticket_link, link_fields),
	.discreet = &told_inside,
	.about = "What two tickets have to do with each other." };
const struct ud_table ud_ticket_links = { .shape = &link_shape };

static const struct ud_field entry_fields[] = {
	UD_FIELD(ud_time_entry, ticket_id,  .flags = UD_SERVER, .refers = "tkt", .about = "Ticket that was worked on."),
	UD_FIELD(ud_time_entry, user_id,    .flags = UD_SERVER, .about = "Who worked."),
	UD_FIELD(ud_time_entry, user_name,  .flags = UD_SERVER | UD_BRIEF, .about = "Name of who worked."),
	UD_FIELD(ud_time_entry, minutes,    .flags = UD_REQUIRED | UD_BRIEF, .min = 1, .max = 1440, .about = "How long."),
	UD_FIELD(ud_time_entry, started_at, .flags = UD_BRIEF, .about = "From when on."),
	UD_FIELD(ud_time_entry, note,       .flags = UD_BRIEF, .max = 500, .about = "At what."),
};
static const struct ud_shape entry_shape = { .object = "time_entry",
	.prefix = "tte",
	.table = "time_entries",
	UD_SHAPE(ud_time_entry, entry_fields),
	.discreet = &told_inside,
	.about = "Time that somebody of the support team worked on a ticket." };
const struct ud_table ud_time_entries = { .shape = &entry_shape };
/* clang-format on */

enum ud_code ud_comments_move(struct ud_ctx *cx, const char *ticket_id, const char *to_id,
	const struct ud_texts *ids, int64_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < ids->count; i++) {
		int64_t changes = 0;

		/* every tenant: the caller has read both tickets, and an internal one has none */
		UD_TRY(ud_exec(cx, &changes,
			"UPDATE ticket_comments SET ticket_id = $3, version = version + 1, updated_at = $4"
			" WHERE id = $1 AND ticket_id = $2",
			UD_VALS(ud_t(ids->items[i]), ud_t(ticket_id), ud_t(to_id),
				ud_i(cx->now_ms))));
		*ret += changes;
	}
	return UD_OK;
}

enum ud_code ud_attachments_count(struct ud_ctx *cx, const char *ticket_id, int64_t *ret)
{
	bool found;

	/* every tenant: the caller has read the ticket; internal ones count, too */
	return ud_query_int(cx, &found, ret,
		"SELECT COUNT(*) FROM ticket_attachments WHERE ticket_id = $1",
		UD_VALS(ud_t(ticket_id)));
}

enum ud_code ud_watcher_name(struct ud_ctx *cx, const char *user_id, bool *ret_found,
	const char **ret_name, const char **ret_customer_id)
{
	UD_AUTO(ud_rows) *rows = NULL;

	/* every tenant: the caller compares whose person it is */
	UD_TRY(ud_query(cx, &rows,
		"SELECT display_name, customer_id FROM users WHERE id = $1 AND deleted_at IS NULL",
		UD_VALS(ud_t(user_id))));
	UD_TRY(ud_next(cx, rows, ret_found));
	if (!*ret_found)
		return UD_OK;
	*ret_name = ud_col_dup(cx, rows, 0);
	*ret_customer_id = ud_col_dup(cx, rows, 1);
	return UD_OK;
}

enum ud_code ud_watchers_copy(struct ud_ctx *cx, const char *ticket_id, const char *to_id)
{
	UD_AUTO(ud_rows) *rows = NULL;
	struct ud_ticket_watcher all[100];
	size_t n = 0;
	bool more = true;

	/* every tenant: the caller has read both tickets */
	UD_TRY(ud_query(cx, &rows,
		"SELECT user_id, user_name, customer_id FROM ticket_watchers AS w WHERE ticket_id = $1"
		" AND NOT EXISTS (SELECT 1 FROM ticket_watchers AS o WHERE o.ticket_id = $2 AND o.user_id = w.user_id)"
		" ORDER BY id LIMIT 100",
		UD_VALS(ud_t(ticket_id), ud_t(to_id))));
	while (more) {
		UD_TRY(ud_next(cx, rows, &more));
		if (more)
			all[n++] = (struct ud_ticket_watcher){ .ticket_id = to_id,
				.user_id = ud_col_dup(cx, rows, 0),
				.user_name = ud_col_dup(cx, rows, 1),
				.row.customer_id = ud_col_dup(cx, rows, 2) };
	}
	for (size_t i = 0; i < n; i++)
		UD_TRY(ud_row_insert(cx, &ud_ticket_watchers, &all[i]));
	return UD_OK;
}

static void add_hearer(struct ud_texts *all, const char *id)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->items[i], id) == 0)
			return;
	all->items[all->count++] = id;
}

enum ud_code ud_ticket_hearers(struct ud_ctx *cx, const struct ud_ticket *t, struct ud_texts *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;
	const char *const named[] = { t->requester_id, t->on_behalf_of_id, t->assignee_id };
	bool more = true;

	*ret = (struct ud_texts){ ud_alloc(cx->arena, 104 * sizeof(char *)), 0 };
	for (size_t i = 0; i < UD_LEN(named); i++)
		if (named[i])
			add_hearer(ret, named[i]);
	/* every tenant: the ticket is given */
	UD_TRY(ud_query(cx, &rows,
		"SELECT user_id FROM ticket_watchers WHERE ticket_id = $1 ORDER BY id LIMIT 100",
		UD_VALS(ud_t(t->row.id))));
	while (more) {
		UD_TRY(ud_next(cx, rows, &more));
		if (more)
			add_hearer(ret, ud_col_dup(cx, rows, 0));
	}
	return UD_OK;
}
