//! Which hosts pods are booked on.

use std::fmt;

use tessera_planted::{Bug, planted};
use tessera_scheduler::calendar::{
    Booked, Booking, Calendars, Effort, Filtered, HostCandidate, Wanted, book_all_within,
};
use tessera_types::catalogue::{DefinitionSelector, HostRequirement, PodDefinitionSpec};
use tessera_types::host::HostDemand;
use tessera_types::pod::Binding;
use tessera_types::timed::{DesiredTimedStatus, TimedStatus, Timeslot};
use tessera_types::workload::Placement;
use tessera_types::{DeliveryEnvironment, Duration, Host, Name, Object, Timestamp};

use super::AdmissionError;
use super::nodes::why_no_node;
use super::resolve::resolve;
use crate::world::World;

/// How far ahead an earlier start is looked for.
const SEARCH_AHEAD: Duration = Duration::from_secs(92 * 24 * 3600);

/// A pod that needs a host.
pub(super) struct Seeker<'a> {
    pub(super) name: &'a Name,
    pub(super) slot: Timeslot,
    pub(super) definition: &'a PodDefinitionSpec,
    pub(super) host: HostRequirement,
}

/// Why pods cannot be booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoesNotFit {
    /// The pod that finds no host.
    pub pod: Name,
    /// Why, over all hosts.
    pub refusal: String,
    /// The earliest start of the whole at which all would fit.
    pub earliest: Earliest,
}

/// What is known of the earliest start at which everything would fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earliest {
    /// This is it, or at least one that fits.
    At(Timestamp),
    /// There is none within 92 days.
    Never,
    /// The effort for the search was spent before one was found.
    NotFound,
    /// Nobody has looked for one.
    NotSought,
}

impl fmt::Display for DoesNotFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pod/{}: {}", self.pod, self.refusal)
    }
}

/// The hosts that a pod may be on, and why it may not be on the others.
struct Choice<'a> {
    candidates: Vec<HostCandidate<'a>>,
    filtered: Vec<Filtered>,
    booking: Booking,
    label: String,
}

impl<'a> Choice<'a> {
    fn of(world: &'a World, seeker: &Seeker<'_>) -> Self {
        let mut candidates = Vec::new();
        let mut filtered: Vec<Filtered> = Vec::new();
        for host in world.hosts.iter() {
            let Some(calendar) = world.calendar(host.id) else { continue };
            match why_not(world, host, seeker) {
                None => {
                    candidates.push(HostCandidate { host: host.id, name: &host.name, calendar });
                }
                Some(reason) => match filtered.iter_mut().find(|one| one.reason == reason) {
                    Some(known) => known.hosts += 1,
                    None => filtered.push(Filtered { hosts: 1, reason }),
                },
            }
        }
        let demand = seeker.definition.taken();
        let slot = seeker.slot;
        let window = if planted(Bug::BuffersNotBooked) { slot.window() } else { slot.held() };
        let booking = Booking { window, demand, instead_of: None };
        let label = format!("pod/{}", seeker.name);
        Self { candidates, filtered, booking, label }
    }

    fn calendars(&self) -> Calendars<'_> {
        Calendars { hosts: &self.candidates, filtered: &self.filtered, placement: Placement::Pack }
    }

    fn wanted<'b>(&'b self, booking: &'b Booking) -> Wanted<'b> {
        Wanted { booking, calendars: self.calendars(), label: &self.label }
    }
}

/// Why a pod may not be on a host, whatever its calendar says. Worded as "2 …".
pub(super) fn why_not(world: &World, host: &Object<Host>, seeker: &Seeker<'_>) -> Option<String> {
    let Some(definition) = host.observed.definition.as_ref().map(|pinned| &pinned.spec) else {
        return Some("are not known well enough yet".to_owned());
    };
    let wanted = &seeker.host;
    let pod_type = seeker.definition.pod_type;
    let is_leaving = host.deletion_requested_at.is_some()
        || host.desired_status == DesiredTimedStatus::TornDown
        || host.status.is_ending()
        || host.status == TimedStatus::Failed;
    if is_leaving {
        return Some("are being given up".to_owned());
    }
    if !definition.pod_types.contains(&pod_type) {
        return Some(format!("take no {pod_type} pods"));
    }
    if let Some(class) = &wanted.licence_class
        && definition.licence_class.as_ref() != Some(class)
    {
        return Some(format!("lack licence class {class}"));
    }
    if let Some(reason) = wrong_place(world, host, wanted) {
        return Some(reason);
    }
    if let Some(unmet) = wanted.labels.iter().find(|one| !one.is_met_by(&host.labels)) {
        return Some(format!("lack label {unmet}"));
    }
    why_no_node(world, host, definition.host_type, seeker.definition)
}

fn wrong_place(world: &World, host: &Object<Host>, wanted: &HostRequirement) -> Option<String> {
    if let Some(location) = &wanted.location
        && host.spec.location.as_ref() != Some(location)
    {
        return Some(format!("are not at location {location}"));
    }
    let environment = wanted.delivery_environment.as_ref()?;
    let serves = &host.spec.delivery_environments;
    if !serves.is_empty() && !serves.contains(environment) {
        return Some(format!("do not serve delivery environment {environment}"));
    }
    let selector = DefinitionSelector::of_type(environment);
    let definition = resolve::<DeliveryEnvironment>(world, &selector, "").ok()?;
    let locations = &definition.spec.locations;
    let is_there = host.spec.location.as_ref().is_some_and(|at| locations.contains(at));
    (!locations.is_empty() && !is_there)
        .then(|| format!("are not at a location of delivery environment {environment}"))
}

