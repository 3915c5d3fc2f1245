-- Administrators are few and found among all users.
CREATE INDEX users_administrators ON users (permissions) WHERE permissions > '';

-- Sign-ins to the console: failures of an administrator, by where they came from, and where he is known.
CREATE TABLE sign_ins (
	id TEXT PRIMARY KEY,
	user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	address TEXT NOT NULL,
	fail_count BIGINT NOT NULL,
	locks BIGINT NOT NULL,
	locked_until BIGINT NOT NULL,
	last_failure BIGINT NOT NULL,
	last_success BIGINT NOT NULL,
	UNIQUE (user_id, address)
);
CREATE INDEX sign_ins_address ON sign_ins (address) WHERE address > '';

-- Passcodes: by which channels a domain's users are sent some, and when a user was lately, 8 bytes each.
ALTER TABLE domains ADD COLUMN passcode_channels TEXT NOT NULL DEFAULT 'SMTP,SMS';
ALTER TABLE user_states ADD COLUMN passcodes_at BLOB;
