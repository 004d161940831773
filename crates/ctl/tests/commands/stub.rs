//! A control plane of cardboard: it answers as a test says, and remembers what it
//! was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Such as `GET /v1/workloads`.
    pub(crate) line: String,
    pub(crate) query: String,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) body: String,
}

/// What to answer.
pub(crate) enum Answer {
    Json(u16, Value),
    Text(u16, &'static str),
    /// Server-sent events; the connection then stays open until the client goes.
    Events(Vec<Value>),
    /// As [`Answer::Events`], and the connection breaks.
    BrokenEvents(Vec<Value>),
    /// Lines of JSON; then the connection breaks, or the answer ends in order.
    Lines {
        lines: Vec<Value>,
        breaks: bool,
    },
    /// No reply: the connection breaks.
    Nothing,
}

type Handler = dyn Fn(&Request) -> Answer + Send + Sync;

/// The stub; its threads end with the test's process.
pub(crate) struct Stub {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Stub {
    pub(crate) fn start(handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (handler, seen): (Arc<Handler>, _) = (Arc::new(handler), Arc::clone(&requests));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (handler, seen) = (Arc::clone(&handler), Arc::clone(&seen));
                std::thread::spawn(move || {
                    let _ = serve(stream, &*handler, &seen);
                });
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that was asked so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: TcpStream,
    handler: &Handler,
    seen: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let request = read(&mut stream)?;
    seen.lock().unwrap().push(request.clone());
    match handler(&request) {
        Answer::Json(status, value) => {
            reply(&mut stream, status, "application/json", &value.to_string())
        }
        Answer::Text(status, text) => reply(&mut stream, status, "text/html", text),
        Answer::Events(events) => {
            send_events(&mut stream, &events)?;
            // Ends when the client closes its side.
            stream.read_to_end(&mut Vec::new()).map(|_| ())
        }
        Answer::BrokenEvents(events) => send_events(&mut stream, &events),
        Answer::Lines { lines, breaks } => send_lines(&mut stream, &lines, breaks),
        Answer::Nothing => Ok(()),
    }
}

fn read(stream: &mut TcpStream) -> std::io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let (mut length, mut idempotency_key) = (0, None);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "idempotency-key" => idempotency_key = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut words = first.split_whitespace();
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ok(Request {
        line: format!("{method} {path}"),
        query: query.to_owned(),
        idempotency_key,
        body: String::from_utf8(body).unwrap(),
    })
}

fn reply(stream: &mut TcpStream, status: u16, kind: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nx-request-id: r-17\r\nconnection: close\r\n\r\n{body}"
    )
}

fn send_events(stream: &mut TcpStream, events: &[Value]) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n: hello\n\n"
    )?;
    for event in events {
        let id = event.get("revision").and_then(Value::as_u64);
        let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        write!(stream, "{id}data: {event}\n\n")?;
    }
    stream.flush()
}

fn send_lines(stream: &mut TcpStream, lines: &[Value], breaks: bool) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\ntessera-node: a\r\nconnection: close\r\n\r\n"
    )?;
    for line in lines {
        let line = format!("{line}\n");
        write!(stream, "{:x}\r\n{line}\r\n", line.len())?;
    }
    // Without the last chunk the answer is cut off.
    let end = if breaks { "" } else { "0\r\n\r\n" };
    write!(stream, "{end}")?;
    stream.flush()
}
