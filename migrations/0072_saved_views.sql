-- SPDX-License-Identifier: Apache-2.0
-- Filters and orders of lists that a person keeps under a name.

CREATE TABLE saved_views (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	user_id TEXT NOT NULL REFERENCES users(id),
	name TEXT NOT NULL,
	page TEXT NOT NULL,
	query TEXT NOT NULL
);
CREATE INDEX saved_views_user_id ON saved_views(user_id, page, id);
CREATE INDEX saved_views_page ON saved_views(page, id);
CREATE INDEX saved_views_customer_id ON saved_views(customer_id, id);
CREATE INDEX saved_views_created_at ON saved_views(created_at, id);
CREATE INDEX saved_views_updated_at ON saved_views(updated_at, id);
