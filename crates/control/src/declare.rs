//! Declaring: a pure decision over what is there, committed with
//! its revision as the precondition, and decided again when somebody was faster.

use std::sync::Arc;

use tessera_api::ApiError;
use tessera_reconciler::World;
use tessera_reconciler::admission::{self, AdmissionError, Earliest, Effort};
use tessera_store::{CommitError, IdempotencyKey};
use tessera_types::api::{Applied, ApplyOutcome, PlannedPlacement};
use tessera_types::manifest::{Declared, Refusal};
use tessera_types::problem::Code;
use tessera_types::workload::{DesiredWorkloadStatus, WorkloadStatus};
use tessera_types::{
    Actor, Edit, Fingerprint, Kind, KindName, Manifest, Object, Problem, Resource, ResourceKey,
    Write,
};
use tokio::sync::oneshot;

use crate::clock;
use crate::diff;
use crate::failure::{self, commit_error};
use crate::missing::missing;
use crate::plane::{LoopMessage, Plane};

/// How often a change is decided again because somebody else was faster, before
/// that is answered as a conflict.
const TRIES_MAX: usize = 64;

impl Plane {
    pub(crate) fn find<K: Kind>(&self, key: &ResourceKey) -> Option<Arc<Object<K>>> {
        self.world.read().find(key).as_ref().and_then(K::unwrap).cloned()
    }

    pub(crate) fn get<K: Kind>(&self, key: &ResourceKey) -> Result<Arc<Object<K>>, Problem> {
        self.find(key).ok_or_else(|| missing(&self.world.read(), key))
    }

    /// Declares `manifest`. Where it does not fit, an earliest start that does is
    /// looked for with what is left of the request's `effort`: after the turn to
    /// book, so that nobody waits for that.
    pub(crate) async fn declare<K: Kind>(
        &self,
        manifest: Manifest<K>,
        key: Option<IdempotencyKey>,
        effort: &mut Effort,
    ) -> Result<Applied<K>, ApiError> {
        let resource = manifest.key();
        let mut turn = self.turn_to_book(K::KIND).await;
        for _ in 0..TRIES_MAX {
            let (outcome, writes) = match self.decide(&manifest, &Actor::API) {
                Ok(Decision::Unchanged(resource)) => {
                    return Ok(applied(ApplyOutcome::Unchanged, resource));
                }
                Ok(Decision::Change(outcome, writes)) => (outcome, writes),
                Err(problem) if may_be_sought::<K>(&problem) && !effort.is_spent() => {
                    drop(turn.take());
                    self.seek(&manifest, effort).await?;
                    // It fits by now: somebody has given room back.
                    turn = self.turn_to_book(K::KIND).await;
                    continue;
                }
                Err(problem) => return Err(problem.into()),
            };
            if turn.is_none() && self.takes_more(&writes) {
                turn = Some(self.booking.lock().await);
                continue;
            }
            match self.commit_once(writes, key.clone()).await {
                Ok(done) => {
                    let after =
                        done.committed.changes.first().and_then(|change| change.after.clone());
                    let object = after
                        .as_ref()
                        .and_then(K::unwrap)
                        .cloned()
                        .ok_or_else(|| Problem::not_found(&resource))?;
                    // A replay does not know any more what it was the first time.
                    let first = done.replayed && object.generation == 1;
                    return Ok(applied(
                        if first { ApplyOutcome::Created } else { outcome },
                        object,
                    ));
                }
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(commit_error(error)),
            }
        }
        Err(busy(&resource))
    }

    /// What is written for `manifest`, over what there is.
    pub(crate) fn decide<K: Kind>(
        &self,
        manifest: &Manifest<K>,
        by: &Actor,
    ) -> Result<Decision<K>, Problem> {
        let world = self.world.read();
        decide(&world, manifest, by, &mut Effort::none())
    }

    /// Decides about what does not fit again, in a copy of the world and with the
    /// effort that an earliest start takes to be found: neither the world nor the
    /// turn to book is held meanwhile, and no more than a few such searches run at
    /// once.
    ///
    /// # Errors
    /// The refusal, with what was found.
    async fn seek<K: Kind>(
        &self,
        manifest: &Manifest<K>,
        effort: &mut Effort,
    ) -> Result<Decision<K>, ApiError> {
        let (manifest, mut own) = (manifest.clone(), *effort);
        let (decision, left) = self
            .search(move |world| (decide(&world, &manifest, &Actor::API, &mut own), own))
            .await?;
        *effort = left;
        Ok(decision?)
    }

