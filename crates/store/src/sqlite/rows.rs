//! The rows of the tables that the checkpoint writes.

use rusqlite::{Connection, OptionalExtension, Row, params};
use tessera_types::{
    HistoryEntry, KindName, Name, NameError, ResourceKey, Revision, Timestamp, Uid,
};

use crate::contract::{AuditEntry, HistoryPage};
use crate::engine::backend::{Fault, Meta, Step, UsedKey, Versioned};
use crate::sqlite::codec::StateOf;
use crate::sqlite::fault::damaged;
use crate::sqlite::history::StoredRecord;
use crate::sqlite::text::Text;

/// The key in the first three columns.
pub(super) fn key(row: &Row<'_>) -> Result<ResourceKey, Fault> {
    let text = |place| row.get_ref(place)?.as_str_or_null().map_err(rusqlite::Error::from);
    let unreadable = |error: &dyn std::fmt::Display| damaged("the key of a resource", error);
    let kind: KindName =
        text(0)?.unwrap_or_default().parse().map_err(|error| unreadable(&error))?;
    let name = |text: &str| Name::new(text).map_err(|error: NameError| unreadable(&error));
    Ok(ResourceKey {
        kind,
        namespace: text(1)?.map(name).transpose()?,
        name: name(text(2)?.unwrap_or_default())?,
    })
}

/// Writes the state of each resource of `step`, and removes those that are gone.
pub(super) fn put_objects(connection: &Connection, step: &Step) -> Result<(), Fault> {
    let mut put = connection.prepare_cached(
        "INSERT OR REPLACE INTO object (id, revision, declared_at, state) VALUES (?, ?, ?, ?)",
    )?;
    let mut text = Text::default();
    for Versioned { resource, declared_at } in &step.put {
        let state = text.of(&StateOf(resource))?;
        put.execute(params![
            resource.id().0.cast_signed(),
            resource.revision().0.cast_signed(),
            declared_at.0.cast_signed(),
            state,
        ])?;
    }
    let mut remove = connection.prepare_cached("DELETE FROM object WHERE id = ?")?;
    for id in &step.removed {
        remove.execute([id.0.cast_signed()])?;
    }
    Ok(())
}

/// Writes transitions. Those of a checkpoint that was cut off are there already.
pub(super) fn put_transitions(connection: &Connection, step: &Step) -> Result<(), Fault> {
    let mut put = connection.prepare_cached(
        "INSERT OR REPLACE INTO transition (seq, revision, at, kind, namespace, name, id, body)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut text = Text::default();
    for AuditEntry { key, entry } in step.transitions.iter().map(|it| &**it) {
        let body = text.of(&StoredRecord(&entry.record))?;
        put.execute(params![
            entry.seq.cast_signed(),
            entry.revision.0.cast_signed(),
            entry.record.at.as_micros(),
            key.kind.as_str(),
            key.namespace.as_ref().map(Name::as_str),
            key.name.as_str(),
            entry.id.0.cast_signed(),
            body,
        ])?;
    }
    Ok(())
}

/// The history of one key, which the index answers in order. [`audit`] reads the
/// columns.
pub(crate) const HISTORY_OF_ONE: &str =
    "SELECT kind, namespace, name, seq, revision, id, body FROM transition
     WHERE name = ? AND kind = ? AND namespace IS ? AND seq < ? ORDER BY seq DESC LIMIT ?";

/// The history of everything.
const HISTORY_OF_ALL: &str = "SELECT kind, namespace, name, seq, revision, id, body FROM transition
     WHERE seq < ? ORDER BY seq DESC LIMIT ?";

/// A page of the history of `key`, or of everything; newest first.
pub(super) fn history(
    connection: &Connection,
    key: Option<&ResourceKey>,
    page: HistoryPage,
) -> Result<Vec<AuditEntry>, Fault> {
    let before = page.before_seq.map_or(i64::MAX, u64::cast_signed);
    let limit = page.limit as i64;
    let query = if key.is_some() { HISTORY_OF_ONE } else { HISTORY_OF_ALL };
    let mut statement = connection.prepare_cached(query)?;
    let mut rows = match key {
        Some(key) => statement.query(params![
            key.name.as_str(),
            key.kind.as_str(),
            key.namespace.as_ref().map(Name::as_str),
            before,
            limit
        ]),
        None => statement.query(params![before, limit]),
    }?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(audit(row)?);
    }
    Ok(found)
}

