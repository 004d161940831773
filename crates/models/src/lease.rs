//! Leases and epochs (RFD 0004): two nodes, and one workload that is declared
//! `on_disconnect: stop`, of which there is never more than one live copy.
//!
//! Time is a tick that everybody's clock makes at once; what is stored are ages and not
//! times, and an age that makes no more difference stands still, so there are finitely
//! many states. Whoever may act may also not act: a process that is frozen or slow, and a
//! message that takes long, need no fault of their own. Two things must happen in time:
//! a supervisor kills what has no lease any more within [`KILL`], and ages go on.

use stateright::{Model, Property, Representative};

/// The length of a lease, in ticks.
pub const LEASE: u8 = 1;
/// How long a supervisor needs for the killing, at most.
pub const KILL: u8 = 1;
/// How long after the end of a lease the control plane waits. A node's lease ends
/// between two ticks, and so does the killing: one tick more than it takes.
pub const MARGIN: u8 = KILL + 1;
/// Ages are counted up to here.
const OLD: u8 = LEASE + MARGIN;

/// The number of a placement.
pub type Epoch = u8;

/// A rule of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Another copy is placed only when the lease is over for [`MARGIN`].
    Margin,
    /// The agent counts its lease from when it sent the request that was answered.
    LeaseFromRequest,
    /// The supervisor holds the lease, so that it ends without its agent.
    Supervisor,
    /// Nothing is placed elsewhere for a lease and the margin after a start of the
    /// control plane, not even where the node was Offline before.
    WaitAfterStart,
    /// A node is answered only once it is not Offline any more.
    NoAnswerWhileOffline,
    /// What has ended is remembered, and not started again, until the list has it no more.
    RememberWhileListed,
    /// A report of another epoch than the placed one is refused.
    RefuseOldReport,
    /// What is recalled from a node is placed again only when it is reported to be gone.
    WaitForReport,
}

/// What can happen besides delays.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// What is left out.
    pub without: Option<Rule>,
    /// Starts of the control plane and of agents, together, at most.
    pub restarts_max: u8,
    /// Placements at most.
    pub epoch_max: Epoch,
}

/// A copy, which outlives its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Copy {
    epoch: Epoch,
    /// Since the request was sent that gave its lease.
    lease_age: u8,
}

/// Between an agent and the control plane there is one call at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// On its way, or lost.
    Sent,
    /// The control plane has it, and answers when there is news.
    Open,
    /// The answer is on its way: what is placed on the node.
    Answered(Option<Epoch>),
}

/// A node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    /// What the agent was told last; none before the first answer.
    list: Option<Option<Epoch>>,
    /// Since the agent sent the last request that was answered.
    lease_age: u8,
    call: Option<Call>,
    /// Since the call was sent.
    call_age: u8,
    /// A request that its agent has given up may still arrive.
    has_stray: bool,
    copy: Option<Copy>,
    /// The newest copy that ended, which is reported until that is forgotten.
    ended: Option<Epoch>,
    /// What the control plane counts: since it has heard of the node.
    heard_age: u8,
    is_offline: bool,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    nodes: [Node; 2],
    /// Where the workload is placed.
    placed: Option<usize>,
    epoch: Epoch,
    /// Whether it is to leave its node.
    is_recalled: bool,
    /// Whether it is decided, and not yet committed, that its node has lost it.
    is_releasing: bool,
    /// Since the control plane was started.
    started_age: u8,
    restarts: u8,
}

/// A step of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Every clock goes on.
    Tick,
    /// An agent calls.
    Call(usize),
    /// An agent gives a call up, which may still arrive.
    GiveUpCall(usize),
    /// A call arrives.
    Arrive(usize),
    /// One that was given up arrives.
    StrayArrives(usize),
    /// The control plane answers.
    Answer(usize),
    /// The answer arrives.
    Hear(usize),
    /// An agent starts the copy of its list.
    Start(usize),
    /// An agent stops a copy.
    Stop(usize),
    /// A copy ends by itself.
    End(usize),
    /// A supervisor kills a copy without a lease.
    Kill(usize),
    /// An agent reports a copy's end, perhaps once more.
    Report(usize),
    /// An agent has nothing more to report.
    Forget(usize),
    /// An agent dies and starts again.
    RestartAgent(usize),
    /// The control plane writes down that a node is Offline.
    MarkOffline(usize),
    /// … and that it is there again.
    MarkOnline(usize),
    /// The control plane decides to give up what is on a node.
    Decide(usize),
    /// … and commits that.
    Release,
    /// The control plane wants the workload to leave its node.
    Recall,
    /// The control plane places the workload.
    Place(usize),
    /// The control plane dies and starts again.
    RestartControl,
}

