-- Verifying: when a lock ends, when credentials were refused lately, passcodes sent, activation codes. Provisioning
-- links of soft tokens. Messages on their way.

ALTER TABLE user_states ADD COLUMN locked_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE user_states ADD COLUMN refused_at BLOB;
ALTER TABLE user_states ADD COLUMN passcode BLOB;
ALTER TABLE user_states ADD COLUMN passcode_until BIGINT NOT NULL DEFAULT 0;

ALTER TABLE token_assignments ADD COLUMN activation BLOB;
ALTER TABLE token_assignments ADD COLUMN activation_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE token_assignments ADD COLUMN activation_tries BIGINT NOT NULL DEFAULT 0;

-- One link a token: a newer one takes the older's place.
CREATE TABLE download_links (
	token_id TEXT PRIMARY KEY REFERENCES tokens (id) ON DELETE CASCADE,
	hash BLOB NOT NULL UNIQUE,
	expires BIGINT NOT NULL
);

CREATE TABLE templates (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	subject TEXT NOT NULL,
	text TEXT NOT NULL
);

CREATE TABLE deliveries (
	id TEXT PRIMARY KEY,
	channel TEXT NOT NULL,
	template TEXT NOT NULL,
	recipient TEXT NOT NULL,
	status TEXT NOT NULL,
	attempts BIGINT NOT NULL,
	reason TEXT NOT NULL,
	body BLOB,
	next_try BIGINT NOT NULL,
	good_until BIGINT NOT NULL,
	date_created BIGINT NOT NULL,
	last_updated BIGINT NOT NULL
);
CREATE INDEX deliveries_due ON deliveries (status, channel, next_try);

-- Refusals of unknown users are written like those of known ones, so that they take as long.
CREATE TABLE strangers (
	slot BIGINT PRIMARY KEY,
	refused_at BIGINT NOT NULL
);
