//! What operators do to sessions: extend, shrink, approve, retry, cancel. Each
//! writes down what is asked for; the managers see to it.

use std::sync::Arc;

use dropshot::HttpResponseAccepted;
use tessera_api::ApiError;
use tessera_reconciler::admission::{self, Stretch};
use tessera_store::CommitError;
use tessera_types::problem::Code;
use tessera_types::timed::{DesiredTimedStatus, Request, Requested, Timed, TimedStatus};
use tessera_types::{
    Actor, Host, Kind, Name, Object, Pod, Problem, ResourceKey, Session, SessionPart,
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

/// Has what failed in a part tried again.
pub(super) async fn retry(
    plane: &Plane,
    asked: &Asked,
    part: Option<&Name>,
) -> Accepted<Object<Session>> {
    let act = async {
        let found = failed_part(plane, &asked.key, part)?;
        ask(plane, asked, &found, Request::Retry).await
    };
    asked.unless_done(plane, act).await?;
    now(plane, &asked.key)
}

/// The part that is named, or the first that is Failed; it must be.
fn failed_part(
    plane: &Plane,
    key: &ResourceKey,
    named: Option<&Name>,
) -> Result<ResourceKey, Problem> {
    let session = plane.get::<Session>(key)?;
    if session.status.is_over() {
        let detail = format!("{key}: {}", over(&session));
        let remedy = "declare it anew under another name; what fails can be tried again until its \
                      session gives it up, which one with `on_failure: continue` does not";
        return Err(Problem::new(Code::NotNow, detail).instance(key).remedy(remedy));
    }
    let parts = parts_of(plane, &session);
    let is_failed = |part: &&Arc<Object<SessionPart>>| part.status == TimedStatus::Failed;
    let detail = match named {
        Some(name) => {
            let part = part_named(key, &parts, name)?;
            if is_failed(&part) {
                return Ok(part.key());
            }
            format!("{key}: part {name} is {}, and only what is Failed is tried again", part.status)
        }
        None => match parts.iter().find(is_failed) {
            Some(part) => return Ok(part.key()),
            None => format!("{key}: no part of it is Failed, so there is nothing to try again"),
        },
    };
    Err(Problem::new(Code::NotNow, detail).instance(key).remedy(look_at(key)))
}

/// How a session ended that is over: `it is over (failed)`.
pub(crate) fn over(session: &Object<Session>) -> String {
    let outcome = session.observed.timed.outcome.map(|outcome| outcome.to_string());
    format!("it is over ({})", outcome.unwrap_or_else(|| session.status.to_string()))
}

/// How to see what there is to do about a session.
pub(super) fn look_at(key: &ResourceKey) -> String {
    format!("`tesseractl get session {} --tree` shows how its parts are", key.name)
}

/// The parts of a session, in their order.
pub(super) fn parts_of(plane: &Plane, session: &Object<Session>) -> Vec<Arc<Object<SessionPart>>> {
    let world = plane.world.read();
    let mut parts: Vec<_> = world.owned::<SessionPart>(session.id).cloned().collect();
    parts.sort_by_key(|part| part.spec.order);
    parts
}

/// The part of this name in the session `key`.
pub(super) fn part_named<'a>(
    key: &ResourceKey,
    parts: &'a [Arc<Object<SessionPart>>],
    name: &Name,
) -> Result<&'a Arc<Object<SessionPart>>, Problem> {
    parts.iter().find(|part| part.spec.part == *name).ok_or_else(|| {
        let known: Vec<_> = parts.iter().map(|part| part.spec.part.as_str()).collect();
        Problem::new(Code::NotFound, format!("{key} has no part `{name}`"))
            .instance(key)
            .remedy(format!("its parts are {}", known.join(", ")))
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
            let remedy = format!("`tesseractl delete session {}` removes its records", key.name);
            return Err(Problem::new(Code::NotNow, detail).instance(key).remedy(remedy));
        }
        if edit.before().desired_status != DesiredTimedStatus::TornDown {
            edit.note(Actor::API, "it is to be cancelled");
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
    let owner = pod.owner.as_ref().and_then(|owner| {
        let world = plane.world.read();
        world.table::<SessionPart>().get(owner.id).map(Arc::clone)
    });
    check_is_failed(key, pod.status)?;
    if let Some(part) = owner.filter(|part| part.status == TimedStatus::Failed) {
        return ask(plane, asked, &part.key(), Request::Retry).await;
    }
    retry_failed::<Pod>(plane, asked).await
}

fn check_is_failed(key: &ResourceKey, status: TimedStatus) -> Result<(), Problem> {
    if status == TimedStatus::Failed {
        return Ok(());
    }
    let detail = format!("{key} is {status}, and only what is Failed is tried again");
    let what = format!("{}/{}", key.kind.singular(), key.name);
    let remedy = format!("`tesseractl describe {what}` shows how it is");
    Err(Problem::new(Code::NotNow, detail).instance(key).remedy(remedy))
}

/// Has what failed in a host tried again.
pub(super) async fn retry_host(plane: &Plane, asked: &Asked) -> Accepted<Object<Host>> {
    let key = &asked.key;
    asked.unless_done(plane, retry_failed::<Host>(plane, asked)).await?;
    now(plane, key)
}

/// Asks for another try of a resource that is Failed.
async fn retry_failed<K: Timed<Status = TimedStatus>>(
    plane: &Plane,
    asked: &Asked,
) -> Result<(), ApiError> {
    let key = &asked.key;
    let at = clock::now();
    let requested = Requested { request: Request::Retry, by: Actor::API, event: None, at };
    let retry = plane.edit_once::<K>(key, asked.once.as_ref(), |edit| {
        check_is_failed(key, edit.before().status)?;
        K::timed_mut(&mut edit.object).request(requested.clone());
        Ok(())
    });
    retry.await.map(|_| ())
}
