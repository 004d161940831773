//! What a workflow that was read has in it.

use std::sync::Arc;

use serde_json::json;
use tessera_workflow::definition::{
    Backoff, Call, Consumption, Credentials, Endpoint, Flow, Kind, OutputFormat, Period, Process,
    Resource, Return, Schema, Scheme, Task, Until, Uri, UriPiece, Workflow,
};
use tessera_workflow::reading::{Format, Source, code, format_of, read, read_function};
use tessera_workflow::value::{Value, field, from_json};

use super::reading;

/// A workflow that begins with the usual header.
fn workflow(body: &str) -> Arc<Workflow> {
    let header = "document: { dsl: '1.0.3', namespace: test, name: a, version: '0.1.0' }\n";
    match reading("w.yaml", &format!("{header}{body}")) {
        Ok(read) => read.workflow,
        Err(problems) => panic!("{problems:#?}\n{body}"),
    }
}

fn task(body: &str) -> Arc<Task> {
    workflow(body).first().unwrap().clone()
}

#[test]
fn what_is_not_said_has_its_default() {
    let read = task("do: [{ a: { for: { in: .x }, do: [] } }]");
    let Kind::For(it) = &read.kind else { panic!() };
    assert_eq!((&*it.each, &*it.at), ("item", "index"));
    assert_eq!(read.then, Flow::Continue);

    let Kind::Run(it) = &task("do: [{ a: { run: { container: { image: x } } } }]").kind else {
        panic!()
    };
    assert!(it.awaits && it.output == Return::Stdout);
    let Process::Container(it) = &it.process else { panic!() };
    assert!(&*it.pull == "ifNotPresent" && it.cleanup_after.is_none());

    let Kind::Try(it) = &task("do: [{ a: { try: [], catch: { retry: {} } } }]").kind else {
        panic!()
    };
    assert_eq!(&*it.catch.variable, "error");
    assert_eq!(it.catch.retry.as_ref().unwrap().backoff, Backoff::Constant);

    let body = "do: [{ a: { call: http, with: { method: get, endpoint: https://x.org } } }]";
    let Kind::Call(Call::Http(it)) = &task(body).kind else { panic!() };
    assert!(!it.redirect && it.output == OutputFormat::Content);
}

#[test]
fn references_are_json_pointers_and_definitions_what_they_point_at() {
    let read = workflow(
        "use: { functions: { f/x: { do: [{ in: { set: { x: 0 } } }] } }, \
         extensions: [{ log: { extend: all, before: [{ say: { set: { x: 9 } } }] } }] }
do:
  - a/b~c:
      try:
        - deep: { fork: { branches: [{ one: { set: { x: 1 } } }] } }
      catch:
        do: [{ mend: { listen: { to: { any: [] } }, foreach: { do: [{ each: { set: { x: 2 } } }] } } }]
  - call: { call: f/x }
",
    );
    let mut all = Vec::new();
    for task in read.tasks.iter().chain(&*read.extensions[0].before) {
        collect(task, &mut all);
    }
    let references: Vec<_> = all.iter().map(|task| &*task.reference).collect();
    assert_eq!(
        references,
        [
            "/do/0/a~1b~0c",
            "/do/0/a~1b~0c/try/0/deep",
            "/do/0/a~1b~0c/try/0/deep/fork/branches/0/one",
            "/do/0/a~1b~0c/catch/do/0/mend",
            "/do/0/a~1b~0c/catch/do/0/mend/foreach/do/0/each",
            "/do/1/call",
            "/use/functions/f~1x",
            "/use/functions/f~1x/do/0/in",
            "/use/extensions/0/log/before/0/say",
        ]
    );
    for task in &all {
        if let Kind::Set(_) = task.kind {
            assert_ne!(field(field(&task.definition, "set"), "x"), &Value::Null);
        }
    }
}

fn collect(task: &Arc<Task>, all: &mut Vec<Arc<Task>>) {
    all.push(task.clone());
    let mut below = Vec::new();
    match &task.kind {
        Kind::Do(tasks) => below.extend(tasks.iter()),
        Kind::Fork(it) => below.extend(it.branches.iter()),
        Kind::Try(it) => {
            below.extend(it.tasks.iter());
            below.extend(it.catch.tasks.iter().flat_map(|tasks| tasks.iter()));
        }
        Kind::Listen(it) => {
            let each = it.each.iter().filter_map(|each| each.tasks.as_ref());
            below.extend(each.flat_map(|tasks| tasks.iter()));
        }
        Kind::Call(Call::Function { task, .. }) => below.push(task),
        _ => {}
    }
    below.into_iter().for_each(|task| collect(task, all));
}

