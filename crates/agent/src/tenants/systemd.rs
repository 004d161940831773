//! Tenants under the systemd of the agent's user.
//!
//! The one idea: the same plan as on one machine. The manifest is written into the agent's state folder, units are
//! rendered from it or taken as they were declared, and `tessera-systemd` compares, installs, repairs or refuses.
//!
//! ```text
//! tenants/<name>/             units, and what tessera-systemd keeps beside them
//! folders/<name>/             the manifest; where a process starts that is not told otherwise
//! tenant-notes/<id>.json      what the agent remembers, see `notes`
//! starting                    locked while an order to start may be on its way
//! ```

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tessera_manifest::Source;
use tessera_systemd::run::{self, End, Seen};
use tessera_systemd::systemctl::SystemctlError;
use tessera_systemd::{Machine, MachineError, Places, Prospect, Units, Wanted};
use tessera_tenant::fleet;
use tessera_tenant::manifest::{self, FILE_NAME, Manifest, Tier};
use tessera_tenant::plan::{self, Found, Plan, Reason};
use tessera_tenant::units::{self, UnitFile};
use tessera_types::{Name, Timestamp, limits};

use super::core::{Before, Converged, Declared, Look, ServiceUnit, Start, Started, UnitSeen};
use crate::state_dir::write_durably;
use tessera_types::sync::RunEnd;
use tessera_types::tenant::{RunSource, TenantConflict, TenantSpec};

/// The organisation where nobody says one, as for a program without an instance.
const ORG: &str = "default";

/// The systemd of the agent's user.
#[derive(Clone, Debug)]
pub(crate) struct OnSystemd {
    state: PathBuf,
}

/// Why a tenant cannot be made as it is declared, in words.
type Hindrance = String;

impl OnSystemd {
    /// With this state folder, absolute.
    pub(crate) fn new(state: PathBuf) -> Self {
        Self { state }
    }

    /// The user's machine, with what is kept of tenants in the agent's own folder: so what somebody installs here
    /// without the fleet is somebody else's.
    fn machine(&self) -> Result<Machine, MachineError> {
        let user = Machine::of_user()?;
        let places = Places { state: self.state.clone(), ..user.places().clone() };
        Ok(Machine::new(places, std::sync::Arc::new(tessera_systemd::Systemctl)))
    }

    fn folder(&self, tenant: &Name) -> PathBuf {
        self.state.join("folders").join(tenant.as_str())
    }

    /// Makes it so.
    pub(super) fn converge(&self, declared: &Declared) -> Converged {
        self.try_converge(declared).unwrap_or_else(Converged::Failed)
    }

    fn try_converge(&self, declared: &Declared) -> Result<Converged, Hindrance> {
        let manifest = read(declared)?;
        let is_rewritten = self
            .write_manifest(declared)
            .map_err(|error| format!("the manifest cannot be written on this node: {error}"))?;
        let files = self.units(&manifest, &declared.spec)?;
        let wanted = Wanted { tenant: declared.name.clone(), units: Units::Rendered(files) };
        let machine = self.machine().map_err(words)?;
        let prospect = install(&machine, &wanted)?;
        let conflicts = conflicts(&prospect.plan);
        if !conflicts.is_empty() {
            return Ok(Converged::Conflict(conflicts));
        }
        let unit = |service: manifest::Service| ServiceUnit {
            service: service.suffix,
            unit: service.unit,
        };
        let services = manifest.services().into_iter().map(unit).collect();
        let mut changed = changes(&prospect.plan);
        changed.extend(is_rewritten.then(|| FILE_NAME.to_owned()));
        Ok(Converged::Installed { services, changed })
    }

    /// Answers whether it was not as it is declared.
    fn write_manifest(&self, declared: &Declared) -> io::Result<bool> {
        let folder = self.folder(&declared.name);
        let path = folder.join(FILE_NAME);
        let text = declared.spec.manifest.as_bytes();
        if fs::read(&path).is_ok_and(|there| there == text) {
            return Ok(false);
        }
        DirBuilder::new().recursive(true).mode(0o755).create(&folder)?;
        write_durably(&path, text)?;
        // A program in a container may be another user there. The state folder above is the agent's alone.
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        Ok(true)
    }

