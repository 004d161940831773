//! Pages of a list. A page's token is the key of its last resource, so a list
//! goes on at the right place whatever is added or removed meanwhile.

use tessera_api::{ApiError, ListQuery};
use tessera_reconciler::World;
use tessera_types::api::List;
use tessera_types::problem::Code;
use tessera_types::{Kind, Name, Object, Problem, Selector, limits};

type Key = (Option<Name>, Name);

/// One page.
pub(super) fn page<K: Kind>(world: &World, query: &ListQuery) -> Result<List<K>, ApiError> {
    let selector = selector(query.selector.as_deref())?;
    let after = query.page.as_deref().map(key_of_token).transpose()?;
    let limit = query.limit.unwrap_or(limits::PAGE_DEFAULT).clamp(1, limits::PAGE_MAX);
    let is_wanted = |object: &Object<K>| {
        let in_namespace = !K::KIND.is_namespaced()
            || query.namespace.is_none()
            || object.namespace == query.namespace;
        in_namespace && (selector.is_empty() || selector.matches(&K::selected_by(object)))
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
