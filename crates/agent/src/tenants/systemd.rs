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
use std::sync::Arc;
use std::time::Duration;

use tessera_lifecycle::hub::forget_metrics;
use tessera_manifest::Source;
use tessera_systemd::run::{self, End, Seen};
use tessera_systemd::systemctl::SystemctlError;
use tessera_systemd::{Lock, Machine, MachineError, Places, Prospect, Systemctl, Units, Wanted};
use tessera_tenant::fleet;
use tessera_tenant::manifest::{self, FILE_NAME, Manifest, Tier};
use tessera_tenant::plan::{self, Found, Plan, Reason};
use tessera_tenant::units::{self, UnitFile};
use tessera_types::{Name, Timestamp, limits};

use super::core::{Before, Converged, Declared, Done, Look, ServiceUnit, Start, Started, UnitSeen};
use crate::state_dir::write_durably;
use tessera_types::sync::RunEnd;
use tessera_types::tenant::{RunSource, TenantConflict, TenantSpec};

/// The organisation where nobody says one, as for a program without an instance.
const ORG: &str = "default";

/// The systemd of the agent's user.
#[derive(Clone, Debug)]
pub(crate) struct OnSystemd {
    state: PathBuf,
    /// One for all tenants: if it is silent, it is waited for once, and not once for each.
    manager: Arc<Systemctl>,
}

/// How long somebody else who changes units is waited for. It is tried again; and meanwhile other tenants have
/// their turn.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// Why something cannot be done, in words.
#[derive(Debug)]
enum Hindrance {
    /// systemd does not answer, whichever tenant it is asked about.
    Silence(String),
    /// Somebody else changes units just now.
    HeldUp(String),
    /// Something that is about this tenant.
    Own(String),
}

impl From<String> for Hindrance {
    fn from(why: String) -> Self {
        Self::Own(why)
    }
}

impl Hindrance {
    /// What came of a job that met with it; `own` says it of one that is about a tenant.
    fn done(self, own: impl FnOnce(String) -> Done) -> Done {
        match self {
            Self::Silence(why) => Done::Unanswered(why),
            Self::HeldUp(why) => Done::HeldUp(why),
            Self::Own(why) => own(why),
        }
    }
}

impl OnSystemd {
    /// With this state folder, absolute.
    pub(crate) fn new(state: PathBuf) -> Self {
        Self { state, manager: Arc::default() }
    }

    /// The user's machine, with what is kept of tenants in the agent's own folder: so what somebody installs here
    /// without the fleet is somebody else's.
    fn machine(&self) -> Result<Machine, MachineError> {
        let user = Machine::of_user()?;
        let places = Places { state: self.state.clone(), ..user.places().clone() };
        Ok(Machine::new(places, self.manager.clone()).with_lock_patience(LOCK_PATIENCE))
    }

    fn folder(&self, tenant: &Name) -> PathBuf {
        self.state.join("folders").join(tenant.as_str())
    }

    /// Makes it so.
    pub(super) fn converge(&self, declared: &Declared) -> Done {
        match self.try_converge(declared) {
            Ok(converged) => Done::Converged(converged),
            Err(why) => why.done(|why| Done::Converged(Converged::Failed(why))),
        }
    }

    fn try_converge(&self, declared: &Declared) -> Result<Converged, Hindrance> {
        let manifest = read(declared)?;
        let files = self.units(&manifest, &declared.spec)?;
        let wanted = Wanted { tenant: declared.name.clone(), units: Units::Rendered(files) };
        let machine = self.machine().map_err(words)?;
        let lock = machine.lock().map_err(words)?;
        let prospect = look(&machine, &wanted)?;
        let conflicts = conflicts(&prospect.plan);
        if !conflicts.is_empty() {
            return Ok(Converged::Conflict(conflicts));
        }
        // What is installed goes on with its own manifest until this one can take its place.
        let is_rewritten = self
            .write_manifest(declared)
            .map_err(|error| format!("the manifest cannot be written on this node: {error}"))?;
        carry_out(&machine, &lock, &prospect)?;
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
            .ok_or_else(|| "no folder for telemetry is known: set HOME, XDG_STATE_HOME or TESSERA_TELEMETRY_DIR for the agent".to_owned())?;
        let textfile = tessera_lifecycle::textfile_folder(|name| std::env::var_os(name));
        let places = units::UnitPlaces {
            folder: spec.folder.clone().map_or_else(|| text(&own), Ok)?,
            manifest: text(&own.join(FILE_NAME))?,
            telemetry: text(&hub)?,
            units: text(&self.machine().map_err(words)?.places().units(&manifest.name))?,
            textfile: textfile.map(|path| text(&path)).transpose()?,
        };
        let org = spec.org.clone().unwrap_or_else(|| Name::new(ORG).expect("it is a name"));
        units::render(manifest, &org, &places).map_err(|error| error.to_string().into())
    }

    /// Makes it as if it had never been there. A run that is under way is let end, and no timer begins another.
    pub(super) fn remove(&self, tenant: &Name) -> Done {
        match self.try_remove(tenant) {
            Ok(()) => Done::Removed(Ok(())),
            Err(why) => why.done(|why| Done::Removed(Err(why))),
        }
    }

