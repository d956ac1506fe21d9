-- SPDX-License-Identifier: Apache-2.0
-- Approvals as data: policies, decisions bound to a plan hash, statements of two people.

CREATE TABLE approval_policies (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	name TEXT NOT NULL,
	ticket_type TEXT NOT NULL,
	failover_kind TEXT NOT NULL,
	least_severity TEXT NOT NULL,
	customer_approvals BIGINT NOT NULL,
	staff_approvals BIGINT NOT NULL,
	approvals BIGINT NOT NULL,
	requester TEXT NOT NULL,
	approver_ids TEXT NOT NULL,
	expires_after_seconds BIGINT NOT NULL,
	enabled BIGINT NOT NULL
);
CREATE UNIQUE INDEX approval_policies_name ON approval_policies(COALESCE(customer_id, ''), name);
CREATE INDEX approval_policies_by_name ON approval_policies(name, id);
CREATE INDEX approval_policies_customer_id ON approval_policies(customer_id, id);
CREATE INDEX approval_policies_ticket_type ON approval_policies(ticket_type, id);
CREATE INDEX approval_policies_created_at ON approval_policies(created_at, id);
CREATE INDEX approval_policies_updated_at ON approval_policies(updated_at, id);
INSERT INTO approval_policies(id, version, created_at, updated_at, labels, name, ticket_type, failover_kind,
	least_severity, customer_approvals, staff_approvals, approvals, requester, approver_ids, expires_after_seconds, enabled)
VALUES
	('apl_00000000000000000000000001', 1, 0, 0, '{}', 'Test failover', 'failover', 'test', 'low', 0, 0, 1, 'alone', '[]', 86400, 1),
	('apl_00000000000000000000000002', 1, 0, 0, '{}', 'Planned failover', 'failover', 'planned', 'low', 1, 1, 2, 'one_of', '[]', 86400, 1),
	('apl_00000000000000000000000003', 1, 0, 0, '{}', 'Unplanned failover', 'failover', 'unplanned', 'low', 1, 1, 2, 'never', '[]', 86400, 1),
	('apl_00000000000000000000000004', 1, 0, 0, '{}', 'Firewall change', 'firewall_change', 'none', 'low', 1, 1, 2, 'one_of', '[]', 86400, 1);

CREATE TABLE approvals (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	ticket_id TEXT NOT NULL REFERENCES tickets(id),
	plan_hash TEXT NOT NULL,
	decision TEXT NOT NULL,
	side TEXT NOT NULL,
	user_id TEXT NOT NULL,
	user_name TEXT,
	note TEXT,
	expires_at BIGINT,
	voided_at BIGINT,
	void_reason TEXT
);
-- a person decides once, as long as it counts
CREATE UNIQUE INDEX approvals_once ON approvals(ticket_id, user_id) WHERE voided_at IS NULL;
CREATE INDEX approvals_ticket_id ON approvals(ticket_id, id);
CREATE INDEX approvals_customer_id ON approvals(customer_id, id);
CREATE INDEX approvals_created_at ON approvals(created_at, id);
CREATE INDEX approvals_updated_at ON approvals(updated_at, id);
CREATE INDEX approvals_expires_at ON approvals(expires_at) WHERE voided_at IS NULL;

CREATE TABLE attestations (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	ticket_id TEXT NOT NULL REFERENCES tickets(id),
	vm_id TEXT NOT NULL REFERENCES vms(id),
	statement TEXT NOT NULL,
	side TEXT NOT NULL,
	user_id TEXT NOT NULL,
	user_name TEXT,
	effective BIGINT NOT NULL
);
CREATE UNIQUE INDEX attestations_once ON attestations(ticket_id, vm_id, user_id);
CREATE INDEX attestations_ticket_id ON attestations(ticket_id, id);
CREATE INDEX attestations_vm_id ON attestations(vm_id, id);
CREATE INDEX attestations_customer_id ON attestations(customer_id, id);
CREATE INDEX attestations_created_at ON attestations(created_at, id);
CREATE INDEX attestations_updated_at ON attestations(updated_at, id);
