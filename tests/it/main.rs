//! The one integration binary: a file per story.

mod keys;
mod store;
mod support;
