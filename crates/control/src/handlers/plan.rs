//! Plans: what sessions and pods would come to. They are admitted into a copy of
//! the world in which the definitions and hosts of the same request are there
//! already, and nothing is written. What exists is judged as it is.

use std::sync::Arc;

use tessera_reconciler::World;
use tessera_reconciler::admission::Effort;
use tessera_types::api::{ApplyOutcome, ApplyRequest};
use tessera_types::booking::{Plan, PlanResponse, PlannedResource};
use tessera_types::timed::{Timed, Timeslot};
use tessera_types::{
    Actor, Change, Committed, Kind, KindName, Manifest, Object, Pod, Problem, Resource,
    ResourceKey, Revision, Session, SessionPart, Uid, Write, with_kind,
};

use super::batch::{kept_start, over_already};
use crate::clock;
use crate::declare::{Decision, decide};
use crate::decode;
use crate::plane::Plane;

/// The identities of what is only supposed: far from those that the store gives.
const SUPPOSED: u64 = 1 << 62;

/// Plans the sessions and pods among the manifests.
pub(super) async fn plan(plane: &Plane, request: ApplyRequest) -> Result<PlanResponse, Problem> {
    plane.search(move |world| plan_in(world, request)).await?
}

fn plan_in(world: World, request: ApplyRequest) -> Result<PlanResponse, Problem> {
    let mut read = Vec::new();
    for manifest in request.manifests {
        let kind = decode::kind_of(&manifest)?;
        read.push((kind, decode::json(&manifest)?));
    }
    let mut supposed = Supposed { world, next: SUPPOSED, effort: Effort::request() };
    let (planned, given): (Vec<_>, Vec<_>) =
        read.into_iter().partition(|(kind, _)| matches!(kind, KindName::Session | KindName::Pod));
    for rank in [KindName::is_definition as fn(KindName) -> bool, |kind| kind == KindName::Host] {
        for (kind, json) in given.iter().filter(|(kind, _)| rank(*kind)) {
            with_kind!(*kind, K => supposed.take_in::<K>(json.clone())?);
        }
    }
    let mut plans = Vec::new();
    for (kind, json) in planned {
        plans.push(match kind {
            KindName::Session => supposed.plan::<Session>(json)?,
            _ => supposed.plan::<Pod>(json)?,
        });
    }
    Ok(PlanResponse { plans })
}

/// A world in which more is supposed to be there.
struct Supposed {
    world: World,
    next: u64,
    /// What is left for the search for earliest starts.
    effort: Effort,
}

impl Supposed {
    fn take_in<K: Kind>(&mut self, json: serde_json::Value) -> Result<(), Problem> {
        let manifest = decode::any_manifest::<K>(json)?;
        let by = match self.world.find(&manifest.key()) {
            Some(_) if K::KIND.is_definition() => Actor::SEEDER,
            _ => Actor::API,
        };
        if let Decision::Change(_, writes) = decide(&self.world, &manifest, &by, &mut self.effort)?
        {
            self.write(writes);
        }
        Ok(())
    }

    /// As the store would do it.
    fn write(&mut self, writes: Vec<Write>) {
        let revision = self.world.revision().next();
        let mut changes: Vec<Change> = Vec::new();
        for write in writes {
            let key = write.key();
            let (id, after) = match write {
                Write::Create { resource, .. } => {
                    self.next += 1;
                    let id = Uid(self.next);
                    (id, Some(with_owner(resource, &changes).stamped(id, revision)))
                }
                Write::Update { resource, .. } => {
                    let id = resource.id();
                    (id, Some(resource.stamped(id, revision)))
                }
                Write::Delete { id, .. } => (id, None),
            };
            changes.push(Change { key, id, after });
        }
        self.commit(revision, changes);
    }

    fn commit(&mut self, revision: Revision, changes: Vec<Change>) {
        self.world.apply(&Committed { revision, at: clock::now(), changes });
    }

