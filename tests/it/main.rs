//! The one integration binary: a file per story.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails shall stop where it fails")]

mod audit;
mod authority;
mod bad_input;
mod cli;
mod config;
mod daemon;
mod endurance;
mod house;
mod http;
mod job;
mod keys;
mod officer;
mod routes;
mod seal_life;
mod stamping;
mod statements;
mod store;
mod support;
mod tls;
mod verification;
