//! One step of one timed resource: what it becomes, and what is written besides.

use std::sync::Arc;

use tessera_planted::{Bug, planted};
use tessera_types::timed::{
    DesiredTimedStatus, Failure, Outcome, Request, Timed, TimedObserved, TimedStatus, Timeslot,
};
use tessera_types::{
    Actor, Edit, IllegalTransition, Kind, Name, Now, Object, Record, Timestamp, Uid, WaitReason,
    Write, limits,
};

use super::pipeline;
use crate::manager::Plan;
use crate::tables::Tabled;
use crate::world::World;

/// A mistake of ours is the only error: an arrow that the machine does not have.
pub(crate) type Done = Result<(), IllegalTransition>;

/// One step of one timed resource.
pub(crate) struct Step<'a, K: Timed> {
    pub(crate) world: &'a World,
    pub(crate) now: Timestamp,
    /// The same on both clocks.
    pub(crate) clocks: Now,
    pub(crate) edit: Edit<K>,
    others: Vec<Write>,
    look_again_at: Option<Timestamp>,
}

impl<'a, K: Timed> Step<'a, K> {
    /// Nothing has happened yet.
    pub(crate) fn of(object: &Arc<Object<K>>, world: &'a World, clocks: Now) -> Self {
        let now = clocks.wall;
        let edit = Edit::of(object, now);
        Self { world, now, clocks, edit, others: Vec::new(), look_again_at: None }
    }

    /// The resource as this step has it so far.
    pub(crate) fn object(&self) -> &Object<K> {
        &self.edit.object
    }

    pub(crate) fn id(&self) -> Uid {
        self.edit.object.id
    }

    pub(crate) fn timed(&self) -> &TimedObserved {
        K::timed(&self.edit.object)
    }

    pub(crate) fn timed_mut(&mut self) -> &mut TimedObserved {
        K::timed_mut(&mut self.edit.object)
    }

    /// Its window; none before it was admitted.
    pub(crate) fn slot(&self) -> Option<Timeslot> {
        self.timed().timeslot
    }

    /// Whether a time has come; if not, it is looked at again then.
    pub(crate) fn has_come(&mut self, at: Timestamp) -> bool {
        if self.now >= at {
            return true;
        }
        self.look_again(at);
        false
    }

    /// Looks at it again at `at` at the latest. What is past has been seen to
    /// now: to look again at once would see nothing else.
    pub(crate) fn look_again(&mut self, at: Timestamp) {
        if at <= self.now {
            return;
        }
        self.look_again_at = Some(self.look_again_at.map_or(at, |other| other.min(at)));
    }

    /// What it owns of a kind, oldest first.
    pub(crate) fn owned<C: Tabled>(
        &self,
    ) -> impl Iterator<Item = &'a Arc<Object<C>>> + use<'a, C, K> {
        self.world.owned::<C>(self.edit.object.id)
    }

    /// Goes to another status, whose phases begin anew.
    pub(crate) fn become_(&mut self, to: K::Status, reason: impl Into<String>) -> Done {
        self.edit.transition(to, Actor::RECONCILER, reason)?;
        self.timed_mut().phases.clear();
        pipeline::leave(self);
        Ok(())
    }

    /// Goes to Grading, or back from it to Active: that is to go on, not to begin
    /// anew, so what Active has done or is doing is kept.
    pub(crate) fn go_between(&mut self, to: TimedStatus, reason: &str) -> Done
    where
        K: Timed<Status = TimedStatus>,
    {
        let lifecycle = K::lifecycle(&self.edit.object);
        let of_active = lifecycle.into_iter().flat_map(|it| it.phases_in(TimedStatus::Active));
        let names: Vec<_> = of_active.map(|phase| phase.name.clone()).collect();
        let mut runs = self.timed().phases.clone();
        runs.retain(|run| names.contains(&run.name));
        // Their pipelines go on, too.
        let mut kept = std::mem::take(&mut self.timed_mut().pipeline_progress);
        let others = kept.extract_if(.., |name, _| !names.contains(name)).collect();
        self.timed_mut().pipeline_progress = others;
        self.become_(to, reason)?;
        let timed = self.timed_mut();
        timed.phases = runs;
        timed.pipeline_progress.append(&mut kept);
        Ok(())
    }

