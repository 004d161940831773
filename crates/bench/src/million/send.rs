//! Sends the files that are to be applied.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, ensure};

use super::files::Files;
use crate::program::binary;
use crate::stage::Stage;

/// Sends every file as it is, some at a time.
pub(super) async fn send_all(stage: &Stage, files: &Files, senders: usize) -> Result<()> {
    let names: Arc<Vec<_>> = Arc::new(files.names().collect());
    let next = Arc::new(AtomicUsize::new(0));
    let http = reqwest::Client::new();
    let senders: Vec<_> = (0..senders)
        .map(|_| {
            let (names, next) = (Arc::clone(&names), Arc::clone(&next));
            let folder = Files::folder(stage.folder.path());
            let (http, url) = (http.clone(), format!("{}/v1/apply", stage.url));
            tokio::spawn(async move {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let manifests = std::fs::read(folder.join(name))?;
                    send(&http, &url, name, &manifests).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for sender in senders {
        sender.await??;
    }
    Ok(())
}

async fn send(http: &reqwest::Client, url: &str, name: &str, manifests: &[u8]) -> Result<()> {
    let body = [b"{\"manifests\":", manifests, b"}"].concat();
    let request = http.post(url).header("content-type", "application/json");
    // The name of the file makes a retry safe, as a client would.
    let answer = request.header("idempotency-key", name).body(body).send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    ensure!(status.is_success() && !text.contains("\"problem\""), "{name}: {status}: {text:.500}");
    Ok(())
}

/// Has `tesseractl` apply the folder of files.
pub(super) async fn have_sent(stage: &Stage) -> Result<()> {
    let mut command = tokio::process::Command::new(binary("tesseractl")?);
    command.args(["--server", &stage.url, "apply", "-f"]);
    command.arg(Files::folder(stage.folder.path())).stdout(Stdio::null());
    let status = command.status().await?;
    ensure!(status.success(), "tesseractl apply ends with {status}");
    Ok(())
}
