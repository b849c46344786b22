-- Reports that a verifier keeps. What anybody else asks leaves nothing here.
CREATE TABLE verification (
  id TEXT PRIMARY KEY,
  at BIGINT NOT NULL,
  officer TEXT NOT NULL,
  document_sm3 TEXT NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('passed', 'failed', 'undecided')),
  report TEXT NOT NULL
);
CREATE INDEX verification_document ON verification (document_sm3);
