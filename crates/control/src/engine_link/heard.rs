//! How the engine answers, as far as the calls have shown.
//!
//! Three things are told apart: nobody answers, something answers that is no engine, and an
//! engine that takes nothing now. The last is known by the ids of the calls that were refused
//! so, since others, such as questions about jobs, are answered meanwhile. What lasts is said
//! in what waits for it; each beginning and end is said once in the log.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tessera_types::Timestamp;

use super::calls::Failed;
use crate::clock;

/// What lasts for so long is said in what waits for it.
const SAID_AFTER: Duration = Duration::from_secs(2);

/// Something that began and has not ended.
#[derive(Clone, Copy, Debug)]
struct Lasting {
    began: Instant,
    since: Timestamp,
    is_said: bool,
}

impl Lasting {
    fn begin(now: Instant) -> Self {
        Self { began: now, since: clock::now(), is_said: false }
    }

    /// Whether it is to be said now, for the first time.
    fn is_to_say(&mut self, now: Instant) -> bool {
        let is_due = !self.is_said && now - self.began >= SAID_AFTER;
        self.is_said |= is_due;
        is_due
    }
}

/// How the engine answers.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Nobody answers; or something does that is no engine.
    away: Option<(Lasting, bool)>,
    /// It takes nothing now; in its words.
    busy: Option<(Lasting, String)>,
    /// What it did not take.
    refused: BTreeSet<String>,
}

/// What is to be said of the engine from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// It does not answer: whether something else does.
    pub(super) away: Option<bool>,
    /// Since when.
    pub(super) since: Timestamp,
    /// It takes nothing: why, in its words.
    pub(super) busy: Option<String>,
}

impl Heard {
    pub(super) fn is_away(&self) -> bool {
        self.away.is_some()
    }

    /// Takes in how a call about `id` ended. Says what is to be said from now on, if that is
    /// something else than before.
    pub(super) fn hear(
        &mut self,
        url: &str,
        id: &str,
        result: &Result<(), Failed>,
        now: Instant,
    ) -> Option<Trouble> {
        let is_news = match result {
            Err(Failed::Unreachable(error)) => self.is_silent(url, error, false, now),
            Err(Failed::NoEngine(error)) => self.is_silent(url, error, true, now),
            Err(Failed::Busy(why)) => self.answers(url) | self.takes_nothing(url, id, why, now),
            Ok(()) | Err(Failed::Store(_) | Failed::NotYet) => self.answers(url) | self.is_over(id),
        };
        is_news.then(|| self.trouble())
    }

    /// There is nothing more to do about `id`. True where that is to be said.
    pub(super) fn is_over(&mut self, id: &str) -> bool {
        if !self.refused.remove(id) || !self.refused.is_empty() {
            return false;
        }
        tracing::info!(target: "tessera::engine_link", "the engine takes again what it did not take");
        self.busy.take().is_some_and(|(lasting, _)| lasting.is_said)
    }

    fn is_silent(&mut self, url: &str, error: &str, is_other: bool, now: Instant) -> bool {
        match &mut self.away {
            Some((lasting, known)) if *known == is_other => lasting.is_to_say(now),
            away => {
                let was_said = away.is_some_and(|(lasting, _)| lasting.is_said);
                *away = Some((Lasting::begin(now), is_other));
                match is_other {
                    true => {
                        tracing::warn!(target: "tessera::engine_link", url, error, "what answers is not an engine; it is tried again");
                    }
                    false => {
                        tracing::warn!(target: "tessera::engine_link", engine = url, error, "the engine does not answer; it is tried again");
                    }
                }
                was_said
            }
        }
    }

    fn answers(&mut self, url: &str) -> bool {
        let Some((lasting, _)) = self.away.take() else { return false };
        tracing::info!(target: "tessera::engine_link", engine = url, "the engine answers again");
        lasting.is_said
    }

    fn takes_nothing(&mut self, url: &str, id: &str, why: &str, now: Instant) -> bool {
        self.refused.insert(id.to_owned());
        if let Some((lasting, _)) = &mut self.busy {
            return lasting.is_to_say(now);
        }
        tracing::warn!(target: "tessera::engine_link", engine = url, why, "the engine takes nothing now; it is tried again");
        self.busy = Some((Lasting::begin(now), why.to_owned()));
        false
    }

    fn trouble(&self) -> Trouble {
        let away = self.away.filter(|(lasting, _)| lasting.is_said);
        let busy = self.busy.as_ref().filter(|(lasting, _)| lasting.is_said);
        Trouble {
            away: away.map(|(_, is_other)| is_other),
            since: away.map_or(Timestamp::EPOCH, |(lasting, _)| lasting.since),
            busy: busy.map(|(_, why)| why.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://engine";

    fn busy() -> Result<(), Failed> {
        Err(Failed::Busy("9 jobs wait already".to_owned()))
    }

    #[test]
    fn a_full_queue_is_no_dead_engine_and_is_said_until_all_is_taken() {
        let (mut heard, now) = (Heard::default(), Instant::now());
        let later = now + SAID_AFTER;
        assert_eq!(heard.hear(URL, "a", &busy(), now), None, "it may be for a moment");
        assert_eq!(heard.hear(URL, "b", &busy(), now), None);
        // Questions are answered meanwhile.
        assert_eq!(heard.hear(URL, "c", &Ok(()), now), None);
        let said = heard.hear(URL, "a", &busy(), later).unwrap();
        assert_eq!((said.away, said.busy.as_deref()), (None, Some("9 jobs wait already")));
        assert!(!heard.is_away());
        assert_eq!(heard.hear(URL, "a", &busy(), later), None, "it is said once");
        assert_eq!(heard.hear(URL, "a", &Ok(()), later), None, "the other still waits");
        assert_eq!(heard.hear(URL, "b", &Ok(()), later).unwrap().busy, None);
    }

    #[test]
    fn what_answers_and_is_no_engine_is_told_from_nobody() {
        let (mut heard, now) = (Heard::default(), Instant::now());
        let later = now + SAID_AFTER;
        let other = || Err(Failed::NoEngine("HTTP status 404".to_owned()));
        let nobody = || Err(Failed::Unreachable("refused".to_owned()));
        assert_eq!(heard.hear(URL, "a", &other(), now), None);
        assert_eq!(heard.hear(URL, "a", &other(), later).unwrap().away, Some(true));
        // It has ended, and nobody is there now: what was said is not true any more.
        assert_eq!(heard.hear(URL, "a", &nobody(), later).unwrap().away, None);
        let last = later + SAID_AFTER;
        assert_eq!(heard.hear(URL, "a", &nobody(), last).unwrap().away, Some(false));
        assert!(heard.is_away());
        assert_eq!(heard.hear(URL, "a", &Ok(()), last).unwrap().away, None);
    }
}
