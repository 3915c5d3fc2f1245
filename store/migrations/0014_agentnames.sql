-- The names of agents as they are compared, since no two callers may have names that differ in case alone. Agents of before may, so the
-- index is not unique; what is not ASCII of them is folded behind this (see migrate.go).

ALTER TABLE agents ADD COLUMN name_folded TEXT NOT NULL DEFAULT '';
UPDATE agents SET name_folded = lower(name);
CREATE INDEX agents_name_folded ON agents (name_folded);
