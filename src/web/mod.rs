//! The kit for pages: templates, two languages, static files. Pages work without JavaScript, and load nothing from elsewhere.

mod locale;
mod problems;
mod render;
mod statics;

pub use locale::{Locale, MESSAGES, Message};
pub use problems::problem_page;
pub use render::{Template, page};

use crate::http::{Access, Gives, Operation, Route};
use axum::response::Redirect;

/// The routes of this room: static files, and the pages on error codes.
pub fn routes() -> Vec<Route> {
    let mut routes = statics::routes();
    let root = Operation::get(Access::PUBLIC, "/", "readHome", "Leads to the page that verifies").page();
    routes.push(root.gives(303, Gives::Nothing).handled_by((), async || Redirect::to("/verify")));
    routes.extend(problems::routes());
    routes
}
