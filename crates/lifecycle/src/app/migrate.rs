//! `migrate`: applies what has not been applied, in order.

use super::recorder::Recorder;
use super::tenant::{NO_HUB, Tenant, now};
use super::work::call;
use super::{Migration, print};
use crate::hub::{Hub, HubError, MIGRATIONS};
use crate::migrations::{Entry, Log, Standing, Step, fault};
use crate::outcome::Outcome;
use crate::verb::Verb;

/// Applies the migrations that have not been applied and gives the exit code.
pub(super) fn migrate(tenant: &Tenant, migrations: &[Migration]) -> u8 {
    if tenant.environment.is_dry {
        return told(tenant, &foresee(tenant, migrations));
    }
    let recorder = Recorder::start(tenant, Verb::Migrate);
    let outcome = match apply_all(tenant, migrations, recorder.run_id()) {
        Ok(()) => Outcome::of_code(0),
        Err(why) => Outcome::failed(why),
    };
    if let Some(why) = &outcome.message {
        tenant.say(why);
    }
    recorder.end(&outcome);
    outcome.exit_code()
}

fn told(tenant: &Tenant, result: &Result<(), String>) -> u8 {
    if let Err(why) = result {
        tenant.say(why);
    }
    u8::from(result.is_err())
}

/// Says what would be applied.
fn foresee(tenant: &Tenant, migrations: &[Migration]) -> Result<(), String> {
    let Some(hub) = begin(tenant, migrations)? else { return Ok(()) };
    for step in pending(hub, migrations)? {
        print(&format!("would apply {}\n", migrations[step.index].id));
    }
    Ok(())
}

fn apply_all(tenant: &Tenant, migrations: &[Migration], run_id: &str) -> Result<(), String> {
    let Some(hub) = begin(tenant, migrations)? else { return Ok(()) };
    let held = hub.hold_migrations().map_err(|error| error.to_string())?;
    let _held = held.ok_or("another migrate is under way")?;
    let steps = pending(hub, migrations)?;
    if steps.is_empty() {
        print(&format!("nothing to apply: {} applied before\n", migrations.len()));
    }
    let applying = Applying { tenant, hub, run_id };
    steps.iter().try_for_each(|step| applying.apply(&migrations[step.index], step.was_cut_off))
}

/// The hub, if there is anything to look up in it.
fn begin<'a>(tenant: &'a Tenant, migrations: &[Migration]) -> Result<Option<&'a Hub>, String> {
    if migrations.is_empty() {
        print("no migrations registered\n");
        return Ok(None);
    }
    fault(&ids(migrations)).map_or(Ok(()), Err)?;
    // Without a memory every migration would be applied every time.
    tenant.hub.as_ref().map(Some).ok_or_else(|| NO_HUB.to_owned())
}

fn ids(migrations: &[Migration]) -> Vec<&str> {
    migrations.iter().map(|migration| migration.id.as_str()).collect()
}

fn pending(hub: &Hub, migrations: &[Migration]) -> Result<Vec<Step>, String> {
    let mut log = Log::default();
    hub.lines(MIGRATIONS, |line| log.take(line)).map_err(|error| error.to_string())?;
    Ok(log.pending(&ids(migrations)))
}

struct Applying<'a> {
    tenant: &'a Tenant,
    hub: &'a Hub,
    run_id: &'a str,
}

impl Applying<'_> {
    fn apply(&self, migration: &Migration, was_cut_off: bool) -> Result<(), String> {
        let id = &migration.id;
        if was_cut_off {
            self.tenant.say(&format!("{id} did not finish the last time: it is applied again"));
        }
        self.record(id, Standing::Started)
            .map_err(|error| format!("{id} is not applied, as it cannot be recorded: {error}"))?;
        let outcome = call(&migration.apply, &self.tenant.context(false, Vec::new()));
        if let Some(message) = &outcome.message {
            self.tenant.say(message);
        }
        if !outcome.is_success() {
            let unrecorded = self.record(id, Standing::Failed).err();
            unrecorded.iter().for_each(|error| self.tenant.say_unrecorded(&error.to_string()));
            return Err(format!("{id} failed"));
        }
        self.record(id, Standing::Done).map_err(|error| {
            format!("{id} is applied and will be again, as it cannot be recorded: {error}")
        })?;
        print(&format!("applied {id}\n"));
        Ok(())
    }

    fn record(&self, id: &str, event: Standing) -> Result<(), HubError> {
        let entry = Entry {
            migration: id.to_owned(),
            event,
            at: now(),
            run_id: self.run_id.to_owned(),
            version: self.tenant.manifest.version.clone(),
        };
        self.hub.append(MIGRATIONS, &crate::telemetry::line_of(&entry))
    }
}
