-- Rotation: master keys of the keystore and who holds them, lines of certificates of the authority, API keys that follow
-- each other. Everything here only adds.

-- One master key, or two while one replaces the other: then each stands wrapped under the other beside the one that goes.
CREATE TABLE keystore_master (
    id BIGINT NOT NULL PRIMARY KEY,
    made_at_ms BIGINT NOT NULL,
    next_wrapped BYTEA,
    wrapped_by_next BYTEA,
    CHECK ((next_wrapped IS NULL) = (wrapped_by_next IS NULL))
);
INSERT INTO keystore_master (id, made_at_ms) SELECT 1, made_at_ms FROM keystore;

-- Which running nodes hold which master key: the old one goes when all hold the new one.
CREATE TABLE keystore_holder (
    node TEXT NOT NULL PRIMARY KEY,
    master BIGINT NOT NULL,
    seen_at_ms BIGINT NOT NULL
);

ALTER TABLE keystore ADD COLUMN master BIGINT NOT NULL DEFAULT 1;
-- The release before writes no number and means the first one. Once that has gone, the reference refuses its keys instead of losing them.
ALTER TABLE signing_key ADD COLUMN master BIGINT DEFAULT 1 REFERENCES keystore_master (id);
CREATE INDEX signing_key_purpose ON signing_key (purpose, id);
CREATE INDEX signing_key_master ON signing_key (master, id);

-- A line is what certificates that follow each other are for (authority/issuing, maker/…); its first one bears the line's
-- name as its reference and has neither line nor generation.
ALTER TABLE authority_cert ADD COLUMN line TEXT;
ALTER TABLE authority_cert ADD COLUMN generation BIGINT;
ALTER TABLE authority_cert ADD COLUMN active_from_ms BIGINT;
CREATE INDEX authority_cert_line ON authority_cert (line, generation) WHERE line IS NOT NULL;
-- Those of the service itself, of which there are few beside those of owners.
CREATE INDEX authority_cert_own ON authority_cert (role, id) WHERE role <> 'seal-owner';

-- Whose list it is; NULL: the first issuing authority's.
ALTER TABLE authority_crl ADD COLUMN issuer TEXT;

-- The key that came in this one's place; and whether such a key lives as long as any (1), or ends when this one does (0).
ALTER TABLE api_key ADD COLUMN replaced_by TEXT;
ALTER TABLE api_key ADD COLUMN renewable BIGINT;
