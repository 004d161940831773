//! From text to definition, for documents that are known to be right.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};
use tessera_manifest::{Document, Format, Limits, read};
use tessera_types::Duration;
use tessera_workflow::definition::*;
use tessera_workflow::expression::{Expression, Piece, Template};
use tessera_workflow::machine::Reader;
use tessera_workflow::value::{Value, from_json};

const STANDARD: [&str; 8] =
    ["context", "input", "output", "secrets", "authorization", "task", "workflow", "runtime"];

/// Reads documents for a machine under test. A schema is an object of `required` fields.
pub(crate) struct Documents;

impl Reader for Documents {
    fn workflow(&self, text: &str) -> Result<Arc<Workflow>, String> {
        Ok(workflow(text))
    }

    fn function(&self, text: &str) -> Result<Arc<Task>, String> {
        let all = json!({});
        Ok(Reading::new(&all).task("function", "/function", &yaml(text)))
    }

    fn schema(&self, text: &str) -> Result<Arc<Schema>, String> {
        Ok(Arc::new(Schema::Inline(Arc::new(from_json(yaml(text))))))
    }

    fn check(&self, schema: &Schema, data: &Value) -> Result<(), String> {
        let Schema::Inline(schema) = schema else { return Err("not fetched".into()) };
        let schema: Json = serde_json::from_str(&schema.to_string()).unwrap();
        let data: Json = serde_json::from_str(&data.to_string()).unwrap();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        match required.iter().find(|name| data.get(name.as_str().unwrap()).is_none()) {
            Some(name) => Err(format!("{name} is required")),
            None => Ok(()),
        }
    }
}

/// YAML or JSON as JSON.
pub(crate) fn yaml(text: &str) -> Json {
    let source = tessera_manifest::Source::new("test.yaml", text);
    let all = read(source, Format::Yaml, &Limits::default(), Document::decode::<Json>);
    all.unwrap_or_else(|problems| panic!("{}", problems[0].render())).remove(0)
}

/// A workflow of these tasks.
pub(crate) fn tasks(text: &str) -> Arc<Workflow> {
    let document = yaml(text);
    let document = match document {
        Json::Array(_) => json!({"do": document}),
        document => document,
    };
    of(&document)
}

/// A workflow from its document.
pub(crate) fn workflow(text: &str) -> Arc<Workflow> {
    of(&yaml(text))
}

fn of(document: &Json) -> Arc<Workflow> {
    let reading = Reading::new(document);
    let header = &document["document"];
    let text = |name: &str, or: &str| header[name].as_str().unwrap_or(or).to_owned();
    Arc::new(Workflow {
        header: Header {
            dsl: text("dsl", "1.0.3"),
            namespace: text("namespace", "test"),
            name: text("name", "example"),
            version: text("version", "1.0.0"),
            title: None,
            summary: None,
            tags: BTreeMap::new(),
        },
        input: reading.shape(&document["input"], "from"),
        output: reading.shape(&document["output"], "as"),
        timeout: reading.timeout(&document["timeout"]),
        tasks: reading.list("/do", &document["do"]),
        extensions: reading.extensions(&document["use"]["extensions"]),
        secrets: document["use"]["secrets"]
            .as_array()
            .map(|all| all.iter().map(|it| it.as_str().unwrap().into()).collect())
            .unwrap_or_default(),
        hash: "hash".into(),
        definition: from_json(document.clone()),
    })
}

#[derive(Clone)]
struct Reading<'d> {
    uses: &'d Json,
    names: Vec<Arc<str>>,
}

impl<'d> Reading<'d> {
    fn new(document: &'d Json) -> Self {
        Self { uses: &document["use"], names: STANDARD.map(Arc::from).to_vec() }
    }

    fn with(&self, names: &[&str]) -> Self {
        let mut more = self.clone();
        more.names.extend(names.iter().map(|it| Arc::from(*it)));
        more
    }

    fn list(&self, at: &str, list: &Json) -> TaskList {
        let named = list.as_array().into_iter().flatten().enumerate().map(|(index, item)| {
            let (name, task) = only(item);
            self.task(name, &format!("{at}/{index}/{name}"), task)
        });
        named.collect()
    }

