//! Tests of journals: what a commit makes, crashes, files that are not as they
//! should be, a full disk, and retention.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;
use tessera_types::Timestamp;

use super::*;
use crate::tests::block_on;

/// Tells the child which file to use.
const CHILD_PATH: &str = "TESSERA_JOURNAL_CRASH_TEST";

const T: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

struct File {
    _folder: TempDir,
    path: PathBuf,
}

impl File {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.db");
        Self { _folder: folder, path }
    }

    fn open(&self) -> (Journal, Loaded) {
        open(&self.path, &Options::default()).unwrap()
    }

    fn refusal(&self) -> OpenError {
        let before = fs::read(&self.path).ok();
        let error = open(&self.path, &Options::default()).unwrap_err();
        assert_eq!(fs::read(&self.path).ok(), before);
        assert!(error.to_string().contains(&self.path.display().to_string()), "{error}");
        error
    }
}

fn job(number: u64) -> NewJob {
    NewJob {
        number: JobNumber(number),
        key: None,
        text: None,
        body: format!("job {number}"),
        state: "new".to_owned(),
    }
}

fn entry(job: u64, seq: u64) -> Change {
    Change::Append { job: JobNumber(job), seq, body: format!("entry {seq} of {job}") }
}

fn state(job: u64, body: &str, ended_at: Option<Timestamp>) -> Change {
    Change::State { job: JobNumber(job), body: body.to_owned(), ended_at }
}

fn send(job: u64, number: u64) -> Change {
    Change::Send { job: JobNumber(job), number, at: T, body: format!("event {number}") }
}

fn stands(job: u64, number: u64, standing: Standing) -> Change {
    let note = Some("refused".to_owned());
    Change::Stands { job: JobNumber(job), number, standing, attempts: 3, at: T, note }
}

async fn bodies(journal: &Journal, job: u64) -> Vec<String> {
    let entries = journal.entries(JobNumber(job), 0, 1_000_000).await.unwrap();
    entries.into_iter().map(|(_, body)| body).collect()
}

#[test]
fn what_was_committed_is_there_after_a_restart() {
    let file = File::new();
    block_on(async {
        let (journal, loaded) = file.open();
        assert_eq!(loaded.next_job, JobNumber(1));
        let text = Change::Keep { hash: "h".into(), text: "a document".into() };
        let first = NewJob { key: Some("k".into()), text: Some("h".into()), ..job(1) };
        journal.commit(vec![text.clone(), Change::Create(first)]).await.unwrap();
        let moment = vec![
            entry(1, 1),
            entry(1, 2),
            state(1, "done", Some(T)),
            Change::Outcome { job: JobNumber(1), body: "7".to_owned() },
            send(1, 1),
            send(1, 2),
            send(1, 3),
        ];
        journal.commit(moment).await.unwrap();
        let delivered = stands(1, 1, Standing::Delivered);
        journal.commit(vec![delivered, stands(1, 2, Standing::Dead), text]).await.unwrap();
        journal.close().await;

        let (journal, loaded) = file.open();
        assert_eq!(loaded.next_job, JobNumber(2));
        let expected = LoadedJob { number: JobNumber(1), state: "done".to_owned() };
        assert_eq!(loaded.jobs, [expected]);
        let open: Vec<_> = loaded.events.iter().map(|it| (it.number, it.standing)).collect();
        assert_eq!(open, [(2, Standing::Dead), (3, Standing::Pending)]);
        assert_eq!(journal.open_events(JobNumber(1)).await.unwrap(), loaded.events);
        assert_eq!(journal.open_events(JobNumber(2)).await.unwrap(), []);
        let stored = journal.job(JobNumber(1)).await.unwrap().unwrap();
        assert_eq!(stored.text.as_deref(), Some("a document"));
        assert_eq!((stored.body.as_str(), stored.outcome.as_deref()), ("job 1", Some("7")));
        assert_eq!(bodies(&journal, 1).await, ["entry 1 of 1", "entry 2 of 1"]);
        assert_eq!(journal.entries(JobNumber(1), 2, 9).await.unwrap().len(), 1);
        let event = journal.event(JobNumber(1), 2).await.unwrap().unwrap();
        assert_eq!((event.attempts, event.note.as_deref()), (3, Some("refused")));
        assert_eq!(journal.job(JobNumber(2)).await.unwrap(), None);
    });
}

