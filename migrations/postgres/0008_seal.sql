-- Seals: who owns and makes them, their life, and the register of their use 用印记录.

CREATE TABLE owner (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    credit_code TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    registered_by TEXT NOT NULL,
    registered_at BIGINT NOT NULL
);

-- Which officers act for which owner: only they stamp with its seals.
CREATE TABLE owner_member (
    owner_id TEXT NOT NULL REFERENCES owner (id),
    officer_id TEXT NOT NULL,
    added_by TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (owner_id, officer_id)
);

CREATE TABLE maker (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    vendor TEXT NOT NULL,
    key_id TEXT NOT NULL,
    cert BYTEA NOT NULL,
    registered_by TEXT NOT NULL,
    registered_at BIGINT NOT NULL
);

-- The next serial of seal codes in a region (GB/T 2260).
CREATE TABLE seal_serial (
    region TEXT PRIMARY KEY,
    next BIGINT NOT NULL
);

CREATE TABLE seal (
    id TEXT PRIMARY KEY,
    code TEXT NOT NULL,
    owner_id TEXT NOT NULL REFERENCES owner (id),
    maker_id TEXT NOT NULL REFERENCES maker (id),
    name TEXT NOT NULL,
    kind BIGINT NOT NULL,
    version BIGINT NOT NULL,
    period_days BIGINT NOT NULL,
    picture BYTEA NOT NULL,
    width_mm BIGINT NOT NULL,
    height_mm BIGINT NOT NULL,
    design TEXT,
    state TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    changed_by TEXT NOT NULL,
    reason TEXT,
    applied_by TEXT NOT NULL,
    applied_at BIGINT NOT NULL,
    approved_by TEXT,
    renews TEXT REFERENCES seal (id),
    valid_from BIGINT,
    valid_to BIGINT,
    esl BYTEA,
    esl_sm3 TEXT,
    signer_key_id TEXT,
    signer_cert BYTEA,
    bucket BIGINT NOT NULL
);
CREATE INDEX seal_by_owner ON seal (owner_id, id);
CREATE INDEX seal_by_esl ON seal (esl_sm3);
-- One SESeal a code is in use; the application for its renewal stands beside it until it is made.
CREATE UNIQUE INDEX seal_current ON seal (code) WHERE state IN ('active', 'suspended', 'lost');
-- One renewal at a time.
CREATE UNIQUE INDEX seal_renewal ON seal (renews) WHERE state IN ('applied', 'approved', 'making');

CREATE TABLE seal_event (
    seal_id TEXT NOT NULL REFERENCES seal (id),
    no BIGINT NOT NULL,
    act TEXT NOT NULL,
    state TEXT NOT NULL,
    at BIGINT NOT NULL,
    effective_at BIGINT NOT NULL,
    by_officer TEXT NOT NULL,
    reason TEXT,
    PRIMARY KEY (seal_id, no)
);

-- The register of use. 'intended' is written before the signature is computed; the sweeper closes what never ended.
CREATE TABLE stamp (
    id TEXT PRIMARY KEY,
    seal_id TEXT NOT NULL REFERENCES seal (id),
    owner_id TEXT NOT NULL,
    officer_id TEXT NOT NULL,
    state TEXT NOT NULL,
    document_sm3 TEXT NOT NULL,
    document_bytes BIGINT NOT NULL,
    signed_sm3 TEXT NOT NULL,
    page BIGINT NOT NULL,
    x_um BIGINT NOT NULL,
    y_um BIGINT NOT NULL,
    purpose TEXT,
    time_stamped BOOLEAN NOT NULL,
    intended_at BIGINT NOT NULL,
    settled_at BIGINT,
    product_sm3 TEXT,
    failure TEXT,
    bucket BIGINT NOT NULL
);
CREATE INDEX stamp_by_seal ON stamp (seal_id, id);
CREATE INDEX stamp_by_officer ON stamp (officer_id, id);
CREATE INDEX stamp_open ON stamp (intended_at) WHERE state = 'intended';

-- What a stamp appended to the file, kept for a day so that a repeated request gets the same file again.
CREATE TABLE stamp_increment (
    stamp_id TEXT PRIMARY KEY REFERENCES stamp (id),
    increment BYTEA NOT NULL,
    kept_at BIGINT NOT NULL
);
CREATE INDEX stamp_increment_by_age ON stamp_increment (kept_at);
