-- One text for both databases. TEXT, BLOB and BIGINT are translated where PostgreSQL spells them otherwise
-- (migrate.go). Times are milliseconds since 1970-01-01 UTC, 0 = none; an empty text = no value.

CREATE TABLE meta (
	name TEXT PRIMARY KEY,
	value BLOB NOT NULL
);

CREATE TABLE domains (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	name_folded TEXT NOT NULL UNIQUE,
	description TEXT NOT NULL,
	lockout_threshold BIGINT NOT NULL,
	lockout_minutes BIGINT NOT NULL
);

CREATE TABLE users (
	id TEXT PRIMARY KEY,
	domain_id TEXT NOT NULL REFERENCES domains (id),
	login_name TEXT NOT NULL,
	login_name_folded TEXT NOT NULL,
	first_name TEXT NOT NULL,
	last_name TEXT NOT NULL,
	password BLOB,
	email TEXT NOT NULL,
	email_folded TEXT NOT NULL,
	mobile TEXT NOT NULL,
	telephone TEXT NOT NULL,
	twitter TEXT NOT NULL,
	canonical_name TEXT NOT NULL,
	user_principal_name TEXT NOT NULL,
	personal_email TEXT NOT NULL,
	personal_telephone TEXT NOT NULL,
	personal_twitter TEXT NOT NULL,
	personal_mobile TEXT NOT NULL,
	user_locale TEXT NOT NULL,
	status TEXT NOT NULL,
	description TEXT NOT NULL,
	must_change_password BOOLEAN NOT NULL,
	password_never_expires BOOLEAN NOT NULL,
	last_change_password BIGINT NOT NULL,
	permissions TEXT NOT NULL,
	UNIQUE (domain_id, login_name_folded)
);
CREATE INDEX users_login_name ON users (login_name_folded, id);
CREATE INDEX users_email ON users (email_folded, id);

-- What changes on every login stands in narrow tables.
CREATE TABLE user_states (
	user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
	fail_count BIGINT NOT NULL,
	last_login BIGINT NOT NULL
);

CREATE TABLE products (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	manufacturer_code TEXT NOT NULL,
	product_code TEXT NOT NULL,
	algorithm TEXT NOT NULL,
	digits BIGINT NOT NULL,
	period BIGINT NOT NULL,
	crypto TEXT NOT NULL,
	kind TEXT NOT NULL,
	auto_window BIGINT NOT NULL,
	check_window BIGINT NOT NULL,
	manual_window BIGINT NOT NULL,
	max_tokens_per_user BIGINT NOT NULL,
	activation TEXT NOT NULL,
	activation_code_length BIGINT NOT NULL,
	activation_code_hours BIGINT NOT NULL,
	functions TEXT NOT NULL,
	UNIQUE (manufacturer_code, product_code)
);

CREATE TABLE repositories (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	description TEXT NOT NULL,
	parent_id TEXT REFERENCES repositories (id)
);
CREATE INDEX repositories_parent ON repositories (parent_id, id);

CREATE TABLE tokens (
	id TEXT PRIMARY KEY,
	product_id TEXT NOT NULL REFERENCES products (id),
	repository_id TEXT NOT NULL REFERENCES repositories (id),
	serial TEXT NOT NULL,
	identifier TEXT NOT NULL,
	status TEXT NOT NULL,
	description TEXT NOT NULL,
	seed BLOB NOT NULL,
	confined BOOLEAN NOT NULL,
	downloads BIGINT NOT NULL,
	last_download BIGINT NOT NULL,
	date_created BIGINT NOT NULL,
	last_updated BIGINT NOT NULL
);
-- The unique index leads with the serial, so that it also serves a look-up by serial alone.
CREATE UNIQUE INDEX tokens_serial ON tokens (serial, product_id);
CREATE INDEX tokens_product ON tokens (product_id, id);
CREATE INDEX tokens_repository ON tokens (repository_id, id);
CREATE INDEX tokens_status ON tokens (status, id);

CREATE TABLE token_states (
	token_id TEXT PRIMARY KEY REFERENCES tokens (id) ON DELETE CASCADE,
	counter BIGINT NOT NULL,
	drift BIGINT NOT NULL,
	last_used BIGINT NOT NULL,
	resync_step BIGINT NOT NULL,
	resync_until BIGINT NOT NULL
);

CREATE TABLE token_assignments (
	id TEXT PRIMARY KEY,
	token_id TEXT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
	user_id TEXT NOT NULL REFERENCES users (id),
	is_owner BOOLEAN NOT NULL,
	usage_limit BIGINT NOT NULL,
	usage_count BIGINT NOT NULL,
	status TEXT NOT NULL,
	starts BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	priority BIGINT NOT NULL,
	pin BLOB,
	last_change_pin BIGINT NOT NULL,
	must_change_pin BOOLEAN NOT NULL,
	pin_never_expires BOOLEAN NOT NULL,
	date_created BIGINT NOT NULL,
	last_updated BIGINT NOT NULL,
	UNIQUE (token_id, user_id)
);
CREATE INDEX token_assignments_user ON token_assignments (user_id, token_id);
-- At most one owner a token.
CREATE UNIQUE INDEX token_assignments_owner ON token_assignments (token_id) WHERE is_owner;

CREATE TABLE agents (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	secret_hash BLOB NOT NULL,
	permissions TEXT NOT NULL,
	domains TEXT NOT NULL,
	addresses TEXT NOT NULL,
	certificates TEXT NOT NULL,
	status TEXT NOT NULL,
	date_created BIGINT NOT NULL,
	last_used BIGINT NOT NULL
);

CREATE TABLE audit (
	id TEXT PRIMARY KEY,
	time BIGINT NOT NULL,
	agent TEXT NOT NULL,
	method TEXT NOT NULL,
	object TEXT NOT NULL,
	outcome BIGINT NOT NULL,
	remote TEXT NOT NULL
);
CREATE INDEX audit_time ON audit (time);
