-- Answers to creating requests, so that a repeated one does the work once (R-OPS-05). The reservation is committed before
-- the work; the work writes its subject within its own transaction, as the holder of the reservation; the answer follows.
CREATE TABLE idempotency (
  caller TEXT NOT NULL,
  name TEXT NOT NULL,
  operation TEXT NOT NULL,
  body_sm3 BYTEA NOT NULL CHECK (length(body_sm3) = 32),
  holder TEXT NOT NULL,
  lease_until BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  subject TEXT,
  status BIGINT,
  content_type TEXT,
  location TEXT,
  answer BYTEA,
  PRIMARY KEY (caller, name)
);
CREATE INDEX idempotency_expiry ON idempotency (expires_at);
