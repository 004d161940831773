//! Each bug: what is wrong with it, and which promise it breaks.

use std::fmt;
use std::str::FromStr;

/// What Tessera promises, as the simulation checks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// An acknowledged write is never lost, and a watcher sees what was committed.
    Durable,
    /// Only legal transitions happen, each with its entry in the history.
    History,
    /// No two live copies where only one may be.
    OneCopy,
    /// Nothing is over its capacity at any time.
    Capacity,
    /// Nothing begins too early or outlives its end.
    Windows,
    /// What is to happen once happens once.
    Once,
    /// Nothing lives whose owner is gone, and nothing deleted comes back.
    NoOrphans,
    /// What does not progress says what it waits for, and that is true.
    Explained,
    /// A settled system writes nothing.
    Settled,
    /// Once faults stop, all that is declared comes to be.
    Converges,
}

/// Makes the list of bugs: each has its name, and its text for people is its documentation.
macro_rules! bugs {
    ($($(#[doc = $about:literal])+ $name:ident: $promise:ident,)+) => {
        /// A mistake on purpose.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug {
            $($(#[doc = $about])+ $name,)+
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// What is wrong.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($about),+).trim(),)+
                }
            }

            /// What it breaks.
            #[must_use]
            pub const fn promise(self) -> Promise {
                match self {
                    $(Self::$name => Promise::$promise,)+
                }
            }
        }
    };
}

bugs! {
    // The store.
    /// A start loads the tables and does not replay what the log has after them.
    TailNotReplayed: Durable,
    /// A checkpoint claims one commit more than it has.
    CheckpointAhead: Durable,
    /// A watcher that is behind what is kept in memory is given the oldest commit of that.
    WatchGap: Durable,
    /// A write over an old revision of a resource is taken.
    PreconditionUnchecked: Durable,
    /// An idempotency key is forgotten with the checkpoint of its commit.
    KeyForgotten: Once,
    /// A checkpoint does not remove what was deleted.
    DeletionNotCheckpointed: NoOrphans,

    // What agents report.
    /// A report counts whatever placement of its workload it is of.
    EpochUnchecked: OneCopy,
    /// A report counts although a newer one was taken in.
    ReportOrderUnchecked: Converges,
    /// What lies between two statuses is left out of the history.
    StepsLeftOut: History,

    // Workloads and their nodes.
    /// A workload that is placed anew has the epoch of its last placement.
    EpochReused: OneCopy,
    /// One that is declared `on_disconnect: stop` is placed elsewhere before its old node must
    /// have stopped it.
    PlacedBeforeStopped: OneCopy,
    /// A drained node keeps what is on it.
    DrainIgnored: Explained,
    /// The workload of a job is placed anew as any other.
    JobPlacedAgain: Once,
    /// A workload for which no node has room does not say so.
    WaitNotSaid: Explained,
    /// A workload that runs still says what it waited for.
    WaitNotCleared: Explained,

    // The loop.
    /// A time at which to look again is dropped.
    TimerDropped: Converges,
    /// After a start no pod is looked at.
    DeadlineLostAtRestart: Windows,
    /// What could not be written is not tried again.
    FailureForgotten: Converges,
    /// A node whose lease has lapsed is looked at again at once, and not when it is heard of.
    LapsedLeaseLookedAt: Settled,
    /// What is waited for is waited for anew with each look.
    WaitsAnew: Settled,

    // Placement and booking.
    /// What one pass places is not set aside before the next choice of it.
    ReservationForgotten: Capacity,
    /// The ports that others have on a node do not count.
    PortsNotCounted: Capacity,
    /// The ports of what left a node stay taken.
    PortsNotReleased: Explained,
    /// What begins at the very instant that is asked about does not count.
    EqualTimesIgnored: Capacity,
    /// A booking is without the time before and after its window.
    BuffersNotBooked: Capacity,
    /// A service is placed where the room is promised to sessions.
    PromisedToOthers: Capacity,

    // The agent.
    /// A copy of an earlier epoch goes on.
    OldEpochKept: OneCopy,
    /// A copy starts although another of its workload still runs.
    TwoRunsAtOnce: OneCopy,
    /// A copy starts in the room that stale ones still have.
    CrowdedStart: Capacity,
    /// How many copies a node may have does not count where stale ones make room.
    PlacesNotCounted: Capacity,
    /// A shorter window does not reach the run that is under way.
    WindowNotPassedOn: Windows,
    /// A copy does not wait for its beginning, where it was placed before that.
    NotBeforeIgnored: Windows,
    /// How often a copy was started again is forgotten with its agent.
    RestartsForgotten: History,
    /// An acknowledgement of one report counts for all of its copy.
    ReportsForgotten: Converges,
    /// An agent that registers anew and has the same workloads, as they were, is told nothing.
    HeldByName: Converges,
    /// A run starts before it is written down.
    StartBeforeSave: OneCopy,

    // Timed resources.
    /// A pod is provisioned as soon as it is booked.
    ProvisionAtIgnored: Windows,
    /// A pod does not end with its window.
    CleanupNotBegun: Windows,
    /// What is over keeps its host.
    BindingKept: NoOrphans,
    /// A phase is tried for ever.
    RetryUnbounded: Converges,
    /// A session is removed before its parts.
    ParentDeletedFirst: NoOrphans,
    /// A part whose gate is open says that it waits for that, and not for its window.
    GateStillSaid: Explained,
    /// A pod that is ready does not say that it waits for its window.
    StartNotSaid: Explained,
    /// A session waits for all of its parts to be gone, and for those that are gone, too.
    GoneStillAwaited: Explained,
    /// A request that was served is served again.
    RequestServedTwice: Once,

    // Pipelines and jobs of the engine.
    /// An event about an earlier try ends the present one.
    EarlierTryActs: Once,
    /// Each try of a step has the key of the first.
    KeyOfFirstTry: Once,
    /// The deadline of a step passes unseen.
    StepDeadlineIgnored: Converges,
    /// The job of a step that was given up is not cancelled.
    CancelForgotten: NoOrphans,

    // Runs of workflows.
    /// An effect whose end is in the journal is begun again when the run is replayed.
    EndForgotten: Once,
    /// A run that is replayed does not know the events that it was given.
    EventForgotten: Once,
    /// All effects of a task have one idempotency key, whatever round or try it is.
    KeyOfTask: Once,
    /// A timer waits for the wall clock alone, also where that is set back.
    WallClockAlone: Converges,

    // Tenants.
    /// The numbers of reports count for every start of an agent together.
    SessionUnchecked: Converges,
    /// A run is forgotten before its end is told.
    RunForgotten: Once,
    /// A run is started before it is noted.
    StartBeforeNote: Once,
    /// A tenant is forgotten before it is removed.
    RemovalForgotten: NoOrphans,
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Bug {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|bug| bug.name() == name);
        found.copied().ok_or_else(|| format!("there is no bug `{name}`"))
    }
}
