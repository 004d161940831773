//! A lake whose tenants run without being installed: their units are put in place by hand.

use std::fs;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::Command;

use jiff::Timestamp;
use tessera_e2e::Ended;
use tessera_manifest::Source;
use tessera_tenant::manifest::{self, Manifest, Tier};
use tessera_tenant::units::{UnitPlaces, render};
use tessera_testkit::UserManager;

pub(crate) use crate::lake::write;
use crate::lake::{Lake, RARELY};
pub(crate) use crate::started::{Started, wait_for};

/// A lake in which a tenant that is declared runs at once.
#[derive(Debug)]
pub(crate) struct Host(Lake);

impl Deref for Host {
    type Target = Lake;

    fn deref(&self) -> &Lake {
        &self.0
    }
}

impl Host {
    pub(crate) fn new(manager: UserManager) -> Self {
        Self(Lake::new(manager))
    }

    pub(crate) fn instance(&self) -> PathBuf {
        self.path("lake")
    }

    /// The folder of a tenant's manifest.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.path(name)
    }

    /// Adds a tenant to the instance; `lifecycle` is that section and what follows it.
    pub(crate) fn declare(&self, name: &str, lifecycle: &str) -> Manifest {
        self.0.declare(name, RARELY, lifecycle);
        let path = self.folder(name).join(manifest::FILE_NAME);
        let text = fs::read_to_string(&path).expect("it was written");
        let source = Source::new(path.display().to_string(), text);
        let checked = manifest::check(source, Tier::Three, jiff::tz::db(), Timestamp::now());
        checked.manifest.unwrap_or_else(|| panic!("{:?}", checked.problems))
    }

    /// Adds a tenant whose program is a shell script, and puts its units in place.
    pub(crate) fn process(&self, name: &str, script: &str) {
        self.process_with(name, script, "");
    }

    pub(crate) fn process_with(&self, name: &str, script: &str, lifecycle: &str) {
        write(&self.folder(name).join("program.sh"), script);
        let entrypoint = "entrypoint = [\"/bin/sh\", \"program.sh\"]\n";
        self.place(&self.declare(name, &format!("{entrypoint}{lifecycle}")));
    }

    /// Adds a tenant whose program is in a container of the image.
    pub(crate) fn container(&self, name: &str, image: &str, entrypoint: &[&str], lifecycle: &str) {
        let lifecycle = format!("image = {image:?}\nentrypoint = {entrypoint:?}\n{lifecycle}");
        self.place(&self.declare(name, &lifecycle));
    }

    /// Puts the units of a tenant in place by hand, and has its timers wait.
    pub(crate) fn place(&self, manifest: &Manifest) {
        let text = |path: PathBuf| path.to_str().expect("the path is plain").to_owned();
        let folder = self.folder(manifest.name.as_str());
        let telemetry = self.manager.home().join(".local/state/tessera/telemetry");
        let places = UnitPlaces {
            manifest: text(folder.join(manifest::FILE_NAME)),
            folder: text(folder),
            telemetry: text(telemetry),
            units: text(self.manager.config().join("systemd/user")),
            textfile: None,
        };
        let org = "library".parse().expect("it is a name");
        let files = render(manifest, &org, &places).expect("the units can be rendered");
        for file in &files {
            let folder = match file.name.ends_with(".container") {
                true => format!("containers/systemd/{}", manifest.name),
                false => "systemd/user".to_owned(),
            };
            write(&self.manager.config().join(folder).join(&file.name), &file.text);
        }
        self.manager.systemctl(&["daemon-reload"]);
        let timers = files.iter().map(|file| file.name.as_str());
        let timers: Vec<_> = timers.filter(|name| name.ends_with(".timer")).collect();
        self.manager.systemctl(&[&["enable", "--now", "--quiet"], &timers[..]].concat());
    }

    /// `tesseractl` with these arguments, the first of which is `tenant`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        assert_eq!(arguments[0], "tenant");
        self.0.command(&arguments[1..])
    }

    /// Runs `tesseractl` to its end.
    pub(crate) fn tesseractl(&self, arguments: &[&str]) -> Ended {
        Started::new(self.command(arguments)).end()
    }

    /// What a file in a tenant's folder says; nothing where there is none.
    pub(crate) fn read(&self, name: &str, file: &str) -> String {
        fs::read_to_string(self.folder(name).join(file)).unwrap_or_default()
    }

    /// Waits until a unit has the value.
    pub(crate) fn await_property(&self, unit: &str, property: &str, value: &str) {
        wait_for(&format!("{property}={value} of {unit}"), || {
            self.manager.systemctl(&["show", unit, "-p", property, "--value"]).trim() == value
        });
    }
}
