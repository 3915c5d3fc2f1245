-- What holds guessing back: failures since the last lock or success, when the growth of locks has decayed, when the chance
-- that was guessed away has come back. When a token's drift was learned, and which steps' OTPs were answered "out of sync".

ALTER TABLE domains ADD COLUMN max_failures BIGINT NOT NULL DEFAULT 100;
ALTER TABLE user_states ADD COLUMN tries BIGINT NOT NULL DEFAULT 0;
ALTER TABLE user_states ADD COLUMN calm_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE user_states ADD COLUMN guessed_until BIGINT NOT NULL DEFAULT 0;
UPDATE user_states SET tries = fail_count WHERE fail_count > 0;

ALTER TABLE products ADD COLUMN narrow_window BIGINT NOT NULL DEFAULT 2;
ALTER TABLE token_states ADD COLUMN synced_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE token_states ADD COLUMN asked BLOB;
UPDATE token_states SET synced_at = last_used WHERE last_used > 0;

-- Failures by the address they came from, in slots that a keyed hash chooses, so that nobody makes more of them: the day in
-- which they were counted (of UTC, since 1970). Where users logged in from.
CREATE TABLE guess_addresses (
	slot BIGINT PRIMARY KEY,
	day BIGINT NOT NULL,
	failures BIGINT NOT NULL
);
CREATE TABLE user_addresses (
	user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	address TEXT NOT NULL,
	last_success BIGINT NOT NULL,
	PRIMARY KEY (user_id, address)
);