#[test]
fn variables_exist_where_the_specification_has_them() {
    // Every place, with all that it may use.
    workflow(
        "input: { from: '[$secrets, $workflow, $runtime]' }
output: { as: '[$context, $secrets, $workflow, $runtime]' }
do:
  - a:
      if: '[$context, $secrets, $task, $workflow, $runtime]'
      input: { from: '[$context, $secrets, $task, $workflow, $runtime]' }
      for: { each: one, at: i, in: '[$context, $input, $secrets, $task, $authorization]' }
      while: $one and $i
      do:
        - b:
            if: $one and $i
            try: [{ x: { set: { x: '${ $one + $i }' } } }]
            catch:
              as: e
              when: $e and $one
              retry: { when: $e, exceptWhen: $e }
              do: [{ y: { set: { x: '${ $e + $one }' }, export: { as: $e } } }]
        - c:
            listen: { to: { any: [], until: $one } }
            foreach:
              item: event
              at: n
              do: [{ z: { set: $event + $n + $one } }]
              output: { as: $event }
              export: { as: '[$event, $output]' }
      output: { as: '[$context, $input, $secrets, $task, $authorization]' }
      export: { as: '[$context, $input, $output, $secrets, $task, $authorization]' }
",
    );
    // And some that it may not.
    for wrong in [
        "input: { from: $context }\ndo: []",
        "input: { from: $input }\ndo: []",
        "input: { from: $task }\ndo: []",
        "output: { as: $input }\ndo: []",
        "output: { as: $output }\ndo: []",
        "output: { as: $task }\ndo: []",
        "do: [{ a: { if: $input, set: . } }]",
        "do: [{ a: { input: { from: $input }, set: . } }]",
        "do: [{ a: { if: $authorization, set: . } }]",
        "do: [{ a: { set: $output } }]",
        "do: [{ a: { set: ., output: { as: $output } } }]",
        "do: [{ a: { for: { in: $item }, do: [] } }]",
        "do: [{ a: { for: { in: .x, each: pet }, do: [{ b: { set: $item } }] } }]",
        "do: [{ a: { for: { in: .x }, do: [], output: { as: $item } } }]",
        "do: [{ a: { try: [{ b: { set: $error } }], catch: {} } }]",
        "do: [{ a: { try: [], catch: { as: e, when: $error } } }]",
        "do: [{ a: { listen: { to: { any: [] } }, foreach: { do: [] }, output: { as: $item } } }]",
        "do: [{ a: { set: $nobody } }]",
    ] {
        let header = "document: { dsl: '1.0.3', namespace: test, name: a, version: '0.1.0' }\n";
        let problems = reading("w.yaml", &format!("{header}{wrong}")).unwrap_err();
        assert!(
            matches!(&problems[..], [one] if one.contains(": expression: ")),
            "{wrong}: {problems:?}"
        );
    }
}

