//! What Tessera itself does in the steps of a pod's pipelines.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tessera_types::catalogue::PodType;
use tessera_types::{Object, Pod, Workload};

use super::fleet;
use crate::pipelines::{Acts, Handled};
use crate::timed::{Step, Try};

impl Acts for Pod {
    fn act(step: &mut Step<'_, Self>, handler: &str) -> Handled {
        match handler {
            "bind_host" => bind_host(step),
            "ports_alloc" => ports_alloc(step),
            "create_workloads" => create_workloads(step),
            "wait_healthy" => wait_healthy(step),
            "delete_workloads" => match fleet::clean(step) {
                true => Handled::Done(Value::Null),
                false => Handled::UnderWay("its workloads to be gone".to_owned()),
            },
            "release_host" => release_host(step),
            "mark_ready" => Handled::Done(Value::Null),
            "archive" => Handled::Done(record(step.object())),
            other => Handled::unknown(other),
        }
    }

    fn clean(step: &mut Step<'_, Self>) -> bool {
        fleet::clean(step)
    }

    fn inputs(object: &Object<Self>) -> Value {
        let definition = object.observed.definition.as_ref();
        json!(definition.map(|pinned| &pinned.spec.parameters))
    }

    fn instance(object: &Object<Self>) -> Value {
        let binding = object.observed.binding.as_ref();
        json!({
            "host": binding.map(|binding| &binding.host),
            "ports": binding.map(|binding| &binding.ports),
        })
    }
}

fn bind_host(step: &Step<'_, Pod>) -> Handled {
    match &step.object().observed.binding {
        Some(binding) => Handled::Done(json!({"host": binding.host})),
        None => Handled::UnderWay("a host".to_owned()),
    }
}

/// The ports were chosen with the host; so two pods never have the same.
fn ports_alloc(step: &Step<'_, Pod>) -> Handled {
    let binding = step.object().observed.binding.as_ref();
    Handled::Done(json!({"ports": binding.map_or(&[][..], |binding| &binding.ports)}))
}

fn create_workloads(step: &mut Step<'_, Pod>) -> Handled {
    let Some(definition) = step.object().observed.definition.clone() else {
        return Handled::Failed("it has no definition".to_owned());
    };
    fleet::make_missing(step, &definition.spec);
    let workloads = definition.spec.workloads.iter();
    let names: BTreeMap<_, _> =
        workloads.map(|one| (&one.name, fleet::name_of(&step.object().name, &one.name))).collect();
    Handled::Done(json!({"workloads": names}))
}

fn wait_healthy(step: &mut Step<'_, Pod>) -> Handled {
    let Some(definition) = step.object().observed.definition.clone() else {
        return Handled::Failed("it has no definition".to_owned());
    };
    let tried = match definition.spec.pod_type {
        PodType::Fleet => fleet::look(step, &definition.spec),
        other => Try::UnderWay(format!("an adapter for {other} pods, and there is none")),
    };
    match tried {
        Try::Done => Handled::Done(Value::Null),
        Try::UnderWay(what) | Try::WaitsForJob { what, .. } => Handled::UnderWay(what),
        Try::Failed(message) | Try::FailedForGood(message) => Handled::Failed(message),
    }
}

/// A host is given back only when nothing of the pod is on it.
fn release_host(step: &mut Step<'_, Pod>) -> Handled {
    if step.owned::<Workload>().next().is_some() {
        return Handled::UnderWay("its workloads to be gone".to_owned());
    }
    let binding = step.edit.object.observed.binding.take();
    Handled::Done(json!({"host": binding.map(|binding| binding.host)}))
}

fn record(pod: &Object<Pod>) -> Value {
    let timed = &pod.observed.timed;
    json!({
        "definition": pod.observed.definition.as_ref().map(ToString::to_string),
        "outcome": timed.outcome,
        "provisioned_at": timed.provisioned_at,
        "started_at": timed.started_at,
        "ended_at": timed.ended_at,
    })
}
