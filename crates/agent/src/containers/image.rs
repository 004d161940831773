//! Brings an image to the node: it is pulled when, and only when, it is not there.

use std::time::Duration;

use http_body_util::BodyExt;
use serde::Deserialize;
use tokio::time::timeout;

use super::api::ContainerApi;
use super::http::{ApiError, Body, no_answer};

/// A pull of which nothing was heard for so long hangs.
const SILENCE_MAX: Duration = Duration::from_secs(300);
/// A line of progress is short; what comes without an end is no progress.
const LINE_BYTES_MAX: usize = 1 << 20;
const HUB: &str = "docker.io";
/// Images that were built or imported on the node itself have this in place of a registry.
const LOCAL: &str = "localhost";

/// What registries say when another attempt cannot go better.
const PERMANENT: [&str; 9] = [
    "manifest unknown",
    "name unknown",
    "not found",
    "does not exist",
    "access denied",
    "access to the resource is denied",
    "unauthorized",
    "authentication required",
    "invalid reference",
];

/// Why an image is not on the node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ImageError {
    pub(crate) message: String,
    /// Whether another attempt cannot go better.
    pub(crate) permanent: bool,
}

/// Sees to it that the node has an image. If it must be pulled, `pulling` is told its full name
/// first.
///
/// The runtime itself sees to it that pulls of the same image at the same time are one.
pub(crate) async fn ensure_image(
    api: &ContainerApi,
    image: &str,
    pulling: impl FnOnce(&str),
) -> Result<(), ImageError> {
    let unknown = |error: ApiError| ImageError {
        message: format!("cannot look for the image {image}: {error}"),
        permanent: false,
    };
    if api.has_image(image).await.map_err(unknown)? {
        return Ok(());
    }
    let source = Source::of(image);
    if source.is_local() {
        let message = format!(
            "image {image} is not on the node, and one of {LOCAL} cannot be pulled: \
             build or import it there, or name a registry"
        );
        return Err(ImageError { message, permanent: true });
    }
    pulling(&source.to_string());
    pull(api, &source).await.map_err(|cause| ImageError {
        permanent: is_permanent(&cause),
        message: format!("image {image} is not on the node and cannot be pulled: {cause}"),
    })
}

async fn pull(api: &ContainerApi, source: &Source) -> Result<(), String> {
    let answer = api.pull(&source.name, &source.tag).await;
    follow(api, answer.map_err(|error| error.to_string())?).await
}

/// A pull goes well unless one of its lines says otherwise.
async fn follow(api: &ContainerApi, mut answer: Body) -> Result<(), String> {
    let lost = |detail: String| no_answer(api.socket(), detail).to_string();
    let mut lines = Vec::new();
    loop {
        let Ok(frame) = timeout(SILENCE_MAX, answer.frame()).await else {
            return Err(lost(format!("nothing came for {} s", SILENCE_MAX.as_secs())));
        };
        let Some(frame) = frame else { return check_line(&lines) };
        let frame = frame.map_err(|error| lost(error.to_string()))?;
        lines.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = lines.drain(..=end).collect();
            check_line(&line)?;
        }
        if lines.len() > LINE_BYTES_MAX {
            return Err(lost("its progress has no end".to_owned()));
        }
    }
}

pub(crate) fn check_line(line: &[u8]) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Progress {
        error: Option<String>,
    }
    match serde_json::from_slice::<Progress>(line) {
        Ok(Progress { error: Some(error) }) => Err(error.trim().to_owned()),
        _ => Ok(()),
    }
}

fn is_permanent(cause: &str) -> bool {
    let cause = cause.to_lowercase();
    PERMANENT.iter().any(|said| cause.contains(said))
}

/// From where an image is pulled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The registry and the name there.
    name: String,
    /// The tag, or the digest.
    tag: String,
}

impl Source {
    /// Fills in what people leave out.
    pub(crate) fn of(image: &str) -> Self {
        let (name, digest) = match image.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (image, None),
        };
        // A colon before the last slash is that of the registry's port.
        let last = name.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match name[last..].split_once(':') {
            Some((short, tag)) => (&name[..last + short.len()], tag),
            None => (name, "latest"),
        };
        Self { name: with_registry(name), tag: digest.unwrap_or(tag).to_owned() }
    }

    pub(crate) fn is_local(&self) -> bool {
        self.name.split('/').next() == Some(LOCAL)
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let separator = if self.tag.contains(':') { '@' } else { ':' };
        write!(f, "{}{separator}{}", self.name, self.tag)
    }
}

fn with_registry(name: &str) -> String {
    match name.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == LOCAL => name.to_owned(),
        Some(_) => format!("{HUB}/{name}"),
        None => format!("{HUB}/library/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_of_a_name_is_filled_in() {
        for (image, full) in [
            ("alpine", "docker.io/library/alpine:latest"),
            ("alpine:3", "docker.io/library/alpine:3"),
            ("me/app:1", "docker.io/me/app:1"),
            ("quay.io/me/app", "quay.io/me/app:latest"),
            ("registry:5000/app", "registry:5000/app:latest"),
            ("registry:5000/app:2", "registry:5000/app:2"),
            ("alpine@sha256:00", "docker.io/library/alpine@sha256:00"),
            ("alpine:3@sha256:00", "docker.io/library/alpine@sha256:00"),
            ("localhost/app", "localhost/app:latest"),
        ] {
            assert_eq!(Source::of(image).to_string(), full, "{image}");
        }
    }

    #[test]
    fn only_a_localhost_without_a_port_is_no_registry() {
        assert!(Source::of("localhost/app:1").is_local());
        assert!(!Source::of("localhost:5000/app:1").is_local());
        assert!(!Source::of("localhost.example.com/app").is_local());
    }

    #[test]
    fn an_image_that_is_not_there_is_told_from_a_registry_that_is_not() {
        for said in [
            "pull access denied for nope, repository does not exist or may require 'docker login'",
            "reading manifest 1 in docker.io/library/nope: manifest unknown: manifest unknown",
            "reading manifest 1 in quay.io/a/b: unauthorized: access to the requested resource",
            "reading manifest 1 in docker.io/a/b: errors:\ndenied: requested access to the \
             resource is denied",
        ] {
            assert!(is_permanent(said), "{said}");
        }
        for said in [
            "pinging container registry x: Get \"https://x/v2/\": dial tcp: lookup x: no such host",
            "dial tcp 127.0.0.1:9: connect: connection refused",
            "net/http: TLS handshake timeout",
            "toomanyrequests: You have reached your pull rate limit",
            "unexpected status code 503 Service Unavailable",
        ] {
            assert!(!is_permanent(said), "{said}");
        }
    }

    #[test]
    fn a_pull_fails_by_a_line_of_its_progress() {
        assert_eq!(check_line(br#"{"status":"Pulling fs layer","id":"a"}"#), Ok(()));
        assert_eq!(check_line(b""), Ok(()));
        let failed = check_line(b"{\"error\":\"no such host\",\"errorDetail\":{}}\n");
        assert_eq!(failed, Err("no such host".to_owned()));
    }
}