#[test]
fn a_refused_commit_makes_nothing_and_spoils_nobody_elses() {
    let file = File::new();
    block_on(async {
        let (journal, _) = file.open();
        let keyed = |number| Change::Create(NewJob { key: Some("k".into()), ..job(number) });
        journal.commit(vec![keyed(1), entry(1, 1)]).await.unwrap();
        let refused = [
            (vec![entry(1, 2), entry(1, 1)], JournalError::Taken("entry 1 of job 1".to_owned())),
            (vec![Change::Create(job(5)), entry(9, 1)], JournalError::Unknown("job 9".to_owned())),
            (vec![keyed(6)], JournalError::KeyUsed { by: JobNumber(1) }),
            (
                vec![stands(1, 1, Standing::Dead)],
                JournalError::Unknown("event 1 of job 1".to_owned()),
            ),
            (vec![state(9, "x", None)], JournalError::Unknown("job 9".to_owned())),
        ];
        // All in one batch, as far as the writer's thread lets them.
        let good = (100..200).map(|number| vec![Change::Create(job(number)), entry(number, 1)]);
        let (mut all, mut expected) = (Vec::new(), Vec::new());
        for (i, changes) in good.enumerate() {
            if let Some((bad, error)) = refused.get(i / 10).filter(|_| i % 10 == 5) {
                all.push(journal.commit(bad.clone()));
                expected.push(Err(error.clone()));
            }
            all.push(journal.commit(changes));
            expected.push(Ok(()));
        }
        assert_eq!(join_all(all).await, expected);
        assert_eq!(bodies(&journal, 1).await, ["entry 1 of 1"]);
        for number in [5, 6] {
            assert_eq!(journal.job(JobNumber(number)).await.unwrap(), None);
        }
        for number in 100..200 {
            assert_eq!(bodies(&journal, number).await.len(), 1);
        }
        let stats = journal.stats();
        assert_eq!((stats.commits, stats.entries, stats.failures), (101, 101, 5));
        journal.close().await;
        assert_eq!(journal.commit(vec![entry(1, 3)]).await, Err(JournalError::Closed));
    });
}

async fn join_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut pinned: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut results: Vec<Option<F::Output>> = pinned.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (future, result) in pinned.iter_mut().zip(&mut results) {
            if result.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *result = Some(value);
            }
        }
        match results.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(results.drain(..).flatten().collect()),
            false => std::task::Poll::Pending,
        }
    })
    .await
}

#[test]
fn what_ended_long_ago_is_removed_in_small_steps_unless_an_event_waits() {
    let file = File::new();
    let later = Timestamp::from_micros(T.as_micros() + 1);
    block_on(async {
        let (journal, _) = file.open();
        let text = Change::Keep { hash: "h".into(), text: "a document".into() };
        journal.commit(vec![text]).await.unwrap();
        for (number, ended_at) in [(1, Some(T)), (2, Some(T)), (3, Some(later)), (4, None)] {
            let new = NewJob { text: Some("h".into()), ..job(number) };
            let mut changes = vec![Change::Create(new), state(number, "x", ended_at)];
            changes.extend((1..=2500).map(|seq| entry(number, seq)));
            changes.push(send(number, 1));
            if number != 2 {
                changes.push(stands(number, 1, Standing::Delivered));
            }
            journal.commit(changes).await.unwrap();
        }
        let forgotten = journal.forget(later, 10).await.unwrap();
        assert_eq!(forgotten.jobs, [JobNumber(1)]);
        assert_eq!(journal.job(JobNumber(1)).await.unwrap(), None);
        journal.commit(vec![stands(2, 1, Standing::Dead)]).await.unwrap();
        assert_eq!(journal.forget(later, 10).await.unwrap().jobs, [JobNumber(2)]);
        // Closed in the midst of it: the next start goes on.
        journal.close().await;
        let (journal, loaded) = file.open();
        let left: Vec<_> = loaded.jobs.iter().map(|job| job.number.0).collect();
        assert_eq!(left, [3, 4]);
        while !bodies(&journal, 1).await.is_empty() || !bodies(&journal, 2).await.is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(bodies(&journal, 3).await.len(), 2500);
        assert_eq!(loaded.next_job, JobNumber(5));
        assert_eq!(journal.forget(Timestamp::MAX, 10).await.unwrap().jobs, [JobNumber(3)]);
        journal.close().await;
        assert_eq!(file.open().1.next_job, JobNumber(5));
    });
}

