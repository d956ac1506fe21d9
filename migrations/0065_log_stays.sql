-- SPDX-License-Identifier: Apache-2.0
-- A record that was written stays as it was written; what is to be forgotten of a customer is not in the log.
CREATE TRIGGER events_stay_as_written BEFORE UPDATE ON events
BEGIN
	SELECT RAISE(ABORT, 'records of the log are never changed');
END;
CREATE TRIGGER events_stay BEFORE DELETE ON events
BEGIN
	SELECT RAISE(ABORT, 'records of the log are never deleted');
END;
