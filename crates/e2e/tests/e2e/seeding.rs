//! Seeding the catalogue: the same again changes nothing, a change needs a higher
//! version, and what was made from a definition keeps it.

use serde_json::{Value, json};
use tessera_e2e::{Fleet, part, pod, room, session, session_of};
use tessera_types::session::SessionStatus;
use tessera_types::timed::TimedStatus;
use tessera_types::{PartDefinition, Pod, SessionDefinition, SessionPart};

fn catalogue(fleet: &Fleet) -> Vec<Value> {
    let spec = json!({"duration": "1h", "lead_time": "2s", "teardown_buffer": "3s"});
    let [room_type, _] = room(10);
    vec![
        pod("desk", &[fleet.actor("lab", "")]),
        part("sitting", "desk", spec),
        session_of("exam", &[("first", "sitting")]),
        room_type,
    ]
}

async fn seed(fleet: &Fleet, manifests: &[Value], prune: bool) -> (u16, Value) {
    fleet.post("/v1/seed", &json!({"manifests": manifests, "prune": prune})).await
}

/// The same definition with another version.
fn version(definition: &Value, version: &str) -> Value {
    let mut newer = definition.clone();
    newer["spec"]["version"] = json!(version);
    newer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_catalogue_twice_changes_nothing_and_a_change_needs_a_higher_version() {
    let fleet = Fleet::start().await;
    let seeds = catalogue(&fleet);
    let (status, answer) = seed(&fleet, &seeds, false).await;
    assert_eq!((status, answer["created"].as_array().unwrap().len()), (200, 4), "{answer}");
    let before = fleet.revision().await;
    let (status, answer) = seed(&fleet, &seeds, false).await;
    assert_eq!((status, &answer["unchanged"]), (200, &json!(4)), "{answer}");
    assert_eq!(fleet.revision().await, before, "nothing is written");

    let mut changed = seeds.clone();
    changed[1]["spec"]["duration"] = json!("2h");
    let (status, answer) = seed(&fleet, &changed, false).await;
    assert_eq!((status, &answer["code"]), (422, &json!("invalid_spec")), "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("a higher version"), "{answer}");
    changed[1] = version(&changed[1], "0.9.0");
    assert_eq!(seed(&fleet, &changed, false).await.0, 422, "a lower one is not enough");
    // All or nothing: the new one is not taken without the other.
    let mut more = changed.clone();
    more.push(session_of("another", &[("first", "sitting")]));
    assert_eq!(seed(&fleet, &more, false).await.0, 422);
    for refused in [
        vec![session("s", "exam", "1h")],
        vec![seeds[0].clone(), seeds[0].clone()],
        vec![json!({"kind": "Nonsense", "name": "x"})],
    ] {
        let (status, answer) = seed(&fleet, &refused, false).await;
        assert!((400..500).contains(&status), "{status} {answer}");
    }
    assert_eq!(fleet.revision().await, before, "nothing is written");
    changed[1] = version(&changed[1], "1.1.0");
    let (status, answer) = seed(&fleet, &changed, false).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["updated"]["partdefinition/sitting"], json!(["1.0.0", "1.1.0"]), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seeded_is_changed_and_removed_by_seeding_only() {
    let fleet = Fleet::start().await;
    let seeds = catalogue(&fleet);
    seed(&fleet, &seeds, false).await;
    let before = fleet.revision().await;
    let newer = version(&seeds[2], "2.0.0");
    let ended = fleet.ctl_with(&["apply", "-f", "-"], &newer.to_string()).expect(1);
    assert!(ended.stderr.contains("only seeding changes it"), "{}", ended.stderr);
    fleet.ctl_with(&["apply", "-f", "-"], &seeds[2].to_string()).expect(0);
    let ended = fleet.ctl(&["delete", "sessiondefinition", "exam"]).expect(4);
    assert!(ended.stderr.contains("only seeding removes it"), "{}", ended.stderr);
    assert_eq!(fleet.revision().await, before, "nothing is written");
    // One that somebody applied is theirs to change, with a higher version.
    let own = session_of("own", &[("first", "sitting")]);
    fleet.declare(std::slice::from_ref(&own)).await;
    let mut changed = own.clone();
    changed["spec"]["title"] = json!("another");
    fleet.ctl_with(&["apply", "-f", "-"], &changed.to_string()).expect(1);
    let changed = version(&changed, "1.0.1");
    fleet.ctl_with(&["apply", "-f", "-"], &changed.to_string()).expect(0);
    // Pruning takes what was seeded and is not any more, and nothing else.
    let (status, answer) = seed(&fleet, &seeds[..2], true).await;
    assert_eq!((status, answer["pruned"].as_array().unwrap().len()), (200, 2), "{answer}");
    fleet.vanishes::<SessionDefinition>("exam").await;
    fleet.see::<SessionDefinition>("own").await;
    fleet.see::<PartDefinition>("sitting").await;
    fleet.ctl(&["delete", "sessiondefinition", "own"]).expect(0);
    fleet.vanishes::<SessionDefinition>("own").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_session_keeps_what_it_was_made_from() {
    let mut fleet = Fleet::start().await;
    fleet.add_node("a", &[]).await;
    let seeds = catalogue(&fleet);
    seed(&fleet, &seeds, false).await;
    fleet.declare(&[room(10)[1].clone(), session("old", "exam", "3s")]).await;
    fleet.reaches::<SessionPart>("old-first", TimedStatus::Active).await;
    let before = fleet.running("old-first-pod-lab").await;
    let mut desk = version(&seeds[0], "1.1.0");
    desk["spec"]["workloads"][0]["spec"]["env"]["EDITION"] = json!("second");
    let mut newer = version(&seeds[1], "1.1.0");
    newer["spec"]["duration"] = json!("2h");
    let (status, answer) = seed(&fleet, &[desk, newer], false).await;
    assert_eq!(status, 200, "{answer}");
    fleet.declare(&[session("new", "exam", "3s")]).await;
    fleet.reaches::<SessionPart>("new-first", TimedStatus::Active).await;
    let after = fleet.running("old-first-pod-lab").await;
    assert_eq!(tessera_e2e::process(&after), tessera_e2e::process(&before), "it is not touched");
    assert_eq!(after.spec.env.get("EDITION"), None);
    let edition = fleet.running("new-first-pod-lab").await.spec.env["EDITION"].clone();
    assert_eq!(edition, "second");
    for (name, expected) in [("old", "1.0.0"), ("new", "1.1.0")] {
        let part = fleet.see::<SessionPart>(&format!("{name}-first")).await;
        assert_eq!(part.observed.definition.unwrap().version.to_string(), expected);
        let pod = fleet.see::<Pod>(&format!("{name}-first-pod")).await;
        assert_eq!(pod.observed.definition.unwrap().version.to_string(), expected);
        assert_eq!(fleet.post(&format!("/v1/sessions/{name}/cancel"), &json!({})).await.0, 202);
    }
    // Without any definition left, what is live still ends as it should.
    assert_eq!(seed(&fleet, &[], true).await.0, 200);
    for name in ["old", "new"] {
        assert_eq!(fleet.over(name).await.status, SessionStatus::Inactive);
    }
    fleet.nothing_left().await;
}
