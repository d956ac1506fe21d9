-- SPDX-License-Identifier: Apache-2.0
-- A record that was written stays as it was written; what is to be forgotten of a customer is not in the log.
CREATE FUNCTION events_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'records of the log are never changed or deleted';
END
$$;
CREATE TRIGGER events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON events
	FOR EACH STATEMENT EXECUTE FUNCTION events_stay();
