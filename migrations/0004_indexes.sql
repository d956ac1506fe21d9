-- SPDX-License-Identifier: Apache-2.0
-- Every list may be filtered and sorted by the instants that all rows have.

CREATE INDEX customers_customer_id ON customers(customer_id, id);
CREATE INDEX networks_by_name ON networks(name, id);
CREATE INDEX customers_updated_at ON customers(updated_at, id);
CREATE INDEX users_updated_at ON users(updated_at, id);
CREATE INDEX service_accounts_created_at ON service_accounts(created_at, id);
CREATE INDEX service_accounts_updated_at ON service_accounts(updated_at, id);
CREATE INDEX sessions_created_at ON sessions(created_at, id);
CREATE INDEX sessions_updated_at ON sessions(updated_at, id);
CREATE INDEX tokens_created_at ON tokens(created_at, id);
CREATE INDEX tokens_updated_at ON tokens(updated_at, id);
CREATE INDEX sites_created_at ON sites(created_at, id);
CREATE INDEX sites_updated_at ON sites(updated_at, id);
CREATE INDEX fault_domains_created_at ON fault_domains(created_at, id);
CREATE INDEX fault_domains_updated_at ON fault_domains(updated_at, id);
CREATE INDEX hosts_created_at ON hosts(created_at, id);
CREATE INDEX hosts_updated_at ON hosts(updated_at, id);
CREATE INDEX vms_created_at ON vms(created_at, id);
CREATE INDEX vms_updated_at ON vms(updated_at, id);
CREATE INDEX networks_created_at ON networks(created_at, id);
CREATE INDEX networks_updated_at ON networks(updated_at, id);
CREATE INDEX ip_blocks_created_at ON ip_blocks(created_at, id);
CREATE INDEX ip_blocks_updated_at ON ip_blocks(updated_at, id);
CREATE INDEX ip_addresses_created_at ON ip_addresses(created_at, id);
CREATE INDEX ip_addresses_updated_at ON ip_addresses(updated_at, id);
CREATE INDEX subscriptions_created_at ON subscriptions(created_at, id);
CREATE INDEX subscriptions_updated_at ON subscriptions(updated_at, id);
CREATE INDEX operations_created_at ON operations(created_at, id);
CREATE INDEX operations_updated_at ON operations(updated_at, id);
