//! Following a log over whatever happens between: connections that break, agents that
//! fall silent, and workloads that move. That of a tenant is followed on one node.
//!
//! The one idea: each node has a log of its own of a workload, and a [`Bookmark`] says
//! how far that one was read. Times are no exact places, since several lines can have
//! the same; so the lines of the last time are remembered, and not shown again when an
//! answer that begins at that time repeats them.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use tessera_client::{Api, Error, LogOf, LogOptions, LogStream};
use tessera_types::problem::Code;
use tessera_types::sync::{LogEnding, LogItem, LogLine};
use tessera_types::{Duration as Period, Name, Resource, Timestamp};

use crate::kinds::{self, bounded};
use crate::moment::now;

/// The pause before it is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// How often in a row the control plane may not answer: ten minutes' worth.
const UNREACHABLE_MAX: u32 = 1200;
/// How often in a row a node may not answer after its control plane has come back: five
/// seconds' worth.
const NODE_BACK_MAX: u32 = 10;
/// So many answers in a row may end without one new line, soon after they began.
const ENDS_MAX: u32 = 8;
/// The pause after the first of them; after each it is longer by this.
const END_PAUSE: Duration = Duration::from_millis(250);
/// An answer that has lasted so long has not ended soon.
const SOON: Duration = Duration::from_secs(10);
/// By how much clocks may differ: the log on another node is read from this much before
/// the workload was placed there.
const CLOCK_SLACK: Period = Period::from_secs(5);

/// What comes of following a log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    /// A line that was not there before.
    Line(LogLine),
    /// Something that a person who reads should know.
    Notice(String),
}

/// A log being followed.
pub(crate) struct LogFollow<'a> {
    api: &'a Api,
    of: LogOf,
    /// What was asked for, with which the first node's log is read.
    asked: LogOptions,
    began_at: Timestamp,
    /// Where it ran at first, and where it was found last.
    first: Option<Name>,
    node: Option<Name>,
    bookmarks: HashMap<Name, Bookmark>,
    /// None when it is to be opened again.
    stream: Option<LogStream>,
    trouble: Option<Trouble>,
    /// When the stream was opened, and how many before it ended soon and without a line.
    opened_at: Instant,
    ends: u32,
}

/// What keeps it from being read.
struct Trouble {
    /// Whether it was said to be the node, and not the control plane.
    is_node: bool,
    /// How often in a row the control plane has not answered.
    failures: u32,
    /// How often in a row it has said that the node does not answer.
    node_failures: u32,
}

impl Trouble {
    fn new(is_node: bool) -> Self {
        Self { is_node, failures: 0, node_failures: 0 }
    }

    /// It still cannot be read; true when what was said of the reason is wrong by now.
    ///
    /// Nodes come back a moment after their control plane: that is not worth a notice.
    fn goes_on(&mut self, is_node: bool) -> bool {
        if !is_node {
            (self.failures, self.node_failures) = (self.failures + 1, 0);
            return false;
        }
        // A control plane that answers says what it waits for; a node may take days.
        (self.failures, self.node_failures) = (0, self.node_failures + 1);
        let turned = !self.is_node && self.node_failures > NODE_BACK_MAX;
        self.is_node |= turned;
        turned
    }
}

impl<'a> LogFollow<'a> {
    /// Begins to follow.
    ///
    /// # Errors
    /// [`Error`] when the log cannot be read: only what could be read once is worth
    /// waiting for.
    pub(crate) async fn start(
        api: &'a Api,
        mut of: LogOf,
        asked: LogOptions,
    ) -> Result<Self, Error> {
        let began_at = now();
        let stream = open(api, &of, &asked).await?;
        if let LogOf::Tenant { node: node @ None, .. } = &mut of {
            // It may be on a second one when this is opened again.
            *node = stream.node().cloned();
        }
        Ok(Self {
            api,
            of,
            asked,
            began_at,
            first: stream.node().cloned(),
            node: stream.node().cloned(),
            bookmarks: HashMap::new(),
            stream: Some(stream),
            trouble: None,
            opened_at: Instant::now(),
            ends: 0,
        })
    }

