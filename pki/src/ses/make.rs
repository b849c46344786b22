//! Making seals and stamps, version 4 and 5, in three shapes: a draft, what is to be signed, the product. A slow device
//! may sit between the second and the third. What our own strict reading would not pass is refused here.

use super::{LIMIT_BYTES, LIMIT_ENTRIES, Seal, SesError, Stamp, Version};
use crate::{der, oid, oid::Oid, sm2, time::Timestamp};
use std::fmt;

/// The largest picture that is put into a seal, in bytes.
pub const PICTURE_LIMIT_BYTES: usize = 4 << 20;
/// Width and height of a seal, in millimetres: one octet of INTEGER, as in every real seal (seal.md §1.5).
pub const SIZE_MM: std::ops::RangeInclusive<u8> = 1..=127;

/// Why nothing was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MakeError {
    /// A field cannot be written as given.
    Field {
        /// Which field.
        field: &'static str,
        /// What it has to be.
        must: &'static str,
    },
    /// The signature is not a strict `SEQUENCE { r, s }`.
    Signature,
    /// The seal does not allow this certificate to sign.
    NotListed,
    /// The stamp's time is outside the seal's period.
    OutsidePeriod,
    /// The seal that was given, or the product, does not read as it must.
    Unsound(String),
}

impl MakeError {
    fn field(field: &'static str, must: &'static str) -> Self {
        Self::Field { field, must }
    }
}

impl From<SesError> for MakeError {
    fn from(error: SesError) -> Self {
        Self::Unsound(error.to_string())
    }
}

impl fmt::Display for MakeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field { field, must } => write!(out, "{field} must be {must}"),
            Self::Signature => out.write_str("the signature is not a strict SM2 signature in DER"),
            Self::NotListed => out.write_str("the seal does not list this certificate as a signer's"),
            Self::OutsidePeriod => out.write_str("the time of the stamp is outside the seal's period"),
            Self::Unsound(says) => write!(out, "the structure is unsound: {says}"),
        }
    }
}

impl std::error::Error for MakeError {}

/// Who may sign with a seal that is being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignersDraft {
    /// Whole certificates, DER.
    Certs(Vec<Vec<u8>>),
    /// SM3 of each certificate's DER.
    Digests(Vec<[u8; 32]>),
}

/// The picture of a seal that is being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureDraft {
    /// Type of the file: 1 to 8 ASCII letters or digits, `png`, `ofd` ….
    pub kind: String,
    /// The file, 1 byte to [`PICTURE_LIMIT_BYTES`].
    pub bytes: Vec<u8>,
    /// Width, within [`SIZE_MM`].
    pub width_mm: u8,
    /// Height, within [`SIZE_MM`].
    pub height_mm: u8,
}

/// One extension datum. It is never marked critical: our own strict reading refuses what nobody can know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtDataDraft {
    /// Its identifier.
    pub id: Oid,
    /// Its value.
    pub value: Vec<u8>,
}

/// A seal that is being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealDraft {
    /// [`Version::V4`] or [`Version::V5`].
    pub version: Version,
    /// Number of the seal: 1 to 64 visible ASCII characters.
    pub code: String,
    /// Who makes it (Vid): 1 to 64 visible ASCII characters.
    pub vendor: String,
    /// The type number, below 2⁶³; lists are national and vendors' own.
    pub kind: u64,
    /// Its name: 1 to 200 characters, none of them a control character.
    pub name: String,
    /// Who may sign with it, 1 to 1024.
    pub signers: SignersDraft,
    /// When it is made, in whole seconds.
    pub created: Timestamp,
    /// Start of its period, in whole seconds.
    pub valid_from: Timestamp,
    /// End of its period, in whole seconds, after the start.
    pub valid_to: Timestamp,
    /// Its picture.
    pub picture: PictureDraft,
    /// Extension data, at most 1024.
    pub ext_data: Vec<ExtDataDraft>,
}

/// A seal whose maker has yet to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedSeal {
    version: Version,
    info: Vec<u8>,
}

impl SealDraft {
    /// Checks the draft and writes what the maker is to sign.
    pub fn prepare(&self) -> Result<PreparedSeal, MakeError> {
        self.check()?;
        let header = der::sequence([
            der::ia5_string("ES"),
            der::small(self.version.number()),
            der::ia5_string(&self.vendor),
        ]);
        let picture = der::sequence([
            der::ia5_string(&self.picture.kind),
            der::octet_string(&self.picture.bytes),
            der::small(self.picture.width_mm.into()),
            der::small(self.picture.height_mm.into()),
        ]);
        let mut parts = vec![header, der::ia5_string(&self.code), self.property(), picture];
        if !self.ext_data.is_empty() {
            parts.push(extension_list(&self.ext_data));
        }
        Ok(PreparedSeal { version: self.version, info: der::sequence(parts) })
    }

