//! What several stories need.

pub mod databases;
