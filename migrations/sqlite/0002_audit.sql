-- Records of who did what, chained by SM3 after their commit; and the signed heads of that chain.
CREATE TABLE audit (
    id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    node     TEXT    NOT NULL,
    at_ms    INTEGER NOT NULL,
    actor    TEXT    NOT NULL,
    action   TEXT    NOT NULL,
    subject  TEXT    NOT NULL,
    detail   TEXT    NOT NULL,
    request  TEXT    NOT NULL,
    seq      INTEGER,
    previous TEXT,
    hash     TEXT,
    CHECK ((seq IS NULL) = (hash IS NULL) AND (seq IS NULL) = (previous IS NULL))
) STRICT;
CREATE UNIQUE INDEX audit_chain ON audit (node, seq) WHERE seq IS NOT NULL;
CREATE INDEX audit_unchained ON audit (node, id) WHERE seq IS NULL;
CREATE INDEX audit_subject ON audit (subject, id);
CREATE INDEX audit_actor ON audit (actor, id);
CREATE INDEX audit_action ON audit (action, id);

CREATE TABLE audit_head (
    node      TEXT    NOT NULL,
    seq       INTEGER NOT NULL,
    hash      TEXT    NOT NULL,
    at_ms     INTEGER NOT NULL,
    signature TEXT    NOT NULL,
    PRIMARY KEY (node, seq)
) STRICT;
