-- The software keystore: one header that a passphrase opens, and the keys wrapped under it.
-- Devices stand beside: their keys have a custody and a handle, and nothing wrapped.
CREATE TABLE keystore (
    slot BIGINT NOT NULL PRIMARY KEY CHECK (slot = 1),
    format BIGINT NOT NULL,
    kdf TEXT NOT NULL,
    memory_kib BIGINT NOT NULL,
    passes BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    aead TEXT NOT NULL,
    verifier BYTEA NOT NULL,
    wrapped BYTEA NOT NULL,
    generation BIGINT NOT NULL,
    made_at_ms BIGINT NOT NULL,
    checksum BYTEA NOT NULL
);

CREATE TABLE signing_key (
    id TEXT NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    kind TEXT NOT NULL,
    custody TEXT NOT NULL,
    handle TEXT,
    public_key BYTEA NOT NULL,
    aead TEXT,
    wrapped BYTEA,
    made_at_ms BIGINT NOT NULL,
    destroyed_at_ms BIGINT
);
