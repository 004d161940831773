//! What operators do to sessions: extend, shrink, approve, retry, cancel. Each
//! writes down what is asked for; the managers see to it.

use std::sync::Arc;

use dropshot::HttpResponseAccepted;
use tessera_api::ApiError;
use tessera_reconciler::admission::{self, Stretch};
use tessera_store::CommitError;
use tessera_types::catalogue::Gate;
use tessera_types::problem::Code;
use tessera_types::timed::{DesiredTimedStatus, Request, Requested, TimedStatus};
use tessera_types::{
    Actor, Edit, Host, Name, Object, Pod, Problem, ResourceKey, Session, SessionPart, Write,
};

use crate::clock;
use crate::declare::not_admitted;
use crate::failure::commit_error;
use crate::plane::Plane;

type Accepted<T> = Result<HttpResponseAccepted<T>, ApiError>;

/// How often a change is decided again because something else was faster.
const TRIES_MAX: usize = 64;

/// Lets a session end later or earlier.
pub(super) async fn stretch(
    plane: &Plane,
    key: &ResourceKey,
    part: Option<&Name>,
    stretch: Stretch,
) -> Accepted<Object<Session>> {
    let _turn = plane.booking.lock().await;
    for _ in 0..TRIES_MAX {
        let session = plane.get::<Session>(key)?;
        let extended = {
            let world = plane.world.read();
            admission::extend_session(&world, &session, part, stretch, clock::now())
                .map_err(|error| not_admitted(key, &error))?
        };
        match plane.commit(extended.writes).await {
            Ok(_) => return Ok(HttpResponseAccepted((*plane.get::<Session>(key)?).clone())),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(commit_error(error)),
        }
    }
    Err(Problem::new(Code::Conflict, format!("{key} changes all the time")).into())
}

/// Opens the gate of a part that waits for it.
pub(super) async fn approve(
    plane: &Plane,
    key: &ResourceKey,
    part: Option<&Name>,
) -> Accepted<Object<Session>> {
    let waits = |part: &Object<SessionPart>| {
        part.spec.gate == Gate::Approval
            && part.observed.approved_by.is_none()
            && part
                .observed
                .timed
                .outcome
                .is_none_or(|it| it == tessera_types::timed::Outcome::Completed)
    };
    let found = find_part(plane, key, part, waits, "has a gate that waits for approval")?;
    ask(plane, &found, Request::Approve).await?;
    Ok(HttpResponseAccepted((*plane.get::<Session>(key)?).clone()))
}

/// Has what failed in a part tried again.
pub(super) async fn retry(
    plane: &Plane,
    key: &ResourceKey,
    part: Option<&Name>,
) -> Accepted<Object<Session>> {
    let is_failed = |part: &Object<SessionPart>| part.status == TimedStatus::Failed;
    let found = find_part(plane, key, part, is_failed, "is Failed")?;
    ask(plane, &found, Request::Retry).await?;
    Ok(HttpResponseAccepted((*plane.get::<Session>(key)?).clone()))
}

/// The part that is named, or the first for which `fits` holds; it must hold.
fn find_part(
    plane: &Plane,
    key: &ResourceKey,
    named: Option<&Name>,
    fits: impl Fn(&Object<SessionPart>) -> bool,
    what: &str,
) -> Result<ResourceKey, Problem> {
    let session = plane.get::<Session>(key)?;
    let world = plane.world.read();
    let mut parts: Vec<_> = world.owned::<SessionPart>(session.id).collect();
    parts.sort_by_key(|part| part.spec.order);
    let found = match named {
        Some(name) => {
            let known: Vec<_> = parts.iter().map(|part| part.spec.part.as_str()).collect();
            let part = parts.iter().find(|part| part.spec.part == *name).ok_or_else(|| {
                let detail = format!("{key} has no part `{name}`");
                Problem::new(Code::NotFound, detail)
                    .instance(key)
                    .remedy(format!("its parts are {}", known.join(", ")))
            })?;
            Some(*part).filter(|part| fits(part))
        }
        None => parts.iter().copied().find(|part| fits(part)),
    };
    found.map(|part| part.key()).ok_or_else(|| {
        let whose = named.map_or_else(
            || "no part of it".to_owned(),
            |name| format!("its part {name} is not one that"),
        );
        let detail = match named {
            Some(name) => {
                let status = parts.iter().find(|part| part.spec.part == *name).map(|it| it.status);
                let status = status.map_or_else(String::new, |status| format!(" ({status})"));
                format!("{key}: part {name}{status} is not one that {what}")
            }
            None => format!("{key}: {whose} {what}"),
        };
        Problem::new(Code::NotNow, detail).instance(key)
    })
}

async fn ask(plane: &Plane, key: &ResourceKey, request: Request) -> Result<(), ApiError> {
    let requested = Requested { request, by: Actor::API, event: None, at: clock::now() };
    plane
        .edit::<SessionPart>(key, |edit| {
            edit.object.observed.timed.request(requested.clone());
            Ok(())
        })
        .await?;
    Ok(())
}

/// Gives a session up.
pub(super) async fn cancel(plane: &Plane, key: &ResourceKey) -> Accepted<Object<Session>> {
    let session = plane
        .edit::<Session>(key, |edit| {
            if edit.before().status.is_over() {
                let detail = format!("{key} is over ({})", edit.before().status);
                return Err(Problem::new(Code::NotNow, detail).instance(key));
            }
            edit.desire(DesiredTimedStatus::TornDown);
            Ok(())
        })
        .await?;
    Ok(HttpResponseAccepted((*session).clone()))
}

/// Has what failed in a pod tried again. One that belongs to a part is tried
/// again with its part.
pub(super) async fn retry_pod(plane: &Plane, key: &ResourceKey) -> Accepted<Object<Pod>> {
    let pod = plane.get::<Pod>(key)?;
    if pod.status != TimedStatus::Failed {
        let detail = format!("{key} is {}, and only what is Failed is tried again", pod.status);
        return Err(Problem::new(Code::NotNow, detail).instance(key).into());
    }
    let now = clock::now();
    let owner = pod.owner.as_ref().and_then(|owner| {
        let world = plane.world.read();
        world.table::<SessionPart>().get(owner.id).map(Arc::clone)
    });
    if let Some(part) = owner.filter(|part| part.status == TimedStatus::Failed) {
        ask(plane, &part.key(), Request::Retry).await?;
        return Ok(HttpResponseAccepted((*plane.get::<Pod>(key)?).clone()));
    }
    let requested = Requested { request: Request::Retry, by: Actor::API, event: None, at: now };
    let mut edit = Edit::of(&pod, now);
    edit.object.observed.timed.request(requested);
    let writes = edit.finish().map(Write::update).into_iter().collect::<Vec<_>>();
    if !writes.is_empty() {
        plane.commit(writes).await.map_err(commit_error)?;
    }
    Ok(HttpResponseAccepted((*plane.get::<Pod>(key)?).clone()))
}

/// Has what failed in a host tried again.
pub(super) async fn retry_host(plane: &Plane, key: &ResourceKey) -> Accepted<Object<Host>> {
    let requested =
        Requested { request: Request::Retry, by: Actor::API, event: None, at: clock::now() };
    let host = plane
        .edit::<Host>(key, |edit| {
            let status = edit.before().status;
            if status != TimedStatus::Failed {
                let detail = format!("{key} is {status}, and only what is Failed is tried again");
                return Err(Problem::new(Code::NotNow, detail).instance(key));
            }
            edit.object.observed.timed.request(requested.clone());
            Ok(())
        })
        .await?;
    Ok(HttpResponseAccepted((*host).clone()))
}
