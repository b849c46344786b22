//! The settings for asking others: whom we believe is written in one file, and nobody else is.

use super::{
    files::{self, TlsError, wrong},
    provider,
};
use rustls::{ClientConfig, RootCertStore};
use std::{path::Path, sync::Arc};

/// Settings that believe the authorities in this file alone.
///
/// # Errors
/// [`TlsError`] where it holds none.
pub fn client(authorities: &Path) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in files::certificates(authorities)? {
        roots
            .add(certificate)
            .map_err(|_| wrong(authorities, "holds a certificate that can't be an authority for TLS"))?;
    }
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(authorities, &format!("is of no use: {error}")))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
