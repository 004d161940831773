//! How fast the store is on this machine: commits one after another and from
//! many committers at once, and opening with many resources.
//!
//! `cargo run --release -p tessera-store --example store_bench [folder]`

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tessera_store::{Commit, EmbeddedStore, Options, Store, no_observer, sqlite};
use tessera_types::workload::WorkloadSpec;
use tessera_types::{
    Actor, Edit, Kind, KindName, Name, Object, ResourceKey, Timestamp, Workload, Write,
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const RUN: Duration = Duration::from_secs(5);
const COMMITTERS: usize = 64;
const RESOURCES: usize = 100_000;
const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

fn main() -> Outcome<()> {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("store_bench.{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(measure(&folder));
    std::fs::remove_dir_all(&folder)?;
    result
}

async fn measure(folder: &Path) -> Outcome<()> {
    let store = sqlite::open(&folder.join("rate.db"), Options::default(), no_observer())?;
    for committers in [1, COMMITTERS] {
        measure_rate(&store, committers).await?;
    }
    store.close().await;
    measure_load(&folder.join("load.db")).await
}

async fn measure_rate(store: &EmbeddedStore, committers: usize) -> Outcome<()> {
    let begun_at = Instant::now();
    let tasks = (0..committers).map(|i| tokio::spawn(update_one(store.clone(), i, begun_at + RUN)));
    let mut latencies = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        latencies.extend(task.await??);
    }
    latencies.sort_unstable();
    let per_second = latencies.len() as f64 / begun_at.elapsed().as_secs_f64();
    let quantile = |q: f64| latencies[((latencies.len() - 1) as f64 * q) as usize];
    println!(
        "{committers} committers: {per_second:.0} commits/s, p50 {:?}, p99 {:?}, max {:?}",
        quantile(0.5),
        quantile(0.99),
        quantile(1.0),
    );
    Ok(())
}

/// Changes the state of one workload again and again, as reconciling does.
async fn update_one(store: EmbeddedStore, i: usize, until: Instant) -> Outcome<Vec<Duration>> {
    let key = key(i)?;
    if store.get(&key).is_none() {
        store.commit(Commit::new(vec![create(&key)], NOW)).await?;
    }
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let resource = store.get(&key).ok_or("the workload is gone")?;
        let workload = Workload::unwrap(&resource).ok_or("it is no workload")?;
        let mut edit = Edit::of(workload, NOW);
        edit.object.observed.restarts += 1;
        let write = edit.finish().map(Write::update).ok_or("nothing has changed")?;
        let begun_at = Instant::now();
        store.commit(Commit::new(vec![write], NOW)).await?;
        latencies.push(begun_at.elapsed());
    }
    Ok(latencies)
}

async fn measure_load(path: &Path) -> Outcome<()> {
    let store = sqlite::open(path, Options::default(), no_observer())?;
    let begun_at = Instant::now();
    for first in (0..RESOURCES).step_by(1000) {
        let writes = (first..first + 1000).map(|i| Ok(create(&key(i)?)));
        let writes = writes.collect::<Outcome<Vec<_>>>()?;
        store.commit(Commit::new(writes, NOW)).await?;
    }
    println!("{RESOURCES} created by 1000 per commit in {:?}", begun_at.elapsed());
    let begun_at = Instant::now();
    store.close().await;
    println!("closed in {:?}, {} MiB", begun_at.elapsed(), std::fs::metadata(path)?.len() >> 20);
    drop(store);

    let begun_at = Instant::now();
    let store = sqlite::open(path, Options::default(), no_observer())?;
    println!("{} resources loaded in {:?}", store.stats().resources, begun_at.elapsed());
    let begun_at = Instant::now();
    let listed = store.list(KindName::Workload).resources.len();
    println!("{listed} listed in {:?}", begun_at.elapsed());
    store.close().await;
    Ok(())
}

fn key(i: usize) -> Outcome<ResourceKey> {
    Ok(ResourceKey::new(KindName::Workload, None, Name::new(&format!("workload-{i}"))?))
}

fn create(key: &ResourceKey) -> Write {
    let spec = WorkloadSpec {
        command: Some("/usr/bin/python3".to_owned()),
        args: ["-m", "http.server", "8080"].map(str::to_owned).into(),
        env: [("LOG_LEVEL", "info"), ("REGION", "eu-west-1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..WorkloadSpec::default()
    };
    Write::create(Object::<Workload>::new(key, Arc::new(spec), Actor::API, NOW))
}
