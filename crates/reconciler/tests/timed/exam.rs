//! The catalogue of the tests: an exam of two parts on one machine, with
//! whatever a test wants different.

use serde_json::{Value, json};
use tessera_types::{
    Duration, Host, HostDefinition, JobDefinition, Name, PartDefinition, PodDefinition,
    ReportDefinition, Session, SessionDefinition, Timestamp,
};

use crate::plane::{Plane, Run};

/// What a test may want different of the exam.
#[derive(Clone, Debug)]
pub(crate) struct Exam {
    pub(crate) order: &'static str,
    pub(crate) on_failure: &'static str,
    pub(crate) on_pod_failure: &'static str,
    pub(crate) on_late: &'static str,
    pub(crate) gate: Value,
    /// Of the second part's pod, in seconds.
    pub(crate) lead_time: u64,
    pub(crate) attempts: u32,
    pub(crate) is_graded: bool,
    /// Workflow phases that both parts have besides.
    pub(crate) phases: Vec<Value>,
    /// Workflow phases of the pods.
    pub(crate) pod_phases: Vec<Value>,
    pub(crate) node_cpu: u64,
    /// Of both pods, in seconds, where they differ from their parts (20).
    pub(crate) teardown_buffer: Option<u64>,
}

impl Default for Exam {
    fn default() -> Self {
        Self {
            order: "sequential",
            on_failure: "abort",
            on_pod_failure: "abort",
            on_late: "shorten",
            gate: json!("none"),
            lead_time: 40,
            attempts: 3,
            is_graded: true,
            phases: Vec::new(),
            pod_phases: Vec::new(),
            node_cpu: 4000,
            teardown_buffer: None,
        }
    }
}

impl Exam {
    /// A plane with a node, its group, and the catalogue of the exam.
    pub(crate) fn plane(&self) -> Plane {
        let mut plane = Plane::new();
        plane.script = Box::new(|name, _| match name.contains("grade") {
            true => Run::Ends(Duration::from_secs(2), 0, r#"{"score": 60, "max_score": 100}"#),
            false => Run::Stays,
        });
        plane.node("node-a", self.node_cpu);
        self.seed(&mut plane);
        plane.settle();
        plane
    }

    fn seed(&self, plane: &mut Plane) {
        let head = |key: &str| json!({"type_key": key, "version": "1.0.0"});
        let with = |key: &str, more: Value| {
            let mut spec = head(key);
            for (name, value) in more.as_object().unwrap() {
                spec[name] = value.clone();
            }
            json!({"name": key, "spec": spec})
        };
        plane.apply::<HostDefinition>(with(
            "group",
            json!({
                "host_type": "node_group", "pod_types": ["fleet"],
                "capacity": {"counted": {"licences": 10}, "ports": [{"first": 7000, "last": 7009}]},
            }),
        ));
        plane
            .apply::<Host>(json!({"name": "fleet", "spec": {"definition": {"type_key": "group"}}}));
        plane.apply::<JobDefinition>(with(
            "grade",
            json!({
                "workload": {"command": "grade"}, "timeout": "60s", "result": "last_line",
            }),
        ));
        plane.apply::<JobDefinition>(with("check", json!({"workload": {"command": "check"}})));
        plane.apply::<JobDefinition>(with(
            "watch",
            json!({"workload": {"command": "watch"}, "timeout": "1h"}),
        ));
        plane.apply::<ReportDefinition>(with("sum", json!({"aggregate": "sum", "pass_score": 50})));
        for (name, lead_time) in [("one", 30), ("two", self.lead_time)] {
            plane.apply::<PodDefinition>(with(
                &format!("lab-{name}"),
                json!({
                    "pod_type": "fleet",
                    "workloads": [{"name": "vm", "spec": {
                        "command": "vm", "resources": {"cpu": "1"}, "restart": {"policy": "never"},
                    }}],
                    "demand": {"counted": {"licences": 1}, "ports": 1},
                    "lead_time": format!("{lead_time}s"),
                    "teardown_buffer": self.teardown_buffer.map(|buffer| format!("{buffer}s")),
                    "provision": {
                        "attempts_max": self.attempts, "timeout": "20s",
                        "backoff": {"initial": "1s", "max": "4s"},
                    },
                    "lifecycle": {"phases": self.pod_phases},
                }),
            ));
            plane.apply::<PartDefinition>(with(&format!("part-{name}"), self.part(name)));
        }
        plane.apply::<SessionDefinition>(with(
            "exam",
            json!({
                "part_execution": {"order": self.order, "on_failure": self.on_failure},
                "parts": [
                    {"name": "one", "selector": {"type_key": "part-one"}, "gate": self.gate},
                    {"name": "two", "selector": {"type_key": "part-two"}},
                ],
                "report": {"type_key": "sum"}, "on_late": self.on_late,
            }),
        ));
    }

    fn part(&self, name: &str) -> Value {
        let mut phases = self.phases.clone();
        if self.is_graded {
            phases.push(json!({
                "name": "grade", "engine": "workflow", "trigger_on_status": "Grading",
                "definition": {"type_key": "grade"},
            }));
        }
        json!({
            "duration": "60s", "lead_time": "10s", "teardown_buffer": "20s",
            "pods": [{"name": "lab", "selector": {"type_key": format!("lab-{name}")}}],
            "on_pod_failure": self.on_pod_failure,
            "lifecycle": {"phases": phases},
            "triggers": [{"event": "student.submitted", "action": "grade"}],
            "report": self.is_graded.then(|| json!({"type_key": "sum"})),
        })
    }
}

/// The session `exam`, which starts in 60 seconds: part one from 60 to 120 with
/// its pod from 30 on, part two from 120 to 180.
pub(crate) fn book(plane: &mut Plane) -> Timestamp {
    let start = plane.at(60);
    plane.apply::<Session>(session("exam", start));
    plane.settle();
    start
}

pub(crate) fn session(name: &str, start: Timestamp) -> Value {
    json!({"name": name, "spec": {
        "definition": {"type_key": "exam"}, "timeslot": {"start": start.to_string()},
    }})
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}
