-- SPDX-License-Identifier: Apache-2.0
-- The ledger of recovery points' ages: one row per replication and minute. A minute that nobody knows of has
-- no age, and is not counted as kept.

CREATE TABLE replication_minutes (
	replication_id TEXT NOT NULL REFERENCES replications(id) ON DELETE CASCADE,
	minute BIGINT NOT NULL,
	customer_id TEXT,
	age_ms BIGINT,
	target_seconds BIGINT NOT NULL,
	state TEXT NOT NULL,
	cycles_total BIGINT,
	cycles_missed BIGINT,
	latency_ms BIGINT,
	pending_bytes BIGINT,
	bytes_sent BIGINT,
	PRIMARY KEY (replication_id, minute)
);
CREATE INDEX replication_minutes_age ON replication_minutes(minute);
