//! Units of systemd and of Quadlet, rendered from a manifest.
//!
//! The one idea: what the manifest says arrives at the program letter by letter. A unit is read
//! several times on the way (by Quadlet, by systemd for specifiers, by systemd for variables, by
//! podman), so `quoting` has one function for each place that a text can stand in.
//!
//! Each service has a `.service`, or a `.container` if it has an image, and a `.timer`. The variables
//! of a container are in a file beside it, `.env`: on podman's command line, where Quadlet would put
//! them, everybody on the machine could read them. Only timers have an `[Install]`: enabling a unit
//! that is generated fails. The text is a function of the manifest and the places on the machine, so
//! that a second rendering changes nothing.

mod quoting;
mod reach;

use std::fmt::Write as _;

use tessera_types::{Millicores, Name};

use crate::manifest::{FILE_NAME, Manifest, Service};
use quoting::{argument, assignment, container_assignment, json_list, line, path, program};

pub use reach::{Reach, reach};

/// The folder in which a container finds its tenant's manifest.
pub const MANIFEST_IN_CONTAINER: &str = "/run/tessera/";
/// Where a container finds the telemetry hub.
pub const TELEMETRY_IN_CONTAINER: &str = "/var/lib/tessera/telemetry";
/// Where a container writes its text file for node_exporter.
const TEXTFILE_IN_CONTAINER: &str = "/var/lib/tessera/textfile";

/// How long a run that is stopped has to end by itself, in seconds. systemd's 90 are long for
/// somebody who waits, and the first process of a container may not heed what asks it to end.
const STOP_SECONDS: u32 = 10;

/// The places on the machine that units name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitPlaces {
    /// The folder that a process starts in: that of the manifest. Absolute.
    pub folder: String,
    /// The manifest itself. Absolute.
    pub manifest: String,
    /// The telemetry hub. Absolute.
    pub telemetry: String,
    /// The folder that the rendered files will be in. Absolute.
    pub units: String,
    /// The folder of text files for node_exporter, if it is not that of the hub. Absolute.
    pub textfile: Option<String>,
}

/// A place that a unit cannot name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// It is not absolute.
    #[error("{0:?} is not an absolute path: a unit has no current folder")]
    NotAbsolute(String),
    /// It has a character that no unit can hold.
    #[error("{0:?} has a control character: choose a path that fits in a line of a unit")]
    Control(String),
    /// It has a `:`, which ends a path in the volumes of a container.
    #[error("{0:?} has a colon, so a container cannot mount it: choose another path")]
    Colon(String),
}

/// A file of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitFile {
    /// Its name, such as `circ-trans.timer`.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// The units of a tenant, in the order of its services; none for a tenant that is not operated.
/// `org` is that of the instance: the namespace of telemetry where the manifest has none.
///
/// # Errors
/// A place that a unit cannot name.
pub fn render(
    manifest: &Manifest,
    org: &Name,
    places: &UnitPlaces,
) -> Result<Vec<UnitFile>, PlaceError> {
    let mut files = Vec::new();
    for service in manifest.services() {
        places.check(service.image.is_some())?;
        let unit = Unit { manifest, org, service: &service, places };
        let mut push = |extension: &str, text| {
            files.push(UnitFile { name: format!("{}.{extension}", service.unit), text });
        };
        match &service.image {
            Some(image) => {
                push("container", unit.container(image));
                if !service.environment.is_empty() {
                    push("env", unit.variables_of_container());
                }
            }
            None => push("service", unit.process()),
        }
        push("timer", unit.timer());
    }
    Ok(files)
}

impl UnitPlaces {
    fn check(&self, mounted: bool) -> Result<(), PlaceError> {
        let Self { folder, manifest, telemetry, textfile, units } = self;
        let all = [Some(folder), Some(manifest), Some(telemetry), Some(units), textfile.as_ref()];
        for place in all.into_iter().flatten() {
            if !place.starts_with('/') {
                return Err(PlaceError::NotAbsolute(place.clone()));
            }
            if place.chars().any(char::is_control) {
                return Err(PlaceError::Control(place.clone()));
            }
            if mounted && place.contains(':') && place != units {
                return Err(PlaceError::Colon(place.clone()));
            }
        }
        Ok(())
    }
}

/// What the units of one service are rendered from.
struct Unit<'a> {
    manifest: &'a Manifest,
    org: &'a Name,
    service: &'a Service,
    places: &'a UnitPlaces,
}

