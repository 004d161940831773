//! Runs that hold more than there is memory for.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;
use tessera_client::call;
use tessera_types::engine::{EngineJob, JobStatus};

use crate::receiver::Receiver;
use crate::stage::{Running, Stage, until};

const JOBS: usize = 20;
const HELD: u64 = 200_000;
const MEMORY_MAX: u64 = 1 << 20;

/// Each holds a text while it waits for an event and then for time.
const LARGE: &str = r#"
do:
  - fill: { set: { text: '${ "x" * 200000 }' }, export: { as: . } }
  - hear: { listen: { to: { one: { with: { type: go } } } } }
  - call:
      call: http
      with: { method: post, endpoint: '${ $workflow.input.url }', body: { n: '${ $workflow.input.n }' } }
  - pause: { wait: { milliseconds: 300 } }
  - give: { set: { length: '${ $context.text | length }' } }
"#;

#[tokio::test]
async fn runs_that_wait_leave_the_memory_and_go_on_when_it_is_their_turn() {
    let stage = Stage::new(&["--memory-max", "1MiB"]);
    stage.scenario("large", LARGE);
    let (engine, outside) = (stage.start(), Receiver::open());
    let mut jobs = Vec::new();
    for n in 0..JOBS {
        let input = json!({"url": outside.url("/"), "n": n});
        jobs.push(engine.submit(json!({"scenario": "large@v1", "input": input})).await);
    }
    let hears =
        |job: &EngineJob| job.head.waiting_for.as_ref().is_some_and(|it| it.contains("hear"));
    for job in &jobs {
        engine.until_job(&job.head.id, hears).await;
    }
    until("some leave the memory", async || {
        metric(&engine, "data_bytes") <= MEMORY_MAX
            && metric(&engine, "in_memory") <= MEMORY_MAX / HELD
    })
    .await;
    assert_eq!(metric(&engine, "running"), JOBS as u64);
    let cancelled = call(engine.api.job_cancel(&jobs[0].head.id)).await.unwrap();
    assert_eq!(cancelled.head.status, JobStatus::Cancelled);
    let event = json!({"specversion": "1.0", "id": "1", "source": "test", "type": "go"});
    // All are told, and have their turn one after the other; who gives it may have to do so again.
    let media_type = "application/cloudevents+json";
    let give = async || crate::events::send(&engine, media_type, &event).await.is_ok();
    until("the event is taken", give).await;
    for job in &jobs[1..] {
        let job = engine.until_over(&job.head.id).await;
        assert_eq!(job.output, Some(json!({"length": HELD})), "{job:?}");
    }
    let asked = outside.asked();
    let keys: BTreeSet<_> = asked.iter().map(|it| it.key.clone()).collect();
    assert_eq!((asked.len(), keys.len()), (JOBS - 1, JOBS - 1), "each call once");
    until("all is free", async || metric(&engine, "data_bytes") == 0).await;
}

fn metric(engine: &Running, name: &str) -> u64 {
    let host = engine.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let name = format!("tessera_engine_{name} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("{name} is not among {text}")).trim().parse().unwrap()
}
