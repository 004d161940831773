//! Watches: every change from a revision on, exactly once and in order, also
//! over broken connections.

use std::collections::VecDeque;
use std::time::Duration;

use progenitor_client::ClientInfo;
use tessera_types::api::WatchEvent;
use tessera_types::{KindName, Name, Revision};

use crate::Api;
use crate::error::{Error, of_response};
use crate::sse::Parser;

/// A server that says nothing for so long is gone: when there is nothing to say, it
/// sends a bookmark every ten seconds.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// The pause before a broken connection is made again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);

/// What to watch.
#[derive(Clone, Debug, Default)]
pub struct WatchOptions {
    /// Only this kind.
    pub kind: Option<KindName>,
    /// Only this namespace.
    pub namespace: Option<Name>,
    /// Only the resource of this name.
    pub name: Option<Name>,
    /// Only those whose labels match.
    pub selector: Option<String>,
    /// Changes after this revision. When not given: from the moment at which
    /// [`Watch::open`] returns, or a little earlier.
    pub since: Option<Revision>,
    /// How often in a row a connection may fail before the watch gives up; 0
    /// gives up at once.
    pub reconnects_max: u32,
}

/// A watch under way.
#[derive(Debug)]
pub struct Watch {
    api: Api,
    options: WatchOptions,
    stream: Option<(reqwest::Response, Parser)>,
    held: Vec<(WatchEvent, Option<Revision>)>,
    ready: VecDeque<(WatchEvent, Option<Revision>)>,
    failures: u32,
}

impl Watch {
    /// Begins to watch: the server has accepted it when this returns, and where it
    /// begins is known. So no change after that is missed, however soon the
    /// connection breaks.
    ///
    /// # Errors
    /// [`Error`] when the first connection fails or is refused, or breaks before the
    /// server has said where the watch begins.
    pub async fn open(api: &Api, options: WatchOptions) -> Result<Self, Error> {
        let mut watch = Self {
            api: api.clone(),
            options,
            stream: None,
            held: Vec::new(),
            ready: VecDeque::new(),
            failures: 0,
        };
        watch.connect().await?;
        while watch.options.since.is_none() {
            // The first event says it.
            watch.read().await?;
            match watch.ready.front() {
                Some((WatchEvent::Failed { .. }, _)) => break,
                Some((first, _)) => watch.options.since = beginning(first),
                None => {}
            }
        }
        Ok(watch)
    }

    /// The revision up to which everything was returned, if any was.
    #[must_use]
    pub fn revision(&self) -> Option<Revision> {
        self.options.since
    }

    /// The next event. Bookmarks are returned too: they say that everything up
    /// to their revision has been. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Error`] when the server refuses to go on (a compacted revision), or
    /// cannot be reached for longer than the options allow.
    pub async fn next(&mut self) -> Result<WatchEvent, Error> {
        loop {
            if let Some((event, revision)) = self.ready.pop_front() {
                if let Some(revision) = revision {
                    self.options.since = Some(revision);
                }
                return match event {
                    WatchEvent::Failed { problem } => Err(Error::Refused(Box::new(problem))),
                    event => Ok(event),
                };
            }
            match self.read().await {
                Ok(()) => self.failures = 0,
                Err(error @ (Error::Refused(_) | Error::Url { .. })) => return Err(error),
                Err(error) => {
                    self.stream = None;
                    if self.failures >= self.options.reconnects_max {
                        return Err(error);
                    }
                    self.failures += 1;
                    tokio::time::sleep(RECONNECT_PAUSE).await;
                }
            }
        }
    }

