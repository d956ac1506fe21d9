-- SPDX-License-Identifier: Apache-2.0
-- Places, machines, networks and addresses, subscriptions, operations, settings.

CREATE TABLE sites (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	name TEXT NOT NULL,
	code TEXT NOT NULL,
	kind TEXT NOT NULL,
	time_zone TEXT NOT NULL,
	state TEXT NOT NULL,
	address TEXT
);
CREATE UNIQUE INDEX sites_code ON sites(code);
CREATE INDEX sites_customer_id ON sites(customer_id, id);
CREATE INDEX sites_name ON sites(name, id);
CREATE INDEX sites_kind ON sites(kind, id);
CREATE INDEX sites_state ON sites(state, id);

CREATE TABLE fault_domains (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	name TEXT NOT NULL,
	type TEXT NOT NULL,
	site_id TEXT NOT NULL REFERENCES sites(id),
	parent_id TEXT REFERENCES fault_domains(id),
	location TEXT
);
CREATE UNIQUE INDEX fault_domains_name ON fault_domains(site_id, COALESCE(parent_id, ''), name);
CREATE INDEX fault_domains_customer_id ON fault_domains(customer_id, id);
CREATE INDEX fault_domains_site_id ON fault_domains(site_id, id);
CREATE INDEX fault_domains_parent_id ON fault_domains(parent_id, id);
CREATE INDEX fault_domains_type ON fault_domains(type, id);

CREATE TABLE hosts (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	name TEXT NOT NULL,
	hypervisor TEXT NOT NULL,
	site_id TEXT NOT NULL REFERENCES sites(id),
	fault_domain_id TEXT REFERENCES fault_domains(id),
	state TEXT NOT NULL,
	memory_bytes BIGINT,
	cpu_count BIGINT
);
CREATE UNIQUE INDEX hosts_name ON hosts(name);
CREATE INDEX hosts_customer_id ON hosts(customer_id, id);
CREATE INDEX hosts_site_id ON hosts(site_id, id);
CREATE INDEX hosts_fault_domain_id ON hosts(fault_domain_id, id);
CREATE INDEX hosts_hypervisor ON hosts(hypervisor, id);
CREATE INDEX hosts_state ON hosts(state, id);

CREATE TABLE vms (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	name TEXT NOT NULL,
	hypervisor_uuid TEXT,
	host_id TEXT REFERENCES hosts(id),
	managed BIGINT NOT NULL,
	state TEXT NOT NULL,
	power TEXT NOT NULL,
	dr_role TEXT NOT NULL,
	firmware TEXT NOT NULL,
	guest_os TEXT,
	vcpus BIGINT,
	memory_bytes BIGINT,
	disk_bytes BIGINT
);
CREATE UNIQUE INDEX vms_hypervisor_uuid ON vms(hypervisor_uuid);
CREATE INDEX vms_customer_id ON vms(customer_id, id);
CREATE INDEX vms_customer_state ON vms(customer_id, state, id);
CREATE INDEX vms_host_id ON vms(host_id, id);
CREATE INDEX vms_name ON vms(name, id);
CREATE INDEX vms_power ON vms(power, id);
CREATE INDEX vms_dr_role ON vms(dr_role, id);
CREATE INDEX vms_state ON vms(state, id);

CREATE TABLE networks (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	name TEXT NOT NULL,
	site_id TEXT NOT NULL REFERENCES sites(id),
	purpose TEXT NOT NULL,
	vlan BIGINT,
	switch_name TEXT,
	isolated BIGINT NOT NULL,
	note TEXT
);
CREATE UNIQUE INDEX networks_name ON networks(site_id, COALESCE(customer_id, ''), name);
CREATE INDEX networks_customer_id ON networks(customer_id, id);
CREATE INDEX networks_site_id ON networks(site_id, id);
CREATE INDEX networks_purpose ON networks(purpose, id);

-- Ranges are kept as 32 hex digits of the 128-bit number (IPv4 as IPv4-mapped), which sort as the addresses do.
CREATE TABLE ip_blocks (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	prefix TEXT NOT NULL,
	kind TEXT NOT NULL,
	site_id TEXT NOT NULL REFERENCES sites(id),
	parent_id TEXT REFERENCES ip_blocks(id),
	network_id TEXT REFERENCES networks(id),
	gateway TEXT,
	note TEXT,
	realm TEXT NOT NULL,
	first_hex TEXT NOT NULL,
	last_hex TEXT NOT NULL,
	next_hex TEXT NOT NULL
);
CREATE UNIQUE INDEX ip_blocks_range ON ip_blocks(realm, COALESCE(parent_id, ''), first_hex);
CREATE INDEX ip_blocks_customer_id ON ip_blocks(customer_id, id);
CREATE INDEX ip_blocks_site_id ON ip_blocks(site_id, id);
CREATE INDEX ip_blocks_parent_id ON ip_blocks(parent_id, first_hex);
CREATE INDEX ip_blocks_kind ON ip_blocks(kind, id);
CREATE INDEX ip_blocks_network_id ON ip_blocks(network_id, id);

CREATE TABLE ip_addresses (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	block_id TEXT NOT NULL REFERENCES ip_blocks(id),
	address TEXT NOT NULL,
	state TEXT NOT NULL,
	purpose TEXT NOT NULL,
	vm_id TEXT REFERENCES vms(id),
	note TEXT,
	free_at BIGINT,
	address_hex TEXT NOT NULL
);
CREATE UNIQUE INDEX ip_addresses_address ON ip_addresses(block_id, address_hex);
CREATE INDEX ip_addresses_customer_id ON ip_addresses(customer_id, id);
CREATE INDEX ip_addresses_text ON ip_addresses(address, id);
CREATE INDEX ip_addresses_state ON ip_addresses(state, id);
CREATE INDEX ip_addresses_vm_id ON ip_addresses(vm_id, id);

CREATE TABLE subscriptions (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT NOT NULL REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	kind TEXT NOT NULL,
	add_ons TEXT NOT NULL,
	state TEXT NOT NULL,
	starts_at BIGINT,
	ends_at BIGINT
);
CREATE INDEX subscriptions_customer_id ON subscriptions(customer_id, state, id);
CREATE INDEX subscriptions_state ON subscriptions(state, id);
CREATE INDEX subscriptions_kind ON subscriptions(kind, id);

CREATE TABLE operations (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	kind TEXT NOT NULL,
	state TEXT NOT NULL,
	progress_percent BIGINT NOT NULL,
	eta BIGINT,
	waiting_for TEXT,
	steps TEXT,
	resource TEXT,
	error TEXT,
	requested_by TEXT,
	input TEXT,
	result TEXT,
	owner TEXT,
	owned_until BIGINT,
	fence BIGINT NOT NULL,
	ended_at BIGINT
);
CREATE INDEX operations_customer_id ON operations(customer_id, id);
CREATE INDEX operations_state ON operations(state, id);
CREATE INDEX operations_kind ON operations(kind, id);

CREATE TABLE settings (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT,
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	name TEXT NOT NULL,
	support_email TEXT,
	support_phone TEXT,
	address_quarantine_days BIGINT NOT NULL,
	audit_retention_years BIGINT NOT NULL
);
INSERT INTO settings(id, version, created_at, updated_at, labels, name, address_quarantine_days, audit_retention_years)
VALUES ('set_00000000000000000000000000', 1, 0, 0, '{}', 'Understudy', 7, 7);
