//! The outside of a backup: a head that wraps the file's key for each recipient, then chunks under that key. See the
//! format in the room's head.

use super::{
    BackupError, Recipient, RecipientKey, hpke,
    recipient::{NAME_BYTES, RECIPIENTS_MAX},
};
use crate::base::Entropy;
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    digest, hkdf,
};
use std::io::{self, Read};
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"YXBACKUP";
const VERSION: u16 = 1;
/// RFC 9180 as in `hpke.rs`, then HKDF-SHA256 and AES-256-GCM in chunks.
const SUITE: u16 = 1;
const INFO: &[u8] = b"yinxin backup 1 file key";
const FILE_KEY_BYTES: usize = 32;
const WRAPPED_BYTES: usize = FILE_KEY_BYTES + hpke::TAG_BYTES;
const STANZA_BYTES: usize = NAME_BYTES + hpke::ENC_BYTES + WRAPPED_BYTES;
/// Octets of clear text in a chunk; only the last one may have less.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;
const SEALED_BYTES: usize = CHUNK_BYTES + hpke::TAG_BYTES;

/// Writes an envelope. What goes in comes out encrypted, chunk by chunk.
pub(super) struct Envelope {
    key: LessSafeKey,
    number: u64,
    clear: Zeroizing<Vec<u8>>,
}

impl Envelope {
    /// Begins one; the head goes into `out`.
    pub(super) fn begin(
        recipients: &[Recipient],
        entropy: &dyn Entropy,
        out: &mut Vec<u8>,
    ) -> Result<Self, BackupError> {
        if !(1..=RECIPIENTS_MAX).contains(&recipients.len()) {
            return Err(BackupError::NoRecipient);
        }
        let mut file_key = Zeroizing::new([0; FILE_KEY_BYTES]);
        entropy.fill(&mut *file_key);
        let mut head = Vec::with_capacity(13 + recipients.len() * STANZA_BYTES);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&VERSION.to_be_bytes());
        head.extend_from_slice(&SUITE.to_be_bytes());
        head.push(recipients.len() as u8);
        for recipient in recipients {
            let sealed = hpke::seal(recipient.key(), INFO, &file_key[..], entropy);
            let (enc, wrapped) = sealed.ok_or(BackupError::NoRecipient)?;
            head.extend_from_slice(&recipient.name());
            head.extend_from_slice(&enc);
            head.extend_from_slice(&wrapped);
        }
        let key = chunk_key(&file_key, &head).ok_or(BackupError::NoRecipient)?;
        out.extend_from_slice(&head);
        Ok(Self { key, number: 0, clear: Zeroizing::new(Vec::with_capacity(CHUNK_BYTES)) })
    }

    /// Takes more in; whole chunks go into `out`.
    pub(super) fn write(&mut self, mut octets: &[u8], out: &mut Vec<u8>) -> Result<(), BackupError> {
        while !octets.is_empty() {
            // A full chunk leaves only when more follows: the last one is marked.
            if self.clear.len() == CHUNK_BYTES {
                self.seal(false, out)?;
            }
            let (now, later) = octets.split_at(octets.len().min(CHUNK_BYTES - self.clear.len()));
            self.clear.extend_from_slice(now);
            octets = later;
        }
        Ok(())
    }

    /// Ends the envelope.
    pub(super) fn end(mut self, out: &mut Vec<u8>) -> Result<(), BackupError> {
        self.seal(true, out)
    }

    fn seal(&mut self, last: bool, out: &mut Vec<u8>) -> Result<(), BackupError> {
        let from = out.len();
        out.extend_from_slice(&self.clear);
        let nonce = nonce(self.number, last);
        let sealed = self.key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut out[from..]);
        let tag = sealed.map_err(|_| BackupError::damaged("the cipher refused a chunk"))?;
        out.extend_from_slice(tag.as_ref());
        self.number += 1;
        self.clear.clear();
        Ok(())
    }
}

/// 88 bits of counter, and whether it is the last chunk: no chunk can stand in another's place, or be the last unless it was.
fn nonce(number: u64, last: bool) -> Nonce {
    let mut octets = [0; 12];
    octets[3..11].copy_from_slice(&number.to_be_bytes());
    octets[11] = u8::from(last);
    Nonce::assume_unique_for_key(octets)
}

/// The chunks' key hangs on the file's key and on every octet of the head.
fn chunk_key(file_key: &[u8; FILE_KEY_BYTES], head: &[u8]) -> Option<LessSafeKey> {
    let digest = digest::digest(&digest::SHA256, head);
    let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, digest.as_ref()).extract(file_key);
    let info = [&b"yinxin backup 1 chunks"[..]];
    let key = secret.expand(&info, &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(key)))
}

