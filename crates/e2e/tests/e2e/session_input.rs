//! Sessions that make no sense are refused with a precise error, through the API
//! and through `tesseractl`, and nothing is written.

use reqwest::Method;
use serde_json::{Value, json};
use tessera_e2e::{Fleet, definition, part, session, session_of};
use tessera_types::{Duration, SessionPart, Timestamp};

fn now() -> Timestamp {
    jiff::Timestamp::now().into()
}

/// A control plane without nodes, with a server for pods of another type: none of
/// these sessions ever begins.
async fn fleet() -> Fleet {
    let fleet = Fleet::start().await;
    let server = definition(
        "HostDefinition",
        "server",
        json!({"host_type": "server", "pod_types": ["proxmox"], "capacity": {"counted": {"seats": 2}}}),
    );
    let host = json!({
        "kind": "Host", "name": "rack", "labels": {"zone": "north"},
        "spec": {"definition": {"type_key": "server"}},
    });
    let guest = json!({"pod_type": "proxmox", "demand": {"counted": {"seats": 1}}});
    let crowd = json!({"pod_type": "proxmox", "demand": {"counted": {"seats": 3}}});
    let spec = json!({"duration": "10m", "lead_time": "5m", "teardown_buffer": "1m"});
    fleet
        .declare(&[
            server,
            host,
            definition("PodDefinition", "guest", guest),
            definition("PodDefinition", "crowd", crowd),
            part("sitting", "guest", spec.clone()),
            part("crowded", "crowd", spec.clone()),
            part("unknown-pod", "nothing", spec.clone()),
            session_of("exam", &[("first", "sitting"), ("second", "sitting")]),
            session_of("too-large", &[("first", "crowded")]),
            session_of("broken", &[("first", "unknown-pod")]),
            session_of("partless", &[("first", "sittin")]),
            session("there", "exam", "2h"),
        ])
        .await;
    let is_planned = async || {
        let part = fleet.find::<SessionPart>("there-second").await?;
        let pod = fleet.find::<tessera_types::Pod>("there-second-pod").await?;
        let first = fleet.find::<tessera_types::Pod>("there-first-pod").await?;
        let host = fleet.find::<tessera_types::Host>("rack").await?;
        let session = fleet.find::<tessera_types::Session>("there").await?;
        let usable = host.status.is_usable();
        (part.waiting_for.is_some()
            && pod.waiting_for.is_some()
            && first.waiting_for.is_some()
            && session.waiting_for.is_some()
            && usable)
            .then_some(())
    };
    fleet.eventually("all is at rest", is_planned).await;
    fleet
}

/// What is wrong with a session: a name for it, its manifest, the code and status
/// of the answer, the exit code, and what is said.
struct Case {
    manifest: Value,
    code: &'static str,
    status: u16,
    exit: i32,
    says: Vec<String>,
}

/// A session `s` of the type `exam` in an hour, changed by `change`.
fn wrong(says: &[&str], change: impl FnOnce(&mut Value)) -> Case {
    let mut manifest = session("s", "exam", "1h");
    change(&mut manifest);
    let says = says.iter().map(|&text| text.to_owned()).collect();
    Case { manifest, code: "invalid_spec", status: 422, exit: 1, says }
}

/// The same, which is seen before anything is sent.
fn wrong_at_once(says: &[&str], change: impl FnOnce(&mut Value)) -> Case {
    Case { exit: 2, ..wrong(says, change) }
}

fn does_not_fit(says: &[&str], change: impl FnOnce(&mut Value)) -> Case {
    Case { code: "does_not_fit", status: 409, exit: 4, ..wrong(says, change) }
}

fn windows() -> Vec<Case> {
    let at = |seconds: i64| {
        let micros = now().as_micros() + seconds * 1_000_000;
        Timestamp::from_micros(micros).to_string()
    };
    vec![
        wrong_at_once(&["spec.timeslot.end", "not after the start"], |it| {
            it["spec"]["timeslot"] = json!({"start": at(7200), "end": at(3600)});
        }),
        wrong_at_once(&["spec.timeslot", "start"], |it| it["spec"]["timeslot"] = json!({})),
        wrong(&["spec.timeslot.start", "has passed"], |it| {
            it["spec"]["timeslot"] = json!({"start": at(-3600)});
        }),
        wrong(&["lead time of 5m", "the earliest start of the session is"], |it| {
            it["spec"]["timeslot"] = json!({"start_in": "4m"});
        }),
        wrong(&["spec.parts.second.timeslot", "before part first", "sequential"], |it| {
            it["spec"]["parts"] = json!({"second": {"timeslot": {"start": at(3700)}}});
        }),
        wrong(&["spec.parts.third", "the parts are first, second"], |it| {
            it["spec"]["parts"] = json!({"third": {"timeslot": {"start": at(7200)}}});
        }),
        wrong(&["spec.timeslot", "at most 366d are allowed"], |it| {
            let end = at(3600 + 367 * 24 * 3600);
            it["spec"]["parts"] = json!({"second": {"timeslot": {"start": at(4800), "end": end}}});
        }),
        wrong(&["not inside the session's window"], |it| {
            it["spec"]["timeslot"] = json!({"start": at(3600), "duration": "15m"});
        }),
    ]
}

