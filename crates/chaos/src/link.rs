//! A way between two programs that can be broken in every fashion that TCP knows.
//!
//! The one idea: its address stays the same while the program behind it comes and goes, and
//! neither side can tell it from a network.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How the way is at present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Everything passes.
    #[default]
    Open,
    /// Nothing passes, and nobody is told.
    Stalled,
    /// What is asked arrives, what is answered does not.
    NoAnswers,
    /// Everything passes so much later.
    Delayed(Duration),
}

#[derive(Clone, Debug, Default)]
struct State {
    target: Option<SocketAddr>,
    mode: Mode,
    /// Connections of an earlier age are reset.
    age: u64,
    /// Connections of an earlier one have their asking side closed.
    half_age: u64,
}

/// A way that can be broken.
#[derive(Debug)]
pub(crate) struct Link {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    task: JoinHandle<()>,
}

impl Link {
    /// A way to nowhere.
    pub(crate) async fn open() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(watch::Sender::new(State::default()));
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self { address, state, task })
    }

    /// The address for clients.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it leads from now on.
    pub(crate) fn aim(&self, target: Option<SocketAddr>) {
        self.state.send_modify(|state| state.target = target);
    }

    /// How it is from now on, for connections that are open, too.
    pub(crate) fn set(&self, mode: Mode) {
        self.state.send_modify(|state| state.mode = mode);
    }

    /// Resets all connections.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.age += 1);
    }

    /// Closes the asking side of all connections.
    pub(crate) fn half_close(&self) {
        self.state.send_modify(|state| state.half_age += 1);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, state: Arc<watch::Sender<State>>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(pass(client, state.subscribe()));
    }
}

/// Who asks, or who answers.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Asking,
    Answering,
}

async fn pass(client: TcpStream, mut state: watch::Receiver<State>) {
    let begun = state.borrow().clone();
    let mut breaking = state.clone();
    let broken = async move { breaking.wait_for(|now| now.age != begun.age).await.is_ok() };
    tokio::pin!(broken);
    let target = tokio::select! {
        _ = &mut broken => None,
        now = state.wait_for(|now| now.mode != Mode::Stalled) => now.ok().and_then(|now| now.target),
    };
    let Some(target) = target else { return reset(client) };
    let Ok(server) = TcpStream::connect(target).await else { return reset(client) };
    let _slow = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let asking = copy(from_client, to_server, state.clone(), Side::Asking);
    let answering = copy(from_server, to_client, state, Side::Answering);
    let both = async { tokio::join!(asking, answering) };
    tokio::select! {
        // Both streams are dropped with the future, with what is unread: that resets them.
        _ = broken => {}
        _ = both => {}
    }
}

fn reset(client: TcpStream) {
    let _unconnected = client.set_zero_linger();
    drop(client);
}

/// Passes on what comes, until it ends; then says so to the other side.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    side: Side,
) {
    let mut closing = state.clone();
    let half_age = closing.borrow_and_update().half_age;
    let half = async move {
        let closed =
            side == Side::Asking && closing.wait_for(|now| now.half_age != half_age).await.is_ok();
        if !closed {
            std::future::pending::<()>().await;
        }
    };
    tokio::pin!(half);
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = tokio::select! {
            () = &mut half => break,
            read = from.read(&mut buffer) => read,
        };
        let Ok(count @ 1..) = read else { break };
        let passes = |now: &State| match now.mode {
            Mode::Stalled => false,
            Mode::NoAnswers => side == Side::Asking,
            Mode::Open | Mode::Delayed(_) => true,
        };
        let mode = match state.wait_for(passes).await {
            Ok(now) => now.mode,
            Err(_) => return,
        };
        if let Mode::Delayed(by) = mode {
            tokio::time::sleep(by).await;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    let _gone = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that says back what it hears, and a way to it.
    async fn echo() -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = Link::open().await.unwrap();
        link.aim(Some(listener.local_addr().unwrap()));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ended = tokio::io::copy(&mut from, &mut to).await;
                    let _told = to.shutdown().await;
                });
            }
        });
        link
    }

    async fn say(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<()> {
        stream.write_all(text).await?;
        let mut heard = vec![0; text.len()];
        stream.read_exact(&mut heard).await?;
        assert_eq!(heard, text);
        Ok(())
    }

    #[tokio::test]
    async fn what_is_stalled_passes_later_and_what_is_cut_never() {
        let link = echo().await;
        let mut stream = TcpStream::connect(link.address).await.unwrap();
        say(&mut stream, b"one").await.unwrap();
        link.set(Mode::NoAnswers);
        stream.write_all(b"two").await.unwrap();
        link.set(Mode::Stalled);
        link.set(Mode::Open);
        let mut heard = [0; 3];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"two");
        link.cut();
        assert!(say(&mut stream, b"three").await.is_err());
        let mut stream = TcpStream::connect(link.address).await.unwrap();
        say(&mut stream, b"four").await.unwrap();
    }

    #[tokio::test]
    async fn who_has_asked_enough_still_hears_the_answer() {
        let link = echo().await;
        let mut stream = TcpStream::connect(link.address).await.unwrap();
        say(&mut stream, b"one").await.unwrap();
        link.half_close();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty());
    }
}
