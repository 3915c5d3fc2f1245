-- Groups of users, each of one domain. A group may be in any number of other groups of its domain.

CREATE TABLE user_groups (
	id TEXT PRIMARY KEY,
	domain_id TEXT NOT NULL REFERENCES domains (id),
	name TEXT NOT NULL,
	name_folded TEXT NOT NULL,
	description TEXT NOT NULL,
	UNIQUE (domain_id, name_folded)
);
CREATE INDEX user_groups_name ON user_groups (name_folded, id);

CREATE TABLE user_group_members (
	user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	group_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
	PRIMARY KEY (user_id, group_id)
);
CREATE INDEX user_group_members_group ON user_group_members (group_id, user_id);

CREATE TABLE user_group_parents (
	group_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
	parent_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
	PRIMARY KEY (group_id, parent_id)
);
CREATE INDEX user_group_parents_parent ON user_group_parents (parent_id, group_id);

-- Units: the tree in which a domain's users stand, each in one at most.

CREATE TABLE units (
	id TEXT PRIMARY KEY,
	domain_id TEXT NOT NULL REFERENCES domains (id),
	parent_id TEXT REFERENCES units (id),
	name TEXT NOT NULL,
	name_folded TEXT NOT NULL,
	description TEXT NOT NULL,
	repository_id TEXT REFERENCES repositories (id) ON DELETE SET NULL
);
CREATE UNIQUE INDEX units_siblings ON units (domain_id, COALESCE(parent_id, ''), name_folded);
CREATE INDEX units_parent ON units (parent_id, id);
CREATE INDEX units_name ON units (name_folded, id);
CREATE INDEX units_repository ON units (repository_id);

ALTER TABLE users ADD COLUMN unit_id TEXT REFERENCES units (id);
CREATE INDEX users_unit ON users (unit_id, id) WHERE unit_id IS NOT NULL;

-- Identity sources: where a domain's users come from. All of them are rows of this database.

CREATE TABLE identity_sources (
	id TEXT PRIMARY KEY,
	type TEXT NOT NULL,
	name TEXT NOT NULL,
	name_folded TEXT NOT NULL UNIQUE,
	description TEXT NOT NULL,
	login_name_format TEXT NOT NULL,
	dial_prefix TEXT NOT NULL,
	dial_remove TEXT NOT NULL
);

ALTER TABLE domains ADD COLUMN identity_source_id TEXT REFERENCES identity_sources (id);
ALTER TABLE domains ADD COLUMN repository_id TEXT REFERENCES repositories (id);
CREATE INDEX domains_identity_source ON domains (identity_source_id, id);
CREATE INDEX domains_repository ON domains (repository_id, id);

-- What the mirrored API tells of an agent. None of it decides what the agent may do.

ALTER TABLE agents ADD COLUMN type TEXT NOT NULL DEFAULT 'API_AGENT';
ALTER TABLE agents ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE agents ADD COLUMN public_url TEXT NOT NULL DEFAULT '';
ALTER TABLE agents ADD COLUMN subject_dn TEXT NOT NULL DEFAULT '';
