-- Who is signed in to the console. A session is known by the hash of what the browser keeps.

CREATE TABLE sessions (
	hash BLOB PRIMARY KEY,
	user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	password_changed BIGINT NOT NULL,
	date_created BIGINT NOT NULL,
	last_used BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_last_used ON sessions (last_used);
