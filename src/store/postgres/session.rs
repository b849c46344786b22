//! A session with the server: its settings, and a look whether what is committed in it would last.

use super::super::{Deadlines, OpenError, StoreError, engine::of, link};
use crate::base::Secret;
use sqlx::{ConnectOptions as _, PgConnection, Row as _, postgres::PgConnectOptions};
use std::str::FromStr as _;

/// Prepared statements kept by each connection.
const STATEMENTS_KEPT: usize = 256;
/// `server_version_num` of the oldest server supported.
const OLDEST: i64 = 150_000;
/// Settings of one session: `$1` is a JSON object of names and values.
const SET: &str =
    "SELECT count(set_config(setting.key, setting.value, false)) FROM json_each_text($1::json) AS setting";
const READ_BACK: &str = "SELECT current_setting('server_version_num')::BIGINT, current_setting('server_version'), \
     current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes'), \
     pg_is_in_recovery(), current_setting('transaction_read_only'), pg_backend_pid()";

/// How sessions are opened.
pub(super) struct Session {
    options: PgConnectOptions,
    settings: String,
}

impl Session {
    /// From the address; `schema` is the search path.
    pub(super) fn new(
        url: &Secret<String>,
        schema: Option<&str>,
        deadlines: &Deadlines,
    ) -> Result<Self, OpenError> {
        // The parser's own words may quote the address, and with it the password.
        let options = PgConnectOptions::from_str(url.expose()).map_err(|_| OpenError::Config {
            says: "the address of the database must look like postgres://user:password@host/name".into(),
        })?;
        let options = options
            .application_name("yinxin")
            .statement_cache_capacity(STATEMENTS_KEPT)
            .disable_statement_logging();
        Ok(Self { options, settings: settings(schema, deadlines) })
    }

    /// A session, ready for work. Looks each time whether commits are durable: a role's settings may have changed, and
    /// the server may have become a standby, whose reads are of yesterday.
    pub(super) async fn open(&self) -> Result<Opened, OpenError> {
        let mut conn = self.options.connect().await.map_err(of_connecting)?;
        let set = sqlx::query(SET).bind(&self.settings).execute(&mut conn).await;
        set.map_err(|error| StoreError::of("session", error))?;
        let (process, takes_writes) = demand_durability(&mut conn).await?;
        Ok(Opened { conn, process, takes_writes })
    }
}

/// A session as it was opened.
pub(super) struct Opened {
    pub(super) conn: PgConnection,
    /// The server's process behind it.
    pub(super) process: i32,
    /// Not where `default_transaction_read_only` is on: it can still be read from.
    pub(super) takes_writes: bool,
}

impl Opened {
    /// The same, where it takes writes: for the start.
    pub(super) fn for_writing(self) -> Result<Self, OpenError> {
        match self.takes_writes {
            true => Ok(self),
            false => Err(OpenError::ReadOnly { says: "default_transaction_read_only is on".into() }),
        }
    }
}

fn settings(schema: Option<&str>, deadlines: &Deadlines) -> String {
    let ms = |ms: u64| serde_json::Value::String(ms.to_string());
    let mut settings = serde_json::Map::new();
    for (name, value) in [
        ("statement_timeout", ms(deadlines.body_ms)),
        ("lock_timeout", ms(deadlines.lock_ms)),
        // That a standby has not confirmed a commit is told as a warning.
        ("client_min_messages", "warning".into()),
        // A daemon that hangs in a transaction must not hold rows for longer than its own deadline.
        ("idle_in_transaction_session_timeout", ms(deadlines.body_ms * 2)),
        // Nor one that is gone without a word: its machine lost power, or the network lies between.
        ("client_connection_check_interval", ms(5_000)),
        ("tcp_keepalives_idle", ms(10)),
        ("tcp_keepalives_interval", ms(5)),
        ("tcp_keepalives_count", ms(3)),
    ] {
        settings.insert(name.to_owned(), value);
    }
    if let Some(schema) = schema {
        settings.insert("search_path".to_owned(), schema.into());
    }
    serde_json::Value::Object(settings).to_string()
}

/// The server's process, and whether writes are taken.
async fn demand_durability(conn: &mut PgConnection) -> Result<(i32, bool), OpenError> {
    let row = sqlx::query(READ_BACK).fetch_one(conn).await.map_err(|error| StoreError::of("open", error))?;
    let text = |column: usize| of("open", row.try_get::<String, _>(column));
    if of("open", row.try_get::<i64, _>(0))? < OLDEST {
        return Err(OpenError::TooOld { found: text(1)? });
    }
    for (column, name) in [(2, "synchronous_commit"), (3, "fsync"), (4, "full_page_writes")] {
        let found = text(column)?;
        // `local` leaves out the standbys that the server was told to wait for.
        if found == "off" || found == "local" {
            return Err(OpenError::NotDurable { says: format!("{name} of the server is {found}") });
        }
    }
    if of("open", row.try_get::<bool, _>(5))? {
        return Err(OpenError::ReadOnly { says: "it is a standby, or being recovered".into() });
    }
    Ok((of("open", row.try_get(7))?, text(6)? == "off"))
}

/// What a session that could not be opened means for whoever waits for it.
pub(super) fn sorted(error: &OpenError) -> StoreError {
    match error {
        OpenError::Store(error) => error.clone(),
        OpenError::ReadOnly { .. } => StoreError::ReadOnly,
        _ => StoreError::Unavailable,
    }
}

fn unreachable(says: &str) -> OpenError {
    OpenError::Unreachable { says: says.to_owned() }
}

fn of_connecting(error: sqlx::Error) -> OpenError {
    match &error {
        // The server's own words: which user, which database; never the password.
        sqlx::Error::Database(said) => unreachable(said.message()),
        sqlx::Error::Io(said) => unreachable(&link::broken(said)),
        sqlx::Error::Tls(said) => unreachable(&format!("no TLS with the server: {said}")),
        _ => unreachable("the connection was refused or broken"),
    }
}
