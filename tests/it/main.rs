//! The one integration binary: a file per story.

mod job;
mod statements;
mod keys;
mod store;
mod support;