    /// Runs what may take long on a copy of the world, beside everything else.
    pub(crate) async fn search<T: Send + 'static>(
        &self,
        search: impl FnOnce(World) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let _place = self.searches.acquire().await.map_err(|_| failure::stopping())?;
        let world = self.world.read().clone();
        tokio::task::spawn_blocking(move || search(world)).await.map_err(|error| {
            if error.is_panic() {
                std::panic::resume_unwind(error.into_panic());
            }
            failure::stopping()
        })
    }

    /// Waits until it is its turn to book hosts: one after the other, each with
    /// what the one before has written. None for kinds that need no turn. A node
    /// does: what it takes from its group is not to be booked meanwhile.
    pub(crate) async fn turn_to_book(
        &self,
        kind: KindName,
    ) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        match takes_a_turn(kind) {
            true => Some(self.booking.lock().await),
            false => None,
        }
    }

    /// Whether these are to be decided in a turn to book, whatever their kind.
    pub(crate) fn takes_more(&self, writes: &[Write]) -> bool {
        admission::takes_more(&self.world.read(), writes)
    }

    /// What declaring `manifest` would come to; nothing is changed.
    pub(crate) async fn dry_run<K: Kind>(
        &self,
        manifest: Manifest<K>,
    ) -> Result<Applied<K>, ApiError> {
        let resource = manifest.key();
        let existing = self.find::<K>(&resource);
        let decision = match self.decide(&manifest, &Actor::API) {
            Err(problem) if may_be_sought::<K>(&problem) => {
                self.seek(&manifest, &mut Effort::request()).await?
            }
            decided => decided?,
        };
        let (outcome, object) = match decision {
            Decision::Unchanged(object) => (ApplyOutcome::Unchanged, object),
            Decision::Change(outcome, writes) => {
                let object = writes.first().and_then(|write| written::<K>(write));
                (outcome, object.ok_or_else(|| Problem::not_found(&resource))?)
            }
        };
        let diff = diff::declared(existing.as_deref(), &object);
        let placement = self.plan_placement(&object).await;
        Ok(Applied { diff, placement, ..applied(outcome, object) })
    }

    async fn plan_placement<K: Kind>(&self, object: &Arc<Object<K>>) -> Option<PlannedPlacement> {
        let Resource::Workload(workload) = K::wrap(Arc::clone(object)) else { return None };
        if workload.desired_status != DesiredWorkloadStatus::Running {
            return None;
        }
        let observed = &workload.observed;
        let is_launched_anew = observed.launch_generation > observed.placed_generation;
        if let Some(assigned) = observed.assigned.as_ref().filter(|_| !is_launched_anew) {
            let message = format!("it stays on {}", assigned.node);
            return Some(PlannedPlacement { node: Some(assigned.node.clone()), message });
        }
        let is_at_rest = match workload.status {
            WorkloadStatus::Completed => !is_launched_anew,
            // What belongs to something is started again only when it is launched anew.
            WorkloadStatus::Failed if workload.owner.is_some() => !is_launched_anew,
            WorkloadStatus::Failed => workload.generation == observed.placed_generation,
            _ => false,
        };
        if is_at_rest {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        self.tell_loop(LoopMessage::PlanPlacement(workload, answer));
        Some(match answered.await.ok()? {
            Ok(node) => {
                let message = format!("it would be placed on {node}");
                PlannedPlacement { node: Some(node), message }
            }
            Err(refusal) => PlannedPlacement { node: None, message: refusal },
        })
    }

    /// Changes a resource by `change`, which may refuse and may do nothing.
    pub(crate) async fn edit<K: Kind>(
        &self,
        key: &ResourceKey,
        change: impl Fn(&mut Edit<K>) -> Result<(), Problem>,
    ) -> Result<Arc<Object<K>>, ApiError> {
        self.edit_once(key, None, change).await
    }

    /// The same, committed under an idempotency key.
    pub(crate) async fn edit_once<K: Kind>(
        &self,
        key: &ResourceKey,
        once: Option<&IdempotencyKey>,
        change: impl Fn(&mut Edit<K>) -> Result<(), Problem>,
    ) -> Result<Arc<Object<K>>, ApiError> {
        for _ in 0..TRIES_MAX {
            let object = self.get::<K>(key)?;
            let mut edit = Edit::of(&object, clock::now());
            change(&mut edit)?;
            let Some(edited) = edit.finish() else { return Ok(object) };
            match self.commit_once(vec![Write::update(edited)], once.cloned()).await {
                Ok(done) => {
                    let after =
                        done.committed.changes.first().and_then(|change| change.after.as_ref());
                    let object = after.and_then(K::unwrap).cloned();
                    return object.ok_or_else(|| Problem::not_found(key).into());
                }
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(commit_error(error)),
            }
        }
        Err(busy(key))
    }
}

/// Whether resources of this kind are declared one after the other.
pub(crate) fn takes_a_turn(kind: KindName) -> bool {
    admission::is_admitted(kind) || kind == KindName::Node
}

/// Whether an earlier start could be looked for.
fn may_be_sought<K: Kind>(problem: &Problem) -> bool {
    problem.code == Code::DoesNotFit && matches!(K::KIND, KindName::Session | KindName::Pod)
}

/// What a declaration comes to.
pub(crate) enum Decision<K: Kind> {
    /// It is as declared.
    Unchanged(Arc<Object<K>>),
    /// All of this is written, or nothing; first the resource itself.
    Change(ApplyOutcome, Vec<Write>),
}

