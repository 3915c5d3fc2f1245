-- Installation codes and their uses.

CREATE TABLE installation_codes (
	id TEXT PRIMARY KEY,
	description TEXT NOT NULL,
	code BLOB NOT NULL,
	code_index BLOB NOT NULL UNIQUE,
	expires BIGINT NOT NULL,
	usage_limit BIGINT NOT NULL,
	usage_limit_delay BIGINT NOT NULL,
	limit_reached BIGINT NOT NULL,
	action TEXT NOT NULL,
	username_prefix TEXT NOT NULL,
	domain_id TEXT REFERENCES domains (id),
	user_id TEXT REFERENCES users (id),
	device_id TEXT REFERENCES devices (id) ON DELETE SET NULL,
	license_id TEXT REFERENCES licenses (id),
	times_used BIGINT NOT NULL,
	last_used BIGINT NOT NULL,
	enabled BOOLEAN NOT NULL,
	generation BIGINT NOT NULL,
	date_created BIGINT NOT NULL,
	last_updated BIGINT NOT NULL
);
CREATE INDEX installation_codes_domain ON installation_codes (domain_id, id);
CREATE INDEX installation_codes_user ON installation_codes (user_id, id);
CREATE INDEX installation_codes_device ON installation_codes (device_id, id);
CREATE INDEX installation_codes_license ON installation_codes (license_id, id);

CREATE TABLE installation_code_groups (
	code_id TEXT NOT NULL REFERENCES installation_codes (id) ON DELETE CASCADE,
	group_id TEXT NOT NULL REFERENCES device_groups (id) ON DELETE CASCADE,
	PRIMARY KEY (code_id, group_id)
);
CREATE INDEX installation_code_groups_group ON installation_code_groups (group_id, code_id);

-- Devices and users are not referred to: a use stays known when they are gone.
CREATE TABLE installation_uses (
	id TEXT PRIMARY KEY,
	code_id TEXT NOT NULL REFERENCES installation_codes (id) ON DELETE CASCADE,
	generation BIGINT NOT NULL,
	time BIGINT NOT NULL,
	device_id TEXT NOT NULL,
	user_id TEXT,
	new_user BOOLEAN NOT NULL,
	token_id TEXT NOT NULL,
	nonce_hash BLOB NOT NULL UNIQUE,
	hardware_id TEXT NOT NULL
);
CREATE INDEX installation_uses_code ON installation_uses (code_id, time, id);
CREATE INDEX installation_uses_user ON installation_uses (user_id, code_id);
CREATE INDEX installation_uses_device ON installation_uses (device_id, code_id);

-- The last number given to an account of a domain and prefix: none is given twice.
CREATE TABLE username_numbers (
	domain_id TEXT NOT NULL REFERENCES domains (id) ON DELETE CASCADE,
	prefix TEXT NOT NULL,
	last BIGINT NOT NULL,
	PRIMARY KEY (domain_id, prefix)
);
