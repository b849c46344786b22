//! What several stories need.

pub mod databases;
pub mod front;
pub mod whole;
