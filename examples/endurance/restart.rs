//! `restart`: COUNT seals and COUNT stamps on disk, with their keys, certificates, events, idempotency keys and audit records;
//! the daemon is killed under load and started again: how long until its first answers, how much memory, and whether that
//! grows with what is on disk.
//!
//! One seal and one stamp are made over REST; their rows are multiplied by SQL, under ids, codes, serial numbers and digests
//! of their own, at their real size. The audit records of the copies are chained and signed by the daemon itself. What is
//! not real: the copies' keys and certificates have the contents of the first and open nothing. What a stamp appended is kept
//! for a day, so a tenth of the copies have it.

use crate::{
    daemon::{Daemon, Start},
    http::{Client, Place},
    json::Figures,
    load::{Load, Stage},
    office::{self, Office},
    plan::Plan,
    trouble::{Outcome, Trouble},
};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection, raw_sql};
use std::{
    fs::{self, File},
    path::Path,
    time::{Duration, Instant},
};

/// Kills and starts that are measured, of each kind.
const STARTS: usize = 5;
/// Load before each kill.
const LOAD: Duration = Duration::from_millis(700);
const CLIENTS: u64 = 4;
/// A start longer than this is too slow.
const SLOW_MS: f64 = 2_000.0;
/// Copies made in one transaction.
const CHUNK: u32 = 10_000;
/// Longest wait until the copies' audit records are chained.
const CHAINED_WITHIN: Duration = Duration::from_secs(1_800);

pub async fn run(plan: &Plan) -> Outcome<Figures> {
    let begun = Instant::now();
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let start = Start::on(&data);
    office::init(&start).await?;
    let daemon = start.ready().await?;
    let place = Place::at(daemon.address);
    let office = Office::found(&data, &place).await?;
    let seal = office.seal(&place, "公章").await?;
    let stamp = office.stamp(&seal, "restart", true).once("restart-template");
    Client::to(&place).ask(&stamp).await?.good()?;
    let stage = Stage::new(office, place);
    let mut ground = Ground { daemon, start, stage, seal: seal.clone(), seed: plan.seed };

    let small = ground.measure(false).await?;
    ground.daemon.terminate().await?;
    let database = data.join("yinxin.db");
    multiply(&database, &seal, plan.count).await?;
    eprintln!("restart: {} seals and stamps copied, {}", plan.count, mib(&database));
    let (records, chaining_s) = ground.chain(&database).await?;
    eprintln!("restart: {records} audit records chained in {chaining_s:.0} s");
    let warm = ground.measure(false).await?;
    let cold = ground.measure(true).await?;
    let idle = ground.idle().await?;
    let findings = ground.stage.ledger.acknowledged();
    ground.daemon.terminate().await?;
    let slow = warm.ready_ms.iter().chain(&cold.ready_ms).filter(|ms| **ms > SLOW_MS).count();
    if plan.keep {
        eprintln!("kept: {}", folder.keep().display());
    }
    Ok(Figures::of("restart")
        .with("seals", plan.count)
        .with("stamps", plan.count)
        .with("audit_records", records)
        .with("database_mib", fs::metadata(&database).map_or(0, |file| file.len() >> 20))
        .with("acknowledged", findings)
        .with("starts", warm.ready_ms.len() + cold.ready_ms.len())
        .with("ready_ms_empty", round(median(&small.ready_ms)))
        .with("ready_ms", round(median(&warm.ready_ms)))
        .with("ready_ms_max", round(max(&warm.ready_ms)))
        .with("ready_ms_cold", round(median(&cold.ready_ms)))
        .with("ready_ms_cold_max", round(max(&cold.ready_ms)))
        .with("stamp_ms_first", round(median(&warm.stamp_ms)))
        .with("rss_mib_empty", round(max(&small.rss_mib)))
        .with("rss_mib", round(max(&warm.rss_mib)))
        .with("chained_per_second", (records as f64 / chaining_s.max(0.001)) as u64)
        .with("idle_cpu_ms_a_minute", idle)
        .with("slow", slow)
        .with("seconds", begun.elapsed().as_secs()))
}

#[derive(Default)]
struct Measured {
    ready_ms: Vec<f64>,
    /// The first stamp after that.
    stamp_ms: Vec<f64>,
    rss_mib: Vec<f64>,
}