    fn property(&self) -> Vec<u8> {
        let (list_type, list) = match &self.signers {
            SignersDraft::Certs(certs) => {
                (1, der::sequence(certs.iter().map(|cert| der::octet_string(cert))))
            }
            SignersDraft::Digests(digests) => (2, der::sequence(digests.iter().map(listed_digest))),
        };
        der::sequence([
            der::small(self.kind),
            der::utf8_string(&self.name),
            der::small(list_type),
            list,
            der::generalized_time(self.created),
            der::generalized_time(self.valid_from),
            der::generalized_time(self.valid_to),
        ])
    }

    fn check(&self) -> Result<(), MakeError> {
        if self.version == Version::V1 {
            return Err(MakeError::field("version", "4 or 5"));
        }
        visible("esID", &self.code)?;
        visible("Vid", &self.vendor)?;
        if !(1..=200).contains(&self.name.chars().count()) || self.name.chars().any(char::is_control) {
            return Err(MakeError::field("name", "1 to 200 characters without control characters"));
        }
        if self.kind > i64::MAX as u64 {
            return Err(MakeError::field("type", "below 2^63"));
        }
        let listed = match &self.signers {
            SignersDraft::Certs(certs) => certs.len(),
            SignersDraft::Digests(digests) => digests.len(),
        };
        if !(1..=LIMIT_ENTRIES).contains(&listed) || self.ext_data.len() > LIMIT_ENTRIES {
            return Err(MakeError::field(
                "certList and extDatas",
                "of at most 1024 entries, with one signer or more",
            ));
        }
        self.check_times()?;
        self.picture.check()
    }

    fn check_times(&self) -> Result<(), MakeError> {
        whole_seconds("createDate", self.created)?;
        whole_seconds("validStart", self.valid_from)?;
        whole_seconds("validEnd", self.valid_to)?;
        if self.valid_from >= self.valid_to {
            return Err(MakeError::field("validEnd", "after validStart"));
        }
        if self.created > self.valid_to {
            return Err(MakeError::field("createDate", "before the end of the period"));
        }
        Ok(())
    }
}

impl PictureDraft {
    fn check(&self) -> Result<(), MakeError> {
        if !(1..=8).contains(&self.kind.len()) || !self.kind.bytes().all(|c| c.is_ascii_alphanumeric()) {
            return Err(MakeError::field("picture.type", "1 to 8 ASCII letters or digits"));
        }
        if self.bytes.is_empty() || self.bytes.len() > PICTURE_LIMIT_BYTES {
            return Err(MakeError::field("picture.data", "1 byte to 4 MiB"));
        }
        if !SIZE_MM.contains(&self.width_mm) || !SIZE_MM.contains(&self.height_mm) {
            return Err(MakeError::field("picture size", "1 to 127 millimetres each way"));
        }
        Ok(())
    }
}

impl PreparedSeal {
    /// The bytes that the maker signs: SES_SealInfo (seal.md §1.4).
    pub fn to_be_signed(&self) -> &[u8] {
        &self.info
    }

    /// The seal, from the maker's certificate, its signature in DER, and for version 5 a token over that signature.
    ///
    /// The product is read back; whether its signature holds is for [`crate::judge::seal`] to say.
    pub fn assemble(
        &self,
        maker_cert: &[u8],
        signature: &[u8],
        time_stamp: Option<&[u8]>,
    ) -> Result<Vec<u8>, MakeError> {
        if time_stamp.is_some() && self.version != Version::V5 {
            return Err(MakeError::field("timeStamp", "absent from a version 4 seal"));
        }
        let product = assemble(&self.info, maker_cert, signature, time_stamp)?;
        sound_seal(&product)?;
        Ok(product)
    }
}

/// A stamp that is being made. Its version is its seal's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StampDraft<'a> {
    /// The seal, DER, version 4 or 5.
    pub seal: &'a [u8],
    /// When, in whole seconds, within the seal's period.
    pub time: Timestamp,
    /// SM3 of what is protected.
    pub digest: [u8; 32],
    /// Where the protected document is described: 1 to 1024 visible ASCII characters or spaces.
    pub property: &'a str,
    /// Extension data, at most 1024.
    pub ext_data: &'a [ExtDataDraft],
}

