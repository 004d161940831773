//! A response body that is written as it comes to be.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use http_body::Frame;
use parking_lot::Mutex;
use tessera_api::ApiError;
use tessera_store::BoxFuture;
use tessera_types::Problem;
use tessera_types::problem::Code;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Pieces between whoever writes and the connection.
const PIECES_MAX: usize = 8;

/// The reading end, which the server sends from.
pub(crate) struct StreamBody(mpsc::Receiver<Bytes>);

/// A body and the end to write it with.
pub(crate) fn stream() -> (mpsc::Sender<Bytes>, StreamBody) {
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    (sender, StreamBody(receiver))
}

/// A reader may take nothing for so long; it loses its place then. A person in front of
/// a pager may well look at one page for minutes.
const READ_WITHIN: Duration = Duration::from_secs(600);

/// Writes a piece; none when nothing is to follow: the reader is gone or has stopped
/// reading, or all stops.
pub(crate) async fn write(
    sender: &mpsc::Sender<Bytes>,
    stopping: &CancellationToken,
    piece: Bytes,
) -> Option<()> {
    write_within(READ_WITHIN, sender, stopping, piece).await
}

async fn write_within(
    within: Duration,
    sender: &mpsc::Sender<Bytes>,
    stopping: &CancellationToken,
    piece: Bytes,
) -> Option<()> {
    tokio::select! {
        biased;
        sent = sender.send_timeout(piece, within) => sent.ok(),
        () = stopping.cancelled() => None,
    }
}

impl http_body::Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// A body that is one piece, which comes later; none comes where it is broken off.
pub(crate) fn later<E: std::error::Error + Send + Sync + 'static>(
    piece: impl Future<Output = Result<Bytes, E>> + Send + 'static,
) -> dropshot::Body {
    dropshot::Body::wrap(LaterBody { piece: Some(Mutex::new(Box::pin(piece))) })
}

/// A body that is one piece.
struct LaterBody<E> {
    /// None once it has come. Bodies have to be shared between threads, futures cannot be;
    /// nobody else ever locks it.
    piece: Option<Mutex<BoxFuture<'static, Result<Bytes, E>>>>,
}

impl<E> http_body::Body for LaterBody<E> {
    type Data = Bytes;
    type Error = E;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        let Some(piece) = &mut self.piece else { return Poll::Ready(None) };
        let came = ready!(piece.get_mut().as_mut().poll(context));
        self.piece = None;
        Poll::Ready(Some(came.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_none()
    }
}

/// An answer with this body.
pub(crate) fn respond(
    content_type: &str,
    body: dropshot::Body,
) -> Result<Response<dropshot::Body>, ApiError> {
    Response::builder()
        .header(http::header::CONTENT_TYPE, content_type)
        .header(http::header::CACHE_CONTROL, "no-store")
        .body(body)
        .map_err(|error| Problem::new(Code::Internal, error.to_string()).into())
}

/// When to try again what was refused because too many do it, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// The refusal of a stream where too many are open.
pub(crate) fn busy(detail: &str) -> Result<Response<dropshot::Body>, ApiError> {
    let problem = Problem::new(Code::TooManyRequests, detail).remedy("close some, or try again");
    let text = serde_json::to_string(&problem)
        .map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
    let mut response = respond("application/json", text.into())?;
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    response.headers_mut().insert(http::header::RETRY_AFTER, RETRY_AFTER);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_that_stops_reading_is_waited_for_with_a_bound_and_not_when_all_stops() {
        let (sender, body) = stream();
        let stopping = CancellationToken::new();
        let piece = || Bytes::from_static(b"x");
        for _ in 0..PIECES_MAX {
            assert!(write(&sender, &stopping, piece()).await.is_some());
        }
        let soon = Duration::from_millis(5);
        assert!(write_within(soon, &sender, &stopping, piece()).await.is_none());
        stopping.cancel();
        assert!(write(&sender, &stopping, piece()).await.is_none());
        drop(body);
    }
}
