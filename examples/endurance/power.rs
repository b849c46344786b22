//! `power`: not built yet.

use crate::{
    json::Figures,
    plan::Plan,
    trouble::{Outcome, Trouble},
};

pub async fn run(_: &Plan) -> Outcome<Figures> {
    Err(Trouble::NotHere("it is not built yet".into()))
}
