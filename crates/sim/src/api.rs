//! What the handlers of the API do with what people ask for.
//!
//! The one idea: whoever acts in a run does it by these, so that each declaration is admitted,
//! each deletion checked, and each change made of what there is, as it is in the product.

use std::sync::Arc;

use serde_json::Value;
use tessera_reconciler::Tabled;
use tessera_reconciler::admission::{self, Effort};
use tessera_types::tenant::{RunState, TenantNode, TenantRun};
use tessera_types::{
    Actor, Edit, KindName, Manifest, Name, Resource, ResourceKey, Timestamp, Write,
};

use crate::control::Control;

/// Declares something as a person would; says whether it was taken.
pub(crate) fn apply<K: Tabled>(control: &mut Control, json: Value, now: Timestamp) -> bool {
    declare::<K>(control, serde_json::from_value(json).expect("a valid manifest"), now)
}

/// The same for what is read already.
pub(crate) fn declare<K: Tabled>(
    control: &mut Control,
    manifest: Manifest<K>,
    now: Timestamp,
) -> bool {
    let wall = control.clock.wall(now);
    let existing = control.world.find(&manifest.key()).as_ref().and_then(K::unwrap).cloned();
    let owner = manifest.owner.clone();
    let Ok(declared) = manifest.declare(existing.as_ref(), Actor::API, wall) else { return false };
    let writes = admission::admit(
        &control.world,
        existing.as_ref(),
        declared,
        owner.as_ref(),
        wall,
        &mut Effort::none(),
    );
    match writes {
        Ok(writes) => writes.is_empty() || control.commit(writes, now).is_ok(),
        Err(_) => false,
    }
}

/// Changes one that is there, and says whether it is so now; none where there is none.
pub(crate) fn edit<K: Tabled>(
    control: &mut Control,
    key: &ResourceKey,
    now: Timestamp,
    change: impl FnOnce(&mut Edit<K>),
) -> Option<bool> {
    let found = Arc::clone(K::unwrap(&control.world.find(key)?)?);
    let mut edit = Edit::of(&found, control.clock.wall(now));
    change(&mut edit);
    let edited = edit.finish();
    Some(edited.is_none_or(|edited| control.commit(vec![Write::update(edited)], now).is_ok()))
}

/// In words.
pub(crate) fn taken(is_taken: bool) -> &'static str {
    if is_taken { "done" } else { "refused" }
}

/// The key of what stands in the default namespace.
pub(crate) fn in_default(kind: KindName, name: &Name) -> ResourceKey {
    ResourceKey { kind, namespace: Some(Name::default_namespace()), name: name.clone() }
}

/// The key of what stands in none.
pub(crate) fn of_fleet(kind: KindName, name: &Name) -> ResourceKey {
    ResourceKey { kind, namespace: None, name: name.clone() }
}

macro_rules! of_any_kind {
    ($($kind:ident $table:ident),+) => {
        /// Declares something of any kind.
        pub(crate) fn declare_as(
            control: &mut Control,
            kind: KindName,
            json: &Value,
            now: Timestamp,
        ) -> bool {
            match kind {
                $(KindName::$kind => apply::<tessera_types::$kind>(control, json.clone(), now)),+
            }
        }

        /// What is being deleted, or is gone, was deleted.
        pub(crate) fn delete(control: &mut Control, key: &ResourceKey, now: Timestamp) -> bool {
            let Some(found) = control.world.find(key) else { return true };
            if found.deletion_requested_at().is_some() {
                return true;
            }
            if admission::check_deletion(&control.world, &found).is_err() {
                return false;
            }
            let asked = match found {
                $(Resource::$kind(_) => {
                    edit::<tessera_types::$kind>(control, key, now, Edit::request_deletion)
                }),+
            };
            asked.unwrap_or(true)
        }
    };
}
tessera_types::for_each_kind!(of_any_kind);

/// A run of a tenant on a node that somebody asks for.
pub(crate) fn run_on(on: &TenantNode, id: &str, now: Timestamp) -> TenantRun {
    TenantRun {
        id: id.parse().expect("it has letters and digits"),
        node: on.node.clone(),
        node_id: on.node_id,
        service: None,
        requested_at: now,
        requested_by: Actor::API,
        state: RunState::Requested,
        joined: false,
        invocation_id: None,
        started_at: None,
        ended_at: None,
        result: None,
        exit_code: None,
        source: None,
        message: None,
    }
}