/// What is written for `manifest`, over what `world` has. Where it does not fit,
/// an earliest start is looked for with `effort`.
pub(crate) fn decide<K: Kind>(
    world: &World,
    manifest: &Manifest<K>,
    by: &Actor,
    effort: &mut Effort,
) -> Result<Decision<K>, Problem> {
    let key = manifest.key();
    let now = clock::now();
    let existing = world.find(&key).as_ref().and_then(K::unwrap).cloned();
    let owner = manifest.owner.clone();
    let declared = manifest
        .clone()
        .declare(existing.as_ref(), by.clone(), now)
        .map_err(|refusal| refused(&key, &refusal))?;
    let outcome = match &declared {
        Declared::Unchanged(object) => return Ok(Decision::Unchanged(Arc::clone(object))),
        Declared::Create(_) => ApplyOutcome::Created,
        Declared::Update(_) => ApplyOutcome::Updated,
    };
    let writes = admission::admit(world, existing.as_ref(), declared, owner.as_ref(), now, effort)
        .map_err(|error| not_admitted(&key, &error))?;
    Ok(Decision::Change(outcome, writes))
}

fn written<K: Kind>(write: &Write) -> Option<Arc<Object<K>>> {
    match write {
        Write::Create { resource, .. } | Write::Update { resource, .. } => {
            K::unwrap(resource).cloned()
        }
        Write::Delete { .. } => None,
    }
}

/// The problem of something that is not admitted.
pub(crate) fn not_admitted(key: &ResourceKey, error: &AdmissionError) -> Problem {
    match error {
        AdmissionError::Invalid(invalid) => Problem::invalid(key, invalid.clone()),
        AdmissionError::NotNow(message) => {
            Problem::new(Code::NotNow, message.clone()).instance(key)
        }
        AdmissionError::Booked(why) => {
            Problem::new(Code::DoesNotFit, why.clone()).instance(key).remedy(
                "cancel what holds it (tesseractl session cancel NAME), or wait until it is over: \
                 tesseractl calendar HOST shows who holds what",
            )
        }
        AdmissionError::DoesNotFit(why) => {
            let problem = Problem::new(Code::DoesNotFit, why.to_string()).instance(key);
            let look = "look at the hosts (tesseractl get hosts) and their calendars (tesseractl calendar)";
            match why.earliest {
                Earliest::At(at) => problem
                    .fact("earliest_start", at)
                    .remedy(format!("the earliest start that fits is {at}")),
                Earliest::Never => problem.remedy(format!("no start within 92 days fits: {look}")),
                Earliest::NotFound => problem.remedy(format!(
                    "no start that fits was found within the effort of one request, which does not \
                     mean that there is none: try a later one (tesseractl plan), or {look}"
                )),
                Earliest::NotSought => problem.remedy(look),
            }
        }
    }
}

/// The idempotency key of a request, if it has one. The request is only looked
/// at then.
pub(crate) fn idempotency(
    key: Option<String>,
    request: impl FnOnce() -> Fingerprint,
) -> Option<IdempotencyKey> {
    key.map(|key| IdempotencyKey { key, fingerprint: request().finish() })
}

pub(crate) fn key_of(
    kind: KindName,
    namespace: Option<tessera_types::Name>,
    name: tessera_types::Name,
) -> ResourceKey {
    ResourceKey::new(kind, namespace, name)
}

fn applied<K: Kind>(outcome: ApplyOutcome, resource: Arc<Object<K>>) -> Applied<K> {
    Applied { outcome, resource, diff: Vec::new(), placement: None }
}

/// The problem of a manifest whose preconditions do not hold.
pub(crate) fn refused(key: &ResourceKey, refusal: &Refusal) -> Problem {
    let problem = match refusal {
        Refusal::BeingDeleted => {
            Problem::new(Code::BeingDeleted, format!("{key} is being deleted"))
                .remedy("wait until it is gone, then declare it again")
        }
        Refusal::Revision { wanted, found } if wanted.0 == 0 => {
            Problem::new(Code::AlreadyExists, format!("{key} exists already"))
                .fact("found_revision", found)
        }
        Refusal::Revision { found, .. } => {
            Problem::new(Code::Conflict, format!("{key}: {refusal}"))
                .fact("found_revision", found)
                .remedy(
                    "read it again and repeat the change, or remove `revision` from the manifest",
                )
        }
        Refusal::Owner { .. } => Problem::new(Code::Conflict, format!("{key}: {refusal}"))
            .remedy("remove `owner` from the manifest, or delete the resource first"),
        Refusal::Change(invalid) => Problem::invalid(key, vec![invalid.clone()]),
        Refusal::Identity { found, .. } => {
            Problem::new(Code::Conflict, format!("{key}: {refusal}"))
                .fact("found_id", found)
                .remedy("read it again and repeat the change, or remove `id` from the manifest")
        }
    };
    problem.instance(key)
}

fn busy(key: &ResourceKey) -> ApiError {
    failure::of_commit(CommitError::Conflict {
        key: key.clone(),
        expected: tessera_types::Revision::ZERO,
        found: tessera_types::Revision::ZERO,
        found_id: tessera_types::Uid::default(),
    })
    .into()
}
