//! Many manifests in one request. What can be committed together is; a manifest
//! that is refused, or that somebody else was faster with, is dealt with alone.

use std::any::Any;
use std::collections::HashSet;
use std::sync::Arc;

use tessera_api::ApiError;
use tessera_reconciler::admission::Effort;
use tessera_store::{BoxFuture, CommitError, IdempotencyKey};
use tessera_types::api::{ApplyOutcome, ApplyRequest, ApplyResponse, ApplyResult, ManifestText};
use tessera_types::problem::Code;
use tessera_types::{
    Actor, Fingerprint, Kind, Manifest, Object, Problem, Resource, ResourceKey, Write, limits,
    with_kind,
};

use super::session::over;
use crate::declare::{Decision, idempotency, takes_a_turn};
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
    let manifests = read_all(&request.manifests);
    if let Some(response) = together(plane, &manifests, key.clone()).await? {
        return Ok(response);
    }
    one_by_one(plane, manifests, key).await
}

/// However it is written: another order of fields or other spaces are the same request.
fn fingerprint(manifests: &[ManifestText]) -> Fingerprint {
    let value =
        |text: &str| serde_json::from_str::<serde_json::Value>(text).map(|it| it.to_string());
    let text = |manifest: &ManifestText| value(manifest.as_str()).unwrap_or_default();
    manifests.iter().fold(Fingerprint::default(), |all, manifest| all.text(&text(manifest)))
}

/// Reads all. What is declared alike one after the other, as replicas are, is kept once.
fn read_all(texts: &[ManifestText]) -> Vec<Result<AnyManifest, Problem>> {
    let mut manifests: Vec<Result<AnyManifest, Problem>> = Vec::with_capacity(texts.len());
    for text in texts {
        let mut manifest = read(text);
        if let (Ok(manifest), Some(Ok(before))) = (&mut manifest, manifests.last()) {
            manifest.share_with(before.as_any());
        }
        manifests.push(manifest);
    }
    manifests
}

fn read(manifest: &ManifestText) -> Result<AnyManifest, Problem> {
    let kind = decode::kind_of(manifest)?;
    with_kind!(kind, K => Ok(Box::new(decode::manifest_of::<K>(manifest)?)))
}

/// What can be done with a manifest of any kind.
trait Declare: Send + Sync {
    fn key(&self) -> ResourceKey;

    fn as_any(&self) -> &dyn Any;

    /// Takes over what another manifest declares alike.
    fn share_with(&mut self, other: &dyn Any);

    fn decide(&self, plane: &Plane) -> Result<Step, Problem>;

    fn declare_alone<'a>(
        self: Box<Self>,
        plane: &'a Plane,
        key: Option<IdempotencyKey>,
        effort: &'a mut Effort,
    ) -> BoxFuture<'a, Result<Declaration, ApiError>>;
}

impl<K: Kind> Declare for Manifest<K> {
    fn key(&self) -> ResourceKey {
        Self::key(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn share_with(&mut self, other: &dyn Any) {
        let Some(other) = other.downcast_ref::<Self>() else { return };
        if self.spec == other.spec {
            self.spec = Arc::clone(&other.spec);
        }
        if self.labels == other.labels {
            self.labels = Arc::clone(&other.labels);
        }
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
    ) -> BoxFuture<'a, Result<Declaration, ApiError>> {
        Box::pin(async move {
            let spec = self.spec.clone();
            let applied = plane.declare(*self, key, effort).await?;
            let resource = K::wrap(Arc::clone(&applied.resource));
            let note = match applied.outcome {
                ApplyOutcome::Created => None,
                _ => over_already(&resource).or_else(|| kept_start(&spec, &applied.resource)),
            };
            Ok((applied.outcome, resource, note))
        })
    }
}

/// What came of one, with the resource, and what of it has no effect.
type Declaration = (ApplyOutcome, Resource, Option<String>);

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
        // What is admitted beside others must see them written; so must what takes its
        // turn among them.
        if takes_a_turn(manifest_key.kind) || !keys.insert(manifest_key) {
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
                    Ok((outcome, resource, note)) => {
                        ApplyResult { note, ..done(outcome, &resource) }
                    }
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
    ApplyResult {
        key: Some(key),
        outcome: None,
        generation: None,
        revision: None,
        note: None,
        problem: None,
    }
}

/// Why declaring a session again that is over does nothing.
pub(super) fn over_already(resource: &Resource) -> Option<String> {
    let Resource::Session(session) = resource else { return None };
    session.status.is_over().then(|| {
        let since = session.status_since.second_before();
        format!("{} since {since}; delete it, or declare it under another name", over(session))
    })
}

/// Why the `start_in` of a manifest moves nothing, if it is not what it was when the
/// resource was declared first.
pub(super) fn kept_start<K: Kind>(declared: &Arc<K::Spec>, object: &Object<K>) -> Option<String> {
    let (mut anew, mut kept) = (Arc::clone(declared), Arc::clone(declared));
    K::settle(&mut anew, None, object.created_at);
    K::settle(&mut kept, Some(&object.spec), object.created_at);
    (anew != kept).then(|| {
        "start_in counts from the first declaration: the start stays as it was; give `start` to \
         move it"
            .to_owned()
    })
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
    ApplyResult {
        key,
        outcome: None,
        generation: None,
        revision: None,
        note: None,
        problem: Some(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tessera_types::manifest::Declared;
    use tessera_types::session::SessionStatus;
    use tessera_types::{Duration, Session, Timestamp};

    fn manifest(start_in: &str) -> Manifest<Session> {
        let spec = json!({"definition": {"type_key": "exam"}, "timeslot": {"start_in": start_in}});
        serde_json::from_value(json!({"name": "exam-1", "spec": spec})).unwrap()
    }

    fn session() -> Object<Session> {
        let now = Timestamp::EPOCH.plus(Duration::from_secs(7));
        match manifest("5s").declare(None, Actor::API, now).unwrap() {
            Declared::Create(session) => session,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn another_relative_start_is_said_to_move_nothing() {
        assert_eq!(kept_start(&manifest("5s").spec, &session()), None);
        let note = kept_start(&manifest("6s").spec, &session()).unwrap();
        assert!(note.contains("give `start` to move it"), "{note}");
        assert_eq!(kept_start(&session().spec, &session()), None, "an absolute start moves it");
    }

    #[test]
    fn a_session_that_is_over_is_said_to_be() {
        let mut session = session();
        assert_eq!(over_already(&Session::wrap(Arc::new(session.clone()))), None);
        session.status = SessionStatus::Inactive;
        session.observed.timed.outcome = Some(tessera_types::timed::Outcome::Completed);
        let note = over_already(&Session::wrap(Arc::new(session))).unwrap();
        assert!(note.starts_with("it is over (completed) since 1970-01-01T00:00:07Z"), "{note}");
    }
}
