-- SPDX-License-Identifier: Apache-2.0
-- Tickets with what they are sorted and timed by: calendars, clocks, queues, categories.

CREATE TABLE calendars (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	name TEXT NOT NULL,
	time_zone TEXT NOT NULL,
	monday TEXT NOT NULL,
	tuesday TEXT NOT NULL,
	wednesday TEXT NOT NULL,
	thursday TEXT NOT NULL,
	friday TEXT NOT NULL,
	saturday TEXT NOT NULL,
	sunday TEXT NOT NULL,
	holidays TEXT NOT NULL
);
CREATE UNIQUE INDEX calendars_name ON calendars(COALESCE(customer_id, ''), name);
CREATE INDEX calendars_by_name ON calendars(name, id);
CREATE INDEX calendars_customer_id ON calendars(customer_id, id);
CREATE INDEX calendars_created_at ON calendars(created_at, id);
CREATE INDEX calendars_updated_at ON calendars(updated_at, id);
INSERT INTO calendars(id, version, created_at, updated_at, labels, name, time_zone, monday, tuesday, wednesday, thursday,
	friday, saturday, sunday, holidays)
VALUES ('cal_00000000000000000000000001', 1, 0, 0, '{}', 'Around the clock', 'UTC', '["00:00-24:00"]', '["00:00-24:00"]',
	'["00:00-24:00"]', '["00:00-24:00"]', '["00:00-24:00"]', '["00:00-24:00"]', '["00:00-24:00"]', '[]');

CREATE TABLE slas (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	name TEXT NOT NULL,
	calendar_id TEXT NOT NULL REFERENCES calendars(id),
	low_response_seconds BIGINT,
	low_resolve_seconds BIGINT,
	normal_response_seconds BIGINT,
	normal_resolve_seconds BIGINT,
	high_response_seconds BIGINT,
	high_resolve_seconds BIGINT,
	urgent_response_seconds BIGINT,
	urgent_resolve_seconds BIGINT
);
-- one for each customer, and one of the provider's for those that have none
CREATE UNIQUE INDEX slas_customer ON slas(COALESCE(customer_id, ''));
CREATE INDEX slas_customer_id ON slas(customer_id, id);
CREATE INDEX slas_name ON slas(name, id);
CREATE INDEX slas_calendar_id ON slas(calendar_id, id);
CREATE INDEX slas_created_at ON slas(created_at, id);
CREATE INDEX slas_updated_at ON slas(updated_at, id);
INSERT INTO slas(id, version, created_at, updated_at, labels, name, calendar_id, low_response_seconds, low_resolve_seconds,
	normal_response_seconds, normal_resolve_seconds, high_response_seconds, high_resolve_seconds, urgent_response_seconds,
	urgent_resolve_seconds)
VALUES ('sla_00000000000000000000000001', 1, 0, 0, '{}', 'Standard', 'cal_00000000000000000000000001', 28800, 432000,
	14400, 172800, 3600, 28800, 900, 14400);

CREATE TABLE queues (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	name TEXT NOT NULL,
	types TEXT NOT NULL,
	standard BIGINT NOT NULL,
	escalates_to_id TEXT REFERENCES queues(id),
	note TEXT
);
CREATE UNIQUE INDEX queues_name ON queues(name);
CREATE UNIQUE INDEX queues_standard ON queues(COALESCE(customer_id, '')) WHERE standard = 1;
CREATE INDEX queues_by_name ON queues(name, id);
CREATE INDEX queues_customer_id ON queues(customer_id, id);
CREATE INDEX queues_created_at ON queues(created_at, id);
CREATE INDEX queues_updated_at ON queues(updated_at, id);
INSERT INTO queues(id, version, created_at, updated_at, labels, name, types, standard)
VALUES ('que_00000000000000000000000001', 1, 0, 0, '{}', 'Support', '[]', 1);