/// Reads an envelope: clear text comes out, and nothing that was not checked. Blocking.
pub(super) struct Opened<R> {
    from: R,
    key: LessSafeKey,
    number: u64,
    /// What was read and not opened: a chunk, and one octet more to see whether another follows.
    sealed: Vec<u8>,
    clear: Zeroizing<Vec<u8>>,
    at: usize,
    is_over: bool,
}

impl<R: Read> Opened<R> {
    /// Reads the head and opens the file's key.
    pub(super) fn begin(mut from: R, own: &RecipientKey) -> Result<Self, BackupError> {
        let mut head = vec![0; 13];
        if read_full(&mut from, &mut head)? < head.len() || head[..8] != *MAGIC {
            return Err(BackupError::NotABackup);
        }
        let (version, suite) =
            (u16::from_be_bytes([head[8], head[9]]), u16::from_be_bytes([head[10], head[11]]));
        if version != VERSION {
            return Err(BackupError::Newer { says: format!("the backup has format {version}") });
        }
        if suite != SUITE {
            return Err(BackupError::Newer { says: format!("the backup uses the ciphers of suite {suite}") });
        }
        let count = usize::from(head[12]);
        if !(1..=RECIPIENTS_MAX).contains(&count) {
            return Err(BackupError::damaged("its head names no recipients, or too many"));
        }
        let mut stanzas = vec![0; count * STANZA_BYTES];
        if read_full(&mut from, &mut stanzas)? < stanzas.len() {
            return Err(BackupError::Truncated);
        }
        head.extend_from_slice(&stanzas);
        let file_key = file_key(&stanzas, own)?;
        let key = chunk_key(&file_key, &head).ok_or_else(|| BackupError::damaged("its key"))?;
        let (sealed, clear) = (Vec::new(), Zeroizing::new(Vec::new()));
        Ok(Self { from, key, number: 0, sealed, clear, at: 0, is_over: false })
    }

    /// Opens the next chunk; false at the end.
    fn next_chunk(&mut self) -> Result<bool, BackupError> {
        if self.is_over {
            return Ok(false);
        }
        let had = self.sealed.len();
        self.sealed.resize(SEALED_BYTES + 1, 0);
        let read = read_full(&mut self.from, &mut self.sealed[had..])?;
        self.sealed.truncate(had + read);
        let last = self.sealed.len() <= SEALED_BYTES;
        let rest = self.sealed.split_off(self.sealed.len().min(SEALED_BYTES));
        let chunk = std::mem::replace(&mut self.sealed, rest);
        let opened = self.open(chunk.clone(), last);
        match opened {
            Some(clear) => {
                self.clear = clear;
                self.at = 0;
            }
            // What would be good if more followed was cut off right behind a chunk.
            None if last && (chunk.is_empty() || self.open(chunk, false).is_some()) => {
                return Err(BackupError::Truncated);
            }
            None if last => {
                let says = "its end does not open: it was changed, or cut within a chunk";
                return Err(BackupError::damaged(says));
            }
            None => {
                let says = format!("chunk {} does not open", self.number.saturating_add(1));
                return Err(BackupError::damaged(says));
            }
        }
        self.number += 1;
        self.is_over = last;
        Ok(true)
    }

    fn open(&self, chunk: Vec<u8>, last: bool) -> Option<Zeroizing<Vec<u8>>> {
        let mut body = Zeroizing::new(chunk);
        let length = self.key.open_in_place(nonce(self.number, last), Aad::empty(), &mut body).ok()?.len();
        body.truncate(length);
        Some(body)
    }

    /// Fills `out`; false where the envelope ends exactly before it.
    pub(super) fn fill(&mut self, out: &mut [u8]) -> Result<bool, BackupError> {
        let mut filled = 0;
        while filled < out.len() {
            if self.at == self.clear.len() {
                match self.next_chunk()? {
                    true => continue,
                    false if filled == 0 => return Ok(false),
                    false => return Err(BackupError::damaged("a record breaks off at its end")),
                }
            }
            let some = (self.clear.len() - self.at).min(out.len() - filled);
            out[filled..filled + some].copy_from_slice(&self.clear[self.at..self.at + some]);
            self.at += some;
            filled += some;
        }
        Ok(true)
    }
}

