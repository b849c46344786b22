-- Work to be done after a commit, written in the same transaction as what it follows from.
CREATE TABLE job (
    id             BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind           TEXT   NOT NULL,
    key            TEXT   NOT NULL,
    payload        TEXT   NOT NULL,
    state          TEXT   NOT NULL CHECK (state IN ('waiting', 'running', 'failed')),
    attempts       BIGINT NOT NULL,
    run_at_ms      BIGINT NOT NULL,
    lease          TEXT,
    lease_until_ms BIGINT,
    reason         TEXT,
    created_ms     BIGINT NOT NULL,
    failed_ms      BIGINT,
    CHECK ((state = 'running') = (lease IS NOT NULL) AND (lease IS NULL) = (lease_until_ms IS NULL))
);
CREATE UNIQUE INDEX job_waiting ON job (kind, key) WHERE state = 'waiting';
CREATE UNIQUE INDEX job_running ON job (kind, key) WHERE state = 'running';
CREATE INDEX job_due ON job (state, run_at_ms);
