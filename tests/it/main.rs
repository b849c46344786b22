//! The one integration binary: a file per story.

mod audit;
mod job;
mod statements;
mod store;
mod support;
