//! Calls.

use tessera_manifest::{Node, code, nearest, quoted};

use super::reader::Reader;
use super::scope::Scope;
use super::uses::{Section, is_adapter};
use crate::definition::{
    Call, Endpoint, HttpCall, OpenApiCall, OutputFormat, Resource, Uri, UriPiece,
};
use crate::expression::{Expression, Template};
use crate::value::object;

/// Protocols of the specification that are not supported.
const UNSUPPORTED: [&str; 4] = ["asyncapi", "grpc", "a2a", "mcp"];

impl<'d> Reader<'d> {
    /// `call` with its `with`. `at` is the task's reference.
    pub(super) fn call(
        &mut self,
        task: &'d Node,
        node: &'d Node,
        scope: &Scope,
        at: &str,
    ) -> Option<Call> {
        let name = self.text(node)?;
        match name {
            "http" => {
                let with = self.needed_arguments(task)?;
                self.http(with, scope).map(Call::Http)
            }
            "openapi" => {
                let with = self.needed_arguments(task)?;
                self.openapi(with, scope).map(Call::OpenApi)
            }
            _ if UNSUPPORTED.contains(&name) => {
                self.unsupported_call(task, node, name, scope, at);
                None
            }
            _ => self.function_call(task, node, name, scope),
        }
    }

