//! The tables, step by step: pairs of texts, embedded, applied in order, each in a transaction of its own.
//!
//! A step is never changed once released: its SM3 is kept beside it. Steps first only add (expand), so that the release
//! before goes on, and can be started again, beside the new one; what nobody uses any more is taken away by a later
//! release (contract), and that step says from which release on it is bearable: [`Migration::works_from`].

#[cfg(test)]
mod lint;

use super::{FromRow, OpenError, Row, Rx, Statement, Store, StoreError, engine::Tx, error::Cause};
use crate::base::{Timestamp, failpoint};
use std::time::Duration;
use yinxin_pki::sm3;

/// One step, in both dialects.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// From 1, without gaps in what is applied to one database in order; numbers are reserved by room.
    pub number: i64,
    /// The name of both files: four digits, then what it is about.
    pub name: &'static str,
    /// Text for SQLite.
    pub sqlite: &'static str,
    /// Text for PostgreSQL.
    pub postgres: &'static str,
    /// The last step of the oldest release that may work on the result: [`FIRST_RELEASE`] for steps that only add.
    pub works_from: i64,
}

/// The last step of the first release.
pub const FIRST_RELEASE: i64 = 9;
/// The step from which on `works_from` stands beside each applied one; before it, all only added.
const WORKS_FROM_SINCE: i64 = 12;

/// Which text applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

/// A step that only adds; or, with `works_from = 14` behind its name, one that takes away or tightens.
macro_rules! migration {
    ($number:literal, $name:literal) => {
        migration!($number, $name, works_from = FIRST_RELEASE)
    };
    ($number:literal, $name:literal, works_from = $from:expr) => {
        Migration {
            number: $number,
            name: $name,
            works_from: $from,
            sqlite: include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../../migrations/postgres/", $name, ".sql")),
        }
    };
}

/// All steps, in order.
pub const MIGRATIONS: &[Migration] = &[
    migration!(1, "0001_store"),
    migration!(2, "0002_audit"),
    migration!(3, "0003_job"),
    migration!(4, "0004_keys"),
    migration!(5, "0005_officer"),
    migration!(6, "0006_idempotency"),
    migration!(7, "0007_authority"),
    migration!(8, "0008_seal"),
    migration!(9, "0009_verification"),
    migration!(11, "0011_rotation"),
    migration!(12, "0012_works_from"),
    migration!(13, "0013_lease"),
    migration!(14, "0014_open_work"),
];

/// The store's own statements.
pub const STATEMENTS: &[&Statement] = &[
    &THERE,
    &APPLIED,
    &NUMBERED,
    &LATER,
    &RECORD,
    &RECORD_WORKS_FROM,
    &PATIENCE,
    &SHORT_LOCKS,
    &ALONE,
    &WORKS_FROM,
];

const THERE: Statement = Statement::split(
    "store.migrations_there",
    "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'migration'",
    "SELECT count(*) FROM pg_class WHERE oid = to_regclass('migration')",
);
const APPLIED: Statement = Statement::portable(
    "store.migrations_applied",
    "SELECT number, name, sm3 FROM migration ORDER BY number",
);
const NUMBERED: Statement =
    Statement::portable("store.migrations_numbered", "SELECT number, name FROM migration ORDER BY number");
const RECORD: Statement = Statement::portable(
    "store.migration_record",
    "INSERT INTO migration (number, name, sm3, applied_ms) VALUES ($1, $2, $3, $4)",
);
const RECORD_WORKS_FROM: Statement = Statement::portable(
    "store.migration_record_works_from",
    "UPDATE migration SET works_from = $2 WHERE number = $1",
);
/// Steps of later releases, with what they ask of this one.
const LATER: Statement = Statement::portable(
    "store.migrations_later",
    "SELECT number, name, works_from FROM migration WHERE number > $1 ORDER BY number",
);
/// What the steps applied so far ask of a release: the most demanding one's word.
pub(super) const WORKS_FROM: Statement =
    Statement::portable("store.works_from", "SELECT COALESCE(MAX(works_from), 0) FROM migration");
