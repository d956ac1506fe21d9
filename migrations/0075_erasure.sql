-- SPDX-License-Identifier: Apache-2.0
-- What a record says of people stands in its hash by a digest, so that it can be forgotten and the chain stays
-- whole. A record is emptied when its customer is erased; nothing else of it ever changes. Whether that was asked
-- for stands in the chain itself (customer.erasure_begun), whose check finds a record that was emptied without.
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

DROP TRIGGER events_stay_as_written;
CREATE TRIGGER events_stay_as_written BEFORE UPDATE ON events
WHEN OLD.personal_digest IS NULL OR OLD.type IN ('customer.erasure_begun', 'customer.erased')
	OR NOT EXISTS (SELECT 1 FROM erasures WHERE customer_id = OLD.customer_id)
	OR COALESCE(NEW.actor_name, NEW.address, NEW.data, NEW.previous, NEW.salt) IS NOT NULL
	OR NEW.n IS NOT OLD.n OR NEW.id IS NOT OLD.id OR NEW.customer_id IS NOT OLD.customer_id
	OR NEW.seq IS NOT OLD.seq OR NEW.type IS NOT OLD.type OR NEW.created_at IS NOT OLD.created_at
	OR NEW.actor_kind IS NOT OLD.actor_kind OR NEW.actor_id IS NOT OLD.actor_id
	OR NEW.on_behalf_of IS NOT OLD.on_behalf_of OR NEW.via IS NOT OLD.via
	OR NEW.request_id IS NOT OLD.request_id OR NEW.subject_object IS NOT OLD.subject_object
	OR NEW.subject_id IS NOT OLD.subject_id OR NEW.previous_hash IS NOT OLD.previous_hash
	OR NEW.hash IS NOT OLD.hash OR NEW.personal_digest IS NOT OLD.personal_digest
BEGIN
	SELECT RAISE(ABORT, 'records of the log are never changed');
END;