    /// The next line or notice; none when nothing more will be written, as the workload
    /// is gone, or the tenant has left the node.
    ///
    /// # Errors
    /// [`Error`] when the control plane refuses to go on, or cannot be reached for ten
    /// minutes.
    pub(crate) async fn next(&mut self) -> Result<Option<Followed>, Error> {
        loop {
            let Some(stream) = &mut self.stream else {
                match self.open_again().await? {
                    Some(notice) => return Ok(Some(notice)),
                    None => continue,
                }
            };
            match stream.next().await {
                Ok(Some(LogItem::Line(line))) => {
                    let node = self.node.clone().unwrap_or_else(Name::default_namespace);
                    if self.bookmarks.entry(node).or_default().is_new(&line) {
                        self.ends = 0;
                        return Ok(Some(Followed::Line(line)));
                    }
                }
                // Opening it again finds it there, and says so.
                Ok(Some(LogItem::End(end))) if end.ended == LogEnding::Moved => self.stream = None,
                Ok(Some(LogItem::End(end))) => {
                    let is_node = end.ended != LogEnding::Stopping;
                    let error = Error::Refused(Box::new(end.problem()));
                    if let Some(notice) = self.ended(is_node, end.message, error).await? {
                        return Ok(Some(notice));
                    }
                }
                Ok(None) => return Ok(None),
                Err(error) => {
                    tracing::debug!(target: "tessera::ctl", %error, "the log broke off");
                    if let Some(notice) = self.ended(false, broken(&error), error).await? {
                        return Ok(Some(notice));
                    }
                }
            }
        }
    }

    /// The answer has ended before the log: it is read again, after a pause that grows, and
    /// not for ever. Only the first end in a row is worth a notice.
    async fn ended(
        &mut self,
        is_node: bool,
        what: String,
        error: Error,
    ) -> Result<Option<Followed>, Error> {
        self.stream = None;
        if self.opened_at.elapsed() >= SOON {
            self.ends = 0;
        }
        self.ends += 1;
        if self.ends > ENDS_MAX {
            return Err(given_up(error));
        }
        let notice = self.troubled(is_node, what);
        if self.ends == 1 {
            return Ok(Some(notice));
        }
        tokio::time::sleep(END_PAUSE * (self.ends - 1)).await;
        Ok(None)
    }

    /// Notes that it cannot be read now.
    fn troubled(&mut self, is_node: bool, what: impl fmt::Display) -> Followed {
        self.trouble = Some(Trouble::new(is_node));
        let what_now = if is_node { "waiting" } else { "trying again" };
        Followed::Notice(format!("{what}; {what_now}"))
    }

    /// Opens the log where the workload is by now; a notice if there is one.
    async fn open_again(&mut self) -> Result<Option<Followed>, Error> {
        let options = self.options().await;
        match open(self.api, &self.of, &options).await {
            Ok(stream) if stream.node() == self.node.as_ref() => {
                if let Some(bookmark) = self.node.as_ref().and_then(|it| self.bookmarks.get_mut(it))
                {
                    bookmark.resume();
                }
                self.stream = Some(stream);
                self.opened_at = Instant::now();
                let trouble = self.trouble.take().filter(|_| self.ends <= 1);
                Ok(trouble.map(|trouble| {
                    Followed::Notice(match &self.node {
                        Some(node) if trouble.is_node => format!("{node} answers again"),
                        _ => "the control plane is back".to_owned(),
                    })
                }))
            }
            Ok(stream) => {
                // It was opened for another node's log: the next time is for this one's.
                self.node = stream.node().cloned();
                self.trouble = None;
                let node = self.node.as_ref().map_or("another node", Name::as_str);
                Ok(Some(Followed::Notice(format!("{} runs on {node} now", self.of.key()))))
            }
            Err(error) => self.failed(error).await,
        }
    }

    /// Waits a little, or gives up.
    async fn failed(&mut self, error: Error) -> Result<Option<Followed>, Error> {
        let is_node = match &error {
            Error::Url { .. } => return Err(error),
            Error::Unreachable(_) | Error::Protocol(_) => false,
            Error::Refused(problem) => match problem.code {
                Code::NodeUnavailable => true,
                Code::Unavailable | Code::TooManyRequests => false,
                _ => return Err(error),
            },
        };
        let Some(trouble) = &mut self.trouble else {
            return Ok(Some(self.troubled(is_node, error)));
        };
        if trouble.goes_on(is_node) {
            return Ok(Some(self.troubled(is_node, error)));
        }
        if trouble.failures > UNREACHABLE_MAX {
            return Err(error);
        }
        tokio::time::sleep(RETRY_PAUSE).await;
        Ok(None)
    }

    /// From where the log of this node is to be read.
    async fn options(&self) -> LogOptions {
        let bookmark = self.node.as_ref().and_then(|node| self.bookmarks.get(node));
        let since = match bookmark.and_then(|bookmark| bookmark.at) {
            Some(at) => Some(at),
            // Nothing was written yet where it began.
            None if self.node == self.first => match self.asked.tail {
                Some(_) => Some(self.began_at),
                None => self.asked.since,
            },
            None => self.placed_at().await.map(|at| at.minus(CLOCK_SLACK)),
        };
        LogOptions { tail: None, since, follow: true }
    }

    /// When the workload was placed where it is.
    async fn placed_at(&self) -> Option<Timestamp> {
        match kinds::get(self.api, &self.of.key()).await {
            Ok(Resource::Workload(workload)) => {
                workload.observed.assigned.as_ref().map(|it| it.since)
            }
            _ => None,
        }
    }
}

