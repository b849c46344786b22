//! What the public addresses of the authority answer, without a word of HTTP but the media types. Routes are wired above.

use super::{Authority, AuthorityError};
use crate::base::Timestamp;

pub use yinxin_pki::tsp::REQUEST_LIMIT_BYTES as TIME_STAMP_REQUEST_LIMIT_BYTES;

/// Media type of a request for a time stamp (RFC 3161 3.4).
pub const TIME_STAMP_QUERY: &str = "application/timestamp-query";
/// Media type of its answer.
pub const TIME_STAMP_REPLY: &str = "application/timestamp-reply";
/// Media type of a revocation list (RFC 2585 4).
pub const CRL: &str = "application/pkix-crl";
/// Media type of one certificate (RFC 2585 4).
pub const CERT: &str = "application/pkix-cert";
/// Media type of several, as PEM text (RFC 8555 9.1).
pub const CERT_CHAIN: &str = "application/pem-certificate-chain";

/// `POST` of a TimeStampReq: always a TimeStampResp, always 200.
pub async fn time_stamp(authority: &Authority, body: &[u8], now: Timestamp) -> Vec<u8> {
    authority.time_stamp(body, now).await
}

/// `GET` of the revocation list: DER.
pub async fn crl(authority: &Authority, now: Timestamp) -> Result<Vec<u8>, AuthorityError> {
    authority.crl(now).await.map(|crl| crl.der().to_vec())
}

/// `GET` of the root: DER.
pub async fn root(authority: &Authority) -> Result<Vec<u8>, AuthorityError> {
    authority.root().await.map(|cert| cert.der().to_vec())
}

/// `GET` of the certificates above every issued one: PEM, the issuing authority first, the root last.
pub async fn chain(authority: &Authority) -> Result<String, AuthorityError> {
    Ok(authority.chain().await?.iter().map(|cert| cert.to_pem()).collect())
}
