-- SPDX-License-Identifier: Apache-2.0
-- Devices that switch a host off: one per host. And what a run under policy stonith has had switched off.

CREATE TABLE fence_devices (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	host_id TEXT NOT NULL REFERENCES hosts(id) ON DELETE CASCADE,
	agent TEXT NOT NULL,
	address TEXT NOT NULL,
	port BIGINT,
	plug TEXT,
	username TEXT,
	password TEXT,
	cipher_suite BIGINT,
	tls_unverified BIGINT NOT NULL,
	separate_power BIGINT NOT NULL,
	host_power TEXT NOT NULL,
	checked_at BIGINT,
	problem TEXT
);
CREATE UNIQUE INDEX fence_devices_host_id ON fence_devices(host_id);
ALTER TABLE workflows ADD COLUMN fence_operation_id TEXT;
ALTER TABLE workflows ADD COLUMN device_off_at BIGINT;
