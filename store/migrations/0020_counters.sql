-- How many tokens, users and devices there are, by what is counted most, so that a total costs the same however many there are. Triggers
-- (counts.go) keep them in the transaction of each change. The number is the sum over the slots, as each connection to PostgreSQL counts
-- in one of its own: a common row would make all changes wait for each other.

CREATE TABLE token_counts (
	status TEXT NOT NULL,
	product_id TEXT NOT NULL,
	repository_id TEXT NOT NULL,
	slot BIGINT NOT NULL,
	n BIGINT NOT NULL,
	PRIMARY KEY (status, product_id, repository_id, slot)
) WITHOUT ROWID;
CREATE TABLE user_counts (
	status TEXT NOT NULL,
	domain_id TEXT NOT NULL,
	slot BIGINT NOT NULL,
	n BIGINT NOT NULL,
	PRIMARY KEY (status, domain_id, slot)
) WITHOUT ROWID;
CREATE TABLE device_counts (
	status TEXT NOT NULL,
	slot BIGINT NOT NULL,
	n BIGINT NOT NULL,
	PRIMARY KEY (status, slot)
) WITHOUT ROWID;

-- How many there were at the beginning of a day, or soon after: days since 1970, UTC.

CREATE TABLE count_days (
	day BIGINT NOT NULL,
	name TEXT NOT NULL,
	n BIGINT NOT NULL,
	PRIMARY KEY (day, name)
);
