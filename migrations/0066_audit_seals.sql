-- SPDX-License-Identifier: Apache-2.0
-- The log's heads as they were sealed, minute by minute: each seal names the chains that grew since the one before, and that one's
-- digest. What hosts keep of them is another road to find a log that was cut off or rewritten.
CREATE TABLE audit_seals (
	number BIGINT NOT NULL PRIMARY KEY,
	generation BIGINT NOT NULL,
	sealed_at BIGINT NOT NULL,
	digest TEXT NOT NULL,
	document TEXT NOT NULL
);
CREATE INDEX audit_seals_generation ON audit_seals(generation, number);
ALTER TABLE log_heads ADD COLUMN sealed_seq BIGINT NOT NULL DEFAULT 0;

-- Hosts that keep a seal which is not in the table above; told once.
CREATE TABLE audit_seal_doubts (
	host_id TEXT NOT NULL PRIMARY KEY,
	number BIGINT NOT NULL,
	digest TEXT NOT NULL,
	told_at BIGINT NOT NULL
);
