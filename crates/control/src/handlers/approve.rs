//! Approving: somebody opens the gate of a part.
//!
//! A request that names no part opens the only gate that waits, never the next of
//! several: repeated, it would open one after the other.

use std::sync::Arc;

use dropshot::HttpResponseAccepted;
use parking_lot::Mutex;
use tessera_api::ApiError;
use tessera_types::booking::{ApprovalOutcome, Approved};
use tessera_types::catalogue::{Gate, PartOrder};
use tessera_types::problem::Code;
use tessera_types::timed::{Outcome, Request, Requested};
use tessera_types::{Actor, Name, Object, Problem, ResourceKey, Session, SessionPart};

use super::once::{Asked, Done};
use super::session::{look_at, part_named, parts_of};
use crate::clock;
use crate::plane::Plane;

/// Opens the gate of the part that is named, or of the only one that waits for it.
pub(super) async fn approve(
    plane: &Plane,
    asked: &Asked,
    named: Option<&Name>,
) -> Result<HttpResponseAccepted<Approved>, ApiError> {
    let (part, outcome) = match asked.unless_done(plane, open(plane, asked, named)).await? {
        Done::Now(done) => done,
        Done::Before(committed) => {
            let after = committed.changes.first().and_then(|change| change.after.as_ref());
            let part = after.and_then(<SessionPart as tessera_types::Kind>::unwrap);
            let part = part.ok_or_else(|| Problem::not_found(&asked.key))?;
            (part.spec.part.clone(), ApprovalOutcome::Opened)
        }
    };
    let message = match outcome {
        ApprovalOutcome::Opened => format!("the gate of part {part} is open"),
        ApprovalOutcome::Unchanged => {
            format!("the gate of part {part} was open already; nothing has changed")
        }
    };
    let resource = (*plane.get::<Session>(&asked.key)?).clone();
    Ok(HttpResponseAccepted(Approved { part, outcome, message, resource }))
}

async fn open(
    plane: &Plane,
    asked: &Asked,
    named: Option<&Name>,
) -> Result<(Name, ApprovalOutcome), ApiError> {
    let key = &asked.key;
    let session = plane.get::<Session>(key)?;
    let parts = parts_of(plane, &session);
    let part = match named {
        Some(name) => part_named(key, &parts, name)?,
        None => only_one(key, &session, &parts)?,
    };
    let at = clock::now();
    let requested = Requested { request: Request::Approve, by: Actor::API, event: None, at };
    let outcome = Mutex::new(ApprovalOutcome::Unchanged);
    plane
        .edit_once::<SessionPart>(&part.key(), asked.once.as_ref(), |edit| {
            if is_open(edit.before()) {
                *outcome.lock() = ApprovalOutcome::Unchanged;
                return Ok(());
            }
            check(key, &session, edit.before())?;
            *outcome.lock() = ApprovalOutcome::Opened;
            edit.object.observed.timed.request(requested.clone());
            Ok(())
        })
        .await?;
    Ok((part.spec.part.clone(), outcome.into_inner()))
}

/// Whether somebody has approved it, or asked for that.
fn is_open(part: &Object<SessionPart>) -> bool {
    let observed = &part.observed;
    observed.approved_by.is_some() || observed.timed.requested(Request::Approve).is_some()
}

/// Refuses to open a gate that does not wait for it.
fn check(
    key: &ResourceKey,
    session: &Object<Session>,
    part: &Object<SessionPart>,
) -> Result<(), Problem> {
    let name = &part.spec.part;
    let why = if part.spec.gate != Gate::Approval {
        "has no gate that waits for approval".to_owned()
    } else if session.status.is_over() {
        format!("waits for nothing: the session is over ({})", session.status)
    } else {
        match part.observed.timed.outcome {
            None | Some(Outcome::Completed) => return Ok(()),
            Some(outcome) => format!("keeps its gate shut: its outcome is {outcome}"),
        }
    };
    Err(not_now(key, format!("{key}: part {name} ({}) {why}", part.status)))
}

/// The only part whose gate waits for approval, and before another one.
fn only_one<'a>(
    key: &ResourceKey,
    session: &Object<Session>,
    parts: &'a [Arc<Object<SessionPart>>],
) -> Result<&'a Arc<Object<SessionPart>>, Problem> {
    let definition = session.observed.definition.as_ref();
    let is_sequential =
        definition.is_some_and(|pinned| pinned.spec.part_execution.order == PartOrder::Sequential);
    let before_another = parts.len().saturating_sub(1) * usize::from(is_sequential);
    let waits =
        |part: &&Arc<Object<SessionPart>>| !is_open(part) && check(key, session, part).is_ok();
    let waiting: Vec<_> = parts.iter().take(before_another).filter(waits).collect();
    match waiting.as_slice() {
        [part] => Ok(part),
        [] => Err(not_now(key, format!("{key}: no part of it has a gate that waits for approval"))),
        several => {
            let names: Vec<_> = several.iter().map(|part| part.spec.part.as_str()).collect();
            let detail = format!("{key}: several gates wait for approval: {}", names.join(", "));
            let remedy = format!("name the part, such as `--part {}`", names[0]);
            Err(not_now(key, detail).remedy(remedy))
        }
    }
}

fn not_now(key: &ResourceKey, detail: String) -> Problem {
    Problem::new(Code::NotNow, detail).instance(key).remedy(look_at(key))
}
