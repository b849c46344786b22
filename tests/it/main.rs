//! The one integration binary: a file per story.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails shall stop where it fails")]

mod authority;
mod audit;
mod house;
mod job;
mod keys;
mod statements;
mod http;
mod officer;
mod store;
mod support;
