//! Databases for tests: a scratch file for SQLite; for PostgreSQL a throw-away server, one for each run of this
//! binary, and a schema for each test. Without PostgreSQL its half is skipped loudly; with `CI=true` that is a failure.

use std::{
    fs,
    io::{BufRead, BufReader, Write as _},
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use yinxin::{
    base::{Secret, Timestamp},
    store::{Deadlines, EngineConfig, OpenError, Store, StoreConfig},
};

/// An empty database that belongs to one test. Gone when dropped.
pub struct Database {
    place: Place,
    folder: tempfile::TempDir,
}

enum Place {
    Sqlite(PathBuf),
    Postgres { url: String, schema: String },
}

impl Database {
    /// How a store opens it, as the node `local`.
    pub fn config(&self) -> StoreConfig {
        self.config_of("local")
    }

    /// How a store opens it, as this node.
    pub fn config_of(&self, node: &str) -> StoreConfig {
        let engine = match &self.place {
            Place::Sqlite(path) => EngineConfig::Sqlite { path: path.clone(), readers: 4 },
            Place::Postgres { url, schema } => EngineConfig::Postgres {
                url: Secret::new(url.clone()),
                schema: Some(schema.clone()),
                connections: 8,
            },
        };
        StoreConfig { engine, node: node.into(), deadlines: Deadlines::default() }
    }

    /// One whose SQLite file is there, or comes to be there, by other hands.
    pub fn of_file(path: PathBuf) -> Self {
        Self { place: Place::Sqlite(path), folder: tempfile::tempdir().unwrap() }
    }

    /// How the environment of a daemon names it; nothing for a file in the data directory.
    pub fn variables(&self) -> Vec<(String, String)> {
        match &self.place {
            Place::Sqlite(_) => Vec::new(),
            Place::Postgres { url, schema } => vec![
                ("YINXIN_DATABASE_URL".into(), url.clone()),
                ("YINXIN_DATABASE_SCHEMA".into(), schema.clone()),
                ("YINXIN_NODE".into(), "local".into()),
            ],
        }
    }

    /// Keeps a copy of the whole database at `to`, as whoever holds it can: of the file, or by `pg_dump`. Nobody else is at
    /// work on it.
    pub fn copy_to(&self, to: &Path) {
        match &self.place {
            Place::Sqlite(path) => {
                fs::copy(path, to).unwrap();
            }
            Place::Postgres { url, schema } => {
                let dump = Command::new(tool("pg_dump"))
                    .args(["--format=plain", "--no-owner", "--schema", schema, "--dbname", url, "--file"])
                    .arg(to)
                    .output()
                    .unwrap();
                assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
            }
        }
    }

    /// Puts a copy of [`Self::copy_to`] in the database's place.
    pub async fn put_back(&self, from: &Path) {
        match &self.place {
            Place::Sqlite(path) => {
                for ending in ["-wal", "-shm"] {
                    let _ = fs::remove_file(format!("{}{ending}", path.display()));
                }
                fs::copy(from, path).unwrap();
            }
            Place::Postgres { url, schema } => {
                self.tamper(&format!("DROP SCHEMA {schema} CASCADE")).await;
                let back = Command::new(tool("psql"))
                    .args(["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--dbname", url, "--file"])
                    .arg(from)
                    .output()
                    .unwrap();
                assert!(back.status.success(), "{}", String::from_utf8_lossy(&back.stderr));
            }
        }
    }

    /// One number that SQL answers, behind everybody's back.
    pub async fn number(&self, sql: &str) -> i64 {
        let sql = format!("SELECT CAST(({sql}) AS TEXT)");
        self.texts(&sql).await[0][0].parse().unwrap()
    }

    /// Rows of texts that SQL answers, behind everybody's back.
    pub async fn texts(&self, sql: &str) -> Vec<Vec<String>> {
        use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection, query};
        fn cells<R: sqlx::Row>(row: &R) -> Vec<String>
        where
            String: for<'r> sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
            usize: sqlx::ColumnIndex<R>,
        {
            (0..row.len()).map(|at| row.get(at)).collect()
        }
        match &self.place {
            Place::Sqlite(path) => {
                let mut conn =
                    SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
                let rows = query(AssertSqlSafe(sql)).fetch_all(&mut conn).await.unwrap();
                conn.close().await.unwrap();
                rows.iter().map(cells).collect()
            }
            Place::Postgres { url, schema } => {
                let mut conn = PgConnection::connect(url).await.unwrap();
                query(AssertSqlSafe(format!("SET search_path TO {schema}")))
                    .execute(&mut conn)
                    .await
                    .unwrap();
                let rows = query(AssertSqlSafe(sql)).fetch_all(&mut conn).await.unwrap();
                conn.close().await.unwrap();
                rows.iter().map(cells).collect()
            }
        }
    }

    /// How the configuration of a daemon names it.
    pub fn setting(&self) -> yinxin::config::Database {
        match &self.place {
            Place::Sqlite(path) => yinxin::config::Database::Sqlite { path: path.clone() },
            Place::Postgres { url, schema } => yinxin::config::Database::Postgres {
                url: Secret::new(url.clone()),
                schema: Some(schema.clone()),
                connections: 8,
                commit_deadline: Duration::from_secs(5),
            },
        }
    }

    /// Its engine or schema, and where it is, for a child process: `sqlite|path`, `test_7|postgres://…`.
    pub fn place(&self) -> String {
        match &self.place {
            Place::Sqlite(path) => format!("sqlite|{}", path.display()),
            Place::Postgres { url, schema } => format!("{schema}|{url}"),
        }
    }

    /// Opens it, with all tables.
    pub async fn open(&self) -> Store {
        self.try_open().await.unwrap()
    }

    /// Tries to open it.
    pub async fn try_open(&self) -> Result<Store, OpenError> {
        Store::open(&self.config(), Timestamp::from_seconds(1_795_219_200)).await
    }

    /// Whether it is SQLite.
    pub fn is_sqlite(&self) -> bool {
        matches!(self.place, Place::Sqlite(_))
    }

    /// The SQLite file.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Sqlite(path) => Some(path),
            Place::Postgres { .. } => None,
        }
    }

    /// A directory of its own, for whatever else the test writes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs SQL behind the store's back, as whoever holds the database can. Several statements are allowed.
    pub async fn tamper(&self, sql: &str) {
        self.try_tamper(sql).await.unwrap();
    }

    /// The same, where the database may refuse.
    pub async fn try_tamper(&self, sql: &str) -> Result<(), String> {
        use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection, raw_sql};
        let done = match &self.place {
            Place::Sqlite(path) => {
                let mut conn =
                    SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
                let done = raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.map(drop);
                conn.close().await.unwrap();
                done
            }
            Place::Postgres { url, schema } => {
                let mut conn = PgConnection::connect(url).await.unwrap();
                let sql = format!("SET search_path TO {schema}; {sql}");
                let done = raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.map(drop);
                conn.close().await.unwrap();
                done
            }
        };
        done.map_err(|error| error.to_string())
    }
}

