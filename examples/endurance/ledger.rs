//! The ledger: what was asked under which name and idempotency key, and what was answered. After a recovery everything is read
//! back over REST and compared with it.
//!
//! * *lost*: answered, and not there, or not as it was answered;
//! * *twice*: there more often than it was asked for;
//! * *half*: begun and neither done nor taken back: a seal in the making, a stamp intended and never ended, an effect without
//!   its audit record or the other way round.

use crate::{
    daemon::Start,
    http::{Ask, Client, Place},
    json::Figures,
    office::Office,
    trouble::{Outcome, Trouble},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};
use yinxin_pki::{sm3, x509::Crl};

/// Rows of one page of a list.
const PAGE: usize = 500;
/// Complaints that are told in words.
const TOLD: usize = 20;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    Apply,
    Approve,
    Make,
    Stamp,
    Revoke,
}

/// One line: a deed, and what the answer promised.
#[derive(Debug, Clone)]
struct Line {
    deed: Deed,
    /// What nobody else asks for: the seal's name, the stamp's purpose; of other deeds the seal's id or the serial number.
    name: String,
    /// `None` while nothing was answered.
    promised: Option<Promise>,
}

/// What an answer promised.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Promise {
    /// The id of what was made.
    pub id: String,
    /// SM3 (hex) of the bytes handed out; empty where there are none.
    pub sm3: String,
}

/// All lines. Shared by the clients.
#[derive(Debug, Default)]
pub struct Ledger {
    lines: Mutex<Vec<Line>>,
    /// Answers that no client should ever get.
    surprises: Mutex<Vec<String>>,
}

/// What a comparison found.
#[derive(Debug, Default, Clone)]
pub struct Findings {
    pub acknowledged: u64,
    pub lost: u64,
    pub twice: u64,
    pub half: u64,
    /// Of the halves, those that a sweep closes.
    pub open: u64,
    /// Answers that no client should ever get.
    pub refused: u64,
    /// Whether the audit chain holds.
    pub sound: bool,
    pub audit_records: u64,
    /// In words, the first of them.
    pub says: Vec<String>,
}

/// A number on the page of a line, for its client.
#[derive(Debug, Clone, Copy)]
pub struct Entry(usize);

impl Ledger {
    /// Writes down what is about to be asked.
    pub fn ask(&self, deed: Deed, name: &str) -> Entry {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(Line { deed, name: name.to_owned(), promised: None });
        Entry(lines.len() - 1)
    }

    /// Writes down what was answered.
    pub fn answered(&self, entry: Entry, promise: Promise) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get_mut(entry.0) {
            line.promised = Some(promise);
        }
    }

    /// An answer that should not have been given.
    pub fn surprised(&self, says: String) {
        self.surprises.lock().unwrap_or_else(PoisonError::into_inner).push(says);
    }

    /// How many deeds were answered.
    pub fn acknowledged(&self) -> u64 {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|line| line.promised.is_some()).count() as u64
    }

    /// Reads everything back and compares. No client may be at work.
    pub async fn compare(&self, office: &Office, place: &Place, start: &Start) -> Outcome<Findings> {
        let there = There::read(office, place).await?;
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut findings = Findings { audit_records: there.audit_records, ..Findings::default() };
        for line in &lines {
            findings.judge(line, &there);
        }
        findings.look_for_halves(&there);
        let surprises = self.surprises.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for says in surprises {
            findings.refused += 1;
            findings.says(format!("refused: {says}"));
        }
        findings.sound = chain_holds(start, &mut findings).await?;
        Ok(findings)
    }
}

