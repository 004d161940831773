//! Looks for the container runtime of this machine.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use tessera_types::limits;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::api::{ContainerApi, Version};

/// A runtime that is well answers at once.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// How people tell Docker's and Podman's own tools where the runtime is.
const VARIABLES: [&str; 2] = ["DOCKER_HOST", "CONTAINER_HOST"];
const USUAL: [&str; 3] = ["/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock"];
/// Where Podman listens for a user, below `XDG_RUNTIME_DIR`.
const OF_USER: &str = "podman/podman.sock";

/// Where the Docker-compatible API of the container runtime is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ContainerSocket {
    /// Wherever one of the usual runtimes has it.
    #[default]
    Find,
    /// There.
    Path(PathBuf),
    /// The node runs no containers.
    None,
}

/// A container runtime that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRuntime {
    /// Where its API is.
    pub socket: PathBuf,
    /// What it is, such as `podman 4.3.1`.
    pub name: String,
}

/// The first runtime that answers.
pub async fn find(wanted: &ContainerSocket) -> Option<ContainerRuntime> {
    for socket in candidates(wanted, |name| std::env::var_os(name)) {
        let version = timeout(ANSWER_TIME, ContainerApi::new(&socket).version()).await;
        let problem = match version {
            Ok(Ok(version)) => return Some(ContainerRuntime { name: name(&version), socket }),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("nothing came within {} s", ANSWER_TIME.as_secs()),
        };
        let socket = socket.display();
        if matches!(wanted, ContainerSocket::Path(_)) {
            warn!(target: "tessera::agent", %socket, problem, "the container runtime does not answer; the node runs no containers until it does");
        } else {
            debug!(target: "tessera::agent", %socket, problem, "no container runtime here");
        }
    }
    None
}

fn candidates(
    wanted: &ContainerSocket,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Vec<PathBuf> {
    match wanted {
        ContainerSocket::None => Vec::new(),
        ContainerSocket::Path(path) => vec![path.clone()],
        ContainerSocket::Find => {
            let declared = VARIABLES.iter().filter_map(|name| {
                let value = variable(name)?.into_string().ok()?;
                // Only a runtime on this machine can run this node's containers.
                value.strip_prefix("unix://").map(PathBuf::from)
            });
            let of_user = variable("XDG_RUNTIME_DIR").map(|dir| PathBuf::from(dir).join(OF_USER));
            declared.chain(USUAL.map(PathBuf::from)).chain(of_user).collect()
        }
    }
}

fn name(version: &Version) -> String {
    let podman = version.components.iter().any(|component| component.name.contains("Podman"));
    let name = format!("{} {}", if podman { "podman" } else { "docker" }, version.version);
    limits::clip(&name, limits::AGENT_TEXT_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Vec<String> {
        let variable = |name: &str| {
            let value = variables.iter().find(|(key, _)| *key == name);
            value.map(|(_, value)| OsString::from(value))
        };
        let found = candidates(&ContainerSocket::Find, variable);
        found.iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn what_is_declared_comes_first_and_a_remote_runtime_does_not_count() {
        assert_eq!(found(&[]), USUAL);
        let all = found(&[
            ("DOCKER_HOST", "unix:///d.sock"),
            ("CONTAINER_HOST", "tcp://elsewhere:2375"),
            ("XDG_RUNTIME_DIR", "/run/user/7"),
        ]);
        assert_eq!(all[0], "/d.sock");
        assert_eq!(all[1..4], USUAL);
        assert_eq!(all[4..], ["/run/user/7/podman/podman.sock"]);
    }

    #[test]
    fn a_given_socket_is_the_only_one_and_none_is_none() {
        let path = PathBuf::from("/x");
        assert_eq!(candidates(&ContainerSocket::Path(path.clone()), |_| None), [path]);
        assert!(candidates(&ContainerSocket::None, |_| None).is_empty());
    }

    #[test]
    fn both_runtimes_are_called_by_their_names() {
        let version = |json: serde_json::Value| name(&serde_json::from_value(json).unwrap());
        let podman = serde_json::json!({"Version": "4.3.1", "Components": [
            {"Name": "Podman Engine", "Version": "4.3.1"}, {"Name": "Conmon", "Version": "2"}]});
        assert_eq!(version(podman), "podman 4.3.1");
        let docker = serde_json::json!({"Version": "28.0.4", "Platform": {"Name": "Docker Engine"},
            "Components": [{"Name": "Engine", "Version": "28.0.4"}]});
        assert_eq!(version(docker), "docker 28.0.4");
        let long = serde_json::json!({"Version": "1".repeat(1000), "Components": []});
        assert_eq!(
            version(long).len(),
            limits::AGENT_TEXT_BYTES_MAX,
            "what the control plane takes"
        );
    }
}
