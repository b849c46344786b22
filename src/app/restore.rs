//! Restoring a backup into an empty place, as an offline command of whoever holds the machine, the recipient's private key and
//! the keystore's passphrase: no daemon is there to ask, and no officer to sign in before the backup is back.
//!
//! All or nothing: the database appears under its name, or is committed, when everything was compared. What the file of heads
//! outside knows beyond the backup is not hidden: it is said there under signature, and recorded.

use super::{AppError, Sources, first, node::Seat, paths, store_config};
use crate::{
    audit::{self, Acceptance, Entry, Hand, HeadKeys, HeadsPlace, KeyLine, Prepared, RESTORED, Restoration},
    backup::{self, BackupReport, Loaded, RecipientKey},
    base::{Secret, Timestamp},
    config::Config,
    keys::{KeyPurpose, KeysError, Keystore},
};
use serde_json::json;
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};
use yinxin_pki::sign::Signer;

/// What is asked.
pub struct Restore<'r> {
    /// The backup.
    pub from: Box<dyn Read + 'r>,
    /// The recipient's private key.
    pub key: &'r RecipientKey,
    /// Why; recorded.
    pub reason: String,
    /// Whether a backup is taken whose audit chain does not hold.
    pub accept_defects: bool,
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// What the backup holds.
    pub report: BackupReport,
    /// What had been signed beyond it and is lost.
    pub lost: Option<Restoration>,
    /// The file of heads.
    pub heads_file: PathBuf,
}

/// Restores a backup. Blocking within: for commands.
///
/// # Errors
/// [`AppError::Restore`] where the passphrase is missing or wrong, the chain inside does not hold, or the data directory
/// belongs to another service; [`AppError::Backup`] for everything about the backup and the place. Nothing is restored then.
pub async fn restore(config: &Config, sources: Sources, asked: Restore<'_>) -> Result<Restored, AppError> {
    let passphrase = passphrase(config)?;
    first::private_dir(&config.data_dir)?;
    let Sources { clock, entropy } = sources;
    // Which node this will be is known when the backup has been read.
    let (mut store, now) = (store_config(config, "restoring"), clock.now());
    let mut loaded = backup::load(asked.from, asked.key, &store, &config.data_dir, &*entropy, now).await?;
    check_chain(&loaded.report, asked.accept_defects)?;
    let seat = Seat::restored(config, &*entropy, &loaded.report.manifest.beginning.node).await?;
    store.node = seat.name().to_owned();
    loaded.fill.be(seat.name());
    let signer = vouched(&mut loaded, &passphrase).await?;
    let place = paths::heads(config);
    let mut placed = PlacedHeads::put(config, &place, &loaded, &store.node)?;
    let keys = HeadKeys::new(loaded.report.manifest.beginning.audit_keys.iter().filter_map(KeyLine::key));
    let hand = Hand { signer, entropy, now };
    // The other nodes of the service that made the backup are not at work on this database.
    audit::chain_all_waiting(loaded.fill.tx()).await?;
    let prepared = audit::prepare_restoration(loaded.fill.tx(), &store.node, &place, &keys, hand).await?;
    let entry = entry(&loaded.report, prepared.as_ref(), &asked.reason, now);
    audit::append(loaded.fill.tx(), &entry).await?;
    let Loaded { fill, report, .. } = loaded;
    fill.keep().await?;
    placed.keep();
    let lost = prepared.as_ref().map(|prepared| prepared.restoration().clone());
    if let Some(prepared) = prepared {
        prepared.write().await?;
    }
    first::mark_initialised(config)?;
    Ok(Restored { report, lost, heads_file: place.file })
}

fn refused(says: impl Into<String>) -> AppError {
    AppError::Restore { says: says.into() }
}

fn passphrase(config: &Config) -> Result<Secret<String>, AppError> {
    let source = paths::passphrase(config);
    if !source.path().exists() {
        return Err(refused(format!(
            "the keystore's passphrase is not at {}: it is in no backup; put the one that the service had there (mode \
             0600), then restore",
            source.path().display()
        )));
    }
    Ok(source.read()?)
}