struct Ground {
    daemon: Daemon,
    start: Start,
    stage: Stage,
    /// The seal that was made first; the copies' keys open nothing.
    seal: String,
    seed: u64,
}

impl Ground {
    /// Kills under load and starts again, some times; `cold` has the kernel forget the database's pages before.
    async fn measure(&mut self, cold: bool) -> Outcome<Measured> {
        let mut measured = Measured::default();
        for round in 0..STARTS {
            let load = Load::start(&self.stage, CLIENTS, self.seed ^ round as u64);
            tokio::time::sleep(LOAD).await;
            self.daemon.kill();
            if cold {
                forget(&self.start.data.join("yinxin.db"))?;
            }
            self.daemon = self.start.ready().await?;
            self.stage.place.set(self.daemon.address);
            measured.ready_ms.push(self.daemon.start_ms);
            load.end().await?;
            measured.stamp_ms.push(self.first_stamp().await?);
            measured.rss_mib.push(self.daemon.memory_mib("VmRSS"));
        }
        Ok(measured)
    }

    /// A stamp with the seal that was made first.
    async fn first_stamp(&self) -> Outcome<f64> {
        let asked = Instant::now();
        let stamp = self.stage.office.stamp(&self.seal, "first", false);
        Client::to(&self.stage.place).ask(&stamp).await?.good()?;
        Ok(asked.elapsed().as_secs_f64() * 1e3)
    }

