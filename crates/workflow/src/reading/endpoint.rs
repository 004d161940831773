//! Endpoints, URIs and authentication.

use std::sync::Arc;

use tessera_manifest::{Node, code, quoted};

use super::reader::Reader;
use super::scope::{Place, Scope};
use super::uses::Section;
use crate::definition::{Authentication, Credentials, Endpoint, Resource, Scheme, Uri, UriPiece};
use crate::expression::{Expression, Mode, Piece, Template, is_expression};
use crate::value::Value;

/// The schemes, each with the fields that it may and that it must have.
const SCHEMES: [(&str, Scheme, &[&str], &[&str]); 5] = [
    ("basic", Scheme::Basic, &["username", "password"], &["username", "password"]),
    ("bearer", Scheme::Bearer, &["token"], &["token"]),
    ("digest", Scheme::Digest, &["username", "password"], &["username", "password"]),
    ("oauth2", Scheme::OAuth2, OAUTH2, &["authority", "grant"]),
    ("oidc", Scheme::Oidc, OIDC, &["authority", "grant"]),
];
const OAUTH2: &[&str] = &[
    "authority",
    "grant",
    "client",
    "request",
    "issuers",
    "scopes",
    "audiences",
    "username",
    "password",
    "subject",
    "actor",
    "endpoints",
];
const OIDC: &[&str] = OAUTH2.split_at(OAUTH2.len() - 1).0;

const GRANTS: [&str; 5] = [
    "authorization_code",
    "client_credentials",
    "password",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:token-exchange",
];
const CLIENT_AUTHENTICATIONS: [&str; 5] =
    ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"];
const ENCODINGS: [&str; 2] = ["application/x-www-form-urlencoded", "application/json"];

impl<'d> Reader<'d> {
    /// An endpoint: a URI, or a map of it and its authentication.
    pub(super) fn endpoint(&mut self, node: &'d Node, scope: &Scope) -> Option<Endpoint> {
        if node.as_str().is_some() {
            return self.uri(node, scope).map(|uri| Endpoint { uri, authentication: None });
        }
        self.map(
            node,
            "a URI, or a map of `uri` and `authentication`",
            &["uri", "authentication"],
        )?;
        let uri = self.required(node, "uri").and_then(|it| self.uri(it, scope));
        let authentication = self
            .optional(node.get("authentication"), |reader, it| reader.authentication(it, scope));
        Some(Endpoint { uri: uri?, authentication: authentication? })
    }

    /// Something that is fetched.
    pub(super) fn resource(&mut self, node: &'d Node, scope: &Scope) -> Option<Resource> {
        self.map(node, "a resource: { endpoint }", &["name", "endpoint"])?;
        let name = self.optional(node.get("name"), Self::text);
        let endpoint = self.required(node, "endpoint").and_then(|it| self.endpoint(it, scope));
        Some(Resource { name: name?.map(Into::into), endpoint: endpoint? })
    }

    /// A URI: an expression, text with expressions in it, or a template of fields.
    pub(super) fn uri(&mut self, node: &'d Node, scope: &Scope) -> Option<Uri> {
        let text = self.text(node)?;
        if is_expression(text) {
            return self.template(node, scope, Place::Definition).map(Uri::Expression);
        }
        if text.contains("${") {
            return self.interpolated(node, scope);
        }
        if text.is_empty() || text.contains(char::is_whitespace) {
            let message = match text.is_empty() {
                true => "an empty URI".to_owned(),
                false => format!("{} is no URI: there are blanks in it", quoted(text)),
            };
            self.wrong(node, code::INVALID_VALUE, message, None);
            return None;
        }
        match pieces(text) {
            Ok(pieces) => Some(Uri::Template(pieces)),
            Err((message, hint)) => {
                self.wrong(node, code::INVALID_VALUE, message, hint);
                None
            }
        }
    }

    fn interpolated(&mut self, node: &'d Node, scope: &Scope) -> Option<Uri> {
        let template = self.template(node, scope, Place::Definition)?;
        let any = |is: fn(char) -> bool| match &template {
            Template::Text(pieces) => {
                pieces.iter().any(|it| matches!(it, Piece::Text(text) if text.contains(is)))
            }
            _ => false,
        };
        if any(char::is_whitespace) {
            let message = "a URI has no blanks outside of its expressions";
            self.wrong(node, code::INVALID_VALUE, message, "write a blank as %20");
            return None;
        }
        let constant = self.mode == Mode::Strict && template.constant().is_some();
        if constant || any(|it| it == '{') {
            let message = "a URI has fields such as {id} or expressions in ${ }, not both";
            self.wrong(node, code::INVALID_VALUE, message, "write {id} as ${.id}");
            return None;
        }
        Some(Uri::Expression(template))
    }