    /// Says what it waits for, until `until` at the latest, when it is looked at
    /// again.
    pub(crate) fn wait(&mut self, reason: WaitReason, message: &str, until: Option<Timestamp>) {
        self.edit.wait_for(reason, message, until);
        if let Some(until) = until {
            self.look_again(until);
        }
    }

    /// Takes a request away that has been seen to, and says whether there was
    /// one.
    pub(crate) fn serve(&mut self, request: Request) -> bool {
        let is_asked = self.timed().requested(request).is_some();
        is_asked && (planted(Bug::RequestServedTwice) || self.timed_mut().served(request).is_some())
    }

    /// Takes away a request to try it again, and notes who asked. What its owner asks of
    /// it was noted there.
    pub(crate) fn serve_retry(&mut self) -> bool {
        let Some(requested) = self.timed_mut().served(Request::Retry) else { return false };
        if requested.by != Actor::RECONCILER {
            self.edit.note(requested.by, "another try was asked for");
        }
        true
    }

    /// Its provisioning begins.
    pub(crate) fn begin(&mut self) {
        let now = self.now;
        self.timed_mut().provisioned_at.get_or_insert(now);
    }

    /// Its window is open. One that was tried again began when it first did.
    pub(crate) fn start(&mut self) {
        let now = self.now;
        self.timed_mut().started_at.get_or_insert(now);
    }

    /// Whether its provisioning has ever begun, so that there may be something to
    /// tear down.
    pub(crate) fn has_begun(&self) -> bool {
        self.timed().provisioned_at.is_some()
    }

    /// Its end has come, and it was not ready: nobody has cancelled it.
    pub(crate) fn not_ready(&self) -> Failure {
        let waited = self.edit.before().waiting_for.as_ref();
        let waited = waited.filter(|waiting| waiting.reason != WaitReason::Time);
        let mut message = "it was not ready before its end".to_owned();
        if let Some(waiting) = waited {
            message.push_str(&format!(": it still waited for {}", waiting.message));
        }
        let attempts = self.timed().phases.iter().map(|run| run.attempt).max();
        Failure {
            of: "its provisioning".to_owned(),
            attempts: attempts.unwrap_or(1),
            message: limits::clip(&message, limits::REASON_BYTES_MAX / 2),
            at: self.now,
        }
    }

    /// Notes what failed. Whoever asked for a retry before did not mean this.
    pub(crate) fn fail(&mut self, failure: Failure) {
        let timed = self.timed_mut();
        timed.served(Request::Retry);
        timed.outcome = Some(Outcome::Failed);
        timed.failure = Some(failure);
    }

    /// Notes what came of it, unless that is known already.
    pub(crate) fn conclude(&mut self, outcome: Outcome) {
        self.timed_mut().outcome.get_or_insert(outcome);
    }

    /// Writes something else in the same commit.
    pub(crate) fn write(&mut self, write: Write) {
        self.others.push(write);
    }

    /// Whether it makes a resource of this name.
    pub(crate) fn makes<C: Kind>(&self, name: &Name) -> bool {
        self.others.iter().any(|write| {
            let key = write.key();
            matches!(write, Write::Create { .. }) && (key.kind, &key.name) == (C::KIND, name)
        })
    }

    /// Changes a child, if `change` changes anything, on top of what this step has
    /// changed of it already.
    pub(crate) fn change<C: Kind>(
        &mut self,
        child: &Arc<Object<C>>,
        change: impl FnOnce(&mut Edit<C>),
    ) {
        let (changed, mut records) = self.take_back(child);
        let mut edit = Edit::of(changed.as_ref().unwrap_or(child), self.now);
        change(&mut edit);
        let edited = edit.finish();
        let after = match edited.map(Write::update) {
            Some(Write::Update { resource, records: more }) => {
                records.extend(more);
                Some(resource)
            }
            _ => changed.map(C::wrap),
        };
        self.others.extend(after.map(|resource| Write::Update { resource, records }));
    }

    /// The child as this step has changed it so far, taken out of what it writes.
    fn take_back<C: Kind>(
        &mut self,
        child: &Arc<Object<C>>,
    ) -> (Option<Arc<Object<C>>>, Vec<Record>) {
        let is_of_child = |write: &Write| {
            matches!(write, Write::Update { resource, .. }
                if resource.kind() == C::KIND && resource.id() == child.id)
        };
        match self.others.iter().position(is_of_child).map(|at| self.others.remove(at)) {
            Some(Write::Update { resource, records }) => (C::unwrap(&resource).cloned(), records),
            _ => (None, Vec::new()),
        }
    }

