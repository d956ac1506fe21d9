-- SPDX-License-Identifier: Apache-2.0
-- Programs that wait for a person to let them in (RFC 8628). Both codes are stored hashed; a row goes when its token was made, when it
-- was refused, or with its time.

CREATE TABLE device_requests (
	id TEXT NOT NULL PRIMARY KEY,
	device_hash TEXT NOT NULL UNIQUE,
	code_hash TEXT NOT NULL UNIQUE,
	client_name TEXT NOT NULL,
	address TEXT NOT NULL,
	state TEXT NOT NULL,
	user_id TEXT REFERENCES users(id),
	scopes TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	interval_seconds BIGINT NOT NULL,
	polled_at BIGINT
);
CREATE INDEX device_requests_address ON device_requests(address);
CREATE INDEX device_requests_expires_at ON device_requests(expires_at);
CREATE INDEX device_requests_user_id ON device_requests(user_id);
