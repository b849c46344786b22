//! The kit for pages: templates, two languages, static files. Pages work without JavaScript, and load nothing from elsewhere.

mod locale;
mod problems;
mod render;
mod statics;

pub use locale::{Locale, MESSAGES, Message};
pub use problems::problem_page;
pub use render::{Template, page};

use crate::http::Route;

/// The routes of this room: static files, and the pages on error codes.
pub fn routes() -> Vec<Route> {
    let mut routes = statics::routes();
    routes.extend(problems::routes());
    routes
}