fn definitions() -> Vec<Case> {
    vec![
        wrong(&["spec.definition", "exan", "did you mean `exam`?"], |it| {
            it["spec"]["definition"]["type_key"] = json!("exan");
        }),
        wrong(&["spec.definition", "version ^2", "there is version 1.0.0"], |it| {
            it["spec"]["definition"]["version"] = json!("2");
        }),
        wrong(&["(part first)", "type sittin", "did you mean `sitting`?"], |it| {
            it["spec"]["definition"]["type_key"] = json!("partless");
        }),
        wrong(&["(part first) (pod pod)", "no poddefinition matches type nothing"], |it| {
            it["spec"]["definition"]["type_key"] = json!("broken");
        }),
        wrong_at_once(&["spec.definition", "it selects everything"], |it| {
            it["spec"]["definition"] = json!({});
        }),
        wrong(&["spec.host.location", "nowhere"], |it| {
            it["spec"]["host"] = json!({"location": "nowhere"});
        }),
    ]
}

fn hosts() -> Vec<Case> {
    vec![
        does_not_fit(&["lacks label zone=south"], |it| {
            it["spec"]["host"] = json!({"labels": [{"label": "zone", "equal": "south"}]});
        }),
        does_not_fit(&["lacks licence class gold"], |it| {
            it["spec"]["host"] = json!({"licence_class": "gold"});
        }),
        does_not_fit(&["seats"], |it| {
            it["spec"]["definition"]["type_key"] = json!("too-large");
        }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_make_no_sense_are_refused_and_nothing_is_written() {
    let fleet = fleet().await;
    let before = fleet.revision().await;
    for case in windows().into_iter().chain(definitions()).chain(hosts()) {
        let (manifest, says) = (&case.manifest, &case.says);
        let name = manifest["name"].as_str().unwrap();
        let headers = [("content-type", "application/json")];
        let path = format!("/v1/sessions/{name}");
        let (status, answer) = fleet.send(Method::PUT, &path, &headers, manifest.to_string()).await;
        assert_eq!((status, answer["code"].as_str()), (case.status, Some(case.code)), "{answer:#}");
        let told = answer.to_string();
        for words in says {
            assert!(told.contains(words.as_str()), "API: `{words}` is not in {answer:#}");
        }
        let ended = fleet.ctl_with(&["apply", "-f", "-"], &manifest.to_string());
        assert_eq!(ended.code, case.exit, "{manifest}: {}", ended.stderr);
        for words in says {
            assert!(ended.stderr.contains(words.as_str()), "CLI: `{words}`: {}", ended.stderr);
        }
        let dry = fleet.ctl_with(&["apply", "--dry-run", "-f", "-"], &manifest.to_string());
        assert_ne!(dry.code, 0, "{manifest}: {}", dry.stdout);
        assert_eq!(fleet.revision().await, before, "nothing is written: {manifest}");
    }
    assert!(fleet.find::<tessera_types::Session>("s").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_owns_itself_or_its_owner() {
    let fleet = fleet().await;
    let before = fleet.revision().await;
    let owned = |kind: &str, owner: &str, name: &str| {
        let mut manifest = session("s", "exam", "1h");
        if kind != "Session" {
            manifest["spec"] = json!({"definition": {"type_key": "guest"},
                "timeslot": {"start_in": "1h", "duration": "1m"}});
        }
        if kind == "SessionPart" {
            manifest["spec"]["part"] = json!("first");
            manifest["spec"]["order"] = json!(0);
        }
        manifest["kind"] = json!(kind);
        manifest["owner"] = json!({"kind": owner, "name": name});
        manifest
    };
    for (manifest, says) in [
        (owned("Session", "Session", "s"), "belongs to nothing"),
        (owned("Session", "SessionPart", "there-first"), "belongs to nothing"),
        (owned("SessionPart", "Pod", "there-first-pod"), "only to a Session"),
        (owned("SessionPart", "SessionPart", "s"), "only to a Session"),
        (owned("Pod", "Pod", "s"), "only to a SessionPart"),
        (owned("Pod", "SessionPart", "there-first"), "is made by Tessera"),
        (owned("SessionPart", "Session", "there"), "is made by Tessera"),
    ] {
        let result = fleet.try_declare(std::slice::from_ref(&manifest)).await.remove(0);
        assert_eq!(result["problem"]["code"], "invalid_spec", "{manifest}: {result:#}");
        assert!(result.to_string().contains(says), "`{says}` is not in {result:#}");
        let ended = fleet.ctl_with(&["apply", "-f", "-"], &manifest.to_string());
        assert!(matches!(ended.code, 1 | 2), "{manifest}: {ended:?}");
        assert!(ended.stderr.contains(says), "`{says}` is not in {}", ended.stderr);
    }
    assert_eq!(fleet.revision().await, before, "nothing is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_admitted_changes_only_in_its_window_and_only_before_it_begins() {
    let fleet = fleet().await;
    let before = fleet.revision().await;
    let mut same = session("there", "exam", "2h");
    fleet.declare(std::slice::from_ref(&same)).await;
    assert_eq!(fleet.revision().await, before, "the same again changes nothing");
    for (field, value) in [
        ("definition", json!({"type_key": "too-large"})),
        ("env", json!({"A": "b"})),
        ("host", json!({"labels": [{"label": "zone", "equal": "north"}]})),
    ] {
        let mut changed = same.clone();
        changed["spec"][field] = value;
        let result = fleet.try_declare(&[changed]).await.remove(0);
        assert_eq!(result["problem"]["code"], "invalid_spec", "{result:#}");
    }
    assert_eq!(fleet.revision().await, before, "nothing is written");
    let later = now().plus(Duration::from_secs(4 * 3600));
    same["spec"]["timeslot"] = json!({"start": later.to_string()});
    fleet.declare(&[same]).await;
    let part = fleet.see::<SessionPart>("there-first").await;
    assert_eq!(part.observed.timed.timeslot.unwrap().start, later);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_can_be_of_what_belongs_to_one_resource() {
    let fleet = fleet().await;
    fleet.declare(&[session("beside", "exam", "4h")]).await;
    let list = async |query: &str| {
        fleet.send(Method::GET, &format!("/v1/{query}"), &[], String::new()).await
    };
    let id = |object: &tessera_types::Uid| object.to_string();
    let there = id(&fleet.see::<tessera_types::Session>("there").await.id);
    let first = id(&fleet.see::<SessionPart>("there-first").await.id);
    let (one, both) = (&["there-first-pod"][..], &["there-first-pod", "there-second-pod"][..]);
    for (query, expected) in [
        ("pods?owner=session/there".to_owned(), both),
        ("pods?owner=session/default/there".to_owned(), both),
        (format!("pods?owner={there}"), both),
        ("pods?owner=sessionpart/there-first".to_owned(), one),
        (format!("pods?owner={first}"), one),
        (format!("pods?owner={first}&namespace=default&limit=1"), one),
        (format!("pods?owner={first}&namespace=other"), &[]),
        ("pods?owner=00000000ffffffff".to_owned(), &[]),
        (format!("sessionparts?owner={there}"), &["there-first", "there-second"]),
        (format!("sessions?owner={there}"), &[]),
        ("pods?owner=host/rack".to_owned(), &[]),
    ] {
        let (status, answer) = list(&query).await;
        assert_eq!(status, 200, "{query}: {answer}");
        let items = answer["items"].as_array().unwrap();
        let names: Vec<_> = items.iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{query}");
        assert_eq!(answer["next_page"], Value::Null, "{query}");
    }
    for (query, status, code) in [
        ("pods?owner=session/nobody", 404, "not_found"),
        ("pods?owner=session/there&namespace=other", 404, "not_found"),
        ("pods?owner=nothing", 400, "invalid_request"),
        ("pods?owner=thing/there", 400, "invalid_request"),
        ("pods?owner=a/b/c/d", 400, "invalid_request"),
    ] {
        let answer = list(query).await;
        assert_eq!((answer.0, &answer.1["code"]), (status, &json!(code)), "{}", answer.1);
    }
    let tree = fleet.ctl(&["get", "session", "there", "--tree", "-o", "name"]);
    assert_eq!(tree.code, 0, "{}", tree.stderr);
    let names: Vec<_> = tree.stdout.lines().collect();
    let expected = [
        "session/default/there",
        "sessionpart/default/there-first",
        "pod/default/there-first-pod",
        "sessionpart/default/there-second",
        "pod/default/there-second-pod",
    ];
    assert_eq!(names, expected);
}
