//! What containers have of the machine: folders and files, each as `FROM:TO` or `FROM:TO:OPTIONS`.

use std::fmt;

use schemars::JsonSchema;
use schemars::r#gen::SchemaGenerator;
use schemars::schema::Schema;
use serde::Serialize;
use tessera_manifest::{Entry, Node, Value, quoted};

use super::code;
use super::reader::{Reader, all};

/// What may stand behind the second path, joined by commas: whether it can be written to, and how
/// it is labelled for `SELinux`.
const OPTIONS: [&str; 4] = ["ro", "rw", "z", "Z"];

/// The folders in a container that are Tessera's.
const RESERVED: [&str; 2] = ["/run/tessera", "/var/lib/tessera"];

/// A folder or a file of the machine in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Where it is on the machine. Absolute.
    pub from: String,
    /// Where the container has it. Absolute.
    pub to: String,
    /// Such as `ro` and `ro,z`; often none.
    pub options: Option<String>,
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.from, self.to)?;
        self.options.iter().try_for_each(|options| write!(f, ":{options}"))
    }
}

impl Serialize for Volume {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Volume {
    fn schema_name() -> String {
        "Volume".to_owned()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let volume = serde_json::json!({
            "description": "A path of the machine, and where the container has it: `/srv/lake:/lake`, \
                            or `/srv/lake:/lake:ro`.",
            "type": "string",
            "pattern": "^/[^:\\\\s]*:/[^:]+(:(ro|rw|z|Z)(,(ro|rw|z|Z))*)?$",
        });
        serde_json::from_value(volume).expect("it is a schema")
    }
}

impl Volume {
    /// Reads one, or says what is wrong with it.
    fn read(text: &str) -> Result<Self, &'static str> {
        let mut parts = text.split(':');
        let (Some(from), Some(to)) = (parts.next(), parts.next()) else {
            return Err("it does not say where the container has it");
        };
        let options = parts.next();
        if parts.next().is_some() {
            return Err("it has more than two paths and options");
        }
        if !from.starts_with('/') || !to.starts_with('/') {
            return Err("both of its paths begin with `/`");
        }
        if text.trim() != text || text.chars().any(|c| c.is_control() || "\\\"'".contains(c)) {
            return Err(
                "a quote, a `\\`, a control character or a blank at its end cannot stand in it",
            );
        }
        if from.contains(char::is_whitespace) {
            return Err("systemd cannot wait for a path of the machine that has a blank");
        }
        let climbs = |path: &str| path.split('/').any(|part| matches!(part, "." | ".."));
        if climbs(from) || climbs(to) || to.trim_end_matches('/').is_empty() {
            return Err("a path has no `.` and no `..`, and a container keeps its own `/`");
        }
        if RESERVED.iter().any(|reserved| is_below(to, reserved) || is_below(reserved, to)) {
            return Err("`/run/tessera` and `/var/lib/tessera` are Tessera's in a container");
        }
        if options.is_some_and(|all| all.split(',').any(|option| !OPTIONS.contains(&option))) {
            return Err("its options are of `ro`, `rw`, `z` and `Z`");
        }
        let owned = str::to_owned;
        Ok(Self { from: owned(from), to: owned(to), options: options.map(owned) })
    }
}

/// Whether a path is this folder or in it.
fn is_below(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl<'d> Reader<'d> {
    pub(super) fn volumes(&mut self, node: &'d Node) -> Option<Vec<Volume>> {
        let elements = self.elements(node, "strings")?;
        let mut taken: Vec<String> = Vec::new();
        all(elements.iter().map(|node| {
            let text = self.text(node)?;
            let volume = Volume::read(text).and_then(|volume| {
                let to = volume.to.trim_end_matches('/').to_owned();
                let is_twice = taken.contains(&to);
                taken.push(to);
                if is_twice { Err("another volume is at the same path") } else { Ok(volume) }
            });
            if let Err(why) = &volume {
                let message = format!("{} is no volume: {why}", quoted(text));
                let hint = "write it as \"/srv/lake:/lake\", or \"/srv/lake:/lake:ro\"".to_owned();
                self.wrong(node, code::INVALID_VOLUME, message, hint);
            }
            volume.ok()
        }))
    }

    /// Volumes are those of a container, and what an environment names is in one.
    pub(super) fn volumes_of_containers(&mut self, root: &'d Node) {
        let Some(lifecycle) = root.get("lifecycle") else { return };
        let services = root.get("services").map(entries).unwrap_or_default();
        let image = lifecycle.get("image");
        let any_image = image.or_else(|| services.iter().find_map(|own| own.value.get("image")));
        self.needs_image(lifecycle, any_image);
        if image.is_some() {
            self.paths_are_mounted(lifecycle, lifecycle.get("volumes"));
            self.program_is_found(lifecycle);
        }
        for Entry { value: own, .. } in services {
            let image = own.get("image").or(image);
            self.needs_image(own, image);
            if image.is_some() {
                let volumes = own.get("volumes").or_else(|| lifecycle.get("volumes"));
                self.paths_are_mounted(own, volumes);
                self.program_is_found(own);
            }
        }
    }

    /// Warns of a program whose place depends on the folder that the image starts in.
    fn program_is_found(&mut self, service: &'d Node) {
        let program = service.get("entrypoint").and_then(|node| node.elements().first());
        let Some((node, program)) = program.and_then(|node| Some((node, node.as_str()?))) else {
            return;
        };
        if program.contains('/') && !program.starts_with('/') {
            let message = format!(
                "{} is from the folder that the image starts in, not from that of the manifest",
                quoted(program)
            );
            let hint = "write its path in the image, from `/`".to_owned();
            self.warn(node, code::RELATIVE_IN_IMAGE, message, hint);
        }
    }

    fn needs_image(&mut self, service: &'d Node, image: Option<&Node>) {
        if let Some(volumes) = service.get("volumes").filter(|_| image.is_none()) {
            let message = "volumes are those of a container, and there is no `image`";
            let hint = "remove them: a process of the machine has all of its files".to_owned();
            self.wrong(volumes, code::INVALID_VOLUME, message, hint);
        }
    }

    /// Warns of data that a run would write into its container, and lose with it.
    fn paths_are_mounted(&mut self, service: &'d Node, volumes: Option<&'d Node>) {
        let volumes = volumes.map(Node::elements).unwrap_or_default();
        let volumes: Vec<Volume> =
            volumes.iter().filter_map(|node| Volume::read(node.as_str()?).ok()).collect();
        for variable in service.get("environment").map(entries).unwrap_or_default() {
            let Some(path) = variable.value.as_str() else { continue };
            // More than one path is a list of where to search, which is about the image.
            let is_path = path.len() > 1 && path.starts_with('/') && !path.contains(':');
            let has = |volume: &Volume| is_below(path, &volume.to);
            if is_path && !volumes.iter().any(has) {
                let message = format!(
                    "{} is a path in the container, and no volume has it: what a run writes there \
                     is gone with the container",
                    quoted(path)
                );
                let hint = format!("if it is on the machine: volumes = [\"{path}:{path}\"]");
                self.warn(&variable.value, code::PATH_NOT_MOUNTED, message, hint);
            }
        }
    }
}

fn entries(node: &Node) -> &[Entry] {
    match &node.value {
        Value::Map(entries) => entries,
        _ => &[],
    }
}
