//! A response body that is written as it comes to be.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use http_body::Frame;
use tessera_api::ApiError;
use tessera_types::Problem;
use tessera_types::problem::Code;
use tokio::sync::mpsc;

/// Pieces between whoever writes and the connection.
const PIECES_MAX: usize = 8;

/// The reading end, which the server sends from.
pub(crate) struct StreamBody(mpsc::Receiver<Bytes>);

/// A body and the end to write it with.
pub(crate) fn stream() -> (mpsc::Sender<Bytes>, StreamBody) {
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    (sender, StreamBody(receiver))
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
