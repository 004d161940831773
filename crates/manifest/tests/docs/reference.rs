//! The lists, tables and pictures of the reference pages are complete and right.

use std::collections::BTreeSet;
use std::fmt::Debug;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tessera_types::booking::{ApprovalOutcome, EventOutcome};
use tessera_types::catalogue::{
    DefinitionSelector, DeliveryEnvironmentSpec, EventTrigger, HostDefinitionSpec, HostRequirement,
    HostingSiteLocationSpec, JobDefinitionSpec, LabLocationSpec, Origin, PartDefinitionSpec,
    PartRequirement, PodDefinitionSpec, PodRequirement, PodType, PodWorkload, ReportDefinitionSpec,
    SessionDefinitionSpec,
};
use tessera_types::host::{HostCapacity, HostDemand, HostObserved, HostSpec, LargestNode};
use tessera_types::job::{JobObserved, JobResult, JobSpec, JobStatus};
use tessera_types::manifest::DeclaredOwner;
use tessera_types::node::{NodeSpec, NodeStatus};
use tessera_types::pod::{Binding, PodObserved, PodSpec};
use tessera_types::problem::Code;
use tessera_types::report::{ReportItem, ReportObserved, ReportSpec, ReportStatus};
use tessera_types::session::{
    PartOverride, SessionObserved, SessionPartObserved, SessionPartSpec, SessionSpec, SessionStatus,
};
use tessera_types::tenant::{TenantNode, TenantObserved, TenantRun, TenantSpec, TenantStatus};
use tessera_types::timed::{
    DeclaredTimeslot, Failure, Lateness, OnLate, Outcome, Phase, PhaseRun, PhaseState, Request,
    Requested, RetryPolicy, TimedObserved, TimedStatus,
};
use tessera_types::workload::{ExitOutcome, WorkloadSpec, WorkloadStatus};
use tessera_types::{KindName, Problem, State, WaitReason};

use crate::markdown::{blocks, headings, rows, section};
use crate::text;

#[test]
fn every_code_has_its_section_and_nothing_else_has() {
    let page = text("docs/reference/errors.md");
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str().to_owned()).collect();
    assert_eq!(headings(&page, 3), codes);
    for code in Code::ALL {
        let status = format!("HTTP {}", code.status());
        let section = section(&page, &format!("`{code}`")).join("\n");
        assert!(section.contains(&status), "{code}: {status}");
    }
}

#[test]
fn every_problem_that_is_shown_is_one_of_its_code() {
    let page = text("docs/reference/errors.md");
    let shown = blocks("errors.md", &page).into_iter().filter(|block| block.mark == "Problem");
    for block in shown {
        let problem: Problem = serde_json::from_str(&block.text).unwrap();
        let Problem { detail, remedy, instance, invalid, facts, request_id, .. } = problem.clone();
        let right = Problem {
            remedy,
            instance,
            invalid,
            facts,
            request_id,
            ..Problem::new(problem.code, detail)
        };
        assert_eq!(problem, right, "{}", block.at);
    }
}

#[test]
fn the_pictures_and_tables_have_the_arrows_of_the_state_machines() {
    arrows_are_right::<WorkloadStatus>("docs/reference/workload.md");
    arrows_are_right::<NodeStatus>("docs/reference/node.md");
    arrows_are_right::<SessionStatus>("docs/reference/session.md");
    arrows_are_right::<JobStatus>("docs/reference/job.md");
    arrows_are_right::<ReportStatus>("docs/reference/report.md");
    arrows_are_right::<TenantStatus>("docs/reference/fleet-tenant.md");
    for page in ["sessionpart", "pod", "host"] {
        arrows_are_right::<TimedStatus>(&format!("docs/reference/{page}.md"));
    }
}

fn arrows_are_right<S: State + Ord>(file: &str) {
    let page = text(file);
    let all = S::ALL.iter().flat_map(|from| S::ALL.iter().map(|to| (*from, *to)));
    let arrows: BTreeSet<_> = all.filter(|(from, to)| from.may_become(*to)).collect();
    assert_eq!(drawn::<S>(file, &page), arrows, "the picture in {file}");
    let explained = rows(&section(&page, "Transitions"));
    let explained = explained.iter().map(|row| (status(&row[0]), status(&row[1])));
    assert_eq!(distinct(explained), arrows, "the table in {file}");
}

