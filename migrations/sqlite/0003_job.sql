-- Work to be done after a commit, written in the same transaction as what it follows from.
CREATE TABLE job (
    id             INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind           TEXT    NOT NULL,
    key            TEXT    NOT NULL,
    payload        TEXT    NOT NULL,
    state          TEXT    NOT NULL CHECK (state IN ('waiting', 'running', 'failed')),
    attempts       INTEGER NOT NULL,
    run_at_ms      INTEGER NOT NULL,
    lease          TEXT,
    lease_until_ms INTEGER,
    reason         TEXT,
    created_ms     INTEGER NOT NULL,
    failed_ms      INTEGER,
    CHECK ((state = 'running') = (lease IS NOT NULL) AND (lease IS NULL) = (lease_until_ms IS NULL))
) STRICT;
CREATE UNIQUE INDEX job_waiting ON job (kind, key) WHERE state = 'waiting';
CREATE UNIQUE INDEX job_running ON job (kind, key) WHERE state = 'running';
CREATE INDEX job_due ON job (state, run_at_ms);
