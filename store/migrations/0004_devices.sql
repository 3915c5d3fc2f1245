-- Devices, their client tokens, licenses and groups.

CREATE TABLE licenses (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	name_folded TEXT NOT NULL,
	description TEXT NOT NULL,
	seats BIGINT NOT NULL,
	-- Kept beside the devices that take them, so that one statement takes a seat if there is one.
	seats_used BIGINT NOT NULL,
	expires BIGINT NOT NULL
);
CREATE INDEX licenses_name ON licenses (name_folded, id);

CREATE TABLE device_groups (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	name_folded TEXT NOT NULL UNIQUE,
	description TEXT NOT NULL,
	parent_id TEXT REFERENCES device_groups (id)
);
CREATE INDEX device_groups_parent ON device_groups (parent_id, id);

CREATE TABLE devices (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	name_folded TEXT NOT NULL UNIQUE,
	description TEXT NOT NULL,
	platform TEXT NOT NULL,
	status TEXT NOT NULL,
	user_id TEXT REFERENCES users (id),
	license_id TEXT REFERENCES licenses (id),
	hardware_id TEXT NOT NULL,
	-- Its client token, also one that ended. client_tokens refers to devices, so this does not refer back.
	token_id TEXT NOT NULL,
	date_created BIGINT NOT NULL,
	last_updated BIGINT NOT NULL,
	last_seen BIGINT NOT NULL
);
CREATE INDEX devices_user ON devices (user_id, id);
CREATE INDEX devices_license ON devices (license_id, id);
CREATE INDEX devices_last_seen ON devices (last_seen, id);

CREATE TABLE group_members (
	device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
	group_id TEXT NOT NULL REFERENCES device_groups (id) ON DELETE CASCADE,
	PRIMARY KEY (device_id, group_id)
);
CREATE INDEX group_members_group ON group_members (group_id, device_id);

CREATE TABLE client_tokens (
	id TEXT PRIMARY KEY,
	device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
	hash BLOB NOT NULL,
	sealed BLOB,
	hint TEXT NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	date_created BIGINT NOT NULL,
	first_used BIGINT NOT NULL,
	last_used BIGINT NOT NULL
);
CREATE INDEX client_tokens_device ON client_tokens (device_id, id);
