-- Verifying: when a lock ends, when credentials were refused lately. Provisioning links of soft tokens.

ALTER TABLE user_states ADD COLUMN locked_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE user_states ADD COLUMN refused_at BLOB;

-- One link a token: a newer one takes the older's place.
CREATE TABLE download_links (
	token_id TEXT PRIMARY KEY REFERENCES tokens (id) ON DELETE CASCADE,
	hash BLOB NOT NULL UNIQUE,
	expires BIGINT NOT NULL
);
