//! The service's own certification and time-stamping authority (R-SEAL-11): a root, an issuing authority, certificates
//! for seal makers, seal owners and time stamps, their revocation list, and RFC 3161 tokens.
//!
//! Floor 4, below `seal`. Private keys are the keystore's; formats are `yinxin-pki`'s; this room decides, records and audits.

mod error;
pub mod http;
mod meter;
mod paper;
mod role;
mod service;
mod settings;
pub mod store;
mod subject;

pub use error::AuthorityError;
pub use meter::Meters;
pub use role::{CertId, CertState, Role};
pub use service::{
    Act, Ask, Authorities, Authority, Ending, Issued, RenewList, SubjectKey, Succession, line_of,
};
pub use settings::{AuthoritySettings, RenewBeforeDays, ValidDays, oid_of};
pub use store::STATEMENTS;
pub use subject::SubjectFields;
