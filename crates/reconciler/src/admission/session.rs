//! Admitting a session: the whole tree, with its hosts.

use std::collections::BTreeMap;
use std::sync::Arc;

use tessera_types::catalogue::{
    DefinitionSelector, PartDefinitionSpec, Pinned, PodDefinitionSpec, PodRequirement,
    SessionDefinitionSpec,
};
use tessera_types::pod::{Binding, PodSpec};
use tessera_types::session::SessionPartSpec;
use tessera_types::timed::{DeclaredTimeslot, DesiredTimedStatus, Lifecycle, Timeslot};
use tessera_types::{
    Actor, Invalid, Kind, KindName, Name, Object, OwnerRef, PartDefinition, Pod, PodDefinition,
    ResourceKey, Session, SessionDefinition, SessionPart, Timestamp, Uid, Write,
};

use super::book::{Seeker, book};
use super::names::{check_room, check_room_of_jobs, check_workloads, join};
use super::rebook::with_buffers_of;
use super::resolve::{check_environment, check_location, jobs_of, report_of, resolve};
use super::window::{Windows, check_parts_are_ahead, lay_out};
use super::{AdmissionError, Effort};
use crate::world::World;

/// A session with all that belongs to it, ready to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted {
    /// The session.
    pub session: Object<Session>,
    /// Its parts, in their order.
    pub parts: Vec<Object<SessionPart>>,
    /// Their pods, each on its host.
    pub pods: Vec<Object<Pod>>,
}

/// A pod that would be made, for people who plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedPod {
    /// Its name.
    pub name: Name,
    /// Its window.
    pub slot: Timeslot,
    /// Its host.
    pub binding: Binding,
}

impl Admitted {
    /// The writes of the one commit that makes it.
    #[must_use]
    pub fn writes(self) -> Vec<Write> {
        let parts = self.parts.into_iter().map(Write::create);
        let pods = self.pods.into_iter().map(Write::create);
        std::iter::once(Write::create(self.session)).chain(parts).chain(pods).collect()
    }
}

/// Admits a session that does not exist yet: `session` as it was declared. Where it
/// does not fit, an earliest start that does is looked for with `effort`.
///
/// # Errors
/// All that is wrong with it, or that no host has room.
pub fn admit_session(
    world: &World,
    mut session: Object<Session>,
    now: Timestamp,
    effort: &mut Effort,
) -> Result<Admitted, AdmissionError> {
    let mut problems = Vec::new();
    let spec = Arc::clone(&session.spec);
    let definition = resolve::<SessionDefinition>(world, &spec.definition, "spec.definition")
        .map_err(|invalid| AdmissionError::Invalid(vec![invalid]))?;
    let parts = parts_of(world, &definition.spec, &mut problems);
    check_location(world, spec.host.location.as_ref(), "spec.host.location", &mut problems);
    let environment = spec.host.delivery_environment.as_ref();
    check_environment(world, environment, "spec.host.delivery_environment", &mut problems);
    if parts.len() < definition.spec.parts.len() {
        return Err(AdmissionError::Invalid(problems));
    }
    let Some(windows) = lay_out(&spec, &definition.spec, &parts, &mut problems) else {
        return Err(AdmissionError::invalid("spec.timeslot.start", "it has no start"));
    };
    let tree = Tree { world, session: &session, definition: &definition.spec, now };
    let made = tree.make(&parts, &windows, &mut problems);
    let slots =
        made.0.iter().filter_map(|part| Some((&part.spec.part, part.observed.timed.timeslot?)));
    check_parts_are_ahead(&spec, &slots.collect::<Vec<_>>(), now, &mut problems);
    if !problems.is_empty() {
        return Err(AdmissionError::Invalid(problems));
    }
    let (parts, mut pods) = made;
    let seekers: Vec<_> = pods.iter().map(seeker).collect();
    let bindings = book(world, &seekers, windows.session.start, effort)?;
    for (pod, binding) in pods.iter_mut().zip(bindings) {
        pod.observed.binding = Some(binding);
    }
    let path = "spec.definition (report)";
    let slots: Vec<_> = parts.iter().filter_map(|part| part.observed.timed.timeslot).collect();
    let timed = &mut session.observed.timed;
    timed.timeslot = Some(with_buffers_of(windows.session, &slots));
    timed.report = report_of(world, definition.spec.report.as_ref(), path, &mut problems);
    session.observed.definition = Some(definition);
    if !problems.is_empty() {
        return Err(AdmissionError::Invalid(problems));
    }
    Ok(Admitted { session, parts, pods })
}

