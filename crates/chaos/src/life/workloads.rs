//! Operators of workloads, each of whom has some names of his own.

use std::sync::Arc;

use serde_json::{Value, json};
use tessera_client::{DeleteOptions, PutOptions};
use tessera_types::problem::Code;
use tessera_types::workload::{DesiredWorkloadStatus, WorkloadStatus};
use tessera_types::{Manifest, Name, Object, Uid, Workload};

use super::catalogue::own_path;
use super::{Life, PAUSE, name_of};
use crate::dice::Dice;
use crate::findings::Invariant;
use crate::witness::WORD;

/// How many names an operator has.
const NAMES: u64 = 3;

/// What a workload does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Habit {
    /// It runs for ever.
    Steady,
    /// It ends again and again, and is started again.
    Crasher,
    /// It does something, and is done.
    Task,
}

/// What an operator knows of a name.
#[derive(Clone, Debug)]
enum Known {
    /// There is none.
    Nothing,
    /// It was declared, and acknowledged.
    Declared {
        id: Uid,
        generation: u64,
        version: u64,
        desired: DesiredWorkloadStatus,
        habit: Habit,
    },
    /// Its deletion was acknowledged.
    Deleting(Uid),
}

impl Known {
    /// Whether what there is is what was acknowledged.
    fn stands(&self, found: Option<&Object<Workload>>) -> bool {
        match (self, found) {
            (Self::Nothing | Self::Deleting(_), None) => true,
            (Self::Nothing, Some(_)) | (Self::Declared { .. }, None) => false,
            (Self::Deleting(id), Some(found)) => {
                found.id == *id && found.deletion_requested_at.is_some()
            }
            (Self::Declared { id, generation, version, desired, .. }, Some(found)) => {
                let says = found.spec.env.get("VERSION").map(String::as_str);
                found.id == *id
                    && found.generation == *generation
                    && found.desired_status == *desired
                    && says == Some(version.to_string().as_str())
            }
        }
    }
}

/// Whose two live copies would be a violation: their names say so.
pub(crate) fn is_strict(name: &str) -> bool {
    name.starts_with("strict-") || name.ends_with("-seat")
}

pub(super) struct Operator {
    life: Arc<Life>,
    at: u64,
    dice: Dice,
    versions: u64,
    all: Vec<(Name, Known)>,
}

impl Operator {
    pub(super) fn new(life: Arc<Life>, at: u64) -> Self {
        let dice = life.dice(&format!("workloads {at}"));
        let sort = if at.is_multiple_of(2) { "strict" } else { "kept" };
        let all = (0..NAMES).map(|i| (name_of(&format!("{sort}-{at}-{i}")), Known::Nothing));
        Self { all: all.collect(), life, at, dice, versions: 0 }
    }

    pub(super) async fn work(mut self) {
        while !self.life.is_over() {
            let i = usize::try_from(self.dice.within(0..NAMES)).unwrap_or_default();
            self.look(i).await;
            let chance = self.dice.within(0..100);
            match (&self.all[i].1, chance) {
                (Known::Nothing | Known::Deleting(_), _) | (_, 0..35) => self.declare(i).await,
                (Known::Declared { .. }, 35..55) => self.flip(i).await,
                (Known::Declared { .. }, 55..80) => self.delete(i).await,
                _ => {}
            }
            self.life.think(&mut self.dice, 100..2_500).await;
        }
        for i in 0..self.all.len() {
            self.settle(i).await;
        }
    }

    /// What was acknowledged is there, and what was deleted is not.
    async fn look(&mut self, i: usize) {
        let (name, known) = &self.all[i];
        let found = self.life.get::<Workload>(name).await;
        self.life.findings.judge(Invariant::Acknowledged, known.stands(found.as_ref()), || {
            format!("{name}: {known:?} was acknowledged, and there is {found:?}")
        });
        if found.is_none() && matches!(known, Known::Deleting(_)) {
            self.all[i].1 = Known::Nothing;
        }
    }

    async fn declare(&mut self, i: usize) {
        let habit = match self.dice.within(0..10) {
            0..6 => Habit::Steady,
            6..8 => Habit::Crasher,
            _ => Habit::Task,
        };
        self.put(i, habit, DesiredWorkloadStatus::Running).await;
    }

    /// Stops what runs, and the other way round.
    async fn flip(&mut self, i: usize) {
        let Known::Declared { habit, desired, .. } = self.all[i].1 else { return };
        let other = match desired {
            DesiredWorkloadStatus::Running => DesiredWorkloadStatus::Stopped,
            DesiredWorkloadStatus::Stopped => DesiredWorkloadStatus::Running,
        };
        self.put(i, habit, other).await;
    }

    async fn put(&mut self, i: usize, habit: Habit, desired: DesiredWorkloadStatus) {
        self.versions += 1;
        let (name, version) = (self.all[i].0.clone(), self.versions);
        let manifest = self.manifest(&name, habit, desired);
        let key = format!("{name}-{}-{version}", self.at);
        let options = PutOptions { dry_run: false, idempotency_key: Some(&key) };
        let applied = loop {
            let asked = self.life.ask(async || self.life.api.put(&manifest, &options).await).await;
            match asked {
                // Its predecessor goes first.
                Err(problem) if problem.code == Code::BeingDeleted => {
                    tokio::time::sleep(PAUSE).await;
                }
                asked => break asked,
            }
        };
        match applied {
            Ok(applied) => {
                let Object { id, generation, .. } = *applied.resource;
                let act = match self.all[i].1 {
                    Known::Nothing => "declare",
                    Known::Declared { .. } => "change",
                    Known::Deleting(_) => "declare_again",
                };
                self.life.did(act);
                self.all[i].1 = Known::Declared { id, generation, version, desired, habit };
            }
            Err(problem) => self.life.findings.judge(Invariant::Acknowledged, false, || {
                format!("{name} was refused: {problem:?}")
            }),
        }
    }

