//! What several stories need.

pub mod app;
pub mod certificates;
pub mod databases;
#[allow(dead_code, reason = "the harness uses the rest of it")]
#[path = "../../../examples/endurance/disk/mod.rs"]
pub mod disk;
pub mod front;
pub mod process;
#[path = "../../../examples/endurance/proxy.rs"]
pub mod proxy;
pub mod schema;
pub mod secured;
pub mod server;
pub mod whole;
