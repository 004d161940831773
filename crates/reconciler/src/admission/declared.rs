//! From a declaration of any kind to what is written: for most kinds the
//! resource alone, for timed ones all that was admitted with it.

use std::sync::Arc;

use tessera_types::manifest::{Declared, DeclaredOwner};
use tessera_types::{
    Host, Job, Kind, KindName, Object, OwnerRef, Pod, Report, Resource, ResourceKey, Session,
    Tenant, Timestamp, Write,
};

use super::{
    AdmissionError, Effort, admit_host, admit_job, admit_pod, admit_report, admit_session,
    readmit_session, service::check_end, tenant::check_units,
};
use crate::world::World;

/// What is written for a declaration over `before`. The first write is that of
/// the resource itself; there is none when nothing changes. What does not fit has
/// an earliest start looked for with `effort`: it may take long, so whoever holds
/// a lock gives [`Effort::none`], and asks again of a copy of the world.
///
/// # Errors
/// Why it is not admitted.
pub fn admit<K: Kind>(
    world: &World,
    before: Option<&Arc<Object<K>>>,
    declared: Declared<K>,
    owner: Option<&DeclaredOwner>,
    now: Timestamp,
    effort: &mut Effort,
) -> Result<Vec<Write>, AdmissionError> {
    match declared {
        Declared::Unchanged(_) => Ok(Vec::new()),
        Declared::Create(mut object) => {
            object.owner = resolve_owner(world, &object, owner)?;
            let object = K::wrap(Arc::new(object));
            create(world, object, now, effort)
        }
        Declared::Update(object) => match before.map(|before| K::wrap(Arc::clone(before))) {
            Some(before) => update(world, &before, Declared::Update(object), now),
            None => Ok(Declared::Update(object).write().into_iter().collect()),
        },
    }
}

/// Whether resources of this kind are admitted beside others, so that one
/// declaration has to be written before the next is admitted. Of the others,
/// [`takes_more`](super::takes_more) says which declarations are.
#[must_use]
pub const fn is_admitted(kind: KindName) -> bool {
    matches!(
        kind,
        KindName::Session
            | KindName::SessionPart
            | KindName::Pod
            | KindName::Host
            | KindName::Job
            | KindName::Report
            | KindName::Tenant
    )
}

fn resolve_owner<K: Kind>(
    world: &World,
    object: &Object<K>,
    owner: Option<&DeclaredOwner>,
) -> Result<Option<OwnerRef>, AdmissionError> {
    let Some(owner) = owner else { return Ok(None) };
    if K::KIND != KindName::Report {
        let message =
            format!("a {} that belongs to a {} is made by Tessera: remove it", K::KIND, owner.kind);
        return Err(AdmissionError::invalid("owner", message));
    }
    let key = ResourceKey::new(owner.kind, object.namespace.clone(), owner.name.clone());
    let found = world.find(&key).filter(|found| owner.id.is_none_or(|id| id == found.id()));
    let Some(found) = found else {
        return Err(AdmissionError::invalid("owner", format!("there is no {key}")));
    };
    Ok(Some(OwnerRef { kind: owner.kind, name: owner.name.clone(), id: found.id() }))
}

fn create(
    world: &World,
    object: Resource,
    now: Timestamp,
    effort: &mut Effort,
) -> Result<Vec<Write>, AdmissionError> {
    let one = |write: Write| Ok(vec![write]);
    match object {
        Resource::Session(it) => {
            Ok(admit_session(world, owned::<Session>(it), now, effort)?.writes())
        }
        Resource::SessionPart(_) => Err(AdmissionError::invalid(
            "kind",
            "the parts of a session are made when it is admitted: declare a Session",
        )),
        Resource::Pod(it) => one(Write::create(admit_pod(world, owned::<Pod>(it), now, effort)?)),
        Resource::Host(it) => one(Write::create(admit_host(world, None, owned::<Host>(it), now)?)),
        Resource::Job(it) => one(Write::create(admit_job(world, owned::<Job>(it), now)?)),
        Resource::Report(it) => one(Write::create(admit_report(world, owned::<Report>(it))?)),
        Resource::Tenant(it) => {
            check_units(world, &it)?;
            one(Write::create(owned::<Tenant>(it)))
        }
        other => tessera_types::with_object!(other, object => {
            one(Write::create(owned(object)))
        }),
    }
}

fn owned<K: Kind>(object: Arc<Object<K>>) -> Object<K> {
    Arc::unwrap_or_clone(object)
}

fn update<K: Kind>(
    world: &World,
    before: &Resource,
    declared: Declared<K>,
    now: Timestamp,
) -> Result<Vec<Write>, AdmissionError> {
    let Declared::Update(object) = declared else { return Ok(Vec::new()) };
    let after = K::wrap(Arc::new(object.clone()));
    if let (Resource::Workload(_), Some(owner)) = (before, before.owner()) {
        let message = format!("it belongs to {owner}, which says what it is: change that");
        return Err(AdmissionError::NotNow(message));
    }
    match (before, &after) {
        (Resource::Session(before), Resource::Session(after)) => {
            readmit_session(world, before, after, now)
        }
        (Resource::Host(before), Resource::Host(after)) => {
            let host = admit_host(world, Some(before), (**after).clone(), now)?;
            Ok(Declared::Update(host).write().into_iter().collect())
        }
        (Resource::Workload(before), Resource::Workload(after)) => {
            check_end(world, before, after, now)?;
            Ok(Declared::Update(object).write().into_iter().collect())
        }
        (Resource::Tenant(_), Resource::Tenant(after)) => {
            check_units(world, after)?;
            Ok(Declared::Update(object).write().into_iter().collect())
        }
        (
            Resource::Pod(_) | Resource::SessionPart(_) | Resource::Job(_) | Resource::Report(_),
            _,
        ) => {
            let existing = K::unwrap(before);
            if existing.is_some_and(|existing| existing.spec != object.spec) {
                let message = format!(
                    "the spec of a {} does not change once it is made: delete it and declare it again",
                    K::KIND
                );
                return Err(AdmissionError::invalid("spec", message));
            }
            Ok(Declared::Update(object).write().into_iter().collect())
        }
        _ => Ok(Declared::Update(object).write().into_iter().collect()),
    }
}