impl Unit<'_> {
    /// A unit that starts a process of the machine.
    fn process(&self) -> String {
        let Self { service, places, .. } = self;
        let mut text = self.service_head();
        let (first, rest) = service.entrypoint.split_first().expect("an entrypoint has a program");
        let arguments = rest.iter().map(String::as_str).chain(self.verb());
        let arguments = arguments.map(|word| format!(" {}", argument(word))).collect::<String>();
        let _ = writeln!(text, "\n[Service]\nType=oneshot");
        let _ = writeln!(text, "WorkingDirectory={}", path(&places.folder));
        let _ = writeln!(text, "ExecStart={}{arguments}", program(first, &places.folder));
        let textfile = places.textfile.as_deref();
        let tessera = self.variables_of_tessera(&places.manifest, &places.telemetry, textfile);
        for (name, value) in self.variables().chain(tessera) {
            let _ = writeln!(text, "Environment={}", assignment(name, value));
        }
        self.limits(&mut text);
        text
    }

    /// A file from which Quadlet makes a unit that runs a container.
    fn container(&self, image: &str) -> String {
        let Self { service, places, .. } = self;
        let manifest = format!("{MANIFEST_IN_CONTAINER}{FILE_NAME}");
        let textfile = places.textfile.is_some().then_some(TEXTFILE_IN_CONTAINER);
        let mut text = self.service_head();
        let _ = writeln!(text, "\n[Container]\nImage={image}");
        if image.starts_with("localhost/") {
            // No registry has it: a missing one is told at once.
            text.push_str("Pull=never\n");
        }
        // All of it is the entry point: Quadlet 5.4 loses an argument of `Exec=` that is empty,
        // and those after it.
        let words = service.entrypoint.iter().map(String::as_str).chain(self.verb());
        let _ = writeln!(text, "Entrypoint={}", json_list(words));
        if !service.environment.is_empty() {
            let file = format!("{}/{}.env", places.units.trim_end_matches('/'), service.unit);
            let _ = writeln!(text, "EnvironmentFile={}", argument(&file));
        }
        for (name, value) in self.variables_of_tessera(&manifest, TELEMETRY_IN_CONTAINER, textfile)
        {
            let _ = writeln!(text, "Environment={}", container_assignment(name, value));
        }
        // Without a value podman takes that of its own environment.
        text.push_str("PodmanArgs=--env=INVOCATION_ID\n");
        let mut mount = |from: &str, to: &str, options: &str| {
            let _ = writeln!(text, "Volume={}:{to}:{options}", path(from).replace('$', "$$"));
        };
        mount(&places.manifest, &manifest, "ro,z");
        mount(&places.telemetry, TELEMETRY_IN_CONTAINER, "z");
        if let Some(textfile) = &places.textfile {
            mount(textfile, TEXTFILE_IN_CONTAINER, "z");
        }
        for volume in &service.volumes {
            let _ = writeln!(text, "Volume={}", path(&volume.to_string()).replace('$', "$$"));
        }
        let _ = writeln!(text, "\n[Service]\nType=oneshot");
        let _ = writeln!(text, "ExecStartPre=/bin/mkdir -p {}", argument(&places.telemetry));
        if let Some(textfile) = &places.textfile {
            let _ = writeln!(text, "ExecStartPre=/bin/mkdir -p {}", argument(textfile));
        }
        // Podman before 5 leaves the file behind, and does not start while it is there.
        text.push_str("ExecStartPre=-/bin/rm -f %t/%N.cid\n");
        self.limits(&mut text);
        text
    }

    /// The tenant's variables as podman reads them: each value is what follows the `=`, to the end of
    /// its line.
    fn variables_of_container(&self) -> String {
        self.variables().map(|(name, value)| format!("{name}={value}\n")).collect()
    }

    fn timer(&self) -> String {
        let Service { unit, schedule, .. } = self.service;
        let mut text = self.head("Timer of tenant");
        // A minute late, which is systemd's default, is a wrong time to people who read a schedule.
        let _ = writeln!(
            text,
            "\n[Timer]\nOnCalendar={schedule}\nPersistent=true\nAccuracySec=1s\n\
             Unit={unit}.service\n\n[Install]\nWantedBy=timers.target"
        );
        text
    }

    /// What a unit that runs a program begins with. Its runs are as many as people and its timer ask
    /// for: nothing restarts it by itself, so there is no loop that a start limit would break.
    fn service_head(&self) -> String {
        self.head("Tenant") + "StartLimitIntervalSec=0\n"
    }

    /// What each unit begins with: what it is, and whose. systemd passes over what begins with X-.
    fn head(&self, what: &str) -> String {
        let Self { manifest, service, .. } = self;
        let mut text = format!("[Unit]\nDescription={what} {}", service.unit);
        let description = manifest.description.as_deref().and_then(|text| text.lines().next());
        if let Some(description) = description.map(line).filter(|text| !text.is_empty()) {
            let _ = write!(text, ": {description}");
        }
        let _ = write!(text, "\nX-Tessera-Tenant={}\n", manifest.name);
        if let Some(suffix) = &service.suffix {
            let _ = writeln!(text, "X-Tessera-Service={suffix}");
        }
        text
    }

    /// What follows the program: the verb and its arguments.
    fn verb(&self) -> impl Iterator<Item = &str> {
        std::iter::once("run").chain(self.service.verb_arguments.iter().map(String::as_str))
    }

    /// The variables that the manifest has.
    fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self.service.environment.iter();
        own.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Those that every program gets.
    fn variables_of_tessera<'v>(
        &'v self,
        manifest: &'v str,
        telemetry: &'v str,
        textfile: Option<&'v str>,
    ) -> impl Iterator<Item = (&'v str, &'v str)> {
        let suffix = self.service.suffix.as_ref().map(Name::as_str);
        let all = [
            ("TESSERA_TENANT_MANIFEST", Some(manifest)),
            ("TESSERA_ORG", Some(self.org.as_str())),
            ("TESSERA_SERVICE", suffix),
            ("TESSERA_TELEMETRY_DIR", Some(telemetry)),
            ("TESSERA_TEXTFILE_DIR", textfile),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    /// How long a run may take, and what it may use. The run of a oneshot is its start. A container
    /// is in the control group of its unit, so the limits of the unit are those of the container.
    fn limits(&self, text: &mut String) {
        let Service { timeout, resources, .. } = self.service;
        let _ = writeln!(text, "TimeoutStartSec={}", timeout.as_millis().div_ceil(1000));
        let _ = writeln!(text, "TimeoutStopSec={STOP_SECONDS}");
        if let Some(Millicores(millis)) = resources.cpu {
            let _ = match millis % 10 {
                0 => writeln!(text, "CPUQuota={}%", millis / 10),
                tenth => writeln!(text, "CPUQuota={}.{tenth}%", millis / 10),
            };
        }
        if let Some(memory) = resources.memory {
            let _ = writeln!(text, "MemoryMax={}\nMemorySwapMax=0", memory.0);
        }
    }
}