/// The window of a part with the buffers that its pods need: they may have longer
/// ones than the part's definition says.
pub(super) fn around_pods(slot: Timeslot, pods: impl Iterator<Item = Timeslot>) -> Timeslot {
    let of_pods: Vec<_> = pods.collect();
    let begin = of_pods.iter().map(Timeslot::provision_at).min();
    let cleanup = of_pods.iter().map(Timeslot::cleanup_deadline).max();
    Timeslot {
        lead_time: begin.map_or(slot.lead_time, |begin| slot.start.since(begin)),
        teardown_buffer: slot.teardown_buffer.max(cleanup.unwrap_or(slot.end).since(slot.end)),
        ..slot
    }
}

/// The window of a pod in that of its part: its definition may say other buffers.
pub(super) fn slot_of_pod(part: Timeslot, definition: &PodDefinitionSpec) -> Timeslot {
    Timeslot {
        lead_time: definition.lead_time.unwrap_or(part.lead_time),
        teardown_buffer: definition.teardown_buffer.unwrap_or(part.teardown_buffer),
        ..part
    }
}

/// What the hosts are asked for a pod that is not booked yet.
pub(super) fn seeker(pod: &Object<Pod>) -> Seeker<'_> {
    let observed = &pod.observed;
    let definition = observed.definition.as_ref().expect("it was pinned when the pod was made");
    Seeker {
        name: &pod.name,
        slot: observed.timed.timeslot.expect("it was set when the pod was made"),
        definition: &definition.spec,
        host: pod.spec.host.and(&definition.spec.host),
    }
}

fn parts_of(
    world: &World,
    definition: &SessionDefinitionSpec,
    problems: &mut Vec<Invalid>,
) -> Vec<Pinned<PartDefinitionSpec>> {
    let mut parts = Vec::new();
    for requirement in &definition.parts {
        let path = format!("spec.definition (part {})", requirement.name);
        match resolve::<PartDefinition>(world, &requirement.selector, &path) {
            Ok(part) => parts.push(part),
            Err(invalid) => problems.push(invalid),
        }
    }
    parts
}

struct Tree<'a> {
    world: &'a World,
    session: &'a Object<Session>,
    definition: &'a SessionDefinitionSpec,
    now: Timestamp,
}

type Made = (Vec<Object<SessionPart>>, Vec<Object<Pod>>);

