//! DER (X.690) as spans over received bytes, and a plain writer.
//!
//! Own code, because a verifier needs what strict decoders take away: the exact octets that were signed, and a choice
//! about the oddities of real makers (an explicit DEFAULT, an identifier of nonsense) instead of a refusal. Lengths are
//! definite and minimal; no known seal, certificate or token of the field is written otherwise.

mod read;
mod write;

pub use read::{DerError, Reader, Tlv};
pub use write::*;

/// Tag octets used in this package (class, construction and number in one).
pub mod tag {
    #![allow(missing_docs, reason = "the names are those of X.680")]
    pub const BOOLEAN: u8 = 0x01;
    pub const INTEGER: u8 = 0x02;
    pub const BIT_STRING: u8 = 0x03;
    pub const OCTET_STRING: u8 = 0x04;
    pub const NULL: u8 = 0x05;
    pub const OID: u8 = 0x06;
    pub const ENUMERATED: u8 = 0x0a;
    pub const UTF8_STRING: u8 = 0x0c;
    pub const PRINTABLE_STRING: u8 = 0x13;
    pub const IA5_STRING: u8 = 0x16;
    pub const UTC_TIME: u8 = 0x17;
    pub const GENERALIZED_TIME: u8 = 0x18;
    pub const SEQUENCE: u8 = 0x30;
    pub const SET: u8 = 0x31;

    /// `[number]`, constructed: EXPLICIT, or IMPLICIT over a SEQUENCE or SET.
    pub const fn context(number: u8) -> u8 {
        0xa0 | number
    }

    /// `[number]`, primitive: IMPLICIT over a primitive type.
    pub const fn context_primitive(number: u8) -> u8 {
        0x80 | number
    }
}
