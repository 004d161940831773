//! The conformance suite on each backend.

use super::{FileSubject, MemorySubject, tight};
use crate::MemoryDisk;
use crate::conformance::{Restarts, run};

fn memory(crashes: bool) -> impl Fn() -> MemorySubject {
    move || MemorySubject { disk: MemoryDisk::new(), crashes }
}

#[tokio::test]
async fn memory_conforms() {
    run(memory(false), Restarts::Never).await;
}

#[tokio::test]
async fn memory_conforms_across_restarts() {
    run(memory(false), Restarts::BetweenSteps).await;
}

#[tokio::test]
async fn memory_conforms_across_crashes() {
    run(memory(true), Restarts::BetweenSteps).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_conforms() {
    run(|| FileSubject::new(tight()), Restarts::Never).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_conforms_across_restarts() {
    run(|| FileSubject::new(tight()), Restarts::BetweenSteps).await;
}