#[test]
fn a_full_disk_refuses_commits_until_there_is_space() {
    let file = File::new();
    let options = Options { file_bytes_max: Some(2 << 20) };
    block_on(async {
        let (journal, _) = open(&file.path, &options).unwrap();
        let mut jobs = 0;
        let large = "x".repeat(60_000);
        let error = loop {
            jobs += 1;
            assert!(jobs < 1000, "the bound of the file does not hold");
            let new = NewJob { body: large.clone(), ..job(jobs) };
            let changes = vec![Change::Create(new), entry(jobs, 1), state(jobs, "x", Some(T))];
            if let Err(error) = journal.commit(changes).await {
                break error;
            }
        };
        assert_eq!(error, JournalError::Full);
        assert_eq!(journal.job(JobNumber(jobs)).await.unwrap(), None);
        assert!(bodies(&journal, jobs).await.is_empty());
        assert!(journal.job(JobNumber(1)).await.unwrap().is_some());
        assert!(!journal.forget(Timestamp::MAX, 10).await.unwrap().jobs.is_empty());
        journal.commit(vec![Change::Create(job(jobs)), entry(jobs, 1)]).await.unwrap();
    });
}

#[test]
fn a_file_that_is_not_as_it_should_be_is_refused() {
    let file = File::new();
    let (journal, _) = file.open();
    assert!(matches!(file.refusal(), OpenError::Locked { holder: Some(_), .. }));
    for it in fs::read_dir(file.path.parent().unwrap()).unwrap().map(Result::unwrap) {
        assert_eq!(it.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{it:?}");
    }
    block_on(async {
        for number in 1..4 {
            journal.commit(vec![Change::Create(job(number)), entry(number, 1)]).await.unwrap();
        }
        journal.close().await;
    });
    let whole = fs::read(&file.path).unwrap();
    let mut newer = whole.clone();
    newer[60..64].copy_from_slice(&7u32.to_be_bytes());
    fs::write(&file.path, newer).unwrap();
    assert!(matches!(file.refusal(), OpenError::Newer { found: 7, known: 1, .. }));
    fs::write(&file.path, &whole[..whole.len() / 2 / 4096 * 4096]).unwrap();
    assert!(matches!(file.refusal(), OpenError::Damaged { .. }));
    fs::write(&file.path, "something else").unwrap();
    assert!(matches!(file.refusal(), OpenError::NotADatabase { .. }));
    fs::write(&file.path, &whole).unwrap();
    Connection::open(&file.path).unwrap().execute_batch("DELETE FROM state").unwrap();
    let error = open(&file.path, &Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    // The control plane's store is another sort of file.
    fs::remove_file(&file.path).unwrap();
    let store =
        crate::sqlite::open(&file.path, crate::Options::default(), crate::no_observer()).unwrap();
    block_on(crate::Store::close(&store));
    assert!(matches!(file.refusal(), OpenError::NotADatabase { .. }));
}

/// The files after some commits, all of them still in the write-ahead log.
fn record(commits: u64) -> (Vec<u8>, Vec<u8>, Vec<u64>) {
    let file = File::new();
    let (journal, _) = file.open();
    let wal = file.path.with_extension("db-wal");
    let mut acknowledged_at = Vec::new();
    for i in 1..=commits {
        let changes = vec![Change::Create(job(i)), entry(i, 1), state(i, "x", None), send(i, 1)];
        block_on(journal.commit(changes)).unwrap();
        acknowledged_at.push(fs::metadata(&wal).unwrap().len());
    }
    let recorded = (fs::read(&file.path).unwrap(), fs::read(&wal).unwrap(), acknowledged_at);
    block_on(journal.close());
    recorded
}

#[test]
fn a_loss_of_power_at_any_byte_leaves_whole_commits_and_all_that_were_acknowledged() {
    let (database, wal, acknowledged_at) = record(40);
    let check = |cut: usize| {
        let file = File::new();
        fs::write(&file.path, &database).unwrap();
        fs::write(file.path.with_extension("db-wal"), &wal[..cut]).unwrap();
        let (journal, loaded) = file.open();
        let acknowledged = acknowledged_at.iter().filter(|end| **end <= cut as u64).count();
        assert!(loaded.jobs.len() >= acknowledged);
        assert!(loaded.jobs.iter().all(|job| job.state == "x"));
        assert_eq!(loaded.events.len(), loaded.jobs.len());
        for job in &loaded.jobs {
            assert_eq!(block_on(bodies(&journal, job.number.0)).len(), 1);
        }
        block_on(journal.close());
    };
    let config =
        ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(cut in 0..=wal.len())| check(cut));
    acknowledged_at.iter().for_each(|end| check(*end as usize));
}

/// Not a test: the process that the next test kills.
#[test]
fn child_that_commits_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD_PATH) else { return };
    let (journal, loaded) = open(Path::new(&path), &Options::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let first = loaded.next_job.0;
    let tasks = (0..16).map(|i| runtime.spawn(commit_for_ever(journal.clone(), first + i)));
    for task in tasks.collect::<Vec<_>>() {
        runtime.block_on(task).unwrap();
    }
}

