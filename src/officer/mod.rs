//! Officers (工作人员): the people on our side, their roles, their API keys, and the [`Caller`] that every command takes.

mod caller;
mod error;
mod key;
mod right;
mod service;

pub mod http;
pub mod store;

pub use caller::{Actor, Caller, Denied};
pub use error::OfficerError;
pub use key::{ApiKey, ApiKeyId, ClearKey, KeyHash, KeyTerms, OVERLAP_MAX_MS};
pub use right::{Right, Role, Roles, RolesError};
pub use service::{
    EndingKeys, FirstOfficer, IssuedKey, MakeKey, Officers, RegisterOfficer, RotateKey, SignInError,
    bootstrap, rescue,
};

use crate::base::{Refusal, Timestamp};

crate::id_type!(
    /// An officer.
    OfficerId,
    "officer"
);

/// The longest name or label, in characters.
const NAME_MAX_CHARS: usize = 100;

/// A person on our side.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Officer {
    /// Names the officer in audit records; separations compare it, never keys.
    pub id: OfficerId,
    /// The person's name, for people.
    pub name: String,
    /// What the officer is on duty for.
    pub roles: Roles,
    /// Whether the officer may do anything at all.
    pub state: OfficerState,
    /// When the officer was registered.
    pub made_at: Timestamp,
}

right::named! {
    /// Whether an officer may act.
    OfficerState {
        /// On duty.
        Active = "active",
        /// Off duty: every key of the officer is refused.
        Disabled = "disabled",
    }
}

impl Officer {
    /// Whether `self` and `other` are two persons.
    pub fn is_other_than(&self, other: &OfficerId) -> bool {
        self.id != *other
    }

    /// Gives the officer other roles.
    ///
    /// # Errors
    /// Nobody changes their own roles: two persons stand behind every grant.
    pub fn with_roles(self, by: &Officer, roles: Roles) -> Result<Officer, Refusal> {
        self.not_oneself(by, "change your own roles")?;
        Ok(Officer { roles, ..self })
    }

    /// Takes the officer off duty, or puts him back on.
    ///
    /// # Errors
    /// Nobody does it to themselves, and there must be something to change.
    pub fn with_state(self, by: &Officer, state: OfficerState) -> Result<Officer, Refusal> {
        self.not_oneself(by, "put yourself on or off duty")?;
        if self.state == state {
            return Err(Refusal::new("officer/wrong-state", format!("the officer is {state} already")));
        }
        Ok(Officer { state, ..self })
    }

    fn not_oneself(&self, by: &Officer, act: &str) -> Result<(), Refusal> {
        if by.is_other_than(&self.id) {
            return Ok(());
        }
        Err(Refusal::new("officer/oneself", format!("you cannot {act}; another security administrator can")))
    }
}

/// Checks a name or label: something to read, one line, not endless.
fn checked_name(what: &str, text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    let chars = text.chars().count();
    if (1..=NAME_MAX_CHARS).contains(&chars) && !text.chars().any(crate::base::text::is_hidden) {
        return Ok(text.to_owned());
    }
    Err(Refusal::new(
        "officer/bad-name",
        format!("the {what} has {chars} characters; it takes 1 to {NAME_MAX_CHARS}, in one line"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;

    fn officer(seed: u64, role: Role) -> Officer {
        let now = Timestamp::from_seconds(1_795_219_200);
        Officer {
            id: OfficerId::fresh(now, &SeededEntropy::new(seed)),
            name: "某人".into(),
            roles: Roles::only(role),
            state: OfficerState::Active,
            made_at: now,
        }
    }

    #[test]
    fn nobody_changes_their_own_roles_or_state() {
        let me = officer(1, Role::SecurityAdministrator);
        let other = officer(2, Role::Viewer);
        let refused = me.clone().with_roles(&me, Roles::only(Role::Auditor)).expect_err("own roles");
        assert_eq!(refused.code, "officer/oneself");
        assert_eq!(
            me.clone().with_state(&me, OfficerState::Disabled).expect_err("oneself").code,
            "officer/oneself"
        );
        let changed = other.clone().with_roles(&me, Roles::only(Role::Verifier)).expect("another's roles");
        assert!(changed.roles.include(Role::Verifier) && !changed.roles.include(Role::Viewer));
        assert_eq!(
            other.with_state(&me, OfficerState::Active).expect_err("same state").code,
            "officer/wrong-state"
        );
    }

    #[test]
    fn names_are_one_readable_line() {
        assert_eq!(checked_name("name", " 张三 ").as_deref(), Ok("张三"));
        for bad in ["", "  ", "a\nb", &"长".repeat(101)] {
            assert_eq!(checked_name("name", bad).expect_err("bad").code, "officer/bad-name");
        }
    }
}
