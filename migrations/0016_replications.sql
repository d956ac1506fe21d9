-- SPDX-License-Identifier: Apache-2.0
-- Policies, replications with what each end told last, and recovery points.

CREATE TABLE policies (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	name TEXT NOT NULL,
	note TEXT,
	schedule_interval_seconds BIGINT NOT NULL,
	rpo_target_seconds BIGINT NOT NULL,
	rto_target_seconds BIGINT NOT NULL,
	recovery_points_kept BIGINT NOT NULL,
	app_consistent_every_hours BIGINT,
	compression TEXT NOT NULL,
	authentication TEXT NOT NULL,
	rate_bytes_per_second BIGINT,
	windows TEXT,
	excluded_disk_ids TEXT NOT NULL
);
CREATE UNIQUE INDEX policies_name ON policies(COALESCE(customer_id, ''), name);
CREATE INDEX policies_by_name ON policies(name, id);
CREATE INDEX policies_customer_id ON policies(customer_id, id);
CREATE INDEX policies_created_at ON policies(created_at, id);
CREATE INDEX policies_updated_at ON policies(updated_at, id);

CREATE TABLE replications (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	vm_id TEXT NOT NULL REFERENCES vms(id),
	leg TEXT NOT NULL,
	parent_id TEXT REFERENCES replications(id),
	policy_id TEXT REFERENCES policies(id),
	source_host_id TEXT NOT NULL REFERENCES hosts(id),
	target_host_id TEXT NOT NULL REFERENCES hosts(id),
	wanted TEXT NOT NULL,
	state TEXT NOT NULL,
	state_since BIGINT NOT NULL,
	health TEXT NOT NULL,
	health_reasons TEXT,
	schedule_interval_seconds BIGINT NOT NULL,
	rpo_target_seconds BIGINT NOT NULL,
	rto_target_seconds BIGINT NOT NULL,
	recovery_points_kept BIGINT NOT NULL,
	app_consistent_every_hours BIGINT,
	compression TEXT NOT NULL,
	authentication TEXT NOT NULL,
	rate_bytes_per_second BIGINT,
	windows TEXT,
	excluded_disk_ids TEXT NOT NULL,
	initial_method TEXT NOT NULL,
	initial_start_at BIGINT,
	auto_resync BIGINT NOT NULL,
	generation BIGINT NOT NULL,
	error TEXT,
	seeded_at BIGINT,
	rpo_breached_at BIGINT,
	health_since BIGINT NOT NULL,
	window_started_at BIGINT NOT NULL,
	window_cycles_total BIGINT NOT NULL,
	window_cycles_missed BIGINT NOT NULL,
	operation_id TEXT REFERENCES operations(id),
	removed_at BIGINT,
	replica_kept_until BIGINT
);
-- one relation of a kind per VM: a VM is copied to one host, and from there to one other
CREATE UNIQUE INDEX replications_live ON replications(vm_id, leg) WHERE wanted <> 'removed';
CREATE INDEX replications_vm_id ON replications(vm_id, id);
CREATE INDEX replications_leg ON replications(leg, id);
CREATE INDEX replications_parent_id ON replications(parent_id, id);
CREATE INDEX replications_policy_id ON replications(policy_id, id);
CREATE INDEX replications_source_host_id ON replications(source_host_id, id);
CREATE INDEX replications_target_host_id ON replications(target_host_id, id);
CREATE INDEX replications_wanted ON replications(wanted, id);
CREATE INDEX replications_state ON replications(state, id);
CREATE INDEX replications_health ON replications(health, id);
CREATE INDEX replications_customer_id ON replications(customer_id, id);
CREATE INDEX replications_created_at ON replications(created_at, id);
CREATE INDEX replications_updated_at ON replications(updated_at, id);

-- What each end of a relation told last, and when by the server's clock.
CREATE TABLE replication_ends (
	replication_id TEXT NOT NULL REFERENCES replications(id) ON DELETE CASCADE,
	role TEXT NOT NULL,
	host_id TEXT NOT NULL,
	observed_at BIGINT NOT NULL,
	state TEXT NOT NULL,
	raw TEXT,
	generation BIGINT,
	progress_percent BIGINT,
	eta_seconds BIGINT,
	newest_point_age_ms BIGINT,
	pending_bytes BIGINT,
	last_cycle_ms BIGINT,
	cycles_total BIGINT,
	cycles_missed BIGINT,
	latency_ms BIGINT,
	bytes_sent BIGINT,
	error TEXT,
	PRIMARY KEY (replication_id, role)
);

CREATE TABLE recovery_points (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	replication_id TEXT NOT NULL REFERENCES replications(id),
	vm_id TEXT NOT NULL REFERENCES vms(id),
	host_id TEXT NOT NULL,
	number BIGINT NOT NULL,
	taken_at BIGINT NOT NULL,
	applied_at BIGINT NOT NULL,
	state TEXT NOT NULL,
	consistency TEXT NOT NULL,
	consistency_requested TEXT NOT NULL,
	consistency_reason TEXT,
	size_bytes BIGINT NOT NULL,
	parent_point_id TEXT,
	roots TEXT,
	epoch BIGINT NOT NULL,
	pinned BIGINT NOT NULL,
	pin_note TEXT,
	verified TEXT NOT NULL,
	verified_at BIGINT,
	verified_text TEXT
);
CREATE INDEX recovery_points_newest ON recovery_points(replication_id, taken_at, id);
CREATE INDEX recovery_points_vm_id ON recovery_points(vm_id, id);
CREATE INDEX recovery_points_state ON recovery_points(state, id);
CREATE INDEX recovery_points_pinned ON recovery_points(pinned, id);
CREATE INDEX recovery_points_consistency ON recovery_points(consistency, id);
CREATE INDEX recovery_points_replication_id ON recovery_points(replication_id, id);
CREATE INDEX recovery_points_taken_at ON recovery_points(taken_at, id);
CREATE INDEX recovery_points_customer_id ON recovery_points(customer_id, id);
CREATE INDEX recovery_points_created_at ON recovery_points(created_at, id);
CREATE INDEX recovery_points_updated_at ON recovery_points(updated_at, id);

-- Where an agent takes replication: as it tells, and as people say instead (NAT, another network).
ALTER TABLE hosts ADD COLUMN replication_listen TEXT;
ALTER TABLE hosts ADD COLUMN replication_address TEXT;
