//! One table for each kind, and what can be done with a resource of any.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use tessera_types::{
    DeliveryEnvironment, Host, HostDefinition, HostingSiteLocation, Job, JobDefinition, Kind,
    KindName, LabLocation, Name, Node, Object, PartDefinition, Pod, PodDefinition, Report,
    ReportDefinition, Resource, ResourceKey, Session, SessionDefinition, SessionPart, Tenant, Uid,
    Workload,
};

type TableKey = (Option<Name>, Name);

/// All resources of one kind, by identity and by name.
#[derive(Clone, Debug)]
pub struct Table<K: Kind> {
    by_id: HashMap<Uid, Arc<Object<K>>>,
    by_key: BTreeMap<TableKey, Uid>,
}

impl<K: Kind> Default for Table<K> {
    fn default() -> Self {
        Self { by_id: HashMap::new(), by_key: BTreeMap::new() }
    }
}

impl<K: Kind> Table<K> {
    /// The resource with this identity.
    #[must_use]
    pub fn get(&self, id: Uid) -> Option<&Arc<Object<K>>> {
        self.by_id.get(&id)
    }

    /// The resource of this name.
    #[must_use]
    pub fn find(&self, namespace: Option<&Name>, name: &Name) -> Option<&Arc<Object<K>>> {
        self.by_key.get(&(namespace.cloned(), name.clone())).and_then(|id| self.by_id.get(id))
    }

    /// All of them, by namespace and name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Object<K>>> {
        self.by_key.values().filter_map(|id| self.by_id.get(id))
    }

    /// Those that come after `after` in the order of namespace and name.
    pub fn iter_after(
        &self,
        after: Option<(Option<Name>, Name)>,
    ) -> impl Iterator<Item = &Arc<Object<K>>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_key.range((from, Bound::Unbounded)).filter_map(|(_, id)| self.by_id.get(id))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    fn insert(&mut self, object: Arc<Object<K>>) -> Option<Arc<Object<K>>> {
        // One that is known has kept its name.
        if let Some(known) = self.by_id.get_mut(&object.id) {
            return Some(std::mem::replace(known, object));
        }
        self.by_key.insert((object.namespace.clone(), object.name.clone()), object.id);
        self.by_id.insert(object.id, object)
    }

    fn remove(&mut self, id: Uid) -> Option<Arc<Object<K>>> {
        let object = self.by_id.remove(&id)?;
        let key = (object.namespace.clone(), object.name.clone());
        if self.by_key.get(&key) == Some(&id) {
            self.by_key.remove(&key);
        }
        Some(object)
    }
}

/// How many resources of a kind have a status. None is 0.
#[derive(Clone, Debug, Default)]
struct Counts(HashMap<(KindName, &'static str), usize>);

impl Counts {
    fn changed(
        &mut self,
        kind: KindName,
        before: Option<&'static str>,
        after: Option<&'static str>,
    ) {
        if before == after {
            return;
        }
        if let Some(status) = after {
            *self.0.entry((kind, status)).or_default() += 1;
        }
        if let Some(status) = before
            && let Some(count) = self.0.get_mut(&(kind, status))
        {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&(kind, status));
            }
        }
    }
}

/// A kind that has a table.
pub trait Tabled: Kind {
    /// Its table.
    fn table(tables: &Tables) -> &Table<Self>;
}

macro_rules! tables {
    ($($kind:ident $table:ident),+) => {
        /// One table for each kind.
        #[derive(Clone, Debug, Default)]
        pub struct Tables {
            $(
                #[doc = concat!("All resources of the kind ", stringify!($kind), ".")]
                pub $table: Table<$kind>,
            )+
            counts: Counts,
        }

        $(
            impl Tabled for $kind {
                fn table(tables: &Tables) -> &Table<Self> {
                    &tables.$table
                }
            }
        )+

        impl Tables {
            /// Puts a resource in; the one that it replaces comes out.
            pub(crate) fn insert(&mut self, resource: Resource) -> Option<Resource> {
                let (kind, status) = (resource.kind(), resource.status());
                let before = match resource {
                    $(Resource::$kind(object) => self.$table.insert(object).map(Resource::$kind)),+
                };
                self.counts.changed(kind, before.as_ref().map(Resource::status), Some(status));
                before
            }

            /// Takes a resource out.
            pub(crate) fn remove(&mut self, kind: KindName, id: Uid) -> Option<Resource> {
                let before = match kind {
                    $(KindName::$kind => self.$table.remove(id).map(Resource::$kind)),+
                };
                self.counts.changed(kind, before.as_ref().map(Resource::status), None);
                before
            }

            /// How many resources of each kind have each status, for those that any has.
            pub fn counts(&self) -> impl Iterator<Item = (KindName, &'static str, usize)> {
                self.counts.0.iter().map(|((kind, status), count)| (*kind, *status, *count))
            }

            /// A resource by its key.
            #[must_use]
            pub fn find(&self, key: &ResourceKey) -> Option<Resource> {
                let namespace = key.namespace.as_ref();
                match key.kind {
                    $(KindName::$kind => {
                        self.$table.find(namespace, &key.name).cloned().map(Resource::$kind)
                    }),+
                }
            }

            /// A resource by its kind and identity.
            #[must_use]
            pub fn get(&self, kind: KindName, id: Uid) -> Option<Resource> {
                match kind {
                    $(KindName::$kind => self.$table.get(id).cloned().map(Resource::$kind)),+
                }
            }

            /// The resources of a kind that come after `after` in the order of
            /// namespace and name.
            pub fn iter_after(
                &self,
                kind: KindName,
                after: Option<(Option<Name>, Name)>,
            ) -> Box<dyn Iterator<Item = Resource> + '_> {
                match kind {
                    $(KindName::$kind => {
                        Box::new(self.$table.iter_after(after).cloned().map(Resource::$kind))
                    }),+
                }
            }

            /// Every resource, kind by kind.
            pub fn all(&self) -> impl Iterator<Item = Resource> + '_ {
                std::iter::empty()$(.chain(self.$table.iter().cloned().map(Resource::$kind)))+
            }
        }
    };
}

tessera_types::for_each_kind!(tables);