/// The arrows of the Mermaid picture, but the one to the initial status, which must be right.
fn drawn<S: State + Ord>(file: &str, page: &str) -> BTreeSet<(S, S)> {
    let found = blocks(file, page);
    let pictures: Vec<_> = found.iter().filter(|block| block.language == "mermaid").collect();
    let [picture] = pictures.as_slice() else { panic!("{file}: {} pictures", pictures.len()) };
    let arrows = picture.text.lines().filter_map(|line| line.split_once(" --> "));
    let arrows =
        arrows.map(|(from, to)| (from.trim(), to.split_once(':').map_or(to, |(to, _)| to).trim()));
    let (starts, arrows): (Vec<_>, Vec<_>) = arrows.partition(|(from, _)| *from == "[*]");
    assert_eq!(starts, [("[*]", S::INITIAL.to_string().as_str())]);
    distinct(arrows.into_iter().map(|(from, to)| (status(from), status(to))))
}

fn status<S: State>(word: &str) -> S {
    serde_json::from_value(Value::from(word)).unwrap_or_else(|_| panic!("`{word}` is no status"))
}

/// A set of what must not be there twice.
fn distinct<T: Ord + Debug>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    for item in items {
        let shown = format!("{item:?}");
        assert!(set.insert(item), "{shown} is there twice");
    }
    set
}

#[test]
fn every_status_is_explained() {
    states_are_explained::<WorkloadStatus>("workload");
    states_are_explained::<NodeStatus>("node");
    states_are_explained::<SessionStatus>("session");
    states_are_explained::<JobStatus>("job");
    states_are_explained::<ReportStatus>("report");
    states_are_explained::<TenantStatus>("fleet-tenant");
    for page in ["sessionpart", "pod", "host"] {
        states_are_explained::<TimedStatus>(page);
    }
}

/// The states of a page are those of the machine, in its order.
fn states_are_explained<S: State>(page: &str) {
    let page = text(&format!("docs/reference/{page}.md"));
    let explained: Vec<_> =
        rows(&section(&page, "States")).into_iter().map(|row| row[0].clone()).collect();
    let all: Vec<_> = S::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(explained, all);
}

#[test]
fn every_kind_has_its_row_of_paths() {
    let page = text("docs/reference/api.md");
    let kinds = rows(&section(&page, "Paths")).into_iter().filter(|row| row.len() == 4);
    let listed: Vec<_> = kinds.collect();
    assert_eq!(listed.len(), KindName::ALL.len());
    for (row, kind) in listed.iter().zip(KindName::ALL) {
        assert_eq!(row[0], kind.plural());
        assert!(row[1].starts_with(&format!("[{kind}](")), "{}", row[1]);
        assert_eq!(row[2] == "yes", kind.is_namespaced(), "{kind}");
        assert_eq!(row[3], kind.short());
    }
}

#[test]
fn every_field_of_a_spec_is_in_its_table() {
    let page = text("docs/reference/workload.md");
    for (title, at) in [
        ("Fields", ""),
        ("Resources", "resources"),
        ("Restart and backoff", "restart"),
        ("Health", "health"),
        ("Stop", "stop"),
        ("Constraints", "constraints"),
        ("Ports", "ports"),
        ("Mounts", "mounts"),
    ] {
        assert_eq!(listed(&page, title), fields_of::<WorkloadSpec>(at), "{title}");
    }
    let page = text("docs/reference/node.md");
    assert_eq!(listed(&page, "Fields"), fields_of::<NodeSpec>(""));
}

