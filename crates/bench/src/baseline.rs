//! What the machine can do at most, taken in the same run as everything else: rows
//! appended to a log in SQLite and made durable, and requests to an HTTP handler
//! that does nothing.
//!
//! The one idea: absolute figures belong to a machine and an hour; divided by these
//! they can be compared with those of another. So the log has the store's settings,
//! and server and client are made of what the product's are made of.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use dropshot::{
    ApiDescription, ConfigDropshot, HttpError, HttpResponseUpdatedNoContent, RequestContext,
    ServerBuilder, endpoint,
};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use crate::benchmark::Context;

/// How long each part of it is measured.
const MEASURE: Duration = Duration::from_secs(1);
/// Rows of one transaction where they are written in batches.
const BATCH: usize = 1000;
/// About what a status of a workload takes in the log.
const ROW_BYTES: usize = 500;
/// Requests under way at the same time, each on a connection of its own.
const CLIENTS: usize = 16;

/// Rates a second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Baseline {
    /// Durable transactions of one row each, one after the other.
    pub(crate) log_appends: f64,
    /// Durable rows in transactions of a thousand.
    pub(crate) log_rows: f64,
    /// Requests to a handler that does nothing.
    pub(crate) http_requests: f64,
}

/// One of these rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Base {
    LogAppends,
    LogRows,
    HttpRequests,
}

impl Base {
    pub(crate) const ALL: [Self; 3] = [Self::LogAppends, Self::LogRows, Self::HttpRequests];

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::LogAppends => "log appends",
            Self::LogRows => "log rows in batches",
            Self::HttpRequests => "empty requests",
        }
    }
}

impl Baseline {
    pub(crate) async fn take(context: &Context) -> Result<Self> {
        let folder = context.new_folder()?;
        let time = context.time(MEASURE);
        Ok(Self {
            log_appends: appends(&folder.path().join("single.db"), 1, time)?,
            log_rows: appends(&folder.path().join("batches.db"), BATCH, time)?,
            http_requests: requests(time).await?,
        })
    }

    pub(crate) fn of(&self, base: Base) -> f64 {
        match base {
            Base::LogAppends => self.log_appends,
            Base::LogRows => self.log_rows,
            Base::HttpRequests => self.http_requests,
        }
    }
}

/// Rows a second, with so many in each transaction.
fn appends(path: &Path, batch: usize, time: Duration) -> Result<f64> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         CREATE TABLE log (revision INTEGER PRIMARY KEY, at INTEGER, bytes INTEGER, body TEXT);",
    )?;
    let body = "x".repeat(ROW_BYTES);
    let (begun_at, mut revision) = (Instant::now(), 0_i64);
    while begun_at.elapsed() < time {
        let transaction = connection.transaction()?;
        let mut insert = transaction.prepare_cached("INSERT INTO log VALUES (?, ?, ?, ?)")?;
        for _ in 0..batch {
            revision += 1;
            insert.execute(params![revision, revision, ROW_BYTES as i64, body])?;
        }
        drop(insert);
        transaction.commit()?;
    }
    Ok(revision as f64 / begun_at.elapsed().as_secs_f64())
}

#[endpoint { method = GET, path = "/" }]
async fn empty(_ctx: RequestContext<()>) -> Result<HttpResponseUpdatedNoContent, HttpError> {
    Ok(HttpResponseUpdatedNoContent())
}

/// Requests a second.
async fn requests(time: Duration) -> Result<f64> {
    let server = Server::start()?;
    let url = format!("http://{}/", server.address);
    let client = reqwest::Client::builder().tcp_nodelay(true).no_proxy().build()?;
    // Connections are made before the clock runs.
    request_until(&client, &url, Instant::now() + time / 10).await?;
    let begun_at = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (client, url) = (client.clone(), url.clone());
            tokio::spawn(async move { request_until(&client, &url, begun_at + time).await })
        })
        .collect();
    let mut answered = 0;
    for client in clients {
        answered += client.await??;
    }
    Ok(answered as f64 / begun_at.elapsed().as_secs_f64())
}

async fn request_until(client: &reqwest::Client, url: &str, until: Instant) -> Result<usize> {
    let mut answered = 0;
    while Instant::now() < until {
        client.get(url).send().await?.error_for_status()?.bytes().await?;
        answered += 1;
    }
    Ok(answered)
}

/// A server on threads of its own. Dropping it ends it.
struct Server {
    address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Server {
    fn start() -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (to_us, address) = mpsc::channel();
        runtime.spawn(async move {
            let server = serve();
            let address = server.as_ref().map(dropshot::HttpServer::local_addr);
            let _ = to_us.send(address.map_err(Clone::clone));
            if let Ok(server) = server {
                // Until the runtime ends.
                let _ = server.await;
            }
        });
        let address = address.recv()?.map_err(anyhow::Error::msg);
        Ok(Self { address: address.context("the empty server")?, runtime: Some(runtime) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn serve() -> Result<dropshot::HttpServer<()>, String> {
    let mut api = ApiDescription::new();
    api.register(empty).map_err(|error| error.to_string())?;
    let log = slog::Logger::root(slog::Discard, slog::o!());
    let config =
        ConfigDropshot { bind_address: ([127, 0, 0, 1], 0).into(), ..ConfigDropshot::default() };
    ServerBuilder::new(api, (), log).config(config).start().map_err(|error| error.to_string())
}
