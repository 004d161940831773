//! Valid manifests, and texts that are nearly such.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A valid manifest as a JSON document.
pub(super) fn manifests() -> impl Strategy<Value = Value> {
    let contract = (
        "[a-z]([a-z0-9-]{0,10}[a-z0-9])?",
        prop::sample::select(vec!["extract", "refine", "serve"]),
        "[0-9]\\.[1-9][0-9]?\\.[0-9](-rc\\.1)?",
        datasets(),
        line(),
        prop::collection::btree_set(line(), 1..4),
        schedules(),
    );
    let rest = (
        option::of("\\PC{0,20}"),
        option::of(line()),
        option::of((
            lifecycles(),
            btree_map("[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?", services(), 0..3),
        )),
    );
    (contract, rest).prop_map(|(contract, (description, telemetry, lifecycle))| {
        let (name, kind, version, schema, owner, sources, schedule) = contract;
        let mut manifest = json!({
            "name": name, "kind": kind, "version": version, "schema": schema, "owner": owner,
            "sources": sources, "schedule": schedule, "freshness": "800d",
        });
        insert(&mut manifest, "description", description);
        manifest["telemetry"] = with("namespace", telemetry);
        if let Some((lifecycle, services)) = lifecycle {
            insert(&mut manifest, "lifecycle", Some(lifecycle));
            insert(&mut manifest, "services", Some(services));
        }
        manifest
    })
}

fn insert<T: serde::Serialize>(object: &mut Value, key: &str, value: Option<T>) {
    if let Some(value) = value {
        object[key] = serde_json::to_value(value).unwrap();
    }
}

fn with<T: serde::Serialize>(key: &str, value: Option<T>) -> Value {
    let mut object = Value::Object(Map::new());
    insert(&mut object, key, value);
    object
}

/// Text of one line that is not blank.
fn line() -> impl Strategy<Value = String> {
    "[^\\p{C}\\s]\\PC{0,10}"
}

fn schedules() -> impl Strategy<Value = String> {
    (0..24u8, 0..60u8, prop::sample::select(vec!["", " UTC", " Europe/Berlin"]))
        .prop_map(|(hour, minute, zone)| format!("*-*-* {hour:02}:{minute:02}:00{zone}"))
}

fn datasets() -> impl Strategy<Value = Value> {
    let name = "[a-z][a-z0-9_]{0,12}";
    let types = vec!["string", "date", "timestamp", "number", "integer", "object", "boolean"];
    let column = (prop::sample::select(types), option::of(any::<bool>()), option::of(line()));
    let columns = btree_map(line(), column, 0..4);
    let columns = columns.prop_map(|columns| {
        let column = |(name, (logical_type, required, description))| {
            let mut column = json!({"name": name, "type": logical_type});
            insert(&mut column, "required", required);
            insert(&mut column, "description", description);
            column
        };
        columns.into_iter().map(column).collect::<Vec<_>>()
    });
    prop_oneof![
        name.prop_map(Value::from),
        (name, columns).prop_map(|(name, columns)| json!({"name": name, "columns": columns})),
    ]
}

/// What the lifecycle and further services share.
fn shared() -> impl Strategy<Value = Value> {
    let environment = btree_map("[A-S_][A-Z0-9_]{0,8}", "\\PC{0,12}", 0..3);
    let resources = (option::of(1..9000u64), option::of("[1-9][0-9]{0,2}(MiB|GB)?"));
    let image = option::of(Just("localhost/circ-trans:1"));
    (option::of("[1-9]m"), image, environment, resources).prop_map(
        |(timeout, image, env, limits)| {
            let mut shared = json!({"environment": env, "resources": with("cpu", limits.0)});
            insert(&mut shared, "timeout", timeout);
            insert(&mut shared, "image", image);
            insert(&mut shared, "volumes", image.and(Some(["/srv/lake:/lake:ro"])));
            insert(&mut shared["resources"], "memory", limits.1);
            shared
        },
    )
}

fn lifecycles() -> impl Strategy<Value = Value> {
    let verbs = Just(vec!["run", "status", "dry-run", "migrate"]).prop_shuffle();
    let program = ("[a-z./][a-z0-9./]{0,8}", vec("\\PC{0,12}|%[a-z]|\\$[A-Z]", 0..3));
    (shared(), verbs, program).prop_map(|(mut lifecycle, verbs, (program, mut arguments))| {
        // A last argument that is a verb would be refused.
        arguments.push("app.py".to_owned());
        arguments.insert(0, program);
        lifecycle["entrypoint"] = arguments.into();
        lifecycle["subcommands"] = verbs.into();
        lifecycle
    })
}

fn services() -> impl Strategy<Value = Value> {
    (shared(), schedules(), vec("\\PC{0,12}", 0..3)).prop_map(
        |(mut service, schedule, arguments)| {
            service["schedule"] = schedule.into();
            service["verb_arguments"] = arguments.into();
            service
        },
    )
}
