-- SPDX-License-Identifier: Apache-2.0
-- What a person wants no letter about, and what comes to them as seen: lists of kinds, as JSON.

ALTER TABLE users ADD COLUMN mail_off TEXT NOT NULL DEFAULT '[]';
ALTER TABLE users ADD COLUMN portal_off TEXT NOT NULL DEFAULT '[]';