    fn units(&self, manifest: &Manifest, spec: &TenantSpec) -> Result<Vec<UnitFile>, Hindrance> {
        if !spec.units.is_empty() {
            let file = |(name, text): (&String, &String)| UnitFile {
                name: name.clone(),
                text: text.clone(),
            };
            return Ok(spec.units.iter().map(file).collect());
        }
        let own = self.folder(&manifest.name);
        let hub = tessera_lifecycle::hub_folder(|name| std::env::var_os(name))
            .ok_or("no folder for telemetry is known: set HOME, XDG_STATE_HOME or TESSERA_TELEMETRY_DIR for the agent")?;
        let textfile = std::env::var_os("TESSERA_TEXTFILE_DIR").filter(|it| !it.is_empty());
        let places = units::UnitPlaces {
            folder: spec.folder.clone().map_or_else(|| text(&own), Ok)?,
            manifest: text(&own.join(FILE_NAME))?,
            telemetry: text(&hub)?,
            units: text(&self.machine().map_err(words)?.places().units(&manifest.name))?,
            textfile: textfile.map(|path| text(Path::new(&path))).transpose()?,
        };
        let org = spec.org.clone().unwrap_or_else(|| Name::new(ORG).expect("it is a name"));
        units::render(manifest, &org, &places).map_err(|error| error.to_string())
    }

    /// Makes it as if it had never been there. A run that is under way is let end.
    pub(super) fn remove(&self, tenant: &Name) -> Result<(), Hindrance> {
        let machine = self.machine().map_err(words)?;
        let wanted = Wanted { tenant: tenant.clone(), units: Units::Nothing };
        let prospect = install(&machine, &wanted)?;
        let running =
            prospect.plan.conflicting.iter().find_map(|conflict| match &conflict.reason {
                Reason::Running(unit) => {
                    Some(format!("waits for the end of {unit}, which is running"))
                }
                _ => None,
            });
        if let Some(first) = prospect.plan.conflicting.first() {
            return Err(running.unwrap_or_else(|| first.to_string()));
        }
        self.remove_folder(tenant)
            .map_err(|error| format!("its manifest cannot be removed: {error}"))
    }

