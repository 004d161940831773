//! Who may speak to a service at all.
//!
//! There is no authentication yet, and any web page can make its visitor's browser
//! send requests to loopback. Two things give such a request away. A page whose own
//! name was made to mean 127.0.0.1 (DNS rebinding) sends that name as `Host`; and a
//! page of another site that sends a change has an `Origin` that is not ours.
//!
//! What is answered must also ask for nothing that there is not, so that is looked at here, too.
//!
//! The one idea: this is what Dropshot hands to every handler, and the only way from
//! here to what the handlers share is [`Front::admit`]. So no handler can forget to ask.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dropshot::{RequestContext, ServerContext};
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Method, Uri};
use tessera_types::Problem;
use tessera_types::problem::Code;

use crate::queries::Queries;

/// What stands before what the handlers share.
#[derive(Debug)]
pub struct Front<P> {
    plane: Arc<P>,
    hosts: Hosts,
    queries: Queries,
    /// What the service is called in what is said to outsiders.
    service: &'static str,
}

impl<P> Front<P> {
    /// Stands before `plane`, the part of a service (such as `control plane`) that
    /// listens on `listen`, may also be called by the names `allowed`, and has the operations of
    /// the OpenAPI `document`.
    pub fn new(
        plane: Arc<P>,
        service: &'static str,
        listen: SocketAddr,
        allowed: &[String],
        document: &str,
    ) -> Self {
        let queries = Queries::of(document);
        Self { plane, hosts: Hosts::new(listen, allowed), queries, service }
    }

    /// What is behind, for a request that may be answered.
    ///
    /// # Errors
    /// Why it may not be.
    pub fn admit<C: ServerContext>(&self, ctx: &RequestContext<C>) -> Result<&Arc<P>, Problem> {
        let request = &ctx.request;
        check(&self.hosts, self.service, request.method(), request.uri(), request.headers())?;
        self.queries.check(&ctx.endpoint.operation_id, request.uri().query())?;
        Ok(&self.plane)
    }
}

/// The names under which the service may be spoken to.
#[derive(Debug)]
enum Hosts {
    Any,
    /// Those of loopback, the address that it listens on, and these.
    Some {
        listen: IpAddr,
        names: Vec<String>,
    },
}

impl Hosts {
    /// Elsewhere than on loopback whoever started it has accepted that anybody may
    /// call, unless names were given.
    fn new(listen: SocketAddr, allowed: &[String]) -> Self {
        if !listen.ip().is_loopback() && allowed.is_empty() {
            return Self::Any;
        }
        Self::Some { listen: listen.ip(), names: allowed.iter().map(|name| plain(name)).collect() }
    }

    fn has(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Some { listen, names } => {
                let host = plain(host);
                names.contains(&host) || is_loopback(&host) || is_own(*listen, &host)
            }
        }
    }
}

/// Whether it is an address that is listened on. Where that is every address of the
/// machine, any is taken for one of them: a page whose name was made to mean another
/// address sends that name, never an address.
fn is_own(listen: IpAddr, host: &str) -> bool {
    host.parse::<IpAddr>().is_ok_and(|address| listen.is_unspecified() || address == listen)
}

/// A host as it is compared: in lower case, without the brackets of an IPv6 address
/// and the dot at the end of a full name.
fn plain(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches([']', '.']).to_ascii_lowercase()
}

fn is_loopback(host: &str) -> bool {
    let is_address = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_address || host == "localhost" || host.ends_with(".localhost")
}

fn check(
    hosts: &Hosts,
    service: &str,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    // HTTP/2 has the authority in the request itself. A client that names no host is
    // no browser.
    let named = headers.get(HOST).map(|host| host.to_str().unwrap_or("?"));
    let Some(authority) = uri.authority().map(Authority::as_str).or(named) else { return Ok(()) };
    let parsed = authority.parse::<Authority>().ok();
    if !parsed.as_ref().is_some_and(|it| hosts.has(it.host())) {
        return Err(wrong_host(service, authority));
    }
    let is_change = !matches!(*method, Method::GET | Method::HEAD);
    match headers.get(ORIGIN).filter(|_| is_change) {
        Some(origin) if !is_ours(origin.to_str().unwrap_or_default(), authority) => {
            Err(cross_site())
        }
        _ => Ok(()),
    }
}

/// Whether a page of this origin was served under the authority that it calls.
fn is_ours(origin: &str, authority: &str) -> bool {
    let (scheme, host) = origin.split_once("://").unwrap_or_default();
    matches!(scheme, "http" | "https") && host.eq_ignore_ascii_case(authority)
}

