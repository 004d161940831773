//! Log entries as rows: a body for the entry, and a row of `declared` for each
//! declared part that it changes.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tessera_types::{KindName, Name, Resource, ResourceKey, Revision, Timestamp, Uid};

use crate::contract::IdempotencyKey;
use crate::engine::backend::{Fault, LogChange, LogEntry, Versioned};
use crate::sqlite::codec::{self, Alike, StateOf};
use crate::sqlite::fault::damaged;
use crate::sqlite::history::{Records, RecordsRef};
use crate::sqlite::text::Text;

/// Bytes of bodies in one page, at most, by more than its last entry.
const PAGE_BYTES_MAX: u64 = 1 << 20;

/// A row's fixed part, about, for sizes.
const ROW_BYTES: u64 = 32;

#[derive(Serialize)]
struct BodyRef<'a> {
    seq: u64,
    changes: Vec<ChangeRef<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency: Option<&'a IdempotencyKey>,
}

#[derive(Serialize)]
struct ChangeRef<'a> {
    kind: KindName,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a Name>,
    name: &'a Name,
    id: Uid,
    #[serde(skip_serializing_if = "Option::is_none")]
    supersedes: Option<Revision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<AfterRef<'a>>,
    #[serde(skip_serializing_if = "RecordsRef::is_empty")]
    records: RecordsRef<'a>,
}

#[derive(Serialize)]
struct AfterRef<'a> {
    declared_at: Revision,
    state: StateOf<'a>,
}

#[derive(Deserialize)]
struct Body {
    seq: u64,
    changes: Vec<BodyChange>,
    #[serde(default)]
    idempotency: Option<IdempotencyKey>,
}

#[derive(Deserialize)]
struct BodyChange {
    kind: KindName,
    #[serde(default)]
    namespace: Option<Name>,
    name: Name,
    id: Uid,
    #[serde(default)]
    supersedes: Option<Revision>,
    #[serde(default)]
    after: Option<After>,
    #[serde(default)]
    records: Records,
}

#[derive(Deserialize)]
struct After {
    declared_at: Revision,
    state: Box<RawValue>,
}

/// Inserts an entry and the declared parts that it changes; its size in bytes.
pub(super) fn insert(
    connection: &Connection,
    entry: &LogEntry,
    text: &mut Text,
) -> Result<u64, Fault> {
    let body = text.of(&body(entry))?;
    let mut bytes = body.len() as u64 + ROW_BYTES;
    for change in &entry.changes {
        bytes += insert_declared(connection, entry.revision, change)?;
    }
    connection
        .prepare_cached("INSERT INTO commit_log (revision, at, bytes, body) VALUES (?, ?, ?, ?)")?
        .execute(params![
            entry.revision.0.cast_signed(),
            entry.at.as_micros(),
            bytes.cast_signed(),
            body
        ])?;
    Ok(bytes)
}

fn insert_declared(
    connection: &Connection,
    revision: Revision,
    change: &LogChange,
) -> Result<u64, Fault> {
    let Some(after) = change.after.as_ref().filter(|after| after.declared_at == revision) else {
        return Ok(0);
    };
    let body =
        codec::declared(&after.resource).map_err(|error| Fault::Failed(error.to_string()))?;
    connection
        .prepare_cached(
            "INSERT INTO declared (id, revision, kind, namespace, name, body)
             VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            change.id.0.cast_signed(),
            revision.0.cast_signed(),
            change.key.kind.as_str(),
            change.key.namespace.as_ref().map(Name::as_str),
            change.key.name.as_str(),
            body,
        ])?;
    Ok(body.len() as u64 + ROW_BYTES)
}

fn body(entry: &LogEntry) -> BodyRef<'_> {
    fn change(change: &LogChange) -> ChangeRef<'_> {
        let LogChange { key, id, after, supersedes, records } = change;
        ChangeRef {
            kind: key.kind,
            namespace: key.namespace.as_ref(),
            name: &key.name,
            id: *id,
            supersedes: *supersedes,
            after: after.as_ref().map(|after| AfterRef {
                declared_at: after.declared_at,
                state: StateOf(&after.resource),
            }),
            records: RecordsRef::new(records, after.as_ref().map(|after| &after.resource)),
        }
    }
    BodyRef {
        seq: entry.first_seq,
        changes: entry.changes.iter().map(change).collect(),
        idempotency: entry.idempotency.as_ref(),
    }
}

