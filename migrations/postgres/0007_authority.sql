-- The own authority: certificates from their intent on, and the lists of revoked ones.
-- A reference names what a certificate is for; no two have the same, so that an act repeated gives the same certificate.
CREATE TABLE authority_cert (
    id TEXT NOT NULL PRIMARY KEY,
    reference TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    issuer TEXT REFERENCES authority_cert (id),
    serial TEXT NOT NULL UNIQUE,
    key_id TEXT REFERENCES signing_key (id),
    public_key BYTEA NOT NULL,
    subject TEXT NOT NULL,
    not_before_ms BIGINT NOT NULL,
    not_after_ms BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('intended', 'valid', 'revoked')),
    cert BYTEA,
    intended_at_ms BIGINT NOT NULL,
    issued_at_ms BIGINT,
    revoked_at_ms BIGINT,
    reason BIGINT,
    CHECK ((state = 'intended') = (cert IS NULL)),
    CHECK ((state = 'revoked') = (revoked_at_ms IS NOT NULL)),
    CHECK ((state = 'revoked') = (reason IS NOT NULL))
);

CREATE INDEX authority_cert_open ON authority_cert (intended_at_ms) WHERE state = 'intended';
CREATE INDEX authority_cert_gone ON authority_cert (revoked_at_ms) WHERE state = 'revoked';

CREATE TABLE authority_crl (
    number BIGINT NOT NULL PRIMARY KEY,
    this_update_ms BIGINT NOT NULL,
    next_update_ms BIGINT NOT NULL,
    revocations BIGINT NOT NULL,
    crl BYTEA NOT NULL
);
