//! Two hundred writers at once: no lost update, no error but an honest conflict,
//! and revisions that only grow.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tessera_client::{Api, Error};
use tessera_e2e::{Fleet, Random};
use tessera_types::problem::Code;
use tessera_types::{Manifest, Name, Revision, Workload};

use crate::watchers::{LAST, is_in_order, stamped, watch};

/// One acknowledged increment.
#[derive(Clone, Debug)]
struct Increment {
    name: Name,
    revision: Revision,
    generation: u64,
    value: u64,
}

/// Increments a workload's counter by reading it and writing it back under the
/// condition that nobody else was faster.
async fn increment(api: &Api, name: &Name, random: &mut Random) -> Increment {
    loop {
        let read = api.get::<Workload>(name, None).await.unwrap();
        let value = read.spec.env["COUNTER"].parse::<u64>().unwrap() + 1;
        let manifest = manifest(name, value, Some(read.revision));
        match api.put(&manifest, &Default::default()).await {
            Ok(applied) => {
                let it = &applied.resource;
                assert!(it.revision > read.revision);
                assert_eq!(it.generation, read.generation + 1);
                let (revision, generation) = (it.revision, it.generation);
                return Increment { name: name.clone(), revision, generation, value };
            }
            Err(Error::Refused(problem)) => {
                assert_eq!(problem.code, Code::Conflict, "{problem:?}");
                let found: u64 = problem.facts["found_revision"].parse().unwrap();
                assert!(Revision(found) > read.revision, "an honest conflict: {problem:?}");
                tokio::time::sleep(random.millis(1..60)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn manifest(name: &Name, value: u64, revision: Option<Revision>) -> Manifest<Workload> {
    let manifest = json!({
        "name": name,
        "spec": {"command": "/bin/true", "env": {"COUNTER": value.to_string()}},
        "desired_status": "Stopped",
        "revision": revision,
    });
    serde_json::from_value(manifest).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_writers_lose_no_update_and_watchers_see_them_all() {
    let mut random = Random::new();
    let fleet = Fleet::start().await;
    // One that many want, some that a few want, and many that one wants.
    let mut tasks: Vec<(Name, u32)> = Vec::new();
    let name = |text: String| text.parse::<Name>().unwrap();
    tasks.extend((0..40).map(|_| (name("hottest".to_owned()), 2)));
    tasks.extend((0..80).map(|i| (name(format!("hot{}", i % 8)), 3)));
    tasks.extend((0..80).map(|i| (name(format!("own{i}")), 5)));
    let mut expected: BTreeMap<Name, u64> = BTreeMap::new();
    for (name, count) in &tasks {
        *expected.entry(name.clone()).or_default() += u64::from(*count);
    }
    for name in expected.keys() {
        let manifest = manifest(name, 0, None);
        fleet.api.put(&manifest, &Default::default()).await.unwrap();
    }
    let before = fleet.revision().await;
    let watchers: Vec<_> = (0..5)
        .map(|_| {
            let after = random.within(1..200) as usize;
            tokio::spawn(watch(fleet.api.clone(), before, Some(after)))
        })
        .collect();
    let tasks: Vec<_> = tasks
        .into_iter()
        .map(|(name, count)| {
            let (api, mut random) = (fleet.api.clone(), random.fork());
            tokio::spawn(async move {
                let mut done = Vec::new();
                for _ in 0..count {
                    done.push(increment(&api, &name, &mut random).await);
                }
                assert!(done.is_sorted_by(|a, b| a.revision < b.revision));
                done
            })
        })
        .collect();
    assert_eq!(tasks.len(), 200);
    let mut done = Vec::new();
    for task in tasks {
        done.extend(task.await.unwrap());
    }
    let revisions: BTreeSet<_> = done.iter().map(|it| it.revision).collect();
    assert_eq!(revisions.len(), done.len(), "no two commits have one revision");
    assert!(revisions.first() > Some(&before));
    done.sort_by_key(|it| it.revision);
    for (name, count) in expected {
        let mut of_it = done.iter().filter(|it| it.name == name);
        let values: Vec<_> = of_it.clone().map(|it| it.value).collect();
        assert_eq!(values, (1..=count).collect::<Vec<_>>(), "{name}, in the order of commits");
        assert!(of_it.all(|it| it.generation == it.value + 1));
        let last = fleet.get(name.as_str()).await;
        assert_eq!(last.spec.env["COUNTER"], count.to_string());
    }
    fleet.apply(&stamped(LAST, 0)).await;
    for watcher in watchers {
        let seen = watcher.await.unwrap();
        is_in_order(&seen);
        for it in &done {
            let expected = (it.revision, it.name.clone(), Some(it.generation));
            assert!(seen.binary_search(&expected).is_ok(), "{expected:?} was not seen");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_repeated_with_its_key_happens_once() {
    let fleet = Fleet::start().await;
    let name: Name = "web".parse().unwrap();
    let put = |value, key| {
        let (api, name) = (fleet.api.clone(), name.clone());
        async move {
            let manifest = manifest(&name, value, None);
            {
                let options =
                    tessera_client::PutOptions { idempotency_key: Some(key), ..Default::default() };
                api.put(&manifest, &options).await
            }
        }
    };
    let first = put(1, "key-1").await.unwrap();
    put(2, "key-2").await.unwrap();
    let again = put(1, "key-1").await.unwrap();
    assert_eq!(again.resource.id, first.resource.id);
    assert_eq!(again.resource.spec.env["COUNTER"], "2", "as it is by now");
    assert_eq!(fleet.get("web").await.generation, again.resource.generation, "nothing was changed");
    let Err(Error::Refused(problem)) = put(3, "key-1").await else { panic!("it is refused") };
    assert_eq!(problem.code, Code::IdempotencyKeyReused);
    assert!(problem.remedy.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_of_many_makes_a_workload_and_only_one_deletes_it() {
    let fleet = Fleet::start().await;
    let name: Name = "web".parse().unwrap();
    let makers: Vec<_> = (0..50)
        .map(|i| {
            let (api, name) = (fleet.api.clone(), name.clone());
            tokio::spawn(async move {
                let manifest = manifest(&name, i, Some(Revision::ZERO));
                api.put(&manifest, &Default::default()).await
            })
        })
        .collect();
    let mut made = 0;
    for maker in makers {
        match maker.await.unwrap() {
            Ok(_) => made += 1,
            Err(error) => {
                assert_eq!(error.problem().map(|it| it.code), Some(Code::AlreadyExists));
            }
        }
    }
    assert_eq!(made, 1);
    let web = fleet.get("web").await;
    let stale = fleet.api.delete::<Workload>(
        &name,
        None,
        tessera_client::DeleteOptions { id: Some(tessera_types::Uid(77)), revision: None },
    );
    let refused = stale.await.unwrap_err();
    assert_eq!(refused.problem().map(|it| it.code), Some(Code::Conflict));
    fleet
        .api
        .delete::<Workload>(
            &name,
            None,
            tessera_client::DeleteOptions { id: Some(web.id), revision: None },
        )
        .await
        .unwrap();
    fleet.gone("web").await;
}
