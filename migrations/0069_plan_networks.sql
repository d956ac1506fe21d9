-- SPDX-License-Identifier: Apache-2.0
-- What networks are at other sites for one plan, and what a verified plan stood on.

ALTER TABLE recovery_plans ADD COLUMN network_map TEXT;
ALTER TABLE recovery_plans ADD COLUMN verified_facts TEXT;
ALTER TABLE recovery_plans ADD COLUMN stale_because TEXT NOT NULL DEFAULT '[]';
ALTER TABLE recovery_plans ADD COLUMN looked_at BIGINT;
ALTER TABLE failovers ADD COLUMN network_map TEXT;
