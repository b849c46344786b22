//! `yinxin demo`: everything from nothing, on made-up people and a made-up office: keystore, authority, officers, seals,
//! stamped documents and their reports; then the daemon, to look around in.
//!
//! Each step leaves its result in `demo.json`, so a second run goes on where the first one stopped.

use super::{
    CliError,
    door::{Ask, Door, PATIENCE},
    files,
    manager::Manager,
    officer, serve,
    stamp::{Wanted, stamp},
};
use crate::{
    app::{self, App, Sources},
    config::Config,
};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// The made-up office; its credit code has the right check digits and belongs to nobody.
const OWNER: (&str, &str) = ("临江市人民政府办公室", "11440100MB2C000137");
const ONE_PAGE: &[u8] = include_bytes!("../../fixtures/pdf/one-page.pdf");
const MANY_PAGES: &[u8] = include_bytes!("../../fixtures/pdf/many-pages.pdf");
/// How many steps are told.
const STEPS: usize = 11;

pub(super) fn command() -> Command {
    Command::new("demo")
        .about("Shows everything from nothing in ./yinxin-demo, then serves it on 127.0.0.1:8080")
        .long_about(
            "Shows everything from nothing: PKI, officers, seals, stamped PDFs, their reports, the daemon with its pages.\n\n\
             All data lies under ./yinxin-demo (--dir changes it). A second run goes on where the first one stopped. \
             The passphrase and the officers' keys lie beside the data: for the demonstration only.",
        )
        .arg(super::listen())
        .arg(Arg::new("once").long("once").action(ArgAction::SetTrue).help("Ends after the job instead of serving"))
}

pub(super) async fn run(config: Config, matches: &ArgMatches) -> Result<(), CliError> {
    let entrances = if matches.get_flag("once") {
        None
    } else {
        Some(serve::bind(&config, app::Handed::default()).await?)
    };
    let mut told = 0;
    let mut tell = |says: String| {
        told += 1;
        say!("[{told:>2}/{STEPS}] {says}");
    };
    if app::is_initialised(&config) {
        tell(format!("going on in {}", config.data_dir.display()));
    } else {
        app::init(&config, Sources::default()).await?;
        tell(format!(
            "keystore, certificate authority, time-stamp authority and first officers made in {}",
            config.data_dir.display()
        ));
    }
    let door = Door::inside(App::open(&config).await?)?;
    let stage = Stage { door, folder: config.data_dir.clone(), state: State::load(&config.data_dir)? };
    let verdicts = stage.play(&mut tell).await;
    stage.door.close().await;
    let (verdicts, folder) = (verdicts?, config.data_dir.display());
    say!("\nstamped files and reports: {folder}/stamped");
    for (file, verdict) in verdicts {
        say!("  {verdict:<10} {file}");
    }
    say!(
        "verify one yourself:\n  yinxin verify {folder}/stamped/notice.pdf --trust {folder}/root.cer --cert {folder}/issuing.cer \
         --crl {folder}/ca.crl"
    );
    let Some(entrances) = entrances else { return Ok(()) };
    let url = &config.public_url;
    say!("\nopen {url}/verify to drop a file, {url}/api/v1/openapi.json for REST; Ctrl-C ends it");
    let running = serve::log(&config);
    let app = App::open(&config).await?;
    serve::listen(&config, app, entrances, &Manager::default(), running).await
}

/// What the demo has made so far, by name.
struct State {
    path: PathBuf,
    made: std::sync::Mutex<Map<String, Value>>,
}

impl State {
    fn load(folder: &Path) -> Result<Self, CliError> {
        let path = folder.join("demo.json");
        let made = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| {
                CliError::failed(format!("{} is not what the demo wrote; remove it", path.display()))
            })?,
            Err(_) => Map::new(),
        };
        Ok(Self { path, made: std::sync::Mutex::new(made) })
    }

    fn find(&self, name: &str) -> Option<String> {
        let made = self.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        made.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    fn keep(&self, name: &str, value: &str) -> Result<(), CliError> {
        let mut made = self.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        made.insert(name.to_owned(), value.into());
        files::write(&self.path, serde_json::to_string_pretty(&*made).unwrap_or_default().as_bytes())
    }
}

/// A seal of the demo.
struct Part {
    name: &'static str,
    title: &'static str,
    look: Value,
    version: u8,
}

