-- SPDX-License-Identifier: Apache-2.0
-- A record of the log is emptied when its customer is erased; nothing else of it ever changes.
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
