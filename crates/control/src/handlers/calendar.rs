//! What of a host is taken when.

use tessera_api::CalendarQuery;
use tessera_types::booking::{CalendarHold, CalendarStep, HostCalendar};
use tessera_types::host::is_node_port;
use tessera_types::problem::Code;
use tessera_types::timed::Window;
use tessera_types::{Duration, Host, KindName, Name, Problem, ResourceKey};

use crate::clock;
use crate::plane::Plane;

/// What is shown unless told otherwise.
const SHOWN: Duration = Duration::from_secs(24 * 3600);

/// The calendar of a host.
pub(super) fn of(
    plane: &Plane,
    name: &Name,
    query: &CalendarQuery,
) -> Result<HostCalendar, Problem> {
    let key = ResourceKey::new(KindName::Host, None, name.clone());
    let host = plane.get::<Host>(&key)?;
    let from = query.from.unwrap_or_else(clock::now);
    let until = query.to.unwrap_or_else(|| from.plus(SHOWN));
    let window = Window { from, until };
    if window.is_empty() {
        let detail = format!("`to` ({until}) is not after `from` ({from})");
        return Err(Problem::new(Code::InvalidRequest, detail));
    }
    let world = plane.world.read();
    let calendar = world.calendar(host.id).ok_or_else(|| Problem::not_found(&key))?;
    let usage = calendar.usage(window);
    let mut ids: Vec<_> = usage.iter().flat_map(|step| step.ids.iter().copied()).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut holds: Vec<_> = ids
        .into_iter()
        .filter_map(|id| calendar.hold_of(id))
        .map(|hold| CalendarHold {
            holder: hold.label.clone(),
            window: hold.window,
            amounts: hold.amounts.clone(),
            ports: hold.ports.clone(),
        })
        .collect();
    holds.sort_by_key(|hold| (hold.window, hold.holder.clone()));
    let mut capacity = host.observed.capacity.clone();
    let counted = usage.iter().flat_map(|step| step.amounts.counted.keys());
    for port in counted.filter(|name| is_node_port(name)) {
        capacity.counted.insert(port.clone(), u64::from(host.observed.nodes.unwrap_or_default()));
    }
    let steps = usage
        .into_iter()
        .map(|step| CalendarStep {
            at: step.at,
            amounts: step.amounts,
            ports: u64::try_from(step.ports).unwrap_or(u64::MAX),
        })
        .collect();
    let open = host.spec.timeslot.and(host.observed.timed.timeslot).map(|slot| slot.window());
    let excess = calendar.is_over().map(|excess| excess.to_string());
    Ok(HostCalendar { host: name.clone(), window, capacity, open, holds, steps, excess })
}
