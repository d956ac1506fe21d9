-- SPDX-License-Identifier: Apache-2.0
-- Windows of planned failovers, what was said of runs as time went by, and VMs whose failover is overdue.

ALTER TABLE failovers ADD COLUMN window_ends_at BIGINT;
CREATE INDEX failovers_window_ends_at ON failovers(window_ends_at) WHERE window_ends_at IS NOT NULL;

-- the last time that something was said of a run: window, return, week
CREATE TABLE reminders (
	failover_id TEXT NOT NULL REFERENCES failovers(id),
	what TEXT NOT NULL,
	told_at BIGINT NOT NULL,
	PRIMARY KEY (failover_id, what)
);

-- the last time that a VM was overdue for a failover of this kind, and the ticket that says so
CREATE TABLE drill_notices (
	vm_id TEXT NOT NULL REFERENCES vms(id) ON DELETE CASCADE,
	kind TEXT NOT NULL,
	customer_id TEXT,
	ticket_id TEXT NOT NULL,
	told_at BIGINT NOT NULL,
	escalated_at BIGINT,
	PRIMARY KEY (vm_id, kind)
);
CREATE INDEX drill_notices_ticket_id ON drill_notices(ticket_id);
