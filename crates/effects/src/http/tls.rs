//! Whose certificates are trusted: the system's, and those that the settings name.
//!
//! One that the settings name may be the very certificate of a server, signed by itself, as a test's
//! often is. Such certificates say that they are an authority's, and are refused as a server's by
//! the usual verifier.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
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
        config(store, &own).map_err(SettingsError::Tls)?;
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
        let config = config(store, &self.own).map_err(io::Error::other)?;
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

fn config(roots: RootCertStore, own: &[CertificateDer<'static>]) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let usual = if roots.is_empty() {
        None
    } else {
        let builder = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone());
        Some(builder.build().map_err(|error| error.to_string())?)
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let Some(usual) = usual else {
        let none = RootCertStore::empty();
        return Ok(builder.with_root_certificates(none).with_no_client_auth());
    };
    let verifier = Arc::new(Verifier { usual, own: own.to_vec() });
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// The usual verifier, which also lets in a server whose certificate is one of our own.
#[derive(Debug)]
struct Verifier {
    usual: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.usual.verify_server_cert(server, intermediates, name, ocsp, now);
        match verified {
            // An end of its validity has an error of its own, and is checked before what is wrong
            // with an authority's certificate.
            Err(Error::InvalidCertificate(CertificateError::Other(_)))
                if self.own.contains(server) =>
            {
                verify_server_name(&ParsedCertificate::try_from(server)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}