/// Books all pods, or none. `start` is that of the whole: where they do not fit,
/// the earliest that does is looked for as long as `effort` lasts.
pub(super) fn book(
    world: &World,
    seekers: &[Seeker<'_>],
    start: Timestamp,
    effort: &mut Effort,
) -> Result<Vec<Binding>, AdmissionError> {
    let choices: Vec<_> = seekers.iter().map(|seeker| Choice::of(world, seeker)).collect();
    match at_shift(&choices, start, start, &mut Effort::batch()) {
        Ok(booked) => Ok(bindings(&choices, booked)),
        Err((index, refusal)) => {
            let pod = seekers[index].name.clone();
            let earliest = earliest(&choices, start, effort);
            let refusal = refusal.to_string();
            Err(AdmissionError::DoesNotFit(Box::new(DoesNotFit { pod, refusal, earliest })))
        }
    }
}

fn at_shift(
    choices: &[Choice<'_>],
    start: Timestamp,
    to: Timestamp,
    effort: &mut Effort,
) -> Result<Vec<Booked>, (usize, tessera_scheduler::calendar::Refusal)> {
    let moved: Vec<_> = choices.iter().map(|choice| shifted(&choice.booking, start, to)).collect();
    let wanted: Vec<_> =
        choices.iter().zip(&moved).map(|(choice, booking)| choice.wanted(booking)).collect();
    book_all_within(&wanted, effort)
}

fn shifted(booking: &Booking, start: Timestamp, to: Timestamp) -> Booking {
    let micros = to.as_micros() - start.as_micros();
    booking.moved_to(Timestamp::from_micros(booking.window.from.as_micros() + micros))
}

/// The earliest later start at which all fit. The earliest start of each pod
/// alone bounds it from below; from there on the starts at which something
/// changes for any of them are tried.
fn earliest(choices: &[Choice<'_>], start: Timestamp, effort: &mut Effort) -> Earliest {
    if effort.is_none() {
        return Earliest::NotSought;
    }
    match seek(choices, start, effort) {
        Some(at) => Earliest::At(at),
        None if effort.is_spent() => Earliest::NotFound,
        None => Earliest::Never,
    }
}

/// The same; none when there is none, or when the effort is spent.
fn seek(choices: &[Choice<'_>], start: Timestamp, effort: &mut Effort) -> Option<Timestamp> {
    let last = start.plus(SEARCH_AHEAD);
    let mut from = start.plus(Duration::from_millis(1));
    loop {
        let to = alone_at_earliest(choices, start, from, last, effort)?;
        if to == from || alone_at_earliest(choices, start, to, last, effort)? == to {
            match at_shift(choices, start, to, effort) {
                Ok(_) => return Some(to),
                Err(_) => from = next_change(choices, start, to)?,
            }
        } else {
            from = to;
        }
    }
}

/// The latest of the earliest starts, from `from` on, of each pod alone.
fn alone_at_earliest(
    choices: &[Choice<'_>],
    start: Timestamp,
    from: Timestamp,
    last: Timestamp,
    effort: &mut Effort,
) -> Option<Timestamp> {
    let back = |booking: &Booking, at: Timestamp| {
        let offset = booking.window.from.as_micros() - start.as_micros();
        Timestamp::from_micros(at.as_micros() - offset)
    };
    let mut latest = from;
    for choice in choices {
        let asked = choice.candidates.iter().map(|one| 2 + one.calendar.holds() as u64 / 64);
        effort.spend(asked.sum::<u64>().max(1));
        if effort.is_spent() {
            return None;
        }
        let not_before = shifted(&choice.booking, start, from).window.from;
        let not_after = shifted(&choice.booking, start, last).window.from;
        let (at, _) = choice.calendars().earliest(&choice.booking, not_before, not_after)?;
        latest = latest.max(back(&choice.booking, at));
    }
    Some(latest)
}

/// The next start after `after` at which a hold has ended for one of the pods.
fn next_change(choices: &[Choice<'_>], start: Timestamp, after: Timestamp) -> Option<Timestamp> {
    let next_of = |choice: &Choice<'_>| {
        let offset = choice.booking.window.from.as_micros() - start.as_micros();
        let from = Timestamp::from_micros(after.as_micros() + offset);
        let ends = choice.candidates.iter().filter_map(|one| one.calendar.next_end_after(from));
        ends.min().map(|end| Timestamp::from_micros(end.as_micros() - offset))
    };
    choices.iter().filter_map(next_of).min()
}

fn bindings(choices: &[Choice<'_>], booked: Vec<Booked>) -> Vec<Binding> {
    let bind = |(choice, booked): (&Choice<'_>, Booked)| Binding {
        host: booked.name,
        host_id: booked.host,
        window: choice.booking.window,
        demand: HostDemand::clone(&choice.booking.demand),
        ports: booked.ports,
    };
    choices.iter().zip(booked).map(bind).collect()
}
