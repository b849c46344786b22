//! A seal and what may be done to it: pure rules over [`State`], given who asks and `now`.

use super::{
    look::Look,
    register::{MakerId, OwnerId, checked_name},
    state::{Act, State},
};
use crate::{
    base::{Refusal, Timestamp, text::is_hidden},
    officer::OfficerId,
};

crate::id_type!(
    /// A seal: one SESeal and its life. A renewed seal is another id under the same code.
    SealId,
    "seal"
);

/// Shortest and longest period of a seal, in days.
const PERIOD_DAYS: std::ops::RangeInclusive<u32> = 1..=3650;
/// Longest reason for an act, in characters.
const REASON_CHARS: usize = 200;

/// Which seal data is made (seal.md §0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// GB/T 38540-2020.
    V4,
    /// GM/T 0031-2025: the seal carries its own time stamp.
    V5,
}

impl Version {
    /// header.version.
    pub fn number(self) -> u64 {
        match self {
            Self::V4 => 4,
            Self::V5 => 5,
        }
    }

    /// The version with this number.
    pub fn from_number(number: i64) -> Option<Self> {
        [Self::V4, Self::V5].into_iter().find(|version| i64::try_from(version.number()) == Ok(number))
    }
}

/// What the application asks for, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Whose seal it will be.
    pub owner: OwnerId,
    /// Who shall make it.
    pub maker: MakerId,
    /// Its name, usually the owner's with its use.
    pub name: String,
    /// SES type number: free by national and vendor lists, 1 to 127 (seal.md §1.5).
    pub kind: u8,
    /// How it looks.
    pub look: Look,
    /// How long it is valid from its making on.
    pub period_days: u32,
    /// Which seal data.
    pub version: Version,
}

impl Wish {
    /// Checks name, type and period; the look was checked where it was made.
    pub fn checked(self) -> Result<Self, Refusal> {
        checked_name("seal", &self.name)?;
        if !(1..=127).contains(&self.kind) {
            return Err(Refusal::new("input/seal-kind", "the type number of a seal is 1 to 127"));
        }
        if !PERIOD_DAYS.contains(&self.period_days) {
            return Err(Refusal::new("input/period", "a seal is valid for 1 to 3650 days"));
        }
        Ok(self)
    }
}

/// What the making left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Start of the period.
    pub valid_from: Timestamp,
    /// End of the period.
    pub valid_to: Timestamp,
    /// SM3 of the SESeal, hex.
    pub esl_sm3: String,
    /// Serial number of the certificate that it stamps with, hex: what a revocation names.
    pub certificate: String,
}

/// A seal at a moment of its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// Its id.
    pub id: SealId,
    /// esID: 6 digits of region and 8 of serial (seal.md §6.4). Kept through renewals.
    pub code: String,
    /// What was asked for.
    pub wish: Wish,
    /// Where it stands, as stored; [`Seal::standing`] knows about its period.
    pub state: State,
    /// Since when.
    pub changed_at: Timestamp,
    /// Who brought it there.
    pub changed_by: OfficerId,
    /// Why, in their words.
    pub reason: Option<String>,
    /// Who applied.
    pub applied_by: OfficerId,
    /// When.
    pub applied_at: Timestamp,
    /// Who approved.
    pub approved_by: Option<OfficerId>,
    /// The seal that this one renews.
    pub renews: Option<SealId>,
    /// What the making left behind.
    pub made: Option<Made>,
}

/// What happened to a seal, for its history and the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The act.
    pub act: Act,
    /// Where it led.
    pub state: State,
    /// When it was asked for.
    pub at: Timestamp,
    /// From when it counts: a loss may be reported as of an earlier instant.
    pub effective_at: Timestamp,
    /// Who.
    pub by: OfficerId,
    /// Why.
    pub reason: Option<String>,
}

impl Seal {
    /// A fresh application.
    pub fn apply(
        id: SealId,
        code: String,
        wish: Wish,
        renews: Option<SealId>,
        by: &OfficerId,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            code,
            wish,
            state: State::Applied,
            changed_at: now,
            changed_by: by.clone(),
            reason: None,
            applied_by: by.clone(),
            applied_at: now,
            approved_by: None,
            renews,
            made: None,
        }
    }

    /// Where it stands at `now`: an active or suspended seal past its period is expired.
    pub fn standing(&self, now: Timestamp) -> State {
        let over = self.made.as_ref().is_some_and(|made| now > made.valid_to);
        match self.state {
            State::Active | State::Suspended if over => State::Expired,
            state => state,
        }
    }

    /// Does `act`: the table decides, then the rule of two persons. Answers the seal after it and the event.
    pub fn act(
        self,
        act: Act,
        by: &OfficerId,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<(Self, Event), Refusal> {
        let state = self.standing(now).after(act)?;
        self.two_persons(act, by)?;
        let reason = checked_reason(act, reason)?;
        let event = Event { act, state, at: now, effective_at: now, by: by.clone(), reason: reason.clone() };
        let approved_by = if act == Act::Approve { Some(by.clone()) } else { self.approved_by };
        // An expired seal stays stored as it was: its state is a matter of the clock.
        let state = if state == State::Expired { self.state } else { state };
        Ok((Self { state, approved_by, changed_at: now, changed_by: by.clone(), reason, ..self }, event))
    }

    /// Whether this officer may take the application back: their own, and nobody has decided on it.
    pub fn may_be_withdrawn_by(&self, by: &OfficerId) -> bool {
        self.state == State::Applied && *by == self.applied_by
    }

    /// Never alone: who applied neither approves nor rejects, and ends no seal of their own making (levels.md, roles).
    fn two_persons(&self, act: Act, by: &OfficerId) -> Result<(), Refusal> {
        let second = match act {
            Act::Approve | Act::Reject => true,
            Act::Cancel => !matches!(self.state, State::Applied),
            _ => false,
        };
        if second && *by == self.applied_by {
            let says = format!("who applied for a seal cannot {} it; ask another seal approver", act.name());
            return Err(Refusal::new("seal/same-person", says));
        }
        Ok(())
    }
}