/// Nodes that start together wait for each other, and a step itself may take long: neither is in anybody's way. But the
/// server looks every second whether the node is still there, so that one that was killed holds no table.
const PATIENCE: Statement = Statement::split(
    "store.migration_patience",
    "SELECT 1",
    "SELECT count(set_config(name, CASE name WHEN 'lock_timeout' THEN '60000' WHEN 'statement_timeout' THEN '0' \
     ELSE '1000' END, true)) FROM pg_settings \
     WHERE name IN ('lock_timeout', 'statement_timeout', 'client_connection_check_interval')",
);
/// But whoever waits for a table has everybody else wait behind him, writers of the release before first of all. So a
/// step gives up long before they do (`Deadlines::lock_ms`, 2 s), lets them through, and comes again.
const SHORT_LOCKS: Statement = Statement::split(
    "store.migration_short_locks",
    "SELECT 1",
    "SELECT count(set_config('lock_timeout', '500', true))",
);
/// How often a step comes again, and how long it rests in between: two minutes in all.
const TRIES: u32 = 60;
const REST: Duration = Duration::from_secs(2);
/// One node at a time, for each schema. The number is arbitrary and ours ("yinx").
const ALONE: Statement = Statement::split(
    "store.migration_alone",
    "SELECT 1",
    "SELECT count(pg_advisory_xact_lock(2037280376, hashtext(current_schema())))",
);

/// Brings the tables up to date with `migrations`: [`MIGRATIONS`], or another release's.
pub(super) async fn apply(tx: &mut Tx, migrations: &[Migration], now: Timestamp) -> Result<(), OpenError> {
    // Usually nothing is to be done; that is seen without taking a lock.
    if next_of(tx, migrations).await?.is_none() {
        return Ok(());
    }
    // Each round applies one, and looks again under the lock: another node may have been faster.
    for _ in 0..=migrations.len() {
        if !apply_one(tx, migrations, now).await? {
            break;
        }
    }
    Ok(())
}

/// Makes the tables as they were after the step `schema`, in the transaction that is open, in an empty database. Nobody
/// else does so meanwhile.
pub(super) async fn apply_up_to(tx: &mut Tx, schema: i64, now: Timestamp) -> Result<(), OpenError> {
    tx.one::<i64>(&PATIENCE, &[]).await?;
    tx.one::<i64>(&ALONE, &[]).await?;
    for migration in MIGRATIONS.iter().filter(|migration| migration.number <= schema) {
        if let Step::Held { name } = apply_step(tx, migration, now).await? {
            return Err(OpenError::Migration { says: format!("others hold a table that {name} needs") });
        }
    }
    Ok(())
}

/// The steps that were applied: number and name, in order.
pub async fn applied(rx: &mut Rx) -> Result<Vec<(i64, String)>, StoreError> {
    let steps: Vec<Numbered> = rx.all(&NUMBERED, &[]).await?;
    Ok(steps.into_iter().map(|Numbered(number, name)| (number, name)).collect())
}

/// The last step of the oldest release that may go on with what was applied.
pub async fn works_from(rx: &mut Rx) -> Result<i64, StoreError> {
    rx.one(&WORKS_FROM, &[]).await
}

/// The rights of the roles on the tables of this release, as they stand in the file that an administrator may run by hand.
const GRANTS: &str = include_str!("../../deploy/postgresql/grants.sql");

/// See [`Store::grant`]. Whoever holds a table is let through, as with a step.
pub(super) async fn grant(store: &Store) -> Result<(), StoreError> {
    for _ in 1..TRIES {
        match store.write(async |tx| run(tx, GRANTS).await).await {
            Err(StoreError::Busy) => tokio::time::sleep(REST).await,
            done => return done,
        }
    }
    store.write(async |tx| run(tx, GRANTS).await).await
}

struct Numbered(i64, String);

impl FromRow for Numbered {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self(row.int(0)?, row.text(1)?))
    }
}

/// Applies the next step, if there is one; comes again where a table is held by others.
async fn apply_one(tx: &mut Tx, migrations: &[Migration], now: Timestamp) -> Result<bool, OpenError> {
    for _ in 0..TRIES {
        run(tx, "BEGIN").await?;
        match apply_next(tx, migrations, now).await {
            Ok(Step::Done { more }) => {
                failpoint::reach("migration.written");
                run(tx, "COMMIT").await?;
                failpoint::reach("migration.committed");
                return Ok(more);
            }
            Ok(Step::Held { name }) => {
                let _ = tx.control("ROLLBACK").await;
                tracing::info!(
                    name: "store.migration_waits",
                    name,
                    "a table is held by others; the migration lets them through and comes again"
                );
                tokio::time::sleep(REST).await;
            }
            Err(error) => {
                let _ = tx.control("ROLLBACK").await;
                return Err(error);
            }
        }
    }
    let says = "a migration got no lock on a table in two minutes: a transaction holds it (pg_stat_activity names it); \
                end that one and start again; nothing was changed";
    Err(OpenError::Migration { says: says.into() })
}

