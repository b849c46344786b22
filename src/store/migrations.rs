//! The tables, step by step: pairs of texts, embedded, applied in order, each in a transaction of its own.
//!
//! A migration works with the release before it, and is never changed once released: its SM3 is kept beside it.

use super::{FromRow, OpenError, Row, Rx, Statement, StoreError, engine::Tx};
use crate::base::Timestamp;
use yinxin_pki::sm3;

/// One step, in both dialects.
#[derive(Debug)]
pub struct Migration {
    /// From 1, without gaps in what is applied to one database in order; numbers are reserved by room.
    pub number: i64,
    /// The name of both files: four digits, then what it is about.
    pub name: &'static str,
    /// Text for SQLite.
    pub sqlite: &'static str,
    /// Text for PostgreSQL.
    pub postgres: &'static str,
}

/// Which text applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

macro_rules! migration {
    ($number:literal, $name:literal) => {
        Migration {
            number: $number,
            name: $name,
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
    migration!(14, "0014_open_work"),
];

/// The store's own statements.
pub const STATEMENTS: &[&Statement] = &[&THERE, &APPLIED, &RECORD, &PATIENCE, &ALONE, &NUMBERED];

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
/// Nodes that start together wait for each other; a migration itself may take long.
const PATIENCE: Statement = Statement::split(
    "store.migration_patience",
    "SELECT 1",
    "SELECT count(set_config('lock_timeout', '60000', true)) + count(set_config('statement_timeout', '0', true))",
);
/// One node at a time, for each schema. The number is arbitrary and ours ("yinx").
const ALONE: Statement = Statement::split(
    "store.migration_alone",
    "SELECT 1",
    "SELECT count(pg_advisory_xact_lock(2037280376, hashtext(current_schema())))",
);

/// Brings the tables up to date.
pub(super) async fn apply(tx: &mut Tx, now: Timestamp) -> Result<(), OpenError> {
    apply_all(tx, MIGRATIONS, now).await
}

async fn apply_all(tx: &mut Tx, migrations: &[Migration], now: Timestamp) -> Result<(), OpenError> {
    // Usually nothing is to be done; that is seen without taking a lock.
    if next_of(tx, migrations).await?.is_none() {
        return Ok(());
    }
    // Each round applies one, and looks again under the lock: another node may have been faster.
    for _ in 0..=migrations.len() {
        run(tx, "BEGIN").await?;
        let step = apply_next(tx, migrations, now).await;
        let more = match step {
            Ok(more) => more,
            Err(error) => {
                let _ = tx.control("ROLLBACK").await;
                return Err(error);
            }
        };
        run(tx, "COMMIT").await?;
        if !more {
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
        apply_one(tx, migration, now).await?;
    }
    Ok(())
}

/// The steps that were applied: number and name, in order.
pub async fn applied(rx: &mut Rx) -> Result<Vec<(i64, String)>, StoreError> {
    let steps: Vec<Numbered> = rx.all(&NUMBERED, &[]).await?;
    Ok(steps.into_iter().map(|Numbered(number, name)| (number, name)).collect())
}

struct Numbered(i64, String);

impl FromRow for Numbered {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self(row.int(0)?, row.text(1)?))
    }
}

async fn apply_next(tx: &mut Tx, migrations: &[Migration], now: Timestamp) -> Result<bool, OpenError> {
    tx.one::<i64>(&PATIENCE, &[]).await?;
    tx.one::<i64>(&ALONE, &[]).await?;
    let Some(next) = next_of(tx, migrations).await? else { return Ok(false) };
    apply_one(tx, next, now).await?;
    Ok(true)
}

async fn apply_one(tx: &mut Tx, next: &Migration, now: Timestamp) -> Result<(), OpenError> {
    let dialect = tx.dialect();
    let applied = tx.control(text(next, dialect)).await;
    applied.map_err(|error| OpenError::Migration {
        says: format!("migration {} failed and was rolled back: {error}", next.name),
    })?;
    let digest = checksum(next, dialect);
    let values = [next.number.into(), next.name.into(), (&digest).into(), now.into()];
    tx.execute(&RECORD, &values).await?;
    tracing::info!(name: "store.migrated", number = next.number, name = next.name, "migration applied");
    Ok(())
}

/// The first step that is not applied; an error where what is applied is not what this program knows.
async fn next_of<'m>(tx: &mut Tx, migrations: &'m [Migration]) -> Result<Option<&'m Migration>, OpenError> {
    let applied: Vec<Applied> = match tx.one::<i64>(&THERE, &[]).await? {
        0 => Vec::new(),
        _ => tx.all(&APPLIED, &[]).await?,
    };
    compare(&applied, migrations, tx.dialect())
}

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
            None => {
                return says(format!(
                    "the database was made by a newer release (it has migration {name}); start that release, or \
                     restore a backup of this one"
                ));
            }
            Some(step) if step.number != found.number || step.name != found.name => {
                return says(format!(
                    "the database has migration {name} where this release has {}; it belongs to another release",
                    step.name
                ));
            }
            Some(step) if checksum(step, dialect) != found.sm3 => {
                return says(format!(
                    "migration {name} was changed after it was applied; use the release that made it"
                ));
            }
            Some(_) => {}
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

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(migration: &Migration) -> Applied {
        let sm3 = checksum(migration, Dialect::Sqlite);
        Applied { number: migration.number, name: migration.name.into(), sm3 }
    }

    #[test]
    fn what_is_applied_is_what_is_known() {
        let known = |number, name, text| Migration { number, name, sqlite: text, postgres: text };
        let steps = [known(1, "a", "A"), known(2, "b", "B")];
        let next = |rows: &[Applied], steps| -> Result<Option<i64>, String> {
            compare(rows, steps, Dialect::Sqlite)
                .map(|next| next.map(|m| m.number))
                .map_err(|e| e.to_string())
        };
        assert_eq!(next(&[], &steps), Ok(Some(1)));
        assert_eq!(next(&[applied(&steps[0])], &steps), Ok(Some(2)));
        assert_eq!(next(&[applied(&steps[0]), applied(&steps[1])], &steps), Ok(None));
        assert!(
            next(&[applied(&steps[0]), applied(&steps[1])], &steps[..1])
                .unwrap_err()
                .contains("newer release")
        );
        let mut changed = applied(&steps[0]);
        changed.sm3 = checksum(&steps[1], Dialect::Sqlite);
        assert!(next(&[changed], &steps).unwrap_err().contains("was changed"));
        assert!(next(&[applied(&steps[1])], &steps).unwrap_err().contains("another release"));
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
