//! Logs of workloads and tenants, as lines.

use std::collections::VecDeque;

use progenitor_client::ClientInfo;
use tessera_types::sync::LogItem;
use tessera_types::{KindName, Name, ResourceKey, Timestamp};

use crate::Api;
use crate::error::{Error, of_response};

/// Longest line of an answer: one of a log, in JSON, is far shorter.
const LINE_BYTES_MAX: usize = 8 << 20;

/// Whose log to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogOf {
    /// A workload's.
    Workload {
        /// Its namespace.
        namespace: Name,
        /// Its name.
        name: Name,
    },
    /// A tenant's on one node.
    Tenant {
        /// Its name.
        name: Name,
        /// The node; none where the tenant is on one only.
        node: Option<Name>,
        /// The suffix of the service; none for the primary.
        service: Option<Name>,
    },
}

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
    node: Option<Name>,
    lines: Lines,
}

impl LogOf {
    /// The resource that wrote it.
    #[must_use]
    pub fn key(&self) -> ResourceKey {
        match self {
            Self::Workload { namespace, name } => {
                ResourceKey::new(KindName::Workload, Some(namespace.clone()), name.clone())
            }
            Self::Tenant { name, .. } => ResourceKey::new(KindName::Tenant, None, name.clone()),
        }
    }

    /// Where it is in the API, and what is asked with.
    fn address(&self) -> (String, Vec<(&'static str, String)>) {
        match self {
            Self::Workload { namespace, name } => {
                (format!("workloads/{name}"), vec![("namespace", namespace.to_string())])
            }
            Self::Tenant { name, node, service } => {
                let node = node.iter().map(|node| ("node", node.to_string()));
                let service = service.iter().map(|service| ("service", service.to_string()));
                (format!("tenants/{name}"), node.chain(service).collect())
            }
        }
    }
}

impl LogStream {
    /// Begins to read a log.
    ///
    /// # Errors
    /// [`Error`] when it cannot be read.
    pub async fn open(api: &Api, of: &LogOf, options: &LogOptions) -> Result<Self, Error> {
        let (path, mut query) = of.address();
        query.extend(options.tail.map(|lines| ("tail", lines.to_string())));
        query.extend(options.since.map(|at| ("since", at.to_string())));
        query.push(("follow", options.follow.to_string()));
        let url = format!("{}/v1/{path}/logs", api.url());
        let request = api.client().get(url).query(&query);
        let response = request.send().await.map_err(|error| Error::transport(&error))?;
        if !response.status().is_success() {
            return Err(of_response(response).await);
        }
        let header = response.headers().get("tessera-node");
        let node = header.and_then(|node| node.to_str().ok()?.parse().ok());
        Ok(Self { response, node, lines: Lines::default() })
    }

    /// The node whose log it is, if the control plane says.
    #[must_use]
    pub fn node(&self) -> Option<&Name> {
        self.node.as_ref()
    }

    /// The next line, or why there are no more; none after the last. Dropping the
    /// future loses nothing.
    ///
    /// # Errors
    /// [`Error`] when the connection breaks.
    pub async fn next(&mut self) -> Result<Option<LogItem>, Error> {
        loop {
            if let Some(line) = self.lines.ready.pop_front() {
                return serde_json::from_slice(&line)
                    .map(Some)
                    .map_err(|error| Error::Protocol(format!("in a log line: {error}")));
            }
            match self.response.chunk().await.map_err(|error| Error::cut_off(&error))? {
                Some(bytes) => self.lines.push(&bytes)?,
                None if self.lines.end() => {}
                None => return Ok(None),
            }
        }
    }
}

/// Takes bytes in any cuts and gives whole lines that are not empty.
#[derive(Debug, Default)]
struct Lines {
    buffer: Vec<u8>,
    ready: VecDeque<Vec<u8>>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        self.buffer.extend_from_slice(pieces.next().unwrap_or_default());
        for piece in pieces {
            self.end();
            self.buffer.extend_from_slice(piece);
        }
        if self.buffer.len() > LINE_BYTES_MAX {
            return Err(Error::Protocol("a log line is longer than any can be".to_owned()));
        }
        Ok(())
    }

    /// Ends the line that is being read, and says whether there was one: the last of an
    /// answer may have no line feed.
    fn end(&mut self) -> bool {
        let is_there = !self.buffer.is_empty();
        if is_there {
            self.ready.push_back(std::mem::take(&mut self.buffer));
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_the_answer_is_cut(
            text in "[ab\n]{0,40}",
            cuts in prop::collection::vec(0..40_usize, 0..8),
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut <= text.len()).collect();
            cuts.sort_unstable();
            let (mut lines, mut from) = (Lines::default(), 0);
            for to in cuts.into_iter().chain([text.len()]) {
                lines.push(&text.as_bytes()[from..to]).unwrap();
                from = to;
            }
            lines.end();
            let expected: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
            let found: Vec<_> = lines.ready.iter().map(|it| str::from_utf8(it).unwrap()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
