//! What sessions are made of: a desk that is a workload, and a rig that needs a job of the
//! engine with effects outside.

use std::fs;

use serde_json::{Value, json};
use tessera_client::call;
use tessera_types::api::{ApplyRequest, ApplyResponse, ManifestText};

use super::Life;
use crate::effects::Effects;
use crate::schedule::AGENTS;
use crate::witness::WORD;

/// How many sittings there is room for at once.
const SEATS: u64 = 3;
/// What a workload of a pod or a job takes, in thousandths of a processor.
const CPU: u64 = 50;
/// How often the provisioning of a pod is tried. High, since tries are lost to faults.
const TRIES_MAX: u32 = 8;

/// Two effects, with a moment in between in which the engine can be killed.
const LAB: &str = r#"
document: {dsl: 1.0.3, namespace: labs, name: lab-start, version: 1.0.0}
do:
  - begin:
      call: http
      with:
        method: post
        endpoint: "${ $workflow.input.url }"
        body: {pod: "${ $workflow.input.pod }", act: begin}
  - settle:
      wait: {seconds: 1}
  - confirm:
      call: http
      with:
        method: post
        endpoint: "${ $workflow.input.url }"
        body: {pod: "${ $workflow.input.pod }", act: confirm}
      output: {as: "${ {lab: 7} }"}
"#;

impl Life {
    pub(super) async fn declare_catalogue(&self, effects: &Effects) -> anyhow::Result<()> {
        let scenarios = self.system.area().join("scenarios");
        fs::write(scenarios.join("lab_start.v1.yaml"), LAB)?;
        let manifests = self.catalogue(&effects.url).iter().map(ManifestText::from).collect();
        let request = ApplyRequest { manifests };
        let applied: Result<ApplyResponse, _> =
            self.ask(async || call(self.api.apply(None, &request)).await).await;
        let results = applied.map_err(|problem| anyhow::anyhow!("{problem:?}"))?.results;
        let wrong = results.iter().find_map(|result| result.problem.as_ref());
        wrong.map_or(Ok(()), |problem| Err(anyhow::anyhow!("the catalogue: {problem:?}")))
    }

    fn catalogue(&self, url: &str) -> Vec<Value> {
        let retry = json!({
            "attempts_max": TRIES_MAX, "backoff": {"initial": "100ms", "max": "500ms"},
            "timeout": "30s",
        });
        let lab = json!({
            "name": "lab", "job": "lab_start@v1", "with": {"url": url, "pod": "${ .instance.id }"},
            "retry": {"attempts_max": TRIES_MAX, "timeout": "30s"},
        });
        let provision = json!({
            "name": "provision", "engine": "pipeline", "trigger_on_status": "Provisioning",
            "retry": {"attempts_max": 1},
            "pipeline": {"extends": "standard-provision", "insert_after": {"bind-host": [lab]}},
        });
        let grade = json!({
            "name": "grade", "engine": "workflow", "trigger_on_status": "Grading",
            "definition": {"type_key": "grade"},
            "retry": {"attempts_max": TRIES_MAX, "backoff": {"initial": "100ms", "max": "500ms"},
                "timeout": "20s"},
        });
        let demand = json!({"counted": {"seats": 1}});
        let window = json!({"duration": "8s", "lead_time": "6s", "teardown_buffer": "16s"});
        vec![
            definition(
                "HostDefinition",
                "room",
                json!({
                    "host_type": "node_group", "pod_types": ["fleet"],
                    "capacity": {"counted": {"seats": SEATS}},
                }),
            ),
            json!({"kind": "Host", "name": "room", "spec": {"definition": {"type_key": "room"}}}),
            definition("JobDefinition", "grade", self.grading()),
            definition("ReportDefinition", "points", json!({"aggregate": "sum"})),
            definition(
                "PodDefinition",
                "desk",
                json!({
                    "pod_type": "fleet", "workloads": [self.seat()], "demand": demand,
                    "provision": retry,
                }),
            ),
            definition(
                "PodDefinition",
                "rig",
                json!({
                    "pod_type": "fleet", "workloads": [self.seat()], "demand": demand,
                    "lifecycle": {"phases": [provision]},
                }),
            ),
            part(
                "sitting",
                "desk",
                &window,
                json!({
                    "report": {"type_key": "points"}, "lifecycle": {"phases": [grade]},
                }),
            ),
            part("rigged", "rig", &window, json!({})),
            definition(
                "SessionDefinition",
                "exam",
                json!({
                    "parts": [{"name": "first", "selector": {"type_key": "sitting"}}],
                }),
            ),
            definition(
                "SessionDefinition",
                "lab",
                json!({
                    "parts": [{"name": "first", "selector": {"type_key": "rigged"}}],
                }),
            ),
        ]
    }

    /// The workload of a pod, which writes under its own name.
    fn seat(&self) -> Value {
        let mut spec = self.shell(&format!("\"$TESSERA_POD-seat\" --cpu {CPU}"));
        spec["restart"] = json!({"backoff": {"initial": "100ms", "max": "500ms"}});
        spec["stop"] = json!({"grace": "1s"});
        spec["on_disconnect"] = json!("stop");
        json!({"name": "seat", "spec": spec})
    }

    /// The program of a job.
    fn grading(&self) -> Value {
        let said = r#"'{"score": 70, "max_score": 100}'"#;
        let workload = format!("\"$TESSERA_JOB\" --cpu {CPU} --live 700 --say {said}");
        let workload = self.shell(&workload);
        json!({"timeout": "15s", "result": "last_line", "workload": workload})
    }

    fn shell(&self, arguments: &str) -> Value {
        let (witness, folder) = (own_path(), self.system.witnesses());
        let script = format!("exec {witness} {WORD} {} {arguments}", folder.display());
        json!({
            "command": "/bin/sh", "args": ["-c", script],
            "resources": {"cpu": format!("{CPU}m"), "memory": "16MiB"},
        })
    }
}

/// Where this program is.
pub(super) fn own_path() -> String {
    let path = std::env::current_exe().expect("a program has a path");
    path.to_string_lossy().into_owned()
}

/// The names of all nodes.
pub(super) fn nodes() -> Vec<String> {
    (0..AGENTS).map(|at| format!("node-{at}")).collect()
}

fn definition(kind: &str, type_key: &str, mut spec: Value) -> Value {
    spec["type_key"] = json!(type_key);
    spec["version"] = json!("1.0.0");
    json!({"kind": kind, "name": type_key, "spec": spec})
}

fn part(type_key: &str, pod: &str, window: &Value, mut spec: Value) -> Value {
    for (name, value) in window.as_object().into_iter().flatten() {
        spec[name] = value.clone();
    }
    spec["pods"] = json!([{"name": "pod", "selector": {"type_key": pod}}]);
    definition("PartDefinition", type_key, spec)
}
