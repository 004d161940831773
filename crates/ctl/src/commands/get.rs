//! `get`: resources as a table, or whole as JSON or YAML. With `--watch` it goes on
//! with a row for each change.

use clap::Args;
use tessera_types::problem::Code;
use tessera_types::{KindName, Name, Resource};

use super::ended;
use crate::cli::{Everywhere, Format, Selection};
use crate::context::{Context, json, json_line, print, tell, yaml, yaml_documents};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{Change, Follow, Scope};
use crate::kinds::{self, ListOptions};
use crate::moment::now;
use crate::show::{self, Beside, Detail, row, table};
use crate::style::Tone;
use crate::table::{Cell, Layout};
use crate::target::{self, Target};
use crate::tree::Tree;

/// Show resources
///
/// What -o json and -o yaml print, `apply -f` takes again.
#[derive(Debug, Args)]
#[command(after_long_help = kinds_help())]
pub(crate) struct Arguments {
    /// KIND, KIND NAME…, or KIND/NAME…
    #[arg(required = true, value_name = "RESOURCE")]
    resources: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    everywhere: Everywhere,
    /// Go on with a row for each change, until Ctrl-C
    #[arg(short, long)]
    watch: bool,
    /// With all that belongs to each, as a tree
    #[arg(long, conflicts_with = "watch")]
    tree: bool,
}

/// The kinds, for the long help.
fn kinds_help() -> String {
    let mut text =
        "The kinds, each in the singular, the plural or short, and in any case:\n".to_owned();
    for kind in KindName::ALL {
        text.push_str(&format!("  {}, {}, {}\n", kind.singular(), kind.plural(), kind.short()));
    }
    text
}

const FORMATS: [Format; 5] =
    [Format::Table, Format::Wide, Format::Json, Format::Yaml, Format::Name];

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&FORMATS)?;
    let targets = target::parse(&arguments.resources, &context.namespace)?;
    check(&targets, arguments)?;
    if arguments.watch {
        return watch(context, &targets, arguments, format).await;
    }
    let (mut found, mut exits) = (Vec::new(), Vec::new());
    for target in &targets {
        let (resources, missed) = fetch(context, target, arguments).await?;
        found.push((target.kind, resources));
        exits.extend(missed);
    }
    if !exits.is_empty() && found.iter().all(|(_, resources)| resources.is_empty()) {
        return ended(exits);
    }
    if arguments.tree {
        trees(context, &found, format, detail(arguments, format)).await?;
        return ended(exits);
    }
    let is_one = matches!(targets.as_slice(), [target] if target.names.len() == 1);
    show(context, &found, format, detail(arguments, format), is_one).await?;
    ended(exits)
}

fn check(targets: &[Target], arguments: &Arguments) -> Result<(), Failure> {
    let is_named = targets.iter().any(|target| !target.names.is_empty());
    if is_named && arguments.selection.selector.is_some() {
        return Err(Failure::usage("give names or -l, not both"));
    }
    if is_named && arguments.everywhere.all_namespaces {
        return Err(Failure::usage(
            "a name is in one namespace: give it with -n, or leave out the names",
        ));
    }
    Ok(())
}

fn detail(arguments: &Arguments, format: Format) -> Detail {
    Detail { wide: format == Format::Wide, namespaces: arguments.everywhere.all_namespaces }
}

