-- What a seed's OTPs answered, and which steps of a time-based one were used, is known to all tokens of the seed and to its mark.
-- The step that a mark taken back left above the counter is one of those; what was used before it is not known.

ALTER TABLE token_states ADD COLUMN used BLOB;
UPDATE token_states SET previous = counter, used = unhex(printf('%016x%016x', spent - 1, spent)) WHERE spent > 0;
ALTER TABLE token_states DROP COLUMN spent;

ALTER TABLE seed_marks ADD COLUMN previous BIGINT NOT NULL DEFAULT 0;
ALTER TABLE seed_marks ADD COLUMN asked BLOB;
ALTER TABLE seed_marks ADD COLUMN used BLOB;
UPDATE seed_marks SET previous = counter - 1;
