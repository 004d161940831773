//! What a run waits for, for people and for those who bring it events.

use std::sync::Arc;

use super::Listening;
use super::run::Machine;
use super::scope::{Body, Frame, Scope, Timer};
use crate::definition::{Consumption, EventFilter, Kind, Until};

impl Machine {
    /// The tasks that listen for events now.
    #[must_use]
    pub fn listens(&self) -> Vec<Listening> {
        let listeners = self.listeners.iter().filter_map(|id| self.scopes.get(id));
        listeners.filter_map(listening).collect()
    }

    /// What it waits for, in one line: effects, then events, then time. None when it has ended.
    #[must_use]
    pub fn waiting_for(&self) -> Option<String> {
        if self.outcome.is_some() {
            return None;
        }
        if self.status() == super::Status::Suspended {
            return Some("somebody to resume it".to_owned());
        }
        let effects = self.steps.values().map(|step| (&step.label, self.reference(step.scope)));
        let effects = effects.map(|(label, task)| format!("{label} ({task})"));
        let events = self.listens().into_iter().map(|it| it.to_string());
        let times = self.timers.iter().filter_map(|(at, id, timer)| {
            let what = match timer {
                Timer::Wait => "the time",
                Timer::Retry => "the next attempt at",
                Timer::Timeout | Timer::Attempt => return None,
            };
            Some(format!("{what} {at} ({})", self.reference(*id)))
        });
        let mut all = effects.chain(events).chain(times);
        let first = all.next()?;
        Some(match all.count() {
            0 => first,
            more => format!("{first}, and {more} more"),
        })
    }
}

fn listening(scope: &Scope) -> Option<Listening> {
    let Frame::Task(frame) = &scope.frame else { return None };
    let (Kind::Listen(listen), Body::Listen(_)) = (&frame.task.kind, &frame.body) else {
        return None;
    };
    let mut types = Some(Vec::new());
    collect_types(&listen.to, &mut types);
    let needs_all = matches!(listen.to, Consumption::All(_));
    Some(Listening {
        task: frame.task.reference.clone(),
        since: frame.started_at,
        types,
        needs_all,
    })
}

/// Adds the types of a consumption. Where any type will do there are none to tell.
fn collect_types(to: &Consumption, types: &mut Option<Vec<Arc<str>>>) {
    let filters = match to {
        Consumption::One(filter) => std::slice::from_ref(filter),
        Consumption::All(filters) => filters,
        Consumption::Any { filters, until } => {
            if let Some(Until::Consumed(end)) = until {
                collect_types(end, types);
            }
            if filters.is_empty() {
                *types = None;
            }
            filters
        }
    };
    for filter in filters {
        match (constant_type(filter), types.as_mut()) {
            (Some(it), Some(types)) if !types.contains(&it) => types.push(it),
            (Some(_), _) => {}
            (None, _) => *types = None,
        }
    }
}

/// The type that a filter wants, where it is a plain text.
fn constant_type(filter: &EventFilter) -> Option<Arc<str>> {
    let (_, wanted) = filter.with.iter().find(|(name, _)| &**name == "type")?;
    let text = super::data::text(wanted.constant()?);
    let plain = |it: char| it.is_alphanumeric() || matches!(it, '.' | '-' | '_' | '/' | ':');
    text.chars().all(plain).then(|| text.into())
}