fn file_key(stanzas: &[u8], own: &RecipientKey) -> Result<Zeroizing<[u8; FILE_KEY_BYTES]>, BackupError> {
    let name = own.recipient().name();
    let mut recipients = Vec::new();
    for stanza in stanzas.chunks_exact(STANZA_BYTES) {
        let (found, rest) = stanza.split_at(NAME_BYTES);
        if *found != name {
            recipients.push(hex::encode(found));
            continue;
        }
        let (point, wrapped) = rest.split_at(hpke::ENC_BYTES);
        let mut enc = [0; hpke::ENC_BYTES];
        enc.copy_from_slice(point);
        let opened = hpke::open(own.key(), &enc, INFO, wrapped);
        let opened = opened.ok_or_else(|| BackupError::damaged("its head does not open"))?;
        let mut key = Zeroizing::new([0; FILE_KEY_BYTES]);
        if opened.len() != key.len() {
            return Err(BackupError::damaged("its head holds another kind of key"));
        }
        key.copy_from_slice(&opened);
        return Ok(key);
    }
    Err(BackupError::OtherKey { recipients })
}

/// Reads until `out` is full or nothing more comes; how many octets.
fn read_full(from: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < out.len() {
        match from.read(&mut out[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;

    fn sealed(clear: &[u8], keys: &[&RecipientKey]) -> Vec<u8> {
        let recipients: Vec<_> = keys.iter().map(|key| key.recipient()).collect();
        let mut out = Vec::new();
        let mut envelope = Envelope::begin(&recipients, &SeededEntropy::new(9), &mut out).unwrap();
        for piece in clear.chunks(10_000) {
            envelope.write(piece, &mut out).unwrap();
        }
        envelope.end(&mut out).unwrap();
        out
    }

    fn opened(octets: &[u8], key: &RecipientKey) -> Result<Vec<u8>, BackupError> {
        let mut opened = Opened::begin(octets, key)?;
        let (mut clear, mut octet) = (Vec::new(), [0]);
        while opened.fill(&mut octet)? {
            clear.push(octet[0]);
        }
        Ok(clear)
    }

    fn key(seed: u64) -> RecipientKey {
        RecipientKey::generate(&SeededEntropy::new(seed))
    }

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 7 % 251) as u8).collect()
    }

    #[test]
    fn every_length_around_a_chunk_comes_back_for_every_recipient() {
        let (one, two) = (key(1), key(2));
        for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
            let clear = text(length);
            let octets = sealed(&clear, &[&one, &two]);
            assert_eq!(opened(&octets, &one).unwrap(), clear, "{length}");
            assert_eq!(opened(&octets, &two).unwrap(), clear, "{length}");
        }
    }

    #[test]
    fn every_flipped_octet_of_the_head_and_samples_of_the_rest_are_found() {
        let own = key(1);
        let octets = sealed(&text(2 * CHUNK_BYTES + 5), &[&own, &key(2)]);
        let head = 13 + 2 * STANZA_BYTES;
        let rest = (head..octets.len()).step_by(997).chain([octets.len() - 1]);
        for at in (0..head).chain(rest) {
            for bit in if at < head { 0..8 } else { at % 8..at % 8 + 1 } {
                let mut bent = octets.clone();
                bent[at] ^= 1 << bit;
                assert!(opened(&bent, &own).is_err(), "octet {at} bit {bit}");
            }
        }
    }

    #[test]
    fn what_was_cut_swapped_or_added_is_named() {
        let own = key(1);
        let octets = sealed(&text(3 * CHUNK_BYTES + 5), &[&own]);
        let head = 13 + STANZA_BYTES;
        let says = |octets: &[u8]| opened(octets, &own).unwrap_err().to_string();
        for chunks in 0..=3 {
            let cut = &octets[..head + chunks * SEALED_BYTES];
            assert!(says(cut).contains("ends early"), "{chunks}: {}", says(cut));
        }
        assert!(
            says(&octets[..octets.len() - 1]).contains("cut within"),
            "{}",
            says(&octets[..octets.len() - 1])
        );
        assert!(says(&octets[..head - 1]).contains("ends early"));
        assert!(says(&octets[..9]).contains("no backup"));
        assert!(says(b"%PDF-1.7 and so on").contains("no backup"));
        let mut swapped = octets.clone();
        let (one, two) = (head, head + SEALED_BYTES);
        for at in 0..SEALED_BYTES {
            swapped.swap(one + at, two + at);
        }
        assert!(says(&swapped).contains("chunk 1"));
        let dropped = [&octets[..head], &octets[two..]].concat();
        assert!(says(&dropped).contains("chunk 1"));
        assert!(says(&[&octets[..], &[0]].concat()).contains("damaged"));
        let other = opened(&octets, &key(3)).unwrap_err();
        assert!(matches!(&other, BackupError::OtherKey { recipients } if recipients.len() == 1), "{other}");
        for (at, word) in [(9, "format 2"), (11, "suite 2")] {
            let mut newer = octets.clone();
            newer[at] = 2;
            assert!(says(&newer).contains(word), "{}", says(&newer));
        }
    }
}
