//! What somebody who has just started Tessera may want to type next.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tessera_types::KindName;
use tesseractl::manifests::Declaration;

/// Commands that work as they are printed.
pub(crate) fn commands(
    address: SocketAddr,
    engine: SocketAddr,
    declarations: &[Declaration],
) -> Vec<String> {
    let program = program();
    let unless =
        |option: &str, address: SocketAddr, default: &str| match format!("http://{address}") {
            url if url == default => String::new(),
            url => format!(" --{option} {url}"),
        };
    let server = unless("server", address, tessera_client::DEFAULT_URL);
    let engine = unless("engine", engine, tessera_client::DEFAULT_ENGINE_URL);
    let named = |kind| {
        let mut found = declarations.iter().filter(move |declaration| declaration.key.kind == kind);
        found.next().map(|declaration| declaration.key.name.as_str())
    };
    // What is there to see first: a session, else a pod, else a workload.
    let commands = match (named(KindName::Session), named(KindName::Pod)) {
        (Some(session), _) => [
            "get sessions --tree".to_owned(),
            format!("describe session {session}"),
            format!("history session {session} --timeline"),
        ],
        (None, Some(pod)) => {
            ["get pods".to_owned(), format!("describe pod {pod}"), format!("history pod {pod}")]
        }
        (None, None) => {
            let name = named(KindName::Workload).unwrap_or("NAME");
            [
                "get workloads".to_owned(),
                format!("describe workload {name}"),
                format!("logs {name} --follow"),
            ]
        }
    };
    // Workloads have nothing to do with the engine.
    let has_jobs =
        declarations.iter().any(|declaration| declaration.key.kind != KindName::Workload);
    let of_engine = has_jobs.then(|| format!("{program} engine{engine} jobs"));
    let of_control = commands.iter().map(|command| format!("{program}{server} {command}"));
    of_control.chain(of_engine).collect()
}

/// How to call this program from here.
fn program() -> String {
    let relative = || {
        let path = std::env::current_exe().ok()?;
        let here = std::env::current_dir().ok()?;
        path.strip_prefix(here).ok().map(Path::to_path_buf)
    };
    let called = || std::env::args_os().next().map(PathBuf::from);
    let path = relative().or_else(called).unwrap_or_else(|| PathBuf::from("tessera"));
    path.display().to_string()
}
