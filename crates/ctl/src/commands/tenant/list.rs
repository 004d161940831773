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
}

/// What the tenants are listed from, beside the registry.
struct Sources {
    hub: PathBuf,
    local: TimeZone,
    now: Timestamp,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Table, Format::Json, Format::Yaml])?;
    let instance = Instance::read(&arguments.which)?;
    let sources = Sources { hub: hub()?, local: TimeZone::system(), now: now() };
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
        let services = manifest.services.iter().map(|(suffix, service)| {
            let seen = hub.look(Some(suffix.as_str())).unwrap_or_default();
            let (history, is_running) = seen;
            let service = Service {
                last_run: LastRun::of(&history, is_running),
                running_since: history.open.filter(|_| is_running).map(|run| run.at),
                ..self.scheduled(&service.schedule)
            };
            Further { suffix: suffix.clone(), service }
        });
        Listed {
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
                ..self.scheduled(&manifest.schedule)
            },
            manifest: path,
        }
    }

    /// A service of which no run is known.
    fn scheduled(&self, schedule: &str) -> Service {
        let calendar = Calendar::parse(schedule, jiff::tz::db()).ok();
        let next =
            calendar.and_then(|calendar| calendar.times_after(self.now.into(), &self.local).next());
        Service {
            schedule: schedule.to_owned(),
            next: next.map(Timestamp::from),
            last_run: None,
            running_since: None,
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
        let next = self.next.map_or_else(|| "never".to_owned(), |next| near(next, now));
        [self.schedule.as_str().into(), next.into(), self.last(is_operated, now)]
    }

    fn last(&self, is_operated: bool, now: Timestamp) -> Cell {
        if let Some(since) = self.running_since {
            return Cell::toned(format!("running for {}", age(since, now)), Tone::Busy);
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
