-- The software keystore: one header that a passphrase opens, and the keys wrapped under it.
-- Devices stand beside: their keys have a custody and a handle, and nothing wrapped.
CREATE TABLE keystore (
    slot INTEGER NOT NULL PRIMARY KEY CHECK (slot = 1),
    format INTEGER NOT NULL,
    kdf TEXT NOT NULL,
    memory_kib INTEGER NOT NULL,
    passes INTEGER NOT NULL,
    salt BLOB NOT NULL,
    aead TEXT NOT NULL,
    verifier BLOB NOT NULL,
    wrapped BLOB NOT NULL,
    generation INTEGER NOT NULL,
    made_at_ms INTEGER NOT NULL,
    checksum BLOB NOT NULL
) STRICT;

CREATE TABLE signing_key (
    id TEXT NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    kind TEXT NOT NULL,
    custody TEXT NOT NULL,
    handle TEXT,
    public_key BLOB NOT NULL,
    aead TEXT,
    wrapped BLOB,
    made_at_ms INTEGER NOT NULL,
    destroyed_at_ms INTEGER
) STRICT;
