//! The one integration binary: a file per story.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails shall stop where it fails")]

mod audit;
mod audit_closed;
mod audit_start;
mod audit_tampering;
mod authority;
mod backup;
mod bad_input;
mod cli;
mod cluster;
mod config;
mod daemon;
mod deploy;
mod endurance;
mod faults;
mod house;
mod http;
mod job;
mod keys;
mod observe;
mod officer;
mod rotation;
mod routes;
mod sandbox;
mod scale;
mod seal_life;
mod stamping;
mod statements;
mod store;
mod support;
mod three_roles;
mod tls;
mod verification;
