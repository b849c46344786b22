//! Yinxin 印信: trust services for government platforms, as one daemon and command-line tool.
//!
//! The rooms, from the ground up (imports point down; `tests/it/house.rs` holds the list):
//!
//! | floor | rooms |
//! | --- | --- |
//! | 5 | `cli`, `doctor`, `app` |
//! | 4 | `verification` → `seal` → `authority` |
//! | 3 | `audit`, `job`, `http`, `web` |
//! | 2 | `store`, `keys`, `document`, `tls`, `outside`, `sandbox`, `telemetry` |
//! | 1 | `base`, and the package `yinxin-pki` |

pub mod app;
pub mod audit;
pub mod authority;
pub mod backup;
pub mod base;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod document;
pub mod http;
pub mod job;
pub mod keys;
pub mod officer;
pub mod outside;
pub mod sandbox;
pub mod seal;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod verification;
pub mod web;
