//! A server on loopback that records what it is asked, and answers as a test says.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value as Json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap_or("?"))
    }

    /// The fields of a form in the body.
    pub(crate) fn form(&self, name: &str) -> Option<String> {
        let mut fields = url::form_urlencoded::parse(self.body.as_bytes());
        fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

pub(crate) type Reply = Response<Full<Bytes>>;

/// A server, which ends when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    serving: JoinHandle<()>,
}

impl Server {
    /// Serves plain HTTP.
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(None, answer).await
    }

    /// Serves HTTPS with a certificate for `localhost` and `names`.
    pub(crate) async fn start_tls(
        authority: &Authority,
        names: &[&str],
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Some(authority.acceptor(names)), answer).await
    }

    /// Serves HTTPS with a certificate for `names` that is its own authority; gives its file.
    pub(crate) async fn start_self_signed(names: &[&str]) -> (Self, tempfile::NamedTempFile) {
        let key = KeyPair::generate().unwrap();
        let names = names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), certificate.pem()).unwrap();
        let acceptor = acceptor(CertificateDer::from(certificate.der().to_vec()), &key);
        (Self::serve(Some(acceptor), |_| json(&serde_json::json!("fine"))).await, file)
    }

    async fn serve(
        tls: Option<tokio_rustls::TlsAcceptor>,
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (record, answer) = (Arc::clone(&asked), Arc::new(answer));
        let serving = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (record, answer, tls) = (Arc::clone(&record), Arc::clone(&answer), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => attend(stream, record, answer).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => attend(stream, record, answer).await,
                            Err(_not_trusted) => {}
                        },
                    }
                });
            }
        });
        Self { address, asked, serving }
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }

    pub(crate) fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn attend(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    record: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<impl Fn(&Asked) -> Reply + Send + Sync + 'static>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (record, answer) = (Arc::clone(&record), Arc::clone(&answer));
        async move {
            let (head, body) = request.into_parts();
            let body =
                body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            let asked = Asked {
                method: head.method,
                target: head.uri.to_string(),
                headers: head.headers,
                body: String::from_utf8_lossy(&body).into_owned(),
            };
            record.lock().push(asked.clone());
            Ok::<_, Infallible>(answer(&asked))
        }
    });
    let connection = hyper::server::conn::http1::Builder::new();
    let _closed = connection.serve_connection(TokioIo::new(stream), service).await;
}

pub(crate) fn json(body: &Json) -> Reply {
    typed("application/json", body.to_string())
}

pub(crate) fn typed(media_type: &str, body: impl Into<Bytes>) -> Reply {
    Response::builder().header("content-type", media_type).body(Full::new(body.into())).unwrap()
}

pub(crate) fn status(status: u16, body: &str) -> Reply {
    let mut reply = typed("text/plain", body.to_owned());
    *reply.status_mut() = StatusCode::from_u16(status).unwrap();
    reply
}

pub(crate) fn redirect(code: u16, to: &str) -> Reply {
    let mut reply = status(code, "");
    reply.headers_mut().insert("location", to.parse().unwrap());
    reply
}

/// An authority whose certificates a test can be told to trust.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) file: tempfile::NamedTempFile,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), certificate.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), file }
    }

    fn acceptor(&self, names: &[&str]) -> tokio_rustls::TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let names = names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer);
        acceptor(CertificateDer::from(certificate.unwrap().der().to_vec()), &key)
    }
}

fn acceptor(certificate: CertificateDer<'static>, key: &KeyPair) -> tokio_rustls::TlsAcceptor {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    tokio_rustls::TlsAcceptor::from(Arc::new(config.unwrap()))
}