fn audit(row: &Row<'_>) -> Result<AuditEntry, Fault> {
    let seq = row.get::<_, i64>(3)?.cast_unsigned();
    let body: String = row.get(6)?;
    let StoredRecord(record) =
        serde_json::from_str(&body).map_err(|error| damaged(format!("transition {seq}"), error))?;
    let entry = HistoryEntry {
        seq,
        revision: Revision(row.get::<_, i64>(4)?.cast_unsigned()),
        id: Uid(row.get::<_, i64>(5)?.cast_unsigned()),
        record,
    };
    Ok(AuditEntry { key: key(row)?, entry })
}

/// Writes idempotency keys; one that was used again after its time is replaced.
pub(super) fn put_keys(connection: &Connection, step: &Step) -> Result<(), Fault> {
    let mut put = connection.prepare_cached(
        "INSERT OR REPLACE INTO idempotency (key, fingerprint, revision, at, changed)
         VALUES (?, ?, ?, ?, ?)",
    )?;
    for used in &step.keys {
        let changed = serde_json::to_string(&used.changed)
            .map_err(|error| Fault::Failed(error.to_string()))?;
        put.execute(params![
            used.key,
            used.fingerprint.cast_signed(),
            used.revision.0.cast_signed(),
            used.at.as_micros(),
            changed,
        ])?;
    }
    Ok(())
}

/// What an idempotency key was used for.
pub(super) fn used_key(connection: &Connection, key: &str) -> Result<Option<UsedKey>, Fault> {
    let row = connection
        .prepare_cached("SELECT fingerprint, revision, at, changed FROM idempotency WHERE key = ?")?
        .query_row([key], |row| {
            let numbers: (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok((numbers, row.get::<_, String>(3)?))
        })
        .optional()?;
    let Some(((fingerprint, revision, at), changed)) = row else { return Ok(None) };
    Ok(Some(UsedKey {
        key: key.to_owned(),
        fingerprint: fingerprint.cast_unsigned(),
        revision: Revision(revision.cast_unsigned()),
        at: Timestamp::from_micros(at),
        changed: serde_json::from_str(&changed)
            .map_err(|error| damaged("an idempotency key", error))?,
    }))
}

/// Writes the numbers.
pub(super) fn put_meta(connection: &Connection, meta: &Meta) -> Result<(), Fault> {
    let mut put =
        connection.prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)")?;
    for (name, value) in [
        ("checkpointed", meta.checkpointed.0.cast_signed()),
        ("compacted", meta.compacted.0.cast_signed()),
        ("next_uid", meta.next_uid.cast_signed()),
        ("next_seq", meta.next_seq.cast_signed()),
        ("latest_at_us", meta.latest_at_us),
        ("log_bytes", meta.log_bytes.cast_signed()),
    ] {
        put.execute(params![name, value])?;
    }
    Ok(())
}

/// The numbers; those of a new store are zero.
pub(super) fn meta(connection: &Connection) -> Result<Meta, Fault> {
    let mut statement = connection.prepare("SELECT value FROM meta WHERE name = ?")?;
    let mut number = |name: &str| -> rusqlite::Result<i64> {
        Ok(statement.query_row([name], |row| row.get(0)).optional()?.unwrap_or(0))
    };
    Ok(Meta {
        checkpointed: Revision(number("checkpointed")?.cast_unsigned()),
        compacted: Revision(number("compacted")?.cast_unsigned()),
        next_uid: number("next_uid")?.cast_unsigned(),
        next_seq: number("next_seq")?.cast_unsigned(),
        latest_at_us: number("latest_at_us")?,
        log_bytes: number("log_bytes")?.cast_unsigned(),
    })
}
