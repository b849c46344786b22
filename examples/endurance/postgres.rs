//! A throw-away PostgreSQL cluster on a UNIX socket and a port. PostgreSQL refuses to run as root: then it runs as `postgres` or
//! `nobody`. Unlike the one of the tests it keeps its promises: fsync and full_page_writes are on.

use crate::trouble::{Outcome, Trouble};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster; ended and removed when dropped.
pub struct Cluster {
    programs: PathBuf,
    folder: tempfile::TempDir,
    user: Option<(u32, u32)>,
    server: Option<Child>,
    /// For whoever comes over the network: a proxy, say.
    pub address: SocketAddr,
}

impl Cluster {
    /// Makes one and starts it. [`Trouble::NotHere`] where PostgreSQL is not installed.
    pub async fn start() -> Outcome<Self> {
        let programs =
            programs().ok_or_else(|| Trouble::NotHere("initdb and postgres are not found".into()))?;
        let folder = tempfile::Builder::new().prefix("endurance-pg-").tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700))?;
        let user = geteuid().is_root().then(ordinary_user).transpose()?;
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid))?;
        }
        // Free at this instant; the server says if somebody was faster.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut cluster = Self { programs, folder, user, server: None, address };
        let mut initdb = cluster.program("initdb");
        initdb.args([
            "--no-sync",
            "--auth=trust",
            "--username=yinxin",
            "--encoding=UTF8",
            "--no-locale",
            "-D",
        ]);
        initdb.arg(cluster.folder.path().join("data"));
        let made = tokio::task::spawn_blocking(move || initdb.output()).await??;
        if !made.status.success() {
            return Err(Trouble::failed(format!("initdb: {}", String::from_utf8_lossy(&made.stderr))));
        }
        cluster.run().await?;
        Ok(cluster)
    }

    /// `postgres://…` of its database.
    pub fn url(&self) -> String {
        let (port, folder) = (self.address.port(), self.folder.path().display());
        format!("postgres://yinxin@localhost:{port}/postgres?host={folder}")
    }

    /// The same over TCP, by way of somebody who passes everything on.
    pub fn url_by(&self, proxy: SocketAddr) -> String {
        format!("postgres://yinxin@{proxy}/postgres?sslmode=disable")
    }

    /// Starts the server again, after [`Cluster::kill`] or [`Cluster::stop`]; answers once it takes connections.
    pub async fn run(&mut self) -> Outcome<()> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if self.starts(begun).await? {
                return Ok(());
            }
            // Processes of a killed server may still hold its shared memory for an instant; then the new one ends at once.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        Err(Trouble::failed(format!("postgres did not start: {log}")))
    }

    /// Starts it once; whether it took connections before it ended, or time was over.
    async fn starts(&mut self, begun: Instant) -> Outcome<bool> {
        let log = fs::File::create(self.folder.path().join("log"))?;
        let mut server = self.program("postgres");
        server.arg("-D").arg(self.folder.path().join("data")).arg("-k").arg(self.folder.path());
        server.arg("-p").arg(self.address.port().to_string());
        server.args(["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"]);
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0);
        let server = self.server.insert(server.spawn()?);
        while begun.elapsed() < PATIENCE && server.try_wait()?.is_none() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            if log.contains("ready to accept connections") {
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(false)
    }

    /// SIGKILL to the server and all its processes: what the operating system holds is kept, what they hold is gone.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// An immediate shutdown (`pg_ctl stop -m immediate`): connections break, the next start recovers from the log.
    pub fn stop(&mut self) {
        self.end(Signal::QUIT);
    }

    fn end(&mut self, signal: Signal) {
        if let Some(mut server) = self.server.take() {
            let pid = Pid::from_child(&server);
            // The group is the server's own; its children follow it at the next look at the latest.
            let _ = match signal {
                Signal::KILL => rustix::process::kill_process_group(pid, signal),
                _ => kill_process(pid, signal),
            };
            let _ = server.wait();
        }
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(self.folder.path()).env("LC_ALL", "C");
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The folder of `initdb` and `postgres`: in the PATH, or where distributions put them; the newest.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    versions.sort();
    std::env::split_paths(&path)
        .chain(versions.into_iter().rev())
        .find(|folder| ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file()))
}

/// The ids of `postgres`, or of `nobody`.
fn ordinary_user() -> Outcome<(u32, u32)> {
    let users = fs::read_to_string(Path::new("/etc/passwd"))?;
    let ids = ["postgres", "nobody"].into_iter().find_map(|name| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    ids.ok_or_else(|| Trouble::NotHere("running as root, and there is no user postgres or nobody".into()))
}