    fn some_list(&self, at: &str, list: &Json) -> Option<TaskList> {
        (!list.is_null()).then(|| self.list(at, list))
    }

    fn task(&self, name: &str, at: &str, task: &Json) -> Arc<Task> {
        Arc::new(Task {
            name: name.into(),
            reference: at.into(),
            condition: self.some_expression(&task["if"]),
            input: self.shape(&task["input"], "from"),
            output: self.shape(&task["output"], "as"),
            export: self.shape(&task["export"], "as"),
            timeout: self.timeout(&task["timeout"]),
            then: flow(&task["then"]),
            kind: self.kind(at, task),
            definition: from_json(task.clone()),
        })
    }

    fn kind(&self, at: &str, task: &Json) -> Kind {
        let has = |name: &str| task.get(name).is_some();
        match () {
            () if has("call") => Kind::Call(self.call(task)),
            () if has("for") => self.each(at, task),
            () if has("listen") => self.listen(at, task),
            () if has("try") => self.attempt(at, task),
            () if has("do") => Kind::Do(self.list(&format!("{at}/do"), &task["do"])),
            () if has("emit") => {
                Kind::Emit(Emit { event: self.template(&task["emit"]["event"]["with"]) })
            }
            () if has("fork") => Kind::Fork(Fork {
                branches: self.list(&format!("{at}/fork/branches"), &task["fork"]["branches"]),
                compete: task["fork"]["compete"].as_bool().unwrap_or(false),
            }),
            () if has("raise") => Kind::Raise(self.raise(&task["raise"]["error"])),
            () if has("run") => Kind::Run(self.run(&task["run"])),
            () if has("set") => Kind::Set(self.template(&task["set"])),
            () if has("switch") => Kind::Switch(self.cases(&task["switch"])),
            () if has("wait") => Kind::Wait(self.period(&task["wait"])),
            () => panic!("{at} is no task"),
        }
    }

    fn cases(&self, cases: &Json) -> Vec<Case> {
        let cases = cases.as_array().unwrap().iter().map(only);
        cases
            .map(|(name, case)| Case {
                name: name.into(),
                when: self.some_expression(&case["when"]),
                then: flow(&case["then"]),
            })
            .collect()
    }

    fn raise(&self, error: &Json) -> Raise {
        let error = match error.as_str() {
            Some(name) => &self.uses["errors"][name],
            None => error,
        };
        let kind = self.template(&error["type"]);
        let status = self.template(&error["status"]);
        let some = |name: &str| self.some_template(&error[name]);
        let (title, detail, instance) = (some("title"), some("detail"), some("instance"));
        Raise { error: Arc::new(ErrorSpec { kind, status, title, detail, instance }) }
    }

    fn each(&self, at: &str, task: &Json) -> Kind {
        let it = &task["for"];
        let each = it["each"].as_str().unwrap_or("item");
        let index = it["at"].as_str().unwrap_or("index");
        let inner = self.with(&[each, index]);
        let collection = match it["in"].as_str() {
            Some(text) => Template::Expression(self.expression(text)),
            None => self.template(&it["in"]),
        };
        Kind::For(For {
            each: each.into(),
            at: index.into(),
            collection,
            condition: inner.some_expression(&task["while"]),
            tasks: inner.list(&format!("{at}/do"), &task["do"]),
        })
    }

    fn attempt(&self, at: &str, task: &Json) -> Kind {
        let catch = &task["catch"];
        let variable = catch["as"].as_str().unwrap_or("error");
        let inner = self.with(&[variable]);
        let filter = |name: &str| self.some_template(&catch["errors"]["with"][name]);
        Kind::Try(Try {
            tasks: self.list(&format!("{at}/try"), &task["try"]),
            catch: Catch {
                filter: ErrorFilter {
                    kind: filter("type"),
                    status: filter("status"),
                    instance: filter("instance"),
                    title: filter("title"),
                    detail: filter("detail"),
                },
                variable: variable.into(),
                when: inner.some_expression(&catch["when"]),
                except_when: inner.some_expression(&catch["exceptWhen"]),
                retry: inner.retry(&catch["retry"]),
                tasks: inner.some_list(&format!("{at}/catch/do"), &catch["do"]),
                then: catch.get("then").map(flow),
            },
        })
    }

