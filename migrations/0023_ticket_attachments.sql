-- SPDX-License-Identifier: Apache-2.0
-- Files of tickets: the row here, the bytes in a folder under the row's id.

CREATE TABLE ticket_attachments (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	ticket_id TEXT NOT NULL REFERENCES tickets(id),
	filename TEXT NOT NULL,
	content_type TEXT,
	size_bytes BIGINT NOT NULL,
	sha256 TEXT NOT NULL,
	visibility TEXT NOT NULL,
	author_id TEXT,
	author_name TEXT,
	CHECK (visibility = 'public' OR customer_id IS NULL)
);
CREATE INDEX ticket_attachments_ticket_id ON ticket_attachments(ticket_id, id);
CREATE INDEX ticket_attachments_customer_id ON ticket_attachments(customer_id, id);
CREATE INDEX ticket_attachments_created_at ON ticket_attachments(created_at, id);
CREATE INDEX ticket_attachments_updated_at ON ticket_attachments(updated_at, id);
