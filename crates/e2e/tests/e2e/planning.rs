//! Plans: what a file would come to, with the definitions and hosts that it
//! brings, and nothing of it written.

use serde_json::{Value, json};
use tessera_e2e::{Fleet, definition, part, session};
use tessera_types::{Host, Session, Timestamp};

/// Definitions, a host of one seat, and a session of two parts in an hour.
fn file() -> Vec<Value> {
    let server = json!({"host_type": "server", "pod_types": ["proxmox"],
        "capacity": {"counted": {"seats": 1}, "ports": [{"first": 100, "last": 109}]}});
    let guest = json!({"pod_type": "proxmox", "demand": {"counted": {"seats": 1}, "ports": 2}});
    let spec = json!({"duration": "10m", "lead_time": "4m", "teardown_buffer": "1m"});
    let parts = json!([
        {"name": "first", "selector": {"type_key": "sitting"}},
        {"name": "second", "selector": {"type_key": "sitting"}, "offset": "20m"},
    ]);
    vec![
        // The order in the file does not matter.
        session("s", "exam", "1h"),
        json!({"kind": "Host", "name": "rack", "spec": {"definition": {"type_key": "server"}}}),
        definition("SessionDefinition", "exam", json!({ "parts": parts })),
        part("sitting", "guest", spec),
        definition("PodDefinition", "guest", guest),
        definition("HostDefinition", "server", server),
    ]
}

async fn plans(fleet: &Fleet, manifests: &[Value]) -> Vec<Value> {
    let (status, answer) = fleet.post("/v1/plan", &json!({ "manifests": manifests })).await;
    assert_eq!(status, 200, "{answer:#}");
    answer["plans"].as_array().unwrap().clone()
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap_or_else(|| panic!("{value} is no time")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_would_be_made_where_and_when_and_writes_nothing() {
    let fleet = Fleet::start().await;
    let before = fleet.revision().await;
    let plan = plans(&fleet, &file()).await.remove(0);
    assert_eq!(plan["problem"], Value::Null, "{plan:#}");
    let resources = plan["resources"].as_array().unwrap();
    let names: Vec<_> = resources.iter().map(|it| it["key"]["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    for name in ["s-first", "s-first-pod", "s-second", "s-second-pod"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let times: Vec<_> = resources.iter().map(|it| time(&it["provision_at"])).collect();
    assert!(times.is_sorted(), "in the order of time: {times:?}");
    for it in resources.iter().filter(|it| it["key"]["kind"] == "Pod") {
        assert_eq!(it["host"], "rack", "{it}");
        assert_eq!(it["ports"].as_array().unwrap().len(), 2);
        assert_eq!(it["definition"], "guest 1.0.0");
        let start = time(&it["timeslot"]["start"]);
        assert_eq!(start.since(time(&it["provision_at"])), "4m".parse().unwrap());
        let end = time(&it["timeslot"]["end"]);
        assert_eq!(time(&it["cleanup_deadline"]).since(end), "1m".parse().unwrap());
    }
    assert_eq!(fleet.revision().await, before, "nothing is written");
    assert!(fleet.find::<Host>("rack").await.is_none());
    // What is declared then is what was planned.
    let manifests = file();
    fleet.declare(&manifests[1..]).await;
    fleet.declare(&manifests[..1]).await;
    let made = fleet.see::<Session>("s").await.observed.timed.timeslot.unwrap();
    let planned = time(&plan["timeslot"]["end"]).since(time(&plan["timeslot"]["start"]));
    assert_eq!(made.duration(), planned);
    let again = plans(&fleet, &manifests[..1]).await.remove(0);
    assert_eq!(again["exists"], json!(true), "{again:#}");
    assert_eq!(again["problem"], Value::Null, "it does not stand in its own way: {again:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_does_not_fit_says_why_and_when_it_would() {
    let fleet = Fleet::start().await;
    let mut manifests = file();
    let first = manifests.remove(0);
    fleet.declare(&manifests).await;
    fleet.declare(&[first]).await;
    let mut other = session("other", "exam", "1h");
    let plan = plans(&fleet, &[other.clone()]).await.remove(0);
    assert_eq!(plan["problem"]["code"], "does_not_fit", "{plan:#}");
    let detail = plan["problem"]["detail"].as_str().unwrap();
    assert!(detail.contains("rack") || detail.contains("1 host"), "{detail}");
    assert!(detail.contains("seats") && detail.contains("s-first-pod"), "{detail}");
    let earliest = time(&plan["earliest_start"]);
    other["spec"]["timeslot"] = json!({"start": earliest.to_string()});
    let plan = plans(&fleet, &[other.clone()]).await.remove(0);
    assert_eq!(plan["problem"], Value::Null, "it fits then: {plan:#}");
    let sooner = Timestamp::from_micros(earliest.as_micros() - 1_000_000);
    let mut early = other.clone();
    early["spec"]["timeslot"] = json!({"start": sooner.to_string()});
    let plan = plans(&fleet, &[early]).await.remove(0);
    assert_eq!(plan["problem"]["code"], "does_not_fit", "and not a second before: {plan:#}");
    // Two that are planned together see each other.
    let mut twin = other.clone();
    twin["name"] = json!("twin");
    let both = plans(&fleet, &[other.clone(), twin]).await;
    assert_eq!(both[0]["problem"], Value::Null, "{:#}", both[0]);
    assert_eq!(both[1]["problem"]["code"], "does_not_fit", "{:#}", both[1]);
    let mut unknown = other;
    unknown["spec"]["definition"]["type_key"] = json!("nothing");
    let plan = plans(&fleet, &[unknown]).await.remove(0);
    assert_eq!(plan["problem"]["code"], "invalid_spec", "{plan:#}");
    for planned in ["other", "twin"] {
        assert!(fleet.find::<Session>(planned).await.is_none(), "nothing is written");
    }
}
