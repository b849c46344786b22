-- What only one node may do at a time. SQLite has one node, which holds everything: the table stands here so that both
-- engines have the same ones. The release before knows nothing of it, and needs nothing of it.
CREATE TABLE lease (
    name     TEXT    NOT NULL PRIMARY KEY,
    holder   TEXT    NOT NULL,
    number   INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    done_ms  INTEGER NOT NULL
) STRICT;
