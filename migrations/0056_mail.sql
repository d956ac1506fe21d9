-- SPDX-License-Identifier: Apache-2.0
-- Notifications go out by mail: when the next try is due (NULL = none is), and how many there were.

ALTER TABLE users ADD COLUMN mail_muted BIGINT NOT NULL DEFAULT 0;
ALTER TABLE notifications ADD COLUMN mail_due_at BIGINT;
ALTER TABLE notifications ADD COLUMN mail_tries BIGINT NOT NULL DEFAULT 0;
CREATE INDEX notifications_mail_due_at ON notifications(mail_due_at, id);