    async fn read(&mut self) -> Result<(), Error> {
        if self.stream.is_none() {
            self.connect().await?;
        }
        let Some((response, parser)) = &mut self.stream else { return Ok(()) };
        let silent = |_| Error::Unreachable("the watch fell silent".to_owned());
        let chunk = tokio::time::timeout(SILENCE_MAX, response.chunk()).await.map_err(silent)?;
        let bytes = chunk
            .map_err(|error| Error::cut_off(&error))?
            .ok_or_else(|| Error::Unreachable("the watch was closed".to_owned()))?;
        let events = parser
            .push(&bytes)
            .ok_or_else(|| Error::Protocol("an event is larger than any can be".to_owned()))?;
        for event in events {
            let value = serde_json::from_str(&event.data)
                .map_err(|error| Error::Protocol(format!("in a watch event: {error}")))?;
            // The last event of a commit carries its id. The others wait for it: a
            // connection that breaks in between brings all of them again.
            let revision = event.id.and_then(|id| id.parse().ok()).map(Revision);
            let is_last = revision.is_some() || matches!(value, WatchEvent::Failed { .. });
            self.held.push((value, revision));
            if is_last {
                self.ready.extend(self.held.drain(..));
            }
        }
        Ok(())
    }

    async fn connect(&mut self) -> Result<(), Error> {
        let mut query: Vec<(&str, String)> = Vec::new();
        let options = &self.options;
        query.extend(options.kind.map(|kind| ("kind", kind.to_string())));
        query.extend(options.namespace.as_ref().map(|name| ("namespace", name.to_string())));
        query.extend(options.name.as_ref().map(|name| ("name", name.to_string())));
        query.extend(options.selector.as_ref().map(|text| ("selector", text.clone())));
        query.extend(options.since.map(|revision| ("since", revision.to_string())));
        let request = self.api.client().get(format!("{}/v1/watch", self.api.url())).query(&query);
        let no_answer = |_| Error::Unreachable("the watch got no answer in time".to_owned());
        let sent = tokio::time::timeout(SILENCE_MAX, request.send()).await.map_err(no_answer)?;
        let response = sent.map_err(|error| Error::transport(&error))?;
        if !response.status().is_success() {
            return Err(of_response(response).await);
        }
        self.held.clear();
        self.stream = Some((response, Parser::default()));
        Ok(())
    }
}

/// From which revision on a watch goes whose first event this is.
fn beginning(first: &WatchEvent) -> Option<Revision> {
    match first {
        WatchEvent::Bookmark { revision } => Some(*revision),
        WatchEvent::Changed { revision, .. } | WatchEvent::Deleted { revision, .. } => {
            Some(Revision(revision.0.saturating_sub(1)))
        }
        WatchEvent::Failed { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A server that answers each connection with the next of `answers` and ends
    /// it; the requests are sent to the test.
    async fn server(answers: Vec<&'static str>) -> (Api, tokio::sync::mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = Api::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let (seen, requests) = tokio::sync::mpsc::channel(16);
        tokio::spawn(async move {
            for events in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                seen.send(String::from_utf8(request).unwrap()).await.unwrap();
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
                stream.write_all(format!("{head}{events}").as_bytes()).await.unwrap();
            }
        });
        (api, requests)
    }

    const AT_7: &str = "id: 7\ndata: {\"event\":\"bookmark\",\"revision\":7}\n\n";
    const AT_9: &str = "id: 9\ndata: {\"event\":\"bookmark\",\"revision\":9}\n\n";

    #[tokio::test]
    async fn a_watch_from_now_on_goes_on_where_it_began() {
        let (api, mut requests) = server(vec![AT_7, AT_9]).await;
        let options = WatchOptions { reconnects_max: 3, ..WatchOptions::default() };
        let mut watch = Watch::open(&api, options).await.unwrap();
        assert!(!requests.recv().await.unwrap().contains("since="));
        // Nothing was taken from it yet, and the connection is gone already.
        assert_eq!(watch.revision(), Some(Revision(7)));
        for revision in [7, 9] {
            let event = watch.next().await.unwrap();
            assert_eq!(event, WatchEvent::Bookmark { revision: Revision(revision) });
        }
        assert!(requests.recv().await.unwrap().contains("since=7"));
    }

    #[tokio::test]
    async fn a_watch_that_breaks_before_it_says_where_it_begins_is_not_open() {
        let (api, _requests) = server(vec![": nothing yet\n\n"]).await;
        let options = WatchOptions { reconnects_max: 3, ..WatchOptions::default() };
        let error = Watch::open(&api, options).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable(_)), "{error}");
    }
}
