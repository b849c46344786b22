-- Rotation: master keys of the keystore and who holds them, lines of certificates of the authority, API keys that follow
-- each other. Everything here only adds.

-- One master key, or two while one replaces the other: then each stands wrapped under the other beside the one that goes.
CREATE TABLE keystore_master (
    id INTEGER NOT NULL PRIMARY KEY,
    made_at_ms INTEGER NOT NULL,
    next_wrapped BLOB,
    wrapped_by_next BLOB,
    CHECK ((next_wrapped IS NULL) = (wrapped_by_next IS NULL))
) STRICT;
INSERT INTO keystore_master (id, made_at_ms) SELECT 1, made_at_ms FROM keystore;

-- Which running nodes hold which master key: the old one goes when all hold the new one.
CREATE TABLE keystore_holder (
    node TEXT NOT NULL PRIMARY KEY,
    master INTEGER NOT NULL,
    seen_at_ms INTEGER NOT NULL
) STRICT;

ALTER TABLE keystore ADD COLUMN master INTEGER NOT NULL DEFAULT 1;
-- SQLite adds no column with both a default and a reference.
ALTER TABLE signing_key ADD COLUMN master INTEGER REFERENCES keystore_master (id);
UPDATE signing_key SET master = 1;
CREATE INDEX signing_key_purpose ON signing_key (purpose, id);
CREATE INDEX signing_key_master ON signing_key (master, id);

-- A line is what certificates that follow each other are for (authority/issuing, maker/…); its first one bears the line's
-- name as its reference and has neither line nor generation.
ALTER TABLE authority_cert ADD COLUMN line TEXT;
ALTER TABLE authority_cert ADD COLUMN generation INTEGER;
ALTER TABLE authority_cert ADD COLUMN active_from_ms INTEGER;
CREATE INDEX authority_cert_line ON authority_cert (line, generation) WHERE line IS NOT NULL;
-- Those of the service itself, of which there are few beside those of owners.
CREATE INDEX authority_cert_own ON authority_cert (role, id) WHERE role <> 'seal-owner';

-- Whose list it is; NULL: the first issuing authority's.
ALTER TABLE authority_crl ADD COLUMN issuer TEXT;

-- The key that came in this one's place; and whether such a key lives as long as any (1), or ends when this one does (0).
ALTER TABLE api_key ADD COLUMN replaced_by TEXT;
ALTER TABLE api_key ADD COLUMN renewable INTEGER;