    fn needed_arguments(&mut self, task: &'d Node) -> Option<&'d Node> {
        self.required_or(task, "with", Some("put the arguments of the call there"))
    }

    fn unsupported_call(
        &mut self,
        task: &'d Node,
        node: &'d Node,
        name: &str,
        scope: &Scope,
        at: &str,
    ) {
        let message = format!("calls of {name} are not supported");
        let hint = "call an HTTP endpoint, run a process, or use a function of an adapter";
        self.wrong(node, super::code::UNSUPPORTED, message, hint);
        // The tasks in a subscription are tasks like others, and are looked at as such.
        let foreach = task.get("with").and_then(|it| it.get("subscription"));
        if let Some(foreach) = foreach.and_then(|it| it.get("foreach")) {
            let at = format!("{at}/with/subscription/foreach");
            let _ = self.for_each_event(foreach, &at, scope);
        }
    }

    fn http(&mut self, node: &'d Node, scope: &Scope) -> Option<HttpCall> {
        let known = ["method", "endpoint", "headers", "query", "body", "output", "redirect"];
        self.map(node, "a map of `method` and `endpoint`", &known)?;
        let method = self.required(node, "method").and_then(|it| self.text_template(it, scope));
        let endpoint = self.required(node, "endpoint").and_then(|it| self.endpoint(it, scope));
        let headers = self
            .optional(node.get("headers"), |reader, it| reader.pairs_template(it, false, scope));
        let query =
            self.optional(node.get("query"), |reader, it| reader.pairs_template(it, true, scope));
        let body = self.optional(node.get("body"), |reader, it| {
            reader.template(it, scope, super::scope::Place::Definition)
        });
        let output = self.optional(node.get("output"), Self::output_format);
        let redirect = self.optional(node.get("redirect"), Self::boolean);
        Some(HttpCall {
            method: method?,
            endpoint: endpoint?,
            headers: headers?,
            query: query?,
            body: body?,
            output: output?.unwrap_or_default(),
            redirect: redirect?.unwrap_or_default(),
        })
    }

    fn openapi(&mut self, node: &'d Node, scope: &Scope) -> Option<OpenApiCall> {
        let known =
            ["document", "operationId", "parameters", "authentication", "output", "redirect"];
        self.map(node, "a map of `document` and `operationId`", &known)?;
        let document = self.required(node, "document").and_then(|it| self.resource(it, scope));
        let operation_id =
            self.required(node, "operationId").and_then(|it| self.text_template(it, scope));
        let parameters = self
            .optional(node.get("parameters"), |reader, it| reader.plain_map_template(it, scope));
        let authentication = self
            .optional(node.get("authentication"), |reader, it| reader.authentication(it, scope));
        let output = self.optional(node.get("output"), Self::output_format);
        let redirect = self.optional(node.get("redirect"), Self::boolean);
        Some(OpenApiCall {
            document: document?,
            operation_id: operation_id?,
            parameters: parameters?,
            authentication: authentication?,
            output: output?.unwrap_or_default(),
            redirect: redirect?.unwrap_or_default(),
        })
    }

    fn output_format(&mut self, node: &'d Node) -> Option<OutputFormat> {
        const WORDS: [(&str, OutputFormat); 3] = [
            ("raw", OutputFormat::Raw),
            ("content", OutputFormat::Content),
            ("response", OutputFormat::Response),
        ];
        let at = self.word(node, &WORDS.map(|(word, _)| word))?;
        Some(WORDS[at].1)
    }

    fn function_call(
        &mut self,
        task: &'d Node,
        node: &'d Node,
        name: &'d str,
        scope: &Scope,
    ) -> Option<Call> {
        let with =
            self.optional(task.get("with"), |reader, it| reader.plain_map_template(it, scope));
        // Without arguments a function is given what the task is given.
        let input = || Template::Expression(Expression::compile(".", &[]).expect("this is jq"));
        let with = with.map(|with| with.unwrap_or_else(input));
        if self.find(Section::Functions, name).is_some() {
            let function = self.called_function(name, node);
            return Some(Call::Function { name: name.into(), task: function?, with: with? });
        }
        if name.contains("://") {
            let resource = self.uri(node, scope).map(|uri| located(name, uri));
            return Some(Call::Cataloged {
                name: name.into(),
                resource: Some(resource?),
                with: with?,
            });
        }
        if let Some((function, catalog)) = name.split_once('@') {
            let resource = self.cataloged(node, function, catalog);
            return Some(Call::Cataloged { name: name.into(), resource: resource?, with: with? });
        }
        if is_adapter(name) {
            let none = || Template::Constant(object::<String>([]));
            let with = if task.get("with").is_some() { with? } else { none() };
            return Some(Call::Adapter { name: name.into(), with });
        }
        let protocols = ["http", "openapi"];
        let hint = nearest(name, &protocols).map(|near| format!("did you mean {}?", quoted(near)));
        self.unknown(Section::Functions, node, name, hint);
        None
    }

    /// Where `function:version` is in a catalog; `Some(None)` in the default one.
    fn cataloged(
        &mut self,
        node: &'d Node,
        function: &str,
        catalog: &str,
    ) -> Option<Option<Resource>> {
        let Some((name, version)) = function.split_once(':').filter(|(name, version)| {
            let is_step = |step: &str| !step.is_empty() && !step.contains(['/', '@', '?', '#']);
            is_step(name) && is_step(version)
        }) else {
            let message = format!("{} names no function of a catalog", quoted(function));
            let hint = format!("write it as name:1.0.0@{catalog}");
            self.wrong(node, code::INVALID_VALUE, message, hint);
            return None;
        };
        let Some(part) = self.find(Section::Catalogs, catalog) else {
            if catalog == "default" {
                return Some(None);
            }
            self.unknown(Section::Catalogs, node, catalog, None);
            return None;
        };
        let endpoint = self.catalog(part)?;
        let Endpoint { authentication, .. } = self.endpoint(endpoint, &Scope::default())?;
        let root = endpoint.get("uri").unwrap_or(endpoint).as_str()?;
        let uri = format!("{}/functions/{name}/{version}/function.yaml", catalog_root(root));
        let uri = Uri::Template(vec![UriPiece::Text(uri.into())]);
        let endpoint = Endpoint { uri, authentication };
        Some(Some(Resource { name: Some(function.into()), endpoint }))
    }
}

/// Where the documents of a catalog are: those of a Git repository are under another address than
/// its pages.
fn catalog_root(uri: &str) -> String {
    let uri = uri.trim_end_matches('/');
    match Repository::of(uri) {
        Some(repository) => repository.raw(repository.path),
        None => uri.to_owned(),
    }
}

/// Where a function is that is called by its URI.
fn located(name: &str, uri: Uri) -> Resource {
    let uri = match Repository::of(name) {
        Some(repository) => {
            let (path, version) = match repository.path.rsplit_once('@') {
                Some((path, version)) => (path, Some(version)),
                None => (repository.path, None),
            };
            let repository = Repository { branch: version.or(repository.branch), ..repository };
            let path = repository.raw(&file(path));
            Uri::Template(vec![UriPiece::Text(path.into())])
        }
        None if is_document(name) || matches!(uri, Uri::Expression(_)) => uri,
        None => Uri::Template(vec![UriPiece::Text(file(name).into())]),
    };
    Resource { name: Some(name.into()), endpoint: Endpoint { uri, authentication: None } }
}

fn is_document(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    [".yaml", ".yml", ".json"].iter().any(|extension| path.ends_with(extension))
}

/// The document of a function: the path itself, or the file in the folder.
fn file(path: &str) -> String {
    if is_document(path) {
        return path.to_owned();
    }
    let path = path.trim_end_matches('/');
    format!("{path}{}function.yaml", if path.is_empty() { "" } else { "/" })
}

/// A page of a repository on GitHub or GitLab.
#[derive(Clone, Copy)]
struct Repository<'u> {
    scheme: &'u str,
    github: bool,
    owner: &'u str,
    name: &'u str,
    branch: Option<&'u str>,
    path: &'u str,
}

