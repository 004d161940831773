//! Transitions as they are kept: short, for they are most of what is written.
//!
//! The one idea: a transition is a list of its parts, with its time as a number. The
//! names of the parts, and times as people read them, would be most of its bytes. What
//! release 1 of the format wrote, objects with those names, is read as well.

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tessera_types::{
    Actor, Facts, Kind, Object, Record, Resource, State, Timestamp, Transition, with_object,
};

/// A transition as it is written. `S` is a status, or its name.
#[derive(Serialize)]
struct PartsRef<'a, S>(
    &'a Option<S>,
    &'a S,
    i64,
    &'a Actor,
    &'a str,
    #[serde(skip_serializing_if = "Facts::is_empty")] &'a Facts,
);

/// The same as it is read, in either form.
#[derive(Deserialize)]
struct Parts<S> {
    #[serde(default = "Option::default")]
    from: Option<S>,
    to: S,
    at: Time,
    by: Actor,
    reason: String,
    #[serde(default)]
    metadata: Facts,
}

/// A time as a number of microseconds, or as text.
struct Time(Timestamp);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Time;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a time in microseconds, or as text")
            }

            fn visit_i64<E: de::Error>(self, us: i64) -> Result<Time, E> {
                Ok(Time(Timestamp::from_micros(us)))
            }

            fn visit_u64<E: de::Error>(self, us: u64) -> Result<Time, E> {
                i64::try_from(us).map_err(E::custom).and_then(|us| self.visit_i64(us))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                text.parse().map(Time).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A time that is written as a number, and read in either form.
pub(super) mod time {
    use super::{Deserialize as _, Deserializer, Serializer, Time, Timestamp};

    pub(in crate::sqlite) fn serialize<S: Serializer>(
        time: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(time.as_micros())
    }

    pub(in crate::sqlite) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        Time::deserialize(deserializer).map(|time| time.0)
    }
}

/// A transition of a resource of some kind.
pub(super) struct Stored<S: State>(pub(super) Transition<S>);

impl<'de, S: State> Deserialize<'de> for Stored<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Parts { from, to, at, by, reason, metadata } = Parts::deserialize(deserializer)?;
        Ok(Self(Transition { from, to, at: at.0, by, reason, metadata }))
    }
}

/// Writes the transitions that a resource carries.
pub(super) fn serialize_tail<T: State, S: Serializer>(
    tail: &[Transition<T>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(
        tail.iter().map(|it| {
            PartsRef(&it.from, &it.to, it.at.as_micros(), &it.by, &it.reason, &it.metadata)
        }),
    )
}

/// A transition, whatever the kind.
pub(super) struct StoredRecord<R>(pub(super) R);

impl Serialize for StoredRecord<&Record> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Record { from, to, at, by, reason, metadata } = self.0;
        PartsRef(from, to, at.as_micros(), by, reason, metadata).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StoredRecord<Record> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Parts { from, to, at, by, reason, metadata } = Parts::deserialize(deserializer)?;
        Ok(Self(Record { from, to, at: at.0, by, reason, metadata }))
    }
}

/// The records of one change in the log: how many of the last transitions that the
/// resource carries they are, where they are just those; else all of them.
pub(super) enum RecordsRef<'a> {
    Last(usize),
    These(&'a [Record]),
}

impl<'a> RecordsRef<'a> {
    pub(super) fn new(records: &'a [Record], after: Option<&Resource>) -> Self {
        match after {
            Some(after) if are_last_of(records, after) => Self::Last(records.len()),
            _ => Self::These(records),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Last(0) | Self::These([]))
    }
}

impl Serialize for RecordsRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Last(count) => serializer.serialize_u64(*count as u64),
            Self::These(records) => serializer.collect_seq(records.iter().map(StoredRecord)),
        }
    }
}

/// The same as they are read.
pub(super) enum Records {
    Last(usize),
    These(Vec<Record>),
}

impl Default for Records {
    fn default() -> Self {
        Self::Last(0)
    }
}

impl Records {
    /// The records of a change that left `after`; none where it carries fewer.
    pub(super) fn resolve(self, after: Option<&Resource>) -> Option<Vec<Record>> {
        match (self, after) {
            (Self::These(records), _) => Some(records),
            (Self::Last(0), _) => Some(Vec::new()),
            (Self::Last(count), Some(after)) => last_of(count, after),
            (Self::Last(_), None) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Records {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Records;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number of records, or a list of them")
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Records, E> {
                usize::try_from(count).map(Records::Last).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Records, A::Error> {
                let mut records = Vec::new();
                while let Some(StoredRecord(record)) = list.next_element()? {
                    records.push(record);
                }
                Ok(Records::These(records))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

fn last_of(count: usize, resource: &Resource) -> Option<Vec<Record>> {
    fn of<K: Kind>(count: usize, object: &Object<K>) -> Option<Vec<Record>> {
        let first = object.state_history.len().checked_sub(count)?;
        Some(object.state_history[first..].iter().map(Record::of).collect())
    }
    with_object!(resource, object => of(count, object))
}

fn are_last_of(records: &[Record], resource: &Resource) -> bool {
    fn are<K: Kind>(records: &[Record], object: &Object<K>) -> bool {
        let history = &object.state_history;
        let Some(first) = history.len().checked_sub(records.len()) else { return false };
        records.iter().zip(&history[first..]).all(|(record, it)| record.is_of(it))
    }
    with_object!(resource, object => are(records, object))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(reason: &str) -> Record {
        let mut metadata = Facts::default();
        metadata.insert("node", "a");
        Record {
            from: Some("Pending".to_owned()),
            to: "Scheduled".to_owned(),
            at: "2026-05-01T08:00:00.25Z".parse().unwrap(),
            by: Actor::RECONCILER,
            reason: reason.to_owned(),
            metadata,
        }
    }

    #[test]
    fn a_record_reads_back_what_is_written_and_what_the_first_format_wrote() {
        let plain = Record { from: None, metadata: Facts::default(), ..record("created") };
        for record in [record("placed on \"a\""), plain] {
            let short = serde_json::to_string(&StoredRecord(&record)).unwrap();
            assert!(short.starts_with('['), "{short}");
            for text in [short, serde_json::to_string(&record).unwrap()] {
                let read: StoredRecord<Record> = serde_json::from_str(&text).unwrap();
                assert_eq!(read.0, record, "{text}");
            }
        }
    }

    #[test]
    fn the_log_of_the_first_format_lists_the_records_of_a_change() {
        let records = vec![record("placed"), record("placed again")];
        let text = serde_json::to_string(&records).unwrap();
        let read: Records = serde_json::from_str(&text).unwrap();
        assert_eq!(read.resolve(None), Some(records));
        let number: Records = serde_json::from_str("2").unwrap();
        assert_eq!(number.resolve(None), None, "nothing carries them");
    }
}
