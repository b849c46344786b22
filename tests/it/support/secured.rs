//! A throw-away PostgreSQL server on the network of this machine, with TLS: a real one, for what only TLS shows.

use super::{
    certificates::{Authority, Pair},
    databases::{as_user, ordinary_user, programs, say_skipped, scratch_folder},
};
use sqlx::{Connection as _, PgConnection, raw_sql};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

/// A server; it ends when this is dropped, for its watchdog then finds its pipe closed.
pub struct Secured {
    pub port: u16,
    folder: PathBuf,
    watchdog: Child,
}

/// Who may come how: over the network only with TLS, and one of them only with a certificate.
const WHO_MAY: &str = "local all all trust\n\
hostssl all certified localhost cert\nhostssl all all localhost trust\n";

/// `$1`: folder of the programs, `$2`: the scratch directory, `$3`: the port.
const WATCHDOG: &str = r#"
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses=localhost -c port="$3" -c fsync=on -c shared_buffers=16MB \
    -c ssl=on -c ssl_cert_file="$2/server.pem" -c ssl_key_file="$2/server.key" -c ssl_ca_file="$2/ca.pem" \
    -c hba_file="$2/hba.conf" >"$2/log" 2>&1 </dev/null &
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

impl Secured {
    /// Starts one that shows this pair; `None` where there is no PostgreSQL.
    pub async fn start(authority: &Authority, pair: &Pair) -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(std::env::var_os("CI").is_none_or(|value| value != "true"), "CI needs PostgreSQL");
            say_skipped("PostgreSQL over TLS: initdb and postgres are not found");
            return None;
        };
        let folder = scratch_folder().unwrap();
        let user = rustix::process::geteuid().is_root().then(ordinary_user).transpose().unwrap();
        let put = |name: &str, content: &[u8]| {
            let path = folder.join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            own(&path, user);
        };
        own(&folder, user);
        put("server.pem", &fs::read(&pair.certificate).unwrap());
        put("server.key", &fs::read(&pair.key).unwrap());
        put("ca.pem", &fs::read(authority.certificate()).unwrap());
        put("hba.conf", WHO_MAY.as_bytes());
        let made = as_user(user, &programs.join("initdb"), &folder)
            .args(["--no-sync", "--auth=trust", "--username=yinxin", "--encoding=UTF8", "--no-locale", "-D"])
            .arg(folder.join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut watchdog = as_user(user, Path::new("/bin/sh"), &folder)
            .args(["-c", WATCHDOG, "watchdog"])
            .args([&programs, &folder])
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(watchdog.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert_eq!(ready.trim(), "yes", "postgres did not start: {log}");
        let server = Self { port, folder, watchdog };
        let mut conn = PgConnection::connect(&server.here()).await.unwrap();
        raw_sql("CREATE ROLE certified LOGIN; CREATE SCHEMA yinxin").execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
        Some(server)
    }

    /// The address for a user, with these parameters.
    pub fn url(&self, user: &str, parameters: &str) -> String {
        format!("postgres://{user}@localhost:{}/postgres?{parameters}", self.port)
    }

    /// Where it is asked without the network.
    pub fn here(&self) -> String {
        format!("postgres://yinxin@localhost:{}/postgres?host={}", self.port, self.folder.display())
    }
}

fn own(path: &Path, user: Option<(u32, u32)>) {
    if let Some((uid, gid)) = user {
        chown(path, Some(uid), Some(gid)).unwrap();
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}
