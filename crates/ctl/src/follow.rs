//! Following resources: a list, then every change, over whatever happens between.
//!
//! The one idea: [`Follow`] remembers what it has seen. So each change comes with
//! the resource as it was before, a connection that breaks is made again where it
//! was, and when the server no longer keeps the changes in between, a new list is
//! compared with what was known: nobody who follows needs to know of any of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tessera_client::{Api, Error, Watch, WatchOptions};
use tessera_types::api::WatchEvent;
use tessera_types::problem::Code;
use tessera_types::{KindName, Name, Resource, ResourceKey, Revision, Uid};

use crate::kinds::{self, ListOptions, bounded};

/// The pause before a connection that broke is made again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// How often in a row that fails before following gives up: ten minutes' worth.
const RETRIES_MAX: u32 = 1200;
/// How often in a row an answer that was going well may end in what cannot be read.
/// A connection that is cut inside an answer looks the same.
const UNREADABLE_MAX: u32 = 10;

/// Which resources to follow.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Only this kind.
    pub kind: Option<KindName>,
    /// Only this namespace.
    pub namespace: Option<Name>,
    /// Only the resource of this name.
    pub name: Option<Name>,
    /// Only those whose labels match.
    pub selector: Option<String>,
}

impl Scope {
    /// The smallest scope that has all of `keys`.
    #[must_use]
    pub fn around<'a>(keys: impl IntoIterator<Item = &'a ResourceKey>) -> Self {
        let keys: Vec<_> = keys.into_iter().collect();
        let Some(first) = keys.first() else { return Self::default() };
        let is_common =
            |same: fn(&ResourceKey, &ResourceKey) -> bool| keys.iter().all(|key| same(key, first));
        let kind = is_common(|a, b| a.kind == b.kind).then_some(first.kind);
        let namespace = is_common(|a, b| a.namespace == b.namespace);
        let name = kind.is_some() && namespace && is_common(|a, b| a.name == b.name);
        Self {
            kind,
            namespace: first.namespace.clone().filter(|_| namespace),
            name: name.then(|| first.name.clone()),
            selector: None,
        }
    }
}

/// What happened to what is followed.
#[derive(Clone, Debug)]
pub enum Change {
    /// A resource was made or changed.
    Changed {
        /// As it was; none when it is new.
        before: Option<Resource>,
        /// As it is.
        after: Resource,
    },
    /// A resource is gone, or does not match any more.
    Deleted {
        /// As it was known last.
        before: Resource,
        /// The commit.
        revision: Revision,
    },
    /// Something that a person who watches should know, such as a lost connection.
    Notice(String),
}

/// Resources being followed.
#[derive(Debug)]
pub struct Follow {
    api: Api,
    scope: Scope,
    known: BTreeMap<ResourceKey, Resource>,
    /// None when the next step is to list again.
    watch: Option<Watch>,
    ready: VecDeque<Change>,
    failures: u32,
}

impl Follow {
    /// Lists what is in scope and watches from there on: nothing that happens
    /// after this returns is missed.
    ///
    /// # Errors
    /// [`Error`] when the control plane cannot be reached or refuses.
    pub async fn start(api: &Api, scope: Scope) -> Result<Self, Error> {
        let mut follow = Self {
            api: api.clone(),
            scope,
            known: BTreeMap::new(),
            watch: None,
            ready: VecDeque::new(),
            failures: 0,
        };
        follow.list().await?;
        // What is there at the start is no change.
        follow.ready.clear();
        Ok(follow)
    }

    /// What is known now.
    #[must_use]
    pub fn known(&self) -> &BTreeMap<ResourceKey, Resource> {
        &self.known
    }

