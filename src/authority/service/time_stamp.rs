//! The time-stamp authority (RFC 3161 / GB/T 20520): SM3 imprints, SM2 tokens, nothing kept.

use super::{Authority, ISSUING, TIME_STAMPING};
use crate::{
    authority::AuthorityError,
    base::{Timestamp, failpoint},
    keys::ToSign,
};
use yinxin_pki::{
    judge::{self, Question},
    report::{Outcome, Profile},
    sign::Digest,
    tsp::{self, Accuracy, Failure, Request, TokenDraft},
    x509::{Cert, path::Material},
};

/// Octets of a token's number, all by chance but the first bit.
const SERIAL_BYTES: usize = 16;

/// Why a request got no token: what the asker reads.
struct Rejection {
    failure: Failure,
    says: String,
}

impl Authority {
    /// Answers a TimeStampReq with a TimeStampResp, both in DER; `now` becomes genTime, in whole seconds. Whatever the
    /// bytes, and whatever goes wrong here, the answer is a response: a token, or a rejection with its PKIFailureInfo.
    ///
    /// Requests of more than [`tsp::REQUEST_LIMIT_BYTES`], of other imprints than SM3, of other policies, and with
    /// extensions are rejected.
    pub async fn time_stamp(&self, request: &[u8], now: Timestamp) -> Vec<u8> {
        match self.try_time_stamp(request, now).await {
            Ok(token) => {
                self.0.meters.time_stamps.one("granted");
                tsp::granted(&token)
            }
            Err(Rejection { failure, says }) => {
                let ours = failure == Failure::SystemFailure;
                self.0.meters.time_stamps.one(if ours { "failed" } else { "rejected" });
                tsp::rejection(failure, &says)
            }
        }
    }

    async fn try_time_stamp(&self, request: &[u8], now: Timestamp) -> Result<Vec<u8>, Rejection> {
        let request = self.accepted(request)?;
        self.token(&request, now).await.map_err(|error| {
            tracing::error!(name: "authority.no_time_stamp", code = error.code(), %error, "no time stamp was made");
            Rejection { failure: Failure::SystemFailure, says: "the authority could not sign".into() }
        })
    }

    fn accepted(&self, bytes: &[u8]) -> Result<Request, Rejection> {
        let request = Request::parse(bytes)
            .map_err(|error| Rejection { failure: error.failure(), says: error.to_string() })?;
        if request.digest != Digest::Sm3 {
            let says = "only SM3 imprints are stamped here".into();
            return Err(Rejection { failure: Failure::BadAlgorithm, says });
        }
        if request.policy.as_ref().is_some_and(|policy| *policy != self.0.settings.time_stamp_policy) {
            let says = "that policy is not offered here".into();
            return Err(Rejection { failure: Failure::UnacceptedPolicy, says });
        }
        Ok(request)
    }

    async fn token(&self, request: &Request, now: Timestamp) -> Result<Vec<u8>, AuthorityError> {
        let own = self.own(TIME_STAMPING, now).await?;
        let signer = self.signer_of(&own, now).await?;
        let issuer = own.issuer.as_ref().ok_or_else(|| AuthorityError::not_ready(ISSUING))?;
        let above = self.authorities_with(issuer).await?.above(issuer);
        let (above, root) = above.ok_or_else(|| AuthorityError::not_ready(ISSUING))?;
        let mut serial = [0; SERIAL_BYTES];
        self.0.entropy.fill(&mut serial);
        serial[0] = serial[0] & 0x7f | 0x40;
        let draft = TokenDraft {
            request,
            policy: self.0.settings.time_stamp_policy.clone(),
            serial: &serial,
            time: now,
            accuracy: Some(Accuracy {
                seconds: self.0.settings.time_stamp_accuracy_s,
                ..Accuracy::default()
            }),
            authority: &own.cert,
            chain: &above,
        };
        let prepared = draft.prepare().map_err(AuthorityError::withheld)?;
        let input = ToSign::Message(prepared.to_be_signed().to_vec());
        let signature = self.0.pool.sign(signer, input, self.0.settings.patience).await?;
        let token = prepared.assemble(&signature).map_err(AuthorityError::withheld)?;
        failpoint::reach("authority.time_stamp.signed");
        check_token(&token, &[&[own.cert][..], &above].concat(), &root, now)?;
        Ok(token)
    }
}

/// Our own verifier, at its strictest, before a token leaves.
fn check_token(token: &[u8], known: &[Cert], root: &Cert, now: Timestamp) -> Result<(), AuthorityError> {
    let material = Material { anchors: std::slice::from_ref(root), intermediates: known, crls: &[] };
    let report = judge::token(token, None, &Question::new(material, now, Profile::Strict));
    let bad = report.checks.iter().find(|check| check.verdict >= Outcome::Undecided);
    bad.map_or(Ok(()), |check| Err(AuthorityError::withheld(&check.says)))
}
