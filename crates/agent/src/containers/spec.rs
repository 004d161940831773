//! What a container is to be, and how the API wants to be told.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tessera_types::workload::{Mount, Port};

use super::api::RUN_LABEL;
use crate::supervisor::{RUN_VARIABLE, Resources};

/// Ports are published here only: what listens on this machine for others is for a person to
/// decide.
const PUBLISHED_ON: &str = "127.0.0.1";
/// The kernel's usual accounting period for CPU limits, in microseconds.
const CPU_PERIOD_US: u64 = 100_000;
/// The smallest share that the kernel accepts, in microseconds per period.
const CPU_QUOTA_US_MIN: u64 = 1_000;

/// A container and its surroundings.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Where the API of its runtime is.
    pub socket: PathBuf,
    /// The image. It must be on the node.
    pub image: String,
    /// Replaces the image's entry point, and its arguments too.
    #[serde(default)]
    pub command: Option<String>,
    /// Arguments; without a command, to the image's entry point.
    #[serde(default)]
    pub args: Vec<String>,
    /// Added to the image's variables; wins over them.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The image's own unless given.
    #[serde(default)]
    pub working_dir: Option<String>,
    /// Published on loopback of the node.
    #[serde(default)]
    pub ports: Vec<Port>,
    /// What of the node it sees.
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// By which people find it among others.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Environment variables may be secrets: only their number is ever shown.
impl fmt::Debug for ContainerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerSpec")
            .field("socket", &self.socket)
            .field("image", &self.image)
            .field("command", &self.command)
            .field("args", &self.args)
            .field("env", &format_args!("<{} variables>", self.env.len()))
            .field("working_dir", &self.working_dir)
            .field("ports", &self.ports)
            .field("mounts", &self.mounts)
            .field("labels", &self.labels)
            .finish()
    }
}

/// What the container of a run is called.
pub(crate) fn container_name(run_id: &str) -> String {
    format!("tessera-{run_id}")
}

/// The first mount of which the source does not exist. Podman would make a folder in its place.
pub(crate) fn missing_mount(spec: &ContainerSpec) -> Option<&Mount> {
    spec.mounts.iter().find(|mount| fs::metadata(&mount.source).is_err())
}

/// The order that makes the container.
pub(crate) fn creation(run_id: &str, spec: &ContainerSpec, resources: Resources) -> Value {
    let env = spec.env.iter().map(|(name, value)| format!("{name}={value}"));
    let env: Vec<String> = env.chain([format!("{RUN_VARIABLE}={run_id}")]).collect();
    let mut labels = spec.labels.clone();
    labels.insert(RUN_LABEL.to_owned(), run_id.to_owned());
    let mut order = json!({
        "Image": spec.image,
        "Env": env,
        "Labels": labels,
        "ExposedPorts": exposed(&spec.ports),
        "AttachStdout": true,
        "AttachStderr": true,
        "HostConfig": host_config(spec, resources),
    });
    if let Some(command) = &spec.command {
        order["Entrypoint"] = json!([command]);
    }
    if spec.command.is_some() || !spec.args.is_empty() {
        order["Cmd"] = json!(spec.args);
    }
    if let Some(dir) = &spec.working_dir {
        order["WorkingDir"] = json!(dir);
    }
    order
}

fn host_config(spec: &ContainerSpec, resources: Resources) -> Value {
    let mut config = json!({
        "Mounts": spec.mounts.iter().map(bind).collect::<Vec<_>>(),
        "PortBindings": bindings(&spec.ports),
        "RestartPolicy": {"Name": "no"},
        // What it prints is in its workload's log, which has a bound; the runtime's own would have
        // none.
        "LogConfig": {"Type": "none"},
    });
    if let Some(bytes) = resources.memory_bytes {
        config["Memory"] = json!(bytes);
        // Of memory and swap together.
        config["MemorySwap"] = json!(bytes);
    }
    if let Some(millicores) = resources.cpu_millicores {
        let quota = (millicores.saturating_mul(CPU_PERIOD_US) / 1000).max(CPU_QUOTA_US_MIN);
        config["CpuPeriod"] = json!(CPU_PERIOD_US);
        config["CpuQuota"] = json!(quota);
    }
    config
}

