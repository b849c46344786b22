//! What reading noticed, and the fields that real makers write in more than one way.

use super::SesError;
use crate::{
    der::{DerError, Reader, tag},
    report::Finding,
    time::Timestamp,
};

/// What reading noticed beside the fields themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// Departures that change no meaning (`lenient/…`), each kind once: findings, or failures of check 1 when strict.
    pub oddities: Vec<Finding>,
    /// Departures that fail check 1 in every profile; the id is the reason's code.
    pub defects: Vec<Finding>,
}

impl Notes {
    pub(super) fn odd(&mut self, id: &'static str, says: &str) {
        if self.oddities.iter().all(|known| known.id != id) {
            self.oddities.push(Finding::new(id, says));
        }
    }

    pub(super) fn defect(&mut self, id: &'static str, says: impl Into<String>) {
        self.defects.push(Finding::new(id, says));
    }

    /// An IA5String. Vendors write UTF-8 into it where a path or a document name is Chinese.
    pub(super) fn text<'a>(
        &mut self,
        fields: &mut Reader<'a>,
        field: &'static str,
    ) -> Result<&'a str, SesError> {
        let element = fields.read(tag::IA5_STRING).map_err(SesError::at(field))?;
        let text = std::str::from_utf8(element.content)
            .map_err(|_| SesError::Field { field, error: DerError::Content { what: "IA5String" } })?;
        if !text.is_ascii() {
            self.odd("lenient/text-type", "A text that must be 7-bit carries other characters.");
        }
        Ok(text)
    }

    /// A time of the type that the version prescribes, or of the other one.
    pub(super) fn time(
        &mut self,
        fields: &mut Reader<'_>,
        expected: u8,
        field: &'static str,
    ) -> Result<Timestamp, SesError> {
        let other = if expected == tag::UTC_TIME { tag::GENERALIZED_TIME } else { tag::UTC_TIME };
        let found = if fields.peek() == Some(other) { other } else { expected };
        if found != expected {
            self.odd("lenient/time-type", "A time is of another ASN.1 type than its version prescribes.");
        }
        let time = if found == tag::UTC_TIME { fields.utc_time() } else { fields.generalized_time() };
        time.map_err(SesError::at(field))
    }
}