impl Tree<'_> {
    fn make(
        &self,
        definitions: &[Pinned<PartDefinitionSpec>],
        windows: &Windows,
        problems: &mut Vec<Invalid>,
    ) -> Made {
        check_room(&self.session.name, "report", "report of the session", problems);
        let (mut parts, mut pods) = (Vec::new(), Vec::new());
        for (order, (definition, slot)) in definitions.iter().zip(&windows.parts).enumerate() {
            let made = self.make_part(order, definition, *slot, problems);
            if let Some((part, of_part)) = made {
                parts.push(part);
                pods.extend(of_part);
            }
        }
        self.check_are_different(&parts, "parts", problems);
        self.check_are_different(&pods, "pods", problems);
        check_workloads(self.world, &parts, &pods.iter().collect::<Vec<_>>(), problems);
        (parts, pods)
    }

    fn make_part(
        &self,
        order: usize,
        definition: &Pinned<PartDefinitionSpec>,
        slot: Timeslot,
        problems: &mut Vec<Invalid>,
    ) -> Option<(Object<SessionPart>, Vec<Object<Pod>>)> {
        let requirement = &self.definition.parts[order];
        let name = self.name(&self.session.name, requirement.name.as_str(), "part", problems)?;
        self.check_is_free(KindName::SessionPart, &name, problems);
        let path = format!("spec.definition (part {})", requirement.name);
        let mut pods = Vec::new();
        for wanted in &definition.spec.pods {
            pods.extend(self.make_pods(&name, &path, wanted, slot, problems));
        }
        let of_pods = pods.iter().filter_map(|pod| pod.observed.timed.timeslot);
        let slot = around_pods(slot, of_pods);
        let spec = SessionPartSpec {
            definition: DefinitionSelector::of_type(&definition.type_key),
            timeslot: DeclaredTimeslot::exactly(slot),
            part: requirement.name.clone(),
            order: order as u32,
            gate: requirement.gate,
            on_failure: requirement.on_failure.unwrap_or(self.definition.part_execution.on_failure),
            env: self.session.spec.env.clone(),
        };
        let mut part = self.object::<SessionPart>(name, spec);
        part.owner = Some(self.owner(KindName::Session, &self.session.name));
        // The session lets it begin when its turn has come.
        part.desired_status = DesiredTimedStatus::Ready;
        part.observed.timed.timeslot = Some(slot);
        let lifecycle = &definition.spec.lifecycle;
        part.observed.timed.jobs = jobs_of(self.world, lifecycle, &path, problems);
        part.observed.timed.report =
            report_of(self.world, definition.spec.report.as_ref(), &path, problems);
        part.observed.definition = Some(definition.clone());
        check_teardown(lifecycle, slot, &path, problems);
        for phase in &lifecycle.phases {
            check_room_of_jobs(&part.name, &phase.name, problems);
        }
        Some((part, pods))
    }

    fn make_pods(
        &self,
        part: &Name,
        path: &str,
        wanted: &PodRequirement,
        slot: Timeslot,
        problems: &mut Vec<Invalid>,
    ) -> Vec<Object<Pod>> {
        let path = format!("{path} (pod {})", wanted.name);
        let definition = match resolve::<PodDefinition>(self.world, &wanted.selector, &path) {
            Ok(definition) => definition,
            Err(invalid) => {
                problems.push(invalid);
                return Vec::new();
            }
        };
        let own_name = |number: u32| match wanted.count {
            1 => wanted.name.to_string(),
            _ => format!("{}-{number}", wanted.name),
        };
        let mut pods = Vec::new();
        for number in 1..=wanted.count {
            let Some(name) = self.name(part, &own_name(number), "pod", problems) else { break };
            self.check_is_free(KindName::Pod, &name, problems);
            pods.push(self.make_pod(part, name, &path, &definition, slot, problems));
        }
        pods
    }

    fn make_pod(
        &self,
        part: &Name,
        name: Name,
        path: &str,
        definition: &Pinned<PodDefinitionSpec>,
        slot: Timeslot,
        problems: &mut Vec<Invalid>,
    ) -> Object<Pod> {
        let slot = slot_of_pod(slot, &definition.spec);
        let spec = PodSpec {
            definition: DefinitionSelector::of_type(&definition.type_key),
            timeslot: DeclaredTimeslot::exactly(slot),
            host: self.session.spec.host.clone(),
            on_late: self.session.spec.on_late.unwrap_or(self.definition.on_late),
            env: self.session.spec.env.clone(),
        };
        let mut pod = self.object::<Pod>(name, spec);
        pod.owner = Some(self.owner(KindName::SessionPart, part));
        pod.desired_status = DesiredTimedStatus::Ready;
        pin_pod(self.world, &mut pod, definition.clone(), slot, path, problems);
        pod
    }

    fn name(
        &self,
        owner: &Name,
        own: &str,
        what: &str,
        problems: &mut Vec<Invalid>,
    ) -> Option<Name> {
        join(owner, own, what).map_err(|invalid| problems.push(invalid)).ok()
    }

    fn object<K: Kind>(&self, name: Name, spec: K::Spec) -> Object<K> {
        let key = ResourceKey::new(K::KIND, self.session.namespace.clone(), name);
        let mut object = Object::new(&key, Arc::new(spec), Actor::RECONCILER, self.now);
        object.labels = self.session.labels.clone();
        object
    }

    /// The owner is made in the same commit, and so has no identity yet: the
    /// store puts it in.
    fn owner(&self, kind: KindName, name: &Name) -> OwnerRef {
        OwnerRef { kind, name: name.clone(), id: Uid::default() }
    }

    /// Checks that no two that are made together have one name, such as the pod `b-c`
    /// of part `a` and the pod `c` of part `a-b`.
    fn check_are_different<K: Kind>(
        &self,
        made: &[Object<K>],
        what: &str,
        problems: &mut Vec<Invalid>,
    ) {
        let mut owners: BTreeMap<&Name, String> = BTreeMap::new();
        for object in made {
            let owner = object.owner.as_ref().map(ToString::to_string).unwrap_or_default();
            if let Some(other) = owners.insert(&object.name, owner.clone()) {
                let message = format!(
                    "two {what} would be called {}, of {other} and of {owner}: choose other names \
                     in the definitions",
                    object.name
                );
                problems.push(Invalid::new("name", message));
            }
        }
    }

    fn check_is_free(&self, kind: KindName, name: &Name, problems: &mut Vec<Invalid>) {
        let key = ResourceKey::new(kind, self.session.namespace.clone(), name.clone());
        if self.world.find(&key).is_some() {
            let message = format!("it would have {key}, which exists already: choose another name");
            problems.push(Invalid::new("name", message));
        }
    }
}