impl Findings {
    /// Both together: of two data directories, say.
    pub fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.twice += other.twice;
        self.half += other.half;
        self.open += other.open;
        self.refused += other.refused;
        self.sound &= other.sound;
        self.audit_records += other.audit_records;
        self.says.extend(other.says.iter().cloned());
    }

    /// As figures of a mode.
    pub fn figures(&self, figures: Figures) -> Figures {
        figures
            .with("acknowledged", self.acknowledged)
            .with("lost", self.lost)
            .with("twice", self.twice)
            .with("half", self.half)
            .with("refused", self.refused)
            .with("audit_records", self.audit_records)
            .with("sound", self.sound)
    }

    /// Whether all is well.
    pub fn is_clean(&self) -> bool {
        self.lost + self.twice + self.half + self.refused == 0 && self.sound
    }

    fn judge(&mut self, line: &Line, there: &There) {
        let promised = line.promised.as_ref();
        self.acknowledged += u64::from(promised.is_some());
        match line.deed {
            Deed::Apply => self.once(line, there.seals_called(&line.name)),
            Deed::Stamp => self.once(line, there.done_for(&line.name)),
            Deed::Approve => self.happened(line, there, "seal.approved"),
            Deed::Make => {
                self.happened(line, there, "seal.issued");
                let found = there.seals.get(&line.name).map(|seal| seal.esl_sm3.as_str());
                let is_issued = there.recorded("seal.issued", &line.name) > 0;
                if is_issued && promised.is_some_and(|promise| found != Some(&promise.sm3)) {
                    self.lose(line, "the seal data are not those that were answered");
                }
            }
            Deed::Revoke => {
                let listed = there.revoked(&line.name);
                if promised.is_some() && !listed {
                    self.lose(line, "it is not on the revocation list");
                }
            }
        }
    }

    /// What must be there once where it was answered, and at most once where it was not.
    fn once(&mut self, line: &Line, found: Vec<Promise>) {
        if found.len() > 1 {
            self.twice += 1;
            self.says(format!("twice: {line:?}: {found:?}"));
        }
        if let Some(promised) = &line.promised
            && !found.contains(promised)
        {
            self.lose(line, &format!("there is {found:?}"));
        }
    }

    /// The same for a change, by its audit records.
    fn happened(&mut self, line: &Line, there: &There, action: &str) {
        let times = there.recorded(action, &line.name);
        if times > 1 {
            self.twice += 1;
            self.says(format!("twice: {line:?}: recorded {times} times"));
        }
        if times == 0 && line.promised.is_some() {
            self.lose(line, "no audit record tells of it");
        }
    }

    /// At rest nothing is under way, and effects and their records go together.
    fn look_for_halves(&mut self, there: &There) {
        let mut halves = Vec::new();
        for (id, seal) in &there.seals {
            let issued = there.recorded("seal.issued", id);
            self.open += u64::from(seal.state == "making");
            let made = !seal.esl_sm3.is_empty() && seal.state != "approved";
            if seal.state == "making" || (seal.state == "active") != made || made != (issued == 1) {
                halves.push(format!("seal {id} is {}, issued {issued} times, {seal:?}", seal.state));
            }
            if there.recorded("seal.applied", id) != 1 {
                halves.push(format!("seal {id} has no record of its application, or several"));
            }
        }
        for stamp in &there.stamps {
            let recorded = there.recorded("seal.stamped", &stamp.id);
            self.open += u64::from(stamp.state == "intended");
            if stamp.state == "intended" || (stamp.state == "done") != (recorded == 1) {
                halves.push(format!("stamp {} is {}, recorded {recorded} times", stamp.id, stamp.state));
            }
        }
        for ((action, subject), times) in &there.records {
            let known = match action.as_str() {
                "seal.applied" | "seal.issued" => there.seals.contains_key(subject),
                "seal.stamped" => there.stamps.iter().any(|stamp| stamp.id == *subject),
                "authority.certificate_issued" | "authority.certificate_revoked" => *times == 1,
                _ => true,
            };
            if !known {
                halves.push(format!("{action} of {subject} is recorded {times} times, and is not there"));
            }
        }
        self.half += halves.len() as u64;
        halves.into_iter().for_each(|says| self.says(format!("half: {says}")));
    }

    fn lose(&mut self, line: &Line, says: &str) {
        self.lost += 1;
        self.says(format!("lost: {line:?}: {says}"));
    }

    fn says(&mut self, says: String) {
        if self.says.len() < TOLD {
            self.says.push(says);
        }
    }
}

/// What the daemon has.
struct There {
    seals: BTreeMap<String, SealRow>,
    stamps: Vec<StampRow>,
    by_purpose: BTreeMap<String, Vec<usize>>,
    by_name: BTreeMap<String, Vec<String>>,
    /// How often an action on a subject is recorded.
    records: BTreeMap<(String, String), u64>,
    audit_records: u64,
    /// The list of each issuing authority there ever was.
    lists: Vec<Crl>,
}

#[derive(Debug)]
struct SealRow {
    name: String,
    state: String,
    esl_sm3: String,
}

#[derive(Debug)]
struct StampRow {
    id: String,
    state: String,
    purpose: String,
    product_sm3: String,
}

