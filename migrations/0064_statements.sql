-- SPDX-License-Identifier: Apache-2.0
-- What agents state of the commands of failovers, signed with keys of their own. A key's row stays when the agent has another;
-- ended_at is when that one came.

CREATE TABLE agent_keys (
	agent_id TEXT NOT NULL,
	public_key TEXT NOT NULL,
	host_id TEXT NOT NULL REFERENCES hosts(id) ON DELETE CASCADE,
	customer_id TEXT REFERENCES customers(id),
	created_at BIGINT NOT NULL,
	ended_at BIGINT,
	PRIMARY KEY (agent_id, public_key)
);
CREATE INDEX agent_keys_host_id ON agent_keys(host_id, created_at);
CREATE INDEX agent_keys_public_key ON agent_keys(public_key);
CREATE INDEX agent_keys_customer_id ON agent_keys(customer_id);

-- One row per answered command of a failover; verdict: valid, invalid (reason says why), missing.
CREATE TABLE statements (
	subject_id TEXT NOT NULL,
	seq BIGINT NOT NULL,
	host_id TEXT NOT NULL,
	customer_id TEXT,
	verb TEXT NOT NULL,
	agent_id TEXT,
	verdict TEXT NOT NULL,
	reason TEXT,
	statement TEXT,
	signature TEXT,
	took_ms BIGINT,
	taken_at BIGINT NOT NULL,
	PRIMARY KEY (subject_id, seq, host_id)
);
CREATE INDEX statements_customer_id ON statements(customer_id);

ALTER TABLE agents ADD COLUMN statement_key TEXT;
