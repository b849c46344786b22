-- What the roles of roles.sql may do with each table. By yinxin_owner: `yinxin migrate --grant` runs what stands here, or psql
-- after every `yinxin migrate`, in one transaction; safe to repeat, and while daemons are at work.
-- A test holds it against the tables that there are, and does the whole work of the daemon with these rights.

-- Whoever waits for a table has everybody else wait behind him. Rather than that it gives up; try again.
SET LOCAL lock_timeout = '500ms';

REVOKE ALL ON ALL TABLES IN SCHEMA yinxin FROM PUBLIC, yinxin_service, yinxin_backup;

-- The daemon looks whether the tables are those of its release.
GRANT SELECT ON yinxin.migration TO yinxin_service;

-- Records of who did what: added, and chained once by the sequencer. What they say is never changed or removed.
GRANT SELECT, INSERT, UPDATE (seq, previous, hash) ON yinxin.audit TO yinxin_service;
GRANT SELECT, INSERT ON yinxin.audit_head TO yinxin_service;

-- What happened, and what was made once: added, never changed or removed.
GRANT SELECT, INSERT ON
    yinxin.officer_bootstrap, yinxin.authority_crl, yinxin.owner, yinxin.seal_event, yinxin.verification
    TO yinxin_service;

-- What has a life: added and changed, never removed.
GRANT SELECT, INSERT, UPDATE ON
    yinxin.keystore, yinxin.signing_key, yinxin.officer, yinxin.api_key, yinxin.authority_cert, yinxin.maker,
    yinxin.seal_serial, yinxin.seal, yinxin.stamp, yinxin.lease
    TO yinxin_service;

-- What comes and goes.
GRANT SELECT, INSERT, DELETE ON yinxin.officer_role, yinxin.owner_member, yinxin.stamp_increment TO yinxin_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    yinxin.job, yinxin.idempotency, yinxin.keystore_master, yinxin.keystore_holder
    TO yinxin_service;

GRANT SELECT ON ALL TABLES IN SCHEMA yinxin TO yinxin_backup;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA yinxin TO yinxin_backup;

-- A record that is chained stays as it is, also for whoever has the daemon's password: not even its place is written anew.
CREATE OR REPLACE FUNCTION yinxin.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a chained audit record is never changed' USING ERRCODE = 'insufficient_privilege';
END
$$;
REVOKE ALL ON FUNCTION yinxin.refuse_change() FROM PUBLIC;
-- Once: making it locks out all who write.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger
                   WHERE tgrelid = 'yinxin.audit'::regclass AND tgname = 'audit_stays' AND tgenabled = 'O') THEN
        CREATE OR REPLACE TRIGGER audit_stays BEFORE UPDATE ON yinxin.audit
            FOR EACH ROW WHEN (OLD.seq IS NOT NULL) EXECUTE FUNCTION yinxin.refuse_change();
        ALTER TABLE yinxin.audit ENABLE TRIGGER audit_stays;
    END IF;
END
$$;
