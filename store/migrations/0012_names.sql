-- group/* is free for groups of users. Groups of devices are deviceGroup/*, and so they are in permissions: who might call a method of
-- theirs still may, and nobody may call one that group/* will have.

ALTER TABLE group_members RENAME TO device_group_members;
DROP INDEX group_members_group;
CREATE INDEX device_group_members_group ON device_group_members (group_id, device_id);
UPDATE agents SET permissions = substr(replace(',' || permissions, ',group/', ',deviceGroup/'), 2);
UPDATE users SET permissions = substr(replace(',' || permissions, ',group/', ',deviceGroup/'), 2) WHERE permissions > '';

-- The names of domains that stand before a user's, and principal names as they are compared. Two users may share a principal name since
-- before that was refused, so no index is unique; what is not ASCII of them is folded behind this (see migrate.go).

ALTER TABLE domains ADD COLUMN netbios_name TEXT NOT NULL DEFAULT '';
ALTER TABLE domains ADD COLUMN netbios_name_folded TEXT NOT NULL DEFAULT '';
ALTER TABLE domains ADD COLUMN dns_name TEXT NOT NULL DEFAULT '';
ALTER TABLE domains ADD COLUMN dns_name_folded TEXT NOT NULL DEFAULT '';
ALTER TABLE domains ADD COLUMN is_default BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX domains_netbios_name ON domains (netbios_name_folded);
CREATE INDEX domains_dns_name ON domains (dns_name_folded);

ALTER TABLE users ADD COLUMN user_principal_name_folded TEXT NOT NULL DEFAULT '';
UPDATE users SET user_principal_name_folded = lower(user_principal_name) WHERE user_principal_name <> '';
CREATE INDEX users_principal_name ON users (user_principal_name_folded, id);
