-- SPDX-License-Identifier: Apache-2.0
-- A record of the log is emptied when its customer is erased; nothing else of it ever changes.
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