impl Node {
    fn older(&mut self) {
        for age in [&mut self.lease_age, &mut self.call_age, &mut self.heard_age] {
            *age = (*age + 1).min(OLD);
        }
        if let Some(copy) = &mut self.copy {
            copy.lease_age = (copy.lease_age + 1).min(LEASE + KILL);
        }
        if self.call.is_none() {
            self.call_age = 0;
        }
    }

    /// A supervisor that is due has killed.
    fn may_grow_older(&self) -> bool {
        self.copy.is_none_or(|copy| copy.lease_age < LEASE + KILL)
    }
}

impl Lease {
    fn has(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    /// Without a supervisor of its own a copy has the lease that its agent has.
    fn must_die(&self, node: &Node) -> bool {
        let is_over = node.copy.is_some_and(|copy| copy.lease_age >= LEASE);
        is_over && (self.has(Rule::Supervisor) || node.list.is_some())
    }

    fn may_tick(&self, state: &State) -> bool {
        let in_time =
            |node: &Node| node.may_grow_older() || !self.must_die(node) && node.copy.is_some();
        state.nodes.iter().all(in_time)
    }

    fn steps_of_node(&self, state: &State, at: usize, steps: &mut Vec<Step>) {
        let node = &state.nodes[at];
        match node.call {
            // One that is still under way may be taken for the next, so one is enough.
            None if !node.has_stray => steps.push(Step::Call(at)),
            None => {}
            Some(Call::Sent) => steps.extend([Step::Arrive(at), Step::GiveUpCall(at)]),
            Some(Call::Open) => {
                steps.push(Step::GiveUpCall(at));
                if !node.is_offline || !self.has(Rule::NoAnswerWhileOffline) {
                    steps.push(Step::Answer(at));
                }
            }
            Some(Call::Answered(_)) => steps.extend([Step::Hear(at), Step::GiveUpCall(at)]),
        }
        if node.has_stray {
            steps.push(Step::StrayArrives(at));
        }
        let wanted = node.list.flatten();
        if node.list.is_some() && node.copy.is_some_and(|copy| wanted != Some(copy.epoch)) {
            steps.push(Step::Stop(at));
        }
        let is_new = wanted.is_some_and(|epoch| node.ended.is_none_or(|ended| ended < epoch));
        if node.copy.is_none() && is_new && node.lease_age < LEASE {
            steps.push(Step::Start(at));
        }
        if node.copy.is_some() {
            steps.push(Step::End(at));
        }
        if self.must_die(node) {
            steps.push(Step::Kill(at));
        }
        if node.ended.is_some() {
            steps.push(Step::Report(at));
        }
        let is_listed = node.list.is_none() || wanted == node.ended;
        if node.ended.is_some() && !(is_listed && self.has(Rule::RememberWhileListed)) {
            steps.push(Step::Forget(at));
        }
        if state.restarts < self.restarts_max && (node.list.is_some() || node.call.is_some()) {
            steps.push(Step::RestartAgent(at));
        }
    }

    fn steps_of_control(&self, state: &State, at: usize, steps: &mut Vec<Step>) {
        let node = &state.nodes[at];
        if node.heard_age >= LEASE && !node.is_offline {
            steps.push(Step::MarkOffline(at));
        }
        if node.heard_age < LEASE && node.is_offline && !state.is_releasing {
            steps.push(Step::MarkOnline(at));
        }
        if state.placed == Some(at) && node.is_offline && self.is_surely_dead(state, node) {
            steps.push(Step::Decide(at));
        }
        if state.placed.is_none() && !node.is_offline && state.epoch < self.epoch_max {
            steps.push(Step::Place(at));
        }
    }

    fn is_surely_dead(&self, state: &State, node: &Node) -> bool {
        let margin = if self.has(Rule::Margin) { MARGIN } else { 0 };
        let waited = !self.has(Rule::WaitAfterStart) || state.started_age >= LEASE + margin;
        waited && node.heard_age >= LEASE + margin
    }

    fn restart_control(&self, state: &mut State) {
        (state.started_age, state.is_releasing) = (0, false);
        for node in &mut state.nodes {
            // Its calls are gone with their connections, but for answers that are under way.
            if node.call == Some(Call::Open) {
                node.call = None;
            }
            // Leases live in memory: a node that was reachable gets a fresh one.
            node.heard_age = if node.is_offline { OLD } else { 0 };
        }
    }

    fn reported(&self, state: &mut State, at: usize) {
        let is_of_placed = state.placed == Some(at) && state.nodes[at].ended == Some(state.epoch);
        if is_of_placed || !self.has(Rule::RefuseOldReport) {
            release(state);
        }
    }

    fn act(&self, node: &mut Node, step: Step) {
        match step {
            Step::Call(_) => (node.call, node.call_age) = (Some(Call::Sent), 0),
            Step::GiveUpCall(_) => {
                node.has_stray |= node.call == Some(Call::Sent);
                (node.call, node.call_age) = (None, 0);
            }
            Step::Arrive(_) => {
                node.call = Some(Call::Open);
                node.heard_age = 0;
            }
            Step::StrayArrives(_) => {
                node.has_stray = false;
                node.heard_age = 0;
            }
            Step::Hear(_) => self.hear(node),
            Step::Start(_) => {
                let epoch = node.list.flatten().unwrap_or_default();
                node.copy = Some(Copy { epoch, lease_age: node.lease_age });
            }
            Step::Stop(_) | Step::End(_) | Step::Kill(_) => {
                node.ended = node.copy.take().map(|copy| copy.epoch).max(node.ended);
            }
            Step::Forget(_) => node.ended = None,
            Step::RestartAgent(_) => {
                node.has_stray |= node.call == Some(Call::Sent);
                (node.call, node.call_age) = (None, 0);
                // Its copy and what has ended are on the disk.
                (node.list, node.lease_age) = (None, OLD);
            }
            Step::MarkOffline(_) => node.is_offline = true,
            Step::MarkOnline(_) => node.is_offline = false,
            _ => {}
        }
    }

    fn hear(&self, node: &mut Node) {
        let Some(Call::Answered(list)) = node.call.take() else { return };
        let age = if self.has(Rule::LeaseFromRequest) { node.call_age } else { 0 };
        (node.list, node.call_age) = (Some(list), 0);
        node.lease_age = age.min(node.lease_age);
        if let Some(copy) = &mut node.copy {
            copy.lease_age = age.min(copy.lease_age);
        }
    }
}

fn release(state: &mut State) {
    (state.placed, state.is_recalled, state.is_releasing) = (None, false, false);
}

/// Copies that live.
fn live(state: &State) -> usize {
    state.nodes.iter().filter(|node| node.copy.is_some()).count()
}

impl Model for Lease {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let node = Node { heard_age: OLD, lease_age: OLD, is_offline: true, ..Node::default() };
        let nodes = [node; 2];
        let (placed, epoch, restarts) = (None, 0, 0);
        let (is_recalled, is_releasing, started_age) = (false, false, OLD);
        vec![State { nodes, placed, epoch, is_recalled, is_releasing, started_age, restarts }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if self.may_tick(state) {
            steps.push(Step::Tick);
        }
        for at in 0..state.nodes.len() {
            self.steps_of_node(state, at, steps);
            self.steps_of_control(state, at, steps);
        }
        if state.is_releasing {
            steps.push(Step::Release);
        }
        if state.placed.is_some() && !state.is_recalled && state.epoch < self.epoch_max {
            steps.push(Step::Recall);
        }
        if state.restarts < self.restarts_max {
            steps.push(Step::RestartControl);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        match step {
            Step::Tick => {
                state.nodes.iter_mut().for_each(Node::older);
                state.started_age = (state.started_age + 1).min(OLD);
            }
            Step::RestartControl => {
                state.restarts += 1;
                self.restart_control(&mut state);
            }
            Step::Report(at) => self.reported(&mut state, at),
            Step::Decide(_) => state.is_releasing = true,
            Step::Recall if self.has(Rule::WaitForReport) => state.is_recalled = true,
            Step::Release | Step::Recall => release(&mut state),
            Step::Place(at) => {
                state.placed = Some(at);
                state.epoch += 1;
            }
            Step::Answer(at) => {
                let is_wanted = state.placed == Some(at) && !state.is_recalled;
                let list = is_wanted.then_some(state.epoch);
                state.nodes[at].call = Some(Call::Answered(list));
            }
            Step::RestartAgent(at) => {
                state.restarts += 1;
                self.act(&mut state.nodes[at], step);
            }
            Step::Call(at)
            | Step::GiveUpCall(at)
            | Step::Arrive(at)
            | Step::StrayArrives(at)
            | Step::Hear(at)
            | Step::Start(at)
            | Step::Stop(at)
            | Step::End(at)
            | Step::Kill(at)
            | Step::Forget(at)
            | Step::MarkOffline(at)
            | Step::MarkOnline(at) => self.act(&mut state.nodes[at], step),
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("at most one live copy", |_, state: &State| live(state) <= 1),
            Property::sometimes("a later placement runs", |_, state: &State| {
                state.nodes.iter().any(|node| node.copy.is_some_and(|copy| copy.epoch > 1))
            }),
            Property::sometimes(
                "one runs where the other node is not heard of",
                |_, state: &State| {
                    let [first, second] = &state.nodes;
                    first.is_offline && first.ended.is_none() && second.copy.is_some()
                },
            ),
        ]
    }
}

impl Representative for State {
    /// The nodes are alike.
    fn representative(&self) -> Self {
        let mut state = self.clone();
        if state.nodes[0] > state.nodes[1] {
            state.nodes.swap(0, 1);
            state.placed = state.placed.map(|at| 1 - at);
        }
        state
    }
}
