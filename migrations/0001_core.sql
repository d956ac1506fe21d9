-- SPDX-License-Identifier: Apache-2.0
-- Customers, the event log, idempotency keys. One dialect for both engines: TEXT and BIGINT only, instants in
-- milliseconds UTC, booleans 0/1, enumerations by name. Sorted texts rely on binary order (PostgreSQL: a
-- database with collation C).

CREATE TABLE installation (
	key TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
);

CREATE TABLE counters (
	key TEXT NOT NULL PRIMARY KEY,
	value BIGINT NOT NULL
);

CREATE TABLE customers (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT NOT NULL,
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	deleted_at BIGINT,
	labels TEXT NOT NULL,
	name TEXT NOT NULL,
	account_number TEXT NOT NULL,
	time_zone TEXT NOT NULL,
	state TEXT NOT NULL,
	CHECK (customer_id = id)
);
CREATE UNIQUE INDEX customers_account_number ON customers(account_number) WHERE deleted_at IS NULL;
CREATE INDEX customers_name ON customers(name, id);
CREATE INDEX customers_state ON customers(state, id);
CREATE INDEX customers_created_at ON customers(created_at, id);

-- One log for events and audit. n is the order of commits; seq counts per customer ('' = the provider) without
-- gaps; hash chains each customer's records.
CREATE TABLE log_heads (
	customer_id TEXT NOT NULL PRIMARY KEY,
	seq BIGINT NOT NULL,
	hash TEXT NOT NULL
);
INSERT INTO log_heads(customer_id, seq, hash) VALUES ('*', 0, '');

CREATE TABLE events (
	n BIGINT NOT NULL PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	customer_id TEXT,
	seq BIGINT NOT NULL,
	type TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	actor_kind TEXT NOT NULL,
	actor_id TEXT,
	actor_name TEXT,
	on_behalf_of TEXT,
	via TEXT,
	address TEXT,
	request_id TEXT,
	subject_object TEXT NOT NULL,
	subject_id TEXT,
	data TEXT,
	previous TEXT,
	previous_hash TEXT NOT NULL,
	hash TEXT NOT NULL
);
CREATE UNIQUE INDEX events_customer ON events(COALESCE(customer_id, ''), seq);
CREATE INDEX events_subject ON events(subject_id, n);
CREATE INDEX events_type ON events(type, n);

CREATE TABLE idempotency_keys (
	principal_id TEXT NOT NULL,
	key TEXT NOT NULL,
	customer_id TEXT,
	request_hash TEXT NOT NULL,
	status BIGINT NOT NULL,
	headers TEXT NOT NULL,
	body TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (principal_id, key)
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys(created_at);