impl<'u> Repository<'u> {
    fn of(uri: &'u str) -> Option<Self> {
        let (scheme, rest) = uri.split_once("://")?;
        let (host, rest) = rest.split_once('/')?;
        let github = match host {
            "github.com" | "www.github.com" => true,
            "gitlab.com" => false,
            _ => return None,
        };
        let (owner, rest) = rest.split_once('/')?;
        let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let rest = rest.strip_prefix("-/").unwrap_or(rest);
        let page = rest.strip_prefix("tree/").or_else(|| rest.strip_prefix("blob/"));
        let page = page.or_else(|| rest.strip_prefix("raw/"));
        let (branch, path) = match page {
            Some(page) => page.split_once('/').map_or((Some(page), ""), |(b, p)| (Some(b), p)),
            None => (None, rest),
        };
        Some(Self { scheme, github, owner, name, branch, path })
    }

    /// The address of a file's content.
    fn raw(&self, path: &str) -> String {
        let Self { scheme, github, owner, name, branch, .. } = self;
        // Without a branch the newest of the main one is meant.
        let branch = branch.unwrap_or("HEAD");
        let path = path.trim_matches('/');
        let path = if path.is_empty() { String::new() } else { format!("/{path}") };
        match github {
            true => format!("{scheme}://raw.githubusercontent.com/{owner}/{name}/{branch}{path}"),
            false => format!("{scheme}://gitlab.com/{owner}/{name}/-/raw/{branch}{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalogs_in_repositories_are_read_as_files() {
        let github = "https://raw.githubusercontent.com/serverlessworkflow/catalog";
        for (page, root) in [
            ("https://example.com/catalog/", "https://example.com/catalog".to_owned()),
            ("https://github.com/serverlessworkflow/catalog", format!("{github}/HEAD")),
            ("https://github.com/serverlessworkflow/catalog/tree/main", format!("{github}/main")),
            (
                "https://github.com/serverlessworkflow/catalog/tree/v1/a/b",
                format!("{github}/v1/a/b"),
            ),
            (
                "https://gitlab.com/a/b/-/tree/main/c",
                "https://gitlab.com/a/b/-/raw/main/c".to_owned(),
            ),
        ] {
            assert_eq!(catalog_root(page), root);
        }
    }

    #[test]
    fn functions_are_found_by_their_uri() {
        let at = |name: &str| match located(name, Uri::Template(vec![UriPiece::Text(name.into())]))
        {
            Resource { endpoint: Endpoint { uri: Uri::Template(pieces), .. }, .. } => {
                match &pieces[..] {
                    [UriPiece::Text(text)] => text.to_string(),
                    other => panic!("{other:?}"),
                }
            }
            other => panic!("{other:?}"),
        };
        let raw = "https://raw.githubusercontent.com";
        assert_eq!(
            at("https://github.com/myorg/functions/validateEmailAddress@v1.0.0"),
            format!("{raw}/myorg/functions/v1.0.0/validateEmailAddress/function.yaml")
        );
        assert_eq!(
            at("https://github.com/a/b/blob/main/f/function.yaml"),
            format!("{raw}/a/b/main/f/function.yaml")
        );
        assert_eq!(at("https://x.org/f.yaml?v=1"), "https://x.org/f.yaml?v=1");
        assert_eq!(at("https://x.org/functions/f"), "https://x.org/functions/f/function.yaml");
    }
}
