-- SPDX-License-Identifier: Apache-2.0
-- Whether people at the replica's host may promote it while no server can be reached.

ALTER TABLE vms ADD COLUMN break_glass BIGINT NOT NULL DEFAULT 0;
