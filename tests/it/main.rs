//! The one integration binary: a file per story.

mod authority;
mod audit;
mod job;
mod keys;
mod statements;
mod house;
mod http;
mod officer;
mod store;
mod support;
