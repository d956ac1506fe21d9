-- SPDX-License-Identifier: Apache-2.0
-- Recovery plans, and each version of them as it was.

CREATE TABLE recovery_plans (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	name TEXT NOT NULL,
	note TEXT,
	members TEXT NOT NULL,
	allow_hard_stop BIGINT NOT NULL,
	commit_policy TEXT NOT NULL,
	commit_minutes BIGINT,
	checks TEXT,
	drill_interval_days BIGINT,
	verified_at BIGINT,
	verified_version BIGINT,
	drill_told_at BIGINT
);
CREATE UNIQUE INDEX recovery_plans_unique_name ON recovery_plans(customer_id, name);
CREATE INDEX recovery_plans_name ON recovery_plans(name, id);
CREATE INDEX recovery_plans_customer_id ON recovery_plans(customer_id, id);
CREATE INDEX recovery_plans_created_at ON recovery_plans(created_at, id);
CREATE INDEX recovery_plans_updated_at ON recovery_plans(updated_at, id);

CREATE TABLE recovery_plan_versions (
	plan_id TEXT NOT NULL REFERENCES recovery_plans(id) ON DELETE CASCADE,
	customer_id TEXT,
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	created_by TEXT,
	document TEXT NOT NULL,
	PRIMARY KEY (plan_id, version)
);
