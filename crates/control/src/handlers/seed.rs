//! Seeding: definitions from files into the catalogue, all of them or none.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use tessera_api::ApiError;
use tessera_reconciler::{Tabled, admission};
use tessera_store::CommitError;
use tessera_types::booking::{SeedRequest, SeedResponse};
use tessera_types::catalogue::{Definition, DefinitionObserved, Origin};
use tessera_types::manifest::Declared;
use tessera_types::problem::Code;
use tessera_types::{
    Actor, Edit, Invalid, Kind, KindName, Problem, Resource, ResourceKey, Write, limits, nearest,
    with_definition,
};

use crate::clock;
use crate::declare::refused;
use crate::decode;
use crate::failure::commit_error;
use crate::plane::Plane;

/// How often it is decided again because something has changed meanwhile.
const TRIES_MAX: usize = 16;

/// Loads definitions into the catalogue.
pub(crate) async fn seed(plane: &Plane, request: SeedRequest) -> Result<SeedResponse, ApiError> {
    if request.manifests.len() > limits::BATCH_MAX {
        let detail = format!(
            "at most {} definitions are seeded at once, these are {}",
            limits::BATCH_MAX,
            request.manifests.len()
        );
        return Err(Problem::new(Code::TooLarge, detail).into());
    }
    for _ in 0..TRIES_MAX {
        let (response, writes, declared) = decide(plane, &request)?;
        // What changes nothing is not refused for what others declared meanwhile: a
        // control plane must start again with the seeds that it has.
        if writes.is_empty() {
            return Ok(response);
        }
        check(plane, &writes, &declared)?;
        if request.dry_run {
            return Ok(response);
        }
        match plane.commit(writes).await {
            Ok(_) => {
                tracing::info!(
                    target: "tessera::catalogue",
                    created = response.created.len(),
                    updated = response.updated.len(),
                    unchanged = response.unchanged,
                    pruned = response.pruned.len(),
                    "seeded"
                );
                return Ok(response);
            }
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(commit_error(error)),
        }
    }
    Err(Problem::new(Code::Conflict, "the catalogue changes all the time: seed again").into())
}

/// As [`seed`], and says which jobs the engine would not take now, as far as it can be asked.
pub(crate) async fn seed_and_warn(
    plane: &Plane,
    request: SeedRequest,
) -> Result<SeedResponse, ApiError> {
    let jobs = jobs(&request);
    let mut response = seed(plane, request).await?;
    if !jobs.is_empty()
        && let Some(known) = plane.engine.scenarios().await
    {
        response.warnings = jobs.iter().filter_map(|(at, job)| missing(at, job, &known)).collect();
    }
    Ok(response)
}

/// The scenarios of all jobs, each with its definition and path.
fn jobs(request: &SeedRequest) -> Vec<(String, String)> {
    fn of<K: Kind>(json: &Value) -> Vec<(String, String)> {
        let Ok(manifest) = decode::any_manifest::<K>(json.clone()) else { return Vec::new() };
        let key = manifest.key();
        let jobs = tessera_pipeline::jobs_of(&manifest).into_iter();
        jobs.map(|(path, scenario)| (format!("{key}: {path}"), scenario)).collect()
    }
    let mut jobs = Vec::new();
    for json in &request.manifests {
        // What is no definition is refused by seeding.
        let Ok(kind) = kind_of(json) else { continue };
        jobs.extend(with_definition!(kind, K => of::<K>(json)));
    }
    jobs
}

fn missing(at: &str, job: &str, known: &[String]) -> Option<String> {
    if known.iter().any(|one| one == job) {
        return None;
    }
    let near = nearest(job, known.iter().map(String::as_str));
    let near = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
    Some(format!("{at}: the engine has no scenario `{job}` now{near}"))
}

/// What is answered and written, and which definitions were given.
type Decided = (SeedResponse, Vec<Write>, HashSet<ResourceKey>);

/// Checks that the catalogue fits together afterwards. Where several definitions do
/// not, each broken rule has its definition before its place.
fn check(plane: &Plane, writes: &[Write], declared: &HashSet<ResourceKey>) -> Result<(), Problem> {
    let found = admission::check_catalogue(&plane.world.read(), writes, declared);
    let Some((key, _)) = found.first().cloned() else { return Ok(()) };
    let is_one = found.iter().all(|(other, _)| *other == key);
    let placed = |(key, invalid): (ResourceKey, Invalid)| match is_one {
        true => invalid,
        false => Invalid::new(&format!("{key}: {}", invalid.path), invalid.message),
    };
    let problem = Problem::invalid(&key, found.into_iter().map(placed).collect());
    let instance = problem.instance.clone().filter(|_| is_one);
    let remedy = "seed together what belongs together: a folder, or several files";
    Err(Problem { instance, ..problem.remedy(remedy) })
}

