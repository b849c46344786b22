//! The one integration binary: a file per story.

mod house;
mod store;
mod support;