#[test]
fn every_field_of_a_timed_resource_is_in_its_table() {
    fields_are_listed::<SessionSpec>("session", "Fields");
    fields_are_listed::<PartOverride>("session", "Windows of single parts");
    fields_are_listed::<SessionPartSpec>("sessionpart", "Fields");
    fields_are_listed::<PodSpec>("pod", "Fields");
    fields_are_listed::<HostSpec>("host", "Fields");
    fields_are_listed::<HostCapacity>("host", "Capacity");
    fields_are_listed::<JobSpec>("job", "Fields");
    fields_are_listed::<ReportSpec>("report", "Fields");
    fields_are_listed::<TenantSpec>("fleet-tenant", "Fields");
    fields_are_listed::<DeclaredTimeslot>("timed", "Timeslot");
    fields_are_listed::<Phase>("timed", "Phases");
    fields_are_listed::<RetryPolicy>("timed", "Retries");
    fields_are_listed::<DeclaredOwner>("manifests", "Owners");
}

/// What is known of a resource is read back, and nothing refuses what is unknown
/// there: its fields are those of the schema.
#[test]
fn every_field_that_is_known_of_a_resource_is_in_its_table() {
    let timed = told_of("timed", "What is known of it");
    assert_eq!(timed, properties::<TimedObserved>());
    assert_eq!(told_of("timed", "What is known of a phase"), properties::<PhaseRun>());
    for (page, fields) in [
        ("session", properties::<SessionObserved>()),
        ("sessionpart", properties::<SessionPartObserved>()),
        ("pod", properties::<PodObserved>()),
        ("host", properties::<HostObserved>()),
    ] {
        let told = &told_of(page, "What is known of it") | &timed;
        assert_eq!(told, fields, "{page}");
    }
    assert_eq!(told_of("job", "What is known of it"), properties::<JobObserved>());
    assert_eq!(told_of("report", "What it says"), properties::<ReportObserved>());
    for (title, fields) in [
        ("What is known of it", properties::<TenantObserved>()),
        ("What is known of a node", properties::<TenantNode>()),
        ("Runs that are asked for", properties::<TenantRun>()),
    ] {
        assert_eq!(told_of("fleet-tenant", title), fields, "{title}");
    }
    for (page, title, field, fields) in [
        ("timed", "What is known of it", "failure", properties::<Failure>()),
        ("timed", "What is known of it", "late", properties::<Lateness>()),
        ("timed", "What is known of it", "requests", properties::<Requested>()),
        ("pod", "What is known of it", "binding", properties::<Binding>()),
        ("host", "What is known of it", "largest_node", properties::<LargestNode>()),
        ("job", "What is known of it", "result", properties::<JobResult>()),
        ("report", "What it says", "items", properties::<ReportItem>()),
    ] {
        let page = text(&format!("docs/reference/{page}.md"));
        let rows = rows(&section(&page, title));
        let row = rows.iter().find(|row| row[0] == field).unwrap();
        for name in fields {
            assert!(row[1].contains(&format!("`{name}`")), "{field}: `{name}` is not in {row:?}");
        }
    }
}

/// The fields of a table, of which a row may have several.
fn told_of(page: &str, title: &str) -> BTreeSet<String> {
    let cells = listed(&text(&format!("docs/reference/{page}.md")), title);
    cells.iter().flat_map(|cell| cell.split("`, `")).map(str::to_owned).collect()
}

/// The fields of a type, as its JSON schema has them.
fn properties<T: JsonSchema>() -> BTreeSet<String> {
    let schema = schemars::schema_for!(T).schema;
    schema.object.expect("it is an object").properties.into_keys().collect()
}

#[test]
fn every_field_of_a_definition_is_in_its_table() {
    definition_is_listed::<SessionDefinitionSpec>(KindName::SessionDefinition);
    definition_is_listed::<PartDefinitionSpec>(KindName::PartDefinition);
    definition_is_listed::<PodDefinitionSpec>(KindName::PodDefinition);
    definition_is_listed::<HostDefinitionSpec>(KindName::HostDefinition);
    definition_is_listed::<JobDefinitionSpec>(KindName::JobDefinition);
    definition_is_listed::<ReportDefinitionSpec>(KindName::ReportDefinition);
    definition_is_listed::<DeliveryEnvironmentSpec>(KindName::DeliveryEnvironment);
    definition_is_listed::<LabLocationSpec>(KindName::LabLocation);
    definition_is_listed::<HostingSiteLocationSpec>(KindName::HostingSiteLocation);
    fields_are_listed::<DefinitionSelector>("definitions", "Selectors");
    fields_are_listed::<PartRequirement>("definitions", "Parts of a session");
    fields_are_listed::<PodRequirement>("definitions", "Pods of a part");
    fields_are_listed::<EventTrigger>("definitions", "Triggers of a part");
    fields_are_listed::<PodWorkload>("definitions", "Workloads of a pod");
    fields_are_listed::<HostDemand>("definitions", "Demand of a pod");
    fields_are_listed::<HostRequirement>("definitions", "Hosts of a pod");
}