    /// What its program left in its folder stays.
    fn remove_folder(&self, tenant: &Name) -> io::Result<()> {
        let folder = self.folder(tenant);
        match fs::remove_file(folder.join(FILE_NAME)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let _used = fs::remove_dir(&folder);
        let _others = fs::remove_dir(self.state.join("folders"));
        Ok(())
    }

    /// Starts a unit that was not started since it was looked at.
    pub(super) fn start(&self, start: &Start) -> Started {
        // An order of an agent that has died may still be on its way: who gave it holds the lock.
        let lock = match self.start_lock() {
            Ok(Some(lock)) => lock,
            Ok(None) => return Started::Unclear,
            Err(error) => return Started::Refused(format!("the lock of starts: {error}")),
        };
        let at = || -> Result<(Before, bool), SystemctlError> {
            let manager = run::manager()?;
            let seen = run::seen(std::slice::from_ref(&start.unit))?.remove(&start.unit);
            let Seen { invocation_id, is_queued, .. } = seen.unwrap_or_default();
            Ok((Before { manager, invocation: invocation_id.unwrap_or_default() }, is_queued))
        };
        match at() {
            Ok((at, false)) if at == start.before => {}
            Ok(_) | Err(_) => return Started::Unclear,
        }
        match run::begin(&start.unit, lock) {
            Ok(()) => Started::Accepted,
            Err(SystemctlError::Refused { said, .. }) => Started::Refused(said),
            Err(_) => Started::Unclear,
        }
    }

    fn start_lock(&self) -> io::Result<Option<File>> {
        let lock = File::options().create(true).append(true).open(self.state.join("starting"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Looks at units.
    pub(super) fn look(&self, units: &[String]) -> Result<Look, String> {
        let said = |error: SystemctlError| error.to_string();
        let manager = run::manager().map_err(said)?;
        let all = run::seen(units).map_err(said)?;
        let seen = |(unit, seen): (String, Seen)| {
            let seen = unit_seen(&unit, seen);
            (unit, seen)
        };
        Ok(Look { manager, units: all.into_iter().map(seen).collect() })
    }
}

/// Installs where that is possible and needed; what is refused is in the prospect.
fn install(machine: &Machine, wanted: &Wanted) -> Result<Prospect, Hindrance> {
    let lock = machine.lock().map_err(words)?;
    let prospect = machine.look(wanted, false).map_err(words)?;
    if let Some(error) = &prospect.unreachable {
        return Err(error.to_string());
    }
    if prospect.is_done() || !prospect.plan.conflicting.is_empty() {
        return Ok(prospect);
    }
    let mut done = machine.carry_out(&lock, &[&prospect]);
    done.remove(0).map_err(words)?;
    Ok(prospect)
}

/// The manifest, which the control plane has checked; this node may know other time zones, and it may be later.
fn read(declared: &Declared) -> Result<Manifest, Hindrance> {
    let (zones, now) = (jiff::tz::db(), jiff::Timestamp::now());
    // What is wrong, without the lines: they may hold secrets.
    let problems = fleet::problems(&declared.name, &declared.spec, zones, now);
    if let Some(first) = problems.first() {
        return Err(format!("it is not valid on this node: {first}"));
    }
    let source = Source::new(FILE_NAME, declared.spec.manifest.as_str());
    let checked = manifest::check(source, Tier::Three, zones, now);
    checked.manifest.ok_or_else(|| "its manifest cannot be read on this node".to_owned())
}

fn words(error: MachineError) -> Hindrance {
    match error {
        MachineError::Faulty(faults) => {
            let told = faults.iter().map(|fault| match fault.message.contains("nvironment") {
                // What systemd says of a variable repeats its value.
                true => format!("{}: a variable of the environment is not valid", fault.path),
                false => fault.to_string(),
            });
            told.collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

fn text(path: &Path) -> Result<String, Hindrance> {
    let told = || format!("{path:?} is no UTF-8, so no unit can name it");
    path.to_str().map(str::to_owned).ok_or_else(told)
}

fn conflicts(plan: &Plan) -> Vec<TenantConflict> {
    let told = plan.conflicting.iter().take(limits::TENANT_CONFLICTS_MAX);
    let conflict = |it: &plan::Conflict| {
        let told = it.to_string();
        let found = told.strip_prefix(&format!("{} is ", it.path)).unwrap_or(&told).to_owned();
        TenantConflict { path: it.path.clone(), found }
    };
    told.map(conflict).collect()
}

/// What was not as it is declared, for people.
fn changes(plan: &Plan) -> Vec<String> {
    let file = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let mut changes: Vec<String> = Vec::new();
    changes.extend(plan.create.iter().map(|it| format!("the link to {}", file(&it.target))));
    // A text of an earlier rendering is nobody's change.
    let written = plan.changed().filter(|it| it.found != Found::Earlier);
    changes.extend(written.map(|it| format!("the text of {}", file(&it.path))));
    changes.extend(plan.remove.iter().map(|path| format!("a link at {path}")));
    changes.extend(plan.erase.iter().map(|it| format!("the file {}", file(&it.path))));
    let enabled = plan
        .enable
        .iter()
        .filter(|timer| !plan.create.iter().any(|create| file(&create.target) == **timer));
    changes.extend(enabled.map(|timer| format!("{timer} was not enabled")));
    let restarted = plan
        .restart
        .iter()
        .filter(|timer| !plan.write.iter().any(|write| file(&write.path) == **timer));
    changes.extend(restarted.map(|timer| format!("{timer} was not active")));
    if changes.is_empty() && plan.write.is_empty() && plan.reload {
        changes.push("systemd had not read its units".to_owned());
    }
    changes
}

fn unit_seen(unit: &str, seen: Seen) -> UnitSeen {
    let at = |seconds: i64| Timestamp::from_micros(seconds.saturating_mul(1_000_000));
    let ended_at = seen.ended_at.map_or(Timestamp::EPOCH, at);
    UnitSeen {
        unusable: seen.refusal.map(|end| run_end(unit, &end, ended_at)),
        invocation: seen.invocation_id.unwrap_or_default(),
        queued: seen.is_queued,
        running: seen.is_running,
        started_at: seen.started_at.map(at),
        ended: seen.end.map(|end| run_end(unit, &end, ended_at)),
        next_run_at: seen.next_at.map(at),
    }
}

fn run_end(unit: &str, end: &End, at: Timestamp) -> RunEnd {
    let source = match end.source() {
        run::Source::Tenant => RunSource::Tenant,
        run::Source::Podman => RunSource::Podman,
        run::Source::Systemd => RunSource::Systemd,
    };
    RunEnd {
        at,
        result: Some(end.as_str().to_owned()),
        exit_code: end.exit_code().into(),
        source: Some(source),
        message: Some(limits::clip(&format!("{unit}: {end}"), limits::REASON_BYTES_MAX)),
    }
}
