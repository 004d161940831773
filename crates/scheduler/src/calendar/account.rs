//! The account of one host: what it has, who holds what, and whether more fits.

use std::cmp::Reverse;

use tessera_types::host::{HostCapacity, HostDemand};
use tessera_types::{Timestamp, Uid};

use super::clash::{Clash, Holders, Taken};
use super::holds::{Held, Hold, Holds};
use super::load::{Dimension, Dimensions, Load, PORTS};
use super::ports::PortSet;
use super::timeline::Timeline;
use tessera_types::timed::Window;

/// What somebody would like to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// When.
    pub window: Window,
    /// How much.
    pub demand: HostDemand,
    /// The hold that this one would replace: it does not stand in the way.
    pub instead_of: Option<Uid>,
}

impl Booking {
    /// The same from `from` on, for as long.
    #[must_use]
    pub fn moved_to(&self, from: Timestamp) -> Self {
        Self { window: self.window.moved_to(from), ..self.clone() }
    }
}

/// The exact account of one host's holds.
#[derive(Clone, Debug, Default)]
pub struct Calendar {
    pub(super) open: Option<Window>,
    pub(super) ports: PortSet,
    pub(super) capacity: Load,
    /// Of how many nodes it consists; none: of no one knows how many.
    nodes: Option<u32>,
    pub(super) dimensions: Dimensions,
    pub(super) holds: Holds,
    pub(super) timeline: Timeline,
}

/// How much may be held in one dimension for a demand to fit.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) index: usize,
    pub(super) needs: u128,
    has: u128,
}

impl Limit {
    pub(super) fn is_passed_by(&self, used: u128) -> bool {
        used > self.has - self.needs
    }
}

/// A booking that the host could take if nobody held anything.
pub(super) struct Possible<'a> {
    pub(super) window: Window,
    pub(super) limits: Vec<Limit>,
    pub(super) ports: usize,
    /// The hold that it would replace.
    replaces: Option<&'a Held>,
}

impl Possible<'_> {
    /// How much others hold of dimension `index` in a step of which `at` is one
    /// instant and `load` the sum.
    pub(super) fn used(&self, at: Timestamp, load: &Load, index: usize) -> u128 {
        let own = self.replaces.filter(|held| held.hold.window.contains(at));
        load.at(index) - own.map_or(0, |held| held.load.at(index))
    }

    /// The first dimension in which it does not fit into such a step.
    pub(super) fn short(&self, at: Timestamp, load: &Load) -> Option<&Limit> {
        self.limits.iter().find(|limit| limit.is_passed_by(self.used(at, load, limit.index)))
    }

    pub(super) fn is_of_another(&self, held: &Held) -> bool {
        self.replaces.is_none_or(|own| own.id != held.id)
    }
}

impl Calendar {
    /// The calendar of a host with `capacity` that takes pods during `open`;
    /// none: always.
    #[must_use]
    pub fn new(capacity: &HostCapacity, open: Option<Window>) -> Self {
        let mut calendar = Self { open, ..Self::default() };
        calendar.set_capacity(capacity);
        calendar
    }

    /// Sets what the host has. Holds stay, even if there is too little for them
    /// now; [`Calendar::is_over`] says so.
    pub fn set_capacity(&mut self, capacity: &HostCapacity) {
        self.ports = PortSet::of(capacity);
        self.capacity = self.dimensions.load(&capacity.amounts(), self.ports.len());
    }

    /// Sets how many nodes a group has: each has every port once. Without it, nothing is
    /// known of the ports of nodes, and none stands in the way.
    pub fn set_nodes(&mut self, nodes: Option<u32>) {
        self.nodes = nodes;
    }

    /// How much it has in one dimension.
    pub(super) fn has(&self, index: usize) -> u128 {
        match self.dimensions.is_node_port(index) {
            true => self.of_each_port(),
            false => self.capacity.at(index),
        }
    }

    fn of_each_port(&self) -> u128 {
        self.nodes.map_or(u128::MAX, u128::from)
    }

