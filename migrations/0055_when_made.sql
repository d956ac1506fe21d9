-- SPDX-License-Identifier: Apache-2.0
-- What came with the installation was made when its migration ran, and not in 1970.
UPDATE settings
SET created_at = (SELECT applied_at FROM schema_migrations WHERE version = 3)
WHERE created_at = 0;
UPDATE settings
SET updated_at = created_at
WHERE updated_at = 0;
UPDATE calendars
SET created_at = (SELECT applied_at FROM schema_migrations WHERE version = 20)
WHERE created_at = 0;
UPDATE calendars
SET updated_at = created_at
WHERE updated_at = 0;
UPDATE slas
SET created_at = (SELECT applied_at FROM schema_migrations WHERE version = 20)
WHERE created_at = 0;
UPDATE slas
SET updated_at = created_at
WHERE updated_at = 0;
UPDATE queues
SET created_at = (SELECT applied_at FROM schema_migrations WHERE version = 20)
WHERE created_at = 0;
UPDATE queues
SET updated_at = created_at
WHERE updated_at = 0;
UPDATE approval_policies
SET created_at = (SELECT applied_at FROM schema_migrations WHERE version = 21)
WHERE created_at = 0;
UPDATE approval_policies
SET updated_at = created_at
WHERE updated_at = 0;
