//! The outside: an HTTP server that remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Value,
}

/// What is answered: a status, with the path that was asked for; that this authorization is refused,
/// after so many bytes of something else; or nothing for as long as the receiver is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Status(u16),
    Refused { before: usize },
    Hold,
}

type Decide = Box<dyn Fn(&Asked) -> Answer + Send + Sync>;

struct Shared {
    asked: Mutex<Vec<Asked>>,
    decide: Mutex<Decide>,
    /// Connections that were held and then closed by the other side.
    hung_up: Mutex<usize>,
    closed: AtomicBool,
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Receiver {
    pub(crate) fn open() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap())
    }

    pub(crate) fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let shared = Arc::new(Shared {
            asked: Mutex::default(),
            decide: Mutex::new(Box::new(|_| Answer::Status(200))),
            hung_up: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        let receiver = Self { address: listener.local_addr().unwrap(), shared };
        let shared = Arc::clone(&receiver.shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.closed.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(&shared, &stream));
            }
        });
        receiver
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn decide(&self, decide: impl Fn(&Asked) -> Answer + Send + Sync + 'static) {
        *self.shared.decide.lock().unwrap() = Box::new(decide);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    pub(crate) fn hung_up(&self) -> usize {
        *self.shared.hung_up.lock().unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // The listener wakes up and goes.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(shared: &Shared, stream: &TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let Some(asked) = read(&mut reader) else { return };
    shared.asked.lock().unwrap().push(asked.clone());
    loop {
        let answer = (shared.decide.lock().unwrap())(&asked);
        let said = match answer {
            Answer::Status(status) => {
                Some((status, serde_json::json!({ "asked": asked.path }).to_string()))
            }
            Answer::Refused { before } => {
                let authorization = asked.authorization.as_deref().unwrap_or_default();
                Some((401, format!("{}{authorization} is refused", "x".repeat(before))))
            }
            Answer::Hold => None,
        };
        if let Some((status, body)) = said {
            let _ = write!(
                &mut &*stream,
                "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            return;
        }
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        if matches!((&mut &*stream).read(&mut [0]), Ok(0)) {
            *shared.hung_up.lock().unwrap() += 1;
            return;
        }
        if shared.closed.load(Ordering::SeqCst) {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut key, mut authorization, mut length) = (None, None, 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        let value = value.trim().to_owned();
        match name.to_ascii_lowercase().as_str() {
            "idempotency-key" => key = Some(value),
            "authorization" => authorization = Some(value),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Some(Asked { path, key, authorization, body })
}