fn wrong_host(service: &str, authority: &str) -> Problem {
    let shown = tessera_types::limits::clip(authority, 100);
    Problem::new(Code::WrongHost, format!("`{shown}` is not a name of this {service}"))
        .remedy("call it as localhost or by its address, or start it with --allowed-host")
}

fn cross_site() -> Problem {
    Problem::new(Code::CrossSite, "a web page of another site may not change anything here")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(
        listen: &str,
        allowed: &[&str],
        method: &Method,
        headers: &[(&'static str, &str)],
    ) -> Result<(), Code> {
        let allowed: Vec<_> = allowed.iter().map(|&name| name.to_owned()).collect();
        let hosts = Hosts::new(listen.parse().unwrap(), &allowed);
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        check(&hosts, "control plane", method, &Uri::from_static("/v1/top"), &headers)
            .map_err(|it| it.code)
    }

    #[test]
    fn on_loopback_only_names_of_loopback_and_allowed_ones_are_answered() {
        let wrong = Err(Code::WrongHost);
        for (host, expected) in [
            ("localhost", Ok(())),
            ("LOCALHOST:7070", Ok(())),
            ("localhost.:7070", Ok(())),
            ("web.localhost:7070", Ok(())),
            ("127.0.0.1:7070", Ok(())),
            ("127.1.2.3", Ok(())),
            ("[::1]:7070", Ok(())),
            ("control.example:7070", Ok(())),
            ("evil.example:7070", wrong),
            ("localhost.evil.example", wrong),
            ("127.0.0.1.evil.example", wrong),
            ("10.0.0.1:7070", wrong),
            ("a b", wrong),
            ("", wrong),
        ] {
            let got = answer("127.0.0.1:0", &["Control.example"], &Method::GET, &[("host", host)]);
            assert_eq!(got, expected, "{host}");
        }
        assert_eq!(answer("127.0.0.1:0", &[], &Method::GET, &[]), Ok(()));
    }

    #[test]
    fn elsewhere_every_name_is_answered_unless_some_are_given() {
        let host = [("host", "control.example")];
        assert_eq!(answer("0.0.0.0:0", &[], &Method::GET, &host), Ok(()));
        assert_eq!(answer("0.0.0.0:0", &["control.example"], &Method::GET, &host), Ok(()));
        assert_eq!(answer("0.0.0.0:0", &["other"], &Method::GET, &host), Err(Code::WrongHost));
    }

    /// Its own agent and client call it by an address.
    #[test]
    fn loopback_and_the_address_that_is_listened_on_are_always_answered() {
        let wrong = Err(Code::WrongHost);
        for (listen, host, expected) in [
            ("0.0.0.0:7070", "127.0.0.1:7070", Ok(())),
            ("0.0.0.0:7070", "localhost:7070", Ok(())),
            ("0.0.0.0:7070", "10.1.2.3:7070", Ok(())),
            ("0.0.0.0:7070", "evil.example:7070", wrong),
            ("[::]:7070", "[::1]:7070", Ok(())),
            ("[::]:7070", "[fd00::1]:7070", Ok(())),
            ("10.1.2.3:7070", "10.1.2.3:7070", Ok(())),
            ("10.1.2.3:7070", "10.1.2.4:7070", wrong),
            ("10.1.2.3:7070", "evil.example", wrong),
        ] {
            let got = answer(listen, &["control.example"], &Method::GET, &[("host", host)]);
            assert_eq!(got, expected, "{listen} {host}");
        }
    }

    #[test]
    fn pages_of_other_sites_change_nothing() {
        let host = ("host", "localhost:7070");
        let refused = Err(Code::CrossSite);
        for (origin, expected) in [
            ("http://localhost:7070", Ok(())),
            ("https://localhost:7070", Ok(())),
            ("http://localhost:8080", refused),
            ("http://localhost", refused),
            ("http://evil.example", refused),
            ("null", refused),
            ("", refused),
        ] {
            let headers = [host, ("origin", origin)];
            for method in [Method::POST, Method::PUT, Method::DELETE] {
                let got = answer("127.0.0.1:0", &[], &method, &headers);
                assert_eq!(got, expected, "{method} {origin}");
            }
            assert_eq!(answer("127.0.0.1:0", &[], &Method::GET, &headers), Ok(()));
        }
        assert_eq!(answer("127.0.0.1:0", &[], &Method::POST, &[host]), Ok(()));
    }
}
