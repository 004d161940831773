//! Effects against real parts: HTTP servers on loopback with and without TLS, processes, containers.

mod auth;
mod containers;
mod hostile;
mod http;
mod openapi;
mod others;
mod processes;
mod server;
mod stage;
