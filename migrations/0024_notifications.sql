-- SPDX-License-Identifier: Apache-2.0
-- What people are told: a row for each person and thing to tell, read or not.

CREATE TABLE notifications (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	user_id TEXT NOT NULL REFERENCES users(id),
	event TEXT NOT NULL,
	subject_id TEXT NOT NULL,
	title TEXT NOT NULL,
	actor_name TEXT,
	seen BIGINT NOT NULL
);
CREATE INDEX notifications_user_id ON notifications(user_id, seen, id);
CREATE INDEX notifications_seen ON notifications(seen, id);
CREATE INDEX notifications_subject_id ON notifications(subject_id, id);
CREATE INDEX notifications_customer_id ON notifications(customer_id, id);
CREATE INDEX notifications_created_at ON notifications(created_at, id);
CREATE INDEX notifications_updated_at ON notifications(updated_at, id);
