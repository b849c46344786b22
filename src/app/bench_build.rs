//! The build that records nothing (`--cfg yinxin_bench_without_audit`), to measure what recording costs. It must never serve
//! anything that matters: it begins on nothing but data that a bench has marked as its own.

use super::AppError;
use crate::{
    audit,
    config::{Config, Database},
};

/// The file by which a bench marks a data directory as scratch data.
pub const SCRATCH_MARK: &str = "scratch-data-of-a-bench";
/// The schema of PostgreSQL that such a build may use.
const SCRATCH_SCHEMA: &str = "bench_without_audit";

/// Whether this build may serve this configuration: any other build may serve any.
pub(super) fn may_serve(config: &Config) -> Result<(), AppError> {
    let is_scratch = config.data_dir.join(SCRATCH_MARK).is_file()
        && match &config.database {
            Database::Sqlite { path } => path.starts_with(&config.data_dir),
            Database::Postgres { schema, .. } => schema.as_deref() == Some(SCRATCH_SCHEMA),
        };
    match audit::IS_LEFT_OUT && !is_scratch {
        true => Err(AppError::RecordsNothing),
        false => Ok(()),
    }
}
