//! Every watcher sees every change exactly once and in order, over its own
//! reconnects, over restarts of the control plane, and over compaction.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tessera_client::{Api, Error, Watch, WatchOptions, call};
use tessera_e2e::{BOUND, Fleet, Gate, Random};
use tessera_store::{Options, Store, no_observer};
use tessera_types::api::{ApplyRequest, ManifestText, WatchEvent};
use tessera_types::problem::Code;
use tessera_types::{KindName, Name, Revision};
use tokio::task::JoinHandle;

/// The workload whose appearance ends a watcher.
pub(crate) const LAST: &str = "last";

/// What a watcher saw of one change: the commit, the workload, and its
/// generation, which is none when it is gone.
pub(crate) type Seen = (Revision, Name, Option<u64>);

fn seen(event: &WatchEvent) -> Option<Seen> {
    match event {
        WatchEvent::Changed { revision, resource } => {
            assert_eq!(resource.revision(), *revision);
            Some((*revision, resource.key().name, Some(resource.generation())))
        }
        WatchEvent::Deleted { revision, name, .. } => Some((*revision, name.clone(), None)),
        WatchEvent::Bookmark { .. } => None,
        WatchEvent::Failed { problem } => panic!("{problem}"),
    }
}

fn options(since: Revision) -> WatchOptions {
    WatchOptions { since: Some(since), reconnects_max: 1000, ..WatchOptions::default() }
}

/// Watches until the last workload appears. It stops and resumes by revision
/// after so many events, if that is given.
pub(crate) async fn watch(api: Api, since: Revision, resume_after: Option<usize>) -> Vec<Seen> {
    let mut all: Vec<Seen> = Vec::new();
    let mut watch = Watch::open(&api, options(since)).await.unwrap();
    let mut count = 0;
    loop {
        let event = tokio::time::timeout(BOUND, watch.next()).await.expect("an event").unwrap();
        let Some(seen) = seen(&event) else { continue };
        count += 1;
        let is_whole = watch.revision() == Some(seen.0);
        let is_last = seen.1.as_str() == LAST;
        all.push(seen);
        if is_last {
            return all;
        }
        // A reader resumes where a commit ends: that is what revisions name.
        if is_whole && resume_after.is_some_and(|after| count >= after) {
            count = 0;
            let since = watch.revision().unwrap();
            drop(watch);
            watch = Watch::open(&api, options(since)).await.unwrap();
        }
    }
}

/// Declares batches, each of them one commit of many changes, and deletes some.
async fn write(fleet: &Fleet, random: &mut Random, rounds: u64) {
    for round in 0..rounds {
        let manifests = (0..random.within(1..12)).map(|i| stamped(&format!("w{i}"), round));
        batch(fleet, manifests.collect()).await;
        if random.within(0..3) == 0 {
            let name = format!("w{}", random.within(0..12)).parse().unwrap();
            // It may not be there, or on its way out.
            let _refused =
                fleet.api.delete::<tessera_types::Workload>(&name, None, Default::default()).await;
        }
    }
}

async fn batch(fleet: &Fleet, manifests: Vec<Value>) {
    let manifests = manifests.iter().map(ManifestText::from).collect();
    let applied = call(fleet.api.apply(None, &ApplyRequest { manifests })).await.unwrap();
    for problem in applied.results.into_iter().filter_map(|result| result.problem) {
        assert_eq!(problem.code, Code::BeingDeleted, "{problem:?}");
    }
}

pub(crate) fn stamped(name: &str, stamp: u64) -> Value {
    json!({
        "kind": "Workload",
        "name": name,
        "spec": {"command": "/bin/true", "env": {"STAMP": stamp.to_string()}},
        "desired_status": "Stopped",
    })
}

