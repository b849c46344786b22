-- Roles with least rights, once for each database, by a superuser who is connected to it:
--
--   createdb yinxin
--   psql -v ON_ERROR_STOP=1 --single-transaction -d yinxin -f deploy/postgresql/roles.sql
--   psql -d yinxin -c '\password yinxin_owner' -c '\password yinxin_service' -c '\password yinxin_backup'
--
-- Then, at the first start and at every new release, before its daemons are started:
--
--   YINXIN_DATABASE_URL_FILE=owner-url YINXIN_DATABASE_SCHEMA=yinxin yinxin migrate --grant
--
-- (--grant runs grants.sql, which psql may do as well: psql -v ON_ERROR_STOP=1 --single-transaction -U yinxin_owner -d yinxin -f …)
--
-- | role           | for                     | may                                                                     |
-- | -------------- | ----------------------- | ----------------------------------------------------------------------- |
-- | yinxin_owner   | `yinxin migrate`        | owns the schema and its tables; nobody serves with it                   |
-- | yinxin_service | `yinxin serve`, `init`  | works in the tables; makes, changes and removes none; cannot touch what |
-- |                |                         | is recorded in the audit trail                                          |
-- | yinxin_backup  | `pg_dump`, reports      | reads                                                                   |

DO $$
DECLARE
    name TEXT;
BEGIN
    FOREACH name IN ARRAY ARRAY['yinxin_owner', 'yinxin_service', 'yinxin_backup'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', name);
        END IF;
        EXECUTE format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT', name);
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), name);
    END LOOP;
    -- What everybody may do by default, nobody needs here.
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
END
$$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE SCHEMA IF NOT EXISTS yinxin AUTHORIZATION yinxin_owner;
GRANT USAGE ON SCHEMA yinxin TO yinxin_service, yinxin_backup;
ALTER ROLE yinxin_owner SET search_path = yinxin;
ALTER ROLE yinxin_service SET search_path = yinxin;
ALTER ROLE yinxin_backup SET search_path = yinxin;

-- A commit that is answered is on the disk; the daemon reads this back and refuses anything else.
ALTER ROLE yinxin_service SET synchronous_commit = 'on';
-- Far above the daemon's own deadlines: for what hangs although it has them.
ALTER ROLE yinxin_service SET statement_timeout = '60s';
ALTER ROLE yinxin_service SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE yinxin_service SET lock_timeout = '30s';
-- Nothing is written by a backup, whatever a mistake may grant it.
ALTER ROLE yinxin_backup SET default_transaction_read_only = 'on';
