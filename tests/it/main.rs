//! The one integration binary: a file per story.

mod audit;
mod house;
mod http;
mod job;
mod keys;
mod officer;
mod statements;
mod store;
mod support;