    fn retry(&self, retry: &Json) -> Option<Arc<Retry>> {
        let retry = match retry.as_str() {
            Some(name) => &self.uses["retries"][name],
            None => retry,
        };
        let period = |json: &Json| (!json.is_null()).then(|| self.period(json));
        (!retry.is_null()).then(|| {
            Arc::new(Retry {
                when: self.some_expression(&retry["when"]),
                except_when: self.some_expression(&retry["exceptWhen"]),
                delay: period(&retry["delay"]),
                backoff: match &retry["backoff"] {
                    it if it.get("exponential").is_some() => Backoff::Exponential,
                    it if it.get("linear").is_some() => Backoff::Linear,
                    _ => Backoff::Constant,
                },
                jitter: period(&retry["jitter"]["from"]).zip(period(&retry["jitter"]["to"])),
                attempts_max: retry["limit"]["attempt"]["count"].as_u64().map(|it| it as u32),
                attempt_duration: period(&retry["limit"]["attempt"]["duration"]),
                duration: period(&retry["limit"]["duration"]),
            })
        })
    }

    fn listen(&self, at: &str, task: &Json) -> Kind {
        let each = task.get("foreach").map(|each| {
            let item = each["item"].as_str().unwrap_or("item");
            let index = each["at"].as_str().unwrap_or("index");
            let inner = self.with(&[item, index]);
            ForEach {
                item: item.into(),
                at: index.into(),
                tasks: inner.some_list(&format!("{at}/foreach/do"), &each["do"]),
                output: inner.shape(&each["output"], "as"),
                export: inner.shape(&each["export"], "as"),
            }
        });
        Kind::Listen(Listen {
            to: self.consumption(&task["listen"]["to"]),
            read: match task["listen"]["read"].as_str() {
                Some("envelope") => ReadAs::Envelope,
                Some("raw") => ReadAs::Raw,
                _ => ReadAs::Data,
            },
            each,
        })
    }

    fn consumption(&self, to: &Json) -> Consumption {
        let all = |json: &Json| json.as_array().unwrap().iter().map(|it| self.filter(it)).collect();
        match () {
            () if to.get("one").is_some() => Consumption::One(self.filter(&to["one"])),
            () if to.get("all").is_some() => Consumption::All(all(&to["all"])),
            () => Consumption::Any {
                filters: all(&to["any"]),
                until: to.get("until").map(|until| match until.as_str() {
                    Some(text) => Until::Condition(self.expression(text)),
                    None => Until::Consumed(Box::new(self.consumption(until))),
                }),
            },
        }
    }

    fn filter(&self, filter: &Json) -> EventFilter {
        let fields = |json: &Json| json.as_object().cloned().unwrap_or_default();
        let with = fields(&filter["with"]).into_iter();
        let correlate = fields(&filter["correlate"]).into_iter();
        EventFilter {
            with: with.map(|(name, it)| (name.into(), self.template(&it))).collect(),
            correlate: correlate
                .map(|(name, it)| {
                    let from = self.expression(it["from"].as_str().unwrap());
                    let expect = self.some_template(&it["expect"]);
                    (name.into(), Correlation { from, expect })
                })
                .collect(),
        }
    }

    fn call(&self, task: &Json) -> Call {
        let (name, with) = (task["call"].as_str().unwrap(), &task["with"]);
        match name {
            "http" => Call::Http(HttpCall {
                method: self.template(&with["method"]),
                endpoint: self.endpoint(&with["endpoint"]),
                headers: self.some_template(&with["headers"]),
                query: self.some_template(&with["query"]),
                body: self.some_template(&with["body"]),
                output: output_format(with),
                redirect: with["redirect"].as_bool().unwrap_or(false),
            }),
            "openapi" => Call::OpenApi(OpenApiCall {
                document: self.resource(&with["document"]),
                operation_id: self.template(&with["operationId"]),
                parameters: self.some_template(&with["parameters"]),
                authentication: self.authentication(&with["authentication"]),
                output: output_format(with),
                redirect: with["redirect"].as_bool().unwrap_or(false),
            }),
            name if self.uses["functions"].get(name).is_some() => Call::Function {
                name: name.into(),
                task: self.task(
                    name,
                    &format!("/use/functions/{name}"),
                    &self.uses["functions"][name],
                ),
                with: self.template(with),
            },
            name if name.contains("://") => Call::Cataloged {
                name: name.into(),
                resource: Some(self.resource(&json!({"endpoint": name}))),
                with: self.template(with),
            },
            name if name.ends_with("@default") => {
                Call::Cataloged { name: name.into(), resource: None, with: self.template(with) }
            }
            name => Call::Adapter { name: name.into(), with: self.template(with) },
        }
    }

