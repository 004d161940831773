//! Many manifests in one request. What can be committed together is; a manifest
//! that is refused, or that somebody else was faster with, is dealt with alone.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;
use tessera_api::ApiError;
use tessera_store::{CommitError, IdempotencyKey};
use tessera_types::api::{ApplyOutcome, ApplyRequest, ApplyResponse, ApplyResult};
use tessera_types::manifest::Declared;
use tessera_types::problem::Code;
use tessera_types::{
    Actor, Fingerprint, Kind, KindName, Manifest, Node, Problem, Resource, ResourceKey, Workload,
    Write, limits,
};

use crate::clock;
use crate::declare::{idempotency, refused, updated};
use crate::decode;
use crate::plane::Plane;

/// A manifest of any kind that has been read and validated.
enum AnyManifest {
    Node(Box<Manifest<Node>>),
    Workload(Box<Manifest<Workload>>),
}

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
    Ok(match kind {
        KindName::Node => AnyManifest::Node(Box::new(decode::any_manifest(json)?)),
        KindName::Workload => AnyManifest::Workload(Box::new(decode::any_manifest(json)?)),
    })
}

impl AnyManifest {
    fn key(&self) -> ResourceKey {
        match self {
            Self::Node(manifest) => manifest.key(),
            Self::Workload(manifest) => manifest.key(),
        }
    }

    fn declare(&self, plane: &Plane) -> Result<Step, Problem> {
        match self {
            Self::Node(manifest) => declare(plane, manifest),
            Self::Workload(manifest) => declare(plane, manifest),
        }
    }

    async fn declare_alone(
        self,
        plane: &Plane,
        key: Option<IdempotencyKey>,
    ) -> Result<(ApplyOutcome, Resource), ApiError> {
        Ok(match self {
            Self::Node(manifest) => {
                let applied = plane.declare(*manifest, key).await?;
                (applied.outcome, Node::wrap(applied.resource))
            }
            Self::Workload(manifest) => {
                let applied = plane.declare(*manifest, key).await?;
                (applied.outcome, Workload::wrap(applied.resource))
            }
        })
    }
}

/// What one manifest asks for.
enum Step {
    Nothing(Resource),
    Write(ApplyOutcome, Write),
}

fn declare<K: Kind>(plane: &Plane, manifest: &Manifest<K>) -> Result<Step, Problem> {
    let key = manifest.key();
    let existing = plane.find::<K>(&key);
    let declared = manifest
        .clone()
        .declare(existing.as_ref(), Actor::API, clock::now())
        .map_err(|refusal| refused(&key, &refusal))?;
    Ok(match declared {
        Declared::Unchanged(object) => Step::Nothing(K::wrap(Arc::clone(&object))),
        Declared::Create(object) => Step::Write(ApplyOutcome::Created, Write::create(object)),
        Declared::Update(object) => Step::Write(ApplyOutcome::Updated, updated(object)),
    })
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
        if !keys.insert(manifest.key()) {
            return Ok(None);
        }
        match manifest.declare(plane) {
            Ok(Step::Nothing(resource)) => results.push(done(ApplyOutcome::Unchanged, &resource)),
            Ok(Step::Write(outcome, write)) => {
                results.push(ApplyResult { outcome: Some(outcome), ..result(write.key()) });
                writes.push(write);
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
    let mut results = Vec::with_capacity(manifests.len());
    for (i, manifest) in manifests.into_iter().enumerate() {
        // As long as any key, since the caller's may be as long as allowed.
        let key = key.as_ref().map(|IdempotencyKey { key, fingerprint }| {
            let (key, fingerprint) = (format!("{:016x}#{i}", Fingerprint::of(key)), *fingerprint);
            IdempotencyKey { key, fingerprint }
        });
        results.push(match manifest {
            Ok(manifest) => {
                let resource = manifest.key();
                match manifest.declare_alone(plane, key).await {
                    Ok((outcome, resource)) => done(outcome, &resource),
                    Err(error) => failed(Some(resource), error.problem().clone()),
                }
            }
            Err(problem) => failed(None, problem),
        });
    }
    Ok(ApplyResponse { results })
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
