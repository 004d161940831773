//! Services that are declared to end later than before. What a service has of its
//! node's group is held until its `not_after`, so a later one takes what may have
//! been promised to a session meanwhile.
//!
//! Only the time that it would have more is asked for: what it has is its own,
//! also where a node was lost since.

use std::sync::Arc;

use tessera_scheduler::calendar::{Booking, Calendar, Clash};
use tessera_types::host::HostDemand;
use tessera_types::timed::Window;
use tessera_types::{Object, Resource, Timestamp, Workload, Write};

use super::AdmissionError;
use crate::bookings::is_service;
use crate::world::World;

/// Whether one of `writes` takes of a host what was not taken before, though its
/// kind is not admitted beside others: it has to be decided in the turn of an
/// admission.
#[must_use]
pub fn takes_more(world: &World, writes: &[Write]) -> bool {
    writes.iter().any(|write| match write {
        Write::Update { resource: Resource::Workload(after), .. } => {
            let before = world.workloads.get(after.id);
            before.is_some_and(|before| is_placed_service(before) && end(after) > end(before))
        }
        _ => false,
    })
}

fn is_placed_service(workload: &Object<Workload>) -> bool {
    is_service(workload) && workload.observed.assigned.is_some()
}

fn end(workload: &Object<Workload>) -> Timestamp {
    workload.spec.not_after.unwrap_or(Timestamp::MAX)
}

/// Checks that a service that is declared to end later has its share until then.
///
/// # Errors
/// Who holds what it would take, and when.
pub(super) fn check_end(
    world: &World,
    before: &Arc<Object<Workload>>,
    after: &Object<Workload>,
    now: Timestamp,
) -> Result<(), AdmissionError> {
    let Some(assigned) = before.observed.assigned.as_ref().filter(|_| is_service(before)) else {
        return Ok(());
    };
    let window = Window { from: end(before).max(now), until: end(after) };
    let Some(group) = world.group_of(assigned.node_id).filter(|_| !window.is_empty()) else {
        return Ok(());
    };
    let demand = HostDemand {
        cpu: assigned.resources.cpu,
        memory: assigned.resources.memory,
        ..HostDemand::default()
    };
    let booking = Booking { window, demand, instead_of: Some(before.id) };
    let Some(clash) = world.calendar(group.id).and_then(|of| taken(of, &booking)) else {
        return Ok(());
    };
    let message = format!("{} has room for it until {} only: {clash}", group.key(), window.from);
    Err(AdmissionError::Booked(message))
}

/// What stands in the way, if others do. A group that has lost nodes may have too
/// little for the service in all: that alone is nobody's loss.
fn taken(calendar: &Calendar, booking: &Booking) -> Option<Clash> {
    let clash = calendar.fits(booking).err()?;
    let others = |ids: &[tessera_types::Uid]| ids.iter().any(|id| Some(*id) != booking.instead_of);
    let is_taken = match &clash {
        Clash::Taken(_) => true,
        Clash::Lacks { .. } => calendar.usage(booking.window).iter().any(|step| others(&step.ids)),
        Clash::Closed { .. } | Clash::Empty { .. } => false,
    };
    is_taken.then_some(clash)
}
