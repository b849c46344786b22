//! The one integration binary: a file per story.

mod store;
mod support;
