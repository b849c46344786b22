-- Which steps were applied, and their SM3: so that a changed step, or a newer database, is refused.
CREATE TABLE migration (
    number     INTEGER NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    sm3        TEXT    NOT NULL,
    applied_ms INTEGER NOT NULL
) STRICT;