#[test]
fn parts_of_use_take_the_variables_of_where_they_are_used() {
    let read = workflow(
        "use:
  retries:
    some: { when: $problem.status == 503, delay: PT1S, limit: { attempt: { count: 2 } } }
    unused: { when: $error.status == 503 }
  timeouts: { short: { after: { minutes: 5 } } }
  errors: { bad: { type: https://x.org/bad, status: 400, detail: '${ \"no \\($item)\" }' } }
timeout: short
do:
  - a:
      timeout: short
      for: { in: .x }
      do:
        - b: { try: [{ c: { raise: { error: bad } } }], catch: { as: problem, retry: some } }
",
    );
    let minutes = |period: &Option<Period>| match period {
        Some(Period::Fixed(it)) => it.as_millis() / 60_000,
        other => panic!("{other:?}"),
    };
    assert_eq!((minutes(&read.timeout), minutes(&read.tasks[0].timeout)), (5, 5));
}

#[test]
fn calls_are_resolved() {
    let read = workflow(
        "use:
  secrets: [key]
  authentications: { mine: { oauth2: { use: key } } }
  functions: { greet: { set: { x: 1 } } }
  catalogs: { lab: { endpoint: { uri: 'https://x.org/catalog/', authentication: { use: mine } } } }
do:
  - a: { call: greet, with: { x: '${ .y }' } }
  - b: { call: 'log:1.0.0@lab' }
  - c: { call: 'log:1.0.0@default' }
  - d: { call: fleet.deploy, with: { image: web } }
  - e: { call: 'https://x.org/f.yaml' }
  - f: { call: greet }
",
    );
    let call = |at: usize| match &read.tasks[at].kind {
        Kind::Call(call) => call,
        other => panic!("{other:?}"),
    };
    let (Call::Function { task: one, .. }, Call::Function { task: two, .. }) = (call(0), call(5))
    else {
        panic!()
    };
    assert!(Arc::ptr_eq(one, two), "a function is read once");
    let Call::Cataloged { resource: Some(Resource { endpoint, .. }), .. } = call(1) else {
        panic!()
    };
    let Endpoint { uri: Uri::Template(uri), authentication: Some(it) } = endpoint else { panic!() };
    assert_eq!(
        uri[..],
        [UriPiece::Text("https://x.org/catalog/functions/log/1.0.0/function.yaml".into())]
    );
    assert_eq!(it.scheme, Scheme::OAuth2);
    assert!(matches!(&it.credentials, Credentials::Secret(name) if &**name == "key"));
    assert!(matches!(call(2), Call::Cataloged { resource: None, .. }));
    assert!(matches!(call(3), Call::Adapter { name, .. } if &**name == "fleet.deploy"));
    assert!(matches!(call(4), Call::Cataloged { resource: Some(_), .. }));
}

#[test]
fn the_default_case_is_last_and_until_may_be_either() {
    let Kind::Switch(cases) =
        &task("do: [{ a: { switch: [{ x: { then: end } }, { y: { when: .y, then: exit } }] } }]")
            .kind
    else {
        panic!()
    };
    assert_eq!(cases.iter().map(|case| &*case.name).collect::<Vec<_>>(), ["y", "x"]);
    for (until, condition) in
        [("'. | length > 1'", true), ("{ one: { with: { type: x } } }", false)]
    {
        let body = format!("do: [{{ a: {{ listen: {{ to: {{ any: [], until: {until} }} }} }} }}]");
        let Kind::Listen(it) = &task(&body).kind else { panic!() };
        let Consumption::Any { until: Some(until), .. } = &it.to else { panic!() };
        assert_eq!(matches!(until, Until::Condition(_)), condition);
    }
}

#[test]
fn schemas_are_compiled_when_they_are_read() {
    let read = task(
        "do:
  - a:
      set: { x: 1 }
      input: { schema: { format: 'json:2020-12', document: { type: object, required: [id], \
         properties: { id: { type: integer, minimum: 1 }, name: { type: string, maxLength: 3 } } } } }
",
    );
    let Some(Schema::Inline(schema)) = &read.input.schema else { panic!() };
    let check = |value| schema.check(&from_json(value));
    assert_eq!(check(json!({ "id": 1 })), Ok(()));
    assert_eq!(
        check(json!({ "id": 0, "name": "a secret" })).unwrap_err(),
        "`/id` is less than the minimum of 1 (rule /properties/id/minimum); \
         `/name` is longer than 3 characters (rule /properties/name/maxLength)"
    );
    assert_eq!(check(json!([])).unwrap_err(), "the value is not of type \"object\" (rule /type)");
}

#[test]
fn the_hash_is_of_what_the_document_says() {
    let hash = |text: &str, format| {
        let read = read(Source::new("w", text), format).unwrap();
        read.workflow.hash.to_string()
    };
    let yaml = "# a comment\ndocument: {dsl: '1.0.3', namespace: a, name: b, version: 1.0.0}\n\
                do:\n- x:\n    set: {é: 1.0, b: \"\\u00e9\"}\n";
    let same = "{\"do\": [{\"x\": {\"set\": {\"b\": \"é\", \"é\": 1}}}], \"document\": \
                {\"version\": \"1.0.0\", \"name\": \"b\", \"namespace\": \"a\", \"dsl\": \"1.0.3\"}}";
    let other = yaml.replace("1.0,", "1.5,");
    assert_eq!(hash(yaml, Format::Yaml), hash(same, Format::Json));
    assert_ne!(hash(yaml, Format::Yaml), hash(&other, Format::Yaml));
    // Runs are pinned to hashes, so they must not change.
    assert_eq!(
        hash(yaml, Format::Yaml),
        "de4fb82414231bfd6b2e9cb6b2b9f427aacd92ee7dac8ad9dfffb5020f2abc80"
    );
}

#[test]
fn functions_of_catalogs_stand_alone() {
    let read = |text: &str| {
        read_function("log", "/do/0/a", Source::new("function.yaml", text), Format::Yaml)
    };
    let task = read("do: [{ say: { set: { x: '${ $input }' } } }]\noutput: { as: .x }\n").unwrap();
    let Kind::Do(tasks) = &task.kind else { panic!() };
    assert_eq!((&*task.name, &*tasks[0].reference), ("log", "/do/0/a/do/0/say"));
    assert_eq!(
        field(field(&tasks[0].definition, "set"), "x"),
        &Value::utf8_str("${ $input }".to_owned())
    );
    for (wrong, code) in [
        ("call: other\n", code::UNKNOWN_REFERENCE),
        ("set: { x: 1 }\nthen: b\n", code::UNKNOWN_TASK),
        ("call: grpc\nwith: {}\n", code::UNSUPPORTED),
        (
            "call: http\nwith: { method: get, endpoint: 'https://x.org', query: { a: { b: 1 } } }\n",
            "wrong_type",
        ),
    ] {
        assert_eq!(read(wrong).unwrap_err()[0].code, code, "{wrong}");
    }
}

#[test]
fn the_format_is_that_of_the_name_or_of_the_text() {
    assert_eq!(format_of("a.json", "x: 1"), Format::Json);
    assert_eq!(format_of("a.yml", "{}"), Format::Yaml);
    assert_eq!(format_of("<stdin>", " {}"), Format::Json);
    assert_eq!(format_of("a.toml", "do: []"), Format::Yaml);
}