    /// Authentication where it is used: a policy, or `{ use: name }`.
    pub(super) fn authentication(
        &mut self,
        node: &'d Node,
        scope: &Scope,
    ) -> Option<Arc<Authentication>> {
        if let Some(name) = node.as_str() {
            let hint = match is_expression(name) {
                true => "write what it is, such as { bearer: { token: ${ .token } } }".to_owned(),
                false => format!("write {{ use: {name} }}"),
            };
            return self.wrong_type(node, "an authentication", Some(&hint));
        }
        self.open_map(node, "an authentication")?;
        let Some(name) = node.get("use") else {
            return self.policy(node, scope).map(Arc::new);
        };
        self.only(node, &["use"]);
        self.used_policy(name, scope)
    }

    /// A policy: one scheme with its properties.
    pub(super) fn policy(&mut self, node: &'d Node, scope: &Scope) -> Option<Authentication> {
        let schemes = SCHEMES.map(|(name, ..)| name);
        self.map(node, "an authentication", &schemes)?;
        let (name, properties) = self.one_field(node, "an authentication", &schemes)?;
        let (_, scheme, fields, needed) = SCHEMES.into_iter().find(|it| it.0 == name)?;
        if scheme == Scheme::Bearer && properties.as_str().is_some() {
            let hint = "write it as { token: … }";
            return self.wrong_type(properties, "a map of bearer's properties", Some(hint));
        }
        self.open_map(properties, &format!("a map of {name}'s properties"))?;
        let credentials = match properties.get("use") {
            Some(secret) => {
                self.only(properties, &["use"]);
                self.credentials_of(secret)
            }
            None => self.properties(properties, scope, fields, needed).map(Credentials::Inline),
        };
        Some(Authentication { scheme, credentials: credentials? })
    }

    /// The secret that holds a scheme's properties.
    fn credentials_of(&mut self, node: &'d Node) -> Option<Credentials> {
        let name = self.text(node)?;
        if !self.uses.secrets.contains(name) && self.find(Section::Authentications, name).is_some()
        {
            let message = format!("no secret is called {}", quoted(name));
            let hint = format!("to use the authentication: `authentication: {{ use: {name} }}`");
            self.wrong(node, super::code::UNKNOWN_REFERENCE, message, hint);
            return None;
        }
        self.secret(node, name).map(Credentials::Secret)
    }

    fn properties(
        &mut self,
        node: &'d Node,
        scope: &Scope,
        fields: &[&str],
        needed: &[&str],
    ) -> Option<Template> {
        self.only(node, fields);
        let mut right = Some(());
        for name in needed {
            right = right.and(self.required(node, name).map(drop));
        }
        for entry in node.entries() {
            let value = &entry.value;
            let read = match entry.key.as_str() {
                "authority" => self.authority(value, scope),
                "grant" => self.word(value, &GRANTS).map(drop),
                "client" => self.client(value),
                "request" => self.open_map(value, "a map of `encoding`").and_then(|_| {
                    self.optional(value.get("encoding"), |reader, it| reader.word(it, &ENCODINGS))
                        .map(drop)
                }),
                "issuers" | "scopes" | "audiences" => self
                    .elements(value, "a list of text")
                    .and_then(|all| self.all(all.iter(), Self::text))
                    .map(drop),
                "subject" | "actor" => self.token(value),
                "endpoints" => self.endpoints(value, scope),
                "username" | "password" | "token" => self.text(value).map(drop),
                _ => Some(()),
            };
            right = right.and(read);
        }
        let template = self.template(node, scope, Place::Definition);
        right.and(template).map(|it| authority_expanded(it, node))
    }

    /// A URI, or a template of one: who is asked is part of the document.
    fn authority(&mut self, node: &'d Node, scope: &Scope) -> Option<()> {
        self.uri(node, scope)?;
        if node.as_str().is_some_and(is_expression) {
            let message = "an authority is a URI, not an expression";
            self.wrong(node, code::INVALID_VALUE, message, "write it as https://{host}/path");
            return None;
        }
        Some(())
    }

    fn client(&mut self, node: &'d Node) -> Option<()> {
        let known = ["id", "secret", "assertion", "authentication"];
        self.map(node, "a map", &known)?;
        let mut right = Some(());
        for name in ["id", "secret", "assertion"] {
            right = right.and(self.optional(node.get(name), Self::text).map(drop));
        }
        let method = self.optional(node.get("authentication"), |reader, it| {
            reader.word(it, &CLIENT_AUTHENTICATIONS)
        });
        right.and(method.map(drop))
    }

