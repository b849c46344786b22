//! What may differ from house to house, as data: names, periods, the policy of time stamps.

use super::{Role, SubjectFields};
use crate::base::{Refusal, Timestamp};
use std::time::Duration;
use yinxin_pki::oid::Oid;

/// How the authority works.
#[derive(Debug, Clone)]
pub struct AuthoritySettings {
    /// The organisation (O) in the names of the authority's own certificates.
    pub organisation: String,
    /// Days that a certificate is valid, by role.
    pub valid_days: ValidDays,
    /// A certificate starts so long before its making, because clocks differ. Its maker's key is not older for it.
    pub backdate_ms: i64,
    /// http(s) URL where the first issuing authority's list can be fetched; written into certificates.
    pub crl_url: Option<String>,
    /// http(s) URL where the first issuing authority's certificate can be fetched; written into certificates.
    pub issuer_url: Option<String>,
    /// http(s) URL under which later issuing authorities have theirs: `/2/ca.crl` and `/2/issuing.cer` for the second.
    pub later_url: Option<String>,
    /// So long before its end a time-stamping or maker's certificate gets a successor by itself.
    pub renew_before_days: RenewBeforeDays,
    /// How long a revocation list says it is good for.
    pub crl_valid_for_ms: i64,
    /// A list is renewed when less than this is left of it.
    pub crl_renew_before_ms: i64,
    /// The policy that time stamps are made under.
    pub time_stamp_policy: Oid,
    /// How exactly a time stamp says the time, in seconds.
    pub time_stamp_accuracy_s: u64,
    /// How long a signature is waited for.
    pub patience: Duration,
}

/// Days of validity by role.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "the names are those of the roles")]
pub struct ValidDays {
    pub root: i64,
    pub issuing: i64,
    pub seal_maker: i64,
    pub seal_owner: i64,
    pub time_stamping: i64,
}

/// Days before its end at which a certificate gets a successor by itself.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "the names are those of the roles")]
pub struct RenewBeforeDays {
    pub seal_maker: i64,
    pub time_stamping: i64,
}

/// `2.25.` and a random UUID as a number (X.667): an identifier of our own that needs no register.
const POLICY: &str = "2.25.145449186334900260485901864053034253836";

impl AuthoritySettings {
    /// The usual settings for this organisation.
    pub fn of(organisation: &str) -> Self {
        Self {
            organisation: organisation.to_owned(),
            valid_days: ValidDays {
                root: 20 * 365,
                issuing: 10 * 365,
                seal_maker: 5 * 365,
                seal_owner: 3 * 365,
                time_stamping: 5 * 365,
            },
            backdate_ms: 5 * 60_000,
            crl_url: None,
            issuer_url: None,
            later_url: None,
            // A seal ends with its maker's certificate (verdicts, check 4): so the last one made has two years at least.
            renew_before_days: RenewBeforeDays { seal_maker: 2 * 365, time_stamping: 365 },
            crl_valid_for_ms: 24 * 3_600_000,
            crl_renew_before_ms: 6 * 3_600_000,
            time_stamp_policy: oid_of(POLICY).unwrap_or_else(|| Oid::from_content(&[])),
            time_stamp_accuracy_s: 1,
            patience: Duration::from_secs(10),
        }
    }

    /// Where the list of the issuing authority of this generation is.
    pub(super) fn crl_url_of(&self, generation: i64) -> Option<String> {
        self.url_of(generation, &self.crl_url, "ca.crl")
    }

    /// Where the certificate of the issuing authority of this generation is.
    pub(super) fn issuer_url_of(&self, generation: i64) -> Option<String> {
        self.url_of(generation, &self.issuer_url, "issuing.cer")
    }

    fn url_of(&self, generation: i64, first: &Option<String>, name: &str) -> Option<String> {
        match generation {
            1 => first.clone(),
            later => self.later_url.as_ref().map(|base| format!("{base}/{later}/{name}")),
        }
    }

    /// When a certificate of this role, made `now`, begins and ends, in whole seconds.
    pub(super) fn period(&self, role: Role, now: Timestamp) -> (Timestamp, Timestamp) {
        let days = match role {
            Role::Root | Role::Cross => self.valid_days.root,
            Role::Issuing => self.valid_days.issuing,
            Role::SealMaker => self.valid_days.seal_maker,
            Role::SealOwner => self.valid_days.seal_owner,
            Role::TimeStamping => self.valid_days.time_stamping,
        };
        let start = now.plus_ms(-self.backdate_ms).whole_seconds();
        (start, now.whole_seconds().plus_days(days))
    }

    /// The subject of one of the authority's own certificates.
    pub(super) fn own_subject(&self, common_name: &str) -> Result<SubjectFields, Refusal> {
        SubjectFields::new(common_name)?.organisation(&self.organisation)
    }
}

/// Reads a dotted identifier, arcs up to 128 bits; `None` where it is none. For policies in configuration.
pub fn oid_of(dotted: &str) -> Option<Oid> {
    if !dotted.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.') {
        return None;
    }
    let arcs: Vec<u128> = dotted.split('.').map(|arc| arc.parse().ok()).collect::<Option<_>>()?;
    let (&[first, second], rest) = arcs.split_first_chunk()?;
    if first > 2 || (first < 2 && second > 39) {
        return None;
    }
    let mut content = Vec::new();
    for arc in std::iter::once(second.checked_add(first * 40)?).chain(rest.iter().copied()) {
        let groups = (128 - arc.leading_zeros()).div_ceil(7).max(1);
        content.extend((0..groups).rev().map(|group| {
            let more = if group == 0 { 0 } else { 0x80 };
            (arc >> (7 * group)) as u8 & 0x7f | more
        }));
    }
    Some(Oid::from_content(&content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use yinxin_pki::oid;

    #[test]
    fn dotted_identifiers_become_the_known_octets() {
        assert_eq!(oid_of("1.2.156.10197.1.501"), Some(oid::SM2_WITH_SM3));
        assert_eq!(oid_of("2.5.29.37"), Some(oid::EXTENDED_KEY_USAGE));
        assert_eq!(oid_of("2.999.0").map(|id| id.content().to_vec()), Some(vec![0x88, 0x37, 0]));
        // X.667 clause 7: the UUID f81d4fae-7dec-11d0-a765-00a0c91e6bf6 as a number.
        let uuid = oid_of("2.25.329800735698586629295641978511506172918").unwrap();
        assert_eq!(uuid.content().len(), 20);
        for odd in ["", "1", "1.", "1.40", "3.1", "1.2.x", "1.2.-3", "1.2.+3", "1..2"] {
            assert_eq!(oid_of(odd), None, "{odd}");
        }
    }

    #[test]
    fn the_usual_policy_is_an_identifier() {
        assert!(!AuthoritySettings::of("某市").time_stamp_policy.content().is_empty());
    }
}
