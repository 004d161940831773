//! The control plane as an agent sees it: four calls. The real one is the HTTP API; tests have one in memory.

use std::future::Future;

use tessera_client::{Api, Error, call};
use tessera_types::Name;
use tessera_types::sync::{
    LogChunk, LogChunkAnswer, Registered, Registration, ReportRequest, ReportResponse, SyncRequest,
    SyncResponse,
};

/// What an agent asks of the control plane. Clones are the same control plane.
pub trait Control: Clone + Send + Sync + 'static {
    /// Introduces a node.
    fn register(
        &self,
        node: &Name,
        body: &Registration,
    ) -> impl Future<Output = Result<Registered, Error>> + Send;

    /// A heartbeat that waits for news.
    fn sync(
        &self,
        node: &Name,
        body: &SyncRequest,
    ) -> impl Future<Output = Result<SyncResponse, Error>> + Send;

    /// What happened to the node's copies.
    fn report(
        &self,
        node: &Name,
        body: &ReportRequest,
    ) -> impl Future<Output = Result<ReportResponse, Error>> + Send;

    /// A part of a log that somebody reads.
    fn log_chunk(
        &self,
        node: &Name,
        request: &str,
        body: &LogChunk,
    ) -> impl Future<Output = Result<LogChunkAnswer, Error>> + Send;
}

impl Control for Api {
    async fn register(&self, node: &Name, body: &Registration) -> Result<Registered, Error> {
        call(self.agent_register(node, body)).await
    }

    async fn sync(&self, node: &Name, body: &SyncRequest) -> Result<SyncResponse, Error> {
        call(self.agent_sync(node, body)).await
    }

    async fn report(&self, node: &Name, body: &ReportRequest) -> Result<ReportResponse, Error> {
        call(self.agent_report(node, body)).await
    }

    async fn log_chunk(
        &self,
        node: &Name,
        request: &str,
        body: &LogChunk,
    ) -> Result<LogChunkAnswer, Error> {
        call(self.agent_logs(node, request, body)).await
    }
}
