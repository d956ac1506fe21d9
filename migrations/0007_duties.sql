-- SPDX-License-Identifier: Apache-2.0
-- Work that one server does at a time: whoever holds the row may write under its fence.

CREATE TABLE duties (
	name TEXT NOT NULL PRIMARY KEY,
	owner TEXT NOT NULL,
	owned_until BIGINT NOT NULL,
	fence BIGINT NOT NULL
);
