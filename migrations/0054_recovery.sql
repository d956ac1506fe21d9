-- SPDX-License-Identifier: Apache-2.0
-- After a restore: which hosts were heard, what each of them has in its journal, and the gate that a VM had
-- before. epoch_skip: numbers left out at the VM's next epoch, because a host that was gone on without may have
-- used them.

CREATE TABLE recovery_hosts (
	host_id TEXT NOT NULL PRIMARY KEY REFERENCES hosts(id) ON DELETE CASCADE,
	since BIGINT NOT NULL,
	heard_at BIGINT,
	stated_by TEXT,
	stated_by_name TEXT,
	waived_at BIGINT,
	waived_by_name TEXT
);
CREATE TABLE recovery_heads (
	vm_id TEXT NOT NULL REFERENCES vms(id) ON DELETE CASCADE,
	host_id TEXT NOT NULL REFERENCES hosts(id) ON DELETE CASCADE,
	epoch BIGINT NOT NULL,
	role TEXT NOT NULL,
	PRIMARY KEY (vm_id, host_id)
);
ALTER TABLE vms ADD COLUMN gate_before TEXT NOT NULL DEFAULT 'open';
ALTER TABLE vms ADD COLUMN epoch_skip BIGINT NOT NULL DEFAULT 0;
CREATE INDEX vms_recovering ON vms(id) WHERE lease_gate = 'recovering';
