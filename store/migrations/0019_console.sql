-- What a change gave: the names of the attributes, and the values of those that are one of a few. The MAC of a row covers it where it is
-- not empty, so rows of before still verify.

ALTER TABLE audit ADD COLUMN changed TEXT NOT NULL DEFAULT '';

-- The history of an object. Accepted logins are not in it: they are the most of the record, and a user tells his last one. So a login
-- pays for no further index.

CREATE INDEX audit_object ON audit (object, time, id) WHERE outcome <> 0 OR method NOT IN ('auth/verify', 'auth/logon');

-- First and last names as they are compared, so that a search by the beginning of one uses an index. What is not ASCII of them is folded
-- behind this (see migrate.go).

ALTER TABLE users ADD COLUMN first_name_folded TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN last_name_folded TEXT NOT NULL DEFAULT '';
UPDATE users SET first_name_folded = lower(first_name), last_name_folded = lower(last_name) WHERE first_name <> '' OR last_name <> '';
CREATE INDEX users_first_name ON users (first_name_folded, id);
CREATE INDEX users_last_name ON users (last_name_folded, id);

-- What the console's first page asks for: who is locked, and which codes end soon.

CREATE INDEX users_locked ON users (id) WHERE status = 'LOCKED';
CREATE INDEX installation_codes_expires ON installation_codes (expires) WHERE enabled AND expires > 0;
