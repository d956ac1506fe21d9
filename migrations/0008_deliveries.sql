-- SPDX-License-Identifier: Apache-2.0
-- Who marked a command as delivered, and with which of its commits: what another server marked, or one that was
-- never acknowledged, is marked anew before it is sent.

ALTER TABLE commands ADD COLUMN delivered_by TEXT NOT NULL DEFAULT '';
ALTER TABLE commands ADD COLUMN delivered_n BIGINT NOT NULL DEFAULT 0;
