//! Whose certificates are trusted: the system's, and those that the settings name.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

use crate::settings::SettingsError;

/// What TLS connections are made with.
pub(super) struct Trust {
    own: Vec<CertificateDer<'static>>,
    /// Made at the first need: the system's certificates are hundreds, and most runs need none.
    connector: OnceCell<TlsConnector>,
}

impl Trust {
    /// Trusts the certificates in these files besides the system's.
    pub(super) fn new(files: &[PathBuf]) -> Result<Self, SettingsError> {
        let mut own = Vec::new();
        for path in files {
            let wrong = |why: String| SettingsError::Certificates { path: path.clone(), why };
            own.extend(read(path).map_err(wrong)?);
        }
        // What cannot be trusted is told now, not at the first call.
        let mut store = RootCertStore::empty();
        for certificate in &own {
            store.add(certificate.clone()).map_err(|it| SettingsError::Tls(it.to_string()))?;
        }
        config(store).map_err(|error| SettingsError::Tls(error.to_string()))?;
        Ok(Self { own, connector: OnceCell::new() })
    }

    pub(super) async fn connector(&self) -> io::Result<&TlsConnector> {
        self.connector.get_or_try_init(|| self.load()).await
    }

    async fn load(&self) -> io::Result<TlsConnector> {
        let native = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs);
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(native.await.map_err(io::Error::other)?.certs);
        store.add_parsable_certificates(self.own.iter().cloned());
        if store.is_empty() {
            let why = "this system trusts no certificates: install ca-certificates";
            return Err(io::Error::other(why));
        }
        let config = config(store).map_err(io::Error::other)?;
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    let certificates: Result<Vec<_>, _> = certificates.collect();
    match certificates {
        Ok(all) if all.is_empty() => Err("there is no certificate in it (PEM)".to_owned()),
        Ok(all) => Ok(all),
        Err(error) => Err(error.to_string()),
    }
}

fn config(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
