//! Adapters: functions of outside systems, such as `fleet.deploy`.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value as Json;
use tessera_workflow::machine::Error;
use tokio_util::sync::CancellationToken;

use crate::fault;

/// The engine's driver for one sort of outside system.
pub trait Adapter: Send + Sync {
    /// What its functions' names begin with, before the dot.
    fn name(&self) -> &str;

    /// Its functions, without that.
    fn functions(&self) -> &[&str];

    /// Whether its functions can be called here. One of which they cannot says why when it is
    /// called.
    fn can_be_called(&self) -> bool {
        true
    }

    /// Calls one of them. The same key twice is the same call: what it has done already is not done
    /// again. Dropping the future gives the call up.
    fn call<'a>(&'a self, call: AdapterCall<'a>) -> BoxFuture<'a, Result<Json, Error>>;
}

/// A call of an adapter's function.
#[derive(Debug)]
pub struct AdapterCall<'a> {
    /// The function, without the adapter's name.
    pub function: &'a str,
    /// Its arguments.
    pub arguments: Json,
    /// The effect's key.
    pub idempotency_key: &'a str,
    /// Is cancelled when the run no longer wants it.
    pub cancelled: &'a CancellationToken,
}

/// The adapter and its function that a name such as `fleet.deploy` means.
pub(crate) fn find<'a, 'n>(
    adapters: &'a [Arc<dyn Adapter>],
    name: &'n str,
) -> Result<(&'a dyn Adapter, &'n str), Error> {
    for adapter in adapters {
        let function = name.strip_prefix(adapter.name()).and_then(|rest| rest.strip_prefix('.'));
        if let Some(function) = function.filter(|it| adapter.functions().contains(it)) {
            return Ok((adapter.as_ref(), function));
        }
    }
    let of = |adapter: &Arc<dyn Adapter>| {
        let name = adapter.name().to_owned();
        adapter.functions().iter().map(move |function| format!("{name}.{function}")).collect()
    };
    let known: Vec<String> = adapters.iter().flat_map(|it| -> Vec<String> { of(it) }).collect();
    let near = fault::did_you_mean(name, known.iter().map(String::as_str));
    Err(fault::configuration(format!("no adapter has the function `{name}`{near}")))
}
