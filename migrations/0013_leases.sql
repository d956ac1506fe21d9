-- SPDX-License-Identifier: Apache-2.0
-- Leases: the newest grant per VM and holder, and whether more may be granted. granted_ms is by the clock that
-- the grantor's machine counts with since its boot (clock names it), never by a wall clock.

CREATE TABLE leases (
	vm_id TEXT NOT NULL REFERENCES vms(id) ON DELETE CASCADE,
	host_id TEXT NOT NULL REFERENCES hosts(id) ON DELETE CASCADE,
	epoch BIGINT NOT NULL,
	purpose TEXT NOT NULL,
	clock TEXT NOT NULL,
	granted_ms BIGINT NOT NULL,
	lease_seconds BIGINT NOT NULL,
	PRIMARY KEY (vm_id, host_id)
);
CREATE INDEX leases_host_id ON leases(host_id);
ALTER TABLE vms ADD COLUMN lease_gate TEXT NOT NULL DEFAULT 'open';
