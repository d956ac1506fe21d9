-- SPDX-License-Identifier: Apache-2.0
-- What hangs on tickets. What is only for the provider's own people has no customer, so that no customer's
-- scope reaches it.

CREATE TABLE ticket_comments (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	ticket_id TEXT NOT NULL REFERENCES tickets(id),
	body TEXT NOT NULL,
	visibility TEXT NOT NULL,
	side TEXT NOT NULL,
	author_id TEXT,
	author_name TEXT,
	edited_at BIGINT,
	CHECK (visibility = 'public' OR customer_id IS NULL)
);
CREATE INDEX ticket_comments_ticket_id ON ticket_comments(ticket_id, id);
CREATE INDEX ticket_comments_customer_id ON ticket_comments(customer_id, id);
CREATE INDEX ticket_comments_visibility ON ticket_comments(visibility, id);
CREATE INDEX ticket_comments_created_at ON ticket_comments(created_at, id);
CREATE INDEX ticket_comments_updated_at ON ticket_comments(updated_at, id);

CREATE TABLE ticket_watchers (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	ticket_id TEXT NOT NULL REFERENCES tickets(id),
	user_id TEXT NOT NULL REFERENCES users(id),
	user_name TEXT
);
CREATE UNIQUE INDEX ticket_watchers_once ON ticket_watchers(ticket_id, user_id);
CREATE INDEX ticket_watchers_ticket_id ON ticket_watchers(ticket_id, id);
CREATE INDEX ticket_watchers_user_id ON ticket_watchers(user_id, id);
CREATE INDEX ticket_watchers_customer_id ON ticket_watchers(customer_id, id);
CREATE INDEX ticket_watchers_created_at ON ticket_watchers(created_at, id);
CREATE INDEX ticket_watchers_updated_at ON ticket_watchers(updated_at, id);

CREATE TABLE ticket_links (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	ticket_id TEXT NOT NULL REFERENCES tickets(id),
	other_id TEXT NOT NULL REFERENCES tickets(id),
	relation TEXT NOT NULL,
	CHECK (ticket_id <> other_id)
);
CREATE UNIQUE INDEX ticket_links_once ON ticket_links(ticket_id, other_id, relation);
CREATE INDEX ticket_links_ticket_id ON ticket_links(ticket_id, id);
CREATE INDEX ticket_links_other_id ON ticket_links(other_id, id);
CREATE INDEX ticket_links_customer_id ON ticket_links(customer_id, id);
CREATE INDEX ticket_links_created_at ON ticket_links(created_at, id);
CREATE INDEX ticket_links_updated_at ON ticket_links(updated_at, id);

CREATE TABLE time_entries (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	ticket_id TEXT NOT NULL REFERENCES tickets(id),
	user_id TEXT,
	user_name TEXT,
	minutes BIGINT NOT NULL,
	started_at BIGINT,
	note TEXT
);
CREATE INDEX time_entries_ticket_id ON time_entries(ticket_id, id);
CREATE INDEX time_entries_customer_id ON time_entries(customer_id, id);
CREATE INDEX time_entries_created_at ON time_entries(created_at, id);
CREATE INDEX time_entries_updated_at ON time_entries(updated_at, id);
