//! `tenant list`: the tenants of the instance, when they run next, and how they are.

use std::path::PathBuf;

use clap::Args;
use jiff::tz::TimeZone;
use serde::Serialize;
use tessera_lifecycle::Manifest as Declared;
use tessera_lifecycle::hub::{Hub, HubError};
use tessera_lifecycle::manifest::Freshness;
use tessera_lifecycle::telemetry::{Health, LastRun, Status};
use tessera_tenant::calendar::Calendar;
use tessera_tenant::manifest::{Kind, Manifest, Tier};
use tessera_types::{Name, Timestamp};

use super::instance::{Instance, Which};
use super::on_machine::{OnMachine, Timed, UnitEnd};
use crate::cli::Format;
use crate::context::{Context, json, print, tell, yaml};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::moment::{age, near, now};
use crate::style::Tone;
use crate::table::{Cell, Column, Table};

/// Of which instance the tenants are listed.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    which: Which,
}

/// One tenant.
#[derive(Debug, Serialize)]
struct Listed {
    name: Name,
    kind: Kind,
    tier: Tier,
    version: String,
    owner: String,
    #[serde(flatten)]
    primary: Service,
    /// None for a tenant that nobody operates.
    health: Option<Health>,
    /// The same in words.
    status: Option<String>,
    manifest: PathBuf,
    services: Vec<Further>,
}

/// A further service.
#[derive(Debug, Serialize)]
struct Further {
    suffix: Name,
    #[serde(flatten)]
    service: Service,
}

/// When a service runs, and how it ran.
#[derive(Debug, Serialize)]
struct Service {
    schedule: String,
    next: Option<Timestamp>,
    last_run: Option<LastRun>,
    running_since: Option<Timestamp>,
    /// Whether systemd has its unit and its timer. None where it was not asked, or gave no answer.
    installed: Option<bool>,
    /// How its unit ended last.
    unit: Option<UnitEnd>,
    /// Whether its timer runs it.
    #[serde(skip)]
    timed: Option<Timed>,
}

/// What the tenants are listed from, beside the registry.
struct Sources {
    hub: PathBuf,
    local: TimeZone,
    now: Timestamp,
    machine: OnMachine,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    let instance = Instance::read(&arguments.which)?;
    let machine = OnMachine::ask(&units(&instance));
    let sources = Sources { hub: hub()?, local: TimeZone::system(), now: now(), machine };
    let mut is_all_good = instance.tell_problems(context);
    let mut list = Vec::new();
    for tenant in &instance.registry.tenants {
        let manifest = instance.manifest_of(tenant);
        let listed = sources.listed(&tenant.manifest, manifest, |error| {
            is_all_good = false;
            let message = format!("the telemetry of {} cannot be read", tenant.manifest.name);
            context.complain(&Failure::Failed { message, details: vec![error.to_string()] });
        });
        list.push(listed);
    }
    match format {
        Format::Json => print(&json(&list)?)?,
        Format::Yaml => print(&yaml(&list)?)?,
        _ if list.is_empty() && is_all_good => {
            tell("no tenants: a file tenants/NAME.toml adds one\n");
        }
        _ => print(&table(&list, sources.now).render(context.style, context.width()))?,
    }
    if is_all_good { Ok(()) } else { Err(Failure::Told(Exit::Failed)) }
}

/// The units of all services that are operated, without extensions.
fn units(instance: &Instance) -> Vec<String> {
    let tenants = instance.registry.tenants.iter();
    let services = tenants.flat_map(|tenant| tenant.manifest.services());
    services.map(|service| service.unit).collect()
}

/// The telemetry hub of who asks, which is that of the units of the same user.
pub(super) fn hub() -> Result<PathBuf, Failure> {
    tessera_lifecycle::hub_folder(|name| std::env::var_os(name)).ok_or_else(|| {
        let message = "no folder for telemetry is known";
        Failure::usage_with(message, "set TESSERA_TELEMETRY_DIR, XDG_STATE_HOME or HOME")
    })
}

impl Sources {
    fn listed(
        &self,
        manifest: &Manifest,
        path: PathBuf,
        mut complain: impl FnMut(HubError),
    ) -> Listed {
        let hub = Hub::new(&self.hub, None, &manifest.name);
        let status = hub.status(&declared(manifest), self.now);
        let status = status.map_err(&mut complain).ok();
        let is_operated = manifest.tier() == Tier::Three;
        let unit = |suffix| manifest.service(suffix).map(|service| service.unit);
        let services = manifest.services.iter().map(|(suffix, service)| {
            let seen = hub.look(Some(suffix.as_str())).unwrap_or_default();
            let (history, is_running) = seen;
            let service = Service {
                last_run: LastRun::of(&history, is_running),
                running_since: history.open.filter(|_| is_running).map(|run| run.at),
                ..self.scheduled(&service.schedule, unit(Some(suffix.as_str())).as_deref())
            };
            Further { suffix: suffix.clone(), service }
        });
        let mut listed = Listed {
            services: services.collect(),
            name: manifest.name.clone(),
            kind: manifest.kind,
            tier: manifest.tier(),
            version: manifest.version.to_string(),
            owner: manifest.owner.clone(),
            health: status.as_ref().filter(|_| is_operated).map(|status| status.health),
            status: status.as_ref().filter(|_| is_operated).map(|status| status.text.clone()),
            primary: Service {
                running_since: status.as_ref().and_then(|status| status.running_since),
                last_run: status.and_then(|Status { last_run, .. }| last_run),
                ..self.scheduled(&manifest.schedule, unit(None).as_deref())
            },
            manifest: path,
        };
        listed.judge_unit(self.now);
        listed
    }

