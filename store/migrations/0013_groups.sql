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

-- Applications: who logs on where, by which steps.

CREATE TABLE realms (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	name_folded TEXT NOT NULL UNIQUE,
	description TEXT NOT NULL
);

CREATE TABLE realm_domains (
	realm_id TEXT NOT NULL REFERENCES realms (id) ON DELETE CASCADE,
	domain_id TEXT NOT NULL REFERENCES domains (id) ON DELETE CASCADE,
	PRIMARY KEY (realm_id, domain_id)
);
CREATE INDEX realm_domains_domain ON realm_domains (domain_id, realm_id);

CREATE TABLE logon_procedures (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	name_folded TEXT NOT NULL UNIQUE,
	description TEXT NOT NULL,
	type TEXT NOT NULL
);

CREATE TABLE logon_steps (
	id TEXT PRIMARY KEY,
	logon_procedure_id TEXT NOT NULL REFERENCES logon_procedures (id) ON DELETE CASCADE,
	position BIGINT NOT NULL,
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	challeng_response BOOLEAN NOT NULL,
	check_static_pass BOOLEAN NOT NULL
);
CREATE INDEX logon_steps_procedure ON logon_steps (logon_procedure_id, position, id);

-- The kinds of credential that this server checks, by their codes.
CREATE TABLE authenticators (
	id TEXT PRIMARY KEY,
	code TEXT NOT NULL UNIQUE,
	name TEXT NOT NULL
);

CREATE TABLE logon_step_authenticators (
	step_id TEXT NOT NULL REFERENCES logon_steps (id) ON DELETE CASCADE,
	authenticator_id TEXT NOT NULL REFERENCES authenticators (id),
	PRIMARY KEY (step_id, authenticator_id)
);

CREATE TABLE applications (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	name_folded TEXT NOT NULL UNIQUE,
	description TEXT NOT NULL,
	realm_id TEXT REFERENCES realms (id)
);
CREATE INDEX applications_realm ON applications (realm_id, id);

CREATE TABLE application_procedures (
	application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
	procedure_id TEXT NOT NULL REFERENCES logon_procedures (id),
	PRIMARY KEY (application_id, procedure_id)
);
CREATE INDEX application_procedures_procedure ON application_procedures (procedure_id, application_id);

CREATE TABLE agent_applications (
	agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
	application_id TEXT NOT NULL REFERENCES applications (id),
	PRIMARY KEY (agent_id, application_id)
);
CREATE INDEX agent_applications_application ON agent_applications (application_id, agent_id);

-- The same in the agent's own row, so that a login by an agent without applications asks for none.
ALTER TABLE agents ADD COLUMN applications TEXT NOT NULL DEFAULT '';
