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
