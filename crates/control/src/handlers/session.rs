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
    Actor, Edit, Kind, Name, Object, Pod, Problem, ResourceKey, Session, SessionPart, Write,
};

use super::once::Asked;
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
    asked: &Asked,
    part: Option<&Name>,
    stretch: Stretch,
) -> Accepted<Object<Session>> {
    let _turn = plane.booking.lock().await;
    asked.unless_done(plane, stretch_once(plane, asked, part, stretch)).await?;
    now(plane, &asked.key)
}

async fn stretch_once(
    plane: &Plane,
    asked: &Asked,
    part: Option<&Name>,
    stretch: Stretch,
) -> Result<(), ApiError> {
    let key = &asked.key;
    for _ in 0..TRIES_MAX {
        let session = plane.get::<Session>(key)?;
        let extended = {
            let world = plane.world.read();
            admission::extend_session(&world, &session, part, stretch, clock::now())
                .map_err(|error| not_admitted(key, &error))?
        };
        match plane.commit_once(extended.writes, asked.once.clone()).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(commit_error(error)),
        }
    }
    Err(Problem::new(Code::Conflict, format!("{key} changes all the time")).into())
}

/// A resource as it is now, as the answer to what was asked of it.
fn now<K: Kind>(plane: &Plane, key: &ResourceKey) -> Accepted<Object<K>> {
    Ok(HttpResponseAccepted((*plane.get::<K>(key)?).clone()))
}

/// Opens the gate of a part that waits for it.
pub(super) async fn approve(
    plane: &Plane,
    asked: &Asked,
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
    let act = async {
        let what = "has a gate that waits for approval";
        let found = find_part(plane, &asked.key, part, waits, what)?;
        ask(plane, asked, &found, Request::Approve).await
    };
    asked.unless_done(plane, act).await?;
    now(plane, &asked.key)
}

/// Has what failed in a part tried again.
pub(super) async fn retry(
    plane: &Plane,
    asked: &Asked,
    part: Option<&Name>,
) -> Accepted<Object<Session>> {
    let is_failed = |part: &Object<SessionPart>| part.status == TimedStatus::Failed;
    let act = async {
        let found = find_part(plane, &asked.key, part, is_failed, "is Failed")?;
        ask(plane, asked, &found, Request::Retry).await
    };
    asked.unless_done(plane, act).await?;
    now(plane, &asked.key)
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

/// Writes down what is asked of a part.
async fn ask(
    plane: &Plane,
    asked: &Asked,
    part: &ResourceKey,
    request: Request,
) -> Result<(), ApiError> {
    let requested = Requested { request, by: Actor::API, event: None, at: clock::now() };
    plane
        .edit_once::<SessionPart>(part, asked.once.as_ref(), |edit| {
            edit.object.observed.timed.request(requested.clone());
            Ok(())
        })
        .await?;
    Ok(())
}

/// Gives a session up.
pub(super) async fn cancel(plane: &Plane, asked: &Asked) -> Accepted<Object<Session>> {
    let key = &asked.key;
    let act = plane.edit_once::<Session>(key, asked.once.as_ref(), |edit| {
        if edit.before().status.is_over() {
            let detail = format!("{key} is over ({})", edit.before().status);
            return Err(Problem::new(Code::NotNow, detail).instance(key));
        }
        edit.desire(DesiredTimedStatus::TornDown);
        Ok(())
    });
    asked.unless_done(plane, act).await?;
    now(plane, key)
}

/// Has what failed in a pod tried again. One that belongs to a part is tried
/// again with its part.
pub(super) async fn retry_pod(plane: &Plane, asked: &Asked) -> Accepted<Object<Pod>> {
    asked.unless_done(plane, retry_pod_once(plane, asked)).await?;
    now(plane, &asked.key)
}

async fn retry_pod_once(plane: &Plane, asked: &Asked) -> Result<(), ApiError> {
    let key = &asked.key;
    let pod = plane.get::<Pod>(key)?;
    if pod.status != TimedStatus::Failed {
        let detail = format!("{key} is {}, and only what is Failed is tried again", pod.status);
        return Err(Problem::new(Code::NotNow, detail).instance(key).into());
    }
    let owner = pod.owner.as_ref().and_then(|owner| {
        let world = plane.world.read();
        world.table::<SessionPart>().get(owner.id).map(Arc::clone)
    });
    if let Some(part) = owner.filter(|part| part.status == TimedStatus::Failed) {
        return ask(plane, asked, &part.key(), Request::Retry).await;
    }
    let at = clock::now();
    let requested = Requested { request: Request::Retry, by: Actor::API, event: None, at };
    let mut edit = Edit::of(&pod, at);
    edit.object.observed.timed.request(requested);
    let writes = edit.finish().map(Write::update).into_iter().collect::<Vec<_>>();
    if !writes.is_empty() {
        plane.commit_once(writes, asked.once.clone()).await.map_err(commit_error)?;
    }
    Ok(())
}