/// A stamp whose signer has yet to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedStamp {
    to_be_signed: Vec<u8>,
}

impl StampDraft<'_> {
    /// Checks the draft and writes what the signer is to sign.
    pub fn prepare(&self) -> Result<PreparedStamp, MakeError> {
        let seal = sound_seal(self.seal)?;
        whole_seconds("timeInfo", self.time)?;
        if self.time < seal.valid_from || self.time > seal.valid_to {
            return Err(MakeError::OutsidePeriod);
        }
        let printable = self.property.bytes().all(|c| c == b' ' || c.is_ascii_graphic());
        if !(1..=1024).contains(&self.property.len()) || !printable {
            return Err(MakeError::field("propertyInfo", "1 to 1024 visible ASCII characters"));
        }
        if self.ext_data.len() > LIMIT_ENTRIES {
            return Err(MakeError::field("extDatas", "at most 1024 entries"));
        }
        let mut parts = vec![
            der::small(seal.version.number()),
            self.seal.to_vec(),
            der::generalized_time(self.time),
            der::bit_string(&self.digest),
            der::ia5_string(self.property),
        ];
        if !self.ext_data.is_empty() {
            parts.push(der::explicit(0, extension_list(self.ext_data)));
        }
        Ok(PreparedStamp { to_be_signed: der::sequence(parts) })
    }
}

impl PreparedStamp {
    /// The bytes that the signer signs: TBS_Sign.
    pub fn to_be_signed(&self) -> &[u8] {
        &self.to_be_signed
    }

    /// The stamp, from the signer's certificate, the signature in DER, and a token over that signature if there is one.
    ///
    /// The product is read back; whether its signature holds is for [`crate::judge::stamp`] to say.
    pub fn assemble(
        &self,
        signer_cert: &[u8],
        signature: &[u8],
        time_stamp: Option<&[u8]>,
    ) -> Result<Vec<u8>, MakeError> {
        let product = assemble(&self.to_be_signed, signer_cert, signature, time_stamp)?;
        let stamp = Stamp::parse(&product)?;
        if !stamp.seal.signers.allow(signer_cert) {
            return Err(MakeError::NotListed);
        }
        Ok(product)
    }
}

/// A seal that reads without anything to note.
fn sound_seal(bytes: &[u8]) -> Result<Seal<'_>, MakeError> {
    let seal = Seal::parse(bytes)?;
    if seal.version == Version::V1 {
        return Err(MakeError::field("the seal's version", "4 or 5"));
    }
    match seal.notes.defects.first().or(seal.notes.oddities.first()) {
        Some(note) => Err(MakeError::Unsound(note.says.clone())),
        None => Ok(seal),
    }
}

/// Seal and stamp end alike: what was signed, certificate, algorithm, value, token.
fn assemble(
    signed: &[u8],
    cert: &[u8],
    signature: &[u8],
    time_stamp: Option<&[u8]>,
) -> Result<Vec<u8>, MakeError> {
    sm2::Signature::from_der(signature).map_err(|_| MakeError::Signature)?;
    let mut parts = vec![
        signed.to_vec(),
        der::octet_string(cert),
        der::oid(&oid::SM2_WITH_SM3),
        der::bit_string(signature),
    ];
    if let Some(token) = time_stamp {
        parts.push(der::explicit(0, der::bit_string(token)));
    }
    let product = der::sequence(parts);
    if product.len() > LIMIT_BYTES {
        return Err(MakeError::field("the whole", "16 MiB or less"));
    }
    Ok(product)
}

fn extension_list(list: &[ExtDataDraft]) -> Vec<u8> {
    der::sequence(
        list.iter().map(|entry| der::sequence([der::oid(&entry.id), der::octet_string(&entry.value)])),
    )
}

fn listed_digest(digest: &[u8; 32]) -> Vec<u8> {
    der::sequence([der::printable_string("SM3"), der::octet_string(digest)])
}

fn visible(field: &'static str, text: &str) -> Result<(), MakeError> {
    let sound = (1..=64).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic());
    if sound { Ok(()) } else { Err(MakeError::field(field, "1 to 64 visible ASCII characters")) }
}

fn whole_seconds(field: &'static str, time: Timestamp) -> Result<(), MakeError> {
    let sound = time == time.whole_seconds();
    if sound { Ok(()) } else { Err(MakeError::field(field, "a time in whole seconds")) }
}
