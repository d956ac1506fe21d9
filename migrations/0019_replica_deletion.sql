-- SPDX-License-Identifier: Apache-2.0
-- A removed replica's disks go when the customer has agreed and somebody of support has said so.

ALTER TABLE replications ADD COLUMN deletion_agreed_by TEXT;
ALTER TABLE replications ADD COLUMN deletion_agreed_at BIGINT;
ALTER TABLE replications ADD COLUMN replica_deleted_at BIGINT;
