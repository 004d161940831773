//! What the tests of the checks are given: resources that were made by hand.

use std::sync::Arc;

use serde_json::Value;
use tessera_reconciler::World;
use tessera_types::{
    Actor, Duration, Kind, Name, Object, Resource, ResourceKey, Revision, Timestamp, Uid,
};

use crate::clock::{BEGIN, Clock};
use crate::control::Control;
use crate::disk::Disk;
use crate::message::ToControl;

/// So many seconds after 1970 began.
pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::EPOCH.plus(Duration::from_secs(seconds))
}

/// A resource that is in a store since its first revision.
pub(crate) fn object<K: Kind>(name: &str, id: u64, spec: Value) -> Object<K> {
    let key = ResourceKey::new(K::KIND, None, Name::new(name).expect("a name"));
    let spec = Arc::new(serde_json::from_value(spec).expect("a spec"));
    let mut object = Object::<K>::new(&key, spec, Actor::API, at(0));
    (object.id, object.revision) = (Uid(id), Revision(1));
    object
}

/// A control plane that knows of a node, which is Ready, and its disk. Its clock is right.
pub(crate) fn running() -> (Disk, Control) {
    let (disk, now) = (Disk::default(), BEGIN);
    let mut control = Control::start(&disk, Clock::default(), now);
    let register = ToControl::Register { installation: 1 };
    control.receive(&Name::new("n0").expect("a name"), 1000, 1, register, now);
    while control.is_due(now) {
        let pass = control.plan(now);
        control.commit_pass(pass, now);
    }
    (disk, control)
}

/// The world that has these.
pub(crate) fn world(resources: impl IntoIterator<Item = Resource>) -> World {
    World::load(Revision(1), resources)
}
