//! Effects against real parts: HTTP servers on loopback with and without TLS, processes, containers.

mod auth;
mod conformance;
mod containers;
#[path = "../../../workflow/tests/runs/support/gherkin.rs"]
mod gherkin;
mod hostile;
mod http;
mod openapi;
mod others;
mod processes;
mod server;
mod stage;