/// Tells the story on an open, empty store of each engine.
pub async fn for_each_engine(story: impl AsyncFn(Store)) {
    for_each_database(async |database| story(database.open().await).await).await;
}

/// Tells the story on an empty database of each engine, for those that open it themselves.
pub async fn for_each_database(story: impl AsyncFn(&Database)) {
    story(&sqlite()).await;
    if let Some(database) = postgres().await {
        story(&database).await;
    }
}

/// A scratch file.
pub fn sqlite() -> Database {
    let folder = tempfile::tempdir().unwrap();
    Database { place: Place::Sqlite(folder.path().join("store").join("yinxin.db")), folder }
}

/// A fresh schema on the throw-away server; `None` where there is no PostgreSQL.
pub async fn postgres() -> Option<Database> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let url = SERVER.get_or_init(Server::start).as_ref()?.url.clone();
    let schema = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let database = Database {
        place: Place::Postgres { url, schema: schema.clone() },
        folder: tempfile::tempdir().unwrap(),
    };
    database.tamper(&format!("CREATE SCHEMA {schema}")).await;
    Some(database)
}

/// The address of a database of this name on the throw-away server, made anew, for its superuser; `None` where there is no
/// PostgreSQL. For what concerns a whole database, and not a schema.
pub async fn postgres_database(name: &str) -> Option<String> {
    use sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};
    let url = SERVER.get_or_init(Server::start).as_ref()?.url.clone();
    let mut conn = PgConnection::connect(&url).await.unwrap();
    raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    Some(url.replace("/postgres?", &format!("/{name}?")))
}

/// Says loudly that something was skipped: past the harness, which swallows what passing tests print.
pub fn say_skipped(what: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
}

