-- SPDX-License-Identifier: Apache-2.0
-- Checkpoints of VMs, as hosts told of them last, and drains that were asked for.

CREATE TABLE checkpoints (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	vm_id TEXT NOT NULL REFERENCES vms(id) ON DELETE CASCADE,
	name TEXT NOT NULL,
	kind TEXT NOT NULL,
	consistency TEXT,
	reason TEXT,
	taken_at BIGINT
);
CREATE UNIQUE INDEX checkpoints_name ON checkpoints(vm_id, name);
CREATE INDEX checkpoints_vm_id ON checkpoints(vm_id, id);
CREATE INDEX checkpoints_customer_id ON checkpoints(customer_id, id);
CREATE INDEX checkpoints_created_at ON checkpoints(created_at, id);
CREATE INDEX checkpoints_updated_at ON checkpoints(updated_at, id);

CREATE INDEX commands_subject_verb ON commands(subject_id, verb, seq);
