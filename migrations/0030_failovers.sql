-- SPDX-License-Identifier: Apache-2.0
-- Failovers, the workflow of each VM in them, and what their steps did.

CREATE TABLE failovers (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	ticket_id TEXT NOT NULL,
	kind TEXT NOT NULL,
	state TEXT NOT NULL,
	phase TEXT NOT NULL,
	reason_code TEXT NOT NULL,
	plan_id TEXT,
	plan_version BIGINT,
	vm_ids TEXT NOT NULL,
	recovery_point_id TEXT,
	scheduled_at BIGINT,
	chain TEXT,
	allow_hard_stop BIGINT NOT NULL,
	acknowledge_latest BIGINT NOT NULL,
	commit_policy TEXT NOT NULL,
	commit_minutes BIGINT,
	max_duration_seconds BIGINT NOT NULL,
	checks TEXT,
	plan_hash TEXT NOT NULL,
	plan TEXT NOT NULL,
	blockers TEXT NOT NULL,
	predicted TEXT NOT NULL,
	requested_by TEXT,
	approved_at BIGINT,
	started_at BIGINT,
	ended_at BIGINT,
	waiting_for TEXT,
	rpo_measured_seconds BIGINT,
	rto_measured_seconds BIGINT,
	downtime_seconds BIGINT,
	data_loss TEXT,
	phases TEXT,
	verdict TEXT,
	validation TEXT NOT NULL,
	validation_notes TEXT,
	validated_by TEXT,
	commit_at BIGINT,
	test_ends_at BIGINT,
	operation_id TEXT,
	told_state TEXT NOT NULL DEFAULT 'awaiting_approval'
);
CREATE INDEX failovers_untold ON failovers(id) WHERE told_state <> state;
CREATE UNIQUE INDEX failovers_ticket_id ON failovers(ticket_id);
CREATE INDEX failovers_customer_id ON failovers(customer_id, id);
CREATE INDEX failovers_kind ON failovers(kind, id);
CREATE INDEX failovers_state ON failovers(state, id);
CREATE INDEX failovers_reason_code ON failovers(reason_code, id);
CREATE INDEX failovers_plan_id ON failovers(plan_id, id);
CREATE INDEX failovers_created_at ON failovers(created_at, id);
CREATE INDEX failovers_updated_at ON failovers(updated_at, id);
CREATE INDEX failovers_approved ON failovers(id) WHERE state IN ('approved', 'scheduled');

-- One row per VM of a run. step is where it stands, seq the number of the command it waits for; every arrow
-- raises the fence, and whoever takes a row does it by raising it.
CREATE TABLE workflows (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	failover_id TEXT NOT NULL REFERENCES failovers(id),
	vm_id TEXT NOT NULL REFERENCES vms(id),
	position BIGINT NOT NULL,
	boot_group BIGINT NOT NULL,
	kind TEXT NOT NULL,
	state TEXT NOT NULL,
	step TEXT NOT NULL,
	source_host_id TEXT NOT NULL REFERENCES hosts(id),
	target_host_id TEXT NOT NULL REFERENCES hosts(id),
	replication_id TEXT NOT NULL,
	fencing_policy TEXT NOT NULL,
	seq BIGINT,
	tries BIGINT NOT NULL,
	wake_at BIGINT,
	deadline_at BIGINT,
	fence BIGINT NOT NULL,
	log_n BIGINT NOT NULL,
	reason_code TEXT,
	reason_text TEXT,
	waiting_on TEXT,
	waiting_since BIGINT,
	recovery_point_id TEXT,
	point_age_ms BIGINT,
	point_taken_at BIGINT,
	test_id TEXT,
	test_uuid TEXT,
	source_epoch BIGINT NOT NULL,
	epoch BIGINT,
	stop_sent BIGINT NOT NULL,
	attested_at BIGINT,
	fenced_at BIGINT,
	committed_at BIGINT,
	demote_seq BIGINT,
	demoted_at BIGINT,
	divergent TEXT,
	reversed_at BIGINT,
	reverse_pending BIGINT NOT NULL,
	outage_at BIGINT,
	stopped_at BIGINT,
	serving_at BIGINT,
	checks_passed BIGINT NOT NULL,
	checks_failed BIGINT NOT NULL,
	ended_at BIGINT
);
CREATE UNIQUE INDEX workflows_one_open ON workflows(vm_id) WHERE state IN ('running', 'waiting');
CREATE INDEX workflows_failover_id ON workflows(failover_id, position);
CREATE INDEX workflows_customer_id ON workflows(customer_id, id);
CREATE INDEX workflows_wake_at ON workflows(wake_at) WHERE state IN ('running', 'waiting');
CREATE INDEX workflows_vm_id ON workflows(vm_id, id);
CREATE INDEX workflows_demote ON workflows(vm_id, demote_seq);

-- The steps of a workflow as they stand, in order.
CREATE TABLE workflow_steps (
	workflow_id TEXT NOT NULL REFERENCES workflows(id),
	customer_id TEXT,
	n BIGINT NOT NULL,
	name TEXT NOT NULL,
	phase TEXT NOT NULL,
	state TEXT NOT NULL,
	host_id TEXT,
	seq BIGINT,
	attempts BIGINT NOT NULL,
	started_at BIGINT,
	ended_at BIGINT,
	result TEXT,
	error TEXT,
	PRIMARY KEY (workflow_id, n)
);

-- What happened, one line per arrow; never changed.
CREATE TABLE step_log (
	workflow_id TEXT NOT NULL REFERENCES workflows(id),
	customer_id TEXT,
	n BIGINT NOT NULL,
	step TEXT NOT NULL,
	event TEXT NOT NULL,
	seq BIGINT,
	host_id TEXT,
	actor_id TEXT,
	detail TEXT,
	at BIGINT NOT NULL,
	PRIMARY KEY (workflow_id, n)
);

-- Pictures that checks took; evidence names them by their hash.
CREATE TABLE failover_pictures (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT,
	failover_id TEXT NOT NULL REFERENCES failovers(id),
	workflow_id TEXT NOT NULL REFERENCES workflows(id),
	step TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	sha256 TEXT NOT NULL,
	png TEXT NOT NULL
);
CREATE INDEX failover_pictures_failover_id ON failover_pictures(failover_id, id);
