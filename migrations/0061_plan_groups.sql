-- SPDX-License-Identifier: Apache-2.0
-- What a recovery plan says of its groups, and what a run has of it.

ALTER TABLE recovery_plans ADD COLUMN groups TEXT;
ALTER TABLE failovers ADD COLUMN groups TEXT;
ALTER TABLE workflows ADD COLUMN gate_open BIGINT NOT NULL DEFAULT 0;
