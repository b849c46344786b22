//! The routes of this room: decode, call one command, encode. REST for programs, a page for people.

mod api;
mod page;
mod view;

use super::{
    error::VerificationError,
    service::{VerificationId, Verifications},
};
use crate::{
    document::pool::Unread,
    http::{Problem, Route},
};

/// All routes of this room.
pub fn routes(verifications: &Verifications) -> Vec<Route> {
    let mut routes = api::routes(verifications);
    routes.extend(page::routes(verifications));
    routes
}

/// Seconds after which a place may be free.
const RETRY_AFTER_S: u32 = 2;

impl From<VerificationError> for Problem {
    fn from(error: VerificationError) -> Self {
        let says = error.to_string();
        match error {
            VerificationError::Unread(Unread::Busy) => {
                Problem::new("service/busy", says).retry_after_s(RETRY_AFTER_S)
            }
            VerificationError::Unread(Unread::Broken) => Problem::internal(),
            VerificationError::Denied(denied) => denied.into(),
            VerificationError::Unknown(_) => Problem::new("verification/unknown", says),
            VerificationError::Trust(error) => error.into(),
            VerificationError::Store(error) => error.into(),
        }
    }
}

fn known_id(text: &str) -> Result<VerificationId, Problem> {
    VerificationId::parse(text).ok_or_else(|| {
        Problem::new("verification/unknown", "this is not the id of a kept report (`verification_…`)")
    })
}