    fn resource(&self, json: &Json) -> Resource {
        Resource { name: None, endpoint: self.endpoint(&json["endpoint"]) }
    }

    fn endpoint(&self, json: &Json) -> Endpoint {
        let (uri, authentication) = match json {
            Json::String(_) => (json, &Json::Null),
            json => (&json["uri"], &json["authentication"]),
        };
        let text = uri.as_str().unwrap();
        let uri = match text.starts_with("${") {
            true => Uri::Expression(self.template(uri)),
            false => Uri::Template(uri_pieces(text)),
        };
        Endpoint { uri, authentication: self.authentication(authentication) }
    }

    fn authentication(&self, json: &Json) -> Option<Arc<Authentication>> {
        let json = match json["use"].as_str() {
            Some(name) => &self.uses["authentications"][name],
            None => json,
        };
        let (scheme, properties) = json.as_object()?.iter().next()?;
        let scheme = match scheme.as_str() {
            "basic" => Scheme::Basic,
            "bearer" => Scheme::Bearer,
            "digest" => Scheme::Digest,
            "oauth2" => Scheme::OAuth2,
            _ => Scheme::Oidc,
        };
        let credentials = match properties["use"].as_str() {
            Some(name) => Credentials::Secret(name.into()),
            None => Credentials::Inline(self.template(properties)),
        };
        Some(Arc::new(Authentication { scheme, credentials }))
    }

    fn run(&self, run: &Json) -> Run {
        let (kind, it) = ["shell", "script", "container", "workflow"]
            .into_iter()
            .find_map(|kind| Some((kind, run.get(kind)?)))
            .unwrap();
        let (some, text) =
            (|name: &str| self.some_template(&it[name]), |name: &str| self.template(&it[name]));
        let process = match kind {
            "shell" => Process::Shell(Shell {
                command: text("command"),
                arguments: some("arguments"),
                environment: some("environment"),
                stdin: some("stdin"),
            }),
            "script" => Process::Script(Script {
                language: it["language"].as_str().unwrap().into(),
                source: match it.get("source") {
                    Some(source) => Source::Resource(self.resource(source)),
                    None => Source::Code(text("code")),
                },
                arguments: some("arguments"),
                environment: some("environment"),
                stdin: some("stdin"),
            }),
            "container" => Process::Container(Container {
                image: text("image"),
                name: some("name"),
                command: some("command"),
                arguments: some("arguments"),
                environment: some("environment"),
                ports: some("ports"),
                volumes: some("volumes"),
                stdin: some("stdin"),
                pull: it["pullPolicy"].as_str().unwrap_or("ifNotPresent").into(),
                cleanup_after: None,
            }),
            _ => Process::Workflow(SubWorkflow {
                namespace: text("namespace"),
                name: text("name"),
                version: text("version"),
                input: some("input"),
            }),
        };
        let output = match run["return"].as_str() {
            Some("stderr") => Return::Stderr,
            Some("code") => Return::Code,
            Some("all") => Return::All,
            Some("none") => Return::None,
            _ => Return::Stdout,
        };
        Run { process, awaits: run["await"].as_bool().unwrap_or(true), output }
    }

