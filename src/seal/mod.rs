//! Electronic seals: their owners and makers, their life, their picture, their stamps.

mod error;
mod http;
pub mod look;
mod meter;
pub mod nouns;
pub mod picture;
pub mod register;
pub mod service;
pub mod stamp;
pub mod state;
pub mod store;

pub use error::SealError;
pub use http::routes;
pub use meter::Meters;
pub use service::{Asked, Chain, Parts, ProductCheck, SealService};
