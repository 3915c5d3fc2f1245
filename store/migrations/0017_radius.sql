-- Clients of RADIUS: who may ask whether a login is right, and with which secret.

CREATE TABLE radius_clients (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	name_folded TEXT NOT NULL UNIQUE,
	address TEXT NOT NULL,
	certificate TEXT NOT NULL,
	secret BLOB,
	old_secret BLOB,
	old_secret_until BIGINT NOT NULL,
	application_id TEXT NOT NULL REFERENCES applications (id),
	require_message_authenticator BOOLEAN NOT NULL,
	attributes TEXT NOT NULL,
	status TEXT NOT NULL,
	date_created BIGINT NOT NULL,
	last_updated BIGINT NOT NULL
);
CREATE UNIQUE INDEX radius_clients_address ON radius_clients (address) WHERE address > '';
CREATE UNIQUE INDEX radius_clients_certificate ON radius_clients (certificate) WHERE certificate > '';
CREATE INDEX radius_clients_application ON radius_clients (application_id, id);

-- What changes while they ask.
CREATE TABLE radius_client_states (
	client_id TEXT PRIMARY KEY REFERENCES radius_clients (id) ON DELETE CASCADE,
	last_used BIGINT NOT NULL,
	accepted BIGINT NOT NULL,
	refused BIGINT NOT NULL,
	dropped BIGINT NOT NULL,
	last_reason TEXT NOT NULL
);

-- What is kept for a short while, sealed: replies, for a request that is sent again, and where logons stand that were asked for more.
CREATE TABLE radius_notes (
	id TEXT PRIMARY KEY,
	content BLOB NOT NULL,
	expires BIGINT NOT NULL
);
CREATE INDEX radius_notes_expires ON radius_notes (expires, id);
