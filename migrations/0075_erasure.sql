-- SPDX-License-Identifier: Apache-2.0
-- What a record says of people stands in its hash by a digest, so that it can be forgotten and the chain stays
-- whole. Whether that was asked for stands in the chain itself (customer.erasure_begun), whose check finds a record
-- that was emptied without.
ALTER TABLE events ADD COLUMN salt TEXT;
ALTER TABLE events ADD COLUMN personal_digest TEXT;

CREATE TABLE erasures (
	customer_id TEXT NOT NULL PRIMARY KEY,
	operation_id TEXT NOT NULL
);

-- Deleting rows asks who refers to them.
CREATE INDEX tickets_merged_into_id ON tickets(merged_into_id) WHERE merged_into_id IS NOT NULL;
CREATE INDEX tickets_continues_id ON tickets(continues_id) WHERE continues_id IS NOT NULL;
CREATE INDEX replications_operation_id ON replications(operation_id) WHERE operation_id IS NOT NULL;
CREATE INDEX failover_pictures_workflow_id ON failover_pictures(workflow_id);
CREATE INDEX commands_customer_id ON commands(customer_id) WHERE customer_id IS NOT NULL;
