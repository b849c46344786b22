//! TimeStampResp (RFC 3161 2.4.2).

use super::TspError;
use crate::{
    cms,
    der::{self, DerError, Reader, tag},
};

/// Why an authority gave no token: the bit in PKIFailureInfo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The digest algorithm is not accepted.
    BadAlgorithm = 0,
    /// The request is not understood or not allowed.
    BadRequest = 2,
    /// The request is malformed.
    BadDataFormat = 5,
    /// No source of time.
    TimeNotAvailable = 14,
    /// The policy asked for is not offered.
    UnacceptedPolicy = 15,
    /// The request carries an extension that is not accepted.
    UnacceptedExtension = 16,
    /// What was asked for beside the stamp cannot be given.
    AddInfoNotAvailable = 17,
    /// The authority itself failed.
    SystemFailure = 25,
}

impl Failure {
    const ALL: [Self; 8] = [
        Self::BadAlgorithm,
        Self::BadRequest,
        Self::BadDataFormat,
        Self::TimeNotAvailable,
        Self::UnacceptedPolicy,
        Self::UnacceptedExtension,
        Self::AddInfoNotAvailable,
        Self::SystemFailure,
    ];
}

/// What an authority answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response<'a> {
    /// A token, DER.
    Granted(&'a [u8]),
    /// No token.
    Rejected {
        /// PKIStatus: 2 rejected, 3 waiting, 4 and 5 about revocation.
        status: u64,
        /// Why, where the authority says it in a way that is known.
        failure: Option<Failure>,
        /// What it says in words.
        says: Option<String>,
    },
}

impl<'a> Response<'a> {
    /// Reads a response. Whether a token answers the request is for [`super::Token`] to say.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, TspError> {
        let at = TspError::at;
        if bytes.len() > cms::LIMIT_BYTES {
            return Err(TspError::TooLarge);
        }
        let mut fields = Reader::whole(bytes, tag::SEQUENCE).map_err(at("TimeStampResp"))?.reader();
        let mut info = fields.sequence().map_err(at("PKIStatusInfo"))?;
        let status = info.small().map_err(at("status"))?;
        let says = match info.optional(tag::SEQUENCE).map_err(at("statusString"))? {
            Some(texts) => texts.reader().utf8().ok().map(str::to_owned),
            None => None,
        };
        let failure = info.optional(tag::BIT_STRING).map_err(at("failInfo"))?;
        info.finish().map_err(at("PKIStatusInfo"))?;
        let token = fields.optional(tag::SEQUENCE).map_err(at("timeStampToken"))?;
        fields.finish().map_err(at("TimeStampResp"))?;
        match (status, token) {
            (0 | 1, Some(token)) => Ok(Self::Granted(token.raw)),
            (0 | 1, None) => Err(at("timeStampToken")(DerError::Truncated)),
            _ => {
                let failure = failure.and_then(|bits| failure_of(bits.content));
                Ok(Self::Rejected { status, failure, says })
            }
        }
    }
}

fn failure_of(bits: &[u8]) -> Option<Failure> {
    let octets = bits.get(1..)?;
    Failure::ALL.into_iter().find(|failure| {
        let bit = *failure as usize;
        octets.get(bit / 8).is_some_and(|octet| octet & (0x80 >> (bit % 8)) != 0)
    })
}

/// A response that carries a token (DER).
pub fn granted(token: &[u8]) -> Vec<u8> {
    der::sequence([der::sequence([der::small(0)]), token.to_vec()])
}

/// A response that says why there is no token; `says` in words for people.
pub fn rejection(failure: Failure, says: &str) -> Vec<u8> {
    let bit = failure as usize;
    let mut bits = vec![0; 2 + bit / 8];
    // DER drops trailing zero bits of a named bit list (X.690 11.2.2).
    bits[0] = 7 - (bit % 8) as u8;
    bits[1 + bit / 8] = 0x80 >> (bit % 8);
    der::sequence([der::sequence([
        der::small(2),
        der::sequence([der::utf8_string(says)]),
        der::element(tag::BIT_STRING, &bits),
    ])])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rejection_is_read_back() {
        for failure in Failure::ALL {
            let bytes = rejection(failure, "不");
            let expected = Response::Rejected { status: 2, failure: Some(failure), says: Some("不".into()) };
            assert_eq!(Response::parse(&bytes), Ok(expected));
        }
    }

    #[test]
    fn a_grant_without_a_token_is_no_response() {
        assert!(Response::parse(&der::sequence([der::sequence([der::small(0)])])).is_err());
    }
}