/// The resources of a target. What is not there is told, and counts in the end.
async fn fetch(
    context: &Context,
    target: &Target,
    arguments: &Arguments,
) -> Result<(Vec<Resource>, Vec<Exit>), Failure> {
    if target.names.is_empty() {
        let namespace = arguments.everywhere.or(context.namespace());
        let options = ListOptions {
            namespace: namespace.clone(),
            selector: arguments.selection.selector.clone(),
            ..ListOptions::default()
        };
        let (resources, _) = kinds::list_all(&context.api, target.kind, options).await?;
        return Ok((resources, Vec::new()));
    }
    let (mut resources, mut exits) = (Vec::new(), Vec::new());
    for key in target.keys(context.namespace()) {
        match kinds::get(&context.api, &key).await {
            Ok(resource) => resources.push(resource),
            Err(error) if error.problem().is_some_and(|it| it.code == Code::NotFound) => {
                let failure = Failure::from(error);
                context.complain(&failure);
                exits.push(failure.exit());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((resources, exits))
}

async fn show(
    context: &Context,
    found: &[(KindName, Vec<Resource>)],
    format: Format,
    detail: Detail,
    is_one: bool,
) -> Result<(), Failure> {
    let all: Vec<_> = found.iter().flat_map(|(_, resources)| resources).cloned().collect();
    match format {
        Format::Json if is_one => all.first().map_or(Ok(()), |one| print(&json(one)?)),
        Format::Json => print(&json(&all)?),
        Format::Yaml => print(&yaml_documents(&all)?),
        Format::Name => {
            print(&all.iter().map(|resource| format!("{}\n", resource.key())).collect::<String>())
        }
        Format::Table | Format::Wide => tables(context, found, detail).await,
    }
}

async fn tables(
    context: &Context,
    found: &[(KindName, Vec<Resource>)],
    detail: Detail,
) -> Result<(), Failure> {
    let mut text = String::new();
    for (kind, resources) in found.iter().filter(|(_, resources)| !resources.is_empty()) {
        let beside = beside(context, *kind, detail).await;
        if !text.is_empty() {
            text.push('\n');
        }
        let table = table(*kind, resources, detail, &beside, now());
        text.push_str(&table.render(context.style, context.width()));
    }
    if text.is_empty() {
        let kinds: Vec<_> = found.iter().map(|(kind, _)| kind.plural()).collect();
        tell(&format!("no {} found\n", kinds.join(" and ")));
    }
    print(&text)
}

/// So many trees are asked for one by one; of more, all that is there.
const TREES_FEW: usize = 4;

/// Resources with all that belongs to them. For programs it is a list in the order
/// of the tree, in which each names its owner.
async fn trees(
    context: &Context,
    found: &[(KindName, Vec<Resource>)],
    format: Format,
    detail: Detail,
) -> Result<(), Failure> {
    let roots: Vec<_> = found.iter().flat_map(|(_, resources)| resources).cloned().collect();
    if roots.is_empty() {
        return tables(context, found, detail).await;
    }
    let namespace = (!detail.namespaces).then(|| context.namespace());
    let tree = match roots.len() {
        ..=TREES_FEW => Tree::below(&context.api, &roots).await?,
        _ => Tree::fetch(&context.api, namespace).await?,
    };
    if matches!(format, Format::Table | Format::Wide) {
        let table = show::tree::table(&roots, &tree, detail, now());
        return print(&table.render(context.style, context.width()));
    }
    let all = roots.iter().flat_map(|root| tree.walk(root)).map(|branch| branch.resource);
    show(context, &[(roots[0].kind(), all.collect())], format, detail, false).await
}

async fn beside(context: &Context, kind: KindName, detail: Detail) -> Beside {
    let namespace = (!detail.namespaces).then(|| context.namespace());
    context.beside(kind, namespace).await
}

/// Prints what is there, then a row for each change.
async fn watch(
    context: &Context,
    targets: &[Target],
    arguments: &Arguments,
    format: Format,
) -> Result<(), Failure> {
    let [target] = targets else {
        return Err(Failure::usage("one kind at a time can be watched"));
    };
    let names = &target.names;
    let scope = Scope {
        kind: Some(target.kind),
        namespace: target
            .namespace
            .clone()
            .or_else(|| arguments.everywhere.or(context.namespace()))
            .filter(|_| target.kind.is_namespaced()),
        name: names.first().filter(|_| names.len() == 1).cloned(),
        selector: arguments.selection.selector.clone(),
    };
    let mut follow = Follow::start(&context.api, scope).await?;
    let is_meant = |name: &Name| names.is_empty() || names.contains(name);
    let known: Vec<_> = follow.known().values().filter(|it| is_meant(it.name())).cloned().collect();
    let mut rows =
        Rows::begin(context, target.kind, &known, detail(arguments, format), format).await?;
    loop {
        match follow.next().await? {
            Change::Notice(text) => tell(&format!("{text}\n")),
            Change::Changed { after, .. } if is_meant(after.name()) => rows.print(&after, false)?,
            Change::Deleted { before, .. } if is_meant(before.name()) => {
                rows.print(&before, true)?;
            }
            _ => {}
        }
    }
}

/// Rows that follow a table.
struct Rows<'a> {
    context: &'a Context,
    detail: Detail,
    format: Format,
    layout: Layout,
    status_at: usize,
}

impl<'a> Rows<'a> {
    /// Prints what is there, which gives the columns their widths.
    async fn begin(
        context: &'a Context,
        kind: KindName,
        known: &[Resource],
        detail: Detail,
        format: Format,
    ) -> Result<Self, Failure> {
        let beside = beside(context, kind, detail).await;
        let table = table(kind, known, detail, &beside, now());
        let layout = table.layout(context.width());
        // The columns begin with the namespace, where that is shown, and the name.
        let status_at = if detail.namespaces && kind.is_namespaced() { 2 } else { 1 };
        let mut rows = Self { context, detail, format, layout, status_at };
        match format {
            Format::Table | Format::Wide => print(&table.render(context.style, context.width()))?,
            _ => known.iter().try_for_each(|resource| rows.print(resource, false))?,
        }
        Ok(rows)
    }

    fn print(&mut self, resource: &Resource, is_gone: bool) -> Result<(), Failure> {
        match self.format {
            Format::Json => print(&json_line(resource)?),
            Format::Yaml => print(&format!("---\n{}", yaml(resource)?)),
            Format::Name => print(&format!("{}\n", resource.key())),
            Format::Table | Format::Wide => {
                let mut row = row(resource, self.detail, &Beside::default(), now());
                if is_gone {
                    row[self.status_at] = Cell::toned("Deleted", Tone::Quiet);
                }
                self.layout.admit(&row);
                print(&self.layout.line(&row, self.context.style))
            }
        }
    }
}
