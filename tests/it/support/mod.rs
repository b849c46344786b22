//! What several stories need.

pub mod app;
pub mod certificates;
pub mod databases;
pub mod front;
pub mod process;
#[path = "../../../examples/endurance/proxy.rs"]
pub mod proxy;
pub mod schema;
pub mod secured;
pub mod server;
pub mod whole;
