//! Electronic seals: their owners and makers, their life, their picture, their stamps.

pub mod look;
pub mod picture;
pub mod state;
