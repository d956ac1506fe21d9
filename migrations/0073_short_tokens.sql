-- SPDX-License-Identifier: Apache-2.0
-- Short tokens that programs get for a service account's own token (RFC 6749 4.4): they go with it.

ALTER TABLE tokens ADD COLUMN parent_id TEXT REFERENCES tokens(id) ON DELETE CASCADE;
CREATE INDEX tokens_parent_id ON tokens(parent_id) WHERE parent_id IS NOT NULL;
