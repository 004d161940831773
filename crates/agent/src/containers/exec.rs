//! Runs a command in a container, to see whether it is well.

use http_body_util::BodyExt;
use tessera_types::Duration;
use tokio::time::timeout;

use super::api::ContainerApi;
use super::frames::Frames;
use super::http::{ApiError, Body};
use crate::cgroup::{Cgroup, kill};

/// Enough of its output to say why it failed.
const SAID_BYTES_MAX: usize = 200;
/// By these codes a runtime says that a program does not exist or cannot be executed, as a shell
/// does.
const NOT_EXECUTED: [i32; 2] = [126, 127];

/// Runs a command in a container. An error says for people what failed.
pub(crate) async fn exec(
    api: &ContainerApi,
    id: &str,
    command: &[String],
    limit: Duration,
) -> Result<(), String> {
    let unable = |error: ApiError| format!("cannot run a command in the container: {error}");
    let exec_id = api.prepare_exec(id, command).await.map_err(unable)?;
    let output = api.start_exec(&exec_id).await.map_err(unable)?;
    let Ok(said) = timeout(limit.as_std(), listen(output)).await else {
        end(api, id, &exec_id).await;
        return Err(format!("no answer within {limit}"));
    };
    let state = api.inspect_exec(&exec_id).await.map_err(unable)?;
    judge(command.first().map_or("", String::as_str), state.exit_code, &said)
}

fn judge(program: &str, code: Option<i32>, said: &str) -> Result<(), String> {
    match code {
        Some(0) => Ok(()),
        Some(code) if NOT_EXECUTED.contains(&code) && !said.is_empty() => {
            Err(format!("{program} exited with code {code}: {said}"))
        }
        Some(code) => Err(format!("{program} exited with code {code}")),
        None => Err(format!("{program} did not end")),
    }
}

/// Reads what a command prints until it ends, and keeps the beginning.
async fn listen(mut output: Body) -> String {
    let (mut frames, mut said) = (Frames::default(), Vec::new());
    while let Some(Ok(frame)) = output.frame().await {
        let mut block = frame.data_ref().map_or(&[][..], |data| data);
        while let Some((_, piece)) = frames.next(&mut block) {
            let room = SAID_BYTES_MAX.saturating_sub(said.len());
            said.extend_from_slice(&piece[..room.min(piece.len())]);
        }
    }
    String::from_utf8_lossy(&said).lines().next().unwrap_or_default().trim().to_owned()
}

/// Kills a command that takes too long: the API knows no way, and hanging checks would become ever
/// more.
async fn end(api: &ContainerApi, id: &str, exec_id: &str) {
    if let Ok(state) = api.inspect_exec(exec_id).await
        && state.running
        && let Some(group) = Cgroup::of_container(state.pid, id)
    {
        kill(|| group.pids().into_iter().filter(|pid| *pid == state.pid).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_judged_by_its_exit_code() {
        assert_eq!(judge("/ok", Some(0), "whatever"), Ok(()));
        assert_eq!(judge("/x", Some(3), "no"), Err("/x exited with code 3".to_owned()));
        let missing = judge("/x", Some(127), "no such file");
        assert_eq!(missing, Err("/x exited with code 127: no such file".to_owned()));
    }
}
