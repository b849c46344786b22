//! Backups of the whole service in one file, which can be read without this program.
//!
//! # The file, from its first octet
//!
//! Numbers are big-endian. All of it is made in one pass and can be read in one.
//!
//! **Head**: `YXBACKUP`; format, 2 octets, 1; suite, 2 octets, 1; how many recipients, 1 octet, 1 to 8; then for each
//! recipient 121 octets: its name (the first 8 octets of the SM3 of its uncompressed public point), an encapsulated key (65
//! octets), and the file's key, 32 octets, encrypted to it (48 octets): RFC 9180 in base mode with DHKEM(P-256, HKDF-SHA256),
//! HKDF-SHA256 and AES-256-GCM, info `yinxin backup 1 file key`, no associated data, the first message.
//!
//! **Chunks** of AES-256-GCM, each of 65536 octets of clear text and 16 of tag; only the last one may be shorter. Their key:
//! HKDF-SHA256 of the file's key, salt the SHA-256 of the whole head, info `yinxin backup 1 chunks`. The nonce of a chunk: its
//! number from 0 in 11 octets, then 1 for the last chunk and 0 for all others. No associated data. So no chunk can be
//! changed, left out, doubled or moved, and the last one is known to be the last.
//!
//! **Records**, in the clear text of the chunks one after the other: kind, 1 octet; length, 4 octets; body.
//! * `B`, JSON: what this is ([`Beginning`]). The first one.
//! * `F`, JSON `{"name"}`: a file begins; `D` records follow with its octets.
//! * `T`, JSON [`store::Table`](crate::store::Table)'s name, columns and key: a table begins; `R` records follow, one for each
//!   row in the order of the primary key (texts octet by octet); of `audit` first the chained records in the order of `node`,
//!   `seq`, `id`, then the others in the order of `node`, `id`. A row is its cells in the order of the columns, each a mark
//!   and a value: `0` nothing; `1` a whole number, 8 octets; `2` a text (UTF-8) and `3` octets, each behind its length in 4
//!   octets. Truth values are numbers 0 and 1.
//! * `M`, JSON [`Manifest`]: counts and SM3 of every table (over the bodies of its rows) and file, the ends of the audit chains,
//!   the public parts of the audit keys.
//! * `S`, JSON [`Signature`]: by the service's audit key over `yinxin backup manifest 1`, a newline, and the body of `M`. The
//!   last one.
//!
//! What it holds: the rows of every table at one instant, and the file of signed audit heads. What it does not hold, and has to
//! be kept apart: **the keystore's passphrase**, without which the keys inside open to nobody; the configuration; officers' API
//! keys in clear text.
//!
//! # Who can do what with it
//!
//! The service holds the public half of the recipients only: whoever takes a backup, or the server, reads no older backup.
//! Whoever has the public half could make up a backup, but not sign its manifest: restoring opens the keystore inside with
//! the operator's passphrase, which vouches for the audit key, which vouches for the manifest.

mod envelope;
mod error;
mod frame;
mod hpke;
mod load;
mod make;
mod manifest;
mod part;
mod read;
mod recipient;
mod verify;

pub use error::BackupError;
pub use load::{Loaded, load};
pub use make::{Made, Making, make};
pub use manifest::{Beginning, FileEntry, Manifest, Signature, TableEntry};
pub use part::{PartFile, keep_newest, sweep};
pub use recipient::{KeyFile, RECIPIENTS_MAX, Recipient, RecipientKey};
pub use verify::{BackupReport, HeadsComparison, verify};

use crate::{
    audit::{self, Filter},
    base::Timestamp,
    store::{Rx, StoreError},
};

crate::id_type!(
    /// A backup.
    BackupId,
    "backup"
);

/// The name of the file of audit heads in a backup.
pub const HEADS_FILE: &str = "audit-heads.jsonl";

/// The action under which a backup that was made stands in the record.
pub const MADE: &str = "service.backed_up";

/// When the last backup was recorded.
pub async fn last_at(rx: &mut Rx) -> Result<Option<Timestamp>, StoreError> {
    let made = Filter { action: Some(MADE.into()), ..Filter::default() };
    Ok(audit::query(rx, &made, 1).await?.first().map(|record| record.at))
}

/// Where the rows of a table come from, in which order: by their primary key, except the chains, which are read as such.
fn parts(table: &crate::store::Table) -> Vec<crate::store::Part> {
    use crate::store::Part;
    match table.name.as_str() {
        "audit" => vec![
            Part { filter: "seq IS NOT NULL", order: "node, seq, id" },
            Part { filter: "seq IS NULL", order: "node, id" },
        ],
        _ => vec![Part::ALL],
    }
}
