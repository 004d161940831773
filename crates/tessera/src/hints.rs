//! What somebody who has just started Tessera may want to type next.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tessera_types::KindName;
use tesseractl::manifests::Declaration;

/// Three commands that work as they are printed.
pub(crate) fn commands(address: SocketAddr, declarations: &[Declaration]) -> [String; 3] {
    let program = program();
    let server = match format!("http://{address}") {
        url if url == tessera_client::DEFAULT_URL => String::new(),
        url => format!(" --server {url}"),
    };
    let named = |kind| {
        let mut found = declarations.iter().filter(move |declaration| declaration.key.kind == kind);
        found.next().map(|declaration| declaration.key.name.as_str())
    };
    let commands = match named(KindName::Session) {
        Some(session) => [
            "get sessions --tree".to_owned(),
            format!("describe session {session}"),
            format!("history session {session} --timeline"),
        ],
        None => {
            let name = named(KindName::Workload).unwrap_or("NAME");
            [
                "get workloads".to_owned(),
                format!("describe workload {name}"),
                format!("logs {name} --follow"),
            ]
        }
    };
    commands.map(|command| format!("{program}{server} {command}"))
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