    /// Sets when the host takes pods; none: always. Holds stay.
    pub fn set_open(&mut self, open: Option<Window>) {
        self.open = open;
    }

    /// Writes down what `id` holds, in place of what it held before. This is an
    /// account of what is so: whether it fits is not asked here.
    pub fn hold(&mut self, id: Uid, hold: Hold) {
        self.release(id);
        let load = self.dimensions.load(&hold.amounts, hold.ports.len());
        if !hold.window.is_empty() {
            self.timeline.add(hold.window, &load);
        }
        self.holds.insert(Held { id, hold, load });
    }

    /// Forgets what `id` holds; says whether it held anything.
    pub fn release(&mut self, id: Uid) -> bool {
        let Some(held) = self.holds.remove(id) else { return false };
        if !held.hold.window.is_empty() {
            self.timeline.remove(held.hold.window, &held.load);
        }
        true
    }

    /// What `id` holds.
    #[must_use]
    pub fn hold_of(&self, id: Uid) -> Option<&Hold> {
        self.holds.get(id).map(|held| &held.hold)
    }

    /// How many holds there are.
    #[must_use]
    pub fn holds(&self) -> usize {
        self.holds.len()
    }

    /// The ports that `booking` would get, the lowest that are free over its
    /// whole window, if it fits.
    ///
    /// # Errors
    /// [`Clash`] says what stands in the way: what is short first.
    pub fn fits(&self, booking: &Booking) -> Result<Vec<u16>, Clash> {
        let possible = self.possible(booking)?;
        for (at, load) in self.timeline.within(possible.window) {
            if let Some(limit) = possible.short(at, load) {
                return Err(self.taken(&possible, limit, at).into());
            }
        }
        self.fitting_ports(&possible)
    }

    /// Whether `booking` fits with exactly these ports, such as those that a pod
    /// has already.
    ///
    /// # Errors
    /// [`Clash`] says what stands in the way: what is short first.
    pub fn fits_with(&self, booking: &Booking, ports: &[u16]) -> Result<(), Clash> {
        self.fits(booking)?;
        let possible = self.possible(booking)?;
        let free = self.free_ports(&possible);
        let kept = ports.iter().filter(|port| free.contains(**port)).count();
        if kept < ports.len() {
            return Err(self.taken_ports(&possible, kept).into());
        }
        Ok(())
    }

    /// The next time after `at` at which a hold ends.
    #[must_use]
    pub fn next_end_after(&self, at: Timestamp) -> Option<Timestamp> {
        self.holds.iter().map(|held| held.hold.window.until).filter(|end| *end > at).min()
    }

