-- SPDX-License-Identifier: Apache-2.0
-- People and programs that sign in. Secrets are stored hashed (SHA-256 of 256-bit secrets, argon2id of passwords) or
-- sealed (TOTP seeds).

CREATE TABLE users (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	deleted_at BIGINT,
	labels TEXT NOT NULL,
	email TEXT NOT NULL,
	display_name TEXT NOT NULL,
	state TEXT NOT NULL,
	role_names TEXT NOT NULL,
	locale TEXT,
	time_zone TEXT,
	factor_enrolled BIGINT NOT NULL,
	password_hash TEXT,
	totp_sealed TEXT,
	totp_step BIGINT NOT NULL,
	recovery_hashes TEXT NOT NULL,
	invitation_hash TEXT,
	invitation_expires_at BIGINT,
	last_seen_at BIGINT
);
CREATE UNIQUE INDEX users_email ON users(LOWER(email)) WHERE deleted_at IS NULL;
CREATE INDEX users_customer_id ON users(customer_id, id);
CREATE INDEX users_state ON users(state, id);
CREATE INDEX users_created_at ON users(created_at, id);
CREATE INDEX users_invitation ON users(invitation_hash);

CREATE TABLE service_accounts (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	name TEXT NOT NULL,
	state TEXT NOT NULL,
	role_names TEXT NOT NULL
);
CREATE UNIQUE INDEX service_accounts_name ON service_accounts(COALESCE(customer_id, ''), name);
CREATE INDEX service_accounts_customer_id ON service_accounts(customer_id, id);

CREATE TABLE sessions (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	user_id TEXT NOT NULL REFERENCES users(id),
	secret_hash TEXT NOT NULL UNIQUE,
	csrf_hash TEXT NOT NULL,
	address TEXT,
	user_agent TEXT,
	last_seen_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	factor_at BIGINT
);
CREATE INDEX sessions_user_id ON sessions(user_id, id);
CREATE INDEX sessions_customer_id ON sessions(customer_id, id);
CREATE INDEX sessions_expires_at ON sessions(expires_at);

CREATE TABLE tokens (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	principal_id TEXT NOT NULL,
	name TEXT NOT NULL,
	scopes TEXT NOT NULL,
	addresses TEXT NOT NULL,
	secret_hash TEXT NOT NULL UNIQUE,
	expires_at BIGINT NOT NULL,
	last_used_at BIGINT
);
CREATE INDEX tokens_principal_id ON tokens(principal_id, id);
CREATE INDEX tokens_customer_id ON tokens(customer_id, id);

CREATE TABLE sign_in_failures (
	key TEXT NOT NULL PRIMARY KEY,
	count BIGINT NOT NULL,
	last_at BIGINT NOT NULL
);
CREATE INDEX sign_in_failures_last_at ON sign_in_failures(last_at);
