//! Sessions told as they happen: a line for each thing that happens to a session or
//! to anything that belongs to it, until all are over.
//!
//! The one idea: what belongs to a session is found over the owners in what
//! [`Follow`] knows, so the story needs no state of its own but how each session
//! ended.

mod teller;

use std::time::{Duration, Instant};

use tessera_types::{KindName, Name, ResourceKey};

use teller::{Ending, Teller, Told};
pub(crate) use teller::{label, named};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{Change, Follow, Scope};
use crate::moment::clock;
use crate::style::{Style, printable};

/// After so long without a word it is said what is waited for.
const QUIET: Duration = Duration::from_secs(3);

/// What to follow so that a story of these sessions misses nothing: all that is in
/// their namespace.
#[must_use]
pub fn scope(sessions: &[ResourceKey]) -> Scope {
    let mut namespaces: Vec<&Name> =
        sessions.iter().filter_map(|it| it.namespace.as_ref()).collect();
    namespaces.dedup();
    let namespace = match namespaces.as_slice() {
        [one] => Some((*one).clone()),
        _ => None,
    };
    Scope { namespace, ..Scope::default() }
}

/// The sessions among these resources.
#[must_use]
pub fn sessions<'a>(keys: impl IntoIterator<Item = &'a ResourceKey>) -> Vec<ResourceKey> {
    keys.into_iter().filter(|key| key.kind == KindName::Session).cloned().collect()
}

/// Tells what happens to `sessions` until all are over, a line for each thing;
/// `put` takes the lines. `timeout`, if there is one, ends it.
///
/// # Errors
/// [`Failure::Failed`] when a session did not end well, or not in time;
/// [`Failure::Api`] when the control plane is away for too long; and what `put`
/// returns.
pub async fn tell(
    follow: &mut Follow,
    sessions: &[ResourceKey],
    timeout: Option<Duration>,
    style: Style,
    mut put: impl FnMut(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut teller = Teller::new(sessions);
    for told in teller.opening(follow.known()) {
        put(&line(&told, style))?;
    }
    let until = timeout.map(|timeout| Instant::now() + timeout);
    let mut quiet_at = Instant::now() + QUIET;
    while !teller.is_over() {
        let first = until.map_or(quiet_at, |until| until.min(quiet_at));
        let Some(change) = next(follow, first).await? else {
            if until.is_some_and(|until| until <= Instant::now()) {
                break;
            }
            for told in teller.quiet(follow.known()) {
                put(&line(&told, style))?;
            }
            quiet_at = Instant::now() + QUIET;
            continue;
        };
        if let Change::Notice(text) = &change {
            put(&format!("{}\n", printable(text)))?;
        }
        for told in teller.observe(&change, follow.known()) {
            put(&line(&told, style))?;
            quiet_at = Instant::now() + QUIET;
        }
    }
    for ending in teller.endings() {
        put(&ending.line(style))?;
    }
    ended(&teller, timeout)
}

/// The next change; none when the time is over.
async fn next(follow: &mut Follow, until: Instant) -> Result<Option<Change>, Failure> {
    match tokio::time::timeout_at(until.into(), follow.next()).await {
        Ok(change) => Ok(Some(change?)),
        Err(_) => Ok(None),
    }
}

fn ended(teller: &Teller, timeout: Option<Duration>) -> Result<(), Failure> {
    let all = teller.len();
    let unfinished = teller.unfinished();
    if !unfinished.is_empty() {
        let details = unfinished.iter().map(ToString::to_string).collect();
        let within = timeout.map(|timeout| timeout.as_millis() as u64).unwrap_or_default();
        let within = tessera_types::Duration::from_millis(within);
        let message = format!("{} of {all} sessions not over within {within}", unfinished.len());
        return Err(Failure::Failed { message, details });
    }
    let bad: Vec<&Ending> = teller.endings().into_iter().filter(|it| !it.is_good).collect();
    match bad.len() {
        0 => Ok(()),
        // The lines above say which and why.
        _ => Err(Failure::Told(Exit::Failed)),
    }
}

fn line(told: &Told, style: Style) -> String {
    format!("{} {}\n", clock(told.event.at), told.words(style))
}
