//! The reconciler: runs managers over what is due, chooses nodes for those that
//! want one, and gathers what they want written.
//!
//! It is fed by the change stream ([`Reconciler::observe`]) and by timers; a
//! shell takes the writes of a [`Pass`], commits them, and says which were
//! refused ([`Reconciler::conflicted`]). The [`Fleet`] account is updated when a
//! node is chosen, not when the choice is committed, so the placements of one
//! pass see each other; a refused one is taken back.

use std::collections::HashMap;
use std::sync::Arc;

use tessera_planted::{Bug, planted};
use tessera_scheduler::{Demand, Fleet, NodeState, Refusal};
use tessera_types::node::{DesiredNodeStatus, NodeStatus};
use tessera_types::{
    Change, Committed, Duration, KindName, Name, Node, Now, Object, Resource, Timestamp, Uid,
    Workload, Write, limits,
};

use crate::bookings::is_service;
use crate::dispatch;
use crate::explained::Explained;
use crate::manager::{Manager, Plan};
use crate::node::NodeManager;
use crate::pass::{Pass, book_service, gather};
use crate::promised::{DemandShape, booked, of_its_group, of_other_groups};
use crate::queue::Queue;
use crate::workload::WorkloadManager;
use crate::world::World;

/// Runs managers over what is due.
#[derive(Debug, Default)]
pub struct Reconciler {
    queue: Queue,
    fleet: Fleet,
    /// Workloads that no node takes: looked at again when there is more room.
    unplaced: HashMap<Uid, Explained>,
    there_is_more_room: bool,
    /// Something may stand in their way that did not when they were looked at.
    there_is_less_room: bool,
    /// When services end that have a place, and do not have it for ever: what is after that is
    /// another's when it gets earlier.
    ends: HashMap<Uid, Timestamp>,
    /// Whose each resource is: to look at the owner when one is gone.
    owners: HashMap<Uid, Uid>,
}

/// What is still to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Resources that are due.
    pub due: usize,
    /// Entries in the order in which these were woken: more than there are, where some were
    /// looked at in another.
    pub in_order: usize,
    /// Resources that wait for their time.
    pub timers: usize,
    /// Workloads that wait for room.
    pub unplaced: usize,
    /// Resources of which the store refuses what is to be written.
    pub refused: usize,
    /// Of those, the ones of which it has done so
    /// [`tessera_types::limits::WRITE_TRIES_MAX`] times or more.
    pub given_up: usize,
}

impl Backlog {
    /// What is due for another reason than that there may be room now, about: all that wait for room are looked at
    /// whenever there is.
    #[must_use]
    pub fn news(&self) -> usize {
        self.due.saturating_sub(self.unplaced)
    }
}

impl Reconciler {
    /// A reconciler that has everything in `world` to look at.
    #[must_use]
    pub fn new(world: &World) -> Self {
        let mut reconciler = Self::default();
        for node in world.nodes.iter() {
            reconciler.node_changed(node, world);
        }
        for workload in world.workloads.iter() {
            reconciler.workload_changed(workload);
        }
        for resource in world.all() {
            reconciler.wake_concerned(&resource, world);
            if !planted(Bug::DeadlineLostAtRestart) || !matches!(resource, Resource::Pod(_)) {
                reconciler.queue.push(resource.id());
            }
        }
        reconciler
    }

    /// Takes in a commit. `world` must have it already.
    pub fn observe(&mut self, committed: &Committed, world: &World) {
        for change in &committed.changes {
            // It could be written, or somebody has changed it: it begins anew.
            self.queue.succeeded(change.id);
            match &change.after {
                Some(resource) => self.wake_concerned(resource, world),
                None => {
                    let owner = self.owners.remove(&change.id);
                    // What waits for a job to be gone waits for its workload.
                    let above = owner.and_then(|owner| self.owners.get(&owner).copied());
                    let children = world.children_of(change.id).map(|(_, id)| id);
                    let groups = dispatch::groups_concerned(change.key.kind, world);
                    let overbooked = dispatch::overbooked(world);
                    let all = owner
                        .into_iter()
                        .chain(above)
                        .chain(children)
                        .chain(groups)
                        .chain(dispatch::tenants_concerned(change.key.kind, change.id, world))
                        .chain(overbooked);
                    all.for_each(|id| self.queue.push(id));
                }
            }
            match &change.after {
                Some(Resource::Node(node)) => self.node_changed(node, world),
                Some(Resource::Workload(workload)) => self.workload_changed(workload),
                Some(resource) => {
                    self.there_is_less_room |= matches!(resource, Resource::Pod(_));
                    // What a pod or a host has no more may be another's.
                    self.there_is_more_room |= match resource {
                        Resource::Pod(pod) => pod.observed.binding.is_none(),
                        Resource::Host(_) => true,
                        _ => false,
                    };
                    self.queue.push(resource.id());
                }
                None => self.removed(change, world),
            }
        }
    }

