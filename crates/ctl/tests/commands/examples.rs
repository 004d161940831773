//! The specification's examples, run by the real program against stand-ins for the hosts that
//! they name.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{Ended, run};
use crate::world::World;

/// What an example gives.
enum Gives {
    /// This output, or one with at least these fields.
    Output(Value),
    /// An error of this type, with this status, from here.
    Error(&'static str, u64, &'static str),
    /// It is valid, and not supported.
    Unsupported,
    /// It waits for what does not come, or takes long: it is read only, and is run in the simulated
    /// world of `tessera-workflow`.
    Endless,
    /// It needs an image of a registry; containers have their tests in `tessera-effects`.
    Image,
}

use Gives::{Endless, Error, Image, Output, Unsupported};

/// What every run is given.
fn input() -> Value {
    json!({"id": 1, "petId": 7, "roomId": 1, "token": "t", "user": "ann", "searchQuery": "R2",
        "customer": {"age": 20}, "bet": 5, "orderType": "electronic",
        "room": {"number": 4}, "patient": {"fullName": "Ann"}})
}

/// Each example with what it gives for [`input`].
fn expected(name: &str) -> Gives {
    let pet = |id: &str, scheme: &str| json!({"id": id, "name": "milou", "authorized": scheme});
    let search = "GET swapi.dev/api/people/?search=R2";
    match name {
        "authentication-bearer" => Output(pet("1", "Bearer")),
        it if it.starts_with("authentication-") => Output(pet("7", "Bearer")),
        "call-custom-function-cataloged" => Output(json!({"logged": "Hello, world!"})),
        "call-custom-function-inline" => Output(pet("69", "")),
        "call-http-endpoint-interpolation" | "call-http-endpoint-interpolation-shorthand" => {
            Output(pet("7", ""))
        }
        it if it.starts_with("call-http-") => Output(json!({"asked": search})),
        "call-openapi" | "call-openapi-redirect" => {
            Output(json!([{"id": 1, "status": "available"}]))
        }
        it if it.starts_with("call-") || it.starts_with("schedule-") => Unsupported,
        // They begin with a schedule.
        "set" | "set-expression" => Unsupported,
        "conditional-task" => Output(json!({"body": {"customer": ".customer", "bet": ".bet"}})),
        "do-single" | "try-catch" | "try-catch-retry-inline" | "try-catch-retry-reusable" => {
            Output(pet("7", ""))
        }
        "do-multiple" | "try-catch-then" => Output(json!({"body":
            {"id": "7", "name": "milou", "authorized": "", "status": "sold"}})),
        "emit" => Output(json!({"source": "https://petstore.com", "specversion": "1.0",
            "type": "com.petstore.order.placed.v1"})),
        "for-inline-array" => Output(json!({"processed": [
            {"name": "red", "hex": "#FF0000"},
            {"name": "green", "hex": "#00FF00"},
            {"name": "blue", "hex": "#0000FF"}]})),
        // It has no pets to loop over.
        "for" => Error("expression", 400, "/do/0/checkup"),
        "fork" => Output(json!({"body": {"patientId": "Ann", "room": 4}})),
        // What it listens to is a list, of which it wants a field.
        "accumulate-room-readings" => Error("expression", 400, "/do/0/consumeReading"),
        "listen-to-all" | "listen-to-any-until-consumed" => {
            Output(json!([{"temperature": 39}, {"bpm": 120}]))
        }
        "listen-to-any" => Output(json!([20])),
        "listen-to-any-filter" => Output(json!([{"temperature": 39}])),
        "listen-to-any-until-condition" => {
            Output(json!([20, 2, {"temperature": 39}, {"bpm": 120}]))
        }
        "listen-to-any-forever-foreach" | "listen-to-one" => Error("runtime", 500, ""),
        "mock-service-extension" => Output(json!({"asked": "GET fake.com/sample"})),
        "raise-inline" | "raise-reusable" => Error("not-implemented", 500, "/do/0/notImplemented"),
        "run-script-with-stdin-and-arguments" => {
            Output(json!("stdin >  Hello Workflow\narg >  hello\nenv >  bar\n"))
        }
        "run-shell-stdin-and-arguments" => {
            Output(json!("STDIN was: Hello World\nARGS are Foo Bar\n"))
        }
        "run-subflow" => Output(json!({"registered": {"customer": ".user"}})),
        it if it.starts_with("run-") => Image,
        "star-wars-homeworld" => Output(json!({"name": "Tatooine"})),
        "switch-then-string" => Output(json!({"validate": true, "status": "fulfilled"})),
        "try-catch-then-directive" => Output(json!({"status": "failed"})),
        it if it.starts_with("wait-duration-") => Endless,
        other => panic!("what does {other} give?"),
    }
}