async fn commit_for_ever(journal: Journal, number: u64) {
    journal.commit(vec![Change::Create(job(number))]).await.unwrap();
    for seq in 1.. {
        let moment =
            vec![entry(number, seq), state(number, &seq.to_string(), None), send(number, seq)];
        journal.commit(moment).await.unwrap();
        // One write per line, so that a line is never half there.
        let line = format!("acknowledged {number} {seq}\n");
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

#[test]
fn a_killed_process_has_kept_all_that_it_acknowledged_and_nothing_half() {
    let file = File::new();
    let mut acknowledged = BTreeMap::<u64, u64>::new();
    for lines in [1, 50, 700, 2000] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["journal::tests::child_that_commits_until_it_is_killed", "--exact"])
            .arg("--nocapture")
            .env(CHILD_PATH, &file.path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut take = |line: String| {
            let Some((job, seq)) =
                line.strip_prefix("acknowledged ").and_then(|line| line.split_once(' '))
            else {
                return 0;
            };
            acknowledged.insert(job.parse().unwrap(), seq.parse().unwrap());
            1
        };
        let mut taken = 0;
        while taken < lines {
            taken += take(output.next().expect("the child runs until it is killed").unwrap());
        }
        child.kill().unwrap();
        // What it had acknowledged and was still on its way to us.
        output.map_while(Result::ok).for_each(|line| {
            take(line);
        });
        child.wait().unwrap();
        let (journal, loaded) = file.open();
        let states: BTreeMap<_, _> =
            loaded.jobs.iter().map(|job| (job.number.0, job.state.clone())).collect();
        for (job, seq) in &acknowledged {
            let found = states[job].parse::<u64>().unwrap();
            assert!(found >= *seq, "{job}: {seq} was acknowledged, {found} is there");
            let entries = block_on(bodies(&journal, *job));
            assert_eq!(entries.len() as u64, found);
            assert_eq!(
                loaded.events.iter().filter(|event| event.job.0 == *job).count() as u64,
                found
            );
        }
        block_on(journal.close());
    }
}
