//! The one integration binary: a file per story.

mod house;
mod http;
mod job;
mod officer;
mod statements;
mod store;
mod support;
