-- SPDX-License-Identifier: Apache-2.0
-- Which recovery points the VMs of a plan start from.

ALTER TABLE recovery_plans ADD COLUMN point_policy TEXT NOT NULL DEFAULT 'latest';
ALTER TABLE recovery_plans ADD COLUMN point_within_seconds BIGINT;
ALTER TABLE failovers ADD COLUMN point_policy TEXT NOT NULL DEFAULT 'latest';
ALTER TABLE failovers ADD COLUMN point_within_seconds BIGINT;
