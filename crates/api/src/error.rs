//! How a [`Problem`] becomes an HTTP answer, and how Dropshot's own errors
//! become problems.

use std::fmt;

use dropshot::{ErrorStatusCode, HttpError, HttpResponseError};
use schemars::JsonSchema;
use serde::Serialize;
use tessera_types::Problem;
use tessera_types::problem::Code;

/// The answer to a request that failed.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct ApiError(Box<Problem>);

impl ApiError {
    /// The problem that is answered.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.0
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.detail)
    }
}

impl HttpResponseError for ApiError {
    fn status_code(&self) -> ErrorStatusCode {
        ErrorStatusCode::from_u16(self.0.status).unwrap_or(ErrorStatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// How Dropshot begins to say, with status 400, that a body is too large.
const TOO_LARGE: &str = "request body exceeded maximum size";

impl From<HttpError> for ApiError {
    /// Dropshot refuses a request (broken JSON, a bad parameter, a body that is
    /// too large) before a handler sees it. What it says to outsiders becomes
    /// the detail; what it says to insiders goes to the log with the request.
    fn from(error: HttpError) -> Self {
        let is_too_large = error.external_message.starts_with(TOO_LARGE);
        let code = match error.status_code.as_u16() {
            400 if is_too_large => Code::TooLarge,
            404 | 405 => Code::NoSuchRoute,
            413 => Code::TooLarge,
            503 => Code::Unavailable,
            status if status < 500 => Code::InvalidRequest,
            _ => Code::Internal,
        };
        Self::from(Problem::new(code, error.external_message))
    }
}