    /// Looks at a node before all that has only news: it was heard of again, and its agent waits.
    pub fn wake(&mut self, id: Uid) {
        self.queue.push_first(id);
    }

    /// Looks at a resource now, because an operator asks: as if its writes had
    /// never failed, and as if nothing had been told of why it waits.
    pub fn reconcile_now(&mut self, id: Uid) {
        self.queue.succeeded(id);
        self.unplaced.remove(&id);
        self.queue.push(id);
    }

    /// Looks at everything: the safety net.
    pub fn resync(&mut self, world: &World) {
        world.all().for_each(|resource| self.queue.push(resource.id()));
    }

    fn wake_concerned(&mut self, resource: &Resource, world: &World) {
        if let Some(owner) = resource.owner() {
            self.owners.insert(resource.id(), owner.id);
        }
        dispatch::concerned(resource, world).into_iter().for_each(|id| self.queue.push(id));
    }

    fn node_changed(&mut self, node: &Object<Node>, world: &World) {
        let state = node_state(node);
        self.fleet.set_node(node, state);
        self.queue.push(node.id);
        self.there_is_more_room |= state == NodeState::Open;
        self.there_is_less_room |= state != NodeState::Open;
        for workload in world.workloads_on(node.id) {
            self.queue.push(workload.id);
        }
    }

    /// Notes when a service that has a place ends, and tells whether that is earlier than it was.
    fn ends_earlier(&mut self, service: &Object<Workload>) -> bool {
        let now = service.spec.not_after;
        let before = match now {
            Some(at) => self.ends.insert(service.id, at),
            None => self.ends.remove(&service.id),
        };
        now.unwrap_or(Timestamp::MAX) < before.unwrap_or(Timestamp::MAX)
    }

    fn workload_changed(&mut self, workload: &Object<Workload>) {
        let left = self.fleet.node_of(workload.id);
        match &workload.observed.assigned {
            Some(assigned) => {
                self.fleet.reserve(workload.id, assigned.node_id, &Demand::placed(workload));
                self.unplaced.remove(&workload.id);
                self.queue.push(workload.id);
                let earlier = is_service(workload) && self.ends_earlier(workload);
                if left != Some(assigned.node_id) {
                    self.there_is_less_room = true;
                    self.left_node(left);
                } else {
                    self.there_is_more_room |= earlier;
                }
            }
            None => {
                self.ends.remove(&workload.id);
                if self.fleet.release(workload.id) {
                    self.left_node(left);
                }
                self.queue.push(workload.id);
            }
        }
    }

    fn removed(&mut self, change: &Change, world: &World) {
        self.queue.forget(change.id);
        match change.key.kind {
            KindName::Workload => {
                self.ends.remove(&change.id);
                let left = self.fleet.node_of(change.id);
                self.unplaced.remove(&change.id);
                if self.fleet.release(change.id) {
                    self.left_node(left);
                }
            }
            KindName::Node => {
                self.fleet.remove_node(change.id);
                self.there_is_less_room = true;
                for workload in world.workloads_on(change.id) {
                    self.queue.push(workload.id);
                }
            }
            _ => {}
        }
    }

    /// A workload left a node: others may fit now, and a node that is being
    /// drained may be empty.
    fn left_node(&mut self, node: Option<Uid>) {
        self.there_is_more_room = true;
        if let Some(node) = node {
            self.queue.push(node);
        }
    }

    /// How long there is nothing to do, if nothing happens and no clock is set:
    /// zero if there is something now.
    #[must_use]
    pub fn next_in(&self, now: Now) -> Option<Duration> {
        let room_has_changed = self.there_is_more_room || self.there_is_less_room;
        if room_has_changed && !self.unplaced.is_empty() {
            return Some(Duration::ZERO);
        }
        self.queue.next_in(now)
    }

