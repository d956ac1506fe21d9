-- SPDX-License-Identifier: Apache-2.0
-- Sealed records of runs, one per run that has ended; never changed.

CREATE TABLE evidence (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	failover_id TEXT NOT NULL REFERENCES failovers(id),
	ticket_id TEXT NOT NULL,
	kind TEXT NOT NULL,
	verdict TEXT,
	sha256 TEXT NOT NULL,
	public_key TEXT NOT NULL,
	size_bytes BIGINT NOT NULL,
	bundle TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX evidence_failover_id ON evidence(failover_id);
CREATE INDEX evidence_by_failover ON evidence(failover_id, id);
CREATE INDEX evidence_customer_id ON evidence(customer_id, id);
CREATE INDEX evidence_kind ON evidence(kind, id);
CREATE INDEX evidence_created_at ON evidence(created_at, id);
CREATE INDEX evidence_updated_at ON evidence(updated_at, id);