/// Checks that what is asked of the host, by the session or the pod itself, does
/// not contradict what the pod's definition asks, which stands at `path`.
fn check_contradictions(
    pod: &Object<Pod>,
    definition: &Pinned<PodDefinitionSpec>,
    path: &str,
    problems: &mut Vec<Invalid>,
) {
    for (field, asked, other) in pod.spec.host.contradictions(&definition.spec.host) {
        let message = format!(
            "it asks for a host with {field} `{asked}`, and {definition}, at {path} \
             (host.{field}), for one with `{other}`: no host has both; remove one"
        );
        let invalid = Invalid::new(&format!("spec.host.{field}"), message);
        if !problems.contains(&invalid) {
            problems.push(invalid);
        }
    }
}

/// Checks that there is time for the phases of a teardown: what says how much may be the
/// timeslot, or a definition that has none of the phases.
pub(super) fn check_teardown(
    lifecycle: &Lifecycle,
    slot: Timeslot,
    path: &str,
    problems: &mut Vec<Invalid>,
) {
    let Some(message) = lifecycle.has_no_time_to_tear_down(slot.teardown_buffer) else { return };
    let message = format!("{path}: {message}, here or in the definition");
    let invalid = Invalid::new("spec.timeslot.teardown_buffer", message);
    if !problems.contains(&invalid) {
        problems.push(invalid);
    }
}

/// Pins to a pod what it is made from, and its window.
pub(super) fn pin_pod(
    world: &World,
    pod: &mut Object<Pod>,
    definition: Pinned<PodDefinitionSpec>,
    slot: Timeslot,
    path: &str,
    problems: &mut Vec<Invalid>,
) {
    let lifecycle = &definition.spec.lifecycle;
    pod.observed.timed.timeslot = Some(slot);
    pod.observed.timed.jobs = jobs_of(world, lifecycle, path, problems);
    let workloads = definition.spec.workloads.iter().map(|one| one.name.to_string());
    for suffix in workloads {
        check_room(&pod.name, &suffix, "workload of a pod", problems);
    }
    for phase in &lifecycle.phases {
        check_room_of_jobs(&pod.name, &phase.name, problems);
    }
    check_teardown(lifecycle, slot, path, problems);
    check_contradictions(pod, &definition, path, problems);
    let location = definition.spec.host.location.as_ref();
    check_location(world, location, &format!("{path} (host.location)"), problems);
    let environment = definition.spec.host.delivery_environment.as_ref();
    check_environment(world, environment, &format!("{path} (host.delivery_environment)"), problems);
    pod.observed.definition = Some(definition);
}
