-- SPDX-License-Identifier: Apache-2.0
-- The secret of a session before its last step-up: good until the new one was used, so that an answer that gets lost
-- signs nobody out.

ALTER TABLE sessions ADD COLUMN earlier_hash TEXT;
CREATE INDEX sessions_earlier_hash ON sessions(earlier_hash) WHERE earlier_hash IS NOT NULL;
