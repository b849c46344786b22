//! Other parties, reached through one guarded HTTP client: it ends in time, reads no more than it was told to, follows no
//! redirect, and connects to no address inside the house unless the configuration names it.

mod client;
mod guard;
mod time_stamp;
mod url;

pub use client::{Answer, Client, Content, OutsideError, Request};
pub use guard::{Guard, Network, NetworkError};
pub use time_stamp::time_stamp;
pub use url::{BadUrl, Url};
