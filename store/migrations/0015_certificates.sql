-- The certificate that agent/create made for an agent, and that of its authority. The agent is still known by the hash of its key.

ALTER TABLE agents ADD COLUMN certificate TEXT NOT NULL DEFAULT '';
ALTER TABLE agents ADD COLUMN ca_certificate TEXT NOT NULL DEFAULT '';
