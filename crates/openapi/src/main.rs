//! Writes what is generated from the API traits: the OpenAPI documents under
//! `openapi/`, and from those the clients. All of them are checked in, so building the
//! product needs no generator; `--check` says whether they are up to date.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use progenitor_impl::{GenerationSettings, Generator, InterfaceStyle, TypeImpl};
use tessera_types::KindName;

/// Schemas that are types of ours: the client uses those instead of copies.
/// The first is the schema's name, the second the type.
const OUR_TYPES: &[(&str, &str)] = &[
    ("AdapterList", "tessera_types::engine::AdapterList"),
    ("ApplyRequest", "tessera_types::api::ApplyRequest"),
    ("ApplyResponse", "tessera_types::api::ApplyResponse"),
    ("Approved", "tessera_types::booking::Approved"),
    ("DeadLetters", "tessera_types::engine::DeadLetters"),
    ("EngineJob", "tessera_types::engine::EngineJob"),
    ("EngineReadiness", "tessera_types::engine::EngineReadiness"),
    ("Error", "tessera_types::Problem"),
    ("EventsAnswer", "tessera_types::booking::EventsAnswer"),
    ("EventsTaken", "tessera_types::engine::EventsTaken"),
    ("HostCalendar", "tessera_types::booking::HostCalendar"),
    ("JobId", "tessera_types::engine::JobId"),
    ("JobList", "tessera_types::engine::JobList"),
    ("JobStatus", "tessera_types::engine::JobStatus"),
    ("JobSteps", "tessera_types::engine::JobSteps"),
    ("KindName", "tessera_types::KindName"),
    ("LogChunk", "tessera_types::sync::LogChunk"),
    ("LogChunkAnswer", "tessera_types::sync::LogChunkAnswer"),
    ("Name", "tessera_types::Name"),
    ("PartRequest", "tessera_types::booking::PartRequest"),
    ("PlanResponse", "tessera_types::booking::PlanResponse"),
    ("Problem", "tessera_types::Problem"),
    ("Readiness", "tessera_types::api::Readiness"),
    ("Registered", "tessera_types::sync::Registered"),
    ("Registration", "tessera_types::sync::Registration"),
    ("Replay", "tessera_types::engine::Replay"),
    ("Replayed", "tessera_types::engine::Replayed"),
    ("ReportRequest", "tessera_types::sync::ReportRequest"),
    ("ReportResponse", "tessera_types::sync::ReportResponse"),
    ("Revision", "tessera_types::Revision"),
    ("RunRequestId", "tessera_types::tenant::RunRequestId"),
    ("RunTenantRequest", "tessera_types::api::RunTenantRequest"),
    ("ScenarioList", "tessera_types::engine::ScenarioList"),
    ("ScenarioName", "tessera_types::engine::ScenarioName"),
    ("SeedRequest", "tessera_types::booking::SeedRequest"),
    ("SeedResponse", "tessera_types::booking::SeedResponse"),
    ("StretchRequest", "tessera_types::booking::StretchRequest"),
    ("Submission", "tessera_types::engine::Submission"),
    ("SyncRequest", "tessera_types::sync::SyncRequest"),
    ("SyncResponse", "tessera_types::sync::SyncResponse"),
    ("TenantRun", "tessera_types::tenant::TenantRun"),
    ("Timestamp", "tessera_types::Timestamp"),
    ("Top", "tessera_types::api::Top"),
    ("Uid", "tessera_types::Uid"),
];

fn main() -> Result<ExitCode> {
    let check = std::env::args().skip(1).any(|arg| arg == "--check");
    let mut drifted = Vec::new();
    for (path, text) in generated()? {
        let current = fs::read_to_string(&path).unwrap_or_default();
        if current == text {
            continue;
        }
        if check {
            drifted.push(path);
        } else {
            fs::create_dir_all(path.parent().context("a generated file is in a folder")?)?;
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            println!("wrote {}", path.display());
        }
    }
    for path in &drifted {
        eprintln!("{} is not what the API trait says: run `cargo xtask openapi`", path.display());
    }
    Ok(if drifted.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every generated file with its contents.
fn generated() -> Result<Vec<(PathBuf, String)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .context("the crate is two folders below the root")?;
    let mut files = Vec::new();
    for (document, name, client_file) in [
        (tessera_api::openapi_document(), "tessera.json", "generated.rs"),
        (tessera_api::engine_openapi_document(), "tessera-engine.json", "generated_engine.rs"),
    ] {
        let path = format!("openapi/{name}");
        let client = client(&document, &path)?;
        files.push((root.join(&path), document));
        files.push((root.join("crates/client/src").join(client_file), client));
    }
    Ok(files)
}

/// Progenitor indents the lines of a description, which makes code blocks of
/// them.
fn dedent_docs(item: &mut syn::Item) {
    let syn::Item::Impl(item) = item else { return };
    for function in &mut item.items {
        let syn::ImplItem::Fn(function) = function else { continue };
        for attribute in &mut function.attrs {
            if let syn::Meta::NameValue(doc) = &mut attribute.meta
                && let syn::Expr::Lit(literal) = &mut doc.value
                && let syn::Lit::Str(text) = &mut literal.lit
            {
                let lines: Vec<_> =
                    text.value().lines().map(|line| line.trim().to_owned()).collect();
                *text = syn::LitStr::new(&lines.join("\n"), text.span());
            }
        }
    }
}

/// The operations that every kind has are not generated seventeen times: the
/// client has them once, generic over the kind (`crates/client/src/kinds.rs`).
fn without_kinds(spec: &mut openapiv3::OpenAPI) {
    for kind in KindName::ALL {
        let list = format!("/v1/{}", kind.plural());
        for then in ["", "/{name}", "/{name}/history", "/{name}/reconcile"] {
            spec.paths.paths.shift_remove(&format!("{list}{then}"));
        }
    }
}

fn client(document: &str, path: &str) -> Result<String> {
    let mut spec: openapiv3::OpenAPI = serde_json::from_str(document)?;
    without_kinds(&mut spec);
    let mut settings = GenerationSettings::default();
    settings.with_interface(InterfaceStyle::Positional);
    for (schema, our_type) in OUR_TYPES {
        let has = [TypeImpl::Display, TypeImpl::FromStr];
        let impls = match *schema {
            "Name" | "Uid" | "Timestamp" | "KindName" | "Revision" | "JobId" | "JobStatus"
            | "ScenarioName" => has.to_vec(),
            _ => vec![],
        };
        settings.with_replacement(schema, our_type, impls.into_iter());
    }
    for kind in KindName::ALL {
        settings.with_replacement(
            kind,
            format!("tessera_types::Object<tessera_types::{kind}>"),
            vec![].into_iter(),
        );
    }
    let tokens = Generator::new(&settings).generate_tokens(&spec)?;
    let mut file: syn::File = syn::parse2(tokens)?;
    // Progenitor also writes a copy of every schema that is only reached through
    // one of ours. Nothing uses the copies: the compiler would say if it did.
    file.items.retain(|item| !matches!(item, syn::Item::Mod(module) if module.ident == "types"));
    file.items.iter_mut().for_each(dedent_docs);
    Ok(format!(
        "// Generated from {path} by `cargo xtask openapi`. Do not edit.\n{}",
        prettyplease::unparse(&file)
    ))
}