CREATE TABLE ticket_categories (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	name TEXT NOT NULL,
	parent_id TEXT REFERENCES ticket_categories(id),
	queue_id TEXT REFERENCES queues(id),
	note TEXT
);
CREATE UNIQUE INDEX ticket_categories_name ON ticket_categories(COALESCE(customer_id, ''), COALESCE(parent_id, ''), name);
CREATE INDEX ticket_categories_by_name ON ticket_categories(name, id);
CREATE INDEX ticket_categories_parent_id ON ticket_categories(parent_id, id);
CREATE INDEX ticket_categories_customer_id ON ticket_categories(customer_id, id);
CREATE INDEX ticket_categories_created_at ON ticket_categories(created_at, id);
CREATE INDEX ticket_categories_updated_at ON ticket_categories(updated_at, id);

CREATE TABLE tickets (
	id TEXT NOT NULL PRIMARY KEY,
	customer_id TEXT REFERENCES customers(id),
	version BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	labels TEXT NOT NULL,
	number TEXT NOT NULL,
	type TEXT NOT NULL,
	state TEXT NOT NULL,
	severity TEXT NOT NULL,
	subject TEXT NOT NULL,
	body TEXT,
	category_id TEXT REFERENCES ticket_categories(id),
	site_id TEXT REFERENCES sites(id),
	resource_ids TEXT NOT NULL,
	language TEXT,
	channel TEXT NOT NULL,
	requester_id TEXT,
	requester_name TEXT,
	on_behalf_of_id TEXT,
	queue_id TEXT REFERENCES queues(id),
	assignee_id TEXT,
	assignee_name TEXT,
	waiting_since BIGINT,
	acknowledged_at BIGINT,
	escalation BIGINT NOT NULL,
	snoozed_until BIGINT,
	failover_kind TEXT NOT NULL,
	failover_id TEXT,
	plan_hash TEXT,
	approval TEXT NOT NULL,
	sla_id TEXT REFERENCES slas(id),
	sla_version BIGINT,
	calendar_id TEXT REFERENCES calendars(id),
	response_seconds BIGINT,
	response_due_at BIGINT,
	responded_at BIGINT,
	response_breached BIGINT NOT NULL,
	resolve_seconds BIGINT,
	resolve_due_at BIGINT,
	resolve_left_seconds BIGINT,
	resolve_breached BIGINT NOT NULL,
	due_at BIGINT NOT NULL,
	urgency BIGINT NOT NULL,
	solved_at BIGINT,
	closed_at BIGINT,
	resolution TEXT NOT NULL,
	merged_into_id TEXT REFERENCES tickets(id),
	continues_id TEXT REFERENCES tickets(id)
);
CREATE UNIQUE INDEX tickets_number ON tickets(number);
CREATE INDEX tickets_by_number ON tickets(number, id);
CREATE INDEX tickets_customer_id ON tickets(customer_id, id);
CREATE INDEX tickets_customer_state ON tickets(customer_id, state, id);
CREATE INDEX tickets_customer_updated ON tickets(customer_id, updated_at, id);
CREATE INDEX tickets_type ON tickets(type, id);
CREATE INDEX tickets_state ON tickets(state, id);
CREATE INDEX tickets_severity ON tickets(severity, id);
CREATE INDEX tickets_category_id ON tickets(category_id, id);
CREATE INDEX tickets_site_id ON tickets(site_id, id);
CREATE INDEX tickets_requester_id ON tickets(requester_id, id);
CREATE INDEX tickets_queue_id ON tickets(queue_id, id);
CREATE INDEX tickets_assignee_id ON tickets(assignee_id, id);
CREATE INDEX tickets_approval ON tickets(approval, id);
CREATE INDEX tickets_failover_id ON tickets(failover_id, id);
CREATE INDEX tickets_due_at ON tickets(due_at, id);
CREATE INDEX tickets_created_at ON tickets(created_at, id);
CREATE INDEX tickets_updated_at ON tickets(updated_at, id);
-- what nobody has taken, in the order it is taken
CREATE INDEX tickets_free ON tickets(queue_id, urgency, due_at, id)
	WHERE assignee_id IS NULL AND state IN ('new', 'open');
CREATE INDEX tickets_snoozed ON tickets(snoozed_until) WHERE snoozed_until IS NOT NULL;
CREATE INDEX tickets_solved ON tickets(state, solved_at);
