//! Dropshot says through slog what it does; this passes on the one record that
//! matters, an answered request, to `tracing` and to whoever counts.

use std::cell::RefCell;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use slog::{Drain, Key, Level, Never, OwnedKVList, Record, Serializer};

/// Is told of each answered request: its method, path, status, and how long it took.
pub trait Count: Send + Sync + 'static {
    /// A request was answered.
    fn answered(&self, method: &str, path: &str, code: u16, latency: Duration);
}

/// The logger to give to Dropshot.
pub fn logger(count: impl Count) -> slog::Logger {
    slog::Logger::root(RequestLog { count: AssertUnwindSafe(count) }, slog::o!())
}

/// The status of what may go well later.
const UNAVAILABLE: u16 = 503;

struct RequestLog<C> {
    /// Counters stay whole when a handler panics: they are single numbers.
    count: AssertUnwindSafe<C>,
}

/// What is read off a record.
#[derive(Default)]
struct Request {
    method: String,
    uri: String,
    id: String,
    remote: String,
    code: Option<u16>,
    latency: Duration,
    internal: Option<String>,
}

impl<C: Count> Drain for RequestLog<C> {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        let mut fields = Fields(RefCell::new(Request::default()));
        // Reading fields fails only if a value cannot be formatted.
        let _ = slog::KV::serialize(&record.kv(), record, &mut fields);
        let _ = slog::KV::serialize(values, record, &mut fields);
        let request = fields.0.into_inner();
        match request.code {
            Some(code) => self.answered(&request, code),
            None if record.level().is_at_least(Level::Warning) => {
                tracing::debug!(target: "tessera::api", message = %record.msg(), uri = %request.uri);
            }
            None => {}
        }
        Ok(())
    }
}

impl<C: Count> RequestLog<C> {
    fn answered(&self, request: &Request, code: u16) {
        let path = request.uri.split('?').next().unwrap_or_default();
        self.count.answered(&request.method, path, code, request.latency);
        // That something is not to be had at the moment, such as the log on a node that is
        // off, is an answer like any other; what is wrong here is logged where it is found.
        if code >= 500 && code != UNAVAILABLE {
            let internal = request.internal.as_deref().unwrap_or_default();
            tracing::error!(target: "tessera::api", method = %request.method, path, status = code, took = ?request.latency, request_id = %request.id, internal, "request failed");
        } else {
            tracing::debug!(target: "tessera::api", method = %request.method, path, status = code, took = ?request.latency, request_id = %request.id, remote = %request.remote, "request");
        }
    }
}

struct Fields(RefCell<Request>);

impl Serializer for Fields {
    fn emit_arguments(&mut self, key: Key, value: &fmt::Arguments<'_>) -> slog::Result {
        let mut request = self.0.borrow_mut();
        match key.as_ref() {
            "method" => request.method = value.to_string(),
            "uri" => request.uri = value.to_string(),
            "req_id" => request.id = value.to_string(),
            "remote_addr" => request.remote = value.to_string(),
            "response_code" => request.code = value.to_string().parse().ok(),
            "latency_us" => {
                request.latency = Duration::from_micros(value.to_string().parse().unwrap_or(0));
            }
            "error_message_internal" => request.internal = Some(value.to_string()),
            _ => {}
        }
        Ok(())
    }
}
