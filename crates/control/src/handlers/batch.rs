//! Many manifests in one request. What can be committed together is; a manifest
//! that is refused, or that somebody else was faster with, is dealt with alone.

use std::collections::HashSet;

use serde_json::Value;
use tessera_api::ApiError;
use tessera_reconciler::admission::{Effort, is_admitted};
use tessera_store::{BoxFuture, CommitError, IdempotencyKey};
use tessera_types::api::{ApplyOutcome, ApplyRequest, ApplyResponse, ApplyResult};
use tessera_types::problem::Code;
use tessera_types::{
    Actor, Fingerprint, Kind, KindName, Manifest, Problem, Resource, ResourceKey, Write, limits,
    with_kind,
};

use crate::declare::{Decision, idempotency};
use crate::decode;
use crate::plane::Plane;

/// A manifest of any kind that has been read and validated.
type AnyManifest = Box<dyn Declare>;

/// Declares all manifests of the request.
pub(super) async fn apply(
    plane: &Plane,
    key: Option<String>,
    request: ApplyRequest,
) -> Result<ApplyResponse, ApiError> {
    if request.manifests.len() > limits::BATCH_MAX {
        let detail = format!(
            "a batch has at most {} manifests, this one has {}",
            limits::BATCH_MAX,
            request.manifests.len()
        );
        return Err(Problem::new(Code::TooLarge, detail).remedy("send it in several").into());
    }
    let key = idempotency(key, || fingerprint(&request.manifests));
    let manifests: Vec<_> = request.manifests.into_iter().map(read).collect();
    if let Some(response) = together(plane, &manifests, key.clone()).await? {
        return Ok(response);
    }
    one_by_one(plane, manifests, key).await
}

fn fingerprint(manifests: &[Value]) -> Fingerprint {
    manifests.iter().fold(Fingerprint::default(), |all, manifest| all.text(&manifest.to_string()))
}

fn read(json: Value) -> Result<AnyManifest, Problem> {
    let kind = match json.get("kind") {
        None | Some(Value::Null) => KindName::Workload,
        Some(kind) => decode::kind(kind.clone())?,
    };
    with_kind!(kind, K => Ok(Box::new(decode::any_manifest::<K>(json)?)))
}

/// What can be done with a manifest of any kind.
trait Declare: Send + Sync {
    fn key(&self) -> ResourceKey;

    fn decide(&self, plane: &Plane) -> Result<Step, Problem>;

    fn declare_alone<'a>(
        self: Box<Self>,
        plane: &'a Plane,
        key: Option<IdempotencyKey>,
        effort: &'a mut Effort,
    ) -> BoxFuture<'a, Result<(ApplyOutcome, Resource), ApiError>>;
}

impl<K: Kind> Declare for Manifest<K> {
    fn key(&self) -> ResourceKey {
        Self::key(self)
    }

    fn decide(&self, plane: &Plane) -> Result<Step, Problem> {
        Ok(match plane.decide(self, &Actor::API)? {
            Decision::Unchanged(object) => Step::Nothing(K::wrap(object)),
            Decision::Change(outcome, writes) => Step::Write(outcome, writes),
        })
    }

    fn declare_alone<'a>(
        self: Box<Self>,
        plane: &'a Plane,
        key: Option<IdempotencyKey>,
        effort: &'a mut Effort,
    ) -> BoxFuture<'a, Result<(ApplyOutcome, Resource), ApiError>> {
        Box::pin(async move {
            let applied = plane.declare(*self, key, effort).await?;
            Ok((applied.outcome, K::wrap(applied.resource)))
        })
    }
}

/// What one manifest asks for.
enum Step {
    Nothing(Resource),
    Write(ApplyOutcome, Vec<Write>),
}

/// Declares all in one commit; none when that is not possible, and then nothing
/// was changed.
async fn together(
    plane: &Plane,
    manifests: &[Result<AnyManifest, Problem>],
    key: Option<IdempotencyKey>,
) -> Result<Option<ApplyResponse>, ApiError> {
    let mut keys = HashSet::new();
    let (mut results, mut writes) = (Vec::new(), Vec::new());
    for manifest in manifests {
        let Ok(manifest) = manifest else { return Ok(None) };
        let manifest_key = manifest.key();
        // What is admitted beside others must see them written.
        if is_admitted(manifest_key.kind) || !keys.insert(manifest_key) {
            return Ok(None);
        }
        match manifest.decide(plane) {
            Ok(Step::Nothing(resource)) => results.push(done(ApplyOutcome::Unchanged, &resource)),
            Ok(Step::Write(_, own)) if plane.takes_more(&own) => return Ok(None),
            Ok(Step::Write(outcome, own)) => {
                results.push(ApplyResult { outcome: Some(outcome), ..result(manifest.key()) });
                writes.extend(own);
            }
            Err(_) => return Ok(None),
        }
    }
    if writes.is_empty() {
        return Ok(Some(ApplyResponse { results }));
    }
    match plane.commit_once(writes, key).await {
        Ok(outcome) => {
            let mut changes = outcome.committed.changes.iter();
            for result in results.iter_mut().filter(|result| result.revision.is_none()) {
                let after = changes.next().and_then(|change| change.after.as_ref());
                result.generation = after.map(Resource::generation);
                result.revision = after.map(Resource::revision);
            }
            Ok(Some(ApplyResponse { results }))
        }
        Err(CommitError::Conflict { .. }) => Ok(None),
        Err(error) => Err(crate::failure::commit_error(error)),
    }
}

async fn one_by_one(
    plane: &Plane,
    manifests: Vec<Result<AnyManifest, Problem>>,
    key: Option<IdempotencyKey>,
) -> Result<ApplyResponse, ApiError> {
    let mut order: Vec<_> = manifests.into_iter().enumerate().collect();
    order.sort_by_key(|(_, manifest)| manifest.as_ref().map_or(0, |it| it.key().kind.rank()));
    let mut results = Vec::with_capacity(order.len());
    let mut effort = Effort::request();
    for (i, manifest) in order {
        // As long as any key, since the caller's may be as long as allowed.
        let key = key.as_ref().map(|IdempotencyKey { key, fingerprint }| {
            let (key, fingerprint) = (format!("{:016x}#{i}", Fingerprint::of(key)), *fingerprint);
            IdempotencyKey { key, fingerprint }
        });
        let result = match manifest {
            Ok(manifest) => {
                let resource = manifest.key();
                match manifest.declare_alone(plane, key, &mut effort).await {
                    Ok((outcome, resource)) => done(outcome, &resource),
                    Err(error) => failed(Some(resource), error.problem().clone()),
                }
            }
            Err(problem) => failed(None, problem),
        };
        results.push((i, result));
    }
    results.sort_by_key(|(i, _)| *i);
    Ok(ApplyResponse { results: results.into_iter().map(|(_, result)| result).collect() })
}

fn result(key: ResourceKey) -> ApplyResult {
    ApplyResult { key: Some(key), outcome: None, generation: None, revision: None, problem: None }
}

fn done(outcome: ApplyOutcome, resource: &Resource) -> ApplyResult {
    ApplyResult {
        outcome: Some(outcome),
        generation: Some(resource.generation()),
        revision: Some(resource.revision()),
        ..result(resource.key())
    }
}

fn failed(key: Option<ResourceKey>, problem: Problem) -> ApplyResult {
    ApplyResult { key, outcome: None, generation: None, revision: None, problem: Some(problem) }
}
