//! Calls.

use std::sync::Arc;

use super::{Authentication, Task};
use crate::expression::Template;

/// `call`: what is called.
#[derive(Debug)]
pub enum Call {
    /// `http`.
    Http(HttpCall),
    /// `openapi`.
    OpenApi(OpenApiCall),
    /// A function of the document (`use.functions`): a task that is given the arguments as its
    /// input.
    Function {
        /// Its name.
        name: Arc<str>,
        /// The task.
        task: Arc<Task>,
        /// The arguments.
        with: Template,
    },
    /// A function in a catalog, or at a URI: a task that is fetched when it is first needed.
    Cataloged {
        /// As it is written, such as `log:1.0.0@global`.
        name: Arc<str>,
        /// Where its `function.yaml` is; none for the default catalog.
        resource: Option<Resource>,
        /// The arguments.
        with: Template,
    },
    /// A function of an adapter, such as `fleet.deploy`.
    Adapter {
        /// Its name.
        name: Arc<str>,
        /// The arguments.
        with: Template,
    },
}

/// `call: http`.
#[derive(Debug)]
pub struct HttpCall {
    /// The method, in any case.
    pub method: Template,
    /// What is called.
    pub endpoint: Endpoint,
    /// Headers: an object of text.
    pub headers: Option<Template>,
    /// Parameters of the query: an object.
    pub query: Option<Template>,
    /// The body.
    pub body: Option<Template>,
    /// What the output is.
    pub output: OutputFormat,
    /// Whether answers of 300 to 399 are none of an error.
    pub redirect: bool,
}

/// `call: openapi`.
#[derive(Debug)]
pub struct OpenApiCall {
    /// The document, OpenAPI 3 or Swagger 2.
    pub document: Resource,
    /// The operation.
    pub operation_id: Template,
    /// Its parameters: an object.
    pub parameters: Option<Template>,
    /// How it is authenticated.
    pub authentication: Option<Arc<Authentication>>,
    /// What the output is.
    pub output: OutputFormat,
    /// Whether answers of 300 to 399 are none of an error.
    pub redirect: bool,
}

/// What the output of a call over HTTP is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputFormat {
    /// The content, read according to its type.
    #[default]
    Content,
    /// The content in base64.
    Raw,
    /// The response with its status, headers, content and request.
    Response,
}

/// Something that is called or fetched.
#[derive(Debug)]
pub struct Endpoint {
    /// Where.
    pub uri: Uri,
    /// How it is authenticated.
    pub authentication: Option<Arc<Authentication>>,
}

/// A URI, evaluated on the task's input.
#[derive(Debug)]
pub enum Uri {
    /// Text with fields of the input in it, as `https://example.com/pets/{petId}`. A reference
    /// without a scheme is relative to the document.
    Template(Vec<UriPiece>),
    /// An expression.
    Expression(Template),
}

/// A piece of a URI template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UriPiece {
    /// As it is.
    Text(Arc<str>),
    /// The field of the input with this name, percent-encoded; empty when it is null or missing.
    Field(Arc<str>),
    /// Fields of the input as parameters of the query: those that are null or missing are left out.
    Query {
        /// Whether the query begins here: `{?name}`. It goes on with `{&name}`.
        begins: bool,
        /// The names of the fields, and of the parameters.
        names: Vec<Arc<str>>,
    },
}

/// Something that is fetched.
#[derive(Debug)]
pub struct Resource {
    /// Its name, if it has one.
    pub name: Option<Arc<str>>,
    /// Where it is.
    pub endpoint: Endpoint,
}
