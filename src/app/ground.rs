//! What has to be right under a service that was here before, looked at before anything is opened.

use super::{AppError, first, paths};
use crate::{
    base::Clock,
    config::{Config, Database},
    store::{Store, lease},
};
use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

/// How far the clocks of a node and of the database may be apart. What one node began and another takes up is told by them:
/// the shortest such time is a minute.
const APART_MAX_MS: i64 = 10_000;
/// Write, for everybody.
const BY_ANYBODY: u32 = 0o002;

/// A service that has signed heads, or first officers, had a database: an empty one in its place would be the beginning of
/// another service.
///
/// # Errors
/// [`AppError::DatabaseLost`].
pub(super) fn demand_database(config: &Config) -> Result<(), AppError> {
    let Database::Sqlite { path } = &config.database else { return Ok(()) };
    let is_there = |path: &Path| fs::metadata(path).is_ok_and(|found| found.len() > 0);
    let was_here = first::is_initialised(config) || is_there(&paths::heads(config).file);
    match was_here && !is_there(path) {
        true => Err(AppError::DatabaseLost { path: path.clone() }),
        false => Ok(()),
    }
}

/// What everybody may write is nobody's: not the data directory, the database or the heads of the audit.
///
/// # Errors
/// [`AppError::WrittenByAnybody`].
pub(super) fn demand_closed(config: &Config) -> Result<(), AppError> {
    let mut ours = vec![config.data_dir.clone(), paths::heads(config).file];
    if let Database::Sqlite { path } = &config.database {
        ours.push(path.clone());
    }
    for path in ours {
        let Ok(found) = fs::metadata(&path) else { continue };
        if found.mode() & BY_ANYBODY != 0 {
            return Err(AppError::WrittenByAnybody { path, mode: found.mode() & 0o7777 });
        }
    }
    Ok(())
}

/// The clocks of this node and of the database agree, and so do those of all nodes.
///
/// # Errors
/// [`AppError::ClocksApart`].
pub(super) async fn demand_one_time(store: &Store, clock: &dyn Clock) -> Result<(), AppError> {
    let before = clock.now();
    let Some(theirs) = lease::time_of_database(store).await? else { return Ok(()) };
    demand_near(before.ms(), theirs, clock.now().ms())
}

/// The answer was given somewhere between `asked` and `answered`; all in milliseconds.
fn demand_near(asked: i64, theirs: i64, answered: i64) -> Result<(), AppError> {
    let ahead_ms = match () {
        () if theirs < asked => asked - theirs,
        () if theirs > answered => answered - theirs,
        () => 0,
    };
    match ahead_ms.abs() > APART_MAX_MS {
        true => Err(AppError::ClocksApart { ahead_ms }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_apart_are_told_and_a_slow_answer_is_not() {
        let told =
            |asked, theirs, answered| demand_near(asked, theirs, answered).map_err(|error| error.to_string());
        for (asked, theirs, answered) in
            [(100_000, 100_000, 100_000), (100_000, 130_000, 160_000), (100_000, 90_000, 100_500)]
        {
            assert_eq!(told(asked, theirs, answered), Ok(()), "{theirs}");
        }
        let says = told(100_000, 89_999, 100_001).unwrap_err();
        assert!(says.contains("10 s ahead of"), "{says}");
        let says = told(100_000, 160_000, 100_001).unwrap_err();
        assert!(says.contains("59 s behind"), "{says}");
    }
}
