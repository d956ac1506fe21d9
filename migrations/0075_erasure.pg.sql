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

DROP TRIGGER events_stay ON events;
CREATE TRIGGER events_stay BEFORE DELETE OR TRUNCATE ON events
	FOR EACH STATEMENT EXECUTE FUNCTION events_stay();
CREATE FUNCTION events_stay_as_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF OLD.personal_digest IS NULL OR OLD.type IN ('customer.erasure_begun', 'customer.erased')
		OR NOT EXISTS (SELECT 1 FROM erasures WHERE customer_id = OLD.customer_id)
		OR COALESCE(NEW.actor_name, NEW.address, NEW.data, NEW.previous, NEW.salt) IS NOT NULL
		OR (NEW.n, NEW.id, NEW.customer_id, NEW.seq, NEW.type, NEW.created_at, NEW.actor_kind, NEW.actor_id,
			NEW.on_behalf_of, NEW.via, NEW.request_id, NEW.subject_object, NEW.subject_id,
			NEW.previous_hash, NEW.hash, NEW.personal_digest)
		IS DISTINCT FROM (OLD.n, OLD.id, OLD.customer_id, OLD.seq, OLD.type, OLD.created_at, OLD.actor_kind,
			OLD.actor_id, OLD.on_behalf_of, OLD.via, OLD.request_id, OLD.subject_object, OLD.subject_id,
			OLD.previous_hash, OLD.hash, OLD.personal_digest)
	THEN
		RAISE EXCEPTION 'records of the log are never changed or deleted';
	END IF;
	RETURN NEW;
END
$$;
CREATE TRIGGER events_stay_as_written BEFORE UPDATE ON events
	FOR EACH ROW EXECUTE FUNCTION events_stay_as_written();