static SERVER: OnceLock<Option<Server>> = OnceLock::new();

/// The throw-away server. A watchdog of a shell holds it by the pipe to this process: when the process ends, in
/// whatever way, the pipe closes, and the shell stops the server and removes its directory.
struct Server {
    url: String,
    _watchdog: Child,
}

/// `$1`: folder of the programs, `$2`: the scratch directory.
const WATCHDOG: &str = r#"
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=300 -c wal_level=minimal \
    -c max_wal_senders=0 -c autovacuum=off -c shared_buffers=32MB >"$2/log" 2>&1 </dev/null &
server=$!
ready=no
for _ in $(seq 300); do
    if grep -q 'ready to accept connections' "$2/log"; then ready=yes; break; fi
    kill -0 $server 2>/dev/null || break
    sleep 0.1
done
echo $ready
exec >/dev/null
read -r _
kill -QUIT $server
wait $server
rm -rf "$2"
"#;

impl Server {
    fn start() -> Option<Self> {
        let started =
            programs().ok_or("initdb and postgres are not found".to_owned()).and_then(Self::start_with);
        match started {
            Ok(server) => Some(server),
            Err(why) => {
                let required = std::env::var_os("CI").is_some_and(|value| value == "true");
                assert!(!required, "CI needs PostgreSQL 15 or later: {why}");
                say_skipped(&format!("every PostgreSQL half of these tests: {why}"));
                None
            }
        }
    }

    fn start_with(programs: PathBuf) -> Result<Self, String> {
        let folder = scratch_folder()?;
        let user = rustix::process::geteuid().is_root().then(ordinary_user).transpose()?;
        if let Some((uid, gid)) = user {
            chown(&folder, Some(uid), Some(gid)).map_err(|error| error.to_string())?;
        }
        let made = as_user(user, &programs.join("initdb"), &folder)
            .args(["--no-sync", "--auth=trust", "--username=yinxin", "--encoding=UTF8", "--no-locale", "-D"])
            .arg(folder.join("data"))
            .output()
            .map_err(|error| error.to_string())?;
        if !made.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)));
        }
        let mut watchdog = as_user(user, Path::new("/bin/sh"), &folder)
            .args(["-c", WATCHDOG, "watchdog"])
            .args([&programs, &folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut ready = String::new();
        let said = watchdog.stdout.take().map(|out| BufReader::new(out).read_line(&mut ready));
        if !matches!(said, Some(Ok(_))) || ready.trim() != "yes" {
            return Err(format!("postgres did not start, see {}/log", folder.display()));
        }
        let url = format!("postgres://yinxin@localhost/postgres?host={}", folder.display());
        Ok(Self { url, _watchdog: watchdog })
    }
}

/// A directory that the watchdog removes, in memory where possible: with durable settings a disk would slow each test.
pub(super) fn scratch_folder() -> Result<PathBuf, String> {
    let parent = ["/dev/shm", "/tmp"].into_iter().map(Path::new).find(|folder| is_roomy(folder));
    let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
    let folder = tempfile::Builder::new().prefix("yinxin-pg-").tempdir_in(parent);
    let folder = folder.map_err(|error| error.to_string())?.keep();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).map_err(|error| error.to_string())?;
    Ok(folder)
}

/// Whether 512 MB are free there.
fn is_roomy(folder: &Path) -> bool {
    rustix::fs::statvfs(folder).is_ok_and(|fs| fs.f_bavail.saturating_mul(fs.f_frsize) > 512 << 20)
}

/// The folder of `initdb` and `postgres`: in the PATH, or where distributions put them; the newest.
pub(super) fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    versions.sort();
    std::env::split_paths(&path)
        .chain(versions.into_iter().rev())
        .find(|folder| ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file()))
}

/// A program of PostgreSQL's client: beside the server's, else in the PATH.
fn tool(name: &str) -> PathBuf {
    programs().map(|folder| folder.join(name)).filter(|path| path.is_file()).unwrap_or_else(|| name.into())
}

/// PostgreSQL refuses to run as root: the ids of `postgres`, or of `nobody`.
pub(super) fn ordinary_user() -> Result<(u32, u32), String> {
    let users = fs::read_to_string("/etc/passwd").map_err(|error| error.to_string())?;
    ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        })
        .ok_or_else(|| "running as root, and there is no user postgres or nobody".to_owned())
}

pub(super) fn as_user(user: Option<(u32, u32)>, program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("LC_ALL", "C");
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}
