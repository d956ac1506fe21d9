-- SPDX-License-Identifier: Apache-2.0
-- Waivers: what people of both sides have signed of VMs that stay unprotected after a failover, a row per signature.
-- The second of a pair has holds_until; ended_at is when its end was noted.

CREATE TABLE waivers (
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
	expires_at BIGINT NOT NULL,
	effective BIGINT NOT NULL,
	holds_until BIGINT,
	paired BIGINT NOT NULL DEFAULT 0,
	ended_at BIGINT
);
-- one side signs once for a pair
CREATE UNIQUE INDEX waivers_unpaired ON waivers(ticket_id, vm_id, side) WHERE paired = 0 AND effective = 0;
CREATE INDEX waivers_ticket_id ON waivers(ticket_id, id);
CREATE INDEX waivers_vm_id ON waivers(vm_id, id);
CREATE INDEX waivers_customer_id ON waivers(customer_id, id);
CREATE INDEX waivers_created_at ON waivers(created_at, id);
CREATE INDEX waivers_updated_at ON waivers(updated_at, id);
CREATE INDEX waivers_holds_until ON waivers(holds_until) WHERE ended_at IS NULL;