    /// Tells a timed child how far it is wanted to go. What it was told last
    /// only ever moves on: a child that is to be torn down stays so.
    pub(crate) fn desire<C>(&mut self, child: &Arc<Object<C>>, wanted: DesiredTimedStatus)
    where
        C: Timed<Desired = DesiredTimedStatus>,
    {
        self.change(child, |edit| {
            if edit.object.desired_status < wanted {
                edit.object.desired_status = wanted;
                edit.object.generation += 1;
            }
        });
    }

    /// Asks for a child's deletion.
    pub(crate) fn ask_to_delete<C: Kind>(&mut self, child: &Arc<Object<C>>) {
        let now = self.now;
        self.change(child, |edit| {
            edit.object.deletion_requested_at.get_or_insert(now);
        });
    }

    /// Removes the resource itself. Nothing else of it is written.
    pub(crate) fn remove(self) -> Plan {
        let object = self.edit.before();
        let write = Write::delete(object, Actor::RECONCILER, "deleted as asked", self.now);
        Plan::write(write)
    }

    /// What is to be written.
    pub(crate) fn finish(self) -> Plan {
        let own = self.edit.finish().map(Write::update);
        Plan {
            writes: own.into_iter().chain(self.others).collect(),
            look_again_at: self.look_again_at,
            ..Plan::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use tessera_types::session::SessionStatus;
    use tessera_types::{BootTime, KindName, Name, Report, Resource, ResourceKey, Session};

    use super::*;

    fn clocks(wall: Timestamp) -> Now {
        Now { wall, boot: BootTime::from_millis(0) }
    }

    fn object<K: Kind>(kind: KindName, spec: serde_json::Value, id: u64) -> Arc<Object<K>> {
        let spec = Arc::new(serde_json::from_value(spec).unwrap());
        let name = Name::new("a").unwrap();
        let key = ResourceKey::new(kind, None, name);
        let mut object = Object::<K>::new(&key, spec, Actor::API, Timestamp::EPOCH);
        object.id = Uid(id);
        Arc::new(object)
    }

    #[test]
    fn changes_of_one_child_become_one_write_with_all_their_records() {
        let definition = serde_json::json!({"definition": {"type_key": "x"}});
        let mut session = definition.clone();
        session["timeslot"] = serde_json::json!({"start": "2026-01-01T00:00:00Z"});
        let parent = object::<Session>(KindName::Session, session, 1);
        let child = object::<Report>(KindName::Report, definition, 2);
        let world = World::default();
        let mut step = Step::of(&parent, &world, clocks(Timestamp::EPOCH));
        step.change(&child, |edit| {
            edit.note(Actor::API, "first");
        });
        step.change(&child, |_| {});
        step.change(&child, |edit| {
            edit.request_deletion();
            edit.note(Actor::API, "second");
        });
        step.become_(SessionStatus::Active, "begin").unwrap();
        let writes = step.finish().writes;
        let [own, Write::Update { resource: Resource::Report(after), records }] = writes.as_slice()
        else {
            panic!("{writes:#?}")
        };
        assert_eq!(own.key(), parent.key());
        let reasons: Vec<_> = records.iter().map(|record| record.reason.as_str()).collect();
        assert_eq!(reasons, ["first", "second"]);
        assert!(after.deletion_requested_at.is_some());
        let history: Vec<_> = after.state_history.iter().map(|one| one.reason.as_str()).collect();
        assert_eq!(history, ["created", "first", "second"]);
        assert_eq!(after.revision, child.revision, "it is still a write over what was read");
    }

    #[test]
    fn what_is_past_is_not_looked_at_again() {
        let session = serde_json::json!({"definition": {"type_key": "x"},
            "timeslot": {"start": "2026-01-01T00:00:00Z"}});
        let parent = object::<Session>(KindName::Session, session, 1);
        let world = World::default();
        let now = Timestamp::from_micros(5);
        let mut step = Step::of(&parent, &world, clocks(now));
        step.wait(WaitReason::Time, "something", Some(now));
        assert_eq!(step.finish().look_again_at, None);
    }
}