fn exposed(ports: &[Port]) -> Map<String, Value> {
    ports.iter().map(|port| (inside(port), json!({}))).collect()
}

fn bindings(ports: &[Port]) -> BTreeMap<String, Vec<Value>> {
    let mut bindings: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for port in ports {
        let (on_host, _) = port.on_host();
        let binding = json!({"HostIp": PUBLISHED_ON, "HostPort": on_host.to_string()});
        bindings.entry(inside(port)).or_default().push(binding);
    }
    bindings
}

fn inside(port: &Port) -> String {
    format!("{}/{}", port.port, port.protocol)
}

fn bind(mount: &Mount) -> Value {
    json!({
        "Type": "bind",
        "Source": mount.source,
        "Target": mount.target,
        "ReadOnly": mount.read_only,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: &Value) -> ContainerSpec {
        let mut whole = json!({"socket": "/s", "image": "app:1"});
        whole.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    fn order(json: &Value) -> Value {
        creation("r1", &spec(json), Resources::default())
    }

    #[test]
    fn a_command_replaces_what_the_image_would_run_and_arguments_alone_do_not() {
        let order = |json: Value| {
            let order = order(&json);
            (order.get("Entrypoint").cloned(), order.get("Cmd").cloned())
        };
        assert_eq!(order(json!({})), (None, None));
        assert_eq!(order(json!({"args": ["a"]})), (None, Some(json!(["a"]))));
        let both = order(json!({"command": "/x", "args": ["a"]}));
        assert_eq!(both, (Some(json!(["/x"])), Some(json!(["a"]))));
        assert_eq!(order(json!({"command": "/x"})), (Some(json!(["/x"])), Some(json!([]))));
    }

    #[test]
    fn ports_are_published_on_loopback() {
        let port = json!({"port": 80, "host_port": 8080});
        let order = order(&json!({"ports": [port, {"port": 53, "protocol": "udp"}]}));
        let bindings = &order["HostConfig"]["PortBindings"];
        assert_eq!(bindings["80/tcp"], json!([{"HostIp": "127.0.0.1", "HostPort": "8080"}]));
        assert_eq!(bindings["53/udp"], json!([{"HostIp": "127.0.0.1", "HostPort": "53"}]));
        assert_eq!(order["ExposedPorts"], json!({"80/tcp": {}, "53/udp": {}}));
    }

    #[test]
    fn two_ports_of_the_node_may_lead_to_the_same_port_inside() {
        let twice = json!([{"port": 80, "host_port": 8080}, {"port": 80, "host_port": 8081}]);
        let order = order(&json!({"ports": twice}));
        let bindings = order["HostConfig"]["PortBindings"]["80/tcp"].as_array().unwrap();
        assert_eq!(bindings.len(), 2);
    }

    #[test]
    fn limits_are_given_as_the_kernel_takes_them() {
        let limits = Resources { cpu_millicores: Some(250), memory_bytes: Some(4096) };
        let order = creation("r1", &spec(&json!({})), limits);
        let config = &order["HostConfig"];
        assert_eq!((&config["CpuQuota"], &config["CpuPeriod"]), (&json!(25_000), &json!(100_000)));
        assert_eq!((&config["Memory"], &config["MemorySwap"]), (&json!(4096), &json!(4096)));
    }

    #[test]
    fn the_run_can_be_found_by_its_label_whatever_other_labels_say() {
        let order = order(&json!({"labels": {"tessera.run": "other", "tessera.node": "a"}}));
        assert_eq!(order["Labels"], json!({"tessera.run": "r1", "tessera.node": "a"}));
        assert_eq!(order["Env"], json!(["TESSERA_RUN=r1"]));
    }

    #[test]
    fn the_environment_is_never_shown() {
        let spec = spec(&json!({"env": {"TOKEN": "hunter2"}}));
        let shown = format!("{spec:?} {spec:#?}");
        assert!(!shown.contains("hunter2") && !shown.contains("TOKEN"), "{shown}");
    }

    #[test]
    fn a_mount_of_nothing_is_found() {
        let mount = |source| json!({"source": source, "target": "/x"});
        let spec = spec(&json!({"mounts": [mount("/"), mount("/no/such/place")]}));
        assert_eq!(missing_mount(&spec).unwrap().source, "/no/such/place");
    }
}
