-- SPDX-License-Identifier: Apache-2.0
-- The form that a ticket was opened with, as it was filled in: a JSON object, or NULL for a ticket in free words.

ALTER TABLE tickets ADD COLUMN form TEXT;
