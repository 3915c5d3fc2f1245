-- Administrators are few and found among all users.
CREATE INDEX users_administrators ON users (permissions) WHERE permissions > '';
