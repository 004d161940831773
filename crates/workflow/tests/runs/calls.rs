//! Calls over HTTP, of functions and of adapters, and their authentication.

use serde_json::json;
use tessera_workflow::definition::{OutputFormat, Scheme};
use tessera_workflow::machine::{Action, HttpRequest, kind};

use crate::support::documents::short;
use crate::support::world::{World, done, plan};

fn request(world: &World) -> &HttpRequest {
    match &world.effects[0].action {
        Action::Http(request) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_is_made_of_what_the_document_says() {
    let document = "
        - get:
            call: http
            with:
              method: post
              endpoint: 'https://h:1/{a_b}/{none}x'
              headers: { X-A: '${ .n }', X-None: '${ .nothing }' }
              query: { q: '${ .list }', one: yes it is, none: '${ .nothing }' }
              body: { is: '${ .n }' }
              output: response
              redirect: true
            output: { as: .content }";
    let input = json!({"a_b": "ä/", "n": 1.5, "list": [1, true, "x"]});
    let world = plan(short(document), input).answers(|_| done(json!({"content": 7}))).run();
    let request = request(&world);
    assert_eq!((&*request.method, &*request.uri), ("POST", "https://h:1/%C3%A4%2F/x"));
    let headers: Vec<_> = request.headers.iter().map(|(name, it)| (&**name, &**it)).collect();
    assert_eq!(headers, [("X-A", "1.5")]);
    let query: Vec<_> = request.query.iter().map(|(name, it)| format!("{name}={it}")).collect();
    let mut sorted = query.clone();
    sorted.sort();
    assert_eq!(sorted, ["one=yes it is", "q=1", "q=true", "q=x"]);
    assert_eq!(request.body.as_ref().unwrap().to_string(), "{\"is\":1.5}");
    assert_eq!((request.output, request.redirect), (OutputFormat::Response, true));
    assert_eq!(world.output(), 7);
    assert_eq!(&*world.effects[0].idempotency_key, "run-1/0");
}

#[test]
fn values_that_are_no_text_are_sent_as_text() {
    let document = "
        - get:
            call: http
            with:
              method: get
              endpoint: 'https://h/${ .id }/of/${.list | length}'
              headers: { X-A: 5, X-B: true, X-None: null }
              query: { page: 2, tag: [a, '${ .id }', 1.5], none: null }";
    let world = plan(short(document), json!({"id": 7, "list": [1]})).run();
    let request = request(&world);
    let shown = |pairs: &[(std::sync::Arc<str>, std::sync::Arc<str>)]| {
        let all: Vec<_> = pairs.iter().map(|(name, it)| format!("{name}={it}")).collect();
        all.join(" ")
    };
    assert_eq!(&*request.uri, "https://h/7/of/1");
    assert_eq!(shown(&request.headers), "X-A=5 X-B=true");
    assert_eq!(shown(&request.query), "page=2 tag=a tag=7 tag=1.5");
}

#[test]
fn an_authority_has_fields_of_the_input() {
    let document = "
        - get:
            call: http
            with:
              method: get
              endpoint:
                uri: https://h
                authentication:
                  oauth2:
                    authority: 'https://{host}/{path.to}'
                    grant: client_credentials
                    client: { id: '{host}', secret: '${ .host }' }";
    let authority = |input| {
        let world = plan(short(document), input).run();
        let properties = world.effects.first().map(|_| {
            let authorization = request(&world).authorization.as_ref().unwrap();
            serde_json::from_str::<serde_json::Value>(&authorization.properties.to_string())
        });
        properties.map(Result::unwrap).ok_or_else(|| world.error().kind)
    };
    let properties = authority(json!({"host": "a b", "path.to": 1})).unwrap();
    assert_eq!(properties["authority"], "https://a%20b/1");
    assert_eq!(properties["client"], json!({"id": "{host}", "secret": "a b"}));
    assert_eq!(authority(json!({"host": "{x}"})).unwrap()["authority"], "https://%7Bx%7D/");
    assert_eq!(authority(json!({"host": {}})).unwrap_err().as_ref(), kind::EXPRESSION);
}

#[test]
fn nothing_is_deleted_at_a_path_that_lacks_a_field() {
    let document = |method: &str, path: &str| {
        let with = format!("{{ method: {method}, endpoint: 'http://h/labs{path}' }}");
        short(&format!("\n        - a: {{ call: http, with: {with} }}"))
    };
    let input = || json!({"lab_id": 5, "labid": null});
    for (method, path, uri) in [
        ("delete", "/{lab_id}", Some("http://h/labs/5")),
        ("delete", "/{labid}", None),
        ("DELETE", "/{lab_x}/x", None),
        ("delete", "/{lab_id}{?labid,lab_id}", Some("http://h/labs/5?lab_id=5")),
        ("get", "/{labid}", Some("http://h/labs/")),
    ] {
        let world = plan(document(method, path), input()).run();
        match uri {
            Some(uri) => assert_eq!(&*request(&world).uri, uri),
            None => {
                let said = world.error().detail.unwrap();
                assert!(said.contains("the input has no `lab"), "{said}");
            }
        }
    }
}

#[test]
fn a_function_without_arguments_is_given_what_the_task_is_given() {
    let document = "
        use: { functions: { double: { set: { n: '${ .n * 2 }' } } } }
        do:
          - one: { call: double, input: { from: '{ n: .x }' } }
          - two: { call: double }
          - three: { call: double, with: { n: 5 } , output: { as: '. + { before: $input.n }' } }";
    let world = plan(short(document), json!({"x": 1})).run();
    assert_eq!(world.output(), json!({"n": 10, "before": 4}));
}

#[test]
fn what_makes_no_request_is_an_error_that_says_so() {
    let error = |endpoint: &str, rest: &str| {
        let document =
            format!("- c: {{ call: http, with: {{ method: get, endpoint: '{endpoint}'{rest} }} }}");
        let world = plan(short(&document), json!({"x": {}, "line": "a\r\nb"})).run();
        assert!(world.effects.is_empty());
        world.error()
    };
    for uri in ["/relative", "https://", "file:///etc/passwd", "ftp://h/x", "${ \"a\" }"] {
        let error = error(uri, "");
        assert_eq!((&*error.kind, error.status), (kind::CONFIGURATION, 400), "{uri}");
    }
    assert_eq!(&*error("http://h/{x}", "").kind, kind::EXPRESSION);
    assert_eq!(&*error("${ 5 }", "").kind, kind::EXPRESSION);
    assert_eq!(&*error("http://h", ", headers: { a: '${ .line }' }").kind, kind::CONFIGURATION);
    assert_eq!(&*error("http://h", ", headers: { a: '${ [] }' }").kind, kind::EXPRESSION);
    assert_eq!(&*error("http://h", ", query: '${ 5 }'").kind, kind::EXPRESSION);
}

#[test]
fn a_failed_call_knows_its_task() {
    let document = "- c: { call: http, with: { method: get, endpoint: 'http://h' } }";
    let answers = |_: &_| crate::support::world::failed(kind::COMMUNICATION, 503);
    let error = plan(short(document), json!({})).answers(answers).run().error();
    assert_eq!((error.status, &*error.instance), (503, "/do/0/c"));
}

#[test]
fn the_authorization_comes_from_the_document_or_a_secret_and_is_described() {
    let described = |authentication: &str, secret: serde_json::Value| {
        let document = format!(
            "
            use:
              secrets: [key]
              authentications: {{ named: {{ basic: {{ use: key }} }} }}
            do:
              - c:
                  call: http
                  with: {{ method: get, endpoint: {{ uri: 'http://h', authentication: {authentication} }} }}
                  output: {{ as: $authorization }}"
        );
        let world = plan(short(&document), json!({"t": "abc"})).secret("key", secret).run();
        let authorization = request(&world).authorization.as_ref().unwrap();
        (authorization.scheme, authorization.properties.to_string().len(), world.output())
    };
    let secret = || json!({"username": "me", "password": "pw"});
    let basic = json!({"scheme": "Basic", "parameter": "bWU6cHc="});
    assert_eq!(
        described("{ basic: { username: me, password: pw } }", json!(null)),
        (Scheme::Basic, 33, basic)
    );
    let bearer = json!({"scheme": "Bearer", "parameter": "abc"});
    assert_eq!(
        described("{ bearer: { token: '${ .t }' } }", json!(null)),
        (Scheme::Bearer, 15, bearer)
    );
    let digest = json!({"scheme": "Digest"});
    assert_eq!(described("{ digest: { use: key } }", secret()).2, digest);
    assert_eq!(described("{ use: named }", secret()).0, Scheme::Basic);
    let masked = json!({"scheme": "Basic", "parameter": "***"});
    assert_eq!(described("{ use: named }", secret()).2, masked, "what a run gives has no secrets");
}

#[test]
fn a_secret_for_a_call_that_is_not_there_is_an_error_of_authorization() {
    let document = "
        use: { secrets: [key] }
        do: [ { c: { call: http, with: { method: get, endpoint: { uri: 'http://h', authentication: { bearer: { use: key } } } } } } ]";
    let error = plan(short(document), json!({})).run().error();
    assert_eq!((&*error.kind, error.status), (kind::AUTHORIZATION, 403));
}

#[test]
fn a_function_is_given_its_arguments_and_shapes_its_own_data() {
    let document = "
        use:
          functions:
            double:
              input: { schema: { document: { required: [n] } }, from: .n }
              set: '${ . * 2 }'
              output: { as: '{result: .}' }
        do:
          - c: { call: double, with: { n: '${ .x }' }, output: { as: '. + {x: $input.x}' } }";
    let world = |input| plan(short(document), input).run();
    assert_eq!(world(json!({"x": 4})).output(), json!({"result": 8, "x": 4}));
    let bad = document.replace("{ n: '${ .x }' }", "{}");
    let error = plan(short(&bad), json!({})).run().error();
    assert_eq!((&*error.kind, &*error.instance), (kind::VALIDATION, "/use/functions/double"));
}

#[test]
fn a_function_of_a_catalog_is_fetched_once() {
    let document = "
        - twice:
            for: { in: '[1, 2]' }
            do: [ { c: { call: 'https://c/log/function.yaml', with: { n: '${ $item }' } } } ]
        - own: { call: 'log:1.0.0@default', with: { n: 3 } }";
    let world =
        plan(short(document), json!({})).answers(|_| done(json!("set: '${ {got: .n} }'"))).run();
    assert_eq!(world.output(), json!({"got": 3}));
    let fetched: Vec<_> = world.effects.iter().map(|it| format!("{:?}", it.action)).collect();
    assert_eq!(fetched, ["Fetch(https://c/log/function.yaml)", "Fetch(log:1.0.0@default)"]);
}

#[test]
fn an_adapter_and_an_operation_are_given_their_arguments() {
    let document = "
        - a: { call: fleet.deploy, with: { name: '${ .n }' } }
        - o: { call: openapi, with: { document: { endpoint: api.json }, operationId: op, parameters: { x: 1 } } }";
    let world = plan(short(document), json!({"n": "web"})).answers(|_| done(json!({"x": 1}))).run();
    let Action::Adapter { name, arguments } = &world.effects[0].action else { panic!() };
    assert_eq!((&**name, arguments.to_string().as_str()), ("fleet.deploy", "{\"name\":\"web\"}"));
    let Action::OpenApi(request) = &world.effects[1].action else { panic!() };
    assert_eq!((&*request.operation_id, &*request.document.uri), ("op", "api.json"));
}