fn check_chain(report: &BackupReport, accept_defects: bool) -> Result<(), AppError> {
    match report.audit.defects.first() {
        Some(defect) if !accept_defects => Err(refused(format!(
            "the audit chain inside the backup does not hold ({defect}); `yinxin backup verify` tells all; nothing was \
             restored. --accept-defects restores it nevertheless, and that is recorded"
        ))),
        _ => Ok(()),
    }
}

/// The audit key that signed the backup, opened with the operator's passphrase: what vouches for the backup. Whoever only
/// knows the recipient's public key can make up a backup, and not this.
async fn vouched(loaded: &mut Loaded, passphrase: &Secret<String>) -> Result<Arc<dyn Signer>, AppError> {
    let key = loaded.report.signing_key.clone();
    match Keystore::signer_within(loaded.fill.tx(), passphrase, KeyPurpose::Audit, &key).await {
        Ok(Some(signer)) => Ok(signer),
        Ok(None) => Err(refused(
            "the key that signed the backup is not in the keystore inside: somebody else made it up; nothing was restored",
        )),
        Err(KeysError::WrongPassphrase { .. }) => Err(refused(
            "the passphrase that is here does not open the keystore inside the backup: it is another service's, or the \
             passphrase was changed since; nothing was restored",
        )),
        Err(error) => Err(error.into()),
    }
}

fn entry(report: &BackupReport, prepared: Option<&Prepared>, reason: &str, now: Timestamp) -> Entry {
    let from = &report.manifest.beginning;
    let from = json!({
        "backup": from.id,
        "at": from.at,
        "node": from.node,
        "engine": from.engine,
        "release": from.release,
        "manifest_sm3": report.manifest_sm3,
        "defects": report.audit.defects.len(),
    });
    let acceptance = Acceptance {
        actor: "system".into(),
        request: "restore".into(),
        reason: reason.to_owned(),
        detail: from.clone(),
    };
    match prepared {
        Some(prepared) => prepared.entry(acceptance),
        None => Entry {
            actor: acceptance.actor,
            action: RESTORED,
            subject: report.manifest.beginning.id.clone(),
            detail: json!({ "reason": reason, "from": from }),
            request: acceptance.request,
            at: now,
        },
    }
}

/// The file of heads, brought to its place. Where the restoring comes to nothing, a file that was made for it goes again.
struct PlacedHeads {
    made: Option<PathBuf>,
}

impl PlacedHeads {
    /// Heads that are here stay: they may know more than the backup. Where there are none, the witness's are taken, else the
    /// backup's own.
    fn put(config: &Config, place: &HeadsPlace, loaded: &Loaded, node: &str) -> Result<Self, AppError> {
        let from = &loaded.report.manifest.beginning.node;
        if from != node {
            // They are another node's, and go on there; here they are for whoever checks.
            let copy = config.data_dir.join(format!("audit-heads.{from}.jsonl"));
            Self::follow(&copy, loaded.heads())?;
            return Ok(Self { made: Some(copy) });
        }
        let placed = Self { made: (!has_content(&place.file)).then(|| place.file.clone()) };
        if let Some(witness) = place.witness.as_ref().filter(|witness| has_content(witness)) {
            Self::follow(&place.file, witness)?;
        }
        // Where they go on in another way, they are ahead, or another service's: that is judged next.
        Self::follow(&place.file, loaded.heads())?;
        Ok(placed)
    }

    fn follow(path: &Path, source: &Path) -> Result<bool, AppError> {
        audit::follow(path, source).map_err(|error| AppError::File { path: path.to_owned(), error })
    }

    fn keep(&mut self) {
        self.made = None;
    }
}

impl Drop for PlacedHeads {
    fn drop(&mut self) {
        if let Some(made) = &self.made {
            // An empty file in its place would do no harm either.
            let _ = fs::remove_file(made);
        }
    }
}

fn has_content(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.len() > 0)
}
