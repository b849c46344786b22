//! A PostgreSQL server of one test's own, that may be stopped, killed and set otherwise; on TCP and on a UNIX socket.

use super::databases::{as_user, ordinary_user, programs, say_skipped, scratch_folder};
use rustix::process::{Pid, Signal, geteuid, kill_process, kill_process_group};
use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::{fs::chown, process::CommandExt},
    path::PathBuf,
    process::{Child, Stdio},
    time::{Duration, Instant},
};
use yinxin::{
    base::Secret,
    store::{Deadlines, EngineConfig, StoreConfig},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// The server; ended and removed when dropped.
pub struct Server {
    programs: PathBuf,
    folder: PathBuf,
    user: Option<(u32, u32)>,
    port: u16,
    child: Option<Child>,
}

/// How a server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// `-m fast`: transactions are rolled back.
    Fast,
    /// `-m immediate`: the next start recovers.
    Immediate,
    /// SIGKILL to all of its processes.
    Killed,
}

impl Server {
    /// A fresh one, started; `None` where there is no PostgreSQL, which is said, and with `CI=true` a failure.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            let required = std::env::var_os("CI").is_some_and(|value| value == "true");
            assert!(!required, "CI needs PostgreSQL 15 or later");
            say_skipped("a PostgreSQL server that fails: initdb and postgres are not found");
            return None;
        };
        let folder = scratch_folder().unwrap();
        let user = geteuid().is_root().then(|| ordinary_user().unwrap());
        if let Some((uid, gid)) = user {
            chown(&folder, Some(uid), Some(gid)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { programs, folder, user, port, child: None };
        let made = as_user(user, &server.programs.join("initdb"), &server.folder)
            .args(["--no-sync", "--auth=trust", "--username=yinxin", "--encoding=UTF8", "--no-locale", "-D"])
            .arg(server.folder.join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server.run();
        Some(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// `postgres://…`, at this address: its own, or that of a proxy before it.
    pub fn url_at(&self, address: SocketAddr) -> String {
        format!("postgres://yinxin@{address}/postgres?sslmode=disable")
    }

    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// How a store opens it, at this address, with these deadlines.
    pub fn config_at(&self, address: SocketAddr, deadlines: Deadlines) -> StoreConfig {
        let engine =
            EngineConfig::Postgres { url: Secret::new(self.url_at(address)), schema: None, connections: 8 };
        StoreConfig { engine, node: "a".into(), deadlines }
    }

    pub fn config(&self) -> StoreConfig {
        self.config_at(self.address(), Deadlines::default())
    }

    /// Starts it again; answers once it takes connections.
    pub fn run(&mut self) {
        let log = fs::File::create(self.folder.join("log")).unwrap();
        let mut server = as_user(self.user, &self.programs.join("postgres"), &self.folder);
        server.arg("-D").arg(self.folder.join("data")).arg("-k").arg(&self.folder);
        server.args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        server.args(["-c", "max_connections=40", "-c", "shared_buffers=32MB", "-c", "autovacuum=off"]);
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0);
        self.child = Some(server.spawn().unwrap());
        let begun = Instant::now();
        while !self.log().contains("ready to accept connections") {
            assert!(begun.elapsed() < PATIENCE, "postgres did not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn end(&mut self, how: End) {
        let Some(mut child) = self.child.take() else { return };
        let pid = Pid::from_child(&child);
        let _ = match how {
            End::Fast => kill_process(pid, Signal::INT),
            End::Immediate => kill_process(pid, Signal::QUIT),
            // The group is the server's own.
            End::Killed => kill_process_group(pid, Signal::KILL),
        };
        child.wait().unwrap();
    }

    /// Runs SQL on it as its superuser. Several statements are allowed.
    pub async fn sql(&self, sql: &str) {
        use sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};
        let mut conn = PgConnection::connect(&self.url()).await.unwrap();
        raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }

    /// One number that SQL answers.
    pub async fn number(&self, sql: &str) -> i64 {
        use sqlx::{AssertSqlSafe, Connection as _, PgConnection, query_scalar};
        let mut conn = PgConnection::connect(&self.url()).await.unwrap();
        let number = query_scalar(AssertSqlSafe(sql)).fetch_one(&mut conn).await.unwrap();
        conn.close().await.unwrap();
        number
    }

    /// Sets a parameter of the whole server, and has it read again.
    pub async fn set(&self, parameter: &str, value: &str) {
        self.sql(&format!("ALTER SYSTEM SET {parameter} = '{value}'")).await;
        self.sql("SELECT pg_reload_conf()").await;
        // The server's processes read it when they come by.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end(End::Immediate);
        let _ = fs::remove_dir_all(&self.folder);
    }
}