    /// Starts the daemon and waits until it has chained the copies' records: how many there are, and how long it took.
    async fn chain(&mut self, database: &Path) -> Outcome<(i64, f64)> {
        let begun = Instant::now();
        self.daemon = self.start.ready().await?;
        self.stage.place.set(self.daemon.address);
        let mut conn = SqliteConnection::connect(&format!("sqlite:{}?mode=ro", database.display())).await?;
        let mut count = async |sql: &'static str| {
            let row = sqlx::query(sql).fetch_one(&mut conn).await?;
            Ok::<_, Trouble>(row.try_get::<i64, _>(0)?)
        };
        while count("SELECT count(*) FROM audit WHERE seq IS NULL").await? > 0 {
            if begun.elapsed() > CHAINED_WITHIN {
                return Err(Trouble::failed("the copies' audit records are not chained in time"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let took = begun.elapsed().as_secs_f64();
        Ok((count("SELECT max(seq) FROM audit").await?, took))
    }

    /// CPU that the daemon uses while nobody asks for anything, by the minute.
    async fn idle(&self) -> Outcome<u64> {
        const LONG: Duration = Duration::from_secs(65);
        let before = self.daemon.cpu_ms();
        // Longer than the time between two sweeps.
        tokio::time::sleep(LONG).await;
        Ok(((self.daemon.cpu_ms() - before) * 60.0 / LONG.as_secs_f64()) as u64)
    }
}

/// Has the kernel write the file's pages to the disk and forget them.
fn forget(database: &Path) -> Outcome<()> {
    let file = File::open(database)?;
    file.sync_all()?;
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).map_err(Trouble::failed)
}

/// Rows of one table that belong to the template, and what is another's in each copy.
struct Rows {
    table: &'static str,
    /// Which rows, by `x`.
    which: String,
    /// Columns that are another's in copy number `n.i`.
    own: Vec<(&'static str, String)>,
    /// Columns that the database fills in.
    left_out: &'static [&'static str],
    /// Which copies have them.
    only: &'static str,
}

/// A text with its last seven characters replaced by the copy's number.
fn numbered(text: &str) -> String {
    format!("substr({text}, 1, length({text}) - 7) || printf('%07d', n.i)")
}

/// Fills a digest's 64 digits.
const DIGEST: &str = "printf('%064x', n.i)";

/// What the template, a seal with one stamp, consists of.
fn template(seal: &str) -> Vec<Rows> {
    let rows = |table, which: String, own| Rows { table, which, own, left_out: &[], only: "" };
    let id = |column: &str| numbered(&format!("x.{column}"));
    let certificate = format!("SELECT id FROM authority_cert WHERE reference = 'seal/{seal}/owner'");
    let key = format!("SELECT signer_key_id FROM seal WHERE id = '{seal}'");
    let stamps = format!("SELECT id FROM stamp WHERE seal_id = '{seal}'");
    let reference = format!("'seal/' || {} || '/owner'", numbered(&format!("'{seal}'")));
    vec![
        rows("signing_key", format!("x.id = ({key})"), vec![("id", id("id"))]),
        rows(
            "authority_cert",
            format!("x.id = ({certificate})"),
            vec![
                ("id", id("id")),
                ("reference", reference),
                ("serial", "printf('%032x', n.i)".into()),
                ("key_id", id("key_id")),
            ],
        ),
        rows(
            "seal",
            format!("x.id = '{seal}'"),
            vec![
                ("id", id("id")),
                ("code", "substr(x.code, 1, 6) || printf('%08d', 10000000 + n.i)".into()),
                ("esl_sm3", DIGEST.into()),
                ("signer_key_id", id("signer_key_id")),
            ],
        ),
        rows("seal_event", format!("x.seal_id = '{seal}'"), vec![("seal_id", id("seal_id"))]),
        rows(
            "stamp",
            format!("x.seal_id = '{seal}'"),
            vec![
                ("id", id("id")),
                ("seal_id", id("seal_id")),
                ("document_sm3", DIGEST.into()),
                ("product_sm3", DIGEST.into()),
            ],
        ),
        // Kept for a day: a tenth of all stamps were made since yesterday.
        Rows {
            only: " WHERE n.i % 10 = 0",
            ..rows("stamp_increment", format!("x.stamp_id IN ({stamps})"), vec![("stamp_id", id("stamp_id"))])
        },
        rows(
            "idempotency",
            "x.name = 'restart-template'".into(),
            vec![("name", "'restart-' || n.i".into()), ("subject", id("subject"))],
        ),
        Rows {
            left_out: &["id"],
            ..rows(
                "audit",
                format!("x.subject IN ('{seal}', ({certificate})) OR x.subject IN ({stamps})"),
                vec![
                    ("subject", id("subject")),
                    ("seq", "NULL".into()),
                    ("previous", "NULL".into()),
                    ("hash", "NULL".into()),
                ],
            )
        },
    ]
}

/// Copies the template's rows so many times.
async fn multiply(database: &Path, seal: &str, copies: u32) -> Outcome<()> {
    let mut conn = SqliteConnection::connect(&format!("sqlite:{}", database.display())).await?;
    let mut texts = Vec::new();
    for rows in template(seal) {
        // Kept apart, so that copies are not copied.
        let one =
            format!("CREATE TEMP TABLE one_{0} AS SELECT * FROM {0} AS x WHERE {1}", rows.table, rows.which);
        raw_sql(AssertSqlSafe(one)).execute(&mut conn).await?;
        texts.push(insert(&mut conn, &rows).await?);
    }
    raw_sql("CREATE TEMP TABLE n (i INTEGER PRIMARY KEY); PRAGMA synchronous = OFF")
        .execute(&mut conn)
        .await?;
    for from in (1..=copies).step_by(CHUNK as usize) {
        let to = copies.min(from + CHUNK - 1);
        let numbers = format!(
            "DELETE FROM n; WITH RECURSIVE k (i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM k WHERE i < {to}) \
             INSERT INTO n SELECT i FROM k"
        );
        let all = format!("BEGIN; {numbers}; {}; COMMIT", texts.join("; "));
        raw_sql(AssertSqlSafe(all)).execute(&mut conn).await?;
    }
    raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut conn).await?;
    conn.close().await?;
    File::open(database)?.sync_all()?;
    Ok(())
}

async fn insert(conn: &mut SqliteConnection, rows: &Rows) -> Outcome<String> {
    let table = rows.table;
    let asked = format!("SELECT name FROM pragma_table_info('{table}')");
    let found = raw_sql(AssertSqlSafe(asked)).fetch_all(conn).await?;
    let names = found.iter().map(|row| row.try_get::<String, _>(0)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<&String> = names.iter().filter(|name| !rows.left_out.contains(&name.as_str())).collect();
    let value = |name: &str| {
        let own = rows.own.iter().find(|(column, _)| *column == name);
        own.map_or_else(|| format!("x.{name}"), |(_, value)| value.clone())
    };
    let values: Vec<String> = names.iter().map(|name| value(name)).collect();
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    let (names, values) = (names.join(", "), values.join(", "));
    let only = rows.only;
    Ok(format!("INSERT INTO {table} ({names}) SELECT {values} FROM n CROSS JOIN one_{table} AS x{only}"))
}

fn mib(path: &Path) -> String {
    format!("{} MiB", fs::metadata(path).map_or(0, |file| file.len() >> 20))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn max(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
