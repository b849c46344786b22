-- Seals: who owns and makes them, their life, and the register of their use 用印记录.

CREATE TABLE owner (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    credit_code TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    registered_by TEXT NOT NULL,
    registered_at INTEGER NOT NULL
) STRICT;

-- Which officers act for which owner: only they stamp with its seals.
CREATE TABLE owner_member (
    owner_id TEXT NOT NULL REFERENCES owner (id),
    officer_id TEXT NOT NULL,
    added_by TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    PRIMARY KEY (owner_id, officer_id)
) STRICT;

CREATE TABLE maker (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    vendor TEXT NOT NULL,
    key_id TEXT NOT NULL,
    cert BLOB NOT NULL,
    registered_by TEXT NOT NULL,
    registered_at INTEGER NOT NULL
) STRICT;

-- The next serial of seal codes in a region (GB/T 2260).
CREATE TABLE seal_serial (
    region TEXT PRIMARY KEY,
    next INTEGER NOT NULL
) STRICT;

CREATE TABLE seal (
    id TEXT PRIMARY KEY,
    code TEXT NOT NULL,
    owner_id TEXT NOT NULL REFERENCES owner (id),
    maker_id TEXT NOT NULL REFERENCES maker (id),
    name TEXT NOT NULL,
    kind INTEGER NOT NULL,
    version INTEGER NOT NULL,
    period_days INTEGER NOT NULL,
    picture BLOB NOT NULL,
    width_mm INTEGER NOT NULL,
    height_mm INTEGER NOT NULL,
    design TEXT,
    state TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    reason TEXT,
    applied_by TEXT NOT NULL,
    applied_at INTEGER NOT NULL,
    approved_by TEXT,
    renews TEXT REFERENCES seal (id),
    valid_from INTEGER,
    valid_to INTEGER,
    esl BLOB,
    esl_sm3 TEXT,
    signer_key_id TEXT,
    signer_cert BLOB,
    bucket INTEGER NOT NULL
) STRICT;
CREATE INDEX seal_by_owner ON seal (owner_id, id);
CREATE INDEX seal_by_esl ON seal (esl_sm3);
-- One SESeal a code is in use; the application for its renewal stands beside it until it is made.
CREATE UNIQUE INDEX seal_current ON seal (code) WHERE state IN ('active', 'suspended', 'lost');
-- One renewal at a time.
CREATE UNIQUE INDEX seal_renewal ON seal (renews) WHERE state IN ('applied', 'approved', 'making');

CREATE TABLE seal_event (
    seal_id TEXT NOT NULL REFERENCES seal (id),
    no INTEGER NOT NULL,
    act TEXT NOT NULL,
    state TEXT NOT NULL,
    at INTEGER NOT NULL,
    effective_at INTEGER NOT NULL,
    by_officer TEXT NOT NULL,
    reason TEXT,
    PRIMARY KEY (seal_id, no)
) STRICT;

-- The register of use. 'intended' is written before the signature is computed; the sweeper closes what never ended.
CREATE TABLE stamp (
    id TEXT PRIMARY KEY,
    seal_id TEXT NOT NULL REFERENCES seal (id),
    owner_id TEXT NOT NULL,
    officer_id TEXT NOT NULL,
    state TEXT NOT NULL,
    document_sm3 TEXT NOT NULL,
    document_bytes INTEGER NOT NULL,
    signed_sm3 TEXT NOT NULL,
    page INTEGER NOT NULL,
    x_um INTEGER NOT NULL,
    y_um INTEGER NOT NULL,
    purpose TEXT,
    time_stamped INTEGER NOT NULL,
    intended_at INTEGER NOT NULL,
    settled_at INTEGER,
    product_sm3 TEXT,
    failure TEXT,
    bucket INTEGER NOT NULL
) STRICT;
CREATE INDEX stamp_by_seal ON stamp (seal_id, id);
CREATE INDEX stamp_by_officer ON stamp (officer_id, id);
CREATE INDEX stamp_open ON stamp (intended_at) WHERE state = 'intended';

-- What a stamp appended to the file, kept for a day so that a repeated request gets the same file again.
CREATE TABLE stamp_increment (
    stamp_id TEXT PRIMARY KEY REFERENCES stamp (id),
    increment BLOB NOT NULL,
    kept_at INTEGER NOT NULL
) STRICT;
CREATE INDEX stamp_increment_by_age ON stamp_increment (kept_at);
