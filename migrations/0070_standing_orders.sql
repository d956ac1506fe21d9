-- SPDX-License-Identifier: Apache-2.0
-- Standing orders: what a customer's approver has agreed to beforehand, and which approvals came of it. looked_at is
-- when it was last compared with what it was given for.

CREATE TABLE standing_orders (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	name TEXT NOT NULL,
	kind TEXT NOT NULL,
	outage_classes TEXT NOT NULL,
	plan_id TEXT,
	vm_ids TEXT NOT NULL,
	chain TEXT NOT NULL,
	statement TEXT NOT NULL,
	expires_at BIGINT NOT NULL,
	state TEXT NOT NULL,
	plan_hash TEXT NOT NULL,
	given_by_id TEXT NOT NULL,
	given_by_name TEXT,
	ended_at BIGINT,
	ended_by_name TEXT,
	end_reason TEXT,
	looked_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX standing_orders_customer_id ON standing_orders(customer_id, id);
CREATE INDEX standing_orders_state ON standing_orders(state, id);
CREATE INDEX standing_orders_plan_id ON standing_orders(plan_id, id);
CREATE INDEX standing_orders_created_at ON standing_orders(created_at, id);
CREATE INDEX standing_orders_updated_at ON standing_orders(updated_at, id);

ALTER TABLE approvals ADD COLUMN standing_order_id TEXT;
CREATE INDEX approvals_standing_order_id ON approvals(standing_order_id) WHERE standing_order_id IS NOT NULL;
