-- Answers to creating requests, so that a repeated one does the work once (R-OPS-05). The reservation is committed before
-- the work; the work writes its subject within its own transaction, as the holder of the reservation; the answer follows.
CREATE TABLE idempotency (
  caller TEXT NOT NULL,
  name TEXT NOT NULL,
  operation TEXT NOT NULL,
  body_sm3 BLOB NOT NULL CHECK (length(body_sm3) = 32),
  holder TEXT NOT NULL,
  lease_until INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  subject TEXT,
  status INTEGER,
  content_type TEXT,
  location TEXT,
  answer BLOB,
  PRIMARY KEY (caller, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expiry ON idempotency (expires_at);