/// The service and what was made on it.
struct Stage {
    door: Door,
    folder: PathBuf,
    state: State,
}

impl Stage {
    async fn play(&self, tell: &mut impl FnMut(String)) -> Result<Vec<(String, String)>, CliError> {
        self.publish_certificates().await?;
        tell(
            "root, issuing certificate and revocation list written to root.cer, issuing.cer and ca.crl"
                .into(),
        );
        let operator = self.officer("operator", "张明（印章操作员）", "seal_operator").await?;
        tell("officer 张明, seal operator: applies, makes, stamps".into());
        let approver = self.officer("approver", "李华（印章审批员）", "seal_approver").await?;
        tell("officer 李华, seal approver: approves what others applied for".into());
        let maker = self.maker().await?;
        let owner = self.owner(&operator).await?;
        tell(format!("seal maker 示范印章制作中心 and seal owner {} registered", OWNER.0));
        let mut seals = Vec::new();
        for part in parts() {
            let seal = self.seal(&part, &owner, &maker, &operator, &approver).await?;
            tell(format!(
                "{} applied for, approved by another person, made (seal data version {})",
                part.title, part.version
            ));
            seals.push(seal);
        }
        let verdicts = self.documents(&seals, &operator, tell).await?;
        let auditor = self.key("auditor")?;
        let chain = self.door.json(Some(&auditor), Ask::get("/api/v1/audit/verification")).await?;
        let sound = if chain["sound"] == true { "holds" } else { "DOES NOT HOLD" };
        tell(format!("the audit chain {sound}"));
        Ok(verdicts)
    }

    async fn publish_certificates(&self) -> Result<(), CliError> {
        for name in ["root.cer", "issuing.cer", "ca.crl"] {
            let answer = self.door.ask(None, Ask::get(&format!("/pki/{name}"))).await?.good()?;
            files::write(&self.folder.join(name), &answer.body)?;
        }
        Ok(())
    }

    fn key(&self, role: &str) -> Result<String, CliError> {
        files::read_key(&self.folder.join("officer-keys").join(role))
    }

    /// Registers an officer and answers the API key.
    async fn officer(&self, part: &str, name: &str, role: &str) -> Result<String, CliError> {
        let file = self.folder.join("officer-keys").join(part);
        if file.exists() {
            return files::read_key(&file);
        }
        let security = self.key("security_administrator")?;
        let (id, clear) = officer::add(&self.door, &security, name, &[role.to_owned()]).await?;
        files::write_private(&file, clear.as_bytes())?;
        self.state.keep(part, &id)?;
        Ok(clear)
    }

    async fn made(&self, name: &str, key: &str, path: &str, body: Value) -> Result<String, CliError> {
        if let Some(id) = self.state.find(name) {
            return Ok(id);
        }
        // Should the id not reach the file, the same key brings the same answer in the next run.
        let once = format!("demo-{name}");
        let ask = Ask { idempotency_key: Some(&once), ..Ask::post(path, &body) };
        let answer = self.door.json(Some(key), ask).await?;
        let id = officer::text(&answer, "id")?;
        self.state.keep(name, &id)?;
        Ok(id)
    }

    async fn maker(&self) -> Result<String, CliError> {
        let system = self.key("system_administrator")?;
        let body = json!({ "name": "示范印章制作中心", "vendor": "YINXIN" });
        self.made("maker", &system, "/api/v1/makers", body).await
    }

    async fn owner(&self, operator: &str) -> Result<String, CliError> {
        let body = json!({ "name": OWNER.0, "credit_code": OWNER.1, "kind": "organisation" });
        self.made("owner", operator, "/api/v1/owners", body).await
    }

