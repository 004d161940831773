//! How fast journals are on this machine: entries of one job after another, and of
//! many jobs at once.
//!
//! `cargo run --release -p tessera-store --example journal_bench [folder]`

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tessera_store::journal::{self, Change, JobNumber, Journal, JournalError, NewJob};

const RUN: Duration = Duration::from_secs(4);

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("journal_bench.{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(async {
        let (journal, _) = journal::open(&folder.join("engine.db"), &journal::Options::default())?;
        let mut first = 1;
        for jobs in [1, 16, 256] {
            measure(&journal, first, jobs).await?;
            first += jobs;
        }
        journal.close().await;
        Ok(())
    });
    std::fs::remove_dir_all(&folder)?;
    result
}

async fn measure(journal: &Journal, first: u64, jobs: u64) -> Result<(), Box<dyn Error>> {
    let begun_at = Instant::now();
    let tasks = (first..first + jobs)
        .map(|number| tokio::spawn(append(journal.clone(), JobNumber(number), begun_at + RUN)));
    let mut latencies = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        latencies.extend(task.await??);
    }
    latencies.sort_unstable();
    let per_second = latencies.len() as f64 / begun_at.elapsed().as_secs_f64();
    let quantile = |q: f64| latencies[((latencies.len() - 1) as f64 * q) as usize];
    let (p50, p99) = (quantile(0.5), quantile(0.99));
    println!("{jobs} jobs: {per_second:.0} entries/s, p50 {p50:?}, p99 {p99:?}");
    Ok(())
}

async fn append(
    journal: Journal,
    job: JobNumber,
    until: Instant,
) -> Result<Vec<Duration>, JournalError> {
    let new = NewJob {
        number: job,
        key: None,
        text: None,
        body: "{}".to_owned(),
        state: "{}".to_owned(),
    };
    journal.commit(vec![Change::Create(new)]).await?;
    let body =
        format!(r#"{{"at":"2027-01-15T08:00:00Z","what":{{"done":{:?}}}}}"#, "x".repeat(200));
    let mut latencies = Vec::new();
    let mut seq = 0;
    while Instant::now() < until {
        let begun_at = Instant::now();
        seq += 1;
        journal.commit(vec![Change::Append { job, seq, body: body.clone() }]).await?;
        latencies.push(begun_at.elapsed());
    }
    Ok(latencies)
}
