-- What was used with a seed counts for the seed, not for the token: tokens of one seed are found by a keyed hash of it, and
-- a mark stays of a seed whose last token is deleted. The hashes of tokens that are there are made when the database is opened.

ALTER TABLE tokens ADD COLUMN seed_index BLOB;
ALTER TABLE tokens ADD COLUMN seed_group TEXT;
CREATE INDEX tokens_seed ON tokens (seed_index);
CREATE INDEX tokens_seed_group ON tokens (seed_group) WHERE seed_group IS NOT NULL;

-- What the counter was before the last OTP was accepted, the same as the counter where none was, and a used step above it. Of
-- what there is already it is not known.
ALTER TABLE token_states ADD COLUMN previous BIGINT NOT NULL DEFAULT 0;
ALTER TABLE token_states ADD COLUMN spent BIGINT NOT NULL DEFAULT 0;
UPDATE token_states SET previous = counter - 1 WHERE counter > 0;

CREATE TABLE seed_marks (
	id TEXT PRIMARY KEY,
	digest BLOB NOT NULL,
	seed_index BLOB NOT NULL,
	algorithm TEXT NOT NULL,
	period BIGINT NOT NULL,
	crypto TEXT NOT NULL,
	counter BIGINT NOT NULL,
	until BIGINT NOT NULL
);
CREATE INDEX seed_marks_seed ON seed_marks (seed_index);
CREATE INDEX seed_marks_until ON seed_marks (until);