    fn token(&mut self, node: &'d Node) -> Option<()> {
        self.map(node, "a map of `token` and `type`", &["token", "type"])?;
        let mut text = |key| self.required(node, key).and_then(|it| self.text(it)).map(drop);
        let (token, kind) = (text("token"), text("type"));
        token.and(kind)
    }

    fn endpoints(&mut self, node: &'d Node, scope: &Scope) -> Option<()> {
        let _ = scope;
        self.map(node, "a map", &["token", "revocation", "introspection"])?;
        let paths = node.entries().iter().map(|it| &it.value);
        self.all(paths, |reader, node| {
            let text = reader.text(node)?;
            if let Err((message, hint)) = pieces(text) {
                reader.wrong(node, code::INVALID_VALUE, message, hint);
                return None;
            }
            Some(())
        })
        .map(drop)
    }
}

/// A scheme's properties, where an authority with fields of the input is an expression: unlike the
/// URI of an endpoint it is one value among others.
fn authority_expanded(properties: Template, node: &Node) -> Template {
    let text = node.get("authority").and_then(Node::as_str).filter(|it| !it.contains("${"));
    let Some(pieces) = text.and_then(|it| pieces(it).ok()).filter(|it| it.len() > 1) else {
        return properties;
    };
    let authority = Template::Text(pieces.iter().map(expanded).collect());
    let fields = match properties {
        Template::Object(fields) => fields.to_vec(),
        Template::Constant(Value::Obj(fields)) => {
            let named = |(key, value): (&Value, &Value)| match key {
                Value::TStr(key) => {
                    let key = String::from_utf8_lossy(key).into();
                    Some((key, Template::Constant(value.clone())))
                }
                _ => None,
            };
            fields.iter().filter_map(named).collect()
        }
        other => return other,
    };
    let replaced = fields.into_iter().map(|(key, it)| match &*key {
        "authority" => (key, authority.clone()),
        _ => (key, it),
    });
    Template::Object(replaced.collect())
}

/// A piece of a URI template as one of a text.
fn expanded(piece: &UriPiece) -> Piece {
    match piece {
        UriPiece::Text(text) => Piece::Text(text.clone()),
        UriPiece::Field(name) => {
            let name = serde_json::Value::from(&**name);
            let code = format!(
                ".[{name}] | if type == \"array\" or type == \"object\" then \
                 error(\"an authority is no \\(type)\") elif . == null then \"\" else @uri end"
            );
            let code = Expression::compile(&code, &[]);
            Piece::Expression(code.expect("it is jq, whatever text the name is"))
        }
        UriPiece::Query { .. } => Piece::Text("".into()),
    }
}

/// The pieces of a URI template (RFC 6570): fields `{name}`, and those of the query, `{?name,name}`
/// and `{&name}`.
fn pieces(text: &str) -> Result<Vec<UriPiece>, (String, String)> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some(start) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(start);
        if !before.is_empty() {
            pieces.push(UriPiece::Text(before.into()));
        }
        let end = from.strip_prefix('{').and_then(|inside| inside.find(['{', '}']));
        let inside = end.map(|end| (&from[1..=end], &from[end + 1..]));
        let Some((name, after)) =
            inside.and_then(|(name, after)| Some((name, after.strip_prefix('}')?)))
        else {
            let message = format!("{} is no URI template: its braces do not match", quoted(text));
            return Err((message, "write a brace that is meant as %7B or %7D".to_owned()));
        };
        let Some(piece) = field(name) else {
            let message = format!("{} cannot be expanded", quoted(&format!("{{{name}}}")));
            let hint =
                "write the name of a field, {id}, or of parameters of the query, {?page,size}";
            return Err((message, hint.to_owned()));
        };
        pieces.push(piece);
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(UriPiece::Text(rest.into()));
    }
    Ok(pieces)
}

/// What stands in braces.
fn field(inside: &str) -> Option<UriPiece> {
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with(['+', '#', '.', '/', ';', '?', '&', '=', '!', '@', '|'])
            && !name.contains([',', '*', ':'])
            && !name.contains(char::is_whitespace)
    };
    let Some(names) = inside.strip_prefix(['?', '&']) else {
        return is_name(inside).then(|| UriPiece::Field(inside.into()));
    };
    let begins = inside.starts_with('?');
    let all_are = names.split(',').all(is_name);
    all_are.then(|| UriPiece::Query { begins, names: names.split(',').map(Into::into).collect() })
}
