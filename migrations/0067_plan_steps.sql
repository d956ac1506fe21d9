-- SPDX-License-Identifier: Apache-2.0
-- Steps that a recovery plan adds to a run: which of them a VM is at, and what people call each.

ALTER TABLE workflows ADD COLUMN plan_item BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workflows ADD COLUMN plan_operation_id TEXT;
ALTER TABLE workflow_steps ADD COLUMN title TEXT;
