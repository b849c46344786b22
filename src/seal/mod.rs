//! Seals: their picture so far.

pub mod picture;
