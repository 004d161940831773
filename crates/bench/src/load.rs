//! Processes that make load. A benchmark starts itself again for each, so that what the
//! load costs is in no figure of the control plane, and so that the limit on open files
//! holds for each of them alone.
//!
//! The two speak in lines: the child says `ready` on its standard output, is told on its
//! standard input when to finish and with what, and answers with one line of JSON.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::program::Process;

/// A process that makes load.
pub(crate) struct Load {
    process: Process,
    out: BufReader<std::process::ChildStdout>,
}

impl Load {
    /// Starts it, and does not wait until it is ready.
    pub(crate) fn start<S: Serialize>(name: &str, setting: &S) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["load", name, &serde_json::to_string(setting)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().context("standard output is piped")?;
        Ok(Self { process: Process(child), out: BufReader::new(out) })
    }

    /// Waits until it is ready.
    pub(crate) fn ready(&mut self) -> Result<()> {
        let mut line = String::new();
        self.out.read_line(&mut line)?;
        ensure!(line == "ready\n", "the load is not ready: {line:?}");
        Ok(())
    }

    /// Tells it to finish, and why.
    pub(crate) fn finish<W: Serialize>(&mut self, word: &W) -> Result<()> {
        let input = self.process.0.stdin.as_mut().context("standard input is piped")?;
        writeln!(input, "{}", serde_json::to_string(word)?)?;
        Ok(input.flush()?)
    }

    /// What came of it. The caller's thread waits.
    pub(crate) fn result<R: DeserializeOwned>(&mut self) -> Result<R> {
        let mut line = String::new();
        self.out.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("the load answers {line:?}"))
    }
}

/// In the child: all is in place.
pub(crate) fn say_ready() {
    println!("ready");
}

/// In the child: what the parent says at the end.
pub(crate) async fn told<W: DeserializeOwned + Send + 'static>() -> Result<W> {
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    Ok(serde_json::from_str(&line.await??)?)
}

/// In the child: what came of it.
pub(crate) fn say_result<R: Serialize>(result: &R) -> Result<()> {
    println!("{}", serde_json::to_string(result)?);
    Ok(())
}
