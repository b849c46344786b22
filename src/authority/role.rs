//! What the authority certifies, and the life of a certificate: rules without database or clock.

use crate::{
    base::{Refusal, Timestamp},
    id_type,
    keys::KeyPurpose,
};
use yinxin_pki::x509::Reason;

id_type!(
    /// A certificate of the own authority, from its intent on.
    CertId,
    "cert"
);

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The root, signed by itself.
    Root,
    /// The authority that signs all others.
    Issuing,
    /// Signs seals (制作主体).
    SealMaker,
    /// Signs stamps (使用主体).
    SealOwner,
    /// Signs time stamps.
    TimeStamping,
    /// A root, certified by the root before or after it (RFC 4210 4.4): who trusts one comes to the other.
    Cross,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::Root, Self::Issuing, Self::SealMaker, Self::SealOwner, Self::TimeStamping, Self::Cross];

    /// The word in the database and in listings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Issuing => "issuing",
            Self::SealMaker => "seal-maker",
            Self::SealOwner => "seal-owner",
            Self::TimeStamping => "time-stamping",
            Self::Cross => "cross",
        }
    }

    /// The role with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// What a key must be made for, to be certified in this role.
    pub const fn key_purpose(self) -> KeyPurpose {
        match self {
            Self::Root | Self::Cross => KeyPurpose::RootCa,
            Self::Issuing => KeyPurpose::IssuingCa,
            Self::SealMaker => KeyPurpose::SealMaker,
            Self::SealOwner => KeyPurpose::SealOwner,
            Self::TimeStamping => KeyPurpose::TimeStamping,
        }
    }

    /// Who signs certificates of this role; `None` for the root.
    pub const fn issuer(self) -> Option<Self> {
        match self {
            Self::Root => None,
            Self::Issuing | Self::Cross => Some(Self::Root),
            Self::SealMaker | Self::SealOwner | Self::TimeStamping => Some(Self::Issuing),
        }
    }

    /// Whether the issuing authority's revocation list is where its end is published.
    pub const fn is_listed(self) -> bool {
        matches!(self.issuer(), Some(Self::Issuing))
    }
}

/// Where a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertState {
    /// Written down; whether its signature was made is not known. The next start completes it.
    Intended,
    /// Signed, checked and recorded.
    Valid,
    /// Revoked.
    Revoked {
        /// Since when.
        at: Timestamp,
        /// Why.
        reason: Reason,
    },
}

impl CertState {
    /// The word in the database and in refusals.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Valid => "valid",
            Self::Revoked { .. } => "revoked",
        }
    }

    /// The certificate's signature was made, checked, and is being recorded.
    pub fn issue(self) -> Result<Self, Refusal> {
        match self {
            Self::Intended => Ok(Self::Valid),
            other => Err(wrong_state("issue", other)),
        }
    }

    /// Revokes. What was signed before `at` stays valid.
    pub fn revoke(self, role: Role, reason: Reason, at: Timestamp) -> Result<Self, Refusal> {
        if !role.is_listed() {
            let says = format!(
                "a certificate of role {} is not revoked here: no list of ours would say it",
                role.as_str()
            );
            return Err(Refusal::new("authority/not-revocable", says));
        }
        if matches!(reason, Reason::RemoveFromCrl | Reason::CertificateHold) {
            let says = "a revocation is final: hold and removal are no reasons here";
            return Err(Refusal::new("authority/reason", says));
        }
        match self {
            Self::Valid => Ok(Self::Revoked { at: at.whole_seconds(), reason }),
            other => Err(wrong_state("revoke", other)),
        }
    }
}

fn wrong_state(act: &str, found: CertState) -> Refusal {
    let says = format!("cannot {act} a certificate that is {}", found.as_str());
    Refusal::new("authority/wrong-state", says)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_meets_every_act() {
        let at = Timestamp::from_ms(1_500);
        let revoked = CertState::Revoked { at: Timestamp::from_ms(0), reason: Reason::Superseded };
        let table = [
            (CertState::Intended, Ok("valid"), Err("authority/wrong-state")),
            (CertState::Valid, Err("authority/wrong-state"), Ok("revoked")),
            (revoked, Err("authority/wrong-state"), Err("authority/wrong-state")),
        ];
        for (state, issued, gone) in table {
            let word =
                |result: Result<CertState, Refusal>| result.map(CertState::as_str).map_err(|no| no.code);
            assert_eq!(word(state.issue()), issued, "issue {}", state.as_str());
            let answer = state.revoke(Role::SealOwner, Reason::KeyCompromise, at);
            assert_eq!(word(answer), gone, "revoke {}", state.as_str());
        }
        let now = CertState::Valid.revoke(Role::SealMaker, Reason::Superseded, at).unwrap();
        assert_eq!(now, CertState::Revoked { at: Timestamp::from_ms(1_000), reason: Reason::Superseded });
    }

    #[test]
    fn authorities_are_not_revoked_and_nothing_is_put_on_hold() {
        let at = Timestamp::from_ms(0);
        for role in Role::ALL {
            let answer = CertState::Valid.revoke(role, Reason::Superseded, at);
            assert_eq!(answer.is_ok(), role.is_listed(), "{}", role.as_str());
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        for reason in [Reason::CertificateHold, Reason::RemoveFromCrl] {
            let refused = CertState::Valid.revoke(Role::SealOwner, reason, at).unwrap_err();
            assert_eq!(refused.code, "authority/reason");
        }
    }
}