    /// The next change. Waits for it without bound; dropping the future loses
    /// nothing.
    ///
    /// # Errors
    /// [`Error`] when the control plane refuses to go on, or cannot be reached
    /// for ten minutes.
    pub async fn next(&mut self) -> Result<Change, Error> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Ok(change);
            }
            match self.step().await {
                Ok(()) => self.recovered(),
                Err(error) if is_compacted(&error) => {
                    self.watch = None;
                    self.note("the changes in between are no longer kept: listing again");
                }
                Err(error) if self.failures < self.retries_max(&error) => {
                    self.failures += 1;
                    if self.failures == 1 {
                        self.note(&format!("{error}; trying again"));
                    } else {
                        tokio::time::sleep(RETRY_PAUSE).await;
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// How often an error in a row is worth another try.
    fn retries_max(&self, error: &Error) -> u32 {
        match error {
            Error::Unreachable(_) => RETRIES_MAX,
            Error::Refused(problem) => match problem.code {
                Code::Unavailable | Code::TooManyRequests => RETRIES_MAX,
                _ => 0,
            },
            Error::Protocol(_) if self.watch.is_some() => UNREADABLE_MAX,
            Error::Url { .. } | Error::Protocol(_) => 0,
        }
    }

    fn recovered(&mut self) {
        if std::mem::take(&mut self.failures) > 0 {
            self.ready.push_front(Change::Notice("connected again".to_owned()));
        }
    }

    fn note(&mut self, text: &str) {
        self.ready.push_back(Change::Notice(text.to_owned()));
    }

    async fn step(&mut self) -> Result<(), Error> {
        let Some(watch) = &mut self.watch else { return self.list().await };
        let event = watch.next().await?;
        self.take(event);
        Ok(())
    }

    fn take(&mut self, event: WatchEvent) {
        match event {
            WatchEvent::Changed { resource, .. } => self.changed(resource),
            WatchEvent::Deleted { revision, kind, namespace, name, id } => {
                self.deleted(&ResourceKey::new(kind, namespace, name), id, revision);
            }
            // `Watch` turns a failure into an error.
            WatchEvent::Bookmark { .. } | WatchEvent::Failed { .. } => {}
        }
    }

    fn changed(&mut self, after: Resource) {
        let before = self.known.get(&after.key()).cloned();
        // A list can be newer than the revision that the watch began at.
        if before.as_ref().is_some_and(|before| before.revision() >= after.revision()) {
            return;
        }
        self.known.insert(after.key(), after.clone());
        self.ready.push_back(Change::Changed { before, after });
    }

    fn deleted(&mut self, key: &ResourceKey, id: Uid, revision: Revision) {
        if self.known.get(key).is_some_and(|known| known.id() == id)
            && let Some(before) = self.known.remove(key)
        {
            self.ready.push_back(Change::Deleted { before, revision });
        }
    }

    /// Lists what is in scope, reports how it differs from what was known, and
    /// watches from there on.
    async fn list(&mut self) -> Result<(), Error> {
        let (resources, revision) = list_scope(&self.api, &self.scope).await?;
        let options = WatchOptions {
            kind: self.scope.kind,
            namespace: self.scope.namespace.clone(),
            name: self.scope.name.clone(),
            selector: self.scope.selector.clone(),
            since: Some(revision),
            // This type makes broken connections again itself, and says so.
            reconnects_max: 0,
        };
        let watch = bounded("watch", Watch::open(&self.api, options)).await?;
        self.compare(resources, revision);
        self.watch = Some(watch);
        Ok(())
    }

    fn compare(&mut self, resources: Vec<Resource>, revision: Revision) {
        let is_listed = |known: &Resource| {
            resources.iter().any(|listed| listed.id() == known.id() && listed.key() == known.key())
        };
        let gone: Vec<_> = self.known.values().filter(|known| !is_listed(known)).cloned().collect();
        for before in gone {
            self.deleted(&before.key(), before.id(), revision);
        }
        for resource in resources {
            self.changed(resource);
        }
    }
}

fn is_compacted(error: &Error) -> bool {
    error.problem().is_some_and(|problem| problem.code == Code::Compacted)
}

/// What is in scope, and a revision from which a watch misses nothing of it.
async fn list_scope(api: &Api, scope: &Scope) -> Result<(Vec<Resource>, Revision), Error> {
    let kinds = scope.kind.map_or_else(|| KindName::ALL.to_vec(), |kind| vec![kind]);
    let mut resources = Vec::new();
    let mut revision: Option<Revision> = None;
    for kind in kinds {
        let (listed, at) = list_kind(api, kind, scope).await?;
        resources.extend(listed);
        revision = Some(revision.map_or(at, |earlier| earlier.min(at)));
    }
    Ok((resources, revision.unwrap_or_default()))
}

async fn list_kind(
    api: &Api,
    kind: KindName,
    scope: &Scope,
) -> Result<(Vec<Resource>, Revision), Error> {
    let Some(name) = &scope.name else {
        let options = ListOptions {
            namespace: scope.namespace.clone(),
            selector: scope.selector.clone(),
            ..ListOptions::default()
        };
        return kinds::list_all(api, kind, options).await;
    };
    let revision = kinds::revision(api, kind).await?;
    let key = ResourceKey::new(kind, scope.namespace.clone(), name.clone());
    match kinds::get(api, &key).await {
        Ok(resource) => Ok((vec![resource], revision)),
        Err(Error::Refused(problem)) if problem.code == Code::NotFound => {
            Ok((Vec::new(), revision))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(
        keys: &[(KindName, &str, &str)],
    ) -> (Option<KindName>, Option<String>, Option<String>) {
        let key = |(kind, namespace, name): &(KindName, &str, &str)| {
            ResourceKey::new(*kind, Some(namespace.parse().unwrap()), name.parse().unwrap())
        };
        let keys: Vec<_> = keys.iter().map(key).collect();
        let scope = Scope::around(&keys);
        (scope.kind, scope.namespace.map(|it| it.to_string()), scope.name.map(|it| it.to_string()))
    }

    #[test]
    fn a_scope_is_as_small_as_what_is_common() {
        use KindName::{Node, Workload};
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(scope(&[]), (None, None, None));
        assert_eq!(scope(&[(Workload, "a", "x")]), (Some(Workload), text("a"), text("x")));
        assert_eq!(
            scope(&[(Workload, "a", "x"), (Workload, "a", "y")]),
            (Some(Workload), text("a"), None)
        );
        assert_eq!(
            scope(&[(Workload, "a", "x"), (Workload, "b", "x")]),
            (Some(Workload), None, None)
        );
        assert_eq!(scope(&[(Workload, "a", "x"), (Node, "a", "x")]), (None, None, None));
        assert_eq!(scope(&[(Node, "a", "x")]), (Some(Node), None, text("x")));
    }
}