fn examples() -> Vec<PathBuf> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../workflow/tests/specification/examples");
    let files = std::fs::read_dir(&folder).unwrap_or_else(|why| panic!("{folder:?}: {why}"));
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|it| it == "yaml"));
    files.sort();
    files
}

/// A folder with what the examples need besides hosts: secrets, events, another workflow.
struct Needs {
    folder: TempDir,
    options: Vec<String>,
}

impl Needs {
    fn of(world: &World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = world.options();
        let mut write = |name: &str, text: &str, option: &str, value: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            options.extend([option.to_owned(), format!("{value}{}", path.display())]);
        };
        let secret = json!({"username": "me", "password": "pa55word", "token": "t0ken",
            "authority": "http://keycloak/realms/fake-authority", "grant": "client_credentials",
            "client": {"id": "me", "secret": "s3cret"}});
        write("secret", &secret.to_string(), "--secret", "mySecret=@");
        write("password", &secret.to_string(), "--secret", "usernamePasswordSecret=@");
        write("events", &events(), "--events", "");
        let other = "document: {dsl: '1.0.3', namespace: test, name: register-customer, version: '0.1.0'}\n\
                     do: [{register: {set: {registered: '${ . }'}}}]\n";
        std::fs::create_dir(folder.path().join("workflows")).unwrap();
        std::fs::write(folder.path().join("workflows/other.yaml"), other).unwrap();
        let workflows = folder.path().join("workflows").display().to_string();
        options.extend(["--workflows".to_owned(), workflows]);
        Self { folder, options }
    }

    fn run(&self, file: &Path, input: &Value) -> Ended {
        assert!(self.folder.path().exists());
        let input = input.to_string();
        let mut arguments = vec!["scenario", "run", file.to_str().unwrap(), "--input", &input];
        arguments.extend(self.options.iter().map(String::as_str));
        run("http://127.0.0.1:1", &arguments)
    }
}

fn events() -> String {
    let event = |kind: &str, data: Value| {
        json!({"specversion": "1.0", "id": "1", "source": "https://my.home.com/sensor",
            "type": kind, "roomid": "r", "data": data})
        .to_string()
    };
    let all = [
        event("my.home.sensors.temperature", json!(20)),
        event("my.home.sensors.humidity", json!(2)),
        event("com.fake-hospital.vitals.measurements.temperature", json!({"temperature": 39})),
        event("com.fake-hospital.vitals.measurements.bpm", json!({"bpm": 120})),
        event("com.fake-hospital.patient.checked-out", json!({})),
    ];
    all.join("\n")
}

/// Whether a value has all of what is expected: objects may have more fields.
fn has(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => expected
            .iter()
            .all(|(key, value)| found.get(key).is_some_and(|found| has(found, value))),
        _ => found == expected,
    }
}

fn right(ended: &Ended, expected: &Gives) -> bool {
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    match expected {
        Output(value) => ended.code == 0 && has(&json(&ended.stdout), value),
        Error(kind, status, instance) => {
            let error = json(&ended.stderr);
            ended.code == 1
                && error["type"].as_str().is_some_and(|it| it.ends_with(&format!("/{kind}")))
                && (&error["status"], &error["instance"]) == (&json!(status), &json!(instance))
        }
        Unsupported => ended.code == 2 && ended.stderr.contains("error[unsupported]"),
        Endless | Image => ended.code == 0,
    }
}

#[test]
fn every_example_of_the_specification_gives_what_it_should() {
    let world = World::start();
    let needs = Needs::of(&world);
    let examples = examples();
    assert_eq!(examples.len(), 67);
    for file in examples {
        let expected = expected(file.file_stem().unwrap().to_str().unwrap());
        let ended = match expected {
            Endless | Image => {
                run("http://127.0.0.1:1", &["scenario", "lint", file.to_str().unwrap()])
            }
            _ => needs.run(&file, &input()),
        };
        assert!(right(&ended, &expected), "{}: {ended:?}", file.display());
    }
}

#[test]
fn what_the_examples_catch_is_caught() {
    let world = World::start();
    let needs = Needs::of(&world);
    let folder = examples().remove(0).parent().unwrap().to_owned();
    let missing = json!({"petId": 404});
    let caught = |name: &str| {
        let ended = needs.run(&folder.join(name), &missing);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{name}: {ended:?}");
        serde_json::from_str::<Value>(&ended.stdout).unwrap()
    };
    assert_eq!(caught("try-catch.yaml"), missing);
    assert_eq!(caught("try-catch-then.yaml"), json!({"error": "$error"}));
    let retried = needs.run(&folder.join("try-catch-retry-inline.yaml"), &missing);
    let at = "/do/0/tryGetPet/try/0/getPet";
    assert!(right(&retried, &Error("communication", 404, at)), "{retried:?}");
}