    /// A service of which no run is recorded.
    fn scheduled(&self, schedule: &str, unit: Option<&str>) -> Service {
        let calendar = Calendar::parse(schedule, jiff::tz::db()).ok();
        let next =
            calendar.and_then(|calendar| calendar.times_after(self.now.into(), &self.local).next());
        let timed = unit.and_then(|unit| self.machine.timed(unit));
        Service {
            schedule: schedule.to_owned(),
            next: next.map(Timestamp::from).filter(|_| timed.is_none_or(|at| at == Timed::On)),
            last_run: None,
            running_since: None,
            installed: timed.map(|timed| timed != Timed::NotInstalled),
            unit: unit.and_then(|unit| self.machine.end(unit)),
            timed,
        }
    }
}

impl Listed {
    /// A run that failed before the program could tell of it is known to systemd alone. What is
    /// stale or has never succeeded stays that, as after any failure.
    fn judge_unit(&mut self, now: Timestamp) {
        let Some(unit) = self.primary.failed_unit() else { return };
        let ago = unit.ended_at.map(|at| format!(" {} ago", age(at, now))).unwrap_or_default();
        let failed = format!("; its unit failed ({}){ago}", unit.why());
        let is_fresh = self.health == Some(Health::Healthy);
        if is_fresh {
            self.health = Some(Health::Failing);
        }
        if let Some(status) = &mut self.status {
            if is_fresh {
                *status = status.replacen(": healthy: ", ": failing: ", 1);
            }
            status.push_str(&failed);
        }
    }
}

/// The manifest as the tenant's own program sees it, so that health is the same here and there.
fn declared(manifest: &Manifest) -> Declared {
    Declared {
        name: manifest.name.clone(),
        version: manifest.version.to_string(),
        schema: manifest.schema.name().to_owned(),
        sources: manifest.sources.clone(),
        freshness: Freshness { duration: manifest.freshness, text: manifest.freshness.to_string() },
        namespace: manifest.telemetry.namespace.clone(),
        services: manifest.services.keys().cloned().collect(),
    }
}

fn table(list: &[Listed], now: Timestamp) -> Table {
    let mut table = Table::new(vec![
        Column::new("NAME"),
        Column::new("KIND"),
        Column::new("TIER"),
        Column::flexible("SCHEDULE"),
        Column::new("NEXT"),
        Column::new("LAST"),
        Column::new("HEALTH"),
    ]);
    for tenant in list {
        let is_operated = tenant.tier == Tier::Three;
        let [schedule, next, last] = tenant.primary.cells(is_operated, now);
        let (name, kind) = (tenant.name.as_str(), tenant.kind.to_string());
        let tier = tenant.tier.number().to_string();
        let health = health(tenant.health, is_operated);
        table.row(vec![name.into(), kind.into(), tier.into(), schedule, next, last, health]);
        for Further { suffix, service } in &tenant.services {
            let [schedule, next, last] = service.cells(is_operated, now);
            let name = Cell::from(format!("  {suffix}"));
            let nothing = Cell::default;
            table.row(vec![name, nothing(), nothing(), schedule, next, last, nothing()]);
        }
    }
    table
}

fn health(health: Option<Health>, is_operated: bool) -> Cell {
    let tone = match health {
        Some(Health::Healthy) => Tone::Good,
        Some(Health::Stale) => Tone::Bad,
        Some(Health::Failing | Health::Unknown) => Tone::Busy,
        None if is_operated => return Cell::toned("unreadable", Tone::Bad),
        None => return Cell::toned("-", Tone::Quiet),
    };
    Cell::toned(health.map(|health| health.to_string()).unwrap_or_default(), tone)
}

impl Service {
    /// Its schedule, when it runs next, and how it ended last.
    fn cells(&self, is_operated: bool, now: Timestamp) -> [Cell; 3] {
        let next = match self.timed {
            Some(Timed::NotInstalled) => Cell::toned("- (not installed)", Tone::Quiet),
            Some(Timed::Off) => Cell::toned("- (timer off)", Tone::Bad),
            _ => self.next.map_or_else(|| "never".to_owned(), |next| near(next, now)).into(),
        };
        [self.schedule.as_str().into(), next, self.last(is_operated, now)]
    }

    /// Its unit, if that failed and no record of a run tells of it.
    fn failed_unit(&self) -> Option<&UnitEnd> {
        self.unit.as_ref().filter(|unit| unit.failed_after(self.last_run.as_ref()))
    }

    fn last(&self, is_operated: bool, now: Timestamp) -> Cell {
        if let Some(since) = self.running_since {
            return Cell::toned(format!("running for {}", age(since, now)), Tone::Busy);
        }
        if let Some(unit) = self.failed_unit() {
            let ago = unit.ended_at.map(|at| format!(" {} ago", age(at, now))).unwrap_or_default();
            return Cell::toned(format!("failed ({}){ago}", unit.why()), Tone::Bad);
        }
        match &self.last_run {
            Some(LastRun::Success(over)) => {
                Cell::toned(format!("success {} ago", age(over.ended_at, now)), Tone::Good)
            }
            Some(LastRun::Failure(over)) => {
                let (code, age) = (over.exit_code, age(over.ended_at, now));
                Cell::toned(format!("failure ({code}) {age} ago"), Tone::Bad)
            }
            Some(LastRun::CutOff { started_at, .. }) => {
                let age = age(*started_at, now);
                Cell::toned(format!("cut off, began {age} ago"), Tone::Bad)
            }
            None if is_operated => Cell::toned("never", Tone::Quiet),
            None => Cell::toned("-", Tone::Quiet),
        }
    }
}