/// What a log that breaks off means: how the connection noticed says nothing to people.
fn broken(error: &Error) -> String {
    match error {
        Error::Unreachable(_) | Error::Protocol(_) => {
            "the connection to the control plane broke".to_owned()
        }
        Error::Url { .. } | Error::Refused(_) => error.to_string(),
    }
}

/// Opens a log.
///
/// # Errors
/// [`Error`] when it cannot be read.
pub(crate) async fn open(api: &Api, of: &LogOf, options: &LogOptions) -> Result<LogStream, Error> {
    let operation = match of {
        LogOf::Workload { .. } => "workload_logs",
        LogOf::Tenant { .. } => "tenant_logs",
    };
    bounded(operation, LogStream::open(api, of, options)).await
}

/// The error after the last attempt, which says that there were some.
fn given_up(error: Error) -> Error {
    let tried = |what: &str| format!("{what}; it was read {ENDS_MAX} times, without a new line");
    match error {
        Error::Refused(mut problem) => {
            problem.detail = tried(&problem.detail);
            problem.remedy = Some("see the log of the node's agent".to_owned());
            Error::Refused(problem)
        }
        Error::Unreachable(what) => Error::Unreachable(tried(&what)),
        other => other,
    }
}

/// How far a log was read.
#[derive(Debug, Default)]
struct Bookmark {
    /// The time of the last line.
    at: Option<Timestamp>,
    /// The lines of that time that were read.
    read: Vec<LogLine>,
    /// How many of them an answer that begins at that time has not repeated yet.
    repeated: usize,
}

impl Bookmark {
    /// What comes next begins at the time of the last line.
    fn resume(&mut self) {
        self.repeated = self.read.len();
    }

    /// Whether this line was not read before.
    fn is_new(&mut self, line: &LogLine) -> bool {
        if self.at != Some(line.at) {
            *self = Self { at: Some(line.at), read: vec![line.clone()], repeated: 0 };
            return true;
        }
        if self.repeated > 0 {
            // One that is not among them stood before what was asked for at first
            // (`--tail`), and was not wanted.
            let awaited = &self.read[self.read.len() - self.repeated];
            self.repeated -= usize::from(awaited == line);
            return false;
        }
        self.read.push(line.clone());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tessera_types::sync::LogStream as Stream;

    /// A log whose lines often have the same time, and the same text.
    fn log() -> impl Strategy<Value = Vec<LogLine>> {
        prop::collection::vec((0..3_i64, 0..2_u8), 0..30).prop_map(|steps| {
            let mut at = 0;
            let line = |(step, text): (i64, u8)| {
                at += step / 2;
                let text = text.to_string();
                LogLine { at: Timestamp::from_micros(at), stream: Stream::Stdout, text }
            };
            steps.into_iter().map(line).collect()
        })
    }

    proptest! {
        /// However often the connection breaks, each line is shown once.
        #[test]
        fn no_line_is_shown_twice_and_none_is_lost(
            log in log(),
            breaks in prop::collection::vec(0..30_usize, 0..6),
        ) {
            let mut breaks: Vec<_> = breaks.into_iter().filter(|at| *at < log.len()).collect();
            breaks.sort_unstable();
            let (mut bookmark, mut shown) = (Bookmark::default(), Vec::new());
            for end in breaks.into_iter().chain([log.len()]) {
                bookmark.resume();
                let from = bookmark.at;
                let answer = log[..end].iter().filter(|line| from.is_none_or(|at| line.at >= at));
                shown.extend(answer.filter(|line| bookmark.is_new(line)).cloned());
            }
            prop_assert_eq!(shown, log);
        }
    }

    #[test]
    fn a_node_is_named_when_it_stays_away_longer_than_its_control_plane() {
        let mut trouble = Trouble::new(false);
        for _ in 0..3 {
            // It comes and goes, and its node is a moment late each time.
            assert!(!trouble.goes_on(false));
            let late = (0..NODE_BACK_MAX).map(|_| trouble.goes_on(true)).collect::<Vec<_>>();
            assert!(!late.contains(&true) && !trouble.is_node, "{late:?}");
        }
        assert!(trouble.goes_on(true) && trouble.is_node);
        assert!(!trouble.goes_on(true), "it is said once");
        assert_eq!(trouble.failures, 0);
    }

    #[test]
    fn what_a_tail_left_out_does_not_come_later() {
        let line = |text: &str| LogLine {
            at: Timestamp::EPOCH,
            stream: Stream::Stdout,
            text: text.to_owned(),
        };
        let mut bookmark = Bookmark::default();
        assert!(bookmark.is_new(&line("c")), "the tail of a, b, c");
        bookmark.resume();
        let shown = ["a", "b", "c", "d"].map(|text| bookmark.is_new(&line(text)));
        assert_eq!(shown, [false, false, false, true]);
    }
}