    fn try_remove(&self, tenant: &Name) -> Result<(), Hindrance> {
        let machine = self.machine().map_err(words)?;
        let lock = machine.lock().map_err(words)?;
        let wanted = Wanted { tenant: tenant.clone(), units: Units::Nothing };
        let prospect = look(&machine, &wanted)?;
        if let Some(running) = running(&prospect.plan) {
            for timer in timers(&prospect.plan) {
                machine.manager().stop(timer).map_err(|error| unasked(&error))?;
            }
            return Err(format!("waits for the end of {running}, which is running").into());
        }
        if let Some(first) = prospect.plan.conflicting.first() {
            return Err(first.to_string().into());
        }
        carry_out(&machine, &lock, &prospect)?;
        if let Some(hub) = tessera_lifecycle::hub_folder(|name| std::env::var_os(name)) {
            let textfiles = tessera_lifecycle::textfile_folder(|name| std::env::var_os(name));
            forget_metrics(&hub, textfiles.as_deref(), tenant)
                .map_err(|error| format!("its metrics cannot be removed: {error}"))?;
        }
        self.remove_folder(tenant)
            .map_err(|error| format!("its manifest cannot be removed: {error}").into())
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
            let Seen { invocation_id, is_queued, is_forgotten, .. } = seen.unwrap_or_default();
            let before = Before { manager, invocation: invocation_id.unwrap_or_default() };
            // Of a unit that is forgotten nobody could tell later that it was started.
            Ok((before, is_queued || is_forgotten))
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
    pub(super) fn look(&self, units: &[String]) -> Done {
        match try_look(units) {
            Ok(look) => Done::Looked(look),
            Err(error) => unasked(&error).done(Done::Unanswered),
        }
    }
}

fn try_look(units: &[String]) -> Result<Look, SystemctlError> {
    let manager = run::manager()?;
    let all = run::seen(units)?;
    let seen = |(unit, seen): (String, Seen)| {
        let seen = unit_seen(&unit, seen);
        (unit, seen)
    };
    Ok(Look { manager, units: all.into_iter().map(seen).collect() })
}

/// What is to be done; what cannot work is refused.
fn look(machine: &Machine, wanted: &Wanted) -> Result<Prospect, Hindrance> {
    let prospect = machine.look(wanted, false).map_err(words)?;
    if let Some(error) = &prospect.unreachable {
        return Err(unasked(error));
    }
    if !prospect.faults.is_empty() && prospect.plan.conflicting.is_empty() {
        return Err(words(MachineError::Faulty(prospect.faults)));
    }
    Ok(prospect)
}

fn carry_out(machine: &Machine, lock: &Lock, prospect: &Prospect) -> Result<(), Hindrance> {
    if prospect.is_done() {
        return Ok(());
    }
    machine.carry_out(lock, &[prospect]).remove(0).result.map_err(words)
}

/// What keeps a tenant from being removed for now.
fn running(plan: &Plan) -> Option<&str> {
    plan.conflicting.iter().find_map(|conflict| match &conflict.reason {
        Reason::Running(unit) => Some(unit.as_str()),
        _ => None,
    })
}

/// The tenant's own timers that are to go.
fn timers(plan: &Plan) -> impl Iterator<Item = &String> {
    plan.disable.iter().chain(&plan.stop).filter(|unit| unit.ends_with(".timer"))
}

/// The manifest, which the control plane has checked; this node may know other time zones, and it may be later.
fn read(declared: &Declared) -> Result<Manifest, Hindrance> {
    let (zones, now) = (jiff::tz::db(), jiff::Timestamp::now());
    // What is wrong, without the lines: they may hold secrets.
    let problems = fleet::problems(&declared.name, &declared.spec, zones, now);
    if let Some(first) = problems.first() {
        return Err(format!("it is not valid on this node: {first}").into());
    }
    let source = Source::new(FILE_NAME, declared.spec.manifest.as_str());
    let checked = manifest::check(source, Tier::Three, zones, now);
    checked.manifest.ok_or_else(|| "its manifest cannot be read on this node".to_owned().into())
}

/// systemd was asked in vain.
fn unasked(error: &SystemctlError) -> Hindrance {
    match error {
        SystemctlError::Refused { .. } | SystemctlError::NotStopped { .. } => {
            Hindrance::Own(error.to_string())
        }
        SystemctlError::Silent(_) => {
            Hindrance::Silence(format!("systemd's user manager does not answer: {error}"))
        }
        _ => Hindrance::Silence(error.to_string()),
    }
}

fn words(error: MachineError) -> Hindrance {
    match error {
        MachineError::Systemctl(error) => unasked(&error),
        MachineError::Faulty(faults) => {
            let told = faults.iter().map(|fault| match fault.message.contains("nvironment") {
                // What systemd says of a variable repeats its value.
                true => format!("{}: a variable of the environment is not valid", fault.path),
                false => fault.to_string(),
            });
            // A fault of the manifest is one of each service.
            let told: Vec<String> = told.collect();
            match told.as_slice() {
                [first, more @ ..] if !more.is_empty() => {
                    format!("{first}; and {} more", more.len()).into()
                }
                told => told.join("; ").into(),
            }
        }
        MachineError::Held(held) => Hindrance::HeldUp(held.to_string()),
        other => other.to_string().into(),
    }
}

fn text(path: &Path) -> Result<String, Hindrance> {
    let told = || format!("{path:?} is no UTF-8, so no unit can name it").into();
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
        forgets: seen.is_forgotten,
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
