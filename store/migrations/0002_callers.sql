-- The record becomes chains: each row carries a keyed hash over itself and the row before it of its writer. An id is
-- the writer and the sequence in hex, so that the primary key is also the order in which a chain is checked.
DROP TABLE audit;
CREATE TABLE audit (
	id TEXT PRIMARY KEY,
	writer TEXT NOT NULL,
	sequence BIGINT NOT NULL,
	time BIGINT NOT NULL,
	agent TEXT NOT NULL,
	method TEXT NOT NULL,
	object TEXT NOT NULL,
	outcome BIGINT NOT NULL,
	remote TEXT NOT NULL,
	mac BLOB NOT NULL
);
CREATE INDEX audit_time ON audit (time, id);

-- A chain of its own, which says what chains there are and where they stood.
CREATE TABLE audit_marks (
	number BIGINT PRIMARY KEY,
	time BIGINT NOT NULL,
	kind TEXT NOT NULL,
	writer TEXT NOT NULL,
	heads TEXT NOT NULL,
	mac BLOB NOT NULL
);

ALTER TABLE agents ADD COLUMN generation BIGINT NOT NULL DEFAULT 1;
ALTER TABLE agents ADD COLUMN old_secret_hash BLOB;
ALTER TABLE agents ADD COLUMN old_secret_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE agents ADD COLUMN rate_limit BIGINT NOT NULL DEFAULT 0;

-- A public key is one agent's; agents.certificates is what a client sees of it.
CREATE TABLE agent_certificates (
	hash TEXT PRIMARY KEY,
	agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE
);
CREATE INDEX agent_certificates_agent ON agent_certificates (agent_id);
