//! A watcher that does not keep up hears the same as one that does.

use serde_json::json;
use tessera_client::{Api, Watch, WatchOptions, call};
use tessera_types::api::{ApplyRequest, WatchEvent};
use tessera_types::{Revision, limits};

use crate::Control;
use crate::server::tests::options;

/// Several times what may wait at the fan-out.
const BATCHES: usize = 12;

/// What was heard up to `last`, without the bookmarks.
async fn heard(watch: &mut Watch, last: Revision) -> Vec<WatchEvent> {
    let mut heard = Vec::new();
    loop {
        match watch.next().await.unwrap() {
            WatchEvent::Bookmark { revision } if revision >= last => return heard,
            WatchEvent::Bookmark { .. } => {}
            event => heard.push(event),
        }
        if watch.revision() >= Some(last) {
            return heard;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_that_reads_late_hears_what_one_hears_that_reads_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let control = Control::start(options(folder.path())).await.unwrap();
    let api = Api::new(&format!("http://{}", control.local_addr())).unwrap();
    let mut late = Watch::open(&api, WatchOptions::default()).await.unwrap();
    let mut prompt = Watch::open(&api, WatchOptions::default()).await.unwrap();
    let reading = tokio::spawn(async move {
        let mut heard = Vec::new();
        loop {
            let event = prompt.next().await.unwrap();
            let WatchEvent::Changed { resource, revision } = event else { continue };
            heard.push(resource.key().name.to_string());
            if heard.last().is_some_and(|name| name == "last") {
                return (heard, revision);
            }
        }
    });
    for batch in 0..BATCHES {
        let one = |i| json!({"name": format!("w-{batch}-{i}"), "spec": {"command": "x"}, "desired_status": "Stopped"});
        let manifests = (0..limits::BATCH_MAX).map(|i| (&one(i)).into()).collect();
        call(api.apply(None, &ApplyRequest { manifests })).await.unwrap();
    }
    let last = json!({"name": "last", "spec": {"command": "x"}, "desired_status": "Stopped"});
    call(api.apply(None, &ApplyRequest { manifests: vec![(&last).into()] })).await.unwrap();
    let (at_once, last) = reading.await.unwrap();
    let late = heard(&mut late, last).await;
    let names = late.iter().filter_map(|event| match event {
        WatchEvent::Changed { resource, revision } if *revision <= last => {
            Some(resource.key().name.to_string())
        }
        _ => None,
    });
    assert!(at_once.len() > BATCHES * limits::BATCH_MAX);
    assert!(names.eq(at_once), "they heard different things");
    control.stop().await;
}
