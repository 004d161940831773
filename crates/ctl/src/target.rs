//! Which resources a command is about: `workload web db`, `workload/web node/a`, and as they are
//! printed, `workload/default/web`.

use tessera_types::{KindName, Name, ResourceKey};

use crate::failure::Failure;
use crate::manifests::Namespace;

/// The resources of one kind that a command names; all of the kind when it names none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) kind: KindName,
    /// The namespace that the words name, if they name one.
    pub(crate) namespace: Option<Name>,
    pub(crate) names: Vec<Name>,
}

impl Target {
    /// The keys that are named, in `namespace` where the kind has namespaces and the words name
    /// none.
    pub(crate) fn keys(&self, namespace: &Name) -> Vec<ResourceKey> {
        let namespace = self.namespace.as_ref().unwrap_or(namespace);
        let key = |name: &Name| ResourceKey::new(self.kind, Some(namespace.clone()), name.clone());
        self.names.iter().map(key).collect()
    }
}

/// Reads `KIND [NAME…]`, `KIND,KIND`, `KIND/NAME…` or `KIND/NAMESPACE/NAME…`.
///
/// # Errors
/// [`Failure::Usage`] when a word is no kind or no name, the forms are mixed, or one names another
/// namespace than must be.
pub(crate) fn parse(words: &[String], within: &Namespace) -> Result<Vec<Target>, Failure> {
    let Some((first, rest)) = words.split_first() else { return Ok(Vec::new()) };
    if first.contains('/') {
        return grouped(words, within);
    }
    if let Some(word) = rest.iter().find(|word| word.contains('/')) {
        return Err(Failure::usage(format!(
            "`{word}` names its kind again: write either KIND NAME or KIND/NAME"
        )));
    }
    let names = rest.iter().map(|word| name(word)).collect::<Result<Vec<_>, _>>()?;
    let kinds = first.split(',').map(kind).collect::<Result<Vec<_>, _>>()?;
    Ok(kinds
        .into_iter()
        .map(|kind| Target { kind, namespace: None, names: names.clone() })
        .collect())
}

/// `KIND/NAME` words, with the names of one kind and namespace together.
fn grouped(words: &[String], within: &Namespace) -> Result<Vec<Target>, Failure> {
    let mut targets: Vec<Target> = Vec::new();
    for word in words {
        let Some((kind_word, rest)) = word.split_once('/') else {
            return Err(Failure::usage(format!(
                "`{word}` lacks its kind: write either KIND NAME or KIND/NAME"
            )));
        };
        let kind = kind(kind_word)?;
        let (namespace, name) = place(kind, rest, within)?;
        let is_same = |target: &&mut Target| target.kind == kind && target.namespace == namespace;
        match targets.iter_mut().find(is_same) {
            Some(target) => target.names.push(name),
            None => targets.push(Target { kind, namespace, names: vec![name] }),
        }
    }
    Ok(targets)
}

/// `NAME`, or `NAMESPACE/NAME` as it is printed.
fn place(kind: KindName, words: &str, within: &Namespace) -> Result<(Option<Name>, Name), Failure> {
    let Some((namespace, name_word)) = words.split_once('/') else {
        return Ok((None, name(words)?));
    };
    if !kind.is_namespaced() {
        let message = format!("`{words}` names a namespace, and {} have none", kind.plural());
        return Err(Failure::usage_with(message, format!("write {}/NAME", kind.singular())));
    }
    let (namespace, name) = (name(namespace)?, name(name_word)?);
    if within.is_required && namespace != within.name {
        let message = format!(
            "`{words}` is in namespace `{namespace}`, and --namespace asks for `{}`",
            within.name
        );
        return Err(Failure::usage_with(message, "remove one of the two"));
    }
    Ok((Some(namespace), name))
}

/// Exactly one resource: `KIND NAME` or `KIND/NAME`.
///
/// # Errors
/// [`Failure::Usage`] when the words name none or several.
pub(crate) fn one(words: &[String], within: &Namespace) -> Result<ResourceKey, Failure> {
    let targets = parse(words, within)?;
    let keys: Vec<_> = targets.iter().flat_map(|target| target.keys(&within.name)).collect();
    match <[ResourceKey; 1]>::try_from(keys) {
        Ok([key]) => Ok(key),
        Err(keys) if keys.is_empty() => Err(Failure::usage("the name is missing: write KIND NAME")),
        Err(keys) => {
            Err(Failure::usage(format!("one resource at a time, these are {}", keys.len())))
        }
    }
}

