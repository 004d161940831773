//! What can go wrong with a call, for people and for exit codes.

use std::future::Future;

use progenitor_client::ResponseValue;
use tessera_types::Problem;

/// Why a call has no answer, or not the wished one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be one of a control plane.
    #[error("`{url}` is not the address of a control plane: {why}")]
    Url {
        /// The address.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody answered, or the connection broke.
    #[error("the control plane cannot be reached: {0}")]
    Unreachable(String),
    /// The control plane refused the request.
    #[error(transparent)]
    Refused(Box<Problem>),
    /// Something answered that is not a control plane of this version.
    #[error("the answer is not a control plane's: {0}")]
    Protocol(String),
}

impl Error {
    /// The problem that the control plane answered with, if it did.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            _ => None,
        }
    }

    pub(crate) fn transport(error: &reqwest::Error) -> Self {
        // The innermost cause says what happened ("Connection refused"); the
        // layers above repeat the address.
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let at = error.url().map(|url| format!("{}: ", origin(url))).unwrap_or_default();
        if error.is_timeout() {
            return Self::Unreachable(format!("{at}no answer in time"));
        }
        if error.is_decode() {
            return Self::Protocol(cause.to_string());
        }
        Self::Unreachable(format!("{at}{cause}"))
    }

    /// What broke a body that was being read as it came: the connection, however
    /// the client library calls it.
    pub(crate) fn cut_off(error: &reqwest::Error) -> Self {
        match Self::transport(error) {
            Self::Protocol(cause) => Self::Unreachable(cause),
            other => other,
        }
    }
}

fn origin(url: &reqwest::Url) -> String {
    url.origin().ascii_serialization()
}

/// The value of a call of the generated client.
///
/// # Errors
/// [`Error`], by what went wrong.
pub async fn call<T>(
    call: impl Future<Output = Result<ResponseValue<T>, progenitor_client::Error<Problem>>>,
) -> Result<T, Error> {
    match call.await {
        Ok(response) => Ok(response.into_inner()),
        Err(error) => Err(of(error).await),
    }
}

async fn of(error: progenitor_client::Error<Problem>) -> Error {
    use progenitor_client::Error as Generated;
    match error {
        Generated::ErrorResponse(response) => {
            let id = request_id(response.headers());
            Error::Refused(Box::new(Problem { request_id: id, ..response.into_inner() }))
        }
        Generated::CommunicationError(error) | Generated::InvalidUpgrade(error) => {
            Error::transport(&error)
        }
        // The body is read before it is decoded.
        Generated::ResponseBodyError(error) => Error::cut_off(&error),
        Generated::UnexpectedResponse(response) => of_response(response).await,
        Generated::InvalidResponsePayload(_, error) => Error::Protocol(error.to_string()),
        Generated::InvalidRequest(why) | Generated::Custom(why) => Error::Protocol(why),
    }
}

/// The error in an answer that the document does not list: a problem document,
/// or what some other server says.
pub(crate) async fn of_response(response: reqwest::Response) -> Error {
    let status = response.status();
    let id = request_id(response.headers());
    match response.json::<Problem>().await {
        Ok(problem) => Error::Refused(Box::new(Problem { request_id: id, ..problem })),
        Err(_) => Error::Protocol(format!("HTTP status {status}")),
    }
}

/// The id under which the server's log has the details.
fn request_id(headers: &reqwest::header::HeaderMap) -> Option<String> {
    headers.get("x-request-id")?.to_str().ok().map(str::to_owned)
}
