//! `run` and `dry-run`.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Work;
use super::recorder::Recorder;
use super::tenant::Tenant;
use crate::context::Context;
use crate::outcome::Outcome;
use crate::verb::Verb;

/// Does the work once and gives its exit code.
pub(super) fn work(tenant: &Tenant, run: &Work, arguments: Vec<OsString>) -> u8 {
    // `run` in an environment that forbids to write is a dry-run, whatever it is called.
    let is_dry = tenant.environment.is_dry;
    let recorder = Recorder::start(tenant, if is_dry { Verb::DryRun } else { Verb::Run });
    let context = tenant.context(is_dry, arguments);
    let mut outcome = call(run, &context);
    outcome.rows = outcome.rows.or(context.rows_told());
    if let Some(message) = &outcome.message {
        tenant.say(message);
    }
    recorder.end(&outcome);
    outcome.exit_code()
}

/// Calls a tenant's function. What it panics with is on standard error already.
pub(super) fn call(work: &Work, context: &Context) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| work(context))).unwrap_or_else(|_| Outcome::failed("panicked"))
}

impl Tenant {
    /// What a tenant's function is given.
    pub(super) fn context(&self, is_dry: bool, arguments: Vec<OsString>) -> Context {
        Context {
            manifest: self.manifest.clone(),
            service: self.service.clone(),
            is_dry,
            arguments,
            rows: std::sync::Mutex::new(None),
        }
    }
}