/// In order, nothing twice.
pub(crate) fn is_in_order(all: &[Seen]) {
    for pair in all.windows(2) {
        assert!(pair[0].0 <= pair[1].0, "{pair:?}");
    }
    let mut keys: Vec<_> = all.iter().map(|(revision, name, _)| (revision, name)).collect();
    keys.sort();
    for pair in keys.windows(2) {
        assert_ne!(pair[0], pair[1], "seen twice");
    }
}

async fn same_for_all(reference: Vec<Seen>, watchers: Vec<JoinHandle<Vec<Seen>>>) {
    is_in_order(&reference);
    for (i, watcher) in watchers.into_iter().enumerate() {
        let all = watcher.await.unwrap();
        is_in_order(&all);
        assert_eq!(all, reference, "watcher {i}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_that_resume_see_every_change_once_and_in_order() {
    let mut random = Random::new();
    let fleet = Fleet::start().await;
    let begin = fleet.revision().await;
    let steady = tokio::spawn(watch(fleet.api.clone(), begin, None));
    let resuming: Vec<_> = (0..5)
        .map(|_| {
            let after = random.within(1..60) as usize;
            tokio::spawn(watch(fleet.api.clone(), begin, Some(after)))
        })
        .collect();
    write(&fleet, &mut random, 80).await;
    batch(&fleet, vec![stamped(LAST, 0)]).await;
    same_for_all(steady.await.unwrap(), resuming).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_whose_connections_break_anywhere_see_every_change_once_and_in_order() {
    let mut random = Random::new();
    let fleet = Fleet::start().await;
    let begin = fleet.revision().await;
    let steady = tokio::spawn(watch(fleet.api.clone(), begin, None));
    let mut gates = Vec::new();
    let mut broken = Vec::new();
    for _ in 0..5 {
        let gate = fleet.another_way().await;
        // In the middle of a commit, of an event, of a word.
        gate.break_after(Some(random.within(20_000..60_000) as usize));
        let api = Api::new(&gate.url()).unwrap();
        broken.push(tokio::spawn(watch(api, begin, None)));
        gates.push(gate);
    }
    write(&fleet, &mut random, 80).await;
    batch(&fleet, vec![stamped(LAST, 0)]).await;
    same_for_all(steady.await.unwrap(), broken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_survive_a_control_plane_that_is_killed() {
    let mut random = Random::new();
    let mut fleet = Fleet::start().await;
    let begin = fleet.revision().await;
    let watchers: Vec<_> =
        (0..5).map(|_| tokio::spawn(watch(fleet.api.clone(), begin, None))).collect();
    for _ in 0..3 {
        write(&fleet, &mut random, 8).await;
        fleet.kill_control();
        fleet.start_control().await;
    }
    batch(&fleet, vec![stamped(LAST, 0)]).await;
    // What the store kept is the reference: all of it, from the beginning.
    let reference = watch(fleet.api.clone(), begin, None).await;
    same_for_all(reference, watchers).await;
}

/// The names, generations and revisions of what there is.
type State = BTreeMap<Name, (u64, Revision)>;

async fn listed(api: &Api) -> (State, Revision) {
    let list = api
        .list::<tessera_types::Workload>(&tessera_client::ListOptions {
            limit: Some(1000),
            ..Default::default()
        })
        .await
        .unwrap();
    let state = list.items.iter().map(|it| (it.name.clone(), (it.generation, it.revision)));
    (state.collect(), list.revision)
}

fn take_in(state: &mut State, seen: Seen) {
    match seen {
        (revision, name, Some(generation)) => state.insert(name, (generation, revision)),
        (_, name, None) => state.remove(&name),
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_is_behind_a_compaction_is_told_so_lists_and_goes_on() {
    let mut random = Random::new();
    let mut fleet = Fleet::start().await;
    write(&fleet, &mut random, 10).await;
    let behind = fleet.revision().await;
    write(&fleet, &mut random, 30).await;
    let up_to_date = Watch::open(&fleet.api, options(behind)).await.unwrap();
    let (progress, reached) = tokio::sync::watch::channel(behind);
    let follower = tokio::spawn(follow(up_to_date, progress));
    write(&fleet, &mut random, 5).await;
    let until = fleet.revision().await;
    fleet.eventually("it is up to date", async || (*reached.borrow() >= until).then_some(())).await;
    compact(&mut fleet, until).await;

    let refused = Watch::open(&fleet.api, options(behind)).await.unwrap_err();
    let Error::Refused(problem) = refused else { panic!("{refused}") };
    assert_eq!(problem.code, Code::Compacted);
    assert!(problem.facts["oldest_revision"].parse::<u64>().unwrap() > behind.0);
    assert!(problem.remedy.unwrap().contains("list"));

    // As the remedy says.
    let (mut state, since) = listed(&fleet.api).await;
    let listed_again = tokio::spawn(watch(fleet.api.clone(), since, None));
    write(&fleet, &mut random, 20).await;
    batch(&fleet, vec![stamped(LAST, 0)]).await;
    let after = listed_again.await.unwrap();
    is_in_order(&after);
    after.into_iter().for_each(|seen| take_in(&mut state, seen));

    // Who was up to date noticed nothing of it.
    let followed = follower.await.unwrap();
    is_in_order(&followed);
    let mut reference = State::new();
    followed.into_iter().for_each(|seen| take_in(&mut reference, seen));
    let known = |state: &State| -> State {
        let names = reference.keys().filter(|name| state.contains_key(*name));
        names.map(|name| (name.clone(), state[name])).collect()
    };
    assert_eq!(known(&state), known(&reference));
    let ctl = fleet.ctl(&["get", "workloads", "-o", "name"]).expect(0).stdout;
    assert_eq!(ctl.lines().count(), listed(&fleet.api).await.0.len());
}

async fn follow(mut watch: Watch, progress: tokio::sync::watch::Sender<Revision>) -> Vec<Seen> {
    let mut all = Vec::new();
    loop {
        let event = tokio::time::timeout(BOUND, watch.next()).await.expect("an event").unwrap();
        let Some(seen) = seen(&event) else { continue };
        let is_last = seen.1.as_str() == LAST;
        progress.send_replace(seen.0);
        all.push(seen);
        if is_last {
            return all;
        }
    }
}

/// Compacts the store, as its retention does in a long life.
async fn compact(fleet: &mut Fleet, until: Revision) {
    fleet.stop_control().await;
    let path = fleet.state_dir().join("control.db");
    let store = tessera_store::sqlite::open(&path, Options::default(), no_observer()).unwrap();
    assert_eq!(store.compact(until).await.unwrap(), until);
    store.close().await;
    drop(store);
    fleet.start_control().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_of_one_kind_or_label_sees_its_own_and_a_silent_network_is_noticed_by_nobody() {
    let fleet = Fleet::start().await;
    let begin = fleet.revision().await;
    let gate: Gate = fleet.another_way().await;
    let api = Api::new(&gate.url()).unwrap();
    let chosen = WatchOptions {
        kind: Some(KindName::Workload),
        selector: Some("team=core".to_owned()),
        ..options(begin)
    };
    let mut watch = Watch::open(&api, chosen).await.unwrap();
    let mut core = stamped("core", 1);
    core["labels"] = json!({"team": "core"});
    batch(&fleet, vec![core.clone(), stamped("other", 1)]).await;
    gate.cut();
    core["spec"]["env"]["STAMP"] = json!("2");
    batch(&fleet, vec![core.clone()]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    gate.mend();
    core["labels"] = json!({});
    batch(&fleet, vec![core]).await;
    let mut generations = Vec::new();
    while generations.last() != Some(&None) {
        let event = tokio::time::timeout(BOUND, watch.next()).await.unwrap().unwrap();
        let Some((_, name, generation)) = seen(&event) else { continue };
        if name.as_str() == "core" {
            generations.push(generation);
        }
    }
    generations.dedup();
    assert_eq!(generations, [Some(1), Some(2), None], "it does not match any more");
}
