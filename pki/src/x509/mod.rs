//! X.509: certificates, revocation lists and requests, read over the received bytes; paths; and issuing.
//!
//! Reading is our own, over spans of the input: a verifier needs the exact octets that were signed, and certificates of
//! the field carry oddities that change no meaning (NULL beside SM2-with-SM3, explicit DEFAULT values, UTF-8 in strings of
//! other types). Those are kept as findings, [`Cert::leniencies`], and refuse nothing.
//!
//! Names are equal where their bytes are equal. RFC 5280 7.1 would also have us fold case and white space; every issuer
//! met copies its subject byte by byte, and a comparison that folds is one more way to be fooled.

mod cert;
mod crl;
#[cfg(test)]
mod draft;
mod error;
mod extension;
pub mod issue;
mod key;
mod name;
pub mod path;
pub mod pem;
pub mod profile;
mod request;
#[cfg(test)]
pub(crate) mod samples;
mod signed;
mod subject;
mod write;

pub use cert::Cert;
pub use crl::{Crl, Reason, Revoked};
pub use error::X509Error;
pub use extension::{ExtendedKeyUsage, Extension, KeyUsage};
pub use key::{read_public_key, write_public_key};
pub use name::{Attribute, Name};
pub use request::{Request, RequestError};
pub use subject::{Field, Subject, SubjectError};

use crate::{
    der::{DerError, Reader, tag},
    report::Finding,
    time::Timestamp,
};

/// Oddities seen while reading, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Oddities(Vec<Finding>);

impl Oddities {
    fn note(&mut self, id: &'static str, says: &'static str) {
        if self.0.iter().all(|known| known.id != id) {
            self.0.push(Finding::new(id, says));
        }
    }
}

/// Serial numbers longer than this are refused; RFC 5280 4.1.2.2 allows 20 octets.
const SERIAL_OCTETS_MAX: usize = 64;

/// A serial number: the octets of its INTEGER, at least one, redundant leading octets dropped.
fn read_serial<'a>(reader: &mut Reader<'a>, oddities: &mut Oddities) -> Result<&'a [u8], DerError> {
    let mut octets = reader.read(tag::INTEGER)?.content;
    if octets.is_empty() || octets.len() > SERIAL_OCTETS_MAX {
        return Err(DerError::Content { what: "serial number" });
    }
    while let [0x00, 0x00..=0x7f, ..] = octets {
        oddities.note("lenient/serial-number", "A serial number has redundant leading zeros.");
        octets = &octets[1..];
    }
    if octets[0] & 0x80 != 0 || octets == [0] || octets.len() > 21 {
        oddities.note("lenient/serial-number", "A serial number is not positive, or longer than 20 octets.");
    }
    Ok(octets)
}

/// UTCTime or GeneralizedTime, as certificates and lists write it (RFC 5280 4.1.2.5).
fn read_time(reader: &mut Reader<'_>, oddities: &mut Oddities) -> Result<Timestamp, DerError> {
    if reader.peek() != Some(tag::GENERALIZED_TIME) {
        return reader.utc_time();
    }
    let time = reader.generalized_time()?;
    if time.utc().is_some() {
        oddities.note("lenient/time-form", "A time before 2050 is written as GeneralizedTime.");
    }
    Ok(time)
}
