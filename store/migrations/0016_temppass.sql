-- Emergency codes, each of one user: what stands for the OTP of a token that is lost.

CREATE TABLE temp_passes (
	id TEXT PRIMARY KEY,
	user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	password BLOB NOT NULL,
	starts BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	usage_limit BIGINT NOT NULL,
	used_times BIGINT NOT NULL,
	sent_times BIGINT NOT NULL,
	date_created BIGINT NOT NULL
);
CREATE INDEX temp_passes_user ON temp_passes (user_id, id);
CREATE INDEX temp_passes_expires ON temp_passes (expires, id);

-- How many a user has, so that a login of one who has none asks for none. When failures in a row locked the user until unlocked: a
-- code that was made later opens that lock.
ALTER TABLE user_states ADD COLUMN temp_passes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE user_states ADD COLUMN locked_at BIGINT NOT NULL DEFAULT 0;
UPDATE user_states SET locked_at = 1 WHERE locked_until = 0 AND EXISTS (SELECT 1 FROM users u JOIN domains d ON d.id = u.domain_id
	WHERE u.id = user_states.user_id AND u.status = 'LOCKED' AND d.max_failures > 0 AND user_states.fail_count >= d.max_failures);

-- What a domain allows its users' codes.
ALTER TABLE domains ADD COLUMN emergency_code_length BIGINT NOT NULL DEFAULT 8;
ALTER TABLE domains ADD COLUMN emergency_code_hours BIGINT NOT NULL DEFAULT 24;
ALTER TABLE domains ADD COLUMN emergency_code_hours_most BIGINT NOT NULL DEFAULT 168;
ALTER TABLE domains ADD COLUMN emergency_codes_most BIGINT NOT NULL DEFAULT 10;
ALTER TABLE domains ADD COLUMN emergency_code_needs_pin BOOLEAN NOT NULL DEFAULT TRUE;