    /// Whether `booking` could fit if nobody held anything.
    pub(super) fn possible(&self, booking: &Booking) -> Result<Possible<'_>, Clash> {
        let window = booking.window;
        if window.is_empty() {
            return Err(Clash::Empty { window });
        }
        let (limits, ports) = self.limits(&booking.demand)?;
        if let Some(open) = self.open.filter(|open| !open.covers(&window)) {
            return Err(Clash::Closed { open, window });
        }
        let replaces = booking.instead_of.and_then(|id| self.holds.get(id));
        Ok(Possible { window, limits, ports, replaces })
    }

    /// What may be held at most for `demand` to fit, and how many ports it needs.
    fn limits(&self, demand: &HostDemand) -> Result<(Vec<Limit>, usize), Clash> {
        let mut limits = Vec::new();
        for (dimension, index, needs) in self.dimensions.demanded(demand) {
            let has = match index {
                Some(index) => self.has(index),
                None if dimension.is_node_port() => self.of_each_port(),
                None => 0,
            };
            match index {
                Some(index) if needs <= has => limits.push(Limit { index, needs, has }),
                // Nobody holds such a port.
                None if needs <= has => {}
                _ => return Err(Clash::Lacks { dimension, needs, has }),
            }
        }
        let (needs, has) = (u128::from(demand.ports), self.capacity.at(PORTS));
        if needs > has {
            return Err(Clash::Lacks { dimension: Dimension::Ports, needs, has });
        }
        Ok((limits, usize::from(demand.ports)))
    }

    fn fitting_ports(&self, possible: &Possible<'_>) -> Result<Vec<u16>, Clash> {
        if possible.ports == 0 {
            return Ok(Vec::new());
        }
        let free = self.free_ports(possible);
        let chosen: Vec<u16> = free.iter().take(possible.ports).collect();
        if chosen.len() < possible.ports {
            return Err(self.taken_at_once(possible, free.len()).into());
        }
        Ok(chosen)
    }

    /// The ports that are free over the whole window.
    pub(super) fn free_ports(&self, possible: &Possible<'_>) -> PortSet {
        self.ports.without(self.in_the_way(possible))
    }

    /// The holds of others that overlap the window.
    pub(super) fn in_the_way<'a>(
        &'a self,
        possible: &'a Possible<'_>,
    ) -> impl Iterator<Item = &'a Held> {
        self.holds.overlapping(possible.window).filter(|held| possible.is_of_another(held))
    }

    /// What to say of `limit`, which others pass at `at`. The stretch ends where
    /// they no longer do, even if that is after the window; `free` is the least
    /// that is free within the window, so that a demand for no more than that
    /// would not be stopped by this stretch.
    fn taken(&self, possible: &Possible<'_>, limit: &Limit, at: Timestamp) -> Taken {
        let used = |at, load: &Load| possible.used(at, load, limit.index);
        let mut most = used(at, self.timeline.load_at(at));
        let mut until = Timestamp::MAX;
        for (at, load) in self.timeline.after(at) {
            let used = used(at, load);
            if !limit.is_passed_by(used) {
                until = at;
                break;
            }
            if at < possible.window.until {
                most = most.max(used);
            }
        }
        let stretch = Window::new(at, until);
        let met = Window::new(at, until.min(possible.window.until));
        let holders = self
            .holds
            .overlapping(met)
            .filter(|held| possible.is_of_another(held) && held.load.at(limit.index) > 0);
        Taken {
            dimension: self.dimensions.dimension(limit.index),
            window: stretch,
            free: limit.has.saturating_sub(most),
            of: limit.has,
            needs: limit.needs,
            holders: Holders::of(holders),
            wanted: possible.window,
        }
    }

    /// What to say where too few ports are free. Mostly others have too many of them at
    /// some time, and the time at which they have the most is told; if not, there are
    /// enough at each time, but never the same ones.
    fn taken_at_once(&self, possible: &Possible<'_>, free: usize) -> Taken {
        let throughout = self.taken_ports(possible, free);
        let steps = self.timeline.within(possible.window);
        let tightest = steps.map(|(at, load)| (possible.used(at, load, PORTS), at));
        let Some((_, at)) = tightest.max_by_key(|(used, at)| (*used, Reverse(*at))) else {
            return throughout;
        };
        let then = |held: &&Held| held.hold.window.contains(at);
        // Two may hold one port, or one that the host has no more: so they are counted.
        let free = self.ports.without(self.in_the_way(possible).filter(then)).len();
        let window = Window::new(at, self.timeline.next_after(at));
        if free >= possible.ports || window == possible.window {
            return throughout;
        }
        let holders = self.in_the_way(possible).filter(then).filter(|held| self.has_port_of(held));
        let holders = Holders::of(holders);
        Taken { window, free: free as u128, holders, ..throughout }
    }

    fn has_port_of(&self, held: &Held) -> bool {
        held.hold.ports.iter().any(|port| self.ports.contains(*port))
    }

    fn taken_ports(&self, possible: &Possible<'_>, free: usize) -> Taken {
        let holders = self.in_the_way(possible).filter(|held| self.has_port_of(held));
        Taken {
            dimension: Dimension::Ports,
            window: possible.window,
            free: free as u128,
            of: self.capacity.at(PORTS),
            needs: possible.ports as u128,
            holders: Holders::of(holders),
            wanted: possible.window,
        }
    }
}
