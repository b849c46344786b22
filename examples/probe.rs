//! Scratch: never committed.
#![allow(clippy::all, missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use yinxin::{
    app::{App, Sources, init_at_cost},
    audit,
    base::{Secret, Timestamp},
    config::Config,
    http::Stop,
    keys::UnlockCost,
    officer::Caller,
    store::*,
};
const ROW: Statement = Statement::portable(
    "probe.row",
    "INSERT INTO idempotency (caller, name, operation, body_sm3, holder, lease_until, expires_at) VALUES ($1,$2,$3,$4,$5,$6,$7) ON CONFLICT (caller, name) DO NOTHING",
);

fn fsync_rate(dir: &std::path::Path) -> f64 {
    use std::io::Write;
    let mut f = std::fs::File::create(dir.join("fsync")).unwrap();
    let t = Instant::now();
    let mut n = 0;
    while t.elapsed() < Duration::from_secs(1) {
        f.write_all(&[0; 4096]).unwrap();
        f.sync_data().unwrap();
        n += 1;
    }
    n as f64 / t.elapsed().as_secs_f64()
}
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let a: Vec<f64> =
        s.rsplit(')').next().unwrap().split_whitespace().filter_map(|x| x.parse().ok()).collect();
    (a[10] + a[11]) / 100.0
}

async fn store_level(store: Store, clients: usize, secs: u64, audited: bool) {
    let n = Arc::new(AtomicU64::new(0));
    let end = Instant::now() + Duration::from_secs(secs);
    let (t, c) = (Instant::now(), cpu());
    let mut set = tokio::task::JoinSet::new();
    for client in 0..clients {
        let (store, n) = (store.clone(), n.clone());
        set.spawn(async move {
      let mut i = 0u64;
      while Instant::now() < end {
        let now = Timestamp::from_seconds(1_795_219_200);
        let caller = Caller::system("probe", now);
        let name = format!("{:016x}-{client}-{i}-{}", (i*7919+client as u64).wrapping_mul(0x9E3779B97F4A7C15), n.load(Ordering::Relaxed));
        let sm3 = [7u8; 32];
        store.write(async |tx| {
          let id = format!("owner_{name}");
          tx.execute(&ROW, &[(&id).into(), (&name).into(), "probe".into(), (&sm3).into(), "holder".into(), now.into(), now.into()]).await?;
          if audited { audit::append(tx, &caller.entry("probe.made", &id, serde_json::json!({"name": "某市大数据管理局", "credit_code": "11440100MB2C000137"}))).await?; }
          Ok::<_, StoreError>(())
        }).await.unwrap();
        n.fetch_add(1, Ordering::Relaxed); i += 1;
      }
    });
    }
    while set.join_next().await.is_some() {}
    let (w, c) = (t.elapsed().as_secs_f64(), cpu() - c);
    let n = n.load(Ordering::Relaxed);
    println!(
        "store {:8} clients {clients:3} audit {audited}: {:8.0}/s   cpu {:6.1} us each",
        store.engine_name(),
        n as f64 / w,
        c * 1e6 / n as f64
    );
}