/// How an attempt went.
enum Step {
    /// Applied, or there was nothing to apply.
    Done { more: bool },
    /// Others hold a table that it needs.
    Held { name: &'static str },
}

async fn apply_next(tx: &mut Tx, migrations: &[Migration], now: Timestamp) -> Result<Step, OpenError> {
    tx.one::<i64>(&PATIENCE, &[]).await?;
    tx.one::<i64>(&ALONE, &[]).await?;
    let Some(next) = next_of(tx, migrations).await? else { return Ok(Step::Done { more: false }) };
    tx.one::<i64>(&SHORT_LOCKS, &[]).await?;
    apply_step(tx, next, now).await
}

async fn apply_step(tx: &mut Tx, next: &Migration, now: Timestamp) -> Result<Step, OpenError> {
    let dialect = tx.dialect();
    match tx.control(text(next, dialect)).await {
        Ok(()) => {}
        Err(error) if is_held(&error) => return Ok(Step::Held { name: next.name }),
        Err(error) => return Err(OpenError::Migration { says: why_not(next, &error) }),
    }
    let digest = checksum(next, dialect);
    let values = [next.number.into(), next.name.into(), (&digest).into(), now.into()];
    tx.execute(&RECORD, &values).await?;
    if next.number >= WORKS_FROM_SINCE {
        tx.execute(&RECORD_WORKS_FROM, &[next.number.into(), next.works_from.into()]).await?;
    }
    tracing::info!(name: "store.migrated", number = next.number, name = next.name, "migration applied");
    Ok(Step::Done { more: true })
}

fn why_not(step: &Migration, error: &Cause) -> String {
    const INSUFFICIENT_PRIVILEGE: &str = "42501";
    let code = error.sqlstate();
    if code.as_deref() == Some(INSUFFICIENT_PRIVILEGE) {
        return format!(
            "the tables lack migration {}, and this database role may not change tables: run `yinxin migrate --grant` with \
             the role that owns them",
            step.name
        );
    }
    format!("migration {} failed and was rolled back: {error}", step.name)
}

/// `lock_not_available`, `deadlock_detected`: PostgreSQL's words for a table that others hold.
fn is_held(error: &Cause) -> bool {
    error.sqlstate().is_some_and(|code| ["55P03", "40P01"].contains(&&*code))
}

/// The first step that is not applied; an error where what is applied is not what this release can work with.
async fn next_of<'m>(tx: &mut Tx, migrations: &'m [Migration]) -> Result<Option<&'m Migration>, OpenError> {
    let applied: Vec<Applied> = match tx.one::<i64>(&THERE, &[]).await? {
        0 => Vec::new(),
        _ => tx.all(&APPLIED, &[]).await?,
    };
    let last = last_of(migrations);
    let (known, later): (Vec<_>, Vec<_>) = applied.into_iter().partition(|found| found.number <= last);
    let next = compare(&known, migrations, tx.dialect())?;
    if later.is_empty() {
        return Ok(next);
    }
    // Where the table has no word of it yet, an early release wrote it, and none of those only took away.
    let asks: Vec<Later> =
        match known.last().into_iter().chain(&later).any(|found| found.number >= WORKS_FROM_SINCE) {
            true => tx.all(&LATER, &[last.into()]).await?,
            false => Vec::new(),
        };
    bearable(&asks, last)?;
    match next {
        None => Ok(None),
        Some(step) => Err(OpenError::Migration {
            says: format!(
                "the database lacks migration {} and has later ones; it belongs to another release",
                step.name
            ),
        }),
    }
}

/// Whether steps of later releases let a release go on whose last step is `last`.
fn bearable(later: &[Later], last: i64) -> Result<(), OpenError> {
    let Some(hard) = later.iter().find(|step| step.works_from > last) else { return Ok(()) };
    Err(OpenError::Migration {
        says: format!(
            "the database was brought up to date by a newer release: its migration {} bears releases from migration {} \
             on, and this one ends with {last}; start the newer release, or restore a backup of this one",
            hard.name, hard.works_from
        ),
    })
}