impl There {
    async fn read(office: &Office, place: &Place) -> Outcome<Self> {
        let mut client = Client::to(place);
        let mut seals = BTreeMap::new();
        let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in pages(&mut client, &office.approver, "/api/v1/seals").await? {
            let seal =
                SealRow { name: of(&row, "name"), state: of(&row, "state"), esl_sm3: of(&row, "esl_sm3") };
            by_name.entry(seal.name.clone()).or_default().push(of(&row, "id"));
            seals.insert(of(&row, "id"), seal);
        }
        let rows = pages(&mut client, &office.approver, "/api/v1/stamps").await?;
        let stamps: Vec<StampRow> = rows.iter().map(stamp).collect();
        let mut by_purpose: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, stamp) in stamps.iter().enumerate() {
            by_purpose.entry(stamp.purpose.clone()).or_default().push(at);
        }
        let (records, audit_records) = records(&mut client, &office.auditor).await?;
        let lists = lists(&mut client).await?;
        Ok(Self { seals, stamps, by_purpose, by_name, records, audit_records, lists })
    }

    fn seals_called(&self, name: &str) -> Vec<Promise> {
        let ids = self.by_name.get(name).into_iter().flatten();
        ids.map(|id| Promise { id: id.clone(), sm3: String::new() }).collect()
    }

    fn done_for(&self, purpose: &str) -> Vec<Promise> {
        let stamps = self.by_purpose.get(purpose).into_iter().flatten().map(|at| &self.stamps[*at]);
        let done = stamps.filter(|stamp| stamp.state == "done");
        done.map(|stamp| Promise { id: stamp.id.clone(), sm3: stamp.product_sm3.clone() }).collect()
    }

    fn recorded(&self, action: &str, subject: &str) -> u64 {
        self.records.get(&(action.to_owned(), subject.to_owned())).copied().unwrap_or_default()
    }

    fn revoked(&self, serial: &str) -> bool {
        let named = |serial: &[u8]| self.lists.iter().any(|list| list.revoked(serial).is_some());
        hex::decode(serial).is_ok_and(|serial| named(&serial))
    }
}

async fn lists(client: &mut Client) -> Outcome<Vec<Crl>> {
    let mut lists = Vec::new();
    for number in 1.. {
        let answer = client.ask(&Ask::get(format!("/pki/issuing/{number}/ca.crl"))).await?;
        if answer.status == 404 {
            break;
        }
        let list = Crl::parse(&answer.good()?.body);
        lists.push(list.map_err(|error| Trouble::failed(format!("{error:?}")))?);
    }
    Ok(lists)
}

fn stamp(row: &Value) -> StampRow {
    let text = |name| of(row, name);
    StampRow {
        id: text("id"),
        state: text("state"),
        purpose: text("purpose"),
        product_sm3: text("product_sm3"),
    }
}

/// All rows of a list that goes on after an id.
async fn pages(client: &mut Client, key: &str, path: &str) -> Outcome<Vec<Value>> {
    let mut rows = Vec::new();
    let mut after = String::new();
    loop {
        let ask = Ask::get(format!("{path}?limit={PAGE}&after={after}")).by(key);
        let page = client.ask(&ask).await?.good()?.json();
        let page = page["items"].as_array().cloned().unwrap_or_default();
        let is_last = page.len() < PAGE;
        after = page.last().map(|row| of(row, "id")).unwrap_or_default();
        rows.extend(page);
        if is_last {
            return Ok(rows);
        }
    }
}

/// How often each action on each subject is recorded, and how many records there are. Every number stands once.
async fn records(client: &mut Client, key: &str) -> Outcome<(BTreeMap<(String, String), u64>, u64)> {
    let (mut records, mut seen) = (BTreeMap::new(), BTreeSet::new());
    let mut before = String::new();
    loop {
        let ask = Ask::get(format!("/api/v1/audit/records?limit=1000{before}")).by(key);
        let page = client.ask(&ask).await?.good()?.json();
        let page = page["items"].as_array().cloned().unwrap_or_default();
        for record in &page {
            if seen.insert(record["id"].as_i64()) {
                *records.entry((of(record, "action"), of(record, "subject"))).or_default() += 1;
            }
        }
        match page.last() {
            Some(last) if page.len() == 1000 => before = format!("&before={}", last["id"]),
            _ => return Ok((records, seen.len() as u64)),
        }
    }
}

/// What `yinxin audit verify` says, beside the running daemon.
async fn chain_holds(start: &Start, findings: &mut Findings) -> Outcome<bool> {
    let key = start.data.join("officer-keys").join("auditor").display().to_string();
    let said = start.command(["audit", "verify", "--key-file", &key]).await?;
    let holds = said.code == 0 && said.out.contains("the chain holds");
    if !holds {
        findings.says(format!("audit verify: {} {}", said.out.trim(), said.err.trim()));
    }
    Ok(holds)
}

fn of(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

/// SM3 as the register writes it.
pub fn sm3_hex(octets: &[u8]) -> String {
    hex::encode(sm3::digest(octets))
}
