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
