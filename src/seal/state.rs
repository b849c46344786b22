//! The life of a seal: its states, the acts on it, and the one table that joins them (R-SEAL-02).
//!
//! What is not in the table is refused. Renewal is an application of its own for a new SESeal under the same code;
//! when that one is made, the old one is superseded.

use crate::base::Refusal;
use std::fmt;

/// Where a seal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// 已申请: applied for, waiting for an approver.
    Applied,
    /// 已驳回: an approver said no.
    Rejected,
    /// 已批准: may be made.
    Approved,
    /// 制作中: the intent to make it is recorded; the maker's signature is not yet.
    Making,
    /// 正常: stamps.
    Active,
    /// 停用: rests, and can be taken into use again.
    Suspended,
    /// 挂失: reported lost.
    Lost,
    /// 过期: its period is over. Never stored: an active or suspended seal is found so by the clock.
    Expired,
    /// 已更新: a renewed SESeal took its place.
    Superseded,
    /// 注销: ended for good.
    Cancelled,
}

/// What is done to a seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// 批准
    Approve,
    /// 驳回
    Reject,
    /// 制作: the intent to make it.
    Make,
    /// 发放: the maker's signature stands and was checked.
    Issue,
    /// 制作 failed: back to where it can be tried again.
    Abandon,
    /// 用印
    Stamp,
    /// 停用
    Suspend,
    /// 启用
    Resume,
    /// 挂失
    ReportLoss,
    /// 解挂
    Recover,
    /// 续期: apply for the SESeal that will take its place.
    Renew,
    /// The renewed SESeal was issued.
    Supersede,
    /// 注销
    Cancel,
}

/// From, act, to. Nothing else happens to a seal.
pub const TABLE: &[(State, Act, State)] = &[
    (State::Applied, Act::Approve, State::Approved),
    (State::Applied, Act::Reject, State::Rejected),
    (State::Applied, Act::Cancel, State::Cancelled),
    (State::Approved, Act::Make, State::Making),
    (State::Approved, Act::Cancel, State::Cancelled),
    (State::Making, Act::Issue, State::Active),
    (State::Making, Act::Abandon, State::Approved),
    (State::Active, Act::Stamp, State::Active),
    (State::Active, Act::Suspend, State::Suspended),
    (State::Active, Act::ReportLoss, State::Lost),
    (State::Active, Act::Renew, State::Active),
    (State::Active, Act::Supersede, State::Superseded),
    (State::Active, Act::Cancel, State::Cancelled),
    (State::Suspended, Act::Resume, State::Active),
    (State::Suspended, Act::ReportLoss, State::Lost),
    (State::Suspended, Act::Cancel, State::Cancelled),
    (State::Lost, Act::Recover, State::Active),
    (State::Lost, Act::Cancel, State::Cancelled),
    (State::Expired, Act::Renew, State::Expired),
    (State::Expired, Act::Supersede, State::Superseded),
    (State::Expired, Act::Cancel, State::Cancelled),
];

impl State {
    /// All states.
    pub const ALL: [Self; 10] = [
        Self::Applied,
        Self::Rejected,
        Self::Approved,
        Self::Making,
        Self::Active,
        Self::Suspended,
        Self::Lost,
        Self::Expired,
        Self::Superseded,
        Self::Cancelled,
    ];

    /// The word in the database and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Rejected => "rejected",
            Self::Approved => "approved",
            Self::Making => "making",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Lost => "lost",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state with this word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Where `act` leads from here; refused where the table has no such row.
    pub fn after(self, act: Act) -> Result<Self, Refusal> {
        let row = TABLE.iter().find(|(from, on, _)| (*from, *on) == (self, act));
        row.map(|(_, _, to)| *to).ok_or_else(|| wrong_state(self, act))
    }
}

impl Act {
    /// All acts.
    pub const ALL: [Self; 13] = [
        Self::Approve,
        Self::Reject,
        Self::Make,
        Self::Issue,
        Self::Abandon,
        Self::Stamp,
        Self::Suspend,
        Self::Resume,
        Self::ReportLoss,
        Self::Recover,
        Self::Renew,
        Self::Supersede,
        Self::Cancel,
    ];

    /// The word in paths and refusals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Make => "make",
            Self::Issue => "issue",
            Self::Abandon => "abandon",
            Self::Stamp => "stamp",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::ReportLoss => "report-loss",
            Self::Recover => "recover",
            Self::Renew => "renew",
            Self::Supersede => "supersede",
            Self::Cancel => "cancel",
        }
    }

    /// The recorded fact, past tense, as the audit names it.
    pub fn recorded(self) -> &'static str {
        match self {
            Self::Approve => "seal.approved",
            Self::Reject => "seal.rejected",
            Self::Make => "seal.making_intended",
            Self::Issue => "seal.issued",
            Self::Abandon => "seal.making_abandoned",
            Self::Stamp => "seal.stamped",
            Self::Suspend => "seal.suspended",
            Self::Resume => "seal.resumed",
            Self::ReportLoss => "seal.loss_reported",
            Self::Recover => "seal.recovered",
            Self::Renew => "seal.renewal_applied",
            Self::Supersede => "seal.superseded",
            Self::Cancel => "seal.cancelled",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

fn wrong_state(state: State, act: Act) -> Refusal {
    let allowed: Vec<_> =
        TABLE.iter().filter(|(from, ..)| *from == state).map(|(_, act, _)| act.name()).collect();
    let allowed = if allowed.is_empty() {
        "nothing more can be done with it".into()
    } else {
        format!("from here: {}", allowed.join(", "))
    };
    let says = format!("cannot {} a seal that is {state}; {allowed}", act.name());
    match (state, act) {
        (State::Expired, Act::Stamp) => Refusal::new("seal/expired", says),
        _ => Refusal::new("seal/wrong-state", says),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One letter a state, one line an act: what leads where. Everything else is a dot: refused.
    #[test]
    fn every_state_meets_every_act() {
        let letter = |state: State| match state {
            State::Superseded => 'U',
            State::Rejected => 'J',
            State::Approved => 'P',
            State::Active => '+',
            other => other.name().chars().next().unwrap().to_ascii_uppercase(),
        };
        let picture: Vec<String> = Act::ALL
            .iter()
            .map(|&act| {
                let row: String =
                    State::ALL.iter().map(|state| state.after(act).map_or('.', letter)).collect();
                format!("{row} {}", act.name())
            })
            .collect();
        let expected = [
            "P......... approve",
            "J......... reject",
            "..M....... make",
            "...+...... issue",
            "...P...... abandon",
            "....+..... stamp",
            "....S..... suspend",
            ".....+.... resume",
            "....LL.... report-loss",
            "......+... recover",
            "....+..E.. renew",
            "....U..U.. supersede",
            "C.C.CCCC.. cancel",
        ];
        assert_eq!(picture, expected);
    }

    #[test]
    fn a_refusal_says_what_may_be_done() {
        let refusal = State::Suspended.after(Act::Stamp).unwrap_err();
        assert_eq!(refusal.code, "seal/wrong-state");
        assert_eq!(
            refusal.says,
            "cannot stamp a seal that is suspended; from here: resume, report-loss, cancel"
        );
        assert_eq!(State::Expired.after(Act::Stamp).unwrap_err().code, "seal/expired");
    }

    #[test]
    fn names_are_unique_and_read_back() {
        for state in State::ALL {
            assert_eq!(State::from_name(state.name()), Some(state));
        }
        assert_eq!(State::from_name("draft"), None);
    }
}
