-- Officers, their roles and their API keys. Administrators and the auditor stand apart (三员分立): `standing` says whether an
-- officer does; a role carries the same word by foreign key, so that no row can put such a role beside another.
CREATE TABLE officer (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
  standing TEXT NOT NULL CHECK (standing IN ('apart', 'common')),
  made_at INTEGER NOT NULL,
  UNIQUE (id, standing)
) STRICT;

CREATE TABLE officer_role (
  officer TEXT NOT NULL,
  role TEXT NOT NULL,
  standing TEXT NOT NULL,
  PRIMARY KEY (officer, role),
  FOREIGN KEY (officer, standing) REFERENCES officer (id, standing) ON UPDATE RESTRICT,
  CHECK (standing = CASE
    WHEN role IN ('system_administrator', 'security_administrator', 'auditor') THEN 'apart' ELSE 'common' END)
) STRICT;
CREATE UNIQUE INDEX officer_role_apart ON officer_role (officer) WHERE standing = 'apart';

-- One row at most: the first officers are made once, whoever tries at the same time.
CREATE TABLE officer_bootstrap (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  at INTEGER NOT NULL
) STRICT;

CREATE TABLE api_key (
  id TEXT PRIMARY KEY,
  officer TEXT NOT NULL REFERENCES officer (id),
  label TEXT NOT NULL,
  secret_sm3 BLOB NOT NULL CHECK (length(secret_sm3) = 32),
  made_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER
) STRICT;
CREATE INDEX api_key_officer ON api_key (officer);