    fn extensions(&self, all: &Json) -> Vec<Extension> {
        let all = all.as_array().into_iter().flatten().map(only).enumerate();
        all.map(|(index, (name, it))| {
            let at = format!("/use/extensions/{index}/{name}");
            Extension {
                name: name.into(),
                extends: match it["extend"].as_str().unwrap() {
                    "all" => Extends::All,
                    "call" => Extends::Call,
                    "set" => Extends::Set,
                    other => panic!("extend: {other}"),
                },
                when: self.some_expression(&it["when"]),
                before: self.list(&format!("{at}/before"), &it["before"]),
                after: self.list(&format!("{at}/after"), &it["after"]),
            }
        })
        .collect()
    }

    fn shape(&self, json: &Json, key: &str) -> Shape {
        let schema = json.get("schema").map(|schema| match schema.get("document") {
            Some(document) => Schema::Inline(Arc::new(from_json(document.clone()))),
            None => Schema::Resource(self.resource(&schema["resource"])),
        });
        let shape = json.get(key).map(|it| match it.as_str() {
            Some(text) => Template::Expression(self.expression(text)),
            None => self.template(it),
        });
        Shape { schema, shape }
    }

    fn timeout(&self, json: &Json) -> Option<Period> {
        let json = match json.as_str() {
            Some(name) => &self.uses["timeouts"][name],
            None => json,
        };
        json.get("after").map(|after| self.period(after))
    }

    fn period(&self, json: &Json) -> Period {
        match json.as_str() {
            Some(text) if text.starts_with("${") => Period::Computed(self.template(json)),
            Some(text) => Period::Fixed(text.parse().unwrap()),
            None => Period::Fixed(duration(json.as_object().unwrap())),
        }
    }

    fn some_expression(&self, json: &Json) -> Option<Expression> {
        json.as_str().map(|text| self.expression(text))
    }

    fn expression(&self, text: &str) -> Expression {
        let inner = text.trim().strip_prefix("${").and_then(|it| it.strip_suffix('}'));
        Expression::compile(inner.unwrap_or(text), &self.names)
            .unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
    }

    fn some_template(&self, json: &Json) -> Option<Template> {
        (!json.is_null()).then(|| self.template(json))
    }

    fn template(&self, json: &Json) -> Template {
        match json {
            Json::String(text) if text.trim().starts_with("${") && text.trim().ends_with('}') => {
                Template::Expression(self.expression(text))
            }
            Json::String(text) if text.contains("${") => Template::Text(self.pieces(text)),
            Json::Array(all) => Template::List(all.iter().map(|it| self.template(it)).collect()),
            Json::Object(all) => {
                let fields = all.iter().map(|(key, it)| (key.as_str().into(), self.template(it)));
                Template::Object(fields.collect())
            }
            other => Template::Constant(from_json(other.clone())),
        }
    }

    fn pieces(&self, text: &str) -> Arc<[Piece]> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (inside, after) = after.split_once('}').unwrap();
            pieces.push(Piece::Text(before.into()));
            pieces.push(Piece::Expression(self.expression(inside)));
            rest = after;
        }
        pieces.push(Piece::Text(rest.into()));
        pieces.into()
    }
}

fn only(item: &Json) -> (&str, &Json) {
    let (name, value) = item.as_object().unwrap().iter().next().unwrap();
    (name, value)
}

fn flow(json: &Json) -> Flow {
    match json.as_str() {
        None | Some("continue") => Flow::Continue,
        Some("exit") => Flow::Exit,
        Some("end") => Flow::End,
        Some(name) => Flow::Task(name.into()),
    }
}

fn output_format(with: &Json) -> OutputFormat {
    match with["output"].as_str() {
        Some("raw") => OutputFormat::Raw,
        Some("response") => OutputFormat::Response,
        _ => OutputFormat::Content,
    }
}

fn uri_pieces(text: &str) -> Vec<UriPiece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap();
        pieces.push(UriPiece::Text(before.into()));
        pieces.push(UriPiece::Field(name.into()));
        rest = after;
    }
    pieces.push(UriPiece::Text(rest.into()));
    pieces
}

fn duration(fields: &Map<String, Json>) -> Duration {
    let unit = |name: &str| fields.get(name).and_then(Json::as_u64).unwrap_or(0);
    let minutes = (unit("days") * 24 + unit("hours")) * 60 + unit("minutes");
    Duration::from_millis((minutes * 60 + unit("seconds")) * 1000 + unit("milliseconds"))
}
