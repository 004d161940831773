//! Logs of workloads, as lines.

use std::collections::VecDeque;

use progenitor_client::ClientInfo;
use tessera_types::sync::LogLine;
use tessera_types::{Name, Timestamp};

use crate::Api;
use crate::error::{Error, of_response};

/// Which part of a log to read.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// Only the last so many lines.
    pub tail: Option<u32>,
    /// Only lines at or after this time.
    pub since: Option<Timestamp>,
    /// Go on as lines are written.
    pub follow: bool,
}

/// A log being read.
#[derive(Debug)]
pub struct LogStream {
    response: reqwest::Response,
    buffer: Vec<u8>,
    ready: VecDeque<LogLine>,
}

impl LogStream {
    /// Begins to read the log of a workload.
    ///
    /// # Errors
    /// [`Error`] when it cannot be read.
    pub async fn open(
        api: &Api,
        namespace: &Name,
        name: &Name,
        options: &LogOptions,
    ) -> Result<Self, Error> {
        let mut query = vec![("namespace", namespace.to_string())];
        query.extend(options.tail.map(|lines| ("tail", lines.to_string())));
        query.extend(options.since.map(|at| ("since", at.to_string())));
        query.push(("follow", options.follow.to_string()));
        let url = format!("{}/v1/workloads/{name}/logs", api.url());
        let request = api.client().get(url).query(&query);
        let response = request.send().await.map_err(|error| Error::transport(&error))?;
        if !response.status().is_success() {
            return Err(of_response(response).await);
        }
        Ok(Self { response, buffer: Vec::new(), ready: VecDeque::new() })
    }

    /// The next line; none after the last.
    ///
    /// # Errors
    /// [`Error`] when the connection breaks.
    pub async fn next(&mut self) -> Result<Option<LogLine>, Error> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            let Some(bytes) =
                self.response.chunk().await.map_err(|error| Error::cut_off(&error))?
            else {
                return Ok(None);
            };
            self.buffer.extend_from_slice(&bytes);
            while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let line = serde_json::from_slice(&line)
                    .map_err(|error| Error::Protocol(format!("in a log line: {error}")))?;
                self.ready.push_back(line);
            }
        }
    }
}
