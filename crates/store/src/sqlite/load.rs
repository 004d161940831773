//! Reading all resources of the checkpoint, when a store is opened.
//!
//! The one idea: to fetch rows is one thread's work, and to make resources of them is most
//! of the work, so others do that meanwhile.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::Builder;

use rusqlite::{Connection, Row};
use tessera_types::{ResourceKey, Revision, Uid};

use crate::engine::backend::{Fault, Versioned};
use crate::sqlite::codec::{self, Alike};
use crate::sqlite::fault::damaged;
use crate::sqlite::rows;

/// Rows that are handed over at once.
const BATCH_ROWS: usize = 512;
/// Batches that wait for one thread, at most.
const BATCHES_MAX: usize = 4;
/// Threads beside the one that fetches, at most; more would wait for it.
const THREADS_MAX: usize = 4;

/// A resource as its rows have it.
struct Fetched {
    key: ResourceKey,
    id: Uid,
    revision: Revision,
    declared_at: Revision,
    state: String,
    declared: String,
}

type Read = Result<Vec<Versioned>, Fault>;

/// Gives `found` every resource of the checkpoint, in no order.
pub(super) fn objects(
    connection: &Connection,
    found: &mut dyn FnMut(Versioned),
) -> Result<(), Fault> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (results, read) = channel();
    std::thread::scope(|scope| {
        let mut queues = Vec::new();
        for _ in 0..(cores - 1).clamp(1, THREADS_MAX) {
            let (queue, batches) = sync_channel(BATCHES_MAX);
            let results = results.clone();
            let reader = Builder::new().name("store-loader".to_owned());
            reader
                .spawn_scoped(scope, move || read_batches(&batches, &results))
                .map_err(|error| Fault::Failed(format!("no thread to read with: {error}")))?;
            queues.push(queue);
        }
        drop(results);
        fetch(connection, queues, &read, found)?;
        read.iter().try_for_each(|batch| give(batch, found))
    })
}

fn give(batch: Read, found: &mut dyn FnMut(Versioned)) -> Result<(), Fault> {
    batch?.into_iter().for_each(found);
    Ok(())
}

/// Hands all rows to the threads in turn, and takes in what they have read meanwhile.
fn fetch(
    connection: &Connection,
    queues: Vec<SyncSender<Vec<Fetched>>>,
    read: &Receiver<Read>,
    found: &mut dyn FnMut(Versioned),
) -> Result<(), Fault> {
    let mut statement = connection.prepare(
        "SELECT d.kind, d.namespace, d.name, o.id, o.revision, o.declared_at, o.state, d.body
         FROM object o LEFT JOIN declared d ON d.id = o.id AND d.revision = o.declared_at",
    )?;
    let mut rows = statement.query([])?;
    let mut turns = queues.into_iter().cycle();
    let mut batch = Vec::with_capacity(BATCH_ROWS);
    let mut is_over = false;
    while !is_over {
        match rows.next()? {
            Some(row) => batch.push(fetched(row)?),
            None => is_over = true,
        }
        if batch.len() == BATCH_ROWS || is_over {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH_ROWS));
            // A thread ends early only with an error, which is among the results.
            let _ = turns.next().map(|queue| queue.send(full));
            read.try_iter().try_for_each(|batch| give(batch, found))?;
        }
    }
    Ok(())
}

fn fetched(row: &Row<'_>) -> Result<Fetched, Fault> {
    let number = |place| row.get::<_, i64>(place).map(i64::cast_unsigned);
    let id = Uid(number(3)?);
    let text = |place| {
        let value = row.get_ref(place).map_err(Fault::from)?;
        let text = value.as_str().map_err(|error| damaged(format!("resource {id}"), error))?;
        Ok::<_, Fault>(text.to_owned())
    };
    Ok(Fetched {
        key: rows::key(row)?,
        id,
        revision: Revision(number(4)?),
        declared_at: Revision(number(5)?),
        state: text(6)?,
        declared: text(7)?,
    })
}

fn read_batches(batches: &Receiver<Vec<Fetched>>, results: &Sender<Read>) {
    let mut alike = Alike::default();
    for batch in batches {
        let read: Read = batch.into_iter().map(|fetched| object(fetched, &mut alike)).collect();
        let failed = read.is_err();
        if results.send(read).is_err() || failed {
            return;
        }
    }
}

fn object(fetched: Fetched, alike: &mut Alike) -> Result<Versioned, Fault> {
    let Fetched { key, id, revision, declared_at, state, declared } = fetched;
    let resource = codec::read_declared(&key, id, &declared, alike)
        .and_then(|template| codec::with_state(template, revision, &state))
        .map_err(|error| damaged(format!("resource {id}"), error))?;
    Ok(Versioned { resource, declared_at })
}
