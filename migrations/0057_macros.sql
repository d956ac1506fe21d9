-- SPDX-License-Identifier: Apache-2.0
-- Answers that the support team gives often, with words that are filled in.

CREATE TABLE macros (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	name TEXT NOT NULL,
	body TEXT NOT NULL
);
CREATE UNIQUE INDEX macros_name ON macros(COALESCE(customer_id, ''), name);
CREATE INDEX macros_by_name ON macros(name, id);
CREATE INDEX macros_customer_id ON macros(customer_id, id);
CREATE INDEX macros_created_at ON macros(created_at, id);
CREATE INDEX macros_updated_at ON macros(updated_at, id);