async fn http_level(config: &Config, clients: usize, secs: u64) {
    let app = App::open_with(config, Sources::default()).await.unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let (sw, stop) = Stop::switch();
    let key = std::fs::read_to_string(config.data_dir.join("officer-keys/security_administrator")).unwrap();
    let served = tokio::spawn(app.serve(
        yinxin::app::Entrances {
            public: yinxin::http::Entrance { tcp, tls: None, proxies: Default::default() },
            administration: None,
            unix: None,
        },
        stop,
    ));
    let n = Arc::new(AtomicU64::new(0));
    let (t, c) = (Instant::now(), cpu());
    let key2 = key.clone();
    let n2 = n.clone();
    // clients in a runtime of their own
    let client_cpu = std::thread::spawn(move || {
        let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        rt.block_on(async move {
      let end = Instant::now() + Duration::from_secs(secs);
      let mut set = tokio::task::JoinSet::new();
      for client in 0..clients {
        let (key, n) = (key2.clone(), n2.clone());
        set.spawn(async move {
          let mut s = TcpStream::connect(addr).await.unwrap(); s.set_nodelay(true).unwrap();
          let mut i = 0u64; let mut buf = vec![0u8; 65536];
          while Instant::now() < end {
            let body = format!("{{\"name\":\"官员{client}-{i}\",\"roles\":[\"viewer\"]}}");
            let once = format!("{:016x}-{client}-{i}", (i*7919+client as u64).wrapping_mul(0x9E3779B97F4A7C15));
            let req = format!("POST /api/v1/officers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nIdempotency-Key: {once}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            s.write_all(req.as_bytes()).await.unwrap();
            let mut have = 0;
            loop {
              let r = s.read(&mut buf[have..]).await.unwrap(); assert!(r > 0); have += r;
              let text = &buf[..have];
              if let Some(h) = text.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = std::str::from_utf8(&text[..h]).unwrap().to_ascii_lowercase();
                let len: usize = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
                if have >= h + 4 + len { assert!(head.starts_with("http/1.1 201"), "{head} {}", String::from_utf8_lossy(&text[h..])); break; }
              }
            }
            n.fetch_add(1, Ordering::Relaxed); i += 1;
          }
        });
      }
      while let Some(r) = set.join_next().await { r.unwrap(); }
    });
        rustix_thread_cpu()
    });
    let client_cpu = tokio::task::spawn_blocking(move || client_cpu.join().unwrap()).await.unwrap();
    let (w, c) = (t.elapsed().as_secs_f64(), cpu() - c);
    let n = n.load(Ordering::Relaxed);
    println!(
        "http  clients {clients:3}: {:8.0}/s   cpu {:6.1} us each, of which client {:6.1}",
        n as f64 / w,
        c * 1e6 / n as f64,
        client_cpu * 1e6 / n as f64
    );
    sw.send(true).unwrap();
    served.await.unwrap().unwrap();
}
fn rustix_thread_cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    let a: Vec<f64> =
        s.rsplit(')').next().unwrap().split_whitespace().filter_map(|x| x.parse().ok()).collect();
    (a[10] + a[11]) / 100.0
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let what = args.get(1).map(String::as_str).unwrap_or("all");
    let secs: u64 = std::env::var("SECS").ok().map_or(5, |s| s.parse().unwrap());
    let pg = std::env::var("PG").ok();
    let dir = tempfile::Builder::new()
        .prefix("probe-")
        .tempdir_in(std::env::var("DIR").unwrap_or("/tmp".into()))
        .unwrap();
    println!("fsync/s {:.0}", fsync_rate(dir.path()));
    let clients: Vec<usize> = std::env::var("CLIENTS")
        .unwrap_or("1,8,64,256".into())
        .split(',')
        .map(|x| x.parse().unwrap())
        .collect();
    if what != "http" {
        for audited in [true, false] {
            let engine = match &pg {
                Some(url) => EngineConfig::Postgres {
                    url: Secret::new(url.clone()),
                    schema: Some("store".into()),
                    connections: 16,
                },
                None => EngineConfig::Sqlite { path: dir.path().join(format!("s{audited}.db")), readers: 4 },
            };
            let store = Store::open(
                &StoreConfig {
                    engine,
                    node: "local".into(),
                    deadlines: Deadlines { wait_ms: 60_000, ..Deadlines::default() },
                },
                Timestamp::from_seconds(1),
            )
            .await
            .unwrap();
            for &c in &clients {
                store_level(store.clone(), c, secs, audited).await;
            }
            store.close().await;
        }
    }
    if what != "store" {
        let mut config = Config::load(None, []).unwrap();
        config.data_dir = dir.path().join("data");
        config.database = match &pg {
            Some(url) => yinxin::config::Database::Postgres {
                url: Secret::new(url.clone()),
                schema: Some("http".into()),
            },
            None => yinxin::config::Database::Sqlite { path: dir.path().join("h.db") },
        };
        config.limits.light_requests = 1000;
        config.limits.connections_per_address = 2000;
        config.limits.connections = 2000;
        init_at_cost(&config, Sources::default(), UnlockCost::FLOOR).await.unwrap();
        for &c in &clients {
            http_level(&config, c, secs).await;
        }
    }
}
