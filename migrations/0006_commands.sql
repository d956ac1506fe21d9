-- SPDX-License-Identifier: Apache-2.0
-- What agents are told and what they observe. A command is numbered per subject (a VM, or the host itself);
-- its payload is kept as signed, so that delivering it again sends the same bytes.

CREATE TABLE commands (
	subject_id TEXT NOT NULL,
	seq BIGINT NOT NULL,
	host_id TEXT NOT NULL REFERENCES hosts(id),
	customer_id TEXT REFERENCES customers(id),
	verb TEXT NOT NULL,
	epoch BIGINT NOT NULL,
	state TEXT NOT NULL,
	payload TEXT NOT NULL,
	signature TEXT NOT NULL,
	operation_id TEXT REFERENCES operations(id),
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	delivered_at BIGINT,
	ended_at BIGINT,
	result TEXT,
	error TEXT,
	PRIMARY KEY (subject_id, seq, host_id)
);
CREATE INDEX commands_open ON commands(host_id, subject_id, seq) WHERE state IN ('queued', 'delivered');
CREATE INDEX commands_expiry ON commands(expires_at) WHERE state = 'queued';
CREATE INDEX commands_operation ON commands(operation_id);

ALTER TABLE hosts ADD COLUMN cmd_seq BIGINT NOT NULL DEFAULT 0;
ALTER TABLE vms ADD COLUMN cmd_seq BIGINT NOT NULL DEFAULT 0;
ALTER TABLE vms ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE vms ADD COLUMN fencing_policy TEXT NOT NULL DEFAULT 'none';
ALTER TABLE vms ADD COLUMN desired_power TEXT NOT NULL DEFAULT 'unknown';
ALTER TABLE vms ADD COLUMN power_raw TEXT;
ALTER TABLE vms ADD COLUMN holder_host_id TEXT REFERENCES hosts(id);
ALTER TABLE vms ADD COLUMN observed_at BIGINT;
ALTER TABLE vms ADD COLUMN source TEXT;

-- The newest inventory of a host and of a VM, as its agent told it.
CREATE TABLE host_facts (
	host_id TEXT NOT NULL PRIMARY KEY REFERENCES hosts(id) ON DELETE CASCADE,
	observed_at BIGINT NOT NULL,
	facts TEXT NOT NULL
);
CREATE TABLE vm_facts (
	vm_id TEXT NOT NULL PRIMARY KEY REFERENCES vms(id) ON DELETE CASCADE,
	host_id TEXT NOT NULL,
	observed_at BIGINT NOT NULL,
	facts TEXT NOT NULL
);
