//! One health check of one run.

use std::path::PathBuf;

use tessera_types::limits;
use tessera_types::workload::{HealthCheck, HttpProbe};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::containers::{self, ContainerApi};
use crate::supervisor::RunHandle;

const MESSAGE_BYTES_MAX: usize = 200;

/// Where commands are run.
#[derive(Debug)]
pub(super) enum Inside {
    /// On the node, beside this process; `exe` serves the checker.
    Process { run: RunHandle, exe: PathBuf },
    /// In this container.
    Container { socket: PathBuf, id: String },
}

/// Checks once. The error says for people what failed.
pub(super) async fn probe(
    check: &HealthCheck,
    inside: Option<&Inside>,
    http: &reqwest::Client,
) -> Result<(), String> {
    let result = match (&check.exec, inside) {
        (Some(command), Some(Inside::Container { socket, id })) => {
            containers::exec(&ContainerApi::new(socket), id, command, check.timeout).await
        }
        (Some(command), Some(Inside::Process { run, exe })) => {
            run.check(exe, command, check.timeout).await
        }
        (Some(_), None) => Err("the run is not there (any more)".to_owned()),
        (None, _) => probe_from_here(check, http).await,
    };
    result.map_err(|message| limits::clip(&message, MESSAGE_BYTES_MAX))
}

async fn probe_from_here(check: &HealthCheck, http: &reqwest::Client) -> Result<(), String> {
    let attempt = async {
        match check {
            HealthCheck { http: Some(probe), .. } => get(http, probe).await,
            HealthCheck { tcp: Some(probe), .. } => connect(probe.port).await,
            _ => Ok(()),
        }
    };
    // Dropping the attempt closes the connection.
    match timeout(check.timeout.as_std(), attempt).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {}", check.timeout)),
    }
}

async fn get(http: &reqwest::Client, probe: &HttpProbe) -> Result<(), String> {
    let url = format!("http://127.0.0.1:{}{}", probe.port, probe.path);
    match http.get(&url).send().await {
        Ok(answer) if (200..400).contains(&answer.status().as_u16()) => Ok(()),
        Ok(answer) => {
            Err(format!("GET {url} was answered with status {}", answer.status().as_u16()))
        }
        Err(error) => Err(format!("GET {url}: {}", innermost(&error))),
    }
}

/// The innermost cause says what happened; the layers above repeat the address.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

async fn connect(port: u16) -> Result<(), String> {
    let connected = TcpStream::connect(("127.0.0.1", port)).await;
    connected.map(drop).map_err(|error| format!("cannot connect to port {port}: {error}"))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn outcome(check: serde_json::Value) -> Result<(), String> {
        let check = serde_json::from_value(check).unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        probe(&check, None, &http).await
    }

    #[tokio::test]
    async fn a_port_is_judged_by_whether_it_accepts() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(outcome(serde_json::json!({"tcp": {"port": port}})).await, Ok(()));
        drop(listener);
        let refused = outcome(serde_json::json!({"tcp": {"port": port}})).await.unwrap_err();
        assert!(refused.contains(&format!("port {port}")), "{refused}");
    }

    #[tokio::test]
    async fn a_page_is_judged_by_its_status() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            for status in ["204 No Content", "302 Found", "503 Service Unavailable"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _request = stream.read(&mut [0; 1024]).await.unwrap();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nLocation: /x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let check =
            serde_json::from_value(serde_json::json!({"http": {"port": port, "path": "/ready"}}))
                .unwrap();
        assert_eq!(probe(&check, None, &http).await, Ok(()));
        assert_eq!(probe(&check, None, &http).await, Ok(()));
        let bad = probe(&check, None, &http).await.unwrap_err();
        assert_eq!(bad, format!("GET http://127.0.0.1:{port}/ready was answered with status 503"));
        server.await.unwrap();
    }
}
