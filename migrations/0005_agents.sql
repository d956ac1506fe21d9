-- SPDX-License-Identifier: Apache-2.0
-- Agents with the certificates they may show, and the one-time tokens they are made with.

CREATE TABLE agents (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	host_id TEXT NOT NULL REFERENCES hosts(id),
	state TEXT NOT NULL,
	may_promote BIGINT NOT NULL,
	alarm TEXT,
	agent_version TEXT,
	certificate_serial TEXT NOT NULL,
	certificate_expires_at BIGINT NOT NULL,
	spki_sha256 TEXT NOT NULL,
	confirmed BIGINT NOT NULL,
	previous_serial TEXT,
	previous_spki_sha256 TEXT,
	previous_until BIGINT,
	address TEXT,
	runs TEXT NOT NULL,
	last_seen_at BIGINT
);
CREATE UNIQUE INDEX agents_spki ON agents(spki_sha256);
CREATE INDEX agents_previous_spki ON agents(previous_spki_sha256);
CREATE UNIQUE INDEX agents_live ON agents(host_id) WHERE state IN ('active', 'quarantined');
CREATE INDEX agents_host_id ON agents(host_id, id);
CREATE INDEX agents_customer_id ON agents(customer_id, id);
CREATE INDEX agents_state ON agents(state, id);
CREATE INDEX agents_created_at ON agents(created_at, id);
CREATE INDEX agents_updated_at ON agents(updated_at, id);

-- Only the hash of a token is kept. A row is used up by setting used_at where it is null.
CREATE TABLE enrolments (
	token_hash TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT,
	host_id TEXT NOT NULL REFERENCES hosts(id) ON DELETE CASCADE,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	used_at BIGINT,
	agent_id TEXT
);
CREATE INDEX enrolments_host_id ON enrolments(host_id);
CREATE INDEX enrolments_expires_at ON enrolments(expires_at);