    fn manifest(
        &mut self,
        name: &Name,
        habit: Habit,
        desired: DesiredWorkloadStatus,
    ) -> Manifest<Workload> {
        let folder = self.life.system.witnesses().to_string_lossy().into_owned();
        let cpu = self.dice.within(5..15) * 10;
        let mut words = vec![own_path(), WORD.to_owned(), folder, name.to_string()];
        words.extend(["--cpu".to_owned(), cpu.to_string()]);
        let live = self.dice.within(300..4_000).to_string();
        let (mut code, mut policy) = (0, "always");
        match habit {
            Habit::Steady => {}
            Habit::Crasher => code = self.dice.of(&[0, 3]),
            Habit::Task => policy = self.dice.of(&["on_failure", "never"]),
        }
        if habit != Habit::Steady {
            words.extend(["--live".to_owned(), live, "--code".to_owned(), code.to_string()]);
        }
        if self.dice.percent(30) {
            // Deaf to anything but SIGKILL.
            let deaf = ["/bin/sh", "-c", "trap '' TERM; exec \"$0\" \"$@\""].map(str::to_owned);
            words = deaf.into_iter().chain(words).collect();
        }
        let on_disconnect = if is_strict(name.as_str()) { "stop" } else { "keep" };
        let spec = json!({
            "command": words[0], "args": words[1..],
            "env": {"VERSION": self.versions.to_string()},
            "restart": {"policy": policy, "backoff": {"initial": "100ms", "max": "1s"}},
            "on_disconnect": on_disconnect, "stop": {"grace": "500ms"},
            "resources": {"cpu": format!("{cpu}m"), "memory": "16MiB"},
        });
        manifest_of(&json!({"name": name, "spec": spec, "desired_status": desired}))
    }

    async fn delete(&mut self, i: usize) {
        let Known::Declared { id, .. } = self.all[i].1 else { return };
        let name = self.all[i].0.clone();
        let options = DeleteOptions { id: Some(id), revision: None };
        let delete = async || self.life.api.delete::<Workload>(&name, None, options).await;
        let asked = self.life.ask(delete).await;
        let is_done = match &asked {
            Ok(object) => object.id == id,
            // The first answer was lost, and it is gone by now.
            Err(problem) => problem.code == Code::NotFound,
        };
        self.life.findings.judge(Invariant::Acknowledged, is_done, || {
            format!("the deletion of {name} ({id}) was refused: {asked:?}")
        });
        self.life.did("delete");
        self.all[i].1 = Known::Deleting(id);
    }

    /// Everything that there is ends well: what would go on ending is made steady.
    async fn settle(&mut self, i: usize) {
        self.look(i).await;
        if let Known::Declared { habit: Habit::Crasher, desired, .. } = self.all[i].1 {
            self.put(i, Habit::Steady, desired).await;
        }
        if matches!(self.all[i].1, Known::Nothing) {
            self.put(i, Habit::Steady, DesiredWorkloadStatus::Running).await;
        }
        let name = self.all[i].0.clone();
        loop {
            let found = self.life.get::<Workload>(&name).await;
            match (&self.all[i].1, found) {
                (Known::Declared { habit, desired, .. }, Some(found))
                    if has_arrived(&found, *habit, *desired) =>
                {
                    break;
                }
                (Known::Deleting(_) | Known::Nothing, None) => break,
                _ => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.look(i).await;
    }
}

/// Whether it is what was declared last, for good.
fn has_arrived(found: &Object<Workload>, habit: Habit, desired: DesiredWorkloadStatus) -> bool {
    let is_newest = found.observed.placed_generation >= found.observed.launch_generation;
    match (desired, habit, found.status) {
        (DesiredWorkloadStatus::Running, Habit::Steady, WorkloadStatus::Running) => is_newest,
        (DesiredWorkloadStatus::Running, Habit::Task, status) => {
            is_newest && matches!(status, WorkloadStatus::Completed | WorkloadStatus::Failed)
        }
        (DesiredWorkloadStatus::Stopped, Habit::Task, status) => !status.holds_node(),
        (DesiredWorkloadStatus::Stopped, _, status) => {
            matches!(status, WorkloadStatus::Stopped)
        }
        _ => false,
    }
}

fn manifest_of(value: &Value) -> Manifest<Workload> {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{at, object};

    #[test]
    fn what_was_acknowledged_and_is_not_there_or_is_something_else_is_seen() {
        let spec = json!({"command": "x", "env": {"VERSION": "7"}});
        let there = object::<Workload>("web", 2, spec);
        let desired = DesiredWorkloadStatus::Running;
        let declared = |id: u64, generation: u64, version: u64, desired| Known::Declared {
            id: Uid(id),
            generation,
            version,
            desired,
            habit: Habit::Steady,
        };
        let right = declared(2, 1, 7, desired);
        assert!(right.stands(Some(&there)));
        assert!(!right.stands(None), "a missing write");
        let wrong = [
            declared(3, 1, 7, desired),
            declared(2, 2, 7, desired),
            declared(2, 1, 6, desired),
            declared(2, 1, 7, DesiredWorkloadStatus::Stopped),
            Known::Nothing,
            Known::Deleting(Uid(2)),
        ];
        for known in wrong {
            assert!(!known.stands(Some(&there)), "{known:?}");
        }
        let mut going = there;
        going.deletion_requested_at = Some(at(0));
        assert!(Known::Deleting(Uid(2)).stands(Some(&going)));
        assert!(!Known::Deleting(Uid(1)).stands(Some(&going)));
    }
}
