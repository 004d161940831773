//! What a pipeline has to do with: an engine, a lab server, and a postman who is not to
//! be relied upon.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::Value;
use tessera_client::call;
use tessera_e2e::{Gate, Program, plain, send};
use tessera_types::engine::{EngineJob, JobEventKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A lab that is started, takes a moment, and is confirmed: two effects outside.
const LAB: &str = r#"
document: {dsl: 1.0.3, namespace: labs, name: lab-start, version: 1.0.0}
do:
  - begin:
      call: http
      with: {method: post, endpoint: "${ $workflow.input.url }", body: {host: "${ .host }"}}
  - settle:
      wait: "${ {seconds: $workflow.input.seconds} }"
  - confirm:
      call: http
      with: {method: post, endpoint: "${ $workflow.input.url }"}
      output: {as: "${ {host: $workflow.input.host, secret: 7} }"}
"#;

/// An engine with a way to it that stays when it dies.
pub(crate) struct Engine {
    pub(crate) gate: Gate,
    folder: tempfile::TempDir,
    program: Option<Program>,
    starts: u32,
}

impl Engine {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("scenarios")).unwrap();
        std::fs::write(folder.path().join("scenarios/lab_start.v1.yaml"), LAB).unwrap();
        let mut engine = Self { gate: Gate::open().await, folder, program: None, starts: 0 };
        engine.again().await;
        engine
    }

    pub(crate) async fn again(&mut self) {
        self.starts += 1;
        let mut command = plain("tessera-engine");
        command.args(["--listen", "127.0.0.1:0", "--state-dir"]).arg(self.path("state"));
        command.arg("--scenarios").arg(self.path("scenarios"));
        let mut program = Program::start(command, self.path(&format!("{}.log", self.starts)));
        let listening =
            |line: &str| line.strip_prefix("listening on http://")?.parse::<SocketAddr>().ok();
        let address = program.line("the engine comes up", listening).await;
        self.gate.aim(Some(address));
        self.program = Some(program);
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        Path::join(self.folder.path(), name)
    }

    pub(crate) fn kill(&mut self) {
        self.gate.aim(None);
        self.program.take().expect("it runs").kill();
    }

    pub(crate) async fn jobs(&self) -> Vec<EngineJob> {
        let api = tessera_client::Engine::new(&self.gate.url()).unwrap();
        let list = call(api.job_list(None, None, None, None, None)).await.unwrap();
        let mut jobs = Vec::new();
        for head in list.items {
            jobs.push(call(api.job_get(&head.id)).await.unwrap());
        }
        jobs
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for start in (1..=self.starts).filter(|_| std::thread::panicking()) {
            let log = std::fs::read_to_string(self.path(&format!("{start}.log")));
            eprintln!("--- engine, start {start}\n{}", log.unwrap_or_default());
        }
    }
}

/// A lab server. It does what it is asked once for each idempotency key.
pub(crate) struct LabServer {
    pub(crate) url: String,
    calls: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl LabServer {
    pub(crate) async fn start() -> Self {
        let calls = Arc::new(Mutex::new(BTreeMap::<String, usize>::new()));
        let counted = Arc::clone(&calls);
        let url = serve(move |request| {
            let key = request.header("idempotency-key").expect("effects have a key");
            *counted.lock().unwrap().entry(key).or_default() += 1;
        })
        .await;
        Self { url, calls }
    }

    /// How often each key came.
    pub(crate) fn calls(&self) -> BTreeMap<String, usize> {
        self.calls.lock().unwrap().clone()
    }
}

/// Takes the engine's events, and when a job is over brings all that there are, each
/// twice, the newest first.
pub(crate) struct Postman {
    pub(crate) url: String,
    to: Arc<Mutex<Option<String>>>,
}

impl Postman {
    pub(crate) async fn start() -> Self {
        let to = Arc::new(Mutex::new(None::<String>));
        let (goes_to, all) = (Arc::clone(&to), Mutex::new(Vec::<String>::new()));
        let url = serve(move |request| {
            let kind = serde_json::from_str(&request.body).ok().and_then(|event: Value| {
                JobEventKind::of_type(event["type"].as_str().unwrap_or_default())
            });
            let mut all = all.lock().unwrap();
            all.push(request.body);
            if !kind.is_some_and(JobEventKind::is_last) {
                return;
            }
            let (to, events) = (goes_to.lock().unwrap().clone(), all.clone());
            tokio::spawn(async move {
                let Some(to) = to else { return };
                for body in events.iter().rev().flat_map(|body| [body, body]) {
                    let kind = [("content-type", "application/cloudevents+json")];
                    send(&to, Method::POST, "/v1/events", &kind, body.clone()).await;
                }
            });
        })
        .await;
        Self { url, to }
    }

    /// Where it goes, which is known only once the control plane runs.
    pub(crate) fn goes_to(&self, url: String) {
        *self.to.lock().unwrap() = Some(url);
    }
}

struct Request {
    head: String,
    body: String,
}

impl Request {
    fn header(&self, name: &str) -> Option<String> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_owned())
    }
}

/// Something that answers, and is nobody. Returns its address.
pub(crate) async fn stranger() -> String {
    serve(|_| {}).await
}

/// A server that says `{}` to everything. Returns its address.
async fn serve(take: impl Fn(Request) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let Some(request) = read(&mut stream).await else { continue };
            take(request);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            let answer = format!("{head}\r\ncontent-length: 2\r\n\r\n{{}}");
            let _gone = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let request = Request { head: head.to_owned(), body: body.to_owned() };
            let length = request.header("content-length").map_or(Ok(0), |it| it.parse::<usize>());
            if body.len() >= length.ok()? {
                return Some(request);
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
}
