//! `tenant list`: the tenants of the instance, when they run next, and how they are.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use jiff::tz::TimeZone;
use serde::Serialize;
use tessera_lifecycle::Manifest as Declared;
use tessera_lifecycle::hub::{Hub, HubError};
use tessera_lifecycle::manifest::Freshness;
use tessera_lifecycle::telemetry::{Health, LastRun, Status};
use tessera_systemd::Machine;
use tessera_tenant::calendar::Calendar;
use tessera_tenant::manifest::{Kind, Manifest, Tier};
use tessera_tenant::registry::Tenant;
use tessera_types::{Name, Timestamp};

use super::instance::{Instance, NO_TENANTS, Which};
use super::left_over::tell_left_over;
use super::on_machine::{OnMachine, TimerState, UnitEnd};
use crate::cli::Format;
use crate::context::{Context, json, print, tell, yaml};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::moment::{age, near, now};
use crate::style::Tone;
use crate::table::{Cell, Column, Table};

/// Which tenants are listed.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The tenants; all of the instance unless given
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Only those whose health is one of these
    #[arg(long, value_delimiter = ',', value_parser = ["healthy", "stale", "failing", "unknown"])]
    health: Vec<String>,
    /// End with 1 unless all that are listed and operated are healthy
    #[arg(long)]
    check: bool,
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
    /// When its timer starts it next. Where systemd was not asked, or gave no answer, the next time
    /// of the schedule.
    next: Option<Timestamp>,
    /// Whether its timer starts it, if systemd answers.
    timer: Option<TimerState>,
    last_run: Option<LastRun>,
    running_since: Option<Timestamp>,
    /// How its unit ended last.
    unit: Option<UnitEnd>,
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
    let tenants = arguments.tenants(context, &instance)?;
    let machine = OnMachine::ask(&units(&tenants));
    let sources = Sources { hub: hub()?, local: TimeZone::system(), now: now(), machine };
    let is_all = arguments.names.is_empty();
    let mut is_all_good = !is_all || instance.tell_problems(context);
    let mut list = Vec::new();
    for tenant in tenants {
        let manifest = instance.manifest_of(tenant);
        let listed = sources.listed(&tenant.manifest, manifest, |error| {
            is_all_good = false;
            let message = format!("the telemetry of {} cannot be read", tenant.manifest.name);
            context.complain(&Failure::Failed { message, details: vec![error.to_string()] });
        });
        list.push(listed);
    }
    let is_without_tenants = is_all && is_all_good && list.is_empty();
    list.retain(|tenant| arguments.is_wanted(tenant));
    match format {
        Format::Json => print(&json(&list)?)?,
        Format::Yaml => print(&yaml(&list)?)?,
        _ if is_without_tenants => tell(NO_TENANTS),
        _ if list.is_empty() => {}
        _ => print(&table(&list, sources.now).render(context.style, context.width()))?,
    }
    if is_all {
        // Where that cannot be read, nothing was ever installed from here.
        let installed = Machine::of_user().and_then(|machine| machine.installed());
        tell_left_over(&instance, &installed.unwrap_or_default());
    }
    let is_well = !arguments.check || list.iter().all(Listed::is_well);
    if is_all_good && is_well { Ok(()) } else { Err(Failure::Told(Exit::Failed)) }
}

impl Arguments {
    /// Those that are named, or all, by name.
    fn tenants<'i>(
        &self,
        context: &Context,
        instance: &'i Instance,
    ) -> Result<Vec<&'i Tenant>, Failure> {
        if self.names.is_empty() {
            return Ok(instance.registry.tenants.iter().collect());
        }
        let names = self.names.iter().collect::<BTreeSet<_>>().into_iter();
        names.map(|name| instance.tenant(context, name)).collect()
    }

    fn is_wanted(&self, tenant: &Listed) -> bool {
        let health = tenant.health.map(|health| health.to_string());
        self.health.is_empty() || health.is_some_and(|health| self.health.contains(&health))
    }
}

/// The units of all services that are operated, without extensions.
fn units(tenants: &[&Tenant]) -> Vec<String> {
    let services = tenants.iter().flat_map(|tenant| tenant.manifest.services());
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
        let timer = unit.and_then(|unit| self.machine.timer(unit));
        let next = match timer {
            None => self.next_of(schedule),
            Some(TimerState::On) => unit
                .and_then(|unit| self.machine.next(unit, self.now))
                .or_else(|| self.next_of(schedule)),
            Some(TimerState::Off | TimerState::NotInstalled) => None,
        };
        Service {
            schedule: schedule.to_owned(),
            next,
            timer,
            last_run: None,
            running_since: None,
            unit: unit.and_then(|unit| self.machine.end(unit)),
        }
    }

    fn next_of(&self, schedule: &str) -> Option<Timestamp> {
        let calendar = Calendar::parse(schedule, jiff::tz::db()).ok()?;
        calendar.times_after(self.now.into(), &self.local).next().map(Timestamp::from)
    }
}

impl Listed {
    /// Whether nobody needs to look at it. Who is not operated cannot be otherwise.
    fn is_well(&self) -> bool {
        self.tier != Tier::Three || self.health == Some(Health::Healthy)
    }

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
        let next = match self.timer {
            Some(TimerState::NotInstalled) => Cell::toned("- (not installed)", Tone::Quiet),
            Some(TimerState::Off) => Cell::toned("- (timer off)", Tone::Bad),
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
