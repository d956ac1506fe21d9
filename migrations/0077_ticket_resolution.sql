-- SPDX-License-Identifier: Apache-2.0
-- Tickets that have not ended, among those that wait for an approval.

CREATE INDEX tickets_resolution ON tickets(resolution, id);