    /// What is still to be done.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        let (due, timers) = self.queue.len();
        let (refused, given_up) = self.queue.refused();
        let (in_order, unplaced) = (self.queue.in_order(), self.unplaced.len());
        Backlog { due, in_order, timers, unplaced, refused, given_up }
    }

    /// Looks at up to `looks_max` resources that are due.
    pub fn pass(&mut self, world: &World, now: Now, looks_max: usize) -> Pass {
        let mut pass = Pass { decided_at: world.revision(), ..Pass::default() };
        if std::mem::take(&mut self.there_is_more_room) {
            let mut unplaced: Vec<_> = self.unplaced.keys().copied().collect();
            unplaced.sort_unstable();
            unplaced.into_iter().for_each(|id| self.queue.push(id));
        }
        if std::mem::take(&mut self.there_is_less_room) {
            self.look_at_reasons();
        }
        // Demands that no node took in this pass: the next like them need not
        // be tried, since within a pass room only shrinks.
        let mut refused = HashMap::new();
        while pass.stats.evaluated < looks_max
            && pass.written.len() < limits::PASS_WRITES_MAX
            && let Some(id) = self.queue.pop(now)
        {
            pass.stats.evaluated += 1;
            let plan = match world.workloads.get(id) {
                Some(workload) => {
                    self.look_at_workload(workload, world, now, &mut refused, &mut pass)
                }
                None => match world.nodes.get(id) {
                    Some(node) => look_at_node(node, world, now, &mut pass),
                    None => match world.kind_of(id) {
                        Some(kind) => dispatch::plan(kind, id, world, now),
                        None => continue,
                    },
                },
            };
            if let Some(at) = plan.look_again_at.filter(|_| !planted(Bug::TimerDropped)) {
                self.queue.push_at(id, at);
            }
            if let Some(after) = plan.look_again_after {
                match world.nodes.get(id).is_some() {
                    true => self.queue.push_first_after(id, after),
                    false => self.queue.push_after(id, after),
                }
            }
            gather(id, plan.writes, world, &mut pass);
        }
        for id in std::mem::take(&mut pass.deferred) {
            self.give_back(id, world);
            self.queue.push(id);
        }
        pass
    }

    fn look_at_workload(
        &mut self,
        workload: &Arc<Object<Workload>>,
        world: &World,
        now: Now,
        refused: &mut HashMap<DemandShape, Refusal>,
        pass: &mut Pass,
    ) -> Plan {
        let plan = WorkloadManager.reconcile(workload, world, now);
        let Some(mut demand) = plan.wants_node else {
            self.unplaced.remove(&workload.id);
            return plan;
        };
        let mut promised_until = None;
        let choice = match self.fleet.choose_among(&demand, of_its_group(workload, world)) {
            Some(found) => Ok(found),
            None => {
                let promised = booked(workload, &demand, world, now, pass);
                (demand.booked, promised_until) = (promised.nodes, promised.until);
                demand.booked.extend(of_other_groups(workload, world));
                self.choose(&demand, refused)
            }
        };
        match choice {
            Ok((node, name)) => {
                if !planted(Bug::ReservationForgotten) {
                    self.fleet.reserve(workload.id, node, &demand);
                }
                self.unplaced.remove(&workload.id);
                self.there_is_less_room = true;
                pass.stats.workloads_placed += 1;
                let plan = WorkloadManager::take(workload, node, name, now);
                book_service(&plan, world, pass);
                plan
            }
            Err(refusal) => {
                pass.stats.workloads_unplaced += 1;
                self.explain(workload, world, &refusal, now).look_again_at(promised_until)
            }
        }
        .look_again_at(plan.look_again_at)
    }

    /// The best of all nodes. A demand like one that none took in this pass is refused with
    /// the same reason.
    fn choose(
        &mut self,
        demand: &Demand,
        refused: &mut HashMap<DemandShape, Refusal>,
    ) -> Result<(Uid, Name), Refusal> {
        if !refused.is_empty()
            && let Some(refusal) = refused.get(&DemandShape::of(demand))
        {
            return Err(refusal.clone());
        }
        self.fleet.choose(demand).inspect_err(|refusal| {
            refused.insert(DemandShape::of(demand), refusal.clone());
        })
    }

    /// Nothing fits that did not before, but it may have another reason now: that is told
    /// as soon as it may be.
    fn look_at_reasons(&mut self) {
        for (id, explained) in &self.unplaced {
            self.queue.push_after(*id, explained.may_differ_after());
        }
    }

    /// Says why no node takes `workload`, unless much the same was said lately.
    fn explain(
        &mut self,
        workload: &Arc<Object<Workload>>,
        world: &World,
        refusal: &Refusal,
        now: Now,
    ) -> Plan {
        let explained = self.unplaced.get(&workload.id).copied();
        let told = explained.filter(|explained| explained.holds_until(refusal) > now.boot);
        let plan = WorkloadManager::refused(workload, world, refusal, told.is_some(), now);
        let explained = match told {
            Some(explained) if plan.writes.is_empty() => explained,
            _ => Explained::new(refusal, now.boot),
        };
        self.unplaced.insert(workload.id, explained);
        plan.look_again_after(Some(explained.holds_until(refusal)))
    }

    /// Where a workload that is not stored would be placed now.
    ///
    /// # Errors
    /// [`Refusal`] when no node takes it.
    pub fn plan_placement(
        &mut self,
        workload: &Object<Workload>,
        world: &World,
        now: Now,
    ) -> Result<Name, Refusal> {
        let mut demand = Demand::of(workload);
        demand.booked = booked(workload, &demand, world, now, &Pass::default()).nodes;
        self.fleet.choose_instead(workload.id, &demand).map(|(_, name)| name)
    }

    /// A write was refused: the resource has changed. What was tentatively
    /// taken is given back, and it is looked at again from what it is now.
    pub fn conflicted(&mut self, id: Uid, world: &World) {
        self.unplaced.remove(&id);
        if let Some(workload) = world.workloads.get(id) {
            self.workload_changed(workload);
        }
        self.queue.push(id);
    }

    /// A write could not be committed because the store cannot write: the
    /// resource is looked at after a pause that grows with each failure.
    pub fn failed(&mut self, id: Uid, world: &World, now: Now) {
        self.give_back(id, world);
        if !planted(Bug::FailureForgotten) {
            self.queue.push_failed(id, now.boot);
        }
    }

    /// The store refused the write of this resource alone. It is tried again
    /// after a pause that grows. After [`tessera_types::limits::WRITE_TRIES_MAX`]
    /// times the resource is to be given up by the write that is returned, if
    /// its kind and its status allow that: at once, so that only a store that
    /// takes other writes says that the resource has failed.
    pub fn refused(&mut self, id: Uid, world: &World, now: Now) -> Option<Write> {
        self.give_back(id, world);
        self.queue.push_refused(id, now.boot);
        let workload = world.workloads.get(id).filter(|_| self.queue.is_given_up(id))?;
        WorkloadManager::give_up(workload, now.wall)?.writes.into_iter().next()
    }

    /// Takes back what was set aside for a choice that could not be written, and
    /// what would have been told.
    fn give_back(&mut self, id: Uid, world: &World) {
        self.unplaced.remove(&id);
        let Some(workload) = world.workloads.get(id) else { return };
        match &workload.observed.assigned {
            // It was to move.
            Some(at) => {
                self.there_is_more_room |= self.fleet.node_of(id) != Some(at.node_id);
                self.fleet.reserve(id, at.node_id, &Demand::placed(workload));
            }
            None => {
                if self.fleet.release(id) {
                    self.there_is_more_room = true;
                }
            }
        }
    }

    /// A write was committed.
    pub fn succeeded(&mut self, id: Uid) {
        self.queue.succeeded(id);
    }
}

fn look_at_node(node: &Arc<Object<Node>>, world: &World, now: Now, pass: &mut Pass) -> Plan {
    pass.stats.nodes_evaluated += 1;
    let plan = NodeManager.reconcile(node, world, now);
    if let Some(Write::Update { resource: Resource::Node(after), .. }) = plan.writes.first()
        && after.status == NodeStatus::Offline
        && node.status != NodeStatus::Offline
    {
        pass.stats.nodes_offline += 1;
    }
    plan
}

fn node_state(node: &Object<Node>) -> NodeState {
    if !node.status.is_reachable() {
        NodeState::Offline
    } else if node.status == NodeStatus::Ready
        && node.desired_status == DesiredNodeStatus::Ready
        && node.deletion_requested_at.is_none()
    {
        NodeState::Open
    } else {
        NodeState::Closed
    }
}
