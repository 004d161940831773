//! Pages of a list. A page's token is the key of its last resource, so a list
//! goes on at the right place whatever is added or removed meanwhile.

use tessera_api::{ApiError, ListQuery};
use tessera_reconciler::World;
use tessera_types::api::List;
use tessera_types::problem::Code;
use tessera_types::{Kind, Name, Object, OwnerRef, Problem, ResourceKey, Selector, Uid, limits};

use crate::missing::missing;

type Key = (Option<Name>, Name);

/// One page.
pub(crate) fn page<K: Kind>(world: &World, query: &ListQuery) -> Result<List<K>, ApiError> {
    let selector = selector(query.selector.as_deref())?;
    let owner = query.owner.as_deref().map(|text| owner(world, text, query)).transpose()?;
    let after = query.page.as_deref().map(key_of_token).transpose()?;
    let limit = query.limit.unwrap_or(limits::PAGE_DEFAULT).clamp(1, limits::PAGE_MAX);
    let is_wanted = |object: &Object<K>| {
        let in_namespace = !K::KIND.is_namespaced()
            || query.namespace.is_none()
            || object.namespace == query.namespace;
        let is_owned = || owner.is_none_or(|id| belongs_to(world, object.owner.clone(), id));
        in_namespace
            && is_owned()
            && (selector.is_empty() || selector.matches(&K::selected_by(object)))
    };
    let all = world.iter_after(K::KIND, after);
    let objects = all.filter_map(|resource| K::unwrap(&resource).cloned());
    let mut matching = objects.filter(|object| is_wanted(object));
    let items: Vec<_> = matching.by_ref().take(limit).collect();
    let has_more = matching.next().is_some();
    let next_page = items.last().filter(|_| has_more).map(|last| token_of(last));
    Ok(List { items, revision: world.revision(), next_page })
}

/// Reads a selector from a query.
pub(super) fn selector(text: Option<&str>) -> Result<Selector, Problem> {
    text.unwrap_or_default()
        .parse()
        .map_err(|error| Problem::new(Code::InvalidRequest, format!("selector: {error}")))
}

/// The identity of the resource that `owner` names: by itself, or by its key, whose
/// namespace is that of the query unless it says another one.
fn owner(world: &World, text: &str, query: &ListQuery) -> Result<Uid, Problem> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let words: Vec<_> = text.split('/').collect();
    let parse = |kind: &str, namespace: Option<Name>, name: &str| {
        Some(ResourceKey::new(kind.parse().ok()?, namespace, name.parse().ok()?))
    };
    let key = match words.as_slice() {
        [kind, name] => parse(kind, query.namespace.clone(), name),
        [kind, namespace, name] => {
            namespace.parse().ok().and_then(|namespace| parse(kind, Some(namespace), name))
        }
        _ => None,
    };
    let key = key.ok_or_else(|| {
        Problem::new(Code::InvalidRequest, "`owner` names no resource")
            .remedy("write an id, or a kind and a name, such as `session/exam-1`")
    })?;
    world.find(&key).map(|found| found.id()).ok_or_else(|| missing(world, &key))
}

/// Whether what `owner` owns belongs to the resource `id`, also through others.
fn belongs_to(world: &World, owner: Option<OwnerRef>, id: Uid) -> bool {
    let up = |at: &OwnerRef| world.get(at.kind, at.id).and_then(|it| it.owner().cloned());
    std::iter::successors(owner, up).any(|at| at.id == id)
}

fn token_of<K: Kind>(object: &Object<K>) -> String {
    match &object.namespace {
        Some(namespace) => format!("{namespace}/{}", object.name),
        None => object.name.to_string(),
    }
}

fn key_of_token(token: &str) -> Result<Key, Problem> {
    let parse = || {
        Some(match token.split_once('/') {
            Some((namespace, name)) => (Some(namespace.parse().ok()?), name.parse().ok()?),
            None => (None, token.parse().ok()?),
        })
    };
    parse().ok_or_else(|| {
        Problem::new(Code::InvalidRequest, "`page` is not what a list answered as `next_page`")
            .remedy("begin again without `page`")
    })
}
