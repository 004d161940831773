//! Containers, through the Docker-compatible API of Docker or Podman on this machine.
//!
//! Only the few calls that a run needs are here, over one small HTTP client: the supervisor of
//! every container makes them, so it matters what they cost. A client library for the whole API was
//! measured: it makes each supervisor half again as large, and takes half a minute more to build.
//!
//! [`find`] looks for a runtime, and [`ContainerSpec`] says what a container is to be. In here,
//! `api` speaks to the runtime over `http`, and `image` brings an image to the node. What happens
//! to a container from its start to its end is the matter of its [`supervisor`](crate::supervisor).

mod api;
mod exec;
mod find;
mod frames;
mod http;
mod image;
mod spec;

pub use find::{ContainerRuntime, ContainerSocket, find};
pub use spec::ContainerSpec;

pub(crate) use api::{ContainerApi, State};
pub(crate) use exec::exec;
pub(crate) use frames::Frames;
pub(crate) use http::{ApiError, Body};
pub(crate) use image::{ImageError, ensure_image};
#[cfg(feature = "fuzzing")]
pub(crate) use image::{Source, check_line};
pub(crate) use spec::{container_name, creation, missing_mount};
