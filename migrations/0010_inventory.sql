-- SPDX-License-Identifier: Apache-2.0
-- What agents observe: per VM and host, since a VM of a failover is seen on two; figures for a day.

DROP TABLE vm_facts;
CREATE TABLE vm_facts (
	vm_id TEXT NOT NULL REFERENCES vms(id) ON DELETE CASCADE,
	host_id TEXT NOT NULL REFERENCES hosts(id) ON DELETE CASCADE,
	observed_at BIGINT NOT NULL,
	power TEXT NOT NULL,
	definition_hash TEXT,
	facts TEXT NOT NULL,
	PRIMARY KEY (vm_id, host_id)
);
CREATE INDEX vm_facts_host_id ON vm_facts(host_id);

ALTER TABLE hosts ADD COLUMN heartbeat_at BIGINT;
ALTER TABLE hosts ADD COLUMN state_before TEXT;
ALTER TABLE vms ADD COLUMN power_last TEXT NOT NULL DEFAULT 'unknown';
ALTER TABLE vms ADD COLUMN guest_agent TEXT NOT NULL DEFAULT 'unknown';
ALTER TABLE vms ADD COLUMN missing BIGINT NOT NULL DEFAULT 0;
ALTER TABLE vms ADD COLUMN split_brain_suspected BIGINT NOT NULL DEFAULT 0;

CREATE TABLE samples (
	vm_id TEXT NOT NULL REFERENCES vms(id) ON DELETE CASCADE,
	taken_at BIGINT NOT NULL,
	mono_ms BIGINT NOT NULL,
	cpu_ns BIGINT,
	memory_used_bytes BIGINT,
	disk_read_bytes BIGINT,
	disk_write_bytes BIGINT,
	disk_reads BIGINT,
	disk_writes BIGINT,
	net_receive_bytes BIGINT,
	net_send_bytes BIGINT,
	PRIMARY KEY (vm_id, taken_at)
);
CREATE INDEX samples_taken_at ON samples(taken_at);
