//! From what a person declares to what a supervisor is told.

use std::path::{Path, PathBuf};

use tessera_types::Name;
use tessera_types::workload::{Resources as Declared, Stop};

use crate::containers::ContainerSpec;
use crate::core::Launch;
use crate::supervisor::{ProcessSpec, Resources, RunKind, Signal, StopSpec};

/// What is to be run: a container if there is an image, by the runtime behind `socket`. None if
/// there is no such runtime.
pub(super) fn run_kind(launch: &Launch, node: &Name, socket: Option<&Path>) -> Option<RunKind> {
    let spec = &launch.spec;
    let Some(image) = spec.image.clone() else {
        return Some(RunKind::Process(ProcessSpec {
            command: spec.command.clone()?,
            args: spec.args.clone(),
            env: spec.env.clone(),
            working_dir: spec.working_dir.as_ref().map(PathBuf::from),
        }));
    };
    let labels = [
        ("tessera.workload", format!("{}/{}", launch.namespace, launch.name)),
        ("tessera.node", node.to_string()),
    ];
    Some(RunKind::Container(ContainerSpec {
        socket: socket?.to_owned(),
        image,
        command: spec.command.clone(),
        args: spec.args.clone(),
        env: spec.env.clone(),
        working_dir: spec.working_dir.clone(),
        ports: spec.ports.clone(),
        mounts: spec.mounts.clone(),
        labels: labels.map(|(name, value)| (name.to_owned(), value)).into(),
    }))
}

/// Its limits.
pub(super) fn resources(declared: Declared) -> Resources {
    let some = |amount: u64| (amount > 0).then_some(amount);
    Resources { cpu_millicores: some(declared.cpu.0), memory_bytes: some(declared.memory.0) }
}

/// How it is stopped.
pub(super) fn stop_spec(stop: &Stop) -> StopSpec {
    let signal = stop.signal.as_str().parse().unwrap_or(Signal::TERM);
    StopSpec { signal, grace_ms: stop.grace.as_millis() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declared_signal_is_one_that_can_be_sent() {
        for name in ["HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "WINCH", "KILL"] {
            let stop = Stop { signal: name.parse().unwrap(), ..Stop::default() };
            assert_eq!(stop_spec(&stop).signal.to_string(), format!("SIG{name}"));
        }
    }

    #[test]
    fn an_image_makes_it_a_container_and_that_takes_a_runtime() {
        let kind = |spec, socket: Option<&str>| {
            let name = |text| Name::new(text).unwrap();
            let spec = serde_json::from_value::<tessera_types::workload::WorkloadSpec>(spec);
            let launch = Launch {
                run: "0000000000000abc-1-1".parse().unwrap(),
                namespace: name("default"),
                name: name("web"),
                spec: std::sync::Arc::new(spec.unwrap()),
            };
            run_kind(&launch, &name("node-a"), socket.map(Path::new))
        };
        let image = serde_json::json!({"image": "app:1", "command": "/bin/app"});
        assert_eq!(kind(image.clone(), None), None);
        let Some(RunKind::Container(container)) = kind(image, Some("/s")) else { panic!() };
        assert_eq!(container.command.as_deref(), Some("/bin/app"));
        assert_eq!(container.labels["tessera.workload"], "default/web");
        assert_eq!(container.labels["tessera.node"], "node-a");
        let process = kind(serde_json::json!({"command": "/bin/app"}), None);
        assert!(matches!(process, Some(RunKind::Process(_))), "{process:?}");
    }
}