    async fn seal(
        &self,
        part: &Part,
        owner: &str,
        maker: &str,
        operator: &str,
        approver: &str,
    ) -> Result<String, CliError> {
        let body = json!({
            "owner": owner, "maker": maker, "name": part.title, "look": part.look, "version": part.version,
        });
        let id = self.made(part.name, operator, "/api/v1/seals", body).await?;
        let path = format!("/api/v1/seals/{id}");
        for _ in 0..3 {
            let seal = self.door.json(Some(operator), Ask::get(&path)).await?;
            let (key, act) = match seal["state"].as_str() {
                Some("applied") => (approver, "approve"),
                Some("approved") => (operator, "make"),
                _ => break,
            };
            self.door.json(Some(key), Ask::post(&format!("{path}/{act}"), &Value::Null)).await?;
        }
        let picture =
            self.door.ask(Some(operator), Ask::get(&format!("{path}/picture.png"))).await?.good()?;
        files::write(&self.folder.join("seals").join(format!("{}.png", part.name)), &picture.body)?;
        let esl = self.door.ask(Some(operator), Ask::get(&format!("{path}/seal.esl"))).await?.good()?;
        files::write(&self.folder.join("seals").join(format!("{}.esl", part.name)), &esl.body)?;
        Ok(id)
    }

    /// Stamps the samples, and has every product verified; one is tampered with, to show what is said then.
    async fn documents(
        &self,
        seals: &[String],
        operator: &str,
        tell: &mut impl FnMut(String),
    ) -> Result<Vec<(String, String)>, CliError> {
        let [official, special] = seals else { return Err(CliError::failed("the demo has two seals")) };
        let at = |seal: &str, page, x_mm, y_mm, time_stamp| Wanted {
            seal: seal.to_owned(),
            page,
            x_mm,
            y_mm,
            purpose: Some("示范用印".into()),
            time_stamp,
        };
        let mut verdicts = Vec::new();
        let notice = self
            .stamped("notice.pdf", operator, &at(official, 1, 148.0, 222.0, true), ONE_PAGE.to_vec())
            .await?;
        tell("notice.pdf stamped, with a time stamp".into());
        let first = self
            .stamped("report.pdf", operator, &at(official, 1, 105.0, 200.0, false), MANY_PAGES.to_vec())
            .await?;
        let twice =
            self.stamped("report-two-seals.pdf", operator, &at(special, 1, 60.0, 200.0, true), first).await?;
        tell("report.pdf stamped, then a second time with another seal".into());
        let broken = tampered(&notice);
        files::write(&self.folder.join("stamped/notice-tampered.pdf"), &broken)?;
        for (name, file) in
            [("notice.pdf", notice), ("report-two-seals.pdf", twice), ("notice-tampered.pdf", broken)]
        {
            let verdict = self.verified(name, file).await?;
            verdicts.push((name.to_owned(), verdict));
        }
        tell("all of them verified, a tampered copy too; reports written beside".into());
        Ok(verdicts)
    }

    async fn stamped(
        &self,
        name: &str,
        key: &str,
        wanted: &Wanted,
        document: Vec<u8>,
    ) -> Result<Vec<u8>, CliError> {
        let out = self.folder.join("stamped").join(name);
        if out.exists() {
            return files::read(&out, files::FILE_BYTES);
        }
        let once = format!("demo-stamp-{name}");
        let (_, content) = stamp(&self.door, key, wanted, document, Some(&once)).await?;
        files::write(&out, &content)?;
        Ok(content.to_vec())
    }

    async fn verified(&self, name: &str, file: Vec<u8>) -> Result<String, CliError> {
        let ask = Ask {
            method: axum::http::Method::POST,
            path: "/api/v1/verifications",
            content: "application/pdf",
            body: file.into(),
            idempotency_key: None,
            patience: PATIENCE,
        };
        let report = self.door.json(None, ask).await?;
        let pretty = serde_json::to_string_pretty(&report).unwrap_or_default();
        files::write(&self.folder.join("stamped").join(format!("{name}.report.json")), pretty.as_bytes())?;
        officer::text(&report, "verdict")
    }
}

fn parts() -> [Part; 2] {
    [
        Part {
            name: "official",
            title: "临江市人民政府办公室",
            look: json!({ "by": "preset", "preset": "department", "with_code": true }),
            version: 4,
        },
        Part {
            name: "special",
            title: "临江市人民政府办公室业务专用章",
            look: json!({ "by": "preset", "preset": "special", "line": "业务专用章" }),
            version: 5,
        },
    ]
}

/// A copy with one bit of the page's content changed.
fn tampered(file: &[u8]) -> Vec<u8> {
    let mut copy = file.to_vec();
    let start =
        file.windows(7).position(|word| word == b"stream\n" || word == b"stream\r").unwrap_or_default();
    if let Some(octet) = copy.get_mut(start + 200) {
        *octet ^= 1;
    }
    copy
}