/// The kind that is named in `KIND/NAME`; `usual` where none is.
///
/// # Errors
/// [`Failure::Usage`] when there is no such kind.
pub(crate) fn kind_of(word: &str, usual: KindName) -> Result<KindName, Failure> {
    word.split_once('/').map_or(Ok(usual), |(kind_word, _)| kind(kind_word))
}

/// The name in `NAME`, `KIND/NAME` or `KIND/NAMESPACE/NAME`, which must be of `kind` and in the
/// namespace of the command.
///
/// # Errors
/// [`Failure::Usage`] when it is not.
pub(crate) fn name_of(kind: KindName, word: &str, within: &Namespace) -> Result<Name, Failure> {
    let Some((kind_word, rest)) = word.split_once('/') else { return name(word) };
    if self::kind(kind_word)? == kind {
        let (namespace, name) = place(kind, rest, within)?;
        return match namespace.filter(|namespace| *namespace != within.name) {
            None => Ok(name),
            Some(other) => {
                let message = format!("`{word}` is not in namespace `{}`", within.name);
                Err(Failure::usage_with(message, format!("give its namespace with -n {other}")))
            }
        };
    }
    Err(Failure::usage(format!("this is for {}, and `{word}` is none", kind.plural())))
}

fn kind(word: &str) -> Result<KindName, Failure> {
    word.parse::<KindName>().map_err(|error| Failure::usage(error.to_string()))
}

fn name(word: &str) -> Result<Name, Failure> {
    Name::new(word).map_err(|error| Failure::usage(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Vec<(KindName, Vec<String>)>, String> {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        let targets = parse(&words, &Namespace::default()).map_err(|it| it.to_string())?;
        let plain = |target: Target| {
            let keys = target.keys(&Name::default_namespace()).into_iter();
            let shown = |key: ResourceKey| match key.namespace {
                Some(other) if other != Name::default_namespace() => {
                    format!("{other}/{}", key.name)
                }
                _ => key.name.to_string(),
            };
            (target.kind, keys.map(shown).collect())
        };
        Ok(targets.into_iter().map(plain).collect())
    }

    #[test]
    fn both_forms_are_read() {
        use KindName::{Node, Workload};
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(parsed("workloads"), Ok(vec![(Workload, vec![])]));
        assert_eq!(parsed("wl web db"), Ok(vec![(Workload, names(&["web", "db"]))]));
        assert_eq!(parsed("nodes,wl"), Ok(vec![(Node, vec![]), (Workload, vec![])]));
        assert_eq!(
            parsed("workload/web node/a wl/db"),
            Ok(vec![(Workload, names(&["web", "db"])), (Node, names(&["a"]))])
        );
    }

    #[test]
    fn what_is_printed_is_read() {
        use KindName::{Node, Pod};
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(
            parsed("pod/default/a pod/lab/b node/n pod/lab/c"),
            Ok(vec![
                (Pod, names(&["a"])),
                (Pod, names(&["lab/b", "lab/c"])),
                (Node, names(&["n"]))
            ])
        );
        let within =
            |namespace: &str| Namespace { name: Name::new(namespace).unwrap(), is_required: true };
        let words = ["pod/lab/b".to_owned()];
        assert!(parse(&words, &within("lab")).is_ok());
        let refused = parse(&words, &within("other")).unwrap_err().to_string();
        assert!(refused.contains("--namespace asks for `other`"), "{refused}");
        let name = |within| name_of(Pod, "pod/lab/b", &within).map(|it| it.to_string());
        assert_eq!(name(within("lab")).unwrap(), "b");
        assert!(name(Namespace::default()).is_err());
    }

    #[test]
    fn mistakes_are_named() {
        for (line, word) in [
            ("node/default/a", "and nodes have none"),
            ("pod/a/b/c", "`b/c` is not a name"),
            ("worklods", "did you mean `workloads`?"),
            ("workload Web", "`Web` is not a name"),
            ("workload node/a", "names its kind again"),
            ("node/a web", "lacks its kind"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(word), "{line}: {error}");
        }
    }
}
