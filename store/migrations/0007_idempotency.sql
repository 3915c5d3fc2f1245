-- Answers of changing calls that carried an Idempotency-Key, kept for a repeat of the same call.
CREATE TABLE idempotency_keys (
	id TEXT PRIMARY KEY,
	request BLOB NOT NULL,
	reply BLOB NOT NULL,
	expires BIGINT NOT NULL
);
CREATE INDEX idempotency_keys_expires ON idempotency_keys (expires, id);
