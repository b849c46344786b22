-- What only one node may do at a time. `number` counts up with each taking: a holder that stood still finds another there.
-- The release before knows nothing of it, and needs nothing of it.
CREATE TABLE lease (
    name     TEXT   NOT NULL PRIMARY KEY,
    holder   TEXT   NOT NULL,
    number   BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    done_ms  BIGINT NOT NULL
);
