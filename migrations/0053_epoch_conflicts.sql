-- SPDX-License-Identifier: Apache-2.0
-- Hosts that claim a VM under an epoch that the server cannot take in, and whom people have chosen.

CREATE TABLE epoch_claims (
	vm_id TEXT NOT NULL REFERENCES vms(id) ON DELETE CASCADE,
	host_id TEXT NOT NULL REFERENCES hosts(id) ON DELETE CASCADE,
	epoch BIGINT NOT NULL,
	claimed_at BIGINT NOT NULL,
	settled BIGINT NOT NULL,
	PRIMARY KEY (vm_id, host_id)
);
CREATE TABLE owner_choices (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	vm_id TEXT NOT NULL REFERENCES vms(id) ON DELETE CASCADE,
	host_id TEXT NOT NULL,
	epoch BIGINT NOT NULL,
	statement TEXT NOT NULL,
	user_id TEXT NOT NULL,
	user_name TEXT,
	effective BIGINT NOT NULL
);
CREATE INDEX owner_choices_vm_id ON owner_choices(vm_id, epoch);
CREATE INDEX owner_choices_customer_id ON owner_choices(customer_id, id);
CREATE INDEX owner_choices_created_at ON owner_choices(created_at, id);
CREATE INDEX owner_choices_updated_at ON owner_choices(updated_at, id);