fn definition_is_listed<T: DeserializeOwned + Debug>(kind: KindName) {
    let page = text("docs/reference/definitions.md");
    let told = &listed(&page, kind.as_str()) | &listed(&page, "What all have");
    assert_eq!(told, fields_of::<T>(""), "{kind}");
}

fn fields_are_listed<T: DeserializeOwned + Debug>(page: &str, title: &str) {
    let page = text(&format!("docs/reference/{page}.md"));
    assert_eq!(listed(&page, title), fields_of::<T>(""), "{title}");
}

#[test]
fn every_word_that_a_resource_uses_is_in_its_table() {
    let timed = text("docs/reference/timed.md");
    assert_eq!(listed(&timed, "What came of it"), words::<Outcome>(json!("?")));
    assert_eq!(listed(&timed, "What operators and events ask for"), words::<Request>(json!("?")));
    assert_eq!(listed(&timed, "Lateness"), words::<OnLate>(json!("?")));
    assert_eq!(listed(&timed, "How a phase stands"), words::<PhaseState>(json!("?")));
    let definitions = text("docs/reference/definitions.md");
    assert_eq!(listed(&definitions, "Applied and seeded"), words::<Origin>(json!("?")));
    let types = listed(&text("docs/reference/pod.md"), "Pod types");
    let types = types.iter().flat_map(|cell| cell.split("`, `")).map(str::to_owned).collect();
    assert_eq!(words::<PodType>(json!("?")), types);
    let outcomes = listed(&text("docs/reference/api.md"), "What becomes of an event");
    assert_eq!(outcomes, words::<EventOutcome>(json!("?")));
    let outcomes = listed(&text("docs/reference/api.md"), "Approvals");
    assert_eq!(outcomes, words::<ApprovalOutcome>(json!("?")));
}

#[test]
fn every_reason_to_wait_and_every_outcome_is_in_its_table() {
    let mut told = BTreeSet::from(["children".to_owned()]);
    let kinds = ["workload", "session", "sessionpart", "pod", "host", "job", "report"];
    for page in kinds.into_iter().chain(["fleet-tenant"]) {
        let page = text(&format!("docs/reference/{page}.md"));
        told.append(&mut listed(&page, "What it waits for"));
    }
    assert!(told.remove("any other"), "a session waits for what its parts wait for");
    assert_eq!(told, words::<WaitReason>(json!("?")));
    let page = text("docs/reference/workload.md");
    assert_eq!(listed(&page, "How a run ended"), words::<ExitOutcome>(json!({"outcome": "?"})));
}

/// The first cells of the tables of a section; of a dotted path only the first step.
fn listed(page: &str, title: &str) -> BTreeSet<String> {
    let rows = rows(&section(page, title));
    rows.iter().map(|row| row[0].split('.').next().unwrap_or_default().to_owned()).collect()
}

/// The fields that the value at this field of a spec may have.
fn fields_of<T: DeserializeOwned + Debug>(at: &str) -> BTreeSet<String> {
    let unknown = json!({"?": 0});
    match at {
        "" => words::<T>(unknown),
        "constraints" | "ports" | "mounts" => words::<T>(json!({at: [unknown]})),
        field => words::<T>(json!({field: unknown})),
    }
}

/// The words that a type knows, from what it says about one that it does not.
fn words<T: DeserializeOwned + Debug>(value: Value) -> BTreeSet<String> {
    let told = serde_json::from_value::<T>(value).unwrap_err().to_string();
    assert!(told.starts_with("unknown "), "{told}");
    told.split('`').skip(3).step_by(2).map(str::to_owned).collect()
}
