//! A stamp 电子签章: the request, held to its limits, and its line in the register of use.

use super::{
    nouns::{Seal, SealId},
    register::OwnerId,
    state::Act,
};
use crate::{
    base::{Refusal, Timestamp, text::is_hidden},
    document::pdf::Placement,
    officer::OfficerId,
};

crate::id_type!(
    /// A stamp.
    StampId,
    "stamp"
);

/// Longest purpose, in characters.
const PURPOSE_CHARS: usize = 200;

/// Where a stamp's record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StampState {
    /// The intent is recorded; the signature may or may not have been computed.
    Intended,
    /// Signed, checked, handed out.
    Done,
    /// Given up with a reason; nothing was handed out.
    Failed,
    /// Closed by the sweeper: the service stopped in between; nothing was handed out.
    Abandoned,
}

impl StampState {
    /// The word in the database and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }

    /// The state with this word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Intended, Self::Done, Self::Failed, Self::Abandoned]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// What a stamp shall be.
#[derive(Debug, Clone)]
pub struct StampRequest {
    /// With which seal.
    pub seal: SealId,
    /// Where on the document.
    pub placement: Placement,
    /// What for, in the officer's words; stands in the register and, as the reason, in the PDF.
    pub purpose: Option<String>,
    /// Whether the own time-stamp authority confirms the instant in the same act.
    pub time_stamp: bool,
}

impl StampRequest {
    /// Checks the purpose; the place is checked against the page by the document.
    pub fn checked(self) -> Result<Self, Refusal> {
        let long = self.purpose.as_ref().is_some_and(|text| text.chars().count() > PURPOSE_CHARS);
        if long || self.purpose.as_ref().is_some_and(|text| text.chars().any(is_hidden)) {
            let says = format!("a purpose has at most {PURPOSE_CHARS} characters, none of them hidden");
            return Err(Refusal::new("input/purpose", says));
        }
        Ok(self)
    }
}

/// A line of the register of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StampRecord {
    /// Its id.
    pub id: StampId,
    /// With which seal.
    pub seal: SealId,
    /// Whose.
    pub owner: OwnerId,
    /// By whom.
    pub officer: OfficerId,
    /// Where it stands.
    pub state: StampState,
    /// SM3 of the document as it came, hex.
    pub document_sm3: String,
    /// Its length.
    pub document_bytes: i64,
    /// SM3 of the bytes that the stamp covers, hex.
    pub signed_sm3: String,
    /// Page, from 1.
    pub page: u32,
    /// Centre of the seal from the left edge, micrometres.
    pub x_um: i64,
    /// Centre of the seal from the top edge, micrometres.
    pub y_um: i64,
    /// What for.
    pub purpose: Option<String>,
    /// Whether a time stamp was asked for.
    pub time_stamped: bool,
    /// When it was intended.
    pub intended_at: Timestamp,
    /// When it was settled.
    pub settled_at: Option<Timestamp>,
    /// SM3 of the stamped file, hex.
    pub product_sm3: Option<String>,
    /// Why it failed.
    pub failure: Option<String>,
}

/// May this seal stamp for this officer now? `acts_for_owner` is what the owner's list of members says.
pub fn may_stamp(seal: &Seal, acts_for_owner: bool, now: Timestamp) -> Result<(), Refusal> {
    if !acts_for_owner {
        let says = "you do not act for the owner of this seal; its owner's members may stamp with it";
        return Err(Refusal::new("seal/not-your-owner", says));
    }
    seal.standing(now).after(Act::Stamp)?;
    match &seal.made {
        Some(made) if now < made.valid_from => Err(not_yet("this seal", made.valid_from)),
        _ => Ok(()),
    }
}

/// What begins after `now` was made by a clock that is ahead of this one, or this one was set back: a stamp made now would
/// be refused by everybody.
pub fn not_yet(what: &str, from: Timestamp) -> Refusal {
    let says = format!("the period of {what} begins at {from}, and the service's clock is not there yet");
    Refusal::new("seal/not-yet-valid", says)
}
