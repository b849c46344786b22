//! TLS by rustls, with one provider of cryptography: ring. What listens and what asks others both come here for their settings;
//! who may be let in, and what is served, is decided above.
//!
//! TLS 1.2 and 1.3; forward-secret suites with authenticated encryption alone; no renegotiation, no compression, no early data.

mod client;
mod files;
mod server;

pub use client::client;
pub use files::{Identity, TlsError, certificates, identity, revocation_lists};
pub use server::{ClientCertificates, Demand, Refreshed, ServerFiles, ServerTls};

use rustls::crypto::{CryptoProvider, ring};
use std::sync::Arc;

/// The one provider of cryptography.
pub fn provider() -> Arc<CryptoProvider> {
    match CryptoProvider::get_default() {
        Some(provider) => provider.clone(),
        None => Arc::new(ring::default_provider()),
    }
}

/// Makes ring the provider of the whole process: libraries that ask for the process's own find it, and none makes a choice.
pub fn install_provider() {
    // An error means that one is installed, which is as well: nothing but ring is compiled in.
    let _ = ring::default_provider().install_default();
}
