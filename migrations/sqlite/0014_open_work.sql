-- What is open is looked for at every start and every minute, and makers' certificates with every verification: each by an
-- index of its own, however many seals, keys and requests there are.

CREATE INDEX seal_making ON seal (changed_at) WHERE state = 'making';
CREATE INDEX idempotency_open ON idempotency (lease_until) WHERE status IS NULL;
CREATE INDEX authority_cert_makers ON authority_cert (id) WHERE role = 'seal-maker';