fn decide(plane: &Plane, request: &SeedRequest) -> Result<Decided, Problem> {
    let mut response = SeedResponse {
        created: Vec::new(),
        updated: BTreeMap::new(),
        unchanged: 0,
        pruned: Vec::new(),
        warnings: Vec::new(),
    };
    let (mut writes, mut seen) = (Vec::new(), HashSet::new());
    for json in &request.manifests {
        let kind = kind_of(json)?;
        let key = with_definition!(kind, K => one::<K>(plane, json, &mut response, &mut writes)?);
        if !seen.insert(key.clone()) {
            let detail = format!("{key} is there twice");
            return Err(Problem::new(Code::InvalidSpec, detail).remedy("remove one of the two"));
        }
    }
    if request.prune {
        prune(plane, &seen, &mut response, &mut writes);
    }
    Ok((response, writes, seen))
}

fn kind_of(json: &Value) -> Result<KindName, Problem> {
    let kind = decode::kind(json.get("kind").cloned().unwrap_or_default())?;
    if kind.is_definition() {
        return Ok(kind);
    }
    let name = json.get("name").and_then(Value::as_str).unwrap_or("?");
    let detail = format!("{kind} `{name}` is not a definition, and only these are seeded");
    Err(Problem::new(Code::InvalidSpec, detail).remedy("declare it with `tesseractl apply`"))
}

fn one<K>(
    plane: &Plane,
    json: &Value,
    response: &mut SeedResponse,
    writes: &mut Vec<Write>,
) -> Result<ResourceKey, Problem>
where
    K: Kind<Observed = DefinitionObserved>,
    K::Spec: Definition,
{
    let manifest = decode::any_manifest::<K>(json.clone())?;
    let key = manifest.key();
    let existing = plane.find::<K>(&key);
    let declared = manifest
        .declare(existing.as_ref(), Actor::SEEDER, clock::now())
        .map_err(|refusal| refused(&key, &refusal))?;
    match declared {
        Declared::Create(mut object) => {
            object.observed.origin = Origin::Seeded;
            response.created.push(key.clone());
            writes.extend(Declared::Create(object).write());
        }
        Declared::Update(mut object) => {
            object.observed.origin = Origin::Seeded;
            let version = |spec: &K::Spec| spec.head().version.to_string();
            let before = existing.map_or_else(String::new, |before| version(&before.spec));
            response.updated.insert(key.to_string(), [before, version(&object.spec)]);
            writes.extend(Declared::Update(object).write());
        }
        Declared::Unchanged(object) => {
            response.unchanged += 1;
            // What was applied by hand belongs to the seed from now on.
            let mut edit = Edit::of(&object, clock::now());
            edit.object.observed.origin = Origin::Seeded;
            writes.extend(edit.finish().map(Write::update));
        }
    }
    Ok(key)
}

/// Removes what was seeded before and is not any more.
fn prune(
    plane: &Plane,
    kept: &HashSet<ResourceKey>,
    response: &mut SeedResponse,
    writes: &mut Vec<Write>,
) {
    fn of_kind<K>(
        plane: &Plane,
        kept: &HashSet<ResourceKey>,
        response: &mut SeedResponse,
        writes: &mut Vec<Write>,
    ) where
        K: Tabled + Kind<Observed = DefinitionObserved>,
    {
        let world = plane.world.read();
        for definition in world.table::<K>().iter() {
            let is_seeded = definition.observed.origin == Origin::Seeded;
            let is_leaving = definition.deletion_requested_at.is_some();
            if !is_seeded || is_leaving || kept.contains(&definition.key()) {
                continue;
            }
            let mut edit = Edit::of(definition, clock::now());
            edit.object.deletion_requested_at = Some(clock::now());
            response.pruned.push(definition.key());
            writes.extend(edit.finish().map(Write::update));
        }
    }
    for kind in KindName::ALL.into_iter().filter(|kind| kind.is_definition()) {
        with_definition!(kind, K => of_kind::<K>(plane, kept, response, writes));
    }
}

/// Why a definition may not be deleted by hand, if it may not.
pub(crate) fn refuse_deletion_of_seeded(resource: &Resource) -> Option<Problem> {
    let kind = resource.kind();
    if !kind.is_definition() {
        return None;
    }
    let is_seeded = with_definition!(kind, K => {
        K::unwrap(resource).is_some_and(|it| it.observed.origin == Origin::Seeded)
    });
    is_seeded.then(|| {
        let detail = format!("{} was seeded, and only seeding removes it", resource.key());
        Problem::new(Code::NotNow, detail)
            .instance(resource.key())
            .remedy("remove its file and run `tesseractl seed --prune`")
    })
}