/// Acts that take something away say why.
fn checked_reason(act: Act, reason: Option<String>) -> Result<Option<String>, Refusal> {
    let needed = matches!(act, Act::Reject | Act::Suspend | Act::ReportLoss | Act::Cancel);
    match reason.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()) {
        Some(text) if text.chars().count() > REASON_CHARS || text.chars().any(is_hidden) => {
            Err(Refusal::new(
                "input/reason",
                format!("a reason has at most {REASON_CHARS} characters, none of them hidden"),
            ))
        }
        None if needed => {
            Err(Refusal::new("input/reason", format!("to {} a seal, say why: give a reason", act.name())))
        }
        reason => Ok(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_seconds(1_790_000_000).plus_days(day)
    }

    fn officer(number: u64) -> OfficerId {
        OfficerId::fresh(at(0), &SeededEntropy::new(number))
    }

    fn applied() -> Seal {
        let chance = SeededEntropy::new(7);
        let look = Look { png: vec![], width_mm: 40, height_mm: 40, design: None };
        let wish = Wish {
            owner: OwnerId::fresh(at(0), &chance),
            maker: MakerId::fresh(at(0), &chance),
            name: "某市公章".into(),
            kind: 1,
            look,
            period_days: 365,
            version: Version::V4,
        };
        Seal::apply(SealId::fresh(at(0), &chance), "44010000000001".into(), wish, None, &officer(1), at(0))
    }

    fn active() -> Seal {
        let made =
            Made { valid_from: at(0), valid_to: at(365), esl_sm3: String::new(), certificate: String::new() };
        Seal { state: State::Active, made: Some(made), ..applied() }
    }

    #[test]
    fn an_applicant_never_decides_alone() {
        for act in [Act::Approve, Act::Reject] {
            let refusal = applied().act(act, &officer(1), Some("why".into()), at(1)).unwrap_err();
            assert_eq!(refusal.code, "seal/same-person");
            assert!(applied().act(act, &officer(2), Some("why".into()), at(1)).is_ok());
        }
        assert_eq!(
            active().act(Act::Cancel, &officer(1), Some("why".into()), at(1)).unwrap_err().code,
            "seal/same-person"
        );
        assert!(applied().act(Act::Cancel, &officer(1), Some("withdrawn".into()), at(1)).is_ok());
    }

    #[test]
    fn a_seal_past_its_period_stamps_nothing_and_may_be_renewed() {
        let seal = active();
        assert_eq!(seal.standing(at(365)), State::Active);
        assert_eq!(seal.standing(at(365).plus_ms(1)), State::Expired);
        assert_eq!(
            seal.clone().act(Act::Stamp, &officer(1), None, at(366)).unwrap_err().code,
            "seal/expired"
        );
        let (renewed, event) = seal.act(Act::Renew, &officer(1), None, at(366)).unwrap();
        assert_eq!((renewed.state, event.state), (State::Active, State::Expired));
    }

    #[test]
    fn what_takes_away_says_why() {
        for act in [Act::Suspend, Act::ReportLoss, Act::Cancel] {
            assert_eq!(
                active().act(act, &officer(2), Some("  ".into()), at(1)).unwrap_err().code,
                "input/reason"
            );
            assert_eq!(
                active().act(act, &officer(2), Some("x".repeat(201)), at(1)).unwrap_err().code,
                "input/reason"
            );
        }
        let (suspended, event) = active().act(Act::Suspend, &officer(2), Some("盘点".into()), at(1)).unwrap();
        assert_eq!((suspended.state, suspended.reason.as_deref()), (State::Suspended, Some("盘点")));
        assert_eq!(event.effective_at, at(1));
    }

    #[test]
    fn a_wish_is_held_to_its_limits() {
        let wish = applied().wish;
        assert!(wish.clone().checked().is_ok());
        assert_eq!(Wish { period_days: 0, ..wish.clone() }.checked().unwrap_err().code, "input/period");
        assert_eq!(Wish { kind: 0, ..wish.clone() }.checked().unwrap_err().code, "input/seal-kind");
        assert_eq!(Wish { name: String::new(), ..wish }.checked().unwrap_err().code, "input/name");
    }
}