/// The next entries after `after` with their sizes, at most `commits_max`. What a resource of `held`
/// declares is not read again.
pub(super) fn page(
    connection: &Connection,
    after: Revision,
    commits_max: usize,
    held: &HashMap<Uid, Versioned>,
) -> Result<Vec<(LogEntry, u64)>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT revision, at, bytes, body FROM commit_log WHERE revision > ? ORDER BY revision LIMIT ?",
    )?;
    let mut rows = statement.query(params![after.0.cast_signed(), commits_max as i64])?;
    let (known, alike) = (HashMap::new(), Alike::default());
    let mut templates = Templates { connection, held, known, alike };
    let (mut entries, mut read) = (Vec::new(), 0);
    while read < PAGE_BYTES_MAX
        && let Some(row) = rows.next()?
    {
        let bytes = row.get::<_, i64>(2)?.cast_unsigned();
        read += bytes;
        entries.push((entry(row, &mut templates)?, bytes));
    }
    Ok(entries)
}

fn entry(row: &Row<'_>, templates: &mut Templates<'_>) -> Result<LogEntry, Fault> {
    let revision = Revision(row.get::<_, i64>(0)?.cast_unsigned());
    let text = row.get_ref(3)?.as_str().map_err(|error| damaged(revision, error))?;
    let body: Body = serde_json::from_str(text).map_err(|error| damaged(revision, error))?;
    let changes = body.changes.into_iter().map(|change| templates.change(revision, change));
    Ok(LogEntry {
        revision,
        at: Timestamp::from_micros(row.get(1)?),
        first_seq: body.seq,
        changes: changes.collect::<Result<_, _>>()?,
        idempotency: body.idempotency,
    })
}

/// The declared parts that a page needs, each read once.
struct Templates<'a> {
    connection: &'a Connection,
    held: &'a HashMap<Uid, Versioned>,
    known: HashMap<(Uid, Revision), Resource>,
    alike: Alike,
}

impl Templates<'_> {
    fn change(&mut self, revision: Revision, change: BodyChange) -> Result<LogChange, Fault> {
        let BodyChange { kind, namespace, name, id, supersedes, after, records } = change;
        let key = ResourceKey { kind, namespace, name };
        let after = match after {
            Some(After { declared_at, state }) => {
                let template = self.get(&key, id, declared_at)?;
                let resource = codec::with_state(template, revision, state.get())
                    .map_err(|error| damaged(format!("{key} at {revision}"), error))?;
                Some(Versioned { resource, declared_at })
            }
            None => None,
        };
        let records = records
            .resolve(after.as_ref().map(|after| &after.resource))
            .ok_or_else(|| Fault::Damaged(format!("{key} at {revision}: its history is short")))?;
        Ok(LogChange { key, id, after, supersedes, records })
    }

    fn get(
        &mut self,
        key: &ResourceKey,
        id: Uid,
        declared_at: Revision,
    ) -> Result<Resource, Fault> {
        let held = self.held.get(&id).filter(|held| held.declared_at == declared_at);
        let known = held.map(|held| &held.resource).or_else(|| self.known.get(&(id, declared_at)));
        if let Some(known) = known {
            return Ok(known.clone());
        }
        let body: Option<String> = self
            .connection
            .prepare_cached("SELECT body FROM declared WHERE id = ? AND revision = ?")?
            .query_row(params![id.0.cast_signed(), declared_at.0.cast_signed()], |row| row.get(0))
            .optional()?;
        let what = || format!("what {key} declares at {declared_at}");
        let body = body.ok_or_else(|| Fault::Damaged(format!("{} is missing", what())))?;
        let template = codec::read_declared(key, id, &body, &mut self.alike)
            .map_err(|error| damaged(what(), error))?;
        self.known.insert((id, declared_at), template.clone());
        Ok(template)
    }
}

/// The versions of declared parts that an entry's body says it superseded.
pub(super) fn superseded(body: &str) -> serde_json::Result<Vec<(Uid, Revision)>> {
    #[derive(Deserialize)]
    struct Body {
        changes: Vec<Change>,
    }
    #[derive(Deserialize)]
    struct Change {
        id: Uid,
        #[serde(default)]
        supersedes: Option<Revision>,
    }
    let body: Body = serde_json::from_str(body)?;
    let superseded = |change: Change| Some((change.id, change.supersedes?));
    Ok(body.changes.into_iter().filter_map(superseded).collect())
}