    fn plan<K: Kind>(&mut self, json: serde_json::Value) -> Result<Plan, Problem> {
        let manifest = decode::any_manifest::<K>(json)?;
        let key = manifest.key();
        let existing = self.world.find(&key);
        let mut plan = Plan {
            key,
            exists: existing.is_some(),
            outcome: None,
            note: existing.as_ref().and_then(|it| note::<K>(&manifest, it)),
            timeslot: None,
            resources: Vec::new(),
            problem: None,
            earliest_start: None,
        };
        match decide(&self.world, &manifest, &Actor::API, &mut self.effort) {
            Ok(Decision::Unchanged(object)) => {
                plan.outcome = Some(ApplyOutcome::Unchanged);
                plan.timeslot = slot_of(&K::wrap(object));
            }
            Ok(Decision::Change(outcome, writes)) => {
                plan.outcome = Some(outcome);
                plan.timeslot = writes.first().and_then(written).and_then(slot_of);
                let own = usize::from(K::KIND != KindName::Pod);
                let written = writes.iter().skip(own).filter_map(written);
                plan.resources = written.filter(|it| self.moves(it)).filter_map(planned).collect();
                plan.resources.sort_by_key(|one| (one.provision_at, one.timeslot.start));
                self.write(writes);
            }
            Err(problem) => {
                plan.earliest_start =
                    problem.facts.get("earliest_start").and_then(|text| text.parse().ok());
                plan.problem = Some(problem);
            }
        }
        Ok(plan)
    }

    /// Whether a resource that would be written is new, or has another window.
    fn moves(&self, resource: &Resource) -> bool {
        let before = self.world.find(&resource.key());
        before.is_none_or(|before| slot_of(&before) != slot_of(resource))
    }
}

/// What of a manifest has no effect on what exists.
fn note<K: Kind>(manifest: &Manifest<K>, existing: &Resource) -> Option<String> {
    let object = K::unwrap(existing)?;
    over_already(existing).or_else(|| kept_start(&manifest.spec, object))
}

fn with_owner(resource: Resource, earlier: &[Change]) -> Resource {
    let Some(owner) = resource.owner().filter(|owner| owner.id == Uid::default()) else {
        return resource;
    };
    let key = ResourceKey::new(owner.kind, resource.namespace().cloned(), owner.name.clone());
    match earlier.iter().find(|change| change.key == key) {
        Some(made) => resource.owned_by(made.id),
        None => resource,
    }
}

fn written(write: &Write) -> Option<&Resource> {
    match write {
        Write::Create { resource, .. } | Write::Update { resource, .. } => Some(resource),
        Write::Delete { .. } => None,
    }
}

fn slot_of(resource: &Resource) -> Option<Timeslot> {
    fn of<K: Timed>(object: &Arc<Object<K>>) -> Option<Timeslot> {
        K::timed(object).timeslot
    }
    match resource {
        Resource::Session(it) => of::<Session>(it),
        Resource::SessionPart(it) => of::<SessionPart>(it),
        Resource::Pod(it) => of::<Pod>(it),
        _ => None,
    }
}

fn planned(resource: &Resource) -> Option<PlannedResource> {
    let timeslot = slot_of(resource)?;
    let (definition, binding) = match resource {
        Resource::SessionPart(part) => (part.observed.definition.as_ref()?.to_string(), None),
        Resource::Pod(pod) => {
            (pod.observed.definition.as_ref()?.to_string(), pod.observed.binding.clone())
        }
        _ => return None,
    };
    Some(PlannedResource {
        key: resource.key(),
        owner: resource.owner().map(|owner| owner.name.clone()),
        definition,
        timeslot,
        provision_at: timeslot.provision_at(),
        cleanup_deadline: timeslot.cleanup_deadline(),
        host: binding.as_ref().map(|binding| binding.host.clone()),
        ports: binding.map(|binding| binding.ports).unwrap_or_default(),
    })
}
