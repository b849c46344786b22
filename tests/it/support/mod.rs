//! What several stories need.

pub mod app;
pub mod certificates;
pub mod databases;
pub mod front;
pub mod process;
pub mod schema;
pub mod whole;