/// The number of a release's last step: what it can work with.
pub(super) fn last_of(migrations: &[Migration]) -> i64 {
    migrations.last().map_or(0, |step| step.number)
}

/// Compares what is applied, as far as this release knows it, with its own steps: the first that is missing.
fn compare<'m>(
    applied: &[Applied],
    migrations: &'m [Migration],
    dialect: Dialect,
) -> Result<Option<&'m Migration>, OpenError> {
    let says = |says: String| Err(OpenError::Migration { says });
    let mut known = migrations.iter();
    for found in applied {
        let name = &found.name;
        match known.next() {
            Some(step) if step.number == found.number && step.name == found.name => {
                if checksum(step, dialect) != found.sm3 {
                    return says(format!(
                        "migration {name} was changed after it was applied; use the release that made it"
                    ));
                }
            }
            other => {
                let here = other.map_or("none", |step| step.name);
                return says(format!(
                    "the database has migration {name} where this release has {here}; it belongs to another release"
                ));
            }
        }
    }
    Ok(known.next())
}

async fn run(tx: &mut Tx, text: &'static str) -> Result<(), StoreError> {
    tx.control(text).await.map_err(|error| StoreError::of("migrate", error))
}

fn text(migration: &Migration, dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => migration.sqlite,
        Dialect::Postgres => migration.postgres,
    }
}

fn checksum(migration: &Migration, dialect: Dialect) -> String {
    hex::encode(sm3::digest(text(migration, dialect)))
}

struct Applied {
    number: i64,
    name: String,
    sm3: String,
}

impl FromRow for Applied {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { number: row.int(0)?, name: row.text(1)?, sm3: row.text(2)? })
    }
}

/// A step of a later release.
struct Later {
    name: String,
    works_from: i64,
}

impl FromRow for Later {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { name: row.text(1)?, works_from: row.int(2)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(migration: &Migration) -> Applied {
        let sm3 = checksum(migration, Dialect::Sqlite);
        Applied { number: migration.number, name: migration.name.into(), sm3 }
    }

    #[test]
    fn what_is_applied_is_what_is_known() {
        let known =
            |number, name, text| Migration { number, name, sqlite: text, postgres: text, works_from: 1 };
        let steps = [known(1, "a", "A"), known(2, "b", "B")];
        let next = |rows: &[Applied], steps| -> Result<Option<i64>, String> {
            compare(rows, steps, Dialect::Sqlite)
                .map(|next| next.map(|m| m.number))
                .map_err(|e| e.to_string())
        };
        assert_eq!(next(&[], &steps), Ok(Some(1)));
        assert_eq!(next(&[applied(&steps[0])], &steps), Ok(Some(2)));
        assert_eq!(next(&[applied(&steps[0]), applied(&steps[1])], &steps), Ok(None));
        let mut changed = applied(&steps[0]);
        changed.sm3 = checksum(&steps[1], Dialect::Sqlite);
        assert!(next(&[changed], &steps).unwrap_err().contains("was changed"));
        assert!(next(&[applied(&steps[1])], &steps).unwrap_err().contains("another release"));
    }

    #[test]
    fn later_steps_are_borne_as_far_as_they_allow() {
        let later = |name: &str, works_from| Later { name: name.into(), works_from };
        let added = || later("0013_added", FIRST_RELEASE);
        assert!(bearable(&[], 12).is_ok());
        assert!(bearable(&[added(), later("0014_taken_away", 12)], 12).is_ok());
        let refused = bearable(&[added(), later("0014_taken_away", 13)], 12).unwrap_err().to_string();
        assert!(refused.contains("0014_taken_away bears releases from migration 13 on"), "{refused}");
        assert!(refused.contains("this one ends with 12"), "{refused}");
    }

    #[test]
    fn both_folders_hold_the_same_steps_in_order_and_none_defers_a_constraint() {
        for (migration, number) in MIGRATIONS.iter().zip(1..) {
            assert!(migration.number >= number, "{}", migration.name);
            assert!(migration.name.starts_with(&format!("{:04}_", migration.number)), "{}", migration.name);
            for text in [migration.sqlite, migration.postgres] {
                // A deferred constraint fails at COMMIT, where others' writes wait as well.
                assert!(!text.to_uppercase().contains("DEFERR"), "{}", migration.name);
                assert!(text.starts_with("-- "), "{} opens with a line on why", migration.name);
            }
        }
        assert!(MIGRATIONS.is_sorted_by(|a, b| a.number < b.number));
    }
}
