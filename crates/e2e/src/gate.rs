//! A piece of network that can be broken: it listens on an address that stays
//! the same, and passes on to a server that may come and go elsewhere.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The state of the way.
#[derive(Clone, Debug)]
struct Way {
    /// Where the server is.
    target: Option<SocketAddr>,
    /// Nothing passes, and nobody is told.
    cut: bool,
    /// Connections that were made in an earlier age are broken.
    age: u64,
    /// Each connection breaks after so many bytes of answers.
    bytes_max: Option<usize>,
}

/// A way to a server that can be cut.
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    way: Arc<watch::Sender<Way>>,
    task: JoinHandle<()>,
}

impl Gate {
    /// A gate to nowhere.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let way = Way { target: None, cut: false, age: 0, bytes_max: None };
        let way = Arc::new(watch::Sender::new(way));
        let task = tokio::spawn(accept(listener, Arc::clone(&way)));
        Self { address, way, task }
    }

    /// The address to give to clients.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Leads to `target` from now on.
    pub fn aim(&self, target: Option<SocketAddr>) {
        self.way.send_modify(|way| way.target = target);
    }

    /// Lets nothing through in either direction, as when a cable is pulled:
    /// connections stay, new ones are not answered.
    pub fn cut(&self) {
        self.way.send_modify(|way| way.cut = true);
    }

    /// Lets everything through again, what is under way included.
    pub fn mend(&self) {
        self.way.send_modify(|way| way.cut = false);
    }

    /// Breaks all connections.
    pub fn break_all(&self) {
        self.way.send_modify(|way| way.age += 1);
    }

    /// Each new connection breaks after so many bytes of answers.
    pub fn break_after(&self, bytes: Option<usize>) {
        self.way.send_modify(|way| way.bytes_max = bytes);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
        self.break_all();
    }
}

async fn accept(listener: TcpListener, way: Arc<watch::Sender<Way>>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(pass(client, way.subscribe()));
    }
}

async fn pass(client: TcpStream, mut way: watch::Receiver<Way>) {
    let begun = way.borrow().clone();
    let broken = {
        let mut way = way.clone();
        async move { way.wait_for(|now| now.age != begun.age).await.is_ok() }
    };
    let both = async {
        let opened = way.wait_for(|now| !now.cut).await.ok()?.target?;
        let server = TcpStream::connect(opened).await.ok()?;
        let _slow = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // One side that is done ends both: half-open connections are not used.
        tokio::select! {
            () = copy(from_client, to_server, way.clone(), None) => {}
            () = copy(from_server, to_client, way, begun.bytes_max) => {}
        }
        Some(())
    };
    tokio::select! {
        _ = broken => {}
        _ = both => {}
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut way: watch::Receiver<Way>,
    bytes_max: Option<usize>,
) {
    let mut buffer = vec![0; 16 << 10];
    let mut left = bytes_max.unwrap_or(usize::MAX);
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if way.wait_for(|now| !now.cut).await.is_err() {
            return;
        }
        let count = count.min(left);
        left -= count;
        if to.write_all(&buffer[..count]).await.is_err() || left == 0 {
            return;
        }
    }
}
